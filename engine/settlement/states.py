"""States of a hospital's month or clearing, from computed to paid, and what is closed to further bookings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from engine.settlement.cash import clearing_payments, month_payments
from engine.settlement.contents import digest_of
from engine.settlement.ledger import Head, Ledger
from grouper.fault import Text, UserError
from grouper.nearest import near_names

BEFORE: Mapping[str, tuple[str, ...]] = {
    "sent": ("computed",),
    "confirmed": ("sent", "disputed"),
    "disputed": ("sent",),
    "approved": ("confirmed",),
    "paid": ("approved",),
}
"""From which states each state is reached. A month that is corrected while none of its hospitals has confirmed is
computed again; later corrections are booked in another month."""
FIXED = ("confirmed", "approved", "paid")
"""States in which nothing more is booked in a hospital's month."""
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Mark:
    """What a command marks: the state, the month ("2026-10") or cleared year ("2026"), hospitals (none: all)."""

    state: str
    period: str
    hospitals: Sequence[str] = ()
    note: str | None = None
    by: str | None = None


def states(ledger: Ledger, period: str) -> dict[str, str]:
    """Return the state of each hospital that has something booked in a month, or was cleared in a year."""
    query = "SELECT hospital_id, state FROM hospital_states WHERE month = $period ORDER BY hospital_id"
    return dict(ledger.rows(query, {"period": period}).iter_rows())


def fixed_months(ledger: Ledger) -> set[str]:
    """Return the months that a hospital has confirmed: nothing more is booked in them."""
    query = "SELECT DISTINCT month FROM hospital_states WHERE state IN ('confirmed', 'approved', 'paid')"
    return set(ledger.rows(query)["month"])


def cleared_years(ledger: Ledger) -> dict[int, int]:
    """Return the years that a final clearing closed, with its batch."""
    query = "SELECT year, max(batch) FROM effective_batches WHERE kind = 'clearing' AND stage = 'final' GROUP BY year"
    return dict(ledger.rows(query).iter_rows())


def mark(ledger: Ledger, wanted: Mark) -> dict[str, Any]:
    """Move hospitals of a month or cleared year to a state; what is paid is written to the cash account.

    Without names, every hospital in the state before it moves and the others are named in the result. Raises
    UserError for unknown states, periods and hospitals, and where a named hospital, or none at all, can move.
    """
    now = states(ledger, wanted.period)
    _check(ledger, wanted, now)
    chosen = wanted.hospitals or list(now)
    moved = [name for name in chosen if now[name] in BEFORE[wanted.state]]
    stay = {name: now[name] for name in chosen if name not in moved}
    if not moved or (wanted.hospitals and stay):
        raise UserError(_refusals(wanted, stay))
    digest = digest_of(wanted.state, wanted.period, sorted(moved), ledger.next_batch())
    year = None if "-" in wanted.period else int(wanted.period)
    month = wanted.period if year is None else None
    with ledger.batch(Head("states", digest, month=month, year=year, note=wanted.note), wanted.by) as batch:
        rows = pl.DataFrame({"hospital_id": moved}).with_columns(
            pl.lit(wanted.period).alias("month"), pl.lit(wanted.state).alias("state"), pl.lit(wanted.note).alias("note")
        )
        batch.write("ledger_state", rows)
        paid = pl.DataFrame()
        if wanted.state == "paid":
            pay = month_payments if year is None else clearing_payments
            paid = pay(ledger, wanted.period, moved)
            batch.write("ledger_cash", paid)
    return {"batch": batch.number, "moved": moved, "left": stay, "paid": _paid(paid)}


def _paid(rows: pl.DataFrame) -> dict[str, int]:
    """Return what was written to the cash account, by kind (fen)."""
    if not rows.height:
        return {}
    return dict(rows.group_by("kind").agg(pl.col("amount").sum()).sort("kind").iter_rows())


def _check(ledger: Ledger, wanted: Mark, now: Mapping[str, str]) -> None:
    """Refuse unknown states, months without bookings and hospitals that have none in the month."""
    if wanted.state not in BEFORE:
        hint, listed = near_names(wanted.state, BEFORE), "、".join(BEFORE)
        zh = f"没有状态 {wanted.state}{hint.zh}；可标记的状态：{listed}（computed 由结算产生）"
        en = f"there is no state {wanted.state}{hint.en}; states to mark: {', '.join(BEFORE)} (settling makes computed)"
        raise UserError(Text(zh, en))
    if not now:
        known = ledger.rows("SELECT DISTINCT month FROM hospital_states ORDER BY month")["month"].to_list()
        listed = ", ".join(known) or "–"
        zh, en = "没有入账的医院月份或已清算的年度", "has nothing booked and is no cleared year"
        raise UserError(Text(f"{wanted.period} {zh}；有：{listed}", f"{wanted.period} {en}; there are: {listed}"))
    lost = [name for name in wanted.hospitals if name not in now]
    if lost:
        raise UserError(
            [
                Text(
                    f"{wanted.period} 没有医疗机构 {name}{near_names(name, now).zh}",
                    f"{wanted.period} has no hospital {name}{near_names(name, now).en}",
                )
                for name in lost
            ]
        )


def _refusals(wanted: Mark, stay: Mapping[str, str]) -> list[Text]:
    """Return which hospitals cannot move, by the state they are in, and from where they could."""
    before = BEFORE[wanted.state]
    by_state: dict[str, list[str]] = {}
    for name, state in stay.items():
        by_state.setdefault(state, []).append(name)
    faults = []
    for state, names in sorted(by_state.items()):
        shown = ", ".join(names[:SHOWN]) + (" …" if len(names) > SHOWN else "")
        zh = f"{wanted.period} 的 {len(names)} 家医疗机构为 {state}：{shown}；转为 {wanted.state} 须先为 "
        en = f"{len(names)} hospitals of {wanted.period} are {state}: {shown}; {wanted.state} follows "
        faults.append(Text(zh + "、".join(before), en + " or ".join(before)))
    return faults
