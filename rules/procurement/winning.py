"""Winning rules (中选规则): who wins, at which price, and why each bid wins or loses (spec 1.4).

Prices are unit comparable prices (单位可比价, yuan), decimals with four places. Comparisons are exact; a standard
deviation is compared by its square. A tender is a handful of bids, so this is plain Python, one bid at a time.
"""

from collections.abc import Callable, Sequence
from decimal import Context, Decimal
from fractions import Fraction
from typing import Literal, NamedTuple

from rules.fault import Text, UserError
from rules.procurement.parameters import Anchor, Ceiling, DoubleDeviation, Thresholds

Outcome = Literal["wins", "revived", "wins_without_volume", "fused", "loses"]
REFUSED = Text("不接受复活价", "the firm does not accept the price of revival")
NOT_SHORTLISTED = Text("未入围", "not shortlisted")
DIGITS = Context(prec=40)


class Bid(NamedTuple):
    """One bid (yuan). `offer` is the unit bid before conversion, compared with `ceiling` for the cut.

    `accepts` is the lowest price the firm would come down to in a revival, None where it refuses. `volume` is what
    hospitals reported for the brand.
    """

    bid: str
    price: Decimal
    offer: Decimal | None = None
    ceiling: Decimal | None = None
    shortlisted: bool = True
    accepts: Decimal | None = None
    volume: int = 0


class Verdict(NamedTuple):
    """What becomes of a bid, the price it wins at (yuan), whether it chooses provinces, and why."""

    bid: str
    outcome: Outcome
    price: Decimal | None
    reason: Text
    chooses: bool = True

    @property
    def wins(self) -> bool:
        """Tell whether the bid wins volume."""
        return self.outcome in {"wins", "revived"}


class Tender(NamedTuple):
    """The verdicts in the order of the bids, and the figures the rule looked at (yuan)."""

    verdicts: tuple[Verdict, ...]
    figures: dict[str, Decimal]


def ceiling_price(
    rule: Ceiling, listed_mean: Decimal, provincial: Sequence[Decimal], sole_winner: Sequence[Decimal] = ()
) -> Decimal:
    """Return the ceiling price (yuan): the least of a share of the mean listed price and the highest provincial price.

    `provincial`: winning prices of provinces with several winners; `sole_winner`: those of sole winners.
    """
    highest = [*provincial, *(() if rule.exclude_sole_winners else sole_winner)]
    return min([rule.of_listed_mean * listed_mean, *([max(highest)] if highest else [])])


def evaluate(rule: Thresholds | Anchor | DoubleDeviation, bids: Sequence[Bid]) -> Tender:
    """Return the verdict on every bid under the batch's winning rule. UserError for bids that cannot be judged."""
    if twice := sorted({one.bid for one in bids if sum(one.bid == other.bid for other in bids) > 1}):
        raise UserError(Text(f"投标重复：{'、'.join(twice)}", f"bids appear twice: {', '.join(twice)}"))
    if not any(one.shortlisted for one in bids):
        raise UserError(Text("没有入围的投标", "no bid is shortlisted"))
    if any(one.price <= 0 for one in bids):
        raise UserError(Text("单位可比价须大于 0", "unit comparable prices must be above zero"))
    if isinstance(rule, Thresholds):
        return _by_thresholds(rule, bids)
    if isinstance(rule, Anchor):
        return _by_anchor(rule, bids)
    return _by_deviation(rule, bids)


def _by_thresholds(rule: Thresholds, bids: Sequence[Bid]) -> Tender:
    """Batches 2 to 10: any threshold wins."""
    lowest = min(one.price for one in bids if one.shortlisted)
    most = None if rule.spread is None else rule.spread * lowest
    figures = {"lowest": lowest, **({} if most is None else {"most": most})}

    def verdict(one: Bid) -> Verdict:
        if not one.shortlisted:
            return Verdict(one.bid, "loses", None, NOT_SHORTLISTED)
        if reason := _threshold_met(rule, one, most):
            return Verdict(one.bid, "wins", one.price, reason)
        if rule.spread_revival and most is not None:
            return _revived(one, _at_most(Fraction(most)), chooses=True)
        return Verdict(one.bid, "loses", None, Text("未达到任何一项中选条件", "no threshold is met"))

    return Tender(tuple(map(verdict, bids)), figures)


