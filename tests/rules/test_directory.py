"""Which groups a local directory has, and the coefficients that go with it: worked by hand, and laws of order."""

import random
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.fault import UserError
from rules.payment.calibration import calibrate, yearly_sums
from rules.payment.directory import least_cases, own_groups, primary_care_groups
from rules.payment.directory_coefficient import ALL_OTHERS, level_costs, sub_type_coefficients
from rules.policy.calibration import Calibration
from rules.policy.directory import Core, LevelCoefficients, PrimaryCare, Related, SubTypes

PLAIN = {"decimals": 4, "mode": "half_away_from_zero"}
Row = tuple[str, str, int, int]


def history(**changes: object) -> Calibration:
    plain = {
        "year_weights": {"2023": 1, "2024": 2, "2025": 7},
        "estimator": "mean_of_yearly_means",
        "trimming": {"method": "none"},
        "divisor": "mean_of_all",
        "minimum_cases": 1,
        "unstable": "withhold",
    }
    return Calibration.model_validate(plain | changes)


def frame(rows: Sequence[Row]) -> pl.DataFrame:
    """Group, level, year and charge of cases, with their row."""
    schema = {"group": pl.String, "level": pl.String, "year": pl.Int32, "charge": pl.Int64}
    return (
        pl.DataFrame(rows, schema=schema, orient="row")
        .with_row_index("row")
        .with_columns(pl.lit(None, pl.String).alias("parent"))
    )


def test_threshold_is_given_or_found_by_coverage() -> None:
    counts = [50, 30, 10, 5, 5]
    assert least_cases(counts, Core(cases=15)) == 15
    # 50 + 30 = 80 of 100, 90 with the third; 91 % needs the two fives alike
    assert least_cases(counts, Core(coverage=Decimal("0.80"))) == 30
    assert least_cases(counts, Core(coverage=Decimal("0.81"))) == 10
    assert least_cases(counts, Core(coverage=Decimal("0.91"))) == 5


def test_threshold_that_leaves_no_group() -> None:
    with pytest.raises(UserError, match="no group has 51 cases; the largest has 50"):
        least_cases([50, 30], Core(cases=51))
    with pytest.raises(UserError, match="the largest has 0"):
        least_cases([], Core(coverage=Decimal("0.95")))


def split(rows: Sequence[tuple[int, list[str]]], raised_by: str = "0.10", cases: int = 2) -> list[tuple[str, str, int]]:
    """Charges and related procedures of the cases of group A -> the groups split off."""
    charges = frame([("A", "3", 2025, charge) for charge, _ in rows])
    pairs = [(row, code) for row, (_, codes) in enumerate(rows) for code in codes]
    beside = pl.DataFrame(pairs, schema={"row": pl.UInt32, "procedure": pl.String}, orient="row")
    rule = Related.model_validate({"mean_raised_by": raised_by, "cases": cases})
    found = own_groups(charges, beside, rule, history(year_weights={"2025": 1}))
    return [(one.group, one.procedure, one.cases) for one in found]


def test_related_procedure_earns_its_group_from_ten_percent() -> None:
    # KA-20: 28,033 → 28,849 is +2.91 %, → 44,003 is +56.97 %
    plain: list[tuple[int, list[str]]] = [(28_033_00, [])] * 2
    assert split([*plain, *[(28_849_00, ["X"])] * 2]) == []
    assert split([*plain, *[(44_003_00, ["X"])] * 2]) == [("A", "X", 2)]
    assert split([(100, []), (100, []), (110, ["X"]), (110, ["X"])]) == [("A", "X", 2)]
    assert split([(100, []), (100, []), (109, ["X"]), (110, ["X"])]) == []


