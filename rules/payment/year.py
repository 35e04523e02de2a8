"""A pool's year from priced cases to clearing: points, final value, payable, then the steps of `clearing` (§6).

Money outside points comes off F first, in the fen that hospitals are paid for it; the final value shares the rest;
every hospital's payable is exact until clearing rounds its amount once.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

import polars as pl

from rules.fault import Text, UserError
from rules.money import fen, round_fen
from rules.payment.assessment import NO_EFFECT, Effect
from rules.payment.budget import PoolBudget
from rules.payment.clearing import HospitalYear, PoolClearing, PoolYear, Stage, clear
from rules.payment.figures import limits_of, start_value
from rules.payment.fund_part import (
    Key,
    Sums,
    case_parts,
    outside_part,
    ratio_of,
    sums_by,
    total,
    value_ratio,
    with_fund_columns,
)
from rules.payment.place import unknown_pools
from rules.payment.point_value import Gap, PointValue, PoolMoney, base_share, close_gap, elastic_value
from rules.payment.statement import Documents, Line, rule_line, undocumented
from rules.policy.model import Rules
from rules.policy.pools import Capped, ElasticCost, ElasticSeverity, ElasticVolume, FixedValue, FloatingValue, Pool

Hospital = tuple[str, str]
FixedShare = Callable[[str], Fraction]
YEAR_KEYS = ("pool", "hospital_id", "value_month", "group")


TABLES = {
    "months": Text("医院月", "the hospital-months"),
    "deductions": Text("扣款表", "the table of deductions"),
    "control": Text("总控扣款", "the total-control deductions"),
    "advanced": Text("预付金与周转金表", "the table of advances"),
    "vbp": Text("集采结余留用表", "the table of procurement retention"),
    "lines": Text("单独结算项目表", "the table of separately settled items"),
}
"""Tables of money by pool and hospital that a clearing takes."""


class Paid(NamedTuple):
    """What a hospital's months came to in cash (fen): prepaid, and deposit held."""

    prepaid: int = 0
    deposit: int = 0


@dataclass(frozen=True, slots=True)
class YearInputs:
    """What a year's clearing takes beside the cases; by (pool, hospital) in fen unless said otherwise.

    budgets: by pool. base_points: of elastic volume. fixed_shares: by group, of severe groups and rigid cost. lines:
    separately settled items, adjustments of cleared years; pool_lines: by pool, care of own insured elsewhere.
    """

    budgets: Mapping[str, PoolBudget]
    months: Mapping[Hospital, Paid] = field(default_factory=dict)
    effects: Mapping[str, Effect] = field(default_factory=dict)
    deductions: Mapping[Hospital, int] = field(default_factory=dict)
    control: Mapping[Hospital, int] = field(default_factory=dict)
    advanced: Mapping[Hospital, int] = field(default_factory=dict)
    vbp: Mapping[Hospital, int] = field(default_factory=dict)
    lines: Mapping[Hospital, tuple[Line, ...]] = field(default_factory=dict)
    pool_lines: Mapping[str, tuple[Line, ...]] = field(default_factory=dict)
    base_points: Mapping[Hospital, Fraction] = field(default_factory=dict)
    fixed_shares: Mapping[str, Fraction] = field(default_factory=dict)

    def hospitals(self, pool: str) -> set[str]:
        """Return the hospitals of a pool that money is known of, with or without cases."""
        return {hospital for _, table in self.tables() for own, hospital in table if own == pool}

    def tables(self) -> list[tuple[Text, Mapping[Hospital, object]]]:
        """Return the tables of money by pool and hospital, each with its name."""
        return [(what, getattr(self, name)) for name, what in TABLES.items()]


class Share(NamedTuple):
    """A hospital's points of the year: sums, money of the points at the start value (fen), points at the final one."""

    sums: Sums
    fixed_money: Fraction
    floating: Fraction


class PoolPoints(NamedTuple):
    """A pool's year before clearing: hospitals' shares, ρ of the pool, what is paid outside points, the final value."""

    pool: Pool
    shares: Mapping[str, Share]
    ratio: Fraction
    outside: Mapping[str, tuple[Line, ...]]
    for_points: int
    value: PointValue


class PoolResult(NamedTuple):
    """A cleared pool with its points and value."""

    points: PoolPoints
    cleared: PoolClearing


