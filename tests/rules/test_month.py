"""The hospital's month: equal to a slow reading case by case, and every part adds up to its whole."""

import random
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import product
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.fault import UserError
from rules.money import Mode, Step, round_fen
from rules.payment.deductions import counted
from rules.payment.fund_part import round_quotient
from rules.payment.month import monthly_values, settle_month
from rules.policy.cases import Money
from rules.policy.settlement import Deductions
from tests.rules.priced import FUNDS, POOLS, STYLES, VALUES, case_rows, priced_cases, rules


def signed(case: Mapping[str, Any], name: str) -> int:
    return abs(int(case[name] or 0)) * int(case["sign"])


def booked(case: Mapping[str, Any]) -> int:
    return sum(signed(case, fund) for fund in FUNDS)


def rho(cases: Sequence[Mapping[str, Any]], step: Mapping[str, object], case: Mapping[str, Any]) -> Fraction:
    """The ratio of the case's pool, hospital or own claim, from the claims that share it."""
    level = step["fund_ratio_level"]
    keys = {"pool": ["pool"], "hospital": ["pool", "hospital_id"], "case": ["case_id"]}[str(level)]
    alike = [c for c in cases if all(c[k] == case[k] for k in keys) and c["funding"] != "elsewhere"]
    if step.get("fund_ratio_outside") == "booked":
        alike = [c for c in alike if c["funding"] == "points"]
    charge = sum(signed(c, "total_charge") for c in alike)
    return Fraction(sum(booked(c) for c in alike), charge) if charge else Fraction(1)


def exact_part(
    cases: Sequence[Mapping[str, Any]], step: Mapping[str, object], case: Mapping[str, Any], standard: Fraction
) -> Fraction:
    """The fund's part of one case in its style, exact."""
    standard += case["extra"]
    if case["funding"] == "elsewhere":
        return Fraction()
    if step["style"] == "ratio":
        if case["funding"] == "outside" and step.get("fund_ratio_outside") == "booked":
            return Fraction(booked(case))
        return standard * rho(cases, step, case)
    if step["style"] == "subtract":
        part = standard - signed(case, "patient_paid") - signed(case, "fund_total") + booked(case)
    else:
        own = sum(signed(case, name) for name in ("full_self_paid", "category_b_self_paid", "deductible"))
        table: dict[str, dict[str, str]] = {"310": {"2": "0.85", "3": "0.8"}, "390": {"2": "0.7", "3": "0.625"}}
        part = (standard - own) * Fraction(table[case["insurance_type"]][case["hospital_level"]])
    if step["negative_fund_part"] == "floored" and part * case["sign"] < 0:
        return Fraction()
    return part


@given(priced_cases(), st.sampled_from(STYLES), st.sampled_from(["half_away_from_zero", "half_even", "up", "floor"]))
@settings(max_examples=120, deadline=None)
def test_parts_by_case_equal_the_slow_reading(frame: pl.DataFrame, style: dict[str, object], mode: Mode) -> None:
    found = settle_month(frame, rules(style, money={"step": "fen", "at": "case", "mode": mode}), VALUES)
    cases = frame.to_dicts()
    expected = [round_fen(exact_part(cases, style, case, Fraction(case["standard"])), "fen", mode) for case in cases]
    assert found.cases["fund_part"].to_list() == expected
    by_hospital: dict[tuple[str, str], int] = {}
    for case, part in zip(cases, expected, strict=True):
        key = (case["pool"], case["hospital_id"])
        if case["funding"] != "elsewhere":
            by_hospital[key] = by_hospital.get(key, 0) + part
    rows = found.hospitals.filter(pl.col("cases").is_not_null()).to_dicts()
    assert {
        (r["pool"], r["hospital_id"]): r["payable"] for r in rows if (r["pool"], r["hospital_id"]) in by_hospital
    } == by_hospital
    assert all(r["payable"] == r["paid"] + r["deposit"] + r["withheld"] + r["deducted"] for r in rows)


