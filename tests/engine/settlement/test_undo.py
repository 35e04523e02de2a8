"""Undo: a reversing batch that leaves every sum as it was, and the refusals where something stands on the batch."""

from pathlib import Path

import polars as pl
import pytest

from engine.settlement.clearing import LedgerClearing, clear_on_ledger
from engine.settlement.intake import present_decisions, take_in
from engine.settlement.ledger import Head, Ledger
from engine.settlement.states import Mark, cleared_years, mark, states
from engine.settlement.undo import undo
from engine.settlement.verify import verify
from grouper.fault import UserError
from tests.engine.settlement.priced_ledger import book

MONTHS = (
    "SELECT booked_month, hospital_id, sum(payable)::BIGINT AS payable, sum(paid)::BIGINT AS paid FROM ledger_booking "
    "GROUP BY ALL HAVING sum(charge) <> 0 ORDER BY ALL"
)


def moved_to(ledger: Ledger, period: str, *names: str) -> int:
    """Mark a period with some states in turn; the last batch."""
    return int([mark(ledger, Mark(name, period))["batch"] for name in names][-1])


def test_undo_leaves_the_months_as_they_were_and_the_month_can_be_settled_again(ledger: Ledger, city: Path) -> None:
    before = ledger.rows(MONTHS)
    corrected = pl.read_parquet(city / "202611" / "hospital_months.parquet")
    folder = city / "again"
    folder.mkdir()
    pl.read_parquet(city / "202611" / "priced.parquet").write_parquet(folder / "priced.parquet")
    more = [(pl.col(name) + 100_00).alias(name) for name in ("payable", "paid")]
    corrected.with_columns(more).write_parquet(folder / "hospital_months.parquet")
    second = book(ledger, folder, "2026-11", booked_in="2026-12", version=2)
    assert ledger.rows(MONTHS).height == before.height  # the difference has no charge
    with pytest.raises(UserError, match=f"batch {second} is the present version of 2026-11: undo that first"):
        undo(ledger, 2, "wrong month")
    done = undo(ledger, second, "typed twice", by="officer")
    assert (done["reverses"], done["bookings"], done["present"]) == (second, 1, 2)
    assert ledger.rows(MONTHS).equals(before)
    note = ledger.rows("SELECT note, made_by, reverses FROM ledger_batch WHERE batch = 4").row(0)
    assert note == ("typed twice", "officer", second)
    assert ledger.rows("SELECT batch FROM month_batches WHERE month = '2026-11'").item() == 2
    assert book(ledger, city / "202611", "2026-11", version=3) == 5
    assert all(not check.failed for check in verify(ledger))


def test_what_cannot_be_undone_at_all(ledger: Ledger) -> None:
    with pytest.raises(UserError, match="there is no batch 9; the last one is 2"):
        undo(ledger, 9, "-")
    undo(ledger, 2, "-")
    with pytest.raises(UserError, match="batch 2 was undone by batch 3"):
        undo(ledger, 2, "-")
    with pytest.raises(UserError, match="batch 3 is an undo"):
        undo(ledger, 3, "-")
    assert ledger.next_batch() == 4


def test_a_month_whose_cases_are_refunded_later_stands(ledger: Ledger) -> None:
    with pytest.raises(UserError, match="2026-11 holds refunds of its cases: undo that first"):
        undo(ledger, 1, "-")
    undo(ledger, 2, "-")
    undo(ledger, 1, "-")
    assert states(ledger, "2026-10") == {}


def test_a_month_whose_held_parts_were_merged_later_stands(ledger: Ledger) -> None:
    part = {"case_id": "p1", "stay_id": "S", "month": "2026-11", "total_charge": 1, "record": "{}"}
    with ledger.batch(Head("month", "held", month="2026-12", version=1)) as batch:
        batch.write("ledger_part", pl.DataFrame([part]))
    with ledger.batch(Head("month", "merged", month="2027-01", version=1)) as batch:
        batch.write("ledger_case", pl.DataFrame([{"case_id": "p2", "stay_id": "S", "sign": 1}]))
    with pytest.raises(UserError, match="2027-01 holds stays whose parts it held"):
        undo(ledger, 3, "-")


