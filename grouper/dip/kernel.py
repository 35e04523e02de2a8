"""The grouping kernels: a few passes over encoded records, for every DIP directory.

A record's main diagnosis and each procedure that may anchor a row lead, by one search, to a short list of rows in
order of preference; what is left to test of a row are few bits and few lists of procedures.

Each kernel takes plain arrays: arrays inside tuples would be reference-counted at every use.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from grouper.columns import BLANK, MISSING, Int32, Int64
from grouper.jit import kernel

Bits = npt.NDArray[np.uint64]
UInt8 = npt.NDArray[np.uint8]


GROUPED, UNGROUPABLE, INVALID = 0, 1, 2
DIAGNOSES_MISSING, PRINCIPAL_BLANK, PRINCIPAL_NOT_GROUPED, NO_GROUP, CLASS_UNKNOWN = 1, 2, 3, 4, 5
AGE_DAYS, BIRTH_WEIGHT = 0, 1
COUNTS, NOTHING, NOT_MAIN, MAIN_WITHIN = 0, 1, 2, 3
UNCLASSED, SURGERY, THERAPEUTIC, DIAGNOSTIC, CONSERVATIVE = 0, 1, 2, 3, 4
NO_MAIN, NO_PROCEDURE, NO_OPERATION = 0, 1, 2
SPECIFICITY, PARTS, MATCHED, EXACT, FIRST_PROCEDURE, MEAN_COST, SCORE, SEQUENCE = 0, 1, 2, 3, 4, 5, 6, 7
EVERY_DIAGNOSIS = 0
"""The class of rows that take any main diagnosis; asked for every record before the class of its own."""
WITHOUT_PROCEDURE, WHATEVER = 0, 1
CLASS_ANCHOR = 1
"""Anchors that are no procedure: conservative, whatever the procedures, and each class: this number + 1 to 4."""
PSEUDO_ANCHORS = 6
NOTHING_TURN, WHATEVER_TURN, CLASS_TURN, MAIN_TURN, ANYWHERE = 0, 1, 2, 3, 4
"""The order in which anchors are looked for: none, whatever, a class, the main procedure, then each in any position."""
RELATED, POSITIONS = 0, 1
_FARTHEST = 1 << 62
_NO_RANK = 0x7FFFFFFF


class DirectoryTables(NamedTuple):
    """A compiled directory. Codes are numbered from 0, and 0 is every code of an unknown category.

    Shapes: D diagnosis codes, P procedure codes, K classes of main diagnoses, F words of facts, R rows, S sets of
    procedures. Anchors are PSEUDO_ANCHORS, then the P procedures as main procedure, then the P in any position.
    """

    principal_reason: UInt8  # [D] why the code cannot be a main diagnosis, or 0
    diagnosis_class: Int32  # [D]
    main_fact_class: Int32  # [D]
    main_facts: Bits  # [classes, F] facts that a main diagnosis gives
    other_fact_class: Int32  # [D]
    other_facts: Bits  # [classes, F]
    number_column: Int32  # [tests] AGE_DAYS or BIRTH_WEIGHT
    number_limits: Int32  # [tests, 2]
    number_word: Int32  # [tests]
    number_bit: Bits  # [tests]
    fate: UInt8  # [P] COUNTS, NOTHING, NOT_MAIN or MAIN_WITHIN
    scope: Int32  # [P] row of in_scope, for MAIN_WITHIN
    in_scope: UInt8  # [scopes, D]
    procedure_class: UInt8  # [P] class that a procedure gives to its case, or UNCLASSED
    is_operation: UInt8  # [P] whether the procedure bars conservative rows, in the sense of NO_OPERATION
    class_turns: UInt8  # [K] bit by turn: whether some row of the class has an anchor of that kind
    class_start: Int32  # [K + 1] first anchor of each class
    anchor: Int32  # anchors, ascending inside a class
    anchor_list: Int32  # list of rows of each anchor
    list_start: Int32  # [lists + 1]
    list_row: Int32  # rows in order of preference
    list_rank: Int32  # place in the order of preference, equal where ties must be broken by the record
    list_specificity: Int32
    row_class: UInt8  # [R] class the case must have, or UNCLASSED
    row_holds: Bits  # [R, F] facts that must hold
    row_fails: Bits  # [R, F] facts that must not
    row_expressions: Int32  # [R, 2] where the expressions RELATED and POSITIONS stand, or MISSING
    row_set_start: Int32  # [R + 1] sets that a row names
    row_set: Int32
    row_mean_cost: Int64  # [R] fen, or MISSING
    row_score: Int32  # [R] place among the scores, the highest last; 0 without
    expressions: Int32  # each: conjunctions, and of each conjunction: parts, and of each part: set, entries needed
    member_start: Int32  # [P + 1] sets that hold a procedure, ascending
    member_set: Int32
    ties: Int32  # what breaks ties among equal ranks, in order
    is_any_part: bool
    is_unmatched_refused: bool
    conservative: int
    is_highest_class: bool
    has_classed: UInt8  # [K] whether rows of the class, or of every diagnosis, ask for a class
    blank_group: int  # group of a case that no row takes, or MISSING


class Records(NamedTuple):
    """Encoded records; missing numbers are MISSING. `*_code`: code number of a dictionary entry, BLANK for blanks."""

    numbers: Int32  # [2, n] AGE_DAYS, BIRTH_WEIGHT
    charge: Int64  # [n] fen
    diagnosis_start: Int64  # [n + 1] offsets into diagnosis
    diagnosis: Int32  # dictionary entries; MISSING for null
    diagnosis_code: Int32  # [dictionary]
    procedure_start: Int64  # [n + 1]
    procedure: Int32
    procedure_code: Int32


class Answers(NamedTuple):
    """One entry a record; `group` is the row, MISSING where a status has none."""

    status: UInt8
    group: Int32
    reason: UInt8


def group_records(tables: DirectoryTables, records: Records) -> Answers:
    """Group every record; equal to grouper.dip.reference.group_case on each."""
    rows = len(records.charge)
    answers = Answers(np.full(rows, GROUPED, np.uint8), np.full(rows, MISSING, np.int32), np.zeros(rows, np.uint8))
    diagnoses = records.diagnosis_start, records.diagnosis, records.diagnosis_code
    procedures = records.procedure_start, records.procedure, records.procedure_code
    main = np.zeros(rows, np.int32)
    check_records(tables.principal_reason, *diagnoses, main, answers.status, answers.reason)
    facts = np.take(tables.main_facts, np.take(tables.main_fact_class, main), axis=0)
    add_other_facts(tables.other_fact_class, tables.other_facts, *diagnoses, facts)
    add_number_facts(
        tables.number_column, tables.number_limits, tables.number_word, tables.number_bit, records.numbers, facts
    )
    kept = np.empty(len(records.procedure), np.int32)
    kept_end = np.empty(rows, np.int64)
    main_at = np.empty(rows, np.int64)
    clean_procedures(tables.fate, tables.scope, tables.in_scope, *procedures, main, kept, kept_end, main_at)
    case_class, is_conservative = np.empty(rows, np.uint8), np.empty(rows, np.uint8)
    classify(
        tables.procedure_class,
        tables.is_operation,
        tables.conservative,
        tables.is_highest_class,
        records.procedure_start,
        kept,
        kept_end,
        main_at,
        case_class,
        is_conservative,
    )
    find_groups(
        np.take(tables.diagnosis_class, main),
        tables.class_turns,
        tables.class_start,
        tables.anchor,
        tables.anchor_list,
        tables.list_start,
        tables.list_row,
        tables.list_rank,
        tables.list_specificity,
        tables.row_class,
        tables.row_holds,
        tables.row_fails,
        tables.row_expressions,
        tables.row_set_start,
        tables.row_set,
        tables.row_mean_cost,
        tables.row_score,
        tables.expressions,
        tables.member_start,
        tables.member_set,
        tables.ties,
        tables.is_any_part,
        tables.is_unmatched_refused,
        records.charge,
        records.procedure_start,
        kept,
        kept_end,
        main_at,
        case_class,
        is_conservative,
        facts,
        answers.reason,
        answers.group,
    )
    finish(
        np.take(tables.diagnosis_class, main),
        tables.has_classed,
        tables.blank_group,
        case_class,
        answers.group,
        answers.status,
        answers.reason,
    )
    return answers


@kernel
def check_records(
    principal_reason: UInt8, start: Int64, diagnosis: Int32, code: Int32, main: Int32, status: UInt8, reason: UInt8
) -> None:
    """Fill `main`, and `status` and `reason` of the records that cannot be grouped at all."""
    for case in range(len(main)):
        if start[case] == start[case + 1]:
            status[case] = INVALID
            reason[case] = DIAGNOSES_MISSING
            continue
        entry = diagnosis[start[case]]
        first = code[entry] if entry >= 0 else BLANK
        if first == BLANK:
            reason[case] = PRINCIPAL_BLANK
        else:
            main[case] = first
            reason[case] = principal_reason[first]
        if reason[case]:
            status[case] = UNGROUPABLE


@kernel
def add_other_facts(
    class_of_code: Int32, class_facts: Bits, start: Int64, diagnosis: Int32, code: Int32, facts: Bits
) -> None:
    """Add the facts of every other diagnosis of each record."""
    for case in range(len(facts)):
        for at in range(start[case] + 1, start[case + 1]):
            entry = diagnosis[at]
            if entry >= 0 and code[entry] > 0:
                row = class_of_code[code[entry]]
                if row:
                    for word in range(facts.shape[1]):
                        facts[case, word] |= class_facts[row, word]


@kernel
def add_number_facts(column: Int32, limits: Int32, word: Int32, bit: Bits, numbers: Int32, facts: Bits) -> None:
    """Add the facts about age in days and birth weight; a missing number is in no range."""
    for case in range(len(facts)):
        for test in range(len(column)):
            value = numbers[column[test], case]
            if value >= 0 and limits[test, 0] <= value <= limits[test, 1]:
                facts[case, word[test]] |= bit[test]


@kernel
def clean_procedures(
    fate: UInt8,
    scope: Int32,
    in_scope: UInt8,
    start: Int64,
    procedure: Int32,
    code: Int32,
    main: Int32,
    kept: Int32,
    kept_end: Int64,
    main_at: Int64,
) -> None:
    """Fill the procedures that are kept, from the record's own start to `kept_end`, and where the main one is."""
    for case in range(len(main)):
        end = start[case]
        main_at[case] = MISSING
        for at in range(start[case], start[case + 1]):
            entry = procedure[at]
            if entry < 0 or code[entry] == BLANK:
                continue
            found = code[entry]
            if fate[found] == NOTHING or (fate[found] == MAIN_WITHIN and not in_scope[scope[found], main[case]]):
                continue
            if main_at[case] == MISSING and fate[found] != NOT_MAIN:
                main_at[case] = end
            kept[end] = found
            end += 1
        kept_end[case] = end


