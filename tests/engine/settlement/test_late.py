"""Claims that are not of the month alone: late ones, known ones, stays settled in parts, refunds of other months."""

from pathlib import Path

import pytest

from engine.settlement.ledger import Head, open_ledger
from engine.settlement.undo import undo
from rules.fault import UserError
from tests.engine.settlement.town import (
    PART,
    ask,
    everything,
    faults_of,
    findings,
    found_town,
    parts,
    payable,
    settle_month,
    stay,
    write_policy,
)

SEPTEMBER = [stay("s1", "2026-09-05"), stay("s2", "2026-09-06", "BR29", "H2")]
OCTOBER = [stay("c1", "2026-10-05"), stay("c2", "2026-10-06", "BR29", "H2")]


@pytest.fixture
def town(tmp_path: Path) -> Path:
    return found_town(tmp_path / "town")


def close_year(town: Path, year: int = 2026) -> None:
    """Book a final clearing of a year, by hand."""
    with (
        open_ledger(town / "city.duckdb") as ledger,
        ledger.batch(Head("clearing", "by hand", year=year, stage="final", version=1)),
    ):
        pass


def two_years(tmp_path: Path) -> Path:
    valid = {"valid = { from = 2026-01-01, to = 2026-12-31 }": "valid = { from = 2026-01-01, to = 2027-12-31 }"}
    return found_town(tmp_path / "town", valid)


def test_a_claim_that_arrives_after_its_month_enters_the_month_that_sees_it(town: Path) -> None:
    settle_month(town, "2026-09", SEPTEMBER)
    late = stay("late", "2026-09-20", hospital="H2", received="2026-10-03")
    summary = settle_month(town, "2026-10", [*OCTOBER, late])
    assert findings(summary) == {("late", "2026-09"): 1}
    assert payable(town)["2026-10", "2026-10", "H2"] == 3 * PART
    assert ask(town, "SELECT month, late, budget_year FROM ledger_case WHERE case_id = 'late'") == [
        ("2026-10", "late", 2026)
    ]


def test_late_is_paid_at_the_value_the_policy_names(tmp_path: Path) -> None:
    values = 'start = { value = "100", unit = "charge_yuan" }, months = { "2026-09" = "200" }'
    start = 'start = { value = "100", unit = "charge_yuan" }'
    for basis, part in (("settlement", 2 * PART), ("arrival", PART)):
        names = {start: values, 'late_claim_value = "arrival"': f'late_claim_value = "{basis}"'}
        town = found_town(tmp_path / basis, names)
        settle_month(town, "2026-09", SEPTEMBER)
        settle_month(town, "2026-10", [*OCTOBER, stay("late", "2026-09-20", received="2026-10-03")])
        assert parts(town)["late"] == part
        assert parts(town)["s1"] == 2 * PART


def test_a_late_claim_without_a_day_of_arrival_has_arrived_now(town: Path) -> None:
    settle_month(town, "2026-09", SEPTEMBER)
    settle_month(town, "2026-10", [*OCTOBER, stay("late", "2026-09-20", received="")])
    assert ask(town, "SELECT value_month, late FROM ledger_case WHERE case_id = 'late'") == [("2026-10", "late")]


def test_a_claim_of_an_open_month_waits_for_it_unless_it_arrived_now(town: Path) -> None:
    august = [stay("a1", "2026-08-20"), stay("a2", "2026-08-21", received="2026-10-02")]
    summary = settle_month(town, "2026-10", [*OCTOBER, *august])
    assert (summary["rows"]["booked"], summary["rows"]["elsewhere"]) == (3, 1)
    # August is settled after October: what October has taken is left there
    later = settle_month(town, "2026-08", august)
    assert findings(later) == {("known", ""): 1, ("out_of_order", "2026-08"): 1}
    assert parts(town) == {"a1": PART, "a2": PART, "c1": PART, "c2": 2 * PART}


def test_claims_of_settled_months_are_left_as_they_are(town: Path) -> None:
    settle_month(town, "2026-09", SEPTEMBER)
    changed = stay("s1", "2026-09-05", charge=12000)
    summary = settle_month(town, "2026-10", [*OCTOBER, changed, SEPTEMBER[1], stay("n1", "2026-11-02")])
    rows = summary["rows"]
    assert (rows["accepted"], rows["booked"], rows["known"], rows["elsewhere"]) == (5, 2, 2, 1)
    assert findings(summary) == {("known", ""): 2, ("changed_after_settlement", ""): 1, ("elsewhere", ""): 1}
    assert payable(town, "booked_month") == {("2026-09",): 3 * PART, ("2026-10",): 3 * PART}


def test_refunds_and_merged_stays_that_come_again_are_no_changes(town: Path) -> None:
    october = [
        stay("p1", "2026-10-10", charge=4000, stay_id="S", part_of_stay="1"),
        stay("p2", "2026-10-20", charge=6000, stay_id="S"),
        stay("r1", "2026-10-21", "BR19", "H1", -4000, refund="1", original_case_id="c0"),
        stay("c0", "2026-10-12", charge=4000),
    ]
    settle_month(town, "2026-10", october)
    summary = settle_month(town, "2026-11", [stay("n1", "2026-11-02"), *october])
    assert findings(summary) == {("known", ""): 4}


