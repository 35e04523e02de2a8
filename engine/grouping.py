"""The grouping run: claims files in, grouped claims out, streamed chunk by chunk over all cores."""

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from engine.claims import WRITTEN, CheckPolicy, Chunk, Claims, in_language, in_order, open_claims
from engine.grouping_totals import ChunkCounts, GroupingTotals
from engine.outputs.folder import replaced_folder
from engine.outputs.grouped import FORMATS, Format, TableWriter
from engine.provenance import input_files, program_versions
from grouper.codes import clinical_crosswalk
from grouper.fault import Text, UserError
from grouper.kinds import AnyScheme, Grouper, make_grouper
from grouper.nearest import near_names

SUMMARY_VERSION = 1
CODE_VERSIONS = ("insurance", "clinical")
Progress = Callable[[int], None]
StartProgress = Callable[[int | None], Progress]


@dataclass(frozen=True)
class GroupingRequest:
    """What a run is asked to do. `codes` is insurance (the schemes' own version) or clinical (converted first)."""

    inputs: Sequence[Path]
    scheme: AnyScheme
    out: Path
    compare: AnyScheme | None = None
    column_map: str | Path | None = None
    diagnosis_table: Path | None = None
    procedure_table: Path | None = None
    codes: str = "insurance"
    keep: Sequence[str] = ()
    names: bool = False
    format: Format = "parquet"
    checks: CheckPolicy = field(default_factory=CheckPolicy)
    hash_key: bytes | None = None
    lang: str = "en"


@dataclass
class Seconds:
    """Seconds by stage, added up over threads; `wall` is what the user waited for."""

    compile: float = 0.0
    scan_ids: float = 0.0
    read: float = 0.0
    map_codes: float = 0.0
    kernel: float = 0.0
    write: float = 0.0
    wall: float = 0.0

    def add(self, stage: str, started: float) -> float:
        """Book the time since `started` on a stage and return the time now."""
        now = time.perf_counter()
        setattr(self, stage, getattr(self, stage) + now - started)
        return now

    def merge(self, other: "Seconds") -> None:
        """Add another thread's seconds."""
        for stage, seconds in vars(other).items():
            setattr(self, stage, getattr(self, stage) + seconds)


@dataclass(frozen=True)
class _Grouped:
    """One chunk, grouped under each scheme: what is written and what is added up."""

    tables: tuple[pa.Table, ...]
    rejects: pa.Table
    counts: ChunkCounts
    seconds: Seconds


def parse_codes(name: str) -> str:
    """Read the version of codes; raises UserError unless it is insurance or clinical."""
    if name not in CODE_VERSIONS:
        near = near_names(name, CODE_VERSIONS)
        raise UserError(
            Text(
                f"--codes {name}：应为 insurance 或 clinical{near.zh}",
                f"--codes {name}: insurance or clinical{near.en}",
            )
        )
    return name


def parse_format(name: str) -> Format:
    """Read the output format; raises UserError for one that is not written."""
    for known in FORMATS:
        if name == known:
            return known
    near = near_names(name, FORMATS)
    listed = ", ".join(FORMATS)
    raise UserError(Text(f"--format {name}：可用 {listed}{near.zh}", f"--format {name}: one of {listed}{near.en}"))


def run_grouping(request: GroupingRequest, start_progress: StartProgress | None = None) -> dict[str, Any]:
    """Group claims files and write the output folder. Returns the summary, as written to summary.json.

    `start_progress` is told the number of rows, where that is known, and returns what is told the rows done. Raises
    UserError for bad input and CannotWriteError for bad output; the folder is replaced as a whole or not at all.
    """
    started = time.perf_counter()
    seconds = Seconds()
    groupers = _groupers(request)
    clock = seconds.add("compile", started)
    _refuse_output_names(request.keep, groupers)
    columns = tuple(dict.fromkeys(name for grouper in groupers for name in grouper.columns))
    claims = open_claims(
        request.inputs,
        needed=("diagnoses", "procedures", *columns),
        keep=request.keep,
        required=tuple(dict.fromkeys(name for grouper in groupers for name in grouper.required)),
        column_map=request.column_map,
        diagnosis_table=request.diagnosis_table,
        procedure_table=request.procedure_table,
        policy=request.checks,
        hash_key=request.hash_key,
    )
    claims.scan(_threads())
    seconds.add("scan_ids", clock)
    with replaced_folder(request.out) as folder, ThreadPoolExecutor(1) as background:
        inputs = background.submit(input_files, [source.path for source in claims.sources])
        progress = start_progress(claims.row_count) if start_progress else None
        totals = _stream(request, claims, groupers, folder, seconds, progress)
        summary = {
            "version": SUMMARY_VERSION,
            "program": program_versions(),
            "options": _options(request),
            **totals.summary(),
            "inputs": inputs.result(),
        }
        seconds.add("wall", started)
        summary["seconds"] = {name: round(value, 3) for name, value in vars(seconds).items()}
        _write_json(folder / "findings.json", totals.findings().to_json())
        _write_json(folder / "summary.json", summary)
    return summary


