"""Weights from history: exactness, order, perimeter, trimming, fallbacks, adjustment."""

import random
import statistics
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.fault import UserError
from rules.payment.calibration import calibrate, case_mix_index, inside_charge, means_by
from rules.payment.hospital_coefficient import (
    Composition,
    compose,
    inversions,
    level_coefficients,
    level_group_coefficients,
)
from rules.payment.trimming import bounds, trim
from rules.payment.weight_adjustment import comparison, dynamic_adjustment, keep_total
from rules.policy.calibration import Calibration, Trimming

YEARS = {2023: 1, 2024: 2, 2025: 7}


def trimming(method: str = "none", **changes: object) -> Trimming:
    return Trimming.model_validate({"method": method, **changes})


def history_rule(years: Mapping[int, int], **changes: object) -> Calibration:
    plain = {
        "year_weights": {str(year): weight for year, weight in years.items()},
        "estimator": "mean_of_yearly_means",
        "trimming": {"method": "none"},
        "divisor": "mean_of_all",
        "minimum_cases": 1,
        "unstable": "withhold",
    }
    return Calibration.model_validate(plain | changes)


Row = tuple[str, str | None, int, int]

rows = st.lists(
    st.tuples(
        st.sampled_from(["BR2", "BR3", "ES3"]), st.just(None), st.sampled_from(list(YEARS)), st.integers(1, 10**12)
    ),
    min_size=1,
    max_size=60,
)


def frame(cases: Sequence[Row]) -> pl.DataFrame:
    schema = {"group": pl.String, "parent": pl.String, "year": pl.Int32, "charge": pl.Int64}
    return pl.DataFrame(cases, schema=schema, orient="row")


def plain_mean(cases: list[Row], estimator: str) -> Fraction:
    """The estimators as the text says them, one number after the other."""
    if estimator == "case_weighted":
        return Fraction(sum(YEARS[y] * c for *_, y, c in cases), sum(YEARS[y] for *_, y, _ in cases))
    top = bottom = Fraction()
    for year, weight in YEARS.items():
        charges = [c for *_, y, c in cases if y == year]
        if charges:
            top += weight * Fraction(sum(charges), len(charges))
            bottom += weight
    return top / bottom


@given(rows, st.sampled_from(["mean_of_yearly_means", "case_weighted"]))
@settings(max_examples=60, deadline=None)
def test_weights_equal_the_plain_formula(cases: list[Row], estimator: str) -> None:
    result = calibrate(frame(cases), history_rule(YEARS, estimator=estimator))
    assert result.mean_all == plain_mean(cases, estimator)
    for group in result.groups:
        mean = plain_mean([row for row in cases if row[0] == group.group], estimator)
        assert group.weight == mean / result.mean_all
    if all(group.cases == 1 for group in result.groups):
        return
    charges = {g.group: [c for name, *_, c in cases if name == g.group] for g in result.groups}
    for group in result.groups:
        expected = statistics.pstdev(charges[group.group]) / statistics.fmean(charges[group.group])
        assert group.cv is not None
        assert float(group.cv) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(rows, st.randoms(use_true_random=False), st.sampled_from(["none", "percentile", "iqr", "sd"]), st.booleans())
@settings(max_examples=60, deadline=None)
def test_order_of_the_cases_never_matters(cases: list[Row], rng: random.Random, method: str, log: bool) -> None:
    rule = history_rule(YEARS, trimming=trimming(method, log=log, k="1"))
    shuffled = rng.sample(cases, len(cases))
    assert calibrate(frame(cases), rule) == calibrate(frame(shuffled), rule)


def plain_bounds(charges: list[int], rule: Trimming) -> tuple[Decimal, Decimal]:
    """Trimming bounds with Decimal, on the linear scale."""
    ordered = sorted(map(Decimal, charges))

    def quantile(share: Fraction) -> Decimal:
        place = (len(ordered) - 1) * Decimal(share.numerator) / Decimal(share.denominator)
        whole = int(place)
        above = ordered[min(whole + 1, len(ordered) - 1)]
        return ordered[whole] + (place - whole) * (above - ordered[whole])

    k = rule.k
    if rule.method == "percentile":
        return ordered[int(len(ordered) * rule.low)], ordered[-1 - int(len(ordered) * (1 - rule.high))]
    if rule.method == "iqr":
        q1, q3 = quantile(Fraction(1, 4)), quantile(Fraction(3, 4))
        return q1 - k * (q3 - q1), q3 + k * (q3 - q1)
    mean = sum(ordered, Decimal()) / len(ordered)
    deviation = (sum(((x - mean) ** 2 for x in ordered), Decimal()) / len(ordered)).sqrt()
    return mean - k * deviation, mean + k * deviation


