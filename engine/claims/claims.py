"""Claims: from files to canonical Arrow tables, chunk by chunk; no row and no finding is lost."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from engine.claims.batch import BatchWork, ClaimBatch, Task, read_ids
from engine.claims.cells import Rows
from engine.claims.checks import CheckPolicy
from engine.claims.code_tables import CodeTables
from engine.claims.column_map import Layout, load_map, locate
from engine.claims.derived import FROM_DATES, dates_for
from engine.claims.duplicates import Key, id_hashes, repeated_rows
from engine.claims.findings import Example, Findings
from engine.claims.header_faults import check_columns
from engine.claims.in_order import in_order
from engine.claims.inputs import data_files, open_sources, open_tables
from engine.claims.source import Chunk, Source


@dataclass
class Claims:
    """Opened claims files. Use `batches`, or `chunks` and `read_chunk`; the latter may run in several threads."""

    task: Task
    sources: Sequence[Source]
    layouts: Sequence[Layout]
    tables: Sequence[CodeTables] = ()
    findings: Findings = field(default_factory=Findings)
    _chunks: list[Chunk] | None = None
    _repeated: dict[Key, Rows] = field(default_factory=dict)

    @property
    def keep(self) -> Sequence[str]:
        """Columns of the files that go along as they are."""
        return self.task.keep

    @property
    def row_count(self) -> int | None:
        """Rows of all inputs, where the files say so without being read."""
        counts = [source.row_count for source in self.sources]
        return None if None in counts else sum(count or 0 for count in counts)

    def scan(self, threads: int = 2) -> None:
        """Read the ids of all inputs and find those used twice. Runs once; `chunks` does it where nobody did before."""
        if self._chunks is not None:
            return
        chunks = {chunk[:2]: chunk for source in self.sources for chunk in source.chunks()}
        hashes = in_order(lambda chunk: id_hashes(self._ids(chunk)), chunks.values(), threads)
        by_chunk = dict(zip(chunks, hashes, strict=True))
        self._repeated = repeated_rows(by_chunk, lambda key: self._ids(chunks[key]), threads)
        for table in self.tables:
            table.join(lambda: ((key, self._ids(chunk)) for key, chunk in chunks.items()))
            self.findings.add("unmatched_code_row", table.name, table.unmatched)
        self._chunks = list(chunks.values())

    def chunks(self) -> Iterator[Chunk]:
        """Yield the pieces of all inputs in order."""
        self.scan()
        yield from self._chunks or ()

    def read_chunk(self, chunk: Chunk) -> ClaimBatch:
        """Read, check and sort out one piece."""
        layout, source = self.layouts[chunk.source], self.sources[chunk.source]
        cells = source.read(chunk, list(dict.fromkeys([*layout.source_columns(), *self.keep])))
        work = BatchWork(self.task, source.path, layout, chunk, cells)
        return work.batch(self._repeated.get(chunk[:2]), {table.name: table.read(chunk) for table in self.tables})

    def batches(self, threads: int = 2) -> Iterator[ClaimBatch]:
        """Read all pieces in several threads and yield them in order; only a few wait in memory."""
        return in_order(self.read_chunk, self.chunks(), threads)

    def chunks_with(self, case_id: str, threads: int = 2) -> Iterator[Chunk]:
        """Yield the pieces that hold a case, having read nothing but ids."""
        chunks = list(self.chunks())
        held = in_order(lambda chunk: pc.index(self._ids(chunk), case_id).as_py() >= 0, chunks, threads)
        yield from (chunk for chunk, holds in zip(chunks, held, strict=True) if holds)

    def _ids(self, chunk: Chunk) -> pa.Array:
        layout = self.layouts[chunk.source]
        table = self.sources[chunk.source].read(chunk, [layout.columns["case_id"]]).table
        return read_ids(table, layout, self.task.column_map)


def open_claims(
    inputs: Sequence[Path],
    *,
    needed: Sequence[str],
    keep: Sequence[str] = (),
    required: Sequence[str] = (),
    column_map: str | Path | None = None,
    diagnosis_table: Path | None = None,
    procedure_table: Path | None = None,
    policy: CheckPolicy | None = None,
    hash_key: bytes | None = None,
) -> Claims:
    """Open claims files and check their columns.

    `needed` names the canonical columns the task uses; of them only case_id, diagnoses and those `required` must
    exist. `keep` names columns of the files that go along as they are. `column_map` is a shipped map's name or a TOML
    file. `diagnosis_table` and `procedure_table` are files or folders with one code a row, where the claims have no
    lists. Raises UserError with everything that is wrong with files and columns.
    """
    chosen = load_map(column_map)
    task = Task(chosen, tuple(dict.fromkeys(("case_id", *needed, *required))), keep, policy or CheckPolicy(), hash_key)
    tables = open_tables({"diagnoses": diagnosis_table, "procedures": procedure_table}, chosen, task.needed)
    in_tables = {source.path.resolve() for table in tables for source in table.sources}
    files, ignored = data_files(inputs)
    sources = open_sources([file for file in files if file.resolve() not in in_tables], chosen)
    joined = [table.name for table in tables]
    read = [name for name in (*task.needed, *dates_for(task.needed)) if name not in joined]
    layouts = [locate(chosen, source.columns, read) for source in sources]
    must_exist = {"case_id", "diagnoses", *required}
    check_columns(sources, layouts, chosen, [name for name in read if name in must_exist], keep)
    claims = Claims(task, sources, layouts, tables)
    _note_files(claims, joined, ignored)
    return claims


def _note_files(claims: Claims, joined: Sequence[str], ignored: Sequence[Path]) -> None:
    """Book what the files themselves show: absent columns, files passed over, ids and codes stored as numbers."""
    layout = claims.layouts[0]
    for name in claims.task.needed:
        derivable = name in FROM_DATES and set(FROM_DATES[name]) <= set(layout.columns)
        if name not in {*layout.columns, *layout.codes, *joined} and not derivable:
            claims.findings.add("absent_column", name, 1)
    for path in ignored:
        claims.findings.add("ignored_file", "", 1, [Example(str(path), 0, "", "")])
    for source, columns in zip(claims.sources, claims.layouts, strict=True):
        codes = (column for found in columns.codes.values() for column in found.columns)
        for column in source.numeric([columns.columns["case_id"], *codes]):
            claims.findings.add("numeric_id", column, 1, [Example(str(source.path), 0, "", "")])
