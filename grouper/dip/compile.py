"""Compile a directory: rows -> short lists by main diagnosis and anchoring procedure, for the kernel.

A row is anchored by its main procedures, by the procedures of its first part where it asks for any position, or by
what stands for no procedure, any, or a class. Diagnoses with the same rows are one class.
"""

from bisect import bisect_right
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import pairwise
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from grouper.codes import CodeList
from grouper.columns import MISSING, Int32
from grouper.dip import kernel as k
from grouper.dip.cells import BASE, CATEGORY, SUBCATEGORY, Expression, Keys, procedure_names
from grouper.dip.directory import CASE_CLASSES, Directory, GroupRow, Tie, procedure_sets
from grouper.dip.ties import settled_by_table, split_ties

_TIES: dict[Tie, int] = {
    "specificity": k.SPECIFICITY,
    "parts": k.PARTS,
    "matched": k.MATCHED,
    "exact": k.EXACT,
    "first_procedure": k.FIRST_PROCEDURE,
    "mean_cost": k.MEAN_COST,
    "score": k.SCORE,
    "sequence": k.SEQUENCE,
}
_FATES = {"conservative": k.NOTHING, "not_main": k.NOT_MAIN, "main_within": k.MAIN_WITHIN}
_CONSERVATIVE = {"no_main": k.NO_MAIN, "no_procedure": k.NO_PROCEDURE, "no_operation": k.NO_OPERATION}
_CLASSES = {name: at for at, name in enumerate(CASE_CLASSES, start=k.SURGERY)}
_SCALARS = {"age_days": k.AGE_DAYS, "birth_weight": k.BIRTH_WEIGHT}
_UNKNOWN = "?"
"""Ends a code that stands for every unlisted code with the same beginning; no code has it."""

Bools = npt.NDArray[np.bool_]
_Fact = tuple[str, Any]
"""A column of a row and what it asks."""
_Value = TypeVar("_Value", bound=Hashable)


class Numbering:
    """Numbers of codes from 1 on. A code that is not listed has the number of its longest beginning that is, or 0."""

    def __init__(self, codes: Iterable[str], beginnings: Iterable[str]) -> None:
        stems = sorted({stem for stem in beginnings if stem})
        self.codes = ("", *sorted(set(codes)), *(stem + _UNKNOWN for stem in stems))
        self._numbers = {code: number for number, code in enumerate(self.codes)}
        self._lengths = sorted({len(stem) for stem in stems}, reverse=True)

    def __call__(self, code: str) -> int:
        """Return the number of a folded code."""
        number = self._numbers.get(code)
        if number is not None:
            return number
        stems = (self._numbers.get(code[:length] + _UNKNOWN) for length in self._lengths)
        return next((number for number in stems if number is not None), 0)


@dataclass(frozen=True, eq=False)
class CompiledDirectory:
    """A directory's tables for the kernel, and what their numbers mean outside."""

    scheme: Directory
    tables: k.DirectoryTables
    diagnosis_number: Numbering
    procedure_number: Numbering
    is_known_diagnosis: Bools
    """By number: whether the code is in the code list or is named by the directory."""
    is_known_procedure: Bools
    asks_age_days: bool
    asks_birth_weight: bool
    asks_charge: bool


@lru_cache(maxsize=8)
def compile_directory(directory: Directory) -> CompiledDirectory:
    """Return the kernel's tables of a directory."""
    diagnoses, procedures = _number_diagnoses(directory), _number_procedures(directory)
    sets = _Sets(directory, procedures)
    lists = _Lists(directory, diagnoses, len(procedures.codes), sets)
    tables = k.DirectoryTables(
        **_diagnosis_tables(directory, diagnoses),
        **_procedure_tables(directory, procedures, diagnoses),
        **lists.tables(),
        **_row_tables(directory, sets),
        **_switches(directory),
    )
    return CompiledDirectory(
        scheme=directory,
        tables=tables,
        diagnosis_number=diagnoses,
        procedure_number=procedures,
        is_known_diagnosis=_known(diagnoses, directory.diagnosis_codes, directory.named_diagnoses),
        is_known_procedure=_known(procedures, directory.procedure_codes, directory.named_procedures),
        asks_age_days=any(row.age_days is not None for row in directory.groups),
        asks_birth_weight=any(row.birth_weight is not None for row in directory.groups),
        asks_charge="mean_cost" in directory.head.switches.ties,
    )


def _number_diagnoses(directory: Directory) -> Numbering:
    codes = {
        *directory.diagnosis_codes.official,
        *(name for name in directory.named_diagnoses if len(name) > SUBCATEGORY),
    }
    stems = {code[:length] for code in codes for length in (CATEGORY, SUBCATEGORY)}
    if directory.head.switches.not_grouped_match == "prefix":
        stems |= directory.not_grouped
    return Numbering(codes, stems)


