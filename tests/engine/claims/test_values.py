from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.claims.canonical import BY_NAME, Column, Kind
from engine.claims.column_map import ColumnMap, load_map
from engine.claims.values import read_values
from grouper.fault import Text
from tests.engine.claims.reading import at, one_column

MINUS_EIGHT = timezone(timedelta(hours=-8))


def values(
    column: str | Column, cells: object, kind: pa.DataType | None = None, column_map: ColumnMap | None = None
) -> list[Any]:
    """Read cells; "unreadable" stands for a cell that would reject its row."""
    found = BY_NAME[column] if isinstance(column, str) else column
    read = read_values(found, pa.array(cells, kind), column_map or load_map(None))
    assert read.array.type == found.type
    listed: list[Any] = read.array.to_pylist()
    if read.unreadable is not None:
        assert all(value is None for value, lost in zip(listed, read.unreadable, strict=True) if lost)
        listed = ["unreadable" if lost else value for value, lost in zip(listed, read.unreadable, strict=True)]
    return listed


@pytest.mark.parametrize(
    "kind",
    [
        pa.int8(),
        pa.int16(),
        pa.int32(),
        pa.int64(),
        pa.uint8(),
        pa.uint64(),
        pa.float32(),
        pa.float64(),
        pa.decimal128(22, 2),
    ],
    ids=str,
)
def test_whole_numbers_of_any_type(kind: pa.DataType) -> None:
    cells = pa.array([1, None, 99], pa.int64()).cast(kind)
    assert values("age", cells) == [1, None, 99]


def test_whole_numbers_as_text() -> None:
    cells = ["7", " 7 ", "７", "7.0", "+7", "007", "1e1", "", None, "　"]
    assert values("age", cells) == [7, 7, 7, 7, 7, 7, 10, None, None, None]
    assert values("age", pa.array(cells).dictionary_encode()) == [7, 7, 7, 7, 7, 7, 10, None, None, None]


def test_what_is_no_whole_number() -> None:
    assert values("age", ["7.5", "seven", "7岁", "inf", "nan", "70000", "7,5"]) == ["unreadable"] * 7
    assert values("age", [7.5, float("inf"), float("nan"), 70_000.0]) == [
        "unreadable",
        "unreadable",
        None,
        "unreadable",
    ]
    assert values("age", [40_000, 5]) == ["unreadable", 5]


def test_a_value_that_cannot_be_read_rejects_its_row_and_says_why(tmp_path: Path) -> None:
    found = one_column(tmp_path, "age", ["7", "x" * 10_000, "8"])
    assert found.column("age") == [7, 8]
    (reject,) = found.rejects
    assert (reject["file"], reject["row"], reject["case_id"]) == (str(tmp_path / "one.parquet"), 2, "1")
    assert reject["reason"] == "unparsable_value"
    assert reject["message_en"] == "a value cannot be read: age=" + "x" * 60
    assert reject["message_zh"] == "无法识别的值：age=" + "x" * 60


@pytest.mark.parametrize("name", ["age", "age_days", "birth_weight", "admission_weight", "length_of_stay"])
def test_negative_counts_are_missing_and_found(tmp_path: Path, name: str) -> None:
    found = one_column(tmp_path, name, [5, -1])
    assert found.column(name) == [5, None]
    assert found.findings == {("negative_value", name): 1}


def test_negative_counts_reject_where_asked(tmp_path: Path) -> None:
    from engine.claims import CheckPolicy, parse_actions

    found = one_column(tmp_path, "age", [5, -1], policy=CheckPolicy(parse_actions(["negative_value=reject"])))
    assert (found.column("age"), found.reasons()) == ([5], [(2, "negative_value")])
    quiet = one_column(tmp_path, "age", [5, -1], policy=CheckPolicy(parse_actions(["negative_value=off"])))
    assert (quiet.column("age"), quiet.findings) == ([5, None], {})


def test_sex_as_number_and_word(tmp_path: Path) -> None:
    assert values("sex", ["男", "女", "M", "f", "1", "2", " 女 ", "１", "male", "", None]) == [
        1,
        2,
        1,
        2,
        1,
        2,
        2,
        1,
        1,
        None,
        None,
    ]
    assert values("sex", ["x", "男女"]) == ["unreadable", "unreadable"]
    found = one_column(tmp_path, "sex", [0, 1, 2, 3, 9, None])
    assert found.column("sex") == [None, 1, 2, None, None, None]
    assert found.findings == {("unknown_sex", "sex"): 3}


