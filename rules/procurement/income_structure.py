"""收入结构 of hospitals, as Sanming publishes it: named shares, growth, and shifts between lines (spec 1.15).

Three different "service shares" are published: narrow (without examinations and laboratory), wide (医务性收入, with
them), and a national one that is neither. Every share here carries its definition. Drugs, materials, examinations and
services stand together, since less of one may only be more of another.
"""

from typing import NamedTuple

import polars as pl

from rules.fault import Text, UserError
from rules.payment.columns import need
from rules.procurement.exact import MILLION, divided, millionths, ratio, whole, wide

LINES = ["drugs", "materials", "examinations", "services"]


class Share(NamedTuple):
    """A share of income: what it is called, and the lines above the line (all four are below it)."""

    name: str
    zh: str
    en: str
    lines: tuple[str, ...]


SHARES = (
    Share("drug_share", "药占比", "drugs", ("drugs",)),
    Share("material_share", "耗占比", "materials", ("materials",)),
    Share("goods_share", "药品和耗材占比", "drugs and materials", ("drugs", "materials")),
    Share("examination_share", "检查化验占比", "examinations and laboratory", ("examinations",)),
    Share(
        "service_share_narrow", "医疗服务收入占比（窄，不含检查化验）", "services without examinations", ("services",)
    ),
    Share("service_share_wide", "医务性收入占比（宽）", "services with examinations", ("services", "examinations")),
)
"""Every share with its definition."""


def income_structure(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with total (fen) and every share of SHARES (six decimals).

    `rows`: drugs, materials, examinations, services (fen), and what names a row (institution, period). If `total` is
    there it must be the sum of the four. UserError counts rows where it is not, or a cell is empty.
    """
    need(rows, LINES, "收入结构", "the structure of income")
    total = pl.sum_horizontal(pl.col(LINES))
    faults = []
    if count := rows.filter(pl.any_horizontal(pl.col(LINES).is_null())).height:
        faults.append(Text(f"{count} 行有空格", f"{count} rows have empty cells"))
    if "total" in rows.columns and (count := rows.filter(pl.col("total") != total).height):
        zh, en = f"{count} 行的合计不等于四项之和", f"in {count} rows the total is not the sum of the four lines"
        faults.append(Text(zh, en))
    if faults:
        raise UserError(faults)
    rows = rows.with_columns(total.alias("total"))
    parts = {share.name: pl.sum_horizontal(wide(line) for line in share.lines) for share in SHARES}
    return rows.with_columns(ratio(part, wide("total")).alias(name) for name, part in parts.items())


def growth(rows: pl.DataFrame, key: str, order: str) -> pl.DataFrame:
    """Return the rows, by `key` in `order`, with the growth of every line and of the total since the row before.

    `rows`: see `income_structure`. `<line>_change` (fen) and `<line>_growth` (six decimals), null in the first row.
    """
    found = rows.sort(key, order)
    before = {column: wide(column).shift().over(key) for column in [*LINES, "total"]}
    return found.with_columns(
        *((wide(column) - old).cast(pl.Int64).alias(f"{column}_change") for column, old in before.items()),
        *(ratio(wide(column) - old, old).alias(f"{column}_growth") for column, old in before.items()),
    )


def at_base_structure(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with `<part>_shift` (fen): each part less what it would be at the shares of another year.

    `rows`: goods, examinations, services (fen), base_goods, base_examinations, base_services (shares that add up to 1).
    goods: drugs and materials. The shifts add up to zero: a change of structure, not of cause.
    """
    parts = ["goods", "examinations", "services"]
    bases = [f"base_{part}" for part in parts]
    need(rows, [*parts, *bases], "结构变化", "the shift of structure")
    if count := rows.filter(pl.sum_horizontal(millionths(base) for base in bases) != whole(MILLION)).height:
        zh, en = f"{count} 行的基期占比之和不是 1", f"in {count} rows the shares of the base do not add up to 1"
        raise UserError(Text(zh, en))
    total = pl.sum_horizontal(wide(part) for part in parts)
    shifts = {
        part: wide(part) - divided(total * millionths(base), whole(MILLION))
        for part, base in zip(parts, bases, strict=True)
    }
    shifts["services"] = whole(0) - shifts["goods"] - shifts["examinations"]
    return rows.with_columns(shift.cast(pl.Int64).alias(f"{part}_shift") for part, shift in shifts.items())
