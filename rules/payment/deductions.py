"""Audit deductions: a table, not a number. Each one counts in the declared states and acts once, where declared."""

from typing import get_args

import polars as pl

from rules.fault import Text, UserError, near
from rules.payment.columns import need
from rules.policy.settlement import Deductions

STATES: tuple[str, ...] = ("suspected", "appealed", "confirmed")
COLUMNS = ("case_id", "hospital_id", "pool", "item", "rule", "amount", "state", "month_found", "month_of_claim")
PLACES: tuple[str, ...] = get_args(Deductions.model_fields["acts"].annotation)


def counted(table: pl.DataFrame, rule: Deductions) -> pl.DataFrame:
    """Return the deductions that count: those in a state the policy names.

    `table`: case_id, hospital_id, pool, item, rule, amount (fen, above 0), state (suspected | appealed | confirmed),
    month_found, month_of_claim. Raises UserError for unknown states, amounts not above zero, and a deduction of the
    same case, item and rule that is listed twice.
    """
    need(table, COLUMNS, "扣款表", "the table of deductions")
    check(table)
    return table.filter(pl.col("state").cast(pl.String).is_in(list(rule.states)))


def check(table: pl.DataFrame) -> None:
    """Refuse a table of deductions with every fault it has."""
    unknown = table.filter(~pl.col("state").cast(pl.String).is_in(STATES))["state"].cast(pl.String).unique().sort()
    faults = [
        Text(f"未知的扣款状态 {s}{near(s, STATES).zh}", f"unknown state of a deduction {s}{near(s, STATES).en}")
        for s in unknown.drop_nulls()
    ]
    if count := table.filter(pl.col("amount").is_null() | (pl.col("amount") <= 0)).height:
        faults.append(Text(f"{count} 笔扣款没有正的金额", f"{count} deductions have no amount above zero"))
    twice = table.filter(pl.struct("case_id", "item", "rule").is_duplicated()).select("case_id", "item", "rule")
    faults += [
        Text(f"病例 {case} 的 {item}（{rule}）被扣不止一次", f"case {case}: {item} ({rule}) is deducted more than once")
        for case, item, rule in twice.unique().sort("case_id", "item", "rule").iter_rows()
    ]
    if faults:
        raise UserError(faults)


def deducted_by(table: pl.DataFrame, *keys: str) -> dict[tuple[str, ...], int]:
    """Return the fen deducted by the given columns."""
    sums = table.group_by(pl.col(keys).cast(pl.String)).agg(pl.col("amount").sum())
    return {tuple(row[:-1]): row[-1] for row in sums.iter_rows()}
