"""Records made from the rows of a DIP directory: designed to land in each group, then changed at random.

Nothing here groups a record: what is expected of the records comes from elsewhere. Same arguments, same records.
"""

import random
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property

from grouper.dip.cells import Expression, Keys
from grouper.dip.directory import Directory, GroupRow
from grouper.drg.reference import Record

UNKNOWN = ("Q99.999x999", "K80.9zz", "99.9999x99", "45.16zz", "不详", "*", "")


class Designer:
    """Makes records from a directory's rows, at random from a seed."""

    def __init__(self, directory: Directory, seed: int) -> None:
        self.directory = directory
        self.random = random.Random(seed)
        self.diagnoses = sorted(directory.diagnosis_codes.official)
        self.procedures = sorted(directory.procedure_codes.official)

    def design(self, row: GroupRow) -> Record:
        """Return a record made for a row: codes of its lists, numbers in its ranges."""
        if row.main_diagnosis is not None:
            main = self._diagnosis(row.main_diagnosis)
        else:
            main = self._diagnosis(row.any_diagnosis) if row.any_diagnosis is not None else self._any_diagnosis()
        others = [self._diagnosis(row.other_diagnosis)] if row.other_diagnosis is not None else []
        if row.marker is not None and row.marker[1]:
            positions = self.directory.markers[row.marker[0]]
            others.append(self._diagnosis(positions.get("other") or positions["any"]))
        procedures = [self._pick(row.main_procedure)] if row.main_procedure is not None else []
        procedures += self._matching(row.related) + self._matching(row.procedures)
        return Record(
            diagnoses=[main, *others],
            procedures=procedures,
            sex=self.random.choice((1, 2)),
            age=0 if row.age_days else self.random.randrange(18, 90),
            age_days=self.random.randint(*row.age_days) if row.age_days else None,
            birth_weight=self.random.randint(*row.birth_weight) if row.birth_weight else None,
            total_charge=self.random.randrange(1, 5_000_000),
        )

    def mutations(self, record: Record) -> Iterator[Record]:
        """Yield the record with codes moved, repeated, added, dropped or unknown, and with other numbers."""
        diagnoses, procedures = list(record.diagnoses or ()), list(record.procedures or ())
        yield replace(record, diagnoses=[*diagnoses, self._any_diagnosis()])
        yield replace(record, procedures=[*procedures, self._any_procedure()])
        yield replace(record, procedures=[self._any_procedure(), *procedures])
        yield replace(record, procedures=[*procedures, *procedures])
        yield replace(record, procedures=self.random.sample(procedures, len(procedures)))
        yield replace(record, procedures=procedures[1:])
        yield replace(record, diagnoses=self.random.sample(diagnoses, len(diagnoses)))
        yield replace(record, diagnoses=[*diagnoses, self.random.choice(UNKNOWN)])
        yield replace(record, procedures=[self.random.choice(UNKNOWN), *procedures])
        yield replace(record, diagnoses=[f"{diagnoses[0]}zz", *diagnoses[1:]])
        yield replace(record, age=self.random.choice((None, 0, 1, 40)), age_days=self.random.choice((None, 0, 28, 29)))
        yield replace(record, birth_weight=self.random.choice((None, 0, 999, 1000, 1499, 2499, 2500)))

    def _diagnosis(self, keys: Keys) -> str:
        """Return a code of the list that the keys take, and that may be a main diagnosis where there is one."""
        codes = [
            code
            for first, last in [*((name, name) for name in keys.names), *keys.ranges]
            for code in self._between(first, last)
            if code in keys
        ]
        usable = [code for code in codes if code not in self.directory.not_grouped]
        return self.random.choice(usable or codes or sorted(keys.names))

    def _between(self, first: str, last: str) -> Sequence[str]:
        return self.diagnoses[bisect_left(self.diagnoses, first) : bisect_left(self.diagnoses, last + "~")]

    def _matching(self, expression: Expression | None) -> list[str]:
        conjunction = self.random.choice(expression) if expression else ()
        return [self._pick(part.codes) for part in conjunction for _ in range(part.needed)]

    def _pick(self, codes: frozenset[str]) -> str:
        return self.random.choice(sorted(codes))

    def _any_diagnosis(self) -> str:
        return self.random.choice(self._groupable)

    @cached_property
    def _groupable(self) -> list[str]:
        return [code for code in self.diagnoses if code not in self.directory.not_grouped]

    def _any_procedure(self) -> str:
        named = sorted(self.directory.named_procedures)
        return self.random.choice(self.procedures if self.random.random() < 0.3 else named)
