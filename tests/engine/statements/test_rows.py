"""Records written into a workbook: any text and any figure comes back as it was."""

import re
import xml.etree.ElementTree as ET
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.outputs.statements.listing import Column, write_list
from engine.outputs.statements.paper import Margin, workbook
from grouper.fault import Text
from tests.engine.statements.reading import cells, parts

COLUMNS = [
    Column("word", Text("词", "word")),
    Column("day", Text("日", "day"), "date"),
    Column("count", Text("数", "count"), "whole"),
    Column("amount", Text("额", "amount"), "money", total=True),
]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    ["=1+1", "<r>x</r>", "_x0041_", "a & b", "]]>", " x ", "a\nb", "\x00\x1f\ufffe", "</t></is></c>"]
)
ROWS = st.lists(
    st.tuples(
        st.none() | TEXTS,
        st.none() | st.dates(date(1900, 3, 1), date(9999, 12, 31)),
        st.none() | st.integers(-(2**50), 2**50),
        st.none() | st.integers(-(10**15), 10**15),
    ),
    min_size=1,
    max_size=20,
)
MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
TYPES = {"word": pl.String, "day": pl.Date, "count": pl.Int64, "amount": pl.Int64}


def written(file: Path, rows: list[tuple[Any, ...]]) -> Path:
    """A workbook of one list."""
    frame = pl.DataFrame(rows, schema=TYPES, orient="row")
    with workbook(file, "en", Margin("", ""), datetime(2026, 11, 1, tzinfo=UTC)) as paper:
        write_list(paper, Text("表", "table"), "title", "facts", COLUMNS, frame)
    return file


def values(file: Path) -> dict[str, str | None]:
    """What the cells of the first sheet hold, by place, as Excel reads them."""
    found = parts(file)
    words = ["".join(item.itertext()) for item in _xml(found["xl/sharedStrings.xml"])]
    return {cell.get("r", ""): _value(cell, words) for cell in _xml(found["xl/worksheets/sheet1.xml"]).iter(f"{MAIN}c")}


def _xml(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314


def _value(cell: ET.Element, words: list[str]) -> str | None:
    held = cell.findtext(f"{MAIN}v")
    if cell.get("t") != "s" or held is None:
        return held
    return re.sub("_x([0-9A-F]{4})_", lambda code: chr(int(code[1], 16)), words[int(held)])


def shown(text: str | None) -> str | None:
    """A text as a cell shows it: signs that XML has not are gone, and rich text of the data is none."""
    if text is None:
        return None
    kept = text.replace("\ufffe", "").replace("\uffff", "")
    return f" {kept}" if kept.startswith("<r>") else kept


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_what_goes_in_comes_out(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[Any, ...]]) -> None:
    file = written(tmp_path_factory.mktemp("rows") / "a.xlsx", rows)
    found = values(file)
    for place, (word, day, count, amount) in enumerate(rows, start=5):
        assert (found.get(f"A{place}") or "") == (shown(word) or "")
        assert found.get(f"B{place}") == (None if day is None else str((day - date(1899, 12, 30)).days))
        assert found.get(f"C{place}") == (None if count is None else str(count))
        assert round(float(found.get(f"D{place}") or 0) * 100) == (amount or 0)


def test_as_anybody_reads_it(tmp_path: Path) -> None:
    file = written(tmp_path / "a.xlsx", [("<b>&", date(2026, 10, 5), 1_234, -5), ("二", None, None, 100_00)])
    assert cells(file, "table")[3:] == [
        ["word", "day", "count", "amount"],
        ["<b>&", "2026-10-05 00:00:00", "1234", "-0.05"],
        ["二", None, None, "100"],
        ["total", "", "", "99.95"],
    ]
