"""Fund part over funds: equal to the slow reading, always adding up to the case."""

from fractions import Fraction

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.money import largest_remainder
from rules.payment.fund_split import split_columns, split_over_funds
from rules.policy.settlement import FundSplit

FUNDS = ("fund_pool_paid", "fund_large_paid", "fund_serious_paid")
RULES = [
    {"method": "order", "remainder": "hospital"},
    {"method": "order", "remainder": "fund_pool_paid"},
    {"method": "order", "remainder": "fund_assist_paid", "cap": "1.10"},
    {"method": "proportion"},
    {"method": "proportion", "cap": "1.10", "remainder": "hospital"},
    {"method": "proportion", "cap": "1.10", "remainder": "fund_large_paid"},
]
amount = st.one_of(st.integers(0, 20), st.integers(0, 10**11))
cases = st.lists(
    st.tuples(st.one_of(st.integers(-20, 20), st.integers(-(10**11), 10**11)), amount, amount, amount),
    min_size=1,
    max_size=20,
)


def split_slowly(whole: int, booked: dict[str, int], rule: FundSplit) -> dict[str, int]:
    """One case, fund by fund, as the declared method says."""
    cap = None if rule.cap is None else Fraction(rule.cap)
    most = {fund: int(own * cap) if cap is not None else own for fund, own in booked.items()}
    parts: dict[str, int] = {}
    if rule.method == "order":
        left = max(whole, 0)
        for fund in rule.funds:
            parts[fund] = min(left, most[fund])
            left -= parts[fund]
    else:
        shares = booked if any(booked.values()) else {fund: int(fund == rule.funds[0]) for fund in booked}
        ordered = {f"{n}": shares[fund] for n, fund in enumerate(rule.funds)}
        size = whole if rule.remainder is None else max(whole, 0)
        found = by_place(size, ordered)
        parts = {fund: found[f"{n}"] for n, fund in enumerate(rule.funds)}
        if cap is not None:
            parts = {fund: min(part, most[fund]) for fund, part in parts.items()}
    if rule.remainder is not None:
        parts[rule.remainder] = parts.get(rule.remainder, 0) + whole - sum(parts.values())
    return parts


def by_place(total: int, shares: dict[str, int]) -> dict[str, int]:
    """Largest remainder whose ties go to the first named."""
    base, sign, size = sum(shares.values()), -1 if total < 0 else 1, abs(total)
    parts = {name: size * share // base for name, share in shares.items()}
    order = sorted(shares, key=lambda name: (-(size * shares[name] % base), name))
    for name in order[: size - sum(parts.values())]:
        parts[name] += 1
    return {name: sign * part for name, part in parts.items()}


@given(cases, st.sampled_from(RULES))
@settings(max_examples=200, deadline=None)
def test_split_equals_the_slow_reading_and_adds_up(rows: list[tuple[int, ...]], table: dict[str, str]) -> None:
    rule = FundSplit.model_validate({"funds": FUNDS, **table})
    frame = pl.DataFrame(rows, schema=["fund_part", *FUNDS], orient="row")
    found = split_over_funds(frame, rule)
    assert found.columns == split_columns(rule)
    assert found.sum_horizontal().to_list() == frame["fund_part"].to_list()
    for row, split in zip(rows, found.to_dicts(), strict=True):
        expected = split_slowly(row[0], dict(zip(FUNDS, row[1:], strict=True)), rule)
        assert split == {f"{fund}_split": part for fund, part in expected.items()}


def test_one_city_publishes_amount_and_cap() -> None:
    """By item 600 + 400, after the budget 1,200: 720 + 480; a 110 % cap leaves 660 + 440, the hospital bears 100."""
    rule = FundSplit.model_validate(
        {"funds": FUNDS[:2], "method": "proportion", "cap": "1.10", "remainder": "hospital"}
    )
    frame = pl.DataFrame({"fund_part": [1200], "fund_pool_paid": [600], "fund_large_paid": [400]})
    assert split_over_funds(frame, rule).row(0) == (660, 440, 100)
    assert largest_remainder(1200, {"pool": 600, "large": 400}) == {"pool": 720, "large": 480}
