"""Import a city's directory in the style of 1.0 or 2.0 from Excel, by a column map (docs/dip.md)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field as Key

from grouper.dip.directory import LAYOUT, DirectoryHead, load_directory
from grouper.dip.workbook_import import Import, write_imported
from grouper.fault import Text, UserError
from grouper.nearest import near_names
from grouper.scheme.pack_writing import refuse_occupied
from grouper.scheme.settings import Strict, read_toml, validated
from grouper.scheme.tables import Row, Tables
from grouper.scheme.workbook_sheets import Layout, Workbook

_NUMBERS = ("score", "mean_cost")
_NOTHING = ("-", "—", "/", "无")
_COLUMNS = LAYOUT.columns["groups"]


class DirectoryMap(Strict):
    """What a column map says.

    `columns`: the header of each column of groups.csv that the sheet has; `words`: by column, what a cell says and
    what is meant; `scheme`: scheme.toml of the directory, its `base` giving the tables that the sheet has not.
    """

    sheet: str
    columns: dict[str, str]
    words: dict[str, dict[str, str]] = Key(default_factory=dict)
    scheme: dict[str, Any]


def import_mapped(path: Path, folder: Path, map_path: Path) -> Import:
    """Read a sheet by a column map and write it as the pack `folder`, whole or not at all.

    A row without a code gets one from its diagnosis and procedures. Raises UserError with every fault.
    """
    refuse_occupied(folder)
    column_map, head = _read_map(map_path)
    workbook = Workbook(path)
    layout = Layout(column_map.sheet, {name: (header,) for name, header in column_map.columns.items()})
    groups: dict[str, Row] = {}
    for row in workbook.rows(layout):
        cells = dict.fromkeys(_COLUMNS, "") | _meant(row.values, column_map.words)
        procedures = cells["main_procedure"] or cells["procedures"] or cells["class"]
        cells["code"] = cells["code"] or f"{cells['main_diagnosis']}:{procedures}".rstrip(":")
        if cells["code"] in groups:
            first = groups[cells["code"]].line
            code = cells["code"]
            workbook.faults.append(row.fault("code", f"“{code}”与第{first}行重复", f"{code!r} repeats row {first}"))
        groups[cells["code"]] = Row(row.file, row.line, cells)
    tables: Tables = {name: {} for name in LAYOUT.columns} | {"groups": groups}
    if head.base is not None:
        tables = dict(load_directory(head.base).tables) | {"groups": groups}
    return write_imported(workbook, folder, head, tables)


def _meant(cells: Mapping[str, str], words: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return the cells of a row as groups.csv has them."""
    meant = {}
    for column, cell in cells.items():
        plain = cell.replace(",", "") if column in _NUMBERS else cell
        meant[column] = words.get(column, {}).get(cell, "" if plain in _NOTHING else plain)
    return meant


def _read_map(path: Path) -> tuple[DirectoryMap, DirectoryHead]:
    column_map = validated(path, DirectoryMap, read_toml(path))
    head = validated(path, DirectoryHead, {"kind": "dip"} | column_map.scheme)
    faults = []
    for table, named in (("columns", column_map.columns), ("words", column_map.words)):
        for name in named:
            if name not in _COLUMNS:
                near = near_names(name, _COLUMNS)
                faults.append(
                    Text(
                        f"{path} {table}.{name}：groups.csv 没有此列{near.zh}",
                        f"{path} {table}.{name}: groups.csv has no such column{near.en}",
                    )
                )
    if faults:
        raise UserError(faults)
    return column_map, head
