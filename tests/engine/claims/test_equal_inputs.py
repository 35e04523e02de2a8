"""The same claims in any form, cut in any way, are the same canonical table."""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.claims.reading import CODES, Reading, at, read

NEEDED = ("sex", "age", "admitted", "department", "total_charge", "refund", "diagnoses", "procedures")
PLAIN = NEEDED[:-2]
Record = dict[str, Any]

codes = st.sampled_from(["A00.000", "I10.x00x002", "M80000/3", "33.6x00", "00.0100", "x", "中医", "a 00"])
names = st.text(st.sampled_from("abAB01-_中文ａ\"',|;\n "), max_size=5).map(str.strip).filter(bool)


@st.composite
def diagnoses(draw: st.DrawFn) -> list[str | None] | None:
    """No list, or codes of which the first may be blank."""
    others = draw(st.lists(codes, max_size=4))
    if not others:
        return None
    return [None, *others] if draw(st.booleans()) else [*others]


@st.composite
def records(draw: st.DrawFn) -> list[Record]:
    ids = draw(st.lists(names, min_size=1, max_size=8, unique=True))
    return [
        {
            "case_id": case_id,
            "sex": draw(st.sampled_from([1, 2, None])),
            "age": draw(st.integers(0, 120) | st.none()),
            "admitted": draw(st.datetimes(at("1990-01-01"), at("2030-01-01")).map(lambda m: m.replace(microsecond=0))),
            "department": draw(names | st.none()),
            "total_charge": draw(st.decimals(Decimal(0), Decimal(10**7), places=2) | st.none()),
            "refund": draw(st.booleans() | st.none()),
            "diagnoses": draw(diagnoses()),
            "procedures": draw(st.lists(codes, min_size=1, max_size=3) | st.none()),
        }
        for case_id in ids
    ]


def canonical(record: Record) -> Record:
    fen = None if record["total_charge"] is None else int(record["total_charge"] * 100)
    return {**record, "total_charge": fen}


def as_text(value: object) -> str:
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, datetime):
        return value.strftime("%Y/%m/%d %H:%M:%S")
    return "" if value is None else str(value)


def write_parquet(path: Path, claims: Sequence[Record], row_group_size: int | None = None) -> Path:
    columns = {name: [claim[name] for claim in claims] for name in ("case_id", *PLAIN)}
    lists = {name: pa.array([claim[name] for claim in claims], CODES) for name in ("diagnoses", "procedures")}
    types = {"total_charge": pa.decimal128(12, 2), "refund": pa.bool_(), "department": pa.string(), "sex": pa.int64()}
    arrays = {name: pa.array(cells, types.get(name)) for name, cells in columns.items()}
    pq.write_table(pa.table({**arrays, **lists}), path, row_group_size=row_group_size)
    return path


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]], encoding: str = "utf-8") -> Path:
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def plain_cells(claim: Record) -> list[str]:
    return [as_text(claim[name]) for name in ("case_id", *PLAIN)]


def delimited(claims: Sequence[Record]) -> tuple[list[str], list[list[str]]]:
    rows = [
        [*plain_cells(claim), *("；".join(code or "" for code in claim[name] or ()) for name in NEEDED[-2:])]
        for claim in claims
    ]
    return ["case_id", *NEEDED], rows


def wide(claims: Sequence[Record]) -> tuple[list[str], list[list[str]]]:
    header = [*(f"diag_{n}" for n in range(1, 6)), *(f"proc_{n}" for n in range(1, 4))]

    def cells(listed: Sequence[str | None] | None, width: int) -> list[str]:
        return [*(code or "" for code in listed or ()), *[""] * width][:width]

    rows = [[*plain_cells(claim), *cells(claim["diagnoses"], 5), *cells(claim["procedures"], 3)] for claim in claims]
    return ["case_id", *PLAIN, *header], rows


def code_rows(claims: Sequence[Record], name: str) -> list[list[str]]:
    """Return the codes of all claims last to first: the sequence puts them in order again."""
    rows = [
        [claim["case_id"], as_text(code), str(place)]
        for claim in claims
        for place, code in enumerate(claim[name] or ())
    ]
    return rows[::-1]


