"""Delimited text files (CSV): encoding and separator found out, read in blocks that end with a whole record."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv

from engine.claims.cells import Rows
from engine.claims.source import Cells, Chunk, Header, RaggedRow
from grouper.fault import Text, UserError

BLOCK = 32 * 2**20
"""Bytes of one piece of work."""

SEPARATORS = (",", ";", "\t", "|")
NULLS = ["", "NULL", "null", "\\N"]
"""Cells that mean nothing: empty ones, and what databases write for null."""

_BOM = b"\xef\xbb\xbf"
_WIDE_BOMS = (b"\xff\xfe", b"\xfe\xff")
_FIRST_OF_THREE_BYTES = 0xE0
"""UTF-8 writes Chinese in three bytes, the first of which is this or above."""


class _Block(NamedTuple):
    start: int
    length: int
    records: int


class TextFile:
    """A text file with a header record. When opened it is looked through: encoding, record ends, number of records."""

    def __init__(self, path: Path, index: int, *, header: int, encoding: str | None, separator: str | None) -> None:
        self.path = path
        self._index = index
        self._header = header
        with path.open("rb") as file:
            start, lines = _head(file, path, header)
            self._blocks = list(_blocks(file, path, start))
            self._encoding = _encoding(file, path, self._blocks, lines, encoding)
        record = lines.decode(self._encoding)
        self._separator = separator or max(SEPARATORS, key=lambda mark: len(_cells(record, mark)))
        names = Header.of(_cells(record, self._separator))
        self.repeated = names.repeated
        self._names = names.unique
        self.columns: Mapping[str, pa.DataType] = dict.fromkeys(names.named, pa.string())
        self.row_count: int | None = sum(block.records for block in self._blocks)

    def numeric(self, columns: Sequence[str]) -> list[str]:
        """Text has no numbers."""
        return [name for name in columns if name not in self.columns]

    def chunks(self) -> Iterator[Chunk]:
        """Yield the blocks. A record's number counts the header, as a spreadsheet does."""
        first = self._header + 1
        for part, block in enumerate(self._blocks):
            yield Chunk(self._index, part, first, block.start, block.length)
            first += block.records

    def read(self, chunk: Chunk, columns: Sequence[str]) -> Cells:
        """Read a block; records with too many or too few cells are left out and named."""
        with self.path.open("rb") as file:
            file.seek(chunk.start)
            text = file.read(chunk.length)
        if self._encoding != "utf-8":
            text = text.decode(self._encoding).encode()
        ragged: list[RaggedRow] = []

        def skip(row: pyarrow.csv.InvalidRow) -> str:
            ragged.append(RaggedRow(chunk.first_row + row.number - 1, row.expected_columns, row.actual_columns))
            return "skip"

        table = pyarrow.csv.read_csv(
            pa.BufferReader(text),
            read_options=pyarrow.csv.ReadOptions(column_names=self._names, use_threads=False, block_size=len(text) + 1),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=self._separator, newlines_in_values=b'"' in text, invalid_row_handler=skip
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(self._names, pa.string()),
                include_columns=list(columns),
                null_values=NULLS,
                strings_can_be_null=True,
                check_utf8=False,
            ),
        )
        records = self._blocks[chunk.part].records
        if table.num_rows + len(ragged) != records:
            raise UserError(_unbalanced(self.path, chunk.first_row, chunk.first_row + records))
        if not ragged:
            return Cells(table)
        rows = np.setdiff1d(np.arange(chunk.first_row, chunk.first_row + records), [row.row for row in ragged])
        return Cells(table, rows, ragged)


def _cells(record: str, separator: str) -> list[str]:
    return next(csv.reader([record], delimiter=separator), [])


def _head(file: BinaryIO, path: Path, header: int) -> tuple[int, bytes]:
    """Return where the records after the header start, and the header line."""
    mark = file.read(3)
    if mark[:2] in _WIDE_BOMS:
        raise UserError(Text(f"{path}：UTF-16 编码，请另存为 UTF-8", f"{path}: encoded in UTF-16; save it as UTF-8"))
    file.seek(len(_BOM) if mark == _BOM else 0)
    lines = [file.readline() for _ in range(header)]
    if not lines[-1].strip():
        raise UserError(
            Text(f"{path}：空文件（第 {header} 行没有表头）", f"{path}: empty file (no header in line {header})")
        )
    return file.tell(), lines[-1].rstrip(b"\r\n")


