"""The two-hospital city on a ledger: its months priced from files and booked as batches. Figures for the head.

October: c1 (H1) 7,000.00, c2 (H2) 14,000.00. November: c3 (H1) 7,000.00 less r1 (H1), which takes c1 back: 0.
The year: 100 points of H1 and 200 of H2 share 30,000.00.
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from engine.cases import ClaimsInput
from engine.pricing import PricingRequest, run_pricing
from engine.provenance import input_files
from engine.settlement.ledger import Head, Ledger, open_ledger
from engine.settlement.ledger_cases import case_rows
from tests.engine.money_city import write_city

AMOUNTS = ("cases", "points", "charge", "booked", "payable", "deducted", "paid", "deposit", "withheld")


def price_month(city: Path, month: int, **changes: object) -> Path:
    """Price a month of the city; the folder of the result."""
    plain: dict[str, object] = {
        "grouped": [city / "grouped.parquet"],
        "claims": ClaimsInput([city / "claims.csv"], "delimited"),
        "policies": [city / "policy.toml"],
        "month": month,
        "out": city / str(month),
    }
    run_pricing(PricingRequest(**(plain | changes)))  # type: ignore[arg-type]
    return city / str(month)


def book(
    ledger: Ledger,
    folder: Path,
    month: str,
    booked_in: str | None = None,
    version: int = 1,
    year: int | None = None,
) -> int:
    """Book a priced month as a batch, less what was booked of it before; `year`: whose clearing settles it."""
    cases = pl.read_parquet(folder / "priced.parquet")
    hospitals = pl.read_parquet(folder / "hospital_months.parquet")
    rows = differences(ledger, hospitals, month).with_columns(
        pl.lit(booked_in or month).alias("booked_month"), pl.lit(year, pl.Int32).alias("year")
    )
    head = Head(
        "month",
        f"{month} {version}",
        month=month,
        version=version,
        booked_month=booked_in or month,
        rows_in=cases.height,
        rejected=0,
        accepted=cases.height,
        booked=cases.height,
        held=0,
        merged=0,
        known=0,
        elsewhere=0,
    )
    policy = pl.DataFrame(input_files([folder.parent / "policy.toml"])).with_columns(pl.lit("policy").alias("role"))
    used = cases.select("pool", pl.col("value_month").alias("month")).unique()
    values = used.with_columns(pl.lit("100").alias("exact"), pl.lit("100").cast(pl.Decimal(18, 6)).alias("value"))
    with ledger.batch(head, "officer") as batch:
        batch.write("ledger_case", case_rows(cases, {}))
        batch.write("ledger_booking", rows)
        batch.write("ledger_value", values)
        batch.write("ledger_input", policy)
        return batch.number


def differences(ledger: Ledger, hospitals: pl.DataFrame, month: str) -> pl.DataFrame:
    """Hospital months as rows of ledger_booking, less what was booked of the month before."""
    points = pl.col("points").cast(pl.Decimal(38, 6))
    now = hospitals.with_columns(points, pl.lit(month).alias("of_month")).select("pool", "hospital_id", *AMOUNTS)
    sums = ", ".join(f"-{name} AS {name}" for name in AMOUNTS)
    before = ledger.rows(f"SELECT pool, hospital_id, {sums} FROM ledger_booking WHERE of_month = '{month}'")
    both = pl.concat([now, before.cast(now.schema)])
    changed = both.group_by("pool", "hospital_id").agg(pl.col(AMOUNTS).sum())
    return changed.filter(pl.any_horizontal(pl.col(AMOUNTS) != 0)).with_columns(pl.lit(month).alias("of_month"))


def city_ledger(folder: Path, months: Sequence[int] = (202610, 202611), **city: object) -> Path:
    """Make the city in `folder` and a ledger of some of its months beside its files; the ledger's path."""
    write_city(folder, **city)  # type: ignore[arg-type]
    with open_ledger(folder / "city.duckdb", create=True) as ledger:
        for month in months:
            text = f"{month // 100}-{month % 100:02d}"
            earlier = [folder / str(before) for before in months if before < month]
            book(ledger, price_month(folder, month, earlier=earlier), text)
    return folder / "city.duckdb"
