"""What a run says about special-case review (特例单议): the figures that a region publishes."""

from typing import Any

import polars as pl

from rules.fault import Text
from rules.money import yuan_text
from rules.payment.special_case import Published, published


def reviews_of(cases: pl.DataFrame, decisions: pl.DataFrame | None) -> Published | None:
    """Return the figures of settled cases (case_id, sign, fund_part in fen), None where no decision was given."""
    if decisions is None:
        return None
    kept = cases.filter(pl.col("sign") > 0).select("case_id", "fund_part")
    decided = decisions.join(kept, on="case_id")
    paid = int(decided.filter(pl.col("decision") != "rejected")["fund_part"].sum())
    return published(decided, kept.height, paid, int(cases["fund_part"].sum()))


def reviews_summary(reviews: Published | None) -> dict[str, Any]:
    """Return the figures for a summary, money in yuan; nothing without decisions."""
    if reviews is None:
        return {}
    shares = {name: f"{float(getattr(reviews, name)):.6f}" for name in ("applied_share", "fund_share")}
    text = reviews_text(reviews)
    figures = reviews._asdict() | shares | {"fund_paid": yuan_text(reviews.fund_paid)}
    return {"special_cases": figures | {"zh": text.zh, "en": text.en}}


def reviews_text(reviews: Published) -> Text:
    """Return the figures as a sentence."""
    paid, applied, share = yuan_text(reviews.fund_paid), float(reviews.applied_share), float(reviews.fund_share)
    return Text(
        f"特例单议：申请 {reviews.applied} 例（占 {applied:.2%}），核准 {reviews.approved} 例，"
        f"基金支付 {paid} 元（占 {share:.2%}）",
        f"special-case review: {reviews.applied} applied ({applied:.2%} of discharges), {reviews.approved} approved, "
        f"{paid} yuan of the fund ({share:.2%})",
    )
