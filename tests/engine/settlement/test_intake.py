"""Decisions, deductions and cash: every fault of a file at once, the same file only once, the latest row counts."""

from pathlib import Path

import pytest

from engine.settlement.clearing import LedgerClearing, clear_on_ledger
from engine.settlement.intake import present_decisions, present_deductions, take_in
from engine.settlement.ledger import BatchKind, Ledger
from engine.settlement.states import Mark, mark
from grouper.fault import UserError

DEDUCTIONS = "case_id,hospital_id,pool,item,rule,amount,state,month_found,month_of_claim\n"
CASH = "pool,hospital,month,kind,amount,note\n"


def refusal(ledger: Ledger, kind: BatchKind, path: Path, text: str) -> list[str]:
    """Enter a table that is refused; what was said, without the folder."""
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as refused:
        take_in(ledger, kind, path)
    assert ledger.rows("SELECT count(*) AS n FROM ledger_input WHERE role = $kind", {"kind": kind}).item() == 0
    return [line.en.replace(f"{path.parent}/", "") for line in refused.value.faults]


def test_all_faults_of_decisions_at_once(ledger: Ledger, tmp_path: Path) -> None:
    text = "case_id,decision,amount\nc1,by_itm,\nc2,adjusted_standard,\nc2,rejected,1.005\n,by_item,\n"
    assert refusal(ledger, "decisions", tmp_path / "d.csv", text) == [
        "d.csv:5:case_id: must not be empty",
        "d.csv:4:amount: '1.005' must be an amount of yuan with at most two decimals",
        "d.csv:2:decision: 'by_itm' is unknown (did you mean by_item?)",
        "d.csv:3:amount: an adjusted standard needs an amount above zero",
        "d.csv:3:case_id: 'c2' has more than one row in the file",
        "d.csv:4:case_id: 'c2' has more than one row in the file",
    ]


def test_all_faults_of_deductions_at_once(ledger: Ledger, tmp_path: Path) -> None:
    rows = (
        "c1,H2,employee,bed,R1,500.00,confirmed,2026-12,2026-10\n"
        "zz,H2,employe,bed,R1,0,doubted,2026-13,2026-10\n"
        "old,H1,employee,bed,R1,1.00,confirmed,2026-12,2025-10\n"
    )
    assert refusal(ledger, "deductions", tmp_path / "x.csv", DEDUCTIONS + rows) == [
        "x.csv:3:month_found: '2026-13' must be a month such as 2026-10",
        "x.csv:3:state: 'doubted' is unknown; known: appealed、confirmed、suspected",
        "x.csv:3:amount: '0.00' must be above zero",
        "x.csv:3:case_id: 'zz' is no case of the month that its row names",
        "x.csv:2:hospital_id: 'H2' is not what the ledger has for this case",
    ]


def test_all_faults_of_cash_at_once(ledger: Ledger, tmp_path: Path) -> None:
    for state in ("sent", "confirmed", "approved", "paid"):
        mark(ledger, Mark(state, "2026-10", ["H1"]))
    rows = (
        "employee,H1,2026-10,prepaid,10.00,\n"
        "employe,H3,2026-10,advanced,-5.00,\n"
        "employee,H9,2026-01,advance,5.00,a new hospital\n"
        "employee,H9,2026-01,paid,5.00,\n"
    )
    assert refusal(ledger, "cash", tmp_path / "c.csv", CASH + rows) == [
        "c.csv:3:kind: 'advanced' is unknown (did you mean advance?)",
        "c.csv:3:amount: '-5.00' must be above zero",
        "c.csv:3:pool: 'employe' is unknown (did you mean employee?)",
        "c.csv:3:hospital: 'H3' is unknown; known: H1、H2",
        "c.csv:5:hospital: 'H9' is unknown; known: H1、H2",
        "c.csv:2:month: '2026-10' this hospital's month is marked as paid, its money is entered",
    ]
    assert refusal(ledger, "cash", tmp_path / "e.csv", CASH) == ["e.csv: there are no rows"]
    assert refusal(ledger, "cash", tmp_path / "f.csv", "pool,hospitl\n")[0].startswith(
        "f.csv: the column hospital is mis"
    )


def test_a_cleared_year_takes_no_more_decisions_and_advances(ledger: Ledger, tmp_path: Path) -> None:
    clear_on_ledger(ledger, LedgerClearing(2026))
    said = refusal(ledger, "decisions", tmp_path / "d.csv", "case_id,decision,amount\nc2,by_item,\n")
    assert said == ["d.csv:2:case_id: 'c2' the case's year is cleared: a decision no longer acts"]
    said = refusal(ledger, "cash", tmp_path / "c.csv", f"{CASH}employee,H1,2026-01,advance,5.00,\n")
    assert said == ["c.csv:2:month: '2026-01' is in a cleared year: enter it in a year not cleared"]


def test_the_same_file_is_entered_once_and_the_latest_row_of_a_case_counts(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("case_id,decision,amount\nc1,by_item,\nnew,adjusted_standard,9000.00\n", encoding="utf-8")
    done = take_in(ledger, "decisions", path, by="李", note="第一批")
    assert (done["new"], done["rows"]) == (True, 2)
    assert done["notes"][0].en == "1 cases are not settled yet: their decisions act when they are"
    assert take_in(ledger, "decisions", path) == {"batch": done["batch"], "new": False, "rows": 0, "notes": []}
    path.write_text("case_id,decision,amount\nc1,rejected,\n", encoding="utf-8")
    take_in(ledger, "decisions", path)
    assert present_decisions(ledger).rows() == [("c1", "rejected", None), ("new", "adjusted_standard", 9000_00)]


def test_states_of_deductions_follow_each_other(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    row = "c2,H2,employee,bed,R1,500.00,{},2026-10,2026-10\n"
    path.write_text(DEDUCTIONS + row.format("suspected"), encoding="utf-8")
    first = take_in(ledger, "deductions", path)
    assert "1 rows were found in months that are settled" in first["notes"][0].en
    path.write_text(DEDUCTIONS + row.format("confirmed"), encoding="utf-8")
    second = take_in(ledger, "deductions", path)
    assert present_deductions(ledger)["state"].to_list() == ["confirmed"]
    assert present_deductions(ledger, second["batch"])["state"].to_list() == ["suspected"]
