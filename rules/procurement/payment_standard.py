"""Payment standard of a drug (医保支付标准) and what the patient pays above it (spec 1.9, 医保发〔2019〕18号)."""

import polars as pl

from rules.fault import Text, UserError
from rules.money import Mode
from rules.payment.columns import need
from rules.procurement.exact import MILLION, Exact, millionths, rounded, whole, wide
from rules.procurement.parameters import PaymentStandard


def standards(products: pl.DataFrame, rule: PaymentStandard, mode: Mode = "half_away_from_zero") -> pl.DataFrame:
    """Return the products with `standard` (fen a pack).

    `products`: price and winning_price (fen for the same pack), winning, passed (flags; originators count as passed).
    A winning product: its winning price. Otherwise, with its own price at least the rule's multiple of the winning
    price: a share of its own price, in the first step; the standard jumps there, so that patients may pay less above
    the multiple than just below it. UserError where a price lies below the winning price and the rule does not say
    what holds.
    """
    need(products, ["price", "winning_price", "winning", "passed"], "支付标准", "payment standards")
    below = products.filter(~pl.col("winning") & (pl.col("price") < pl.col("winning_price"))).height
    if below and rule.below_winning is None:
        zh = f"{below} 个产品价格低于中选价：规则未写 below_winning"
        raise UserError(Text(zh, f"{below} products cost less than the winning price: state below_winning"))
    share = Exact(wide("price") * whole(int(rule.first_step * MILLION)), MILLION)
    far = wide("price") * MILLION >= wide("winning_price") * whole(int(rule.multiple * MILLION))
    own = pl.min_horizontal("price", "winning_price")
    standard = pl.when(~pl.col("winning") & pl.col("passed") & far).then(rounded(share, mode)).otherwise(own)
    return products.with_columns(
        pl.when("winning").then(pl.col("winning_price")).otherwise(standard).cast(pl.Int64).alias("standard")
    )


def patient_part(lines: pl.DataFrame, mode: Mode = "half_away_from_zero") -> pl.DataFrame:
    """Return the lines with in_scope, excess, first_self_pay and payable (fen).

    `lines`: quantity (packs, decimal), price and standard (fen a pack), self_pay (ratio, first self-pay of category B).
    charge = quantity × price = in_scope + excess; the patient pays all of the excess, and first_self_pay of what is in
    scope; payable is what the fund's ratio applies to. In scope is rounded once, first self-pay once from the exact
    figure, and the excess takes the rest of the charge.
    """
    need(lines, ["quantity", "price", "standard", "self_pay"], "个人负担", "the patient's part")
    quantity = millionths("quantity")
    inside = quantity * pl.min_horizontal(wide("price"), wide("standard"))
    charge = rounded(Exact(quantity * wide("price"), MILLION), mode)
    in_scope = rounded(Exact(inside, MILLION), mode)
    first = rounded(Exact(inside * millionths("self_pay"), MILLION**2), mode)
    return lines.with_columns(
        in_scope.alias("in_scope"),
        (charge - in_scope).alias("excess"),
        first.alias("first_self_pay"),
        (in_scope - first).alias("payable"),
    )