@given(
    priced_cases(),
    st.sampled_from(
        [s for s in STYLES if s.get("fund_ratio_level") != "case" and s.get("negative_fund_part") != "floored"]
    ),
)
@settings(max_examples=80, deadline=None)
def test_a_hospital_month_is_rounded_once_from_exact_points(frame: pl.DataFrame, style: dict[str, object]) -> None:
    money = {"step": "fen", "at": "hospital_month", "mode": "half_away_from_zero"}
    found = settle_month(frame, rules(style, money=money), VALUES)
    cases = frame.to_dicts()
    exact: dict[tuple[str, str], Fraction] = {}
    for case in cases:
        points = (
            Fraction(case["points_fixed"]) * case["sign"] + Fraction(case["points_per_fen"]) * case["counted_charge"]
        )
        standard = (
            points * VALUES[case["pool"], "2026-10"] if case["funding"] == "points" else Fraction(case["standard"])
        )
        key = (case["pool"], case["hospital_id"])
        if case["funding"] != "elsewhere":
            exact[key] = exact.get(key, Fraction()) + exact_part(cases, style, case, standard)
    payable = {(r["pool"], r["hospital_id"]): r["payable"] for r in found.hospitals.to_dicts()}
    assert payable == {key: round_fen(amount, "fen", "half_away_from_zero") for key, amount in exact.items()}
    sums = (
        found.cases.filter(pl.col("funding") != "elsewhere")
        .group_by("pool", "hospital_id")
        .agg(pl.col("fund_part").sum())
    )
    assert {(p, h): s for p, h, s in sums.iter_rows()} == payable


@given(
    priced_cases(),
    st.sampled_from(STYLES),
    st.randoms(use_true_random=False),
    st.sampled_from(["case", "hospital_month"]),
)
@settings(max_examples=40, deadline=None)
def test_order_never_matters_and_a_refund_pair_changes_nothing(
    frame: pl.DataFrame, style: dict[str, object], rng: random.Random, at: str
) -> None:
    policy = rules(style, money={"step": "fen", "at": at, "mode": "half_away_from_zero"})
    whole = settle_month(frame, policy, VALUES)
    mixed = settle_month(frame[rng.sample(range(frame.height), frame.height)], policy, VALUES)
    assert mixed.hospitals.equals(whole.hospitals)
    assert mixed.cases.sort("case_id").equals(whole.cases.sort("case_id"))
    amounts = ["sign", "counted_charge", "standard", "extra"]
    pair = pl.concat([frame, frame[:1], frame[:1].with_columns(-pl.col(amounts))])
    paired = settle_month(
        pair.with_columns(pl.Series("case_id", [f"c{n:02d}" for n in range(pair.height)])), policy, VALUES
    )
    columns = ["pool", "hospital_id", "cases", "points", "charge", "booked", "payable", "paid"]
    assert paired.hospitals.select(columns).equals(whole.hospitals.select(columns))


@given(priced_cases())
@settings(max_examples=40, deadline=None)
def test_splitting_by_pool_changes_nothing(frame: pl.DataFrame) -> None:
    policy = rules(STYLES[0])
    parts = [settle_month(frame.filter(pl.col("pool") == name), policy, VALUES).hospitals for name in POOLS]
    assert pl.concat(parts).equals(settle_month(frame, policy, VALUES).hospitals)


def test_funds_add_up_to_the_hospital() -> None:
    frame = case_rows(3)
    split = {"method": "order", "funds": FUNDS, "remainder": "hospital"}
    found = settle_month(frame, rules(STYLES[0], fund_split=split), VALUES)
    columns = ["fund_pool_paid_split", "fund_large_paid_split", "hospital_split"]
    assert found.cases.select(columns).sum_horizontal().to_list() == found.cases["fund_part"].to_list()
    assert sum(found.cases["fund_part"]) == sum(found.hospitals["payable"])


EXCLUSION = {"charge_over": "2", "share_over": "0.64", "kinds": ["drug"], "outlier_test": "high"}


def test_extras_are_total_or_fund_money_of_this_pool_or_of_none() -> None:
    frame = case_rows(1, extra=10_000)
    # 538,381 at ρ = 0.7 is 376,867
    for money, pool, expected in (
        ("total", "same", 383_867),
        ("fund", "same", 386_867),
        ("total", "outside", 376_867),
    ):
        policy = rules(STYLES[0], exclusion=EXCLUSION | {"money": money, "pool": pool})
        assert settle_month(frame, policy, VALUES).hospitals["payable"].item() == expected


