"""What a ledger says of one month, read for its statements."""

from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import polars as pl

from engine.outputs.statements.corrections import corrections
from engine.outputs.statements.month import MonthFacts, MonthFigures, PoolFacts
from engine.settlement.ledger import Ledger
from engine.settlement.prune import pruned_months
from grouper.fault import Text, UserError

_SUMS = """
SELECT hospital_id, pool, case_class, funding, value_month, fixed_part IS NOT NULL AS fixed,
    count(*) AS rows, sum(sign)::BIGINT AS cases, sum(points)::DECIMAL(38, 8) AS points,
    count(*) FILTER (sign < 0) AS refunds, count(*) FILTER (late <> 'no') AS late,
    {amounts}
FROM ledger_case WHERE batch = $batch GROUP BY ALL ORDER BY ALL
"""
_AMOUNTS = (
    "charge", "booked", "standard", "extra_alike", "extra_fund", "others", "official_result", "fund_part"
)  # fmt: skip
_CASES = """
COPY (
    SELECT c.hospital_id, case_id, original_case_id, settled, discharged, length_of_stay, c.pool, group_code,
        group_name, case_class, special_kind, funding, late, value_month, weight, coefficient, sign, points, v.value,
        coalesce(charge, 0) AS charge, booked, standard, coalesce(extra, 0) + coalesce(separate, 0) AS extras, others,
        official_result, fund_part
    FROM ledger_case AS c
    LEFT JOIN ledger_value AS v ON v.batch = c.batch AND v.pool = c.pool AND v.month = c.value_month
    WHERE c.batch = {batch} ORDER BY c.hospital_id, settled, case_id
) TO '{file}' (FORMAT parquet, COMPRESSION lz4_raw, ROW_GROUP_SIZE 20480)
"""
_POOLS = """
SELECT pool FROM ledger_booking WHERE booked_month = $month UNION SELECT pool FROM ledger_case WHERE batch = $batch
ORDER BY pool
"""
_DEDUCTIONS = """
SELECT case_id, hospital_id, pool, item, rule, (amount * 100)::BIGINT AS amount, state, month_of_claim
FROM deductions WHERE month_found = $month ORDER BY hospital_id, case_id, item, rule
"""
_BATCHES = """
SELECT * FROM batches
WHERE (kind = 'month' AND month = $month)
    OR batch IN (SELECT batch FROM ledger_booking WHERE booked_month = $month OR of_month = $month)
ORDER BY batch
"""


def month_facts(ledger: Ledger, month: str) -> MonthFacts:
    """Return what the statements of a month share. Raises UserError where the month is not settled."""
    found = ledger.rows("SELECT b.* FROM ledger_batch AS b JOIN month_batches USING (batch)")
    own = found.filter(pl.col("month") == month)
    if own.is_empty():
        months = "、".join(found["month"].sort()) or "–"
        raise UserError(
            Text(
                f"账本没有 {month} 的月结算；已结算：{months}",
                f"the ledger has no settlement of {month}; settled: {months.replace('、', ', ')}",
            )
        )
    if month in pruned_months(ledger):
        raise UserError(
            Text(
                f"{month} 的病例明细已按保留期限清理，不能再出结算单",
                f"the cases of {month} were pruned: its statements can no longer be written",
            )
        )
    row = own.row(0, named=True)
    return MonthFacts(
        month=month,
        batch=row["batch"],
        version=row["version"] or 1,
        policy=row["policy"] or "",
        scheme=row["scheme"] or "",
        seal=row["seal"],
        made=row["made_at"],
        pools=_pools(ledger, row["batch"], month),
        kinds=_kinds(ledger, row["batch"]),
    )


