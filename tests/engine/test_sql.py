"""drg() inside SQL gives what grouper.group gives."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl
import pytest

import grouper
from engine.sql import connect

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

CORPUS = Path(__file__).parents[1] / "corpus"
FILES = {
    "chs-drg-1.1": ("chs_drg_1_1", "birth_weight"),
    "beijing-drg-2022": ("beijing_2022", "birth_weight"),
    "chs-drg-2.0": ("chs_drg_2_0", "birth_weight"),
    "chs-drg-3.0": ("chs_drg_3_0", "admission_weight"),
}
ANSWERS = ("status", "mdc", "adrg", "drg", "severity", "reason")
NOTHING = dict.fromkeys(ANSWERS)


@pytest.fixture
def database() -> Iterator["DuckDBPyConnection"]:
    with connect() as connection:
        yield connection


def corpus(scheme: str) -> pl.DataFrame:
    """Return the corpus of a scheme with one name for its newborn weight."""
    name, weight = FILES[scheme]
    frame = pl.read_parquet(CORPUS / f"{name}.parquet").with_columns(
        newborn_weight=pl.col(weight), scheme=pl.lit(scheme)
    )
    if "length_of_stay" not in frame.columns:
        frame = frame.with_columns(length_of_stay=pl.lit(None, pl.Int32))
    return frame


CALL = """
drg(scheme, diagnoses, procedures, sex, age,
    age_days := age_days, newborn_weight := newborn_weight, length_of_stay := length_of_stay)
"""


def one(database: "DuckDBPyConnection", call: str) -> Any:
    return database.sql(f"SELECT {call}").fetchall()[0][0]


@pytest.mark.parametrize("scheme", FILES)
def test_drg_in_sql_gives_the_expected_groups_and_all_that_group_gives(
    database: "DuckDBPyConnection", scheme: str
) -> None:
    claims = corpus(scheme)
    database.register("claims", claims.to_arrow())
    given = database.sql(f"SELECT case_id, unnest({CALL}) FROM claims ORDER BY case_id").pl()
    wanted = claims.select("case_id", pl.col("status", "mdc", "adrg", "drg").replace("", None)).sort("case_id")
    assert given.select(wanted.columns).equals(wanted)
    grouped = grouper.group(claims, scheme).with_columns(pl.col(ANSWERS).cast(pl.String)).sort("case_id")
    assert given.equals(grouped.select(given.columns))


def test_several_schemes_in_one_query(database: "DuckDBPyConnection") -> None:
    columns = [
        "scheme",
        "case_id",
        "diagnoses",
        "procedures",
        "sex",
        "age",
        "age_days",
        "newborn_weight",
        "length_of_stay",
    ]
    columns += ["status", "mdc", "adrg", "drg"]
    claims = pl.concat([corpus(scheme).sample(700, seed=1).select(columns) for scheme in FILES], how="vertical_relaxed")
    claims = claims.sample(fraction=1, shuffle=True, seed=2).with_row_index("place")
    database.register("claims", claims.to_arrow())
    given = database.sql(f"SELECT place, unnest({CALL}) FROM claims ORDER BY place").pl()
    wanted = claims.select(pl.col("status", "mdc", "adrg", "drg").replace("", None))
    assert given.select(wanted.columns).equals(wanted)


def test_the_same_claims_under_two_schemes_side_by_side(database: "DuckDBPyConnection") -> None:
    query = """
        SELECT scheme, drg(scheme, ['Z21.x00x001'], [], 1, 40).drg
        FROM (VALUES ('chs-drg-2.0'), ('chs-drg-3.0')) AS schemes(scheme) ORDER BY scheme
    """
    assert database.sql(query).fetchall() == [("chs-drg-2.0", "YR25"), ("chs-drg-3.0", "XT35")]


def test_nulls(database: "DuckDBPyConnection") -> None:
    grouped = one(database, "drg('chs-drg-2.0', ['I21.900'], NULL, 1, NULL)")
    assert (grouped["status"], grouped["mdc"]) == ("grouped", "MDCF")
    assert grouped == one(database, "drg('chs-drg-2.0', ['I21.900', NULL, ''], [NULL], 1, 50)")
    invalid = NOTHING | {"status": "invalid"}
    assert one(database, "drg('chs-drg-2.0', NULL, NULL, 1, 50)") == invalid | {"reason": "diagnoses_missing"}
    assert one(database, "drg('chs-drg-2.0', [], [], 1, 50)") == invalid | {"reason": "diagnoses_missing"}
    assert one(database, "drg('chs-drg-2.0', ['I21.900'], [], NULL, 50)") == invalid | {"reason": "sex_missing"}
    assert one(database, "drg('chs-drg-2.0', [NULL], [], 1, 50).reason") == "principal_blank"
    assert one(database, "drg(NULL, ['I21.900'], [], 1, 50)") in (None, NOTHING)


def test_nulls_among_schemes(database: "DuckDBPyConnection") -> None:
    query = """
        SELECT drg(scheme, ['I21.900'], [], 1, 50).mdc
        FROM (VALUES (1, 'chs-drg-2.0'), (2, NULL), (3, 'chs-drg-3.0'), (4, NULL)) AS t(place, scheme) ORDER BY place
    """
    assert database.sql(query).fetchall() == [("MDCF",), (None,), ("MDCF",), (None,)]


def test_only_nulls_and_no_rows(database: "DuckDBPyConnection") -> None:
    assert database.sql("SELECT drg(NULL, NULL, NULL, NULL, NULL).drg FROM range(3)").fetchall() == [(None,)] * 3
    assert database.sql("SELECT drg('chs-drg-2.0', ['I21.900'], [], 1, 50) FROM range(0)").fetchall() == []
    query = (
        "SELECT drg('chs-drg-2.0', [code], [], 1, 50) FROM (SELECT 'I21.900' AS code FROM range(5000)) WHERE code = ''"
    )
    assert database.sql(query).fetchall() == []


def test_more_rows_than_a_vector_in_order(database: "DuckDBPyConnection") -> None:
    query = """
        SELECT place, drg('chs-drg-2.0', [if(place % 2 = 0, 'I21.900', 'Z21.x00x001')], [], 1, 40).mdc AS mdc
        FROM range(10_000) AS t(place) ORDER BY place
    """
    rows = database.sql(query).fetchall()
    assert rows == [(place, "MDCY" if place % 2 else "MDCF") for place in range(10_000)]


def test_columns_of_any_integer_type(database: "DuckDBPyConnection") -> None:
    wanted = one(database, "drg('chs-drg-2.0', ['I21.900'], [], 1, 50)")
    assert (
        one(database, "drg('chs-drg-2.0', ['I21.900'], [], 1::TINYINT, 50::BIGINT, age_days := 0::USMALLINT)") == wanted
    )


def test_an_unknown_scheme_is_named_with_near_names(database: "DuckDBPyConnection") -> None:
    with pytest.raises(duckdb.Error, match=r"chs-drg-2\.0"):
        one(database, "drg('chs-drg-2', ['I21.900'], [], 1, 50)")


def test_a_database_on_disk_read_only(tmp_path: Path) -> None:
    path = tmp_path / "claims.duckdb"
    with connect(path) as connection:
        connection.execute("CREATE TABLE claims AS SELECT ['I21.900'] AS diagnoses")
    with connect(path, read_only=True) as connection:
        assert connection.sql("SELECT drg('chs-drg-2.0', diagnoses, [], 1, 50).mdc FROM claims").fetchall() == [
            ("MDCF",)
        ]