def test_flags() -> None:
    cells = ["0", "1", "是", "否", "true", "FALSE", "Y", "n", "", None, "maybe"]
    assert values("refund", cells) == [False, True, True, False, True, False, True, False, None, None, "unreadable"]
    assert values("refund", [True, None, False]) == [True, None, False]
    assert values("refund", [1, None, 0, 2]) == [True, None, False, "unreadable"]
    assert values("refund", [1.0, 0.0]) == [True, False]


def test_hours_as_number_and_as_days_hours_minutes() -> None:
    assert values("ventilation_hours", ["1/2/30", "3.5", "", None, "1/2"]) == [26.5, 3.5, None, None, "unreadable"]
    assert values("ventilation_hours", [3, -1, None]) == [3.0, None, None]


def test_ratios() -> None:
    kind: Kind = "ratio"
    share = Column("share", kind, Text("占比", "share"))
    assert values(share, ["100.00%", "85％", "0.85", "85 %", "", "x%"]) == [1.0, 0.85, 0.85, 0.85, None, "unreadable"]


DAY, NOON = at("2024-01-05"), at("2024-01-05 08:30")


@pytest.mark.parametrize(
    ("cell", "moment"),
    [
        ("2024-01-05", DAY),
        ("2024-1-5", DAY),
        ("2024/01/05", DAY),
        ("2024.1.5", DAY),
        ("2024年1月5日", DAY),
        ("20240105", DAY),
        ("２０２４-０１-０５", DAY),
        ("45296", DAY),
        ("45296.0", DAY),
        ("2024-01-05 08:30", NOON),
        ("2024-01-05 8:30:00", NOON),
        ("2024-01-05T08:30:00", NOON),
        ("2024-01-05 08:30:00.000", NOON),
        ("2024/1/5 8:30", NOON),
        ("2024年1月5日 8时30分", NOON),
        ("20240105083000", NOON),
        ("202401050830", NOON),
        ("45296.3541666667", NOON),
        ("2024-01-05T00:30:00Z", NOON),
        ("2024-01-05T08:30:00+08:00", NOON),
        ("2024-01-04T20:00:00-0430", NOON),
        ("", None),
        ("2024-02-30", "unreadable"),
        ("2024-13-01", "unreadable"),
        ("2024-01-05 25:00", "unreadable"),
        ("2024-01-05 08:61", "unreadable"),
        ("2024", "unreadable"),
        ("5/1/2024", "unreadable"),
        ("昨天", "unreadable"),
    ],
)
def test_times_as_text(cell: str, moment: object) -> None:
    assert values("admitted", [cell, "2023-12-31"]) == [moment, at("2023-12-31")]
    day = moment.date() if isinstance(moment, datetime) else moment
    assert values("birth_date", [cell]) == [day]


def test_times_of_other_types() -> None:
    assert values("admitted", [date(2024, 1, 5), None]) == [DAY, None]
    assert values("admitted", [NOON, None]) == [NOON, None]
    assert values("admitted", pa.array([NOON]).cast(pa.timestamp("ns"))) == [NOON]
    assert values("admitted", [NOON.replace(tzinfo=timezone(timedelta(hours=8)))]) == [NOON]
    assert values("admitted", [datetime(2024, 1, 4, 16, 30, tzinfo=MINUS_EIGHT)]) == [NOON]
    assert values("admitted", [20240105, 45296, 7, None]) == [DAY, DAY, "unreadable", None]
    assert values("admitted", [20240105.0, 45296.3541666667, None]) == [DAY, NOON, None]


def test_times_of_a_file_in_utc() -> None:
    utc = ColumnMap(times="utc")
    assert values("admitted", ["2024-01-05 00:30", "2024-01-05", "2024-01-05T00:30+00:00"], None, utc) == [
        NOON,
        DAY,
        NOON,
    ]
    assert values("admitted", [at("2024-01-05 00:30")], None, utc) == [NOON]


def test_a_date_at_sixteen_hours_is_found(tmp_path: Path) -> None:
    found = one_column(tmp_path, "birth_date", ["2024-01-04 16:00:00", "2024-01-04", "2024-01-04T16:00:00+08:00"])
    assert found.findings == {("shifted_time", "birth_date"): 2}


