"""From the standards of cases to the fund's part, in the style of the step: ratio, subtract, policy-ratio; never mixed.

With T the standard of a case in the unit of its pool's value, its part is
  fund_yuan      T
  ratio          T × ρ, ρ = booked ÷ charge of the pool, the hospital or the case
  subtract       T - what patients and the funds outside the budget pay for it
  policy_ratio   (T - full self-payment - category B self-payment - deductible) × the policy's reimbursement ratio
The part of a hospital follows from its sums, exactly, and is rounded once. Only a ratio of the case and a part
floored at zero are reckoned and rounded case by case. Source: 规程 2025版; policy-ratio from the technical text of
2019.
"""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from operator import add
from typing import NamedTuple

import polars as pl

from rules.fault import Text, UserError
from rules.money import FEN_OF_STEP, Mode
from rules.payment.columns import need
from rules.payment.exact_lines import proportional, ratios_of, rounded
from rules.payment.points_sums import ExactPoints, RoundedPoints
from rules.policy.cases import Money
from rules.policy.model import Rules
from rules.policy.pools import Pool
from rules.policy.settlement import Step

OWN_PAID = ("full_self_paid", "category_b_self_paid", "deductible")
Key = tuple[str, ...]
AMOUNTS = ("charge", "booked", "others", "standard", "extra_alike", "extra_fund", "outside_part")


class Sums(NamedTuple):
    """Sums over cases (refunds negative). Money in fen, exact; `_outside`: of the cases paid outside points.

    points: those that share the value. others: what comes off the standard. standard_outside: standards of the cases
    outside points with their extras; extra: extras of the cases in points, in the same unit; extra_fund: extras that
    are fund money already; outside_by_case: money outside points of a step that is reckoned case by case. Under
    policy_ratio points, standards, extras and others are weighted by the ratio.
    """

    cases: int = 0
    points: Fraction = Fraction()
    charge: int = 0
    booked: int = 0
    others: Fraction = Fraction()
    charge_outside: int = 0
    booked_outside: int = 0
    others_outside: Fraction = Fraction()
    standard_outside: Fraction = Fraction()
    extra: Fraction = Fraction()
    extra_fund: int = 0
    outside_by_case: int = 0

    def plus(self, other: "Sums") -> "Sums":
        """Add up two sums."""
        return Sums._make(map(add, self, other))


def total(sums: Sequence[Sums]) -> Sums:
    """Add up sums."""
    whole = Sums()
    for part in sums:
        whole = whole.plus(part)
    return whole


def with_fund_columns(priced: pl.DataFrame, rules: Rules, step: Step) -> pl.DataFrame:
    """Add what fund parts are made of, refunds with their sign: charge, booked, others, extras, the policy ratio.

    Where the step is reckoned case by case, also each case's part of money outside points (`outside_part`).

    `priced`: a result of `price_cases` with the claims' total_charge and fund columns; for subtract also fund_total
    and patient_paid, for policy_ratio the self-payments, insurance_type and, where the ratios ask, hospital_level.
    """
    need(priced, ["total_charge", *dict.fromkeys(f for p in rules.pools for f in p.funds)], "基金支付", "the fund part")
    sign = pl.col("sign").cast(pl.Int64)
    booked: pl.Expr = pl.lit(0, pl.Int64)
    for pool in rules.pools:
        own = pl.sum_horizontal(pl.col(fund).fill_null(0) for fund in pool.funds)
        booked = pl.when(_is_in([pool])).then(own.abs()).otherwise(booked)
    by_item = _is_in(pool for pool in rules.pools if pool.by_item)
    alike, as_fund = (pl.when(by_item).then(0).otherwise(extra) for extra in _extras(rules))
    cases = priced.with_columns(
        (pl.col("total_charge").abs() * sign).alias("charge"),
        (booked * sign).alias("booked"),
        alike.alias("extra_alike"),
        as_fund.alias("extra_fund"),
        *_policy_ratio(priced, rules, step),
    ).with_columns((_others(priced, step) * sign).alias("others"))
    return cases.with_columns(
        _outside_by_case(cases, rules, step) if by_case(step) else pl.lit(0).alias("outside_part")
    )


