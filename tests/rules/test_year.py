"""A pool's year: money outside points first, the final value, the identity, a plain policy that pays its budget."""

from collections.abc import Mapping
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rules.fault import Text, UserError
from rules.payment.budget import PoolBudget
from rules.payment.clearing_statement import pool_identity
from rules.payment.fund_part import by_case
from rules.payment.month import settle_month
from rules.payment.statement import Line
from rules.payment.year import Paid, PoolResult, YearInputs, case_sums, clear_year, year_points, year_sums
from rules.policy.model import Rules
from tests.rules.priced import POOLS, STYLES, VALUES, case_rows, priced_cases, rules

SIGNED = ("counted_charge", "standard", "extra")
PER_CASE = [s for s in STYLES if s.get("fund_ratio_level") == "case" or s.get("negative_fund_part") == "floored"]
FROM_SUMS = [s for s in STYLES if s not in PER_CASE]


def budget(pool: str, fund: int, reserve: int = 0) -> PoolBudget:
    return PoolBudget(pool, (Line(Text("预算", "budget"), fund),), fund, 0, 0, 0, 0, reserve)


def budgets(fund: int, reserve: int = 0) -> dict[str, PoolBudget]:
    return {name: budget(name, fund, reserve) for name in POOLS}


def pools_with(point_value: Mapping[str, object]) -> list[dict[str, object]]:
    plain = rules(STYLES[0]).model_dump(mode="json", exclude_none=True)["pools"]
    return [pool | {"point_value": dict(point_value)} for pool in plain]


def with_a_refund_pair(frame: pl.DataFrame) -> pl.DataFrame:
    """The cases without the random refunds, and with one that reverses a copy of the first case."""
    plain = frame.with_columns(pl.col("sign").abs(), *(pl.col(a).abs() for a in SIGNED))
    back = plain[:1].with_columns(-pl.col("sign"), *(-pl.col(a) for a in SIGNED))
    return grouped(pl.concat([plain, plain[:1], back]))


def cleared(frame: pl.DataFrame, policy: Rules, inputs: YearInputs) -> dict[str, PoolResult]:
    points = year_points(year_sums(frame, policy), policy, inputs)
    parts = case_sums(frame, policy, points) if by_case(policy.clearing) else None
    found = clear_year(points, policy, inputs, parts)
    for result in found.values():
        assert pool_identity(result.cleared, policy.clearing).difference == 0
    return found


def grouped(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.lit("A").alias("group"))


@given(priced_cases(), st.sampled_from(STYLES), st.integers(0, 10**9), st.integers(0, 10**6))
@settings(max_examples=100, deadline=None)
def test_the_identity_holds_for_every_style(
    frame: pl.DataFrame, style: dict[str, object], fund: int, reserve: int
) -> None:
    months = {("employee", "H1"): Paid(1000, 50), ("employee", "H9"): Paid(700, 0)}
    lines = {("employee", "H2"): (Line(Text("上年", "prior year"), -300),)}
    inputs = YearInputs(budgets(fund, reserve), months=months, lines=lines)
    found = cleared(with_a_refund_pair(frame), rules(style), inputs)
    dues = {h.year.hospital: h.due for h in found["employee"].cleared.hospitals}
    assert dues["H9"] == -700


@given(priced_cases(), st.integers(10**8, 10**10))
@settings(max_examples=60, deadline=None)
def test_a_plain_policy_pays_exactly_the_budget(frame: pl.DataFrame, fund: int) -> None:
    found = cleared(with_a_refund_pair(frame), rules(STYLES[0]), YearInputs(budgets(fund)))
    for result in found.values():
        assume(result.points.value.reason == "none" and result.points.ratio > 0)
        assume(all(share.floating >= 0 for share in result.points.shares.values()))
        clearing = result.cleared
        paid = sum(h.amount + h.year.paid_outside for h in clearing.hospitals)
        assert (paid, clearing.residue, clearing.funding.overrun) == (fund if clearing.hospitals else 0, 0, {})


@given(priced_cases(), st.integers(0, 10**10), st.integers(0, 10**9))
@settings(max_examples=60, deadline=None)
def test_a_larger_budget_never_lowers_the_value(frame: pl.DataFrame, fund: int, more: int) -> None:
    policy = rules(STYLES[0])
    frame = with_a_refund_pair(frame)
    low, high = (year_points(year_sums(frame, policy), policy, YearInputs(budgets(f))) for f in (fund, fund + more))
    assert all(low[name].value.value <= high[name].value.value for name in low)


