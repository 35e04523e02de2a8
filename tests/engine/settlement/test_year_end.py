"""From claims to the clearing of two years: a case of last year's budget is cleared once, whenever it arrives."""

from pathlib import Path

from engine.settlement.clearing import LedgerClearing, clear_on_ledger
from engine.settlement.ledger import open_ledger
from engine.settlement.states import Mark, mark
from tests.engine.settlement.town import PART, ask, faults_of, found_town, settle_month, stay

BY_DISCHARGE = {"to = 2026-12-31": "to = 2027-12-31", 'budget_year = "settlement"': 'budget_year = "discharge"'}
BUDGET = 30_000_00


def cleared(town: Path, year: int) -> dict[str, dict[str, int]]:
    """Clear a year; its rows by hospital."""
    with open_ledger(town / "city.duckdb") as ledger:
        batch = clear_on_ledger(ledger, LedgerClearing(year))["batch"]
        rows = ledger.rows("SELECT * FROM ledger_clearing WHERE batch = $batch", {"batch": batch}).to_dicts()
    return {row["hospital_id"]: row for row in rows}


def test_each_case_is_cleared_with_its_budget_or_as_an_adjustment_never_twice(tmp_path: Path) -> None:
    town = found_town(tmp_path / "town", BY_DISCHARGE)
    settle_month(town, "2026-12", [stay("d1", "2026-12-05"), stay("d2", "2026-12-06", hospital="H2")])
    j2, f2 = (
        stay(name, day, hospital="H2", admitted="2026-12-20", discharged="2026-12-30")
        for name, day in (("j2", "2027-01-06"), ("f2", "2027-02-06"))
    )
    settle_month(town, "2027-01", [stay("j1", "2027-01-05"), j2])
    # d1; d2 and j2: a third of the budget for H1, two thirds for H2, 90 % of 7,000 was prepaid for each case
    first = cleared(town, 2026)
    assert {name: (row["cases"], row["clearing"], row["prepaid"]) for name, row in first.items()} == {
        "H1": (1, BUDGET // 3, PART * 9 // 10),
        "H2": (2, BUDGET * 2 // 3, 2 * PART * 9 // 10),
    }
    settle_month(town, "2027-02", [stay("f1", "2027-02-05"), f2])
    # f2 came too late for its year: 7,000 come off the budget of 2027, which j1 and f1 share
    second = cleared(town, 2027)
    assert {name: (row["cases"], row["clearing"], row["outside_points"]) for name, row in second.items()} == {
        "H1": (2, BUDGET - PART, 0),
        "H2": (0, 0, PART),
    }
    prepaid = sum(row["prepaid"] for row in (*first.values(), *second.values()))
    assert prepaid == ask(town, "SELECT sum(paid)::BIGINT FROM ledger_booking")[0][0] == 6 * PART * 9 // 10
    assert faults_of(town / "city.duckdb") == []


def test_a_correction_after_confirmation_is_cleared_with_its_year(tmp_path: Path) -> None:
    town = found_town(tmp_path / "town", {"to = 2026-12-31": "to = 2027-12-31"})
    december = [stay("d1", "2026-12-05"), stay("d2", "2026-12-06", hospital="H2")]
    settle_month(town, "2026-12", december)
    with open_ledger(town / "city.duckdb") as ledger:
        for state in ("sent", "confirmed", "approved", "paid"):
            mark(ledger, Mark(state, "2026-12"))
    corrected = [stay("d1", "2026-12-05", "BR29"), december[1]]
    summary = settle_month(town, "2026-12", corrected)
    assert summary["booked_month"] == "2027-01"
    found = cleared(town, 2026)
    # 200 and 100 points; the difference that January books is prepaid money of 2026
    assert (found["H1"]["clearing"], found["H1"]["prepaid"]) == (20_000_00, 2 * PART * 9 // 10)
    assert found["H2"]["clearing"] == 10_000_00
    assert faults_of(town / "city.duckdb") == []


def test_a_year_cleared_and_paid_leaves_nothing_open(tmp_path: Path) -> None:
    town = found_town(tmp_path / "town")
    settle_month(town, "2026-11", [stay("n1", "2026-11-05"), stay("n2", "2026-11-06", "BR29", "H2")])
    refund = stay("r1", "2026-12-03", charge=-10000, refund="1", original_case_id="n1")
    settle_month(town, "2026-12", [stay("d1", "2026-12-05", hospital="H2"), refund])
    with open_ledger(town / "city.duckdb") as ledger:
        for period in ("2026-11", "2026-12"):
            for state in ("sent", "confirmed", "approved", "paid"):
                mark(ledger, Mark(state, period))
    cleared(town, 2026)
    with open_ledger(town / "city.duckdb") as ledger:
        for state in ("sent", "confirmed", "approved", "paid"):
            mark(ledger, Mark(state, "2026"))
    # H1 had 6,300 in November and gave them back in December; everything is H2's
    assert ask(town, "SELECT amount FROM ledger_cash WHERE hospital_id = 'H1' AND kind = 'prepaid' ORDER BY month") == [
        (PART * 9 // 10,),
        (-PART * 9 // 10,),
    ]
    last = "SELECT hospital_id, arg_max(open, month) FROM cash_account GROUP BY hospital_id ORDER BY hospital_id"
    assert ask(town, last) == [("H1", 0), ("H2", 0)]
    assert ask(town, "SELECT sum(cash) FROM cash_account")[0][0] * 100 == BUDGET
    assert faults_of(town / "city.duckdb") == []
