"""The grouping kernel: one pass over encoded records, for every DRG scheme.

A record's principal diagnosis and principal procedure leave a few clauses to test; the rest of the record is a vector
of facts, one bit each. The first clause whose facts hold names the ADRG, then likewise the DRG inside it.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from grouper.jit import kernel

Bits = npt.NDArray[np.uint64]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
UInt8 = npt.NDArray[np.uint8]
Int16 = npt.NDArray[np.int16]

GROUPED, AMBIGUOUS, UNGROUPABLE, INVALID = 0, 1, 2, 3
NO_MDC, NONE, CC, MCC = 0, 1, 2, 3
(SEX_MISSING, DIAGNOSES_MISSING, AGE_MISSING, AGE_DAYS_MISSING, BIRTH_WEIGHT_MISSING) = (1, 2, 3, 4, 5)
(PRINCIPAL_BLANK, PRINCIPAL_UNKNOWN, PRINCIPAL_NOT_GROUPED) = (6, 7, 8)
(NO_ADRG, NO_DRG, RECORD_INSUFFICIENT, AMBIGUOUS_PROCEDURE) = (9, 10, 11, 12)
ZYZD, QTZD, ZYSS, QTSS = 0, 1, 2, 3
NL, XB, XSRTL, XSRTZ, ZYTS, LYFS, KS = 0, 1, 2, 3, 4, 5, 6
AT_LEAST, AT_MOST, BELOW, ABOVE, EQUAL = 0, 1, 2, 3, 4
MISSING = -1
BLANK = -1


class RuleTables(NamedTuple):
    """A compiled scheme. Codes are numbered from 0, and 0 is every unknown code; words hold 64 facts or clauses.

    Shapes: D diagnosis codes, P procedure codes, C clauses in W words, F words of facts, A ADRGs, G DRG rows.
    """

    required: UInt8  # [4] sex, age, age_days, birth_weight
    principal_reason: UInt8  # [D] why the code cannot be a principal diagnosis, or 0
    counts_as_none: UInt8  # [P] whether the code counts as no principal procedure
    principal_diagnosis_class: Int32  # [D]
    principal_diagnosis_clauses: Bits  # [classes, W] clauses that a principal diagnosis satisfies
    principal_diagnosis_facts: Bits  # [classes, F]
    principal_procedure_class: Int32  # [P], class 0 is none
    principal_procedure_clauses: Bits  # [classes, W]
    principal_procedure_facts: Bits  # [classes, F]
    other_diagnosis_class: Int32  # [D]
    other_diagnosis_facts: Bits  # [classes, F]
    other_procedure_class: Int32  # [P]
    other_procedure_facts: Bits  # [classes, F]
    level: UInt8  # [D] 0, CC or MCC
    exclusion: Int32  # [D] exclusion table of a complication, or -1
    excluding_class: Int32  # [D]
    excluding_tables: Bits  # [classes, words] exclusion tables that contain the principal diagnosis
    level_word: Int32  # [MCC + 1] fact of each level: word, or -1
    level_bit: Bits  # [MCC + 1]
    number_scalar: Int32  # [tests]
    number_operator: Int32  # [tests]
    number_value: Int64  # [tests]
    number_word: Int32  # [tests]
    number_bit: Bits  # [tests]
    count_diagnosis: UInt8  # [D, counts]
    count_procedure: UInt8  # [P, counts]
    count_fields: UInt8  # [counts, 4]
    count_minimum: Int32  # [counts]
    count_word: Int32  # [counts]
    count_bit: Bits  # [counts]
    clause_holds: Bits  # [C, F] facts that must hold
    clause_fails: Bits  # [C, F] facts that must not
    clause_adrg: Int32  # [C]
    adrg_status: UInt8  # [A] status a case of the ADRG gets
    drg_start: Int32  # [A + 1] first DRG clause of each ADRG
    drg_holds: Bits  # [DRG clauses, F]
    drg_fails: Bits  # [DRG clauses, F]
    drg_row: Int32  # [DRG clauses]
    drg_status: UInt8  # [G] UNGROUPABLE for a nameless fallback, otherwise GROUPED


class Records(NamedTuple):
    """Encoded records. Missing numbers are negative. `*_code` maps dictionary entries to code numbers, BLANK for blanks."""

    sex: Int32  # [n]
    age: Int32  # [n] years
    age_days: Int32  # [n]
    weight: Int32  # [n] grams
    length_of_stay: Int32  # [n] days
    discharge_way: Int32  # [n]
    department: Int32  # [n]
    diagnosis_start: Int64  # [n + 1] offsets into diagnosis
    diagnosis: Int32  # dictionary entries; MISSING for null
    diagnosis_code: Int32  # [dictionary]
    procedure_start: Int64  # [n + 1]
    procedure: Int32
    procedure_code: Int32


class Answers(NamedTuple):
    """What the kernel fills, one entry a record. ADRG and DRG rows are MISSING where a status has none."""

    status: UInt8
    adrg: Int16
    drg: Int16
    severity: UInt8
    reason: UInt8


@kernel
def group_records(tables: RuleTables, records: Records, answers: Answers) -> None:
    """Group every record; equal to grouper.drg.reference.group_case on each."""
    facts = np.zeros(tables.clause_holds.shape[1], np.uint64)
    numbers = np.zeros(7, np.int64)
    for case in range(len(records.sex)):
        _read_numbers(numbers, records, case)
        answers.adrg[case] = MISSING
        answers.drg[case] = MISSING
        answers.severity[case] = NO_MDC
        reason = _invalid(tables, records, numbers, case)
        if reason:
            answers.status[case] = INVALID
            answers.reason[case] = reason
            continue
        principal = _code(records.diagnosis, records.diagnosis_code, records.diagnosis_start[case])
        reason = np.uint8(PRINCIPAL_BLANK) if principal == BLANK else tables.principal_reason[principal]
        if reason:
            answers.status[case] = UNGROUPABLE
            answers.reason[case] = reason
            continue
        first, procedure = _principal_procedure(tables, records, case)
        severity = _collect_facts(tables, records, numbers, case, principal, first, procedure, facts)
        adrg = _first_adrg(tables, principal, procedure, facts)
        if adrg == MISSING:
            answers.status[case] = UNGROUPABLE
            answers.reason[case] = NO_ADRG
            continue
        answers.adrg[case] = adrg
        answers.severity[case] = severity
        _place_in_adrg(tables, adrg, facts, answers, case)


@kernel
def _code(entries: Int32, codes: Int32, at: int) -> int:
    """Return the code number of one entry of a record, BLANK where there is none."""
    entry = entries[at]
    return BLANK if entry < 0 else codes[entry]


@kernel
def _read_numbers(numbers: Int64, records: Records, case: int) -> None:
    """Fill the numbers that rules compare; a weight of 0, and an adult's day age, are missing."""
    numbers[NL] = records.age[case]
    numbers[XB] = records.sex[case]
    numbers[XSRTL] = records.age_days[case] if records.age[case] <= 0 else MISSING
    numbers[XSRTZ] = records.weight[case] if records.weight[case] > 0 else MISSING
    numbers[ZYTS] = records.length_of_stay[case]
    numbers[LYFS] = records.discharge_way[case]
    numbers[KS] = records.department[case]


