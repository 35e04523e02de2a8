"""Stays settled in parts, refunds, late claims, care across regions, the cash account."""

import random
from datetime import date

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.fault import UserError
from rules.payment.cash import reconcile
from rules.payment.out_of_area import outgoing_charges, settle_incoming
from rules.payment.stays import book, budget_year, is_refund, merge_parts, reverse, without_refunds
from rules.policy.cases import DateBasis
from rules.policy.pools import OutOfArea, Pool

BASIS = DateBasis(
    scheme="discharge", policy="discharge", month="settlement", budget_year="settlement", late_claim_value="settlement"
)


def claims() -> pl.DataFrame:
    """One stay settled twice in part and once at last, one ordinary case, one stay whose last settlement is missing."""
    return pl.DataFrame(
        {
            "case_id": ["a1", "b", "a3", "a2", "c1"],
            "stay_id": ["A", "B", "A", "A", "C"],
            "part_of_stay": [True, None, False, True, True],
            "admitted": [date(2026, 1, 1), date(2026, 3, 1), date(2026, 3, 1), date(2026, 2, 1), date(2026, 3, 5)],
            "discharged": [date(2026, 2, 1), date(2026, 3, 9), date(2026, 3, 20), date(2026, 3, 1), date(2026, 4, 1)],
            "length_of_stay": [31, 8, 19, 28, 27],
            "total_charge": [100, 7, 30, 20, 50],
            "fund_pool_paid": [60, 5, None, 10, 30],
            "fee_bed": [1, 1, 1, 1, 1],
        }
    )


def test_a_stay_settled_in_parts_is_one_case() -> None:
    merged = merge_parts(claims())
    assert merged.held["case_id"].to_list() == ["c1"]
    assert merged.claims["case_id"].to_list() == ["b", "a3"]
    whole = merged.claims.filter(pl.col("case_id") == "a3").to_dicts()[0]
    assert (whole["total_charge"], whole["fee_bed"], whole["length_of_stay"]) == (150, 3, 78)
    assert (whole["admitted"], whole["discharged"]) == (date(2026, 1, 1), date(2026, 3, 20))
    money = [*merged.claims["total_charge"], *merged.held["total_charge"]]
    assert sum(money) == claims()["total_charge"].sum()


def test_claims_without_parts_pass_unchanged() -> None:
    plain = claims().drop("part_of_stay")
    assert merge_parts(plain).claims.equals(plain)


def test_a_part_without_its_stay_is_refused() -> None:
    with pytest.raises(UserError, match="1 settlements in part have no stay_id, a1"):
        merge_parts(claims().with_columns(pl.when(pl.col("case_id") != "a1").then("stay_id").alias("stay_id")))


PRICED = pl.DataFrame({"case_id": ["x", "y"], "month": [202601, 202601], "points": [5, 7], "standard": [100, -3]})


def refunds(*pairs: tuple[str, str]) -> pl.DataFrame:
    schema = {"case_id": pl.String, "original_case_id": pl.String, "month": pl.Int64}
    return pl.DataFrame([(*pair, 202603) for pair in pairs], schema=schema, orient="row")


def test_a_refund_reverses_the_original_in_the_current_month() -> None:
    back = reverse(refunds(("r", "x")), PRICED, ["points", "standard"])
    assert back.to_dicts() == [{"case_id": "r", "month": 202603, "points": -5, "standard": -100}]


def test_refunds_without_an_original_or_twice_are_refused() -> None:
    with pytest.raises(UserError) as caught:
        reverse(refunds(("r", "z"), ("s", "x"), ("t", "x"), ("u", "y")), PRICED, ["points"], already=["y"])
    assert [fault.en for fault in caught.value.faults] == [
        "1 refunds have an original that is not among the priced cases: r (z)",
        "3 refunds reverse an original that is reversed more than once: s (x), t (x), u (y)",
    ]


@given(st.lists(st.tuples(st.integers(-100, 10**9), st.integers(0, 10**9)), min_size=1, max_size=30), st.data())
@settings(deadline=None)
def test_a_refund_pair_changes_nothing(figures: list[tuple[int, int]], data: st.DataObject) -> None:
    names = [f"c{n}" for n in range(len(figures))]
    priced = pl.DataFrame(
        {
            "case_id": names,
            "month": [202601] * len(names),
            "points": [p for p, _ in figures],
            "standard": [s for _, s in figures],
        }
    )
    pair = data.draw(st.sampled_from(names))
    back = reverse(refunds(("r", pair)).with_columns(pl.lit(202601).alias("month")), priced, ["points", "standard"])
    both = pl.concat([priced, back.select(priced.columns)])
    without = priced.filter(pl.col("case_id") != pair)
    columns = ["points", "standard"]
    assert both.select(pl.col(columns).sum()).rows() == without.select(pl.col(columns).sum()).rows()


def test_a_refund_needs_flag_and_original() -> None:
    frame = pl.DataFrame({"refund": [True, True, False, None], "original_case_id": ["x", None, "x", "x"]})
    assert frame.select(is_refund(frame)).to_series().to_list() == [True, False, False, False]
    plain = pl.DataFrame({"case_id": ["x"]})
    assert plain.select(is_refund(plain)).to_series().to_list() == [False]


