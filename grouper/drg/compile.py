"""Compile a scheme: rules -> clauses over facts -> bit tables for the kernel.

Codes with the same memberships are one class, so the tables stay small enough for a processor's cache: CHS-DRG 3.0 has
some 400 classes of principal diagnoses and 2,000 of principal procedures.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from grouper.drg import kernel as k
from grouper.drg.clauses import Clause, CodeFact, CountFact, Fact, LevelFact, NumberFact, clauses, conjunction
from grouper.fault import Text, UserError
from grouper.rule_language import Field
from grouper.scheme.pack import RuleRow, Scheme

_SCALARS = ("NL", "XB", "XSRTL", "XSRTZ", "ZYTS", "LYFS", "KS")
_OPERATORS = (">=", "<=", "<", ">", "=")
_LEVELS = {"CC": k.CC, "MCC": k.MCC}
_REQUIRED = ("sex", "age", "age_days", "birth_weight")

Bools = npt.NDArray[np.bool_]
Numbering = Mapping[str, int]


@dataclass(frozen=True, eq=False)
class CompiledScheme:
    """A scheme's tables for the kernel, and what their numbers mean outside."""

    scheme: Scheme
    tables: k.RuleTables
    diagnosis_number: Numbering
    """Folded code -> number; a code that is not here is number 0."""
    procedure_number: Numbering
    is_known_diagnosis: Bools
    """By number: whether the code is in the code list or in a set of the scheme."""
    is_known_procedure: Bools
    adrgs: tuple[RuleRow, ...]
    drgs: tuple[RuleRow, ...]
    scalars: frozenset[str]
    """The numbers that the scheme's rules compare (NL, XB, …)."""


@lru_cache(maxsize=8)
def compile_scheme(scheme: Scheme) -> CompiledScheme:
    """Return the kernel's tables of a scheme. Raises UserError where a rule is too large to be spelled out."""
    rules = _spell_out(scheme)
    bits = _number_facts(rules)
    facts = dict.fromkeys(literal.fact for clause in rules.every() for literal in clause)
    diagnosis_number = _number(scheme, facts, "DI")
    procedure_number = _number(scheme, facts, "OP")
    is_known_diagnosis = _known(diagnosis_number, scheme.is_known_diagnosis)
    is_known_procedure = _known(procedure_number, scheme.is_known_procedure)
    parts: dict[str, Any] = {
        **_code_tables(scheme, rules, bits, diagnosis_number, procedure_number),
        **_complication_tables(scheme, bits, diagnosis_number),
        **_number_tables(bits),
        **_count_tables(scheme, bits, diagnosis_number, procedure_number),
        **_clause_tables(rules, bits),
        "required": np.array([name in scheme.head.required for name in _REQUIRED], np.uint8),
        "principal_reason": _principal_reasons(scheme, diagnosis_number, is_known_diagnosis),
        "counts_as_none": _members(procedure_number, scheme.not_grouped_procedures),
    }
    return CompiledScheme(
        scheme=scheme,
        tables=k.RuleTables(**parts),
        diagnosis_number=diagnosis_number,
        procedure_number=procedure_number,
        is_known_diagnosis=is_known_diagnosis,
        is_known_procedure=is_known_procedure,
        adrgs=rules.adrgs,
        drgs=rules.drgs,
        scalars=frozenset(fact.scalar for fact in facts if isinstance(fact, NumberFact)),
    )


@dataclass(frozen=True)
class _Rules:
    """The rules of a scheme as clauses, in evaluation order: each ADRG's with its MDC's gate, each DRG's by itself."""

    adrgs: tuple[RuleRow, ...]
    drgs: tuple[RuleRow, ...]
    adrg_clauses: list[tuple[int, Clause]]
    drg_clauses: list[list[tuple[int, Clause]]]

    def every(self) -> Iterable[Clause]:
        yield from (clause for _, clause in self.adrg_clauses)
        yield from (clause for group in self.drg_clauses for _, clause in group)


