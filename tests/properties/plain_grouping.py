"""Grouping as the specification words it, on rules that are plain tuples: an oracle that shares no code with grouper.

A rule is ("always",), ("and", …), ("or", …), ("in", fields, sets, negated), ("compare", scalar, operator, value) or
("length", set, fields, minimum). `written` gives its text in the rule language.
"""

import operator
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Rule = tuple[Any, ...]
COMPARE = {">=": operator.ge, "<=": operator.le, "<": operator.lt, ">": operator.gt, "=": operator.eq}
Answer = tuple[str | None, ...]


@dataclass(frozen=True)
class Row:
    """A row of MDC, ADRG or DRG with the rows inside it."""

    code: str
    name: str
    order: int
    rule: Rule
    inside: tuple["Row", ...] = ()


@dataclass(frozen=True)
class PlainScheme:
    """The tables of a scheme; codes as written."""

    mdcs: tuple[Row, ...]
    sets: Mapping[str, frozenset[str]]
    complications: Mapping[str, tuple[str, str]]
    exclusions: Mapping[str, frozenset[str]]
    not_grouped_diagnoses: frozenset[str]
    not_grouped_procedures: frozenset[str]
    required: frozenset[str]
    newborn_weight: str
    listed_diagnoses: frozenset[str]


def key(code: str | None) -> str:
    """Return what codes are compared by: without blanks, half width, in lower case."""
    return "".join(unicodedata.normalize("NFKC", code or "").split()).lower()


def keys(codes: frozenset[str]) -> frozenset[str]:
    return frozenset(key(code) for code in codes)


def written(rule: Rule) -> str:
    """Return a rule in the rule language; parentheses around every part."""
    kind, *parts = rule
    if kind == "always":
        return "1"
    if kind in {"and", "or"}:
        return f" {kind} ".join(f"({written(part)})" for part in parts)
    if kind == "compare":
        return "".join(map(str, parts))
    if kind == "length":
        return f"length({parts[0]} ∩ {_braced(parts[1])})>={parts[2]}"
    fields, sets, negated = parts
    return f"{_braced(fields)} {'not ' if negated else ''}in {_braced(sets)}"


def _braced(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else "{" + ", ".join(names) + "}"


class PlainCase:
    """A record under a plain scheme."""

    def __init__(self, scheme: PlainScheme, record: Mapping[str, Any]) -> None:
        self.scheme = scheme
        diagnoses = [key(code) for code in record["diagnoses"] or ()]
        procedures = [key(code) for code in record["procedures"] or () if key(code)]
        principal = procedures[:1]
        if principal and principal[0] in keys(scheme.not_grouped_procedures):
            principal = []
        self.diagnoses = diagnoses
        self.codes = {
            "ZYZD": diagnoses[:1],
            "QTZD": [code for code in diagnoses[1:] if code],
            "ZYSS": principal,
            "QTSS": procedures[1:],
        }
        numbers = {name: _measured(record[name]) for name in record if name not in {"diagnoses", "procedures"}}
        age, weight = numbers["age"], numbers[scheme.newborn_weight]
        self.sex = record["sex"]
        self.numbers = {
            "NL": age,
            "XB": self.sex,
            "XSRTL": numbers["age_days"] if age in {0, None} else None,
            "XSRTZ": None if weight == 0 else weight,
            "ZYTS": numbers["length_of_stay"],
            "LYFS": numbers["discharge_way"],
            "KS": numbers["department"],
        }

    def counted_levels(self) -> Iterator[str]:
        for code in self.codes["QTZD"]:
            for complication, (level, table) in self.scheme.complications.items():
                if key(complication) == code:
                    takes_out = self.scheme.exclusions.get(table, frozenset())
                    if self.diagnoses[0] not in keys(takes_out):
                        yield level

    def holds(self, rule: Rule) -> bool:
        kind, *parts = rule
        if kind == "and":
            return all(self.holds(part) for part in parts)
        if kind == "or":
            return any(self.holds(part) for part in parts)
        if kind == "compare":
            scalar, sign, value = parts
            number = self.numbers[scalar]
            return number is not None and bool(COMPARE[sign](number, value))
        if kind == "length":
            name, fields, minimum = parts
            return bool(len({code for code in self.all_of(fields) if code in keys(self.scheme.sets[name])}) >= minimum)
        if kind == "in":
            fields, sets, negated = parts
            hit = any(
                code in keys(self.scheme.sets.get(name, frozenset())) for code in self.all_of(fields) for name in sets
            )
            hit = hit or any(level in sets for level in self.counted_levels())
            return not hit if negated else hit
        return True

    def all_of(self, fields: Sequence[str]) -> list[str]:
        return [code for field in fields for code in self.codes[field]]


def _measured(value: int | None) -> int | None:
    return None if value is None or value < 0 else value


def _in_order(rows: Sequence[Row]) -> list[Row]:
    """Rows without a condition stand last, and of these x00 and x000 behind the others."""
    return sorted(rows, key=lambda row: (row.rule == ("always",), row.code[1:] in {"00", "000"}, row.order))


def plain_group(scheme: PlainScheme, record: Mapping[str, Any]) -> Answer:
    """Return status, mdc, adrg, drg, severity and reason of a record."""
    case = PlainCase(scheme, record)
    reason = _invalid(case)
    if reason:
        return ("invalid", None, None, None, None, reason)
    principal = case.diagnoses[0]
    known = keys(scheme.listed_diagnoses.union(*(codes for name, codes in scheme.sets.items() if name[:2] == "DI")))
    if not principal:
        return ("ungroupable", None, None, None, None, "principal_blank")
    if principal not in known:
        return ("ungroupable", None, None, None, None, "principal_unknown")
    if principal in keys(scheme.not_grouped_diagnoses):
        return ("ungroupable", None, None, None, None, "principal_not_grouped")
    levels = set(case.counted_levels())
    severity = "mcc" if "MCC" in levels else "cc" if "CC" in levels else "none"
    for mdc in sorted(scheme.mdcs, key=lambda row: row.order):
        if case.holds(mdc.rule):
            for adrg in _in_order(mdc.inside):
                if case.holds(adrg.rule):
                    return _in_adrg(case, mdc, adrg, severity)
    return ("ungroupable", None, None, None, None, "no_adrg")


def _in_adrg(case: PlainCase, mdc: Row, adrg: Row, severity: str) -> Answer:
    for drg in _in_order(adrg.inside):
        if case.holds(drg.rule):
            codes = (mdc.code, adrg.code, drg.code, severity)
            if adrg.code.endswith("QY"):
                return ("ambiguous", *codes, "ambiguous_procedure")
            if adrg.code.endswith("00"):
                return ("ungroupable", *codes, "record_insufficient")
            return ("grouped", *codes, None)
    return ("ungroupable", mdc.code, adrg.code, None, severity, "no_drg")


def _invalid(case: PlainCase) -> str | None:
    required, numbers = case.scheme.required, case.numbers
    if case.sex not in {1, 2}:
        return "sex_missing"
    if not case.diagnoses:
        return "diagnoses_missing"
    if "age" in required and numbers["NL"] is None:
        return "age_missing"
    infant = numbers["NL"] == 0
    days = numbers["XSRTL"]
    if "age_days" in required and infant and days is None:
        return "age_days_missing"
    newborn = infant and days is not None and days <= 28
    return "birth_weight_missing" if "birth_weight" in required and newborn and numbers["XSRTZ"] is None else None
