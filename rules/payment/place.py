"""Where a case belongs: its pool, its month, and the stretch of days whose rules pay it."""

from collections.abc import Iterable

import numpy as np
import polars as pl

from rules.fault import Text, UserError, near
from rules.payment.columns import need, refuse_empty
from rules.policy.model import Rules
from rules.policy.resolve import Policy

DATES = {"admission": "admitted", "discharge": "discharged", "settlement": "settled", "arrival": "received"}


def day_column(cases: pl.DataFrame, basis: str, what: Text) -> pl.Series:
    """Return the date that `basis` (admission, discharge, settlement, arrival) names; UserError where it is missing."""
    column = DATES[basis]
    need(cases, [column], what.zh, what.en)
    refuse_empty(cases, column, f"{what.zh}要用它", f"{what.en} needs it")
    return cases[column].cast(pl.Date)


def months(cases: pl.DataFrame, basis: str) -> pl.Series:
    """Return the month of each case as a whole number, year × 100 + month."""
    days = day_column(cases, basis, Text("月份", "the month")).to_physical().to_numpy()
    first = int(days.min()) if days.size else 0
    calendar = (
        np.arange(first, int(days.max()) + 1 if days.size else 0)
        .astype("datetime64[D]")
        .astype("datetime64[M]")
        .astype(int)
    )
    by_day = (calendar // 12 + 1970) * 100 + calendar % 12 + 1
    return pl.Series("month", by_day[days - first], dtype=pl.Int32)


def month_text(month: int) -> str:
    """Print a month: 202610 -> "2026-10"."""
    return f"{month // 100}-{month % 100:02d}"


def stretches(cases: pl.DataFrame, policy: Policy) -> pl.Series:
    """Return for each case the number of the stretch of days (of `policy.starts`) whose rules pay it."""
    basis = policy.on(policy.valid[0]).rules.date_basis.policy
    days = day_column(cases, basis, Text("政策日期", "the date of the policy"))
    outside = cases.filter((days < policy.valid[0]) | (days > policy.valid[1])).height
    if outside:
        span = f"{policy.valid[0]} … {policy.valid[1]}"
        zh = f"{outside} 例的日期（{basis}）不在政策 {policy.id} 的有效期 {span} 内"
        raise UserError(
            Text(zh, f"{outside} cases have a {basis} date outside the validity of policy {policy.id}, {span}")
        )
    starts = pl.Series(policy.starts, dtype=pl.Date).to_physical().to_numpy()
    return pl.Series(
        "stretch", np.searchsorted(starts, days.to_physical().to_numpy(), side="right") - 1, dtype=pl.Int32
    )


def place(cases: pl.DataFrame) -> pl.Expr:
    """Return local, in_province or cross_province: by the first four and two digits of the two regions.

    A claim without both regions is local.
    """
    if not {"insured_region", "treated_region"} <= set(cases.columns):
        return pl.lit("local")
    insured, treated = pl.col("insured_region").cast(pl.String), pl.col("treated_region").cast(pl.String)
    return (
        pl.when((insured.str.head(4) == treated.str.head(4)).fill_null(value=True)).then(pl.lit("local"))
        .when(insured.str.head(2) == treated.str.head(2)).then(pl.lit("in_province"))
        .otherwise(pl.lit("cross_province"))
    )  # fmt: skip


def pools(cases: pl.DataFrame, rules: Rules) -> pl.Series:
    """Return the position of each case's pool in `rules.pools`; UserError for cases that no pool takes.

    A pool that names the case's region comes before one that names none.
    """
    need(cases, ["insurance_type"], "基金池", "the pool")
    placed = cases.select(pl.col("insurance_type"), place(cases).alias("place"), *regions(cases, rules))
    found: pl.Expr = pl.lit(None, pl.Int8)
    for n, pool in sorted(enumerate(rules.pools), key=lambda numbered: bool(numbered[1].regions)):
        takes = pl.col("insurance_type").is_in(list(pool.insurance_types)) & (pl.col("place") == pool.place)
        if pool.regions:
            takes &= pl.col("insured_region").is_in(list(pool.regions))
        found = pl.when(takes).then(pl.lit(n, pl.Int8)).otherwise(found)
    indices = placed.select(found.alias("pool")).to_series()
    if indices.null_count():
        lost = (
            placed.filter(indices.is_null()).group_by("insurance_type", "place").len().sort("insurance_type", "place")
        )
        faults = [
            Text(
                f"{count} 例（险种 {kind}，{where}）没有对应的基金池",
                f"{count} cases (insurance type {kind}, {where}) belong to no pool",
            )
            for kind, where, count in lost.iter_rows()
        ]
        raise UserError(faults)
    return indices


def unknown_pools(named: Iterable[str], rules: Rules, what: Text) -> list[Text]:
    """Return a fault for every pool that a table or a result names and the policy does not have."""
    known = {pool.id for pool in rules.pools}
    return [
        Text(
            f"{what.zh}中的基金池 {name!r} 不在政策中{near(name, known).zh}",
            f"{what.en} names pool {name!r}, which the policy does not have{near(name, known).en}",
        )
        for name in sorted(set(named) - known)
    ]


def regions(cases: pl.DataFrame, rules: Rules) -> list[str]:
    """Return the column of the insured region where a pool asks for it."""
    if not any(pool.regions for pool in rules.pools):
        return []
    need(cases, ["insured_region"], "基金池", "the pool")
    return ["insured_region"]
