"""Quantities in one unit: packs into least units, least units into the unit of the agreement. Nothing is guessed."""

import polars as pl

from rules.fault import Text, UserError
from rules.procurement.exact import decimals, millionths, ratio, wide


def with_products(rows: pl.DataFrame, products: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with their product's units and, in `units`, the least units that one of the row's unit holds.

    `units` is null where the product is unknown or its conversion does not name the row's unit.
    """
    known = products.select("product", "generic", "min_unit", "pack_unit", "units_per_pack", "agreement_factor")
    joined = rows.join(known, on="product", how="left", maintain_order="left")
    units = (
        pl.when(pl.col("unit") == pl.col("min_unit"))
        .then(1)
        .when((pl.col("unit") == pl.col("pack_unit")) & (pl.col("units_per_pack") > 0))
        .then(pl.col("units_per_pack"))
    )
    return joined.with_columns(units.cast(pl.Int64).alias("units"))


def refuse_unconverted(rows: pl.DataFrame, products: pl.DataFrame) -> None:
    """Refuse rows (product, unit) whose product is unknown or whose unit has no conversion, with their counts."""
    kinds = with_products(rows.group_by("product", "unit").len("rows").sort("product", "unit"), products)
    unknown = kinds.filter(pl.col("min_unit").is_null())
    unconverted = kinds.filter(pl.col("min_unit").is_not_null() & pl.col("units").is_null())
    faults = []
    if count := unknown["rows"].sum():
        names = ", ".join(unknown["product"].unique().sort().head(3).to_list())
        faults.append(Text(f"{count} 行的产品不在产品表中（{names}）", f"{count} rows name no known product ({names})"))
    if count := unconverted["rows"].sum():
        names = ", ".join(
            f"{product}: {unit}" for product, unit in unconverted.head(3).select("product", "unit").rows()
        )
        zh, en = f"{count} 行的数量单位无法换算（{names}）", f"{count} rows have a unit without conversion ({names})"
        faults.append(Text(zh, en))
    if faults:
        raise UserError(faults)


def in_agreement_units(rows: pl.DataFrame, products: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with `generic`, `min_quantity` (least units) and `agreement_quantity`, decimals with six places.

    `rows`: product, quantity (whole or decimal), unit. Exact for whole quantities, so that splitting a row, or writing
    strips as boxes, changes no sum. UserError counts the rows whose product is unknown or whose unit has no conversion.
    """
    refuse_unconverted(rows, products)
    least = millionths("quantity") * wide("units")
    agreed = least * millionths("agreement_factor") // pl.lit(10**6, dtype=pl.Int128)
    converted = with_products(rows, products).with_columns(
        decimals(least).alias("min_quantity"), decimals(agreed).alias("agreement_quantity")
    )
    return converted.drop("min_unit", "pack_unit", "units_per_pack", "agreement_factor", "units")


def agreed_amounts(agreed: pl.DataFrame, prices: pl.DataFrame, products: pl.DataFrame) -> pl.DataFrame:
    """Return the agreements with `agreed_amount`: quantity × winning price, yuan with six decimals, exact for packs.

    `agreed`: batch, bid, quantity (agreement units). `prices`: batch, bid, product, price (yuan), price_unit, one row a
    bid. Null where a bid has no price.
    """
    rows = with_products(prices.rename({"price_unit": "unit"}), products)
    rows = rows.select("batch", "bid", "price", "units", "agreement_factor")
    joined = agreed.join(rows, on=["batch", "bid"], how="left", validate="m:1", maintain_order="left")
    in_price_unit = wide("units") * millionths("agreement_factor")
    amount = ratio(millionths("quantity") * millionths("price"), in_price_unit * pl.lit(10**6, dtype=pl.Int128))
    return joined.with_columns(amount.alias("agreed_amount")).drop("price", "units", "agreement_factor")
