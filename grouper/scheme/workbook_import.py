"""Import the official workbook as a scheme pack.

The six sheets are those of 《按病组(DRG)付费3.0版分组方案配置信息》. An exported workbook has a seventh, 方案;
imported, it gives the same scheme again: the same tables, the same digest.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from grouper.codes import fold
from grouper.fault import Text, UserError
from grouper.scheme.pack import PACKS, Scheme, SchemeHead, build, load_scheme
from grouper.scheme.pack_writing import refuse_occupied, write_pack
from grouper.scheme.tables import DRG_LAYOUT, KEYS, OPTIONAL, Table, Tables, apply_changes, read_tables
from grouper.scheme.workbook_sheets import LAYOUTS, SCHEME_SHEET, Remark, SheetRow, Workbook, squeeze

NATIONAL = "chs-drg-3.0"
"""The shipped pack of the national workbook; what that workbook is known to lack is added to an import of it."""
_ASSUMED = ("valid", "newborn_weight", "required", "diagnosis_codes", "procedure_codes")
_MAY_BE_EMPTY = ("name", "rule")


@dataclass(frozen=True, slots=True)
class Import:
    """What was read from a workbook: the scheme as written, rows by sheet, every remark."""

    scheme: Scheme
    rows: Mapping[str, int]
    remarks: tuple[Remark, ...]


def import_workbook(path: Path, folder: Path, like: str | Path = NATIONAL) -> Import:
    """Read a workbook and write it as the pack `folder`, whole or not at all.

    What a workbook without the sheet 方案 does not say (required fields, which newborn weight, code lists, validity) is
    taken from the scheme `like` and remarked. Raises UserError with every fault: sheet, row, header, place in a rule.
    """
    refuse_occupied(folder)
    model, national = load_scheme(like), load_scheme(NATIONAL)
    book = Workbook(path)
    tables = {name: _table(book, name, model) for name in LAYOUTS}
    said = _said(book)
    for name in OPTIONAL:
        tables[name] = {code: SheetRow(path, 0, {"code": code}) for code in said.pop(name, ())}
    _raise(book.faults)
    is_national = not said and tables["drg"].keys() == national.tables["drg"].keys()
    head = _head(book, said, folder.name, national.head if is_national else model.head)
    amended = _amend(book, tables) if is_national else tables
    build(head, amended, (), book.faults)
    _raise(book.faults)
    amendments = [PACKS / NATIONAL / "exclusions.changes.csv"] if amended is not tables else []
    write_pack(folder, head, tables, DRG_LAYOUT, amendments)
    return Import(load_scheme(folder), book.counts, tuple(book.remarks))


def _raise(faults: list[Text]) -> None:
    if faults:
        raise UserError(faults)


def _table(book: Workbook, name: str, model: Scheme) -> Table:
    """Read a sheet as a table of a pack: codes spelled as in the code lists, the rows of a set gathered into one."""
    layout, key = LAYOUTS[name], KEYS.get(name, "code")
    rows = []
    for row in book.rows(layout):
        if re.fullmatch("0+", row.values[key]):
            book.remark("end_row", layout, row.line, key, row.values[key])
            continue
        for column, spell in _spellings(name, row, model).items():
            book.respell(layout, row, column, spell(row.values[column]))
        empty = [column for column, value in row.values.items() if not value and column not in _MAY_BE_EMPTY]
        book.faults.extend(row.fault(column, "为空", "is empty") for column in empty)
        rows.append(row)
    return _gathered(book, name, rows) if "codes" in layout.headers else _keyed(book, rows)


def _spellings(name: str, row: SheetRow, model: Scheme) -> dict[str, Callable[[str], str]]:
    """Return how the codes of a row are spelled, by column."""
    is_procedure = name == "sets" and row.values["set"].startswith("OP")
    official = model.procedure_codes.official if is_procedure else model.diagnosis_codes.official

    def icd(code: str) -> str:
        return official.get(fold(code)) or squeeze(code)

    def group(code: str) -> str:
        return squeeze(code).upper()

    spellings: dict[str, dict[str, Callable[[str], str]]] = {
        "mdc": {"code": group},
        "adrg": {"code": group, "mdc": group},
        "drg": {"code": group, "adrg": group},
        "sets": {"set": squeeze, "codes": icd},
        "complications": {"code": icd, "level": group, "exclusion": squeeze},
        "exclusions": {"table": squeeze, "codes": icd},
    }
    return spellings[name]


def _keyed(book: Workbook, rows: list[SheetRow]) -> Table:
    table: Table = {}
    for row in rows:
        code = row.values["code"]
        if code in table:
            first = table[code].line
            book.faults.append(row.fault("code", f"“{code}”与第{first}行重复", f"{code!r} repeats row {first}"))
        table[code] = row
    return table


def _gathered(book: Workbook, name: str, rows: list[SheetRow]) -> Table:
    first: dict[str, SheetRow] = {}
    codes: dict[str, list[str]] = {}
    seen: set[tuple[str, str]] = set()
    for row in rows:
        key, code = row.values[KEYS[name]], row.values["codes"]
        if (key, code) in seen:
            book.remark("repeated", LAYOUTS[name], row.line, "codes", f"{key} {code}")
        seen.add((key, code))
        first.setdefault(key, row)
        codes.setdefault(key, []).append(code)
    return {
        key: SheetRow(row.file, row.line, {KEYS[name]: key, "codes": " ".join(codes[key])})
        for key, row in first.items()
    }


def _said(book: Workbook) -> dict[str, list[str]]:
    """Return what the sheet 方案 says, by key; nothing where there is no such sheet."""
    said: dict[str, list[str]] = {}
    for row in book.rows(SCHEME_SHEET) if book.has(SCHEME_SHEET) else ():
        said.setdefault(row.values["key"], []).append(row.values["value"])
    return said


def _head(book: Workbook, said: Mapping[str, list[str]], name: str, model: SchemeHead) -> SchemeHead:
    """Return scheme.toml as the sheet 方案 says it; where there is none, as `model` has it, each value remarked."""
    if not said:
        for key in _ASSUMED:
            book.remark("assumed", SCHEME_SHEET, 0, "key", f"{key} = {getattr(model, key)}（{model.id}）")
        title = {"id": name, "name": {"zh": name, "en": name}, "version": name, "document": book.path.name}
        origin = {"compiled": f"Imported from {book.path.name}.", "base": None}
        return SchemeHead.model_validate(model.model_dump(by_alias=True) | title | origin)
    data: dict[str, Any] = {}
    for key, values in said.items():
        outer, _, inner = key.partition(".")
        if inner:
            data.setdefault(outer, {})[inner] = values[0]
        else:
            data[outer] = [field.strip() for field in values[0].split(",")] if outer == "required" else values[0]
    try:
        return SchemeHead.model_validate(data)
    except ValidationError as error:
        place = f"{book.path}/{SCHEME_SHEET.sheet}"
        faults = [(".".join(map(str, detail["loc"])), detail["msg"]) for detail in error.errors()]
        raise UserError([Text(f"{place} {key}：{why}", f"{place} {key}: {why}") for key, why in faults]) from error


def _amend(book: Workbook, tables: Tables) -> Tables:
    """Return the tables with the amendments of the national workbook, if it lacks exactly these; else the tables."""
    published = read_tables(PACKS / NATIONAL, [])["exclusions"]
    if _folded(tables["exclusions"]) != _folded(published):
        return tables
    amended = {name: dict(table) for name, table in tables.items()}
    for change in apply_changes(PACKS / NATIONAL, amended, book.faults):
        detail = f"{change.row.values['table']} {change.row.values['codes']}（{change.reason}）"
        book.remark("amendment", LAYOUTS["exclusions"], 0, "codes", detail)
    return amended


def _folded(table: Table) -> dict[str, set[str]]:
    return {key: set(map(fold, row.values["codes"].split())) for key, row in table.items()}