def _is_in(pools: Iterable[Pool]) -> pl.Expr:
    """Return whether a case belongs to one of some pools."""
    return pl.col("pool").cast(pl.String).is_in([pool.id for pool in pools])


def _extras(rules: Rules) -> tuple[pl.Expr, pl.Expr]:
    """Return the pool's extras in the unit of the standard, and those that are fund money already (fen)."""
    kinds = {item.money for item in rules.separate_items}
    rule, nothing = rules.exclusion, pl.lit(0, pl.Int64)
    extra = nothing if rule is not None and rule.pool == "outside" else pl.col("extra")
    fund = extra if rule is not None and rule.money == "fund" else nothing
    fund += pl.col("separate") if kinds == {"fund"} else nothing
    return extra + pl.col("separate") - fund, fund


def _others(priced: pl.DataFrame, step: Step) -> pl.Expr:
    """Return what comes off the standard of a case in this style (fen, without sign)."""
    if step.style == "subtract":
        need(priced, ["fund_total", "patient_paid"], "相减方式", "style subtract")
        paid = pl.col("patient_paid").fill_null(0).abs() + pl.col("fund_total").fill_null(0).abs()
        return paid - pl.col("booked").abs()
    if step.style == "policy_ratio":
        need(priced, OWN_PAID, "政策范围内比例方式", "style policy_ratio")
        return pl.sum_horizontal(pl.col(name).fill_null(0).abs() for name in OWN_PAID)
    return pl.lit(0, pl.Int64)


def _policy_ratio(priced: pl.DataFrame, rules: Rules, step: Step) -> list[pl.Expr]:
    """Return the reimbursement ratio of each case as text, or 1 where the style has none."""
    if step.style != "policy_ratio" or rules.reimbursement is None:
        return [pl.lit("1").alias("policy_ratio")]
    by_level = any(isinstance(ratio, dict) for ratio in rules.reimbursement.ratios.values())
    need(priced, ["insurance_type", *(["hospital_level"] if by_level else [])], "报销比例", "the reimbursement ratio")
    kind = pl.col("insurance_type").cast(pl.String)
    found: pl.Expr = pl.lit(None, pl.String)
    for insurance, ratio in rules.reimbursement.ratios.items():
        level = pl.col("hospital_level").cast(pl.String) if by_level else pl.lit("")
        own = (
            level.replace_strict({k: str(v) for k, v in ratio.items()}, default=None, return_dtype=pl.String)
            if isinstance(ratio, dict)
            else pl.lit(str(ratio))
        )
        found = pl.when(kind == insurance).then(own).otherwise(found)
    lost = priced.filter(found.is_null()).height
    if lost:
        raise UserError(Text(f"{lost} 例没有报销比例", f"{lost} cases have no reimbursement ratio in the policy"))
    return [found.alias("policy_ratio")]


def sums_by(cases: pl.DataFrame, keys: Sequence[str], money: Money) -> dict[Key, Sums]:
    """Return the exact sums of each combination of `keys`, of cases from `with_fund_columns`; elsewhere is left out."""
    names = [*keys, "policy_ratio", "funding"]
    counted = cases.filter(pl.col("funding") != "elsewhere").with_columns(pl.col(names).cast(pl.Categorical))
    points = RoundedPoints(money.points) if money.points is not None else ExactPoints(counted)
    table = (
        points.beside(counted)
        .group_by([*names, points.KEY])
        .agg(pl.col("sign", *AMOUNTS).cast(pl.Int128).sum(), *points.sums())
        .with_columns(pl.col(names).cast(pl.String))
    )
    found: dict[Key, Sums] = {}
    for row in table.iter_rows():
        ratio, funding, of, count, charge, booked, others, standard, alike, extra_fund, alone, *shared = row[
            len(keys) :
        ]
        own, weight = row[: len(keys)], Fraction(ratio)
        if funding == "outside":
            sums = Sums(
                cases=count,
                charge_outside=charge,
                booked_outside=booked,
                others_outside=others * weight,
                standard_outside=(standard + alike) * weight,
                extra_fund=extra_fund,
                outside_by_case=alone,
            )
        else:
            sums = Sums(
                cases=count,
                points=points.total(of, shared) * weight,
                charge=charge,
                booked=booked,
                others=others * weight,
                extra=alike * weight,
                extra_fund=extra_fund,
                outside_by_case=alone,
            )
        found[own] = found.get(own, Sums()).plus(sums)
    return found


