"""Checks of a claim against itself: amounts that must add up, dates in order, ages that agree, codes of the right form.

Each check runs where all its columns are among those the task uses; what it finds warns or rejects, as the policy says.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa

from engine.claims.canonical import BY_NAME, FUND_PARTS
from engine.claims.cells import Mask, mask, series
from engine.claims.code_columns import entries
from engine.claims.derived import full_years, stay_days
from engine.claims.reasons import CHECKS
from grouper.codes import fold
from grouper.fault import Text, UserError
from grouper.nearest import near_names

Action = Literal["off", "warn", "reject"]


@dataclass(frozen=True)
class CheckPolicy:
    """What each check does: off, warn (the default) or reject.

    `as_of` is the day after which a date lies in the future (None: not checked); `sex_of_diagnosis` gives the only sex (1, 2) that a
    principal diagnosis allows, by folded code.
    """

    actions: Mapping[str, Action] = field(default_factory=dict)
    as_of: date | None = None
    sex_of_diagnosis: Mapping[str, int] = field(default_factory=dict)

    def action(self, name: str) -> Action:
        """Return what a check does; rejects and findings that are no checks have their own fixed use."""
        return self.actions.get(name, "warn")


def parse_actions(options: Iterable[str]) -> dict[str, Action]:
    """Read "name=off|warn|reject" options; raises UserError with every option that is wrong."""
    actions: dict[str, Action] = {}
    faults = []
    for option in options:
        name, _, action = (part.strip() for part in option.partition("="))
        if name not in CHECKS:
            near = near_names(name, CHECKS)
            faults.append(
                Text(f"--check {option}：没有检查项“{name}”{near.zh}", f"--check {option}: no check {name!r}{near.en}")
            )
        elif action == "off" or action == "warn" or action == "reject":
            actions[name] = action
        else:
            faults.append(
                Text(f"--check {option}：应为 off、warn 或 reject", f"--check {option}: must be off, warn or reject")
            )
    if faults:
        raise UserError(faults)
    return actions


class Failure(NamedTuple):
    """Rows of a chunk that fail a check, and the columns whose values show why."""

    name: str
    column: str
    rows: Mask
    shown: Sequence[str]


class Check(NamedTuple):
    """A check as an expression over canonical columns; true where a claim fails, null where it cannot be judged."""

    name: str
    columns: tuple[str, ...]
    fails: pl.Expr


def _before(later: str, earlier: str) -> pl.Expr:
    """Tell whether `later` lies before `earlier`; a time of midnight is taken as the whole day."""
    late, early = pl.col(later), pl.col(earlier)
    return (late < early) & ((late.dt.date() < early.dt.date()) | (late.dt.time() != pl.time(0)))


def _days_disagree() -> pl.Expr:
    """Age in days of an infant is under 367; a count of all days of life must lie within the year of age."""
    age, days = pl.col("age").cast(pl.Int64), pl.col("age_days")
    return ~days.is_between(age * 365, age * 366 + 366)


_WHOLE_STAY = ~pl.col("part_of_stay").fill_null(value=False)
_AMOUNTS = tuple(name for name, column in BY_NAME.items() if column.kind == "money")
_DATES = tuple(name for name, column in BY_NAME.items() if column.kind in ("date", "datetime"))

_CHECKS = (
    Check(
        "total_adds_up",
        ("total_charge", "fund_total", "patient_paid", "hospital_borne"),
        pl.col("total_charge") != pl.col("fund_total") + pl.col("patient_paid") + pl.col("hospital_borne").fill_null(0),
    ),
    Check("fund_adds_up", ("fund_total", *FUND_PARTS), pl.col("fund_total") != pl.sum_horizontal(FUND_PARTS)),
    Check(
        "stay_matches_dates",
        ("length_of_stay", "admitted", "discharged", "part_of_stay"),
        _WHOLE_STAY & (pl.col("length_of_stay") != stay_days()),
    ),
    Check(
        "dates_in_order", ("admitted", "discharged", "part_of_stay"), _WHOLE_STAY & _before("discharged", "admitted")
    ),
    Check("dates_in_order", ("discharged", "settled", "part_of_stay"), _WHOLE_STAY & _before("settled", "discharged")),
    Check("ages_agree", ("age", "age_days"), _days_disagree()),
    Check("ages_agree", ("age", "birth_date", "admitted"), pl.col("age") != full_years()),
    *(
        Check("negative_amount", (name, "refund"), (pl.col(name) < 0) & ~pl.col("refund").fill_null(value=False))
        for name in _AMOUNTS
    ),
)


def failed_values(claims: pl.DataFrame, policy: CheckPolicy) -> Iterator[Failure]:
    """Yield the failures of the checks on amounts, dates and ages. `claims` holds the canonical columns the task uses."""
    checks = [check for check in (*_CHECKS, *_future(policy.as_of)) if policy.action(check.name) != "off"]
    runnable = [check for check in checks if set(check.columns) <= set(claims.columns)]
    found = claims.select(check.fails.fill_null(value=False).alias(str(place)) for place, check in enumerate(runnable))
    for check, failing in zip(runnable, found.get_columns(), strict=True):
        if failing.any():
            several = check.name in ("negative_amount", "future_date")
            yield Failure(check.name, check.columns[0] if several else "", failing.to_numpy(), check.columns)


def _future(as_of: date | None) -> Iterator[Check]:
    if as_of is not None:
        for name in _DATES:
            yield Check("future_date", (name,), pl.col(name).cast(pl.Date) > as_of)


_FORMS = {
    "diagnoses": r"^([a-z]\d{2}[0-9a-z.+*/]*|[a-z]{2,4}\d{2,}[0-9a-z.]*)$",
    "procedures": r"^\d{2}([.x][0-9a-z.]*)?$",
}
"""Folded codes: ICD-10 with its additional and morphology codes, or a TCM code; ICD-9-CM-3."""

TCM = r"^([a-z]\d{2}(\.\d{2}){2,}\.?|[a-z]{2,4}\d{2,}[0-9a-z.]*)$"
"""Folded codes of TCM diseases: A04.01.01 (GB/T 15657-2021), BNP010 (GB/T 15657-1995)."""


def failed_codes(
    name: str, codes: pa.ListArray, policy: CheckPolicy, sex: pl.Series | None = None
) -> Iterator[Failure]:
    """Yield the failures of the checks on a list of codes; `sex` enables the check of the principal diagnosis against it."""
    lists = _Lists(codes)
    spelled = lists.folded
    principal = name == "diagnoses"
    failing: dict[str, Mask] = {}
    if principal:
        failing["no_diagnosis"] = lists.filled == 0
    failing["empty_code"] = (lists.lengths > lists.filled) & (lists.filled > 0)
    failing["malformed_code"] = lists.any_of(mask(~spelled.str.contains(_FORMS[name])))
    if principal:
        failing["tcm_principal"] = lists.first_of(mask(spelled.str.contains(TCM)))
    if principal and sex is not None and policy.sex_of_diagnosis:
        rule = policy.sex_of_diagnosis
        right = spelled.replace_strict(list(rule), list(rule.values()), default=None, return_dtype=pl.Int8)
        failing["sex_of_diagnosis"] = np.logical_or.reduce(
            [lists.first_of(mask(right == own)) & mask(sex == 3 - own) for own in (1, 2)]
        )
    for check, rows in failing.items():
        if policy.action(check) != "off" and rows.any():
            yield Failure(check, name, rows, (name, "sex") if check == "sex_of_diagnosis" else (name,))


class _Lists:
    """Code lists of a chunk, judged by their dictionary."""

    def __init__(self, codes: pa.ListArray) -> None:
        values = entries(codes)
        self.folded = folded(values.dictionary)
        self._places = (
            values.indices.fill_null(-1).to_numpy(zero_copy_only=False)
            if values.null_count
            else values.indices.to_numpy()
        )
        missing = codes.is_null().to_numpy(zero_copy_only=False)
        self.lengths = np.where(missing, 0, np.diff(codes.offsets.to_numpy()))
        self._starts = np.concatenate(([0], np.cumsum(self.lengths)))
        self.filled = self._counts(self._places >= 0) if values.null_count else self.lengths

    def _counts(self, flags: Mask) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        running = np.concatenate(([0], np.cumsum(flags)))
        return running[self._starts[1:]] - running[self._starts[:-1]]

    def any_of(self, codes: Mask) -> Mask:
        """Rows with any of the codes that are marked in the dictionary."""
        if not codes.any():
            return np.zeros(len(self.lengths), np.bool_)
        return self._counts(np.append(codes, False)[self._places]) > 0

    def first_of(self, codes: Mask) -> Mask:
        """Rows whose first code is marked in the dictionary."""
        found = np.zeros(len(self.lengths), np.bool_)
        if codes.any():
            filled = np.flatnonzero(self.lengths)
            found[filled] = np.append(codes, False)[self._places[self._starts[:-1][filled]]]
        return found


def folded(codes: pa.StringArray) -> pl.Series:
    """Return a dictionary of codes folded for comparison (grouper.codes.fold), as a series."""
    text = series(codes)
    if text.str.len_bytes().sum() == text.str.len_chars().sum():
        return text.str.replace_all(r"\s", "").str.to_lowercase()
    return pl.Series([None if code is None else fold(code) for code in text], dtype=pl.String)