def _blocks(file: BinaryIO, path: Path, start: int) -> Iterator[_Block]:
    """Cut the file where a record ends: at a line end outside quotes."""
    file.seek(start)
    rest = b""
    while data := file.read(BLOCK):
        text = rest + data
        ends = _record_ends(text)
        if not len(ends):
            rest = text
            continue
        length = int(ends[-1]) + 1
        yield _Block(start, length, _records(text, ends))
        start, rest = start + length, text[length:]
    if rest.strip():
        if rest.count(b'"') % 2:
            line = _line(file, start)
            raise UserError(
                Text(
                    f"{path}：第 {line} 行之后有未闭合的引号",
                    f"{path}: a quotation mark after line {line} is never closed",
                )
            )
        text = rest + b"\n"
        yield _Block(start, len(rest), _records(text, _record_ends(text)))


def _record_ends(text: bytes) -> Rows:
    letters = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(letters == ord("\n"))
    quotes = np.flatnonzero(letters == ord('"')) if b'"' in text else ends[:0]
    outside: Rows = ends[np.searchsorted(quotes, ends) % 2 == 0]
    return outside


def _records(text: bytes, ends: Rows) -> int:
    """Count records; blank lines are none."""
    letters = np.frombuffer(text, np.uint8)
    lengths = np.diff(ends, prepend=-1) - 1
    blank = (lengths == 0) | ((lengths == 1) & (letters[ends - 1] == ord("\r")))
    return int(np.count_nonzero(~blank))


def _line(file: BinaryIO, place: int) -> int:
    """Return the number of the line in which a byte stands."""
    file.seek(0)
    return sum(file.read(min(BLOCK, place - at)).count(b"\n") for at in range(0, place, BLOCK)) + 1


class _Bad(NamedTuple):
    """The first byte that an encoding does not allow."""

    place: int
    mostly_valid: bool


def _encoding(file: BinaryIO, path: Path, blocks: Sequence[_Block], header: bytes, given: str | None) -> str:
    """Return the encoding under which the whole file reads: the given one, or UTF-8, or GB18030 (which holds GBK)."""
    names = [given] if given else ["utf-8", "gb18030"]
    if given is None and _may_be_short_gbk(file, blocks, header):
        names.reverse()
    faults = []
    for name in names:
        bad = _undecodable(file, blocks, header, name)
        if bad is None:
            return name
        line = _line(file, bad.place)
        faults.append(
            Text(
                f"{path}：第 {line} 行（第 {bad.place + 1} 字节）不是有效的 {name.upper()} 文本",
                f"{path}: line {line} (byte {bad.place + 1}) is not valid {name.upper()}",
            )
        )
        if bad.mostly_valid:
            break
    raise UserError(faults)


def _may_be_short_gbk(file: BinaryIO, blocks: Sequence[_Block], header: bytes) -> bool:
    """Tell whether a file without BOM has letters, but none that is Chinese in UTF-8: there 女 in GBK reads as Ů."""
    file.seek(0)
    if file.read(len(_BOM)) == _BOM:
        return False
    letters = not header.isascii()
    for block in blocks:
        file.seek(block.start)
        text = file.read(block.length)
        if not text.isascii():
            letters = True
            if int(np.frombuffer(text, np.uint8).max()) >= _FIRST_OF_THREE_BYTES:
                return False
    return letters and max(header) < _FIRST_OF_THREE_BYTES


def _undecodable(file: BinaryIO, blocks: Sequence[_Block], header: bytes, encoding: str) -> _Bad | None:
    """Find the first byte that cannot be decoded. A file of mostly valid UTF-8 lines is damaged UTF-8, not GBK."""
    seen = not header.isascii() and _decodes(header, encoding)
    for block in blocks:
        file.seek(block.start)
        text = file.read(block.length)
        if text.isascii():
            continue
        try:
            text.decode(encoding)
        except UnicodeDecodeError as error:
            lines = [line for line in text.split(b"\n") if not line.isascii()]
            valid = sum(_decodes(line, encoding) for line in lines)
            return _Bad(block.start + error.start, encoding == "utf-8" and (seen or valid * 2 > len(lines)))
        seen = True
    if not _decodes(header, encoding):
        return _Bad(0, mostly_valid=False)
    return None


def _decodes(text: bytes, encoding: str) -> bool:
    try:
        text.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _unbalanced(path: Path, first: int, last: int) -> Text:
    return Text(
        f"{path}：第 {first} 至 {last} 行之间的引号不成对，无法确定行的边界",
        f"{path}: quotation marks between rows {first} and {last} are out of balance: where rows end is unclear",
    )
