"""Two hospitals, one pool, four months of hand-made claims: every figure can be checked in the head."""

import csv
from collections.abc import Sequence
from pathlib import Path

import polars as pl

POLICY = """
id = "two-hospitals"
title = { zh = "两院", en = "two hospitals" }
kind = "drg"
valid = { from = 2026-01-01, to = 2026-12-31 }
patient_basis = "item"
reference = "illustrative"
reimbursement = { ratios = { "310" = "0.8" } }

[documents]

[scheme]
values = [{ from = 2026-01-01, value = "chs-drg-2.0", reference = "illustrative" }]

[date_basis]
scheme = "discharge"
policy = "settlement"
month = "settlement"
budget_year = "settlement"
late_claim_value = "arrival"

[money]
step = "fen"
at = "case"
mode = "half_away_from_zero"

[[pools]]
id = "employee"
name = { zh = "职工", en = "employees" }
insurance_types = ["310"]
place = "local"
funds = ["fund_pool_paid"]
budget = { method = "growth", base = "30000.00", growth = "0", reserve = "0" }
point_value = { method = "floating", start = { value = "100", unit = "charge_yuan" } }

[weights]
file = "weights.csv"
scheme = "chs-drg-2.0"
mean_all = "10000.00"
points_per_weight = 100
group_mean = "weight_times_mean"

[calibration]
year_weights = { "2024" = 1, "2025" = 2, "2026" = 7 }
estimator = "mean_of_yearly_means"
trimming = { method = "none" }
divisor = "mean_of_all"
minimum_cases = 1
unstable = "withhold"

[month]
style = "ratio"
fund_ratio_level = "pool"
prepayment_ratio = "0.90"
deposit = "withheld_part"

[clearing]
style = "ratio"
fund_ratio_level = "pool"
coefficient = "after_bands"
funding_order = ["reserve", "overrun:fund"]
deposit_release = { by = "all" }
surplus = { mode = "whole", bands = [{ retain = "1" }] }
overspend = { mode = "whole", bands = [{ share = "0" }] }
"""
COLUMNS = (
    "case_id", "hospital_id", "hospital_level", "insurance_type", "admitted", "discharged", "settled", "received",
    "total_charge", "fund_pool_paid", "fund_total", "patient_paid", "refund", "original_case_id", "stay_id",
    "part_of_stay", "diagnoses", "sex",
)  # fmt: skip


def claim(case: str, hospital: str, settled: str, charge: int, **changes: str) -> dict[str, str]:
    """A claim of which the pool books 70 %; amounts in yuan."""
    fund = charge * 7 // 10
    plain = {
        "case_id": case,
        "hospital_id": hospital,
        "hospital_level": "3" if hospital == "H1" else "2",
        "insurance_type": "310",
        "admitted": settled,
        "discharged": settled,
        "settled": settled,
        "received": settled,
        "total_charge": f"{charge}.00",
        "fund_pool_paid": f"{fund}.00",
        "fund_total": f"{fund}.00",
        "patient_paid": f"{charge - fund}.00",
        "refund": "0",
        "original_case_id": "",
        "stay_id": f"s-{case}",
        "part_of_stay": "0",
        "diagnoses": "A00.000",
        "sex": "1",
    }
    return plain | changes


CLAIMS = [
    claim("c1", "H1", "2026-10-05", 9000),
    claim("c2", "H2", "2026-10-06", 21000),
    claim("c3", "H1", "2026-11-05", 10000),
    claim("r1", "H1", "2026-11-07", -9000, refund="1", original_case_id="c1"),
]
GROUPS = {"c1": "A1", "c2": "A2", "c3": "A1", "r1": "A1"}


def write_city(
    folder: Path,
    claims: Sequence[dict[str, str]] = CLAIMS,
    groups: dict[str, str | None] | dict[str, str] = GROUPS,
    policy: str = POLICY,
) -> Path:
    """Write claims.csv, grouped.parquet, policy.toml and weights.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "claims.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(claims)
    pl.DataFrame(
        [(case, "grouped" if group else "ungroupable", "A", group) for case, group in groups.items()],
        schema={"case_id": pl.String, "status": pl.String, "adrg": pl.String, "drg": pl.String},
        orient="row",
    ).write_parquet(folder / "grouped.parquet")
    (folder / "policy.toml").write_text(policy, encoding="utf-8")
    (folder / "weights.csv").write_text("group,weight\nA1,1\nA2,2\n", encoding="utf-8")
    return folder