def test_money_outside_points_comes_off_first() -> None:
    """F 1,400.00 at ρ = 0.7; an outside case of 100.00 takes 70.00, a prior-year line 30.00: 1,300.00 are left."""
    outside = case_rows(1, funding="outside", points_fixed="0", standard=10_000)
    frame = grouped(pl.concat([case_rows(4), outside]))
    lines = {("employee", "H1"): (Line(Text("上年", "prior year"), 3_000),)}
    found = cleared(frame, rules(STYLES[0]), YearInputs(budgets(140_000), lines=lines))["employee"]
    assert [line.amount for line in found.points.outside["H1"]] == [7_000, 3_000]
    assert found.points.for_points == 130_000
    assert found.points.value.value == Fraction(130_000, 400) / Fraction(7, 10)
    assert found.cleared.hospitals[0].amount == 130_000


def test_money_of_a_pool_that_the_policy_does_not_have_is_never_dropped() -> None:
    inputs = YearInputs(
        budgets(140_000), deductions={("employe", "H1"): 5}, pool_lines={"rural": (Line(Text("异地", "away"), 7),)}
    )
    with pytest.raises(UserError) as caught:
        cleared(grouped(case_rows(1)), rules(STYLES[0]), inputs)
    assert [fault.en for fault in caught.value.faults] == [
        "the table of deductions names pool 'employe', which the policy does not have; did you mean employee?",
        (
            "the table of separately settled items names pool 'rural', which the policy does not have; "
            "known: employee, resident"
        ),
    ]


def test_a_fixed_value_pays_the_months_own_values_and_returns_the_rest() -> None:
    value = {"method": "fixed", "start": {"value": "10", "unit": "fund_yuan"}, "months": {"2026-11": "11"}}
    policy = rules(STYLES[0], pools=pools_with(value))
    frame = grouped(pl.concat([case_rows(1), case_rows(1, month="2026-11")]))
    found = cleared(frame, policy, YearInputs(budgets(250_000)))["employee"]
    assert found.cleared.hospitals[0].amount == 100_000 + 110_000
    assert found.cleared.funding.returned == 40_000


def test_elastic_volume_and_its_refusal() -> None:
    value = {"method": "elastic_volume", "start": {"value": "10", "unit": "fund_yuan"}, "base_points": "base.csv"}
    policy = rules(STYLES[0], pools=pools_with(value))
    frame = grouped(pl.concat([case_rows(7), case_rows(3, hospital_id="H2")]))
    base = {("employee", "H1"): Fraction(600), ("employee", "H2"): Fraction(400)}
    found = cleared(frame, policy, YearInputs(budgets(990_000), base_points=base))["employee"]
    # 900 points at 10.00 leave 900.00 for the 100 extra ones
    assert found.points.value.value == 900
    assert [h.amount for h in found.cleared.hospitals] == [690_000, 300_000]
    with pytest.raises(UserError, match="no hospital H2 in pool employee"):
        cleared(frame, policy, YearInputs(budgets(990_000), base_points={("employee", "H1"): Fraction(600)}))


def test_elastic_severity_and_cost() -> None:
    start = {"start": {"value": "10", "unit": "fund_yuan"}}
    severe = rules(STYLES[0], pools=pools_with({"method": "elastic_severity", "severe_groups": ["A"], **start}))
    frame = pl.concat([grouped(case_rows(1)), case_rows(1).with_columns(pl.lit("B").alias("group"))])
    found = cleared(frame, severe, YearInputs(budgets(180_000), fixed_shares={"A": Fraction(1)}))["employee"]
    assert found.points.value.value == 800
    rigid = rules(STYLES[0], pools=pools_with({"method": "elastic_cost", "rigid_share": "0.8", **start}))
    found = cleared(frame, rigid, YearInputs(budgets(180_000)))["employee"]
    assert found.points.value.value == 500
    assert found.cleared.hospitals[0].amount == 180_000


def test_a_cap_leaves_its_rest_to_the_reserve_or_is_normalised() -> None:
    start = {"start": {"value": "10", "unit": "fund_yuan"}, "cap": "12"}
    for remainder, amount, left in (("reserve", 120_000, 30_000), ("normalise", 150_000, 0)):
        policy = rules(STYLES[0], pools=pools_with({"method": "floating", "remainder": remainder, **start}))
        found = cleared(grouped(case_rows(1)), policy, YearInputs(budgets(150_000)))["employee"]
        assert (found.cleared.hospitals[0].amount, found.cleared.funding.reserve_left) == (amount, left)


