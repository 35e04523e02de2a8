"""Dates and times in the forms that exports mix in one column.

Read are Arrow dates and timestamps, ISO text, 2024/1/5, 2024.1.5, 2024年1月5日, 20240105, 20240105083000, each with or
without a time and a zone, and Excel serial days of five digits (18 May 1927 to 13 October 2173).
Times with a zone become local (UTC+8) times without one.
"""

import polars as pl
import pyarrow as pa

from engine.claims.cells import halved, plain, series

LOCAL = "Asia/Shanghai"
LOCAL_MINUTES = 8 * 60
EXCEL_EPOCH_DAYS = -25_569
"""Days from 1970-01-01 to Excel's day 0, 1899-12-30."""

_DAY = r"(?P<y>\d{4})(?:[-/.年](?P<m>\d{1,2})[-/.月](?P<d>\d{1,2})日?|(?P<m2>\d{2})(?P<d2>\d{2}))"
_TIME = (
    r"(?:[t ]*(?P<h>\d{1,2})[:时](?P<i>\d{1,2})(?:[:分](?P<s>\d{1,2})(?:\.\d*)?秒?|分)?"
    r"|[t ]*(?P<h2>\d{2})(?P<i2>\d{2})(?P<s2>\d{2})?)?"
)
_ZONE = r" *(?:(?P<z>z|utc)|(?P<zs>[+-])(?P<zh>\d{2}):?(?P<zm>\d{2}))?"
_MOMENT = f"^{_DAY}{_TIME}{_ZONE}$"
_SERIAL = r"^\d{5}(\.\d+)?$"


def read_times(cells: pa.Array, *, utc: bool) -> pl.Series:
    """Return local times (datetime, microseconds); null where a cell is empty or cannot be read.

    `utc` says that times without a zone are UTC in this file; days without a time of day stay as they are.
    """
    cells = plain(cells)
    if pa.types.is_date(cells.type):
        return series(cells).cast(pl.Datetime("us"))
    if pa.types.is_timestamp(cells.type):
        times = series(cells).dt.cast_time_unit("us")
        if cells.type.tz is not None or utc:
            return _local(times if cells.type.tz is not None else times.dt.replace_time_zone("UTC"))
        return times
    if pa.types.is_integer(cells.type) or pa.types.is_floating(cells.type):
        return _from_numbers(series(cells))
    return _from_text(halved(cells), utc=utc)


def _local(times: pl.Series) -> pl.Series:
    return times.dt.convert_time_zone(LOCAL).dt.replace_time_zone(None)


def _from_numbers(numbers: pl.Series) -> pl.Series:
    whole = numbers.cast(pl.Int64, strict=False)
    days = numbers.cast(pl.Float64)
    compact = whole.cast(pl.String).str.to_datetime("%Y%m%d", strict=False, time_unit="us")
    return pl.select(
        pl.when(days.is_between(10_000, 99_999.999_999)).then(_from_serial(days)).when(whole == days).then(compact)
    ).to_series()


def _from_serial(days: pl.Series) -> pl.Series:
    """Excel counts days and fractions; a time of day is exact to the second."""
    seconds = ((days + EXCEL_EPOCH_DAYS) * 86_400).round().cast(pl.Int64, strict=False)
    return (seconds * 1_000_000).cast(pl.Datetime("us"))


def _from_text(text: pl.Series, *, utc: bool) -> pl.Series:
    part = pl.col("parts").struct.field
    day = (part("y"), _digits("m"), _digits("d"))
    clock = (_digits("h"), _digits("i"), _digits("s"))
    moment = pl.concat_str(*day, *clock).str.to_datetime("%Y%m%d%H%M%S", strict=False, time_unit="us")
    hours = pl.concat_str(part("zs"), part("zh")).cast(pl.Int64)
    offset = pl.when(part("z").is_not_null()).then(0).otherwise(hours * 60 + part("zm").cast(pl.Int64) * hours.sign())
    if utc:
        offset = pl.coalesce(offset, pl.when(pl.coalesce(part("h"), part("h2")).is_not_null()).then(0))
    shift = pl.duration(minutes=pl.coalesce(LOCAL_MINUTES - offset, pl.lit(0)))
    parts = text.to_frame("text").select(pl.col("text").str.extract_groups(_MOMENT).alias("parts"))
    times = parts.select(moment + shift).to_series()
    serial = _from_serial(text.set(~text.str.contains(_SERIAL), None).cast(pl.Float64))
    return times.zip_with(times.is_not_null(), serial)


def _digits(name: str) -> pl.Expr:
    """Return a two-digit part of the moment, written with separators or without; a missing time of day is 00."""
    either = pl.coalesce(pl.col("parts").struct.field(name), pl.col("parts").struct.field(f"{name}2"))
    return either.fill_null("00").str.zfill(2)
