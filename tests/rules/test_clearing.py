"""Laws of clearing: parts add up to wholes, order never matters, the identity always holds, statements add up."""

import random
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.fault import Text, UserError
from rules.payment.assessment import Effect, effects, indicator_score, scores
from rules.payment.bands import granted
from rules.payment.clearing import HospitalYear, PoolYear, Stage, clear
from rules.payment.clearing_statement import hospital_statement, pool_identity
from rules.payment.statement import Line
from rules.policy.cases import Money
from rules.policy.settlement import Assessment, Clearing, DepositRelease, Indicator, Overspend, Surplus

FEN = Money(step="fen", at="case", mode="half_away_from_zero")
SURPLUS = [
    {"mode": mode, "bands": [{"below": "0.80", "retain": "0"}, {"up_to": "0.9", "retain": "0.5"}, {"retain": "1"}]}
    for mode in ("whole", "marginal")
]
OVERSPEND = [
    {"mode": mode, "bands": [{"up_to": "1.10", "share": "0.7"}, {"below": "1.2", "share": "0.3"}, {"share": "0"}]}
    for mode in ("whole", "marginal")
]
ORDERS = [
    ["reserve", "surplus_returned", "overrun:hospitals"],
    ["surplus_returned", "reserve", "overrun:next_year"],
    ["reserve", "pro_rata:clearing"],
    ["pro_rata:overspend"],
]
POOL_LEVELS: list[dict[str, str] | None] = [
    None,
    {"method": "none"},
    {"method": "share", "fund_share": "0.35"},
    {"method": "carry"},
    {"method": "two_way_split", "hospitals_surplus": "0.85", "hospitals_deficit": "0.85"},
]


def rule(**changes: object) -> Clearing:
    plain = {
        "style": "ratio",
        "fund_ratio_level": "pool",
        "coefficient": "after_bands",
        "funding_order": ORDERS[0],
        "surplus": SURPLUS[0],
        "overspend": OVERSPEND[0],
    }
    return Clearing.model_validate({key: value for key, value in (plain | changes).items() if value is not None})


rules = st.builds(
    rule,
    coefficient=st.sampled_from(["after_bands", "inside_payable"]),
    funding_order=st.sampled_from(ORDERS),
    surplus=st.sampled_from(SURPLUS),
    overspend=st.sampled_from(OVERSPEND),
    pool_level=st.sampled_from(POOL_LEVELS),
    floor=st.sampled_from([None, {"ratio": "0.9", "base": "booked"}]),
    cap=st.sampled_from([None, {"ratio": "1.2", "base": "payable"}]),
    deductions=st.sampled_from(
        [
            None,
            *({"states": ["confirmed"], "acts": acts, "receives": "fund"} for acts in ("month", "booked", "clearing")),
        ]
    ),
    deposit_release=st.sampled_from([None, {"by": "all"}, {"by": "indicator", "table": [{"release": "0.5"}]}]),
)
money = st.integers(0, 10**9)
shares = st.fractions(0, 1, max_denominator=100)
years = st.lists(
    st.builds(
        HospitalYear,
        hospital=st.sampled_from([f"H{n}" for n in range(30)]),
        payable=st.fractions(0, 10**9, max_denominator=997),
        booked=money,
        deductions=st.integers(0, 10**6),
        control=st.integers(0, 10**6),
        outside=st.lists(
            st.integers(-100, 10**6).map(lambda amount: Line(Text("外", "outside"), amount)), max_size=2
        ).map(tuple),
        deposit=st.integers(0, 10**7),
        prepaid=money,
        advanced=st.integers(0, 10**7),
        vbp=st.integers(0, 10**6),
        effect=st.builds(Effect, coefficient=shares, retention=shares, deposit=shares),
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda year: year.hospital,
)
pools = st.builds(
    PoolYear,
    pool=st.just("employee"),
    fund=st.integers(0, 10**10),
    reserve=st.integers(0, 10**8),
    exact_shares=st.booleans(),
    unspent_to=st.sampled_from(["fund", "reserve"]),
)
stages = st.sampled_from(["final", "trial", "quarterly"])


@given(pools, years, rules, stages)
@settings(max_examples=150, deadline=None)
def test_the_identity_holds_and_statements_add_up(
    pool: PoolYear, hospitals: list[HospitalYear], clearing: Clearing, stage: Stage
) -> None:
    result = clear(pool, hospitals, clearing, FEN, stage)
    identity = pool_identity(result, clearing)
    assert sum(line.amount for line in identity.uses) == sum(line.amount for line in identity.sources)
    assert abs(result.residue) <= 2 * len(hospitals)
    assert all(line.amount >= 0 for line in identity.sources)
    for hospital in result.hospitals:
        assert adds_up(list(hospital_statement(hospital, clearing)))
    funding = result.funding
    assert sum(h.borne for h in result.hospitals) == funding.overrun.get("hospitals", 0)
    assert sum(h.reduction for h in result.hospitals) == funding.pro_rata
    assert sum(h.pool_share for h in result.hospitals) == funding.to_hospitals
    if stage != "final":
        assert all(h.forfeited == 0 and h.deposit_held == h.year.deposit for h in result.hospitals)


def adds_up(lines: list[Line]) -> bool:
    running = 0
    for line in lines:
        if line.kind == "total" and line.amount != running:
            return False
        running += line.amount if line.kind == "item" else 0
    return lines[-1].kind == "total"


@given(pools, years, rules, st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_order_of_the_hospitals_never_matters(
    pool: PoolYear, hospitals: list[HospitalYear], clearing: Clearing, rng: random.Random
) -> None:
    shuffled = rng.sample(hospitals, len(hospitals))
    assert clear(pool, hospitals, clearing, FEN) == clear(pool, shuffled, clearing, FEN)


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=20), st.integers(0, 10**12))
def test_plain_policy_and_floating_value_pay_exactly_the_budget(points: list[int], fund: int) -> None:
    clearing = rule(
        surplus={"mode": "whole", "bands": [{"retain": "1"}]}, overspend={"mode": "whole", "bands": [{"share": "0"}]}
    )
    hospitals = [
        HospitalYear(f"H{n:02d}", payable=Fraction(fund * own, sum(points)), booked=n * 10**9 % (fund + 1))
        for n, own in enumerate(points)
    ]
    result = clear(PoolYear("employee", fund, 0, exact_shares=True), hospitals, clearing, FEN)
    assert sum(h.amount for h in result.hospitals) == fund
    assert (result.residue, result.funding.returned, result.funding.overrun) == (0, 0, {})