def test_case_by_case_styles_refuse_an_elastic_value() -> None:
    value = {"method": "elastic_cost", "rigid_share": "0.8", "start": {"value": "10", "unit": "charge_yuan"}}
    policy = rules(PER_CASE[0], pools=pools_with(value))
    with pytest.raises(UserError, match="elastic value cannot be cleared by ratios or floors of the case"):
        cleared(grouped(case_rows(1)), policy, YearInputs(budgets(150_000)))


def test_cases_outside_points_take_their_own_ratio_at_clearing_as_in_the_month() -> None:
    """100.01 at 3,333 ÷ 10,000 is 33.33, 100.01 at 9 ÷ 10 is 90.01; extras of 10.01 in points at 7 ÷ 10 are 7.01.

    The ratio of the pool, 1.0000 × (3,500 + 3,333 + 9,000) ÷ 25,000 = 0.63332, would make 126.68 + 6.34.
    """
    outside = {"funding": "outside", "points_fixed": "0", "standard": 10_001, "fund_large_paid": 0}
    frame = pl.concat(
        [
            case_rows(1, extra=1_001),
            case_rows(1, total_charge=1_000_000, fund_pool_paid=333_300, **outside),
            case_rows(1, total_charge=1_000_000, fund_pool_paid=900_000, **outside),
        ]
    ).with_columns(pl.Series("case_id", ["in", "low", "high"]))
    policy = rules(
        {"style": "ratio", "fund_ratio_level": "case", "fund_ratio_gap": "reserve"},
        exclusion={"charge_over": "2", "share_over": "0.64", "kinds": ["drug"], "outlier_test": "high"}
        | {"money": "total", "pool": "same"},
    )
    found = cleared(grouped(frame), policy, YearInputs(budgets(10**6)))["employee"]
    assert [line.amount for line in found.points.outside["H1"]] == [3_333 + 9_001 + 701]
    month = settle_month(frame, policy, VALUES)
    assert month.cases["fund_part"].to_list() == [round((538_381 + 1_001) * 0.7), 3_333, 9_001]


@pytest.mark.parametrize("style", [*PER_CASE[:1], *FROM_SUMS[:3]])
def test_hospitals_that_bear_the_difference_of_incoming_patients_are_cleared_by_item(style: dict[str, object]) -> None:
    """3,500.00 booked in points and 3,500.00 outside; F is 9,000.00 and keeps 2,000.00, whatever the value."""
    rule = {"incoming_value": "own", "bearer": "hospital", "outgoing": "outside_budget"}
    plain = rules(STYLES[0]).model_dump(mode="json", exclude_none=True)["pools"]
    pools = [pool | {"out_of_area": rule} for pool in plain]
    outside = case_rows(1, funding="outside", points_fixed="0", standard=100_000)
    frame = grouped(pl.concat([case_rows(1), outside]))
    found = cleared(frame, rules(style, pools=pools), YearInputs(budgets(900_000)))
    hospital = found["employee"].cleared.hospitals[0]
    assert (hospital.amount, hospital.year.paid_outside, hospital.due) == (350_000, 350_000, 700_000)


@pytest.mark.parametrize("style", PER_CASE)
@given(frame=priced_cases())
@settings(max_examples=30, deadline=None)
def test_a_year_pays_cases_outside_points_what_their_months_paid(style: dict[str, object], frame: pl.DataFrame) -> None:
    policy, outside = rules(style), with_a_refund_pair(frame).filter(pl.col("funding") == "outside")
    months = settle_month(outside, policy, VALUES).hospitals
    points = year_points(year_sums(outside, policy), policy, YearInputs(budgets(10**9)))
    paid = {
        (name, h): sum(line.amount for line in lines) for name, p in points.items() for h, lines in p.outside.items()
    }
    assert paid == {(row["pool"], row["hospital_id"]): row["payable"] for row in months.to_dicts()}


@given(priced_cases(), st.sampled_from(FROM_SUMS))
@settings(max_examples=30, deadline=None)
def test_cutting_the_year_into_pools_changes_nothing(frame: pl.DataFrame, style: dict[str, object]) -> None:
    policy, whole = rules(style), with_a_refund_pair(frame)
    together = cleared(whole, policy, YearInputs(budgets(10**8)))
    for name in POOLS:
        alone = cleared(whole.filter(pl.col("pool") == name), policy, YearInputs({name: budget(name, 10**8)}))
        assert alone[name] == together[name]