@given(
    st.lists(st.integers(0, 10**6), min_size=1, max_size=40),
    st.sampled_from(["percentile", "iqr", "sd"]),
    st.sampled_from(["0.5", "1", "2"]),
)
@settings(max_examples=150, deadline=None)
def test_trimming_keeps_what_lies_within_the_bounds(charges: list[int], method: str, k: str) -> None:
    rule = trimming(method, low="0.1", high="0.8", k=k)
    cases = frame([("A", None, 2025, c) for c in charges])
    low, high = plain_bounds(charges, rule)
    slack = Decimal("1e-15")
    assert trim(cases, rule)["charge"].to_list() == [c for c in charges if low - slack <= c <= high + slack]


def test_log_trimming_undoes_the_logarithm() -> None:
    cases = frame([("A", None, 2025, c) for c in (1_000, 10_000, 100_000, 0)])
    everything = trimming("percentile", low="0", high="1", log=True)
    assert trim(cases, everything)["charge"].to_list() == [1_000, 10_000, 100_000]
    # the logs have mean log 10,000 and population SD log(10)·√(2/3): 10,000 ÷ and × 10^0.8164966
    low, high = bounds(cases, trimming("sd", k="1", log=True)).row(0)[1:]
    assert (low, high) == (1_526, 65_538)


def test_small_groups_take_the_mean_of_their_parent_or_stay_withheld() -> None:
    cases = frame([("BR21", "BR2", 2025, 200), ("BR23", "BR2", 2025, 100), ("BR23", "BR2", 2025, 300)])
    rule = history_rule({2025: 1}, minimum_cases=2, unstable="parent_mean")
    small, stable = calibrate(cases, rule).groups
    assert (small.stability, small.mean_from, small.mean) == ("few_cases", "parent", Fraction(200))
    assert (stable.stability, stable.mean_from, stable.mean) == ("stable", "own", Fraction(200))
    withheld = calibrate(cases, history_rule({2025: 1}, minimum_cases=2)).groups[0]
    assert (withheld.weight, withheld.status) == (None, "withheld")
    wild = history_rule({2025: 1}, maximum_cv="0.4")
    assert [g.stability for g in calibrate(cases, wild).groups] == ["stable", "high_variation"]


def test_directory_adds_groups_without_cases() -> None:
    directory = pl.DataFrame({"group": ["A", "B"], "parent": ["P", "P"]})
    empty = calibrate(frame([("A", "P", 2025, 500)]), history_rule({2025: 1}), directory=directory).groups[1]
    assert (empty.group, empty.stability, empty.status, empty.cases) == ("B", "no_cases", "withheld", 0)


def test_trimming_effect_and_riv() -> None:
    charges = [100] * 9 + [1_000]
    cases = frame([("A", None, 2025, c) for c in charges] + [("B", None, 2025, 500)] * 3)
    result = calibrate(cases, history_rule({2025: 1}, trimming=trimming("iqr")))
    trimmed = result.groups[0]
    assert (trimmed.trimmed, trimmed.mean) == (1, Fraction(100))
    assert trimmed.trimming_effect == Fraction(100, 190) - 1
    assert result.riv == 1  # after trimming nothing varies within a group


def test_squares_beyond_64_bits_are_exact() -> None:
    huge = 9 * 10**12
    result = calibrate(frame([("A", None, 2025, huge), ("A", None, 2025, huge - 2)]), history_rule({2025: 1}))
    assert result.groups[0].cv == pytest.approx(Decimal(1) / (huge - 1), rel=Decimal("1e-20"))


def test_one_perimeter() -> None:
    cases = pl.DataFrame({"total": [20_000_00, 5_000_00], "separate": [12_000_00, None]})
    inside = cases.select(inside_charge(pl.col("total"), pl.col("separate")))["total"].to_list()
    assert inside == [8_000_00, 5_000_00]


def test_bad_history_names_every_fault() -> None:
    cases = pl.DataFrame(
        {"group": ["A", None], "parent": [None, None], "year": [2025, 2019], "charge": [-1, 5]},
        schema_overrides={"parent": pl.String},
    )
    with pytest.raises(UserError) as caught:
        calibrate(cases, history_rule(YEARS))
    message = str(caught.value)
    assert "1 historical cases have no group" in message
    assert "negative charge" in message
    assert "cases of 2019" in message
    assert len(caught.value.text("zh").splitlines()) == 3


def test_means_by_level_use_the_same_estimator_and_trimming() -> None:
    cases = frame([("A", None, 2024, 100), ("A", None, 2025, 200), ("A", None, 2025, 300), ("A", None, 2025, 400)])
    leveled = cases.with_columns(pl.Series("level", ["3", "3", "2", None]))
    found = means_by(leveled, history_rule({2024: 1, 2025: 3}), "level")
    assert found == {("A", "2"): 300, ("A", "3"): Fraction(100 + 3 * 200, 4)}


def test_case_mix_index_refuses_unpublished_weights() -> None:
    with pytest.raises(UserError, match="group B has no published weight"):
        case_mix_index({"A": 1, "B": 1}, {"A": Fraction(1)})


