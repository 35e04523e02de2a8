"""Prepayment, direct settlement and retention as entries of the hospital's cash account (spec 1.10).

They move cash and are no saving: the account (`rules.payment.cash`) shows that nothing is paid twice.
"""

from datetime import date, timedelta

import polars as pl

from rules.fault import Text, UserError
from rules.money import Mode
from rules.payment.cash import Kind
from rules.payment.columns import need
from rules.procurement.exact import MILLION, Exact, rounded, whole, wide
from rules.procurement.parameters import Prepayment

ENTRY = ["hospital", "month", "kind", "amount"]


def prepayment(agreed: pl.DataFrame, rule: Prepayment, month: int, mode: Mode = "half_away_from_zero") -> pl.DataFrame:
    """Return one entry a hospital, kind advance: the rule's share of its agreed amount of the year, rounded once.

    `agreed`: institution, amount (fen a year at winning prices). `month`: year × 100 + month of the payment.
    """
    share = whole(int(rule.share * MILLION))
    sums = agreed.group_by("institution").agg(wide("amount").sum().alias("amount"))
    advance = rounded(Exact(wide("amount") * share, MILLION), mode)
    return _entries(sums.with_columns(advance.alias("amount"), pl.lit(month, pl.Int32).alias("month")), "advance")


def offset(advances: pl.DataFrame, payable: pl.DataFrame) -> pl.DataFrame:
    """Return entries, kind recovered: the advance taken off what purchases make payable, month by month, until gone.

    `advances`: hospital, amount (fen). `payable`: hospital, month, amount (fen, not below zero): at most so much is
    taken in that month.
    """
    sums = advances.group_by("hospital").agg(pl.col("amount").sum().alias("advance"))
    by_month = payable.group_by("hospital", "month").agg(pl.col("amount").sum())
    rows = by_month.join(sums, on="hospital").sort("hospital", "month")
    upto = pl.min_horizontal(pl.col("amount").cum_sum().over("hospital"), pl.col("advance"))
    rows = rows.with_columns(upto.alias("_upto"))
    taken = pl.col("_upto") - pl.col("_upto").shift(fill_value=0).over("hospital")
    return _entries(rows.with_columns(taken.alias("amount")).rename({"hospital": "institution"}), "recovered")


def direct_settlement(invoices: pl.DataFrame) -> pl.DataFrame:
    """Return entries, kind supplier_direct: what the fund paid suppliers for each hospital and month.

    `invoices`: institution, month of payment, amount (fen), confirmed (flag). UserError counts what the hospital has
    not confirmed, since the fund pays on its confirmation only.
    """
    need(invoices, ["institution", "month", "amount", "confirmed"], "直接结算", "direct settlement")
    if open_rows := invoices.filter(~pl.col("confirmed").fill_null(value=False)).height:
        zh = f"{open_rows} 张发票未经医院确认，不得直接结算"
        raise UserError(Text(zh, f"{open_rows} invoices are not confirmed by the hospital: they cannot be paid for it"))
    sums = invoices.group_by("institution", "month").agg(pl.col("amount").sum())
    return _entries(sums, "supplier_direct")


def shortfall(entries: pl.DataFrame, settlement: pl.DataFrame) -> pl.DataFrame:
    """Return hospital, month, deducted and shortfall (fen): direct payments against the month's settlement.

    `entries`: of kind supplier_direct; `settlement`: hospital, month, amount due before the deduction. What exceeds
    the settlement is collected from the hospital: an entry of kind recovered once it is.
    """
    direct = entries.filter(pl.col("kind") == "supplier_direct").group_by("hospital", "month")
    paid = direct.agg(pl.col("amount").sum().alias("direct"))
    due = settlement.group_by("hospital", "month").agg(pl.col("amount").sum().clip(lower_bound=0).alias("due"))
    both = paid.join(due, on=["hospital", "month"], how="left").with_columns(pl.col("due").fill_null(0))
    deducted = pl.min_horizontal("direct", "due")
    return both.select(
        "hospital", "month", deducted.alias("deducted"), (pl.col("direct") - deducted).alias("shortfall")
    ).sort("hospital", "month")


def retention_entries(retained: pl.DataFrame, month: int) -> pl.DataFrame:
    """Return entries, kind vbp_retention: what each hospital keeps, paid in a month.

    `retained`: institution, retained (fen).
    """
    sums = retained.group_by("institution").agg(pl.col("retained").sum().alias("amount"))
    paid = sums.filter(pl.col("amount") > 0).with_columns(pl.lit(month, pl.Int32).alias("month"))
    return _entries(paid, "vbp_retention")


def due_day(rule: Prepayment, accepted: date) -> date:
    """Return the last day to pay a supplier for goods accepted on a day."""
    if rule.settle_days is not None:
        return accepted + timedelta(days=rule.settle_days)
    if rule.settle_by == "end_of_next_month":
        month = accepted.month + 2
        return date(accepted.year + (month - 1) // 12, (month - 1) % 12 + 1, 1) - timedelta(days=1)
    raise UserError(Text("规则未写结算期限", "the rule does not state when to settle"))


def paid_in_time(invoices: pl.DataFrame, rule: Prepayment) -> pl.DataFrame:
    """Return institution, amount, in_time (fen) of invoices paid within the rule's days, for the 30-day payment rate.

    `invoices`: institution, accepted, paid (dates; paid is null while open), amount (fen).
    """
    days = {day: due_day(rule, day) for day in invoices["accepted"].drop_nulls().unique().to_list()}
    due = pl.col("accepted").replace_strict(days, return_dtype=pl.Date)
    rows = invoices.with_columns((pl.col("paid") <= due).fill_null(value=False).alias("_timely"))
    return (
        rows.group_by("institution")
        .agg(pl.col("amount").sum(), pl.col("amount").filter(pl.col("_timely")).sum().alias("in_time"))
        .sort("institution")
    )


def _entries(rows: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    """Return the rows as entries of the cash account."""
    entries = rows.rename({"institution": "hospital"}).with_columns(pl.lit(kind).alias("kind"))
    return entries.filter(pl.col("amount") != 0).select(ENTRY).sort("hospital", "month")
