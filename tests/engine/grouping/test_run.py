"""The grouping run on real files: its output contract, and that cutting the input changes nothing."""

import json
import stat
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import fastexcel
import polars as pl
import pytest

from engine.grouping import GroupingRequest, run_grouping
from grouper import UserError, load_scheme
from grouper.drg.answer import REASONS
from grouper.drg.reference import Record, group_case
from tests.engine.grouping.conftest import CLAIMS

SCHEME = load_scheme("chs-drg-2.0")


def run(inputs: list[Path], out: Path, **options: Any) -> dict[str, Any]:
    return run_grouping(GroupingRequest(inputs, SCHEME, out, **options))


def read(out: Path, name: str = "grouped.parquet") -> pl.DataFrame:
    frame = pl.read_parquet(out / name)
    return frame.with_columns(pl.col(pl.Categorical).cast(pl.String))


def test_rows_in_are_accepted_or_rejected_and_statuses_add_up(city: Path, tmp_path: Path) -> None:
    summary = run([city], tmp_path / "out")
    grouped, rejected = read(tmp_path / "out"), pl.read_parquet(tmp_path / "out" / "rejected.parquet")
    rows = summary["rows"]
    assert rows["in"] == sum(len(pl.read_parquet(path)) for path in city.glob("*.parquet"))
    assert rows["in"] == rows["accepted"] + rows["rejected"]
    assert rows["accepted"] == len(grouped) == sum(summary["status"].values())
    assert rows["rejected"] == rejected.select(pl.struct("file", "row").n_unique()).item() > 0
    assert summary["status"] == {name: int((grouped["status"] == name).sum()) for name in summary["status"]}
    assert summary["drg"] == dict(Counter(grouped["drg"].drop_nulls()))
    assert summary["reason"] == dict(Counter(grouped["reason"].drop_nulls()))
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["rows"] == rows


def test_columns_of_the_output_contract(city: Path, tmp_path: Path) -> None:
    run([city], tmp_path / "out", keep=["hospital_id", "total_charge"], names=True)
    grouped = read(tmp_path / "out")
    assert grouped.columns == [
        *("case_id", "status", "mdc", "adrg", "drg", "severity", "reason"),
        *("mdc_name", "adrg_name", "drg_name", "hospital_id", "total_charge"),
    ]
    assert set(grouped["severity"].drop_nulls()) <= {"none", "cc", "mcc"}
    assert set(grouped["reason"].drop_nulls()) <= set(REASONS)
    invalid = grouped.filter(pl.col("status") == "invalid")
    assert len(invalid) > 0
    assert invalid.select(pl.col("mdc", "adrg", "drg", "severity").is_null().all()).row(0) == (True,) * 4
    ambiguous = grouped.filter(pl.col("status") == "ambiguous")
    assert (ambiguous["adrg"] == ambiguous["drg"]).all()
    assert ambiguous["adrg"].str.ends_with("QY").all()
    rejected = pl.read_parquet(tmp_path / "out" / "rejected.parquet")
    assert rejected.columns == ["file", "row", "case_id", "reason", "message"]


def test_every_accepted_claim_has_the_group_the_reference_gives(city: Path, tmp_path: Path) -> None:
    source = city / "2026-03.parquet"
    run([source], tmp_path / "out")
    claims = pl.read_parquet(source).select(
        "case_id", "diagnoses", "procedures", "sex", "age", "age_days", "birth_weight"
    )
    by_id = {row.pop("case_id"): row for row in claims.to_dicts()}
    for row in read(tmp_path / "out").to_dicts():
        expected = group_case(SCHEME, Record(**by_id[row.pop("case_id")]))
        assert tuple(row.values()) == tuple(expected), row


