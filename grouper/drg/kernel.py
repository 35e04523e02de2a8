"""The grouping kernels: a few passes over encoded records, for every DRG scheme.

A record's principal diagnosis and principal procedure leave a few clauses to test; the rest of the record is a vector
of facts, one bit each. The first clause whose facts hold names the ADRG, then likewise the DRG inside it.

Each kernel takes plain arrays: arrays inside tuples would be reference-counted at every use.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from grouper.jit import kernel, lowest_bit

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
FIRST, OTHERS = 0, 1
NL, XB, XSRTL, XSRTZ, ZYTS, LYFS, KS = 0, 1, 2, 3, 4, 5, 6
AT_LEAST, AT_MOST, BELOW, ABOVE, EQUAL = 0, 1, 2, 3, 4
NEWBORN_DAYS = 28
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
    number_value: Int32  # [tests]
    number_word: Int32  # [tests]
    number_bit: Bits  # [tests]
    count_diagnosis: UInt8  # [counts, D] members of the counted set
    count_procedure: UInt8  # [counts, P]
    count_diagnosis_fields: UInt8  # [counts, 2] whether the principal one and the others are counted
    count_procedure_fields: UInt8  # [counts, 2]
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
    """Encoded records; missing numbers are MISSING. `*_code`: code number of a dictionary entry, BLANK for blanks."""

    numbers: Int32  # [7, n] NL, XB, XSRTL, XSRTZ, ZYTS, LYFS, KS
    diagnosis_start: Int64  # [n + 1] offsets into diagnosis
    diagnosis: Int32  # dictionary entries; MISSING for null
    diagnosis_code: Int32  # [dictionary]
    procedure_start: Int64  # [n + 1]
    procedure: Int32
    procedure_code: Int32


class Answers(NamedTuple):
    """One entry a record. ADRG and DRG rows are MISSING, and severity NO_MDC, where a status has none."""

    status: UInt8
    adrg: Int16
    drg: Int16
    severity: UInt8
    reason: UInt8


def group_records(tables: RuleTables, records: Records) -> Answers:
    """Group every record; equal to grouper.drg.reference.group_case on each."""
    rows = records.numbers.shape[1]
    answers = Answers(
        np.full(rows, UNGROUPABLE, np.uint8),
        np.full(rows, MISSING, np.int16),
        np.full(rows, MISSING, np.int16),
        np.full(rows, NO_MDC, np.uint8),
        np.zeros(rows, np.uint8),
    )
    diagnoses = records.diagnosis_start, records.diagnosis, records.diagnosis_code
    procedures = records.procedure_start, records.procedure, records.procedure_code
    principal = np.zeros(rows, np.int32)
    principal_procedure = np.zeros(rows, np.int32)
    other_procedures = np.empty(rows, np.int64)
    check_records(
        tables.required, tables.principal_reason, records.numbers, *diagnoses, principal, answers.status, answers.reason
    )
    find_principal_procedures(tables.counts_as_none, *procedures, principal_procedure, other_procedures)
    diagnosis_class = np.take(tables.principal_diagnosis_class, principal)
    procedure_class = np.take(tables.principal_procedure_class, principal_procedure)
    facts = np.take(tables.principal_diagnosis_facts, diagnosis_class, axis=0)
    facts |= np.take(tables.principal_procedure_facts, procedure_class, axis=0)
    other_diagnoses = records.diagnosis_start[:-1] + 1
    add_code_facts(tables.other_diagnosis_class, tables.other_diagnosis_facts, *diagnoses, other_diagnoses, facts)
    add_code_facts(tables.other_procedure_class, tables.other_procedure_facts, *procedures, other_procedures, facts)
    severity = np.full(rows, NONE, np.uint8)
    add_complications(
        tables.level,
        tables.exclusion,
        tables.excluding_tables,
        np.take(tables.excluding_class, principal),
        tables.level_word,
        tables.level_bit,
        *diagnoses,
        severity,
        facts,
    )
    add_number_facts(
        tables.number_scalar,
        tables.number_operator,
        tables.number_value,
        tables.number_word,
        tables.number_bit,
        records.numbers,
        facts,
    )
    _add_count_facts(tables, records, principal, principal_procedure, other_procedures, facts)
    find_adrgs(
        tables.principal_diagnosis_clauses,
        diagnosis_class,
        tables.principal_procedure_clauses,
        procedure_class,
        tables.clause_holds,
        tables.clause_fails,
        tables.clause_adrg,
        facts,
        answers.adrg,
        answers.reason,
    )
    find_drgs(
        tables.adrg_status,
        tables.drg_start,
        tables.drg_holds,
        tables.drg_fails,
        tables.drg_row,
        tables.drg_status,
        facts,
        answers.adrg,
        answers.drg,
        answers.status,
        answers.reason,
    )
    np.copyto(answers.severity, severity, where=answers.adrg >= 0)
    return answers


def _add_count_facts(
    tables: RuleTables, records: Records, principal: Int32, procedure: Int32, other_procedures: Int64, facts: Bits
) -> None:
    for count, minimum in enumerate(tables.count_minimum):
        total = np.zeros(len(principal), np.int32)
        count_codes(
            tables.count_diagnosis[count],
            tables.count_diagnosis_fields[count],
            records.diagnosis_start,
            records.diagnosis,
            records.diagnosis_code,
            principal,
            records.diagnosis_start[:-1] + 1,
            total,
        )
        count_codes(
            tables.count_procedure[count],
            tables.count_procedure_fields[count],
            records.procedure_start,
            records.procedure,
            records.procedure_code,
            procedure,
            other_procedures,
            total,
        )
        facts[total >= minimum, tables.count_word[count]] |= tables.count_bit[count]


@kernel
def check_records(
    required: UInt8,
    principal_reason: UInt8,
    numbers: Int32,
    start: Int64,
    diagnosis: Int32,
    code: Int32,
    principal: Int32,
    status: UInt8,
    reason: UInt8,
) -> None:
    """Fill `principal`, and `status` and `reason` of the records that cannot be grouped at all."""
    for case in range(len(principal)):
        if numbers[XB, case] != 1 and numbers[XB, case] != 2:
            reason[case] = SEX_MISSING
        elif start[case] == start[case + 1]:
            reason[case] = DIAGNOSES_MISSING
        elif required[1] and numbers[NL, case] < 0:
            reason[case] = AGE_MISSING
        elif required[2] and numbers[NL, case] == 0 and numbers[XSRTL, case] < 0:
            reason[case] = AGE_DAYS_MISSING
        elif (
            required[3]
            and numbers[NL, case] == 0
            and 0 <= numbers[XSRTL, case] <= NEWBORN_DAYS
            and numbers[XSRTZ, case] < 0
        ):
            reason[case] = BIRTH_WEIGHT_MISSING
        if reason[case]:
            status[case] = INVALID
            continue
        entry = diagnosis[start[case]]
        first = code[entry] if entry >= 0 else BLANK
        if first == BLANK:
            reason[case] = PRINCIPAL_BLANK
        else:
            principal[case] = first
            reason[case] = principal_reason[first]


@kernel
def find_principal_procedures(
    counts_as_none: UInt8, start: Int64, procedure: Int32, code: Int32, principal: Int32, others: Int64
) -> None:
    """Fill the first procedure that is not blank (0 where it counts as none) and where the others begin."""
    for case in range(len(principal)):
        others[case] = start[case + 1]
        for at in range(start[case], start[case + 1]):
            entry = procedure[at]
            if entry >= 0 and code[entry] != BLANK:
                others[case] = at + 1
                if not counts_as_none[code[entry]]:
                    principal[case] = code[entry]
                break


@kernel
def add_code_facts(
    class_of_code: Int32, class_facts: Bits, start: Int64, entries: Int32, code: Int32, first: Int64, facts: Bits
) -> None:
    """Add the facts of every code from `first` to the end of each record."""
    for case in range(len(first)):
        for at in range(first[case], start[case + 1]):
            entry = entries[at]
            if entry >= 0 and code[entry] > 0:
                row = class_of_code[code[entry]]
                for word in range(facts.shape[1]):
                    facts[case, word] |= class_facts[row, word]


@kernel
def add_complications(
    level: UInt8,
    exclusion: Int32,
    excluding_tables: Bits,
    excluding: Int32,
    level_word: Int32,
    level_bit: Bits,
    start: Int64,
    diagnosis: Int32,
    code: Int32,
    severity: UInt8,
    facts: Bits,
) -> None:
    """Judge each other diagnosis by itself: its level, unless its exclusion table holds the principal diagnosis."""
    for case in range(len(severity)):
        for at in range(start[case] + 1, start[case + 1]):
            entry = diagnosis[at]
            if entry < 0 or code[entry] <= 0 or not level[code[entry]]:
                continue
            table = exclusion[code[entry]]
            if table >= 0 and excluding_tables[excluding[case], table >> 6] >> np.uint64(table & 63) & np.uint64(1):
                continue
            found = level[code[entry]]
            severity[case] = max(severity[case], found)
            if level_word[found] >= 0:
                facts[case, level_word[found]] |= level_bit[found]


@kernel
def add_number_facts(
    scalar: Int32, operator: Int32, limit: Int32, word: Int32, bit: Bits, numbers: Int32, facts: Bits
) -> None:
    """Add the facts about ages, weights and stays; a missing number satisfies no comparison."""
    for case in range(numbers.shape[1]):
        for test in range(len(limit)):
            value = numbers[scalar[test], case]
            if value >= 0 and _compares(value, operator[test], limit[test]):
                facts[case, word[test]] |= bit[test]


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
def count_codes(
    member: UInt8,
    fields: UInt8,
    start: Int64,
    entries: Int32,
    code: Int32,
    principal: Int32,
    others: Int64,
    total: Int32,
) -> None:
    """Add to `total` the distinct members of a set among the counted fields of each record."""
    for case in range(len(total)):
        has_principal = fields[FIRST] and member[principal[case]]
        total[case] += has_principal
        end = start[case + 1] if fields[OTHERS] else others[case]
        for at in range(others[case], end):
            found = code[entries[at]] if entries[at] >= 0 else BLANK
            if found <= 0 or not member[found] or (has_principal and found == principal[case]):
                continue
            is_new = True
            for earlier in range(others[case], at):
                if entries[earlier] >= 0 and code[entries[earlier]] == found:
                    is_new = False
            total[case] += is_new


@kernel
def find_adrgs(
    diagnosis_clauses: Bits,
    diagnosis_class: Int32,
    procedure_clauses: Bits,
    procedure_class: Int32,
    holds: Bits,
    fails: Bits,
    clause_adrg: Int32,
    facts: Bits,
    adrg: Int16,
    reason: UInt8,
) -> None:
    """Fill the ADRG of the first clause that holds, or the reason that there is none."""
    for case in range(len(adrg)):
        if reason[case]:
            continue
        for word in range(diagnosis_clauses.shape[1]):
            left = diagnosis_clauses[diagnosis_class[case], word] & procedure_clauses[procedure_class[case], word]
            while left:
                clause = 64 * word + int(lowest_bit(left))
                if _holds(holds, fails, clause, facts, case):
                    adrg[case] = clause_adrg[clause]
                    break
                left &= left - np.uint64(1)
            if adrg[case] != MISSING:
                break
        if adrg[case] == MISSING:
            reason[case] = NO_ADRG


@kernel
def _holds(holds: Bits, fails: Bits, clause: int, facts: Bits, case: int) -> bool:
    for word in range(facts.shape[1]):
        if (facts[case, word] & holds[clause, word]) != holds[clause, word] or facts[case, word] & fails[clause, word]:
            return False
    return True


@kernel
def find_drgs(
    adrg_status: UInt8,
    drg_start: Int32,
    holds: Bits,
    fails: Bits,
    drg_row: Int32,
    drg_status: UInt8,
    facts: Bits,
    adrg: Int16,
    drg: Int16,
    status: UInt8,
    reason: UInt8,
) -> None:
    """Fill DRG, status and reason of the records that have an ADRG."""
    for case in range(len(adrg)):
        if adrg[case] == MISSING:
            continue
        reason[case] = NO_DRG
        for clause in range(drg_start[adrg[case]], drg_start[adrg[case] + 1]):
            if _holds(holds, fails, clause, facts, case):
                drg[case] = drg_row[clause]
                found = adrg_status[adrg[case]]
                if found == GROUPED:
                    found = drg_status[drg[case]]
                status[case] = found
                reason[case] = 0
                if found == AMBIGUOUS:
                    reason[case] = AMBIGUOUS_PROCEDURE
                elif found == UNGROUPABLE:
                    reason[case] = RECORD_INSUFFICIENT
                break
