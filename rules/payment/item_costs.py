"""What the fee lines of a case add to its rules: separately paid items, listed new items, the TCM share, added points.

Fee lines: case_id, item_code, item_class, listed_new_item (bool), quantity, amount (fen). Item classes are those of the
settlement list (western_drugs, herbal_pieces, chinese_patent_drugs, consumables, surgery, treatment, …) with
tcm_treatment apart.
"""

from decimal import Decimal
from fractions import Fraction
from math import lcm

import polars as pl

from rules.fault import Text, UserError
from rules.payment.columns import need
from rules.policy.cases import SeparateItem
from rules.policy.model import Rules

KIND_CLASSES = {
    "drug": ["western_drugs", "herbal_pieces", "chinese_patent_drugs"],
    "consumable": ["consumables"],
    "procedure": ["surgery", "treatment", "tcm_treatment"],
}
TCM_CLASSES = ["tcm_treatment", "chinese_patent_drugs", "herbal_pieces"]
TCM_BASE = [*TCM_CLASSES, "treatment", "western_drugs", "surgery", "consumables"]
QUANTITY_SCALE = 10_000


def rules_with_items(rules: Rules) -> list[str]:
    """Return the names of the rules that need fee lines."""
    names = [f"separate_items.{item.id}" for item in rules.separate_items]
    names += ["exclusion"] if rules.exclusion else []
    names += [
        f"kinds.{kind.id}"
        for kind in rules.kinds
        if kind.when.tcm_share_from is not None or kind.when.tcm_share_below is not None
    ]
    return names + [f"added_points.{rule.id}" for rule in rules.added_points if rule.by == "item"]


def item_scale(rules: Rules) -> int:
    """Return the scale at which separate items are whole numbers of fen."""
    shares = [Fraction(item.share).denominator for item in rules.separate_items if item.share is not None]
    return (
        lcm(*shares, QUANTITY_SCALE) if any(item.pay == "per_unit" for item in rules.separate_items) else lcm(*shares)
    )


def points_scale(rules: Rules) -> int:
    """Return the scale at which points added by item are whole numbers."""
    return lcm(
        *(Fraction(p).denominator for rule in rules.added_points if rule.by == "item" for p in rule.points.values())
    )


def separate(item: SeparateItem, scale: int) -> pl.Expr:
    """Return what a separately paid item's lines add to the case (fen × scale)."""
    sign = -1 if item.sign == "deduct" else 1
    if item.pay == "per_unit":
        quantity = (pl.col("quantity").cast(pl.Decimal(18, 4)) * QUANTITY_SCALE).cast(pl.Int64)
        return sign * quantity * int((item.per_unit or Decimal(0)) * 100) * (scale // QUANTITY_SCALE)
    share = Fraction(1 if item.share is None else item.share)
    return sign * pl.col("amount") * int(share * scale)


def item_costs(lines: pl.DataFrame | None, rules: Rules) -> pl.DataFrame | None:
    """Return one row a case with what its fee lines mean to the rules, None where no rule asks for fee lines.

    Columns: case_id, taken_out, new_drug, new_consumable, new_procedure, tcm_cost, tcm_base (fen), separate (fen ×
    `item_scale`) and separate_taken, its part for items taken out, item_points (× `points_scale`). UserError where a
    rule needs fee lines that are not given.
    """
    names = rules_with_items(rules)
    if not names:
        return None
    if lines is None:
        zh, en = "、".join(names), ", ".join(names)
        raise UserError(
            Text(
                f"规则 {zh} 需要费用明细表 fee_lines，未给出",
                f"the rules {en} need the table fee_lines, which was not given",
            )
        )
    columns = ["case_id", "item_code", "item_class", "listed_new_item", "quantity", "amount"]
    need(lines, columns, "费用明细表", "the table fee_lines")
    scale = item_scale(rules)
    by_item = {code: item for item in rules.separate_items for code in item.items}
    taken = [code for code, item in by_item.items() if item.taken_out]
    code, kind = pl.col("item_code"), pl.col("item_class")
    new = pl.col("listed_new_item") & ~code.is_in(taken)
    inside = ~code.is_in(taken)
    amount, nothing = pl.col("amount"), pl.lit(0, pl.Int64)
    added: pl.Expr = nothing
    for item in rules.separate_items:
        added = pl.when(code.is_in(list(item.items))).then(separate(item, scale)).otherwise(added)
    points = item_points(rules)
    return lines.group_by("case_id").agg(
        pl.when(code.is_in(taken)).then(amount).otherwise(nothing).sum().alias("taken_out"),
        added.sum().alias("separate"),
        pl.when(code.is_in(taken)).then(added).otherwise(nothing).sum().alias("separate_taken"),
        *(
            pl.when(new & kind.is_in(classes)).then(amount).otherwise(nothing).sum().alias(f"new_{name}")
            for name, classes in KIND_CLASSES.items()
        ),
        pl.when(inside & kind.is_in(TCM_CLASSES)).then(amount).otherwise(nothing).sum().alias("tcm_cost"),
        pl.when(inside & kind.is_in(TCM_BASE)).then(amount).otherwise(nothing).sum().alias("tcm_base"),
        (
            code.unique().replace_strict(points, default=0, return_dtype=pl.Int64).sum() if points else nothing.first()
        ).alias("item_points"),
    )


def item_points(rules: Rules) -> dict[str, int]:
    """Return the points that an item adds to its case once, × `points_scale`."""
    scale, found = points_scale(rules), dict[str, int]()
    for rule in rules.added_points:
        for code, points in rule.points.items() if rule.by == "item" else ():
            found[code] = found.get(code, 0) + int(Fraction(points) * scale)
    return found
