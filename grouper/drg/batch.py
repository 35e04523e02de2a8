"""Group many records: Arrow columns in, Arrow columns out. Codes become numbers once per dictionary entry."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from grouper.codes import Crosswalk, fold
from grouper.drg import kernel as k
from grouper.drg.answer import REASONS, SEVERITIES, STATUSES
from grouper.drg.compile import CompiledScheme
from grouper.fault import Text, UserError

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
_MOST_REMEMBERED = 1_000_000
_Bytes = npt.NDArray[np.uint8]
_UNKNOWN, _MENDED, _CONVERTED, _UNMAPPED = 1, 2, 4, 8
CODE_NOTES = {"unknown": _UNKNOWN, "mended": _MENDED, "converted": _CONVERTED, "unmapped": _UNMAPPED}


class CodeReader:
    """Turns the codes of one column into a compiled scheme's numbers, remembering every spelling it has met.

    With a crosswalk the codes are of another version and are converted first; a code without a counterpart stays as
    it is. Notes say what was found: unknown to the scheme, mended (blanks, case, width), converted, unmapped.
    """

    def __init__(
        self,
        numbers: Mapping[str, int],
        is_known: Sequence[bool],
        spelling: Mapping[str, str],
        crosswalk: Crosswalk | None,
    ) -> None:
        self._numbers = numbers
        self._is_known = is_known
        self._spelling = spelling
        self._crosswalk = crosswalk
        self._seen: dict[str | None, tuple[int, int]] = {None: (k.BLANK, 0), "": (k.BLANK, 0)}

    def read(self, dictionary: Sequence[str | None]) -> tuple[k.Int32, _Bytes]:
        """Return the number of each dictionary entry, k.BLANK for blanks, and its notes."""
        if len(self._seen) > _MOST_REMEMBERED:
            self._seen = {None: (k.BLANK, 0), "": (k.BLANK, 0)}
        seen = self._seen
        for code in dictionary:
            if code not in seen and code is not None:
                seen[code] = self._look_up(code)
        pairs = np.array([seen[code] for code in dictionary], np.int32).reshape(-1, 2)
        return np.ascontiguousarray(pairs[:, 0]), pairs[:, 1].astype(np.uint8)

    def converted(self, code: str) -> str:
        """Return the official spelling of what a code was read as."""
        folded = fold(code)
        target = self._crosswalk.convert(folded) if self._crosswalk else None
        return self._spelling.get(target or folded, target or folded)

    def _look_up(self, code: str) -> tuple[int, int]:
        folded = fold(code)
        if not folded:
            return k.BLANK, 0
        notes = 0
        if self._crosswalk is not None:
            target = self._crosswalk.convert(folded)
            notes |= _UNMAPPED if target is None else _CONVERTED if target != folded else 0
            folded = target or folded
        elif code != self._spelling.get(folded, code):
            notes |= _MENDED
        number = self._numbers.get(folded, 0)
        if not self._is_known[number]:
            notes |= _UNKNOWN
        return number, notes


@dataclass
class CodeNotes:
    """How often codes were read otherwise than written: note -> column -> code as written -> occurrences."""

    counts: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)

    def add(self, column: str, dictionary: Sequence[str | None], notes: _Bytes, entries: k.Int32) -> None:
        """Count the entries of a column whose dictionary entry has a note."""
        if not notes.any():
            return
        used = np.bincount(entries[entries >= 0], minlength=len(dictionary))
        for name, flag in CODE_NOTES.items():
            noted = np.flatnonzero((notes & flag).astype(bool) & (used > 0))
            if len(noted):
                self.counts.setdefault((name, column), Counter()).update(
                    {str(dictionary[at]): int(used[at]) for at in noted.tolist()}
                )

    def merge(self, other: "CodeNotes") -> None:
        """Add the counts of another batch."""
        for key, counter in other.counts.items():
            self.counts.setdefault(key, Counter()).update(counter)


class Grouper:
    """A compiled scheme ready for batches; may be used from several threads at once."""

    def __init__(
        self,
        compiled: CompiledScheme,
        diagnosis_crosswalk: Crosswalk | None = None,
        procedure_crosswalk: Crosswalk | None = None,
    ) -> None:
        self.compiled = compiled
        scheme = compiled.scheme
        self.diagnoses = CodeReader(
            compiled.diagnosis_number,
            compiled.is_known_diagnosis.tolist(),
            scheme.diagnosis_codes.official,
            diagnosis_crosswalk,
        )
        self.procedures = CodeReader(
            compiled.procedure_number,
            compiled.is_known_procedure.tolist(),
            scheme.procedure_codes.official,
            procedure_crosswalk,
        )
        mdcs = [mdc.code for mdc in scheme.mdcs]
        # The last entry is where a missing ADRG, -1, points.
        self._mdc_of_adrg = np.array([*(mdcs.index(adrg.parent) for adrg in compiled.adrgs), k.MISSING], np.int16)
        self._dictionaries = {
            "status": pa.array(STATUSES),
            "mdc": pa.array(mdcs, pa.string()),
            "adrg": pa.array([row.code for row in compiled.adrgs], pa.string()),
            "drg": pa.array([row.code for row in compiled.drgs], pa.string()),
            "severity": pa.array(SEVERITIES),
            "reason": pa.array(list(REASONS)),
        }

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
            pa.DictionaryArray.from_arrays(pa.array(numbers.astype(np.int16), mask=mask), self._dictionaries[name])
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

    def encode(self, batch: pa.RecordBatch) -> tuple[k.Records, CodeNotes]:
        """Turn canonical columns into what the kernels read, noting codes that were read otherwise than written."""
        notes = CodeNotes()
        diagnosis_start, diagnosis, diagnosis_code = _read_codes(batch, "diagnoses", self.diagnoses, notes)
        procedure_start, procedure, procedure_code = _read_codes(batch, "procedures", self.procedures, notes)
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
        weight = _column(batch, self.compiled.scheme.head.newborn_weight)
        age, days = _column(batch, "age"), _column(batch, "age_days")
        return np.stack(
            [
                age,
                _column(batch, "sex"),
                np.where(age > 0, k.MISSING, days),
                np.where(weight == 0, k.MISSING, weight),
                _column(batch, "length_of_stay"),
                _column(batch, "discharge_way"),
                _column(batch, "department"),
            ]
        ).astype(np.int32, copy=False)


def _column(batch: pa.RecordBatch, name: str) -> k.Int32:
    """Return a column of whole numbers, missing ones negative; all-missing where there is no such column."""
    if name not in batch.schema.names or pa.types.is_null(batch.schema.field(name).type):
        return np.full(batch.num_rows, k.MISSING, np.int32)
    column = batch.column(name)
    kind = column.type
    if name == "department" and _is_text(kind):
        # Departments are named as offices like; only whole numbers can be compared.
        column = pc.if_else(pc.match_substring_regex(column, r"^\d{1,9}$"), column, None)
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or _is_text(kind)):
        raise _not_whole(name, kind, kind)
    try:
        numbers: k.Int32 = column.cast(pa.int32()).fill_null(k.MISSING).to_numpy(zero_copy_only=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise _not_whole(name, kind, error) from error
    return numbers


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _not_whole(name: str, kind: pa.DataType, why: object) -> UserError:
    return UserError(
        Text(f"列 {name} 应为整数，却是 {kind}：{why}", f"column {name} should hold whole numbers, not {kind}: {why}")
    )


def _read_codes(
    batch: pa.RecordBatch, name: str, reader: CodeReader, notes: CodeNotes
) -> tuple[k.Int64, k.Int32, k.Int32]:
    """Return offsets, dictionary entries and the entries' code numbers of a column of lists of codes."""
    if name not in batch.schema.names or pa.types.is_null(batch.schema.field(name).type):
        return np.zeros(batch.num_rows + 1, np.int64), np.empty(0, np.int32), np.empty(0, np.int32)
    lists = _as_lists(batch.column(name), name)
    offsets = lists.offsets.to_numpy()
    values = _as_dictionary(lists.values.slice(offsets[0], offsets[-1] - offsets[0]), name)
    entries = values.indices.cast(pa.int32()).fill_null(k.MISSING).to_numpy(zero_copy_only=False)
    dictionary = values.dictionary.to_pylist()
    numbers, found = reader.read(dictionary)
    notes.add(name, dictionary, found, entries)
    return offsets.astype(np.int64) - offsets[0], entries, numbers


