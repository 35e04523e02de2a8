"""The figures that one case's payment starts from: score, means, hospital coefficient, and the line of a class.

All exact: points as fractions, money as fractions of fen. A figure that the policy's tables do not give is refused.
"""

from fractions import Fraction
from typing import NamedTuple

from rules.fault import Text, UserError
from rules.money import fen, round_decimals
from rules.payment.point_value import Limits
from rules.policy.cases import Decimals, HospitalCoefficient
from rules.policy.classes import ClassRule, Line
from rules.policy.model import Rules
from rules.policy.pools import Capped, PointValue, Pool
from rules.policy.tables import GroupFigures, Tables

COMPARE = {"below": "<", "up_to": "≤", "over": ">", "at_least": "≥"}


class Scale(NamedTuple):
    """Points of a case of mean charge (per weight 1.0, or the score base), and the mean of all cases (fen).

    points_per_fen is scale ÷ M: the points that a fen of charge makes.
    """

    points: Fraction
    mean_all: Fraction
    points_per_fen: Fraction


def scale_of(rules: Rules) -> Scale:
    """Return the scale of a policy's points."""
    if rules.weights is not None:
        points, mean_all = Fraction(rules.weights.points_per_weight), fen(rules.weights.mean_all)
    elif rules.scores is not None:
        points, mean_all = Fraction(rules.scores.base), fen(rules.scores.mean_all)
    else:
        raise ValueError("a policy has weights or scores")
    return Scale(points, mean_all, points / mean_all)


class Figures:
    """The figures of every group under one day's rules, each read once. Points exact, money in exact fen."""

    def __init__(self, rules: Rules, tables: Tables) -> None:
        self.rules, self.tables, self.scale = rules, tables, scale_of(rules)
        self.by_weight = rules.weights is not None
        table = rules.weights or rules.scores
        self.listed = table is not None and table.group_mean == "listed"
        self._scores: dict[str, Fraction] = {}

    def score(self, group: str) -> Fraction:
        """Return the points of a normal case before any coefficient: weight × points per weight, or the score.

        A weight or score that is not published is refused, never guessed.
        """
        if group not in self._scores:
            figures = self.tables.groups.get(group)
            if figures is None or figures.weight is None:
                zh, en = f"病组 {group} 没有公布的权重或分值", f"group {group} has no published weight or score"
                raise UserError(Text(zh, en))
            self._scores[group] = figures.weight * self.scale.points if self.by_weight else figures.weight
        return self._scores[group]

    def weight(self, group: str) -> Fraction:
        """Return the weight of a group: what the bands of a line go by; in DIP score ÷ base."""
        return self.score(group) / self.scale.points

    def mean(self, group: str) -> Fraction:
        """Return the mean charge of a group (fen), listed or derived from its weight as the policy declares."""
        if group in self.tables.means:
            return self.tables.means[group]
        if not self.listed:
            return self.score(group) / self.scale.points_per_fen
        figures = self.tables.groups.get(group)
        if figures is None or figures.mean is None:
            zh = f"规则需要病组 {group} 的次均费用，表中没有"
            raise UserError(Text(zh, f"a rule needs the mean charge of group {group}: the table has none"))
        return figures.mean

    def level_mean(self, group: str, level: str | None, *, last_year: bool) -> Fraction:
        """Return the mean charge of a group in hospitals of one level (fen), this year's or last year's."""
        figures = self.tables.groups.get(group, GroupFigures(None))
        means = figures.last_year_means if last_year else figures.level_means
        if level is None or level not in means:
            zh = f"规则需要病组 {group} 在 {level} 级医院的次均费用，表中没有"
            en = f"a rule needs the mean charge of group {group} in hospitals of level {level}: the table has none"
            raise UserError(Text(zh, en))
        return means[level]

    def denominator(
        self, name: str, group: str, level: str | None, coefficients: Fraction, value: Fraction
    ) -> Fraction:
        """Return what a charge is divided by for its ratio (fen).

        `coefficients`: hospital and auxiliary coefficient of a normal case; `value`: the classifying point value (fen).
        """
        if name == "group_mean":
            return self.mean(group)
        if name in {"level_mean", "last_year_level_mean"}:
            return self.level_mean(group, level, last_year=name == "last_year_level_mean")
        return self.score(group) * value * (coefficients if name == "standard" else 1)

    def coefficient(self, level: str | None, hospital: str | None, group: str) -> Fraction:
        """Return f of one hospital and group, composed as the policy declares; 1 where it has no coefficient."""
        rule = self.rules.hospital_coefficient
        if rule is None or (rule.primary_care_exempt and group in self.rules.primary_care):
            return Fraction(1)
        keys = {"level": level or "", "hospital": hospital or "", "group": group}
        found = []
        for part, table in zip(rule.parts, self.tables.coefficients, strict=True):
            key = tuple(keys[name] for name in part.by)
            others = tuple("*" if name == "group" else keys[name] for name in part.by)
            otherwise = None if part.otherwise is None else Fraction(part.otherwise)
            value = table.get(key, table.get(others, otherwise))
            if value is None:
                names = "、".join(f"{name} {keys[name]!r}" for name in part.by)
                raise UserError(
                    Text(f"医疗机构系数表没有 {names}", f"the table of hospital coefficients has no {names}")
                )
            found.append(value)
        return composed(rule, found)