def test_related_procedures_are_split_off_one_by_one() -> None:
    # X raises 100 to 300; among the rest Y raises 100 to 150. Cases with both follow X, which was first.
    rows = [(100, []), (100, []), (150, ["Y"]), (150, ["Y"]), (300, ["X"]), (300, ["X", "Y"])]
    assert split(rows) == [("A", "X", 2), ("A", "Y", 2)]
    # with three cases asked for on each side X has too few, and Y's mean of 200 stands against 500 ÷ 3
    assert split(rows, cases=3) == [("A", "Y", 3)]
    # neither side may be left with too few
    assert split([(100, []), (300, ["X"]), (300, ["X"])]) == []


@given(
    st.lists(st.tuples(st.integers(1, 50), st.lists(st.sampled_from("XYZ"), unique=True)), min_size=1, max_size=25),
    st.randoms(use_true_random=False),
)
@settings(max_examples=40, deadline=None)
def test_order_of_the_cases_splits_nothing_else(rows: list[tuple[int, list[str]]], rng: random.Random) -> None:
    assert split(rows) == split(rng.sample(rows, len(rows)))


def primary_care(cases: Sequence[Row], listed: Sequence[str] = (), **changes: object) -> dict[str, str | None]:
    plain: dict[str, object] = {
        "candidates": "all",
        "cases": 3,
        "maximum_cv": "0.7",
        "levels": ["1", "2"],
        "share_over": "0.5",
    }
    levels: dict[str, dict[str, int]] = {}
    for group, level, *_ in cases:
        of = levels.setdefault(group, {})
        of[level] = of.get(level, 0) + 1
    groups = calibrate(frame(cases), history()).groups
    rule = PrimaryCare.model_validate(plain | changes)
    return {test.group: test.fails for test in primary_care_groups(groups, levels, rule, listed)}


def test_primary_care_groups_are_common_alike_and_treated_nearby() -> None:
    cases = [
        *[("alike", level, 2025, 1000) for level in ("1", "2", "3")],
        *[("far", level, 2025, 1000) for level in ("1", "3", "3")],
        *[("half", level, 2025, 1000) for level in ("1", "1", "3", "3")],
        *[("rare", "1", 2025, 1000)] * 2,
        # KA-18: CV 1.9655
        *[("uneven", "1", 2025, 1_000_00)] * 9,
        ("uneven", "1", 2025, 20_000_00),
    ]
    fails = {"alike": None, "far": "low_level_share", "half": "low_level_share", "rare": "cases", "uneven": "cv"}
    assert primary_care(cases) == fails
    listed = primary_care(cases, ["far"], candidates="published")
    assert listed == {group: "low_level_share" if group == "far" else "not_published" for group in fails}


def coefficients(of: Sequence[Row], scores: dict[str, int] | None = None, **changes: object) -> dict[str, Fraction]:
    rule = LevelCoefficients.model_validate({"by": "level", "unit": "case", "decimals": PLAIN} | changes)
    by = {"year_weights": {"2025": 1}, "inversion": "allowed"} if {year for *_, year, _ in of} == {2025} else {}
    found = level_costs(frame(of), ["3", "2", "1"], scores or {}, rule, history(**by))
    return {**found.by_level, **{f"{level} {group}": ratio for (level, group), ratio in found.by_group.items()}}


def test_level_over_city_weighted_by_year() -> None:
    # level 3: 1,000, 2,000, 3,000 → 2,600; level 2: 1,000 each year; the city: 1,000, 1,500, 2,000 → 1,800
    cases = [("A", "3", 2023 + n, 1000 * (n + 1)) for n in range(3)] + [("A", "2", 2023 + n, 1000) for n in range(3)]
    assert coefficients(cases) == {"3": Fraction(2600, 1800), "2": Fraction(1000, 1800)}


def test_inverted_levels_share_their_pooled_coefficient() -> None:
    # level 2 costs 3,000 and level 3 costs 2,000 in every year: pooled 2,500, as is the city
    cases = [("A", level, year, charge) for year in (2023, 2024, 2025) for level, charge in (("3", 2000), ("2", 3000))]
    assert coefficients(cases) == {"3": 1, "2": 1}


