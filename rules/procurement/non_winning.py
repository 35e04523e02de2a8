"""Non-winning products (非中选): price tiers against the winning price, and their share of a variety (spec 1.8)."""

from decimal import Decimal

import polars as pl

from rules.fault import Text, UserError
from rules.procurement.exact import MILLION, millionths, ratio, whole, wide
from rules.procurement.parameters import NonWinning, PriceTiers


def with_tiers(prices: pl.DataFrame, rule: PriceTiers) -> pl.DataFrame:
    """Return the rows with `price_ratio` (six decimals) and `tier`, the name of the highest tier the price reaches.

    `prices`: price and winning_price, yuan for the same unit. Without a winning price there is no tier.
    """
    price, winning = millionths("price"), millionths("winning_price")
    tier = pl.lit(rule.tiers[0].id)
    for step in rule.tiers[1:]:
        bound = step.over if step.over is not None else step.at_least
        limit = winning * whole(_scaled(bound))
        reached = price * MILLION > limit if step.over is not None else price * MILLION >= limit
        tier = pl.when(reached).then(pl.lit(step.id)).otherwise(tier)
    known = pl.col("winning_price").is_not_null() & pl.col("price").is_not_null()
    return prices.with_columns(ratio(price, winning).alias("price_ratio"), pl.when(known).then(tier).alias("tier"))


def is_high(rule: NonWinning) -> pl.Expr:
    """Return which prices are high (高价): above the rule's multiple of the winning price; null without one."""
    if rule.most_of_winning is None:
        raise UserError(Text("规则未写 most_of_winning", "the rule has no most_of_winning"))
    return millionths("price") * MILLION > millionths("winning_price") * whole(_scaled(rule.most_of_winning))


def may_be_listed(rule: NonWinning) -> pl.Expr:
    """Return which winners that do not supply a region may be listed there at `price`: batch 9 on.

    Columns, yuan for one unit: price, own_winning_price, highest_winning_price (of the variety); either bound will do.
    """
    if rule.listed_up_to is None:
        raise UserError(Text("规则未写 listed_up_to", "the rule has no listed_up_to"))
    own = millionths("own_winning_price") * whole(_scaled(rule.listed_up_to))
    return (millionths("price") * MILLION <= own) | (millionths("price") <= millionths("highest_winning_price"))


def shares(lines: pl.DataFrame, rule: NonWinning) -> pl.DataFrame:
    """Return each institution's non-winning shares of a variety's volume, and whether high prices exceed the limit.

    `lines`: institution, generic, agreement_quantity (decimal), role, price and winning_price (yuan, one unit).
    Out: institution, generic, quantity, non_winning, high_price (quantities), two shares, `above_limit` (null where
    the rule has no limit).
    """
    other = pl.col("role") == "non_winning"
    sums = (
        lines.with_columns((other & is_high(rule)).fill_null(value=False).alias("_high"))
        .group_by("institution", "generic")
        .agg(
            pl.col("agreement_quantity").sum().alias("quantity"),
            pl.col("agreement_quantity").filter(other).sum().alias("non_winning"),
            pl.col("agreement_quantity").filter(pl.col("_high")).sum().alias("high_price"),
        )
        .sort("institution", "generic")
    )
    quantity, high = millionths("quantity"), millionths("high_price")
    limit = pl.lit(None, dtype=pl.Boolean)
    if rule.high_share is not None:
        limit = high * MILLION > quantity * whole(_scaled(rule.high_share))
    return sums.with_columns(
        ratio(millionths("non_winning"), quantity).alias("non_winning_share"),
        ratio(high, quantity).alias("high_price_share"),
        limit.alias("above_limit"),
    )


def amounts(lines: pl.DataFrame, rule: NonWinning, by: list[str]) -> pl.DataFrame:
    """Return the non-winning amounts (fen) that retention may deduct: all, not_appropriate (high prices), not_passed.

    `lines`: `by`, role, amount (fen), price, winning_price, passed (consistency evaluation).
    """
    other = pl.col("role") == "non_winning"
    high = is_high(rule).fill_null(value=True)
    return (
        lines.group_by(by)
        .agg(
            wide("amount").filter(other).sum().cast(pl.Int64).alias("nonwin_all"),
            wide("amount").filter(other & high).sum().cast(pl.Int64).alias("nonwin_not_appropriate"),
            wide("amount").filter(other & ~pl.col("passed")).sum().cast(pl.Int64).alias("nonwin_not_passed"),
        )
        .sort(by)
    )


def _scaled(value: Decimal | None) -> int:
    """Return a declared ratio in millionths."""
    return int((value or Decimal(0)) * MILLION)