def _pools(ledger: Ledger, batch: int, month: str) -> dict[str, PoolFacts]:
    """Return the pools of a batch, those that only bookings name too, in the policy's order."""
    rows = ledger.rows(
        "SELECT p.*, v.value FROM ledger_pool AS p LEFT JOIN ledger_value AS v "
        "ON v.batch = p.batch AND v.pool = p.pool AND v.month = $month WHERE p.batch = $batch ORDER BY p.rowid",
        {"batch": batch, "month": month},
    )
    found = {
        row["pool"]: PoolFacts(
            name=Text(row["name_zh"], row["name_en"]),
            value=row["value"],
            ratio=None if row["ratio"] is None else Fraction(row["ratio"]),
            prepayment_ratio=Decimal(row["prepayment_ratio"]),
            documents={"value": row["document_value"] or "", "prepayment": row["document_month"] or ""},
        )
        for row in rows.iter_rows(named=True)
    }
    others = ledger.rows(_POOLS, {"batch": batch, "month": month})["pool"]
    return found | {pool: PoolFacts(Text(pool, pool)) for pool in others if pool not in found}


def _kinds(ledger: Ledger, batch: int) -> dict[str, Text]:
    """Return the names of special kinds."""
    query = "SELECT special_kind, name_zh, name_en FROM ledger_kind WHERE batch = $batch"
    return {kind: Text(zh, en) for kind, zh, en in ledger.rows(query, {"batch": batch}).iter_rows()}


def month_figures(ledger: Ledger, facts: MonthFacts) -> MonthFigures:
    """Return a month's figures. Raises UserError where cases, bookings and corrections do not add up."""
    batch, month = {"batch": facts.batch}, {"month": facts.month}
    amounts = ", ".join(f"coalesce(sum({name}), 0)::BIGINT AS {name}" for name in _AMOUNTS)
    figures = MonthFigures(
        sums=ledger.rows(_SUMS.format(amounts=amounts), batch),
        bookings=ledger.rows(
            "FROM ledger_booking WHERE booked_month = $month OR of_month = $month ORDER BY batch", month
        ),
        corrections=corrections(ledger, facts.month),
        rejects=ledger.rows("FROM ledger_reject WHERE batch = $batch ORDER BY file, row, reason", batch),
        deductions=ledger.rows(_DEDUCTIONS, month),
        states=ledger.rows("SELECT hospital_id, state FROM hospital_states WHERE month = $month", month),
        findings=ledger.rows("FROM ledger_finding WHERE batch = $batch ORDER BY finding, subject", batch),
        batches=ledger.rows(_BATCHES, month),
        balance=ledger.rows("FROM pool_balance WHERE month = $month ORDER BY year, pool", month),
    )
    _check(ledger, facts, figures)
    return figures


def write_cases(ledger: Ledger, facts: MonthFacts, file: Path) -> None:
    """Write the month's cases to a Parquet file in the order of hospitals, without person ids."""
    quoted = str(file).replace("'", "''")
    ledger.connection.execute(_CASES.format(batch=facts.batch, file=quoted))


def _check(ledger: Ledger, facts: MonthFacts, figures: MonthFigures) -> None:
    """Refuse to print a month whose cases are not what was booked for it, or whose corrections are not theirs."""
    keys = ["hospital_id", "pool"]
    of, booked_in = pl.col("of_month") == facts.month, pl.col("booked_month") == facts.month
    gone = list(pruned_months(ledger))
    elsewhere = figures.bookings.filter(booked_in & ~of & ~pl.col("of_month").is_in(gone)).with_columns(
        -pl.col("payable")
    )
    sides = (
        (figures.sums, figures.bookings.filter(of)),
        (
            figures.corrections.with_columns(pl.col("difference").alias("fund_part")),
            elsewhere.with_columns(-pl.col("payable")),
        ),
    )
    for cases, booked in sides:
        parts = [
            cases.select(*keys, pl.col("fund_part").cast(pl.Int64).alias("gap")),
            booked.select(*keys, (-pl.col("payable")).alias("gap")),
        ]
        gaps = pl.concat(parts).group_by(keys).agg(pl.col("gap").sum()).filter(pl.col("gap") != 0).sort(keys)
        if gaps.height:
            shown = ", ".join(f"{hospital}/{pool} {gap / 100:+.2f}" for hospital, pool, gap in gaps.head(5).iter_rows())
            raise UserError(
                Text(
                    f"{ledger.path}：{facts.month} 的病例与入账不符（{shown}）；请运行 drgdip ledger verify",
                    f"{ledger.path}: cases and bookings of {facts.month} differ ({shown}); run drgdip ledger verify",
                )
            )
