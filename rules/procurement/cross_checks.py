"""Published figures against what they follow from: a named warning where they do not agree.

Published numbers are rounded or truncated, so a figure agrees when it equals the reckoned one rounded or truncated to
its own places. One that does not agree is shown with both, and never taken in silence.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from math import prod
from typing import NamedTuple

from rules.fault import Text, UserError, near
from rules.money import Exact, round_whole
from rules.procurement.parameters import Pack

WARNINGS = {
    "sum_differs": Text("各部分之和与公布的合计不符", "the parts do not add up to the published total"),
    "product_differs": Text("各因素之积与公布的指数不符", "the factors do not multiply to the published index"),
    "share_differs": Text("公布的占比与分子分母不符", "the published share is not numerator ÷ denominator"),
    "growth_differs": Text("公布的增幅与前后数不符", "the published growth does not follow from its figures"),
    "cut_differs": Text("公布的降幅与前后价格不符", "the published cut does not follow from its prices"),
    "saving_differs": Text("公布的节约额与量价不符", "the published saving is not quantity × difference of prices"),
    "cumulative_count_differs": Text(
        "累计品种数不等于各批之和（有品种重叠或退出）", "the cumulative count of varieties is not the sum of the rounds"
    ),
    "retention_unexplained": Text(
        "留用额超过以约定量为基数所能得到的最大值（基数大于约定量，或降幅更深）",
        "more is retained than the agreed quantity as base can give: the base is larger, or the cut deeper",
    ),
}
"""Every warning by name."""


class Warned(NamedTuple):
    """A published figure that does not follow: the warning's name, what follows, what was published, what it means."""

    name: str
    computed: Fraction
    published: Decimal
    text: Text


def total(parts: Sequence[Exact]) -> Fraction:
    """Return the sum of parts."""
    return sum((Fraction(part) for part in parts), Fraction())


def product(parts: Sequence[Exact]) -> Fraction:
    """Return the product of factors."""
    return prod((Fraction(part) for part in parts), start=Fraction(1))


def share(part: Exact, whole: Exact) -> Fraction:
    """Return a share in per cent."""
    return 100 * Fraction(part) / Fraction(whole)


def growth(before: Exact, after: Exact) -> Fraction:
    """Return a growth in per cent."""
    return 100 * (Fraction(after) / Fraction(before) - 1)


def cut(before: Sequence[Exact], after: Sequence[Exact], weights: Sequence[Exact]) -> Fraction:
    """Return the cut of a basket in per cent: 1 − Σ weight × price after ÷ Σ weight × price before."""
    first = sum((Fraction(w) * Fraction(p) for w, p in zip(weights, before, strict=True)), Fraction())
    second = sum((Fraction(w) * Fraction(p) for w, p in zip(weights, after, strict=True)), Fraction())
    return 100 * (1 - second / first)


def saving(quantity: Exact, before: Exact, after: Exact) -> Fraction:
    """Return quantity × difference of prices."""
    return Fraction(quantity) * (Fraction(before) - Fraction(after))


def most_retained(agreed_amount: Exact, mean_cut: Exact, keep: Exact, pay_ratio: Exact = 1) -> Fraction:
    """Return the most that can be retained with base = agreed quantity: the saving of the agreement × keep × pay."""
    before = Fraction(agreed_amount) / (1 - Fraction(mean_cut))
    return (before - Fraction(agreed_amount)) * Fraction(keep) * Fraction(pay_ratio)


def agrees(computed: Exact, published: Decimal) -> bool:
    """Tell whether a published figure is the computed one, rounded or truncated to its places."""
    places = max(-int(published.as_tuple().exponent), 0)
    scaled, stated = Fraction(computed) * 10**places, Fraction(published) * 10**places
    return stated in {round_whole(scaled, "half_away_from_zero"), round_whole(scaled, "down")}


def compare(name: str, computed: Exact, published: Decimal) -> Warned | None:
    """Return the named warning where a published figure does not follow from the others, None where it does."""
    if name not in WARNINGS:
        hint = near(name, WARNINGS)
        raise UserError(Text(f"未知的警告 {name}{hint.zh}", f"unknown warning {name}{hint.en}"))
    return None if agrees(computed, published) else _warned(name, Fraction(computed), published)


def retained_within(agreed_amount: Exact, mean_cut: Exact, keep: Exact, retained: Decimal) -> Warned | None:
    """Return a warning where more is retained than the agreed quantity as base can give, even at a pay ratio of 1."""
    most = most_retained(agreed_amount, mean_cut, keep)
    return _warned("retention_unexplained", most, retained) if Fraction(retained) > most else None


def cumulative_counts(varieties: Iterable[tuple[str, int]], official: Mapping[str, int]) -> list[Warned]:
    """Return a warning for every round after which the sum of the rounds differs from the official cumulative count.

    `varieties`: round and varieties won, in order; `official`: cumulative count by round. The official count goes on as
    the base after a difference, so that one overlap is told once.
    """
    running, warned = 0, []
    for name, count in varieties:
        running += count
        if name in official and official[name] != running:
            warned.append(_warned("cumulative_count_differs", Fraction(running), Decimal(official[name]), name))
            running = official[name]
    return warned


def rounds(packs: Iterable[Pack]) -> list[Warned]:
    """Return the warnings over the facts of packs, in order of opening; rounds that repeat others count nothing new."""
    facts = sorted(
        (pack.facts.opened, str(pack.batch), pack.facts)
        for pack in packs
        if pack.facts is not None and pack.facts.opened is not None and pack.facts.repeats is None
    )
    counts = [(batch, one.varieties or 0) for _, batch, one in facts]
    return cumulative_counts(counts, {batch: one.cumulative for _, batch, one in facts if one.cumulative is not None})


def _warned(name: str, computed: Fraction, published: Decimal, where: str = "") -> Warned:
    """Return a warning with both figures in its text."""
    text, place = WARNINGS[name], f"{where}: " if where else ""
    figures = f"{float(computed):.6g} ≠ {published}"
    return Warned(name, computed, published, Text(f"{place}{text.zh}：{figures}", f"{place}{text.en}: {figures}"))


FORMULAS: dict[str, Callable[..., Fraction]] = {
    "total": total,
    "product": product,
    "share": share,
    "growth": growth,
    "cut": cut,
    "saving": saving,
    "most_retained": most_retained,
}
"""The formulas by name, for published figures that are data."""
