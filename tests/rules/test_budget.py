"""Budgets, hierarchy, quotas, advance and point values: laws and refusals."""

from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.fault import UserError
from rules.money import fen
from rules.payment.budget import (
    income_correction,
    income_of_year,
    monthly_amounts,
    pool_budget,
    prove_hierarchy,
)
from rules.payment.point_value import (
    Gap,
    Limits,
    PoolMoney,
    close_gap,
    elastic_value,
    fixed_value_of_share,
    floating_value,
    fund_ratio,
    start_value,
)
from rules.payment.prepayment import FundState, advance, prepay, working_capital
from rules.payment.quota import QuotaVersion, hospital_quotas, total_control_deduction
from rules.policy.cases import Money
from rules.policy.pools import Income, MonthlySpread, Pool, Quotas
from rules.policy.settlement import Advance, Monthly, WorkingCapital

FEN = Money(step="fen", at="case", mode="half_away_from_zero")
YEAR_END = date(2026, 12, 31)


def pool(name: str, **changes: object) -> Pool:
    plain = {
        "id": name,
        "name": {"zh": name, "en": name},
        "insurance_types": ["310"],
        "place": "local",
        "funds": ["fund_pool_paid"],
        "budget": {"method": "growth", "base": "1000.00", "growth": "0.10", "reserve": "0.05"},
        "point_value": {"method": "floating", "start": {"value": "10", "unit": "charge_yuan"}},
    }
    return Pool.model_validate(plain | changes)


def levy(to: str, amount: str, on: date = date(2026, 3, 1)) -> dict[str, object]:
    return {"on": on, "to": to, "amount": amount, "reason": "adjustment", "reference": "illustrative"}


def change(amount: str, source: str, on: date) -> dict[str, object]:
    return {
        "on": on,
        "amount": amount,
        "ground": "patients",
        "source": source,
        "reason": "more patients",
        "reference": "illustrative",
    }


def test_budget_lines_name_every_step() -> None:
    employee = pool(
        "employee",
        reserve_at_start="20.00",
        changes=[
            change("30.00", "reserve", date(2026, 5, 1)),
            change("-10.00", "fund", date(2026, 6, 1)),
            change("500.00", "fund", date(2027, 1, 1)),
        ],
        levies=[levy("province", "40.00")],
        carve_outs=[{"id": "north", "name": {"zh": "北县", "en": "north"}, "amount": "100.00"}],
        carried_overrun="5.00",
    )
    province = pool("province")
    found = pool_budget([employee, province], employee, FEN, YEAR_END)
    assert [line.amount for line in found.lines] == [1100_00, 0, -10_00, -100_00, -5_00, 0, -40_00, -55_00, 30_00]
    assert found.fund == 920_00
    assert found.reserve == 20_00 + 55_00 - 30_00
    assert found.lines[2].document == "illustrative"
    assert "2026-06-01" in found.lines[2].label.zh
    assert found.lines[3].label == ("划出：北县", "carved out: north")


def test_budgets_that_spend_what_is_not_there_are_refused() -> None:
    greedy = pool("greedy", changes=[change("60.00", "reserve", date(2026, 5, 1))])
    with pytest.raises(UserError, match="draw more than its reserve"):
        pool_budget([greedy], greedy, FEN, YEAR_END)
    generous = pool("generous", carried_overrun="2000.00")
    with pytest.raises(UserError, match="below zero"):
        pool_budget([generous], generous, FEN, date(2026, 1, 1))


amounts = st.integers(0, 90000).map(lambda cents: f"{cents / 100:.2f}")


