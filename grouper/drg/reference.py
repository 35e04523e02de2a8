"""The reference evaluator: one record at a time, in readable Python. It explains, and it is the oracle of the kernel.

Source: 《按病组(DRG)付费3.0版分组方案》 and its configuration workbook; older schemes are written in the same language.
"""

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from grouper.codes import fold
from grouper.drg.answer import CaseGroup, Severity
from grouper.rule_language import LEVELS, And, Atom, Comparison, Count, Field, Membership, Or, Rule
from grouper.scheme.pack import RuleRow, Scheme

_COMPARE = {">=": operator.ge, "<=": operator.le, "<": operator.lt, ">": operator.gt, "=": operator.eq}
NEWBORN_DAYS = 28


@dataclass(frozen=True, slots=True)
class Record:
    """A discharge as it came in: ages in years and days, weights in grams, stay in days; None is missing.

    `total_charge`, in fen, is asked for only by DIP directories that break ties by mean cost.
    """

    diagnoses: Sequence[str | None] | None
    procedures: Sequence[str | None] | None = None
    sex: int | None = None
    age: int | None = None
    age_days: int | None = None
    birth_weight: int | None = None
    admission_weight: int | None = None
    length_of_stay: int | None = None
    discharge_way: int | None = None
    department: int | None = None
    total_charge: int | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A code of the record that answered a condition, and the set it was found in."""

    field: Field
    code: str
    set: str


@dataclass(frozen=True, slots=True)
class Tested:
    """One condition that was tested: what it gave and which codes hit which sets."""

    atom: Atom
    holds: bool
    hits: tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class Tried:
    """One row that was tried: whether its rule held, and the conditions tested until that was clear."""

    row: RuleRow
    holds: bool
    tested: tuple[Tested, ...]


class Case:
    """A record as the rules see it: folded codes, the principal ones apart, numbers that may be compared."""

    def __init__(self, scheme: Scheme, record: Record) -> None:
        self.scheme = scheme
        diagnoses = [fold(code or "") for code in record.diagnoses or ()]
        procedures = [code for code in (fold(code or "") for code in record.procedures or ()) if code]
        self.has_diagnoses = bool(diagnoses)
        self.principal_diagnosis = diagnoses[0] if diagnoses else ""
        self.other_diagnoses = [code for code in diagnoses[1:] if code]
        self.other_procedures = procedures[1:]
        self.first_procedure = procedures[0] if procedures else ""
        counts = self.first_procedure not in scheme.not_grouped_procedures
        self.principal_procedure = self.first_procedure if counts else ""
        weight = record.birth_weight if scheme.head.newborn_weight == "birth_weight" else record.admission_weight
        age = _measured(record.age)
        self.numbers: dict[str, int | None] = {
            "NL": age,
            "XB": record.sex,
            # An adult sent with day age 0 must not become a newborn.
            "XSRTL": None if age else _measured(record.age_days),
            "XSRTZ": _measured(weight) or None,
            "ZYTS": _measured(record.length_of_stay),
            "LYFS": _measured(record.discharge_way),
            "KS": _measured(record.department),
        }

    def codes(self, fields: Sequence[Field]) -> Iterator[tuple[Field, str]]:
        """Yield the codes of the fields with the field each stands in."""
        for field in fields:
            if field == "ZYZD" and self.principal_diagnosis:
                yield field, self.principal_diagnosis
            elif field == "QTZD":
                yield from ((field, code) for code in self.other_diagnoses)
            elif field == "ZYSS" and self.principal_procedure:
                yield field, self.principal_procedure
            elif field == "QTSS":
                yield from ((field, code) for code in self.other_procedures)

    @cached_property
    def complications(self) -> list[tuple[str, str, str | None]]:
        """Other diagnoses that are complications: code, level, and the exclusion table that takes it out, or None."""
        found: list[tuple[str, str, str | None]] = []
        for code in self.other_diagnoses:
            complication = self.scheme.complications.get(code)
            if complication is not None:
                table = complication.exclusion
                is_excluded = table is not None and self.principal_diagnosis in self.scheme.exclusions[table]
                found.append((code, complication.level, table if is_excluded else None))
        return found

    @cached_property
    def severity(self) -> Severity:
        """The highest complication level that is not excluded."""
        levels = {level for _, level, excluded_by in self.complications if excluded_by is None}
        return "mcc" if "MCC" in levels else "cc" if "CC" in levels else "none"

    def hits(self, atom: Membership | Count) -> list[Hit]:
        """Return the codes of the record that are in the sets of a condition."""
        names = (atom.set,) if isinstance(atom, Count) else atom.sets
        found = [
            Hit(field, code, name)
            for field, code in self.codes(atom.fields)
            for name in names
            if name not in LEVELS and code in self.scheme.sets[name]
        ]
        found += [
            Hit("QTZD", code, level)
            for code, level, excluded_by in self.complications
            if level in names and excluded_by is None
        ]
        return found


def _measured(value: int | None) -> int | None:
    """Return a number that can be compared: negative ones are no measurement."""
    return value if value is not None and value >= 0 else None


def holds(rule: Rule, case: Case, tested: list[Tested] | None = None) -> bool:
    """Evaluate a rule from left to right, as far as needed; note each condition in `tested` when given."""
    if isinstance(rule, And):
        return all(holds(part, case, tested) for part in rule.parts)
    if isinstance(rule, Or):
        return any(holds(part, case, tested) for part in rule.parts)
    if not isinstance(rule, Membership | Comparison | Count):
        return True
    result, hits = _test(rule, case)
    if tested is not None:
        tested.append(Tested(rule, result, tuple(hits)))
    return result


def _test(atom: Atom, case: Case) -> tuple[bool, list[Hit]]:
    if isinstance(atom, Comparison):
        value = case.numbers[atom.scalar]
        return value is not None and _COMPARE[atom.operator](value, atom.value), []
    hits = case.hits(atom)
    if isinstance(atom, Count):
        return len({hit.code for hit in hits}) >= atom.minimum, hits
    return bool(hits) != atom.negated, hits


def group_case(scheme: Scheme, record: Record, trace: list[Tried] | None = None) -> CaseGroup:
    """Group one record under a scheme. `trace`, when given, receives every row that was tried, in order."""
    case = Case(scheme, record)
    reason = _invalid(case, scheme)
    if reason is not None:
        return CaseGroup("invalid", reason=reason)
    reason = _ungroupable(case, scheme)
    if reason is not None:
        return CaseGroup("ungroupable", reason=reason)
    for mdc in scheme.mdcs:
        if _try(mdc, case, trace):
            for adrg in scheme.adrgs.get(mdc.code, ()):
                if _try(adrg, case, trace):
                    return _in_adrg(case, mdc, adrg, trace)
    return CaseGroup("ungroupable", reason="no_adrg")


def _invalid(case: Case, scheme: Scheme) -> str | None:
    """Return why the record is invalid, or None. Infants and newborns are asked for more where the scheme says so."""
    required, numbers = scheme.head.required, case.numbers
    if numbers["XB"] not in {1, 2}:
        return "sex_missing"
    if not case.has_diagnoses:
        return "diagnoses_missing"
    if "age" in required and numbers["NL"] is None:
        return "age_missing"
    if numbers["NL"] == 0:
        days = numbers["XSRTL"]
        if "age_days" in required and days is None:
            return "age_days_missing"
        if "birth_weight" in required and days is not None and days <= NEWBORN_DAYS and numbers["XSRTZ"] is None:
            return "birth_weight_missing"
    return None


def _ungroupable(case: Case, scheme: Scheme) -> str | None:
    principal = case.principal_diagnosis
    if not principal:
        return "principal_blank"
    if not scheme.is_known_diagnosis(principal):
        return "principal_unknown"
    return "principal_not_grouped" if principal in scheme.not_grouped_diagnoses else None


def _in_adrg(case: Case, mdc: RuleRow, adrg: RuleRow, trace: list[Tried] | None) -> CaseGroup:
    for drg in case.scheme.drgs.get(adrg.code, ()):
        if _try(drg, case, trace):
            if adrg.is_ambiguous:
                return CaseGroup("ambiguous", mdc.code, adrg.code, drg.code, case.severity, "ambiguous_procedure")
            if adrg.is_nameless_fallback or drg.is_nameless_fallback:
                return CaseGroup("ungroupable", mdc.code, adrg.code, drg.code, case.severity, "record_insufficient")
            return CaseGroup("grouped", mdc.code, adrg.code, drg.code, case.severity)
    return CaseGroup("ungroupable", mdc.code, adrg.code, None, case.severity, "no_drg")


def _try(row: RuleRow, case: Case, trace: list[Tried] | None) -> bool:
    if trace is None:
        return holds(row.rule, case)
    tested: list[Tested] = []
    result = holds(row.rule, case, tested)
    trace.append(Tried(row, result, tuple(tested)))
    return result
