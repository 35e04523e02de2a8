"""A scheme pack as raw tables: read the CSV files, apply the changes of amendments and overlays, find faults.

Nothing here knows what a rule means; `pack` gives the tables their meaning.
"""

import csv
import io
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from grouper.fault import Text
from grouper.nearest import near_names

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


@dataclass(frozen=True)
class Layout:
    """The tables of one kind of pack.

    `columns`: what each table may hold, `needed` of them what it must (None: all, and others are passed over).
    `optional`: tables that may be absent. `keys`: the columns that name a row, where that is not `code` alone.
    """

    columns: Mapping[str, tuple[str, ...]]
    optional: Collection[str]
    keys: Mapping[str, tuple[str, ...]]
    needed: Mapping[str, tuple[str, ...]] | None = None

    def key(self, name: str, row: "Row") -> str:
        """Return what names a row of a table."""
        return " ".join(row.values[column] for column in self.key_columns(name))

    def key_columns(self, name: str) -> tuple[str, ...]:
        """Return the columns that name a row of a table."""
        return self.keys.get(name, ("code",))


DRG_LAYOUT = Layout(COLUMNS, OPTIONAL, {name: (column,) for name, column in KEYS.items()})


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


def read_tables(folder: Path, faults: list[Text], layout: Layout = DRG_LAYOUT) -> Tables:
    """Read the tables of a pack folder. Faults are added to the list; the result then is what could be read."""
    tables: Tables = {}
    for name in layout.columns:
        path = folder / f"{name}.csv"
        tables[name] = {}
        if not path.is_file():
            if name not in layout.optional:
                faults.append(Text(f"{path}：缺少此文件", f"{path}: this file is missing"))
            continue
        for row in _rows(path, *_columns(layout, name), faults):
            key = layout.key(name, row)
            if key in tables[name]:
                first = tables[name][key].line
                column = " ".join(layout.key_columns(name))
                faults.append(row.fault(column, f"“{key}”与第{first}行重复", f"{key!r} repeats line {first}"))
            tables[name][key] = row
    return tables


def apply_changes(folder: Path, tables: Tables, faults: list[Text], layout: Layout = DRG_LAYOUT) -> tuple[Change, ...]:
    """Apply every <table>.changes.csv of the folder to `tables` in place and return the changes, in file order."""
    changes = []
    for name in layout.columns:
        path = folder / f"{name}.changes.csv"
        if path.is_file():
            columns, needed = _columns(layout, name)
            for row in _rows(path, ("action", *columns, "reason"), needed and ("action", *needed, "reason"), faults):
                change = Change(name, row.values["action"], row, row.values["reason"])
                fault = _apply(change, tables[name], layout)
                if fault is not None:
                    faults.append(fault)
                changes.append(change)
    return tuple(changes)


def _columns(layout: Layout, name: str) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    return layout.columns[name], None if layout.needed is None else layout.needed.get(name, layout.columns[name])


def _rows(path: Path, columns: tuple[str, ...], needed: tuple[str, ...] | None, faults: list[Text]) -> Iterator[Row]:
    """Yield the rows of a file. Without `needed` all columns must be there, and others are passed over."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        faults.append(Text(f"{path}：第{error.start}字节不是 UTF-8", f"{path}: byte {error.start} is not UTF-8"))
        return
    reader = csv.DictReader(io.StringIO(text, newline=""))
    found = tuple(reader.fieldnames or ())
    missing = [column for column in (columns if needed is None else needed) if column not in found]
    if missing:
        faults.append(
            Text(
                f"{path}：缺少列 {'、'.join(missing)}；应有 {'、'.join(columns)}",
                f"{path}: no column {', '.join(missing)}; expected {', '.join(columns)}",
            )
        )
        return
    unknown = [] if needed is None else [column for column in found if column not in columns]
    for column in unknown:
        near = near_names(column, columns)
        faults.append(Text(f"{path}：没有列“{column}”{near.zh}", f"{path}: there is no column {column!r}{near.en}"))
    for values in reader:
        row = Row(path, reader.line_num, {column: (values.get(column) or "").strip() for column in columns})
        if None in values or None in values.values():
            faults.append(row.fault("*", f"应有{len(found)}个单元格", f"expected {len(found)} cells"))
        else:
            yield row


def _apply(change: Change, table: Table, layout: Layout) -> Text | None:
    """Apply one change to its table; return a fault where there is nothing to change, or nothing to say why."""
    name, action, row, reason = change
    key, key_column = layout.key(name, row), " ".join(layout.key_columns(name))
    if not reason:
        return row.fault("reason", "每项更改都要写明原因", "each change needs its reason")
    if action not in {"add", "change", "remove"}:
        return row.fault(
            "action", f"“{action}”应为 add、change 或 remove", f"{action!r} should be add, change or remove"
        )
    if "codes" in layout.columns[name]:
        return _apply_codes(change, table, key)
    if action == "add" and key in table:
        return row.fault(key_column, f"“{key}”已存在", f"{key!r} is there already")
    if action != "add" and key not in table:
        return row.fault(key_column, f"没有“{key}”可供更改", f"there is no {key!r} to {action}")
    if action == "remove":
        del table[key]
    else:
        table[key] = Row(row.file, row.line, {column: row.values[column] for column in layout.columns[name]})
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
