"""Tariffs: what a case of one group in one hospital is paid, for every class, reckoned once and exactly.

Millions of cases share few combinations of group, hospital coefficient, auxiliary coefficient and special kind. For
each combination the class boundaries become whole fen of charge, and the points of each class a line over the charge,
so that a case needs two comparisons and one multiplication, in integers.
"""

from collections.abc import Iterable
from fractions import Fraction
from math import ceil, floor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rules.fault import Text, UserError
from rules.payment.exact_lines import Lines, lines_of
from rules.payment.figures import Figures, band_of
from rules.payment.formulas import FORMULAS, Linear, Terms, normal
from rules.policy.classes import HighRule, LowRule, Ratio
from rules.policy.model import Rules

CLASSES = ("normal", "low", "high", "extreme")
NEVER_HIGH = 1 << 62
NEVER_LOW = -1
NOTHING = Linear(Fraction(0), Fraction(0))


class Combination(NamedTuple):
    """What tariffs differ by. `value` is the classifying point value (fen), `lines` the charges of top shares."""

    group: str | None
    level: str | None = None
    hospital: str | None = None
    coefficient: Fraction | None = None
    auxiliary: Fraction = Fraction(1)
    factor: Fraction = Fraction(1)
    exempt: bool = False
    added: Fraction = Fraction(0)
    value: Fraction | None = None
    high_line: int | None = None
    extreme_line: int | None = None


class Tariff(NamedTuple):
    """One combination's boundaries (fen of charge), and for each class its points, or the share of the basis paid.

    weight: of the group; in DIP its score ÷ base.
    """

    coefficient: Fraction
    low_to: int
    high_from: int
    extreme_from: int
    points: tuple[Linear, ...]
    outside: tuple[Fraction | None, ...]
    zero_result: tuple[bool, ...]
    weight: Fraction | None = None


def tariff(combination: Combination, figures: Figures) -> Tariff:
    """Reckon one tariff. UserError for a figure that the policy or its tables do not give."""
    if combination.group is None:
        return ungrouped(combination, figures)
    return _Reckoning(combination, combination.group, figures).tariff()


def ungrouped(combination: Combination, figures: Figures) -> Tariff:
    """Return the tariff of cases without a group."""
    rule = figures.rules.blank_group
    if rule is None:
        raise UserError(
            Text("病例没有病组，政策也没有 [blank_group]", "the case has no group and the policy no [blank_group]")
        )
    share = Fraction(rule.factor) * combination.factor
    points = Linear(Fraction(0), figures.scale.points_per_fen * share) if rule.pay == "points" else NOTHING
    paid = None if rule.pay == "points" else share
    return Tariff(Fraction(1), NEVER_LOW, NEVER_HIGH, NEVER_HIGH, (points,) * 4, (paid,) * 4, (False,) * 4)


def group_points(rules: Rules, group: str) -> Fraction:
    """Return the points added by group (加成分值), without coefficients."""
    added = (rule.points.get(group, 0) for rule in rules.added_points if rule.by == "group")
    return sum((Fraction(points) for points in added), Fraction(0))