@kernel
def classify(
    class_of_procedure: UInt8,
    is_operation: UInt8,
    conservative: int,
    is_highest: bool,
    start: Int64,
    kept: Int32,
    kept_end: Int64,
    main_at: Int64,
    case_class: UInt8,
    is_conservative: UInt8,
) -> None:
    """Fill the class of each case, and whether its procedures count for nothing."""
    for case in range(len(main_at)):
        if main_at[case] == MISSING:
            case_class[case] = CONSERVATIVE
        elif is_highest:
            case_class[case] = UNCLASSED
            for at in range(start[case], kept_end[case]):
                found = class_of_procedure[kept[at]]
                if found and (case_class[case] == UNCLASSED or found < case_class[case]):
                    case_class[case] = found
        else:
            case_class[case] = class_of_procedure[kept[main_at[case]]]
        if conservative == NO_MAIN:
            is_conservative[case] = main_at[case] == MISSING
        elif conservative == NO_PROCEDURE:
            is_conservative[case] = kept_end[case] == start[case]
        else:
            is_conservative[case] = True
            for at in range(start[case], kept_end[case]):
                if is_operation[kept[at]]:
                    is_conservative[case] = False


@kernel
def find_groups(  # noqa: C901  (one loop over what may take a record)
    diagnosis_class: Int32,
    class_turns: UInt8,
    class_start: Int32,
    anchor: Int32,
    anchor_list: Int32,
    list_start: Int32,
    list_row: Int32,
    list_rank: Int32,
    list_specificity: Int32,
    row_class: UInt8,
    row_holds: Bits,
    row_fails: Bits,
    row_expressions: Int32,
    row_set_start: Int32,
    row_set: Int32,
    row_mean_cost: Int64,
    row_score: Int32,
    expressions: Int32,
    member_start: Int32,
    member_set: Int32,
    ties: Int32,
    is_any_part: bool,
    is_unmatched_refused: bool,
    charge: Int64,
    start: Int64,
    kept: Int32,
    kept_end: Int64,
    main_at: Int64,
    case_class: UInt8,
    is_conservative: UInt8,
    facts: Bits,
    reason: UInt8,
    group: Int32,
) -> None:
    """Fill the row of the best rank that takes each record; equal ranks are told apart by what the record says."""
    procedures = len(member_start) - 1
    key, best_key = np.zeros(len(ties), np.int64), np.zeros(len(ties), np.int64)
    for case in range(len(group)):
        if reason[case]:
            continue
        first, end, main = start[case], kept_end[case], main_at[case]
        main_code = kept[main] if main != MISSING else MISSING
        best_rank = _NO_RANK
        for turn in range(2 * (ANYWHERE + end - first)):
            at_class = diagnosis_class[case] if turn & 1 else EVERY_DIAGNOSIS
            if not class_turns[at_class] >> min(turn >> 1, ANYWHERE) & 1:
                continue
            wanted = _anchor(turn >> 1, is_conservative[case], case_class[case], main_code, procedures, kept, first)
            found = _search(anchor, class_start[at_class], class_start[at_class + 1], wanted)
            if found == MISSING:
                continue
            for at in range(list_start[anchor_list[found]], list_start[anchor_list[found] + 1]):
                rank, row = list_rank[at], list_row[at]
                if rank > best_rank:
                    break
                if row_class[row] and row_class[row] != case_class[case]:
                    continue
                if not _facts_hold(row_holds, row_fails, row, facts, case):
                    continue
                parts = _parts_of_row(
                    row_expressions, row, expressions, member_start, member_set, is_any_part, kept, first, end, main
                )
                if parts == MISSING:
                    continue
                low, high = row_set_start[row], row_set_start[row + 1]
                if (
                    is_unmatched_refused
                    and low < high
                    and not _is_exact(row_set, low, high, member_start, member_set, kept, first, end)
                ):
                    continue
                for tie in range(len(ties)):
                    if ties[tie] == SPECIFICITY:
                        key[tie] = -list_specificity[at]
                    elif ties[tie] == PARTS:
                        key[tie] = -parts
                    elif ties[tie] == MEAN_COST:
                        key[tie] = _distance(charge[case], row_mean_cost[row])
                    elif ties[tie] == SCORE:
                        key[tie] = -row_score[row]
                    elif ties[tie] == SEQUENCE:
                        key[tie] = row
                    else:
                        key[tie] = _by_procedures(
                            ties[tie], row_set, low, high, member_start, member_set, kept, first, end, main_code
                        )
                if rank < best_rank or _comes_before(key, best_key):
                    best_rank = rank
                    group[case] = row
                    best_key[:] = key


