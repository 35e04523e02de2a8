"""What procurement saved, by each method, never without its base (spec 3).

Every measure names its price base, quantity base, unit and perimeter, and the share of the spending that a valid price
covers. A missing price is null and counted. Realised savings may be negative.
"""

from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Literal, NamedTuple

import polars as pl

from rules.fault import Text
from rules.money import Exact as Number
from rules.money import Mode, round_whole
from rules.payment.columns import need
from rules.procurement.basket import NAMES, Perimeter, Unit
from rules.procurement.exact import Exact, millionths, rounded, wide
from rules.procurement.units import agreed_amounts

PriceBase = Literal["ceiling", "winning_list_base", "lowest_prior", "weighted_prior", "last_year"]
QuantityBase = Literal["agreed", "actual", "before"]
WORDS = NAMES | {
    "ceiling": Text("最高有效申报价", "ceiling price"),
    "winning_list_base": Text("中选结果所列集采前价格", "price before, as the winning list states it"),
    "lowest_prior": Text("集采前最低采购价", "lowest price before"),
    "weighted_prior": Text("集采前加权均价", "weighted mean price before"),
    "last_year": Text("上年价格", "price of last year"),
    "agreed": Text("约定采购量", "agreed quantity"),
    "actual": Text("实际采购量", "quantity bought"),
    "before": Text("集采前采购量", "quantity bought before"),
    "official": Text("官方口径", "official"),
    "paasche": Text("帕氏（报告期量）", "Paasche: quantities after"),
    "laspeyres": Text("拉氏（基期量）", "Laspeyres: quantities before"),
}
"""Measures, bases, units and perimeters by name."""


class Basis(NamedTuple):
    """What a saving is of: its method, price base, quantity base, unit and perimeter, all names of WORDS."""

    method: str
    price_base: PriceBase
    quantity_base: QuantityBase
    unit: Unit
    perimeter: Perimeter


class Measure(NamedTuple):
    """One saving and what it rests on. Money in fen; `missing`: rows without a valid price.

    before, after: the covered quantities at the price before and after; spending: of all rows, covered: of those with
    a valid price.
    """

    basis: Basis
    before: int
    after: int
    covered: int
    spending: int
    missing: int

    @property
    def saving(self) -> int | None:
        """Fen, negative where prices rose; None where no price covers anything."""
        return self.before - self.after if self.covered else None

    @property
    def coverage(self) -> Fraction | None:
        """Share of the spending that a valid price covers."""
        return Fraction(self.covered, self.spending) if self.spending else None

    @property
    def cut(self) -> Fraction | None:
        """1 − after ÷ before, of the covered quantities: the cut by spending."""
        return 1 - Fraction(self.after, self.before) if self.before > 0 else None


def agreed_at_prices(
    agreed: pl.DataFrame,
    prices: pl.DataFrame,
    products: pl.DataFrame,
    price_base: Literal["base_price", "ceiling_price"],
    mode: Mode = "half_away_from_zero",
) -> pl.DataFrame:
    """Return the agreements with at_base and amount (fen): at the price before and the winning price.

    `prices`: batch, bid, product, price, price_unit and the column of the price base (yuan), one row a bid. Null
    where there is no such price.
    """
    win = agreed_amounts(agreed, prices.select("batch", "bid", "product", "price", "price_unit"), products)
    named = prices.select("batch", "bid", "product", pl.col(price_base).alias("price"), "price_unit")
    base = agreed_amounts(agreed, named, products)
    fen = rounded(Exact(millionths("agreed_amount"), 10**4), mode)
    both = win.with_columns(fen.alias("amount"), base.select(fen).to_series().alias("at_base"))
    return both.drop("agreed_amount")


