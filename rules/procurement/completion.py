"""Completion (完成率) and progress of agreements: purchased ÷ agreed, by quantity in agreement units (spec 1.7).

What counts is the bid: every product of a joint bid's members fulfils the one agreement. Returns count in the month of
the order they take back.
"""

from datetime import date

import polars as pl

from rules.fault import Text, UserError
from rules.procurement.exact import MILLION, decimals, millionths, ratio, whole, wide
from rules.procurement.parameters import Progress
from rules.procurement.units import in_agreement_units, refuse_unconverted, with_products

BID_MONTH = ["batch", "institution", "bid", "month"]


def net_of_returns(purchases: pl.DataFrame) -> pl.DataFrame:
    """Return purchases with returns in the month of their original order, where it is known.

    `purchases`: as in the table of that name. UserError counts quantities below zero without a return flag.
    """
    wrong = purchases.filter(~pl.col("returned") & (pl.col("quantity") < 0)).height
    if wrong:
        zh = f"{wrong} 行采购数量为负而无退货标志"
        raise UserError(Text(zh, f"{wrong} purchases have a quantity below zero without a return flag"))
    if "original_month" not in purchases.columns:
        return purchases
    month = pl.when("returned").then(pl.coalesce("original_month", "month")).otherwise("month")
    return purchases.with_columns(month.alias("month"))


def purchased(purchases: pl.DataFrame, products: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    """Return batch, institution, bid, month, purchased (agreement units, decimal), amount (fen), in no order.

    `members`: batch, bid, product: every product that fulfils a bid. Purchases of other products are left out. What
    one unit of each product comes to is reckoned once, and the purchases are gone through once.
    """
    fulfil = members.select("batch", "bid", "product").unique()
    net = net_of_returns(purchases).select("institution", "product", "month", "quantity", "unit", "amount")
    kinds = net.select("product", "unit").unique().join(fulfil, on="product")
    if with_products(kinds, products)["units"].has_nulls():
        refuse_unconverted(net.join(fulfil, on="product", how="semi"), products)
    one = in_agreement_units(kinds.with_columns(pl.lit(1).alias("quantity")), products)
    one = one.select("batch", "bid", "product", "unit", millionths("agreement_quantity").alias("_one"))
    sums = (
        net.join(one, on=["product", "unit"])
        .group_by(BID_MONTH)
        .agg((wide("quantity") * pl.col("_one")).sum().alias("_bought"), pl.col("amount").sum())
    )
    return sums.select(*BID_MONTH, decimals(pl.col("_bought")).alias("purchased"), "amount")


def completion(agreed: pl.DataFrame, bought: pl.DataFrame, on: date, alert: Progress | None = None) -> pl.DataFrame:
    """Return the agreements with what was bought of them up to the month of `on`, one row an agreement.

    Adds purchased (agreement units), amount (fen), completion (six decimals), completed, time_progress,
    behind (progress is below the rule's share of time progress; null without a rule) and open_quantity. `agreed`: the
    table of that name; a month belongs to an agreement when any of its days does. `bought`: see
    `purchased`. UserError names agreements of one institution and bid that overlap, since a month would count twice.
    """
    _refuse_overlaps(agreed)
    keys = ["batch", "institution", "bid"]
    first = pl.date(pl.col("month") // 100, pl.col("month") % 100, 1)
    within = (first >= pl.col("starts").dt.truncate("1mo")) & (first <= pl.col("ends")) & (first <= pl.lit(on))
    joined = agreed.select(*keys, "year", "starts", "ends").join(bought, on=keys).filter(within)
    sums = joined.group_by(*keys, "year").agg(pl.col("purchased").sum(), pl.col("amount").sum())
    rows = agreed.join(sums, on=[*keys, "year"], how="left", maintain_order="left")
    rows = rows.with_columns(
        pl.col("purchased").fill_null(0).cast(pl.Decimal(38, 6)), pl.col("amount").fill_null(0).cast(pl.Int64)
    )
    days, passed = _days("starts", pl.col("ends")), _days("starts", pl.lit(on)).clip(0).cast(pl.Int64)
    passed = pl.min_horizontal(passed, days)
    bought_units, agreed_units = millionths("purchased"), millionths("quantity")
    if alert is None:
        behind = pl.lit(None, dtype=pl.Boolean)
    else:
        least = whole(int(alert.least_of_time * MILLION))
        behind = bought_units * days.cast(pl.Int128) * MILLION < agreed_units * passed.cast(pl.Int128) * least
    return rows.with_columns(
        ratio(bought_units, agreed_units).alias("completion"),
        (bought_units >= agreed_units).alias("completed"),
        ratio(passed, days).alias("time_progress"),
        behind.alias("behind"),
        decimals((agreed_units - bought_units).clip(lower_bound=0)).alias("open_quantity"),
    )


def _days(starts: str, ends: pl.Expr) -> pl.Expr:
    return (ends - pl.col(starts)).dt.total_days() + 1


def _refuse_overlaps(agreed: pl.DataFrame) -> None:
    """Refuse agreements of one institution and bid that share a month."""
    keys = ["batch", "institution", "bid"]
    before = pl.col("ends").shift().over(keys, order_by="starts")
    shared = agreed.filter(before.dt.truncate("1mo") >= pl.col("starts").dt.truncate("1mo"))
    if shared.height:
        first = " · ".join(shared.select(keys).row(0))
        raise UserError(
            Text(
                f"{shared.height} 个协议与同一机构同一标的的上一协议月份重叠，如 {first}",
                f"{shared.height} agreements share months with the one before of the same institution and bid: {first}",
            )
        )


def totals(rows: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Return agreed and purchased quantity, amount and completion of groups of agreements in one unit.

    Quantities of different drugs do not add up to a meaningful rate: include `bid` or the generic name in `by`, or
    read `complete`, the share of agreements that are completed.
    """
    sums = rows.group_by(by).agg(
        pl.col("quantity", "purchased", "amount").sum(),
        pl.len().cast(pl.Int64).alias("agreements"),
        pl.col("completed").sum().cast(pl.Int64).alias("agreements_completed"),
    )
    return sums.sort(by).with_columns(
        ratio(millionths("purchased"), millionths("quantity")).alias("completion"),
        ratio(wide("agreements_completed"), wide("agreements")).alias("complete"),
    )
