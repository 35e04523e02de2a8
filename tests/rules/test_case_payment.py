"""The kernels pay every case as the reference does, to the fen, in every family."""

from fractions import Fraction
from pathlib import Path

import polars as pl
import pytest

from rules.payment.case_payment import Given, price_cases
from tests.rules import random_cases
from tests.rules.city import policy
from tests.rules.families import FAMILIES
from tests.rules.oracle import expected

SPECIAL_CASE = """
[special_case]
quota_share = "0.05"
quota_base = "region_discharges"
approved = ["by_item", "adjusted_standard"]
rank_by = "loss"
candidates = "all_losses"
"""
RESULTS = ["formula_result", "adjustment", "official_result"]
COMPARED = ["kind", "class", "funding", "points", "standard", "extra", "separate", *RESULTS]


def compare(folder: Path, family: str, count: int, seed: int) -> None:
    """Pay random cases with the kernels and with the reference."""
    rules = policy(folder, *FAMILIES[family], SPECIAL_CASE, tables=random_cases.tables(seed))
    cases = random_cases.claims(count, seed, ungrouped=family.startswith("blank"))
    given = Given(
        fee_lines=random_cases.fee_lines(cases, seed), decisions=random_cases.decisions(cases, seed), at_clearing=True
    )
    priced = price_cases(cases, rules, given)
    wanted = expected(cases, rules, given)
    for column in COMPARED:
        differ = priced[column].cast(wanted[column].dtype).ne_missing(wanted[column])
        assert not differ.any(), (
            column,
            priced.filter(differ).row(0, named=True),
            wanted.filter(differ).row(0, named=True),
        )
    signed = exact_points(priced)
    assert (
        signed == [Fraction(text) for text in wanted["exact"]]
        or rules.on(rules.valid[0]).rules.money.points is not None
    )


def exact_points(priced: pl.DataFrame) -> list[Fraction]:
    """Return the exact points of every case."""
    columns = priced.select("points_fixed", "points_per_fen", "counted_charge").cast(
        {"points_fixed": pl.String, "points_per_fen": pl.String}
    )
    return [Fraction(fixed) + Fraction(per_fen) * charge for fixed, per_fen, charge in columns.iter_rows()]


def test_a_case_by_item_is_paid_once_where_points_buy_fund_money(tmp_path: Path) -> None:
    """Of 7,000.00 booked 1,410.00 were for a drug of 2,000.00 paid separately at 0.705: 5,590.00 are left to the case.

    A drug that is not paid separately leaves the case all of it.
    """
    rules = policy(tmp_path, *FAMILIES["fund money per point, items"], tables=random_cases.tables(7))
    by_item = {"payment_kind": pl.lit(1, pl.Int8), "visit_kind": pl.lit("inpatient"), "diagnoses": pl.lit(["I10.x00"])}
    charge = {"total_charge": 1_000_000, "fund_total": 700_000, "fund_pool_paid": 600_000, "fund_large_paid": 100_000}
    cases = random_cases.claims(2, 7).with_columns(insurance_type=pl.lit("310"), **by_item, **charge)
    lines = pl.DataFrame(
        [
            ("C0000000", "DRUG1", "western_drugs", False, 1, 200_000),
            ("C0000001", "TABLETS", "western_drugs", False, 1, 200_000),
        ],
        schema=["case_id", "item_code", "item_class", "listed_new_item", "quantity", "amount"],
        orient="row",
    )
    paid = price_cases(cases, rules, Given(fee_lines=lines))
    assert paid.select("standard", "separate", "official_result").rows() == [(559_000, 141_000, 0), (700_000, 0, 0)]


@pytest.mark.parametrize("family", list(FAMILIES))
def test_kernel_equals_reference(tmp_path: Path, family: str) -> None:
    compare(tmp_path, family, 20_000, 7)
