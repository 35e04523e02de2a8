"""Purchases gone through once: whole sums by product and month, or by whatever else a measure needs.

Everything after works on these sums. Splitting a row, or the order and cut of the rows, changes nothing.
"""

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

BY_MONTH = ("product", "unit", "month")
BY_INSTITUTION = ("institution", "product", "unit")


class Months(NamedTuple):
    """A period from the first to the last month, each year × 100 + month."""

    first: int
    last: int


def totals(
    purchases: pl.LazyFrame, by: Sequence[str] = BY_MONTH, within: tuple[Months, ...] | None = None
) -> pl.LazyFrame:
    """Return `by`, quantity (of the row's unit), amount (fen) and rows, in no order; a lazy frame, made for streaming.

    `purchases`: as in the table of that name. A return counts in the month of its original order where it is known;
    `within` keeps the months of some periods.
    """
    if "original_month" in purchases.collect_schema().names():
        month = pl.when("returned").then(pl.coalesce("original_month", "month")).otherwise("month")
        purchases = purchases.with_columns(month.alias("month"))
    if within is not None:
        purchases = purchases.filter(pl.any_horizontal(pl.col("month").is_between(*months) for months in within))
    return purchases.group_by(by).agg(pl.col("quantity", "amount").sum(), pl.len().cast(pl.Int64).alias("rows"))
