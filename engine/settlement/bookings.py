"""Bookings: what a batch adds to each hospital's month. Corrections book the difference to what was booked before."""

from fractions import Fraction

import polars as pl

from engine.settlement.ledger import Ledger

KEYS = ("pool", "hospital_id")
AMOUNTS = ("cases", "points", "charge", "booked", "payable", "deducted", "paid", "deposit", "withheld")
DECIMALS = 6


def booked_before(ledger: Ledger, of_month: str) -> pl.DataFrame:
    """Return what all batches together booked for a month, by pool and hospital."""
    sums = ", ".join(f"sum({name})::{'DECIMAL(38,6)' if name == 'points' else 'BIGINT'} AS {name}" for name in AMOUNTS)
    return ledger.rows(
        f"SELECT pool, hospital_id, {sums} FROM ledger_booking WHERE of_month = $month GROUP BY ALL",  # noqa: S608
        {"month": of_month},
    )


def booking_rows(hospitals: pl.DataFrame, before: pl.DataFrame, of_month: str, booked_month: str) -> pl.DataFrame:
    """Return rows of ledger_booking: a settled month (`settle_month`) less what was booked of it before."""
    points = [shown_points(text) for text in hospitals["points"]]
    now = hospitals.with_columns(pl.Series("points", points, dtype=pl.Decimal(38, DECIMALS)))
    signed = [
        frame.select(*KEYS, *(pl.col(name).cast(dtype) * sign for name, dtype in TYPES.items()))
        for frame, sign in ((now, 1), (before, -1))
    ]
    differences = pl.concat(signed).group_by(KEYS).agg(pl.col(AMOUNTS).sum()).sort(KEYS)
    changed = differences.filter(pl.any_horizontal(pl.col(name) != 0 for name in AMOUNTS))
    return changed.with_columns(pl.lit(booked_month).alias("booked_month"), pl.lit(of_month).alias("of_month"))


TYPES = {name: pl.Decimal(38, DECIMALS) if name == "points" else pl.Int64() for name in AMOUNTS}


def shown_points(exact: str) -> str:
    """Return points (an exact fraction as text) with six decimals."""
    scaled = round(Fraction(exact) * 10**DECIMALS)
    sign, digits = "-" if scaled < 0 else "", str(abs(scaled)).zfill(DECIMALS + 1)
    return f"{sign}{digits[:-DECIMALS]}.{digits[-DECIMALS:]}"