@given(amounts, amounts, amounts, amounts)
def test_hierarchy_is_proven_at_every_level(up: str, down: str, across: str, out: str) -> None:
    pools = [
        pool("country", levies=[levy("province", down)]),
        pool("province", parent="country", levies=[levy("country", up)]),
        pool("city a", parent="province", levies=[levy("city b", across), levy("country", out)]),
        pool("city b", parent="province"),
    ]
    budgets = {}
    for one in pools:
        try:
            budgets[one.id] = pool_budget(pools, one, FEN, YEAR_END)
        except UserError:
            return
    proofs = prove_hierarchy(pools, budgets, YEAR_END)
    assert all(proof.holds for proof in proofs)
    assert proofs[0].below == sum(budget.own for budget in budgets.values())


@given(st.integers(0, 10**13))
def test_months_add_up_to_the_year(fund: int) -> None:
    uneven = MonthlySpread.model_validate({"shares": {f"{m:02d}": "0.08" for m in range(1, 12)} | {"12": "0.12"}})
    assert sum(monthly_amounts(fund, "equal").values()) == fund
    assert sum(monthly_amounts(fund, uneven).values()) == fund


def income(**changes: object) -> Income:
    insured = {f"2026-{month:02d}": 100 for month in range(1, 13)}
    return Income.model_validate({"per_head": "1000", "insured": insured, "last_year": "90000"} | changes)


def test_income_and_its_correction_by_the_final_account() -> None:
    assert income_of_year(income()) == fen("100000")
    assert income_correction(income()) == 1
    final = income(final_account="95000", correction="by_final_account")
    assert income_correction(final) == Fraction(95, 100)
    corrected = pool("e", income=final.model_dump())
    assert pool_budget([corrected], corrected, FEN, YEAR_END).own == 1045_00
    with pytest.raises(UserError, match="12 months of one year"):
        income_of_year(income(insured={"2026-01": 100}))


funds = st.integers(0, 10**12)
points = st.fractions(Fraction(1, 100), 10**7, max_denominator=10**4)


@given(funds, funds, points, points, st.sampled_from([None, Fraction(900)]), st.sampled_from([None, 2]))
def test_more_money_never_lowers_a_point_value(
    fund: int, more: int, fixed: Fraction, floating: Fraction, cap: Fraction | None, decimals: int | None
) -> None:
    limits = Limits(cap=cap, decimals=decimals)
    poor, rich = (PoolMoney(Fraction(m), "charge_yuan", Fraction(10**6), Fraction(7, 10)) for m in (fund, fund + more))
    assert floating_value(poor, floating, limits).value <= floating_value(rich, floating, limits).value
    low, high = (elastic_value(m, fixed * 1000, floating, limits) for m in (poor, rich))
    assert low.value <= high.value


@given(funds, points, st.sampled_from([None, Fraction(900)]), st.sampled_from([None, 2, 4]))
def test_value_times_points_and_the_rest_are_the_money(
    fund: int, volume: Fraction, cap: Fraction | None, decimals: int | None
) -> None:
    found = floating_value(PoolMoney(Fraction(fund), "fund_yuan"), volume, Limits(cap=cap, decimals=decimals))
    assert found.value * volume + found.rest == fund
    assert (found.rest == 0) == (found.reason == "none") or found.rest == 0


@given(
    funds, st.dictionaries(st.sampled_from("ABCDEFGH"), points, min_size=1), st.sampled_from(["normalise", "reserve"])
)
def test_fund_money_and_gap_are_the_total(fund: int, parts: dict[str, Fraction], gap: Gap) -> None:
    found = close_gap(parts, Fraction(fund), gap)
    assert sum(found.parts.values()) + found.gap == fund
    assert gap == "reserve" or found.gap == 0


def test_point_values_refuse_what_they_cannot_divide() -> None:
    with pytest.raises(UserError, match="fund ratio above 0"):
        floating_value(PoolMoney(Fraction(1), "charge_yuan"), Fraction(1))
    with pytest.raises(UserError, match="positive total charge"):
        fund_ratio(0, 0)
    with pytest.raises(UserError, match="points in at least one year"):
        start_value({2025: (100, Fraction())}, {2025: 1})
    with pytest.raises(UserError, match="points to be spread over"):
        fixed_value_of_share(Fraction(1), Fraction(8, 10), Fraction())