def _as_lists(column: pa.Array, name: str) -> pa.Array:
    kind = column.type
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        raise UserError(
            Text(f"列 {name} 应为编码列表，却是 {kind}", f"column {name} should hold lists of codes, not {kind}")
        )
    if column.null_count:
        # The offsets of a null list may span values that are not there.
        column = pc.if_else(column.is_null(), pa.scalar([], kind), column)
    return column


def _as_dictionary(values: pa.Array, name: str) -> pa.DictionaryArray:
    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    if not (_is_text(kind) or pa.types.is_null(kind)):
        raise UserError(
            Text(f"列 {name} 的编码应为文本，却是 {kind}", f"codes of column {name} should be text, not {kind}")
        )
    if pa.types.is_dictionary(values.type):
        return values
    return values.cast(pa.large_string()).dictionary_encode()


def group_arrow(table: pa.Table, grouper: Grouper) -> pa.Table:
    """Group a table of canonical columns, row by row. Returns case_id, where there is one, and the six answers."""
    repeated = sorted(name for name, count in Counter(table.column_names).items() if count > 1)
    if repeated:
        listed = ", ".join(repeated)
        raise UserError(Text(f"列名重复：{listed}", f"columns that stand there twice: {listed}"))
    used = [name for name in ("case_id", "diagnoses", "procedures", *grouper.columns) if name in table.column_names]
    batches = []
    for batch in table.select(used).to_batches():
        answers, _ = grouper.group(batch)
        columns = grouper.arrow(answers)
        if "case_id" in used:
            columns = columns.add_column(0, "case_id", batch.column("case_id"))
        batches.append(columns)
    return pa.Table.from_batches(batches) if batches else _empty(table, grouper)


def _empty(table: pa.Table, grouper: Grouper) -> pa.Table:
    answers, _ = grouper.group(pa.RecordBatch.from_pylist([], table.schema))
    columns = pa.Table.from_batches([grouper.arrow(answers)])
    if "case_id" not in table.column_names:
        return columns
    return columns.add_column(0, "case_id", pa.array([], table.schema.field("case_id").type))
