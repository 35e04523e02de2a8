"""Potential savings: what buying at the price of cheap peers, or generics for originators, would save (spec 3).

Unlike realised savings they are clipped at zero, at the finest unit, and summed up after: a total of cost and quantity
would let the cheap pay for the dear.
"""

from collections.abc import Sequence
from decimal import Decimal

import polars as pl

from rules.money import Mode
from rules.payment.columns import need
from rules.procurement.exact import MILLION, Exact, decimals, divided, millionths, ratio, rounded, whole, wide


def price_per_unit(
    rows: pl.DataFrame,
    peers: Sequence[str] = ("generic",),
    share: Decimal = Decimal("0.1"),
    mode: Mode = "half_away_from_zero",
) -> pl.DataFrame:
    """Return the rows with unit_price, target (fen a unit, decimals), above_target and potential (fen).

    `rows`: the columns of `peers`, quantity (units, decimal), amount (fen), one row the finest unit, such as
    institution × product. target: the percentile `share` of the peers' unit prices, linear between two.
    above_target may be negative; potential is clipped at zero. A row without a quantity and amount above zero has no
    price: null, neither a peer nor a saving.
    """
    need(rows, [*peers, "quantity", "amount"], "单位价格", "price per unit")
    valid = (pl.col("quantity") > 0) & (pl.col("amount") > 0)
    price = pl.when(valid).then(ratio(wide("amount") * MILLION, millionths("quantity")))
    rows = rows.with_columns(price.alias("unit_price"))
    sorted_prices = millionths("unit_price").drop_nulls().sort()
    step = (pl.col("unit_price").count().cast(pl.Int64) - 1).clip(0) * int(share * MILLION)
    found = rows.group_by(peers).agg(
        sorted_prices.get(step // MILLION, null_on_oob=True).alias("_low"),
        sorted_prices.get(((step + MILLION - 1) // MILLION), null_on_oob=True).alias("_high"),
        (step % MILLION).cast(pl.Int128).alias("_part"),
    )
    at_target = pl.col("_low") * (whole(MILLION) - pl.col("_part")) + pl.col("_high") * pl.col("_part")
    joined = rows.join(
        found.with_columns(at_target.alias("_target")), on=list(peers), how="left", maintain_order="left"
    )
    cost = rounded(Exact(millionths("quantity") * pl.col("_target"), MILLION**3), mode)
    above = pl.when(pl.col("unit_price").is_not_null()).then(pl.col("amount") - cost)
    return joined.with_columns(
        ratio(pl.col("_target"), whole(MILLION**2)).alias("target"),
        above.alias("above_target"),
        above.clip(lower_bound=0).alias("potential"),
    ).drop("_low", "_high", "_part", "_target")


def substitution(rows: pl.DataFrame) -> pl.DataFrame:
    """Return generic, original_quantity, original_amount, generic_price, saving (fen): originators bought as generics.

    `rows`: generic, original (flag), quantity (one unit within the generic name, decimal), amount (fen). Drug by drug,
    clipped at zero; saving and generic_price (fen a unit) are null where no generic is bought: count them. The sum of
    the drugs is the answer; a ratio of totals is another figure.
    """
    need(rows, ["generic", "original", "quantity", "amount"], "仿制替代", "generic substitution")
    sides = [pl.col("original"), ~pl.col("original")]
    q, v = ([side_sum.filter(side).sum() for side in sides] for side_sum in (millionths("quantity"), wide("amount")))
    drugs = rows.group_by("generic").agg(
        q[0].alias("_q"), v[0].alias("_v"), q[1].alias("_generic_q"), v[1].alias("_generic_v")
    )
    as_generic = divided(pl.col("_q") * pl.col("_generic_v"), pl.col("_generic_q"))
    saving = (pl.col("_v") - as_generic).clip(lower_bound=0).cast(pl.Int64)
    return drugs.sort("generic").select(
        "generic",
        decimals(pl.col("_q")).alias("original_quantity"),
        pl.col("_v").cast(pl.Int64).alias("original_amount"),
        ratio(pl.col("_generic_v") * MILLION, pl.col("_generic_q")).alias("generic_price"),
        saving.alias("saving"),
    )
