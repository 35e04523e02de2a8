"""What the points and the money of one case depend on: weights, coefficients, classes, special kinds, extras."""

import re
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field, model_validator

from rules.policy.values import Amount, Bilingual, DateField, Mode, Model, Number, Positive, Share, Yuan, fault, term

Denominator = Literal["group_mean", "level_mean", "last_year_level_mean", "standard", "standard_without_coefficient"]
WhichValue = Literal["start", "last_year", "final"]
FeeKind = Literal["drug", "consumable", "procedure"]
EDGES = {"<": "below", "<=": "up_to", ">": "over", ">=": "at_least"}


class Decimals(Model):
    """Rounding of a figure that is not money: the rounded figure is the one that is multiplied."""

    decimals: Annotated[int, Field(ge=0, le=8)] = term("小数位", "decimals")
    mode: Mode = term("舍入", "rounding mode")


class Money(Model):
    """The only rounding of money: step, stage and mode; and decimals of points and point values where declared."""

    step: Literal["fen", "jiao", "yuan"] = term("单位", "step")
    at: Literal["case", "hospital_month"] = term("处", "stage of the month that rounds")
    mode: Mode = term("舍入", "rounding mode")
    points: Decimals | None = term("点数小数", "decimals of points", default=None)
    value: Decimals | None = term("点值小数", "decimals of a point value", default=None)


class DateBasis(Model):
    """Which date of a case picks its scheme, its policy, its month, its budget year and a late claim's value."""

    scheme: DateField = term("分组方案", "scheme")
    policy: DateField = term("政策", "policy")
    month: DateField = term("月份", "month")
    budget_year: DateField = term("预算年度", "budget year")
    late_claim_value: DateField = term("迟到病例点值", "value of late claims")


class Weights(Model):
    """DRG weights: a table (group, weight, mean_charge, status …), the mean of all cases and points per weight 1.0."""

    file: str = term("权重表", "table of weights")
    scheme: str = term("分组方案", "scheme the table belongs to")
    mean_all: Positive = term("全部病例次均费用", "mean charge of all cases", "yuan")
    points_per_weight: Positive = term("点数基数", "points per weight 1.0", "points")
    group_mean: Literal["listed", "weight_times_mean"] = term(
        "病组次均费用", "group mean: listed in the table, or weight × mean of all", default="listed"
    )


class Scores(Model):
    """DIP scores: a table (group, score, mean_charge, status …), the mean of all cases and the score base."""

    file: str = term("分值表", "table of scores")
    scheme: str = term("病种目录", "directory the table belongs to")
    mean_all: Positive = term("全部病例次均费用", "mean charge of all cases", "yuan")
    base: Positive = term("分值基数", "score of a case of mean charge", "points")
    group_mean: Literal["listed", "score_times_mean"] = term(
        "病种次均费用", "group mean: listed in the table, or score ÷ base × mean of all", default="listed"
    )


class CoefficientPart(Model):
    """One table of coefficients, by one or two of level, hospital and group."""

    by: tuple[Literal["level", "hospital", "group"], ...] = term("按", "by", min_length=1, max_length=2)
    table: dict[str, Number | dict[str, Number]] | None = term("系数表", "table", "ratio", default=None)
    file: str | None = term("系数文件", "table: the columns of `by`, coefficient", default=None)
    otherwise: Number | None = term("其他", "coefficient of what the table does not name", "ratio", default=None)
    share: Share | None = term("占比", "share in a weighted coefficient", "ratio", default=None)

    @model_validator(mode="after")
    def _one(self) -> "CoefficientPart":
        if (self.table is None) == (self.file is None):
            raise fault("table 与 file 须且只须给一个", "give either table or file")
        if any(isinstance(row, dict) != (len(self.by) == 2) for row in (self.table or {}).values()):
            raise fault("系数表的层数须与 by 相同", "the table must be as deep as `by` is long")
        return self


class HospitalCoefficient(Model):
    """医疗机构调节系数: one table, or several parts composed by product, sum or declared shares."""

    compose: Literal["product", "sum", "weighted"] = term("合成", "composition")
    parts: tuple[CoefficientPart, ...] = term("组成", "parts", min_length=1)
    floor: Positive | None = term("下限", "floor", "ratio", default=None)
    cap: Positive | None = term("上限", "cap", "ratio", default=None)
    decimals: Decimals | None = term("小数", "rounding", default=None)
    primary_care_exempt: bool = term("基层病种不用系数", "primary-care groups take no coefficient", default=True)

    @model_validator(mode="before")
    @classmethod
    def _single(cls, data: object) -> object:
        if not isinstance(data, dict) or "parts" in data:
            return data
        own = {key: data[key] for key in ("by", "table", "file", "otherwise") if key in data}
        return {key: value for key, value in data.items() if key not in own} | {"compose": "product", "parts": [own]}

    @model_validator(mode="after")
    def _shares(self) -> "HospitalCoefficient":
        shares = [part.share for part in self.parts]
        if (self.compose == "weighted") != all(share is not None for share in shares):
            raise fault(
                "weighted 合成的每一部分须写 share，其他合成不写",
                "every part of a weighted coefficient needs share, others have none",
            )
        if self.compose == "weighted" and sum(share for share in shares if share is not None) != 1:
            raise fault("share 合计须为 1", "the shares must add up to 1")
        return self


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


