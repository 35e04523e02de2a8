"""A synthetic city as arrays to draw from: groups, pathways, conditions and codes. city_files.py reads it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.synthetic.draws import Choice, Flags, Floats, Ints
from engine.synthetic.settings import AGE_BANDS, Settings

CONTEXTS = ("newborn", "infant", "child", "age_18", "age_35", "age_50", "age_65", "age_80", "pregnant", "cancer")
"""Whose conditions a column of conditions.csv gives."""
SEVERITIES = ("none", "cc", "mcc")
_ADULT = AGE_BANDS[3]


@dataclass(frozen=True)
class Lists:
    """Lists of code numbers, one a row, end to end."""

    starts: Ints
    values: NDArray[np.int32]

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]]) -> "Lists":
        """Build from the code numbers of each row."""
        starts = np.concatenate(([0], np.cumsum([len(row) for row in rows]))).astype(np.int64)
        return cls(starts, np.array([number for row in rows for number in row], np.int32))

    @property
    def lengths(self) -> Ints:
        """Length of each row."""
        return np.diff(self.starts)


@dataclass(frozen=True)
class Groups:
    """What people are treated for, one row a target ADRG."""

    adrg: tuple[str, ...]
    per_10000: Floats
    people: Ints
    days: Floats
    burden: Floats
    level: Choice
    department: Ints
    fees: Ints
    season: tuple[str, ...]
    growth: Floats
    day_surgery: Floats
    per_diem: Floats
    grams: tuple[Floats, Floats]
    """Least and greatest weight of a newborn at birth."""
    weight: Floats
    """Weight by group and severity."""
    drg: tuple[tuple[str, ...], ...]
    """Code of the target group by group and severity."""


@dataclass(frozen=True)
class Pathways:
    """Typical cases: principal diagnosis, diagnoses and procedures that belong to it. Rows of `choice`: see `row`."""

    choice: Choice
    listed: Ints
    principal: NDArray[np.int32]
    others: Lists
    procedures: Lists
    ventilation: Ints
    """0 none, 1 under 96 hours, 2 longer."""

    @staticmethod
    def row(group: Ints, sex: Ints, adult: Ints) -> Ints:
        """Return the row of the choice for a group, a sex (1, 2) and children (0) or adults (1)."""
        return (group * 2 + sex - 1) * 2 + adult


@dataclass(frozen=True)
class Conditions:
    """What people have besides: how often, by context, sex and condition; and with which codes."""

    often: Floats
    choice: Choice
    code: NDArray[np.int32]


@dataclass(frozen=True)
class Coding:
    """Codes by their numbers, and of each diagnosis its complication level, exclusion tables and category."""

    diagnoses: tuple[str, ...]
    procedures: tuple[str, ...]
    level: NDArray[np.int8]
    table: NDArray[np.int32]
    """Exclusion table that the complication is subject to; -1 none."""
    excludes: NDArray[np.int32]
    """Exclusion table that the code belongs to as principal diagnosis; -2 none."""
    category: NDArray[np.int32]


@dataclass(frozen=True)
class City:
    """All that is drawn from."""

    settings: Settings
    people: tuple[str, ...]
    departments: tuple[str, ...]
    groups: Groups
    pathways: Pathways
    conditions: Conditions
    examinations: Choice
    examination: NDArray[np.int32]
    coding: Coding


def is_adult(age: Ints) -> Flags:
    """Tell adults from children, as pathways do."""
    return np.asarray(age >= _ADULT)