def test_a_late_claim_is_paid_at_the_value_of_its_own_month() -> None:
    frame = pl.concat([case_rows(1), case_rows(1)]).with_columns(
        pl.Series("case_id", ["now", "late"]), pl.Series("value_month", ["2026-10", "2026-09"])
    )
    values = VALUES | {("employee", "2026-09"): Fraction(5000)}
    money = {"step": "fen", "at": "hospital_month", "mode": "half_away_from_zero"}
    found = settle_month(frame, rules(STYLES[0], money=money), values)
    assert found.hospitals["payable"].item() == round_fen(
        (538381 + 500000) * Fraction(7, 10), "fen", "half_away_from_zero"
    )


def test_hospitals_that_bear_the_difference_of_incoming_patients_keep_what_was_booked() -> None:
    """Standard 5,383.81 at ρ 0.7 would be 3,768.67; by item 3,500.00 were booked, and no extra is paid on top."""
    rule = {"incoming_value": "own", "bearer": "hospital", "outgoing": "outside_budget"}
    plain = rules(STYLES[0]).model_dump(mode="json", exclude_none=True)["pools"]
    outside = case_rows(1, funding="outside", points_fixed="0", standard=100_000)
    frame = pl.concat([case_rows(1, extra=10_000), outside]).with_columns(pl.Series("case_id", ["in", "out"]))
    exclusion = EXCLUSION | {"money": "total", "pool": "same"}
    for style, at in product(STYLES[:4], ("case", "hospital_month")):
        money = {"step": "fen", "at": at, "mode": "half_away_from_zero"}
        pools = [pool | {"out_of_area": rule} for pool in plain]
        found = settle_month(frame, rules(style, pools=pools, money=money, exclusion=exclusion), VALUES)
        assert found.cases["fund_part"].to_list() == [350_000, 350_000]
        assert found.hospitals["payable"].item() == 700_000


def test_patients_charged_by_group_pay_what_the_funds_leave_of_the_standard() -> None:
    """(5,383.81 - 800.00 of their own) × 0.8 = 3,667.05 of the pool; another fund paid 200.00: 1,516.76 are left."""
    own = {"full_self_paid": 50_000, "category_b_self_paid": 20_000, "deductible": 10_000}
    frame = case_rows(1, fund_total=370_000, **own)
    elsewhere = case_rows(1, funding="elsewhere", fund_total=0, **own).with_columns(pl.lit("e").alias("case_id"))
    style = {"style": "policy_ratio", "negative_fund_part": "kept"}
    found = settle_month(pl.concat([frame, elsewhere]), rules(style, patient_basis="group"), VALUES).cases
    assert found["fund_part"].to_list() == [366_705, 0]
    assert found["patient_part"].to_list() == [538_381 - 366_705 - 20_000, None]
    assert "patient_part" not in settle_month(frame, rules(style), VALUES).cases.columns
    with pytest.raises(UserError, match="what patients pay by group needs the column fund_total"):
        settle_month(case_rows(1, **own), rules(style, patient_basis="group"), VALUES)


def test_a_refund_of_an_earlier_month_takes_back_what_was_paid() -> None:
    frame = pl.concat([case_rows(2), case_rows(1)]).with_columns(
        pl.Series("case_id", ["a", "b", "r"]),
        pl.Series("sign", [1, 1, -1]),
        pl.Series("fixed_part", [None, None, -123_456], dtype=pl.Int64),
    )
    amounts = ("counted_charge", "standard")
    frame = frame.with_columns(
        pl.when(pl.col("sign") < 0).then(-pl.col(a)).otherwise(pl.col(a)).alias(a) for a in amounts
    )
    for at in ("case", "hospital_month"):
        policy = rules(STYLES[0], money={"step": "fen", "at": at, "mode": "half_away_from_zero"})
        plain = settle_month(case_rows(2), policy, VALUES).hospitals.to_dicts()[0]
        found = settle_month(frame, policy, VALUES)
        row = found.hospitals.to_dicts()[0]
        assert row["payable"] == plain["payable"] - 123_456
        assert (row["cases"], row["charge"], row["points"]) == (1, 500_000, "100")
        assert found.cases["fund_part"].to_list()[2] == -123_456