def year_sums(priced: pl.DataFrame, rules: Rules) -> dict[Key, Sums]:
    """Return the sums of a year's cases, or of some of them: those of all parts of a year add up to its own.

    `priced`: cases as in the months. Sums are kept by month and by group only where the value asks for them.
    """
    if "value_month" not in priced.columns:
        priced = priced.with_columns(pl.col("month").alias("value_month"))
    months = [p.id for p in rules.pools if not isinstance(p.point_value, FloatingValue)]
    groups = [p.id for p in rules.pools if isinstance(p.point_value, ElasticCost | ElasticSeverity)]
    pool = pl.col("pool").cast(pl.String)
    grouped = priced.with_columns(
        pl.when(pool.is_in(months))
        .then(pl.col("value_month").cast(pl.String))
        .otherwise(pl.lit(""))
        .alias("value_month"),
        pl.when(pool.is_in(groups)).then(pl.col("group").cast(pl.String)).fill_null("").alias("group"),
    )
    return sums_by(with_fund_columns(grouped, rules, rules.clearing), YEAR_KEYS, rules.money)


def added(parts: Iterable[Mapping[Key, Sums]]) -> dict[Key, Sums]:
    """Return the sums of a year from those of its parts."""
    found: dict[Key, Sums] = {}
    for part in parts:
        for key, sums in part.items():
            found[key] = found.get(key, Sums()).plus(sums)
    return found


def year_points(sums: Mapping[Key, Sums], rules: Rules, inputs: YearInputs) -> dict[str, PoolPoints]:
    """Return each pool's points, money outside points and final value from the sums of the year's cases."""
    faults = unknown_pools((key[0] for key in sums), rules, Text("计付结果", "the priced cases"))
    for what, table in inputs.tables():
        faults += unknown_pools((key[0] for key in table), rules, what)
    faults += unknown_pools(inputs.pool_lines, rules, TABLES["lines"])
    if faults:
        raise UserError(faults)
    return {pool.id: _pool_points(pool, rules, inputs, sums) for pool in rules.pools if pool.id in inputs.budgets}


def _pool_points(pool: Pool, rules: Rules, inputs: YearInputs, sums: Mapping[Key, Sums]) -> PoolPoints:
    """Return one pool's points and final value."""
    own = {key[1:]: part for key, part in sums.items() if key[0] == pool.id}
    by_hospital: dict[str, list[tuple[str, str, Sums]]] = {h: [] for h in inputs.hospitals(pool.id)}
    for (hospital, month, group), part in own.items():
        by_hospital.setdefault(hospital, []).append((month, group, part))
    shares = {h: _share(pool, h, parts, rules, inputs) for h, parts in sorted(by_hospital.items())}
    whole = total([share.sums for share in shares.values()])
    ratios = _ratios(pool, rules, shares, whole)
    outside = {h: _outside(pool, h, share.sums, ratios[h], rules, inputs) for h, share in shares.items()}
    spent = sum(line.amount for lines in outside.values() for line in lines)
    spent += sum(inputs.vbp.get((pool.id, h), 0) for h in shares)
    spent += sum(line.amount for line in inputs.pool_lines.get(pool.id, ()))
    for_points = inputs.budgets[pool.id].fund - spent
    ratio = value_ratio(rules.clearing, pool, whole)
    value = _final_value(pool, rules, list(shares.values()), for_points, ratio)
    return PoolPoints(pool, shares, ratio, outside, for_points, value)


def _outside(
    pool: Pool, hospital: str, sums: Sums, ratio: Fraction, rules: Rules, inputs: YearInputs
) -> tuple[Line, ...]:
    """Return what a hospital is paid beside points: its cases outside points, then the lines given."""
    amount = round_fen(outside_part(rules.clearing, pool, sums, ratio), rules.money.step, rules.money.mode)
    own = Line(Text("点数外支付的病例", "cases paid outside points"), amount, "clearing.fund_ratio_outside")
    return (*((own,) if amount else ()), *inputs.lines.get((pool.id, hospital), ()))


def _share(
    pool: Pool, hospital: str, parts: Sequence[tuple[str, str, Sums]], rules: Rules, inputs: YearInputs
) -> Share:
    """Divide a hospital's points between the start value of their months and the final value."""
    whole = total([part for _, _, part in parts])
    fixed_of = _fixed_share(pool, hospital, whole.points, inputs)
    fixed = [(fixed_of(group), month, part.points) for month, group, part in parts]
    money = sum((s * points * start_value(pool, month, rules.money.value) for s, month, points in fixed), Fraction())
    return Share(whole, money, whole.points - sum((s * points for s, _, points in fixed), Fraction()))


