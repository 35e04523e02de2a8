"""A hospital's month: from priced cases to payable, prepaid, deposit and what is left to clearing (规程 2025版).

One style, declared by `month.style`; one rounding, at the case or at the hospital-month; the parts of cases, funds
and hospitals add up to the fen. Refunds, late claims and merged stays come in as priced cases of the month that books
them.
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple

import polars as pl

from rules.fault import Text, UserError
from rules.money import exact_text, round_fen
from rules.payment.columns import need
from rules.payment.deductions import deducted_by
from rules.payment.figures import limits_of
from rules.payment.fund_part import (
    Key,
    Sums,
    by_case,
    case_parts,
    outside_part,
    places,
    points_part,
    ratio_of,
    sums_by,
    total,
    value_ratio,
    with_fund_columns,
)
from rules.payment.fund_split import split_over_funds
from rules.payment.place import unknown_pools
from rules.payment.point_value import PoolMoney, floating_value
from rules.payment.prepayment import prepay
from rules.policy.model import Rules

HOSPITAL_MONTH = ("pool", "month", "hospital_id")
Values = Mapping[tuple[str, str], Fraction]
Scores = Mapping[str, Fraction]


class Month(NamedTuple):
    """Cases with their fund part (`fund_part` and a column per fund), and one row per pool, month and hospital.

    scores: what the assessment multiplied each hospital's prepayment ratio by.
    """

    cases: pl.DataFrame
    hospitals: pl.DataFrame
    scores: Scores


def settle_month(
    priced: pl.DataFrame,
    rules: Rules,
    values: Values,
    deductions: pl.DataFrame | None = None,
    scores: Scores | None = None,
) -> Month:
    """Settle the months of priced cases under one day's rules.

    `priced`: see `with_fund_columns`; with hospital_id and case_id. `values`: fen per point by (pool, month), the
    ones that priced the cases; a case whose value is that of another month than the one that books it (a late claim,
    a refund) names it in `value_month`; a refund of an earlier month whose part is known carries it in `fixed_part`
    (fen) and touches no ratio of this month. `deductions`: those that count, where the policy lets them act in the
    month; they come off in the month they were found. `scores`: by hospital, see `prepay`. Where patients pay by
    group, cases carry their `patient_part`. Columns of `hospitals`: cases, points (text, exact), charge, booked,
    payable, deducted, paid, deposit, withheld; payable = paid + deducted + deposit + withheld.
    """
    cases = with_fund_columns(_complete(priced), rules, rules.month)
    fixed = cases.filter(pl.col("fixed_part").is_not_null()).with_columns(pl.col("fixed_part").alias("fund_part"))
    settled, sums, exact = _reckoned(cases.filter(pl.col("fixed_part").is_null()), rules, values)
    for key, amount in _whole_parts(fixed).items():
        exact[key] = exact.get(key, Fraction()) + amount
    for key, own in sums_by(fixed, HOSPITAL_MONTH, rules.money).items():
        sums[key] = sums.get(key, Sums()).plus(own)
    if fixed.height:
        settled = pl.concat([settled, fixed.select(settled.columns)]).sort("row")
    settled = settled.drop("row")
    if rules.patient_basis == "group":
        settled = settled.with_columns(_patient_part(settled))
    if rules.fund_split is not None:
        settled = settled.with_columns(split_over_funds(settled, rules.fund_split).get_columns())
    scores = scores or {}
    return Month(settled, _hospital_rows(sums, exact, rules, _deducted(rules, deductions), scores), scores)


def _patient_part(cases: pl.DataFrame) -> pl.Expr:
    """Return what patients pay by group (fen): what the funds leave of the standard and its extras; null elsewhere."""
    need(cases, ["fund_total"], "个人按病组付费", "what patients pay by group")
    other_funds = pl.col("fund_total").fill_null(0).abs() * pl.col("sign") - pl.col("booked")
    left = pl.sum_horizontal("standard", "extra_alike", "extra_fund") - pl.col("fund_part") - other_funds
    return pl.when(pl.col("funding").cast(pl.String) != "elsewhere").then(left).alias("patient_part")


def _complete(priced: pl.DataFrame) -> pl.DataFrame:
    """Add the columns that most cases can do without, and the place of each row."""
    absent = {"value_month": pl.col("month"), "fixed_part": pl.lit(None, pl.Int64)}
    new = [value.alias(name) for name, value in absent.items() if name not in priced.columns]
    return priced.with_columns(new).with_row_index("row")


def _reckoned(
    cases: pl.DataFrame, rules: Rules, values: Values
) -> tuple[pl.DataFrame, dict[Key, Sums], dict[Key, Fraction]]:
    """Return cases with their fund part, and the sums and the payable (fen, exact) of each hospital-month."""
    by_value = sums_by(cases, (*HOSPITAL_MONTH, "value_month"), rules.money)
    sums = _without_value_month(by_value)
    ratios = month_ratios(sums, rules)
    parted = cases.with_columns(case_parts(cases, rules, rules.month, ratios, HOSPITAL_MONTH))
    if by_case(rules.month) or rules.money.at == "case":
        return parted, sums, _whole_parts(parted)
    exact = _payables(by_value, rules, values, ratios)
    rounded = {key: round_fen(amount, rules.money.step, rules.money.mode) for key, amount in exact.items()}
    return fit_to_hospitals(parted, rounded), sums, exact


def _without_value_month(by_value: Mapping[Key, Sums]) -> dict[Key, Sums]:
    """Add up the sums of a hospital-month over the months whose values pay its cases."""
    found: dict[Key, Sums] = {}
    for key, sums in by_value.items():
        found[key[:-1]] = found.get(key[:-1], Sums()).plus(sums)
    return found


def _payables(
    by_value: Mapping[Key, Sums], rules: Rules, values: Values, ratios: Mapping[Key, Fraction]
) -> dict[Key, Fraction]:
    """Return each hospital-month's payable (fen, exact)."""
    found: dict[Key, Fraction] = {}
    for (*own, value_month), sums in by_value.items():
        key, pool = tuple(own), rules.pool(own[0])
        part = points_part(pool, sums, values[pool.id, value_month], ratios[key])
        part += outside_part(rules.month, pool, sums, ratios[key])
        found[key] = found.get(key, Fraction()) + part
    return found


