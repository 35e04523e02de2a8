"""What an officer should know of a year that is cleared: months not settled or not paid, stays not finished."""

from datetime import date

from engine.settlement.ledger import Ledger
from grouper.fault import Text


def notes(ledger: Ledger, year: int, last: date) -> list[Text]:
    """Return what is still open in a year up to a day, as sentences; none where nothing is."""
    span = {"first": f"{year}-01", "last": f"{last:%Y-%m}"}
    settled = ledger.rows("SELECT month FROM month_batches WHERE month BETWEEN $first AND $last", span)["month"]
    wanted = [f"{year}-{month:02d}" for month in range(1, last.month + 1)]
    absent = ", ".join(month for month in wanted if month not in set(settled))
    unpaid = ledger.rows(
        "SELECT count(*) AS n FROM hospital_states WHERE state <> 'paid' AND month BETWEEN $first AND $last", span
    ).item()
    held = ledger.rows(
        """
        SELECT count(*) AS n FROM ledger_part AS p JOIN month_batches AS m USING (batch)
        WHERE p.month BETWEEN $first AND $last AND NOT EXISTS (
          FROM ledger_case AS c JOIN month_batches USING (batch) WHERE c.stay_id = p.stay_id AND c.sign > 0)
        """,
        span,
    ).item()
    strangers = ledger.rows(
        """
        SELECT count(*) AS n FROM ledger_case AS c JOIN month_batches USING (batch)
        WHERE c.month BETWEEN $first AND $last AND c.late <> 'prior_year' AND c.budget_year < $year
          AND c.budget_year NOT IN (SELECT year FROM clearing_batches WHERE stage = 'final')
        """,
        span | {"year": year},
    ).item()
    found = [
        (absent, f"未结算的月份：{absent}", f"months not settled: {absent}"),
        (
            unpaid,
            f"{unpaid} 个医院月份尚未标记为已拨付；清算按已预付计算",
            f"{unpaid} hospital months are not marked as paid; clearing takes their prepayment as paid",
        ),
        (held, f"{held} 条中途结算仍无末次结算", f"{held} settlements of unfinished stays are still held"),
        (
            strangers,
            f"{strangers} 例属以前年度预算，而该年度未在本账本清算",
            f"{strangers} cases belong to budgets of earlier years that this ledger has not cleared",
        ),
    ]
    return [Text(zh, en) for count, zh, en in found if count]