def test_floating_month_shares_the_month_amount() -> None:
    frame = pl.concat([case_rows(4), case_rows(1, funding="outside", points_fixed="0", standard=100_000)])
    frame = frame.with_columns(pl.Series("case_id", [f"c{n}" for n in range(5)]))
    policy = rules(STYLES[0])
    found = monthly_values(frame, policy, {("employee", "2026-10"): Fraction(1_400_000)})
    # ρ = 0.7: 1,400,000 ÷ 0.7 - 100,000 = 1,900,000 over 400 points
    assert found == {("employee", "2026-10"): Fraction(4750)}


def test_a_monthly_value_keeps_to_cap_and_floor_where_the_policy_says_so() -> None:
    """1,400,000 ÷ 0.7 over 400 points are 50.00 a point; over 200 points 100.00."""
    plain = rules(STYLES[0]).model_dump(mode="json", exclude_none=True)["pools"]
    amounts = {("employee", "2026-10"): Fraction(1_400_000)}
    for limits, points, value in (
        ({"cap": "80"}, 200, 8000),
        ({"cap": "80"}, 400, 5000),
        ({"floor": "60"}, 400, 6000),
        ({"cap": "80", "limits_in_month": False}, 200, 10000),
    ):
        pools = [pool | {"point_value": pool["point_value"] | limits} for pool in plain]
        found = monthly_values(case_rows(points // 100), rules(STYLES[0], pools=pools), amounts)
        assert found == {("employee", "2026-10"): Fraction(value)}


def test_scores_multiply_the_prepayment_of_their_hospitals() -> None:
    frame = pl.concat([case_rows(1), case_rows(1, hospital_id="H2")])
    found = settle_month(frame, rules(STYLES[0]), VALUES, scores={"H2": Fraction(9, 10)})
    # 3,768.67 × 0.95 = 3,580.24, and × 0.9 = 3,222.21; the deposit of both is 188.43
    columns = ["payable", "paid", "deposit", "withheld"]
    rows = found.hospitals.select(columns).rows()
    assert rows == [(376_867, 358_024, 18_843, 0), (376_867, 322_221, 18_843, 35_803)]


def test_floating_month_of_the_subtract_style_shares_the_charge_level_behind_its_fund_money() -> None:
    paid = {"patient_paid": 150_000, "fund_total": 350_000}
    outside = case_rows(1, funding="outside", points_fixed="0", standard=300_000, **paid)
    frame = pl.concat([case_rows(4, **paid), outside]).with_columns(pl.Series("case_id", [f"c{n}" for n in range(5)]))
    policy = rules({"style": "subtract", "negative_fund_part": "kept"})
    found = monthly_values(frame, policy, {("employee", "2026-10"): Fraction(1_400_000)})
    # outside points 300,000 - 150,000 of fund money; ρ = 0.7: (1,400,000 - 150,000) ÷ 0.7 over 400 points
    assert found == {("employee", "2026-10"): Fraction(31250, 7)}


def test_points_of_any_number_of_digits_add_up_exactly() -> None:
    lines = [
        (Fraction(1, 2**127 - 1), 1 / Fraction("527076")),
        (-Fraction(10**40, 3), Fraction(10**30 + 1, 10**31)),
        (Fraction("96.62"), Fraction(0)),
        (Fraction(5, 2**61 - 1), -Fraction(7, 2**89 - 1)),
    ]
    rows = [
        case_rows(1, points_fixed=str(fixed), points_per_fen=str(per_fen), counted_charge=sign * charge, sign=sign)
        for fixed, per_fen in lines
        for sign, charge in ((1, 10**15 + 7), (1, 123_456), (-1, 99))
    ]
    frame = pl.concat(rows).with_columns(pl.Series("case_id", [f"c{n:02d}" for n in range(12)]))
    expected = sum((fixed + per_fen * (10**15 + 7 + 123_456 - 99) for fixed, per_fen in lines), Fraction(0))
    shown = Fraction(settle_month(frame, rules(STYLES[0]), VALUES).hospitals["points"][0])
    assert shown == Fraction(round(expected * 10**60), 10**60)


@pytest.mark.parametrize("style", STYLES)
def test_labels_may_be_categories(style: dict[str, object]) -> None:
    own = {"full_self_paid": 10_000, "category_b_self_paid": 7, "deductible": 500}
    frame = case_rows(7, patient_paid=150_000, fund_total=350_000, **own)
    labels = ("pool", "month", "funding", "points_fixed", "points_per_fen")
    policy = rules(style, money={"step": "fen", "at": "hospital_month", "mode": "half_even"})
    texts = settle_month(frame, policy, VALUES)
    categories = settle_month(frame.with_columns(pl.col(labels).cast(pl.Categorical)), policy, VALUES)
    assert categories.hospitals.equals(texts.hospitals)
    assert categories.cases["fund_part"].equals(texts.cases["fund_part"])


def test_deductions_come_off_the_month_that_found_them_once() -> None:
    clearing = rules(STYLES[0]).clearing.model_dump(exclude_none=True)
    act = {"states": ["confirmed"], "acts": "month", "receives": "fund"}
    policy = rules(STYLES[0], clearing=clearing | {"deductions": act})
    table = pl.DataFrame(
        {
            "case_id": ["c0", "c0"],
            "hospital_id": ["H1", "H1"],
            "pool": ["employee", "employee"],
            "item": ["bed", "drug"],
            "rule": ["R1", "R2"],
            "amount": [1000, 500],
            "state": ["confirmed", "appealed"],
            "month_found": ["2026-10", "2026-10"],
            "month_of_claim": ["2026-08", "2026-08"],
        }
    )
    rule = Deductions.model_validate(act)
    plain = settle_month(case_rows(2), policy, VALUES).hospitals.to_dicts()[0]
    found = settle_month(case_rows(2), policy, VALUES, counted(table, rule)).hospitals.to_dicts()[0]
    assert (found["deducted"], found["paid"], found["payable"]) == (1000, plain["paid"] - 1000, plain["payable"])
    with pytest.raises(UserError, match="names pool 'rural', which the policy does not have"):
        settle_month(case_rows(2), policy, VALUES, table.with_columns(pl.lit("rural").alias("pool")))
    with pytest.raises(UserError) as caught:
        counted(
            pl.concat(
                [table, table.with_columns(pl.lit("confirmd").alias("state"), pl.lit(0).cast(pl.Int64).alias("amount"))]
            ),
            rule,
        )
    message = str(caught.value)
    assert "did you mean confirmed" in message
    assert "2 deductions have no amount above zero" in message
    assert "case c0: bed (R1) is deducted more than once" in message


def test_a_style_refuses_claims_without_its_columns() -> None:
    with pytest.raises(UserError, match="style subtract needs the column patient_paid"):
        settle_month(case_rows(1).with_columns(pl.lit(1).alias("fund_total")), rules(STYLES[4]), VALUES)
    with pytest.raises(UserError, match="style policy_ratio needs the column deductible"):
        settle_month(case_rows(1), rules(STYLES[6]), VALUES)
    known = case_rows(1, full_self_paid=0, category_b_self_paid=0, deductible=0, hospital_level="1")
    with pytest.raises(UserError, match="1 cases have no reimbursement ratio"):
        settle_month(known, rules(STYLES[6]), VALUES)


modes = st.sampled_from(
    ["half_away_from_zero", "half_even", "half_toward_zero", "half_up", "half_down", "up", "down", "ceiling", "floor"]
)


@given(
    st.lists(st.tuples(st.integers(-60, 60), st.integers(1, 12)), min_size=1), modes, st.sampled_from(["fen", "jiao"])
)
def test_quotients_on_columns_round_like_single_ones(pairs: list[tuple[int, int]], mode: Mode, step: Step) -> None:
    money = Money(step=step, at="case", mode=mode)
    frame = pl.DataFrame(pairs, schema={"n": pl.Int128, "d": pl.Int128}, orient="row")
    found = frame.select(round_quotient(pl.col("n"), pl.col("d"), money)).to_series().to_list()
    assert found == [round_fen(Fraction(n, d), step, mode) for n, d in pairs]
