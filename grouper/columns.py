"""Columns of a batch as typed arrays: lists of codes by number, with notes on how they were read, and whole numbers."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from grouper.codes import Crosswalk, fold
from grouper.fault import Text, UserError

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Ints = npt.NDArray[np.signedinteger[Any]]
MISSING = -1
BLANK = -1
_MOST_REMEMBERED = 1_000_000
_Bytes = npt.NDArray[np.uint8]
_UNKNOWN, _MENDED, _CONVERTED, _UNMAPPED = 1, 2, 4, 8
CODE_NOTES = {"unknown": _UNKNOWN, "mended": _MENDED, "converted": _CONVERTED, "unmapped": _UNMAPPED}


class CodeReader:
    """Turns the codes of one column into a compiled scheme's numbers, remembering every spelling it has met.

    With a crosswalk the codes are of another version and are converted first; a code without a counterpart stays as
    it is. `number` gives the number of a folded code. Notes say what was found: unknown to the scheme, mended (blanks,
    case, width), converted, unmapped.
    """

    def __init__(
        self,
        number: Callable[[str], int],
        is_known: Sequence[bool],
        spelling: Mapping[str, str],
        crosswalk: Crosswalk | None,
    ) -> None:
        self._number = number
        self._is_known = is_known
        self._spelling = spelling
        self._crosswalk = crosswalk
        self._seen: dict[str | None, tuple[int, int]] = {None: (BLANK, 0), "": (BLANK, 0)}

    def read(self, dictionary: Sequence[str | None]) -> tuple[Int32, _Bytes]:
        """Return the number of each dictionary entry, BLANK for blanks, and its notes."""
        if len(self._seen) > _MOST_REMEMBERED:
            self._seen = {None: (BLANK, 0), "": (BLANK, 0)}
        seen = self._seen
        for code in dictionary:
            if code not in seen and code is not None:
                seen[code] = self._look_up(code)
        pairs = np.array([seen[code] for code in dictionary], np.int32).reshape(-1, 2)
        return np.ascontiguousarray(pairs[:, 0]), pairs[:, 1].astype(np.uint8)

    def converted(self, code: str) -> str:
        """Return the official spelling of what a code was read as."""
        folded = fold(code)
        target = self._crosswalk.convert(folded) if self._crosswalk else None
        return self._spelling.get(target or folded, target or folded)

    def _look_up(self, code: str) -> tuple[int, int]:
        folded = fold(code)
        if not folded:
            return BLANK, 0
        notes = 0
        if self._crosswalk is not None:
            target = self._crosswalk.convert(folded)
            notes |= _UNMAPPED if target is None else _CONVERTED if target != folded else 0
            folded = target or folded
        elif code != self._spelling.get(folded, code):
            notes |= _MENDED
        number = self._number(folded)
        if not self._is_known[number]:
            notes |= _UNKNOWN
        return number, notes


@dataclass
class CodeNotes:
    """How often codes were read otherwise than written: note -> column -> code as written -> occurrences."""

    counts: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)

    def add(self, column: str, dictionary: Sequence[str | None], notes: _Bytes, entries: Int32) -> None:
        """Count the entries of a column whose dictionary entry has a note."""
        if not notes.any():
            return
        used = np.bincount(entries[entries >= 0], minlength=len(dictionary))
        for name, flag in CODE_NOTES.items():
            noted = np.flatnonzero((notes & flag).astype(bool) & (used > 0))
            if len(noted):
                self.counts.setdefault((name, column), Counter()).update(
                    {str(dictionary[at]): int(used[at]) for at in noted.tolist()}
                )

    def merge(self, other: "CodeNotes") -> None:
        """Add the counts of another batch."""
        for key, counter in other.counts.items():
            self.counts.setdefault(key, Counter()).update(counter)


def read_numbers(batch: pa.RecordBatch, name: str, width: type[np.signedinteger[Any]] = np.int32) -> Ints:
    """Return a column of whole numbers, missing ones negative; all-missing where there is no such column."""
    if name not in batch.schema.names or pa.types.is_null(batch.schema.field(name).type):
        return np.full(batch.num_rows, MISSING, width)
    column = batch.column(name)
    kind = column.type
    if name == "department" and _is_text(kind):
        # Departments are named as offices like; only whole numbers can be compared.
        column = pc.if_else(pc.match_substring_regex(column, r"^\d{1,9}$"), column, None)
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or _is_text(kind)):
        raise _not_whole(name, kind, kind)
    try:
        numbers: Ints = column.cast(pa.from_numpy_dtype(width)).fill_null(MISSING).to_numpy(zero_copy_only=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise _not_whole(name, kind, error) from error
    return numbers


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _not_whole(name: str, kind: pa.DataType, why: object) -> UserError:
    return UserError(
        Text(f"列 {name} 应为整数，却是 {kind}：{why}", f"column {name} should hold whole numbers, not {kind}: {why}")
    )


def read_codes(batch: pa.RecordBatch, name: str, reader: CodeReader, notes: CodeNotes) -> tuple[Int64, Int32, Int32]:
    """Return offsets, dictionary entries and the entries' code numbers of a column of lists of codes."""
    if name not in batch.schema.names or pa.types.is_null(batch.schema.field(name).type):
        return np.zeros(batch.num_rows + 1, np.int64), np.empty(0, np.int32), np.empty(0, np.int32)
    lists = _as_lists(batch.column(name), name)
    offsets = lists.offsets.to_numpy()
    values = _as_dictionary(lists.values.slice(offsets[0], offsets[-1] - offsets[0]), name)
    entries = values.indices.cast(pa.int32()).fill_null(MISSING).to_numpy(zero_copy_only=False)
    dictionary = values.dictionary.to_pylist()
    numbers, found = reader.read(dictionary)
    notes.add(name, dictionary, found, entries)
    return offsets.astype(np.int64) - offsets[0], entries, numbers


def _as_lists(column: pa.Array, name: str) -> pa.Array:
    kind = column.type
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        raise UserError(
            Text(f"列 {name} 应为编码列表，却是 {kind}", f"column {name} should hold lists of codes, not {kind}")
        )
    if column.null_count:
        # The offsets of a null list may span values that are not there.
        column = pc.if_else(column.is_null(), pa.scalar([], kind), column)
    return column


def _as_dictionary(values: pa.Array, name: str) -> pa.DictionaryArray:
    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    if not (_is_text(kind) or pa.types.is_null(kind)):
        raise UserError(
            Text(f"列 {name} 的编码应为文本，却是 {kind}", f"codes of column {name} should be text, not {kind}")
        )
    if pa.types.is_dictionary(values.type):
        return values
    return values.cast(pa.large_string()).dictionary_encode()
