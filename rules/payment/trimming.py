"""Trimming of outlying charges before weights are calibrated.

医保办发〔2020〕50号 trims at 2.5 % and 97.5 %; local rules use the IQR or the SD. Bounds are whole fen, found exactly:
percentiles interpolate linearly between order statistics, the standard deviation is the population's, and only the
log scale uses floating point, on single values whose sums are kept as integers. The order of the cases never matters.
"""

import math
from collections.abc import Iterator
from fractions import Fraction

import polars as pl

from rules.policy.calibration import Trimming

# natural logarithms become integers at this scale, so that their sums do not depend on the order of the cases
LOG_SCALE = 1 << 32


def trim(cases: pl.DataFrame, rule: Trimming) -> pl.DataFrame:
    """Return the cases that `rule` keeps, judged group by group over all years.

    `cases`: group (string), charge (int64 fen); further columns stay. Row order is kept. percentile cuts the share
    below `low` and above `high`, iqr keeps from Q1 - k·IQR to Q3 + k·IQR, sd the mean ± k·SD; on the log scale a
    charge of zero never stays.
    """
    if rule.method == "none" or cases.is_empty():
        return cases
    limits = bounds(cases, rule)
    return (
        cases.join(limits, on="group", how="left", maintain_order="left")
        .filter(pl.col("charge").is_between("lowest", "highest"))
        .drop("lowest", "highest")
    )


def bounds(cases: pl.DataFrame, rule: Trimming) -> pl.DataFrame:
    """Return group, lowest, highest: the smallest and largest charge (int64 fen) that `rule` keeps in each group."""
    positive = cases.filter(pl.col("charge") > 0) if rule.log else cases
    find = {"percentile": _percentile_bounds, "iqr": _quartile_bounds, "sd": _deviation_bounds}[rule.method]
    rows = list(find(positive, rule))
    found = pl.DataFrame(rows, schema={"group": pl.String, "lowest": pl.Int64, "highest": pl.Int64}, orient="row")
    return found.cast({"group": cases.schema["group"]})


def _percentile_bounds(cases: pl.DataFrame, rule: Trimming) -> Iterator[tuple[str, int, int]]:
    """Yield the bounds that cut at most the declared share of a group's cases from each end."""
    low, high = Fraction(rule.low), 1 - Fraction(rule.high)
    count, ordered = pl.len().cast(pl.Int64), pl.col("charge").sort()
    first = count * low.numerator // low.denominator
    last = count - 1 - count * high.numerator // high.denominator
    yield from (
        cases.group_by("group")
        .agg(ordered.get(first.cast(pl.UInt32)).alias("lowest"), ordered.get(last.cast(pl.UInt32)).alias("highest"))
        .iter_rows()
    )


def _quartile_bounds(cases: pl.DataFrame, rule: Trimming) -> Iterator[tuple[str, int, int]]:
    """Yield Q1 - k·IQR and Q3 + k·IQR; quartiles interpolate linearly between order statistics."""
    ordered, last = pl.col("charge").sort(), pl.len().cast(pl.Int64) - 1
    places = [last // 4, (last + 3) // 4, last * 3 // 4, (last * 3 + 3) // 4]
    statistics = cases.group_by("group").agg(
        pl.len().alias("n"), *(ordered.get(place.cast(pl.UInt32)).alias(f"x{i}") for i, place in enumerate(places))
    )
    for group, n, *(below_1, above_1, below_3, above_3) in statistics.iter_rows():
        q1 = _interpolate(below_1, above_1, Fraction(n - 1, 4) % 1, log=rule.log)
        q3 = _interpolate(below_3, above_3, Fraction(3 * (n - 1), 4) % 1, log=rule.log)
        margin = Fraction(rule.k) * (q3 - q1)
        yield (group, *_whole_fen(q1 - margin, q3 + margin, log=rule.log))


def _interpolate(below: int, above: int, part: Fraction, *, log: bool) -> Fraction:
    """Return the value `part` of the way from one order statistic to the next, or its logarithm."""
    if log:
        return Fraction(math.log(below)) * (1 - part) + Fraction(math.log(above)) * part
    return below + part * (above - below)


def _whole_fen(low: Fraction, high: Fraction, *, log: bool) -> tuple[int, int]:
    """Return the whole fen inside [low, high]; a logarithm is undone within 1e-9, so that a value bounds itself."""
    if not log:
        return math.ceil(low), math.floor(high)
    return math.ceil(math.exp(low) * (1 - 1e-9)), math.floor(math.exp(min(high, Fraction(43))) * (1 + 1e-9))


def _deviation_bounds(cases: pl.DataFrame, rule: Trimming) -> Iterator[tuple[str, int, int]]:
    """Yield mean ± k·SD from integer sums and sums of squares.

    With D = b·n, B = b·Σx and W = a²·(n·Σx² - (Σx)²), k = a/b: x ≥ (B - √W) / D exactly where D·x ≥ B - ⌊√W⌋.
    """
    value = (pl.col("charge").log() * LOG_SCALE).round().cast(pl.Int64) if rule.log else pl.col("charge")
    wide = value.cast(pl.Int128)
    sums = cases.group_by("group").agg(pl.len().alias("n"), wide.sum().alias("s"), (wide * wide).sum().alias("q"))
    a, b = rule.k.as_integer_ratio()
    for group, n, total, squares in sums.iter_rows():
        centre, root = b * total, math.isqrt(a * a * (n * squares - total * total))
        if rule.log:
            scale = b * n * LOG_SCALE
            yield (group, *_whole_fen(Fraction(centre - root, scale), Fraction(centre + root, scale), log=True))
        else:
            yield group, -((root - centre) // (b * n)), (centre + root) // (b * n)
