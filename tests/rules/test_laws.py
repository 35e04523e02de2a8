"""Laws of case payment: order, cut, refunds, results that add up, continuity of each family."""

import os
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from rules.payment.case_payment import Given, price_cases
from rules.payment.special_case import candidates, published, quota
from tests.rules import random_cases
from tests.rules.city import policy
from tests.rules.families import FAMILIES, HIGH, KINDS

SPECIAL = """
[special_case]
quota_share = "0.05"
quota_base = "region_discharges"
approved = ["by_item"]
rank_by = "loss"
candidates = "all_losses"
"""


@pytest.mark.parametrize("family", ["special kinds", "exclusion, both lines", "dip 3.0", "drg top share"])
def test_order_of_the_rows_changes_nothing(tmp_path: Path, family: str) -> None:
    rules = policy(tmp_path, *FAMILIES[family], tables=random_cases.tables(3))
    cases = random_cases.claims(2000, 3)
    given = random_cases.given(cases, 3)
    whole = price_cases(cases, rules, given)
    shuffled = price_cases(cases.sample(fraction=1, shuffle=True, seed=1), rules, given)
    assert whole.sort("case_id").equals(shuffled.sort("case_id"))


@pytest.mark.parametrize(
    "family", ["drg high deduct", "dip regional b", "points and values rounded", "tcm and added points"]
)
def test_cutting_the_rows_changes_nothing(tmp_path: Path, family: str) -> None:
    rules = policy(tmp_path, *FAMILIES[family], tables=random_cases.tables(3))
    cases = random_cases.claims(2000, 3)
    given = random_cases.given(cases, 3)
    whole = price_cases(cases, rules, given)
    parts = pl.concat([price_cases(cases.slice(start, 700), rules, given) for start in range(0, 2000, 700)])
    assert whole.equals(parts)


def test_results_add_up(tmp_path: Path) -> None:
    rules = policy(tmp_path, *FAMILIES["exclusion, high line"], KINDS, tables=random_cases.tables(3))
    cases = random_cases.claims(3000, 3)
    priced = price_cases(cases, rules, random_cases.given(cases, 3))
    parts = pl.col("formula_result") + pl.col("adjustment")
    assert priced.filter(parts != pl.col("official_result")).is_empty()
    outside = priced.filter(pl.col("funding") != "points")
    assert outside["points"].sum() == 0
    assert priced.select("case_id").equals(cases.select("case_id"))


def test_a_case_shows_the_weight_of_its_group_and_a_blank_one_none(tmp_path: Path) -> None:
    blank = '[blank_group]\npay = "points"\nfactor = "0.7"'
    rules = policy(tmp_path, *FAMILIES["drg high cap"], blank, tables=random_cases.tables(3))
    cases = random_cases.claims(1000, 3, ungrouped=True)
    table = pl.read_csv(tmp_path / "weights.csv", schema_overrides={"weight": pl.Decimal(18, 6)}).select(
        "group", "weight"
    )
    expected = cases.select("group").join(table, on="group", how="left", maintain_order="left")["weight"]
    assert 0 < expected.null_count() < expected.len()
    assert price_cases(cases, rules)["weight"].equals(expected)


def test_a_refund_pair_changes_no_sum(tmp_path: Path) -> None:
    rules = policy(tmp_path, *FAMILIES["special kinds"], tables=random_cases.tables(3))
    nothing = {"refund": pl.lit(value=False), "original_case_id": pl.lit(None, pl.String)}
    cases = random_cases.claims(1000, 3).with_columns(**nothing)
    pair = cases.tail(50)
    back = pair.with_columns(
        pl.concat_str(pl.lit("R"), "case_id").alias("case_id"),
        refund=pl.lit(value=True),
        original_case_id=pl.col("case_id"),
    )
    sums = pl.col("points", "standard", "extra", "formula_result", "official_result").sum()
    signed = [(pl.col("sign") * pl.lit(1)).sum().alias("cases")]
    without = price_cases(cases.head(950), rules).select(sums, *signed)
    added = price_cases(pl.concat([back.head(20), cases, back.tail(30)]), rules)
    assert added.select(sums, *signed).equals(without)
    assert added["case_id"].to_list() == [*back["case_id"][:20], *cases["case_id"], *back["case_id"][20:]]