def by_case(step: Step) -> bool:
    """Tell whether a step is reckoned and rounded case by case."""
    return (step.style == "ratio" and step.fund_ratio_level == "case") or step.negative_fund_part == "floored"


def ratio_of(step: Step, pool: Pool, sums: Sums) -> Fraction:
    """Return ρ of a pool or hospital: booked ÷ charge, with the cases outside points where these take the same ratio.

    1 where the style or the unit of the value has no ratio, and where nothing was charged.
    """
    return value_ratio(step, pool, sums) if step.style == "ratio" else Fraction(1)


def value_ratio(step: Step, pool: Pool, sums: Sums) -> Fraction:
    """Return the ρ behind a value in charge_yuan, whatever the style of the step; 1 in fund_yuan."""
    if pool.point_value.start.unit == "fund_yuan":
        return Fraction(1)
    same = step.fund_ratio_outside == "same"
    charge = sums.charge + (sums.charge_outside if same else 0)
    return Fraction(sums.booked + (sums.booked_outside if same else 0), charge) if charge else Fraction(1)


def points_part(pool: Pool, sums: Sums, value: Fraction, ratio: Fraction) -> Fraction:
    """Return the fund's part of the cases in points (fen, exact)."""
    if pool.by_item:
        return Fraction(sums.booked)
    return sums.points * value * ratio - sums.others


def outside_part(step: Step, pool: Pool, sums: Sums, ratio: Fraction) -> Fraction:
    """Return the fund's part of money paid outside points (fen, exact): at the same ratio, or as it was booked.

    Of a step that is reckoned case by case it is the sum of the cases' own parts.
    """
    if pool.by_item:
        return Fraction(sums.booked_outside)
    if by_case(step):
        return Fraction(sums.outside_by_case)
    charged = step.style == "ratio" and pool.point_value.start.unit == "charge_yuan"
    if charged and step.fund_ratio_outside == "booked":
        return sums.booked_outside + sums.extra * ratio + sums.extra_fund
    return (sums.standard_outside + sums.extra) * ratio - sums.others_outside + sums.extra_fund


def _outside_by_case(cases: pl.DataFrame, rules: Rules, step: Step) -> pl.Series:
    """Return each case's part of money outside points, rounded (fen): all of it outside, in points its extras alone."""
    alone = cases.with_columns(pl.lit(0, pl.Int64).alias(name) for name in ("standard", "others"))
    extras = case_parts(alone, rules, step.model_copy(update={"negative_fund_part": "kept"}), {}, ())
    outside = cases["funding"].cast(pl.String) == "outside"
    return case_parts(cases, rules, step, {}, ()).zip_with(outside, extras).alias("outside_part")


def case_parts(
    cases: pl.DataFrame, rules: Rules, step: Step, ratios: Mapping[Key, Fraction], keys: Sequence[str]
) -> pl.Series:
    """Return each case's fund part (int64 fen), rounded once by the policy's mode; 0 for money from elsewhere.

    `cases`: from `with_fund_columns`. `ratios`: ρ by `keys`, where the ratio is not the case's own.
    """
    charged = _is_in(p for p in rules.pools if p.point_value.start.unit == "charge_yuan")
    as_booked = charged & (pl.col("funding").cast(pl.String) == "outside")
    as_booked &= step.style == "ratio" and step.fund_ratio_outside == "booked"
    as_booked |= _is_in(p for p in rules.pools if p.by_item)
    paid = pl.col("standard") + pl.col("extra_alike") - pl.col("others")
    paid = pl.when(as_booked).then(pl.col("booked")).otherwise(paid)
    if step.negative_fund_part == "floored":
        paid = (paid * pl.col("sign")).clip(lower_bound=0) * pl.col("sign")
    frame = cases.with_columns(paid.alias("paid"), (charged & ~as_booked).alias("asked"))
    if step.style == "ratio" and step.fund_ratio_level == "case":
        part = _at_own_ratio(frame, rules.money)
    else:
        part = _at_ratios(frame, *_ratios_of(frame, step, ratios, keys), rules.money)
    elsewhere = pl.col("funding").cast(pl.String) == "elsewhere"
    return cases.select(
        pl.when(elsewhere).then(0).otherwise(part + pl.col("extra_fund")).cast(pl.Int64).alias("fund_part")
    ).to_series()


