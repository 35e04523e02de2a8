"""Corrections booked in a month: the cases of earlier months before and after, so that a hospital can check each."""

import polars as pl

from engine.settlement.ledger import Ledger

_DIFFERENCE = """
SELECT coalesce(n.hospital_id, o.hospital_id) AS hospital_id, coalesce(n.pool, o.pool) AS pool,
    $batch::BIGINT AS batch, $month AS of_month, coalesce(n.case_id, o.case_id) AS case_id,
    o.group_code AS group_before, n.group_code AS group_after, o.points AS points_before, n.points AS points_after,
    o.fund_part AS fund_before, n.fund_part AS fund_after,
    (coalesce(n.fund_part, 0) - coalesce(o.fund_part, 0))::BIGINT AS difference
FROM (FROM ledger_case WHERE batch = $before) AS o
FULL JOIN (FROM ledger_case WHERE batch = $after) AS n USING (hospital_id, pool, case_id)
WHERE difference <> 0 OR o.group_code IS DISTINCT FROM n.group_code OR o.points IS DISTINCT FROM n.points
ORDER BY ALL
"""
NO_BATCH = -1


def corrections(ledger: Ledger, month: str) -> pl.DataFrame:
    """Return every case that batches changed for other months and booked in `month`.

    Columns: hospital_id, pool, batch, of_month, case_id, and group, points and fund part (fen) before and after.
    """
    booked = ledger.rows(
        "SELECT DISTINCT batch, of_month FROM ledger_booking WHERE booked_month = $month AND of_month <> $month "
        "ORDER BY ALL",
        {"month": month},
    )
    batches = ledger.rows("SELECT batch, kind, month, reverses FROM ledger_batch")
    pairs = [
        (batch, of, _standing(batches, of, batch - 1), _standing(batches, of, batch))
        for batch, of in booked.iter_rows()
    ]
    nothing = (NO_BATCH, "", NO_BATCH, NO_BATCH)
    return pl.concat(
        ledger.rows(_DIFFERENCE, {"batch": batch, "month": of, "before": before, "after": after})
        for batch, of, before, after in [*pairs, nothing]
    )


def _standing(batches: pl.DataFrame, month: str, through: int) -> int:
    """Return the batch that held a month's version when batch `through` had been written, NO_BATCH for none."""
    past = batches.filter(pl.col("batch") <= through)
    undone = past["reverses"].drop_nulls().implode()
    standing = past.filter(pl.col("kind") == "month", pl.col("month") == month, ~pl.col("batch").is_in(undone))
    latest = standing["batch"].max()
    return NO_BATCH if latest is None else int(str(latest))
