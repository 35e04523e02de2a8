"""What every kind of input file offers: column names, pieces small enough for memory, and the cells of a piece."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from engine.claims.cells import Rows

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK_ROWS = 500_000
"""Rows of one piece of work, about: bounds the memory of a run."""


class Chunk(NamedTuple):
    """A piece of one input file. `start` and `length` are the file kind's own (row groups, bytes, rows)."""

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
    """The cells of a chunk as the file has them; `rows` are the rows' numbers where they are not just counted up."""

    table: "pa.Table"
    rows: Rows | None = None
    ragged: Sequence[RaggedRow] = ()


class Header(NamedTuple):
    """Column names of a text file or sheet: `unique` names every column, `named` those that have a name."""

    unique: list[str]
    named: list[str]
    repeated: frozenset[str]

    @classmethod
    def of(cls, cells: Sequence[str | None]) -> "Header":
        """Take the cells of a header row: blanks go, a nameless column and a name used again get a number."""
        names = [(cell or "").strip() for cell in cells]
        repeated = frozenset(name for name in names if name and names.count(name) > 1)
        first = [bool(name) and name not in names[:place] for place, name in enumerate(names)]
        unique = [
            name if new else f"{name}\0{place}" for place, (name, new) in enumerate(zip(names, first, strict=True))
        ]
        return cls(unique, [name for name, new in zip(names, first, strict=True) if new], repeated)


class Source(Protocol):
    """One input file (or one sheet)."""

    path: Path
    columns: Mapping[str, "pa.DataType"]
    row_count: int | None
    repeated: frozenset[str]
    """Column names that occur more than once: none of them can be read."""

    def numeric(self, columns: Sequence[str]) -> list[str]:
        """Return those of the columns that hold numbers where ids or codes are expected."""
        ...

    def chunks(self) -> Iterator[Chunk]:
        """Yield the pieces in file order."""
        ...

    def read(self, chunk: Chunk, columns: Sequence[str]) -> Cells:
        """Read some columns of a piece; several threads may do so at once."""
        ...
