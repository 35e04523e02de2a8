"""What every kind of input file offers: column names, pieces small enough for memory, and the cells of a piece."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK_ROWS = 500_000
"""Rows of one piece of work, about: bounds the memory of a run."""


class Chunk(NamedTuple):
    """A piece of one input file. Small and picklable; `start` and `length` are the file kind's own (row groups, bytes, rows)."""

    source: int
    part: int
    first_row: int
    start: int
    length: int


class RaggedRow(NamedTuple):
    """A row of a text file with too many or too few cells."""

    row: int
    expected: int
    actual: int


class Cells(NamedTuple):
    """The cells of a chunk as the file has them. `rows` holds each row's number in the file where it is not just counted up."""

    table: "pa.Table"
    rows: Sequence[int] | None = None
    ragged: Sequence[RaggedRow] = ()


class Source(Protocol):
    """One input file (or one sheet)."""

    path: Path
    columns: Mapping[str, "pa.DataType"]
    row_count: int | None

    def chunks(self) -> Iterator[Chunk]:
        """Yield the pieces in file order."""
        ...

    def read(self, chunk: Chunk, columns: Sequence[str]) -> Cells:
        """Read some columns of a piece; several threads may do so at once."""
        ...
