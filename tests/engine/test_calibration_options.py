"""Calibration as declared: weights moved from last year's, decimals, coefficients by level and group."""

import csv
from pathlib import Path

from engine.calibration import CalibrationRequest, run_calibration
from engine.cases import ClaimsInput
from grouper.scheme.pack import load_scheme
from tests.engine.money_city import write_city

DECLARED = """minimum_cases = 1
adjustment = { threshold = "0.1", limit = "0.2" }
decimals = 6
level_group_minimum_cases = 5
inversion = "allowed"
"""


def test_last_years_weights_move_by_at_most_the_limit_and_keep_the_total(tmp_path: Path) -> None:
    city = write_city(tmp_path / "city")
    policy = city / "policy.toml"
    policy.write_text(policy.read_text("utf-8").replace("minimum_cases = 1\n", DECLARED), "utf-8")
    run_calibration(
        CalibrationRequest(
            claims=ClaimsInput([city / "claims.csv"], "delimited"),
            scheme=load_scheme("chs-drg-2.0"),
            policy=policy,
            out=city / "measured.csv",
            grouped=[city / "grouped.parquet"],
        )
    )
    with (city / "measured.csv").open(encoding="utf-8") as file:
        weights = {row["group"]: row["weight"] for row in csv.DictReader(file)}
    # 1 and 2 would become 20/31 and 42/31: each moves by 20 % to 0.8 and 1.6, scaled by 2 ÷ 2.4 to the total of 2
    assert (weights["A1"], weights["A2"]) == ("0.666667", "1.333333")
    with (city / "measured-coefficients.csv").open(encoding="utf-8") as file:
        found = {(row["level"], row["group"]): row["coefficient"] for row in csv.DictReader(file)}
    # one case each is below 5: the level's cost per weight, 15,000 and 15,750 over 15,500
    assert found == {
        ("2", "A2"): "1.016129",
        ("3", "A1"): "0.967742",
        ("3", "*"): "0.967742",
        ("2", "*"): "1.016129",
    }
