"""What was bought before and after, by product, in one unit, each quantity also at the prices of the other period.

A product without a price of its own before (a new winner) takes the mean price of its generic name; where there is none
either its price is null, and never zero.
"""

from typing import Literal

import polars as pl

from rules.fault import Text, UserError
from rules.payment.columns import need
from rules.procurement.exact import MILLION, decimals, divided, millionths, refuse_too_large, wide
from rules.procurement.purchase_totals import Months
from rules.procurement.units import in_agreement_units

Unit = Literal["least_unit", "agreement_unit", "ddd"]
Perimeter = Literal["winning", "generic", "substitutes"]
SIDES = ["base_quantity", "base_amount", "quantity", "amount"]
NAMES = {
    "least_unit": Text("最小使用单位", "least unit"),
    "agreement_unit": Text("约定采购单位", "unit of the agreement"),
    "ddd": Text("限定日剂量", "defined daily dose"),
    "winning": Text("仅中选产品", "winning products only"),
    "generic": Text("有中选的通用名全部产品", "all products of the generic names that have winners"),
    "substitutes": Text("含同类可替代药品", "therapeutic substitutes included"),
}
"""Units and perimeters by name."""


def perimeter(
    products: pl.DataFrame, winners: pl.Series, which: Perimeter, classes: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Return the rows of `products` (product, generic, …) inside a perimeter.

    `winners`: winning products; `classes`: generic, class (such as ATC4), for the substitutes. UserError without them.
    """
    won = products.filter(pl.col("product").is_in(winners.to_list()))
    if which == "winning":
        return won
    if which == "generic":
        return products.join(won.select("generic").unique(), on="generic", how="semi")
    if classes is None:
        zh, en = (
            "含替代药品的口径需要通用名的分类表",
            "the perimeter with substitutes needs the classes of generic names",
        )
        raise UserError(Text(zh, en))
    classed = products.join(classes, on="generic", how="left", validate="m:1", maintain_order="left")
    alike = classed.join(won.select("generic").unique(), on="generic", how="semi")
    inside = pl.col("class").is_in(alike["class"].drop_nulls().to_list())
    inside = inside.fill_null(value=False) | pl.col("generic").is_in(won["generic"].to_list())
    return classed.filter(inside).drop("class")


def basket(
    sums: pl.DataFrame,
    products: pl.DataFrame,
    base: Months,
    current: Months,
    unit: Unit,
    ddd: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Return product, generic, base_quantity, base_amount, quantity, amount: units and fen of two periods.

    `sums`: product, unit, month, quantity, amount. Products outside `products` are left out. `ddd`: product,
    ddds_per_unit (defined daily doses in a least unit), for that unit; it is licensed, so none is shipped.
    UserError for periods that overlap, units without conversion and products without a daily dose, counted.
    """
    if not (base.first <= base.last < current.first <= current.last):
        zh = f"基期 {base.first}–{base.last} 须在报告期 {current.first}–{current.last} 之前"
        raise UserError(Text(zh, f"the base {base.first}-{base.last} must be before {current.first}-{current.last}"))
    inside = sums.join(products.select("product"), on="product", how="semi")
    rows = _measured(in_agreement_units(inside, products), unit, ddd)
    before, after = (pl.col("month").is_between(*months) for months in (base, current))
    found = rows.group_by("product", "generic").agg(
        pl.col("_quantity").filter(before).sum().alias("base_quantity"),
        pl.col("amount").filter(before).sum().alias("base_amount"),
        pl.col("_quantity").filter(after).sum().alias("quantity"),
        pl.col("amount").filter(after).sum(),
    )
    found = found.filter(pl.any_horizontal(pl.col(SIDES) != 0)).sort("product")
    return found.with_columns(decimals(pl.col("base_quantity", "quantity")))


def _measured(rows: pl.DataFrame, unit: Unit, ddd: pl.DataFrame | None) -> pl.DataFrame:
    """Return the rows with `_quantity`, whole millionths of the unit."""
    if unit != "ddd":
        column = "min_quantity" if unit == "least_unit" else "agreement_quantity"
        return rows.with_columns(millionths(column).alias("_quantity"))
    if ddd is None:
        raise UserError(Text("按限定日剂量计算需要 DDD 表", "defined daily doses need a table of them"))
    dosed = rows.join(ddd.select("product", "ddds_per_unit"), on="product", how="left", validate="m:1")
    without = dosed.filter(pl.col("ddds_per_unit").is_null())["product"].unique().sort()
    if len(without):
        names = ", ".join(without.head(3).to_list())
        zh, en = (
            f"{len(without)} 个产品没有限定日剂量（{names}）",
            f"{len(without)} products have no daily dose ({names})",
        )
        raise UserError(Text(zh, en))
    doses = divided(millionths("min_quantity") * millionths("ddds_per_unit"), pl.lit(MILLION))
    return dosed.with_columns(doses.alias("_quantity"))


def priced(rows: pl.DataFrame, prices: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return the rows with at_base, price_from and at_current (fen, Int64).

    at_base: `quantity` at the price before, null without one; price_from tells whose it is: own, generic, given, null.
    at_current: `base_quantity` at the price after, that of the generic name where the product is bought no more.
    Price the whole generic names first and narrow the perimeter after, or a new winner finds no price of its name.
    `prices`: product, price (yuan a unit of the basket, decimal): a declared price before, such as the ceiling or the
    lowest of a period, in place of the mean price paid. Each is rounded once to the fen.
    """
    need(rows, ["product", "generic", *SIDES], "量价", "the basket")
    limits = [[q, v] for q in ("quantity", "base_quantity") for v in ("amount", "base_amount")]
    refuse_too_large(rows, limits, MILLION * 2.0, rows.height)
    if prices is None:
        at_base, price_from = _at_price("quantity", "base_quantity", "base_amount")
    else:
        rows = rows.join(prices.select("product", "price"), on="product", how="left", validate="m:1")
        at_base = divided(millionths("quantity") * millionths("price"), pl.lit(10**10))
        price_from = pl.when(pl.col("price").is_not_null()).then(pl.lit("given"))
    at_current, _ = _at_price("base_quantity", "quantity", "amount")
    out = rows.with_columns(
        _nothing("quantity", at_base).alias("at_base"),
        price_from.alias("price_from"),
        _nothing("base_quantity", at_current).alias("at_current"),
    )
    return out.drop("price", strict=False)


def _at_price(quantity: str, other: str, amount: str) -> tuple[pl.Expr, pl.Expr]:
    """Return a quantity at the price of the other period, and whose price that is: own or generic."""
    own = pl.col(other) > 0
    sold, paid = millionths(other).sum().over("generic"), wide(amount).sum().over("generic")
    by_own = divided(millionths(quantity) * wide(amount), millionths(other))
    by_generic = divided(millionths(quantity) * paid, sold)
    whose = pl.when(own).then(pl.lit("own")).when(sold > 0).then(pl.lit("generic"))
    return pl.when(own).then(by_own).otherwise(by_generic), whose


def _nothing(quantity: str, found: pl.Expr) -> pl.Expr:
    """Nothing bought costs nothing, whatever its price."""
    return pl.when(pl.col(quantity) == 0).then(0).otherwise(found).cast(pl.Int64)


def by_generic(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows summed up by generic name: what enters inside one changes its price, not structure."""
    return rows.group_by("generic").agg(pl.col(SIDES).sum()).sort("generic")
