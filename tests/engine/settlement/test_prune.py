"""Retention: claim-level rows of cleared years go, also from the file's bytes; totals stay and verify still passes."""

import stat
from pathlib import Path

import pytest

from engine.settlement.clearing import LedgerClearing, clear_on_ledger
from engine.settlement.ledger import Ledger, open_ledger, read_ledger
from engine.settlement.prune import prune, pruned_months
from engine.settlement.undo import undo
from engine.settlement.verify import verify
from grouper.fault import UserError
from tests.engine.money_city import CLAIMS, GROUPS, claim
from tests.engine.settlement.conftest import Run
from tests.engine.settlement.priced_ledger import city_ledger
from tests.engine.settlement.town import faults_of, found_town, settle_month, stay

TOTALS = "SELECT month, hospital_id, payable, paid FROM hospital_months ORDER BY ALL"


def counts(ledger: Ledger) -> dict[str, int]:
    """Cases in the ledger by month of their batch."""
    query = "SELECT b.month, count(*) AS n FROM ledger_case JOIN ledger_batch AS b USING (batch) GROUP BY ALL"
    return dict(ledger.rows(query).iter_rows())


def test_rows_go_and_totals_stay(tmp_path: Path) -> None:
    claims = [*CLAIMS, claim("secret-settlement-number", "H2", "2026-10-09", 8000)]
    path = city_ledger(tmp_path / "city", claims=claims, groups=GROUPS | {"secret-settlement-number": "A1"})
    with open_ledger(path) as ledger:
        clear_on_ledger(ledger, LedgerClearing(2026))
        before = ledger.rows(TOTALS), ledger.rows("FROM ledger_clearing ORDER BY ALL")
    assert b"secret-settlement" in path.read_bytes()
    with open_ledger(path) as ledger:
        done = prune(ledger, "2026-10")
    assert (done["months"], done["rows"]) == (["2026-10"], {"ledger_case": 3})
    assert b"secret-settlement" not in path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir() if ".new-" in file.name or file.suffix == ".wal"] == []
    with read_ledger(path) as ledger:
        assert counts(ledger) == {"2026-11": 2}
        assert pruned_months(ledger) == {"2026-10"}
        after = ledger.rows(TOTALS), ledger.rows("FROM ledger_clearing ORDER BY ALL")
        assert all(one.equals(other) for one, other in zip(before, after, strict=True))
        assert all(not check.failed for check in verify(ledger))
        comment = "SELECT comment FROM duckdb_columns() WHERE table_name = 'ledger_case' AND column_name = 'fund_part'"
        assert "fen" in ledger.rows(comment).item()


def test_only_cleared_years_of_a_sound_ledger_are_pruned(ledger: Ledger) -> None:
    with pytest.raises(UserError, match="2026 is not cleared: its cases cannot be pruned"):
        prune(ledger, "2026-10")
    clearing = clear_on_ledger(ledger, LedgerClearing(2026))["batch"]
    with pytest.raises(UserError, match="everything up to 2026-09 has nothing left to prune"):
        prune(ledger, "2026-09")
    ledger.connection.execute("UPDATE ledger_case SET fund_part = fund_part + 1 WHERE case_id = 'c1'")
    with pytest.raises(UserError, match="the ledger does not verify and cannot be pruned: the rows of every batch"):
        prune(ledger, "2026-10")
    ledger.connection.execute("UPDATE ledger_case SET fund_part = fund_part - 1 WHERE case_id = 'c1'")
    assert counts(ledger) == {"2026-10": 2, "2026-11": 2}
    prune(ledger, "2026-10")
    with pytest.raises(UserError, match="cases of 2026 are pruned: it cannot be cleared anew"):
        undo(ledger, clearing, "-")
    with pytest.raises(UserError, match="pruned rows, and they cannot come back"):
        undo(ledger, 4, "-")


def test_rows_that_come_back_are_found(ledger: Ledger) -> None:
    clear_on_ledger(ledger, LedgerClearing(2026))
    ledger.connection.execute("CREATE TEMP TABLE kept AS FROM ledger_case WHERE batch = 1")
    prune(ledger, "2026-10")
    ledger.connection.execute("INSERT INTO ledger_case FROM kept")
    assert "strays" in {check.name for check in verify(ledger) if check.failed}


def test_the_command_says_what_was_pruned(city: Path, run: Run) -> None:
    path = city / "city.duckdb"
    with open_ledger(path) as ledger:
        clear_on_ledger(ledger, LedgerClearing(2026))
    said = run("ledger", "prune", "--through", "2026-10", "--ledger", path, "--lang", "en")
    assert said == "pruned 2026-10 … 2026-10: ledger_case 2 rows (batch 4)\n"
    said = run("ledger", "verify", "--ledger", path, "--lang", "en")
    assert "claim-level rows of 2026-10 … 2026-10 were pruned (2)" in said


def test_claims_of_pruned_months_are_left_out_when_they_turn_up_again(tmp_path: Path) -> None:
    years = {"to = 2026-12-31": "to = 2027-12-31"}
    town = found_town(tmp_path / "town", years)
    old = [stay("c1", "2026-10-05"), stay("c2", "2026-10-06", hospital="H2")]
    settle_month(town, "2026-10", old)
    with open_ledger(town / "city.duckdb") as ledger:
        clear_on_ledger(ledger, LedgerClearing(2026))
        prune(ledger, "2026-10")
    again = [*old, stay("c3", "2026-10-07", received="2027-01-04"), stay("n1", "2027-01-05")]
    summary = settle_month(town, "2027-01", again)
    assert (summary["rows"]["booked"], summary["rows"]["elsewhere"]) == (1, 3)
    assert faults_of(town / "city.duckdb") == []
