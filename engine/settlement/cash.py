"""The cash account of the ledger: what marking a month or clearing as paid writes, and what is not repaid at clearing.

The month of an entry is the month the money belongs to; that of a clearing is December of its year.
"""

from collections.abc import Sequence

import polars as pl

from engine.settlement.ledger import Ledger

PAYMENTS = {"prepaid": "paid", "deposit_held": "deposit", "deduction": "deducted"}
"""Kinds of cash entries that paying a hospital's month writes, with the column of its bookings."""
MOVED = """
  ('advance', 'working_capital', 'supplier_direct', 'vbp_retention', 'deposit_released', 'paid', 'recovered')
"""
"""Kinds that move money beside the prepaid months."""


def month_payments(ledger: Ledger, month: str, hospitals: Sequence[str]) -> pl.DataFrame:
    """Return the cash entries that pay hospitals what is booked in a month and was not paid before (ledger_cash)."""
    booked = " UNION ALL ".join(
        f"SELECT pool, hospital_id, '{kind}' AS kind, {column} AS amount FROM ledger_booking "  # noqa: S608
        "WHERE booked_month = $month"
        for kind, column in PAYMENTS.items()
    )
    listed = ", ".join(f"'{kind}'" for kind in PAYMENTS)
    query = f"""
        SELECT pool, hospital_id, $month AS month, kind, sum(amount)::BIGINT AS amount FROM (
          {booked} UNION ALL
          SELECT pool, hospital_id, kind, -amount FROM ledger_cash WHERE month = $month AND kind IN ({listed}))
        WHERE list_contains($hospitals, hospital_id) GROUP BY ALL HAVING sum(amount) <> 0 ORDER BY ALL
    """  # noqa: S608
    return ledger.rows(query, {"month": month, "hospitals": list(hospitals)})


def clearing_payments(ledger: Ledger, year: str, hospitals: Sequence[str]) -> pl.DataFrame:
    """Return the cash entries that pay hospitals what the final clearing of a year says is due (ledger_cash).

    The deposit is released, the rest is paid, or recovered where the hospital pays back; what cash entries since the
    clearing moved already is left out.
    """
    query = f"""
        WITH final AS (
          SELECT max(batch) AS batch FROM effective_batches WHERE stage = 'final' AND year = $year::INTEGER
        ), since AS (
          SELECT pool, hospital_id, sum(amount) FILTER (WHERE kind = 'deposit_released') AS released,
            sum(CASE kind WHEN 'recovered' THEN -amount ELSE amount END) AS moved
          FROM ledger_cash WHERE batch > (SELECT batch FROM final) AND month[:4] = $year
            AND kind IN {MOVED} GROUP BY ALL
        ), open AS (
          SELECT c.pool, c.hospital_id, c.deposit_released - coalesce(s.released, 0) AS released,
            c.due - coalesce(s.moved, 0) AS due
          FROM ledger_clearing AS c JOIN final USING (batch) LEFT JOIN since AS s USING (pool, hospital_id)
          WHERE list_contains($hospitals, c.hospital_id)
        ), entries AS (
          SELECT pool, hospital_id, 'deposit_released' AS kind, released AS amount FROM open
          UNION ALL SELECT pool, hospital_id, 'paid', greatest(due - released, 0) FROM open
          UNION ALL SELECT pool, hospital_id, 'recovered', greatest(released - due, 0) FROM open
        )
        SELECT pool, hospital_id, $year || '-12' AS month, kind, amount::BIGINT AS amount
        FROM entries WHERE amount <> 0 ORDER BY ALL
    """  # noqa: S608
    return ledger.rows(query, {"year": year, "hospitals": list(hospitals)})


def not_repaid(ledger: Ledger, year: int) -> pl.DataFrame:
    """Return what hospitals had in a year beside their prepaid months: pool, hospital_id, amount (fen).

    Advance, working capital, money paid directly to suppliers, procurement retention, deposits released and clearings
    paid before, less what was recovered.
    """
    query = f"""
        SELECT pool, hospital_id, sum(CASE kind WHEN 'recovered' THEN -amount ELSE amount END)::BIGINT AS amount
        FROM ledger_cash WHERE month[:4] = $year AND kind IN {MOVED} GROUP BY ALL ORDER BY ALL
    """  # noqa: S608
    return ledger.rows(query, {"year": str(year)})
