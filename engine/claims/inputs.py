"""Inputs: files and folders, in a fixed order, opened by their kind."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.claims.code_tables import CodeTables
from engine.claims.column_map import ColumnMap, first_present
from engine.claims.source import Source
from grouper.fault import Text, UserError
from grouper.nearest import near_names

TEXT_FILES = (".csv", ".txt", ".tsv")
DATA_FILES = (".parquet", *TEXT_FILES, ".xlsx")


def data_files(inputs: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Return the data files of inputs, sorted, and other files in folders; hidden and "_" files are skipped.

    Raises UserError naming every input that does not exist, is empty of data files or of an unknown kind.
    """
    files: dict[Path, Path] = {}
    ignored: set[Path] = set()
    faults = []
    for path in inputs:
        if path.is_dir():
            inside = [file for file in path.rglob("*") if file.is_file() and not _hidden(file, path)]
            found = {file for file in inside if file.suffix.lower() in DATA_FILES}
            ignored |= set(inside) - found
            files |= {file.resolve(): file for file in found}
            if not found:
                faults.append(
                    Text(
                        f"{path}：文件夹中没有 Parquet、CSV 或 Excel 文件",
                        f"{path}: no Parquet, CSV or Excel file in the folder",
                    )
                )
        elif not path.exists():
            siblings = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
            near = near_names(path.name, siblings)
            faults.append(Text(f"{path}：文件不存在{near.zh}", f"{path}: no such file{near.en}"))
        elif path.suffix.lower() not in DATA_FILES:
            known = ", ".join(DATA_FILES)
            faults.append(
                Text(f"{path}：不支持的文件类型；可读 {known}", f"{path}: unknown kind of file; read are {known}")
            )
        else:
            files[path.resolve()] = path
    if faults:
        raise UserError(faults)
    return sorted(files.values()), sorted(ignored)


def _hidden(file: Path, folder: Path) -> bool:
    return any(part.startswith((".", "_", "~$")) for part in file.relative_to(folder).parts)


def open_sources(files: Sequence[Path], column_map: ColumnMap) -> list[Source]:
    """Open claims files by their kind; raises UserError with the fault of every file that cannot be read."""
    sources: list[Source] = []
    faults: list[Text] = []
    for index, path in enumerate(files):
        try:
            sources.append(open_source(path, index, column_map, column_map.sheet, [column_map.sources("case_id")]))
        except UserError as error:
            faults.extend(error.faults)
    if faults:
        raise UserError(faults)
    return sources


def open_tables(paths: Mapping[str, Path | None], column_map: ColumnMap, needed: Sequence[str]) -> list[CodeTables]:
    """Open the code tables a run was given, of those kinds of code that the task needs."""
    tables = []
    for name, path in paths.items():
        if path is None or name not in needed:
            continue
        table = column_map.codes(name).table
        if table is None:
            raise UserError(
                Text(
                    f"该列映射没有 [{name}.table]，无法读取 {path}",
                    f"the column map has no [{name}.table] to read {path} with",
                )
            )
        files, _ = data_files([path])
        wanted = [table.case_id, table.code]
        sources = [open_source(file, index, column_map, table.sheet, wanted) for index, file in enumerate(files)]
        tables.append(CodeTables(name, sources, table, column_map))
    return tables


def open_source(
    path: Path, index: int, column_map: ColumnMap, sheet: str | None, wanted: Sequence[Sequence[str]]
) -> Source:
    """Open one table. `wanted` finds the sheet of a workbook: of each group of names one must be in its header."""
    if path.suffix.lower() == ".parquet":
        from engine.claims.parquet import ParquetSource

        return ParquetSource(path, index)
    if path.suffix.lower() == ".xlsx":
        from engine.claims.workbook import WorkbookSheet

        def fits(header: Sequence[str]) -> bool:
            return all(first_present(names, header) is not None for names in wanted)

        return WorkbookSheet(path, index, header=column_map.header, sheet=sheet, wanted=fits)
    from engine.claims.text_file import TextFile

    return TextFile(path, index, header=column_map.header, encoding=column_map.encoding, separator=column_map.separator)