@kernel
def _anchor(
    turn: int, is_conservative: int, case_class: int, main_code: int, procedures: int, kept: Int32, first: int
) -> int:
    """Return what to look for: no procedure, whatever, the class, the main procedure, then each in any position."""
    if turn == NOTHING_TURN:
        return WITHOUT_PROCEDURE if is_conservative else MISSING
    if turn == WHATEVER_TURN:
        return WHATEVER
    if turn == CLASS_TURN:
        return CLASS_ANCHOR + int(np.int64(case_class)) if case_class else MISSING
    if turn == MAIN_TURN:
        return PSEUDO_ANCHORS + int(np.int64(main_code)) if main_code != MISSING else MISSING
    return PSEUDO_ANCHORS + procedures + int(np.int64(kept[first + turn - ANYWHERE]))


@kernel
def _search(values: Int32, low: int, high: int, wanted: int) -> int:
    """Return where a value stands between two places of an ascending array, or MISSING."""
    top = high
    while low < top:
        middle = (low + top) >> 1
        if values[middle] < wanted:
            low = middle + 1
        else:
            top = middle
    return low if low < high and values[low] == wanted else MISSING


@kernel
def _facts_hold(holds: Bits, fails: Bits, row: int, facts: Bits, case: int) -> bool:
    for word in range(facts.shape[1]):
        if (facts[case, word] & holds[row, word]) != holds[row, word] or facts[case, word] & fails[row, word]:
            return False
    return True


