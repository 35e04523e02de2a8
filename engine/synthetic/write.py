"""Writes a city: claims by month, streamed to Parquet, and the tables beside them."""

import json
import os
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine.claims.canonical import COLUMNS
from engine.outputs.folder import replaced_folder
from engine.provenance import program_versions
from engine.synthetic import fee_lines
from engine.synthetic.claims import EMPLOYEES, RESIDENTS, Claims
from engine.synthetic.dirt import add_dirt, spelled_diagnoses
from engine.synthetic.draws import Draws
from engine.synthetic.plan import Chunk, Plan
from engine.synthetic.records import TRUTH
from engine.synthetic.related import with_related
from engine.synthetic.yuan import YUAN, in_yuan

Extra = Literal["fee_lines", "truth"]
EXTRAS: tuple[Extra, ...] = get_args(Extra)
"""Tables written on request: fee lines of a sample, and what the generator knows of each claim."""
_DIRT, _RELATED, _FEE_LINES = 1, 2, 3
_FORMAT: dict[str, Any] = {
    "compression": "zstd",
    "compression_level": 1,
    "version": "2.6",
    "store_decimal_as_integer": True,
}
_CLAIMS = pa.schema({column.name: column.type for column in COLUMNS})


@dataclass(frozen=True)
class SynthesisRequest:
    """What is to be written: the plan, the share of spoiled claims, extra tables, one file or one a month."""

    plan: Plan
    out: Path
    dirty: float = 0.0
    extras: frozenset[Extra] = frozenset()
    one_file: bool = False


@dataclass(frozen=True)
class _Drawn:
    """A chunk ready to be written: its claims, and the claims it hands to the next month."""

    chunk: Chunk
    claims: "pa.RecordBatch"
    carried: list["pa.RecordBatch"] = field(default_factory=list)


def write_city(request: SynthesisRequest, progress: Callable[[int], None] = lambda _: None) -> dict[str, Any]:
    """Write a city into a folder and return its summary, as in summary.json.

    claims/*.parquet (one row a settlement, canonical columns), hospitals.parquet, enrolment.parquet, and the extras.
    The same request gives the same bytes, with the same version of pyarrow. Raises UserError and CannotWriteError.
    """
    with replaced_folder(request.out) as folder:
        files: dict[str, int] = defaultdict(int)
        with ExitStack() as stack:
            writers = _Writers(folder, request, stack, files)
            for drawn in _with_carried(_drawn(request)):
                writers.write(drawn)
                progress(drawn.claims.num_rows)
        files["hospitals.parquet"] = _write(folder / "hospitals.parquet", _hospitals(request.plan))
        files["enrolment.parquet"] = _write(folder / "enrolment.parquet", _enrolment(request.plan))
        plan = request.plan
        summary = {
            "program": program_versions(),
            "city": plan.city.settings.name.model_dump(),
            "seed": plan.seed,
            "years": [plan.first_year, plan.last_year],
            "dirty": request.dirty,
            "claims": sum(rows for name, rows in files.items() if name.startswith("claims")),
            "files": dict(files),
        }
        text = json.dumps(summary, ensure_ascii=False, indent=2)
        (folder / "summary.json").write_text(text + "\n", encoding="utf-8")
    return summary


def _drawn(request: SynthesisRequest) -> Iterator[_Drawn]:
    """Draw the chunks in order, a few ahead of the writer, on all cores."""
    claims, workers = Claims(request.plan), os.cpu_count() or 1
    codes = request.plan.city.coding
    dictionaries = {
        "diagnoses": pa.array(spelled_diagnoses(request.plan.city, dirty=request.dirty > 0)),
        "procedures": pa.array(codes.procedures),
    }
    with ThreadPoolExecutor(workers) as pool:
        ahead: deque[Future[_Drawn]] = deque()
        for chunk in request.plan.chunks():
            ahead.append(pool.submit(_draw, request, claims, dictionaries, chunk))
            if len(ahead) > workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _draw(request: SynthesisRequest, claims: Claims, dictionaries: dict[str, "pa.StringArray"], chunk: Chunk) -> _Drawn:
    records = claims.draw(chunk)
    if request.dirty:
        add_dirt(request.plan.city, records, request.dirty, _draws(request.plan, chunk, _DIRT))
    months = request.plan.months
    following = months[chunk.month.place + 1] if chunk.month.place + 1 < len(months) else None
    return _Drawn(
        chunk, *with_related(records.batch(dictionaries), chunk, following, _draws(request.plan, chunk, _RELATED))
    )