def _spell_out(scheme: Scheme) -> _Rules:
    adrgs: list[RuleRow] = []
    drgs: list[RuleRow] = []
    adrg_clauses: list[tuple[int, Clause]] = []
    drg_clauses: list[list[tuple[int, Clause]]] = []
    for mdc in scheme.mdcs:
        gate = _clauses_of(mdc)
        for adrg in scheme.adrgs.get(mdc.code, ()):
            adrg_clauses += [(len(adrgs), clause) for clause in _clauses_of(adrg, gate)]
            inside = scheme.drgs.get(adrg.code, ())
            drg_clauses.append(
                [(len(drgs) + at, clause) for at, drg in enumerate(inside) for clause in _clauses_of(drg)]
            )
            adrgs.append(adrg)
            drgs.extend(inside)
    return _Rules(tuple(adrgs), tuple(drgs), adrg_clauses, drg_clauses)


def _clauses_of(row: RuleRow, gate: list[Clause] | None = None) -> list[Clause]:
    """Return the clauses of a row's rule, and of its MDC's gate; a rule too large to spell out is named."""
    try:
        return conjunction([[frozenset()] if gate is None else gate, clauses(row.rule)])
    except UserError as error:
        faults = [Text(f"{row.code}：{fault.zh}", f"{row.code}: {fault.en}") for fault in error.faults]
        raise UserError(faults) from error


def _is_principal(fact: Fact) -> bool:
    return isinstance(fact, CodeFact) and fact.field in {"ZYZD", "ZYSS"}


def _number_facts(rules: _Rules) -> dict[Fact, int]:
    """Give a number to each fact collected of a record; what an ADRG asks of principal codes is settled before."""
    asked = [fact for _, clause in rules.adrg_clauses for fact, _ in clause if not _is_principal(fact)]
    asked += [fact for group in rules.drg_clauses for _, clause in group for fact, _ in clause]
    return {fact: bit for bit, fact in enumerate(sorted(set(asked), key=repr))}


def _number(scheme: Scheme, facts: Iterable[Fact], kind: str) -> dict[str, int]:
    """Give a number, from 1, to each code of one kind, DI or OP."""
    is_diagnosis = kind == "DI"
    code_list = scheme.diagnosis_codes if is_diagnosis else scheme.procedure_codes
    names = {name for name in scheme.sets if name.startswith("OP") != is_diagnosis}
    for fact in facts:
        if isinstance(fact, CodeFact) and (fact.field in {"ZYZD", "QTZD"}) == is_diagnosis:
            names.update(fact.sets)
        if isinstance(fact, CountFact):
            names.add(fact.set)
    extra = scheme.complications if is_diagnosis else scheme.not_grouped_procedures
    codes = dict.fromkeys(code_list.official)
    for name in sorted(names):
        codes.update(dict.fromkeys(sorted(scheme.sets[name])))
    codes.update(dict.fromkeys(sorted(extra)))
    return {code: number for number, code in enumerate(codes, start=1)}


def _known(numbers: Numbering, is_known: Callable[[str], bool]) -> Bools:
    return np.array([False, *map(is_known, numbers)], np.bool_)


def _members(numbers: Numbering, codes: Iterable[str]) -> k.UInt8:
    members = np.zeros(len(numbers) + 1, np.uint8)
    members[[numbers[code] for code in codes if code in numbers]] = 1
    return members


def _principal_reasons(scheme: Scheme, numbers: Numbering, is_known: Bools) -> k.UInt8:
    reasons = _members(numbers, scheme.not_grouped_diagnoses) * np.uint8(k.PRINCIPAL_NOT_GROUPED)
    reasons[~is_known] = k.PRINCIPAL_UNKNOWN
    return reasons


