"""医疗服务价格动态调整: may service prices be adjusted this year, by start and stop indicators, k of n (spec 1.13)."""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from rules.fault import Text, UserError
from rules.procurement.parameters import Indicator, PriceGate

Observed = Mapping[str, Decimal | bool]


class Gate(NamedTuple):
    """The answer: whether prices may be adjusted, which start and stop indicators are met, and why."""

    allowed: bool
    started: tuple[str, ...]
    stopped: tuple[str, ...]
    reason: Text


def price_gate(rule: PriceGate, observed: Observed) -> Gate:
    """Return whether prices may be adjusted. Special adjustments (重大、专项) are outside these conditions.

    `observed`: by the id of an indicator, its figure (a decimal), or True and False where the rule has no bound for it;
    and the figures that indicators are compared with. UserError names every one that is missing or of the wrong kind.
    """
    _refuse_unobserved(rule, observed)
    started, stopped = (
        tuple(one.id for one in indicators if _met(one, observed)) for indicators in (rule.start, rule.stop)
    )
    enough, held = len(started) >= rule.start_at_least, len(stopped) >= rule.stop_at_least
    return Gate(enough and not held, started, stopped, _reason(rule, started, stopped))


def _met(one: Indicator, observed: Observed) -> bool:
    """Tell whether an indicator is met."""
    figure = observed[one.id]
    over = one.over if one.over_figure is None else observed[one.over_figure]
    below = one.below if one.below_figure is None else observed[one.below_figure]
    if over is not None:
        return figure > over
    return figure < below if below is not None else bool(figure)


def _refuse_unobserved(rule: PriceGate, observed: Observed) -> None:
    faults = []
    for one in (*rule.start, *rule.stop):
        compared = [name for name in (one.over_figure, one.below_figure) if name is not None]
        is_figure = bool(compared) or one.over is not None or one.below is not None
        for name in (one.id, *compared):
            if name not in observed:
                zh, en = f"缺少 {name}（{one.name.zh}）", f"{name} is missing ({one.name.en})"
                faults.append(Text(zh, en))
            elif isinstance(observed[name], bool) == is_figure:
                zh, en = ("应为数值", "must be a figure") if is_figure else ("应写明是否符合", "must be true or false")
                faults.append(Text(f"{name} {zh}（{one.name.zh}）", f"{name} {en} ({one.name.en})"))
    if faults:
        raise UserError(faults)


def _reason(rule: PriceGate, started: tuple[str, ...], stopped: tuple[str, ...]) -> Text:
    """Say how many are met of how many, and which."""
    names = {one.id: one.name for one in (*rule.start, *rule.stop)}
    zh, en = (
        ["、".join(names[n].zh for n in met) for met in (started, stopped)],
        [", ".join(names[n].en for n in met) for met in (started, stopped)],
    )
    return Text(
        f"启动条件符合 {len(started)}/{len(rule.start)}（需 {rule.start_at_least}）：{zh[0] or '无'}；"
        f"约束条件触发 {len(stopped)}/{len(rule.stop)}：{zh[1] or '无'}",
        f"{len(started)} of {len(rule.start)} start indicators (needs {rule.start_at_least}): {en[0] or 'none'}; "
        f"{len(stopped)} of {len(rule.stop)} stop indicators: {en[1] or 'none'}",
    )
