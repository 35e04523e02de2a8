"""Values: the cells of a source column read as the kind of its canonical column."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from engine.claims.amounts import read_amounts
from engine.claims.canonical import Column
from engine.claims.cells import Mask, as_text, halved, is_text, mask, plain, series
from engine.claims.column_map import ColumnMap
from engine.claims.dates import read_times

YES = ("1", "true", "t", "yes", "y", "是")
NO = ("0", "false", "f", "no", "n", "否")
UNIT_FACTOR = {"kg": 1000, "days": 24}


@dataclass(frozen=True)
class Values:
    """A canonical column of a chunk; the rows whose cell cannot be read (None: there is none); rows by check name."""

    array: pa.Array
    unreadable: Mask | None = None
    noted: Mapping[str, Mask] = field(default_factory=dict)


def accepts(column: Column, kind: pa.DataType) -> bool:
    """Tell whether a source column of this Arrow type can be read as a canonical column at all."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_null(kind) or is_text(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return True
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    if column.kind in ("date", "datetime"):
        return bool(number or pa.types.is_date(kind) or pa.types.is_timestamp(kind))
    if column.kind == "flag":
        return bool(number or pa.types.is_boolean(kind))
    return bool(number or (pa.types.is_decimal(kind) and column.kind != "text"))


def read_values(column: Column, cells: pa.Array, column_map: ColumnMap) -> Values:
    """Read the cells of one source column. Empty cells are missing; nothing is raised for a bad cell."""
    words = column_map.values.get(column.name)
    if words:
        cells = _translated(cells, words)
    if pa.types.is_null(cells.type):
        return Values(pa.nulls(len(cells), column.type))
    unit = column_map.unit(column)
    match column.kind:
        case "whole":
            return _whole(column, cells, UNIT_FACTOR.get(unit, 1))
        case "date" | "datetime":
            return _times(column, cells, utc=column_map.times == "utc")
        case "money":
            fen = read_amounts(cells, unit)
            return _checked(column, cells, fen.values, {"third_decimal": fen.rounded})
        case "flag":
            return _flags(column, cells)
        case "hours":
            return _hours(column, cells, unit)
        case "ratio":
            return _ratios(column, cells)
    return Values(as_text(cells))


def _translated(cells: pa.Array, words: Mapping[str, str]) -> pa.Array:
    """Replace words as the map says; a word translated to "" is missing."""
    text = series(as_text(cells))
    return text.replace(list(words), [word or None for word in words.values()]).to_arrow().cast(pa.string())


_NO_NOTES: Mapping[str, pl.Series] = {}


def _checked(column: Column, cells: pa.Array, values: pl.Series, noted: Mapping[str, pl.Series] = _NO_NOTES) -> Values:
    """Pair values with the rows that had a cell but gave no value; notes without a row are left out."""
    lost = np.zeros(len(values), np.bool_)
    if values.null_count() > cells.null_count:
        lost = mask(values.is_null() & _filled(cells))
    notes = {name: rows for name, found in noted.items() if found.any() and (rows := mask(found) & ~lost).any()}
    return Values(values.to_arrow().cast(column.type), lost if lost.any() else None, notes)


def _ranged(column: Column, cells: pa.Array, values: pl.Series) -> Values:
    """Take values outside the column's range as missing."""
    outside = {column.outside: ~values.is_between(column.least, column.most)} if column.outside else _NO_NOTES
    read = _checked(column, cells, values, outside)
    if not read.noted:
        return read
    return Values(pc.if_else(pa.array(read.noted[column.outside]), None, read.array), read.unreadable, read.noted)


def _filled(cells: pa.Array) -> pl.Series:
    cells = plain(cells)
    found = series(as_text(cells) if is_text(cells.type) else cells)
    return found.fill_nan(None).is_not_null() if found.dtype.is_float() else found.is_not_null()


def _whole(column: Column, cells: pa.Array, factor: int) -> Values:
    low, high = -(2 ** (column.bits - 1)), 2 ** (column.bits - 1) - 1
    if pa.types.is_integer(cells.type) and factor == 1:
        extremes = pc.min_max(cells)
        least, most = extremes["min"].as_py(), extremes["max"].as_py()
        if least is None or (least >= max(low, column.least) and most <= min(high, column.most)):
            return Values(cells.cast(column.type))
    numbers = _numbers(cells, column.words) * factor
    fits = (numbers == numbers.floor()) & numbers.is_between(low, high)
    return _ranged(column, cells, numbers.set(~fits, None).cast(pl.Int64))


def _numbers(cells: pa.Array, words: Mapping[str, int]) -> pl.Series:
    """Return cells as float64; words stand for their numbers. Null where a cell is empty or no finite number."""
    cells = plain(cells)
    if not is_text(cells.type):
        numbers = series(cells).cast(pl.Float64)
    else:
        text = halved(cells)
        if words:
            text = text.replace(list(words), [str(number) for number in words.values()])
        numbers = text.cast(pl.Float64, strict=False)
    return numbers.set(~numbers.is_finite(), None)


def _times(column: Column, cells: pa.Array, *, utc: bool) -> Values:
    times = read_times(cells, utc=utc)
    if column.kind == "datetime":
        return _checked(column, cells, times)
    shifted = (times.dt.hour() == 16) & (times.dt.minute() == 0) & (times.dt.second() == 0)
    return _checked(column, cells, times.dt.date(), {"shifted_time": shifted})


def _flags(column: Column, cells: pa.Array) -> Values:
    if pa.types.is_boolean(cells.type):
        return Values(cells)
    text = halved(cells)
    flags = pl.select(pl.when(text.is_in(YES)).then(True).when(text.is_in(NO)).then(False)).to_series()  # noqa: FBT003
    return _checked(column, cells, flags)


def _hours(column: Column, cells: pa.Array, unit: str) -> Values:
    """Hours as a number in the map's unit, or as the official "days/hours/minutes"."""
    numbers = _numbers(cells, {})
    hours = numbers / 60 if unit == "minutes" else numbers * UNIT_FACTOR.get(unit, 1)
    if is_text(plain(cells).type):
        parts = (
            halved(cells)
            .to_frame("text")
            .select(pl.col("text").str.extract_groups(r"^(\d+)/(\d+)/(\d+)$").alias("parts"))
        )
        day, hour, minute = (part.cast(pl.Float64) for part in parts.unnest("parts").get_columns())
        hours = hours.zip_with(hours.is_not_null(), day * 24 + hour + minute / 60)
    return _ranged(column, cells, hours)


def _ratios(column: Column, cells: pa.Array) -> Values:
    """Read shares: 0.85 or "85.00%"."""
    numbers = _numbers(cells, {})
    if is_text(plain(cells).type):
        text = halved(cells)
        percent = (
            text.str.strip_suffix("%")
            .str.strip_chars()
            .set(~text.str.ends_with("%"), None)
            .cast(pl.Float64, strict=False)
        )
        numbers = numbers.zip_with(numbers.is_not_null(), percent / 100)
    return _checked(column, cells, numbers)
