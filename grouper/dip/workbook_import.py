"""Import the official workbook of DIP 3.0 as a directory.

The official layout has a sheet for each layer (一、先期分组; 二、并项规则下的核心病种; …) and for the lists. It is read
tolerantly: sheets by words of their names, columns by their headers, prose conditions by what they must say; what
cannot be read is left out and reported.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from grouper.dip.directory import ANY, LAYOUT, Directory, DirectoryHead, build, load_directory
from grouper.fault import UserError
from grouper.scheme.pack_writing import refuse_occupied, write_pack
from grouper.scheme.tables import Row, Tables
from grouper.scheme.workbook_sheets import Layout, Remark, SheetRow, Workbook

NATIONAL = "dip-3.0"
_GROUP_HEADERS = {
    "number": ("序号", "编号", "病种序号"),
    "main_diagnosis": ("主要诊断编码", "主要诊断代码", "主要诊断", "诊断编码", "诊断代码"),
    "main_procedure": (
        "主要手术操作编码",
        "主要手术操作代码",
        "主要手术操作",
        "手术操作编码",
        "手术操作代码",
        "手术操作",
    ),
    "related_procedure": ("相关手术操作编码", "相关手术操作代码", "相关手术操作", "其他手术操作编码"),
    "other_diagnosis": ("其他诊断编码", "其他诊断代码", "其他诊断"),
    "condition": ("入组条件", "条件", "备注", "说明", "其他条件"),
    "name": ("病种名称", "名称"),
}
_ALL_BUT_DIAGNOSIS = frozenset(_GROUP_HEADERS) - {"main_diagnosis"}
_CODE_HEADERS = {
    "code": ("编码", "代码", "诊断编码", "诊断代码", "疾病编码", "手术操作编码", "手术操作代码", "主要诊断编码")
}
_LAYERS = {"先期分组": "XQ", "并项": "BX", "辅助": "FZ", "细分": "FZ", "基本规则": "JC"}
"""Words of the sheets of groups, and their layers."""
_PRIMARY_CARE, _RESISTANT = "基层", "耐药"
_NOT_GROUPED = re.compile(r"不.{0,12}诊断|诊断.{0,12}不")
_EXCLUDED = re.compile(r"(不|排除|规则).{0,12}手术操作|手术操作.{0,12}(不|排除|规则)")
_RULES = {"保守": "conservative", "不可作为主要": "not_main", "可作为主要": "main_within"}
"""Words of the rules of excluded procedures, the first that occurs."""
_DIAGNOSIS = re.compile(r"[A-Z]\d\d(?:\.[0-9xX][0-9A-Za-z.+*]*)?")
_KEY = re.compile(rf"([A-Z]\d\d)\s*[-－—~～至]\s*([A-Z]\d\d)|({_DIAGNOSIS.pattern})")
_PROCEDURE = re.compile(r"\d\d\.[0-9A-Za-z]+")
_DAYS = re.compile(r"天龄\s*[<＜]\s*(\d+)")
_WEIGHT = re.compile(r"体重\s*(\d+)\s*[-－—~～至]\s*(\d+)")


@dataclass
class _Book:
    """A workbook on its way into the tables of a directory."""

    workbook: Workbook
    tables: Tables = field(default_factory=lambda: {name: {} for name in LAYOUT.columns})

    def add(self, table: str, row: SheetRow, cells: Mapping[str, str | None]) -> None:
        """Add a row to a table of the pack, unless a cell of it, None, could not be read."""
        read = {name: cell for name, cell in cells.items() if cell is not None}
        if len(read) < len(cells):
            return
        values = dict.fromkeys(LAYOUT.columns[table], "") | read
        made = Row(row.file, row.line, values)
        key = LAYOUT.key(table, made)
        if key in self.tables[table]:
            first = self.tables[table][key].line
            self.workbook.faults.append(
                row.fault(
                    " ".join(LAYOUT.key_columns(table)), f"“{key}”与第{first}行重复", f"{key!r} repeats row {first}"
                )
            )
        self.tables[table][key] = made


class Import(NamedTuple):
    """What was read from a workbook: the directory as written, rows by sheet, every remark."""

    scheme: Directory
    rows: Mapping[str, int]
    remarks: tuple[Remark, ...]


def is_directory_workbook(path: Path) -> bool:
    """Whether a workbook has a sheet of a layer of DIP 3.0."""
    return any(word in name for name in Workbook(path).sheet_names for word in ("先期分组", "并项"))


def import_directory(path: Path, folder: Path, like: str | Path = NATIONAL) -> Import:
    """Read the official workbook of a directory and write it as the pack `folder`, whole or not at all.

    What no workbook says (order, switches, code lists, validity) is taken from the directory `like` and remarked. A
    cell that cannot be read leaves its row out, with a remark. Raises UserError where rows repeat or none can be read.
    """
    refuse_occupied(folder)
    model = load_directory(like)
    book = _Book(Workbook(path))
    for sheet in book.workbook.sheet_names:
        _read_sheet(book, sheet)
    for key in ("order", "switches", "valid", "diagnosis_codes", "procedure_codes"):
        book.workbook.remark("assumed", _ASSUMED, 0, "key", f"{key} = {getattr(model.head, key)}（{model.id}）")
    title = {"id": folder.name, "name": {"zh": folder.name, "en": folder.name}, "version": folder.name}
    origin = {"document": path.name, "compiled": f"Imported from {path.name}.", "base": None}
    head = DirectoryHead.model_validate(model.head.model_dump(by_alias=True) | title | origin)
    return write_imported(book.workbook, folder, head, book.tables)


_ASSUMED = Layout("scheme.toml", {"key": ("key",)})


def write_imported(workbook: Workbook, folder: Path, head: DirectoryHead, tables: Tables) -> Import:
    """Check what was read and write it, without what its base has. Raises UserError with every fault."""
    build(head, tables, (), workbook.faults)
    if workbook.faults:
        raise UserError(workbook.faults)
    own = tables if head.base is None else {"groups": tables["groups"]}
    write_pack(folder, head, own, LAYOUT)
    return Import(load_directory(folder), workbook.counts, tuple(workbook.remarks))


def _read_sheet(book: _Book, sheet: str) -> None:
    layer = next((layer for word, layer in _LAYERS.items() if word in sheet), None)
    if _PRIMARY_CARE in sheet:
        _read_primary_care(book, sheet)
    elif _RESISTANT in sheet:
        _read_resistant(book, sheet)
    elif layer is not None:
        _read_layer(book, sheet, layer)
    elif _EXCLUDED.search(sheet):
        _read_excluded(book, sheet)
    elif _NOT_GROUPED.search(sheet):
        for row in _coded(book, sheet, _DIAGNOSIS):
            book.add("not_grouped_diagnosis", row, {"code": row.values["code"]})
    else:
        book.workbook.remark("unread", Layout(sheet, {"sheet": ("工作表",)}), 0, "sheet", sheet)


def _read_layer(book: _Book, sheet: str, layer: str) -> None:
    layout = Layout(sheet, _GROUP_HEADERS, _ALL_BUT_DIAGNOSIS)
    rows = list(_filled_down(book, layout, book.workbook.rows(layout)))
    sets = {row.values["main_diagnosis"] for row in rows if layer == "FZ" and "+" in row.values["main_procedure"]}
    for number, row in enumerate(rows, start=1):
        said = row.values["condition"]
        cells: dict[str, str | None] = {
            "code": f"{layer}-{row.values['number'] or number}",
            "name": row.values["name"],
            "layer": layer,
        }
        cells |= _diagnoses(book, layout, row, "不限定为主要诊断" in said)
        is_set = row.values["main_diagnosis"] in sets or "不限定为主要手术操作" in said
        cells |= _procedures(book, layout, row, "procedures" if is_set else "main_procedure")
        if days := _DAYS.search(said):
            cells["age_days"] = f"0-{int(days[1]) - 1}"
        if weight := _WEIGHT.search(said):
            cells["birth_weight"] = f"{weight[1]}-{weight[2]}"
        if cells.get("any_diagnosis") and not row.values["main_procedure"]:
            cells["main_procedure"] = ANY
        if _RESISTANT in said:
            cells["marker"] = "!resistant" if re.search("耐药\\s*[=＝]\\s*否|无耐药|不含", said) else "resistant"
        book.add("groups", row, cells)


def _filled_down(book: _Book, layout: Layout, rows: Sequence[SheetRow]) -> Iterator[SheetRow]:
    """Yield the rows with main diagnoses, which merged cells leave blank, filled from the row above."""
    above = ""
    for row in rows:
        if not row.values["main_diagnosis"] and above:
            row.values["main_diagnosis"] = above
            book.workbook.remark("filled", layout, row.line, "main_diagnosis", above)
        above = row.values["main_diagnosis"]
        yield row


def _diagnoses(book: _Book, layout: Layout, row: SheetRow, anywhere: bool) -> dict[str, str | None]:
    cells: dict[str, str | None] = {}
    if "所有诊断" not in row.values["main_diagnosis"]:
        column = "any_diagnosis" if anywhere else "main_diagnosis"
        cells[column] = _keys(book, layout, row, "main_diagnosis")
    if row.values["other_diagnosis"]:
        cells["other_diagnosis"] = _keys(book, layout, row, "other_diagnosis")
    return cells


def _keys(book: _Book, layout: Layout, row: SheetRow, column: str) -> str | None:
    """Return a cell of diagnoses as keys, None where none can be read in it."""
    cell = row.values[column]
    keys = [whole or f"{first}-{last}" for first, last, whole in _KEY.findall(cell)]
    if not keys:
        book.workbook.remark("unread", layout, row.line, column, cell or "∅")
    return "|".join(keys) or None


def _procedures(book: _Book, layout: Layout, row: SheetRow, main: str) -> dict[str, str | None]:
    cells: dict[str, str | None] = {}
    for column, target in (("main_procedure", main), ("related_procedure", "related_procedure")):
        cell = row.values[column]
        if cell and not re.fullmatch("[-—/无]|保守治疗", cell):
            parts = ["|".join(_PROCEDURE.findall(part)) for part in re.split("[+＋]", cell)]
            if not all(parts):
                book.workbook.remark("unread", layout, row.line, column, cell)
            cells[target] = "+".join(parts) if all(parts) else None
    return cells


def _read_primary_care(book: _Book, sheet: str) -> None:
    layout = Layout(sheet, _GROUP_HEADERS, _ALL_BUT_DIAGNOSIS)
    for row in _filled_down(book, layout, book.workbook.rows(layout)):
        cells: dict[str, str | None] = {"main_diagnosis": _keys(book, layout, row, "main_diagnosis")}
        cells |= _procedures(book, layout, row, "main_procedure")
        book.add("primary_care", row, cells)


def _read_resistant(book: _Book, sheet: str) -> None:
    rows = list(_coded(book, sheet, _DIAGNOSIS))
    for row in rows:
        book.add("markers", row, {"marker": "resistant", "position": "main", "code": row.values["code"]})
    if rows:
        book.add("markers", rows[0], {"marker": "resistant", "position": "other", "code": "U84.300"})
        layout = Layout(sheet, _CODE_HEADERS)
        book.workbook.remark("assumed", layout, 0, "code", "U84.300（其他诊断；another diagnosis）")


def _read_excluded(book: _Book, sheet: str) -> None:
    headers = _CODE_HEADERS | {
        "rule": ("规则", "处理规则", "入组规则", "标识", "说明", "备注"),
        "scope": ("主要诊断范围", "范围", "主要诊断"),
    }
    layout = Layout(sheet, headers, frozenset({"scope"}))
    for row in _coded(book, sheet, _PROCEDURE, layout):
        rule = next((rule for word, rule in _RULES.items() if word in row.values["rule"]), None)
        scope = _keys(book, layout, row, "scope") if rule == "main_within" else ""
        if rule is None or scope is None:
            book.workbook.remark("unread", layout, row.line, "rule", row.values["rule"])
        else:
            book.add("excluded_procedure", row, {"code": row.values["code"], "rule": rule, "scope": scope})


def _coded(book: _Book, sheet: str, pattern: re.Pattern[str], layout: Layout | None = None) -> Iterator[SheetRow]:
    """Yield the rows of a list whose code can be read."""
    layout = layout or Layout(sheet, _CODE_HEADERS)
    for row in book.workbook.rows(layout):
        if pattern.fullmatch(row.values["code"]):
            yield row
        else:
            book.workbook.remark("unread", layout, row.line, "code", row.values["code"])