class Auxiliary(Model):
    """辅助分型: a coefficient by group and sub-type; of several the highest counts."""

    file: str = term("辅助分型表", "table: group, subtype, coefficient")
    applies_to: tuple[Literal["low", "normal", "high", "extreme"], ...] = term(
        "适用", "classes it applies to", min_length=1
    )


class AddedPoints(Model):
    """加成分值: points added beside the score, by group or by item, without coefficients."""

    id: str = term("编号", "id")
    component: Literal["tcm", "new_technology", "special", "primary_care"] = term(
        "类别", "component of the year's points"
    )
    by: Literal["group", "item"] = term("按", "by")
    points: dict[str, Amount] = term("加分", "points by group or item", "points")


class Condition(Model):
    """When a special kind takes a case: every key written must hold."""

    payment_kind: tuple[int, ...] | None = term("支付方式", "payment kind", default=None)
    visit_kind: tuple[str, ...] | None = term("住院类别", "visit kind", default=None)
    discharge_way: tuple[int, ...] | None = term("离院方式", "way of discharge", default=None)
    insurance_type: tuple[str, ...] | None = term("险种", "insurance type", default=None)
    department: tuple[str, ...] | None = term("科别", "department", default=None)
    hospital_level: tuple[str, ...] | None = term("医院等级", "hospital level", default=None)
    hospital: tuple[str, ...] | None = term("医院", "hospital", default=None)
    group: tuple[str, ...] | None = term("病组", "group", default=None)
    diagnosis: tuple[str, ...] | None = term("任一诊断", "any diagnosis", default=None)
    days_up_to: int | None = term("住院天数至（含）", "days of stay up to", "days", default=None)
    days_from: int | None = term("住院天数不少于", "days of stay from", "days", default=None)
    age_up_to: int | None = term("年龄至（含）", "age up to", "years", default=None)
    age_from: int | None = term("年龄不小于", "age from", "years", default=None)
    fund_paid: bool | None = term("基金有支付", "any fund paid", default=None)
    tcm_share_from: Share | None = term("中治率不低于", "TCM share from", "ratio", default=None)
    tcm_share_below: Share | None = term("中治率低于", "TCM share below", "ratio", default=None)
    readmitted_within: int | None = term("再入院天数", "followed by a readmission within", "days", default=None)
    returned_within: int | None = term("距上次出院天数", "follows a discharge within", "days", default=None)

    @model_validator(mode="after")
    def _something(self) -> "Condition":
        if not self.model_fields_set:
            raise fault("至少写一个条件", "write at least one condition")
        return self


class DayBand(Model):
    """One band of days of a per-diem standard."""

    up_to_day: int | None = term("至第几天", "up to day", "days", default=None)
    daily: Yuan = term("床日标准", "daily standard", "yuan a day")


class Excluded(Model):
    """Excluded from DRG/DIP payment: paid as booked by item, from the pool's money outside points or by nobody here."""

    pay: Literal["excluded"]
    funding: Literal["pool", "elsewhere"] = term("资金来源", "funding")


class PerDiem(Model):
    """床日: daily standard × days, in bands; optionally never more than the charge."""

    pay: Literal["per_diem"]
    bands: tuple[DayBand, ...] = term("床日标准", "daily standards", min_length=1)
    by_level: dict[str, tuple[DayBand, ...]] = term(
        "各等级标准", "daily standards by hospital level", default_factory=dict
    )
    days: Literal["length_of_stay", "discharge_minus_admission", "both_days_counted"] = term("天数", "how days count")
    cap_at_charge: bool = term("不超过实际费用", "never more than the charge")

    @model_validator(mode="before")
    @classmethod
    def _daily(cls, data: object) -> object:
        if isinstance(data, dict) and "daily" in data and "bands" not in data:
            data = dict(data)
            data["bands"] = [{"daily": data.pop("daily")}]
        return data

    @model_validator(mode="after")
    def _bands(self) -> "PerDiem":
        for bands in (self.bands, *self.by_level.values()):
            days = [band.up_to_day for band in bands]
            if (
                days[-1] is not None
                or None in days[:-1]
                or days[:-1] != sorted({day for day in days[:-1] if day is not None})
            ):
                raise fault(
                    "床日分段须递增，且只有最后一段不写 up_to_day",
                    "bands of days must rise, and only the last omits up_to_day",
                )
        return self


