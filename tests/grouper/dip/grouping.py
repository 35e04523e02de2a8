"""Group records by the kernel and by the reference, to compare them."""

from collections.abc import Sequence
from dataclasses import asdict

import pyarrow as pa

from grouper.dip.answer import DipGroup
from grouper.dip.batch import ANSWER_COLUMNS, Grouper
from grouper.dip.compile import compile_directory
from grouper.dip.directory import Directory
from grouper.dip.reference import group_case
from grouper.drg.reference import Record
from grouper.frames import group_arrow

COLUMNS = {
    "diagnoses": pa.list_(pa.string()),
    "procedures": pa.list_(pa.string()),
    "age": pa.int32(),
    "age_days": pa.int32(),
    "birth_weight": pa.int32(),
    "total_charge": pa.int64(),
}


def as_table(records: Sequence[Record]) -> pa.Table:
    """Return records as canonical columns."""
    rows = [asdict(record) for record in records]
    return pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in COLUMNS.items()})


def by_kernel(directory: Directory, records: Sequence[Record]) -> list[DipGroup]:
    """Return the kernel's answers."""
    rows = group_arrow(as_table(records), Grouper(compile_directory(directory))).to_pylist()
    return [DipGroup(*(row[name] for name in ANSWER_COLUMNS)) for row in rows]


def differing(directory: Directory, records: Sequence[Record]) -> list[tuple[Record, DipGroup, DipGroup]]:
    """Return the records on which the kernel and the reference do not agree, with both answers."""
    answers = by_kernel(directory, records)
    pairs = ((record, answer, group_case(directory, record)) for record, answer in zip(records, answers, strict=True))
    return [pair for pair in pairs if pair[1] != pair[2]]