def _threshold_met(rule: Thresholds, one: Bid, most: Decimal | None) -> Text | None:
    """Return the first threshold that a bid meets."""
    if most is not None and one.price <= most:
        return Text(
            f"{one.price} ≤ {rule.spread} × 最低价（{most}）", f"{one.price} ≤ {rule.spread} × the lowest ({most})"
        )
    if rule.cut is not None and one.ceiling:
        offer = one.price if one.offer is None else one.offer
        cut = 1 - Fraction(offer) / Fraction(one.ceiling)
        if cut >= Fraction(rule.cut):
            shown = f"{float(cut):.2%}"
            return Text(f"降幅 {shown} ≥ {rule.cut:.2%}", f"cut of {shown} ≥ {rule.cut:.2%}")
    if rule.price is not None and one.price <= rule.price:
        return Text(
            f"单位可比价 {one.price} ≤ {rule.price} 元", f"unit comparable price {one.price} ≤ {rule.price} yuan"
        )
    return None


def _revived(one: Bid, price: Decimal, *, chooses: bool, fused: Outcome = "fused") -> Verdict:
    """Return the verdict on a bid that may come down to a price."""
    if one.accepts is not None and one.accepts <= price:
        zh, en = f"复活：降至 {price} 元", f"revived: comes down to {price} yuan"
        return Verdict(one.bid, "revived", price, Text(zh, en), chooses)
    zh, en = f"{one.price} 元高于 {price} 元，{REFUSED.zh}", f"{one.price} yuan is above {price} yuan, {REFUSED.en}"
    return Verdict(one.bid, fused, None, Text(zh, en))


def _by_anchor(rule: Anchor, bids: Sequence[Bid]) -> Tender:
    """Batch 11: fuse above a multiple of the anchor, then revival of the shortlisted and of the unlisted."""
    listed = [one for one in bids if one.shortlisted]
    mean = sum((Fraction(one.price) for one in listed), Fraction()) / len(listed)
    lowest = min(one.price for one in listed)
    anchor = max(Fraction(rule.of_mean) * mean, Fraction(lowest))
    fuse = Fraction(rule.fuse) * anchor
    level = [one.price for one in listed if one.price <= fuse]
    revival = max(level) if len(level) > 1 else _at_most(fuse)
    figures = {"mean": _shown(mean), "anchor": _shown(anchor), "fuse": _shown(fuse), "revival": revival}

    def verdict(one: Bid) -> Verdict:
        if not one.shortlisted:
            return _unlisted(rule, one, bids, revival)
        if one.price <= fuse:
            zh, en = f"{one.price} ≤ 熔断价 {figures['fuse']}", f"{one.price} ≤ the fuse {figures['fuse']}"
            cost = Text("；低于锚点价，须说明成本", "; below the anchor: a statement of cost is needed")
            below = one.price < anchor
            reason = Text(zh + (cost.zh if below else ""), en + (cost.en if below else ""))
            return Verdict(one.bid, "wins", one.price, reason)
        if rule.shortlisted_revival:
            return _revived(one, revival, chooses=True)
        return Verdict(one.bid, "fused", None, Text(f"高于熔断价 {_shown(fuse)}", f"above the fuse {_shown(fuse)}"))

    return Tender(tuple(map(verdict, bids)), figures)


