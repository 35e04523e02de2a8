"""Claims that are not simply one case of one month: stays settled in parts, refunds, late claims (payment.md §5).

Vectorised over frames of claims or priced cases; row order is kept and never matters to the amounts.
"""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import polars as pl

from rules.fault import Text, UserError
from rules.payment.columns import need
from rules.payment.place import DATES, day_column, months
from rules.policy.cases import DateBasis

MONEY = (
    "total_charge", "fund_total", "hospital_borne", "patient_paid", "full_self_paid", "deductible",
    "category_b_self_paid", "fund_pool_paid", "fund_large_paid", "fund_serious_paid", "fund_civil_paid",
    "fund_assist_paid", "fund_other_paid",
)  # fmt: skip
LATE = ("no", "late", "prior_year")


class Merged(NamedTuple):
    """Claims with every finished stay as one row, and the parts of stays that are not finished yet."""

    claims: pl.DataFrame
    held: pl.DataFrame


class Booking(NamedTuple):
    """When a case counts: the month it is booked in, the month whose value pays it, and why it is late if it is."""

    month: pl.Series
    value_month: pl.Series
    late: pl.Series


def merge_parts(claims: pl.DataFrame) -> Merged:
    """Make one case of each stay that was settled in parts; hold the stays whose last settlement is still missing.

    A part has `part_of_stay`, the last settlement of the stay has not, nor is it a refund; both carry `stay_id`. The
    merged case is the last settlement with the money, fees and days of all parts and the first admission. Of several
    such settlements of one stay the one with the lowest case_id takes the parts.
    """
    if "part_of_stay" not in claims.columns or not claims["part_of_stay"].fill_null(value=False).any():
        return Merged(claims, claims.clear())
    need(claims, ["stay_id"], "合并分次结算的住院", "merging stays that were settled in parts")
    part = claims["part_of_stay"].fill_null(value=False)
    parts, others = claims.filter(part), claims.filter(~part)
    if lost := parts["stay_id"].null_count():
        example = parts.filter(pl.col("stay_id").is_null())["case_id"][0]
        zh = f"{lost} 条中途结算缺 stay_id，如 {example}"
        raise UserError(Text(zh, f"{lost} settlements in part have no stay_id, {example} for example"))
    rows = others.select(pl.int_range(pl.len()).alias("row"), "case_id", "stay_id", is_refund(others).alias("refund"))
    last = (
        rows.filter(~pl.col("refund"))
        .join(parts, on="stay_id", how="semi")
        .sort("case_id")
        .unique("stay_id", keep="first")
    )
    held = parts.join(last, on="stay_id", how="anti", maintain_order="left")
    return Merged(_merged(others, last, parts), held)


def _merged(claims: pl.DataFrame, last: pl.DataFrame, parts: pl.DataFrame) -> pl.DataFrame:
    """Add the parts to the last settlements of their stays; `last`: their `row` in `claims` and their stay_id."""
    summed = [name for name in claims.columns if name in (*MONEY, "length_of_stay") or name.startswith("fee_")]
    first = [name for name in ("admitted",) if name in claims.columns]
    totals = last.join(
        parts.group_by("stay_id").agg(pl.col(summed).sum(), pl.col(first).min()), on="stay_id", maintain_order="left"
    )
    own = claims.select(*summed, *first)[totals["row"]]
    changed = [own[name] + totals[name].fill_null(0) for name in summed]
    changed += [pl.select(pl.min_horizontal(own[name], totals[name])).to_series() for name in first]
    return claims.with_columns(
        claims[series.name].clone().scatter(totals["row"], series.cast(claims.schema[series.name]))
        for series in changed
    )


def is_refund(claims: pl.DataFrame) -> pl.Expr:
    """Return whether a row reverses another: it has the refund flag and names its original."""
    if not {"refund", "original_case_id"} <= set(claims.columns):
        return pl.lit(value=False)
    return pl.col("refund").fill_null(value=False) & pl.col("original_case_id").is_not_null()


def without_refunds(claims: pl.DataFrame) -> pl.DataFrame:
    """Return the claims without refunds and without the settlements they reverse: what history is measured from."""
    refunds = claims.filter(is_refund(claims))
    if not refunds.height:
        return claims
    kept = claims.filter(~is_refund(claims))
    return kept.join(refunds.select(pl.col("original_case_id").alias("case_id")), on="case_id", how="anti")


