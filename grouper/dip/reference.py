"""The reference evaluator: one record at a time, in readable Python. It explains, and it is the oracle of the kernel.

Source: 《按病种分值(DIP)付费3.0版分组方案》; what it leaves open are the switches of a directory (docs/dip.md).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby
from typing import Literal

from grouper.codes import fold
from grouper.dip.answer import DipGroup
from grouper.dip.cells import Expression, Keys, procedure_names
from grouper.dip.directory import CASE_CLASSES, CaseClass, Directory, GroupRow, Position, Tie, procedure_sets
from grouper.drg.reference import Record

Cleaned = Literal["main", "related", "not_main", "nothing", "out_of_scope"]
_FARTHEST = 1 << 62


@dataclass(frozen=True, slots=True)
class Tested:
    """One cell that was tested: whether it held, and the codes that hit it."""

    column: str
    holds: bool
    hits: tuple[str, ...] = ()


@dataclass(slots=True)
class Tried:
    """One row that admits the main diagnosis, the cells tested until the answer was clear, and why another won."""

    row: GroupRow
    specificity: int
    tested: list[Tested] = field(default_factory=list)
    lost_by: Tie | None = None

    @property
    def holds(self) -> bool:
        """Whether every cell held."""
        return all(test.holds for test in self.tested)


class Case:
    """A record as a directory sees it: folded codes, procedures cleaned, the main ones apart, numbers."""

    def __init__(self, directory: Directory, record: Record) -> None:
        self.directory = directory
        self.switches = directory.head.switches
        diagnoses = [fold(code or "") for code in record.diagnoses or ()]
        self.has_diagnoses = bool(diagnoses)
        self.main_diagnosis = diagnoses[0] if diagnoses else ""
        self.other_diagnoses = [code for code in diagnoses[1:] if code]
        self.cleaned = self._clean([code for code in (fold(code or "") for code in record.procedures or ()) if code])
        """Every procedure and what became of it."""
        kept = [(code, fate) for code, fate in self.cleaned if fate in {"main", "related", "not_main"}]
        self.procedures = [code for code, _ in kept]
        self.main_procedure = next((code for code, fate in kept if fate == "main"), "")
        self.beside = [code for code, fate in kept if fate != "main"]
        """The procedures but the entry of the main one."""
        # An adult sent with day age 0 must not become a newborn.
        self.age_days = None if (record.age or 0) > 0 else _measured(record.age_days)
        self.birth_weight = _measured(record.birth_weight) or None
        self.charge = record.total_charge

    def _clean(self, procedures: Sequence[str]) -> list[tuple[str, Cleaned]]:
        """Say of each procedure whether it is the main one, related, or counts for nothing."""
        cleaned: list[tuple[str, Cleaned]] = []
        has_main = False
        for code in procedures:
            excluded = self.directory.excluded.get(code)
            fate: Cleaned = "related" if has_main else "main"
            if excluded is not None and excluded.rule == "conservative":
                fate = "nothing"
            elif excluded is not None and excluded.rule == "not_main":
                fate = "not_main"
            elif excluded is not None and excluded.scope is not None and self.main_diagnosis not in excluded.scope:
                fate = "out_of_scope"
            has_main = has_main or fate == "main"
            cleaned.append((code, fate))
        return cleaned

    @property
    def is_conservative(self) -> bool:
        """Whether its procedures count for nothing, in the sense of the switch `conservative`."""
        if self.switches.conservative == "no_operation":
            return all(
                self.directory.procedure_class(code) in {"therapeutic", "diagnostic"} for code in self.procedures
            )
        return not self.main_procedure if self.switches.conservative == "no_main" else not self.procedures

    @property
    def case_class(self) -> CaseClass | None:
        """The class of the case for comprehensive groups: of its main procedure, or the highest of all."""
        if not self.main_procedure:
            return "conservative"
        if self.switches.class_of_case == "main":
            return self.directory.class_of(self.main_procedure)
        classes = {self.directory.class_of(code) for code in self.procedures}
        return next((known for known in CASE_CLASSES if known in classes), None)

    @property
    def is_primary_care(self) -> bool:
        """Whether the published list of primary-care groups names it; no part of grouping."""
        return any(
            self.main_diagnosis in keys and (self.main_procedure in codes if codes else self.is_conservative)
            for keys, codes in self.directory.primary_care
        )

    def names(self, code: str) -> tuple[str, ...]:
        """Return the codes by which the directory may name a procedure of the case."""
        return procedure_names(code, self.switches.procedure_match)

    def entries(self, procedures: Sequence[str], codes: frozenset[str]) -> list[str]:
        """Return the entries among `procedures` that are of the codes."""
        return [code for code in procedures if not codes.isdisjoint(self.names(code))]


def _measured(value: int | None) -> int | None:
    return value if value is not None and value >= 0 else None


def group_case(directory: Directory, record: Record, trace: list[Tried] | None = None) -> DipGroup:
    """Group one record under a directory. `trace`, when given, receives every row that was tried, in order."""
    case = Case(directory, record)
    if not case.has_diagnoses:
        return DipGroup("invalid", reason="diagnoses_missing")
    if not case.main_diagnosis:
        return DipGroup("ungroupable", reason="principal_blank")
    if directory.is_not_grouped(case.main_diagnosis):
        return DipGroup("ungroupable", reason="principal_not_grouped")
    candidates = directory.candidates(case.main_diagnosis)
    for _, rows in groupby(candidates, key=lambda candidate: candidate[0].entry):
        tried = [try_row(row, specificity, case) for row, specificity in rows]
        if trace is not None:
            trace.extend(tried)
        taking = [one for one in tried if one.holds]
        if taking:
            row = _winner(taking, case).row
            return DipGroup("grouped", row.layer, row.code)
    if case.switches.blank_group:
        return DipGroup("grouped", None, case.switches.blank_group)
    lacks_class = case.case_class is None and any(row.case_class for row, _ in candidates)
    return DipGroup("ungroupable", reason="class_unknown" if lacks_class else "no_group")


def try_row(row: GroupRow, specificity: int, case: Case) -> Tried:
    """Test the cells of a row that are filled, as far as needed; it is known to admit the main diagnosis."""
    tried = Tried(row, specificity)
    for test in _tests(row, case):
        tried.tested.append(test)
        if not test.holds:
            break
    return tried


def _tests(row: GroupRow, case: Case) -> Iterator[Tested]:
    """Yield the test of each cell but the main diagnosis, which the row is known to admit."""
    yield from _procedure_tests(row, case)
    others = case.other_diagnoses
    if row.any_diagnosis is not None:
        yield _found("any_diagnosis", [code for code in (case.main_diagnosis, *others) if code in row.any_diagnosis])
    if row.other_diagnosis is not None:
        yield _found("other_diagnosis", [code for code in others if code in row.other_diagnosis])
    if row.marker is not None:
        name, wanted = row.marker
        hits = _marked(case.directory.markers[name], case)
        yield Tested("marker", bool(hits) == wanted, tuple(hits))
    for column, limits, value in (
        ("age_days", row.age_days, case.age_days),
        ("birth_weight", row.birth_weight, case.birth_weight),
    ):
        if limits is not None:
            yield Tested(column, value is not None and limits[0] <= value <= limits[1])


def _procedure_tests(row: GroupRow, case: Case) -> Iterator[Tested]:
    if row.is_conservative:
        yield Tested("main_procedure", case.is_conservative)
    if row.case_class is not None:
        yield Tested("class", case.case_class == row.case_class)
    if row.main_procedure is not None:
        main = [case.main_procedure] if case.main_procedure else []
        yield _found("main_procedure", case.entries(main, row.main_procedure))
    for column, expression, procedures in _expressions(row, case):
        matches = parts_matched(expression, procedures, case) > 0
        hits = [
            code for conjunction in expression for part in conjunction for code in case.entries(procedures, part.codes)
        ]
        yield Tested(column, matches, tuple(dict.fromkeys(hits)))
    if case.switches.unmatched_procedures == "refused" and any(procedure_sets(row)):
        yield Tested("unmatched_procedures", matched(row, case) == set(case.procedures))


def _expressions(row: GroupRow, case: Case) -> Iterator[tuple[str, Expression, list[str]]]:
    """Yield the expressions of a row with the procedures that each is asked of."""
    if row.related is not None:
        yield "related_procedure", row.related, case.beside
    if row.procedures is not None:
        yield "procedures", row.procedures, case.procedures


def _found(column: str, hits: list[str]) -> Tested:
    return Tested(column, bool(hits), tuple(hits))


def _marked(positions: Mapping[Position, Keys], case: Case) -> list[str]:
    """Return the diagnoses of a case that carry a marker."""
    nothing = Keys(frozenset())
    first, others, anywhere = (positions.get(position, nothing) for position in ("main", "other", "any"))
    main = [code for code in (case.main_diagnosis,) if code in first or code in anywhere]
    return main + [code for code in case.other_diagnoses if code in others or code in anywhere]


def parts_matched(expression: Expression, procedures: Sequence[str], case: Case) -> int:
    """Return how many parts of an expression the procedures match, 0 where it does not hold.

    Of several conjunctions the best counts. A part that asks for its list twice counts twice and needs two entries.
    """
    best = 0
    for conjunction in expression:
        found = sum(min(len(case.entries(procedures, part.codes)), part.needed) for part in conjunction)
        if case.switches.parts == "any" or found == sum(part.needed for part in conjunction):
            best = max(best, found)
    return best


def matched(row: GroupRow, case: Case) -> set[str]:
    """Return the distinct procedures of a case that a row names."""
    return {code for codes in procedure_sets(row) for code in case.entries(case.procedures, codes)}


def _winner(taking: Sequence[Tried], case: Case) -> Tried:
    """Return the row that wins the ties of one entry of `order`, and note in the others by what they lost."""
    directory = case.directory
    entry = directory.head.order[taking[0].row.entry]
    ties: tuple[Tie, ...] = ("sequence",) if entry in case.switches.in_sequence else (*case.switches.ties, "sequence")
    keys = [[_rank(tie, tried, case) for tie in ties] for tried in taking]
    best = min(keys)
    for tried, key in zip(taking, keys, strict=True):
        tried.lost_by = next((tie for tie, own, won in zip(ties, key, best, strict=True) if own != won), None)
    return taking[keys.index(best)]


def _rank(tie: Tie, tried: Tried, case: Case) -> Decimal | int:
    """Return a row's place by one way of breaking ties; the smallest wins."""
    row = tried.row
    if tie == "specificity":
        return -tried.specificity
    if tie == "parts":
        return -sum(
            parts_matched(expression, procedures, case) for _, expression, procedures in _expressions(row, case)
        )
    if tie == "matched":
        return -len(matched(row, case))
    if tie == "exact":
        return int(matched(row, case) != set(case.procedures))
    if tie == "first_procedure":
        return int(case.main_procedure not in matched(row, case))
    if tie == "mean_cost":
        known = case.charge is not None and row.mean_cost is not None
        return abs((case.charge or 0) - (row.mean_cost or 0)) if known else _FARTHEST
    if tie == "score":
        return -row.score if row.score is not None else 1
    return row.sequence
