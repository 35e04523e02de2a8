"""States of a hospital's month: allowed moves only, corrections compute it anew, paid money enters the cash account."""

from pathlib import Path

import pytest

from engine.settlement.clearing import LedgerClearing, clear_on_ledger
from engine.settlement.ledger import Ledger
from engine.settlement.states import Mark, fixed_months, mark, states
from grouper.fault import UserError
from tests.engine.settlement.priced_ledger import book, price_month


def cash(ledger: Ledger) -> list[tuple[str, str, str, int]]:
    """The cash account: hospital, month, kind, fen."""
    return ledger.rows("SELECT hospital_id, month, kind, amount FROM ledger_cash ORDER BY ALL").rows()


def test_a_month_goes_from_computed_to_paid(ledger: Ledger) -> None:
    assert states(ledger, "2026-10") == {"H1": "computed", "H2": "computed"}
    mark(ledger, Mark("sent", "2026-10"))
    mark(ledger, Mark("disputed", "2026-10", ["H2"], note="c2 是高倍率", by="王"))
    assert states(ledger, "2026-10") == {"H1": "sent", "H2": "disputed"}
    done = mark(ledger, Mark("confirmed", "2026-10"))
    assert (done["moved"], done["left"]) == (["H1", "H2"], {})
    mark(ledger, Mark("approved", "2026-10", ["H1"]))
    done = mark(ledger, Mark("paid", "2026-10"))
    assert (done["moved"], done["left"], done["paid"]) == (
        ["H1"],
        {"H2": "confirmed"},
        {"prepaid": 6_300_00, "deposit_held": 700_00},
    )
    assert cash(ledger) == [("H1", "2026-10", "deposit_held", 700_00), ("H1", "2026-10", "prepaid", 6_300_00)]
    row = ledger.rows("SELECT s.state, b.made_by, s.note FROM ledger_state AS s JOIN ledger_batch AS b USING (batch)")
    assert row.row(2) == ("disputed", "王", "c2 是高倍率")


def test_moves_that_are_not_allowed_say_what_would_be(ledger: Ledger) -> None:
    with pytest.raises(UserError, match=r"2 hospitals of 2026-10 are computed: H1, H2; paid follows approved"):
        mark(ledger, Mark("paid", "2026-10"))
    mark(ledger, Mark("sent", "2026-10", ["H1"]))
    with pytest.raises(UserError) as refused:
        mark(ledger, Mark("confirmed", "2026-10", ["H1", "H2"]))
    assert "1 hospitals of 2026-10 are computed: H2; confirmed follows sent or disputed" in str(refused.value)
    assert states(ledger, "2026-10")["H1"] == "sent"
    with pytest.raises(UserError, match=r"there is no state aproved \(did you mean approved\?\)"):
        mark(ledger, Mark("aproved", "2026-10"))
    with pytest.raises(
        UserError, match="2026-09 has nothing booked and is no cleared year; there are: 2026-10, 2026-11"
    ):
        mark(ledger, Mark("sent", "2026-09"))
    with pytest.raises(UserError, match="2026-10 has no hospital H3"):
        mark(ledger, Mark("sent", "2026-10", ["H3"]))


def test_a_correction_computes_the_month_anew_until_a_hospital_confirmed_it(ledger: Ledger, city: Path) -> None:
    mark(ledger, Mark("sent", "2026-10"))
    mark(ledger, Mark("sent", "2026-11"))
    assert fixed_months(ledger) == set()
    policy = city / "policy.toml"
    policy.write_text(policy.read_text(encoding="utf-8").replace('ratio = "0.90"', 'ratio = "1"'), encoding="utf-8")
    for month in (202610, 202611):
        book(ledger, price_month(city, month), f"2026-{month % 100}", version=2)
    # November of H1 comes to nothing, at any ratio: it stays as it was sent
    assert states(ledger, "2026-10") == {"H1": "computed", "H2": "computed"}
    assert states(ledger, "2026-11") == {"H1": "sent"}
    mark(ledger, Mark("confirmed", "2026-11"))
    assert fixed_months(ledger) == {"2026-11"}


def test_a_clearing_has_states_of_its_own_and_paying_it_moves_what_is_due(ledger: Ledger) -> None:
    clear_on_ledger(ledger, LedgerClearing(2026))
    for state in ("sent", "confirmed", "approved", "paid"):
        mark(ledger, Mark(state, "2026"))
    # due 3,700 and 7,400, of which 700 and 1,400 are the deposits
    assert cash(ledger) == [
        ("H1", "2026-12", "deposit_released", 700_00),
        ("H1", "2026-12", "paid", 3_000_00),
        ("H2", "2026-12", "deposit_released", 1_400_00),
        ("H2", "2026-12", "paid", 6_000_00),
    ]
