"""Draws are fair, and made of exact arithmetic."""

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.synthetic.draws import Choice, Draws, mixed, scaled, spread


def draws(seed: int = 1) -> Draws:
    return Draws(np.random.SeedSequence(seed))


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=40))
def test_a_choice_gives_each_candidate_its_share(weights: list[float]) -> None:
    choice = Choice.of([[1.0, 2.0], weights])
    kept = np.minimum(choice.keep.astype(np.float64), 2.0**32)
    given = np.zeros(len(kept))
    np.add.at(given, np.arange(len(kept)), kept)
    np.add.at(given, choice.other, 2.0**32 - kept)
    shares = given[2:] / given[2:].sum()
    assert shares == pytest.approx(np.array(weights) / sum(weights), abs=1e-6)


def test_a_choice_draws_from_its_row_only() -> None:
    choice = Choice.of([[1, 3], [], [5, 5, 10]])
    drawn = choice.draw(draws(), np.repeat([0, 2], 40_000))
    assert np.bincount(drawn[:40_000], minlength=5) / 40_000 == pytest.approx([0.25, 0.75, 0, 0, 0], abs=0.01)
    assert np.bincount(drawn[40_000:], minlength=5) / 40_000 == pytest.approx([0, 0, 0.25, 0.25, 0.5], abs=0.01)


def test_numbers_are_spread_evenly() -> None:
    numbers = draws().below(10, 100_000)
    assert np.bincount(numbers) / 100_000 == pytest.approx([0.1] * 10, abs=0.005)
    assert draws().chance(0.3, 100_000).mean() == pytest.approx(0.3, abs=0.005)
    assert scaled(np.array([0, 2**31, 2**32 - 1], np.uint32), 100).tolist() == [0, 50, 99]


def test_factors_are_log_normal_with_mean_one() -> None:
    factors = spread(0.4)
    assert factors.mean() == pytest.approx(1, abs=1e-3)
    for share in (0.01, 0.25, 0.5, 0.9, 0.999):
        expected = np.exp(0.4 * NormalDist().inv_cdf(share) - 0.08)
        assert np.quantile(factors, share) == pytest.approx(expected, rel=1e-3)
    assert (factors == np.rint(factors * 1e6) / 1e6).all()


def test_scrambled_numbers_are_those_of_splitmix64() -> None:
    # The first values of the published generator started at 0; its state grows by the constant each time.
    words = [int(mixed(np.array([0]), salt)[0]) for salt in (1, 2, 3)]
    assert words == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
