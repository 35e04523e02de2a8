"""Weights follow prices late: what a price cut does to the weights of the next years and to a hospital (spec 1.14).

Weights rest on the mean charges of past years, so that a case that became cheaper is paid by what it used to cost. The
means are those of the policy's own calibration (`rules.payment.calibration.estimate`), its years moved along.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from rules.fault import Text, UserError
from rules.money import Exact, Mode, round_whole
from rules.payment.calibration import Sums, add_years, estimate
from rules.policy.calibration import Calibration

History = Mapping[str, Mapping[int, Sums]]
"""By group and year: cases and their charges (fen), those of years to come as they are expected."""


def lagged_mean(years: Mapping[int, Sums], rule: Calibration, pays: int) -> Fraction | None:
    """Return the mean charge (fen, exact) that weights of the year `pays` rest on, None without cases.

    The rule's years are moved along so that its last one is the year before. UserError for years that are not there.
    """
    moved = _moved(rule, pays)
    if missing := sorted(set(map(int, moved.year_weights)) - set(years)):
        listed = ", ".join(map(str, missing))
        zh, en = f"{pays} 年的权重需要 {listed} 年的病例", f"the weights of {pays} need the cases of {listed}"
        raise UserError(Text(zh, en))
    return estimate({int(year): years[int(year)] for year in moved.year_weights}, moved)


def _moved(rule: Calibration, pays: int) -> Calibration:
    """Return the rule with its years moved along: the last one before `pays`."""
    by = pays - 1 - max(map(int, rule.year_weights))
    weights = {str(int(year) + by): weight for year, weight in rule.year_weights.items()}
    return rule.model_copy(update={"year_weights": weights})


def with_cut(history: History, cuts: Mapping[str, Exact], from_year: int) -> dict[str, dict[int, Sums]]:
    """Return the history with the charges of some groups lower by `cuts` (fen a case) from a year on.

    UserError for groups that are not there and cuts above the mean charge.
    """
    faults = [
        Text(f"没有病组 {g} 的病例", f"there are no cases of group {g}") for g in sorted(set(cuts) - set(history))
    ]
    found: dict[str, dict[int, Sums]] = {group: dict(years) for group, years in history.items()}
    for group, cut in sorted(cuts.items()):
        for year, sums in found.get(group, {}).items():
            if year >= from_year:
                charge = sums.charge - round_whole(Fraction(cut) * sums.cases, "half_away_from_zero")
                found[group][year] = sums._replace(charge=charge)
                if charge < 0:
                    zh, en = (
                        f"病组 {group} {year} 年的降价超过费用",
                        f"the cut of group {group} exceeds its charges in {year}",
                    )
                    faults.append(Text(zh, en))
    if faults:
        raise UserError(faults)
    return found


def weights(history: History, rule: Calibration, pays: int) -> dict[str, Fraction]:
    """Return each group's weight in a year: its lagged mean ÷ that of all cases. Groups without cases have none."""
    whole = lagged_mean(add_years(list(history.values())), rule, pays)
    means = {group: lagged_mean(years, rule, pays) for group, years in history.items()}
    return {group: mean / whole for group, mean in means.items() if mean is not None and whole}


class Year(NamedTuple):
    """One year after a cut: weights with and without it, and what a hospital gains (fen) by it until weights follow.

    saved: its costs fall at once. paid: its payment changes as weights move, below zero once they fall.
    """

    year: int
    without_cut: dict[str, Fraction]
    with_cut: dict[str, Fraction]
    saved: int
    paid: int

    @property
    def margin(self) -> int:
        """Fen that the hospital is better off than without the cut."""
        return self.saved + self.paid


def weight_lag(
    history: History,
    rule: Calibration,
    cuts: Mapping[str, Exact],
    from_year: int,
    years: Sequence[int],
    cases: Mapping[str, int],
    rate: Exact,
    mode: Mode = "half_away_from_zero",
) -> list[Year]:
    """Return year by year what a cut of charges does to weights and to one hospital.

    `cuts`: fen a case by group, from `from_year` on. `cases`: the hospital's by group, alike each year. `rate`: fen for
    one weight, held fixed, so that what a bureau does to the rate stands beside and not inside. Rounded once a year.
    UserError for missing years of history and for groups of the hospital without a weight.
    """
    lower = with_cut(history, cuts, from_year)
    found = []
    for year in years:
        before, after = weights(history, rule, year), weights(lower, rule, year)
        if unknown := sorted(group for group, count in cases.items() if count and group not in before):
            raise UserError([Text(f"病组 {g} 没有权重", f"group {g} has no weight") for g in unknown])
        saved = sum((Fraction(cuts.get(g, 0)) * n for g, n in cases.items()), Fraction()) if year >= from_year else 0
        paid = sum(((after[g] - before[g]) * n for g, n in cases.items() if n), Fraction()) * Fraction(rate)
        found.append(Year(year, before, after, round_whole(saved, mode), round_whole(paid, mode)))
    return found