def test_readmissions_are_seen_across_a_change_of_the_rules(tmp_path: Path) -> None:
    later = '[hospital_coefficient]\ntable = [{ from = 2026-01-01, value = { "1" = "1", "2" = "1", "3" = "1" } }, '
    later += '{ from = 2026-04-01, value = { "1" = "2", "2" = "2", "3" = "2" } }]'
    rules = policy(tmp_path, KINDS, later, tables=random_cases.tables(3))
    assert len(rules.starts) == 2
    days = pl.Series(["2026-03-20", "2026-04-08", "2026-09-01"]).str.to_date()
    cases = random_cases.claims(3, 3).with_columns(
        person_id=pl.lit("P"), admitted=days, discharged=days + pl.duration(days=5), settled=days + pl.duration(days=5),
        length_of_stay=pl.lit(5, pl.Int32), payment_kind=pl.lit(4, pl.Int8), visit_kind=pl.lit("inpatient"),
        discharge_way=pl.lit(1, pl.Int8), age=pl.lit(50, pl.Int16), fund_total=pl.lit(1), diagnoses=pl.lit(["I10.x00"]),
    )  # fmt: skip
    priced = price_cases(cases, rules)
    assert priced["kind"].to_list() == ["before_readmission", None, None]
    assert priced["coefficient"].cast(pl.String).to_list() == ["1", "2", "2"]
    assert priced.columns[: len(cases.columns)] == cases.columns
    assert "days_to_next" not in priced.columns
    assert priced.equals(price_cases(cases.reverse(), rules).reverse())


@pytest.mark.parametrize("family", ["special kinds", "drg top share", "dip 3.0", "fund money per point"])
def test_no_cases(tmp_path: Path, family: str) -> None:
    rules = policy(tmp_path, *FAMILIES[family], tables=random_cases.tables(3))
    cases = random_cases.claims(1, 3)
    assert price_cases(cases.clear(), rules).schema == price_cases(cases, rules).schema


def charges(
    folder: Path, family: tuple[str, ...], ratios: list[str], *, weight: str = "1.5", level: int = 3
) -> list[int]:
    """Return the standards (fen) of cases of one group at ratios of its mean."""
    tables = {"weights.csv": f"group,weight\nG,{weight}\n", "scores.csv": f"group,score\nG,{Decimal(weight) * 1000}\n"}
    rules = policy(folder, *family, tables=tables)
    table = rules.on(rules.valid[0]).rules
    mean = Decimal(weight) * (table.weights.mean_all if table.weights else Decimal(10000))
    charge = [int(mean * 100 * Decimal(ratio)) for ratio in ratios]
    one = random_cases.claims(len(ratios), 1)
    cases = one.with_columns(
        group=pl.lit("G"), hospital_level=pl.lit(level, pl.Int8), insurance_type=pl.lit("310"),
        total_charge=pl.Series(charge), subtypes=pl.lit([], pl.List(pl.String)),
    )  # fmt: skip
    return price_cases(cases, rules)["standard"].to_list()


@pytest.mark.parametrize("pay", ["linear_add", "deduct"])
def test_high_formulas_rise_with_the_charge(tmp_path: Path, pay: str) -> None:
    standards = charges(tmp_path, (HIGH[pay],), ["2.5001", "2.6", "3", "4", "10"])
    assert standards == sorted(standards)


def test_linear_add_is_continuous_at_its_line(tmp_path: Path) -> None:
    at, beyond = charges(tmp_path, (HIGH["linear_add"],), ["2.5", "2.500001"])
    assert 0 <= beyond - at <= 1


def test_cap_jumps_at_its_line_and_stays_there(tmp_path: Path) -> None:
    at, beyond, far = charges(tmp_path, (HIGH["cap"],), ["2.5", "2.6", "20"])
    assert beyond == far
    assert beyond > 2 * at


