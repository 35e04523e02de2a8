"""Laws of procurement: retention, exact rounding, shares, units, completion; order and splitting change nothing."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any, get_args

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from rules.money import Mode, largest_remainder, round_whole
from rules.procurement.agreed_volume import agreed_quantities, move_between_classes
from rules.procurement.comparability import factor
from rules.procurement.completion import completion, net_of_returns, purchased
from rules.procurement.cycle import Period, across_years, agreement_years
from rules.procurement.exact import Exact, rounded
from rules.procurement.parameters import ClassShares, PaymentStandard, Progress, Retention
from rules.procurement.payment_standard import patient_part, standards
from rules.procurement.retention import KEYS, retention
from rules.procurement.retention import across_years as retained_by_year
from rules.procurement.retention_statement import retention_statement
from rules.procurement.shares import shared
from tests.rules.procurement_rows import retention_rows, retention_rule, rule

RATIO = st.decimals(0, 1, places=6)
MODES = get_args(Mode)


@st.composite
def changes(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "base_quantity": draw(st.integers(0, 10**8)),
        "agreed_quantity": draw(st.integers(0, 10**8)),
        "purchased_quantity": Decimal(draw(st.integers(0, 2 * 10**8))),
        "pre_price": draw(st.decimals(0, 9999, places=6)),
        "agreed_amount": draw(st.decimals(0, 10**9, places=6)),
        "nonwin_all": draw(st.integers(0, 10**10)),
        "pay_ratio": draw(RATIO),
        "insured_quantity": draw(RATIO),
        "score": draw(st.sampled_from([Decimal(0), Decimal("59.9"), Decimal(60), Decimal(100)])),
        "change": draw(st.decimals(-1, 1, places=6)),
    }


def exactly(row: Mapping[str, Any], found: Retention) -> tuple[Fraction, Fraction]:
    """Return surplus in fen and the share kept, by the formula of the document and Python's fractions."""
    share = Fraction(row["pay_ratio"]) * Fraction(row["insured_quantity"])
    budget = 100 * row["base_quantity"] * Fraction(row["pre_price"]) * share * (1 + Fraction(row["change"]))
    spend = (100 * Fraction(row["agreed_amount"]) + row["nonwin_all"]) * share
    kept = row["purchased_quantity"] >= row["agreed_quantity"] and row["score"] >= 60
    return budget - spend, Fraction(found.keep[0].share or 0) if kept else Fraction()


@settings(max_examples=60, deadline=None)
@given(changes(), st.sampled_from(MODES), st.sampled_from(["0.5", "0.333333", "0.4"]))
def test_retention_is_the_formula_rounded_once(change: dict[str, Any], mode: Mode, share: str) -> None:
    stated = retention_rule(share, mode=mode)
    row = retention(retention_rows(change), stated).row(0, named=True)
    surplus, keep = exactly(row, stated)
    assert row["retained"] == round_whole(max(surplus, Fraction()) * keep, mode)
    assert row["surplus"] == round_whole(surplus, mode)


@settings(max_examples=40, deadline=None)
@given(changes(), st.integers(0, 10**9), st.integers(0, 10**6))
def test_bounds_and_directions(change: dict[str, Any], nonwin: int, base: int) -> None:
    """0 ≤ retained ≤ half the budget; less with more non-winning, more with a larger base, flat in over-use."""
    more_nonwin = change | {"drug": "more non-winning", "nonwin_all": change["nonwin_all"] + nonwin}
    more_base = change | {"drug": "larger base", "base_quantity": change["base_quantity"] + base}
    completed = max(change["purchased_quantity"], Decimal(change["agreed_quantity"]))
    done = change | {"drug": "completed", "purchased_quantity": completed}
    over = done | {"drug": "over-use", "purchased_quantity": completed + base}
    rows = retention(retention_rows(change, more_nonwin, more_base, done, over), retention_rule())
    kept = dict(zip(rows["drug"], rows["retained"], strict=True))
    assert all(0 <= 2 * r <= b + 1 for r, b in zip(rows["retained"], rows["budget"], strict=True))
    assert kept["more non-winning"] <= kept["D1"] <= kept["larger base"]
    assert kept["completed"] == kept["over-use"]


