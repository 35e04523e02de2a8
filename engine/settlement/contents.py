"""Digests of what a batch wrote: equal for equal rows in any order, recomputed by `drgdip ledger verify`."""

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from engine.settlement.schema import Column, schema

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def content_digest(rows: Mapping[str, str]) -> str:
    """Return the digest of all rows of a batch from those of its tables (`rows_digests`).

    Every table counts but ledger_batch itself; one without rows of the batch leaves no trace.
    """
    digest = hashlib.sha256()
    for table in schema().tables:
        if table in rows:
            digest.update(f"{table} {rows[table]}\n".encode())
    return digest.hexdigest()


def rows_digests(connection: "DuckDBPyConnection", table: str, batch: int | None = None) -> dict[int, str]:
    """Return the digest of the rows of each batch in a table, or of one batch: their count and sums of their MD5.

    Sums do not depend on order and see doubled rows. Empty cells of columns that later versions of the ledger brought
    leave no trace, so that columns can be added.
    """
    columns = schema().tables[table].columns.items()
    cells = ", ".join(_cell(name, column) for name, column in columns if name != "batch")
    wanted = "" if batch is None else f"WHERE batch = {batch}"
    query = (
        f"SELECT batch, count(*), sum(md5_number_lower(row)), sum(md5_number_upper(row)) "  # noqa: S608
        f"FROM (SELECT batch, concat_ws(chr(31), {cells}) AS row FROM {table} {wanted}) GROUP BY batch"
    )
    return {own: f"{count} {lower} {upper}" for own, count, lower, upper in connection.execute(query).fetchall()}


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
