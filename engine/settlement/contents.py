"""Digests of what a batch wrote: equal for equal rows in any order, recomputed by `drgdip ledger verify`."""

import hashlib
from typing import TYPE_CHECKING

from engine.settlement.schema import schema

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def content_digest(connection: "DuckDBPyConnection", batch: int) -> str:
    """Return a digest of all rows of a batch, over every table but ledger_batch itself."""
    digest = hashlib.sha256()
    for table, relation in schema().tables.items():
        if table != "ledger_batch":
            names = [name for name in relation.columns if name != "batch"]
            digest.update(f"{table} {_rows_digest(connection, table, names, batch)}\n".encode())
    return digest.hexdigest()


def _rows_digest(connection: "DuckDBPyConnection", table: str, names: list[str], batch: int) -> str:
    """Return count and sums of the MD5 of each row's text: sums do not depend on order and see doubled rows."""
    cells = ", ".join(f"""coalesce("{name}"::VARCHAR, chr(0))""" for name in names)
    row = f"concat_ws(chr(31), {cells})"
    query = (
        f"SELECT count(*), coalesce(sum(md5_number_lower(row)), 0), coalesce(sum(md5_number_upper(row)), 0) "  # noqa: S608
        f"FROM (SELECT {row} AS row FROM {table} WHERE batch = {batch})"
    )
    return " ".join(str(figure) for figure in connection.execute(query).fetchall()[0])
