"""Amounts of the city's files: yuan with two decimals, as claims files hold them."""

import pyarrow as pa

from engine.claims.canonical import COLUMNS

AMOUNTS = frozenset({"amount", *(column.name for column in COLUMNS if column.kind == "money")})
YUAN = pa.decimal64(16, 2)


def in_yuan(batch: "pa.RecordBatch") -> "pa.RecordBatch":
    """Return the batch with its amounts, whole fen so far, as decimals of yuan; no byte of them changes."""
    arrays = [
        _yuan(column) if name in AMOUNTS else column
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


def _yuan(fen: "pa.Int64Array") -> "pa.Array":
    return pa.Array.from_buffers(YUAN, len(fen), fen.buffers(), offset=fen.offset)
