"""Group a polars frame or an Arrow table: the Python interface to both kinds of scheme."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, overload

from grouper.fault import Text, UserError
from grouper.kinds import AnyScheme, Grouper, load, make_grouper

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa


@overload
def group(claims: "pl.DataFrame", scheme: str | Path | AnyScheme) -> "pl.DataFrame": ...
@overload
def group(claims: "pa.Table", scheme: str | Path | AnyScheme) -> "pa.Table": ...
def group(claims: "pl.DataFrame | pa.Table", scheme: str | Path | AnyScheme) -> "pl.DataFrame | pa.Table":
    """Group claims under a DRG scheme or a DIP directory: an id, a pack's folder, or a loaded one.

    `claims` holds canonical columns: diagnoses and procedures (lists of codes, the principal first), sex (1, 2), age
    in years, age_days, birth_weight and admission_weight in grams, length_of_stay in days, total_charge in fen; a
    column that is absent counts as missing throughout. Returns a frame of the same kind, row by row: case_id where
    there is one, then status, mdc, adrg, drg, severity and reason, or for a directory status, layer, group and reason.
    Raises UserError for an unknown scheme or a column of the wrong type.
    """
    import polars as pl
    import pyarrow as pa

    grouper = make_grouper(load(scheme) if isinstance(scheme, str | Path) else scheme)
    if isinstance(claims, pl.DataFrame):
        return pl.DataFrame(group_arrow(claims.to_arrow(), grouper))
    if not isinstance(claims, pa.Table):
        kind = type(claims).__name__
        raise UserError(
            Text(
                f"应为 polars DataFrame 或 Arrow Table，却是 {kind}",
                f"needs a polars DataFrame or an Arrow Table, not {kind}",
            )
        )
    return group_arrow(claims, grouper)


def group_arrow(table: "pa.Table", grouper: Grouper) -> "pa.Table":
    """Group a table of canonical columns, row by row. Returns case_id, where there is one, and the answers."""
    import pyarrow as pa

    repeated = sorted(name for name, count in Counter(table.column_names).items() if count > 1)
    if repeated:
        listed = ", ".join(repeated)
        raise UserError(Text(f"列名重复：{listed}", f"columns that stand there twice: {listed}"))
    used = [name for name in ("case_id", "diagnoses", "procedures", *grouper.columns) if name in table.column_names]
    batches = table.select(used).to_batches() or [pa.RecordBatch.from_pylist([], table.select(used).schema)]
    return pa.Table.from_batches([_answers(batch, grouper) for batch in batches])


def _answers(batch: "pa.RecordBatch", grouper: Grouper) -> "pa.RecordBatch":
    answers, _ = grouper.group(batch)
    columns = grouper.arrow(answers)
    return columns.add_column(0, "case_id", batch.column("case_id")) if "case_id" in batch.schema.names else columns
