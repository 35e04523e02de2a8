"""Priced cases and small policies for the tests of months and years."""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

import polars as pl
from hypothesis import strategies as st

from rules.money import round_fen
from rules.policy.model import Rules

POOLS = {"employee": "310", "resident": "390"}
FUNDS = ["fund_pool_paid", "fund_large_paid"]
VALUES = {("employee", "2026-10"): Fraction(538381, 100), ("resident", "2026-10"): Fraction(4907)}
STYLES: list[dict[str, object]] = [
    {"style": "ratio", "fund_ratio_level": "pool"},
    {"style": "ratio", "fund_ratio_level": "pool", "fund_ratio_outside": "booked"},
    {"style": "ratio", "fund_ratio_level": "hospital", "fund_ratio_gap": "reserve"},
    {"style": "ratio", "fund_ratio_level": "case", "fund_ratio_gap": "reserve"},
    {"style": "subtract", "negative_fund_part": "kept"},
    {"style": "subtract", "negative_fund_part": "floored"},
    {"style": "policy_ratio", "negative_fund_part": "kept"},
    {"style": "policy_ratio", "negative_fund_part": "floored"},
]


def rules(style: Mapping[str, object], **changes: object) -> Rules:
    deposit = {"deposit": "withheld_part", "prepayment_ratio": "0.95"}
    document = {
        "id": "test",
        "title": {"zh": "测试", "en": "test"},
        "kind": "drg",
        "scheme": "test",
        "date_basis": dict.fromkeys(("scheme", "policy", "month", "budget_year", "late_claim_value"), "settlement"),
        "money": {"step": "fen", "at": "case", "mode": "half_away_from_zero"},
        "pools": [
            {
                "id": name,
                "name": {"zh": name, "en": name},
                "insurance_types": [insurance],
                "place": "local",
                "funds": FUNDS,
                "budget": {"method": "share", "fund": "1", "share": "1", "reserve": "0"},
                "point_value": {"method": "floating", "start": {"value": "10", "unit": "charge_yuan"}},
            }
            for name, insurance in POOLS.items()
        ],
        "weights": {"file": "w.csv", "scheme": "test", "mean_all": "5270.76", "points_per_weight": "100"},
        "patient_basis": "item",
        "month": {**style, **deposit},
        "clearing": {
            **style,
            "coefficient": "after_bands",
            "funding_order": ["overrun:hospitals"],
            "surplus": {"mode": "whole", "bands": [{"retain": "1"}]},
            "overspend": {"mode": "whole", "bands": [{"share": "0"}]},
        },
        "reimbursement": {"ratios": {"310": {"2": "0.85", "3": "0.8"}, "390": {"2": "0.7", "3": "0.625"}}},
    }
    return Rules.model_validate(document | changes)


LINES = [
    (Fraction("96.62"), Fraction()),
    (Fraction("61.91"), 1 / Fraction("5270.76")),
    (Fraction(), 1 / Fraction("527076")),
    (Fraction(12345, 7), Fraction()),
]


@st.composite
def priced_cases(draw: st.DrawFn) -> pl.DataFrame:
    rows = []
    for n in range(draw(st.integers(1, 14))):
        pool = draw(st.sampled_from(list(POOLS)))
        charge = draw(st.integers(100, 10**7))
        fund, large = draw(st.integers(1, charge // 2)), draw(st.integers(0, charge // 4))
        fixed, per_fen = draw(st.sampled_from(LINES))
        outside = draw(st.sampled_from(["points", "points", "points", "outside", "elsewhere"]))
        points = fixed + per_fen * charge if outside == "points" else Fraction()
        standard = (
            round_fen(points * VALUES[pool, "2026-10"], "fen", "half_away_from_zero")
            if outside == "points"
            else draw(st.integers(0, 10**7))
        )
        sign = draw(st.sampled_from([1, 1, 1, -1]))
        rows.append(
            {
                "case_id": f"c{n:02d}",
                "hospital_id": draw(st.sampled_from(["H1", "H2"])),
                "hospital_level": draw(st.sampled_from(["2", "3"])),
                "insurance_type": POOLS[pool],
                "pool": pool,
                "month": "2026-10",
                "funding": outside,
                "sign": sign,
                "points": Decimal(0),
                "points_fixed": str(fixed if outside == "points" else 0),
                "points_per_fen": str(per_fen if outside == "points" else 0),
                "counted_charge": charge * sign,
                "standard": standard * sign,
                "extra": draw(st.integers(0, 1000)) * sign,
                "separate": 0,
                "total_charge": charge,
                "fund_pool_paid": fund,
                "fund_large_paid": draw(st.sampled_from([None, large])),
                "fund_total": fund + large,
                "patient_paid": charge - fund,
                "full_self_paid": draw(st.integers(0, 1000)),
                "category_b_self_paid": draw(st.integers(0, 1000)),
                "deductible": 500,
            }
        )
    return pl.DataFrame(rows, schema_overrides={"points": pl.Decimal(18, 4), "fund_large_paid": pl.Int64})


def case_rows(count: int, **changes: object) -> pl.DataFrame:
    row = {
        "case_id": "c",
        "hospital_id": "H1",
        "hospital_level": "3",
        "insurance_type": "310",
        "pool": "employee",
        "month": "2026-10",
        "funding": "points",
        "sign": 1,
        "points": Decimal("100.0000"),
        "points_fixed": "100",
        "points_per_fen": "0",
        "counted_charge": 500_000,
        "standard": 538_381,
        "extra": 0,
        "separate": 0,
        "total_charge": 500_000,
        "fund_pool_paid": 300_000,
        "fund_large_paid": 50_000,
    }
    rows = [row | changes | {"case_id": f"c{n}"} for n in range(count)]
    return pl.DataFrame(rows, schema_overrides={"points": pl.Decimal(18, 4)})
