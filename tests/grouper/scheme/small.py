"""A small scheme whose every row a test can see, written as a pack."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

Rows = Sequence[tuple[str, ...]]

HEAD = """
id = "small"
name = { zh = "小方案", en = "Small" }
version = "1"
valid = { from = "2026-01-01" }
document = "none"
compiled = "For tests."
newborn_weight = "birth_weight"
required = ["sex"]
diagnosis_codes = "icd10-insurance-2.0"
procedure_codes = "icd9cm3-insurance-2.0"
"""
SMALL: Mapping[str, Rows] = {
    "mdc": [("1", "MDCA", "先期", ""), ("2", "MDCB", "神经", "ZYZD in DI_B00"), ("3", "MDCC", "眼", "ZYZD in DI_C00")],
    "adrg": [
        ("MDCA", "1", "AA1", "心脏移植", "ZYSS in OP_AA1"),
        ("MDCB", "1", "BB1", "开颅", "ZYSS in OP_BB1"),
        ("MDCB", "2", "BQY", "", "ZYSS in OP_ALL"),
        ("MDCB", "3", "BR1", "脑膜炎", "ZYZD in DI_BR1"),
        ("MDCB", "4", "BR2", "链球菌", "ZYZD in DI_BR2"),
        ("MDCB", "9", "B00", "", ""),
        ("MDCC", "1", "CZ1", "白内障", "ZYZD in DI_C00"),
    ],
    "drg": [
        ("AA1", "1", "AA19", "心脏移植", ""),
        ("BB1", "1", "BB11", "开颅，伴严重", "QTZD in MCC"),
        ("BB1", "2", "BB15", "开颅，不伴", ""),
        ("BQY", "1", "BQY", "", ""),
        ("BR1", "1", "BR19", "脑膜炎", ""),
        ("BR2", "1", "BR29", "链球菌", ""),
        ("B00", "1", "B000", "", ""),
        ("CZ1", "1", "CZ19", "白内障", ""),
    ],
    "sets": [
        ("DI_B00", "G00.000 G00.100 G00.200"),
        ("DI_BR1", "G00.000 G00.100"),
        ("DI_BR2", "G00.200"),
        ("DI_C00", "H25.000 H25.100"),
        ("OP_AA1", "37.5100"),
        ("OP_BB1", "01.2400"),
        ("OP_ALL", "01.2300 01.2400 37.5100"),
    ],
    "complications": [("G00.300", "MCC", "EX_1"), ("I10.x00", "CC", "无")],
    "exclusions": [("EX_1", "G00.000 G00.100")],
}
COLUMNS = {
    "mdc": "order,code,name,rule",
    "adrg": "mdc,order,code,name,rule",
    "drg": "adrg,order,code,name,rule",
    "sets": "set,codes",
    "complications": "code,level,exclusion",
    "exclusions": "table,codes",
    "not_grouped_diagnosis": "code",
    "not_grouped_procedure": "code",
}


def write_pack(folder: Path, **tables: Rows) -> Path:
    """Write the small scheme as a pack; `tables` replace its tables."""
    return write_tables(folder, HEAD, {**SMALL, **tables})


def write_overlay(folder: Path, base: str, **changes: Rows) -> Path:
    """Write an overlay on a pack beside it; rows are (action, columns …, reason)."""
    return write_tables(folder, HEAD.replace('"small"', f'"{folder.name}"') + f'base = "{base}"\n', changes, ".changes")


def write_tables(folder: Path, head: str, tables: Mapping[str, Rows], kind: str = "") -> Path:
    """Write scheme.toml and the given tables only."""
    folder.mkdir()
    (folder / "scheme.toml").write_text(head, encoding="utf-8")
    for name, rows in tables.items():
        columns = f"action,{COLUMNS[name]},reason" if kind else COLUMNS[name]
        with (folder / f"{name}{kind}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([columns.split(","), *rows])
    return folder


def replaced(table: str, key: str, row: tuple[str, ...]) -> Rows:
    """Return a table of the small scheme with the row that holds `key` replaced."""
    assert any(key in old for old in SMALL[table]), key
    return [row if key in old else old for old in SMALL[table]]
