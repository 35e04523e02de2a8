"""The plan of a city's claims: how many each month has, of which patients, and which persons they are.

Everything that must not depend on how the work is cut is settled here: the claims of a month and their patients.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from engine.synthetic.city import City
from engine.synthetic.draws import Choice, Draws, Ints

CHUNK = 131_072
"""Claims drawn at a time, and rows of a row group."""


@dataclass(frozen=True)
class Month:
    """One month of settlements: claims drawn anew, refunds of some of them, and what the month before carried over."""

    year: int
    month: int
    place: int
    """Months since the first."""
    drawn: int
    refunds: int
    carried_refunds: int
    """Refunds of this month's claims that are made in the next month."""
    carried_parts: int
    """Stays of which this month settles the first part and the next month the second."""
    bounds: Ints
    """Where each kind of patients begins among the drawn claims, and the end."""
    groups: Choice
    """Groups by kind of patients."""
    group_of: Ints
    """Group of each candidate of `groups`."""

    @property
    def number(self) -> int:
        """The month as a number, yyyymm."""
        return self.year * 100 + self.month

    @property
    def first_day(self) -> int:
        """First day, in days since 1970-01-01."""
        return int(np.datetime64(f"{self.year:04}-{self.month:02}", "D").astype(np.int64))

    @property
    def days(self) -> int:
        """Number of days."""
        following = np.datetime64(f"{self.year:04}-{self.month:02}", "M") + 1
        return int(following.astype("datetime64[D]").astype(np.int64)) - self.first_day

    @property
    def chunks(self) -> range:
        """Numbers of the chunks in which it is drawn."""
        return range(max(1, math.ceil(self.drawn / CHUNK)))


@dataclass(frozen=True)
class Chunk:
    """A slice of a month's drawn claims, and the shares of the month's other rows that come from it."""

    month: Month
    place: int

    @property
    def start(self) -> int:
        """First drawn claim."""
        return self.place * CHUNK

    @property
    def size(self) -> int:
        """Number of drawn claims."""
        return min(CHUNK, self.month.drawn - self.start)

    def slice(self, total: int) -> range:
        """Return the numbers of this chunk among `total` rows that come from the drawn claims of the month."""
        drawn = max(self.month.drawn, 1)
        return range(self.start * total // drawn, (self.start + self.size) * total // drawn)


@dataclass(frozen=True)
class Plan:
    """All months of a city, from its number of claims and its years, or some months of them."""

    city: City
    seed: int
    claims: int
    first_year: int
    last_year: int
    first_month: int = 1
    """Of the first year."""
    last_month: int = 12
    """Of the last year."""

    @cached_property
    def months(self) -> tuple[Month, ...]:
        """The months in order."""
        city, years = self.city, self.last_year - self.first_year
        places = range(years * 12 + self.last_month - self.first_month + 1)
        kinds = city.groups.people.tolist()
        volumes = [[self._volume(group, place) for group in range(len(kinds))] for place in places]
        totals = parts_of(self.claims, [math.fsum(month) for month in volumes])
        months, records = [], city.settings.records
        carried = 0
        for place, (total, volume) in enumerate(zip(totals, volumes, strict=True)):
            own = max(total - carried, 0)
            drawn = math.ceil(own / (1 + records.refunds / 1000))
            is_last = place == places[-1]
            late = 0 if is_last else int(drawn * records.late_refunds / 1000)
            parts = 0 if is_last else int(drawn * records.parted_stays / 1000)
            of_kind = [[g for g, kind in enumerate(kinds) if kind == p] for p in range(len(city.people))]
            sizes = parts_of(drawn, [math.fsum(volume[g] for g in groups) for groups in of_kind])
            months.append(
                Month(
                    year=self.first_year + self._calendar(place) // 12,
                    month=self._calendar(place) % 12 + 1,
                    place=place,
                    drawn=drawn,
                    refunds=own - drawn,
                    carried_refunds=late,
                    carried_parts=parts,
                    bounds=np.concatenate(([0], np.cumsum(sizes))).astype(np.int64),
                    groups=Choice.of([[volume[g] for g in groups] for groups in of_kind]),
                    group_of=np.array([g for groups in of_kind for g in groups], np.int64),
                )
            )
            carried = late + parts
        return tuple(months)

    def chunks(self) -> Iterator[Chunk]:
        """Yield all chunks in order."""
        for month in self.months:
            for place in month.chunks:
                yield Chunk(month, place)

    def _calendar(self, place: int) -> int:
        """Return the months from January of the first year to a month."""
        return self.first_month - 1 + place

    def _volume(self, group: int, place: int) -> float:
        """Return the relative number of cases of a group in a month."""
        volume, groups = self.city.settings.volume, self.city.groups
        yearly = (1 + volume.growth) * float(groups.growth[group])
        season: tuple[float, ...] = getattr(volume, groups.season[group])
        drift: float = yearly ** (place / 12)
        return float(groups.per_10000[group]) * season[self._calendar(place) % 12] * round(drift, 9)

    @cached_property
    def pool_sizes(self) -> tuple[int, ...]:
        """Persons of each kind, a prime number; those of a yearly kind are so many a year."""
        years = len(self.months) / 12
        sizes = []
        for place, people in enumerate(self.city.settings.people.values()):
            counts = [int(month.bounds[place + 1] - month.bounds[place]) for month in self.months]
            sizes.append(_prime(max(int(sum(counts) / years / people.visits), *counts, 2)))
        return tuple(sizes)

    def kinds_and_persons(self, chunk: Chunk) -> tuple[Ints, Ints]:
        """Return the kind of patients of each drawn claim of a chunk, and the person's number among all of that kind.

        Nobody is drawn twice in a month (follow-up stays aside), and persons come back in other months by chance.
        """
        month = chunk.month
        stride = _coprime(month.drawn)
        places = (np.arange(chunk.start, chunk.start + chunk.size) * stride + month.place) % max(month.drawn, 1)
        kind = np.searchsorted(month.bounds, places, side="right") - 1
        rank = places - month.bounds[kind]
        return kind, (rank * self._steps[month.place][0][kind] + self._steps[month.place][1][kind]) % self._pools[kind]

    @cached_property
    def _pools(self) -> Ints:
        return np.array(self.pool_sizes, np.int64)

    @cached_property
    def _steps(self) -> tuple[tuple[Ints, Ints], ...]:
        """Step and start with which each month walks through the persons of each kind."""
        steps = []
        for month in self.months:
            draws = Draws(np.random.SeedSequence(self.seed, spawn_key=(month.place,)))
            count = len(self._pools)
            steps.append((draws.below(self._pools - 1, count) + 1, draws.below(self._pools, count)))
        return tuple(steps)


def parts_of(whole: int, shares: list[float]) -> list[int]:
    """Divide a whole number by shares, exactly, with the largest remainders rounded up."""
    total = math.fsum(shares)
    exact = [whole * share / total for share in shares]
    parts = [int(part) for part in exact]
    by_remainder = sorted(range(len(shares)), key=lambda place: (parts[place] - exact[place], place))
    for place in by_remainder[: whole - sum(parts)]:
        parts[place] += 1
    return parts


def _coprime(count: int) -> int:
    """Return a number without common factor with `count`, near its golden section: steps of it spread evenly."""
    step = max(1, int(count * 0.6180339887))
    while math.gcd(step, max(count, 1)) != 1:
        step += 1
    return step


def _prime(least: int) -> int:
    """Return the next prime number."""
    number = least
    while any(number % divisor == 0 for divisor in range(2, math.isqrt(number) + 1)):
        number += 1
    return number