def month_ratios(sums: Mapping[Key, Sums], rules: Rules) -> dict[Key, Fraction]:
    """Return ρ of each hospital-month: its own, or that of its pool and month."""
    level = rules.month.fund_ratio_level
    scope = {key: key if level == "hospital" else key[:2] for key in sums}
    parts: dict[Key, list[Sums]] = {}
    for key, own in sums.items():
        parts.setdefault(scope[key], []).append(own)
    found = {of: ratio_of(rules.month, rules.pool(of[0]), total(members)) for of, members in parts.items()}
    return {key: found[scope[key]] for key in sums}


def monthly_values(priced: pl.DataFrame, rules: Rules, amounts: Values) -> dict[tuple[str, str], Fraction]:
    """Return floating values of months: the pool's month amount shared by the month's points (fen per point).

    `amounts`: fen by (pool, month), the year's F spread over its months. Money outside points comes off first; cap
    and floor hold where the pool's point value says so.
    """
    cases = with_fund_columns(priced, rules, rules.month)
    found = {}
    for (name, month), sums in sums_by(cases, ("pool", "month"), rules.money).items():
        pool = rules.pool(name)
        outside = outside_part(rules.month, pool, sums, ratio_of(rules.month, pool, sums))
        ratio = value_ratio(rules.month, pool, sums)
        money = PoolMoney(amounts[name, month] - outside, pool.point_value.start.unit, ratio=ratio)
        limits = limits_of(pool.point_value, rules.money.value, month=True)
        found[name, month] = floating_value(money, sums.points, limits).value
    return found


def _whole_parts(cases: pl.DataFrame) -> dict[Key, Fraction]:
    """Return the sums of parts that were rounded case by case."""
    table = cases.group_by(pl.col(HOSPITAL_MONTH).cast(pl.String)).agg(pl.col("fund_part").sum())
    return {tuple(row[:-1]): Fraction(row[-1]) for row in table.iter_rows()}


def fit_to_hospitals(cases: pl.DataFrame, totals: Mapping[Key, int]) -> pl.DataFrame:
    """Spread what rounding the hospital-month once leaves over its cases, a fen each in case order, to the fen."""
    place, names = places(cases, HOSPITAL_MONTH)
    counts = cases["funding"].cast(pl.String) != "elsewhere"
    frame = cases.select("fund_part", "case_id", place, counts.alias("counts"))
    sums = frame.group_by("place").agg(pl.col("fund_part").sum(), pl.col("counts").sum().cast(pl.Int64)).sort("place")
    left = pl.Series([totals.get(key, 0) for key in names], dtype=pl.Int64) - sums["fund_part"]
    size = sums["counts"].clip(lower_bound=1)
    each, rest = (left // size).gather(place), (left % size).gather(place)
    rank = frame.select(pl.col("case_id").rank("ordinal").over("place", "counts").cast(pl.Int64)).to_series()
    more = (each + (rank <= rest).cast(pl.Int64)) * counts.cast(pl.Int64)
    return cases.with_columns((cases["fund_part"] + more).alias("fund_part"))


def _deducted(rules: Rules, deductions: pl.DataFrame | None) -> dict[Key, int]:
    """Return what comes off each hospital-month, where deductions act in the month."""
    rule = rules.clearing.deductions
    if rule is None or rule.acts != "month" or deductions is None:
        return {}
    found = deducted_by(deductions, "pool", "month_found", "hospital_id")
    if faults := unknown_pools((key[0] for key in found), rules, Text("扣款表", "the table of deductions")):
        raise UserError(faults)
    return found


def _hospital_rows(
    sums: Mapping[Key, Sums],
    payable: Mapping[Key, Fraction],
    rules: Rules,
    deducted: Mapping[Key, int],
    scores: Scores,
) -> pl.DataFrame:
    """Return one row per pool, month and hospital, in that order."""
    rows = []
    for key in sorted({*payable, *deducted}):
        own = sums.get(key, Sums())
        score = scores.get(key[-1], Fraction(1))
        parts = prepay(rules.month, payable.get(key, Fraction()), rules.money, score)
        off = deducted.get(key, 0)
        rows.append(
            {
                **dict(zip(HOSPITAL_MONTH, key, strict=True)),
                "cases": own.cases,
                "points": exact_text(own.points),
                "charge": own.charge + own.charge_outside,
                "booked": own.booked + own.booked_outside,
                "payable": parts.payable,
                "deducted": off,
                "paid": parts.paid - off,
                "deposit": parts.deposit,
                "withheld": parts.withheld,
            }
        )
    text = dict.fromkeys((*HOSPITAL_MONTH, "points"), pl.String)
    whole = ("cases", "charge", "booked", "payable", "deducted", "paid", "deposit", "withheld")
    return pl.DataFrame(rows, schema=text | dict.fromkeys(whole, pl.Int64)).select(
        *HOSPITAL_MONTH, "cases", "points", *whole[1:]
    )
