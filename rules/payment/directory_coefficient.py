"""Coefficients that go with a measured DIP directory: of hospital levels, and of auxiliary sub-types (辅助分型).

Source: 医保办发〔2020〕50号 and the DIP 3.0 technical text. Means are of all years by the policy's estimator, exact;
a coefficient is rounded only where it is published.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import polars as pl

from rules.fault import Text, UserError
from rules.payment.calibration import Sums, add_years, estimate, total, yearly_sums
from rules.payment.hospital_coefficient import inversions, pooled
from rules.policy.calibration import Calibration
from rules.policy.directory import LevelCoefficients, SubTypes

ALL_OTHERS = "*"
Years = Mapping[int, Sums]


class LevelCosts(NamedTuple):
    """Coefficients by level, and by level and group where the policy asks for them; ALL_OTHERS is every other group."""

    by_level: Mapping[str, Fraction]
    by_group: Mapping[tuple[str, str], Fraction]


def level_costs(
    cases: pl.DataFrame, levels: Sequence[str], scores: Mapping[str, int], rule: LevelCoefficients, history: Calibration
) -> LevelCosts:
    """Return the mean cost of same-level hospitals over that of the city, over the years, and in each group.

    `cases`: level, group, year, charge (int64 fen): the trimmed cases of groups that take a coefficient, so none of
    primary care. `levels` from highest to lowest. `scores`: scores as whole numbers of their last decimal, the volume
    where the unit is a score. Where the policy refuses inversion, neighbouring levels that would be inverted share
    their pooled cost. A level with too few cases in a group, and a group that would still be inverted, takes the
    levels' coefficients. Raises UserError for levels that are not listed and where there is no case.
    """
    refused = history.inversion == "refused"
    found = yearly_sums(cases, "level", "group")
    if unknown := sorted({level for level, _ in found} - set(levels)):
        raise UserError(
            Text(f"未列入的医院等级：{'、'.join(unknown)}", f"hospital levels not listed: {', '.join(unknown)}")
        )
    if not found:
        raise UserError(Text("没有可用于测算机构系数的病例", "there is no case to derive hospital coefficients from"))
    volumes = {key: _volume(years, scores[key[1]] if rule.unit == "score" else 1) for key, years in found.items()}
    whole = {level: add_years([v for (at, _), v in volumes.items() if at == level]) for level in levels}
    by_level = _ratios({level: years for level, years in whole.items() if years}, history, refused=refused)
    if rule.by == "level":
        return LevelCosts(by_level, {})
    by_group = {(level, ALL_OTHERS): ratio for level, ratio in by_level.items()}
    for group in sorted({group for _, group in found}):
        own = {level: found[level, group] for level in by_level if (level, group) in found}
        by_group |= {(level, group): ratio for level, ratio in _of_group(own, by_level, rule, history).items()}
    return LevelCosts(by_level, by_group)


def _of_group(
    own: Mapping[str, Years], by_level: Mapping[str, Fraction], rule: LevelCoefficients, history: Calibration
) -> dict[str, Fraction]:
    """Return the coefficients of one group at every level."""
    refused = history.inversion == "refused"
    ratios = _ratios(own, history, refused=refused)
    enough = {level for level, years in own.items() if total(years).cases >= rule.cases}
    mixed = {level: ratios[level] if level in enough else by_level[level] for level in by_level}
    return dict(by_level) if refused and inversions(mixed) else mixed


def _volume(years: Years, per_case: int) -> dict[int, Sums]:
    """Return the sums with points for cases."""
    return {year: sums._replace(cases=sums.cases * per_case) for year, sums in years.items()}


def _ratios(costs: Mapping[str, Years], history: Calibration, *, refused: bool) -> dict[str, Fraction]:
    """Return the unit cost of each level over that of all."""

    def unit(years: Years) -> Fraction:
        return estimate(years, history) or Fraction()

    everywhere = unit(add_years(list(costs.values())))
    levels = pooled(costs, unit, add_years) if refused else costs
    return {level: unit(years) / everywhere for level, years in levels.items()}


class SubType(NamedTuple):
    """A sub-type of a group: its coefficient, cases of all years, and the variation before and after splitting."""

    group: str
    kind: str
    sub_type: str
    coefficient: Fraction
    cases: int
    cv: Decimal
    cv_split: Decimal


def sub_type_coefficients(
    groups: Mapping[str, Years],
    sub_types: Mapping[tuple[str, str, str], Years],
    rule: SubTypes,
    history: Calibration,
) -> list[SubType]:
    """Return the sub-types that earn a coefficient: mean of the sub-type over mean of the group.

    `groups`: yearly sums of each group; `sub_types`: of each (group, kind, sub-type). Of one kind a case has at most
    one sub-type. Variation after splitting is the mean of the parts' coefficients of variation by cases, the cases
    without a sub-type of the kind being a part.
    """
    newest = max(int(year) for year in history.year_weights)
    kinds: dict[tuple[str, str], dict[str, Years]] = {}
    for (group, kind, name), years in sorted(sub_types.items()):
        if group not in rule.never and _cases(groups[group], newest) > rule.cases_over:
            kinds.setdefault((group, kind), {})[name] = years
    return [
        one
        for (group, kind), parts in kinds.items()
        for one in _of_kind(group, kind, groups[group], parts, rule, history)
        if _cases(parts[one.sub_type], newest) > rule.cases_over
    ]


def _of_kind(
    group: str, kind: str, whole: Years, parts: Mapping[str, Years], rule: SubTypes, history: Calibration
) -> Iterator[SubType]:
    """Yield the sub-types of one kind where splitting lowers the variation enough."""
    own, mean = total(whole), estimate(whole, history)
    before, after = own.cv, _split_cv(own, [total(years) for years in parts.values()])
    if before is None or after is None or not mean:
        return
    if before > rule.cv_over and before - after >= rule.cv_reduced_by * before:
        for name, years in parts.items():
            part = estimate(years, history)
            if part is not None:
                yield SubType(group, kind, name, part / mean, total(years).cases, before, after)


def _split_cv(whole: Sums, parts: Collection[Sums]) -> Decimal | None:
    """Return the mean coefficient of variation of the parts and the rest, by cases; None where one has none."""
    rest = Sums(*(all_ - sum(columns) for all_, *columns in zip(whole, *parts, strict=True)))
    split = [part for part in (*parts, rest) if part.cases]
    found = [(part.cases, part.cv) for part in split]
    if any(cv is None for _, cv in found):
        return None
    return sum((cases * cv for cases, cv in found if cv is not None), Decimal()) / whole.cases


def _cases(years: Years, year: int) -> int:
    return years.get(year, Sums()).cases