@settings(max_examples=40, deadline=None)
@given(st.lists(changes(), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_floor_at_the_institution(given_changes: list[dict[str, Any]], random: Any) -> None:
    """Netting never keeps more; lines add up to the rounded total; the order of rows changes nothing."""
    rows = retention_rows(*(c | {"drug": f"D{n}", "score": Decimal(90)} for n, c in enumerate(given_changes)))
    at_drug, netted = (retention(rows, retention_rule(floor_at=floor)) for floor in ("drug", "institution"))
    stated = retention_rule()
    sides = [exactly(row, stated) for row in netted.iter_rows(named=True)]
    net = sum((surplus if keep else min(surplus, Fraction()) for surplus, keep in sides), Fraction())
    assert netted["retained"].sum() == round_whole(max(net, Fraction()) / 2, "half_away_from_zero")
    assert netted["retained"].sum() <= at_drug["retained"].sum() + len(rows)
    order = list(range(len(rows)))
    random.shuffle(order)
    again = retention(rows[order], retention_rule(floor_at="institution"))
    assert_frame_equal(again.sort(KEYS), netted.sort(KEYS))
    lines = list(retention_statement(netted, stated, "H1"))
    assert sum(line.amount for line in lines if line.kind == "item") == lines[-1].amount


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9), st.lists(st.integers(0, 10**9), min_size=1, max_size=4).filter(any))
def test_years_add_up(kept: int, amounts: list[int]) -> None:
    retained = retention_rows({}).with_columns(pl.lit(kept).alias("retained"))
    bought = pl.DataFrame({"calendar_year": range(2026, 2026 + len(amounts)), "amount": amounts}).with_columns(
        batch=pl.lit("5"), institution=pl.lit("H1"), drug=pl.lit("D1"), year=pl.lit(2026)
    )
    found = retained_by_year(retained, bought, retention_rule(across_years="purchased_amount"))
    expected = largest_remainder(kept, {2026 + n: amount for n, amount in enumerate(amounts)})
    assert dict(zip(found["calendar_year"], found["retained"], strict=True)) == expected
    whole = retained_by_year(retained, bought, retention_rule(across_years="end_of_cycle"))
    assert whole.select("calendar_year", "retained").rows() == [(2025 + len(amounts), kept)]


@given(
    st.lists(st.integers(-(10**36), 10**36), min_size=1, max_size=5),
    st.sampled_from([1, 2, 10**6, 10**22]),
    st.integers(0, 10**6),
    st.sampled_from(MODES),
)
@settings(max_examples=60, deadline=None)
def test_rounding_of_columns(numerators: list[int], denominator: int, times: int, mode: Mode) -> None:
    frame = pl.DataFrame(
        {"n": [n // 10**16 * denominator // 10**6 + n % 7 for n in numerators]}, schema={"n": pl.Int128}
    )
    exact = Exact(pl.col("n"), denominator)
    shares = pl.lit(times, dtype=pl.Int128)
    found = frame.select(plain=rounded(exact, mode), shared=rounded(exact, mode, shares))
    for n, row in zip(frame["n"], found.iter_rows(named=True), strict=True):
        assert row["plain"] == round_whole(Fraction(n, denominator), mode)
        assert row["shared"] == round_whole(Fraction(n * times, denominator * 10**6), mode)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**10), st.lists(st.integers(0, 10**10), min_size=1, max_size=6).filter(any))
