"""A small city for tests: a policy document, its tables, and claims, all made by hand."""

import copy
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

from rules.policy.check import checked
from rules.policy.resolve import Policy

BASE = """
id = "test-city"
title = { zh = "测试市", en = "Test city" }
kind = "drg"
valid = { from = 2026-01-01, to = 2026-12-31 }
patient_basis = "item"
reference = "illustrative"

[scheme]
values = [{ from = 2026-01-01, value = "chs-drg-2.0", reference = "illustrative" }]

[date_basis]
scheme = "discharge"
policy = "discharge"
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
budget = { method = "growth", base = "1000000.00", growth = "0", reserve = "0" }
point_value = { method = "fixed", start = { value = "52.8094", unit = "charge_yuan" }, last_year = "51.5000" }

[[pools]]
id = "resident"
name = { zh = "居民", en = "residents" }
insurance_types = ["390"]
place = "local"
funds = ["fund_pool_paid"]
budget = { method = "growth", base = "1000000.00", growth = "0", reserve = "0" }
point_value = { method = "fixed", start = { value = "53.8381", unit = "charge_yuan" }, last_year = "51.5000" }

[weights]
file = "weights.csv"
scheme = "chs-drg-2.0"
mean_all = "5270.76"
points_per_weight = 100
group_mean = "weight_times_mean"

[hospital_coefficient]
by = ["level"]
table = { "3" = "1.06", "2" = "1.00", "1" = "0.92" }

[month]
style = "ratio"
fund_ratio_level = "pool"
prepayment_ratio = "0.95"
deposit = "withheld_part"

[clearing]
style = "ratio"
fund_ratio_level = "pool"
coefficient = "after_bands"
funding_order = ["overrun:hospitals"]
surplus = { mode = "whole", bands = [{ retain = "1" }] }
overspend = { mode = "whole", bands = [{ share = "0" }] }
"""

SCORES = """
kind = "dip"
weights = ""
[scheme]
values = [{ from = 2026-01-01, value = "dip-3.0", reference = "illustrative" }]
[scores]
file = "scores.csv"
scheme = "dip-3.0"
mean_all = "10000.00"
base = 1000
group_mean = "score_times_mean"
"""


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Lay changes over a document: tables are merged, everything else is replaced, "" removes a key."""
    found = copy.deepcopy(base)
    for key, value in changes.items():
        if value == "":
            found.pop(key, None)
        elif isinstance(value, dict) and isinstance(found.get(key), dict):
            found[key] = merged(found[key], value)
        else:
            found[key] = value
    return found


def document(*changes: str) -> dict[str, Any]:
    """Return the base policy with TOML texts laid over it."""
    found = tomllib.loads(BASE)
    for text in changes:
        found = merged(found, tomllib.loads(text))
    return found


def policy(folder: Path, *changes: str, tables: dict[str, str] | None = None) -> Policy:
    """Return a checked policy whose tables stand in `folder`."""
    for name, text in (tables or {}).items():
        (folder / name).write_text(text, "utf-8")
    return checked(document(*changes), folder / "policy.toml")


FIRST = date(2026, 1, 1)