class _Reckoning:
    """One grouped combination and the figures of its group."""

    def __init__(self, combination: Combination, group: str, figures: Figures) -> None:
        self.c, self.group, self.figures, self.rules = combination, group, figures, figures.rules
        self.score, self.weight = figures.score(group), figures.weight(group)
        given = combination.coefficient
        self.f = figures.coefficient(combination.level, combination.hospital, group) if given is None else given

    def tariff(self) -> Tariff:
        rules, paying = self.class_rules(), self.paying_rules()
        lines = [self.line(*paying.get(name, (name, None))) for name in CLASSES]
        paid = [paying.get(name, (name, None))[1] for name in CLASSES]
        outside = [self.c.factor if rule is not None and rule.pay == "actual" else None for rule in paid]
        zero = [rule is not None and rule.official_result == "zero" for rule in (None, *rules.values())]
        added = self.c.added + group_points(self.rules, self.group)
        points = tuple(Linear(line.fixed + added, line.per_fen) for line in lines)
        low, high, extreme = (self.boundary(name, rules[name]) for name in CLASSES[1:])
        return Tariff(self.f, low, high, extreme, points, tuple(outside), tuple(zero), self.weight)

    def class_rules(self) -> dict[str, LowRule | HighRule | None]:
        """Return the rules that judge the class, None where no case falls into it."""
        classes = None if self.c.exempt else self.rules.case_class
        return {name: None if classes is None else getattr(classes, name) for name in CLASSES[1:]}

    def paying_rules(self) -> dict[str, tuple[str, LowRule | HighRule | None]]:
        """Return for each class the class and the rule whose formula pays it."""
        classes = None if self.c.exempt else self.rules.case_class
        return {} if classes is None else {name: classes.paid_as(name) for name in CLASSES[1:]}

    @property
    def ratio(self) -> Ratio:
        assert self.rules.case_class is not None  # noqa: S101 (a class rule is at hand, so the table is there)
        return self.rules.case_class.ratio

    def auxiliary(self, name: str) -> Fraction:
        rule = self.rules.auxiliary
        return self.c.auxiliary if rule is not None and name in rule.applies_to else Fraction(1)

    def divisor(self, name: str) -> Fraction:
        """Return a denominator of the ratio (fen)."""
        coefficients, value = self.f * self.auxiliary("normal"), self.c.value or Fraction(0)
        return self.figures.denominator(name, self.group, self.c.level, coefficients, value)

    def cost_line(self, name: str) -> int:
        line = self.c.high_line if name == "high" else self.c.extreme_line
        if line is None:
            zh = f"{name} 的费用界线须由同组病例算出"
            raise UserError(Text(zh, f"the cost line of {name} comes from the group's cases: none is given"))
        return line

    def boundary(self, name: str, rule: LowRule | HighRule | None) -> int:
        """Return the last charge of low cases, or the first charge of high or extreme ones (fen)."""
        if rule is None:
            return NEVER_LOW if name == "low" else NEVER_HIGH
        if rule.top_share is not None:
            return self.cost_line(name) + 1
        sign, bound = band_of(rule, self.weight).edge
        edge = bound * self.divisor(self.ratio.classify)
        return {"below": ceil(edge) - 1, "up_to": floor(edge), "over": floor(edge) + 1, "at_least": ceil(edge)}[sign]

    def line(self, name: str, rule: LowRule | HighRule | None) -> Linear:
        """Return the points of a class."""
        own = self.f if rule is not None and rule.coefficient else Fraction(1)
        plain = rule is None or rule.pay in {"normal", "actual"}
        x = self.auxiliary("normal" if plain else name)
        score = self.score if x == 1 else self.score * x
        terms = Terms(score, self.f, own, self.figures.scale.points_per_fen)
        if rule is None or plain:
            return normal(terms).times(self.c.factor)
        if rule.pay not in {"points_by_cost", "cap"}:
            terms = terms._replace(divisor=self.divisor(self.ratio.formula))
        if isinstance(rule, HighRule):
            terms = terms._replace(line=self.k(rule, name))
        if rule.pay == "cap":
            terms = terms._replace(mean=self.figures.mean(self.group))
        return FORMULAS[rule.pay](terms).times(self.c.factor)

    def k(self, rule: HighRule, name: str) -> Fraction:
        if rule.top_share is not None:
            return self.cost_line(name) / self.divisor(self.ratio.formula)
        return band_of(rule, self.weight).edge[1]


class TariffArrays(NamedTuple):
    """Tariffs as arrays: boundaries by tariff, lines by row (tariff × 4 + class), exact as (a + b·charge) ÷ d."""

    low_to: NDArray[np.int64]
    high_from: NDArray[np.int64]
    extreme_from: NDArray[np.int64]
    lines: Lines
    outside: NDArray[np.bool_]
    shares: Lines
    zero_result: NDArray[np.bool_]


def arrays(tariffs: Iterable[Tariff]) -> TariffArrays:
    """Turn tariffs into arrays for the kernels."""
    found = list(tariffs)
    rows = [line for t in found for line in t.points]
    paid = [share for t in found for share in t.outside]
    return TariffArrays(
        np.array([t.low_to for t in found], np.int64),
        np.array([t.high_from for t in found], np.int64),
        np.array([t.extreme_from for t in found], np.int64),
        lines_of(rows),
        np.array([share is not None for share in paid], np.bool_),
        lines_of([Linear(Fraction(0), share or Fraction(0)) for share in paid]),
        np.array([zero for t in found for zero in t.zero_result], np.bool_),
    )
