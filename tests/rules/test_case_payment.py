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


@pytest.mark.parametrize("family", list(FAMILIES))
def test_kernel_equals_reference(tmp_path: Path, family: str) -> None:
    compare(tmp_path, family, 20_000, 7)
