"""Grouping, comparing, explaining and querying under a DIP directory: the same contracts as under a DRG scheme."""

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from engine.cases import ClaimsInput, group_cases, read_cases
from engine.grouping import GroupingRequest, run_grouping
from engine.sql import connect
from grouper import UserError, load, load_directory
from grouper.dip.reference import group_case
from grouper.drg.reference import Record
from tests.engine.grouping.test_command import drgdip

DIRECTORY = load_directory("dip-3.0")
CORPUS = Path(__file__).parents[2] / "corpus" / "dip_3_0.parquet"


@pytest.fixture(scope="module")
def grouped(city: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    out = tmp_path_factory.mktemp("dip") / "out"
    return run_grouping(GroupingRequest([city], DIRECTORY, out, compare=load("chs-drg-3.0"), names=True)), out


def read(out: Path, name: str = "grouped.parquet") -> pl.DataFrame:
    return pl.read_parquet(out / name).with_columns(pl.col(pl.Categorical).cast(pl.String))


def test_the_output_contract(grouped: tuple[dict[str, Any], Path]) -> None:
    summary, out = grouped
    frame = read(out)
    assert frame.columns == ["case_id", "status", "layer", "group", "reason", "group_name"]
    assert summary["rows"]["accepted"] == len(frame) == sum(summary["status"].values())
    for column in ("layer", "group", "reason"):
        assert summary[column] == dict(Counter(frame[column].drop_nulls())), column
    assert summary["scheme"] == {"id": "dip-3.0", "version": "3.0", "digest": DIRECTORY.digest}
    taken = frame.filter(pl.col("status") == "grouped")
    assert (taken["group"].str.head(2) == taken["layer"]).all()


def test_every_claim_has_the_group_the_reference_gives(city: Path, grouped: tuple[dict[str, Any], Path]) -> None:
    fields = ("diagnoses", "procedures", "sex", "age", "age_days", "birth_weight")
    claims = pl.read_parquet(city / "2026-03.parquet").select("case_id", *fields).to_dicts()
    by_id = {row.pop("case_id"): group_case(DIRECTORY, Record(**row)) for row in claims}
    frame = read(grouped[1]).filter(pl.col("case_id").is_in(list(by_id)))
    assert len(frame) > 500
    for case, *answer in frame.select("case_id", "status", "layer", "group", "reason").iter_rows():
        assert tuple(answer) == by_id[case]


def test_transitions_to_a_drg_scheme_add_up(grouped: tuple[dict[str, Any], Path]) -> None:
    summary, out = grouped
    with (out / "transitions.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:5] == ["status", "layer", "group", "group_name", "compared_status"]
    assert list(rows[0])[5:9] == ["compared_mdc", "compared_adrg", "compared_drg", "compared_drg_name"]
    pairs = read(out).rename({"status": "own"}).join(read(out, "compared.parquet"), on="case_id")
    counted = Counter(pairs.select(pl.col("own", "group", "status", "drg").fill_null("")).rows())
    assert counted == {
        (row["status"], row["group"], row["compared_status"], row["compared_drg"]): int(row["cases"]) for row in rows
    }
    assert summary["compared"]["scheme"]["id"] == "chs-drg-3.0"


def test_claims_need_no_sex(tmp_path: Path) -> None:
    claims = tmp_path / "claims.parquet"
    pl.DataFrame({"case_id": ["1"], "diagnoses": [["A01.000"]]}).write_parquet(claims)
    summary = run_grouping(GroupingRequest([claims], DIRECTORY, tmp_path / "out"))
    assert summary["group"] == {"JC-1858": 1}
    with pytest.raises(UserError, match="sex"):
        run_grouping(GroupingRequest([claims], load("chs-drg-3.0"), tmp_path / "other"))


def test_cases_for_payment_have_the_group(city: Path, grouped: tuple[dict[str, Any], Path]) -> None:
    columns = ("hospital_id", "total_charge")
    read_back = read_cases(ClaimsInput([city]), [grouped[1]], columns).frame.select("case_id", "group", "parent")
    fresh = group_cases(ClaimsInput([city]), DIRECTORY, columns).frame.select("case_id", "group", "parent")
    assert read_back.sort("case_id").equals(fresh.sort("case_id"))
    assert fresh["parent"].null_count() == len(fresh)
    assert fresh["group"].n_unique() > 300


def test_dip_in_sql_gives_the_corpus() -> None:
    with connect() as database:
        given = database.sql(
            "SELECT case_id, unnest(dip('dip-3.0', diagnoses, procedures, age := age, age_days := age_days, "
            f"birth_weight := birth_weight)) FROM '{CORPUS}' ORDER BY case_id"
        ).pl()
    wanted = pl.read_parquet(CORPUS).sort("case_id")
    assert given.select("case_id", "layer", "group").equals(wanted.select("case_id", "layer", "group"))


def test_each_function_of_sql_has_its_kind_of_scheme() -> None:
    with connect() as database, pytest.raises(Exception, match=r"dip-3.0: its function is dip\(\), not drg\(\)"):
        database.sql("SELECT drg('dip-3.0', ['A01.000'], [], 1, 40)").fetchall()


def test_explain_says_what_became_of_procedures_and_ties() -> None:
    arguments = ["--dx", "K80.302,J96.000", "--proc", "00.2900x001,51.2300,51.8803", "--scheme", "dip-3.0"]
    ran = drgdip("explain", *arguments)
    assert ran.returncode == 0, ran.stderr
    assert "group: BX-1026 K80 × 51.2300|51.2400|51.2401 + 51.8803" in ran.stdout
    assert "00.2900x001 血管内超声: counts for nothing (conservative)" in ran.stdout
    assert "fits too, but more parts of procedures matched comes first" in ran.stdout
    assert "without procedure 51.8803 → BX-1029" in ran.stdout
    data = json.loads(drgdip("explain", *arguments, "--json").stdout)
    assert data["group"] == {"status": "grouped", "layer": "BX", "group": "BX-1026", "reason": None}


def test_sub_types_of_claims(city: Path, tmp_path: Path) -> None:
    ran = drgdip("dip", "subtypes", city, "--out", tmp_path / "subtypes.csv", "--json")
    assert ran.returncode == 0, ran.stderr
    counted = json.loads(ran.stdout)["cases"]
    written = pl.read_csv(tmp_path / "subtypes.csv", infer_schema_length=0)
    assert written.columns == ["case_id", "kind", "subtype"]
    assert Counter(written["subtype"]) == {name: count for name, count in counted.items() if count}
    assert drgdip("dip", "subtypes", city, "--rules", "nowhere", "--out", tmp_path / "x.csv").returncode == 2


def test_schemes_of_two_kinds_are_not_compared_row_by_row() -> None:
    ran = drgdip("scheme", "diff", "dip-3.0", "chs-drg-3.0")
    assert ran.returncode == 2
    assert "have no rows in common to compare" in ran.stderr
    assert "a DRG scheme is needed here" in drgdip("scheme", "export", "dip-3.0", "--out", "x.xlsx").stderr
