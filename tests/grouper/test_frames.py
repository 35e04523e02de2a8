"""grouper.group: every shape in which Arrow and polars carry the same records gives the same answers."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

import grouper
from grouper import UserError

SCHEME = "chs-drg-2.0"
ANSWERS = ["status", "mdc", "adrg", "drg", "severity", "reason"]
CORPUS = pl.read_parquet(Path(__file__).parents[1] / "corpus" / "chs_drg_2_0.parquet")
CLAIMS = CORPUS.sample(800, seed=3).select(
    "case_id", "sex", "age", "age_days", "birth_weight", "diagnoses", "procedures", "status", "mdc", "adrg", "drg"
)
INPUT = CLAIMS.drop("status", "mdc", "adrg", "drg")
WANTED = CLAIMS.select("case_id", pl.col("status", "mdc", "adrg", "drg").replace("", None)).rows()


def answers(given: pl.DataFrame | pa.Table) -> list[tuple[object, ...]]:
    frame = pl.DataFrame(given)
    assert frame.columns == ["case_id", *ANSWERS]
    return frame.select("case_id", pl.col("status", "mdc", "adrg", "drg").cast(pl.String)).rows()


def codes(kind: Any) -> pl.DataFrame:
    return INPUT.with_columns(pl.col("diagnoses", "procedures").cast(pl.List(kind)))


SPELLED = sorted(
    {code for name in ("diagnoses", "procedures") for row in INPUT[name] for code in row if code is not None}
)
FRAMES: dict[str, Callable[[], pl.DataFrame]] = {
    "strings": lambda: INPUT,
    "categories": lambda: codes(pl.Categorical),
    "enumeration": lambda: codes(pl.Enum(SPELLED)),
    "chunks": lambda: pl.concat([INPUT[:100], INPUT[100:101], INPUT[101:]], rechunk=False),
    "chunks of categories": lambda: pl.concat(
        [codes(pl.Categorical)[:300], codes(pl.Categorical)[300:]], rechunk=False
    ),
    "wide integers": lambda: INPUT.with_columns(pl.col("sex", "age", "age_days", "birth_weight").cast(pl.Int64)),
    "unsigned integers": lambda: INPUT.with_columns(pl.col("sex").cast(pl.UInt8)),
    "text of digits": lambda: INPUT.with_columns(pl.col("sex", "age", "age_days", "birth_weight").cast(pl.String)),
    "other columns": lambda: INPUT.with_columns(total_charge=pl.lit("unread"), drg=pl.lit(5)),
    "another order": lambda: INPUT.select(sorted(INPUT.columns, reverse=True)),
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_polars(frame: Callable[[], pl.DataFrame]) -> None:
    given = grouper.group(frame(), SCHEME)
    assert isinstance(given, pl.DataFrame)
    assert answers(given) == WANTED


def lists(make: Callable[[pa.Array], pa.Array]) -> pa.Table:
    """Return the claims as Arrow with both columns of codes made over; `make` takes list<string>."""
    table = INPUT.to_arrow().combine_chunks()
    for name in ("diagnoses", "procedures"):
        column = table[name].combine_chunks().cast(pa.list_(pa.string()))
        table = table.set_column(table.schema.get_field_index(name), name, make(column))
    return table


def of_dictionary(index: pa.DataType) -> Callable[[pa.Array], pa.Array]:
    def make(column: pa.Array) -> pa.Array:
        values = column.values.dictionary_encode()
        values = pa.DictionaryArray.from_arrays(values.indices.cast(index), values.dictionary)
        return pa.ListArray.from_arrays(column.offsets, values, mask=column.is_null())

    return make


def behind_others(column: pa.Array) -> pa.Array:
    """Return the column as a slice of a longer one: offsets that do not start at 0."""
    more = pa.array([["I21.900"], None, ["x", None]], column.type)
    return pa.concat_arrays([more, column, more]).slice(3, len(column))


def spanning_nulls(column: pa.Array) -> pa.Array:
    """Return the column with nulls whose offsets span codes that are not theirs."""
    filled = pa.array([row if row is not None else ["I21.900", "A41.900"] for row in column.to_pylist()], column.type)
    return pa.ListArray.from_arrays(filled.offsets, filled.values, mask=column.is_null())


TABLES: dict[str, Callable[[], pa.Table]] = {
    "list<string>": lambda: lists(lambda column: column),
    "large_list<large_string>": lambda: lists(lambda column: column.cast(pa.large_list(pa.large_string()))),
    "list<string_view>": lambda: lists(lambda column: column.cast(pa.list_(pa.string_view()))),
    "list<dictionary<int32>>": lambda: lists(of_dictionary(pa.int32())),
    "list<dictionary<uint16>>": lambda: lists(of_dictionary(pa.uint16())),
    "list<dictionary<int64>>": lambda: lists(of_dictionary(pa.int64())),
    "slices of lists": lambda: lists(behind_others),
    "nulls that span codes": lambda: lists(spanning_nulls),
    "slices of dictionaries": lambda: lists(lambda column: behind_others(of_dictionary(pa.int32())(column))),
    "batches of 7": lambda: pa.Table.from_batches(INPUT.to_arrow().to_batches(max_chunksize=7)),
    "a slice of a table": lambda: pa.concat_tables([INPUT[:50].to_arrow(), INPUT.to_arrow()]).slice(50),
}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_arrow(table: Callable[[], pa.Table]) -> None:
    given = grouper.group(table(), SCHEME)
    assert isinstance(given, pa.Table)
    assert answers(given) == WANTED


def test_scheme_by_id_by_folder_or_loaded() -> None:
    loaded = grouper.load_scheme(SCHEME)
    folder = Path(grouper.__file__).parent / "schemes" / SCHEME
    assert answers(grouper.group(INPUT, loaded)) == answers(grouper.group(INPUT, folder)) == WANTED


@pytest.mark.parametrize("column", ["age", "age_days", "birth_weight", "procedures"])
def test_an_absent_column_and_a_column_of_nulls_are_missing_throughout(column: str) -> None:
    nulls = grouper.group(INPUT.with_columns(pl.lit(None, INPUT.schema[column]).alias(column)), SCHEME)
    assert grouper.group(INPUT.drop(column), SCHEME).equals(nulls)
    assert grouper.group(INPUT.with_columns(pl.lit(None).alias(column)), SCHEME).equals(nulls)


@pytest.mark.parametrize(("column", "reason"), [("sex", "sex_missing"), ("diagnoses", "diagnoses_missing")])
def test_without_what_every_scheme_requires_all_records_are_invalid(column: str, reason: str) -> None:
    claims = CLAIMS.filter(pl.col("status") == "grouped")
    for frame in (claims.drop(column), claims.with_columns(pl.lit(None).alias(column))):
        given = grouper.group(frame, SCHEME)
        assert set(given["status"]) == {"invalid"}
        assert set(given["reason"]) == {reason}
        assert given.select("mdc", "adrg", "drg", "severity").null_count().row(0) == (len(claims),) * 4


def test_a_frame_without_any_column_that_is_read_keeps_its_rows() -> None:
    given = grouper.group(pl.DataFrame({"x": [1, 2, 3]}), SCHEME)
    assert given["reason"].to_list() == ["sex_missing"] * 3
    assert given.columns == ANSWERS


def test_no_rows() -> None:
    given = grouper.group(INPUT.head(0), SCHEME)
    assert (given.height, given.columns) == (0, ["case_id", *ANSWERS])
    for empty in (pa.table({"diagnoses": pa.array([], pa.list_(pa.string()))}), pa.table({})):
        table = grouper.group(empty, SCHEME)
        assert (table.num_rows, table.column_names) == (0, ANSWERS)
    assert grouper.group(pl.DataFrame(), SCHEME).columns == ANSWERS


def test_null_and_blank_codes() -> None:
    claims = pl.DataFrame(
        {
            "diagnoses": [[None, "I21.900"], ["", "I21.900"], [" \u3000"], ["I21.900", None, ""], [None], []],
            "procedures": [[None], [""], None, ["", None, " "], [], [None]],
            "sex": [1] * 6,
        }
    )
    given = grouper.group(claims, SCHEME)
    blank, grouped = "principal_blank", None
    assert given["reason"].to_list() == [blank, blank, blank, grouped, blank, "diagnoses_missing"]
    assert given["mdc"].to_list()[3] == "MDCF"


def test_codes_in_any_width_and_case_and_with_blanks() -> None:
    spellings = ["I21.900", "i21.900", " I21.900\t", "Ｉ２１．９００", "I21. 900", "\u00a0I21.900\u3000"]
    claims = pl.DataFrame({"diagnoses": [[code] for code in spellings], "sex": [2] * len(spellings)})
    assert len(set(grouper.group(claims, SCHEME)["drg"])) == 1


def test_two_hundred_diagnoses_and_cells_of_ten_thousand_characters() -> None:
    claims = pl.DataFrame(
        {"diagnoses": [["I21.900", *["x" * 10_000] * 199]], "sex": [1], "procedures": [["9" * 10_000]]}
    )
    assert (
        grouper.group(claims, SCHEME)["adrg"].to_list()
        == grouper.group(pl.DataFrame({"diagnoses": [["I21.900"]], "sex": [1]}), SCHEME)["adrg"].to_list()
    )


WRONG: dict[str, tuple[str, pa.Array]] = {
    "text for a list": ("diagnoses", pa.array(["I21.900"])),
    "lists of integers": ("diagnoses", pa.array([[1]])),
    "lists of lists": ("procedures", pa.array([[["x"]]])),
    "a struct": ("procedures", pa.array([{"code": "x"}])),
    "bytes": ("diagnoses", pa.array([[b"I21.900"]])),
    "dictionary of integers": (
        "diagnoses",
        pa.ListArray.from_arrays([0, 1], pa.DictionaryArray.from_arrays(pa.array([0]), pa.array([219]))),
    ),
    "dictionary of bytes": (
        "procedures",
        pa.ListArray.from_arrays([0, 1], pa.DictionaryArray.from_arrays(pa.array([0]), pa.array([b"36.0700"]))),
    ),
    "fractions": ("age", pa.array([0.5])),
    "not a number": ("age", pa.array([float("nan")])),
    "too large": ("age_days", pa.array([2**40])),
    "truth": ("sex", pa.array([True])),
    "a date": ("age", pa.array([dt.date(1970, 2, 10)])),
    "a time": ("age", pa.array([dt.datetime(2026, 1, 1)])),  # noqa: DTZ001  (a column without a zone)
    "a list": ("sex", pa.array([[1]])),
    "text that is no number": ("sex", pa.array(["男"])),
}


@pytest.mark.parametrize(("column", "values"), WRONG.values(), ids=WRONG)
def test_columns_of_the_wrong_type_are_named(column: str, values: pa.Array) -> None:
    claims = pa.table({"diagnoses": [["I21.900"]], "sex": [1]})
    if column in claims.column_names:
        claims = claims.drop_columns(column)
    with pytest.raises(UserError) as caught:
        grouper.group(claims.append_column(column, values), SCHEME)
    assert column in caught.value.text("en")
    assert column in caught.value.text("zh")


def test_a_column_twice_is_a_fault() -> None:
    arrays = [pa.array([["I21.900"]]), pa.array([1]), pa.array([2])]
    with pytest.raises(UserError):
        grouper.group(pa.Table.from_arrays(arrays, ["diagnoses", "sex", "sex"]), SCHEME)


def test_an_unknown_scheme_is_a_fault_with_near_names() -> None:
    with pytest.raises(UserError) as caught:
        grouper.group(INPUT, "chs-drg-2")
    assert "chs-drg-2.0" in caught.value.text("en")
    assert "chs-drg-2" in caught.value.text("zh")


def test_only_the_weight_of_the_scheme_is_read() -> None:
    """2.0 goes by the birth weight (PS1 is below 1500 g), 3.0 by the admission weight (PS3 is 1500 to 1999 g)."""
    claims = pl.DataFrame(
        {
            "diagnoses": [["P07.300"]],
            "sex": [1],
            "age": [0],
            "age_days": [3],
            "birth_weight": [1200],
            "admission_weight": [1600],
        }
    )
    assert grouper.group(claims, "chs-drg-2.0")["adrg"].to_list() == ["PS1"]
    assert grouper.group(claims, "chs-drg-3.0")["adrg"].to_list() == ["PS3"]
