"""Claims: from files to canonical Arrow tables, chunk by chunk; no row and no finding is lost."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from engine.claims.canonical import BY_NAME, IDENTITIES
from engine.claims.cells import Rows, as_text, series, single
from engine.claims.checks import CheckPolicy, failed_codes, failed_values
from engine.claims.code_columns import read_codes
from engine.claims.code_tables import CodeTables
from engine.claims.column_map import ColumnMap, Layout, load_map, locate
from engine.claims.derived import FROM_DATES, dates_for, filled_from_dates
from engine.claims.duplicates import Key, id_hashes, repeated_rows
from engine.claims.findings import Example, Findings
from engine.claims.inputs import check_columns, data_files, open_sources, open_tables
from engine.claims.pseudonyms import pseudonyms
from engine.claims.rejects import Faults
from engine.claims.source import Cells, Chunk, Source
from engine.claims.values import read_values


@dataclass(frozen=True)
class ClaimBatch:
    """The claims of one chunk. `table`, `kept` and `row_number` hold the accepted rows only, in input order.

    `table` has the needed canonical columns, `kept` the columns to keep as the file has them, `row_number` the 1-based
    rows of `source`. `rejects` has one row per rejected case and reason: file, row, case_id, reason, message_zh,
    message_en. rows_in = table.num_rows + rows_rejected.
    """

    source: Path
    table: pa.Table
    kept: pa.Table
    row_number: npt.NDArray[np.int64]
    rows_in: int
    rejects: pa.Table
    findings: Findings

    @property
    def rows_rejected(self) -> int:
        """Rows of the chunk that were rejected for one reason or several."""
        return self.rows_in - int(self.table.num_rows)


@dataclass
class Claims:
    """Opened claims files. Use `chunks` and `read_chunk`; the latter may run in several threads."""

    sources: Sequence[Source]
    layouts: Sequence[Layout]
    column_map: ColumnMap
    needed: Sequence[str]
    keep: Sequence[str] = ()
    policy: CheckPolicy = field(default_factory=CheckPolicy)
    hash_key: bytes | None = None
    tables: Sequence[CodeTables] = ()
    findings: Findings = field(default_factory=Findings)
    _chunks: list[Chunk] | None = None
    _repeated: dict[Key, Rows] = field(default_factory=dict)

    @property
    def row_count(self) -> int | None:
        """Rows of all inputs, where the files say so without being read."""
        counts = [source.row_count for source in self.sources]
        return None if None in counts else sum(count or 0 for count in counts)

    def scan(self, threads: int = 2) -> None:
        """Read the ids of all inputs and find those used twice. Runs once; `chunks` does it where nobody did before."""
        chunks: list[Chunk] = []

        def hashes(chunk: Chunk) -> npt.NDArray[np.uint64]:
            return id_hashes(self._ids(chunk))

        with ThreadPoolExecutor(threads) as pool:
            running = []
            for source in self.sources:
                for chunk in source.chunks():
                    chunks.append(chunk)
                    running.append(pool.submit(hashes, chunk))
            by_chunk = {chunk[:2]: future.result() for chunk, future in zip(chunks, running, strict=True)}
        places = {chunk[:2]: chunk for chunk in chunks}
        self._repeated = repeated_rows(by_chunk, lambda key: self._ids(places[key]), threads)
        self._join(chunks)
        self._chunks = chunks

    def _join(self, chunks: Sequence[Chunk]) -> None:
        for table in self.tables:
            table.join(lambda: ((chunk[:2], self._ids(chunk)) for chunk in chunks))
            self.findings.add("unmatched_code_row", table.name, table.unmatched)

    def chunks(self) -> Iterator[Chunk]:
        """Yield the pieces of all inputs in order."""
        if self._chunks is None:
            self.scan()
        yield from self._chunks or ()

    def read_chunk(self, chunk: Chunk) -> ClaimBatch:
        """Read, check and sort out one piece."""
        layout = self.layouts[chunk.source]
        source = self.sources[chunk.source]
        cells = source.read(chunk, self._columns_to_read(layout))
        return _Chunk(self, source, layout, chunk, cells).batch()

    def batches(self, threads: int = 2) -> Iterator[ClaimBatch]:
        """Read all pieces in several threads and yield them in order; only a few wait in memory."""
        with ThreadPoolExecutor(threads) as pool:
            waiting: deque[Future[ClaimBatch]] = deque()
            try:
                for chunk in self.chunks():
                    waiting.append(pool.submit(self.read_chunk, chunk))
                    if len(waiting) > threads:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def repeated(self, chunk: Chunk) -> Rows | None:
        """Return the rows of a piece whose id occurs again anywhere, or None."""
        return self._repeated.get(chunk[:2])

    def _ids(self, chunk: Chunk) -> pa.Array:
        column = self.layouts[chunk.source].columns["case_id"]
        table = self.sources[chunk.source].read(chunk, [column]).table
        return _ids(table, column, self.column_map)

    def _columns_to_read(self, layout: Layout) -> list[str]:
        codes = [column for name in layout.codes for column in layout.codes[name].columns]
        return list(dict.fromkeys([*layout.columns.values(), *codes, *self.keep]))


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
    files, ignored = data_files(inputs)
    wanted = tuple(dict.fromkeys(("case_id", *needed, *required)))
    must_exist = {"case_id", "diagnoses", *required}
    tables = open_tables({"diagnoses": diagnosis_table, "procedures": procedure_table}, chosen, wanted)
    joined = [table.name for table in tables]
    sources = open_sources(files, chosen)
    in_files = [name for name in (*wanted, *dates_for(wanted)) if name not in joined]
    layouts = [locate(chosen, source.columns, in_files) for source in sources]
    check_columns(sources, layouts, chosen, [name for name in in_files if name in must_exist], keep)
    claims = Claims(sources, layouts, chosen, wanted, tuple(keep), policy or CheckPolicy(), hash_key, tables)
    _note_files(claims, joined, ignored)
    return claims


def _note_files(claims: Claims, joined: Sequence[str], ignored: Sequence[Path]) -> None:
    """Book what the files themselves show: absent columns, files passed over, ids and codes stored as numbers."""
    layout = claims.layouts[0]
    for name in claims.needed:
        derivable = name in FROM_DATES and set(FROM_DATES[name]) <= set(layout.columns)
        if name not in {*layout.columns, *layout.codes, *joined} and not derivable:
            claims.findings.add("absent_column", name, 1)
    for path in ignored:
        claims.findings.add("ignored_file", "", 1, [Example(str(path), 0, "", "")])
    for source, columns in zip(claims.sources, claims.layouts, strict=True):
        codes = (column for found in columns.codes.values() for column in found.columns)
        for column in source.numeric([columns.columns["case_id"], *codes]):
            claims.findings.add("numeric_id", column, 1, [Example(str(source.path), 0, "", "")])


def _ids(table: pa.Table, column: str, column_map: ColumnMap) -> pa.Array:
    return read_values(BY_NAME["case_id"], single(table[column]), column_map).array


class _Chunk:
    """One piece on its way: values read, ids looked at, checks run, rows sorted out."""

    def __init__(self, claims: Claims, source: Source, layout: Layout, chunk: Chunk, cells: Cells) -> None:
        self.claims, self.source, self.layout, self.chunk, self.cells = claims, source, layout, chunk, cells
        self.rows = cells.table.num_rows
        self.ids = _ids(cells.table, layout.columns["case_id"], claims.column_map)
        self.shown = self.ids if claims.hash_key is None else pseudonyms(self.ids, claims.hash_key)
        numbers = (
            np.arange(chunk.first_row, chunk.first_row + self.rows) if cells.rows is None else np.asarray(cells.rows)
        )
        self.row_number = numbers.astype(np.int64, copy=False)
        self.faults = Faults(str(source.path), self.row_number, self.shown)

    def batch(self) -> ClaimBatch:
        """Return the accepted rows, the rejects and the findings."""
        self._judge_ids()
        columns = {name: self._read(name) for name in self.layout.columns}
        codes = {name: self._read_codes(name) for name in self.layout.codes}
        codes |= {table.name: table.read(self.chunk) for table in self.claims.tables}
        table = self._canonical(columns, codes)
        kept = self._kept()
        accepted = self.faults.accepted()
        rejects = self.faults.rejects(self.cells.ragged)
        numbers = self.row_number
        if accepted is not None:
            rows = pa.array(accepted)
            table, kept, numbers = table.filter(rows), kept.filter(rows), numbers[accepted]
        rows_in = self.rows + len(self.cells.ragged)
        return ClaimBatch(self.source.path, table, kept, numbers, rows_in, rejects, self.faults.findings)

    def _judge_ids(self) -> None:
        if self.ids.null_count:
            missing = self.ids.is_null().to_numpy(zero_copy_only=False)
            self.faults.judge("missing_case_id", "", missing, {}, "reject")
        repeated = self.claims.repeated(self.chunk)
        if repeated is not None:
            rows = np.zeros(self.rows, np.bool_)
            rows[repeated] = True
            self.faults.judge("duplicate_case_id", "", rows, {}, "reject")

    def _cells(self, column: str) -> pa.Array:
        return single(self.cells.table[column])

    def _read(self, name: str) -> pa.Array:
        """Read a column and book what that found: rows that cannot be read are rejected, the rest goes by policy."""
        if name == "case_id":
            return self.ids
        source = self.layout.columns[name]
        cells = self._cells(source)
        read = read_values(BY_NAME[name], cells, self.claims.column_map)
        if read.unreadable is not None:
            self.faults.judge("unparsable_value", source, read.unreadable, {source: cells}, "reject")
        for check, rows in read.noted.items():
            self.faults.judge(check, source, rows, {source: cells}, self.claims.policy.action(check))
        return read.array

    def _read_codes(self, name: str) -> pa.ListArray:
        layout = self.layout.codes[name]
        return read_codes([self._cells(column) for column in layout.columns], layout, keep_first=name == "diagnoses")

    def _canonical(self, read: Mapping[str, pa.Array], codes: Mapping[str, pa.ListArray]) -> pa.Table:
        """Return the needed columns in their order, missing values filled from dates, after the checks."""
        needed = self.claims.needed
        columns = {**read, **codes}
        for name in needed:
            columns.setdefault(name, pa.nulls(self.rows, BY_NAME[name].type))
        measured = [name for name in columns if BY_NAME[name].kind not in ("text", "codes")]
        given = pl.DataFrame({name: series(columns[name]) for name in measured})
        filled = filled_from_dates(given, needed)
        for name in FROM_DATES:
            if name in needed and filled[name].null_count() < given[name].null_count():
                columns[name] = filled[name].to_arrow().cast(BY_NAME[name].type)
        self._check(filled.select(name for name in measured if name in needed), columns, codes)
        table = pa.table({name: columns[name] for name in needed})
        return self._pseudonymous(table, IDENTITIES)

    def _check(self, values: pl.DataFrame, columns: Mapping[str, pa.Array], codes: Mapping[str, pa.ListArray]) -> None:
        policy = self.claims.policy
        failures = list(failed_values(values, policy))
        for name, lists in codes.items():
            failures += failed_codes(name, lists, policy, values["sex"] if "sex" in values.columns else None)
        for failure in failures:
            shown = {name: columns[name] for name in failure.shown}
            self.faults.judge(failure.name, failure.column, failure.rows, shown, policy.action(failure.name))

    def _kept(self) -> pa.Table:
        identities = [self.layout.columns[name] for name in IDENTITIES if name in self.layout.columns]
        return self._pseudonymous(self.cells.table.select(list(self.claims.keep)), identities)

    def _pseudonymous(self, table: pa.Table, identities: Iterable[str]) -> pa.Table:
        """Replace the ids of a table; `identities` names its columns that hold some."""
        if self.claims.hash_key is None:
            return table
        for column in identities:
            if column in table.column_names:
                place = table.column_names.index(column)
                ids = as_text(single(table[column]))
                table = table.set_column(
                    place, column, self.shown if ids.equals(self.ids) else pseudonyms(ids, self.claims.hash_key)
                )
        return table
