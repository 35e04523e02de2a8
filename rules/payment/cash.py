"""The cash account beside the accrual one (payment.md §5): what a hospital earned, what it was paid, what is open.

Accrual is what a month or a clearing says is due; cash is what moved. Both are lists of entries, and the
reconciliation of a hospital and month is their running difference.
"""

from typing import Literal, get_args

import polars as pl

from rules.fault import Text, UserError, near
from rules.payment.columns import need

Kind = Literal[
    "advance", "working_capital", "prepaid", "deposit_held", "deposit_released", "deduction", "supplier_direct",
    "vbp_retention", "recovered", "paid",
]  # fmt: skip
KINDS: tuple[str, ...] = get_args(Kind)
# money that reached the hospital, or its suppliers for it; a deposit is owed to it, a deduction is not
TO_HOSPITAL = ("advance", "working_capital", "prepaid", "deposit_released", "supplier_direct", "vbp_retention", "paid")
FROM_HOSPITAL = ("recovered",)


def check_entries(entries: pl.DataFrame) -> None:
    """Refuse entries of unknown kinds or below zero: a correction is an entry of its own kind, recovered or paid."""
    need(entries, ["hospital", "month", "kind", "amount"], "现金账", "the cash account")
    unknown = entries.filter(~pl.col("kind").cast(pl.String).is_in(KINDS))["kind"].cast(pl.String).unique().sort()
    faults = [
        Text(f"未知的现金项目 {kind}{near(kind, KINDS).zh}", f"unknown kind of cash entry {kind}{near(kind, KINDS).en}")
        for kind in unknown.drop_nulls()
    ]
    if count := entries.filter(pl.col("amount").is_null() | (pl.col("amount") < 0)).height:
        faults.append(Text(f"{count} 笔现金为空或为负", f"{count} cash entries have no amount or one below zero"))
    if faults:
        raise UserError(faults)


def reconcile(accrued: pl.DataFrame, entries: pl.DataFrame) -> pl.DataFrame:
    """Return hospital, month, one column per kind, accrued, cash, and `open`: accrued less cash so far (fen).

    `accrued`: hospital, month (year × 100 + month), amount: earned after deductions, deposits included since they are
    still owed. `entries`: hospital, month, kind, amount (fen, at least 0). Deposits held and deductions are shown and
    move no cash. At the end of a year `open` is what clearing pays or claims back.
    """
    check_entries(entries)
    keys = ["hospital", "month"]
    earned = accrued.group_by(keys).agg(pl.col("amount").sum().alias("accrued"))
    text = entries.with_columns(pl.col("kind").cast(pl.String))
    kinds = text.group_by(keys).agg(pl.col("amount").filter(pl.col("kind") == kind).sum().alias(kind) for kind in KINDS)
    both = earned.join(kinds, on=keys, how="full", coalesce=True).fill_null(0).sort(keys)
    cash = pl.sum_horizontal(TO_HOSPITAL) - pl.sum_horizontal(FROM_HOSPITAL)
    moved = both.with_columns(cash.alias("cash"))
    return moved.with_columns((pl.col("accrued") - pl.col("cash")).cum_sum().over("hospital").alias("open"))
