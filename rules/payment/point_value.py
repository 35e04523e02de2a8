"""Point values and rates of a pool, and the step from charges to fund money.

Start of the year, settlement, fixed, floating, elastic. A value is fen per point, an exact fraction, in the unit the
policy names: `charge_yuan` (value × points is a charge level and a fund ratio follows) or `fund_yuan` (value × points
is fund money). Money paid outside points comes off the pool first. Source: 医保发〔2025〕18号 and the 2025 规程;
医保办发〔2020〕45号 for the start value and the fund ratio of the settlement value.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, NamedTuple

from rules.fault import Text, UserError
from rules.money import Mode, round_decimals

Unit = Literal["charge_yuan", "fund_yuan"]
FundRatioLevel = Literal["pool", "hospital", "case"]
Gap = Literal["normalise", "reserve"]
RestReason = Literal["none", "no_points", "negative", "cap", "floor", "decimals", "fixed"]


class PointValue(NamedTuple):
    """A value (fen per point) and the money it leaves in the pool (negative: it pays too much), with its cause."""

    value: Fraction
    rest: Fraction = Fraction()
    reason: RestReason = "none"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a floating value may be: floor and cap (fen per point), and the decimals of a yuan it is rounded to."""

    floor: Fraction | None = None
    cap: Fraction | None = None
    decimals: int | None = None
    mode: Mode = "half_away_from_zero"


@dataclass(frozen=True, slots=True)
class PoolMoney:
    """A pool's money of a year or month, fen.

    fund: F, after the reserve. ratio: ρ, needed in charge_yuan. outside: what is paid outside points (by-item cases,
    special cases, per diem, exclusion extras, separate items), in the unit of the value.
    """

    fund: Fraction
    unit: Unit
    outside: Fraction = Fraction()
    ratio: Fraction | None = None

    @property
    def for_points(self) -> Fraction:
        """Return what the points share, in the unit of the value; may be negative."""
        if self.unit == "fund_yuan":
            return self.fund - self.outside
        if self.ratio is None or not 0 < self.ratio <= 1:
            raise UserError(
                Text(
                    f"按费用口径的点值需要大于 0 且不超过 1 的医保支付比例，现为 {self.ratio}",
                    f"a point value in charge_yuan needs a fund ratio above 0 and at most 1, not {self.ratio}",
                )
            )
        return self.fund / self.ratio - self.outside


def fund_ratio(booked: int, charge: int) -> Fraction:
    """Return ρ: the booked amount of the funds the budget covers over the total charge of the same cases (both fen)."""
    if charge <= 0:
        raise UserError(Text("总费用为零，无法计算医保支付比例", "the fund ratio needs a positive total charge"))
    return Fraction(booked, charge)


def start_value(years: Mapping[int, tuple[int, Fraction]], year_weights: Mapping[int, int]) -> Fraction:
    """Return the start-of-year value: weighted total charge over weighted total points (1:2:7), from trimmed cases.

    `years`: year → (charge in fen, points). Years without points are left out.
    """
    seen = {year: pair for year, pair in years.items() if pair[1]}
    points = sum((year_weights[year] * pair[1] for year, pair in seen.items()), Fraction())
    if not points:
        raise UserError(Text("历史年度没有点数，无法计算预算点值", "the start value needs points in at least one year"))
    return sum(year_weights[year] * pair[0] for year, pair in seen.items()) / points


def predicted_rate(fund_budget: int, last_fund_ratio: Fraction, predicted_weight: Fraction) -> Fraction:
    """Return the DRG rate (fen per weight 1.0): predicted total charge over predicted total weight.

    The predicted charge is the fund budget over last year's actual reimbursement ratio.
    """
    return floating_value(
        PoolMoney(Fraction(fund_budget), "charge_yuan", ratio=last_fund_ratio), predicted_weight
    ).value


def floating_value(money: PoolMoney, points: Fraction, limits: Limits | None = None) -> PointValue:
    """Return the value at which all points share the pool's money: (F/ρ - outside) ÷ points, or (F - outside) ÷ points.

    The settlement value of a year and the floating value of a month alike. Without points, below zero, or at a limit,
    the rest is named.
    """
    return _share_out(money.for_points, points, limits)


def elastic_value(
    money: PoolMoney, fixed_money: Fraction, floating_points: Fraction, limits: Limits | None = None
) -> PointValue:
    """Return v₂ = (T - money of the fixed points) ÷ floating points, T with the money outside points taken off.

    The three forms differ only in the share of the points that is fixed: `base_share` of a hospital's, all of a severe
    group's and none of a mild one's, the rigid share of each group's cost.
    """
    return _share_out(money.for_points - fixed_money, floating_points, limits)


def base_share(points: Fraction, base: Fraction) -> Fraction:
    """Return the share of a hospital's points within its base volume: min(points, base) ÷ points."""
    return min(points, base) / points if points > 0 else Fraction(0)


def fixed_value_of_share(total: Fraction, fixed_share: Fraction, fixed_points: Fraction) -> Fraction:
    """Return v₁ where the policy splits amounts (8:2, 7:3): the fixed share of the money over the fixed points."""
    if fixed_points <= 0:
        raise UserError(
            Text("固定部分没有点数，无法计算固定点值", "the fixed share of the money needs points to be spread over")
        )
    return total * fixed_share / fixed_points


def _share_out(money: Fraction, points: Fraction, limits: Limits | None) -> PointValue:
    """Return money ÷ points within the limits."""
    limits = limits or Limits()
    if points <= 0:
        return PointValue(Fraction(), money, "no_points" if money else "none")
    value = money / points
    reason: RestReason = "none"
    if value < 0:
        value, reason = Fraction(), "negative"
    if limits.floor is not None and value < limits.floor:
        value, reason = limits.floor, "floor"
    if limits.cap is not None and value > limits.cap:
        value, reason = limits.cap, "cap"
    if limits.decimals is not None:
        rounded = 100 * round_decimals(value / 100, limits.decimals, limits.mode)
        reason = "decimals" if reason == "none" and rounded != value else reason
        value = rounded
    return PointValue(value, money - points * value, reason)


class FundMoney(NamedTuple):
    """Fund money of each part (fen, exact) and the gap to the total, positive where money is left for the reserve."""

    parts: Mapping[str, Fraction]
    gap: Fraction


def close_gap(parts: Mapping[str, Fraction], total: Fraction, gap: Gap) -> FundMoney:
    """Say what becomes of the gap between the fund money of all parts (fen) and the `total` they share.

    With the pool's ratio everywhere and an untouched floating value there is none; with hospital or case ratios the
    parts are either scaled to the total (`normalise`) or the gap is booked to the reserve.
    """
    paid = sum(parts.values(), Fraction())
    if gap == "normalise" and paid:
        return FundMoney({name: part * total / paid for name, part in parts.items()}, Fraction())
    return FundMoney(parts, total - paid)