def test_history_holds_neither_refunds_nor_their_originals() -> None:
    frame = pl.DataFrame(
        {"case_id": ["a", "b", "r"], "refund": [True, False, True], "original_case_id": [None, None, "a"]}
    )
    assert without_refunds(frame)["case_id"].to_list() == ["b"]
    assert without_refunds(frame[:2])["case_id"].to_list() == ["a", "b"]


def dated(settled: list[date], received: list[date]) -> pl.DataFrame:
    return pl.DataFrame({"settled": settled, "received": received})


def test_late_claims_enter_the_month_of_arrival() -> None:
    frame = dated(
        [date(2026, 10, 3), date(2026, 9, 30), date(2025, 12, 1)],
        [date(2026, 10, 9), date(2026, 10, 2), date(2026, 10, 2)],
    )
    found = book(frame, BASIS, closed_through=202609, cleared_through=2025)
    assert found.month.to_list() == [202610, 202610, 202610]
    assert found.value_month.to_list() == [202610, 202609, 202512]
    assert found.late.to_list() == ["no", "late", "prior_year"]
    arrival = BASIS.model_copy(update={"late_claim_value": "arrival"})
    assert book(frame, arrival, 202609).value_month.to_list() == [202610] * 3
    assert book(frame, BASIS).month.to_list() == [202610, 202609, 202512]
    assert budget_year(frame, BASIS).to_list() == [2026, 2026, 2025]


def test_a_claim_that_arrived_in_a_closed_month_is_refused() -> None:
    with pytest.raises(UserError, match="correct those months"):
        book(dated([date(2026, 8, 1)], [date(2026, 9, 1)]), BASIS, closed_through=202609)


@pytest.mark.parametrize(
    ("bearer", "expected"),
    [("insured_pool", (1200, 1200, 0)), ("treating_pool", (1200, 1000, 200)), ("hospital", (1000, 1000, 0))],
)
def test_the_bearer_of_incoming_patients(bearer: str, expected: tuple[int, int, int]) -> None:
    rule = OutOfArea.model_validate({"incoming_value": "own", "bearer": bearer, "outgoing": "charged_to_home_budget"})
    found = settle_incoming(1000, 1200, rule)
    assert (found.hospital, found.insured_pool, found.treating_pool) == expected
    assert found.hospital == found.insured_pool + found.treating_pool


def pool(name: str, outgoing: str | None) -> Pool:
    rule = {"incoming_value": "own", "bearer": "hospital", "outgoing": outgoing}
    return Pool.model_validate(
        {
            "id": name,
            "name": {"zh": name, "en": name},
            "insurance_types": ["310"],
            "place": "local",
            "funds": ["fund_pool_paid"],
            "budget": {"method": "share", "fund": "1", "share": "1", "reserve": "0"},
            "point_value": {"method": "fixed", "start": {"value": "10", "unit": "fund_yuan"}},
            "out_of_area": rule if outgoing else None,
        }
    )


def test_own_insured_elsewhere_are_charged_to_the_home_budget() -> None:
    bills = {"a": 77, "b": 50}
    pools = (pool("a", "charged_to_home_budget"), pool("b", "outside_budget"))
    assert outgoing_charges(bills, pools) == {"a": 77}
    with pytest.raises(UserError, match="pool b has no rule"):
        outgoing_charges(bills, (pools[0], pool("b", None)))


def entries(*rows: tuple[str, int, str, int]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["hospital", "month", "kind", "amount"], orient="row")


def test_cash_beside_accrual() -> None:
    accrued = pl.DataFrame({"hospital": ["H"] * 3, "month": [202601, 202602, 202612], "amount": [1000, 900, 50]})
    cash = entries(
        ("H", 202601, "advance", 300),
        ("H", 202601, "prepaid", 950),
        ("H", 202601, "deposit_held", 50),
        ("H", 202602, "prepaid", 855),
        ("H", 202602, "deduction", 20),
        ("H", 202602, "supplier_direct", 45),
        ("H", 202612, "recovered", 200),
    )
    found = reconcile(accrued, cash)
    assert found["cash"].to_list() == [1250, 900, -200]
    assert found["open"].to_list() == [-250, -250, 0]
    assert found["deposit_held"].to_list() == [50, 0, 0]


def test_unknown_or_negative_cash_is_refused() -> None:
    with pytest.raises(UserError) as caught:
        reconcile(
            pl.DataFrame({"hospital": ["H"], "month": [202601], "amount": [1]}),
            entries(("H", 202601, "prepayed", 5), ("H", 202601, "paid", -5)),
        )
    assert "did you mean prepaid" in str(caught.value)
    assert "1 cash entries have no amount or one below zero" in str(caught.value)


@given(st.integers(0, 2**32))
@settings(max_examples=10, deadline=None)
def test_order_of_the_rows_never_matters_to_the_money(seed: int) -> None:
    rng = random.Random(seed)
    frame = claims()
    mixed = frame[rng.sample(range(frame.height), frame.height)]
    assert merge_parts(frame).claims.sort("case_id").equals(merge_parts(mixed).claims.sort("case_id"))
