"""Monitoring of procurement: share bought on the platform (网采率), price jumps, calendar of agreements that end."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

import polars as pl

from rules.procurement.exact import MILLION, millionths, ratio, whole, wide

Denominator = Literal["amount", "quantity"]


def network_share(purchases: pl.DataFrame, by: list[str], of: Denominator = "amount") -> pl.DataFrame:
    """Return on_platform, total and network_share by groups, and `denominator`, its name.

    `purchases`: `by`, on_platform (null counts as off the platform and in `unknown_rows`), and the denominator: amount
    (fen), or agreement_quantity for groups of one variety.
    """
    column = "amount" if of == "amount" else "agreement_quantity"
    on = pl.col("on_platform").fill_null(value=False)
    sums = purchases.group_by(by).agg(
        pl.col(column).filter(on).sum().alias("on_platform"),
        pl.col(column).sum().alias("total"),
        pl.col("on_platform").null_count().cast(pl.Int64).alias("unknown_rows"),
    )
    share = ratio(millionths("on_platform"), millionths("total"))
    return sums.sort(by).with_columns(share.alias("network_share"), pl.lit(of).alias("denominator"))


def price_jumps(prices: pl.DataFrame, rise: Decimal, fall: Decimal) -> pl.DataFrame:
    """Return the months in which a product's mean price rose or fell by more than the given shares.

    `prices`: institution, product, month, min_quantity (decimal, least units), amount (fen). The mean price of a month
    is amount ÷ quantity; it is compared with the month before in which the product was bought. Out: those rows with
    price and price_before (yuan), change (ratio, six decimals).
    """
    keys = ["institution", "product"]
    sums = prices.group_by(*keys, "month").agg(pl.col("amount").sum(), pl.col("min_quantity").sum())
    bought = sums.filter((pl.col("amount") > 0) & (pl.col("min_quantity") > 0)).sort(*keys, "month")
    before = bought.with_columns(
        pl.col("month").shift().over(keys).alias("month_before"),
        pl.col("amount").shift().over(keys).alias("_amount"),
        pl.col("min_quantity").shift().over(keys).alias("_quantity"),
    ).drop_nulls("month_before")
    now, then = wide("amount") * millionths("_quantity"), wide("_amount") * millionths("min_quantity")
    rose = now * MILLION > then * whole(int((1 + rise) * MILLION))
    fell = now * MILLION < then * whole(int((1 - fall) * MILLION))
    yuan = whole(10**4)
    return before.filter(rose | fell).select(
        *keys,
        "month",
        "month_before",
        ratio(wide("amount") * yuan, millionths("min_quantity")).alias("price"),
        ratio(wide("_amount") * yuan, millionths("_quantity")).alias("price_before"),
        ratio(now - then, then).alias("change"),
    )


def calendar(agreed: pl.DataFrame, on: date, days: int) -> pl.DataFrame:
    """Return the agreements that end from `on` within so many days: batch, bid, ends, institutions, days_left."""
    last = on + timedelta(days=days)
    ending = agreed.filter(pl.col("ends").is_between(on, last))
    return (
        ending.group_by("batch", "bid", "ends")
        .agg(pl.col("institution").n_unique().cast(pl.Int64).alias("institutions"))
        .with_columns((pl.col("ends") - pl.lit(on)).dt.total_days().alias("days_left"))
        .sort("ends", "batch", "bid")
    )
