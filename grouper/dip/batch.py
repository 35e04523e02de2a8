"""Group many records under a directory: Arrow columns in, Arrow columns out."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from grouper.codes import Crosswalk
from grouper.columns import MISSING, CodeNotes, CodeReader, Int32, Int64, read_codes, read_numbers
from grouper.dip import kernel as k
from grouper.dip.answer import REASONS, STATUSES
from grouper.dip.compile import CompiledDirectory
from grouper.dip.directory import LAYERS, Directory
from grouper.dip.explain import describe
from grouper.drg.reference import NEWBORN_DAYS

ANSWER_COLUMNS = ("status", "layer", "group", "reason")


class Grouper:
    """A compiled directory ready for batches; may be used from several threads at once."""

    answer_columns: tuple[str, ...] = ANSWER_COLUMNS
    key_columns: tuple[str, ...] = ("status", "layer", "group")
    """Answers that tell groups apart, for transitions between two schemes."""
    name_columns: tuple[str, ...] = ("group_name",)
    parent_column: str | None = None
    required: tuple[str, ...] = ()

    def __init__(
        self,
        compiled: CompiledDirectory,
        diagnosis_crosswalk: Crosswalk | None = None,
        procedure_crosswalk: Crosswalk | None = None,
    ) -> None:
        self.compiled = compiled
        directory = compiled.scheme
        self.diagnoses = CodeReader(
            compiled.diagnosis_number,
            compiled.is_known_diagnosis.tolist(),
            directory.diagnosis_codes.official,
            diagnosis_crosswalk,
        )
        self.procedures = CodeReader(
            compiled.procedure_number,
            compiled.is_known_procedure.tolist(),
            directory.procedure_codes.official,
            procedure_crosswalk,
        )
        blank = directory.head.switches.blank_group
        groups = [*(row.code for row in directory.groups), *([blank] if blank else [])]
        layers = [LAYERS.index(row.layer) if row.layer else MISSING for row in directory.groups]
        # The blank group has no layer; the last entry is where a missing group, -1, points.
        self._layer_of_group = np.array([*layers, *([MISSING] if blank else []), MISSING], np.int16)
        self.dictionaries: Mapping[str, pa.Array] = {
            "status": pa.array(STATUSES),
            "layer": pa.array(LAYERS),
            "group": pa.array(groups, pa.string()),
            "reason": pa.array(list(REASONS)),
        }

    @property
    def scheme(self) -> Directory:
        """The directory it groups by."""
        return self.compiled.scheme

    @property
    def columns(self) -> tuple[str, ...]:
        """Canonical claim columns the directory asks for, besides the codes."""
        compiled = self.compiled
        asked = {
            # Day age counts only where the age in years is 0 or missing.
            "age": compiled.asks_age_days,
            "age_days": compiled.asks_age_days,
            "birth_weight": compiled.asks_birth_weight,
            "total_charge": compiled.asks_charge,
        }
        return tuple(name for name, is_asked in asked.items() if is_asked)

    def group(self, batch: pa.RecordBatch) -> tuple[k.Answers, CodeNotes]:
        """Group one batch of canonical columns; an absent column is all-missing. Raises UserError on wrong types."""
        records, notes = self.encode(batch)
        return self.answer(records), notes

    def answer(self, records: k.Records) -> k.Answers:
        """Run the kernels on encoded records."""
        return k.group_records(self.compiled.tables, records)

    def missing(self, records: k.Records) -> dict[str, int]:
        """Count the newborns without the weight that a row asks for, by name of finding."""
        days, weight = records.numbers
        newborn = (days >= 0) & (days <= NEWBORN_DAYS) & (weight < 0)
        return {"missing_newborn_weight": int(newborn.sum())} if self.compiled.asks_birth_weight else {}

    def arrow(self, answers: k.Answers) -> pa.RecordBatch:
        """Return answers as dictionary-encoded columns: status, layer, group, reason; null is none."""
        coded: dict[str, npt.NDArray[Any]] = {
            "status": answers.status.astype(np.int16),
            "layer": self._layer_of_group[answers.group],
            "group": answers.group,
            "reason": answers.reason.astype(np.int16) - 1,
        }
        columns = [
            pa.DictionaryArray.from_arrays(pa.array(numbers, mask=numbers < 0), self.dictionaries[name])
            for name, numbers in coded.items()
        ]
        return pa.record_batch(columns, names=list(ANSWER_COLUMNS))

    def names(self, answers: k.Answers) -> dict[str, pa.DictionaryArray]:
        """Return the names of the groups as a dictionary-encoded column."""
        named = pa.array([*self.group_names.values(), ""], pa.string())
        groups = pa.array(answers.group, mask=answers.group < 0)
        return {"group_name": pa.DictionaryArray.from_arrays(groups, named)}

    @cached_property
    def group_names(self) -> Mapping[str, str]:
        """Names of the groups by code."""
        return {row.code: describe(self.scheme, row) for row in self.scheme.groups}

    def encode(self, batch: pa.RecordBatch) -> tuple[k.Records, CodeNotes]:
        """Turn canonical columns into what the kernels read, noting codes that were read otherwise than written."""
        notes = CodeNotes()
        diagnosis_start, diagnosis, diagnosis_code = read_codes(batch, "diagnoses", self.diagnoses, notes)
        procedure_start, procedure, procedure_code = read_codes(batch, "procedures", self.procedures, notes)
        records = k.Records(
            numbers=_numbers(batch),
            charge=read_numbers(batch, "total_charge", np.int64) if self.compiled.asks_charge else _missing(batch),
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


def _missing(batch: pa.RecordBatch) -> Int64:
    return np.full(batch.num_rows, MISSING, np.int64)


def _numbers(batch: pa.RecordBatch) -> Int32:
    """Return what rows compare, [2, n]; a weight of 0 and an adult's day age are missing."""
    age, days, weight = (read_numbers(batch, name) for name in ("age", "age_days", "birth_weight"))
    return np.stack([np.where(age > 0, MISSING, days), np.where(weight == 0, MISSING, weight)]).astype(
        np.int32, copy=False
    )
