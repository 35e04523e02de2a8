"""Exact arithmetic on columns: lines over whole numbers, times a ratio, rounded once."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from math import lcm
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rules.fault import Text, UserError
from rules.money import Mode
from rules.payment.exact_kernel import BITS, MODES, Numbers, round_linear, wide
from rules.payment.formulas import Linear

Ints = NDArray[np.int64]
Indices = NDArray[np.int32]
SMALL = 100_000


class Lines(NamedTuple):
    """Lines (a + b·x) ÷ d, one a row."""

    a: Numbers
    b: Numbers
    d: Numbers


class Ratios(NamedTuple):
    """Ratios n ÷ e, one a row."""

    n: Numbers
    e: Numbers


def too_fine() -> UserError:
    """Return the refusal of figures that do not fit the exact arithmetic of the batch."""
    keys = "hospital_coefficient.decimals, money.value"
    zh = f"政策各数的小数位过多，超出 256 位精确计算：请声明小数位（{keys}）"
    en = f"the policy's figures have too many decimals for exact arithmetic in 256 bits: declare decimals ({keys})"
    return UserError(Text(zh, en))


def lines_of(lines: Sequence[Linear]) -> Lines:
    """Return exact lines for the kernel."""
    divisors = [lcm(line.fixed.denominator, line.per_fen.denominator) for line in lines]
    try:
        return Lines(
            wide([int(line.fixed * d) for line, d in zip(lines, divisors, strict=True)]),
            wide([int(line.per_fen * d) for line, d in zip(lines, divisors, strict=True)]),
            wide(divisors),
        )
    except OverflowError:
        raise too_fine() from None


def proportional(share: Fraction) -> Lines:
    """Return the one line share × x."""
    return lines_of([Linear(Fraction(0), share)])


def ratios_of(ratios: Sequence[Fraction]) -> Ratios:
    """Return exact ratios for the kernel."""
    try:
        return Ratios(wide([ratio.numerator for ratio in ratios]), wide([ratio.denominator for ratio in ratios]))
    except OverflowError:
        raise too_fine() from None


def rounded(
    x: Ints, lines: Lines, ratios: Ratios, mode: Mode, row: Indices | None = None, pair: Indices | None = None
) -> Ints:
    """Return (a + b·x) · n ÷ (d · e) rounded, lines by `row` and ratios by `pair` (the first where none is given).

    Runs on every core; the answer does not depend on how the rows are dealt out. What does not depend on x is reckoned
    once for each line and ratio.
    """
    span = int(np.abs(x).max(initial=0)).bit_length()
    if max(lines.a.bits, lines.b.bits + span) + 1 + ratios.n.bits > BITS or lines.d.bits + ratios.e.bits > BITS:
        raise too_fine()
    first = np.zeros(x.size, np.int32)
    row, pair = first if row is None else row, first if pair is None else pair
    pairs = len(ratios.n.digits)
    slopes = np.asarray(lines.b.digits.any(axis=1))
    level = np.flatnonzero(~slopes).astype(np.int32)
    if level.size * pairs * 4 > x.size:
        return _reckoned(x, lines, ratios, mode, row, pair)
    flat = np.zeros((len(lines.b.digits), pairs), np.int64)
    each = np.repeat(level, pairs), np.tile(np.arange(pairs, dtype=np.int32), level.size)
    flat[each] = _reckoned(np.zeros(level.size * pairs, np.int64), lines, ratios, mode, *each)
    found: Ints = np.take(flat, row * pairs + pair)
    sloping = np.flatnonzero(np.take(slopes, row))
    found[sloping] = _reckoned(x[sloping], lines, ratios, mode, row[sloping], pair[sloping])
    return found


def _reckoned(x: Ints, lines: Lines, ratios: Ratios, mode: Mode, row: Indices, pair: Indices) -> Ints:
    """Run the kernel on every row."""
    found = np.empty(x.size, np.int64)
    a, b, d, n, e = (numbers.digits for numbers in (*lines, *ratios))
    workers = (os.cpu_count() or 1) if x.size > SMALL else 1
    cuts = [slice(x.size * k // workers, x.size * (k + 1) // workers) for k in range(workers)]

    def run(cut: slice) -> None:
        round_linear(row[cut], pair[cut], x[cut], a, b, d, n, e, MODES.index(mode), found[cut])

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(run, cuts))
    return found