def _options(request: GroupingRequest) -> dict[str, Any]:
    return {
        "codes": request.codes,
        "map": str(request.column_map or "canonical"),
        "keep": list(request.keep),
        "checks": dict(request.checks.actions),
        "hashed_ids": request.hash_key is not None,
    }


def _threads() -> int:
    return max(2, len(os.sched_getaffinity(0)))


def _groupers(request: GroupingRequest) -> list[Grouper]:
    """Compile the schemes, and the kernels where this machine has not yet."""
    crosswalks = (clinical_crosswalk("icd10"), clinical_crosswalk("icd9cm3")) if request.codes == "clinical" else ()
    schemes = [request.scheme] if request.compare is None else [request.scheme, request.compare]
    groupers = [make_grouper(scheme, *crosswalks) for scheme in schemes]
    for grouper in groupers:
        _warm_up(grouper)
    return groupers


def _warm_up(grouper: Grouper) -> None:
    """Have the kernels compiled or loaded from the cache, so that it can be timed apart."""
    grouper.group(pa.record_batch({"sex": pa.array([1], pa.int8()), "diagnoses": pa.array([["A00.000"]])}))


def _refuse_output_names(keep: Sequence[str], groupers: Sequence[Grouper]) -> None:
    written = {"case_id"}.union(*(grouper.answer_columns + grouper.name_columns for grouper in groupers))
    taken = [name for name in keep if name in written]
    if taken:
        listed = ", ".join(taken)
        raise UserError(
            Text(f"--keep {listed}：输出已使用此列名", f"--keep {listed}: the output has a column of this name itself")
        )


def _stream(
    request: GroupingRequest,
    claims: Claims,
    groupers: Sequence[Grouper],
    folder: Path,
    seconds: Seconds,
    progress: Progress | None,
) -> GroupingTotals:
    totals = GroupingTotals(claims.findings, groupers)
    writers = [TableWriter(folder, name) for name in ("grouped", "compared")[: len(groupers)]]
    with pq.ParquetWriter(folder / "rejected.parquet", WRITTEN, compression="zstd") as rejected:
        work = partial(_group_chunk, claims, groupers=groupers, names=request.names)
        for done in in_order(work, claims.chunks(), _threads()):
            clock = time.perf_counter()
            for writer, table in zip(writers, done.tables, strict=True):
                writer.write(table)
            if done.rejects.num_rows:
                rejected.write_table(in_language(done.rejects, request.lang))
            totals.add(done.counts)
            seconds.add("write", clock)
            seconds.merge(done.seconds)
            if progress is not None:
                progress(done.counts.rows_in)
    clock = time.perf_counter()
    for writer, grouper in zip(writers, groupers, strict=True):
        if writer.is_empty:
            writer.write(_no_rows(claims, grouper, names=request.names))
        writer.finish(request.format)
    totals.write_tables(folder)
    seconds.add("write", clock)
    return totals


def _group_chunk(claims: Claims, chunk: Chunk, groupers: Sequence[Grouper], *, names: bool) -> _Grouped:
    seconds = Seconds()
    clock = time.perf_counter()
    batch = claims.read_chunk(chunk)
    rows = _as_batch(batch.table)
    clock = seconds.add("read", clock)
    answers, tables, notes, missing = [], [], [], []
    for grouper in groupers:
        records, found = grouper.encode(rows)
        notes.append(found)
        missing.append(grouper.missing(records))
        clock = seconds.add("map_codes", clock)
        given = grouper.answer(records)
        answers.append(grouper.arrow(given))
        named = grouper.names(given) if names else {}
        tables.append(_columns(batch.table["case_id"], batch.kept, answers[-1], named))
        clock = seconds.add("kernel", clock)
    counts = ChunkCounts.of(batch, groupers, answers, missing[0], notes[0])
    return _Grouped(tuple(tables), batch.rejects, counts, seconds)


def _as_batch(table: pa.Table) -> pa.RecordBatch:
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], table.schema)


def _columns(
    ids: pa.ChunkedArray, kept: pa.Table, answers: pa.RecordBatch, names: Mapping[str, pa.DictionaryArray]
) -> pa.Table:
    table = pa.Table.from_batches([answers])
    for name, column in names.items():
        table = table.append_column(name, column)
    table = table.add_column(0, "case_id", ids)
    for name in kept.column_names:
        table = table.append_column(name, kept[name])
    return table


def _no_rows(claims: Claims, grouper: Grouper, *, names: bool) -> pa.Table:
    """Return the output's columns without rows, for inputs that have none."""
    kept = pa.table({name: pa.array([], claims.sources[0].columns[name]) for name in claims.keep})
    given, _ = grouper.group(pa.record_batch({"diagnoses": pa.array([], pa.list_(pa.string()))}))
    named = grouper.names(given) if names else {}
    return _columns(pa.chunked_array([], pa.string()), kept, grouper.arrow(given), named)


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
