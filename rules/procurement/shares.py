"""A fixed amount shared over rows by largest remainder, within groups: the vector form of money.largest_remainder."""

from collections.abc import Sequence

import polars as pl

from rules.procurement.exact import wide


def shared(
    frame: pl.DataFrame, total: str, weight: str, within: Sequence[str], order: Sequence[str], name: str
) -> pl.DataFrame:
    """Return the frame with `name` (Int64): the group's `total`, in proportion to `weight`, adding up to it exactly.

    `total` (whole, not negative) is equal within a group; `weight` is whole and not negative. Remainders that tie go to
    the larger weight, then to the row that sorts first by `order`. A group without weight gets nothing.
    """
    product, all_weight = wide(total) * wide(weight), wide(weight).sum().over(within)
    quotas = frame.with_columns(
        pl.when(all_weight > 0).then(product // all_weight).otherwise(0).cast(pl.Int64).alias("_whole"),
        pl.when(all_weight > 0).then(product % all_weight).otherwise(0).alias("_rest"),
        all_weight.alias("_all"),
    )
    ranked = quotas.with_row_index("_row").sort(
        [*within, "_rest", weight, *order], descending=[False] * len(within) + [True, True] + [False] * len(order)
    )
    left = pl.col(total) - pl.col("_whole").sum().over(within)
    rank = pl.int_range(pl.len()).over(within)
    more = ((rank < left) & (pl.col("_all") > 0)).cast(pl.Int64)
    return (
        ranked.with_columns((pl.col("_whole") + more).alias(name)).sort("_row").drop("_row", "_whole", "_rest", "_all")
    )
