"""Sums of points over millions of cases, exact: as rounded ones where decimals are declared, otherwise as fractions."""

from collections.abc import Sequence
from fractions import Fraction
from math import lcm
from typing import Any

import polars as pl

from rules.policy.cases import Decimals

DIGIT = 60


class RoundedPoints:
    """The points of cases where decimals are declared: whole numbers at these decimals."""

    KEY = "scale"

    def __init__(self, decimals: Decimals) -> None:
        self.scale = 10**decimals.decimals

    def beside(self, cases: pl.DataFrame) -> pl.DataFrame:
        """Return the cases with the scale of their points."""
        return cases.with_columns(pl.lit(self.scale).alias(self.KEY))

    def sums(self) -> list[pl.Expr]:
        """Return the sum of points."""
        return [pl.col("points").sum()]

    def total(self, scale: int, shared: Sequence[Any]) -> Fraction:
        """Return the points of one sum."""
        return Fraction(int(shared[0] * scale), scale)


class ExactPoints:
    """The exact points of cases, (a + b·charge) ÷ d: summed in whole numbers, by common d.

    Cases share few lines, and lines few denominators. a and b are cut into digits of 60 bits, so that digit × charge
    adds up in 128 bits whatever their size.
    """

    KEY = "divisor"
    LINE = ("points_fixed", "points_per_fen")

    def __init__(self, cases: pl.DataFrame) -> None:
        self.lines = cases.select(pl.col(self.LINE).cast(pl.Categorical)).unique()
        found = [_whole_line(*texts) for texts in self.lines.cast(pl.String).iter_rows()]
        self.divisors, place = _common(sorted({d for _, _, d in found}))
        shared = [self.divisors[place[d]] // d for _, _, d in found]
        whole = [(a * m, b * m, d) for (a, b, d), m in zip(found, shared, strict=True)]
        self.digits = max((max(abs(a), abs(b)).bit_length() // DIGIT + 1 for a, b, _ in whole), default=1)
        self.lines = self.lines.with_columns(
            pl.Series(self.KEY, [place[d] for _, _, d in whole], dtype=pl.Int32),
            *(pl.Series(f"a{k}", [_digit(a, k) for a, _, _ in whole], dtype=pl.Int64) for k in range(self.digits)),
            *(pl.Series(f"b{k}", [_digit(b, k) for _, b, _ in whole], dtype=pl.Int64) for k in range(self.digits)),
        )

    def beside(self, cases: pl.DataFrame) -> pl.DataFrame:
        """Return the cases with their divisor and the digits of their line."""
        coded = cases.with_columns(pl.col(self.LINE).cast(pl.Categorical))
        return coded.join(self.lines, on=self.LINE, how="left")

    def sums(self) -> list[pl.Expr]:
        """Return the sum of a·sign + b·charge, digit by digit."""
        sign, charge = (pl.col(name).cast(pl.Int128) for name in ("sign", "counted_charge"))
        return [
            (sign * pl.col(f"a{k}") + charge * pl.col(f"b{k}")).sum().alias(f"points{k}") for k in range(self.digits)
        ]

    def total(self, divisor: int, shared: Sequence[Any]) -> Fraction:
        """Return the points of one sum."""
        return Fraction(sum(digit << DIGIT * k for k, digit in enumerate(shared)), self.divisors[divisor])


def _common(divisors: Sequence[int]) -> tuple[list[int], dict[int, int]]:
    """Return common multiples of neighbouring divisors, each of two digits where it can be, and the place of each."""
    multiples, place = [1], dict[int, int]()
    for divisor in divisors:
        multiple = lcm(multiples[-1], divisor)
        if multiple.bit_length() > 2 * DIGIT:
            multiples.append(divisor)
        else:
            multiples[-1] = multiple
        place[divisor] = len(multiples) - 1
    return multiples, place


def _digit(number: int, k: int) -> int:
    """Return digit k of a whole number at 2^60, with the number's sign."""
    digit = abs(number) >> DIGIT * k & (1 << DIGIT) - 1
    return -digit if number < 0 else digit


def _whole_line(fixed: str, per_fen: str) -> tuple[int, int, int]:
    """Return a, b and d of (a + b·charge) ÷ d, the line of some cases' points."""
    start, slope = Fraction(fixed), Fraction(per_fen)
    divisor = lcm(start.denominator, slope.denominator)
    return int(start * divisor), int(slope * divisor), divisor
