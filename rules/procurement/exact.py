"""Exact arithmetic on columns: whole numbers of 128 bits, fractions over one known denominator, rounded once.

Prices (yuan), ratios and scores are decimals with at most six places, so a product of three of them has a denominator
that is known before a row is read. Sums of such products are sums of whole numbers: order and cut never matter.
"""

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from rules.fault import Text, UserError
from rules.money import Mode

MILLION = 10**6
LARGEST = 1e38
"""Products and their sums stay below this; 128 bits hold 1.7 × 10³⁸."""


def whole(value: int) -> pl.Expr:
    """Return a whole number as a literal of 128 bits."""
    return pl.lit(value, dtype=pl.Int128)


def wide(column: str) -> pl.Expr:
    """Return a column of whole numbers (fen, quantities) in 128 bits."""
    return pl.col(column).cast(pl.Int128)


def millionths(column: str) -> pl.Expr:
    """Return a column of decimals or whole numbers as whole millionths in 128 bits."""
    return (pl.col(column).cast(pl.Decimal(38, 6)) * MILLION).cast(pl.Int128)


class Exact(NamedTuple):
    """Fractions, one a row: `numerator` over one `denominator` for all rows."""

    numerator: pl.Expr
    denominator: int


def rounded(fraction: Exact, mode: Mode, times: pl.Expr | None = None) -> pl.Expr:
    """Return the fractions, or fractions × `times` millionths, rounded once to whole numbers (Int64).

    Equal to `rules.money.round_whole` row by row. The product is never formed in one piece, so that it cannot grow
    beyond 128 bits: (q + r/d) × t/10⁶ is put together from its whole parts.
    """
    n, d = fraction.numerator, whole(fraction.denominator)
    q, rest, divisor = n // d, n % d, fraction.denominator
    if times is not None:
        part = rest * times
        q, small = q * times + part // d, part % d
        rest = (q % whole(MILLION)) * d + small
        q, divisor = q // whole(MILLION), fraction.denominator * MILLION
    return (q + _upward(rest, q, divisor, mode).cast(pl.Int128)).cast(pl.Int64)


def _upward(rest: pl.Expr, q: pl.Expr, divisor: int, mode: Mode) -> pl.Expr:
    """Return where q + rest ÷ divisor (0 ≤ rest < divisor) goes to the next whole number."""
    over, tie, negative = rest * 2 > whole(divisor), rest * 2 == whole(divisor), q < 0
    upward = {
        "half_away_from_zero": over | (tie & ~negative),
        "half_even": over | (tie & (q % whole(2) == 1)),
        "half_toward_zero": over | (tie & negative),
        "half_up": over | tie,
        "half_down": over,
        "up": ~negative,
        "down": negative,
        "ceiling": pl.lit(value=True),
        "floor": pl.lit(value=False),
    }[mode]
    return (rest != 0) & upward


def divided(numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    """Return the quotients in whole numbers, half away from zero; null where the denominator is not above zero."""
    n, d = numerator.cast(pl.Int128), denominator.cast(pl.Int128)
    q, rest = n.abs() // d, n.abs() % d
    return pl.when(d > 0).then((q + (rest * 2 >= d).cast(pl.Int128)) * n.sign())


def ratio(numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    """Return numerator ÷ denominator with six decimals, half away from zero; null where the denominator is zero.

    For display and for the ratios a rule declares; decisions compare the whole numbers themselves.
    """
    return decimals(divided(numerator.cast(pl.Int128) * MILLION, denominator))


def decimals(whole_millionths: pl.Expr) -> pl.Expr:
    """Return whole millionths as decimals with six places."""
    return (whole_millionths.cast(pl.Decimal(38, 0)).cast(pl.Decimal(38, 6)) / MILLION).cast(pl.Decimal(38, 6))


def refuse_too_large(frame: pl.DataFrame, products: Sequence[Sequence[str]], scale: float, terms: int) -> None:
    """Refuse products of columns, times `scale`, of which a sum of so many terms might not fit 128 bits."""
    for columns in products:
        size = scale
        for column in columns:
            size *= float(frame.select(pl.col(column).cast(pl.Float64).abs().max()).item() or 0)
        if size * terms > LARGEST:
            names = " × ".join(columns)
            raise UserError(
                Text(
                    f"{names} 过大，超出 128 位精确计算：请检查单位",
                    f"{names} is too large for exact arithmetic in 128 bits: check the units",
                )
            )