def _fixed_share(pool: Pool, hospital: str, points: Fraction, inputs: YearInputs) -> FixedShare:
    """Return which share of a group's points is paid at the start value."""
    rule = pool.point_value
    if isinstance(rule, FixedValue):
        return lambda _group: Fraction(1)
    if isinstance(rule, ElasticVolume):
        if (pool.id, hospital) not in inputs.base_points:
            zh = f"基础量表没有基金池 {pool.id} 医院 {hospital} 的基础点数"
            raise UserError(Text(zh, f"the table of base points has no hospital {hospital} in pool {pool.id}"))
        share = base_share(points, inputs.base_points[pool.id, hospital])
        return lambda _group: share
    if isinstance(rule, ElasticCost) and rule.rigid_share is not None:
        rigid = Fraction(rule.rigid_share)
        return lambda _group: rigid
    if isinstance(rule, ElasticCost | ElasticSeverity):
        return lambda group: inputs.fixed_shares.get(group, Fraction(0))
    return lambda _group: Fraction(0)


def _ratios(pool: Pool, rules: Rules, shares: Mapping[str, Share], whole: Sums) -> dict[str, Fraction]:
    """Return the ρ that turns each hospital's charge level into fund money."""
    own = rules.clearing.fund_ratio_level == "hospital"
    return {h: ratio_of(rules.clearing, pool, share.sums if own else whole) for h, share in shares.items()}


def hospital_ratios(found: PoolPoints, rules: Rules) -> dict[str, Fraction]:
    """Return the ρ that turns the charge level of each hospital of a pool into fund money."""
    return _ratios(found.pool, rules, found.shares, total([share.sums for share in found.shares.values()]))


def _final_value(pool: Pool, rules: Rules, shares: Sequence[Share], for_points: int, ratio: Fraction) -> PointValue:
    """Return the final value of the points that float, and the rest by name."""
    money = PoolMoney(Fraction(for_points), pool.point_value.start.unit, ratio=ratio)
    fixed = sum((share.fixed_money for share in shares), Fraction())
    floating = sum((share.floating for share in shares), Fraction())
    if isinstance(pool.point_value, FixedValue):
        return PointValue(fen(pool.point_value.start.value), money.for_points - fixed, "fixed")
    return elastic_value(money, fixed, floating, limits_of(pool.point_value, rules.money.value))


def clear_year(
    points: Mapping[str, PoolPoints],
    rules: Rules,
    inputs: YearInputs,
    parts: Mapping[Hospital, int] | None = None,
    stage: Stage = "final",
) -> dict[str, PoolResult]:
    """Clear every pool of a year.

    `points`: from `year_points`. `parts`: from `case_sums`, where the step is reckoned case by case.
    """
    return {name: _clear_pool(found, rules, inputs, parts, stage) for name, found in points.items()}


def case_sums(priced: pl.DataFrame, rules: Rules, points: Mapping[str, PoolPoints]) -> dict[Hospital, int]:
    """Return the fund parts of the cases in points (fen), rounded case by case, by hospital.

    `priced`: the year's cases or some of them, their standards those of the final value. UserError for elastic values.
    """
    elastic = [p.pool.id for p in points.values() if not p.pool.point_value.method.startswith(("fixed", "floating"))]
    if elastic:
        raise UserError(
            [
                Text(
                    f"基金池 {name} 的弹性点值不能按病例比例或逐例取零结算",
                    f"pool {name}: an elastic value cannot be cleared by ratios or floors of the case",
                )
                for name in elastic
            ]
        )
    cases = with_fund_columns(priced, rules, rules.clearing).filter(pl.col("funding").cast(pl.String) == "points")
    cases = cases.with_columns(pl.lit(0, pl.Int64).alias(name) for name in ("extra_alike", "extra_fund"))
    parts = cases.with_columns(case_parts(cases, rules, rules.clearing, {}, ()))
    table = parts.group_by(pl.col("pool", "hospital_id").cast(pl.String)).agg(pl.col("fund_part").sum())
    return {(pool, hospital): amount for pool, hospital, amount in table.iter_rows()}


