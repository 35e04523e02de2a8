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
from engine.claims.cells import Mask, Rows, mask, series
from engine.claims.code_columns import entries
from engine.claims.derived import full_years, stay_days
from engine.claims.reasons import CHECKS
from grouper.codes import fold
from grouper.fault import Text, UserError
from grouper.nearest import near_names

Action = Literal["off", "warn", "reject"]
ACTIONS: tuple[Action, ...] = ("off", "warn", "reject")


@dataclass(frozen=True)
class CheckPolicy:
    """What each check does: off, warn (the default) or reject.

    `as_of` is the day after which a date lies in the future (None: not checked); `sex_of_diagnosis` gives the only
    sex (1, 2) that a principal diagnosis allows, by folded code.
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
        known = next((known for known in ACTIONS if known == action), None)
        if name not in CHECKS:
            near = near_names(name, CHECKS)
            faults.append(
                Text(f"--check {option}：没有检查项“{name}”{near.zh}", f"--check {option}: no check {name!r}{near.en}")
            )
        elif known is None:
            faults.append(Text(f"--check {option}：应为 off、warn 或 reject", f"--check {option}: off, warn or reject"))
        else:
            actions[name] = known
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
_BY_COLUMN = ("negative_amount", "future_date")
"""Checks that are counted for each column; the others once a claim."""

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
    """Yield the failures of the checks on amounts, dates and ages. `claims` has the canonical columns the task uses."""
    checks = [check for check in (*_CHECKS, *_future(policy.as_of)) if policy.action(check.name) != "off"]
    runnable = [check for check in checks if set(check.columns) <= set(claims.columns)]
    found = claims.select(check.fails.fill_null(value=False).alias(str(place)) for place, check in enumerate(runnable))
    failures: dict[tuple[str, str], Failure] = {}
    for check, failing in zip(runnable, found.get_columns(), strict=True):
        if failing.any():
            column = check.columns[0] if check.name in _BY_COLUMN else ""
            failure = failures.get(
                (check.name, column), Failure(check.name, column, np.zeros(claims.height, np.bool_), ())
            )
            shown = dict.fromkeys((*failure.shown, *check.columns))
            failures[check.name, column] = failure._replace(rows=failure.rows | failing.to_numpy(), shown=tuple(shown))
    yield from failures.values()


def _future(as_of: date | None) -> Iterator[Check]:
    if as_of is not None:
        for name in _DATES:
            yield Check("future_date", (name,), pl.col(name).cast(pl.Date) > as_of)


_USUAL = {"diagnoses": r"^[A-Z]\d\d(\.[0-9x]+(\+[A-Z]\d\d(\.\d)?\*)?)?$", "procedures": r"^\d\d(\.[0-9x]+)?$"}
"""Codes as the national lists spell nearly all of them: neither malformed nor TCM, known at one look."""

_FORMS = {
    "diagnoses": r"^([a-z]\d{2}[0-9a-z.+*/]*|[a-z]{2,4}\d{2,}[0-9a-z.]*)$",
    "procedures": r"^\d{2}([.x][0-9a-z.]*)?$",
}
"""Folded codes: ICD-10 with its additional and morphology codes, or a TCM code; ICD-9-CM-3."""

_TCM = r"^([a-z]\d{2}(\.\d{2}){2,}\.?|[a-z]{2,4}\d{2,}[0-9a-z.]*)$"
"""Folded codes of TCM diseases: A04.01.01 (GB/T 15657-2021), BNP010 (GB/T 15657-1995)."""


def failed_codes(
    name: str, codes: pa.ListArray, policy: CheckPolicy, sex: pl.Series | None = None
) -> Iterator[Failure]:
    """Yield the failures of the checks on a list of codes; the principal diagnosis is checked against `sex`."""
    lists = _Lists(codes)
    dictionary = lists.dictionary
    unusual = np.flatnonzero(mask(~dictionary.str.contains(_USUAL[name])))
    spelled = _folded(dictionary.gather(unusual))
    failing = {
        "empty_code": lists.partly_filled(),
        "malformed_code": lists.any_of(unusual[mask(~spelled.str.contains(_FORMS[name]))]),
    }
    if name == "diagnoses":
        failing["no_diagnosis"] = lists.filled == 0
        failing["tcm_principal"] = lists.first_of(unusual[mask(spelled.str.contains(_TCM))])
        if sex is not None and policy.sex_of_diagnosis:
            failing["sex_of_diagnosis"] = _wrong_sex(lists, policy.sex_of_diagnosis, sex)
    for check, rows in failing.items():
        if policy.action(check) != "off" and rows.any():
            yield Failure(check, name, rows, (name, "sex") if check == "sex_of_diagnosis" else (name,))


def _wrong_sex(lists: "_Lists", rule: Mapping[str, int], sex: pl.Series) -> Mask:
    right = _folded(lists.dictionary).replace_strict(rule, default=None, return_dtype=pl.Int8)
    male, female = (lists.first_of(np.flatnonzero(mask(right == own))) for own in (1, 2))
    return (male & mask(sex == 2)) | (female & mask(sex == 1))


def _folded(codes: pl.Series) -> pl.Series:
    return pl.Series([None if code is None else fold(code) for code in codes], dtype=pl.String)


class _Lists:
    """Code lists of a chunk, judged by the places of codes in their dictionary."""

    def __init__(self, codes: pa.ListArray) -> None:
        values = entries(codes)
        self.dictionary = series(values.dictionary)
        self._offsets = codes.offsets.to_numpy()
        self._lengths = np.diff(self._offsets)
        self._codes = values.indices.fill_null(-1).to_numpy()
        self.filled = self._lengths if not values.null_count else self._counts(self._codes >= 0)

    def _counts(self, flags: Mask) -> Rows:
        running = np.concatenate(([0], np.cumsum(flags)))
        counts: Rows = running[self._offsets[1:]] - running[self._offsets[:-1]]
        return counts

    def partly_filled(self) -> Mask:
        """Rows with a code and an empty entry."""
        partly: Mask = (self._lengths > self.filled) & (self.filled > 0)
        return partly

    def any_of(self, places: Rows) -> Mask:
        """Rows with any of these codes."""
        if not len(places):
            return np.zeros(len(self._lengths), np.bool_)
        hit: Mask = self._counts(self._marked(places)[self._codes]) > 0
        return hit

    def first_of(self, places: Rows) -> Mask:
        """Rows whose first code is one of these."""
        found = np.zeros(len(self._lengths), np.bool_)
        if len(places):
            listed = np.flatnonzero(self._lengths)
            found[listed] = self._marked(places)[self._codes[self._offsets[listed]]]
        return found

    def _marked(self, places: Rows) -> Mask:
        """Return a flag for each code of the dictionary, and a last false one for an empty entry (-1)."""
        marked = np.zeros(len(self.dictionary) + 1, np.bool_)
        marked[places] = True
        return marked
