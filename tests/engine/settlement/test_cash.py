"""The cash account of the ledger beside `rules.payment.cash.reconcile`, and advances from past years."""

from pathlib import Path

import polars as pl
import pytest

from engine.settlement.advance import book as enter
from engine.settlement.advance import propose
from engine.settlement.clearing import LedgerClearing, clear_on_ledger
from engine.settlement.intake import take_in
from engine.settlement.ledger import Ledger
from engine.settlement.states import Mark, mark
from rules.fault import UserError
from rules.payment.cash import reconcile
from tests.engine.money_city import POLICY

ADVANCE = """
[month.advance]
months = "1"
years = 1
payable_months = { "310" = "12" }
refuse_after_deficit = true
refuse_on_forecast_deficit = true

[month.working_capital]
months = "2"
repaid = "at_clearing"
"""
STATE = "pool,payable_months,last_year_deficit,forecast_deficit\nemployee,{},{},0\n"


def test_the_cash_account_is_what_reconcile_says(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "cash.csv"
    path.write_text(
        "pool,hospital,month,kind,amount\n"
        "employee,H1,2026-09,advance,2000.00\n"
        "employee,H2,2026-11,supplier_direct,300.00\n"
        "employee,H2,2026-12,recovered,100.00\n",
        encoding="utf-8",
    )
    take_in(ledger, "cash", path)
    for period in ("2026-10", "2026-11"):
        for state in ("sent", "confirmed", "approved", "paid"):
            mark(ledger, Mark(state, period))
    clear_on_ledger(ledger, LedgerClearing(2026))
    for state in ("sent", "confirmed", "approved", "paid"):
        mark(ledger, Mark(state, "2026", ["H2"]))
    number = "replace(month, '-', '')::INTEGER AS month"
    earned = ledger.rows(
        f"SELECT hospital_id AS hospital, {number.replace('month,', 'booked_month,')}, payable - deducted AS amount "
        "FROM ledger_booking"
    )
    # October and November earned 7,000 and 14,000; the year 10,000 and 20,000
    cleared = pl.DataFrame({"hospital": ["H1", "H2"], "month": [202612, 202612], "amount": [3_000_00, 6_000_00]})
    entries = ledger.rows(f"SELECT hospital_id AS hospital, {number}, kind, amount FROM ledger_cash")
    expected = reconcile(pl.concat([earned, cleared.cast(earned.schema)]), entries)
    shown = ledger.rows(
        f"SELECT hospital_id AS hospital, {number}, ((accrued + cleared) * 100)::BIGINT AS accrued, "
        "(cash * 100)::BIGINT AS cash, (open * 100)::BIGINT AS open, (prepaid * 100)::BIGINT AS prepaid, "
        "(deposit_held * 100)::BIGINT AS deposit_held FROM cash_account ORDER BY hospital, month"
    )
    assert shown.rows() == expected.select(shown.columns).rows()
    last = {row[0]: row[4] for row in shown.rows()}
    # H1 still has its clearing to get (10,000 - 6,300 - 2,000), H2 has everything
    assert last == {"H1": 1_700_00, "H2": 0}


def test_advance_and_working_capital_follow_from_last_year(ledger: Ledger, tmp_path: Path) -> None:
    policy, state = tmp_path / "policy.toml", tmp_path / "state.csv"
    policy.write_text(POLICY.replace("to = 2026-12-31", "to = 2027-12-31") + ADVANCE, encoding="utf-8")
    state.write_text(STATE.format("12.5", "0"), encoding="utf-8")
    rows = propose(ledger, 2027, policy, state)
    # 7,000 and 14,000 ÷ 12; 6,300 and 12,600 ÷ 12 × 2
    assert [(row.hospital, row.kind, row.amount) for row in rows] == [
        ("H1", "advance", 583_33),
        ("H1", "working_capital", 1_050_00),
        ("H2", "advance", 1_166_67),
        ("H2", "working_capital", 2_100_00),
    ]
    batch = enter(ledger, 2027, rows)
    with pytest.raises(UserError, match=f"batch {batch} has entered this for 2027: undo it first"):
        enter(ledger, 2027, rows)
    months = ledger.rows("SELECT DISTINCT month FROM ledger_cash")["month"]
    assert months.to_list() == ["2027-01"]


def test_closed_gates_and_missing_facts_are_named(ledger: Ledger, tmp_path: Path) -> None:
    policy, state = tmp_path / "policy.toml", tmp_path / "state.csv"
    policy.write_text(POLICY.replace("to = 2026-12-31", "to = 2027-12-31") + ADVANCE, encoding="utf-8")
    with pytest.raises(UserError, match="the advance looks at how the funds stand: give --fund-state"):
        propose(ledger, 2027, policy, None)
    state.write_text("pool,payable_months,last_year_deficit,forecast_deficit\nother,1,0,0\n", encoding="utf-8")
    with pytest.raises(UserError, match="pool employee is missing"):
        propose(ledger, 2027, policy, state)
    state.write_text(STATE.format("11", "1"), encoding="utf-8")
    refused = propose(ledger, 2027, policy, state)[0]
    assert (refused.amount, [text.en for text in refused.refused]) == (
        0,
        ["11.0 payable months, 12 needed", "last year was in deficit"],
    )
    plain = tmp_path / "plain.toml"
    plain.write_text(POLICY, encoding="utf-8")
    with pytest.raises(UserError, match="declares neither advance nor working_capital"):
        propose(ledger, 2026, plain, state)
