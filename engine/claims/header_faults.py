"""Headers: everything that is wrong with the columns of the input files, said at once."""

from collections.abc import Iterable, Sequence

import pyarrow as pa

from engine.claims.canonical import BY_NAME
from engine.claims.cells import is_code_list, is_text
from engine.claims.column_map import CodeColumns, ColumnMap, Layout, load_map, locate, shipped_maps
from engine.claims.source import Source
from engine.claims.values import accepts
from grouper.fault import Text, UserError
from grouper.nearest import near_names


def check_columns(
    sources: Sequence[Source],
    layouts: Sequence[Layout],
    column_map: ColumnMap,
    required: Sequence[str],
    keep: Sequence[str],
) -> None:
    """Raise UserError naming each column that is missing, of an unreadable type, or not the same in all files."""
    faults: list[Text] = []
    for source, layout in zip(sources, layouts, strict=True):
        missing = [name for name in required if name not in layout.columns and name not in layout.codes]
        faults += [_missing(name, source, column_map) for name in missing]
        if missing:
            faults += _fitting_map(source, missing)
        faults += _repeated(source, layout, keep)
        for name, column in layout.columns.items():
            kind = source.columns[column]
            if not accepts(BY_NAME[name], kind):
                faults.append(_wrong_type(source, column, kind, BY_NAME[name].label))
        for name, codes in layout.codes.items():
            faults += _code_faults(source, name, codes)
    if not faults:
        faults = [*_mixed(sources, layouts), *_kept(sources, keep)]
    if faults:
        raise UserError(faults)


def _repeated(source: Source, layout: Layout, keep: Iterable[str]) -> list[Text]:
    used = {*layout.source_columns(), *keep}
    return [
        Text(f"{source.path}：列名 {name} 出现多次", f"{source.path}: the column name {name} occurs more than once")
        for name in sorted(used & source.repeated)
    ]


def _missing(name: str, source: Source, column_map: ColumnMap) -> Text:
    wanted = column_map.sources(name) or (name,)
    near = near_names(wanted[0], source.columns)
    label = BY_NAME[name].label
    titles = " / ".join(wanted)
    return Text(
        f"{source.path}：缺少列 {titles}（{label.zh}，标准列 {name}）{near.zh}",
        f"{source.path}: no column {titles} ({label.en}; canonical {name}){near.en}",
    )


def _fitting_map(source: Source, missing: Sequence[str]) -> list[Text]:
    """Name the shipped maps under which nothing would be missing."""
    fitting = []
    for name in shipped_maps():
        layout = locate(load_map(name), source.columns, missing)
        lists = [codes for codes in layout.codes.values() if _readable(source, codes)]
        if len(layout.columns) + len(lists) == len(missing):
            fitting.append(name)
    if not fitting:
        return []
    names = ", ".join(fitting)
    return [
        Text(
            f"{source.path}：列映射 {names} 适合该文件（--map）",
            f"{source.path}: the column map {names} would fit (--map)",
        )
    ]


def _readable(source: Source, codes: CodeColumns) -> bool:
    kinds = [source.columns[column] for column in codes.columns]
    if codes.single and is_code_list(kinds[0]):
        return True
    return (not codes.single or bool(codes.separators)) and all(_is_cell(kind) for kind in kinds)


def _is_cell(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return is_text(kind) or pa.types.is_null(kind)


def _code_faults(source: Source, name: str, codes: CodeColumns) -> list[Text]:
    if _readable(source, codes):
        return []
    kinds = [source.columns[column] for column in codes.columns]
    if codes.single and _is_cell(kinds[0]):
        column = codes.columns[0]
        fault = Text(
            f"{source.path}：列 {column} 是文本，不是编码列表；以分隔符连接的编码请用列映射 delimited（--map）",
            f"{source.path}: column {column} is text, not a list of codes; the column map delimited (--map) reads codes"
            " joined by a separator",
        )
        return [fault]
    return [
        _wrong_type(source, column, kind, BY_NAME[name].label)
        for column, kind in zip(codes.columns, kinds, strict=True)
        if not _is_cell(kind)
    ]


def _wrong_type(source: Source, column: str, kind: pa.DataType, label: Text) -> Text:
    return Text(
        f"{source.path}：列 {column}（{label.zh}）的类型 {kind} 无法读取",
        f"{source.path}: column {column} ({label.en}) has type {kind}, which cannot be read as such",
    )


def _mixed(sources: Sequence[Source], layouts: Sequence[Layout]) -> list[Text]:
    """Name the columns that only some files have: they would be half missing without a word."""
    faults = []
    present = [{*layout.columns, *layout.codes} for layout in layouts]
    for name in sorted(set().union(*present)):
        lacking = [source.path for source, names in zip(sources, present, strict=True) if name not in names]
        if lacking:
            having = next(source.path for source, names in zip(sources, present, strict=True) if name in names)
            faults.append(
                Text(
                    f"{lacking[0]}：没有列 {name}，而 {having} 有；各文件的列应一致",
                    f"{lacking[0]}: no column {name}, but {having} has it; all files must have the same columns",
                )
            )
    return faults


def _kept(sources: Sequence[Source], keep: Iterable[str]) -> list[Text]:
    """Kept columns go out as they are: they must exist everywhere, with one type."""
    faults = []
    for name in keep:
        kinds = {source.path: source.columns[name] for source in sources if name in source.columns}
        for source in sources:
            if name not in source.columns:
                near = near_names(name, source.columns)
                faults.append(
                    Text(
                        f"{source.path}：没有要保留的列 {name}{near.zh}",
                        f"{source.path}: no column {name} to keep{near.en}",
                    )
                )
        if len(set(kinds.values())) > 1:
            listed = ", ".join(f"{path}: {kind}" for path, kind in kinds.items())
            faults.append(
                Text(
                    f"要保留的列 {name} 在各文件中类型不同：{listed}",
                    f"column {name} to keep has several types: {listed}",
                )
            )
    return faults