def test_shares_are_those_of_largest_remainder(total: int, weights: list[int]) -> None:
    names = [f"k{n}" for n in range(len(weights))]
    frame = pl.DataFrame({"group": "g", "name": names, "weight": weights, "total": total})
    found = shared(frame, "total", "weight", ["group"], ["name"], "part")
    assert dict(zip(names, found["part"], strict=True)) == largest_remainder(
        total, dict(zip(names, weights, strict=True))
    )


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=5), RATIO)
def test_agreed_parts_add_up(reported: list[int], ratio: Decimal) -> None:
    demand = pl.DataFrame({"region": "R", "generic": "G", "institution": range(len(reported)), "reported": reported})
    found = agreed_quantities(demand.with_columns(pl.lit(ratio).cast(pl.Decimal(18, 6)).alias("ratio")))
    assert found["agreed"].sum() == round_whole(sum(reported) * Fraction(ratio), "half_away_from_zero")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ABC"), st.integers(0, 10**7)), min_size=1, max_size=5), RATIO, RATIO)
def test_what_moves_between_classes_is_not_lost(rows: list[tuple[str, int]], b: Decimal, c: Decimal) -> None:
    stated = rule(ClassShares, kept={"A": "1", "B": str(b), "C": str(c)}, receiver="A")
    demand = pl.DataFrame(rows, schema=["class", "reported"], orient="row").with_row_index("bid")
    found = move_between_classes(demand.with_columns(institution=pl.lit("H1")), stated, ["institution"])
    received = any(name == "A" and reported for name, reported in rows)
    assert found["agreed"].sum() == (found["reported"] if received else found["kept"]).sum()
    assert found.filter(pl.col("class") != "A")["received"].sum() == 0


PRODUCTS = pl.DataFrame(
    {
        "product": ["P5", "P10"],
        "generic": ["G", "G"],
        "min_unit": ["片", "片"],
        "pack_unit": ["盒", "盒"],
        "units_per_pack": [24, 10],
        "agreement_factor": [Decimal(1), Decimal(2)],
    }
)
AGREED = pl.DataFrame(
    {
        "batch": ["5", "5"],
        "institution": ["H1", "H1"],
        "bid": ["B", "B"],
        "year": [2026, 2027],
        "quantity": [1000, 500],
        "starts": [date(2026, 4, 1), date(2027, 4, 1)],
        "ends": [date(2027, 3, 31), date(2028, 3, 31)],
    }
)
MEMBERS = pl.DataFrame({"batch": ["5", "5"], "bid": ["B", "B"], "product": ["P5", "P10"]})


def purchases(rows: list[tuple[str, int, int, str]]) -> pl.DataFrame:
    schema = ["product", "month", "quantity", "unit"]
    frame = pl.DataFrame(rows, schema=schema, orient="row", schema_overrides={"month": pl.Int32, "quantity": pl.Int64})
    return frame.with_columns(
        institution=pl.lit("H1"), amount=pl.col("quantity") * 100, returned=pl.col("quantity") < 0
    )


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["P5", "P10"]),
        st.sampled_from([202603, 202604, 202703, 202704]),
        st.integers(1, 50),
        st.just("盒"),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=30, deadline=None)
@given(ROWS, st.randoms(use_true_random=False))
def test_splitting_units_and_order_change_nothing(rows: list[tuple[str, int, int, str]], random: Any) -> None:
    on, packs = date(2027, 5, 31), {"P5": 24, "P10": 10}
    bought = purchased(purchases(rows), PRODUCTS, MEMBERS)
    whole = completion(AGREED, bought, on)
    split = [(p, m, q - 1, u) for p, m, q, u in rows] + [(p, m, 1, u) for p, m, _, u in rows]
    random.shuffle(split)
    again = purchased(purchases(split), PRODUCTS, MEMBERS)
    assert_frame_equal(completion(AGREED, again, on), whole)
    tablets = purchases([(p, m, q * packs[p], "片") for p, m, q, _ in rows]).with_columns(
        amount=pl.Series([q * 100 for _, _, q, _ in rows])
    )
    assert_frame_equal(completion(AGREED, purchased(tablets, PRODUCTS, MEMBERS), on), whole)


