"""What a grouping run adds up: rows, answers, notes about codes, and the transitions between two schemes."""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.claims import ClaimBatch, Findings
from engine.claims.findings import EXAMPLES, Example
from grouper.columns import CodeNotes
from grouper.kinds import Grouper

_NOTE_FINDINGS = {
    "unknown": "unknown_code",
    "mended": "mended_code",
    "converted": "converted_code",
    "unmapped": "unmapped_code",
}
_ALWAYS = ("status", "severity")
"""Answers of which the summary names every value, those that do not occur too."""
_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ChunkCounts:
    """The counts of one chunk: `answers` of each column's values, none first, `transitions` of pairs of keys."""

    rows_in: int
    rows_rejected: int
    rejects: Counter[str]
    findings: Findings
    notes: CodeNotes
    missing: Mapping[str, int]
    answers: tuple[dict[str, _Ints], ...]
    transitions: Counter[tuple[int, int]]

    @classmethod
    def of(
        cls,
        batch: ClaimBatch,
        groupers: Sequence[Grouper],
        answers: Sequence[pa.RecordBatch],
        missing: Mapping[str, int],
        notes: CodeNotes,
    ) -> "ChunkCounts":
        """Count a chunk's rows, its answers under each scheme, and its findings."""
        places = [_places(answer) for answer in answers]
        keys = [_keys(grouper, place) for grouper, place in zip(groupers, places, strict=True)]
        return cls(
            rows_in=batch.rows_in,
            rows_rejected=batch.rows_rejected,
            rejects=Counter(batch.rejects["reason"].to_pylist()),
            findings=batch.findings,
            notes=notes,
            missing=missing,
            answers=tuple({name: np.bincount(values) for name, values in place.items()} for place in places),
            transitions=_transitions(*keys) if len(keys) > 1 else Counter(),
        )


def _places(answers: pa.RecordBatch) -> dict[str, _Ints]:
    """Return where each answer stands in its column's dictionary, from 1; 0 is none."""
    return {
        name: column.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False) + 1
        for name, column in zip(answers.schema.names, answers.columns, strict=True)
    }


def _sizes(grouper: Grouper) -> list[int]:
    return [len(grouper.dictionaries[name]) + 1 for name in grouper.key_columns]


def _keys(grouper: Grouper, places: Mapping[str, _Ints]) -> npt.NDArray[np.uint64]:
    """Return the answers that tell groups apart as one number of 32 bits."""
    keys = np.zeros(len(places["status"]), np.uint64)
    for name, size in zip(grouper.key_columns, _sizes(grouper), strict=True):
        keys = keys * np.uint64(size) + places[name].astype(np.uint64)
    return keys


def _transitions(one: npt.NDArray[np.uint64], other: npt.NDArray[np.uint64]) -> Counter[tuple[int, int]]:
    found, counts = np.unique(one << np.uint64(32) | other, return_counts=True)
    pairs = ((int(key) >> 32, int(key) & 0xFFFFFFFF) for key in found)
    return Counter(dict(zip(pairs, counts.tolist(), strict=True)))


def note_findings(notes: CodeNotes) -> Findings:
    """Return what was noted of codes as findings, with the commonest codes as examples."""
    findings = Findings()
    for (note, column), counter in sorted(notes.counts.items()):
        commonest = sorted(counter.items(), key=lambda item: (-item[1], item[0]))[:EXAMPLES]
        examples = [Example("", 0, "", code) for code, _ in commonest]
        findings.add(_NOTE_FINDINGS[note], column, counter.total(), examples)
    return findings


