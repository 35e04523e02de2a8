"""Rounding equals Python's decimal module; divisions add up."""

import decimal
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.money import exact_text, fen, largest_remainder, round_decimals, round_fen, round_whole, yuan_text

LONG = Fraction(10**5000 // 7, 3**9000 * 10**705)
"""A value whose terms have more digits than Python prints."""
SAME_AS = {
    "half_away_from_zero": decimal.ROUND_HALF_UP,
    "half_even": decimal.ROUND_HALF_EVEN,
    "half_toward_zero": decimal.ROUND_HALF_DOWN,
    "up": decimal.ROUND_UP,
    "down": decimal.ROUND_DOWN,
    "ceiling": decimal.ROUND_CEILING,
    "floor": decimal.ROUND_FLOOR,
}
amounts = st.decimals(-(10**9), 10**9, allow_nan=False, allow_infinity=False, places=3)


@given(amounts, st.sampled_from(sorted(SAME_AS)))
def test_modes_equal_the_decimal_module(amount: Decimal, mode: str) -> None:
    wanted = int(amount.quantize(Decimal(1), SAME_AS[mode]))
    assert round_whole(amount, mode) == wanted  # type: ignore[arg-type]


@pytest.mark.parametrize(("mode", "plus", "minus"), [("half_up", 3, -2), ("half_down", 2, -3)])
def test_halves_toward_plus_and_minus_infinity(mode: str, plus: int, minus: int) -> None:
    assert (round_whole(Fraction(5, 2), mode), round_whole(Fraction(-5, 2), mode)) == (plus, minus)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("exact", "step", "mode", "wanted"),
    [
        ("815558.73", "fen", "half_away_from_zero", 815559),
        ("815558.73", "jiao", "half_away_from_zero", 815560),
        ("815558.73", "yuan", "half_away_from_zero", 815600),
        ("815550", "yuan", "half_even", 815600),
        ("815450", "yuan", "half_even", 815400),
        ("-0.5", "fen", "half_away_from_zero", -1),
        ("-0.5", "fen", "half_even", 0),
    ],
)
def test_steps(exact: str, step: str, mode: str, wanted: int) -> None:
    assert round_fen(Decimal(exact), step, mode) == wanted  # type: ignore[arg-type]


def test_rounding_last_or_first() -> None:
    """The difference of two standards is rounded once, from the exact figures (KA-26)."""
    rate = Decimal("9575.25") * Decimal("0.92")
    exact = Decimal("0.9258") * rate, Decimal("0.6524") * rate
    assert round_fen(fen(exact[0] - exact[1]), "fen", "half_away_from_zero") == 240844
    each = [round_fen(fen(part), "fen", "half_away_from_zero") for part in exact]
    assert each[0] - each[1] == 240845


def test_decimals_and_text() -> None:
    assert round_decimals(Fraction(1, 3), 4, "half_even") == Fraction(3333, 10000)
    assert [yuan_text(amount) for amount in (0, 5, -5, 123456)] == ["0.00", "0.05", "-0.05", "1234.56"]


@given(
    st.integers(-(10**13), 10**13), st.dictionaries(st.text(max_size=4), st.integers(0, 10**9), min_size=1, max_size=30)
)
def test_parts_add_up_and_no_order_matters(total: int, shares: dict[str, int]) -> None:
    if not sum(shares.values()):
        shares = dict.fromkeys(shares, 1)
    parts = largest_remainder(total, shares)
    assert sum(parts.values()) == total
    assert parts == largest_remainder(total, dict(reversed(shares.items())))
    assert largest_remainder(-total, shares) == {key: -part for key, part in parts.items()}
    whole = sum(shares.values())
    assert all(abs(Fraction(total * share, whole) - parts[key]) < 1 for key, share in shares.items())


def test_ties_of_a_division() -> None:
    assert largest_remainder(1, {"b": 1, "a": 1}) == {"a": 1, "b": 0}
    assert largest_remainder(2, {"a": 1, "b": 3}) == {"a": 0, "b": 2}, "the larger share first"
    with pytest.raises(ValueError, match="no share"):
        largest_remainder(1, {"a": 0})
    with pytest.raises(ValueError, match="negative"):
        largest_remainder(1, {"a": -1, "b": 2})


@given(st.fractions(max_denominator=10**20))
def test_exact_text_is_the_figure(exact: Fraction) -> None:
    assert Fraction(exact_text(exact)) == exact


def test_exact_text_of_endless_figures_has_60_decimals() -> None:
    assert exact_text(-Fraction(1, 10**60)) == f"-0.{1:060d}"
    assert exact_text(Fraction(-2, 3 * 10**60)) == f"-0.{1:060d}"
    for value in (LONG, -LONG, LONG + 10**30):
        assert abs(Fraction(exact_text(value)) - value) <= Fraction(1, 2 * 10**60)
        assert len(exact_text(value).split(".")[1]) == 60
