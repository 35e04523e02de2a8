"""Read claims files in tests: accepted rows, rejects and findings as plain data."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, TypedDict, Unpack

import pyarrow as pa
import pyarrow.parquet as pq

from engine.claims import CheckPolicy, open_claims

CODES = pa.list_(pa.string())
at = datetime.fromisoformat
"""A local time without a zone, as the canonical table has them."""


class Reading(NamedTuple):
    rows: list[dict[str, Any]]
    numbers: list[int]
    rejects: list[dict[str, Any]]
    findings: dict[tuple[str, str], int]
    rows_in: int

    def column(self, name: str) -> list[Any]:
        return [row[name] for row in self.rows]

    def reasons(self) -> list[tuple[int, str]]:
        return [(line["row"], line["reason"]) for line in self.rejects]


class Options(TypedDict, total=False):
    keep: Sequence[str]
    required: Sequence[str]
    column_map: str | Path | None
    diagnosis_table: Path | None
    procedure_table: Path | None
    policy: CheckPolicy | None
    hash_key: bytes | None


def read(*inputs: Path, needed: Sequence[str], **options: Unpack[Options]) -> Reading:
    claims = open_claims(inputs, needed=needed, **options)
    reading = Reading([], [], [], {}, 0)
    total = 0
    for batch in claims.batches():
        assert batch.rows_in == batch.table.num_rows + batch.rows_rejected
        assert len(batch.row_number) == batch.table.num_rows == (batch.kept.num_rows or batch.table.num_rows)
        batch.table.validate(full=True)
        reading.rows.extend(
            {**row, **kept}
            for row, kept in zip(
                batch.table.to_pylist(), batch.kept.to_pylist() or [{}] * batch.table.num_rows, strict=True
            )
        )
        reading.numbers.extend(batch.row_number.tolist())
        reading.rejects.extend(batch.rejects.to_pylist())
        claims.findings.merge(batch.findings)
        total += batch.rows_in
    if claims.row_count is not None:
        assert claims.row_count == total
    found = {(reason.code, column): tally.count for reason, column, tally in claims.findings}
    return reading._replace(findings=found, rows_in=total)


def write_parquet(path: Path, columns: Mapping[str, Any], row_group_size: int | None = None) -> Path:
    """Write columns; code lists become list<string> unless they are Arrow arrays already."""
    lists = {
        name: pa.array(cells, CODES)
        for name, cells in columns.items()
        if name in ("diagnoses", "procedures") and isinstance(cells, list)
    }
    pq.write_table(pa.table({**columns, **lists}), path, row_group_size=row_group_size)
    return path


def one_column(folder: Path, name: str, cells: Sequence[object], **options: Unpack[Options]) -> Reading:
    """Read a file of numbered cases with one column of interest."""
    ids = [str(number) for number in range(len(cells))]
    path = write_parquet(folder / "one.parquet", {"case_id": ids, "diagnoses": [["A00.000"]] * len(ids), name: cells})
    return read(path, needed=[name], **options)
