"""How fast grouped claims are priced: `python -m benchmarks.pricing [--records N] [--json FILE]`.

Special kinds, classes by bands of weight, coefficients by level, points, values of two pools, payment and the three
results, in memory. Beside it the same formulas in polars with floating point: not exact, without refusals, results
by class or anything that explains a case. The number of cases on which the two differ is counted.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from rules.payment.case_payment import price_cases
from rules.policy.resolve import Policy
from rules.policy.shipped import find_policy

_RUNS = 5
_LINES = ((1, 3), (2, 2.5), (3, 2), (5, 1.5), (float("inf"), 1.3))
_LEVELS = {3: 1.06, 2: 1.00, 1: 0.92}
_VALUES = {"310": 53.8381, "390": 52.8094}
_MEAN = 5270.76
_REFORM = """
id = "benchmark"
title = { zh = "测速", en = "benchmark" }
baseline = "example-drg"
[[change]]
key = "kinds"
value = [
  { id = "by_item", name = { zh = "按项目", en = "by item" }, when = { payment_kind = [1] }, treatment = { pay = "excluded", funding = "pool" } },
  { id = "long", name = { zh = "长期住院", en = "long stay" }, when = { days_from = 60 }, treatment = { pay = "actual" } },
]
reference = "illustrative"
[[change]]
key = "exclusion"
remove = true
reference = "illustrative"
[[change]]
key = "separate_items"
value = []
reference = "illustrative"
"""  # noqa: E501


def main() -> None:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=4_000_000)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    figures = measure(options.records)
    print(f"{options.records:,} grouped claims, {figures['groups']} groups")
    print(f"  first run, compilation included    {figures['first_seconds']:.2f} s")
    print(f"  drgdip, exact                      {figures['seconds']:.2f} s")
    print(f"  polars, floating point             {figures['polars_seconds']:.2f} s, {figures['differ']:,} cases differ")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


def measure(records: int) -> dict[str, Any]:
    """Return the best of a few runs (seconds)."""
    policy = _policy()
    weights = _weights(policy)
    cases = _cases(records, weights)
    first, _ = _timed(lambda: price_cases(cases.head(1000), policy))
    runs = [_timed(lambda: price_cases(cases, policy)) for _ in range(_RUNS)]
    rivals = [_timed(lambda: _polars(cases, weights)) for _ in range(_RUNS)]
    exact, rival = runs[0][1], rivals[0][1]
    return {
        "records": records,
        "groups": weights.height,
        "first_seconds": first,
        "seconds": min(seconds for seconds, _ in runs),
        "polars_seconds": min(seconds for seconds, _ in rivals),
        "differ": int((exact["standard"] != rival["standard"]).sum()),
    }


def _timed(work: Callable[[], pl.DataFrame]) -> tuple[float, pl.DataFrame]:
    started = time.perf_counter()
    found = work()
    return time.perf_counter() - started, found


def _policy() -> Policy:
    """Return the example policy without the rules that need fee lines or sequences of stays."""
    with tempfile.TemporaryDirectory() as folder:
        reform = Path(folder) / "reform.toml"
        reform.write_text(_REFORM, "utf-8")
        return find_policy(reform)


def _weights(policy: Policy) -> pl.DataFrame:
    return pl.read_csv(policy.file.parent / "weights-2026.csv").select("group", "weight")


def _cases(records: int, weights: pl.DataFrame) -> pl.DataFrame:
    """Return random grouped claims of one quarter."""
    draw = np.random.default_rng(1)
    group = draw.integers(0, weights.height, records)
    weight = weights["weight"].to_numpy()[group]
    day = np.datetime64("2026-01-01") + draw.integers(0, 90, records)
    hospitals = pl.Series([f"H{n:03d}" for n in range(300)])
    return pl.DataFrame(
        {
            "case_id": np.arange(records),
            "group": weights["group"].gather(group),
            "hospital_id": hospitals.gather(draw.integers(0, 300, records)),
            "hospital_level": draw.integers(1, 4, records).astype(np.int8),
            "insurance_type": pl.Series(["310", "390"]).gather(draw.integers(0, 2, records)),
            "payment_kind": draw.choice([4] * 19 + [1], records).astype(np.int8),
            "length_of_stay": draw.integers(1, 62, records).astype(np.int32),
            "discharged": day,
            "settled": day,
            "total_charge": (draw.lognormal(0, 0.6, records) * weight * _MEAN * 100).astype(np.int64),
        }
    )


def _polars(cases: pl.DataFrame, weights: pl.DataFrame) -> pl.DataFrame:
    """Return the standards by the same formulas, in floating point."""
    charge = pl.col("total_charge") / 100
    ratio = charge / (pl.col("weight") * _MEAN)
    line = pl.lit(_LINES[-1][1])
    for below, bound in reversed(_LINES[:-1]):
        line = pl.when(pl.col("weight") < below).then(bound).otherwise(line)
    base = pl.col("weight") * 100
    f = pl.col("hospital_level").replace_strict(_LEVELS, return_dtype=pl.Float64)
    value = pl.col("insurance_type").replace_strict(_VALUES, return_dtype=pl.Float64)
    points = (
        pl.when(ratio < 0.4)
        .then(charge / _MEAN * 100)
        .when(ratio > line)
        .then(base * f + (ratio - line) * base)
        .otherwise(base * f)
    )
    by_item = (pl.col("payment_kind") == 1) | (pl.col("length_of_stay") >= 60)
    standard = pl.when(by_item).then(charge).otherwise(points * value)
    return (
        cases.lazy()
        .join(weights.lazy(), on="group", how="left", maintain_order="left")
        .with_columns((standard * 100).round(mode="half_away_from_zero").cast(pl.Int64).alias("standard"))
        .with_columns((pl.col("standard") - pl.col("total_charge")).alias("official_result"))
        .collect()
    )


if __name__ == "__main__":
    main()
