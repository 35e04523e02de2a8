"""Ages and length of stay from the dates, where the file does not give them."""

from collections.abc import Iterable

import polars as pl

FROM_DATES = {
    "age": ("birth_date", "admitted"),
    "age_days": ("birth_date", "admitted"),
    "length_of_stay": ("admitted", "discharged"),
}
"""Canonical columns that two dates give, and those dates."""


def dates_for(needed: Iterable[str]) -> tuple[str, ...]:
    """Return the date columns that may stand in for the needed ones."""
    return tuple(dict.fromkeys(date for name in needed for date in FROM_DATES.get(name, ())))


def filled_from_dates(claims: pl.DataFrame, needed: Iterable[str]) -> pl.DataFrame:
    """Fill missing ages and lengths of stay; what the file gives is kept, without the two dates nothing is filled."""
    wanted = [name for name in FROM_DATES if name in needed and claims[name].null_count()]
    for name in wanted:
        if set(FROM_DATES[name]) <= set(claims.columns):
            claims = _filled(claims, name)
    return claims


def _filled(claims: pl.DataFrame, name: str) -> pl.DataFrame:
    """Fill one column, computing only the rows that lack it: adults, nearly all, have no age in days to be found."""
    lacks = pl.col(name).is_null()
    if name == "age_days" and "age" in claims.columns:
        lacks &= pl.col("age").fill_null(0) == 0
    rows = claims.select(lacks.arg_true()).to_series()
    values = claims[rows].select(_EXPRESSIONS[name].cast(claims.schema[name], strict=False)).to_series()
    return claims.with_columns(claims[name].scatter(rows, values))


def full_years() -> pl.Expr:
    """Full years of life on the day of admission; null where a date is missing or birth lies after it."""
    birth, day = pl.col("birth_date"), pl.col("admitted").dt.date()
    before = (day.dt.month().cast(pl.Int32) * 100 + day.dt.day()) < (
        birth.dt.month().cast(pl.Int32) * 100 + birth.dt.day()
    )
    years = day.dt.year() - birth.dt.year() - before.cast(pl.Int32)
    return pl.when(birth <= day).then(years)


def _infant_days() -> pl.Expr:
    """Days of life on the day of admission, of infants only (天龄 is the age of those under one year)."""
    days = (pl.col("admitted").dt.date() - pl.col("birth_date")).dt.total_days()
    return pl.when(full_years() == 0).then(days)


def stay_days() -> pl.Expr:
    """Days between admission and discharge; a stay that ends on its first day counts one day."""
    days = (pl.col("discharged").dt.date() - pl.col("admitted").dt.date()).dt.total_days()
    return pl.when(days >= 0).then(days.clip(lower_bound=1))


_EXPRESSIONS = {"age": full_years(), "age_days": _infant_days(), "length_of_stay": stay_days()}
