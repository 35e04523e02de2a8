"""The kernel equals fractions: any size up to 255 bits, either sign, every mode."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.money import round_whole
from rules.payment.exact_kernel import BITS, MODES, wide
from rules.payment.exact_lines import lines_of, proportional, ratios_of, rounded
from rules.payment.formulas import Linear

fractions = st.builds(Fraction, st.integers(-(10**24), 10**24), st.integers(1, 10**18))
ratios = st.builds(Fraction, st.integers(0, 10**12), st.integers(10**6, 10**18))
slopes = st.builds(Fraction, st.integers(0, 10**20), st.integers(10**17, 10**18))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(fractions, slopes), min_size=1, max_size=5),
    st.lists(ratios, min_size=1, max_size=3),
    st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=20),
    st.sampled_from(MODES),
)
def test_lines_times_ratios(
    lines: list[tuple[Fraction, Fraction]], pairs: list[Fraction], x: list[int], mode: str
) -> None:
    row = np.arange(len(x), dtype=np.int32) % len(lines)
    pair = np.arange(len(x), dtype=np.int32) % len(pairs)
    wanted = [(lines[r][0] + lines[r][1] * v) * pairs[p] for r, v, p in zip(row, x, pair, strict=True)]
    if max(map(abs, wanted)) >= 1 << 61:
        return
    exact = lines_of([Linear(*line) for line in lines])
    found = rounded(np.array(x), exact, ratios_of(pairs), mode, row, pair)  # type: ignore[arg-type]
    assert found.tolist() == [round_whole(value, mode) for value in wanted]  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", MODES)
def test_halves(mode: str) -> None:
    x = np.arange(-9, 10)
    found = rounded(x, proportional(Fraction(1, 2)), ratios_of([Fraction(1)]), mode)  # type: ignore[arg-type]
    assert found.tolist() == [round_whole(Fraction(int(v), 2), mode) for v in x]  # type: ignore[arg-type]


def test_many_rows_are_dealt_out_to_every_core() -> None:
    x = np.arange(250_000)
    found = rounded(x, proportional(Fraction(7, 3)), ratios_of([Fraction(1)]), "floor")
    assert (found == x * 7 // 3).all()


def test_level_lines_are_reckoned_once() -> None:
    lines = lines_of([Linear(Fraction(7, 2), Fraction(0)), Linear(Fraction(0), Fraction(1, 3))])
    x, row = np.arange(1000), (np.arange(1000) % 2).astype(np.int32)
    found = rounded(
        x, lines, ratios_of([Fraction(1), Fraction(2)]), "half_even", row, (np.arange(1000) % 2).astype(np.int32)
    )
    assert found[0::2].tolist() == [4] * 500
    assert found[1::2].tolist() == [round_whole(Fraction(2 * int(v), 3), "half_even") for v in x[1::2]]


def test_numbers_that_do_not_fit() -> None:
    assert wide([(1 << BITS) - 1, -(1 << BITS)]).bits == BITS + 1
    with pytest.raises(OverflowError):
        wide([1 << 256])
