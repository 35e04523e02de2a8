"""Batches: the cells of one chunk become canonical columns, rejects and findings."""

from collections.abc import Iterable, Mapping, Sequence
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
from engine.claims.column_map import ColumnMap, Layout
from engine.claims.derived import FROM_DATES, filled_from_dates
from engine.claims.findings import Findings
from engine.claims.pseudonyms import pseudonyms
from engine.claims.rejects import Faults
from engine.claims.source import Cells, Chunk
from engine.claims.values import read_values


@dataclass(frozen=True)
class Task:
    """What a run wants of its claims: canonical columns, columns to keep, checks, and a key where ids are hashed."""

    column_map: ColumnMap
    needed: Sequence[str]
    keep: Sequence[str] = ()
    policy: CheckPolicy = field(default_factory=CheckPolicy)
    hash_key: bytes | None = None


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


def read_ids(table: pa.Table, layout: Layout, column_map: ColumnMap) -> pa.Array:
    """Return the case ids of a chunk, trimmed; null where there is none."""
    return read_values(BY_NAME["case_id"], single(table[layout.columns["case_id"]]), column_map).array


class BatchWork:
    """One chunk on its way: values read, ids looked at, checks run, rows sorted out."""

    def __init__(self, task: Task, file: Path, layout: Layout, chunk: Chunk, cells: Cells) -> None:
        self.task, self.file, self.layout, self.cells = task, file, layout, cells
        self.rows = cells.table.num_rows
        self.ids = read_ids(cells.table, layout, task.column_map)
        self.shown_ids = self.ids if task.hash_key is None else pseudonyms(self.ids, task.hash_key)
        numbers = np.arange(self.rows) + chunk.first_row if cells.rows is None else cells.rows
        self.row_number = numbers.astype(np.int64, copy=False)
        self.faults = Faults(str(file), self.row_number, self.shown_ids)

    def batch(self, repeated: Rows | None, joined: Mapping[str, pa.ListArray]) -> ClaimBatch:
        """Return the accepted rows, the rejects and the findings.

        `repeated` are the rows whose id occurs again anywhere, `joined` the lists of codes from tables of their own.
        """
        self._judge_ids(repeated)
        columns = {name: self._read(name) for name in self.layout.columns}
        codes = {name: self._read_codes(name) for name in self.layout.codes} | dict(joined)
        table, kept, numbers = self._canonical(columns, codes), self._kept(), self.row_number
        rejects = self.faults.rejects(self.cells.ragged)
        accepted = self.faults.accepted()
        if accepted is not None:
            rows = pa.array(accepted)
            table, kept, numbers = table.filter(rows), kept.filter(rows), numbers[accepted]
        rows_in = self.rows + len(self.cells.ragged)
        return ClaimBatch(self.file, table, kept, numbers, rows_in, rejects, self.faults.findings)

    def _judge_ids(self, repeated: Rows | None) -> None:
        if self.ids.null_count:
            missing = self.ids.is_null().to_numpy(zero_copy_only=False)
            self.faults.judge("missing_case_id", "", missing, {}, "reject")
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
        read = read_values(BY_NAME[name], cells, self.task.column_map)
        if read.unreadable is not None:
            self.faults.judge("unparsable_value", source, read.unreadable, {source: cells}, "reject")
        for check, rows in read.noted.items():
            self.faults.judge(check, source, rows, {source: cells}, self.task.policy.action(check))
        return read.array

    def _read_codes(self, name: str) -> pa.ListArray:
        layout = self.layout.codes[name]
        return read_codes([self._cells(column) for column in layout.columns], layout, keep_first=name == "diagnoses")

    def _canonical(self, read: Mapping[str, pa.Array], codes: Mapping[str, pa.ListArray]) -> pa.Table:
        """Return the needed columns in their order, missing values filled from dates, after the checks."""
        needed = self.task.needed
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
        policy = self.task.policy
        failures = list(failed_values(values, policy))
        for name, lists in codes.items():
            failures += failed_codes(name, lists, policy, values["sex"] if "sex" in values.columns else None)
        for failure in failures:
            shown = {name: columns[name] for name in failure.shown}
            self.faults.judge(failure.name, failure.column, failure.rows, shown, policy.action(failure.name))

    def _kept(self) -> pa.Table:
        identities = [self.layout.columns[name] for name in IDENTITIES if name in self.layout.columns]
        return self._pseudonymous(self.cells.table.select(list(self.task.keep)), identities)

    def _pseudonymous(self, table: pa.Table, identities: Iterable[str]) -> pa.Table:
        """Replace the ids of a table; `identities` names its columns that hold some."""
        if self.task.hash_key is None:
            return table
        for column in identities:
            if column in table.column_names:
                place = table.column_names.index(column)
                ids = as_text(single(table[column]))
                table = table.set_column(
                    place, column, self.shown_ids if ids.equals(self.ids) else pseudonyms(ids, self.task.hash_key)
                )
        return table
