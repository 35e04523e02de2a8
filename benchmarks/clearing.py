"""How fast a year is cleared: `python -m benchmarks.clearing [--hospitals N] [--json FILE]`.

Two pools, N hospitals, twelve months: final values, exact payables, bands, assessment, funding, identities and every
line of every statement. Beside it the same formulas in polars with floating point, which neither add up nor explain
anything.
"""

import argparse
import json
import random
import time
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import polars as pl

from rules.fault import Text
from rules.payment.assessment import Effect
from rules.payment.budget import PoolBudget
from rules.payment.clearing_statement import hospital_statement, pool_identity
from rules.payment.statement import Line
from rules.payment.year import Paid, YearInputs, clear_year, year_points, year_sums
from rules.policy.model import Rules

_RUNS = 3
_POOLS = {"employee": "310", "resident": "390"}
_DATES = dict.fromkeys(("scheme", "policy", "month", "budget_year", "late_claim_value"), "settlement")
_POLICY: Mapping[str, Any] = {
    "id": "benchmark",
    "title": {"zh": "测速", "en": "benchmark"},
    "kind": "drg",
    "scheme": "chs-drg-2.0",
    "date_basis": _DATES,
    "money": {"step": "fen", "at": "case", "mode": "half_away_from_zero"},
    "pools": [
        {
            "id": pool,
            "name": {"zh": pool, "en": pool},
            "insurance_types": [insurance],
            "place": "local",
            "funds": ["fund_pool_paid"],
            "budget": {"method": "share", "fund": "1", "share": "1", "reserve": "0"},
            "point_value": {"method": "floating", "start": {"value": "50", "unit": "charge_yuan"}},
        }
        for pool, insurance in _POOLS.items()
    ],
    "weights": {"file": "weights.csv", "scheme": "chs-drg-2.0", "mean_all": "5000", "points_per_weight": "100"},
    "patient_basis": "item",
    "month": {
        "style": "ratio",
        "fund_ratio_level": "pool",
        "prepayment_ratio": "0.95",
        "deposit": "withheld_part",
    },
    "clearing": {
        "style": "ratio",
        "fund_ratio_level": "pool",
        "coefficient": "after_bands",
        "funding_order": ["reserve", "surplus_returned", "overrun:fund"],
        "surplus": {"mode": "whole", "bands": [{"below": "0.80", "retain": "0"}, {"retain": "1"}]},
        "overspend": {"mode": "marginal", "bands": [{"up_to": "1.10", "share": "0.7"}, {"share": "0"}]},
        "deposit_release": {"by": "all"},
    },
}


def main() -> None:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hospitals", type=int, default=1_000)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    figures = measure(options.hospitals)
    print(f"{options.hospitals:,} hospitals x 2 pools x 12 months")
    print(f"  drgdip, exact, with identities    {figures['clear_seconds']:.2f} s")
    print(f"  every line of every statement     {figures['statement_seconds']:.2f} s ({figures['lines']:,} lines)")
    print(f"  polars, floating point, no lines  {figures['polars_seconds']:.2f} s")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


def measure(hospitals: int) -> dict[str, Any]:
    """Return the best of a few runs (seconds)."""
    rules, priced = Rules.model_validate(_POLICY), _year(hospitals)
    inputs = _inputs(priced)
    clearing, statements, rival = [], [], []
    lines = 0
    for _ in range(_RUNS):
        started = time.perf_counter()
        results = clear_year(year_points(year_sums(priced, rules), rules, inputs), rules, inputs)
        for found in results.values():
            pool_identity(found.cleared, rules.clearing)
        clearing.append(time.perf_counter() - started)
        started = time.perf_counter()
        lines = sum(
            sum(1 for _ in hospital_statement(h, rules.clearing)) for r in results.values() for h in r.cleared.hospitals
        )
        statements.append(time.perf_counter() - started)
        started = time.perf_counter()
        _polars(priced, {name: budget.fund for name, budget in inputs.budgets.items()})
        rival.append(time.perf_counter() - started)
    return {
        "hospitals": hospitals,
        "clear_seconds": min(clearing),
        "statement_seconds": min(statements),
        "lines": lines,
        "polars_seconds": min(rival),
    }


def _year(hospitals: int) -> pl.DataFrame:
    """Return one row per pool, hospital and month, in the columns of priced cases."""
    draw = random.Random(1)  # noqa: S311
    rows = []
    for pool in _POOLS:
        for hospital in range(hospitals):
            for month in range(1, 13):
                points = draw.randrange(10**6, 10**9)
                charge = points * draw.randrange(40, 60) // 100
                rows.append((pool, f"H{hospital:04d}", f"2026-{month:02d}", f"{points}/10000", charge))
    frame = pl.DataFrame(rows, schema=["pool", "hospital_id", "month", "points_fixed", "total_charge"], orient="row")
    return frame.with_columns(
        pl.int_range(pl.len()).cast(pl.String).alias("case_id"),
        (pl.col("total_charge") * 7 // 10).alias("fund_pool_paid"),
        pl.col("total_charge").alias("counted_charge"),
        *(pl.lit(0, pl.Int64).alias(name) for name in ("standard", "extra", "separate")),
        pl.lit(0).cast(pl.Decimal(18, 4)).alias("points"),
        pl.lit("0").alias("points_per_fen"),
        pl.lit("points").alias("funding"),
        pl.lit("A").alias("group"),
        pl.lit(1, pl.Int8).alias("sign"),
    )


def _inputs(priced: pl.DataFrame) -> YearInputs:
    """Return budgets of 70 % of the charges, scores, and what the months prepaid."""
    charges = dict(priced.group_by("pool").agg(pl.col("total_charge").sum()).iter_rows())
    hospitals = priced["hospital_id"].unique().to_list()
    return YearInputs(
        budgets={p: _budget(p, charge * 7 // 10, charge // 20) for p, charge in charges.items()},
        months={(pool, name): Paid(10**6, 10**5) for pool in _POOLS for name in hospitals},
        effects={name: Effect(coefficient=Fraction(98, 100)) for name in hospitals},
    )


def _budget(pool: str, fund: int, reserve: int) -> PoolBudget:
    return PoolBudget(pool, (Line(Text("预算", "budget"), fund),), fund, 0, 0, 0, 0, reserve)


def _polars(priced: pl.DataFrame, funds: Mapping[str, int]) -> pl.DataFrame:
    """Return the clearing amounts by the same formulas, in floating point."""
    top, bottom = (pl.col("points_fixed").str.split("/").list.get(n).cast(pl.Float64) for n in (0, 1))
    year = (
        priced.with_columns((top / bottom).alias("p"))
        .group_by("pool", "hospital_id")
        .agg(pl.col("p").sum(), pl.col("total_charge").sum().alias("c"), pl.col("fund_pool_paid").sum().alias("a"))
    )
    ratio = pl.col("a").sum().over("pool") / pl.col("c").sum().over("pool")
    fund = pl.col("pool").replace_strict(dict(funds), return_dtype=pl.Float64)
    year = year.with_columns(
        (fund / pl.col("p").sum().over("pool") * pl.col("p")).alias("payable"), ratio.alias("ratio")
    )
    a = pl.col("a") / pl.col("payable")
    over = pl.min_horizontal(pl.col("a") - pl.col("payable"), pl.col("payable") * 0.1) * 0.7
    granted = (
        pl.when(a < 0.8)
        .then(pl.col("a").cast(pl.Float64))
        .when(a <= 1)
        .then("payable")
        .otherwise(pl.col("payable") + over)
    )
    return year.with_columns((granted * 0.98).alias("amount"))


if __name__ == "__main__":
    main()