def _draws(plan: Plan, chunk: Chunk, purpose: int) -> Draws:
    return Draws(np.random.SeedSequence(plan.seed, spawn_key=(chunk.month.place, chunk.place, purpose)))


def _with_carried(drawn: Iterator[_Drawn]) -> Iterator[_Drawn]:
    """Add to the last chunk of each month what the month before carried over."""
    waiting: list[pa.RecordBatch] = []
    following: list[pa.RecordBatch] = []
    for part in drawn:
        following.extend(part.carried)
        if part.chunk.place < len(part.chunk.month.chunks) - 1:
            yield part
        else:
            yield _Drawn(part.chunk, pa.concat_batches([part.claims, *waiting]))
            waiting, following = following, []


class _Writers:
    """The open files of a city, by table."""

    def __init__(self, folder: Path, request: SynthesisRequest, stack: ExitStack, rows: dict[str, int]) -> None:
        self._folder, self._request, self._stack, self._rows = folder, request, stack, rows
        self._open: dict[str, tuple[str, pq.ParquetWriter]] = {}

    def write(self, drawn: _Drawn) -> None:
        """Write a chunk to all tables of its month."""
        self._add("claims", drawn, drawn.claims.select(_CLAIMS.names))
        if "truth" in self._request.extras:
            self._add("truth", drawn, drawn.claims.select(["case_id", *TRUTH.names]))
        if "fee_lines" in self._request.extras:
            draws = _draws(self._request.plan, drawn.chunk, _FEE_LINES)
            self._add("fee_lines", drawn, fee_lines.fee_lines(drawn.claims, draws))

    def _add(self, table: str, drawn: _Drawn, batch: "pa.RecordBatch") -> None:
        batch = in_yuan(batch)
        month = drawn.chunk.month
        name = f"{table}/{table if self._request.one_file else f'{month.year:04}-{month.month:02}'}.parquet"
        opened, writer = self._open.get(table, ("", None))
        if opened != name:
            if writer is not None:
                writer.close()
            path = self._folder / name
            path.parent.mkdir(exist_ok=True)
            writer = self._stack.enter_context(pq.ParquetWriter(path, batch.schema, **_encoding(batch.schema)))
            self._open[table] = (name, writer)
        writer.write_batch(batch)
        self._rows[name] += batch.num_rows


def _encoding(schema: "pa.Schema") -> dict[str, Any]:
    """Return how a table is written: amounts and numbers byte by byte, few texts as dictionaries, ids as they are."""
    wide = [f.name for f in schema if f.type == YUAN or (pa.types.is_integer(f.type) and f.type.bit_width > 16)]
    split = dict.fromkeys(wide, "BYTE_STREAM_SPLIT")
    ids = {"case_id", "stay_id", "person_id", "original_case_id", *split}
    lists = [f"{f.name}.list.element" for f in schema if pa.types.is_list(f.type)]
    few = [
        f.name
        for f in schema
        if f.name not in ids and not pa.types.is_list(f.type) and not pa.types.is_timestamp(f.type)
    ]
    return {
        **_FORMAT,
        "use_dictionary": few + lists,
        "column_encoding": split,
        "write_statistics": ["settled", "discharged"],
    }


def _write(path: Path, table: "pa.Table") -> int:
    pq.write_table(table, path, **_FORMAT)
    return len(table)


def _hospitals(plan: Plan) -> "pa.Table":
    """Return the hospitals: id, name, kind, level, place."""
    hospitals = Claims(plan).hospitals
    return pa.table(
        {
            "hospital_id": list(hospitals.id),
            "hospital_name": list(hospitals.name),
            "hospital_kind": list(hospitals.kind),
            "hospital_level": pa.array(hospitals.level.astype(np.int8)),
            "region": list(hospitals.region),
        }
    )


def _enrolment(plan: Plan) -> "pa.Table":
    """Return the number of people insured, by month, insurance and home district."""
    insured, months = plan.city.settings.insured, plan.months
    yearly = plan.claims * 12 / len(months)
    total, shares = yearly * insured.per_claim, sum(insured.regions.values())
    rows = [
        (
            f"{month.year:04}-{month.month:02}",
            kind,
            region,
            round(total * part * share / shares * (1 + 0.0005 * month.place)),
        )
        for month in months
        for kind, part in ((EMPLOYEES, insured.enrolled_employees), (RESIDENTS, 1 - insured.enrolled_employees))
        for region, share in insured.regions.items()
    ]
    names = ("month", "insurance_type", "insured_region", "insured")
    return pa.table({name: [row[place] for row in rows] for place, name in enumerate(names)})