def test_reference_disease_without_cases_and_group_with_two_parents_are_refused() -> None:
    rule = history_rule({2025: 1}, divisor="reference_disease", reference_disease="K35")
    with pytest.raises(UserError, match="K35 has no case"):
        calibrate(frame([("A", None, 2025, 1)]), rule)
    with pytest.raises(UserError, match="belongs to both P and Q"):
        calibrate(frame([("A", "P", 2025, 1), ("A", "Q", 2025, 1)]), history_rule({2025: 1}))


positive = st.fractions(Fraction(1, 10), 10)


@given(st.dictionaries(st.sampled_from("ABCDE"), st.tuples(positive, st.integers(1, 50), positive), min_size=1))
def test_keep_total_keeps_the_total_and_the_floors(groups: dict[str, tuple[Fraction, int, Fraction]]) -> None:
    weights = {name: weight for name, (weight, _, _) in groups.items()}
    cases = {name: count for name, (_, count, _) in groups.items()}
    floors = {name: floor for name, (_, _, floor) in groups.items() if name in "AB"}
    total = sum((cases[name] * weight for name, weight in weights.items()), Fraction())
    held = sum((cases[name] * floor for name, floor in floors.items()), Fraction())
    if held >= total:
        return
    kept = keep_total(weights, cases, total, floors)
    assert sum((cases[name] * weight for name, weight in kept.items()), Fraction()) == total or set(weights) <= set(
        "AB"
    )
    assert all(kept[name] >= floor for name, floor in floors.items())


def test_keep_total_refuses_floors_that_take_everything() -> None:
    with pytest.raises(UserError, match="nothing is left"):
        keep_total({"A": Fraction(1), "B": Fraction(1)}, {"A": 1, "B": 1}, Fraction(2), {"A": Fraction(3)})


def test_dynamic_adjustment_moves_what_changed_enough_and_no_further_than_allowed() -> None:
    previous = {"A": Fraction(1), "B": Fraction(1), "C": Fraction(1), "D": Fraction(2)}
    current = {"A": Fraction(21, 20), "B": Fraction(13, 10), "C": Fraction(1, 2), "E": Fraction(3)}
    moved = dynamic_adjustment(previous, current, Fraction(1, 10), Fraction(1, 5))
    expected = {"A": 1, "B": Fraction(12, 10), "C": Fraction(8, 10), "D": 2, "E": 3}
    assert moved == expected
    assert [(c.group, c.share) for c in comparison(previous, moved)][1:3] == [
        ("B", Fraction(1, 5)),
        ("C", Fraction(-1, 5)),
    ]


def level_cases() -> pl.DataFrame:
    """Level 3: 2 cases, 300 in all; level 2: 2 cases, 120; level 1: 1 case, 90 (dearer per case than level 2)."""
    return pl.DataFrame(
        {
            "level": ["3", "3", "2", "2", "1"],
            "group": ["A", "B", "A", "B", "A"],
            "charge": [100, 200, 40, 80, 90],
        }
    )


def test_level_coefficients_without_inversion() -> None:
    plain = level_coefficients(level_cases(), ["3", "2", "1"], no_inversion=False)
    assert plain == {"3": Fraction(150, 102), "2": Fraction(60, 102), "1": Fraction(90, 102)}
    assert inversions(plain) == [("2", "1")]
    pooled = level_coefficients(level_cases(), ["3", "2", "1"])
    assert pooled == {"3": Fraction(150, 102), "2": Fraction(70, 102), "1": Fraction(70, 102)}
    weights = {"A": Fraction(1), "B": Fraction(2)}
    adjusted = level_coefficients(level_cases(), ["3", "2", "1"], weights, no_inversion=False)
    # 510 fen over 7 weights; level 3 has 300 over 3
    assert adjusted["3"] == Fraction(100) / Fraction(510, 7)


def test_level_and_group_coefficients_fall_back_to_the_level() -> None:
    by_level = {"3": Fraction(3), "2": Fraction(2), "1": Fraction(1)}
    table = level_group_coefficients(level_cases(), by_level, minimum_cases=1)
    assert table["3", "A"] == Fraction(100 * 3, 230)
    assert level_group_coefficients(level_cases(), by_level, minimum_cases=2)["3", "A"] == 3


def test_coefficients_refuse_unlisted_levels_and_unpublished_weights() -> None:
    with pytest.raises(UserError, match="does not list: 1"):
        level_coefficients(level_cases(), ["3", "2"])
    with pytest.raises(UserError, match="group B has no published weight"):
        level_coefficients(level_cases(), ["3", "2", "1"], {"A": Fraction(1)})


def test_composed_coefficients() -> None:
    parts = [Fraction(11, 10), Fraction(12, 10)]
    assert compose(parts, Composition()) == Fraction(132, 100)
    assert compose(parts, Composition(cap=Fraction(13, 10))) == Fraction(13, 10)
    halves = Composition("weighted_mean", shares=(Fraction(1, 2), Fraction(1, 2)), floor=Fraction(1))
    assert compose(parts, halves) == Fraction(115, 100)
    with pytest.raises(UserError, match="add up to 1"):
        compose(parts, Composition("weighted_mean", shares=(Fraction(1),)))
