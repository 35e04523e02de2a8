"""Agreed volume (约定采购量): reported demand × a ratio by the national number of winners (spec 1.2)."""

from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import polars as pl

from rules.fault import Text, UserError, near
from rules.money import Exact, Mode
from rules.policy.values import Share
from rules.procurement.exact import MILLION, millionths, rounded, wide
from rules.procurement.exact import Exact as Ratio
from rules.procurement.parameters import AgreedRatio, ClassShares, DemandFloor, Gradient
from rules.procurement.shares import shared


def agreed_ratio(
    rule: AgreedRatio, winners: int, drug_class: str = "", stated: Decimal | str | None = None
) -> Fraction:
    """Return agreed volume ÷ reported demand.

    `winners`: the national number. `stated`: the ratio that the procurement document gives for this drug, needed where
    the rule has only a range (by class of drug) or leaves few winners open. UserError where it is missing or outside.
    """
    if drug_class and drug_class not in rule.classes:
        hint = near(drug_class, rule.classes)
        raise UserError(
            Text(f"{rule.reference} 没有药品类别 {drug_class}{hint.zh}", f"no class {drug_class} of drugs{hint.en}")
        )
    if winners < 1:
        raise UserError(Text("中选企业数须不少于 1", "there must be at least one winner"))
    given = None if stated is None else Fraction(stated)
    bounds = rule.classes.get(drug_class)
    if bounds is not None:
        return _stated_within(given, bounds.least, bounds.most)
    if rule.by_winners:
        return Fraction(rule.by_winners[min(winners, len(rule.by_winners)) - 1])
    if rule.normal is None or winners <= rule.stated_up_to_winners:
        return _stated_within(given, Decimal(0), Decimal(1) if rule.normal is None else rule.normal)
    return Fraction(rule.normal)


def _stated_within(given: Fraction | None, least: Share, most: Share) -> Fraction:
    """Return the stated ratio, or refuse it."""
    if given is None or not least <= given <= most:
        zh = f"须写明本品种的约定采购比例（{least} 至 {most}）"
        raise UserError(Text(zh, f"state the agreed ratio of this drug, {least} to {most}"))
    return given


def agreed_quantities(demand: pl.DataFrame, mode: Mode = "half_away_from_zero") -> pl.DataFrame:
    """Return the demand with `agreed` (Int64): each region's and drug's agreed total, shared over its institutions.

    `demand`: region, generic, institution, reported (whole agreement units), ratio (decimal, equal within a region and
    drug); further columns, such as the brand reported, may tell rows of an institution apart. The total is
    Σ reported × ratio, rounded once, and shared by largest remainder, so that the parts add up to it.
    """
    group = ["region", "generic"]
    exact = Ratio(wide("reported").sum().over(group) * millionths("ratio"), 10**6)
    rows = demand.with_columns(rounded(exact, mode).alias("_total"))
    order = [column for column in demand.columns if column not in {*group, "reported", "ratio"}]
    return shared(rows, "_total", "reported", group, order, "agreed").drop("_total")


def supplier(demand: pl.DataFrame, winning: pl.DataFrame) -> pl.DataFrame:
    """Return the demand with `bid`: the brand that was reported where it won, else the region's main supplier.

    `demand`: region, generic, brand (a product, null where demand was reported by generic name). `winning`: region,
    generic, product, bid, role. A row that no winner supplies has no bid.
    """
    brands = winning.filter(pl.col("role") != "non_winning").select("generic", pl.col("product").alias("brand"), "bid")
    main = winning.filter(pl.col("role") == "main").select("region", "generic", pl.col("bid").alias("main_bid"))
    found = demand.join(brands.unique(["generic", "brand"]), on=["generic", "brand"], how="left", maintain_order="left")
    found = found.join(main.unique(["region", "generic"]), on=["region", "generic"], how="left", maintain_order="left")
    return found.with_columns(pl.coalesce("bid", "main_bid").alias("bid")).drop("main_bid")


