"""The one kernel behind points and money: (a + b·x) · n ÷ (d · e), exact in 256 bits and rounded once.

A wide number is eight digits of 32 bits in an array of uint64, least digit first, in two's complement. Products and
sums are therefore exact modulo 2^256, and callers check beforehand that no intermediate figure reaches 2^255.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rules.jit import kernel

DIGITS = 8
BITS = 32 * DIGITS - 2
MODES = (
    "half_away_from_zero",
    "half_even",
    "half_toward_zero",
    "half_up",
    "half_down",
    "up",
    "down",
    "ceiling",
    "floor",
)

Wide = NDArray[np.uint64]
Whole = NDArray[np.int64]

MASK = np.uint64(0xFFFFFFFF)
SHIFT = np.uint64(32)
ONE = np.uint64(1)


class Numbers(NamedTuple):
    """Whole numbers of any size up to 255 bits, as digits, and the bits that the largest of them takes."""

    digits: Wide
    bits: int


def wide(numbers: Sequence[int]) -> Numbers:
    """Return whole numbers as wide numbers, one a row. OverflowError for one that does not fit."""
    written = b"".join(number.to_bytes(4 * DIGITS, "little", signed=True) for number in numbers)
    found = np.frombuffer(written, "<u4").reshape(len(numbers), DIGITS).astype(np.uint64)
    return Numbers(found, max((number.bit_length() for number in numbers), default=0))


@kernel
def multiply(number: Wide, factor: Wide, product: Wide) -> None:
    """Set `product` to number × factor, factor at least 0."""
    product[:] = np.uint64(0)
    for k in range(DIGITS):
        if factor[k] == 0:
            continue
        carry = np.uint64(0)
        for n in range(DIGITS - k):
            total = number[n] * factor[k] + product[n + k] + carry
            product[n + k] = total & MASK
            carry = total >> SHIFT


@kernel
def set_whole(number: Wide, whole: np.int64) -> None:
    """Set a number to a whole number that is not negative."""
    number[:] = np.uint64(0)
    number[0] = np.uint64(whole) & MASK
    number[1] = np.uint64(whole) >> SHIFT


@kernel
def add(number: Wide, other: Wide) -> None:
    """Add `other` to `number`."""
    carry = np.uint64(0)
    for n in range(DIGITS):
        total = number[n] + other[n] + carry
        number[n] = total & MASK
        carry = total >> SHIFT


@kernel
def subtract(number: Wide, other: Wide) -> None:
    """Take `other` from `number`."""
    carry = ONE
    for n in range(DIGITS):
        total = number[n] + (other[n] ^ MASK) + carry
        number[n] = total & MASK
        carry = total >> SHIFT


@kernel
def negate(number: Wide, scratch: Wide) -> None:
    """Turn a number into its opposite."""
    scratch[:] = number
    number[:] = np.uint64(0)
    subtract(number, scratch)


@kernel
def negative(number: Wide) -> bool:
    """Tell whether a wide number is below zero."""
    return bool(number[DIGITS - 1] >> np.uint64(31))


@kernel
def zero(number: Wide) -> bool:
    """Tell whether a wide number is 0."""
    size = np.uint64(0)
    for n in range(DIGITS):
        size |= number[n]
    return bool(size == 0)


@kernel
def approximate(number: Wide) -> float:
    """Return a wide number that is not negative as the nearest float, to about 52 bits."""
    total = 0.0
    for n in range(DIGITS - 1, -1, -1):
        total = total * 4294967296.0 + float(number[n])
    return total


@kernel
def upward(mode: int, minus: bool, odd: bool, half: int) -> bool:
    """Tell whether a magnitude with a rest goes up in size; `half` compares twice the rest with the divisor."""
    if mode == 5:  # up
        return True
    if mode == 6:  # down
        return False
    if mode == 7:  # ceiling
        return not minus
    if mode == 8:  # floor
        return minus
    if half != 0:
        return half > 0
    if mode == 0:  # half_away_from_zero
        return True
    if mode == 1:  # half_even
        return odd
    if mode == 3:  # half_up
        return not minus
    if mode == 4:  # half_down
        return minus
    return False


@kernel
def classify(
    tariff: NDArray[np.int32],
    tested: Whole,
    low_charge: Whole,
    low_to: Whole,
    high_from: Whole,
    extreme_from: Whole,
    found: NDArray[np.int8],
) -> None:
    """Set `found` to 0 normal, 1 low, 2 high or 3 extreme, by the charges (fen) at which each class begins or ends."""
    for i in range(tariff.size):
        t = tariff[i]
        if tested[i] >= extreme_from[t]:
            found[i] = 3
        elif tested[i] >= high_from[t]:
            found[i] = 2
        elif low_charge[i] <= low_to[t]:
            found[i] = 1
        else:
            found[i] = 0


@kernel
def round_linear(
    row: NDArray[np.int32],
    pair: NDArray[np.int32],
    x: Whole,
    a: Wide,
    b: Wide,
    d: Wide,
    n: Wide,
    e: Wide,
    mode: int,
    rounded: Whole,
) -> None:
    """Set `rounded` to (a + b·x) · n ÷ (d · e), a, b and d by `row`, n and e by `pair`, x of either sign.

    d and e are above zero, n at least zero; the answers must be below 2^62 in size.
    """
    total = np.empty(DIGITS, np.uint64)
    scaled = np.empty(DIGITS, np.uint64)
    divisor = np.empty(DIGITS, np.uint64)
    part = np.empty(DIGITS, np.uint64)
    factor = np.empty(DIGITS, np.uint64)
    for i in range(x.size):
        set_whole(factor, abs(x[i]))
        multiply(b[row[i]], factor, total)
        if x[i] < 0:
            negate(total, part)
        add(total, a[row[i]])
        multiply(total, n[pair[i]], scaled)
        multiply(d[row[i]], e[pair[i]], divisor)
        minus = negative(scaled)
        if minus:
            negate(scaled, part)
        quotient = np.int64(approximate(scaled) / approximate(divisor))
        set_whole(factor, quotient)
        multiply(divisor, factor, part)
        subtract(scaled, part)
        while negative(scaled):
            add(scaled, divisor)
            quotient -= 1
        while True:
            part[:] = scaled
            subtract(part, divisor)
            if negative(part):
                break
            scaled[:] = part
            quotient += 1
        if not zero(scaled):
            add(scaled, part)  # twice the rest less the divisor, since part = rest - divisor
            half = -1 if negative(scaled) else 0 if zero(scaled) else 1
            if upward(mode, minus, quotient % 2 == 1, half):
                quotient += 1
        rounded[i] = -quotient if minus else quotient
