"""病例类型: when a case is low, high or extreme, and by which formula it is paid then."""

import re
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Literal

from pydantic import model_validator

from rules.policy.values import Amount, Model, Number, Positive, Share, fault, term

Denominator = Literal["group_mean", "level_mean", "last_year_level_mean", "standard", "standard_without_coefficient"]
WhichValue = Literal["start", "last_year", "final"]
EDGES = {"<": "below", "<=": "up_to", ">": "over", ">=": "at_least"}


class Line(Model):
    """One band of a line: for these weights (or scores) a case is caught beyond this ratio.

    Bounds of weight: `weight_below` strict, `weight_up_to` inclusive; a lower bound may be written too (`weight_over`,
    `weight_from`) and must continue the band before. Ratio: exactly one of `below`, `up_to`, `over`, `at_least`.
    """

    weight_over: Number | None = term("权重高于", "weight over", default=None)
    weight_from: Number | None = term("权重不低于", "weight from", default=None)
    weight_below: Number | None = term("权重低于", "weight below", default=None)
    weight_up_to: Number | None = term("权重至（含）", "weight up to", default=None)
    below: Positive | None = term("倍率低于", "ratio below", "ratio", default=None)
    up_to: Positive | None = term("倍率至（含）", "ratio up to", "ratio", default=None)
    over: Positive | None = term("倍率高于", "ratio over", "ratio", default=None)
    at_least: Positive | None = term("倍率不低于", "ratio at least", "ratio", default=None)

    @cached_property
    def edge(self) -> tuple[str, Fraction]:
        """Return the comparison (below, up_to, over, at_least) and the ratio it is made with."""
        given = [(key, bound) for key in EDGES.values() if (bound := getattr(self, key)) is not None]
        return given[0][0], Fraction(given[0][1])

    @cached_property
    def upper(self) -> tuple[Fraction, bool] | None:
        """Return the upper bound of weight and whether it belongs to the band; None where the band is open."""
        if self.weight_up_to is not None:
            return Fraction(self.weight_up_to), True
        return None if self.weight_below is None else (Fraction(self.weight_below), False)

    @model_validator(mode="after")
    def _one(self) -> "Line":
        if sum(getattr(self, key) is not None for key in EDGES.values()) != 1:
            raise fault(
                "每档须且只须写 below、up_to、over、at_least 之一",
                "a band needs exactly one of below, up_to, over, at_least",
            )
        return self


class ClassRule(Model):
    """When a case falls into a class, how it is paid there, and which result is official."""

    line: tuple[Line, ...] = term("界线", "line", default=())
    top_share: Share | None = term(
        "最高费用占比", "share of each group's cases with the highest charges", "ratio", default=None
    )
    official_result: Literal["formula", "zero"] = term("正式盈亏", "official result", default="formula")

    @model_validator(mode="before")
    @classmethod
    def _when(cls, data: object) -> object:
        if not isinstance(data, dict):
            return data
        data = dict(data)
        if "when" in data:
            if "line" in data:
                raise fault("when 与 line 只写一个", "write either when or line")
            data["line"] = [condition(data.pop("when"))]
        if isinstance(data.get("line"), list):
            data["line"] = [short_edges(band) for band in data["line"]]
        return data


def short_edges(band: object) -> object:
    """Return a band with its ratio_below, ratio_up_to, ratio_over or ratio_from under the short name of the edge."""
    names = {"ratio_below": "below", "ratio_up_to": "up_to", "ratio_over": "over", "ratio_from": "at_least"}
    return {names.get(key, key): value for key, value in band.items()} if isinstance(band, dict) else band


def condition(text: object) -> dict[str, str]:
    """Read `ratio < 0.4` (or <=, >, >=) into the one band it means."""
    match = re.fullmatch(r"ratio\s*(<=|>=|<|>)\s*(\d+(?:\.\d+)?)", text.strip()) if isinstance(text, str) else None
    if match is None:
        raise fault(
            f'{text!r} 应写成 "ratio < 0.4" 之类（<、<=、>、>=）',
            f'{text!r} must read like "ratio < 0.4" (<, <=, >, >=)',
        )
    return {EDGES[match[1]]: match[2]}


def check_line(line: tuple[Line, ...], signs: set[str]) -> None:
    """Refuse gaps and overlaps of weights, and comparisons that point the wrong way."""
    before: tuple[Decimal, bool] | None = None
    for n, band in enumerate(line, start=1):
        if band.edge[0] not in signs:
            raise fault(
                f"第 {n} 档的比较方向不对：应为 {'、'.join(sorted(signs))}",
                f"band {n} compares the wrong way: {', '.join(sorted(signs))} expected",
            )
        lower = edge_of(band.weight_from, band.weight_over, n)
        upper = edge_of(band.weight_up_to, band.weight_below, n)
        if (upper is None) != (n == len(line)):
            raise fault(f"第 {n} 档：只有最后一档不写权重上限", f"band {n}: only the last band has no upper weight")
        if lower is not None:
            joins(n, before, lower)
        if upper is not None and before is not None and upper <= before:
            raise fault(f"第 {n} 档的权重与上一档重叠", f"the weights of band {n} overlap the band before")
        before = upper


def edge_of(closed: Decimal | None, opened: Decimal | None, n: int) -> tuple[Decimal, bool] | None:
    """Return a bound of weight and whether it belongs to its band."""
    if closed is not None and opened is not None:
        raise fault(f"第 {n} 档的同一侧写了两个权重界", f"band {n} has two bounds of weight on one side")
    if closed is not None:
        return closed, True
    return None if opened is None else (opened, False)


