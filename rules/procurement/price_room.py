"""腾空间–调结构: how much service prices may rise, and what new prices do by class of item (spec 1.13, 1.15)."""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import polars as pl

from rules.fault import Text, UserError, near
from rules.money import FEN_OF_STEP, Exact, Mode, Step
from rules.payment.columns import need
from rules.procurement import exact
from rules.procurement.exact import MILLION, millionths, ratio, wide
from rules.procurement.parameters import LabourShare


class Room(NamedTuple):
    """The most that service prices may add (fen a year), each limit by itself (None: none), and the least."""

    policy: int | None
    of_saving: int
    fund: int | None
    patients: int | None
    most: int
    bound_by: tuple[str, ...]


def price_room(
    saving: int, retained: int, drug_ratio: Exact, service_ratio: Exact, limit: Exact, cap: int | None, fund_limit: int
) -> Room:
    """Return A_max = the least of the policy's cap, λ × S, A with ΔF ≤ fund_limit and A with ΔP ≤ 0; never below zero.

    `saving` S and `retained` R (fen), `limit` λ, the pay ratios of drugs and of services; ΔF = r_s·A − r_d·S + R, ΔP =
    (1 − r_s)·A − (1 − r_d)·S. Rounded down to the fen. UserError for ratios outside 0 to 1 and a negative λ.
    """
    r_d, r_s, share = Fraction(drug_ratio), Fraction(service_ratio), Fraction(limit)
    if not (0 <= r_d <= 1 and 0 <= r_s <= 1 and share >= 0):
        zh, en = "支付比例须在 0 与 1 之间，λ 不得为负", "pay ratios must lie between 0 and 1, λ must not be negative"
        raise UserError(Text(zh, en))
    left = fund_limit + r_d * saving - retained
    limits: dict[str, int | None] = {
        "policy": cap,
        "of_saving": int(share * saving // 1),
        "fund": int(left / r_s // 1) if r_s else (None if left >= 0 else 0),
        "patients": int((1 - r_d) * saving / (1 - r_s) // 1) if r_s < 1 else (None if saving >= 0 or r_d == 1 else 0),
    }
    binding = {name: bound for name, bound in limits.items() if bound is not None}
    least = min(binding.values())
    bound_by = tuple(name for name, bound in binding.items() if bound == least)
    return Room(limits["policy"], binding["of_saving"], limits["fund"], limits["patients"], max(least, 0), bound_by)


def adjusted(items: pl.DataFrame, changes: Mapping[str, Decimal], step: Step, mode: Mode) -> pl.DataFrame:
    """Return the items with new_price: price × (1 + the change of its class), rounded once; other classes keep theirs.

    `items`: item, class, price (fen). UserError for a class that no item has and for a change below −1.
    """
    faults = []
    for name in sorted(set(changes) - set(items["class"].to_list())):
        hint = near(name, items["class"].unique().to_list())
        faults.append(Text(f"没有类别为 {name} 的项目{hint.zh}", f"no item has the class {name}{hint.en}"))
    faults += [
        Text(f"{name} 的变动 {change} 低于 −1", f"the change of {name}, {change}, is below -1")
        for name, change in changes.items()
        if change < -1
    ]
    if faults:
        raise UserError(faults)
    factors = {name: int((1 + change) * MILLION) for name, change in changes.items()}
    factor = pl.col("class").replace_strict(factors, default=MILLION, return_dtype=pl.Int64)
    fraction = exact.Exact(wide("price") * factor, MILLION * FEN_OF_STEP[step])
    new = exact.rounded(fraction, mode) * FEN_OF_STEP[step]
    changed = pl.col("class").is_in(list(changes))
    return items.with_columns(pl.when(changed).then(new).otherwise("price").alias("new_price"))


def by_class(items: pl.DataFrame) -> pl.DataFrame:
    """Return class, items, raised, lowered, added, taken and change (fen): what new prices do at the volumes given.

    `items`: item, class, price, new_price (fen), volume (whole). change = added − taken is A of the class.
    """
    need(items, ["class", "price", "new_price", "volume"], "调价模拟", "the simulation of prices")
    amount = (wide("new_price") - wide("price")) * wide("volume")
    up, down = pl.col("new_price") > pl.col("price"), pl.col("new_price") < pl.col("price")
    return (
        items.group_by("class")
        .agg(
            pl.len().cast(pl.Int64).alias("items"),
            up.sum().cast(pl.Int64).alias("raised"),
            down.sum().cast(pl.Int64).alias("lowered"),
            amount.filter(up).sum().cast(pl.Int64).alias("added"),
            amount.filter(down).sum().abs().cast(pl.Int64).alias("taken"),
            amount.sum().cast(pl.Int64).alias("change"),
        )
        .sort("class")
    )


class Labour(NamedTuple):
    """Shares of technical-labour items in an adjustment, and whether both reach the rule's."""

    by_number: Fraction
    by_amount: Fraction
    enough: bool


def labour_share(items: pl.DataFrame, rule: LabourShare) -> Labour | None:
    """Return the share of technical labour among the items the rule means, by number and by amount moved; None: none.

    `items`: labour (flag), price, new_price (fen), volume. UserError where the rule does not say among which items.
    """
    need(items, ["labour", "price", "new_price", "volume"], "技术劳务占比", "the labour share")
    if rule.among is None:
        zh = "规则未写 among（adjusted 全部调整项目，raised 上调项目）"
        raise UserError(Text(zh, "the rule does not state among (adjusted or raised items)"))
    up = pl.col("new_price") > pl.col("price")
    moved = items.filter(up if rule.among == "raised" else pl.col("new_price") != pl.col("price"))
    amount = ((wide("new_price") - wide("price")) * wide("volume")).abs()
    total, labour = moved.select(amount.sum()).item(), moved.select(amount.filter("labour").sum()).item()
    if not moved.height or not total:
        return None
    number, money = Fraction(int(moved["labour"].sum()), moved.height), Fraction(labour, total)
    return Labour(number, money, min(number, money) >= Fraction(rule.least))


def relative_prices(items: pl.DataFrame, relations: pl.DataFrame) -> pl.DataFrame:
    """Return the relations with before, after (higher ÷ lower price, six decimals) and `broken`.

    `relations`: higher, lower (items), least, most (ratios, either may be empty): what a grade, a level or a more
    complex item must cost beside another. UserError names items that are not in the list.
    """
    need(relations, ["higher", "lower", "least", "most"], "比价关系", "relative prices")
    named = pl.concat([relations["higher"], relations["lower"].rename("higher")]).unique()
    if unknown := sorted(set(named.to_list()) - set(items["item"].to_list())):
        listed = ", ".join(unknown[:3])
        zh = f"比价关系中有 {len(unknown)} 个项目不在调价表中（{listed}）"
        raise UserError(Text(zh, f"{len(unknown)} items of the relations are not in the list ({listed})"))
    prices = items.select("item", "price", "new_price")
    rows = relations.join(prices, left_on="higher", right_on="item", how="left", maintain_order="left")
    rows = rows.join(prices, left_on="lower", right_on="item", how="left", suffix="_lower", maintain_order="left")
    scaled, lower = wide("new_price") * MILLION, wide("new_price_lower")
    broken = (scaled < lower * millionths("least")).fill_null(value=False)
    broken |= (scaled > lower * millionths("most")).fill_null(value=False)
    return rows.select(
        *relations.columns,
        ratio(wide("price"), wide("price_lower")).alias("before"),
        ratio(wide("new_price"), lower).alias("after"),
        broken.alias("broken"),
    )
