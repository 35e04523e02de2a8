"""The pools of a month's batch as its statements print them: names, point value's unit, fund ratio, prepayment."""

from fractions import Fraction

import polars as pl

from rules.payment.fund_part import sums_by
from rules.payment.month import HOSPITAL_MONTH, month_ratios
from rules.policy.resolve import Resolved


def pool_rows(cases: pl.DataFrame, resolved: Resolved) -> pl.DataFrame:
    """Return rows of ledger_pool, one per pool of the policy.

    `cases`: the cases of a settled month (`settle_month`). `resolved`: the rules that settled it.
    """
    rules = resolved.rules
    ratios = _pool_ratios(cases, resolved)
    rows = [
        {
            "pool": pool.id,
            "name_zh": pool.name.zh,
            "name_en": pool.name.en,
            "unit": pool.point_value.start.unit,
            "style": rules.month.style,
            "ratio": str(ratios[pool.id]) if pool.id in ratios else None,
            "prepayment_ratio": str(rules.month.prepayment_ratio),
            "deposit": rules.month.deposit,
            "document_value": _document(resolved, "pools", place, "point_value", "start"),
            "document_month": _document(resolved, "month", "prepayment_ratio"),
        }
        for place, pool in enumerate(rules.pools)
    ]
    return pl.DataFrame(rows, schema_overrides={"ratio": pl.String})


def _pool_ratios(cases: pl.DataFrame, resolved: Resolved) -> dict[str, Fraction]:
    """Return ρ of each pool that turns all its standards into fund money at one ratio."""
    rules = resolved.rules
    if rules.month.style != "ratio" or rules.month.fund_ratio_level != "pool":
        return {}
    reckoned = cases.filter(pl.col("fixed_part").is_null())
    ratios = month_ratios(sums_by(reckoned, HOSPITAL_MONTH, rules.money), rules)
    return {key[0]: ratio for key, ratio in ratios.items() if rules.pool(key[0]).point_value.start.unit != "fund_yuan"}


def _document(resolved: Resolved, *path: str | int) -> str | None:
    source = resolved.source(*path)
    return None if source is None else source.reference