def _number_procedures(directory: Directory) -> Numbering:
    codes = {*directory.procedure_codes.official, *directory.named_procedures}
    stems = {code[:length] for code in codes for length in (2, 4, 5)} | directory.procedure_classes.keys()
    if directory.head.switches.procedure_match != "exact":
        stems |= {code[:BASE] + "x" for code in codes if len(code) >= BASE}
    return Numbering(codes, stems)


def _known(numbering: Numbering, code_list: CodeList, named: frozenset[str]) -> Bools:
    return np.array([code in code_list.official or code in named for code in numbering.codes])


class _Sets:
    """The sets of procedures that rows name, by number, and the procedures that each takes."""

    def __init__(self, directory: Directory, procedures: Numbering) -> None:
        self.number: dict[frozenset[str], int] = {}
        for row in directory.groups:
            for codes in procedure_sets(row):
                self.number.setdefault(codes, len(self.number))
        naming: dict[str, list[int]] = {}
        for codes, number in self.number.items():
            for code in codes:
                naming.setdefault(code, []).append(number)
        self.members: list[list[int]] = [[] for _ in self.number]
        self.of_procedure: list[list[int]] = []
        match = directory.head.switches.procedure_match
        for procedure, code in enumerate(procedures.codes):
            found = sorted({number for name in procedure_names(code, match) for number in naming.get(name, ())})
            self.of_procedure.append(found)
            for number in found:
                self.members[number].append(procedure)