@given(st.datetimes(at("1950-01-01"), at("2100-01-01")).map(lambda moment: moment.replace(microsecond=0)))
def test_every_way_to_write_a_moment_reads_the_same(moment: datetime) -> None:
    serial = (moment - at("1899-12-30")) / timedelta(days=1)
    cells = [
        moment.isoformat(),
        moment.strftime("%Y/%m/%d %H:%M:%S"),
        moment.strftime("%Y%m%d%H%M%S"),
        f"{moment.year}年{moment.month}月{moment.day}日{moment.hour}时{moment.minute}分{moment.second}秒",
        f"{serial:.10f}",
        (moment - timedelta(hours=8)).isoformat() + "Z",
    ]
    assert values("admitted", cells) == [moment] * len(cells)


@pytest.mark.parametrize(
    ("cell", "fen"),
    [
        ("12.34", 1234),
        ("12", 1200),
        ("12.3", 1230),
        ("-0.01", -1),
        (".5", 50),
        ("5.", 500),
        ("1,234.56", 123456),
        ("￥１２．３４元", 1234),
        ("1.2e3", 120_000),
        ("92233720368547758.07", 2**63 - 1),
        ("", None),
        ("-", "unreadable"),
        (".", "unreadable"),
        ("12.34.56", "unreadable"),
        ("92233720368547758.08", "unreadable"),
        ("abc", "unreadable"),
    ],
)
def test_amounts_as_text(cell: str, fen: object) -> None:
    assert values("total_charge", [cell]) == [fen]


def test_amounts_of_other_types() -> None:
    assert values("total_charge", [12, -3, None]) == [1200, -300, None]
    assert values("total_charge", [12.34, -0.07, 0.1 + 0.2, None, float("nan"), float("inf")]) == [
        1234,
        -7,
        30,
        None,
        None,
        "unreadable",
    ]
    assert values("total_charge", [Decimal("12.34"), None]) == [1234, None]
    assert values("total_charge", [Decimal(12)], pa.decimal128(20, 0)) == [1200]
    assert values("total_charge", [2**62]) == ["unreadable"]


def test_a_third_decimal_is_found_and_rounded(tmp_path: Path) -> None:
    for cells in (["1.005", "-1.005", "1.004", "1.50"], [1.005, -1.005, 1.004, 1.5]):
        found = one_column(tmp_path, "total_charge", cells)
        assert found.column("total_charge") == [101, -101, 100, 150]
        assert found.findings == {("third_decimal", "total_charge"): 3}


@given(st.decimals(Decimal(-(10**12)), Decimal(10**12), places=2))
def test_amounts_are_exact(amount: Decimal) -> None:
    fen = int(amount * 100)
    assert values("total_charge", [str(amount)]) == [fen]
    assert values("total_charge", [amount], pa.decimal128(20, 2)) == [fen]
    assert values("total_charge", [amount], pa.decimal128(30, 6)) == [fen]
    assert values("total_charge", [float(amount)]) == [fen]


@given(st.decimals(Decimal(-(10**9)), Decimal(10**9), places=5))
def test_amounts_round_half_away_from_zero(amount: Decimal) -> None:
    size = abs(amount) * 100
    fen = int(size + Decimal("0.5")) * (1 if amount > 0 else -1)
    assert values("total_charge", [f"{amount:f}"]) == [fen]
    assert values("total_charge", [amount], pa.decimal128(20, 5)) == [fen]


def test_units() -> None:
    column_map = ColumnMap(units={"money": "fen", "fund_total": "wan", "birth_weight": "kg", "icu_hours": "minutes"})
    assert values("total_charge", ["1234", "12.5"], None, column_map) == [1234, 13]
    assert values("total_charge", [1234], None, column_map) == [1234]
    assert values("fund_total", ["1.5", "0.000001"], None, column_map) == [1_500_000, 1]
    assert values("birth_weight", ["3.25", "3"], None, column_map) == [3250, 3000]
    assert values("icu_hours", [90], None, column_map) == [1.5]


def test_words_of_a_map() -> None:
    column_map = ColumnMap(values={"sex": {"一": "1", "?": ""}, "case_id": {"无": ""}})
    assert values("sex", ["一", "?", "2"], None, column_map) == [1, None, 2]
    assert values("case_id", ["无", "a"], None, column_map) == [None, "a"]


def test_text() -> None:
    assert values("case_id", [" a ", "　b", "", " ", None, "a b"]) == ["a", "b", None, None, None, "a b"]
    assert values("case_id", [12, 345]) == ["12", "345"]
    assert values("case_id", [12.0, None, 345.0]) == ["12", None, "345"]
    assert values("case_id", pa.array(["a", "b"], pa.string_view())) == ["a", "b"]
    assert values("department", [b"x"], pa.binary()) == ["x"]
    assert values("department", [None, None]) == [None, None]
