"""What a grouping run adds up: rows, answers, notes about codes, and the transitions between two schemes."""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.claims import ClaimBatch, Findings
from engine.claims.findings import EXAMPLES, Example
from grouper.drg import kernel as k
from grouper.drg.answer import REASONS, SEVERITIES, STATUSES
from grouper.drg.batch import CodeNotes, Grouper

_NOTE_FINDINGS = {
    "unknown": "unknown_code",
    "mended": "mended_code",
    "converted": "converted_code",
    "unmapped": "unmapped_code",
}
_NONE = 0x7FFF
"""Row number of an ADRG or DRG that is not there, inside a transition key."""


@dataclass(frozen=True)
class ChunkCounts:
    """The counts of one chunk. `answers` counts each field's values, from -1 up; `transitions` pairs of answer keys."""

    rows_in: int
    rows_rejected: int
    rejects: Counter[str]
    findings: Findings
    notes: CodeNotes
    missing: Mapping[str, int]
    answers: tuple[dict[str, npt.NDArray[np.int64]], ...]
    transitions: Counter[tuple[int, int]]

    @classmethod
    def of(
        cls, batch: ClaimBatch, records: k.Records | None, answers: Sequence[k.Answers], notes: CodeNotes
    ) -> "ChunkCounts":
        """Count a chunk's rows, answers and findings."""
        return cls(
            rows_in=batch.rows_in,
            rows_rejected=batch.rows_rejected,
            rejects=Counter(batch.rejects["reason"].to_pylist()),
            findings=batch.findings,
            notes=notes,
            missing={} if records is None else _missing_numbers(records.numbers),
            answers=tuple(
                {name: np.bincount(values.astype(np.int64) + 1) for name, values in answer._asdict().items()}
                for answer in answers
            ),
            transitions=_transitions(*answers) if len(answers) > 1 else Counter(),
        )


def _missing_numbers(numbers: k.Int32) -> dict[str, int]:
    """Count the numbers whose absence makes a rule's comparison false."""
    age, days, weight = numbers[k.NL], numbers[k.XSRTL], numbers[k.XSRTZ]
    newborn = (age == 0) & (days >= 0) & (days <= k.NEWBORN_DAYS)
    return {
        "missing_age": int((age < 0).sum()),
        "missing_age_days": int(((age == 0) & (days < 0)).sum()),
        "missing_newborn_weight": int((newborn & (weight < 0)).sum()),
    }


def _transitions(one: k.Answers, other: k.Answers) -> Counter[tuple[int, int]]:
    keys = _answer_keys(one) << np.uint64(32) | _answer_keys(other)
    found, counts = np.unique(keys, return_counts=True)
    pairs = ((int(key) >> 32, int(key) & 0xFFFFFFFF) for key in found)
    return Counter(dict(zip(pairs, counts.tolist(), strict=True)))


def _answer_keys(answers: k.Answers) -> npt.NDArray[np.uint64]:
    """Put status, ADRG row and DRG row of each record in one number of 32 bits."""
    adrg = np.where(answers.adrg < 0, _NONE, answers.adrg).astype(np.uint64)
    drg = np.where(answers.drg < 0, _NONE, answers.drg).astype(np.uint64)
    return answers.status.astype(np.uint64) << np.uint64(30) | adrg << np.uint64(15) | drg


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
                total.update({(name, at - 1): int(by_value[at]) for at in np.flatnonzero(by_value).tolist()})

    def findings(self) -> Findings:
        """Return all findings: those of the claims, and those made while grouping."""
        for name, count in self._missing.items():
            self._findings.add(name, "", count)
        for (note, column), counter in sorted(self._notes.counts.items()):
            commonest = sorted(counter.items(), key=lambda item: (-item[1], item[0]))[:EXAMPLES]
            examples = [Example("", 0, "", code) for code, _ in commonest]
            self._findings.add(_NOTE_FINDINGS[note], column, counter.total(), examples)
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
        compiled, counts = self._groupers[at].compiled, self._answers[at]
        scheme = compiled.scheme
        adrgs = {row.code: counts["adrg", number] for number, row in enumerate(compiled.adrgs)}
        mdcs: Counter[str] = Counter()
        for row in compiled.adrgs:
            mdcs[row.parent] += adrgs[row.code]
        return {
            "scheme": {"id": scheme.id, "version": scheme.head.version, "digest": scheme.digest},
            "status": {status: counts["status", number] for number, status in enumerate(STATUSES)},
            "reason": _present({reason: counts["reason", number] for number, reason in enumerate(REASONS, start=1)}),
            "severity": {name: counts["severity", number] for number, name in enumerate(SEVERITIES, start=k.NONE)},
            "mdc": _present(mdcs),
            "adrg": _present(adrgs),
            "drg": _present({row.code: counts["drg", number] for number, row in enumerate(compiled.drgs)}),
        }

    def write_tables(self, folder: Path) -> None:
        """Write code_notes.csv, and transitions.csv where two schemes were compared."""
        with (folder / "code_notes.csv").open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["note", "column", "code", "read_as", "occurrences"])
            writer.writerows(self._note_rows())
        if len(self._groupers) > 1:
            with (folder / "transitions.csv").open("w", encoding="utf-8-sig", newline="") as file:
                writer = csv.writer(file)
                names = ("status", "mdc", "adrg", "drg", "drg_name")
                writer.writerow([*names, *(f"compared_{name}" for name in names), "cases", "share_of_group"])
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
        rows = [
            (*self._answer_cells(0, one), *self._answer_cells(1, other), count, f"{count / of_group[one]:.4f}")
            for (one, other), count in self._transitions.items()
        ]
        return sorted(rows, key=lambda row: (row[:4], -row[-2], row[5:9]))

    def _answer_cells(self, at: int, key: int) -> tuple[str, str, str, str, str]:
        compiled = self._groupers[at].compiled
        adrg, drg = key >> 15 & _NONE, key & _NONE
        adrg_row = None if adrg == _NONE else compiled.adrgs[adrg]
        drg_row = None if drg == _NONE else compiled.drgs[drg]
        return (
            STATUSES[key >> 30],
            adrg_row.parent if adrg_row else "",
            adrg_row.code if adrg_row else "",
            drg_row.code if drg_row else "",
            drg_row.name if drg_row else "",
        )


def _present(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}
