"""The records of a list as rows of a sheet, made column by column and put into the finished workbook.

A workbook is a zip of XML parts. The writer of workbooks makes everything but the records: it takes microseconds for
each cell, and a month has tens of millions. Here whole columns become text at once.
"""

import re
import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple

import polars as pl
from xlsxwriter.utility import xl_col_to_name

SLICE = 20_000
"""Records that become text at once."""
_EPOCH = 25_569
"""Excel's number of 1970-01-01."""
_CONTROL = r"[\x00-\x08\x0B-\x1F\x{FFFE}\x{FFFF}]"
WORDS = ("text", "name")
"""Kinds that are written as text."""


class Records(NamedTuple):
    """Records that follow a row of a sheet (both counted from 1): a frame, and the kind of each of its columns."""

    after: int
    frame: pl.DataFrame
    kinds: Sequence[str]


def with_records(source: IO[bytes], target: Path, records: Mapping[str, Records]) -> None:
    """Write a workbook anew with records in its sheets; `records` by the name of the sheet's part."""
    with zipfile.ZipFile(source) as made, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as whole:
        for entry in made.infolist():
            own = zipfile.ZipInfo(entry.filename, entry.date_time)
            own.compress_type = zipfile.ZIP_DEFLATED
            with made.open(entry) as part, whole.open(own, "w") as out:
                if entry.filename in records:
                    for text in _sheet(part.read().decode("utf-8"), records[entry.filename]):
                        out.write(text.encode("utf-8"))
                else:
                    shutil.copyfileobj(part, out)


def _sheet(text: str, records: Records) -> Iterator[str]:
    """Yield a sheet with its records."""
    start = re.search(rf'<row r="{records.after}"[^>]*>.*?</row>', text, re.DOTALL)
    if start is None:
        raise ValueError(records.after)
    yield _dimension(text[: start.end()], records)
    styles = _styles(text)
    for first in range(0, records.frame.height, SLICE):
        part = records.frame.slice(first, SLICE)
        yield "".join(_rows(part, records.kinds, styles, records.after + 1 + first))
    yield text[start.end() :]


def _dimension(head: str, records: Records) -> str:
    """Let the sheet say how far it reaches."""
    column = xl_col_to_name(records.frame.width - 1)
    last = records.after + records.frame.height + 1
    return re.sub(r'<dimension ref="[^"]*"/>', f'<dimension ref="A1:{column}{last}"/>', head)


def _styles(text: str) -> dict[int, str]:
    """Return the number of each column's format."""
    found: dict[int, str] = {}
    for first, last, rest in re.findall(r'<col min="(\d+)" max="(\d+)"([^>]*)/>', text):
        style = re.search(r'style="(\d+)"', rest)
        found |= dict.fromkeys(range(int(first) - 1, int(last)), style[1] if style else "0")
    return found


def _rows(part: pl.DataFrame, kinds: Sequence[str], styles: Mapping[int, str], first: int) -> pl.Series:
    """Return the XML of rows."""
    number = pl.int_range(first, first + part.height, eager=True).cast(pl.String).alias("number")
    cells = [_cells(values, kind).alias(f"c{n}") for n, (values, kind) in enumerate(zip(part, kinds, strict=True))]
    texts = []
    for place, kind in enumerate(kinds):
        begin, end = pl.lit(f'<c r="{xl_col_to_name(place)}'), f'" s="{styles.get(place, "0")}"'
        if kind in WORDS:
            tags = (f'{end} t="inlineStr"><is><t xml:space="preserve">', "</t></is></c>")
        else:
            tags = (f"{end}><v>", "</v></c>")
        cell = pl.concat_str(begin, "number", pl.lit(tags[0]), f"c{place}", pl.lit(tags[1]))
        texts.append(cell.fill_null(""))
    row = pl.concat_str(pl.lit('<row r="'), "number", pl.lit('">'), *texts, pl.lit("</row>"))
    return pl.DataFrame([number, *cells]).select(row).to_series()


def _cells(values: pl.Series, kind: str) -> pl.Series:
    """Return what stands in a column's cells: escaped text, or the number that Excel shows in the column's format."""
    if kind in WORDS:
        return _escaped(values.cast(pl.String))
    if kind == "money":
        return (values / 100).cast(pl.String)
    if kind == "date":
        return (values.cast(pl.Date).cast(pl.Int32) + _EPOCH).cast(pl.String)
    return values.cast(pl.Int64 if kind == "whole" else pl.Float64).cast(pl.String)


def _escaped(text: pl.Series) -> pl.Series:
    """Return text as XML; signs that XML cannot hold become _xHHHH_, as Excel writes them."""
    text = text.str.replace_all(r"_(x[0-9A-Fa-f]{4}_)", "_x005F_$1")
    odd = text.filter(text.str.contains(_CONTROL)).unique()
    if odd.len():
        signs = {cell: re.sub("[\x00-\x08\x0b-\x1f\ufffe\uffff]", _as_code, cell) for cell in odd}
        text = text.replace(signs)
    for sign, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.str.replace_all(sign, entity, literal=True)
    return text


def _as_code(sign: re.Match[str]) -> str:
    return f"_x{ord(sign[0]):04X}_"
