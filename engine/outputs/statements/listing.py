"""A list on paper: title, header, one row a record, totals; frozen, filtered, its header repeated on every page."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import polars as pl
import xlsxwriter

from engine.outputs.statements.paper import FACTS, GREY, HEADER, RULE, SHADE, TITLE, WORDS, Paper, plain, write_text
from grouper.fault import Text

SHEET_ROWS = 1_000_000
"""Records of one sheet; a longer list goes on in another."""
_SLICE = 10_000
_EPOCH = 25_569
"""Excel's number of 1970-01-01."""


class Column(NamedTuple):
    """A column of a list: its name in the frame, heading, kind of figure (see paper.NUMBERS), width, and total.

    Money comes as whole fen and is shown in yuan.
    """

    name: str
    heading: Text
    kind: str = "text"
    width: float = 12
    total: bool = False


def write_list(paper: Paper, name: Text, title: str, facts: str, columns: Sequence[Column], rows: pl.DataFrame) -> None:
    """Write a list as a sheet, or as several where it is longer than one can be; the last has the totals."""
    parts = list(rows.iter_slices(SHEET_ROWS)) or [rows]
    for number, part in enumerate(parts, start=1):
        label = paper.say(name) if len(parts) == 1 else f"{paper.say(name)}{number}"
        sheet = paper.sheet(label)
        write_text(sheet, TITLE, 0, title, paper.style(bold=True, font_size=16))
        write_text(sheet, FACTS, 0, facts, paper.style(font_color=GREY))
        _head(paper, sheet, columns)
        end = _write_rows(sheet, columns, part)
        _finish(paper, sheet, columns, end)
        if number == len(parts):
            _write_totals(paper, sheet, columns, rows, end)


def _head(paper: Paper, sheet: xlsxwriter.worksheet.Worksheet, columns: Sequence[Column]) -> None:
    """Write the header, and give the columns their widths and formats."""
    for place, column in enumerate(columns):
        sheet.set_column(place, place, column.width, paper.style(column.kind, **_look(column)))
    sheet.set_row(HEADER, 30)
    for place, column in enumerate(columns):
        write_text(sheet, HEADER, place, paper.say(column.heading), paper.header_style())
    sheet.freeze_panes(HEADER + 1, 1)
    sheet.repeat_rows(HEADER)


def _look(column: Column) -> dict[str, Any]:
    return {"indent": 1} if column.kind in WORDS else {}


def _write_rows(sheet: xlsxwriter.worksheet.Worksheet, columns: Sequence[Column], rows: pl.DataFrame) -> int:
    """Write records below the header, in the formats of their columns, and return the row below the last."""
    writers = [
        (place, sheet.write_string if column.kind in WORDS else sheet.write_number)
        for place, column in enumerate(columns)
    ]
    at = HEADER + 1
    for part in rows.iter_slices(_SLICE):
        cells = [_cells(part[column.name], column.kind) for column in columns]
        for record in zip(*cells, strict=True):
            for (place, write), cell in zip(writers, record, strict=True):
                if cell is not None:
                    write(at, place, cell)
            at += 1
    return at


def _cells(values: pl.Series, kind: str) -> list[Any]:
    """Return a column's cells: text, or the numbers that Excel shows in the column's format."""
    if kind in WORDS:
        return [None if cell is None else plain(cell) for cell in values.cast(pl.String)]
    if kind == "date":
        return (values.cast(pl.Date).cast(pl.Int32) + _EPOCH).to_list()
    if kind == "money":
        return (values / 100).to_list()
    return values.cast(pl.Float64).to_list()


def _finish(paper: Paper, sheet: xlsxwriter.worksheet.Worksheet, columns: Sequence[Column], end: int) -> None:
    """Rule the table and let it be filtered; say so where it is empty."""
    last = len(columns) - 1
    if end == HEADER + 1:
        write_text(sheet, end, 0, paper.say(Text("无", "none")))
    ruled = paper.book.add_format({"border": 1, "border_color": RULE})
    sheet.conditional_format(HEADER + 1, 0, max(end, HEADER + 2), last, {"type": "no_errors", "format": ruled})
    sheet.autofilter(HEADER, 0, max(end - 1, HEADER + 1), last)


def _write_totals(
    paper: Paper, sheet: xlsxwriter.worksheet.Worksheet, columns: Sequence[Column], rows: pl.DataFrame, end: int
) -> None:
    """Write the totals below the last record: of amounts in fen, so exact."""
    if not rows.height or not any(column.total for column in columns):
        return
    look: dict[str, Any] = {"bold": True, "bg_color": SHADE}
    for place, column in enumerate(columns):
        if column.total:
            total = rows[column.name].cast(pl.Decimal(38, 8) if column.kind == "points" else pl.Int64).sum() or 0
            amount = total / 100 if column.kind == "money" else float(total)
            sheet.write_number(end, place, amount, paper.style(column.kind, **look))
        else:
            label = paper.say(Text("合计", "total")) if place == 0 else ""
            write_text(sheet, end, place, label, paper.style(**look, indent=1))
