"""Hospital coefficients from history.

Cost ratio or cost per weight, by level, by level × group, composed, without inversion between levels.
Exact: integer fen sums over fractions; the coefficient is rounded only where it is published.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Literal, NamedTuple, TypeVar

import polars as pl

from rules.fault import Text, UserError

Costs = TypeVar("Costs")


class Cost(NamedTuple):
    """Charges (fen) over the volume they paid for: cases (cost ratio) or weights (case-mix adjusted)."""

    charge: int
    volume: Fraction

    @property
    def unit(self) -> Fraction:
        """Fen per case or per weight."""
        return self.charge / self.volume


@dataclass(frozen=True, slots=True)
class Composition:
    """How partial coefficients become one: their product, or their weighted mean, within a floor and a cap."""

    method: Literal["product", "weighted_mean"] = "product"
    shares: tuple[Fraction, ...] = ()
    floor: Fraction | None = None
    cap: Fraction | None = None


def level_coefficients(
    cases: pl.DataFrame,
    levels: Sequence[str],
    weights: Mapping[str, Fraction] | None = None,
    *,
    no_inversion: bool = True,
) -> dict[str, Fraction]:
    """Return each level's unit cost over that of all cases.

    `cases`: level (string), group (string), charge (int64 fen, inside the perimeter). `levels` from highest to
    lowest. With `weights` (group → weight) the unit is a weight, so that a level is not rewarded for its case mix;
    without, a case. `no_inversion`: where a lower level would have the higher coefficient, both share their pooled
    one.
    """
    cost = _costs(cases, weights)
    unknown = sorted({level for level, _ in cost} - set(levels))
    if unknown:
        raise UserError(
            Text(
                f"病例中的医院等级未列入：{'、'.join(unknown)}",
                f"hospital levels occur that the policy does not list: {', '.join(unknown)}",
            )
        )
    by_level = {level: _add([c for (at, _), c in cost.items() if at == level]) for level in levels}
    present = {level: c for level, c in by_level.items() if c.volume}
    everywhere = _add(list(present.values()))
    if not everywhere.charge:
        raise UserError(Text("没有可用于测算机构系数的病例", "there is no case to derive hospital coefficients from"))
    pooled = without_inversion(present) if no_inversion else present
    return {level: c.unit / everywhere.unit for level, c in pooled.items()}


def level_group_coefficients(
    cases: pl.DataFrame, by_level: Mapping[str, Fraction], minimum_cases: int
) -> dict[tuple[str, str], Fraction]:
    """Return the mean of (level, group) over the mean of the group; below `minimum_cases` the level's coefficient."""
    cost = _costs(cases, None)
    groups: dict[str, Cost] = {}
    for (_, group), c in cost.items():
        groups[group] = _add([groups.get(group, Cost(0, Fraction())), c])
    return {
        (level, group): c.unit / groups[group].unit
        if c.volume >= minimum_cases and groups[group].charge
        else by_level[level]
        for (level, group), c in sorted(cost.items())
    }


def without_inversion(costs: Mapping[str, Cost]) -> dict[str, Cost]:
    """Pool neighbouring levels (given from highest to lowest) until no lower one costs more per unit."""
    return pooled(costs, lambda cost: cost.unit, _add)


def pooled(
    costs: Mapping[str, Costs], unit: Callable[[Costs], Fraction], add: Callable[[Sequence[Costs]], Costs]
) -> dict[str, Costs]:
    """Pool neighbouring levels (given from highest to lowest) until no lower one has the higher unit cost."""
    blocks: list[tuple[list[str], Costs]] = []
    for level, cost in costs.items():
        blocks.append(([level], cost))
        while len(blocks) > 1 and unit(blocks[-1][1]) > unit(blocks[-2][1]):
            names, last = blocks.pop()
            above, before = blocks.pop()
            blocks.append(([*above, *names], add([before, last])))
    return {level: cost for names, cost in blocks for level in names}


def inversions(coefficients: Mapping[str, Fraction]) -> list[tuple[str, str]]:
    """Return neighbouring levels (given from highest to lowest) where the lower one has the higher coefficient."""
    return [(high, low) for (high, a), (low, b) in pairwise(coefficients.items()) if b > a]


def compose(parts: Sequence[Fraction], how: Composition) -> Fraction:
    """Return one coefficient from its parts (level, discipline, quality …), within the floor and the cap."""
    if how.method == "product":
        value = Fraction(1)
        for part in parts:
            value *= part
    else:
        if len(how.shares) != len(parts) or sum(how.shares) != 1:
            raise UserError(
                Text(
                    f"系数加权的权数须与 {len(parts)} 项系数对应且合计为 1",
                    f"the shares of a composed coefficient must match its {len(parts)} parts and add up to 1",
                )
            )
        value = sum((share * part for share, part in zip(how.shares, parts, strict=True)), Fraction())
    if how.floor is not None:
        value = max(value, how.floor)
    return value if how.cap is None else min(value, how.cap)


def _costs(cases: pl.DataFrame, weights: Mapping[str, Fraction] | None) -> dict[tuple[str, str], Cost]:
    """Return charges and volume of each (level, group)."""
    table = cases.group_by("level", "group").agg(pl.len().alias("cases"), pl.col("charge").cast(pl.Int128).sum())
    rows = table.rows()
    if weights is not None and (unpublished := sorted({group for _, group, _, _ in rows} - set(weights))):
        raise UserError(
            [Text(f"病组 {group} 没有公布权重", f"group {group} has no published weight") for group in unpublished]
        )
    return {
        (level, group): Cost(charge, count * (Fraction(1) if weights is None else weights[group]))
        for level, group, count, charge in rows
    }


def _add(costs: Sequence[Cost]) -> Cost:
    """Add up costs."""
    return Cost(sum(c.charge for c in costs), sum((c.volume for c in costs), Fraction()))