@kernel
def _invalid(tables: RuleTables, records: Records, numbers: Int64, case: int) -> int:
    """Return the reason why a record is invalid, or 0."""
    if numbers[XB] != 1 and numbers[XB] != 2:
        return SEX_MISSING
    if records.diagnosis_start[case] == records.diagnosis_start[case + 1]:
        return DIAGNOSES_MISSING
    if tables.required[1] and numbers[NL] < 0:
        return AGE_MISSING
    if numbers[NL] == 0:
        if tables.required[2] and numbers[XSRTL] < 0:
            return AGE_DAYS_MISSING
        if tables.required[3] and 0 <= numbers[XSRTL] <= 28 and numbers[XSRTZ] < 0:
            return BIRTH_WEIGHT_MISSING
    return 0


@kernel
def _principal_procedure(tables: RuleTables, records: Records, case: int) -> tuple[int, int]:
    """Return where the first procedure stands and its code; the code is BLANK where it counts as none."""
    end = records.procedure_start[case + 1]
    for at in range(records.procedure_start[case], end):
        code = _code(records.procedure, records.procedure_code, at)
        if code != BLANK:
            return at, (BLANK if tables.counts_as_none[code] else code)
    return end, BLANK


@kernel
def _collect_facts(
    tables: RuleTables,
    records: Records,
    numbers: Int64,
    case: int,
    principal: int,
    first: int,
    procedure: int,
    facts: Bits,
) -> int:
    """Fill the record's facts and return its severity."""
    diagnosis_class = tables.principal_diagnosis_class[principal]
    procedure_class = 0 if procedure == BLANK else tables.principal_procedure_class[procedure]
    for word in range(len(facts)):
        facts[word] = (
            tables.principal_diagnosis_facts[diagnosis_class, word]
            | tables.principal_procedure_facts[procedure_class, word]
        )
    for at in range(first + 1, records.procedure_start[case + 1]):
        code = _code(records.procedure, records.procedure_code, at)
        if code > 0:
            row = tables.other_procedure_class[code]
            for word in range(len(facts)):
                facts[word] |= tables.other_procedure_facts[row, word]
    severity = _other_diagnoses(tables, records, case, principal, facts)
    for test in range(len(tables.number_value)):
        value = numbers[tables.number_scalar[test]]
        if value >= 0 and _compares(value, tables.number_operator[test], tables.number_value[test]):
            facts[tables.number_word[test]] |= tables.number_bit[test]
    for count in range(len(tables.count_minimum)):
        if _counted(tables, records, case, first, procedure, count) >= tables.count_minimum[count]:
            facts[tables.count_word[count]] |= tables.count_bit[count]
    return severity


