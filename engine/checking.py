"""The checking run: claims files in, what is wrong with them out."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from engine.claims import COLUMNS, WRITTEN, CheckPolicy, Claims, in_language, open_claims
from engine.outputs.folder import replaced_folder
from engine.provenance import input_files, program_versions

SUMMARY_VERSION = 1
StartProgress = Callable[[int | None], Callable[[int], None]]


@dataclass(frozen=True)
class CheckingRequest:
    """What a run is asked to do. Without `out` nothing is written."""

    inputs: Sequence[Path]
    out: Path | None = None
    column_map: str | Path | None = None
    diagnosis_table: Path | None = None
    procedure_table: Path | None = None
    checks: CheckPolicy = field(default_factory=CheckPolicy)
    hash_key: bytes | None = None
    lang: str = "en"


def run_checking(request: CheckingRequest, start_progress: StartProgress | None = None) -> dict[str, Any]:
    """Read claims with all canonical columns and run every check. Returns rows, rejects by reason and findings.

    `start_progress` is told the number of rows, where it is known, and returns what is told the rows done. Writes
    rejected.parquet, findings.json and summary.json, all or none. Raises UserError for bad input and
    CannotWriteError for bad output.
    """
    claims = open_claims(
        request.inputs,
        needed=[column.name for column in COLUMNS],
        column_map=request.column_map,
        diagnosis_table=request.diagnosis_table,
        procedure_table=request.procedure_table,
        policy=request.checks,
        hash_key=request.hash_key,
    )
    progress = start_progress(claims.row_count) if start_progress else None
    if request.out is None:
        return _result(claims, None, request.lang, progress)
    with replaced_folder(request.out) as folder:
        with pq.ParquetWriter(folder / "rejected.parquet", WRITTEN, compression="zstd") as rejected:
            result = _result(claims, rejected, request.lang, progress)
        inputs = input_files([source.path for source in claims.sources])
        summary = {"version": SUMMARY_VERSION, "program": program_versions(), "inputs": inputs, **result}
        findings = summary.pop("findings")
        for name, content in (("findings", findings), ("summary", summary)):
            text = json.dumps(content, ensure_ascii=False, indent=2)
            (folder / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")
    return result


def _result(
    claims: Claims, rejected: pq.ParquetWriter | None, lang: str, progress: Callable[[int], None] | None
) -> dict[str, Any]:
    """Check all claims; rows in = accepted + rejected."""
    rows_in = accepted = 0
    reasons: Counter[str] = Counter()
    findings = claims.findings
    for batch in claims.batches():
        rows_in += batch.rows_in
        accepted += batch.table.num_rows
        reasons.update(batch.rejects["reason"].to_pylist())
        findings.merge(batch.findings)
        if rejected is not None and batch.rejects.num_rows:
            rejected.write_table(in_language(batch.rejects, lang))
        if progress is not None:
            progress(batch.rows_in)
    return {
        "rows": {"in": rows_in, "accepted": accepted, "rejected": rows_in - accepted},
        "rejected_by_reason": dict(sorted(reasons.items())),
        "findings": findings.to_json(),
    }
