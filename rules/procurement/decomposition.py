"""Why spending changed: volume × structure × price (Addis and Magrini), and the same as amounts that add up (spec 3).

`rows` are priced baskets, or baskets summed up by generic name, in one unit that may be added up over them: daily
doses, or the unit of an agreement within one generic name.
"""

from decimal import Decimal, localcontext
from fractions import Fraction
from typing import NamedTuple

import polars as pl

from rules.fault import Text, UserError
from rules.payment.columns import need
from rules.procurement.basket import SIDES
from rules.procurement.exact import millionths, wide

DIGITS = 40


class Factors(NamedTuple):
    """Spending after ÷ before (fen) as a product; `missing`: rows without a price before, and their spending."""

    volume: Fraction
    structure: Fraction
    price: Fraction
    before: int
    after: int
    missing: int
    left_out: int

    @property
    def product(self) -> Fraction:
        """Spending after ÷ before: volume × structure × price exactly."""
        return self.volume * self.structure * self.price

    @property
    def sequential(self) -> "Effects":
        """The factors as amounts, one after the other: volume, then structure, then price."""
        at_volume = self.before * self.volume
        at_structure = at_volume * self.structure
        return Effects(at_volume - self.before, at_structure - at_volume, self.after - at_structure)


class Effects(NamedTuple):
    """The change of spending (fen, exact) by its cause; the three add up to it."""

    volume: Fraction
    structure: Fraction
    price: Fraction


def three_factors(rows: pl.DataFrame) -> Factors:
    """Return volume = Q₁/Q₀, structure = (Σp₀q₁/Q₁)/(E₀/Q₀), price = E₁/Σp₀q₁ of a priced basket.

    Rows without a price before are left out, counted and their spending told. UserError where nothing was bought in
    one of the periods.
    """
    need(rows, [*SIDES, "at_base"], "三因素", "three factors")
    known = rows.filter(pl.col("at_base").is_not_null())
    q0, q1 = (int(known.select(millionths(column).sum()).item()) for column in ("base_quantity", "quantity"))
    e0, e1, between = (_sum(known, column) for column in ("base_amount", "amount", "at_base"))
    if min(q0, q1, e0, between) <= 0:
        zh, en = (
            "基期或报告期没有采购，无法分解",
            "nothing was bought in one of the periods: there is nothing to explain",
        )
        raise UserError(Text(zh, en))
    return Factors(
        volume=Fraction(q1, q0),
        structure=Fraction(between * q0, q1 * e0),
        price=Fraction(e1, between),
        before=e0,
        after=e1,
        missing=rows.height - known.height,
        left_out=_sum(rows, "amount") - e1,
    )


def lmdi(rows: pl.DataFrame) -> Effects:
    """Return the log-mean (LMDI) effects of a basket by generic name: no residual, and symmetric in time.

    A generic name that enters or leaves is structure with its whole spending: the limit as the other period's goes to
    zero at the same price. Reckoned with 40 digits; structure takes the rest, so that they add up exactly.
    """
    need(rows, SIDES, "对数平均分解", "the log-mean decomposition")
    q0, q1 = (int(rows.select(millionths(column).sum()).item()) for column in ("base_quantity", "quantity"))
    if min(q0, q1) <= 0:
        zh, en = (
            "基期或报告期没有采购，无法分解",
            "nothing was bought in one of the periods: there is nothing to explain",
        )
        raise UserError(Text(zh, en))
    both = rows.filter(pl.all_horizontal(pl.col(SIDES) > 0))
    sides = both.select(millionths("base_quantity"), wide("base_amount"), millionths("quantity"), wide("amount"))
    change = _sum(rows, "amount") - _sum(rows, "base_amount")
    with localcontext() as context:
        context.prec = DIGITS
        more, volume, price = (Decimal(q1) / q0).ln(), Decimal(0), Decimal(0)
        for before, paid_before, after, paid in sides.iter_rows():
            mean = _log_mean(paid, paid_before)
            volume += mean * more
            price += mean * (Decimal(paid * before) / Decimal(after * paid_before)).ln()
    return Effects(Fraction(volume), change - Fraction(volume) - Fraction(price), Fraction(price))


def _log_mean(one: int, other: int) -> Decimal:
    """Return (a − b) ÷ ln(a ÷ b), a itself where they are equal."""
    return Decimal(one) if one == other else (one - other) / (Decimal(one) / other).ln()


def _sum(rows: pl.DataFrame, column: str) -> int:
    return int(rows.select(wide(column).sum()).item())
