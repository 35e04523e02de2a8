"""Workbooks read back as anybody else would read them: cells by sheet, and the XML of their parts."""

import zipfile
from pathlib import Path
from typing import Any

import fastexcel
import polars as pl

HEADER = 3


def sheets(file: Path) -> list[str]:
    """The names of a workbook's sheets."""
    return fastexcel.read_excel(file).sheet_names


def cells(file: Path, sheet: str) -> list[list[Any]]:
    """All cells of a sheet, row by row, empty ones as None."""
    frame = fastexcel.read_excel(file).load_sheet(sheet, header_row=None, dtypes="string").to_polars()
    return [list(row) for row in frame.iter_rows()]


def listed(file: Path, sheet: str) -> tuple[pl.DataFrame, dict[str, Any]]:
    """The records of a list under its header, and the totals below them, by column."""
    rows = cells(file, sheet)
    place = next(n for n, row in enumerate(rows) if n and sum(cell is not None for cell in row) > 2)
    names, body = [str(name) for name in rows[place]], rows[place + 1 :]
    if not body or body[0][0] in {"无", "none"}:
        return pl.DataFrame(schema=dict.fromkeys(names, pl.String)), {}
    totals = dict(zip(names, body.pop(), strict=True)) if body[-1][0] in {"合计", "total"} else {}
    return pl.DataFrame(body, schema=dict.fromkeys(names, pl.String), orient="row"), totals


def fen(cell: str | None) -> int:
    """An amount of yuan in a cell, in fen."""
    return round(float(cell or 0) * 100)


def column(rows: pl.DataFrame, name: str) -> int:
    """The sum of a list's column, in fen."""
    return sum(fen(cell) for cell in rows[name])


def arithmetic(file: Path) -> list[list[str | None]]:
    """The numbered lines of the second table of a summary, without the columns that notes spread over."""
    rows = cells(file, "汇总")
    start = next(n for n, row in enumerate(rows) if row[0] and "从点数到支付" in row[0]) + 1
    wide = rows[start].index("来由") + 1
    return [row[:wide] for row in rows[start + 1 :] if row[0] and row[0].isdecimal()]


def parts(file: Path) -> dict[str, str]:
    """The text of every part of a workbook."""
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name).decode("utf-8") for name in archive.namelist()}