def _pack(bools: Bools) -> k.Bits:
    """Pack each row of booleans into words of 64, at least one word a row."""
    words = max(1, -(-bools.shape[1] // 64))
    padded = np.zeros((bools.shape[0], 64 * words), np.bool_)
    padded[:, : bools.shape[1]] = bools
    packed: k.Bits = np.packbits(padded, axis=1, bitorder="little").view("<u8").astype(np.uint64)
    return packed


def _classes(numbers: Numbering, unions: Sequence[Iterable[str]]) -> tuple[k.Int32, Bools]:
    """Put codes of the same memberships in one class; class 0 is in none. Returns class of code, class × union."""
    held: dict[int, list[int]] = {}
    for column, codes in enumerate(unions):
        for code in codes:
            if code in numbers:
                held.setdefault(numbers[code], []).append(column)
    class_of_columns: dict[tuple[int, ...], int] = {(): 0}
    class_of_code = np.zeros(len(numbers) + 1, np.int32)
    for number in sorted(held):
        class_of_code[number] = class_of_columns.setdefault(tuple(held[number]), len(class_of_columns))
    membership = np.zeros((len(class_of_columns), len(unions)), np.bool_)
    for columns, row in class_of_columns.items():
        membership[row, list(columns)] = True
    return class_of_code, membership


def _code_tables(
    scheme: Scheme, rules: _Rules, bits: Mapping[Fact, int], diagnoses: Numbering, procedures: Numbering
) -> dict[str, Any]:
    facts = dict.fromkeys(fact for clause in rules.every() for fact, _ in clause if isinstance(fact, CodeFact))
    adrg_clauses = [clause for _, clause in rules.adrg_clauses]
    tables: dict[str, Any] = {}
    for field, name, numbers in (
        ("ZYZD", "principal_diagnosis", diagnoses),
        ("QTZD", "other_diagnosis", diagnoses),
        ("ZYSS", "principal_procedure", procedures),
        ("QTSS", "other_procedure", procedures),
    ):
        asked = [fact for fact in facts if fact.field == field]
        unions = [frozenset().union(*(scheme.sets[name] for name in fact.sets)) for fact in asked]
        class_of_code, membership = _classes(numbers, unions)
        record_facts = np.zeros((len(membership), len(bits)), np.bool_)
        for column, fact in enumerate(asked):
            if fact in bits:
                record_facts[:, bits[fact]] = membership[:, column]
        tables[f"{name}_class"] = class_of_code
        tables[f"{name}_facts"] = _pack(record_facts)
        if name.startswith("principal"):
            tables[f"{name}_clauses"] = _pack(_satisfied(membership, asked, adrg_clauses))
    return tables


def _satisfied(membership: Bools, facts: Sequence[Fact], clause_list: Sequence[Clause]) -> Bools:
    """Class × clause: whether what the clause asks of this field holds for the codes of the class."""
    must, must_not = _masks(clause_list, {fact: column for column, fact in enumerate(facts)})
    # float32 is exact for counts this small, and its matrix product is quick.
    held = membership.astype(np.float32)
    holding = held @ must.T.astype(np.float32)
    failing = held @ must_not.T.astype(np.float32)
    satisfied: Bools = (holding == must.sum(axis=1)) & (failing == 0)
    return satisfied


def _masks(clause_list: Sequence[Clause], bits: Mapping[Fact, int]) -> tuple[Bools, Bools]:
    """Clause × fact: which facts must hold and which must not, of those that are numbered."""
    must = np.zeros((len(clause_list), len(bits)), np.bool_)
    must_not = np.zeros_like(must)
    for row, clause in enumerate(clause_list):
        for fact, holds in clause:
            if fact in bits:
                (must if holds else must_not)[row, bits[fact]] = True
    return must, must_not


def _words(bits: Sequence[int]) -> tuple[k.Int32, k.Bits]:
    """Return the word and the mask of each bit; word -1 where a bit is negative."""
    word = np.array([bit >> 6 if bit >= 0 else k.MISSING for bit in bits], np.int32)
    mask = np.array([1 << (bit & 63) if bit >= 0 else 0 for bit in bits], np.uint64)
    return word, mask


def _complication_tables(scheme: Scheme, bits: Mapping[Fact, int], numbers: Numbering) -> dict[str, Any]:
    table_number = {name: number for number, name in enumerate(scheme.exclusions)}
    level = np.zeros(len(numbers) + 1, np.uint8)
    exclusion = np.full(len(numbers) + 1, k.MISSING, np.int32)
    for code, complication in scheme.complications.items():
        level[numbers[code]] = _LEVELS[complication.level]
        if complication.exclusion is not None:
            exclusion[numbers[code]] = table_number[complication.exclusion]
    excluding_class, excluding = _classes(numbers, list(scheme.exclusions.values()))
    by_level = [-1] * (k.MCC + 1)
    for name, number in _LEVELS.items():
        by_level[number] = bits.get(LevelFact(name), -1)
    level_word, level_bit = _words(by_level)
    return {
        "level": level,
        "exclusion": exclusion,
        "excluding_class": excluding_class,
        "excluding_tables": _pack(excluding),
        "level_word": level_word,
        "level_bit": level_bit,
    }


def _number_tables(bits: Mapping[Fact, int]) -> dict[str, Any]:
    facts = [fact for fact in bits if isinstance(fact, NumberFact)]
    word, bit = _words([bits[fact] for fact in facts])
    return {
        "number_scalar": np.array([_SCALARS.index(fact.scalar) for fact in facts], np.int32),
        "number_operator": np.array([_OPERATORS.index(fact.operator) for fact in facts], np.int32),
        "number_value": np.array([fact.value for fact in facts], np.int32),
        "number_word": word,
        "number_bit": bit,
    }


def _count_tables(
    scheme: Scheme, bits: Mapping[Fact, int], diagnoses: Numbering, procedures: Numbering
) -> dict[str, Any]:
    facts = [fact for fact in bits if isinstance(fact, CountFact)]
    word, bit = _words([bits[fact] for fact in facts])
    return {
        "count_diagnosis": _stacked([_members(diagnoses, scheme.sets[fact.set]) for fact in facts], diagnoses),
        "count_procedure": _stacked([_members(procedures, scheme.sets[fact.set]) for fact in facts], procedures),
        "count_diagnosis_fields": _counted_fields(facts, "ZYZD", "QTZD"),
        "count_procedure_fields": _counted_fields(facts, "ZYSS", "QTSS"),
        "count_minimum": np.array([fact.minimum for fact in facts], np.int32),
        "count_word": word,
        "count_bit": bit,
    }


def _stacked(rows: Sequence[k.UInt8], numbers: Numbering) -> k.UInt8:
    return np.array(rows, np.uint8).reshape(len(rows), len(numbers) + 1)


def _counted_fields(facts: Sequence[CountFact], *fields: Field) -> k.UInt8:
    asked = [[field in fact.fields for field in fields] for fact in facts]
    return np.array(asked, np.uint8).reshape(len(facts), len(fields))


def _clause_tables(rules: _Rules, bits: Mapping[Fact, int]) -> dict[str, Any]:
    must, must_not = _masks([clause for _, clause in rules.adrg_clauses], bits)
    in_order = [entry for group in rules.drg_clauses for entry in group]
    drg_must, drg_must_not = _masks([clause for _, clause in in_order], bits)
    kinds = [
        k.AMBIGUOUS if row.is_ambiguous else k.UNGROUPABLE if row.is_nameless_fallback else k.GROUPED
        for row in rules.adrgs
    ]
    return {
        "clause_holds": _pack(must),
        "clause_fails": _pack(must_not),
        "clause_adrg": np.array([adrg for adrg, _ in rules.adrg_clauses], np.int32),
        "adrg_status": np.array(kinds, np.uint8),
        "drg_start": np.cumsum([0, *map(len, rules.drg_clauses)]).astype(np.int32),
        "drg_holds": _pack(drg_must),
        "drg_fails": _pack(drg_must_not),
        "drg_row": np.array([row for row, _ in in_order], np.int32),
        "drg_status": np.array(
            [k.UNGROUPABLE if row.is_nameless_fallback else k.GROUPED for row in rules.drgs], np.uint8
        ),
    }