@kernel
def _other_diagnoses(tables: RuleTables, records: Records, case: int, principal: int, facts: Bits) -> int:
    """Add the facts of the other diagnoses, complications among them, and return the severity."""
    excluding = tables.excluding_tables[tables.excluding_class[principal]]
    severity = NONE
    for at in range(records.diagnosis_start[case] + 1, records.diagnosis_start[case + 1]):
        code = _code(records.diagnosis, records.diagnosis_code, at)
        if code > 0:
            row = tables.other_diagnosis_class[code]
            for word in range(len(facts)):
                facts[word] |= tables.other_diagnosis_facts[row, word]
            level = tables.level[code]
            if level:
                table = tables.exclusion[code]
                if table < 0 or not (excluding[table >> 6] >> np.uint64(table & 63)) & np.uint64(1):
                    severity = max(severity, level)
                    if tables.level_word[level] >= 0:
                        facts[tables.level_word[level]] |= tables.level_bit[level]
    return severity


@kernel
def _compares(value: int, operator: int, limit: int) -> bool:
    if operator == AT_LEAST:
        return value >= limit
    if operator == AT_MOST:
        return value <= limit
    if operator == BELOW:
        return value < limit
    if operator == ABOVE:
        return value > limit
    return value == limit


@kernel
def _counted(tables: RuleTables, records: Records, case: int, first: int, procedure: int, count: int) -> int:
    """Return how many distinct codes of the counted fields are in the counted set."""
    fields = tables.count_fields[count]
    total = 0
    start = records.diagnosis_start[case] + (0 if fields[ZYZD] else 1)
    end = records.diagnosis_start[case + 1] if fields[QTZD] else records.diagnosis_start[case] + 1
    total += _distinct_members(records.diagnosis, records.diagnosis_code, start, end, tables.count_diagnosis[:, count])
    start = first if fields[ZYSS] and procedure != BLANK else first + 1
    end = records.procedure_start[case + 1] if fields[QTSS] else min(first + 1, records.procedure_start[case + 1])
    return total + _distinct_members(
        records.procedure, records.procedure_code, start, end, tables.count_procedure[:, count]
    )


@kernel
def _distinct_members(entries: Int32, codes: Int32, start: int, end: int, members: UInt8) -> int:
    total = 0
    for at in range(start, end):
        code = _code(entries, codes, at)
        if code > 0 and members[code]:
            is_new = True
            for earlier in range(start, at):
                if _code(entries, codes, earlier) == code:
                    is_new = False
            total += is_new
    return total


@kernel
def _first_adrg(tables: RuleTables, principal: int, procedure: int, facts: Bits) -> int:
    """Return the ADRG of the first clause that holds, or MISSING."""
    by_diagnosis = tables.principal_diagnosis_clauses[tables.principal_diagnosis_class[principal]]
    by_procedure = tables.principal_procedure_clauses[
        0 if procedure == BLANK else tables.principal_procedure_class[procedure]
    ]
    for word in range(len(by_diagnosis)):
        left = by_diagnosis[word] & by_procedure[word]
        while left:
            lowest = left & (~left + np.uint64(1))
            clause = 64 * word + math.frexp(float(lowest))[1] - 1
            if _holds(tables.clause_holds[clause], tables.clause_fails[clause], facts):
                return tables.clause_adrg[clause]
            left ^= lowest
    return MISSING


@kernel
def _holds(must: Bits, must_not: Bits, facts: Bits) -> bool:
    for word in range(len(facts)):
        if (facts[word] & must[word]) != must[word] or facts[word] & must_not[word]:
            return False
    return True


@kernel
def _place_in_adrg(tables: RuleTables, adrg: int, facts: Bits, answers: Answers, case: int) -> None:
    """Find the DRG inside the ADRG and write status and reason."""
    answers.status[case] = UNGROUPABLE
    answers.reason[case] = NO_DRG
    for clause in range(tables.drg_start[adrg], tables.drg_start[adrg + 1]):
        if _holds(tables.drg_holds[clause], tables.drg_fails[clause], facts):
            row = tables.drg_row[clause]
            status = tables.adrg_status[adrg]
            if status == GROUPED:
                status = tables.drg_status[row]
            answers.drg[case] = row
            answers.status[case] = status
            if status == GROUPED:
                answers.reason[case] = 0
            elif status == AMBIGUOUS:
                answers.reason[case] = AMBIGUOUS_PROCEDURE
            else:
                answers.reason[case] = RECORD_INSUFFICIENT
            return