class _Facts:
    """The facts that rows ask of a record besides its main diagnosis and procedures, one bit each."""

    def __init__(self, directory: Directory) -> None:
        self._markers = directory.markers
        asked = [fact for row in directory.groups for fact, _ in _facts_of_row(row)]
        self.bits = {fact: number for number, fact in enumerate(dict.fromkeys(asked))}
        self.words = max(1, -(-len(self.bits) // 64))
        markers = [keys for positions in directory.markers.values() for keys in positions.values()]
        self.named = _names([*markers, *(what for _, what in self.bits if isinstance(what, Keys))])

    def mask(self, facts: Iterable[_Fact]) -> int:
        """Return facts as one whole number."""
        return sum(1 << self.bits[fact] for fact in set(facts))

    def of_diagnosis(self, code: str, position: Literal["main", "other"]) -> int:
        """Return the facts that a diagnosis in a position gives."""
        return self.mask(fact for fact in self.bits if self._gives(fact, code, position))

    def _gives(self, fact: _Fact, code: str, position: Literal["main", "other"]) -> bool:
        name, what = fact
        if name == "marker":
            positions = self._markers[str(what)]
            return any(code in positions[one] for one in (position, "any") if one in positions)
        if name == "any_diagnosis" or (name == "other_diagnosis" and position == "other"):
            return code in what
        return False


def _facts_of_row(row: GroupRow) -> Iterator[tuple[_Fact, bool]]:
    """Yield the facts that a row asks for, and whether they must hold."""
    if row.marker is not None:
        yield ("marker", row.marker[0]), row.marker[1]
    for name, asked in (
        ("any_diagnosis", row.any_diagnosis),
        ("other_diagnosis", row.other_diagnosis),
        ("age_days", row.age_days),
        ("birth_weight", row.birth_weight),
    ):
        if asked is not None:
            yield (name, asked), True


def _names(keys: Iterable[Keys]) -> frozenset[str]:
    return frozenset[str]().union(*(found.names for found in keys))


def _words(masks: Sequence[int], words: int) -> npt.NDArray[np.uint64]:
    """Return whole numbers as rows of words of 64 bits."""
    rows = [[mask >> (64 * word) & 0xFFFF_FFFF_FFFF_FFFF for word in range(words)] for mask in masks]
    return np.array(rows, np.uint64).reshape(len(rows), words)


def _classes(
    codes: Sequence[str], named: Collection[str], value: Callable[[str], _Value], first: Sequence[_Value]
) -> tuple[Int32, list[_Value]]:
    """Return the number of each code's value, and the values, those of `first` first.

    `named`: every name that keys hold. Codes of a category have the same value where no key names one of them or its
    four characters.
    """
    seen: dict[str, int] = {}
    numbers = {one: number for number, one in enumerate(first)}
    classes = np.empty(len(codes), np.int32)
    for at, code in enumerate(codes):
        kin = next((kin for kin in (code, code[:SUBCATEGORY]) if kin in named), code[:CATEGORY])
        if kin not in seen:
            seen[kin] = numbers.setdefault(value(code), len(numbers))
        classes[at] = seen[kin]
    return classes, list(numbers)


def _diagnosis_tables(directory: Directory, diagnoses: Numbering) -> dict[str, Any]:
    facts = _Facts(directory)
    tests = [(name, limits, bit) for (name, limits), bit in facts.bits.items() if name in _SCALARS]
    tables: dict[str, Any] = {
        "principal_reason": np.array(
            [k.PRINCIPAL_NOT_GROUPED * directory.is_not_grouped(code) for code in diagnoses.codes], np.uint8
        ),
        "number_column": np.array([_SCALARS[name] for name, _, _ in tests], np.int32),
        "number_limits": np.array([limits for _, limits, _ in tests], np.int32).reshape(-1, 2),
        "number_word": np.array([bit // 64 for _, _, bit in tests], np.int32),
        "number_bit": np.array([1 << bit % 64 for _, _, bit in tests], np.uint64),
    }
    for position in ("main", "other"):
        classes, masks = _classes(diagnoses.codes, facts.named, partial(facts.of_diagnosis, position=position), [0])
        tables |= {f"{position}_fact_class": classes, f"{position}_facts": _words(masks, facts.words)}
    return tables


def _procedure_tables(directory: Directory, procedures: Numbering, diagnoses: Numbering) -> dict[str, Any]:
    rules = [directory.excluded.get(code) for code in procedures.codes]
    scopes = list(dict.fromkeys(rule.scope for rule in rules if rule is not None and rule.scope is not None))
    in_scope = [[code in scope for code in diagnoses.codes] for scope in scopes]
    classes = [directory.class_of(code) for code in procedures.codes]
    passive = {"therapeutic", "diagnostic"}
    return {
        "fate": np.array([_FATES[rule.rule] if rule else k.COUNTS for rule in rules], np.uint8),
        "scope": np.array([scopes.index(rule.scope) if rule and rule.scope else 0 for rule in rules], np.int32),
        "in_scope": np.array(in_scope, np.uint8).reshape(len(scopes), len(diagnoses.codes)),
        "procedure_class": np.array([_CLASSES[found] if found else k.UNCLASSED for found in classes], np.uint8),
        "is_operation": np.array(
            [directory.procedure_class(code) not in passive for code in procedures.codes], np.uint8
        ),
    }


class _Lists:
    """The rows that may take a record, by class of its main diagnosis and by anchor, in order of preference."""

    def __init__(self, directory: Directory, diagnoses: Numbering, procedures: int, sets: _Sets) -> None:
        self._directory = directory
        self._sets = sets
        self._anywhere = k.PSEUDO_ANCHORS + procedures
        self._anchors = {row.code: frozenset(self._anchors_of(row)) for row in directory.groups}
        every = tuple((row, 0) for row in directory.groups if row.main_diagnosis is None)
        nothing: tuple[tuple[GroupRow, int], ...] = ()
        named = _names(row.main_diagnosis for row in directory.groups if row.main_diagnosis is not None)
        classes, own = _classes(diagnoses.codes, named, self._own_rows, [nothing])
        self._class_of, self._classes = classes + np.int32(k.EVERY_DIAGNOSIS + 1), [every, *own]
        self._rank = settled_by_table(directory)

    def _own_rows(self, diagnosis: str) -> tuple[tuple[GroupRow, int], ...]:
        """Return the rows that name a main diagnosis."""
        return tuple(one for one in self._directory.candidates(diagnosis) if one[0].main_diagnosis is not None)

    def _anchors_of(self, row: GroupRow) -> Iterator[int]:
        members, number = self._sets.members, self._sets.number
        if row.main_procedure is not None:
            yield from (k.PSEUDO_ANCHORS + code for code in members[number[row.main_procedure]])
        elif row.is_conservative:
            yield k.WITHOUT_PROCEDURE
        elif row.procedures is not None:
            is_any = self._directory.head.switches.parts == "any"
            parts = [part for conjunction in row.procedures for part in conjunction[: None if is_any else 1]]
            yield from (self._anywhere + code for part in parts for code in members[number[part.codes]])
        else:
            yield k.CLASS_ANCHOR + _CLASSES[row.case_class] if row.case_class else k.WHATEVER

    def tables(self) -> dict[str, Any]:
        """Return the lists as arrays."""
        anchors, anchor_list, class_start = [], [], [0]
        lists: dict[tuple[tuple[int, int, int], ...], int] = {}
        for rows in self._classes:
            for anchor, found in sorted(self._by_anchor(rows).items()):
                anchors.append(anchor)
                anchor_list.append(lists.setdefault(tuple(sorted(found)), len(lists)))
            class_start.append(len(anchors))
        entries = [entry for rows in lists for entry in rows]
        every = self._classes[k.EVERY_DIAGNOSIS]
        spans = pairwise(class_start)
        return {
            "diagnosis_class": self._class_of,
            "class_start": np.array(class_start, np.int32),
            "class_turns": np.array([self._turns(anchors[low:high]) for low, high in spans], np.uint8),
            "has_classed": np.array(
                [any(row.case_class for row, _ in (*every, *rows)) for rows in self._classes], np.uint8
            ),
            "anchor": np.array(anchors, np.int32),
            "anchor_list": np.array(anchor_list, np.int32),
            "list_start": _starts(lists),
            "list_rank": np.array([rank for rank, _, _ in entries], np.int32),
            "list_row": np.array([row for _, row, _ in entries], np.int32),
            "list_specificity": np.array([specificity for _, _, specificity in entries], np.int32),
        }

    def _turns(self, anchors: Iterable[int]) -> int:
        """Return the kinds of anchors as bits, by the turn in which the kernel looks for them."""
        kinds = (k.CLASS_ANCHOR + 1, k.PSEUDO_ANCHORS, self._anywhere)
        first = {k.WITHOUT_PROCEDURE: k.NOTHING_TURN, k.WHATEVER: k.WHATEVER_TURN}
        turns = {first[a] if a in first else k.CLASS_TURN + bisect_right(kinds, a) - 1 for a in anchors}
        return sum(1 << turn for turn in turns)

    def _by_anchor(self, rows: Iterable[tuple[GroupRow, int]]) -> dict[int, list[tuple[int, int, int]]]:
        found: dict[int, list[tuple[int, int, int]]] = {}
        for row, specificity in rows:
            entry = (self._rank[row.sequence, specificity], row.sequence, specificity)
            for anchor in self._anchors[row.code]:
                found.setdefault(anchor, []).append(entry)
        return found


def _row_tables(directory: Directory, sets: _Sets) -> dict[str, Any]:
    rows, facts = directory.groups, _Facts(directory)
    scores = {
        score: place
        for place, score in enumerate(sorted({row.score for row in rows if row.score is not None}), start=1)
    }
    asked = [list(_facts_of_row(row)) for row in rows]
    named = [sorted({sets.number[codes] for codes in procedure_sets(row)}) for row in rows]
    program: list[int] = []
    places: dict[Expression, int] = {}
    return {
        "row_class": np.array([_CLASSES[row.case_class] if row.case_class else 0 for row in rows], np.uint8),
        "row_holds": _words([facts.mask(fact for fact, holds in one if holds) for one in asked], facts.words),
        "row_fails": _words([facts.mask(fact for fact, holds in one if not holds) for one in asked], facts.words),
        "row_expressions": np.array(
            [
                [_place(expression, sets, program, places) for expression in (row.related, row.procedures)]
                for row in rows
            ],
            np.int32,
        ),
        "expressions": np.array(program, np.int32),
        "row_set_start": _starts(named),
        "row_set": np.array([number for numbers in named for number in numbers], np.int32),
        "row_mean_cost": np.array([MISSING if row.mean_cost is None else row.mean_cost for row in rows], np.int64),
        "row_score": np.array([0 if row.score is None else scores[row.score] for row in rows], np.int32),
        "member_start": _starts(sets.of_procedure),
        "member_set": np.array([number for numbers in sets.of_procedure for number in numbers], np.int32),
    }


def _place(expression: Expression | None, sets: _Sets, program: list[int], places: dict[Expression, int]) -> int:
    """Return where an expression stands in the program, added to it where it is new."""
    if expression is None:
        return MISSING
    if expression not in places:
        places[expression] = len(program)
        program.append(len(expression))
        for conjunction in expression:
            program.append(len(conjunction))
            for part in conjunction:
                program += (sets.number[part.codes], part.needed)
    return places[expression]


def _starts(lists: Iterable[Sequence[object]]) -> Int32:
    """Return where each list begins in all of them in a row, and where the last ends."""
    return np.cumsum([0, *(len(one) for one in lists)], dtype=np.int32)


def _switches(directory: Directory) -> dict[str, Any]:
    switches = directory.head.switches
    _, by_record = split_ties(directory)
    return {
        "ties": np.array([_TIES[tie] for tie in by_record], np.int32),
        "is_any_part": switches.parts == "any",
        "is_unmatched_refused": switches.unmatched_procedures == "refused",
        "conservative": _CONSERVATIVE[switches.conservative],
        "is_highest_class": switches.class_of_case == "highest",
        "blank_group": len(directory.groups) if switches.blank_group else MISSING,
    }