class FixedPrice(Model):
    """按病种 single disease: a fixed price by hospital level, with exits back to the ordinary rule."""

    pay: Literal["fixed_price"]
    price: dict[str, Yuan] = term("定额", "price by hospital level", "yuan")
    exit_over: Positive | None = term("退出上限", "leaves when charge > price ×", "ratio", default=None)
    exit_below: Positive | None = term("退出下限", "leaves when charge < price ×", "ratio", default=None)


class Factor(Model):
    """The ordinary points times a factor: day surgery, transfers, an earlier stay before a readmission."""

    pay: Literal["factor"]
    factor: Amount = term("折扣", "factor", "ratio")


class OtherGroup(Model):
    """Paid as another group: day surgery's own group, a TCM-advantage group, the fallback of one."""

    pay: Literal["group"]
    groups: dict[str, str] = term("对应病组", "group and the group it is paid as", min_length=1)


class Exempt(Model):
    """Paid by the normal formula whatever the ratio."""

    pay: Literal["normal"]


class Actual(Model):
    """Paid its charge as money outside points."""

    pay: Literal["actual"]


class OwnFunding(Model):
    """Paid its charge by a source of its own outside the pool: an epidemic, for example."""

    pay: Literal["own_funding"]
    source: str = term("资金来源", "source of the money")


Treatment = Annotated[
    Excluded | PerDiem | FixedPrice | Factor | OtherGroup | Exempt | Actual | OwnFunding, Field(discriminator="pay")
]


class Kind(Model):
    """A special kind of case, tried in the order written before the classes; the first that holds decides."""

    id: str = term("编号", "id")
    name: Bilingual = term("名称", "name")
    when: Condition
    treatment: Treatment
    at_clearing_only: bool = term("只在清算时适用", "applied at clearing only", default=False)


class SpecialCase(Model):
    """特例单议: quota, what an approved case is paid, and how candidates are ranked."""

    quota_share: Share = term("申请上限", "most applications", "ratio of discharges")
    quota_base: Literal["region_discharges", "hospital_discharges"] = term("上限基数", "base of the quota")
    approved: tuple[Literal["by_item", "adjusted_standard"], ...] = term(
        "核准方式", "what an approval may grant", min_length=1
    )
    rank_by: Literal["loss", "ratio"] = term("候选排序", "candidates ranked by")
    candidates: Literal["reviewed_classes", "all_losses"] = term("候选范围", "who is a candidate")


class Exclusion(Model):
    """除外支付: extra money for listed new drugs and technologies, above the group's mean cost of the same kind."""

    charge_over: Positive = term("费用倍数（高于）", "charge more than this times the group mean", "ratio")
    share_over: Share = term("新项目占比（高于）", "share of listed new items in the charge above", "ratio")
    kinds: tuple[FeeKind, ...] = term("费用类别", "kinds of cost compared, each with the mean of its own", min_length=1)
    money: Literal["total", "fund"] = term("口径", "extra is total or fund money")
    pool: Literal["same", "outside"] = term("来源", "pool that pays the extra")
    outlier_test: Literal["high", "both"] = term("极值判定", "lines tested on the charge less new items")


class SeparateItem(Model):
    """A separately paid drug or item (单独支付), or an addition or deduction by named item after the standard."""

    id: str = term("编号", "id")
    name: Bilingual = term("名称", "name")
    items: tuple[str, ...] = term("项目编码", "item codes", min_length=1)
    pay: Literal["actual", "share", "per_unit"] = term("计付", "payment")
    share: Share | None = term("比例", "share of the item's cost", "ratio", default=None)
    per_unit: Yuan | None = term("单价", "amount per unit", "yuan", default=None)
    sign: Literal["add", "deduct"] = term("增减", "addition or deduction", default="add")
    taken_out: bool = term("从费用中扣除", "taken out of charge, means and weights alike")
    money: Literal["total", "fund"] = term("口径", "total or fund money", default="total")

    @model_validator(mode="after")
    def _complete(self) -> "SeparateItem":
        if (self.pay == "share") != (self.share is not None) or (self.pay == "per_unit") != (self.per_unit is not None):
            raise fault("share、per_unit 须与 pay 相符", "share and per_unit must agree with pay")
        return self


class Reimbursement(Model):
    """Policy reimbursement ratios, for the policy-ratio style: by insurance type, or by insurance type and level."""

    ratios: dict[str, Share | dict[str, Share]] = term(
        "报销比例", "ratio by insurance type (and level)", "ratio", min_length=1
    )