def granted_fen_by_fen(payable: int, booked: int, surplus: Surplus, overspend: Overspend) -> Fraction:
    """The marginal mode read literally: every fen between booked and payable has the share of its own place."""
    side = surplus if booked <= payable else overspend
    total = Fraction(min(booked, payable))
    for fen in range(min(booked, payable), max(booked, payable)):
        middle = Fraction(2 * fen + 1, 2 * payable)
        for band in side.bands:
            bound = band.below if band.below is not None else band.up_to
            if bound is None or middle < Fraction(bound):
                total += Fraction(band.retain if band.retain is not None else band.share or 0)
                break
    return total


@given(st.integers(1, 40), st.integers(0, 60))
def test_marginal_bands_equal_the_fen_by_fen_reading(hundreds: int, booked: int) -> None:
    payable = hundreds * 10  # bounds at tenths of the payable then fall between two fen
    surplus, overspend = Surplus.model_validate(SURPLUS[1]), Overspend.model_validate(OVERSPEND[1])
    found = granted(Fraction(payable), booked * 10, surplus, overspend)
    assert found == granted_fen_by_fen(payable, booked * 10, surplus, overspend)


@given(st.integers(1, 10**6), st.integers(0, 2 * 10**6), st.integers(0, 10**4))
def test_marginal_bands_never_pay_less_for_more_booked(payable: int, booked: int, more: int) -> None:
    surplus, overspend = Surplus.model_validate(SURPLUS[1]), Overspend.model_validate(OVERSPEND[1])
    low = granted(Fraction(payable), booked, surplus, overspend)
    high = granted(Fraction(payable), booked + more, surplus, overspend)
    if booked + more <= payable:
        assert low <= payable
        assert high <= payable
    if booked >= payable:
        assert low <= high


def test_nothing_payable_falls_into_the_last_band() -> None:
    surplus, overspend = Surplus.model_validate(SURPLUS[0]), Overspend.model_validate(OVERSPEND[0])
    assert granted(Fraction(0), 500, surplus, overspend) == 0
    assert granted(Fraction(-100), 500, surplus, overspend) == -100


def test_a_deduction_acts_once() -> None:
    hospital = HospitalYear("H1", Fraction(1000), 900, deductions=100)
    # booked: A = 800 keeps half of 200; otherwise A = 900 keeps half of 100, and the deduction comes off
    for acts, expected in (("booked", 900), ("clearing", 850), ("month", 850)):
        clearing = rule(deductions={"states": ["confirmed"], "acts": acts, "receives": "fund"})
        assert clear(PoolYear("e", 1000, 0), [hospital], clearing, FEN).hospitals[0].amount == expected


def test_scores_refuse_missing_values_and_missing_hospitals() -> None:
    indicator = Indicator.model_validate(
        {
            "id": "cost",
            "name": {"zh": "次均费用", "en": "cost per visit"},
            "dimension": "cost_and_visits",
            "weight": "1",
            "curve": [{"at": "0", "score": "0"}, {"at": "10", "score": "100"}],
        }
    )
    assert [indicator_score(indicator, Fraction(x)) for x in (-1, 5, 11)] == [0, 50, 100]
    with pytest.raises(UserError, match="hospital H2 has no value of indicator cost"):
        scores([indicator], {"H1": {"cost": Fraction(1)}, "H2": {}})
    assessment = Assessment.model_validate({"file": "scores.csv", "table": [{"coefficient": "1"}]})
    release = DepositRelease.model_validate({"by": "score", "file": "deposit.csv", "table": [{"release": "1"}]})
    with pytest.raises(UserError) as caught:
        effects(assessment, release, ["H1", "H2"], {"H1": Fraction(90)}, {"H2": Fraction(80)})
    assert "hospital H2 has no assessment score" in str(caught.value)
    assert "hospital H1 has no deposit score" in str(caught.value)


def test_scores_act_where_the_policy_says() -> None:
    table = [{"score_from": "90", "coefficient": "1"}, {"coefficient": "0.9"}]
    assessment = Assessment.model_validate(
        {"file": "scores.csv", "table": table, "acts_on": ["retention_share", "prepayment"]}
    )
    found = effects(assessment, None, ["H1", "H2"], {"H1": Fraction(90), "H2": Fraction(89)})
    assert found["H1"] == Effect()
    assert found["H2"] == Effect(retention=Fraction(9, 10), prepayment=Fraction(9, 10))