class GroupingTotals:
    """The sums of a run over its chunks; independent of how the input was cut."""

    def __init__(self, findings: Findings, groupers: Sequence[Grouper]) -> None:
        self._findings = findings
        self._groupers = groupers
        self._rows_in = 0
        self._rows_rejected = 0
        self._rejects: Counter[str] = Counter()
        self._notes = CodeNotes()
        self._missing: Counter[str] = Counter()
        self._answers: list[Counter[tuple[str, int]]] = [Counter() for _ in groupers]
        self._transitions: Counter[tuple[int, int]] = Counter()

    def add(self, counts: ChunkCounts) -> None:
        """Add the counts of one chunk."""
        self._rows_in += counts.rows_in
        self._rows_rejected += counts.rows_rejected
        self._rejects.update(counts.rejects)
        self._findings.merge(counts.findings)
        self._notes.merge(counts.notes)
        self._missing.update(counts.missing)
        self._transitions.update(counts.transitions)
        for total, fields in zip(self._answers, counts.answers, strict=True):
            for name, by_value in fields.items():
                total.update({(name, at): int(by_value[at]) for at in np.flatnonzero(by_value).tolist()})

    def findings(self) -> Findings:
        """Return all findings: those of the claims, and those made while grouping."""
        for name, count in self._missing.items():
            self._findings.add(name, "", count)
        self._findings.merge(note_findings(self._notes))
        return self._findings

    def summary(self) -> dict[str, Any]:
        """Return the counts as plain data: rows in = accepted + rejected, and accepted = the sum over statuses."""
        accepted = self._rows_in - self._rows_rejected
        summary: dict[str, Any] = {
            "rows": {"in": self._rows_in, "accepted": accepted, "rejected": self._rows_rejected},
            "rejected_by_reason": dict(sorted(self._rejects.items())),
            **self._scheme_summary(0),
        }
        if len(self._groupers) > 1:
            summary["compared"] = self._scheme_summary(1)
            summary["transitions"] = {"pairs": len(self._transitions), "cases": self._transitions.total()}
        return summary

    def _scheme_summary(self, at: int) -> dict[str, Any]:
        grouper, counts = self._groupers[at], self._answers[at]
        scheme = grouper.scheme
        summary: dict[str, Any] = {"scheme": {"id": scheme.id, "version": scheme.head.version, "digest": scheme.digest}}
        for name in grouper.answer_columns:
            values = grouper.dictionaries[name].to_pylist()
            found = {value: counts[name, place] for place, value in enumerate(values, start=1)}
            summary[name] = found if name in _ALWAYS else {value: count for value, count in found.items() if count}
        return summary

    def write_tables(self, folder: Path) -> None:
        """Write code_notes.csv, and transitions.csv where two schemes were compared."""
        with (folder / "code_notes.csv").open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["note", "column", "code", "read_as", "occurrences"])
            writer.writerows(self._note_rows())
        if len(self._groupers) > 1:
            with (folder / "transitions.csv").open("w", encoding="utf-8-sig", newline="") as file:
                writer = csv.writer(file)
                one, other = ((*grouper.key_columns, f"{grouper.key_columns[-1]}_name") for grouper in self._groupers)
                writer.writerow([*one, *(f"compared_{name}" for name in other), "cases", "share_of_group"])
                writer.writerows(self._transition_rows())

    def _note_rows(self) -> list[tuple[str, str, str, str, int]]:
        readers = {"diagnoses": self._groupers[0].diagnoses, "procedures": self._groupers[0].procedures}
        return [
            (note, column, code, readers[column].converted(code), count)
            for (note, column), counter in sorted(self._notes.counts.items())
            for code, count in sorted(counter.items(), key=lambda item: (-item[1], item[0]))
        ]

    def _transition_rows(self) -> list[tuple[Any, ...]]:
        of_group: Counter[int] = Counter()
        for (one, _), count in self._transitions.items():
            of_group[one] += count
        decoded = sorted(
            (self._answer_cells(0, one), -count, self._answer_cells(1, other), f"{count / of_group[one]:.4f}")
            for (one, other), count in self._transitions.items()
        )
        return [(*one, *other, -count, share) for one, count, other, share in decoded]

    def _answer_cells(self, at: int, key: int) -> tuple[str, ...]:
        """Return the answers that a key holds, and the name of the group."""
        grouper = self._groupers[at]
        cells: list[str] = []
        for name, size in zip(reversed(grouper.key_columns), reversed(_sizes(grouper)), strict=True):
            key, place = divmod(key, size)
            cells.append(grouper.dictionaries[name][place - 1].as_py() if place else "")
        return (*reversed(cells), grouper.group_names.get(cells[0], ""))