@kernel
def _parts_of_row(
    row_expressions: Int32,
    row: int,
    expressions: Int32,
    member_start: Int32,
    member_set: Int32,
    is_any_part: bool,
    kept: Int32,
    first: int,
    end: int,
    main: int,
) -> int:
    """Return how many parts of a row's expressions the procedures match, MISSING where one does not hold."""
    parts = 0
    for which in range(2):
        expression = row_expressions[row, which]
        if expression != MISSING:
            left_out = main if which == RELATED else MISSING
            found = _parts(expressions, expression, member_start, member_set, is_any_part, kept, first, end, left_out)
            if not found:
                return MISSING
            parts += found
    return parts


@kernel
def _parts(
    expressions: Int32,
    at: int,
    member_start: Int32,
    member_set: Int32,
    is_any_part: bool,
    kept: Int32,
    first: int,
    end: int,
    left_out: int,
) -> int:
    """Return the most parts that a conjunction of an expression finds, 0 where it does not hold."""
    best, conjunctions = 0, expressions[at]
    at += 1
    for _ in range(conjunctions):
        found, asked, parts = 0, 0, expressions[at]
        at += 1
        for _ in range(parts):
            needed, entries = expressions[at + 1], 0
            for procedure in range(first, end):
                if procedure != left_out and entries < needed:
                    code = kept[procedure]
                    entries += _search(member_set, member_start[code], member_start[code + 1], expressions[at]) >= 0
            found += entries
            asked += needed
            at += 2
        if is_any_part or found == asked:
            best = max(best, found)
    return best