def test_cost_per_point_takes_the_case_mix_out() -> None:
    # level 3 has the dear group only, at its usual cost: no reason for a coefficient
    cases = [("dear", "3", 2025, 4000), ("cheap", "2", 2025, 1000), ("dear", "2", 2025, 4000)]
    assert coefficients(cases, {"dear": 400, "cheap": 100}, unit="score") == {"3": 1, "2": 1}
    assert coefficients(cases) == {"3": Fraction(4000, 3000), "2": Fraction(2500, 3000)}


def test_coefficients_of_level_and_group() -> None:
    cases = [
        *[("A", "3", 2025, 3000), ("A", "2", 2025, 1000)] * 2,
        *[("B", "3", 2025, 1000)] * 2,
        ("B", "2", 2025, 4000),
    ]
    # levels: 8,000 ÷ 4 = 2,000 and 6,000 ÷ 3 = 2,000, as the city's 14,000 ÷ 7
    plain = {"3": 1, "2": 1, f"3 {ALL_OTHERS}": 1, f"2 {ALL_OTHERS}": 1, "3 A": Fraction(3, 2), "2 A": Fraction(1, 2)}
    assert coefficients(cases, by="level_group") == plain | {"3 B": Fraction(1, 2), "2 B": 2}
    # one case of B at level 2 is too few: it takes the level's
    assert coefficients(cases, by="level_group", cases=2) == plain | {"3 B": Fraction(1, 2), "2 B": 1}
    # where inversion is refused B at level 3 may not stand below level 2
    rule = LevelCoefficients.model_validate({"by": "level_group", "unit": "case", "cases": 2, "decimals": PLAIN})
    strict = level_costs(frame(cases), ["3", "2"], {}, rule, history(year_weights={"2025": 1}))
    assert strict.by_group["3", "B"] == strict.by_group["2", "B"] == 1


def test_level_that_is_not_listed() -> None:
    rule = LevelCoefficients.model_validate({"by": "level", "unit": "case", "decimals": PLAIN})
    with pytest.raises(UserError, match="hospital levels not listed: 9"):
        level_costs(frame([("A", "9", 2025, 1)]), ["3"], {}, rule, history())
    with pytest.raises(UserError, match="no case to derive hospital coefficients from"):
        level_costs(frame([]), ["3"], {}, rule, history())


def sub_types(of: Sequence[tuple[str, int]], **changes: object) -> dict[str, Fraction]:
    """Sub-type and charge of the cases of group A, "" for none -> coefficients."""
    plain = {"cases_over": 1, "cv_over": "0.5", "cv_reduced_by": "0.20", "decimals": PLAIN}
    rule = SubTypes.model_validate(plain | changes)
    cases = frame([("A", "3", 2025, charge) for _, charge in of]).with_columns(
        pl.lit("cci").alias("kind"), pl.Series("subtype", [name for name, _ in of])
    )
    groups = {group: years for (group,), years in yearly_sums(cases, "group").items()}
    found = yearly_sums(cases.filter(pl.col("subtype") != ""), "group", "kind", "subtype")
    parts = {(group, kind, name): years for (group, kind, name), years in found.items()}
    return {one.sub_type: one.coefficient for one in sub_type_coefficients(groups, parts, rule, history())}


def test_sub_type_earns_its_coefficient() -> None:
    # mean 2,000; three of 1,000 and two of 3,500: CV 0.6124 before, 0 after
    cases = [("", 1000)] * 3 + [("severe", 3500)] * 2
    assert sub_types(cases) == {"severe": Fraction(7, 4)}
    assert sub_types(cases, cases_over=2) == {}
    assert sub_types(cases, cv_over="0.62") == {}
    assert sub_types(cases, never=["A"]) == {}
    # a sub-type that has nothing to do with the cost lowers no variation
    assert sub_types([("", 1000), ("", 3500), ("x", 1000), ("x", 3500)]) == {}