def test_regional_b_falls_beyond_five_times(tmp_path: Path) -> None:
    at, beyond = charges(tmp_path, FAMILIES["dip regional b"], ["5", "5.01"])
    assert beyond < at


def test_dip_1_jumps_at_one_half(tmp_path: Path) -> None:
    below, at = charges(tmp_path, FAMILIES["dip 1.0"], ["0.4999", "0.5"])
    assert at > 1.9 * below


@pytest.mark.parametrize("family", list(FAMILIES))
def test_all_coefficients_one_and_no_outliers_pays_weights(tmp_path: Path, family: str) -> None:
    """Without classes, kinds and coefficients every family pays score × value."""
    plain = '[hospital_coefficient]\nby = ["level"]\ntable = { "1" = "1", "2" = "1", "3" = "1" }\n'
    names = ("case_class", "kinds", "added_points", "exclusion", "auxiliary", "blank_group", "separate_items")
    drop = "".join(f'{name} = ""\n' for name in names)
    reset = '[hospital_coefficient]\ncompose = ""\nparts = ""\nfloor = ""\ncap = ""\ndecimals = ""\n'
    rules = policy(tmp_path, *FAMILIES[family], drop, reset, plain, tables=random_cases.tables(3))
    priced = price_cases(random_cases.claims(300, 3), rules)
    assert set(priced["class"].cast(pl.String)) == {"normal"}
    assert set(priced["coefficient"].cast(pl.String)) == {"1"}


def test_candidates_for_review_keep_within_the_quota(tmp_path: Path) -> None:
    rules = policy(
        tmp_path,
        HIGH["linear_add"],
        SPECIAL,
        tables=random_cases.tables(3),
    )
    priced = price_cases(random_cases.claims(1000, 3), rules)
    rule = rules.on(rules.valid[0]).rules.special_case
    assert rule is not None
    found = candidates(priced, rule, ["high"])
    assert found.height == quota(rule, 1000) == 50
    losses = sorted(priced["official_result"])
    assert found["official_result"].to_list() == losses[:50]
    by_hospital = rule.model_copy(
        update={"quota_base": "hospital_discharges", "rank_by": "ratio", "candidates": "reviewed_classes"}
    )
    per = candidates(priced, by_hospital, ["high"])
    assert set(per["class"].cast(pl.String)) == {"high"}
    assert candidates(priced, by_hospital, ["extreme"]).is_empty()
    discharges = dict(priced.group_by("hospital_id").len().iter_rows())
    assert all(count * 20 <= discharges[name] for name, count in per.group_by("hospital_id").len().iter_rows())


def test_what_is_published_about_reviews() -> None:
    decisions = pl.DataFrame({"case_id": ["a", "b"], "decision": ["by_item", "rejected"], "amount": [None, None]})
    figures = published(decisions, 1000, 500_000, 100_000_000)
    assert (figures.applied, figures.approved) == (2, 1)
    assert (float(figures.applied_share), float(figures.fund_share)) == (0.002, 0.005)


def test_decisions_override_kinds_and_classes(tmp_path: Path) -> None:
    rules = policy(
        tmp_path,
        HIGH["linear_add"],
        KINDS,
        SPECIAL,
        tables=random_cases.tables(3),
    )
    cases = random_cases.claims(100, 3)
    decisions = cases.head(10).select("case_id", decision=pl.lit("by_item"), amount=pl.lit(None, pl.Int64))
    priced = price_cases(cases, rules, Given(decisions=decisions)).head(10)
    assert priced["standard"].equals(priced["total_charge"].alias("standard"))
    assert priced["kind"].null_count() == 10


@pytest.mark.heavy
@pytest.mark.parametrize("family", list(FAMILIES))
def test_many_cases_of_every_family(tmp_path: Path, family: str) -> None:
    """DRGDIP_FAMILY_CASES sets how many; a million a family takes some 90 minutes of one core over all families."""
    from tests.rules.test_case_payment import compare

    for seed in range(int(os.environ.get("DRGDIP_FAMILY_CASES", "40000")) // 20_000):
        compare(tmp_path, family, 20_000, 100 + seed)