def test_a_case_whose_date_moved_to_another_month_is_not_paid_twice(town: Path) -> None:
    settle_month(town, "2026-09", SEPTEMBER)
    summary = settle_month(town, "2026-10", [*OCTOBER, stay("s1", "2026-10-09")])
    assert findings(summary) == {("known", ""): 1}


def test_a_late_claim_stays_late_when_its_month_is_settled_anew(town: Path) -> None:
    settle_month(town, "2026-09", SEPTEMBER)
    late = stay("late", "2026-09-20", received="2026-10-03")
    settle_month(town, "2026-10", [*OCTOBER, late])
    again = settle_month(town, "2026-10", [*OCTOBER, late, stay("c3", "2026-10-30")])
    assert findings(again) == {("late", "2026-09"): 1}
    assert again["difference"]["payable"] == PART
    assert sum(payable(town).values()) == sum(parts(town).values()) == 8 * PART


def test_claims_of_a_cleared_year_are_its_adjustment(tmp_path: Path) -> None:
    town = two_years(tmp_path)
    settle_month(town, "2026-12", [stay("d1", "2026-12-05")])
    close_year(town)
    late = stay("late", "2026-12-20", received="2027-01-04")
    summary = settle_month(town, "2027-01", [stay("j1", "2027-01-05"), late])
    assert findings(summary) == {("late", "2026-12"): 1, ("prior_year", ""): 1}
    assert ask(town, "SELECT late, budget_year FROM ledger_case WHERE case_id = 'late'") == [("prior_year", 2026)]
    # the booking belongs to the year of the month: no clearing of 2026 sees it any more
    assert ask(town, "SELECT year, payable FROM ledger_booking WHERE booked_month = '2027-01'") == [(None, 2 * PART)]


def test_a_refund_takes_back_what_was_paid_in_another_month(town: Path) -> None:
    settle_month(town, "2026-09", SEPTEMBER)
    # the policy pays more by now; the refund does not care
    write_policy(town, {'value = "100"': 'value = "300"'})
    refund = stay("r1", "2026-10-09", "BR29", "H2", -10000, refund="1", original_case_id="s2")
    settle_month(town, "2026-10", [OCTOBER[0], refund])
    assert parts(town)["r1"] == -2 * PART
    columns = "standard, points, value_month, sign, original_case_id, group_code, hospital_id, late"
    assert ask(town, f"SELECT {columns} FROM ledger_case WHERE case_id = 'r1'") == [
        (-20_000_00, -200, "2026-09", -1, "s2", "BR29", "H2", "no")
    ]
    assert payable(town, "booked_month, hospital_id") == {
        ("2026-09", "H1"): PART, ("2026-09", "H2"): 2 * PART, ("2026-10", "H1"): 3 * PART, ("2026-10", "H2"): -2 * PART
    }  # fmt: skip


def test_a_refund_within_the_month(town: Path) -> None:
    refund = stay("r1", "2026-10-09", charge=-10000, refund="1", original_case_id="c1")
    settle_month(town, "2026-10", [*OCTOBER, refund])
    assert payable(town) == {("2026-10", "2026-10", "H2"): 2 * PART}


def test_a_second_refund_is_refused(town: Path) -> None:
    settle_month(town, "2026-09", SEPTEMBER)
    settle_month(town, "2026-10", [stay("r1", "2026-10-09", charge=-10000, refund="1", original_case_id="s1")])
    before = everything(town / "city.duckdb")
    with pytest.raises(UserError, match=r"1 refunds reverse an original that is reversed more than once: r2 \(s1\)"):
        settle_month(town, "2026-11", [stay("r2", "2026-11-09", charge=-10000, refund="1", original_case_id="s1")])
    assert everything(town / "city.duckdb") == before


def test_parts_of_a_stay_are_held_and_taken_in_by_its_last_settlement(town: Path) -> None:
    first = [
        stay("p1", "2026-09-30", charge=4000, stay_id="S", part_of_stay="1", admitted="2026-08-20"),
        stay("q1", "2026-09-30", charge=5000, stay_id="Q", part_of_stay="1"),
    ]
    september = settle_month(town, "2026-09", [*SEPTEMBER, *first])
    assert (september["rows"]["booked"], september["rows"]["held"]) == (2, 2)
    assert findings(september) == {("part_held", ""): 2}
    assert ask(town, "SELECT case_id, stay_id, hospital_id, month, total_charge FROM ledger_part ORDER BY ALL") == [
        ("p1", "S", "H1", "2026-09", 4_000_00), ("q1", "Q", "H1", "2026-09", 5_000_00)
    ]  # fmt: skip
    last = stay("p2", "2026-10-20", charge=6000, stay_id="S", admitted="2026-10-01")
    october = settle_month(town, "2026-10", [OCTOBER[1], last, first[0]])
    rows = october["rows"]
    # p1 came once more: it is known, and read back from the ledger
    assert (rows["accepted"], rows["booked"], rows["merged"], rows["known"]) == (3, 2, 0, 1)
    assert findings(october) == {("known", ""): 1, ("part_from_ledger", ""): 1}
    assert ask(town, "SELECT total_charge, admitted::DATE::VARCHAR FROM ledger_case WHERE case_id = 'p2'") == [
        (10_000_00, "2026-08-20")
    ]
    # Q is still waiting, S is done
    november = settle_month(town, "2026-11", [stay("q2", "2026-11-20", charge=5000, stay_id="Q")])
    assert findings(november) == {("part_from_ledger", ""): 1}
    assert ask(town, "SELECT total_charge FROM ledger_case WHERE case_id = 'q2'") == [(10_000_00,)]
    assert faults_of(town / "city.duckdb") == []


