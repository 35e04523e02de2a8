import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from engine.cli.app import app
from grouper.fault import UserError
from tests.engine.claims.reading import write_parquet

ROWS = {
    "case_id": ["1", "2", "2", "3"],
    "person_id": ["p1", "p2", "p2", "p3"],
    "sex": ["男", "女", "女", "x"],
    "diagnoses": [["A00.000"], ["A00.000"], ["A00.000"], []],
    "total_charge": ["100", "100", "100", "100"],
    "fund_total": ["60", "60", "60", "60"],
    "patient_paid": ["30", "40", "40", "40"],
}


@pytest.fixture
def claims(tmp_path: Path) -> Path:
    return write_parquet(tmp_path / "claims.parquet", ROWS)


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["check", *map(str, arguments)], env={"COLUMNS": "200"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


def test_rows_and_findings_on_screen(claims: Path) -> None:
    code, shown = run(claims, "--lang", "en")
    assert code == 1
    assert "4 rows in = 1 accepted + 3 rejected" in shown
    for part in ("duplicate_case_id", "unparsable_value", "total_adds_up", "claims.parquet:1", "no_diagnosis"):
        assert part in shown
    assert "columns not in the files, taken as missing: admission_weight, " in shown
    code, shown = run(claims, "--lang", "zh")
    assert "读入 4 行 = 接收 1 + 拒收 3" in shown
    assert "总费用 ≠ 基金支付 + 个人负担 + 医院负担" in shown


def test_files_written(claims: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, shown = run(claims, "--out", out, "--check", "total_adds_up=reject", "--lang", "zh", "--json")
    assert code == 1
    assert json.loads(shown)["rows"] == {"in": 4, "accepted": 0, "rejected": 4}
    rejected = pq.read_table(out / "rejected.parquet").to_pylist()
    assert list(rejected[0]) == ["file", "row", "case_id", "reason", "message"]
    assert [(line["row"], line["reason"]) for line in rejected] == [
        (1, "total_adds_up"),
        (2, "duplicate_case_id"),
        (3, "duplicate_case_id"),
        (4, "unparsable_value"),
    ]
    assert rejected[3]["message"] == "无法识别的值：sex=x"
    findings = json.loads((out / "findings.json").read_text(encoding="utf-8"))
    assert findings == json.loads(shown)["findings"]
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert summary["rejected_by_reason"] == {"duplicate_case_id": 2, "total_adds_up": 1, "unparsable_value": 1}
    assert {path.stat().st_mode & 0o777 for path in out.iterdir()} == {0o600}


def test_clean_claims_end_well(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", {"case_id": ["1"], "diagnoses": [["A00.000"]]})
    code, shown = run(path, "--lang", "en")
    assert (code, shown.splitlines()[0]) == (0, "1 rows in = 1 accepted + 0 rejected")


def test_person_ids_are_never_written(claims: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    _, shown = run(claims, "--out", out, "--lang", "en")
    written = shown + str(pq.read_table(out / "rejected.parquet").to_pylist())
    written += "".join(path.read_text(encoding="utf-8") for path in out.glob("*.json"))
    assert not any(person in written for person in ("p1", "p2", "p3"))


def test_hashed_ids(claims: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(b"0123456789abcdef")
    out = tmp_path / "out"
    run(claims, "--out", out, "--hash-ids", key)
    assert {len(line["case_id"]) for line in pq.read_table(out / "rejected.parquet").to_pylist()} == {32}


def test_a_day_for_future_dates(tmp_path: Path) -> None:
    path = write_parquet(
        tmp_path / "a.parquet", {"case_id": ["1"], "diagnoses": [["A00.000"]], "received": ["2024-02-01"]}
    )
    assert "future_date" in run(path, "--as-of", "2024-01-31")[1]
    assert "future_date" not in run(path, "--as-of", "2024-02-01")[1]


def test_wrong_options_leave_no_output(claims: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no check 'total_add_up'"):
        run(claims, "--out", tmp_path / "out", "--check", "total_add_up=off")
    assert not (tmp_path / "out").exists()
