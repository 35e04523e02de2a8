"""Group many records: Arrow columns in, Arrow columns out. Codes become numbers once per dictionary entry."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from grouper.codes import Crosswalk
from grouper.columns import CodeNotes, CodeReader, read_codes, read_numbers
from grouper.drg import kernel as k
from grouper.drg.answer import REASONS, SEVERITIES, STATUSES
from grouper.drg.compile import CompiledScheme
from grouper.scheme.pack import Scheme

ANSWER_COLUMNS = ("status", "mdc", "adrg", "drg", "severity", "reason")
NUMBER_COLUMNS = {
    "sex": "XB",
    "age": "NL",
    "age_days": "XSRTL",
    "birth_weight": "XSRTZ",
    "admission_weight": "XSRTZ",
    "length_of_stay": "ZYTS",
    "discharge_way": "LYFS",
    "department": "KS",
}
"""Canonical claim columns that hold numbers, and what the rule language calls them."""


class Grouper:
    """A compiled scheme ready for batches; may be used from several threads at once."""

    answer_columns: tuple[str, ...] = ANSWER_COLUMNS
    key_columns: tuple[str, ...] = ("status", "mdc", "adrg", "drg")
    """Answers that tell groups apart, for transitions between two schemes."""
    name_columns: tuple[str, ...] = ("mdc_name", "adrg_name", "drg_name")
    parent_column: str | None = "adrg"
    required: tuple[str, ...] = ("sex",)

    def __init__(
        self,
        compiled: CompiledScheme,
        diagnosis_crosswalk: Crosswalk | None = None,
        procedure_crosswalk: Crosswalk | None = None,
    ) -> None:
        self.compiled = compiled
        scheme = compiled.scheme
        self.diagnoses = CodeReader(
            partial(_number, compiled.diagnosis_number),
            compiled.is_known_diagnosis.tolist(),
            scheme.diagnosis_codes.official,
            diagnosis_crosswalk,
        )
        self.procedures = CodeReader(
            partial(_number, compiled.procedure_number),
            compiled.is_known_procedure.tolist(),
            scheme.procedure_codes.official,
            procedure_crosswalk,
        )
        mdcs = [mdc.code for mdc in scheme.mdcs]
        # The last entry is where a missing ADRG, -1, points.
        self._mdc_of_adrg = np.array([*(mdcs.index(adrg.parent) for adrg in compiled.adrgs), k.MISSING], np.int16)
        self.dictionaries: Mapping[str, pa.Array] = {
            "status": pa.array(STATUSES),
            "mdc": pa.array(mdcs, pa.string()),
            "adrg": pa.array([row.code for row in compiled.adrgs], pa.string()),
            "drg": pa.array([row.code for row in compiled.drgs], pa.string()),
            "severity": pa.array(SEVERITIES),
            "reason": pa.array(list(REASONS)),
        }

    @property
    def scheme(self) -> Scheme:
        """The scheme it groups by."""
        return self.compiled.scheme

    @property
    def columns(self) -> tuple[str, ...]:
        """Canonical claim columns the scheme asks for, besides the codes."""
        head = self.compiled.scheme.head
        wanted = {name for name, scalar in NUMBER_COLUMNS.items() if scalar in self.compiled.scalars}
        wanted |= {"sex", *head.required}
        if wanted & {"birth_weight", "admission_weight"}:
            wanted = (wanted - {"birth_weight", "admission_weight"}) | {head.newborn_weight}
        if "birth_weight" in head.required:
            wanted.add("age_days")
        if "age_days" in wanted:
            # Day age counts only where the age in years is 0 or missing.
            wanted.add("age")
        return tuple(name for name in NUMBER_COLUMNS if name in wanted)

    def group(self, batch: pa.RecordBatch) -> tuple[k.Answers, CodeNotes]:
        """Group one batch of canonical columns; an absent column is all-missing. Raises UserError on wrong types."""
        records, notes = self.encode(batch)
        return self.answer(records), notes

    def answer(self, records: k.Records) -> k.Answers:
        """Run the kernels on encoded records."""
        return k.group_records(self.compiled.tables, records)

    def missing(self, records: k.Records) -> dict[str, int]:
        """Count the numbers whose absence makes a rule's comparison false, by name of finding."""
        age, days, weight = (records.numbers[scalar] for scalar in (k.NL, k.XSRTL, k.XSRTZ))
        newborn = (age == 0) & (days >= 0) & (days <= k.NEWBORN_DAYS)
        return {
            "missing_age": int((age < 0).sum()),
            "missing_age_days": int(((age == 0) & (days < 0)).sum()),
            "missing_newborn_weight": int((newborn & (weight < 0)).sum()),
        }

    def arrow(self, answers: k.Answers) -> pa.RecordBatch:
        """Return answers as dictionary-encoded columns: status, mdc, adrg, drg, severity, reason; null is none."""
        has_adrg = answers.adrg >= 0
        mdc = self._mdc_of_adrg[answers.adrg]
        coded: dict[str, tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]] = {
            "status": (answers.status, None),
            "mdc": (mdc, ~has_adrg),
            "adrg": (answers.adrg, ~has_adrg),
            "drg": (answers.drg, answers.drg < 0),
            "severity": (answers.severity.astype(np.int16) - 1, answers.severity == k.NO_MDC),
            "reason": (answers.reason.astype(np.int16) - 1, answers.reason == 0),
        }
        columns = [
            pa.DictionaryArray.from_arrays(pa.array(numbers.astype(np.int16), mask=mask), self.dictionaries[name])
            for name, (numbers, mask) in coded.items()
        ]
        return pa.record_batch(columns, names=list(ANSWER_COLUMNS))

    def names(self, answers: k.Answers) -> dict[str, pa.DictionaryArray]:
        """Return the official names of MDC, ADRG and DRG as dictionary-encoded columns."""
        mdc = self._mdc_of_adrg[answers.adrg]
        rows = {
            "mdc_name": (mdc, self.compiled.scheme.mdcs),
            "adrg_name": (answers.adrg, self.compiled.adrgs),
            "drg_name": (answers.drg, self.compiled.drgs),
        }
        return {
            name: pa.DictionaryArray.from_arrays(
                pa.array(numbers.astype(np.int16), mask=numbers < 0), pa.array([row.name for row in named], pa.string())
            )
            for name, (numbers, named) in rows.items()
        }

    @property
    def group_names(self) -> Mapping[str, str]:
        """Names of the DRG rows by code."""
        return {row.code: row.name for row in self.compiled.drgs}

    def encode(self, batch: pa.RecordBatch) -> tuple[k.Records, CodeNotes]:
        """Turn canonical columns into what the kernels read, noting codes that were read otherwise than written."""
        notes = CodeNotes()
        diagnosis_start, diagnosis, diagnosis_code = read_codes(batch, "diagnoses", self.diagnoses, notes)
        procedure_start, procedure, procedure_code = read_codes(batch, "procedures", self.procedures, notes)
        records = k.Records(
            numbers=self._numbers(batch),
            diagnosis_start=diagnosis_start,
            diagnosis=diagnosis,
            diagnosis_code=diagnosis_code,
            procedure_start=procedure_start,
            procedure=procedure,
            procedure_code=procedure_code,
        )
        for column in records:
            # Arrow's buffers are read-only; a kernel is compiled once if all its inputs are.
            column.flags.writeable = False
        return records, notes

    def _numbers(self, batch: pa.RecordBatch) -> k.Int32:
        """Return what rules compare, [7, n]; a weight of 0 and an adult's day age are missing."""
        weight = read_numbers(batch, self.compiled.scheme.head.newborn_weight)
        age, days = read_numbers(batch, "age"), read_numbers(batch, "age_days")
        return np.stack(
            [
                age,
                read_numbers(batch, "sex"),
                np.where(age > 0, k.MISSING, days),
                np.where(weight == 0, k.MISSING, weight),
                read_numbers(batch, "length_of_stay"),
                read_numbers(batch, "discharge_way"),
                read_numbers(batch, "department"),
            ]
        ).astype(np.int32, copy=False)


def _number(numbers: Mapping[str, int], folded: str) -> int:
    return numbers.get(folded, 0)
