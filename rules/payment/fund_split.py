"""Fund part of each case divided over the funds that pay this patient, in a declared order or in proportion.

One city publishes per case and fund the by-item amount, the amount after the regional budget, and the amount after a
cap of 110 % of the by-item amount. Parts always add up to the whole, to the fen.
"""

from fractions import Fraction

import polars as pl

from rules.payment.columns import need
from rules.policy.settlement import FundSplit


def split_columns(rule: FundSplit) -> list[str]:
    """Return the columns that `split_over_funds` makes: the funds, their remainder, and the hospital where it bears."""
    names = [*rule.funds, *([rule.remainder] if rule.remainder is not None else [])]
    return [f"{name}_split" for name in dict.fromkeys(names)]


def split_over_funds(cases: pl.DataFrame, rule: FundSplit, part: str = "fund_part") -> pl.DataFrame:
    """Return one int64 column per fund (fen, `<fund>_split`) whose sum is the case's fund part.

    `cases`: `part` (int64 fen) and the by-item amounts of the declared funds. order: each fund in turn pays up to its
    by-item amount (times the cap); proportion: largest remainder by the by-item amounts, ties to the fund named first,
    nothing booked counts as all of it in the first fund. What caps leave, and a fund part below zero, goes to the
    remainder (in proportion without a remainder, below zero is divided like its opposite).
    """
    need(cases, rule.funds, "按基金拆分", "the split over funds")
    booked = [pl.col(fund).fill_null(0).clip(lower_bound=0).alias(f"{fund}_booked") for fund in rule.funds]
    frame = cases.select(pl.col(part).alias("whole"), *booked)
    frame = frame.with_columns(pl.all().cast(_whole_type(frame, rule)))
    shared = _in_order(frame, rule) if rule.method == "order" else _in_proportion(frame, rule)
    if rule.remainder is not None:
        left = pl.col("whole") - pl.sum_horizontal(rule.funds)
        own = pl.col(rule.remainder) if rule.remainder in rule.funds else 0
        shared = shared.with_columns((own + left).alias(rule.remainder))
    names = {name.removesuffix("_split"): name for name in split_columns(rule)}
    return shared.select(pl.col(old).cast(pl.Int64).alias(new) for old, new in names.items())


def _whole_type(frame: pl.DataFrame, rule: FundSplit) -> type[pl.Int64] | type[pl.Int128]:
    """Return the whole numbers that hold every product of the split: 64 bits where they are wide enough."""
    largest = frame.select(pl.max_horizontal(pl.all().abs().max())).item() or 0
    factor = max(largest * len(rule.funds), Fraction(rule.cap or 1).numerator)
    return pl.Int64 if largest * factor < 1 << 62 else pl.Int128


def _capped(fund: str, rule: FundSplit) -> pl.Expr:
    """Return the most a fund pays: its by-item amount times the cap, rounded down."""
    cap = Fraction(1) if rule.cap is None else Fraction(rule.cap)
    return pl.col(f"{fund}_booked") * cap.numerator // cap.denominator


def _in_order(frame: pl.DataFrame, rule: FundSplit) -> pl.DataFrame:
    """Let each fund in turn pay what is left, up to its most."""
    frame = frame.with_columns(pl.col("whole").clip(lower_bound=0).alias("left"))
    for fund in rule.funds:
        frame = frame.with_columns(pl.min_horizontal("left", _capped(fund, rule)).alias(fund))
        frame = frame.with_columns(pl.col("left") - pl.col(fund))
    return frame


def _in_proportion(frame: pl.DataFrame, rule: FundSplit) -> pl.DataFrame:
    """Divide by largest remainder, then hold each fund to its cap."""
    weights = {fund: pl.col(f"{fund}_booked") for fund in rule.funds}
    nothing = pl.sum_horizontal(weights.values()) == 0
    weights[rule.funds[0]] += nothing.cast(pl.Int64)
    size = pl.col("whole") if rule.remainder is None else pl.col("whole").clip(lower_bound=0)
    frame = frame.with_columns(size.abs().alias("size"), size.sign().alias("sign"))
    base = pl.sum_horizontal(weights.values())
    frame = frame.with_columns(
        *((pl.col("size") * weight // base).alias(fund) for fund, weight in weights.items()),
        *((pl.col("size") * weight % base).alias(f"{fund}_rest") for fund, weight in weights.items()),
    )
    left = pl.col("size") - pl.sum_horizontal(rule.funds)
    frame = frame.with_columns((pl.col(fund) + (_rank(fund, rule.funds) < left)).alias(fund) for fund in rule.funds)
    if rule.cap is not None:
        frame = frame.with_columns(pl.min_horizontal(fund, _capped(fund, rule)).alias(fund) for fund in rule.funds)
    return frame.with_columns((pl.col(fund) * pl.col("sign")).alias(fund) for fund in rule.funds)


def _rank(fund: str, funds: tuple[str, ...]) -> pl.Expr:
    """Return how many funds take a fen that is left before this one: larger remainders, and equal ones named before."""
    own, place = pl.col(f"{fund}_rest"), funds.index(fund)
    ahead = [
        (pl.col(f"{other}_rest") > own) | ((pl.col(f"{other}_rest") == own) & (n < place))
        for n, other in enumerate(funds)
        if n != place
    ]
    return pl.sum_horizontal(ahead).cast(pl.Int64) if ahead else pl.lit(0, pl.Int64)
