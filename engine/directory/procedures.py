"""The procedures of a measurement's claims as a directory sees them: cleaned, the main one apart, with a class."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from engine.directory.cases import DipCases, Int32, UInt8
from grouper.dip.directory import CASE_CLASSES, CaseClass, Directory

COUNTS, NOTHING, NOT_MAIN, WITHIN = 0, 1, 2, 3
CONSERVATIVE = CASE_CLASSES.index("conservative")
UNKNOWN = len(CASE_CLASSES)
"""The class of a case whose procedures have none."""


@dataclass(frozen=True)
class CleanedProcedures:
    """By claim: the main procedure's code number (0: conservative) and the class of the case.

    `kept`: row (of the claims), procedure (code number), is_main: every procedure that counts, in claims' order.
    """

    main: Int32
    case_class: UInt8
    kept: pl.DataFrame

    def beside(self) -> pl.DataFrame:
        """Return row, procedure: what claims have beside their main procedure, each once."""
        return self.kept.filter(~pl.col("is_main")).select("row", "procedure").unique(maintain_order=True)


def clean(cases: DipCases, directory: Directory) -> CleanedProcedures:
    """Clean the procedures of all claims by a directory's table of excluded ones (docs/dip.md)."""
    claims = cases.procedures.claims()
    codes = cases.procedures.codes
    fate = _fates(cases, directory)[codes]
    scoped = np.flatnonzero(fate == WITHIN)
    fate[scoped] = np.where(_in_scope(cases, directory, claims[scoped], codes[scoped]), COUNTS, NOTHING)
    main = np.zeros(cases.claims, np.int32)
    may_be_main = np.flatnonzero(fate == COUNTS)
    # Backwards, so that the first of a claim is what stays.
    main[claims[may_be_main][::-1]] = codes[may_be_main][::-1]
    first = np.full(cases.claims, -1, np.int64)
    first[claims[may_be_main][::-1]] = may_be_main[::-1]
    counted = np.flatnonzero(fate != NOTHING)
    is_main = first[claims[counted]] == counted
    kept = pl.DataFrame({"row": claims[counted].astype(np.uint32), "procedure": codes[counted], "is_main": is_main})
    return CleanedProcedures(main, _case_classes(cases, directory, main, kept), kept)


def _fates(cases: DipCases, directory: Directory) -> UInt8:
    """Return what becomes of each procedure code; the blank counts for nothing."""
    names = {"conservative": NOTHING, "not_main": NOT_MAIN, "main_within": WITHIN}
    excluded = [directory.excluded.get(code) for code in cases.procedure_codes]
    fates = np.array([COUNTS if rule is None else names[rule.rule] for rule in excluded], np.uint8)
    fates[0] = NOTHING
    return fates


def _in_scope(cases: DipCases, directory: Directory, claims: Int32, codes: Int32) -> npt.NDArray[np.bool_]:
    """Return whether the main diagnosis of a claim is in the scope of a procedure that has one."""
    main_diagnosis = main_diagnoses(cases)[claims]
    found = np.zeros(len(claims), np.bool_)
    for code in np.unique(codes).tolist():
        scope = directory.excluded[cases.procedure_codes[code]].scope
        within = np.array([scope is not None and name in scope for name in cases.diagnosis_codes], np.bool_)
        found |= (codes == code) & within[main_diagnosis]
    return found


def main_diagnoses(cases: DipCases) -> Int32:
    """Return the code number of each claim's main diagnosis, 0 where there is none."""
    has_one = np.diff(cases.diagnoses.start) > 0
    codes = np.append(cases.diagnoses.codes, 0)
    return np.where(has_one, codes[np.minimum(cases.diagnoses.start[:-1], len(codes) - 1)], 0).astype(np.int32)


def _case_classes(cases: DipCases, directory: Directory, main: Int32, kept: pl.DataFrame) -> UInt8:
    """Return the class of each claim: of its main procedure, or the highest of all, as the directory says."""
    by_code = np.array([_class_number(directory.class_of(code)) for code in cases.procedure_codes], np.uint8)
    found = by_code[main]
    if directory.head.switches.class_of_case == "highest":
        found[:] = UNKNOWN
        np.minimum.at(found, kept["row"].to_numpy(), by_code[kept["procedure"].to_numpy()])
    return np.where(main == 0, CONSERVATIVE, found).astype(np.uint8)


def _class_number(name: CaseClass | None) -> int:
    return UNKNOWN if name is None else CASE_CLASSES.index(name)