def test_quotas_refuse_hospitals_without_an_agreed_one() -> None:
    rule = Quotas.model_validate({"method": "negotiation", "file": "q.csv", "deduction": "all_over"})
    proposed = [QuotaVersion("H1", 1, "agreed", 100), QuotaVersion("H2", 1, "proposed", 100)]
    with pytest.raises(UserError, match="quota of hospital H2 has no agreed version"):
        hospital_quotas(rule, proposed, 0, FEN)
    with pytest.raises(UserError, match="hospital H3 has no quota"):
        total_control_deduction(rule, {"H3": 1}, {"H1": 1})
    assert total_control_deduction(rule, {"H1": 150}, {"H1": 100}) == {"H1": 50}
    growth = Quotas.model_validate({"method": "growth", "growth": "0.05", "file": "q.csv", "deduction": "none"})
    assert hospital_quotas(growth, [QuotaVersion("H1", 1, "agreed", 110)], 0, FEN) == {"H1": 116}
    assert total_control_deduction(growth, {"H1": 150}, {"H1": 100}) == {"H1": 0}


def test_advance_refuses_what_it_cannot_judge() -> None:
    rule = Advance.model_validate(
        {
            "months": "1",
            "years": 3,
            "payable_months": {"310": "12"},
            "refuse_after_deficit": True,
            "refuse_on_forecast_deficit": True,
        }
    )
    state = FundState(Fraction(20), last_year_deficit=True, forecast_deficit=False)
    with pytest.raises(UserError, match="no payable months for insurance type 390"):
        advance(rule, "390", [1, 2, 3], state, FEN)
    with pytest.raises(UserError, match="spending of 3 past years, not of 1"):
        advance(rule, "310", [1], state, FEN)
    refused = advance(rule, "310", [12, 12, 12], state, FEN)
    assert (refused.amount, [reason.en for reason in refused.refused]) == (0, ["last year was in deficit"])


def test_working_capital_is_months_of_the_mean_payment() -> None:
    rule = WorkingCapital.model_validate({"months": "1.5", "repaid": "at_clearing"})
    assert working_capital(rule, 1200_00, FEN) == 150_00


@pytest.mark.parametrize(
    ("deposit", "parts"),
    [("withheld_part", (9215_00, 500_00, 285_00)), ("none", (9215_00, 0, 785_00)),
     ("further_line", (8715_00, 500_00, 785_00))],
)  # fmt: skip
def test_a_score_cuts_the_prepayment_and_leaves_the_deposit_as_it_is(deposit: str, parts: tuple[int, ...]) -> None:
    """10,000.00 × 0.95 × 0.97 = 9,215.00; the deposit is 0.05 of 10,000.00; the rest waits for clearing."""
    further = {"deposit_ratio": "0.05", "deposit_base": "payable"} if deposit == "further_line" else {}
    rule = Monthly.model_validate(
        {"style": "ratio", "fund_ratio_level": "pool", "prepayment_ratio": "0.95", "deposit": deposit, **further}
    )
    found = prepay(rule, Fraction(10_000_00), FEN, Fraction(97, 100))
    assert (found.payable, (found.paid, found.deposit, found.withheld)) == (10_000_00, parts)


@given(st.fractions(0, 10**9, max_denominator=10**4), st.sampled_from(["withheld_part", "none", "further_line"]))
def test_prepayment_parts_add_up(payable: Fraction, deposit: str) -> None:
    further = {"deposit_ratio": "0.05", "deposit_base": "payable"} if deposit == "further_line" else {}
    rule = Monthly.model_validate(
        {"style": "ratio", "fund_ratio_level": "pool", "prepayment_ratio": "0.95", "deposit": deposit, **further}
    )
    parts = prepay(rule, payable, FEN)
    assert parts.payable == parts.paid + parts.deposit + parts.withheld
    assert abs(parts.payable - payable) <= Fraction(1, 2)
