"""What does not fit together between the tables of procurement: named findings with counts and examples."""

from collections.abc import Iterator
from typing import NamedTuple

import polars as pl

from rules.fault import Text
from rules.procurement.units import with_products


class Finding(NamedTuple):
    """One kind of fault in one table: its name, how many rows, the first of them, and what it means."""

    name: str
    table: str
    rows: int
    examples: tuple[str, ...]
    text: Text


TEXTS = {
    "unmapped_product": Text("产品不在产品表中", "the product is not in the table of products"),
    "unit_without_conversion": Text("数量单位无法换算", "the unit of the quantity has no conversion"),
    "negative_without_return": Text("数量为负而无退货标志", "a quantity below zero without a return flag"),
    "return_above_zero": Text("退货行数量为正", "a return with a quantity above zero"),
    "winner_changed_inside_month": Text("月内更换主供中选产品", "the main winner changes inside a month"),
    "unknown_institution": Text("机构不存在", "the institution does not exist"),
    "product_in_two_agreements": Text("同一产品同月属于两个协议", "one product in two agreements in one month"),
    "bid_not_winning": Text("中选结果中没有该标的", "the bid is not on the winning list"),
}


def check(
    purchases: pl.DataFrame,
    products: pl.DataFrame,
    winning: pl.DataFrame,
    agreed: pl.DataFrame,
    institutions: pl.Series,
) -> list[Finding]:
    """Return the findings over conformed tables; `institutions`: codes that exist. None means all fits together."""
    return [finding for finding in _all(purchases, products, winning, agreed, institutions) if finding.rows]


def _all(
    purchases: pl.DataFrame, products: pl.DataFrame, winning: pl.DataFrame, agreed: pl.DataFrame, known: pl.Series
) -> Iterator[Finding]:
    joined = with_products(purchases, products)
    mapped = pl.col("min_unit").is_not_null()
    yield _finding("unmapped_product", "purchases", joined.filter(~mapped), ["product"])
    yield _finding(
        "unit_without_conversion", "purchases", joined.filter(mapped & pl.col("units").is_null()), ["product", "unit"]
    )
    wrong = ~pl.col("returned") & ((pl.col("quantity") < 0) | (pl.col("amount") < 0))
    yield _finding("negative_without_return", "purchases", purchases.filter(wrong), ["institution", "product", "month"])
    wrong = pl.col("returned") & ((pl.col("quantity") > 0) | (pl.col("amount") > 0))
    yield _finding("return_above_zero", "purchases", purchases.filter(wrong), ["institution", "product", "month"])
    for table, frame in (("purchases", purchases), ("agreed", agreed)):
        strangers = frame.filter(~pl.col("institution").is_in(known.to_list()))
        yield _finding("unknown_institution", table, strangers, ["institution"])
    yield _finding("unmapped_product", "winning", winning.join(products, on="product", how="anti"), ["product"])
    yield _finding("bid_not_winning", "agreed", agreed.join(winning, on=["batch", "bid"], how="anti"), ["batch", "bid"])
    yield _finding("product_in_two_agreements", "agreed", _twice(agreed, winning), ["institution", "product"])
    yield _finding(
        "winner_changed_inside_month", "winning", _changes(winning, products), ["region", "generic", "month"]
    )


def _changes(winning: pl.DataFrame, products: pl.DataFrame) -> pl.DataFrame:
    """Return region, generic name and month in which one main winner ends and another begins after the first day."""
    main = winning.filter(pl.col("role") == "main").join(products.select("product", "generic"), on="product")
    spans = main.select("region", "generic", "bid", "valid_from", "valid_to").unique()
    started = spans.filter(pl.col("valid_from").dt.day() > 1).with_columns(_month("valid_from"))
    ended = spans.with_columns(_month("valid_to"))
    keys = ["region", "generic", "month"]
    both = started.join(ended, on=keys, suffix="_before").filter(pl.col("bid") != pl.col("bid_before"))
    return both.select(keys).unique().sort(keys)


def _twice(agreed: pl.DataFrame, winning: pl.DataFrame) -> pl.DataFrame:
    """Return the agreements that share a month with an earlier one of the same institution over the same product."""
    products = winning.select("batch", "bid", "product").unique()
    held = agreed.join(products, on=["batch", "bid"]).sort("institution", "product", "starts", "ends", "batch", "bid")
    before = pl.col("ends").cum_max().shift().over("institution", "product")
    return held.filter(before.dt.truncate("1mo") >= pl.col("starts").dt.truncate("1mo"))


def _month(day: str) -> pl.Expr:
    return (pl.col(day).dt.year() * 100 + pl.col(day).dt.month()).alias("month")


def _finding(name: str, table: str, rows: pl.DataFrame, shown: list[str]) -> Finding:
    examples = rows.select(shown).unique(maintain_order=True).head(3).rows()
    return Finding(name, table, rows.height, tuple(" · ".join(map(str, row)) for row in examples), TEXTS[name])
