"""How fast a DIP directory is measured: `python -m benchmarks.measurement [--claims N] [--json FILE]`.

Three years of the synthetic city, both styles of directory, the whole command with its outputs in a process of its own.
Beside it the bare minimum in polars: the same columns read, cases without cleaning or stays put by category and first
procedure, means in floating point.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import polars as pl

from engine.synthetic import Plan, SynthesisRequest, load_city, write_city

ROOT = Path(__file__).parents[1]
_CLASSES = ROOT / "grouper" / "schemes" / "synthetic-city-dip" / "procedure_class.csv"
_POLICIES = {"national groups kept (3.0)": "example-dip", "all procedures (1.0, 2.0)": "synthetic-city-dip"}


def main() -> None:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--claims", type=int, default=6_000_000)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(load_city(), seed=1, claims=options.claims, first_year=2023, last_year=2025)
        write_city(SynthesisRequest(plan, Path(folder) / "city"))
        figures = measure(Path(folder))
    print(f"{options.claims:,} claims of three years")
    for name, of in figures.items():
        memory = f", {of['mebibytes']:,} MiB" if "mebibytes" in of else ""
        print(f"  {name:28} {of['seconds']:6.1f} s wall, {of['cpu_seconds']:6.1f} s CPU{memory}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def measure(folder: Path) -> dict[str, dict[str, Any]]:
    """Return seconds and memory by what was run."""
    figures = {name: _command(folder, policy) for name, policy in _POLICIES.items()}
    started, cpu = time.perf_counter(), time.process_time()
    _polars(folder / "city" / "claims")
    figures["polars, means alone"] = _seconds(started, time.process_time() - cpu)
    return figures


def _command(folder: Path, policy: str) -> dict[str, Any]:
    """Run drgdip dip measure in a process of its own."""
    command = [
        sys.executable,
        "-c",
        "from engine.cli import main; main()",
        "dip",
        "measure",
        str(folder / "city" / "claims"),
    ]
    command += ["--policy", policy, "--procedure-classes", str(_CLASSES), "--out", str(folder / policy)]
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{policy}: exit status {status}")
    return _seconds(started, used.ru_utime + used.ru_stime) | {"mebibytes": used.ru_maxrss // 1024}


def _seconds(started: float, cpu: float) -> dict[str, Any]:
    return {"seconds": round(time.perf_counter() - started, 2), "cpu_seconds": round(cpu, 2)}


def _polars(claims: Path) -> pl.DataFrame:
    """Return mean charges by category, first procedure and year."""
    first = (pl.col(name).list.first().cast(pl.String) for name in ("diagnoses", "procedures"))
    keys = [column.str.head(length) for column, length in zip(first, (5, 20), strict=True)]
    return (
        pl.scan_parquet(claims / "*.parquet")
        .group_by(*keys, pl.col("settled").dt.year())
        .agg(pl.len(), pl.col("total_charge").cast(pl.Float64).mean())
        .collect()
    )


if __name__ == "__main__":
    main()
