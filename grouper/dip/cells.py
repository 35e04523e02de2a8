"""What stands in the cells of a directory: keys of diagnoses, procedures with OR and AND, ranges of numbers.

Source: the columns of 《按病种分值(DIP)付费3.0版分组方案》; the older directories write `/` for its `|`. Codes are
folded (grouper.codes.fold).
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeVar

from grouper.codes import fold
from grouper.fault import Text
from grouper.scheme.tables import Row

AndBinds = Literal["looser", "tighter"]
ProcedureMatch = Literal["exact", "extension", "subcategory"]
CATEGORY, SUBCATEGORY = 3, 5
"""Lengths of a category (A40) and of a four-character category (A40.0)."""
BASE = 7
"""Length of a procedure code without its extension: 39.9500 of 39.9500x007."""
WHOLE = 3
"""Specificity of a key that is a whole code; a four-character category has 2, a category or range 1."""

_KEY = re.compile(r"[a-z]\d\d(\..+)?")
_RANGE = re.compile(r"([a-z]\d\d)-([a-z]\d\d)")
_PROCEDURE = re.compile(r"\d\d?(\..+)?")
_NUMBERS = re.compile(r"(\d+)-(\d+)")


class CellError(ValueError):
    """A cell that cannot be read, and why."""

    def __init__(self, fault: Text) -> None:
        super().__init__(fault.en)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Keys:
    """Diagnoses named by whole codes, categories of three or four characters, and ranges of categories."""

    names: frozenset[str]
    ranges: tuple[tuple[str, str], ...] = ()

    def specificity(self, code: str) -> int:
        """Return how closely a code is named: 3 whole, 2 by four characters, 1 by three or a range, 0 not at all."""
        if code in self.names and len(code) > SUBCATEGORY:
            return WHOLE
        if code[:SUBCATEGORY] in self.names:
            return 2 if len(code) >= SUBCATEGORY else 1
        category = code[:CATEGORY]
        return int(category in self.names or (bool(self.ranges) and self._in_range(category)))

    def _in_range(self, category: str) -> bool:
        return any(first <= category <= last for first, last in self.ranges)

    def __contains__(self, code: object) -> bool:
        return isinstance(code, str) and self.specificity(code) > 0


def read_keys(cell: str) -> Keys:
    """Read keys joined by `|` or `/`. Raises CellError."""
    names, ranges = set(), []
    for key in _alternatives(cell):
        if found := _RANGE.fullmatch(key):
            ranges.append((found[1], found[2]))
        elif _KEY.fullmatch(key):
            # The mark of an aetiology code says nothing about a category: M47.0+ is M47.0.
            names.add(key.removesuffix("+") if len(key) == SUBCATEGORY + 1 else key)
        else:
            raise CellError(
                Text(
                    f"“{key}”不是诊断编码、类目（A40、A40.0）或范围（C00-C75）",
                    f"{key!r} is no diagnosis code, category (A40, A40.0) or range (C00-C75)",
                )
            )
    return Keys(frozenset(names), tuple(ranges))


class Part(NamedTuple):
    """Codes of which the case must have so many entries: one, or more where a cell asks for the same list again."""

    codes: frozenset[str]
    needed: int


Conjunction = tuple[Part, ...]
Expression = tuple[Conjunction, ...]
"""Any of its conjunctions, all of whose parts must be found."""


def read_codes(cell: str) -> frozenset[str]:
    """Read procedures joined by `|` or `/`. Raises CellError."""
    return frozenset(_procedure(code) for code in _alternatives(cell))


def read_expression(cell: str, and_binds: AndBinds) -> Expression:
    """Read procedures with OR and AND. Raises CellError.

    With `looser`, `A|B+C` is (A or B) and C; with `tighter` it is A or (B and C).
    """
    if and_binds == "looser":
        return (_conjunction(read_codes(part) for part in cell.split("+")),)
    return tuple(_conjunction(read_codes(code) for code in one.split("+")) for one in _alternatives(cell))


def _conjunction(sets: Iterable[frozenset[str]]) -> Conjunction:
    needed: dict[frozenset[str], int] = {}
    for codes in sets:
        needed[codes] = needed.get(codes, 0) + 1
    return tuple(Part(codes, times) for codes, times in needed.items())


def read_range(cell: str) -> tuple[int, int]:
    """Read `1000-1499`, both ends included. Raises CellError."""
    found = _NUMBERS.fullmatch(cell)
    if not found or int(found[1]) > int(found[2]):
        raise CellError(Text(f"“{cell}”应为范围，如 1000-1499", f"{cell!r} should be a range such as 1000-1499"))
    return int(found[1]), int(found[2])


def procedure_names(code: str, match: ProcedureMatch) -> tuple[str, ...]:
    """Return the codes by which a directory may name a procedure.

    Itself; with `extension` also its base code (39.9500 for 39.9500x007); with `subcategory` the beginnings of its
    code too (39.95, 39.9, 39).
    """
    if match == "exact":
        return (code,)
    base = (code[:BASE],) if code[BASE : BASE + 1] == "x" else ()
    return (code, *base) if match == "extension" else (code, *base, *beginnings(code))


def beginnings(code: str) -> Iterator[str]:
    """Yield the subcategory, category and chapter of a procedure code: 39.95, 39.9, 39."""
    return (code[:length] for length in (5, 4, 2) if len(code) > length)


def _alternatives(cell: str) -> list[str]:
    return [fold(code) for code in cell.replace("/", "|").split("|")]


def _procedure(code: str) -> str:
    if not _PROCEDURE.fullmatch(code):
        raise CellError(Text(f"“{code}”不是手术操作编码", f"{code!r} is no procedure code"))
    return code


Value = TypeVar("Value")


def read_cell(row: Row, column: str, reader: Callable[[str], Value], faults: list[Text]) -> Value | None:
    """Read one cell; an empty one, or one with a fault, is None."""
    cell = row.values[column]
    if not cell:
        return None
    try:
        return reader(cell)
    except CellError as error:
        faults.append(row.fault(column, error.fault.zh, error.fault.en))
        return None


def read_choice(row: Row, column: str, known: Collection[Value], faults: list[Text]) -> Value | None:
    """Read a cell that holds one of a few words; an empty one, or one with a fault, is None."""
    cell = row.values[column]
    for word in known:
        if cell == word:
            return word
    if cell:
        listed = ", ".join(map(str, known))
        faults.append(row.fault(column, f"“{cell}”应为 {listed} 之一", f"{cell!r} should be one of {listed}"))
    return None