def test_splitting_and_the_order_of_files_change_nothing(city: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole.parquet"
    frames = [pl.read_parquet(path) for path in sorted(city.glob("*.parquet"))]
    pl.concat(frames).write_parquet(whole, row_group_size=777)
    one, many = run([whole], tmp_path / "one"), run([city], tmp_path / "many")
    assert read(tmp_path / "one").equals(read(tmp_path / "many"))
    for part in ("rows", "status", "reason", "drg", "severity", "rejected_by_reason"):
        assert one[part] == many[part]
    notes = (tmp_path / "one" / "code_notes.csv").read_text()
    assert notes == (tmp_path / "many" / "code_notes.csv").read_text()


def test_transitions_count_every_accepted_claim_once(city: Path, tmp_path: Path) -> None:
    summary = run([city], tmp_path / "out", compare=load_scheme("chs-drg-3.0"))
    transitions = pl.read_csv(tmp_path / "out" / "transitions.csv")
    both = read(tmp_path / "out").join(read(tmp_path / "out", "compared.parquet"), on="case_id", suffix="_3")
    assert transitions["cases"].sum() == summary["rows"]["accepted"] == len(both)
    keys = ("status", "adrg", "drg")
    expected = Counter(both.select(*keys, *(f"{key}_3" for key in keys)).rows())
    found = transitions.select(*keys, *(f"compared_{key}" for key in keys), "cases").rows()
    assert {row[:-1]: row[-1] for row in found} == expected


@pytest.mark.parametrize("kind", ["csv", "xlsx", "duckdb"])
def test_other_formats_hold_the_same_rows(city: Path, tmp_path: Path, kind: str) -> None:
    source = city / "2026-01.parquet"
    run([source], tmp_path / "parquet", keep=["hospital_level"])
    run([source], tmp_path / kind, keep=["hospital_level"], format=kind)
    path = tmp_path / kind / f"grouped.{kind}"
    if kind == "csv":
        other = pl.read_csv(path, infer_schema=False)
    elif kind == "xlsx":
        other = fastexcel.read_excel(path).load_sheet(0, dtypes="string").to_polars()
    else:
        with duckdb.connect(str(path), read_only=True) as database:
            other = database.sql("FROM grouped").pl()
    expected = read(tmp_path / "parquet")
    assert other.columns == expected.columns
    assert other.cast(pl.String).fill_null("").rows() == expected.cast(pl.String).fill_null("").rows()
    assert not (tmp_path / kind / "grouped.parquet").exists()


def test_clinical_codes_are_converted_counted_and_listed(tmp_path: Path) -> None:
    claims = pl.DataFrame(
        {"case_id": ["a", "b"], "sex": [1, 1], "diagnoses": [["A02.100x004"], ["A02.100x004", "nonsense"]]}
    )
    claims.write_parquet(tmp_path / "claims.parquet")
    run([tmp_path / "claims.parquet"], tmp_path / "out", codes="clinical")
    notes = pl.read_csv(tmp_path / "out" / "code_notes.csv").rows()
    assert ("converted", "diagnoses", "A02.100x004", "A02.100", 2) in notes
    assert ("unmapped", "diagnoses", "nonsense", "nonsense", 1) in notes
    findings = {row["name"]: row["count"] for row in json.loads((tmp_path / "out" / "findings.json").read_text())}
    assert findings["converted_code"] == 2
    assert findings["unmapped_code"] == 1
    assert read(tmp_path / "out")["mdc"].to_list() == ["MDCS", "MDCS"]


def test_missing_numbers_are_findings_under_2_0_and_invalid_under_1_1(tmp_path: Path) -> None:
    claims = pl.DataFrame({"case_id": ["a"], "sex": [1], "age": [None], "diagnoses": [["I10.x00x002"]]})
    claims.write_parquet(tmp_path / "claims.parquet")
    run([tmp_path / "claims.parquet"], tmp_path / "two")
    findings = {row["name"]: row["count"] for row in json.loads((tmp_path / "two" / "findings.json").read_text())}
    assert findings["missing_age"] == 1
    assert read(tmp_path / "two")["status"].to_list() == ["grouped"]
    run_grouping(GroupingRequest([tmp_path / "claims.parquet"], load_scheme("chs-drg-1.1"), tmp_path / "one"))
    assert read(tmp_path / "one").select("status", "reason").row(0) == ("invalid", "age_missing")


def test_ids_can_be_replaced_by_keyed_hashes(city: Path, tmp_path: Path) -> None:
    source = city / "2026-01.parquet"
    run([source], tmp_path / "out", hash_key=b"a key of thirty-two bytes, no less")
    ids = set(pl.read_parquet(source)["case_id"].drop_nulls())
    assert not ids & set(read(tmp_path / "out")["case_id"])
    assert not ids & set(pl.read_parquet(tmp_path / "out" / "rejected.parquet")["case_id"].drop_nulls())
    assert not any(case_id in (tmp_path / "out" / "findings.json").read_text() for case_id in ids)


def test_outputs_are_for_their_owner_only(city: Path, tmp_path: Path) -> None:
    run([city / "2026-01.parquet"], tmp_path / "out")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "out").iterdir()}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700


def test_inputs_without_rows_give_the_columns_without_rows(city: Path, tmp_path: Path) -> None:
    source = tmp_path / "none.parquet"
    pl.read_parquet(city / "2026-01.parquet").clear().write_parquet(source)
    assert run([source], tmp_path / "out", keep=["hospital_id"])["rows"] == {"in": 0, "accepted": 0, "rejected": 0}
    assert read(tmp_path / "out").columns[-1] == "hospital_id"


def test_keep_refuses_names_of_the_output(city: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--keep drg, reason"):
        run([city], tmp_path / "out", keep=["drg", "hospital_id", "reason"])


def test_provenance_names_inputs_and_scheme_with_digests(city: Path, tmp_path: Path) -> None:
    import hashlib

    source = city / "2026-01.parquet"
    summary = run([source], tmp_path / "out")
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    assert summary["inputs"] == [{"file": str(source), "bytes": source.stat().st_size, "sha256": digest}]
    assert summary["scheme"] == {"id": "chs-drg-2.0", "version": "2.0", "digest": SCHEME.digest}
    assert summary["rows"]["in"] <= CLAIMS