def reverse(
    refunds: pl.DataFrame, originals: pl.DataFrame, amounts: Sequence[str], already: Sequence[str] = ()
) -> pl.DataFrame:
    """Return each refund as its original with the signs of `amounts` turned: its points, value, scheme and policy.

    `refunds`: case_id, original_case_id, month (the current one, where the difference is booked). `originals`: priced
    cases of this or any earlier month, with case_id and `amounts` (integers, fen or counts). The result has the
    columns of `originals`, `case_id` and `month` of the refund. Raises UserError naming refunds whose original is not
    there or was reversed before (`already`: originals reversed in earlier months).
    """
    repeated = refunds.filter(pl.col("original_case_id").is_duplicated() | pl.col("original_case_id").is_in(already))
    lost = refunds.join(originals, left_on="original_case_id", right_on="case_id", how="anti")
    faults = [
        *_refused(lost, "原结算不在已计付病例中", "have an original that is not among the priced cases"),
        *_refused(repeated, "的原结算被退过不止一次", "reverse an original that is reversed more than once"),
    ]
    if faults:
        raise UserError(faults)
    own = refunds.select(
        pl.col("case_id").alias("refund_id"), "original_case_id", pl.col("month").alias("refund_month")
    )
    joined = own.join(originals, left_on="original_case_id", right_on="case_id", how="left", maintain_order="left")
    return joined.with_columns(
        pl.col("refund_id").alias("case_id"),
        pl.col("refund_month").cast(originals.schema["month"]).alias("month"),
        *(-pl.col(a) for a in amounts),
    ).select(originals.columns)


def _refused(refunds: pl.DataFrame, zh: str, en: str) -> list[Text]:
    """Return the refusal of some refunds with a few examples, none where there are none."""
    if not refunds.height:
        return []
    pairs = refunds.select("case_id", "original_case_id").sort("case_id").head(5).iter_rows()
    shown = ", ".join(f"{case} ({original})" for case, original in pairs)
    return [Text(f"{refunds.height} 条退费{zh}：{shown}", f"{refunds.height} refunds {en}: {shown}")]


def book(
    cases: pl.DataFrame, basis: DateBasis, closed_through: int | None = None, cleared_through: int | None = None
) -> Booking:
    """Return the month that books each case, the month whose value pays it, and whether it is late.

    `closed_through`: the last month already settled (202609); `cleared_through`: the last year already cleared. A case
    of a closed month enters the month it arrived in, at the value that `late_claim_value` picks; a case of a cleared
    year is a prior-year adjustment. Months are whole numbers, year × 100 + month.
    """
    own = months(cases, basis.month)
    on_time = pl.Series("late", ["no"], dtype=pl.Enum(LATE)).new_from_index(0, len(own))
    if closed_through is None or not (own <= closed_through).any():
        return Booking(own, own.alias("value_month"), on_time)
    late = own <= closed_through
    arrived = months(cases.filter(late), "arrival")
    if (arrived <= closed_through).any():
        raise UserError(
            Text(
                f"有病例的到达月份不晚于已结月份 {closed_through}：应在该月结算，请更正该月",
                f"cases arrived in months up to {closed_through}, which are settled: correct those months instead",
            )
        )
    value = months(cases.filter(late), basis.late_claim_value)
    years = day_column(cases.filter(late), basis.budget_year, Text("预算年度", "the budget year")).dt.year()
    cleared = years <= (0 if cleared_through is None else cleared_through)
    kinds = cleared.replace_strict({True: "prior_year", False: "late"}, return_dtype=pl.Enum(LATE))
    return Booking(
        _placed(own, late, arrived), _placed(own, late, value).alias("value_month"), _placed(on_time, late, kinds)
    )


def _placed(whole: pl.Series, where: pl.Series, values: pl.Series) -> pl.Series:
    """Return `whole` with `values` at the places of `where`."""
    return whole.clone().scatter(where.arg_true(), values.cast(whole.dtype))


def budget_year(cases: pl.DataFrame, basis: DateBasis) -> pl.Series:
    """Return the budget year of each case by the policy's date basis."""
    return day_column(cases, basis.budget_year, Text("预算年度", "the budget year")).dt.year().alias("year")


def dates_needed(basis: DateBasis) -> set[str]:
    """Return the date columns that a policy's date bases look at."""
    return {DATES[name] for name in (basis.policy, basis.month, basis.budget_year, basis.late_claim_value)}


def month_of(day: date) -> int:
    """Return a day's month, year × 100 + month."""
    return day.year * 100 + day.month
