"""How fast statements are written: `python -m benchmarks.statements [--cases N] [--hospitals N] [--json FILE]`.

A month of a ledger is written as workbooks, one a hospital, from reading the ledger to the last digest. Beside it a
bare loop of the same Excel writer puts as many cells, a third of them text, into as many workbooks on as many
processes.
"""

import argparse
import json
import tempfile
import time
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import xlsxwriter

from engine.outputs.statements.processes import Task, in_processes
from engine.outputs.statements.run import StatementsRequest, month_statements
from engine.settlement.ledger import Head, open_ledger

MONTH = "2026-10"
COLUMNS = 18
"""Columns of the bare loop, as the case list has."""
_TEXT = ("2026100000000002", "职工", "FC13", "肺大手术，伴合并症或并发症", "正常", "")


def main() -> None:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=200_000)
    parser.add_argument("--hospitals", type=int, default=100)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    figures = measure(options.cases, options.hospitals)
    print(f"{options.cases:,} cases, {options.hospitals} hospitals, {figures['cells']:,} cells")
    for processes, run in figures["runs"].items():
        print(
            f"  {processes or 'all'} processes: statements {run['seconds']:.1f} s, {run['rate']:,.0f} cells/s; "
            f"bare loop {run['bare_seconds']:.1f} s, {run['bare_rate']:,.0f} cells/s; ratio {run['ratio']:.2f}"
        )
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


def measure(cases: int, hospitals: int) -> dict[str, Any]:
    """Return times (seconds) and rates (cells a second) on one process and on all cores."""
    with tempfile.TemporaryDirectory() as folder:
        ledger = Path(folder) / "city.duckdb"
        sizes = _fill(ledger, cases, hospitals)
        runs, cells = {}, 0
        for processes in (1, 0):
            out = Path(folder) / f"out-{processes}"
            began = time.perf_counter()
            month_statements(StatementsRequest(ledger, out, processes=processes), MONTH)
            seconds = time.perf_counter() - began
            cells = sum(_cells(file) for file in out.glob("*.xlsx"))
            rows = {name: round(size * cells / cases / COLUMNS) for name, size in sizes.items()}
            began = time.perf_counter()
            tasks = {name: Task(_bare, (Path(folder) / f"{name}.xlsx", count), count) for name, count in rows.items()}
            written = sum(count for _, count in in_processes(tasks, processes))
            bare = time.perf_counter() - began
            rate, bare_rate = cells / seconds, written / bare
            runs[str(processes)] = {
                "seconds": seconds,
                "rate": rate,
                "bare_seconds": bare,
                "bare_rate": bare_rate,
                "ratio": rate / bare_rate,
            }
    return {"cases": cases, "hospitals": hospitals, "cells": cells, "runs": runs}


def _cells(file: Path) -> int:
    """Return how many cells a workbook holds."""
    with zipfile.ZipFile(file) as archive:
        sheets = [name for name in archive.namelist() if name.startswith("xl/worksheets/sheet")]
        return sum(archive.read(name).count(b"<c ") for name in sheets)


def _bare(file: Path, rows: int) -> int:
    """Write rows with nothing but the writer, and return the number of cells."""
    with xlsxwriter.Workbook(file, {"constant_memory": True}) as book:
        sheet = book.add_worksheet()
        for row in range(rows):
            for column in range(COLUMNS):
                if column < len(_TEXT):
                    sheet.write_string(row, column, _TEXT[column])
                else:
                    sheet.write_number(row, column, row * 1.17)
    file.unlink()
    return rows * COLUMNS


def _fill(path: Path, cases: int, hospitals: int) -> dict[str, int]:
    """Make a ledger of one month and return the cases of each hospital; sizes fall with the rank."""
    random = np.random.default_rng(1)
    shares = (np.arange(hospitals) + 1.0) ** -0.7
    hospital = random.choice(hospitals, cases, p=shares / shares.sum())
    charge = random.integers(100_000, 5_000_000, cases)
    points = (charge // 100).astype(np.int64)
    frame = pl.DataFrame(
        {
            "case_id": [f"2026100{n:09}" for n in range(cases)],
            "hospital_id": [f"H{n:04}" for n in hospital],
            "settled": [f"{MONTH}-{1 + n % 28:02}" for n in range(cases)],
            "length_of_stay": charge % 30 + 1,
            "group_code": [f"G{n % 600:03}" for n in range(cases)],
            "group_name": [f"病组名称{n % 600}，伴合并症或并发症" for n in range(cases)],
            "case_class": random.choice(["normal", "low", "high"], cases, p=[0.9, 0.06, 0.04]),
            "charge": charge,
            "booked": charge * 7 // 10,
            "standard": points * 100,
            "official_result": points * 100 - charge,
            "fund_part": points * 70,
        }
    ).with_columns(
        pl.col("settled").str.to_date().cast(pl.Datetime).alias("settled"),
        pl.col("settled").str.to_date().cast(pl.Datetime).alias("discharged"),
        pl.Series("points", points).cast(pl.Decimal(26, 8)),
        pl.lit("employee").alias("pool"),
        pl.lit("no").alias("late"),
        pl.lit("points").alias("funding"),
        pl.lit(MONTH).alias("month"),
        pl.lit(MONTH).alias("value_month"),
        pl.lit("11/10").alias("coefficient"),
        pl.lit(Decimal("0.75")).alias("weight"),
        pl.lit(1).alias("sign"),
    )
    sums = frame.group_by("pool", "hospital_id").agg(
        pl.len().alias("cases"), pl.col("points", "charge", "booked").sum(), pl.col("fund_part").sum().alias("payable")
    )
    zero = (pl.lit(0).alias(name) for name in ("deducted", "deposit", "withheld"))
    months = (pl.lit(MONTH).alias("booked_month"), pl.lit(MONTH).alias("of_month"))
    bookings = sums.with_columns(pl.col("payable").alias("paid"), *zero, *months)
    value = pl.DataFrame({"pool": "employee", "month": MONTH, "value": Decimal(1), "exact": "1"})
    with (
        open_ledger(path, create=True) as ledger,
        ledger.batch(Head("month", "1", month=MONTH, version=1), "x") as batch,
    ):
        batch.write("ledger_case", frame)
        batch.write("ledger_booking", bookings)
        batch.write("ledger_value", value)
    return dict(frame.group_by("hospital_id").len().iter_rows())


if __name__ == "__main__":
    main()