def test_members_of_a_joint_bid_returns_and_years() -> None:
    """24 × 10 + 10 × 10 × 2 = 440 in 2026, 240 of them returned in 2027 and taken off the month of the order."""
    bought = purchases([("P5", 202604, 10, "盒"), ("P10", 202612, 10, "盒"), ("P5", 202705, -10, "盒")])
    bought = bought.with_columns(original_month=pl.Series([None, None, 202604], dtype=pl.Int32))
    assert net_of_returns(bought)["month"].to_list() == [202604, 202612, 202604]
    found = completion(
        AGREED, purchased(bought, PRODUCTS, MEMBERS), date(2027, 5, 31), rule(Progress, least_of_time="0.80")
    )
    assert found["purchased"].to_list() == [200, 0]
    assert found["completion"].to_list() == [Decimal("0.2"), Decimal(0)]
    assert found["open_quantity"].to_list() == [800, 500]
    assert found["time_progress"].to_list() == [1, Decimal("0.166667")]  # 61 of 366 days
    assert found["behind"].to_list() == [True, True]
    alone = completion(AGREED, purchased(bought, PRODUCTS, MEMBERS), date(2027, 5, 31))
    assert alone["behind"].to_list() == [None, None]


@given(st.integers(0, 10**6), st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.integers(0, 1500))
def test_volume_across_years(quantity: int, starts: date, days: int) -> None:
    period = Period(starts, date.fromordinal(starts.toordinal() + days))
    assert sum(across_years(quantity, period).values()) == quantity
    assert sum(year.days for year in agreement_years(period)) == period.days


@given(
    st.fractions(Fraction(1, 50), 50), st.fractions(Fraction(1, 50), 50), st.sampled_from(["1.7", "1.95", "1.9", "2.0"])
)
def test_comparability_factors_multiply(one: Fraction, two: Fraction, per_doubling: str) -> None:
    base = Decimal(per_doubling)
    assert abs(factor(base, one) * factor(base, two) - factor(base, one * two)) < Fraction(1, 10**40)
    assert factor(base, Fraction(2)) == Fraction(base)
    assert abs(factor(base, one) * factor(base, 1 / one) - 1) < Fraction(1, 10**40)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(0, 1000), RATIO)
def test_patient_part_adds_up(price: int, winning: int, quantity: int, self_pay: Decimal) -> None:
    stated = rule(PaymentStandard, multiple="2", first_step="0.70", below_winning="own_price")
    frame = pl.DataFrame({"price": [price], "winning_price": [winning], "winning": [False], "passed": [True]})
    lines = standards(frame, stated).with_columns(
        quantity=pl.lit(quantity), self_pay=pl.lit(self_pay).cast(pl.Decimal(18, 6))
    )
    row = patient_part(lines).row(0, named=True)
    assert row["in_scope"] + row["excess"] == quantity * price
    assert row["first_self_pay"] + row["payable"] == row["in_scope"]
    assert row["standard"] <= price


def test_case_payment_is_taken_out_before_the_floor() -> None:
    """B1 with 100,000 of budget and 20,000 of spend left by DRG/DIP: (185,000 − 37,000) × 50 %."""
    rows = retention_rows({}).with_columns(case_budget=pl.lit(10_000_000), case_spend=pl.lit(2_000_000))
    row = retention(rows, retention_rule(exclude_case_payment=True)).row(0, named=True)
    assert (row["budget"], row["spend"], row["retained"]) == (18_500_000, 3_700_000, 7_400_000)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"score": None}, "not_assessed"),
        ({"score": Decimal(59)}, "assessed_to_nothing"),
        ({"listed": False}, "not_listed"),
        ({"nonwin_all": 50_000_000}, "no_surplus"),
    ],
)
def test_why_nothing_is_kept(change: dict[str, Any], reason: str) -> None:
    row = retention(retention_rows(change), retention_rule()).row(0, named=True)
    assert (row["reason"], row["retained"]) == (reason, 0)