def joins(n: int, before: tuple[Decimal, bool] | None, lower: tuple[Decimal, bool]) -> None:
    """Refuse a lower bound of weight that leaves a gap to the band before or overlaps it."""
    if before is None:
        if lower[0] > 0:
            raise fault(f"权重低于 {lower[0]} 的病组没有档：缺口", f"no band for weights below {lower[0]}: a gap")
        return
    if lower[0] > before[0] or (lower[0] == before[0] and not lower[1] and not before[1]):
        raise fault(
            f"第 {n} 档与上一档之间有权重缺口", f"there is a gap of weights between band {n} and the band before"
        )
    if lower[0] < before[0] or (lower[1] and before[1]):
        raise fault(f"第 {n} 档的权重与上一档重叠", f"the weights of band {n} overlap the band before")


class LowRule(ClassRule):
    """Low cases. `factor`: score × r; `points_by_cost`: c ÷ M × scale; `actual`: the charge itself, outside points."""

    pay: Literal["factor", "points_by_cost", "actual"] = term("计付", "payment")
    coefficient: bool | None = term("乘机构系数", "hospital coefficient applied", default=None)

    @model_validator(mode="after")
    def _low(self) -> "LowRule":
        if (self.pay == "factor") != (self.coefficient is not None):
            raise fault(
                'pay = "factor" 须声明 coefficient，其他不写', 'pay = "factor" needs coefficient, others have none'
            )
        if not self.line or self.top_share is not None:
            raise fault("low 须写 when 或 line", "low needs when or line")
        check_line(self.line, {"below", "up_to"})
        return self


class HighRule(ClassRule):
    """High or extreme cases.

    `linear_add`: S·f + (r − K)·S; `excess`: S·(r − K + 1), times f where `coefficient`; `deduct`: c ÷ M × scale −
    (K − 1)·S·f; `cap`: m × K × f × v × scale ÷ M; `actual`: the charge itself, outside points; `normal`: as a normal
    case (also until a special-case review decides); `as_high`, of extreme cases only: as a high case.
    """

    pay: Literal["linear_add", "excess", "deduct", "cap", "actual", "normal", "as_high"] = term("计付", "payment")
    coefficient: bool | None = term("乘机构系数", "hospital coefficient applied", default=None)
    review: bool = term("特例单议候选", "candidate for special-case review", default=False)

    @model_validator(mode="after")
    def _high(self) -> "HighRule":
        if (self.pay == "excess") != (self.coefficient is not None):
            raise fault(
                'pay = "excess" 须声明 coefficient，其他不写', 'pay = "excess" needs coefficient, others have none'
            )
        if bool(self.line) == (self.top_share is not None):
            raise fault("须写 when、line 或 top_share 之一", "give one of when, line and top_share")
        check_line(self.line, {"over", "at_least"})
        return self


class Ratio(Model):
    """The ratio charge ÷ denominator: the one that classifies and the one that enters the formulas."""

    classify: Denominator = term("分类分母", "denominator that classifies")
    formula: Denominator = term("计算分母", "denominator in the formulas")
    value: WhichValue | None = term("分类用点值", "value behind a standard that classifies", default=None)

    @model_validator(mode="after")
    def _value(self) -> "Ratio":
        standard = any(name.startswith("standard") for name in (self.classify, self.formula))
        if standard != (self.value is not None):
            raise fault(
                "分母为 standard 时须声明 value，否则不写", "a standard as denominator needs value, others have none"
            )
        return self


class CaseClasses(Model):
    """病例类型: low, high and extreme cases; every other case is normal. Extreme wins over high, high over low."""

    ratio: Ratio
    low: LowRule | None = None
    high: HighRule | None = None
    extreme: HighRule | None = None
    top_share_among: Literal["month", "year"] | None = term(
        "占比范围", "cases among which a top share is taken", default=None
    )

    @model_validator(mode="after")
    def _as_high(self) -> "CaseClasses":
        if self.high is not None and self.high.pay == "as_high":
            raise fault("as_high 只用于 extreme", "as_high is for extreme only")
        if self.extreme is not None and self.extreme.pay == "as_high" and self.high is None:
            raise fault("extreme 按 as_high 计付须有 high", "extreme is paid as_high, but there is no high")
        return self

    def paid_as(self, name: str) -> tuple[str, "LowRule | HighRule | None"]:
        """Return the class, and its rule, whose formula pays the cases of a class."""
        rule: LowRule | HighRule | None = getattr(self, name)
        return ("high", self.high) if rule is not None and rule.pay == "as_high" else (name, rule)

    @model_validator(mode="after")
    def _among(self) -> "CaseClasses":
        shares = [rule.top_share for rule in (self.high, self.extreme) if rule is not None]
        if any(share is not None for share in shares) != (self.top_share_among is not None):
            raise fault("top_share 与 top_share_among 必须同时出现", "top_share and top_share_among belong together")
        return self


class BlankGroup(Model):
    """Cases without a group (未入组): a share of charge over mean, without coefficients, or a share of the charge.

    `points`: c ÷ M × scale × factor; `actual`: charge × factor, outside points (factor 0: nothing is paid).
    """

    pay: Literal["points", "actual"] = term("计付", "payment")
    factor: Amount = term("折扣", "factor", "ratio")