def _clear_pool(
    found: PoolPoints, rules: Rules, inputs: YearInputs, parts: Mapping[Hospital, int] | None, stage: Stage
) -> PoolResult:
    """Clear one pool."""
    pool, budget = found.pool, inputs.budgets[found.pool.id]
    amounts = payables(found, rules) if parts is None else _by_case(found, parts)
    gap: Gap = "normalise" if _normalised(found, rules) else "reserve"
    closed = close_gap(amounts, Fraction(found.for_points), gap)
    hospitals = [_hospital_year(found, name, payable, inputs) for name, payable in closed.parts.items()]
    to_reserve = rules.clearing.fund_ratio_gap == "reserve" or isinstance(pool.point_value, Capped)
    year = PoolYear(
        pool.id,
        budget.fund,
        budget.reserve,
        inputs.pool_lines.get(pool.id, ()),
        exact_shares=not closed.gap,
        unspent_to="reserve" if to_reserve else "fund",
    )
    return PoolResult(found, clear(year, hospitals, rules.clearing, rules.money, stage))


def payables(found: PoolPoints, rules: Rules) -> dict[str, Fraction]:
    """Return each hospital's payable from its sums (fen, exact): points at their values × ρ, less what others pay.

    Where hospitals bear the difference of incoming patients, their by-item amount.
    """
    if found.pool.by_item:
        return {h: Fraction(share.sums.booked) for h, share in found.shares.items()}
    return standards(found, rules)


def standards(found: PoolPoints, rules: Rules) -> dict[str, Fraction]:
    """Return the fund money that each hospital's points come to (fen, exact), whoever bears it."""
    ratios = hospital_ratios(found, rules)
    return {
        h: (share.fixed_money + share.floating * found.value.value) * ratios[h] - share.sums.others
        for h, share in found.shares.items()
    }


def payable_lines(
    found: PoolPoints, hospital: str, rules: Rules, documents: Documents = undocumented
) -> Iterator[Line]:
    """Yield how a hospital's payable came about, for its statement: points, values, ratio, what others pay."""
    share, value = found.shares[hospital], found.value.value
    ratio = hospital_ratios(found, rules)[hospital]
    place = ("pools", [pool.id for pool in rules.pools].index(found.pool.id), "point_value")
    points = f"{float(share.sums.points):,.4f}"
    floating = f"{float(share.floating):,.4f} × {float(value / 100):,.6f}"
    rows: list[tuple[str, str, Fraction, tuple[str | int, ...]]] = [
        ("年初点值计付", "points at the start value", share.fixed_money, (*place, "start")),
        (f"浮动点数 × 结算点值 {floating}", f"floating points × final value {floating}", share.floating * value, place),
    ]
    if ratio != 1:
        level = (share.fixed_money + share.floating * value) * ratio
        of = f"{float(ratio):.6f}"
        rows.append((f"× 医保支付比例 {of}", f"× fund ratio {of}", level, ("clearing", "fund_ratio_level")))
    rows.append(("减：他方支付", "less what others pay", -share.sums.others, ("clearing", "style")))
    yield rule_line(f"点数 {points}", f"points {points}", 0, place, documents)._replace(kind="memo")
    for zh, en, amount, path in rows:
        if amount:
            whole = round_fen(amount, "fen", rules.money.mode)
            yield rule_line(zh, en, whole, path, documents)._replace(kind="memo")


def _by_case(found: PoolPoints, parts: Mapping[Hospital, int]) -> dict[str, Fraction]:
    """Return each hospital's payable from parts that were rounded case by case (fen)."""
    return {h: Fraction(parts.get((found.pool.id, h), 0)) for h in found.shares}


def _normalised(found: PoolPoints, rules: Rules) -> bool:
    """Tell whether the policy scales the payables to the money for points, instead of booking the gap."""
    rule = found.pool.point_value
    limited = isinstance(rule, Capped) and rule.remainder == "normalise" and found.value.reason in {"cap", "floor"}
    return not found.pool.by_item and (limited or rules.clearing.fund_ratio_gap == "normalise")


def _hospital_year(found: PoolPoints, hospital: str, payable: Fraction, inputs: YearInputs) -> HospitalYear:
    """Gather what a hospital brings to clearing."""
    key, paid = (found.pool.id, hospital), inputs.months.get((found.pool.id, hospital), Paid())
    return HospitalYear(
        hospital,
        payable,
        found.shares[hospital].sums.booked,
        deductions=inputs.deductions.get(key, 0),
        control=inputs.control.get(key, 0),
        outside=found.outside[hospital],
        deposit=paid.deposit,
        prepaid=paid.prepaid,
        advanced=inputs.advanced.get(key, 0),
        vbp=inputs.vbp.get(key, 0),
        effect=inputs.effects.get(hospital, NO_EFFECT),
    )