def test_a_confirmed_month_and_a_cleared_year_stand(ledger: Ledger) -> None:
    last = moved_to(ledger, "2026-11", "sent", "confirmed")
    with pytest.raises(UserError, match=r"1 hospital months are confirmed or further: H1 2026-11 confirmed"):
        undo(ledger, 2, "-")
    undo(ledger, last, "confirmed by mistake")
    assert states(ledger, "2026-11") == {"H1": "sent"}
    clearing = clear_on_ledger(ledger, LedgerClearing(2026))["batch"]
    with pytest.raises(UserError, match=f"2026 is cleared by batch {clearing}: first drgdip ledger undo {clearing}"):
        undo(ledger, 2, "-")
    undo(ledger, clearing, "-")
    assert cleared_years(ledger) == {}
    undo(ledger, 2, "-")


def test_a_clearing_that_hospitals_confirmed_stands(ledger: Ledger) -> None:
    clearing = clear_on_ledger(ledger, LedgerClearing(2026))["batch"]
    last = moved_to(ledger, "2026", "sent", "confirmed")
    with pytest.raises(UserError, match="2 hospitals have confirmed the clearing of 2026 or further"):
        undo(ledger, clearing, "-")
    undo(ledger, last, "-")
    undo(ledger, clearing, "-")
    again = clear_on_ledger(ledger, LedgerClearing(2026))["batch"]
    assert states(ledger, "2026") == {"H1": "computed", "H2": "computed"}
    late = pl.DataFrame([{"case_id": "z", "late": "prior_year", "budget_year": 2026, "sign": 1}])
    with ledger.batch(Head("month", "later", month="2027-01", version=1)) as batch:
        batch.write("ledger_case", late)
    with pytest.raises(UserError, match="2027-01 was booked or cleared since, with 2026 as a cleared year"):
        undo(ledger, again, "-")


def test_marks_are_undone_from_the_last_and_take_their_money_back(ledger: Ledger) -> None:
    batches = [mark(ledger, Mark(name, "2026-10"))["batch"] for name in ("sent", "confirmed", "approved", "paid")]
    with pytest.raises(UserError, match="2 hospital months were marked again since"):
        undo(ledger, batches[1], "-")
    assert ledger.rows("SELECT sum(amount)::BIGINT AS n FROM ledger_cash WHERE kind = 'prepaid'").item() == 18_900_00
    assert undo(ledger, batches[3], "not paid after all")["cash"] == 4
    assert ledger.rows("SELECT sum(amount)::BIGINT AS n FROM ledger_cash").item() == 0
    assert set(states(ledger, "2026-10").values()) == {"approved"}
    moved_to(ledger, "2026-10", "paid")
    assert all(not check.failed for check in verify(ledger))


def test_tables_can_be_taken_back_until_a_clearing_used_them(ledger: Ledger, tmp_path: Path) -> None:
    cash, decisions = tmp_path / "cash.csv", tmp_path / "decisions.csv"
    cash.write_text("pool,hospital,month,kind,amount\nemployee,H1,2026-01,advance,1000.00\n", encoding="utf-8")
    decisions.write_text("case_id,decision,amount\nc2,rejected,\n", encoding="utf-8")
    entered = take_in(ledger, "decisions", decisions)["batch"]
    undo(ledger, entered, "-")
    assert present_decisions(ledger).is_empty()
    entered = take_in(ledger, "cash", cash)["batch"]
    clearing = clear_on_ledger(ledger, LedgerClearing(2026))["batch"]
    with pytest.raises(UserError, match=f"2026 is cleared by batch {clearing}"):
        undo(ledger, entered, "-")
    undo(ledger, clearing, "-")
    undo(ledger, entered, "-")
    rows = ledger.rows("SELECT kind, sum(amount)::BIGINT AS n FROM ledger_cash GROUP BY kind")
    assert rows.rows() == [("advance", 0)]
