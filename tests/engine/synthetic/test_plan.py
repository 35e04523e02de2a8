"""How claims are divided over months, chunks and persons."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.synthetic import Plan, load_city
from engine.synthetic.plan import CHUNK, Chunk, parts_of


@given(whole=st.integers(0, 10**9), shares=st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=50))
def test_parts_add_up_and_are_near_their_share(whole: int, shares: list[float]) -> None:
    parts = parts_of(whole, shares)
    assert sum(parts) == whole
    assert all(abs(part - whole * share / sum(shares)) < 1.0001 for part, share in zip(parts, shares, strict=True))


@settings(deadline=None, max_examples=40)
@given(claims=st.integers(1, 3_000_000), years=st.integers(1, 4))
def test_every_claim_has_its_month(claims: int, years: int) -> None:
    months = Plan(load_city(), 1, claims, 2024, 2023 + years).months
    own = sum(month.drawn + month.refunds for month in months)
    assert own + sum(month.carried_refunds + month.carried_parts for month in months) == claims
    assert all(month.bounds[-1] == month.drawn for month in months)
    assert (months[-1].carried_refunds, months[-1].carried_parts) == (0, 0)


def test_some_months_hold_all_claims_and_take_nothing_over_from_before() -> None:
    months = Plan(load_city(), 1, 30_000, 2025, 2026, 11, 2).months
    assert [month.number for month in months] == [202511, 202512, 202601, 202602]
    own = sum(month.drawn + month.refunds for month in months)
    assert own + sum(month.carried_refunds + month.carried_parts for month in months) == 30_000
    whole = Plan(load_city(), 1, 30_000 * 6, 2025, 2026).months[10:14]
    for some, year in zip(months, whole, strict=True):
        assert some.drawn == pytest.approx(year.drawn, rel=0.1)


@pytest.mark.parametrize("claims", [7, 1000, 40 * CHUNK])
def test_chunks_divide_a_month_without_gap(claims: int) -> None:
    plan = Plan(load_city(), 1, claims, 2026, 2026)
    for month in plan.months:
        chunks = [Chunk(month, place) for place in month.chunks]
        assert sum(chunk.size for chunk in chunks) == month.drawn
        for total in (month.refunds, month.carried_refunds, month.carried_parts):
            slices = [chunk.slice(total) for chunk in chunks]
            assert [number for part in slices for number in part] == list(range(total))


def test_nobody_is_drawn_twice_in_a_month() -> None:
    plan = Plan(load_city(), 1, 300_000, 2024, 2026)
    for month in plan.months[::7]:
        kinds, persons = plan.kinds_and_persons(Chunk(month, 0))
        pairs = np.stack((kinds, persons))
        assert np.unique(pairs, axis=1).shape == pairs.shape


def test_kinds_of_patients_are_spread_evenly_over_a_month() -> None:
    plan = Plan(load_city(), 1, 30 * CHUNK, 2026, 2026)
    month = plan.months[0]
    whole = np.diff(month.bounds) / month.drawn
    for place in month.chunks[:-1]:
        kinds, _ = plan.kinds_and_persons(Chunk(month, place))
        assert np.abs(np.bincount(kinds, minlength=len(whole)) / len(kinds) - whole).max() < 0.002
