"""How fast months are settled: `python -m benchmarks.settlement [--claims N] [--months M] [--json FILE]`.

A synthetic city's claims, N a month, settled month by month into one ledger, each month by a process of its own: read,
checked, grouped, priced, settled by hospital, written and sealed. Peak memory is the process's, and must not grow.
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

_YEAR = 2026
_COMMAND = [sys.executable, "-c", "from engine.cli import main; main()"]


def main() -> None:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--claims", type=int, default=1_000_000, help="claims a month")
    parser.add_argument("--months", type=int, default=2)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = [_printed(found) for found in _settled(Path(folder), options.claims, options.months)]
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


def _settled(folder: Path, claims: int, months: int) -> list[dict[str, Any]]:
    """Make the city, settle its months, and return what each took."""
    span = f"{_YEAR}-01..{_YEAR}-{months:02d}"
    city = ["synth", "--claims", claims * months, "--years", span, "--seed", 1, "--out", folder / "city"]
    subprocess.run([*_COMMAND, *map(str, city)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    found = []
    for number in range(1, months + 1):
        month = f"{_YEAR}-{number:02d}"
        given = [folder / "city" / "claims" / f"{month}.parquet", "--policy", "synthetic-city", "--month", month]
        found.append(_run(["settle", *given, "--ledger", folder / "city.duckdb", "--json"]))
    return found


def _run(arguments: list[Any]) -> dict[str, Any]:
    """Run a command; return its summary with the seconds that passed, those of the processor, and the peak memory."""
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen([*_COMMAND, *map(str, arguments)], stdout=out, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        summary: dict[str, Any] = json.load(out)
    took = {"wall": time.perf_counter() - began, "processor": usage.ru_utime + usage.ru_stime}
    return summary | {"took": took, "peak_mib": usage.ru_maxrss / 1024}


def _printed(found: dict[str, Any]) -> dict[str, Any]:
    """Print one month's figures; return them without the rest of the summary."""
    took, stages = found["took"], "  ".join(f"{name} {value:.1f}" for name, value in found["seconds"].items())
    print(
        f"{found['month']}  {found['rows']['in']:,} claims  {took['wall']:.1f} s ({took['processor']:.1f} s of "
        f"processor)  {found['peak_mib']:,.0f} MiB  [{stages}]"
    )
    names = ("month", "rows", "seconds", "took", "peak_mib")
    return {name: found[name] for name in names}


if __name__ == "__main__":
    main()
