"""Who comes: persons with a sex, a birthday, an insurance and a home, all of which follow from the person's number."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.synthetic.city import CONTEXTS, City
from engine.synthetic.draws import Draws, Flags, Floats, Ints, mixed
from engine.synthetic.plan import Month, Plan
from engine.synthetic.settings import AGE_BANDS, OLDEST

YEAR = 365.2425
_BANDS = np.array(AGE_BANDS)
_WIDTHS = np.diff([*AGE_BANDS, OLDEST])
_CONTEXT_OF_BAND = np.array([CONTEXTS.index(name) for name in
    ("infant", "child", "child", "age_18", "age_35", "age_50", "age_65", "age_80")])  # fmt: skip


@dataclass(frozen=True)
class People:
    """The persons of some claims, one a row. Days count from 1970-01-01."""

    person: Ints
    sex: Ints
    born: Ints
    """Day of birth; of newborns and infants only once they are admitted (see `days_of_life`)."""
    days_of_life: Ints
    """Days of life at admission of those born for this stay; -1 for all others."""
    age: Ints
    """Full years at discharge, as far as known before admission."""
    context: Ints
    employee: Flags
    region: Ints
    """Place in `regions_of`."""
    aided: Flags
    """Civil servants among employees, assisted among residents."""


def regions_of(city: City) -> tuple[str, ...]:
    """Return the places of insurance: home districts, then places outside."""
    return (*city.settings.insured.regions, *city.settings.insured.outside)


def people_of(plan: Plan, month: Month, kind: Ints, number: Ints, discharged: Ints, draws: Draws) -> People:
    """Return the persons of claims from their kind and number; `discharged` is the day of discharge."""
    insured, kinds = plan.city.settings.insured, list(plan.city.settings.people.values())
    first_period = {"lasting": 0, "yearly": month.year * 100, "once": month.number}
    period = np.array([first_period[people.kind] for people in kinds], np.int64)[kind]
    person = (kind + 10) * 10**14 + period * 10**8 + number
    lane = [*mixed(person, plan.seed * 2).view(np.uint16).reshape(-1, 4).T]
    lane += [*mixed(person, plan.seed * 2 + 1).view(np.uint16).reshape(-1, 4).T]
    sex = 2 - (lane[0] < np.array([people.male for people in kinds])[kind] * 65536).astype(np.int64)
    band = (lane[1][:, None] >= _steps([people.ages or (1,) * 8 for people in kinds])[kind]).sum(axis=1)
    years = _BANDS[band] + _WIDTHS[band] * (lane[2] / 65536)
    reference = np.array([_reference_day(plan, month, people.kind) for people in kinds], np.int64)[kind]
    born = reference - (years * YEAR).astype(np.int64)
    days_of_life = _days_of_life(plan.city, kind, draws)
    newborn = days_of_life >= 0
    age = np.where(newborn, 0, np.maximum(((discharged - born) / YEAR).astype(np.int64), 0))
    band = np.where(newborn, 0, np.searchsorted(_BANDS, age, side="right") - 1)
    employee = lane[3] < np.array(insured.employees)[band] * 65536
    own_context = np.array([-1 if p.conditions is None else CONTEXTS.index(p.conditions) for p in kinds])[kind]
    return People(
        person=person,
        sex=sex,
        born=born,
        days_of_life=days_of_life,
        age=age,
        context=np.where(own_context >= 0, own_context, _CONTEXT_OF_BAND[band]),
        employee=employee,
        region=(lane[4][:, None] >= _steps([[*insured.regions.values(), *insured.outside.values()]])[0]).sum(axis=1),
        aided=lane[5] < np.where(employee, insured.civil_servants, insured.assisted) * 65536,
    )


def full_years(born: Ints, day: Ints) -> Ints:
    """Return full years of life on a day."""
    birth, now = born.astype("datetime64[D]"), day.astype("datetime64[D]")
    birth_month, month = birth.astype("datetime64[M]"), now.astype("datetime64[M]")
    months = (month - birth_month).astype(np.int64)
    before = (now - month).astype(np.int64) < (birth - birth_month).astype(np.int64)
    return np.asarray((months - before) // 12)


def _reference_day(plan: Plan, month: Month, kind: str) -> int:
    """Return the day on which ages are those of the bands: the first of the period, or of the year."""
    year = plan.first_year if kind == "lasting" else month.year
    return int(np.datetime64(f"{year:04}-01-01", "D").astype(np.int64))


def _days_of_life(city: City, kind: Ints, draws: Draws) -> Ints:
    ranges = [people.days or (-1, -1) for people in city.settings.people.values()]
    low, high = np.array(ranges, np.int64)[kind].T
    # The younger the more: the square of an even draw, scaled to the range.
    even = draws.between(0, 1, len(kind))
    return np.where(low < 0, -1, low + ((high - low + 1) * even * even).astype(np.int64))


def _steps(rows: Sequence[Sequence[float]]) -> Floats:
    """Return the upper bounds of all but the last share, in whole parts of 65,536, by row."""
    bounds = np.cumsum(np.array(rows, np.float64), axis=1)
    return np.rint(bounds[:, :-1] / bounds[:, -1:] * 65536)
