"""Adjusting calibrated weights.

The total kept constant, groups not to be lowered, the change between two years, the comparison before publication.
"""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import NamedTuple

from rules.fault import Text, UserError


class Change(NamedTuple):
    """A group's weight beside its previous one; `share` is the change over the previous weight."""

    group: str
    previous: Fraction | None
    weight: Fraction | None
    share: Fraction | None


def keep_total(
    weights: Mapping[str, Fraction],
    cases: Mapping[str, int],
    total: Fraction,
    not_below: Mapping[str, Fraction] | None = None,
) -> dict[str, Fraction]:
    """Scale adjusted weights so that the base cases have the same total weight as before (DRG and DIP technical texts).

    `not_below` holds the previous weights of the groups that must not be lowered because their savings came from good
    cost control: such a group is held there and the others carry the difference. Raises UserError when the held
    groups alone reach the total.
    """
    held: dict[str, Fraction] = {}
    floors = {group: floor for group, floor in (not_below or {}).items() if group in weights}
    while True:
        free = {group: weight for group, weight in weights.items() if group not in held}
        rest = total - _total(held, cases)
        volume = _total(free, cases)
        if volume and rest <= 0:
            raise UserError(
                Text(
                    "不得下调的病组已占满总权重，其余病组无权重可分",
                    "the groups that must not be lowered take the whole total weight: nothing is left for the others",
                )
            )
        factor = rest / volume if volume else Fraction(1)
        sinking = {group: floor for group, floor in floors.items() if group in free and weights[group] * factor < floor}
        if not sinking:
            return {group: held.get(group, weight * factor) for group, weight in weights.items()}
        held |= sinking


def _total(weights: Mapping[str, Fraction], cases: Mapping[str, int]) -> Fraction:
    """Total weight of the base cases."""
    return sum((weight * cases.get(group, 0) for group, weight in weights.items()), Fraction())


def dynamic_adjustment(
    previous: Mapping[str, Fraction],
    current: Mapping[str, Fraction],
    threshold: Fraction,
    limit: Fraction | None = None,
) -> dict[str, Fraction]:
    """Return the weights of the next year from last year's and those calibrated on the newest year.

    A group moves only when it changed by more than `threshold` (a share), and then by at most `limit`; new groups
    enter as calibrated, groups without a current weight keep the previous one. Follow with `keep_total`.
    """
    adjusted = dict(previous)
    for group, weight in current.items():
        if group not in previous:
            adjusted[group] = weight
            continue
        change = relative_change(previous[group], weight)
        if abs(change) > threshold:
            bounded = change if limit is None else max(-limit, min(limit, change))
            adjusted[group] = previous[group] * (1 + bounded)
    return adjusted


def relative_change(before: Fraction | int, after: Fraction | int) -> Fraction:
    """Return after ÷ before - 1; before must not be 0."""
    return Fraction(after) / before - 1


def comparison(previous: Mapping[str, Fraction], weights: Mapping[str, Fraction]) -> Iterable[Change]:
    """Yield every group of either list in code order, with both weights and the change."""
    for group in sorted({*previous, *weights}):
        before, after = previous.get(group), weights.get(group)
        share = relative_change(before, after) if before and after is not None else None
        yield Change(group, before, after, share)
