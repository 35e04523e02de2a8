"""平均降幅: three different averages go by that name, and they differ by tens of points on one table (spec 3)."""

from fractions import Fraction
from typing import NamedTuple

import polars as pl

from rules.fault import Text, UserError
from rules.payment.columns import need
from rules.procurement.exact import MILLION, millionths, ratio, wide


class AverageCuts(NamedTuple):
    """The three, as ratios: of each cut alike, of each cut by its quantity, and of what is spent."""

    mean_of_cuts: Fraction
    quantity_weighted: Fraction
    by_spending: Fraction


def average_cuts(rows: pl.DataFrame) -> AverageCuts:
    """Return the mean of the cuts, their mean weighted by quantity, and 1 − Σ price after × q ÷ Σ price before × q.

    `rows`: price_before, price_after (yuan), quantity (decimal). Each cut is taken to six decimals. UserError counts
    rows without a price or quantity above zero: without a price before there is no cut.
    """
    need(rows, ["price_before", "price_after", "quantity"], "平均降幅", "average cuts")
    found = pl.col("price_before") > 0, pl.col("price_after") >= 0, pl.col("quantity") > 0
    known = rows.filter(*found)
    if known.is_empty() or known.height < rows.height:
        count = rows.height - known.height
        zh = f"{count} 行（共 {rows.height} 行）缺少价格或数量"
        raise UserError(Text(zh, f"{count} of {rows.height} rows have no prices or no quantity"))
    q, before, after = (millionths(column) for column in ("quantity", "price_before", "price_after"))
    table = known.select(q=q, before=before, after=after)
    cut = ratio(pl.col("before") - pl.col("after"), pl.col("before"))
    table = table.with_columns(cut.alias("cut")).with_columns(millionths("cut").alias("cut"))
    cuts, weighted, weight, spent, saved = table.select(
        wide("cut").sum(),
        (wide("cut") * pl.col("q")).sum().alias("weighted"),
        pl.col("q").sum(),
        (pl.col("before") * pl.col("q")).sum().alias("spent"),
        ((pl.col("before") - pl.col("after")) * pl.col("q")).sum().alias("saved"),
    ).row(0)
    return AverageCuts(
        Fraction(cuts, table.height * MILLION), Fraction(weighted, weight * MILLION), Fraction(saved, spent)
    )
