"""Money: integer fen, one declared rounding, and divisions that always add up.

Every amount of money in the project is an int (or int64) of fen. What is not yet money is an exact fraction:
`fractions.Fraction` for single figures, declared integer scales in the kernels. Rounding happens once per stage, with
the mode, the step and the place that the policy declares.
"""

from collections.abc import Hashable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Literal, TypeVar

Mode = Literal[
    "half_away_from_zero", "half_even", "half_toward_zero", "half_up", "half_down", "up", "down", "ceiling", "floor"
]
Step = Literal["fen", "jiao", "yuan"]
Exact = int | Decimal | Fraction

FEN_OF_STEP: dict[str, int] = {"fen": 1, "jiao": 10, "yuan": 100}
Key = TypeVar("Key", bound=Hashable)
_LONGEST = 10**60


def round_whole(exact: Exact, mode: Mode) -> int:
    """Round an exact figure to a whole number.

    `half_away_from_zero`, `half_even` and `half_toward_zero` go to the nearest and differ at exactly one half;
    `half_up` and `half_down` send a half toward plus and minus infinity; `up` and `down` go away from and toward
    zero; `ceiling` and `floor` toward plus and minus infinity.
    """
    numerator, denominator = Fraction(exact).as_integer_ratio()
    whole, rest = divmod(numerator, denominator)
    if rest == 0:
        return whole
    negative = numerator < 0
    side = 2 * rest - denominator
    upward = {
        "half_away_from_zero": side > 0 or (side == 0 and not negative),
        "half_even": side > 0 or (side == 0 and whole % 2 == 1),
        "half_toward_zero": side > 0 or (side == 0 and negative),
        "half_up": side >= 0,
        "half_down": side > 0,
        "up": not negative,
        "down": negative,
        "ceiling": True,
        "floor": False,
    }[mode]
    return whole + upward


def round_fen(exact: Exact, step: Step, mode: Mode) -> int:
    """Round an exact amount of fen to whole fen, jiao or yuan; the answer is in fen."""
    size = FEN_OF_STEP[step]
    return round_whole(Fraction(exact) / size, mode) * size


def round_decimals(exact: Exact, decimals: int, mode: Mode) -> Fraction:
    """Round an exact figure (points, a point value) to so many decimals."""
    scale = 10**decimals
    return Fraction(round_whole(Fraction(exact) * scale, mode), scale)


def fen(yuan: Decimal | str | int) -> Fraction:
    """Return an amount of yuan as an exact number of fen."""
    return Fraction(Decimal(yuan)) * 100


def yuan_text(amount: int) -> str:
    """Print an amount of fen as yuan with two decimals: -5 -> "-0.05"."""
    sign, amount = ("-", -amount) if amount < 0 else ("", amount)
    return f"{sign}{amount // 100}.{amount % 100:02d}"


def exact_text(exact: Exact) -> str:
    """Return an exact figure as text: a fraction, or 60 decimals where its denominator has more digits than that.

    Sums of unrounded points have denominators without end; what 60 decimals leave out is far below any fen.
    """
    value = Fraction(exact)
    if value.denominator < _LONGEST:
        return str(value)
    whole, decimals = divmod(round_whole(abs(value) * _LONGEST, "half_even"), _LONGEST)
    return f"{'-' if value < 0 else ''}{whole}.{decimals:060d}"


def largest_remainder(total: int, shares: Mapping[Key, Exact]) -> dict[Key, int]:
    """Divide `total` fen in proportion to `shares` so that the parts add up to it exactly.

    Every part is the exact quota rounded down, and the fen left over go to the largest remainders. A tie goes to the
    larger share, then to the key that sorts first, so that the order of the shares never matters. A negative total is
    divided as its opposite. Shares must not be negative; their sum must be above zero unless the total is zero.
    """
    exact = {key: Fraction(share) for key, share in shares.items()}
    whole = sum(exact.values(), Fraction(0))
    if any(share < 0 for share in exact.values()):
        raise ValueError("a share is negative")
    if whole == 0:
        if total:
            raise ValueError("there is no share to divide an amount by")
        return dict.fromkeys(exact, 0)
    sign, amount = (-1, -total) if total < 0 else (1, total)
    quotas = {key: amount * share / whole for key, share in exact.items()}
    parts = {key: quota.__floor__() for key, quota in quotas.items()}
    left = amount - sum(parts.values())
    order = sorted(exact, key=lambda key: (parts[key] - quotas[key], -exact[key], str(key)))
    for key in order[:left]:
        parts[key] += 1
    return {key: sign * part for key, part in parts.items()}
