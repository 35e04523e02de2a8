"""特例单议 special-case review: decisions, candidates within the quota, and what must be published.

医保发〔2025〕18号: applications of at most 5 % of the region's DRG discharges, 5 ‰ of its DIP discharges; an approved
case is paid by item or an adjusted standard, a rejected one by the ordinary rule; the result enters the same year's
clearing.
"""

from collections.abc import Collection
from fractions import Fraction
from math import floor
from typing import NamedTuple

import polars as pl

from rules.fault import Text, UserError, near
from rules.payment.columns import need
from rules.policy.cases import SpecialCase
from rules.policy.model import Rules


def decided(cases: pl.DataFrame, decisions: pl.DataFrame | None, rules: Rules) -> pl.Series | None:
    """Return what approved cases are paid (fen), null for the others; None where no decision is given.

    `cases`: case_id and basis (fen); `decisions`: case_id, decision (by_item | adjusted_standard | rejected), amount
    (fen, of an adjusted standard). UserError carries every fault of the decisions.
    """
    if decisions is None or not decisions.height:
        return None
    need(decisions, ["case_id", "decision", "amount"], "特例单议结论表", "the table of special-case decisions")
    check_decisions(decisions, rules.special_case)
    joined = cases.select("case_id", "basis").join(decisions, on="case_id", how="left", maintain_order="left")
    paid = (
        pl.when(pl.col("decision") == "by_item")
        .then("basis")
        .when(pl.col("decision") == "adjusted_standard")
        .then("amount")
    )
    return joined.select(paid.cast(pl.Int64).alias("decided")).to_series()


def check_decisions(decisions: pl.DataFrame, rule: SpecialCase | None) -> None:
    """Refuse cases decided twice, unknown decisions, decisions the policy does not allow, and amounts that lack."""
    if rule is None:
        raise UserError(
            Text(
                "给出了特例单议结论，但政策没有 [special_case]",
                "there are special-case decisions, but the policy has no [special_case]",
            )
        )
    faults = []
    for case, decision, amount in decisions.select("case_id", "decision", "amount").iter_rows():
        if decision not in {*rule.approved, "rejected"}:
            hint = near(str(decision), [*rule.approved, "rejected"])
            faults.append(
                Text(
                    f"病例 {case}：政策不允许结论 {decision!r}{hint.zh}",
                    f"case {case}: the policy does not allow {decision!r}{hint.en}",
                )
            )
        elif decision == "adjusted_standard" and amount is None:
            faults.append(Text(f"病例 {case}：调整标准缺金额", f"case {case}: an adjusted standard needs its amount"))
    twice = decisions.filter(decisions["case_id"].is_duplicated())["case_id"].unique().sort()
    faults += [Text(f"病例 {case} 有多条结论", f"case {case} is decided more than once") for case in twice]
    if faults:
        raise UserError(faults)


def quota(rule: SpecialCase, discharges: int) -> int:
    """Return the most applications that so many discharges allow."""
    return floor(Fraction(rule.quota_share) * discharges)


def candidates(priced: pl.DataFrame, rule: SpecialCase, reviewed: Collection[str]) -> pl.DataFrame:
    """Return the cases worth an application, ranked, within the quota of the region or of each hospital.

    `priced`: a result of `price_cases` with case_id, hospital_id, total_charge. `reviewed`: the classes whose cases
    the policy reviews, where it takes candidates by class. Ranked by loss (standard less charge),
    or by charge over standard; ties go to the case_id that sorts first. Adds `rank`.
    """
    loss = -pl.col("official_result")
    order = loss if rule.rank_by == "loss" else pl.col("total_charge") / pl.col("standard")
    eligible = (pl.col("funding") == "points") & (loss > 0)
    if rule.candidates == "reviewed_classes":
        eligible &= pl.col("class").cast(pl.String).is_in(list(reviewed))
    over = [] if rule.quota_base == "region_discharges" else ["hospital_id"]
    within = pl.len().over(over) if over else pl.len()
    ranked = (
        priced.with_columns(within.alias("discharges"))
        .filter(eligible)
        .with_columns(order.alias("worth"))
        .sort(["worth", "case_id"], descending=[True, False])
    )
    position = pl.int_range(1, pl.len() + 1)
    share = Fraction(rule.quota_share)
    return (
        ranked.with_columns((position.over(over) if over else position).alias("rank"))
        .filter(pl.col("rank") * share.denominator <= pl.col("discharges").cast(pl.Int64) * share.numerator)
        .drop("worth", "discharges")
    )


class Published(NamedTuple):
    """What a region publishes about special-case review. Money in fen, shares exact."""

    discharges: int
    applied: int
    approved: int
    applied_share: Fraction
    fund_paid: int
    fund_share: Fraction


def published(decisions: pl.DataFrame, discharges: int, fund_paid: int, fund_of_all: int) -> Published:
    """Return the figures to publish: applied, approved, share of discharges, fund paid, share of the fund."""
    approved = decisions.filter(pl.col("decision") != "rejected").height
    return Published(
        discharges,
        decisions.height,
        approved,
        Fraction(decisions.height, discharges or 1),
        fund_paid,
        Fraction(fund_paid, fund_of_all or 1),
    )
