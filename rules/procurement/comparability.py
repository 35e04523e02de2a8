"""Comparability of prices (差比价, 发改价格〔2011〕2452号): what one specification may cost, given another's price.

price(target) = price(representative) × K, strength, pack, fill and form each by itself. A factor per doubling f gives
f^(log₂ X), which is irrational for most ratios X: it is reckoned with 60 digits and rounded once at the end. Where X is
a power of two, or f is 2, the factor is exact, so that a true tie is met exactly; elsewhere an irrational figure has no
ties, and 60 digits decide every rounding to the places that prices have.
"""

from decimal import Context, Decimal
from fractions import Fraction
from typing import NamedTuple

from rules.fault import Text, UserError, near
from rules.money import Exact, Mode, round_whole
from rules.procurement.parameters import Comparability

DIGITS = Context(prec=60)


class Specification(NamedTuple):
    """A specification of one drug: strength, number of units in the pack, fill (all in the same units as the other's).

    `fill` is 1 where content is not told by volume.
    """

    form: str
    strength: Fraction
    pack: Fraction
    fill: Fraction = Fraction(1)


def factor(per_doubling: Exact, ratio: Exact) -> Fraction:
    """Return per_doubling^(log₂ ratio): exact where it can be, otherwise to 60 digits."""
    base, ratio = Fraction(per_doubling), Fraction(ratio)
    if ratio <= 0:
        raise UserError(Text("含量、数量之比须大于 0", "a ratio of strengths or packs must be above zero"))
    if base == 2:  # in proportion
        return ratio
    if (power := _power_of_two(ratio)) is not None:
        return base**power
    log = DIGITS.divide(_ln(ratio), DIGITS.ln(Decimal(2)))
    return Fraction(DIGITS.exp(DIGITS.multiply(_ln(base), log)))


def _power_of_two(ratio: Fraction) -> int | None:
    """Return n where the ratio is 2ⁿ."""
    above, below = ratio.numerator, ratio.denominator
    if above & (above - 1) or below & (below - 1):
        return None
    return above.bit_length() - below.bit_length()


def _ln(value: Fraction) -> Decimal:
    return DIGITS.ln(DIGITS.divide(Decimal(value.numerator), Decimal(value.denominator)))


def conversion(rule: Comparability, known: Specification, target: Specification) -> Fraction:
    """Return K: price of the target ÷ price of the known specification. UserError for a form without a factor."""
    unknown = [spec.form for spec in (known, target) if spec.form not in rule.forms]
    if unknown:
        hints = [near(form, rule.forms) for form in unknown]
        raise UserError(
            [
                Text(f"差比价规则没有剂型 {form}{hint.zh}", f"no comparability factor of the form {form}{hint.en}")
                for form, hint in zip(unknown, hints, strict=True)
            ]
        )
    oral = {known.form, target.form} <= set(rule.oral_forms)
    form = Fraction(rule.forms[target.form]) / Fraction(rule.forms[known.form])
    strength = factor(rule.strength, target.strength / known.strength)
    pack = factor(rule.oral_pack if oral else rule.pack, target.pack / known.pack)
    return form * strength * pack * factor(rule.fill, target.fill / known.fill)


def comparable_price(
    rule: Comparability,
    price: Decimal | str,
    known: Specification,
    target: Specification,
    mode: Mode = "half_away_from_zero",
    decimals: int | None = None,
) -> Decimal:
    """Return the target's price in yuan, rounded once at the end to the rule's decimals, or to as many as asked for."""
    places = rule.decimals if decimals is None else decimals
    exact = Fraction(Decimal(price)) * conversion(rule, known, target)
    return Decimal(round_whole(exact * 10**places, mode)).scaleb(-places)