def _unlisted(rule: Anchor, one: Bid, bids: Sequence[Bid], revival: Decimal) -> Verdict:
    """Return the verdict on a bid that was not shortlisted: hospitals' demand may revive it, without choice."""
    mean_volume = Fraction(sum(other.volume for other in bids), len(bids))
    if not rule.unlisted_revival:
        return Verdict(one.bid, "loses", None, NOT_SHORTLISTED)
    if one.volume < mean_volume:
        zh, en = "未入围，报量低于各品牌均值", "not shortlisted, reported volume below the mean of the brands"
        return Verdict(one.bid, "loses", None, Text(zh, en))
    if one.price == max(other.price for other in bids):
        zh, en = "未入围，首次报价最高", "not shortlisted, the highest first bid"
        return Verdict(one.bid, "loses", None, Text(zh, en))
    return _revived(one, revival, chooses=False, fused="loses")


def _by_deviation(rule: DoubleDeviation, bids: Sequence[Bid]) -> Tender:
    """Batch 12: bids far below the mean win without volume and take no place; the fuse where the pack states one."""
    listed = [one for one in bids if one.shortlisted]
    if rule.deviation is None:
        zh = "文件未写明总体或样本标准差：请在参数包中声明 deviation"
        raise UserError(Text(zh, "the document does not state which standard deviation: declare deviation in the pack"))
    divisor = len(listed) - (rule.deviation == "sample")
    if divisor < 1:
        raise UserError(Text("样本标准差至少需要两个投标", "a sample deviation needs two bids"))
    prices = [Fraction(one.price) for one in listed]
    mean = sum(prices, Fraction()) / len(prices)
    variance = sum(((price - mean) ** 2 for price in prices), Fraction()) / divisor
    below = _below_mean(mean, variance)
    lowest = min(prices)
    anchor_is_lowest = not below(lowest, Fraction(rule.anchor_deviations))
    deviation = DIGITS.sqrt(_decimal(variance))
    figures = {
        "mean": _decimal(mean),
        "deviation": deviation,
        "anchor": _decimal(lowest)
        if anchor_is_lowest
        else DIGITS.subtract(_decimal(mean), rule.anchor_deviations * deviation),
        "low": DIGITS.subtract(_decimal(mean), rule.low_deviations * deviation),
    }

    def verdict(one: Bid) -> Verdict:
        if not one.shortlisted:
            return Verdict(one.bid, "loses", None, NOT_SHORTLISTED)
        if below(Fraction(one.price), Fraction(rule.low_deviations)):
            zh, en = "低于均价减两倍标准差：无带量", "below the low line: wins without volume and takes no place"
            return Verdict(
                one.bid, "wins_without_volume", one.price, Text(zh.replace("两", f"{rule.low_deviations} "), en)
            )
        if rule.fuse is not None and Fraction(one.price) > Fraction(rule.fuse) * Fraction(figures["anchor"]):
            zh, en = f"高于锚点价的 {rule.fuse} 倍", f"above {rule.fuse} × the anchor"
            return Verdict(one.bid, "fused", None, Text(zh, en))
        zh, en = f"不低于低线 {figures['low']:.4f}", f"not below the low line {figures['low']:.4f}"
        return Verdict(one.bid, "wins", one.price, Text(zh, en))

    return Tender(tuple(map(verdict, bids)), figures)


def _below_mean(mean: Fraction, variance: Fraction) -> Callable[[Fraction, Fraction], bool]:
    """Return the exact test price < mean − k·SD: both sides squared, since the deviation is irrational."""
    return lambda price, k: price < mean and (mean - price) ** 2 > k * k * variance


def _decimal(value: Fraction) -> Decimal:
    return DIGITS.divide(Decimal(value.numerator), Decimal(value.denominator))


def _at_most(value: Fraction) -> Decimal:
    """Return the highest price with four decimals that is not above a value."""
    return _shown(Fraction((value * 10**4).__floor__(), 10**4))


def _shown(value: Fraction) -> Decimal:
    """Return a figure as a decimal of 40 digits, without zeros at its end."""
    shown = _decimal(value).normalize()
    return shown.quantize(Decimal(1)) if shown == shown.to_integral_value() else shown
