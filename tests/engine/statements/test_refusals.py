"""drgdip statements as its user sees it: what it prints, and what it refuses with nothing changed."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engine.cli.app import app
from engine.database import open_database
from engine.outputs.statements.run import StatementsRequest, clearing_statements, month_statements
from engine.settlement.ledger import open_ledger
from engine.settlement.prune import prune
from grouper.fault import CannotWriteError, UserError
from tests.engine.statements.conftest import City


def run(*options: str) -> str:
    """What the command prints; its errors are raised."""
    result = CliRunner().invoke(app, ["statements", *options])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_command(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = run("--ledger", str(small), "--month", "2026-10", "--hospital", "H1", "--out", str(out), "--json")
    summary = json.loads(said)
    assert summary == json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert summary["pools"] == [
        {"pool": "employee", "hospitals": 1, "fund_cases": 24_500_00, "payable": 24_500_00, "paid": 22_050_00}
    ]
    assert [file["file"] for file in summary["files"]] == ["2026-10-H1.xlsx"]
    said = run("--ledger", str(small), "--month", "2026-10", "--out", str(out), "--lang", "en")
    assert "2 hospitals, 39900.00 yuan payable" in said
    assert len(list(out.iterdir())) == 4


@pytest.mark.parametrize("options", [[], ["--month", "2026-10", "--year", "2026"]])
def test_a_month_or_a_year(small: Path, tmp_path: Path, options: list[str]) -> None:
    with pytest.raises(UserError, match="either --month or --year"):
        run("--ledger", str(small), "--out", str(tmp_path / "out"), *options)


def test_unknown_month_year_hospital(small: Path, tmp_path: Path) -> None:
    request = StatementsRequest(small, tmp_path / "out", processes=1)
    with pytest.raises(UserError, match="no settlement of 2026-09; settled: 2026-10, 2026-11"):
        month_statements(request, "2026-09")
    with pytest.raises(UserError, match="no clearing of 2026"):
        clearing_statements(request, 2026)
    with pytest.raises(UserError, match="no hospital H9") as error:
        month_statements(StatementsRequest(small, tmp_path / "out", hospitals=["H9", "H8", "H1"]), "2026-10")
    assert len(error.value.faults) == 2
    assert not (tmp_path / "out").exists()


def test_names_must_be_a_table(small: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.csv"
    names.write_text("hospital,hospital_name\nH1,A\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"names\.csv: the column hospital_id is missing"):
        month_statements(StatementsRequest(small, tmp_path / "out", names=names), "2026-10")


def test_a_folder_of_others_is_left_alone(small: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(CannotWriteError, match="was not written by drgdip"):
        month_statements(StatementsRequest(small, tmp_path, processes=1), "2026-10")
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize(
    ("spoil", "month"),
    [
        ("UPDATE ledger_case SET fund_part = fund_part + 1 WHERE case_id = 'c6'", "2026-11"),
        (
            "UPDATE ledger_booking SET payable = payable - 1 WHERE of_month <> booked_month AND hospital_id = 'H2'",
            "2026-11",
        ),
        ("DELETE FROM ledger_case WHERE case_id = 'c1'", "2026-10"),
    ],
)
def test_a_ledger_that_does_not_add_up_is_not_printed(small: Path, tmp_path: Path, spoil: str, month: str) -> None:
    ledger = tmp_path / "city.duckdb"
    shutil.copy(small, ledger)
    with open_database(ledger) as connection:
        connection.execute(spoil)
    with pytest.raises(UserError, match="run drgdip ledger verify"):
        month_statements(StatementsRequest(ledger, tmp_path / "out", processes=1), month)
    assert not (tmp_path / "out").exists()


def test_a_pruned_month_is_refused(city: City, tmp_path: Path) -> None:
    ledger = tmp_path / "city.duckdb"
    shutil.copy(city.ledger, ledger)
    with open_ledger(ledger) as opened:
        prune(opened, "2026-01")
    with pytest.raises(UserError, match="the cases of 2026-01 were pruned"):
        month_statements(StatementsRequest(ledger, tmp_path / "out", processes=1), "2026-01")


def test_a_ledger_in_use_is_refused(small: Path, tmp_path: Path) -> None:
    ledger = tmp_path / "city.duckdb"
    shutil.copy(small, ledger)
    holder = f"import duckdb, sys; c = duckdb.connect({str(ledger)!r}); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(UserError, match="another process has this ledger open"):
            month_statements(StatementsRequest(ledger, tmp_path / "out"), "2026-10")
        process.communicate()
