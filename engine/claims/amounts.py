"""Money: yuan in files, whole fen (int64) inside, without a float in between where the file has none."""

from typing import NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa

from engine.claims.cells import halved, plain, series

FEN_DIGITS = {"fen": 0, "yuan": 2, "wan": 6}
"""Decimal places from a unit down to the fen."""

LARGEST = 2**63
LARGEST_EXACT = 2**53
"""Above this many fen a float no longer holds every whole number: such a cell cannot be read."""

_NOISE = 1e-6
"""What a float sum may be off by, in fen, without being a third decimal."""

_AMOUNT = r"^([+-]?)(\d*)(?:\.(\d*))?$"


class Fen(NamedTuple):
    """Amounts in fen, null where empty or unreadable; rows with digits below the fen, rounded half away from zero."""

    values: pl.Series
    rounded: pl.Series


def read_amounts(cells: pa.Array, unit: str) -> Fen:
    """Read whole numbers, decimals, floats or text, in yuan, fen or wan (ten thousand yuan)."""
    cells = plain(cells)
    digits = FEN_DIGITS[unit]
    if pa.types.is_integer(cells.type):
        return _from_decimal(series(cells), digits)
    if pa.types.is_decimal(cells.type):
        return _from_decimal(series(cells), digits)
    if pa.types.is_floating(cells.type):
        return _from_floats(series(cells).cast(pl.Float64).fill_nan(None), digits)
    return _from_text(halved(cells), digits)


def _from_decimal(amounts: pl.Series, digits: int) -> Fen:
    scale = amounts.dtype.scale if isinstance(amounts.dtype, pl.Decimal) else 0
    up, down = 10 ** max(digits - scale, 0), 10 ** max(scale - digits, 0)
    whole = amounts.to_physical()
    least, most = whole.min(), whole.max()
    small = isinstance(least, int) and isinstance(most, int) and max(-least, most) * up + down < LARGEST
    wide = pl.Int64 if small else pl.Int128
    size = pl.lit(whole.cast(wide).abs())
    fen = (size * pl.lit(up, wide) + pl.lit(down // 2, wide)) // pl.lit(down, wide) * pl.lit(whole.cast(wide).sign())
    values = pl.select(fen.cast(pl.Int64, strict=False)).to_series()
    return Fen(values, pl.select(size % pl.lit(down, wide) != 0).to_series() if down > 1 else whole.is_null() & False)


def _from_floats(amounts: pl.Series, digits: int) -> Fen:
    fen = amounts.to_numpy() * 10.0**digits
    nearest = np.trunc(fen + np.copysign(0.5 + _NOISE, fen))
    known = amounts.is_not_null().to_numpy() & (np.abs(nearest) <= LARGEST_EXACT)
    values = pl.Series(np.where(known, nearest, 0).astype(np.int64))
    with np.errstate(invalid="ignore"):
        rounded = known & (np.abs(fen - nearest) > np.maximum(_NOISE, np.abs(fen) * 4e-16))
    return Fen(values.set(pl.Series(~known), None), pl.Series(rounded))


def _from_text(text: pl.Series, digits: int) -> Fen:
    """Digits are taken apart as text: "1,234.565" is 123456 fen and a third decimal 5."""
    tidy = text.str.replace_all(r"[,¥￥元 ]", "")
    exponent = tidy.str.contains(r"^[+-]?(\d+\.?\d*|\.\d+)e[+-]?\d+$")
    parts = tidy.to_frame("text").select(pl.col("text").str.extract_groups(_AMOUNT).alias("parts")).unnest("parts")
    sign, whole, decimals = (parts.to_series(place) for place in range(3))
    decimals = decimals.fill_null("")
    readable = (whole + decimals).str.len_chars() > 0
    fen = (
        (whole + decimals.str.slice(0, digits).str.pad_end(digits, "0"))
        .set(~readable, None)
        .cast(pl.Int64, strict=False)
    )
    below = decimals.str.slice(digits)
    up = below.str.contains("^[5-9]").cast(pl.Int64)
    values = (fen + up) * pl.select(pl.when(sign == "-").then(-1).otherwise(1)).to_series()
    rounded = below.str.contains("[1-9]")
    if not exponent.any():
        return Fen(values, rounded)
    floats = _from_floats(tidy.set(~exponent, None).cast(pl.Float64, strict=False), digits)
    return Fen(values.zip_with(~exponent.fill_null(value=False), floats.values), rounded | floats.rounded)
