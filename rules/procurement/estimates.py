"""Estimates with intervals by statsmodels, which the extra `effects` brings; loaded only when one is asked for."""

from importlib import import_module
from typing import Any, NamedTuple

from rules.fault import Text, UserError


class Estimate(NamedTuple):
    """One estimate with its interval and the probability of one as far from zero by chance."""

    value: float
    low: float
    high: float
    p: float


def regression() -> Any:  # noqa: ANN401 (statsmodels has no types)
    """Return statsmodels.api. UserError tells what to install where it is not there."""
    try:
        return import_module("statsmodels.api")
    except ImportError:
        raise UserError(
            Text(
                "政策效应估计需要 statsmodels：请安装 drgdip[effects]",
                "estimates of effects need statsmodels: install drgdip[effects]",
            )
        ) from None


def estimates(values: Any, intervals: Any, p: Any) -> list[Estimate]:  # noqa: ANN401
    """Return the estimates of a fitted regression, or of a test of its combinations, from its arrays in order."""
    return [
        Estimate(float(value), float(low), float(high), float(chance))
        for value, (low, high), chance in zip(values, intervals, p, strict=True)
    ]
