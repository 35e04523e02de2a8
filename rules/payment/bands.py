"""Retention and sharing by bands of a = booked ÷ payable (结余留用、合理超支分担).

The national texts give no percentages. Each side has its own mode: `whole` lets the band of a decide for the whole
difference, which makes cliffs; `marginal` gives each slice its own share.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from rules.policy.settlement import Band, Overspend, Surplus


class Cliff(NamedTuple):
    """A jump of what the fund pays, as a share of the payable, when `a` passes a bound in mode `whole`."""

    at: Fraction
    before: Fraction
    after: Fraction


def granted(
    payable: Fraction, booked: int, surplus: Surplus, overspend: Overspend, retention: Fraction = Fraction(1)
) -> Fraction:
    """Return what the fund grants before the assessment coefficient (fen, exact).

    Surplus (booked ≤ payable): booked + retained part of the difference, the shares times `retention`, the hospital's
    score where it acts there. Overspend: payable + shared part of the difference; a payable of zero or less falls
    into the last band.
    """
    if booked <= payable:
        return booked + retention * _part(surplus, payable, Fraction(booked), payable)
    return payable + _part(overspend, payable, payable, Fraction(booked))


def _part(side: Surplus | Overspend, payable: Fraction, low: Fraction, high: Fraction) -> Fraction:
    """Return the shares of the money between `low` and `high`: from booked to payable or from payable to booked."""
    if side.mode == "whole" or payable <= 0:
        decides = low if isinstance(side, Surplus) else high
        return _share(_band(side, decides, payable)) * (high - low)
    part, lower = Fraction(0), Fraction(0)
    for band in side.bands:
        bound = _bound(band)
        upper = high if bound is None else min(high, bound * payable)
        part += max(Fraction(0), upper - max(low, lower)) * _share(band)
        lower = max(lower, upper)
    return part


def _band(side: Surplus | Overspend, booked: Fraction, payable: Fraction) -> Band:
    """Return the band that holds a = booked ÷ payable."""
    for band in side.bands[:-1]:
        edge = (_bound(band) or Fraction(0)) * payable
        if payable > 0 and (booked < edge or (booked == edge and band.up_to is not None)):
            return band
    return side.bands[-1]


def _bound(band: Band) -> Fraction | None:
    """Return a band's upper bound; None where it is open."""
    bound = band.below if band.below is not None else band.up_to
    return None if bound is None else Fraction(bound)


def _share(band: Band) -> Fraction:
    """Return a band's share, of whichever side."""
    return Fraction(band.retain if band.retain is not None else band.share or 0)


def cliffs(side: Surplus | Overspend) -> Iterator[Cliff]:
    """Yield the jumps of a side in mode `whole`: bands what a hospital gains or loses by a fen."""
    if side.mode != "whole":
        return
    for band, following in zip(side.bands, side.bands[1:], strict=False):
        at = _bound(band)
        if at is None or (at >= 1) == isinstance(side, Surplus):
            continue
        before, after = (_granted_at(at, _share(b), isinstance(side, Surplus)) for b in (band, following))
        if before != after:
            yield Cliff(at, before, after)


def _granted_at(a: Fraction, share: Fraction, is_surplus: bool) -> Fraction:
    """Return what is granted per fen of payable at `a`."""
    return a + share * (1 - a) if is_surplus else 1 + share * (a - 1)
