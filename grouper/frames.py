"""Group a polars frame or an Arrow table: the Python interface to both kinds of scheme."""

from pathlib import Path
from typing import TYPE_CHECKING, overload

from grouper.fault import Text, UserError
from grouper.scheme.pack import Scheme, load_scheme

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa


@overload
def group(claims: "pl.DataFrame", scheme: str | Path | Scheme) -> "pl.DataFrame": ...
@overload
def group(claims: "pa.Table", scheme: str | Path | Scheme) -> "pa.Table": ...
def group(claims: "pl.DataFrame | pa.Table", scheme: str | Path | Scheme) -> "pl.DataFrame | pa.Table":
    """Group claims under a scheme: an id, a pack's folder, or a loaded scheme.

    `claims` holds canonical columns: diagnoses and procedures (lists of codes, the principal first), sex (1, 2), age
    in years, age_days, birth_weight and admission_weight in grams, length_of_stay in days; a column that is absent
    counts as missing throughout. Returns a frame of the same kind, row by row: case_id where there is one, status,
    mdc, adrg, drg, severity and reason. Raises UserError for an unknown scheme or a column of the wrong type.
    """
    import polars as pl
    import pyarrow as pa

    from grouper.drg.batch import Grouper, group_arrow
    from grouper.drg.compile import compile_scheme

    loaded = scheme if isinstance(scheme, Scheme) else load_scheme(scheme)
    grouper = Grouper(compile_scheme(loaded))
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
