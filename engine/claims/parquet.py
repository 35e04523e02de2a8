"""Parquet files, read with the dictionaries of code lists kept: a code is mapped once a chunk, not once a value."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from threading import Lock

import pyarrow as pa
import pyarrow.parquet as pq

from engine.claims.cells import is_code_list
from engine.claims.source import CHUNK_ROWS, Cells, Chunk
from grouper.fault import Text, UserError

KEPT_SLICES = 4
"""Slices of a huge row group that wait for a slower thread."""


class ParquetSource:
    """A Parquet file. A chunk is a run of small row groups, or a slice of a huge one."""

    def __init__(self, path: Path, index: int) -> None:
        self.path = path
        self._index = index
        try:
            with pq.ParquetFile(path) as file:
                self._metadata = file.metadata
                schema = file.schema_arrow
                leaves = [file.schema.column(place).path for place in range(len(file.schema))]
        except (pa.ArrowException, OSError) as error:
            raise UserError(_unreadable(path, error)) from None
        self.columns: Mapping[str, pa.DataType] = {field.name: field.type for field in schema}
        self.repeated = frozenset(name for name in schema.names if schema.names.count(name) > 1)
        self.row_count: int | None = self._metadata.num_rows
        self._lists = {
            name: [leaf for leaf in leaves if leaf.startswith(f"{name}.")]
            for name, kind in self.columns.items()
            if is_code_list(kind)
        }
        self._streams: dict[tuple[int, tuple[str, ...]], _Stream] = {}
        self._lock = Lock()

    def numeric(self, columns: Sequence[str]) -> list[str]:
        """Return the columns of a numeric type."""
        kinds = {name: self.columns[name] for name in columns}
        return [name for name, kind in kinds.items() if pa.types.is_integer(kind) or pa.types.is_floating(kind)]

    def chunks(self) -> Iterator[Chunk]:
        """Yield runs of row groups of at most CHUNK_ROWS rows together, and slices of larger row groups."""
        sizes = [self._metadata.row_group(group).num_rows for group in range(self._metadata.num_row_groups)]
        part = first_row = group = 0
        while group < len(sizes):
            if sizes[group] > CHUNK_ROWS * 3 // 2:
                for offset in range(0, sizes[group], CHUNK_ROWS):
                    yield Chunk(self._index, part, first_row + offset + 1, group, -1 - offset // CHUNK_ROWS)
                    part += 1
                first_row += sizes[group]
                group += 1
                continue
            end, rows = group + 1, sizes[group]
            while end < len(sizes) and rows + sizes[end] <= CHUNK_ROWS:
                rows += sizes[end]
                end += 1
            if rows:
                yield Chunk(self._index, part, first_row + 1, group, end - group)
                part += 1
            first_row, group = first_row + rows, end

    def read(self, chunk: Chunk, columns: Sequence[str]) -> Cells:
        """Read a chunk; raises UserError where the file is damaged."""
        try:
            if chunk.length < 0:
                return Cells(self._stream(chunk.start, tuple(columns)).batch(-1 - chunk.length))
            with self._open(columns) as file:
                tables = [_read_group(file, group, columns) for group in range(chunk.start, chunk.start + chunk.length)]
        except (pa.ArrowException, OSError) as error:
            raise UserError(_unreadable(self.path, error)) from None
        return Cells(tables[0] if len(tables) == 1 else pa.concat_tables(tables).unify_dictionaries().combine_chunks())

    def _open(self, columns: Sequence[str]) -> pq.ParquetFile:
        leaves = [leaf for name in columns for leaf in self._lists.get(name, ())]
        return pq.ParquetFile(self.path, metadata=self._metadata, read_dictionary=leaves)

    def _stream(self, group: int, columns: tuple[str, ...]) -> "_Stream":
        with self._lock:
            key = (group, columns)
            if key not in self._streams:
                self._streams[key] = _Stream(self._open(columns), group, columns)
            return self._streams[key]


class _Stream:
    """Slices of one huge row group: Parquet has no random access inside it, so it is decoded once, in order."""

    def __init__(self, file: pq.ParquetFile, group: int, columns: Sequence[str]) -> None:
        self._file, self._group, self._columns = file, group, list(columns)
        self._lock = Lock()
        self._restart()

    def _restart(self) -> None:
        self._next = 0
        self._ahead: dict[int, pa.Table] = {}
        self._batches = self._file.iter_batches(CHUNK_ROWS, [self._group], columns=self._columns)

    def batch(self, number: int) -> pa.Table:
        """Return slice `number`; the last ones that were read past stay at hand for the threads that ask late."""
        with self._lock:
            if number < self._next and number not in self._ahead:
                self._restart()
            while self._next <= number:
                self._ahead[self._next] = pa.Table.from_batches([next(self._batches)])
                self._next += 1
                self._ahead.pop(self._next - 1 - KEPT_SLICES, None)
            return self._ahead.pop(number)


def _read_group(file: pq.ParquetFile, group: int, columns: Sequence[str]) -> pa.Table:
    return file.read_row_group(group, columns=list(columns), use_threads=False)


def _unreadable(path: Path, error: Exception) -> Text:
    if path.is_file() and path.stat().st_size == 0:
        return Text(f"{path}：空文件", f"{path}: empty file")
    detail = str(error).splitlines()[0]
    return Text(
        f"{path}：不是完整的 Parquet 文件（可能被截断或损坏）：{detail}",
        f"{path}: not a whole Parquet file (truncated or damaged?): {detail}",
    )
