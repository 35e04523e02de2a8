"""A scheme pack as raw tables: read the CSV files, apply the changes of amendments and overlays, find faults.

Nothing here knows what a rule means; `pack` gives the tables their meaning.
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from grouper.fault import Text

COLUMNS: dict[str, tuple[str, ...]] = {
    "mdc": ("order", "code", "name", "rule"),
    "adrg": ("mdc", "order", "code", "name", "rule"),
    "drg": ("adrg", "order", "code", "name", "rule"),
    "sets": ("set", "codes"),
    "complications": ("code", "level", "exclusion"),
    "exclusions": ("table", "codes"),
    "not_grouped_diagnosis": ("code",),
    "not_grouped_procedure": ("code",),
}
"""Tables of a pack and their columns: the official workbook's six sheets, and the codes not to be grouped."""
OPTIONAL = ("not_grouped_diagnosis", "not_grouped_procedure")
KEYS = {"sets": "set", "exclusions": "table"}
"""Key column of a table where it is not `code`."""


class Row(NamedTuple):
    """One row of a table and where it stands."""

    file: Path
    line: int
    values: dict[str, str]

    def fault(self, column: str, zh: str, en: str) -> Text:
        """Return a fault that names this row's file, line and a column."""
        return Text(f"{self.file} 第{self.line}行 {column}列：{zh}", f"{self.file} line {self.line}, {column}: {en}")


# A set of all procedures fills a cell of more than the csv module's 131,072 characters.
csv.field_size_limit(1 << 30)

Table = dict[str, Row]
"""Rows of one table by key, in file order."""
Tables = dict[str, Table]


class Change(NamedTuple):
    """One amendment: what was done to which row, and why."""

    table: str
    action: str
    row: Row
    reason: str


def read_tables(folder: Path, faults: list[Text]) -> Tables:
    """Read the tables of a pack folder. Faults are added to the list; the result then is what could be read."""
    tables: Tables = {}
    for name, columns in COLUMNS.items():
        path = folder / f"{name}.csv"
        tables[name] = {}
        if not path.is_file():
            if name not in OPTIONAL:
                faults.append(Text(f"{path}：缺少此文件", f"{path}: this file is missing"))
            continue
        for row in _rows(path, columns, faults):
            key = row.values[KEYS.get(name, "code")]
            if key in tables[name]:
                first = tables[name][key].line
                faults.append(
                    row.fault(KEYS.get(name, "code"), f"“{key}”与第{first}行重复", f"{key!r} repeats line {first}")
                )
            tables[name][key] = row
    return tables


def apply_changes(folder: Path, tables: Tables, faults: list[Text]) -> tuple[Change, ...]:
    """Apply every <table>.changes.csv of the folder to `tables` in place and return the changes, in file order."""
    changes = []
    for name, columns in COLUMNS.items():
        path = folder / f"{name}.changes.csv"
        if path.is_file():
            for row in _rows(path, ("action", *columns, "reason"), faults):
                change = Change(name, row.values["action"], row, row.values["reason"])
                fault = _apply(change, tables[name])
                if fault is not None:
                    faults.append(fault)
                changes.append(change)
    return tuple(changes)


def _rows(path: Path, columns: tuple[str, ...], faults: list[Text]) -> Iterator[Row]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        faults.append(Text(f"{path}：第{error.start}字节不是 UTF-8", f"{path}: byte {error.start} is not UTF-8"))
        return
    reader = csv.DictReader(io.StringIO(text, newline=""))
    found = tuple(reader.fieldnames or ())
    missing = [column for column in columns if column not in found]
    if missing:
        faults.append(
            Text(
                f"{path}：缺少列 {'、'.join(missing)}；应有 {'、'.join(columns)}",
                f"{path}: no column {', '.join(missing)}; expected {', '.join(columns)}",
            )
        )
        return
    for values in reader:
        row = Row(path, reader.line_num, {column: (values[column] or "").strip() for column in columns})
        if None in values or None in values.values():
            faults.append(row.fault("*", f"应有{len(found)}个单元格", f"expected {len(found)} cells"))
        else:
            yield row


def _apply(change: Change, table: Table) -> Text | None:
    """Apply one change to its table; return a fault where there is nothing to change, or nothing to say why."""
    name, action, row, reason = change
    key_column = KEYS.get(name, "code")
    key = row.values[key_column]
    if not reason:
        return row.fault("reason", "每项更改都要写明原因", "each change needs its reason")
    if action not in {"add", "change", "remove"}:
        return row.fault(
            "action", f"“{action}”应为 add、change 或 remove", f"{action!r} should be add, change or remove"
        )
    if "codes" in COLUMNS[name]:
        return _apply_codes(change, table, key)
    if action == "add" and key in table:
        return row.fault(key_column, f"“{key}”已存在", f"{key!r} is there already")
    if action != "add" and key not in table:
        return row.fault(key_column, f"没有“{key}”可供更改", f"there is no {key!r} to {action}")
    if action == "remove":
        del table[key]
    else:
        table[key] = Row(row.file, row.line, {column: row.values[column] for column in COLUMNS[name]})
    return None


def _apply_codes(change: Change, table: Table, key: str) -> Text | None:
    name, action, row, _ = change
    old = table[key].values["codes"].split() if key in table else []
    codes = row.values["codes"].split()
    if action == "change":
        return row.fault("action", "集合与排除表只能 add 或 remove", "codes of a set are added or removed, not changed")
    wrong = [code for code in codes if (code in old) == (action == "add")]
    if wrong:
        return row.fault(
            "codes",
            f"{'、'.join(wrong)} {'已在' if action == 'add' else '不在'} {key} 中",
            f"{', '.join(wrong)} {'already in' if action == 'add' else 'not in'} {key}",
        )
    new = [*old, *codes] if action == "add" else [code for code in old if code not in set(codes)]
    if new:
        table[key] = Row(row.file, row.line, {KEYS[name]: key, "codes": " ".join(new)})
    else:
        del table[key]
    return None
