"""Auxiliary sub-types (辅助分型) of claims: claims files in, a table of case_id, kind and subtype out."""

from pathlib import Path

import polars as pl

from engine.cases import ClaimsInput
from engine.claims import open_claims
from engine.outputs.folder import cannot_write
from grouper.dip.subtypes import SubTypes, sub_types_of

COLUMNS = ("diagnoses", "procedures", "age", "age_days", "length_of_stay", "icu_hours", "discharge_way")


def write_sub_types(claims: ClaimsInput, rules: SubTypes, out: Path) -> dict[str, int]:
    """Write the sub-types of claims as CSV, or Parquet where `out` says so; return the cases of each sub-type.

    Raises UserError for claims that cannot be read and CannotWriteError for a file that cannot be written.
    """
    opened = open_claims(
        claims.inputs, needed=COLUMNS, required=("diagnoses",), column_map=claims.column_map, policy=claims.checks
    )
    found = pl.concat([sub_types_of(pl.DataFrame(batch.table), rules) for batch in opened.batches()])
    try:
        if out.suffix == ".parquet":
            found.write_parquet(out)
        else:
            found.write_csv(out)
    except OSError as error:
        raise cannot_write(out, error) from error
    counted = dict(found.group_by("subtype").len().iter_rows())
    return {row.code: counted.get(row.code, 0) for row in rules.rows}