def composed(rule: HospitalCoefficient, parts: list[Fraction]) -> Fraction:
    """Compose the parts of a coefficient, hold it within its bounds, round it where declared."""
    if rule.compose == "weighted":
        value = sum((part * Fraction(p.share or 0) for part, p in zip(parts, rule.parts, strict=True)), Fraction(0))
    elif rule.compose == "sum":
        value = sum(parts, Fraction(0))
    else:
        value = Fraction(1)
        for part in parts:
            value *= part
    if rule.floor is not None:
        value = max(value, Fraction(rule.floor))
    if rule.cap is not None:
        value = min(value, Fraction(rule.cap))
    return rounded(value, rule.decimals)


def rounded(value: Fraction, decimals: Decimals | None) -> Fraction:
    """Round a figure that is not money where its decimals are declared."""
    return value if decimals is None else round_decimals(value, decimals.decimals, decimals.mode)


def start_value(pool: Pool, month: str, decimals: Decimals | None = None) -> Fraction:
    """Return a pool's start value of one month (fen per point): the month's own where the policy gives one."""
    yuan = Fraction(pool.point_value.months.get(month, pool.point_value.start.value))
    return 100 * rounded(yuan, decimals)


def limits_of(rule: PointValue, decimals: Decimals | None, *, month: bool = False) -> Limits:
    """Return what the policy allows a floating value to be: the final one, or that of a month."""
    within = isinstance(rule, Capped) and (rule.limits_in_month or not month)
    floor, cap = (rule.floor, rule.cap) if within and isinstance(rule, Capped) else (None, None)
    return Limits(
        floor=None if floor is None else fen(floor),
        cap=None if cap is None else fen(cap),
        decimals=None if decimals is None else decimals.decimals,
        mode="half_away_from_zero" if decimals is None else decimals.mode,
    )


def band_of(rule: ClassRule, weight: Fraction) -> Line:
    """Return the band of a class's line that a weight falls in; the bands are contiguous and the last is open."""
    for band in rule.line:
        if band.upper is None or weight < band.upper[0] or (band.upper[1] and weight == band.upper[0]):
            return band
    raise ValueError("the last band of a line is open")


def classifying_value(rules: Rules, pool: Pool, month: str, value: Fraction) -> Fraction | None:
    """Return the point value (fen) behind a standard that classifies cases, None where the ratio has no standard.

    `value` is the value that prices the case. UserError where last year's value is wanted and the pool gives none.
    """
    which = None if rules.case_class is None else rules.case_class.ratio.value
    if which == "start":
        return start_value(pool, month, rules.money.value)
    if which == "last_year":
        last = pool.point_value.last_year
        if last is None:
            raise UserError(
                Text(f"基金池 {pool.id} 没有上年点值 last_year", f"pool {pool.id} has no last_year point value")
            )
        return 100 * Fraction(last)
    return value if which == "final" else None
