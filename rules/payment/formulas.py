"""The formulas of the case classes, each a small named strategy: points as a line over the charge.

Every formula of case payment is linear in the charge of the case once group, hospital and class are known: points =
`fixed` + `per_fen` × charge. A new local formula is one new function here, its name in the policy's models, and its
worked example. S is weight × scale or the score (auxiliary coefficient included), f the hospital coefficient, r the
charge over the declared denominator D, K the line of the class, m the group mean, M the mean of all cases.
"""

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import NamedTuple


class Terms(NamedTuple):
    """What the formulas are made of. Money in fen; `own` is f where the rule applies it, otherwise 1."""

    score: Fraction
    f: Fraction
    own: Fraction
    points_per_fen: Fraction
    line: Fraction = Fraction(1)
    divisor: Fraction = Fraction(1)
    mean: Fraction = Fraction(1)


class Linear(NamedTuple):
    """Points = fixed + per_fen × charge."""

    fixed: Fraction
    per_fen: Fraction

    def times(self, factor: Fraction) -> "Linear":
        """Return the line times a factor."""
        return self if factor == 1 else Linear(self.fixed * factor, self.per_fen * factor)


def normal(t: Terms) -> Linear:
    """Points S·f: RW × f × scale in DRG (local rules), S × f in DIP (医保办发〔2020〕50号)."""
    return Linear(t.score * t.f, Fraction(0))


def factor(t: Terms) -> Linear:
    """Points S·r, times f where the rule says so: low cases of DIP 1.0, regional A with f, B without."""
    return Linear(Fraction(0), t.score * t.own / t.divisor)


def points_by_cost(t: Terms) -> Linear:
    """Points c ÷ M × scale, without f: low cases of local DRG rules."""
    return Linear(Fraction(0), t.points_per_fen)


def linear_add(t: Terms) -> Linear:
    """Points S·f + (r - K)·S: high cases of local DRG rules, and regional B of DIP (factor r - 2 + f at K = 2)."""
    return Linear(t.score * (t.f - t.line), t.score / t.divisor)


def excess(t: Terms) -> Linear:
    """Points S·(r - K + 1), times f where the rule says so: DIP 1.0 high cases, r - 1 at K = 2."""
    return Linear(t.score * t.own * (1 - t.line), t.score * t.own / t.divisor)


def deduct(t: Terms) -> Linear:
    """Points c ÷ M × scale - (K - 1)·S·f: high cases of local DRG rules."""
    return Linear(-(t.line - 1) * t.score * t.f, t.points_per_fen)


def cap(t: Terms) -> Linear:
    """Points m × K × f × scale ÷ M: high cases of local DRG rules that are paid no more than the line."""
    return Linear(t.mean * t.line * t.f * t.points_per_fen, Fraction(0))


FORMULAS: Mapping[str, Callable[[Terms], Linear]] = {
    "normal": normal,
    "factor": factor,
    "points_by_cost": points_by_cost,
    "linear_add": linear_add,
    "excess": excess,
    "deduct": deduct,
    "cap": cap,
}