def official(rows: pl.DataFrame, price_base: PriceBase, perimeter: Perimeter = "winning") -> Measure:
    """Return agreed quantity × (price before − winning price), as published; `rows`: see `agreed_at_prices`.

    It knows nothing of use beyond the agreement, of non-winning products, of substitution.
    """
    basis = Basis("official", price_base, "agreed", "agreement_unit", perimeter)
    return _measure(rows, basis, "at_base", "amount", "amount")


def paasche(rows: pl.DataFrame, unit: Unit, perimeter: Perimeter, price_base: PriceBase = "weighted_prior") -> Measure:
    """Return Σ quantity after × (price before − price after); `rows`: a priced basket."""
    return _measure(rows, Basis("paasche", price_base, "actual", unit, perimeter), "at_base", "amount", "amount")


def laspeyres(rows: pl.DataFrame, unit: Unit, perimeter: Perimeter) -> Measure:
    """Return Σ quantity before × (price before − price after); `rows`: a basket priced by what was paid."""
    basis = Basis("laspeyres", "weighted_prior", "before", unit, perimeter)
    return _measure(rows, basis, "base_amount", "at_current", "base_amount")


def _measure(rows: pl.DataFrame, basis: Basis, before: str, after: str, spending: str) -> Measure:
    """Sum up the rows of which both sides are known."""
    need(rows, {before, after, spending}, "节约", "savings")
    known = rows.filter(pl.col(before).is_not_null() & pl.col(after).is_not_null())
    first, second, covered = (_sum(known, column) for column in (before, after, spending))
    return Measure(basis, first, second, covered, _sum(rows, spending), rows.height - known.height)


def _sum(rows: pl.DataFrame, column: str) -> int:
    return int(rows.select(wide(column).sum()).item())


class Indices(NamedTuple):
    """Price and quantity indices of the rows with prices on both sides; `missing`: the rows without."""

    laspeyres: Fraction
    paasche: Fraction
    quantity_laspeyres: Fraction
    quantity_paasche: Fraction
    missing: int

    @property
    def value(self) -> Fraction:
        """Spending after ÷ before: Laspeyres of prices × Paasche of quantities, and the other way round."""
        return self.laspeyres * self.quantity_paasche

    @property
    def fisher(self) -> Decimal:
        """√(Laspeyres × Paasche), 28 digits; show it between its two bounds."""
        with localcontext() as context:
            context.prec = 28
            product = self.laspeyres * self.paasche
            return (Decimal(product.numerator) / product.denominator).sqrt()


def indices(rows: pl.DataFrame) -> Indices | None:
    """Return the indices of a priced basket, None where nothing was bought in one of the periods."""
    known = rows.filter(pl.col("at_base").is_not_null() & pl.col("at_current").is_not_null())
    e0, e1, after_at_base, before_at_current = (
        _sum(known, column) for column in ("base_amount", "amount", "at_base", "at_current")
    )
    if min(e0, e1, after_at_base, before_at_current) <= 0:
        return None
    return Indices(
        laspeyres=Fraction(before_at_current, e0),
        paasche=Fraction(e1, after_at_base),
        quantity_laspeyres=Fraction(after_at_base, e0),
        quantity_paasche=Fraction(e1, before_at_current),
        missing=rows.height - known.height,
    )


class FundSaving(NamedTuple):
    """What of a saving is the fund's (fen): its part less what hospitals keep of it; the four others add up to it."""

    saving: int
    patients: int
    retained: int
    locked_in: int
    fund: int


def fund_saving(
    saving: int,
    pay_ratio: Number,
    insured_share: Number,
    retained: int,
    locked_in: int,
    mode: Mode = "half_away_from_zero",
) -> FundSaving:
    """Return the fund's saving: saving × pay ratio × insured share − retention − what DRG/DIP leaves with hospitals.

    `patients`: own payments and all of those insured elsewhere. `fund` may be negative.
    """
    part = round_whole(Fraction(saving) * Fraction(pay_ratio) * Fraction(insured_share), mode)
    return FundSaving(saving, saving - part, retained, locked_in, part - retained - locked_in)
