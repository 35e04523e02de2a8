"""What statements print of a month's policy: pools with their fund ratio and prepayment, names of special kinds."""

from datetime import date
from fractions import Fraction

import polars as pl

from rules.payment.fund_part import Sums, ratio_of
from rules.policy.check import ILLUSTRATIVE
from rules.policy.model import Rules
from rules.policy.resolve import Policy


def pool_rows(cases: pl.DataFrame, policy: Policy, day: date) -> pl.DataFrame:
    """Return rows of ledger_pool, one per pool of the policy.

    `cases`: the cases of a settled month (`settle_month`). `policy` and `day`: the rules that settled it.
    """
    rules = policy.on(day).rules
    ratios = _pool_ratios(cases, rules)
    rows = [
        {
            "pool": pool.id,
            "kind": rules.kind,
            "name_zh": pool.name.zh,
            "name_en": pool.name.en,
            "unit": pool.point_value.start.unit,
            "style": rules.month.style,
            "ratio": str(ratios[pool.id]) if pool.id in ratios else None,
            "prepayment_ratio": str(rules.month.prepayment_ratio),
            "deposit": rules.month.deposit,
            "document_value": _document(policy, day, "pools", place, "point_value", "start"),
            "document_month": _document(policy, day, "month", "prepayment_ratio"),
        }
        for place, pool in enumerate(rules.pools)
    ]
    return pl.DataFrame(rows, schema_overrides={"ratio": pl.String})


def kind_rows(rules: Rules) -> pl.DataFrame:
    """Return rows of ledger_kind, one per special kind of the policy."""
    rows = [(kind.id, kind.name.zh, kind.name.en) for kind in rules.kinds]
    return pl.DataFrame(rows, schema=dict.fromkeys(("special_kind", "name_zh", "name_en"), pl.String), orient="row")


def _pool_ratios(cases: pl.DataFrame, rules: Rules) -> dict[str, Fraction]:
    """Return ρ of each pool that turns all its standards into fund money at one ratio."""
    if rules.month.style != "ratio" or rules.month.fund_ratio_level != "pool":
        return {}
    outside = pl.col("funding").cast(pl.String) == "outside"
    amounts = pl.col("charge", "booked").cast(pl.Int128)
    table = (
        cases.select("pool", "funding", "fixed_part", "charge", "booked")
        .filter(pl.col("fixed_part").is_null(), pl.col("funding").cast(pl.String) != "elsewhere")
        .group_by(pl.col("pool").cast(pl.String))
        .agg(amounts.filter(~outside).sum(), amounts.filter(outside).sum().name.suffix("_outside"))
    )
    sums = {pool: Sums(**amounts) for pool, amounts in table.rows_by_key("pool", named=True, unique=True).items()}
    pools = [pool for pool in rules.pools if pool.id in sums and pool.point_value.start.unit == "charge_yuan"]
    return {pool.id: ratio_of(rules.month, pool, sums[pool.id]) for pool in pools}


def _document(policy: Policy, day: date, *path: str | int) -> str | None:
    """Return the title of the document that a value names, and the clause; None where the value is illustrative."""
    source = policy.on(day).source(*path)
    if source is None or source.reference.startswith(ILLUSTRATIVE):
        return None
    key, _, clause = source.reference.partition(" ")
    return " ".join(part for part in (policy.document["documents"][key], clause) if part)
