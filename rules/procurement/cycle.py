"""Procurement cycle (采购周期): how long an agreement runs, its years, and its volume split across years (spec 1.6)."""

from collections.abc import Iterator
from datetime import date, timedelta
from fractions import Fraction
from typing import NamedTuple

from rules.fault import Text, UserError
from rules.money import largest_remainder
from rules.procurement.parameters import Cycle


class Period(NamedTuple):
    """First and last day of an agreement year, both within it."""

    starts: date
    ends: date

    @property
    def days(self) -> int:
        """Return the number of days."""
        return (self.ends - self.starts).days + 1


def cycle(rule: Cycle, starts: date, winners: int) -> Period:
    """Return the cycle that begins on `starts`: so many years by the number of winners, or to the common last day."""
    if rule.ends is not None:
        if rule.ends < starts:
            raise UserError(Text(f"{starts} 晚于统一到期日 {rule.ends}", f"{starts} is after the last day {rule.ends}"))
        return Period(starts, rule.ends)
    return Period(starts, years_later(starts, years(rule, winners)) - timedelta(days=1))


def years(rule: Cycle, winners: int) -> int:
    """Return the length of the cycle in years. UserError where the rule names one last day instead."""
    if not rule.years_by_winners or winners < 1:
        raise UserError(Text("此周期按统一到期日，不按年数", "this cycle has one last day, not a number of years"))
    return rule.years_by_winners[min(winners, len(rule.years_by_winners)) - 1]


def years_later(day: date, count: int) -> date:
    """Return the same day so many years later; 29 February becomes 1 March."""
    try:
        return day.replace(year=day.year + count)
    except ValueError:
        return date(day.year + count, 3, 1)


def agreement_years(whole: Period) -> Iterator[Period]:
    """Yield the years of a cycle, each signed for by itself; the last may be shorter."""
    starts, n = whole.starts, 1
    while starts <= whole.ends:
        after = years_later(whole.starts, n)
        yield Period(starts, min(after - timedelta(days=1), whole.ends))
        starts, n = after, n + 1


def across_years(quantity: int, period: Period) -> dict[int, int]:
    """Return a quantity split over calendar years in proportion to their days; the parts add up to it."""
    spans = {
        year: Period(max(period.starts, date(year, 1, 1)), min(period.ends, date(year, 12, 31))).days
        for year in range(period.starts.year, period.ends.year + 1)
    }
    return largest_remainder(quantity, spans)


def time_progress(period: Period, on: date) -> Fraction:
    """Return the share of the period's days that have passed at the end of a day, 0 to 1 (序时进度)."""
    passed = (on - period.starts).days + 1
    return min(max(Fraction(passed, period.days), Fraction(0)), Fraction(1))
