"""Fee lines: what a case was charged for, item by item, for the rules that look at items."""

from pathlib import Path

import polars as pl

from engine.tables import Column, read_table

FEE_LINES = (
    Column("case_id"),
    Column("item_code"),
    Column("item_class"),
    Column("listed_new_item", "flag", optional=True),
    Column("quantity", "number", optional=True),
    Column("amount", "yuan"),
)


def read_fee_lines(path: Path | None) -> pl.DataFrame | None:
    """Return the fee lines of a file or a folder of Parquet files, None where none is given."""
    if path is None:
        return None
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    frame = pl.concat([read_table(file, FEE_LINES) for file in files])
    return frame.with_columns(pl.col("listed_new_item").fill_null(value=False), pl.col("quantity").fill_null("0"))
