"""How a figure came about, step by step, in Chinese and English, each step with the document of its rule."""

from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from rules.fault import Text
from rules.money import yuan_text
from rules.policy.dated import Source
from rules.policy.resolve import Resolved

CLASS_TEXT = {
    "normal": Text("正常", "normal"),
    "low": Text("低倍率", "low"),
    "high": Text("高倍率", "high"),
    "extreme": Text("极高倍率", "extreme"),
    "ungrouped": Text("未入组", "ungrouped"),
    "special": Text("特殊", "special"),
}
COMPONENT_TEXT = {
    "tcm": Text("中医", "TCM"),
    "new_technology": Text("新药新技术", "new technology"),
    "special": Text("特殊", "special"),
    "primary_care": Text("基层", "primary care"),
}
"""Components of the year's points that added points belong to."""
ANSWER = {True: Text("是", "yes"), False: Text("否", "no")}


class Step(NamedTuple):
    """One step: what, how it was reckoned, the result, and the source of the rule."""

    what: Text
    how: str
    result: Text
    source: Source | None = None


class Trace:
    """The steps told so far. Where nobody asked for steps, none is kept and no figure is printed."""

    def __init__(self, resolved: Resolved, *, telling: bool) -> None:
        self.resolved, self.telling = resolved, telling
        self.steps: list[Step] = []

    def tell(self, zh: str, en: str, result: str | Text, *path: str | int, how: str = "") -> None:
        """Add a step; `path` is the key path of the rule, whose source the policy knows."""
        if self.telling:
            said = Text(result, result) if isinstance(result, str) else result
            self.steps.append(Step(Text(zh, en), how, said, self.resolved.source(*path) if path else None))

    def figure(self, number: Fraction | int | Decimal) -> str:
        """Print a figure of a step."""
        return figure(number) if self.telling else ""

    def yuan(self, amount: Fraction | int) -> str:
        """Print an amount (exact fen) of a step in yuan."""
        return yuan(amount) if self.telling else ""


def figure(number: Fraction | int | Decimal, decimals: int = 6) -> str:
    """Print an exact figure: all its decimals where they end within `decimals`, otherwise so many and an ellipsis."""
    exact = Fraction(number)
    scaled = exact * 10**decimals
    whole = int(scaled)
    sign, digits = ("-" if exact < 0 else ""), str(abs(whole)).rjust(decimals + 1, "0")
    text = f"{digits[:-decimals]}.{digits[-decimals:]}"
    return sign + (text.rstrip("0").rstrip(".") if whole == scaled else text + "…")


def yuan(amount: Fraction | int) -> str:
    """Print an exact amount of fen in yuan."""
    return yuan_text(int(amount)) if Fraction(amount).denominator == 1 else figure(Fraction(amount) / 100)
