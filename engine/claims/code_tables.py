"""Code tables: one diagnosis or procedure a row, keyed by the case; DuckDB joins them to the claims, spilling to disk.

The join is made once: a staging file holds the lists of each chunk of claims, in the order of the claims.
"""

import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from engine.claims.canonical import BY_NAME
from engine.claims.cells import Rows, as_text, halved, single
from engine.claims.code_columns import entries, list_array, without_empty
from engine.claims.column_map import CodeTable, ColumnMap, first_present
from engine.claims.duplicates import Key
from engine.claims.source import Chunk, Source
from engine.claims.values import read_values
from engine.database import open_database
from grouper.fault import Text, UserError
from grouper.nearest import near_names

SETTINGS = {"memory_limit": "1GB", "threads": "2"}
"""What DuckDB may use before it spills."""

STAGED = pa.schema({"codes": pa.list_(pa.string())})
_CODES = pa.schema(
    {"id": pa.string(), "code": pa.string(), "principal": pa.bool_(), "sequence": pa.float64(), "place": pa.int64()}
)
_IDS = pa.schema({"position": pa.int64(), "id": pa.string()})

_ORDERED = """
    select position, code from codes join ids using (id)
    order by position, principal desc, sequence nulls last, place
"""

Ids = Iterable[tuple[Key, pa.Array]]
"""The ids of the claims, chunk by chunk, in order."""


class CodeTables:
    """The rows of one kind of code, in one or several files. `unmatched` counts rows of cases that no claim has."""

    def __init__(self, name: str, sources: Sequence[Source], table: CodeTable, column_map: ColumnMap) -> None:
        self.name = name
        self.unmatched = 0
        self.sources = sources
        self._table, self._map = table, column_map
        self._groups: dict[Key, int] = {}
        self._folder = Path(tempfile.mkdtemp(prefix="drgdip-"))
        self._staged = self._folder / f"{name}.parquet"
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        faults = [fault for source in sources for fault in _faults(source, table)]
        if faults:
            raise UserError(faults)

    def join(self, ids: Callable[[], Ids]) -> None:
        """Join the codes to the claims. `ids` gives the ids of all claims."""
        rows: dict[Key, int] = {}
        with open_database(self._folder / "join.duckdb") as connection:
            for name, value in {**SETTINGS, "temp_directory": str(self._folder)}.items():
                connection.execute(f"set {name} = '{value}'")
            _store(connection, "ids", _IDS, _numbered(ids(), rows))
            _store(connection, "codes", _CODES, self._codes())
            unmatched = connection.sql("select count(*) from codes anti join ids using (id)").fetchall()
            self.unmatched = unmatched[0][0]
            self._stage(connection.sql(_ORDERED).to_arrow_reader(1_000_000), rows)
        (self._folder / "join.duckdb").unlink()

    def read(self, chunk: Chunk) -> pa.ListArray:
        """Return the lists of a chunk of claims; no code at all is a null list."""
        with pq.ParquetFile(self._staged, read_dictionary=["codes.list.element"]) as file:
            lists = single(file.read_row_group(self._groups[chunk[:2]], use_threads=False)["codes"])
        codes = list_array(lists.offsets.to_numpy(), entries(lists))
        return without_empty(entries(codes), np.diff(codes.offsets.to_numpy()), keep_first=self.name == "diagnoses")

    def _codes(self) -> Iterator[pa.RecordBatch]:
        place = 0
        for source in self.sources:
            columns = _columns(source, self._table)
            for chunk in source.chunks():
                cells = source.read(chunk, list(dict.fromkeys([*columns.named.values(), *columns.only])))
                table = self._selected(cells.table, columns)
                yield self._batch(table, columns, place)
                place += table.num_rows

    def _selected(self, table: pa.Table, columns: "_Columns") -> pa.Table:
        for column, values in columns.only.items():
            table = table.filter(halved(single(table[column])).is_in(values).to_arrow())
        return table

    def _batch(self, table: pa.Table, columns: "_Columns", place: int) -> pa.RecordBatch:
        def cells(name: str) -> pa.Array:
            return (
                single(table[columns.named[name]]) if name in columns.named else pa.nulls(table.num_rows, pa.string())
            )

        marks = [value.casefold() for value in self._table.principal_values]
        principal = halved(cells("principal")).is_in(marks).fill_null(value=False)
        sequence = halved(cells("sequence")).cast(pl.Float64, strict=False)
        arrays = [
            read_values(BY_NAME["case_id"], cells("case_id"), self._map).array,
            as_text(cells("code")),
            principal.to_arrow(),
            sequence.to_arrow(),
            pa.array(np.arange(place, place + table.num_rows)),
        ]
        return pa.record_batch(arrays, schema=_CODES)

    def _stage(self, ordered: pa.RecordBatchReader, rows: dict[Key, int]) -> None:
        """Write one row group of lists for each chunk of claims."""
        stream = _Stream(ordered)
        first = 0
        with pq.ParquetWriter(self._staged, STAGED) as writer:
            for key, count in rows.items():
                positions, codes = stream.until(first + count)
                offsets = np.searchsorted(positions, np.arange(first, first + count + 1)).astype(np.int32)
                if count:
                    self._groups[key] = len(self._groups)
                    writer.write_table(
                        pa.table([pa.ListArray.from_arrays(offsets, codes)], schema=STAGED), row_group_size=count
                    )
                first += count