@kernel
def _by_procedures(
    tie: int,
    row_set: Int32,
    low: int,
    high: int,
    member_start: Int32,
    member_set: Int32,
    kept: Int32,
    first: int,
    end: int,
    main_code: int,
) -> int:
    """Return a row's place by the procedures of the record that it names; the smallest wins."""
    if tie == FIRST_PROCEDURE:
        return 0 if main_code != MISSING and _is_named(row_set, low, high, member_start, member_set, main_code) else 1
    if tie == EXACT:
        return 0 if _is_exact(row_set, low, high, member_start, member_set, kept, first, end) else 1
    named = 0
    for at in range(first, end):
        if _is_first(kept, first, at) and _is_named(row_set, low, high, member_start, member_set, kept[at]):
            named += 1
    return -named


@kernel
def _is_exact(
    row_set: Int32, low: int, high: int, member_start: Int32, member_set: Int32, kept: Int32, first: int, end: int
) -> bool:
    """Whether a row's sets name every procedure of the record."""
    for at in range(first, end):  # noqa: SIM110
        if not _is_named(row_set, low, high, member_start, member_set, kept[at]):
            return False
    return True


@kernel
def _is_named(row_set: Int32, low: int, high: int, member_start: Int32, member_set: Int32, code: int) -> bool:
    for at in range(low, high):
        if _search(member_set, member_start[code], member_start[code + 1], row_set[at]) != MISSING:
            return True
    return False


@kernel
def _is_first(kept: Int32, first: int, at: int) -> bool:
    for earlier in range(first, at):  # noqa: SIM110  (a kernel has no generators)
        if kept[earlier] == kept[at]:
            return False
    return True


@kernel
def _distance(charge: int, mean_cost: int) -> int:
    return abs(charge - mean_cost) if charge != MISSING and mean_cost != MISSING else _FARTHEST


@kernel
def _comes_before(key: Int64, best: Int64) -> bool:
    for tie in range(len(key)):
        if key[tie] != best[tie]:
            return bool(key[tie] < best[tie])
    return False


@kernel
def finish(
    diagnosis_class: Int32,
    has_classed: UInt8,
    blank_group: int,
    case_class: UInt8,
    group: Int32,
    status: UInt8,
    reason: UInt8,
) -> None:
    """Give the records that no row takes the blank group, or the reason that they are not grouped."""
    for case in range(len(group)):
        if reason[case] or group[case] != MISSING:
            continue
        if blank_group != MISSING:
            group[case] = blank_group
        else:
            status[case] = UNGROUPABLE
            lacks_class = case_class[case] == UNCLASSED and has_classed[diagnosis_class[case]]
            reason[case] = CLASS_UNKNOWN if lacks_class else NO_GROUP
