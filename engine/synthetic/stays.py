"""When: the days of settlement, discharge and admission of a month's claims."""

from dataclasses import dataclass

import numpy as np

from engine.synthetic.city import City
from engine.synthetic.draws import Choice, Draws, Flags, Floats, Ints, factors, rounded
from engine.synthetic.plan import Month

DAY = 24 * 60


@dataclass(frozen=True)
class Ending:
    """Days on which stays end and are settled, from 1970-01-01."""

    discharged: Ints
    settled: Ints


@dataclass(frozen=True)
class Stay:
    """The days of a stay; times in minutes from 1970-01-01."""

    days: Ints
    admitted_day: Ints
    admitted: Ints
    discharged: Ints
    settled: Ints
    received_day: Ints


def endings(city: City, month: Month, count: int, draws: Draws) -> Ending:
    """Draw the day of settlement within the month and the day of discharge before it."""
    weekdays = city.settings.volume.weekdays
    # 1970-01-01 was a Thursday, the fourth day of the week.
    days = [weekdays[(month.first_day + day + 3) % 7] for day in range(month.days)]
    settled = month.first_day + Choice.of([days]).draw(draws, np.zeros(count, np.int64))
    lag = np.where(draws.chance(0.82, count), 0, 1 + draws.below(3, count))
    lag = np.where(draws.chance(0.04, count), 3 + draws.below(18, count), lag)
    return Ending(settled - lag, settled)


def lengths(mean: Floats, surgery_by_day: Flags, spread: float, draws: Draws) -> Ints:
    """Draw lengths of stay around their means; day surgery ends on its first or second day."""
    count = len(mean)
    drawn = np.clip(rounded(mean * factors(draws, spread, count)), 1, 400)
    return np.where(surgery_by_day, draws.below(2, count), drawn)


def stays(ending: Ending, nights: Ints, city: City, draws: Draws) -> Stay:
    """Return the stays of given lengths; a stay that ends on its first day counts one day."""
    count = len(nights)
    admitted_day = ending.discharged - nights
    admitted = admitted_day * DAY + 6 * 60 + draws.below(5 * 60, count)
    # Emergencies come at any hour of the days before the last.
    admitted = np.where((nights > 0) & draws.chance(0.3, count), admitted_day * DAY + draws.below(DAY, count), admitted)
    discharged = ending.discharged * DAY + 11 * 60 + draws.below(6 * 60, count)
    same_day = ending.settled == ending.discharged
    settled = np.where(
        same_day, discharged + draws.below(90, count), ending.settled * DAY + 8 * 60 + draws.below(600, count)
    )
    arrival = city.settings.records.arrival
    usual = draws.below(4, count)
    late = 4 + draws.below(arrival.days - 4, count)
    return Stay(
        days=np.maximum(nights, 1),
        admitted_day=admitted_day,
        admitted=admitted,
        discharged=discharged,
        settled=settled,
        received_day=ending.settled + np.where(draws.chance(arrival.late, count), late, usual),
    )
