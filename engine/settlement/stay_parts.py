"""Stays settled in parts: kept in the ledger, and read back when a later month has the last settlement."""

import json
from collections.abc import Sequence

import polars as pl

from rules.payment.place import month_text
from rules.payment.stays import MONEY, is_refund

_PART = pl.col("part_of_stay").fill_null(value=False)


def with_parts_taken_back(rows: pl.DataFrame, held: pl.DataFrame) -> pl.DataFrame:
    """Make the refund of a held part a part of the same stay: the last settlement takes in what both come to, nothing.

    `rows`: claims. `held`: case_id and stay_id of parts of other months.
    """
    refunds = rows.filter(is_refund(rows)).select("case_id", pl.col("original_case_id").alias("part"))
    if not refunds.height:
        return rows
    parts = pl.concat([rows.filter(_PART).select("case_id", "stay_id"), held.select("case_id", "stay_id")])
    stay_of = dict(refunds.join(parts, left_on="part", right_on="case_id").select("case_id", "stay_id").iter_rows())
    if not stay_of:
        return rows
    taken_back = pl.col("case_id").is_in(list(stay_of))
    less = [name for name in (*MONEY, "length_of_stay") if name in rows.columns]
    return rows.with_columns(
        *(pl.when(taken_back).then(-pl.col(name).abs()).otherwise(name).alias(name) for name in less),
        pl.col("case_id").replace_strict(stay_of, default=pl.col("stay_id")).alias("stay_id"),
        (_PART | taken_back).alias("part_of_stay"),
    )


def part_rows(parts: pl.DataFrame) -> pl.DataFrame:
    """Return settlements in part as rows of ledger_part."""
    month = pl.Series("month", [month_text(own) for own in parts["own"]], pl.String)
    record = pl.struct(pl.exclude("own", "late")).struct.json_encode().alias("record")
    return parts.select("case_id", "stay_id", "hospital_id", month, "total_charge", record)


def read_parts(records: Sequence[str], like: pl.DataFrame) -> pl.DataFrame:
    """Return held parts, from their records in the ledger, in the columns of a frame of claims."""
    if not records:
        return like.clear()
    known = set[str]().union(*(json.loads(record) for record in records))
    struct = pl.Struct({name: dtype for name, dtype in like.schema.items() if name in known})
    found = pl.Series("record", records, dtype=pl.String).str.json_decode(struct).struct.unnest()
    return found.select(
        (pl.col(name) if name in found.columns else pl.lit(None).alias(name)).cast(dtype)
        for name, dtype in like.schema.items()
    )
