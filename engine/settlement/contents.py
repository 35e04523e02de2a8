"""Digests of what a batch wrote: equal for equal rows in any order, recomputed by `drgdip ledger verify`."""

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from engine.settlement.schema import Column, schema

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

NO_ROWS = "0 0 0"


def content_digest(connection: "DuckDBPyConnection", batch: int, pruned: Mapping[str, str] | None = None) -> str:
    """Return a digest of all rows of a batch, over every table but ledger_batch itself.

    `pruned`: digests of the rows of tables whose rows of this batch were deleted since.
    """
    digest = hashlib.sha256()
    for table in schema().tables:
        if table != "ledger_batch":
            rows = (pruned or {}).get(table) or rows_digest(connection, table, batch)
            if rows != NO_ROWS:
                digest.update(f"{table} {rows}\n".encode())
    return digest.hexdigest()


def rows_digest(connection: "DuckDBPyConnection", table: str, batch: int) -> str:
    """Return count and sums of the MD5 of each row's text: sums do not depend on order and see doubled rows.

    Empty cells of columns that later versions of the ledger brought leave no trace, so that columns can be added.
    """
    columns = schema().tables[table].columns.items()
    cells = ", ".join(_cell(name, column) for name, column in columns if name != "batch")
    row = f"concat_ws(chr(31), {cells})"
    query = (
        f"SELECT count(*), coalesce(sum(md5_number_lower(row)), 0), coalesce(sum(md5_number_upper(row)), 0) "  # noqa: S608
        f"FROM (SELECT {row} AS row FROM {table} WHERE batch = {batch})"
    )
    return " ".join(str(figure) for figure in connection.execute(query).fetchall()[0])


def _cell(name: str, column: Column) -> str:
    """Return the text of a cell in SQL; NULL, which concat_ws leaves out, for an empty cell of a later column."""
    text = f'"{name}"::VARCHAR'
    return f"coalesce({text}, chr(0))" if column.since == 1 else f"'{name}' || chr(30) || {text}"


def seal(row: Mapping[str, object], before: str) -> str:
    """Return the digest of a batch's own row and of the seal of the batch before it, "" for the first."""
    cells = {name: str(value) for name, value in sorted(row.items()) if value is not None and name != "seal"}
    return hashlib.sha256(json.dumps([before, cells], ensure_ascii=False).encode()).hexdigest()


def digest_of(*parts: object) -> str:
    """Return the digest of what a batch is made of."""
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False, sort_keys=True).encode()).hexdigest()