def _at_own_ratio(frame: pl.DataFrame, money: Money) -> pl.Series:
    """Return paid × booked ÷ charge of each case that is asked for its ratio, in 64 bits where they are wide enough."""
    names = ["paid", "booked", "charge"]
    largest = frame.select(pl.max_horizontal(pl.col(names).abs().max())).item() or 0
    whole = pl.Int64 if largest**2 * FEN_OF_STEP[money.step] < 1 << 61 else pl.Int128
    paid, booked, charge = (pl.col(name).cast(whole) for name in names)
    has = pl.col("asked") & (charge != 0)
    top, bottom = pl.when(has).then(paid * booked.abs()).otherwise(paid), pl.when(has).then(charge.abs()).otherwise(1)
    return frame.select(round_quotient(top, bottom, money).cast(pl.Int64)).to_series()


def _ratios_of(
    frame: pl.DataFrame, step: Step, ratios: Mapping[Key, Fraction], keys: Sequence[str]
) -> tuple[list[Fraction], pl.Series]:
    """Return the distinct ratios, 1 first, and each case's position among them."""
    if step.style == "subtract":
        return [Fraction(1)], pl.zeros(frame.height, pl.Int32, eager=True)
    if step.style == "policy_ratio":
        place, names = places(frame, ["policy_ratio"])
        return [Fraction(1), *(Fraction(ratio) for (ratio,) in names)], place + 1
    place, names = places(frame, keys)
    found = [Fraction(1), *(ratios.get(key, Fraction(1)) for key in names)]
    return found, (place + 1) * frame["asked"].cast(pl.Int32)


def places(cases: pl.DataFrame, keys: Sequence[str]) -> tuple[pl.Series, list[Key]]:
    """Return for each case the position of its key, and the keys: labels become whole numbers once."""
    labels = cases.select(pl.col(keys).cast(pl.Categorical))
    distinct = labels.unique().with_columns(pl.int_range(pl.len(), dtype=pl.Int32).alias("place"))
    found = labels.join(distinct, on=list(keys), how="left", maintain_order="left")["place"]
    return found, distinct.select(pl.col(keys).cast(pl.String)).rows()


def _at_ratios(frame: pl.DataFrame, ratios: Sequence[Fraction], position: pl.Series, money: Money) -> pl.Series:
    """Return paid × ratio, rounded."""
    size = FEN_OF_STEP[money.step]
    scaled = [ratio / size for ratio in ratios]
    paid = frame["paid"].to_numpy()
    if scaled == [1]:
        return frame["paid"]
    return pl.Series(
        rounded(paid, proportional(Fraction(1)), ratios_of(scaled), money.mode, pair=position.to_numpy()) * size
    )


def round_quotient(top: pl.Expr, bottom: pl.Expr, money: Money) -> pl.Expr:
    """Return top ÷ bottom (whole numbers wide enough, bottom above zero) rounded to the policy's step, in fen."""
    size = FEN_OF_STEP[money.step]
    bottom = bottom * size
    whole = top // bottom
    rest = top - whole * bottom
    return (whole + (_upward(money.mode, whole, 2 * rest - bottom, top) & (rest != 0)).cast(pl.Int64)) * size


def _upward(mode: Mode, whole: pl.Expr, side: pl.Expr, exact: pl.Expr) -> pl.Expr:
    """Return whether a quotient rounded down takes one more; `side` compares the rest with one half."""
    above, half = side > 0, side == 0
    return {
        "half_away_from_zero": above | (half & (exact >= 0)),
        "half_even": above | (half & (whole % 2 != 0)),
        "half_toward_zero": above | (half & (exact < 0)),
        "half_up": above | half,
        "half_down": above,
        "up": exact >= 0,
        "down": exact < 0,
        "ceiling": pl.lit(value=True),
        "floor": pl.lit(value=False),
    }[mode]