class _Stream:
    """Ordered pairs of position and code, taken up to a position."""

    def __init__(self, reader: pa.RecordBatchReader) -> None:
        self._reader = reader
        self._rest = pa.table({"position": pa.array([], pa.int64()), "code": pa.array([], pa.string())})
        self._ended = False

    def until(self, position: int) -> tuple[Rows, pa.Array]:
        """Return positions and codes below `position` that were not yet taken."""
        parts = [self._rest]
        while not self._ended and not (parts[-1].num_rows and parts[-1]["position"][-1].as_py() >= position):
            batch = next(self._reader, None)
            self._ended = batch is None
            if batch is not None:
                parts.append(pa.Table.from_batches([batch]).cast(self._rest.schema))
        table = pa.concat_tables(parts).combine_chunks()
        positions = table["position"].to_numpy()
        end = int(np.searchsorted(positions, position))
        self._rest = table.slice(end)
        return positions[:end], single(table["code"]).slice(0, end)


class _Columns(NamedTuple):
    named: dict[str, str]
    only: dict[str, list[str]]


def _columns(source: Source, table: CodeTable) -> _Columns:
    """Find the columns of a code table; the sequence, the principal mark and filters may be absent."""
    named = {
        name: found
        for name in ("case_id", "code", "sequence", "principal")
        if (found := first_present(getattr(table, name), source.columns)) is not None
    }
    only = {
        found: [value.casefold() for value in values]
        for name, values in table.only.items()
        if (found := first_present([name], source.columns)) is not None
    }
    return _Columns(named, only)


def _faults(source: Source, table: CodeTable) -> list[Text]:
    named = _columns(source, table).named
    faults = []
    for names, key in ((table.case_id, "case_id"), (table.code, "code")):
        if key not in named:
            near = near_names(names[0], source.columns)
            titles = " / ".join(names)
            faults.append(
                Text(f"{source.path}：缺少列 {titles}{near.zh}", f"{source.path}: no column {titles}{near.en}")
            )
    return faults


def _numbered(ids: Ids, rows: dict[Key, int]) -> Iterator[pa.RecordBatch]:
    """Yield ids with their positions through all chunks; `rows` is filled with the rows of each."""
    first = 0
    for key, array in ids:
        rows[key] = len(array)
        yield pa.record_batch([pa.array(np.arange(first, first + len(array))), array], schema=_IDS)
        first += len(array)


def _store(
    connection: duckdb.DuckDBPyConnection, name: str, schema: pa.Schema, batches: Iterator[pa.RecordBatch]
) -> None:
    connection.register("arriving", pa.RecordBatchReader.from_batches(schema, batches))
    connection.sql("select * from arriving where id is not null").create(name)
    connection.unregister("arriving")
