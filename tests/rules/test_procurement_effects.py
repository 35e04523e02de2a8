"""Estimates of effects: series of which the effect is known, and the refusal without statsmodels."""

import sys
from importlib.util import find_spec

import polars as pl
import pytest

from rules.fault import UserError
from rules.procurement.difference_in_differences import difference_in_differences
from rules.procurement.estimates import regression
from rules.procurement.interrupted_time_series import interrupted_time_series

needs_statsmodels = pytest.mark.skipif(find_spec("statsmodels") is None, reason="needs drgdip[effects]")
MONTHS = [*range(202401, 202413), *range(202501, 202513)]
SERIES = pl.DataFrame(
    {
        "month": MONTHS,
        "value": [10 + 0.1 * n - (3 + 0.2 * (n - 12) if n >= 12 else 0) + 0.01 * (-1) ** n for n in range(24)],
    }
)
PANEL = pl.DataFrame(
    [
        (place, month, place < "c", ord(place) + 0.5 * n - (2 if place < "c" and n >= 6 else 0) + 0.01 * (n * k % 5))
        for k, place in enumerate("abcdef")
        for n, month in enumerate(MONTHS[:12])
    ],
    schema=["place", "month", "pilot", "value"],
    orient="row",
)


def test_without_statsmodels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "statsmodels.api", None)
    with pytest.raises(UserError, match=r"install drgdip\[effects\]"):
        regression()


@needs_statsmodels
def test_interrupted_time_series() -> None:
    """The jump is 3, the slope turns by 0.2 a month, so that the twelfth month is 5.2 below what it would have been."""
    found = interrupted_time_series(SERIES, 202501, lags=2)
    assert found.level.value == pytest.approx(-3, abs=0.02)
    assert found.trend.value == pytest.approx(-0.2, abs=0.002)
    assert found.slope_before.low < 0.1 < found.slope_before.high
    last = found.path.row(-1, named=True)
    assert last["effect"] == pytest.approx(-5.2, abs=0.02)
    assert last["without"] == pytest.approx(12.3, abs=0.02)
    assert last["low"] < last["effect"] < last["high"]
    assert last["relative"] == pytest.approx(last["effect"] / last["without"])
    assert found.path["effect"].null_count() == 12


@needs_statsmodels
def test_difference_in_differences() -> None:
    """In a balanced panel the effect is the difference of four means."""
    found = difference_in_differences(PANEL, 202407)
    after = pl.col("month") >= 202407
    means = [
        PANEL.filter(side & when)["value"].mean()
        for side in (pl.col("pilot"), ~pl.col("pilot"))
        for when in (after, ~after)
    ]
    pilot_after, pilot_before, other_after, other_before = map(float, means)  # type: ignore[arg-type]
    assert found.effect.value == pytest.approx(pilot_after - pilot_before - other_after + other_before)
    assert found.effect.low < -2 < found.effect.high
    assert found.slope_before is not None
    assert found.slope_before.value == pytest.approx(0, abs=0.01)
    assert (found.places, found.means.height) == (6, 12)


@pytest.mark.parametrize(
    ("frame", "starts", "says"),
    [
        (SERIES.filter(pl.col("month") != 202405), 202501, "not consecutive"),
        (SERIES, 202402, "at least 3 months"),
        (SERIES.with_columns(value=None), 202501, "24 rows have empty cells"),
    ],
)
def test_series_that_are_refused(frame: pl.DataFrame, starts: int, says: str) -> None:
    with pytest.raises(UserError, match=says):
        interrupted_time_series(frame, starts, lags=2)


@pytest.mark.parametrize(
    ("frame", "starts", "says"),
    [
        (pl.concat([PANEL, PANEL.head(1)]), 202407, "2 rows share place and month"),
        (PANEL.with_columns(pilot=pl.col("place") == "a"), 202407, "at least two pilot places"),
        (PANEL.with_columns(pilot=pl.col("month") > 202407), 202407, "6 places are both pilot and not"),
        (PANEL, 202401, "months are needed before and after"),
    ],
)
def test_panels_that_are_refused(frame: pl.DataFrame, starts: int, says: str) -> None:
    with pytest.raises(UserError, match=says):
        difference_in_differences(frame, starts)