@contextmanager
def folder() -> Iterator[Path]:
    with TemporaryDirectory() as name:
        yield Path(name)


@settings(max_examples=20, deadline=None)
@given(records())
def test_every_form_of_the_same_claims_gives_the_same_table(claims: list[Record]) -> None:
    expected = [canonical(claim) for claim in claims]
    with folder() as place:
        listed = read(write_parquet(place / "a.parquet", claims), needed=NEEDED)
        assert listed.rows == expected
        for encoding in ("utf-8-sig", "gb18030"):
            path = write_csv(place / "a.csv", *delimited(claims), encoding=encoding)
            assert read(path, needed=NEEDED, column_map="delimited").rows == expected
        assert read(write_csv(place / "b.csv", *wide(claims)), needed=NEEDED, column_map="wide").rows == expected
        found = read(
            write_csv(place / "c.csv", ["case_id", *PLAIN], [plain_cells(claim) for claim in claims]),
            needed=NEEDED,
            column_map="long",
            diagnosis_table=write_csv(place / "d.csv", ["case_id", "code", "sequence"], code_rows(claims, "diagnoses")),
            procedure_table=write_csv(
                place / "p.csv", ["case_id", "code", "sequence"], code_rows(claims, "procedures")
            ),
        )
        assert found.rows == expected
        assert found.findings == listed.findings


@settings(max_examples=10, deadline=None)
@given(records())
def test_a_workbook_of_the_same_claims(claims: list[Record]) -> None:
    with folder() as place:
        header, rows = wide(claims)
        with xlsxwriter.Workbook(place / "a.xlsx", {"strings_to_numbers": False}) as book:
            sheet = book.add_worksheet()
            for number, row in enumerate([header, *rows]):
                for column, cell in enumerate(row):
                    sheet.write_string(number, column, cell)
        found = read(place / "a.xlsx", needed=NEEDED, column_map="wide")
        assert found.rows == [canonical(claim) for claim in claims]


def same(found: Reading, whole: Reading) -> bool:
    """Tell whether two readings differ in nothing but files and row numbers."""

    def rejects(reading: Reading) -> Counter[tuple[str, str, str]]:
        return Counter((line["case_id"] or "", line["reason"], line["message_zh"]) for line in reading.rejects)

    return (
        found.rows == whole.rows
        and found.rows_in == whole.rows_in
        and rejects(found) == rejects(whole)
        and found.findings == whole.findings
    )


@settings(max_examples=20, deadline=None)
@given(records(), st.data())
def test_cutting_into_files_and_row_groups_changes_nothing(claims: list[Record], data: st.DataObject) -> None:
    for claim in claims:
        if data.draw(st.integers(0, 3)) == 0:
            claim["case_id"] = data.draw(st.sampled_from(["", " twice ", "twice"]))
    ends = sorted(data.draw(st.sets(st.integers(1, len(claims)), max_size=3)) | {len(claims)})
    with folder() as place:
        whole = read(write_parquet(place / "whole.parquet", claims), needed=NEEDED)
        parts, start = [], 0
        for number, end in enumerate(ends):
            size = data.draw(st.integers(1, 4))
            parts.append(write_parquet(place / f"part-{number}.parquet", claims[start:end], row_group_size=size))
            start = end
        assert same(read(*parts, needed=NEEDED), whole)


@settings(max_examples=15, deadline=None)
@given(records(), st.integers(1, 40), st.integers(1, 4))
def test_the_size_of_chunks_changes_nothing(claims: list[Record], block: int, rows: int) -> None:
    with folder() as place, pytest.MonkeyPatch.context() as patch:
        table = write_parquet(place / "a.parquet", claims)
        text = write_csv(place / "a.csv", *delimited(claims))
        for path, column_map in ((table, None), (text, "delimited")):
            whole = read(path, needed=NEEDED, column_map=column_map)
            with patch.context() as small:
                small.setattr("engine.claims.text_file.BLOCK", block)
                small.setattr("engine.claims.parquet.CHUNK_ROWS", rows)
                assert read(path, needed=NEEDED, column_map=column_map) == whole