class DemandDoubt(NamedTuple):
    """A reported demand that is too small against earlier use: who, what, and why."""

    institution: str
    generic: str
    text: Text


def doubtful_demand(demand: pl.DataFrame, rule: DemandFloor) -> list[DemandDoubt]:
    """Return the reports below the floors of the rule, and falls that need a reason.

    `demand`: institution, generic, reported, and what the floors of the rule compare with: mean_use, last_use,
    last_agreement (all whole agreement units, null where unknown).
    """
    floors = (
        ("mean_use", rule.of_mean_use, Text("历史平均使用量", "the mean of past use")),
        ("last_use", rule.of_last_use, Text("上年实际使用量", "last year's use")),
        ("last_agreement", rule.of_last_agreement, Text("上轮协议量", "the last agreement")),
        ("last_use", None if rule.explain_fall_over is None else 1 - rule.explain_fall_over, FALL),
    )
    found = []
    for column, share, name in floors:
        if share is not None and column in demand.columns:
            low = wide("reported") * 10**6 < wide(column) * int(share * 10**6)
            percent = f"{share * 100:f}".rstrip("0").rstrip(".")
            for row in demand.filter(low).iter_rows(named=True):
                zh = f"报量 {row['reported']} 低于{name.zh} {row[column]} 的 {percent} %"
                en = f"{row['reported']} reported, below {percent} % of {name.en} ({row[column]})"
                found.append(DemandDoubt(row["institution"], row["generic"], Text(zh, en)))
    return found


FALL = Text("上年使用量（须说明原因）", "last year's use (a reason is needed)")


class Volume(NamedTuple):
    """What a cut earns (ratios of demand): the agreed base, and what may be moved to other winners."""

    base: Fraction
    movable: Fraction


def gradient(rule: Gradient, cut: Exact | str) -> Volume:
    """Return base and movable share of a cut below the ceiling: base = min(most, base₀ + slope × (cut − cut₀))."""
    steps = (Fraction(cut) - Fraction(rule.cut_from)) * Fraction(rule.slope)
    if steps < 0:
        raise UserError(Text(f"降幅 {cut} 低于 {rule.cut_from}", f"a cut of {cut} is below {rule.cut_from}"))
    base = min(Fraction(rule.most), Fraction(rule.base) + steps)
    return Volume(base, max(Fraction(), Fraction(rule.movable) - steps))


def move_between_classes(demand: pl.DataFrame, rule: ClassShares, within: list[str]) -> pl.DataFrame:
    """Return the demand with kept, received and agreed = kept + received (Int64), what each winner gets.

    `demand`: `within` (an institution, or a region), bid, class, reported (whole). What a group's winners do not keep
    is shared over its winners of the receiving class by reported volume, largest remainder; a group without them
    leaves it unplaced, and Σ agreed falls short of Σ reported by it. UserError for a class without a share.
    """
    if unknown := sorted(set(demand["class"].to_list()) - set(rule.kept)):
        hints = [near(name, rule.kept) for name in unknown]
        pairs = zip(unknown, hints, strict=True)
        raise UserError(
            [Text(f"类别 {name} 没有保留比例{h.zh}", f"class {name} has no share{h.en}") for name, h in pairs]
        )
    shares = {name: int(share * MILLION) for name, share in rule.kept.items()}
    kept = wide("reported") * pl.col("class").replace_strict(shares, return_dtype=pl.Int64).cast(pl.Int128)
    rows = demand.with_columns(rounded(Ratio(kept, MILLION), "half_away_from_zero").alias("kept"))
    rows = rows.with_columns(
        (pl.col("reported") - pl.col("kept")).sum().over(within).alias("_moved"),
        pl.when(pl.col("class") == rule.receiver).then("reported").otherwise(0).alias("_weight"),
    )
    placed = shared(rows, "_moved", "_weight", within, ["bid"], "received").drop("_moved", "_weight")
    return placed.with_columns((pl.col("kept") + pl.col("received")).alias("agreed"))
