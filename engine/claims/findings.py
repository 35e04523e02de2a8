"""Findings: how often each named fault occurred, with a few examples. Sums do not depend on the order of batches."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from engine.claims.reasons import BY_CODE, Reason

EXAMPLES = 5
"""Examples kept of a finding; the first ones in the order of files and rows."""


class Example(NamedTuple):
    """One place where a finding was made. `row` is 0 where the finding concerns a whole file."""

    file: str
    row: int
    case_id: str
    value: str


@dataclass
class Tally:
    """Count and examples of one finding in one column."""

    count: int = 0
    examples: list[Example] = field(default_factory=list)


class Findings:
    """Counts and examples by reason code and column."""

    def __init__(self) -> None:
        self._tallies: dict[tuple[str, str], Tally] = {}

    def add(self, code: str, column: str, count: int, examples: Iterable[Example] = ()) -> None:
        """Add `count` occurrences of a reason in a column ("" where it concerns no single column)."""
        if code not in BY_CODE:
            raise KeyError(code)
        if count:
            tally = self._tallies.setdefault((code, column), Tally())
            tally.count += count
            tally.examples = sorted({*tally.examples, *examples})[:EXAMPLES]

    def merge(self, other: "Findings") -> None:
        """Add everything another batch found."""
        for reason, column, tally in other:
            self.add(reason.code, column, tally.count, tally.examples)

    def count(self, code: str) -> int:
        """Return how often a reason was found, over all columns."""
        return sum(tally.count for (name, _), tally in self._tallies.items() if name == code)

    def __iter__(self) -> Iterator[tuple[Reason, str, Tally]]:
        """Yield reason, column and tally in a fixed order: as the reasons are listed, then by column."""
        order = {code: place for place, code in enumerate(BY_CODE)}
        for code, column in sorted(self._tallies, key=lambda key: (order[key[0]], key[1])):
            yield BY_CODE[code], column, self._tallies[code, column]

    def to_json(self) -> list[dict[str, Any]]:
        """Return the findings as plain data: name, column, zh and en text, severity, count, examples."""
        return [
            {
                "name": reason.code,
                "column": column,
                "zh": reason.text.zh,
                "en": reason.text.en,
                "severity": reason.severity,
                "count": tally.count,
                "examples": [example._asdict() for example in tally.examples],
            }
            for reason, column, tally in self
        ]