def test_parts_within_the_month_are_merged(town: Path) -> None:
    stays = [
        stay("p1", "2026-10-10", charge=4000, stay_id="S", part_of_stay="1"),
        stay("p2", "2026-10-20", charge=6000, stay_id="S"),
    ]
    summary = settle_month(town, "2026-10", stays)
    assert (summary["rows"]["booked"], summary["rows"]["merged"]) == (1, 1)
    assert ask(town, "SELECT case_id, total_charge FROM ledger_case") == [("p2", 10_000_00)]


def test_the_refund_of_a_stay_in_parts_is_no_last_settlement(town: Path) -> None:
    first = stay("p1", "2026-09-30", charge=4000, stay_id="S", part_of_stay="1")
    settle_month(town, "2026-09", [*SEPTEMBER, first])
    settle_month(town, "2026-10", [OCTOBER[0], stay("p2", "2026-10-20", charge=6000, stay_id="S")])
    refund = stay("r1", "2026-11-02", charge=-10000, stay_id="S", refund="1", original_case_id="p2")
    settle_month(town, "2026-11", [refund])
    assert ask(town, "SELECT charge FROM ledger_case WHERE case_id = 'r1'") == [(-10_000_00,)]


def test_a_part_that_is_taken_back_counts_no_more(town: Path) -> None:
    wrong = stay("p1", "2026-09-30", charge=4000, stay_id="S", part_of_stay="1")
    settle_month(town, "2026-09", [*SEPTEMBER, wrong])
    back = [
        stay("r1", "2026-10-02", charge=-4000, refund="1", original_case_id="p1", stay_id="other"),
        stay("p2", "2026-10-02", charge=3000, stay_id="S", part_of_stay="1"),
    ]
    october = settle_month(town, "2026-10", [*OCTOBER, *back])
    assert (october["rows"]["booked"], october["rows"]["held"]) == (2, 2)
    november = settle_month(town, "2026-11", [stay("p3", "2026-11-20", charge=6000, stay_id="S")])
    assert findings(november) == {("part_from_ledger", ""): 3}
    assert ask(town, "SELECT total_charge FROM ledger_case WHERE case_id = 'p3'") == [(9_000_00,)]


def test_parts_are_not_taken_in_twice(town: Path) -> None:
    settle_month(town, "2026-09", [*SEPTEMBER, stay("p1", "2026-09-30", charge=4000, stay_id="S", part_of_stay="1")])
    settle_month(town, "2026-10", [stay("p2", "2026-10-20", charge=6000, stay_id="S")])
    settle_month(town, "2026-11", [stay("p3", "2026-11-20", charge=1000, stay_id="S")])
    assert ask(town, "SELECT total_charge FROM ledger_case WHERE case_id = 'p3'") == [(1_000_00,)]


def test_a_month_settled_anew_takes_its_parts_again(town: Path) -> None:
    settle_month(town, "2026-09", [*SEPTEMBER, stay("p1", "2026-09-30", charge=4000, stay_id="S", part_of_stay="1")])
    last = stay("p2", "2026-10-20", charge=6000, stay_id="S")
    settle_month(town, "2026-10", [last])
    again = settle_month(town, "2026-10", [last, stay("c3", "2026-10-21")])
    assert findings(again) == {("part_from_ledger", ""): 1}
    assert ask(town, "SELECT total_charge FROM ledger_case WHERE case_id = 'p2' AND batch = 3") == [(10_000_00,)]


def test_an_undone_month_can_be_settled_again(town: Path) -> None:
    settle_month(town, "2026-09", SEPTEMBER)
    settle_month(town, "2026-10", OCTOBER)
    with open_ledger(town / "city.duckdb") as ledger:
        undo(ledger, 2, "the wrong file")
    summary = settle_month(town, "2026-10", OCTOBER)
    assert (summary["new"], summary["month_version"], summary["booked_month"]) == (True, 2, "2026-10")
    assert payable(town, "booked_month") == {("2026-09",): 3 * PART, ("2026-10",): 3 * PART}
    assert faults_of(town / "city.duckdb") == []
