"""Priced cases as rows of ledger_case, and back."""

from collections.abc import Mapping

import polars as pl

from engine.settlement.schema import schema

NAMES = {"group": "group_code", "parent": "parent_code", "kind": "special_kind", "class": "case_class"}
"""What pricing calls a column, and what the ledger calls it."""


def case_rows(cases: pl.DataFrame, names: Mapping[str, Mapping[str, str]]) -> pl.DataFrame:
    """Return the cases of a settled month as rows of ledger_case; `names`: of each scheme the names of its groups."""
    split = [name for name in cases.columns if name.endswith("_split")]
    funds = [pl.col(name).alias(name.removesuffix("_split")) for name in split]
    name: pl.Expr = pl.lit(None, pl.Categorical)
    for scheme, groups in names.items():
        own = pl.col("group").cast(pl.Categorical).replace_strict(groups, default=None, return_dtype=pl.Categorical)
        name = pl.when(pl.col("scheme") == scheme).then(own).otherwise(name)
    rows = cases.with_columns(
        (pl.struct(funds).struct.json_encode() if funds else pl.lit(None, pl.String)).alias("split"),
        name.alias("group_name"),
    ).rename(NAMES)
    return rows.select(name for name in schema().tables["ledger_case"].columns if name in rows.columns)


def priced_cases(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows of ledger_case as they were priced."""
    return rows.rename({own: name for name, own in NAMES.items()})
