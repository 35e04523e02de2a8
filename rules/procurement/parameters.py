"""The parameters of a procurement pack: one model a rule, each dated, with its document and the grade of its evidence.

Almost every rule changed between batches or differs by province, so nothing here has a default value of its own: what
a pack does not say is asked for, never guessed.
"""

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, model_validator

from rules.money import Mode
from rules.policy.settlement import ScoreBand, descending
from rules.policy.values import Amount, Bilingual, Model, Number, Positive, Share, fault, term

Grade = Literal["T", "G", "P", "D", "M", "?"]
"""T a published text, G a public program or data file, P a published figure, D arithmetic, M and ? unconfirmed."""
Count = Annotated[int, Field(ge=1)]


class Rule(Model):
    """What every rule of a pack says besides its values: since when, until when, where, from which document.

    A rule whose first day the source does not tell has none, and holds until `valid_to`.
    """

    valid_from: date | None = term("起", "valid from", default=None)
    valid_to: date | None = term("止", "valid to", default=None)
    scope: str = term("适用范围", "scope", default="")
    reference: str = term("依据", "document")
    grade: Grade = term("证据等级", "grade of evidence")

    @model_validator(mode="after")
    def _days(self) -> "Rule":
        if self.valid_from is not None and self.valid_to is not None and self.valid_to < self.valid_from:
            raise fault(f"valid_to {self.valid_to} 早于 valid_from", f"valid_to {self.valid_to} is before valid_from")
        return self

    def holds(self, day: date) -> bool:
        """Tell whether the rule is valid on a day."""
        return (self.valid_from or date.min) <= day <= (self.valid_to or date.max)


class ShareRange(Model):
    """A ratio that the document gives as a range: the ratio of each drug must be stated and lie within it."""

    least: Share = term("下限", "least", "ratio")
    most: Share = term("上限", "most", "ratio")

    @model_validator(mode="after")
    def _ordered(self) -> "ShareRange":
        if self.most < self.least:
            raise fault("most 小于 least", "most is below least")
        return self


class AgreedRatio(Rule):
    """约定采购量比例: agreed volume ÷ reported demand, by the national number of winners or by class of drug."""

    rule: Literal["agreed_ratio"]
    by_winners: tuple[Share, ...] = term("按中选企业数", "by number of winners, the last for more", default=())
    normal: Share | None = term("一般比例", "ordinary ratio", "ratio", default=None)
    stated_up_to_winners: int = term("须另行约定的中选企业数", "winners up to which it is stated", default=0)
    classes: dict[str, ShareRange] = term("按药品类别", "ranges by class of drug", default={})

    @model_validator(mode="after")
    def _one_way(self) -> "AgreedRatio":
        if bool(self.by_winners) and self.normal is not None:
            raise fault("by_winners 与 normal 只能写一个", "write either by_winners or normal")
        if not self.by_winners and self.normal is None and not self.classes:
            raise fault("须写 by_winners、normal 或 classes", "by_winners, normal or classes is needed")
        return self


class DemandFloor(Rule):
    """报量下限: reported demand against earlier use, and the fall that must be explained."""

    rule: Literal["demand_floor"]
    of_mean_use: Share | None = term("不低于历史平均", "least share of the mean of past use", "ratio", default=None)
    of_last_use: Share | None = term("不低于上年实际", "least share of last year's use", "ratio", default=None)
    of_last_agreement: Share | None = term("不低于上轮协议", "least share of the last agreement", "ratio", default=None)
    explain_fall_over: Share | None = term("须说明的降幅", "fall that needs a reason", "ratio", default=None)


class Gradient(Rule):
    """降幅联动: the larger the cut of the price, the more volume is agreed and the less may be moved to others."""

    rule: Literal["gradient"]
    cut_from: Share = term("起始降幅", "cut from which it runs", "ratio")
    base: Share = term("起始基础量", "agreed share there", "ratio")
    movable: Share = term("起始调出量", "movable share there", "ratio")
    slope: Positive = term("每一个百分点", "points per point of cut")
    most: Share = term("基础量上限", "most agreed share", "ratio")


class ClassShares(Rule):
    """分类带量 (insulin): what winners of each class keep of their reported volume; the rest moves to one class."""

    rule: Literal["class_shares"]
    kept: dict[str, Share] = term("保留比例", "share kept by class", "ratio", min_length=1)
    receiver: str = term("调入类别", "class that receives the rest")

    @model_validator(mode="after")
    def _receiver(self) -> "ClassShares":
        if self.receiver not in self.kept:
            raise fault(f"receiver {self.receiver} 不在 kept 中", f"receiver {self.receiver} is not in kept")
        return self


class Shortlist(Rule):
    """入围: how many bidders are shortlisted, by their number; beyond the table the most."""

    rule: Literal["shortlist"]
    by_bidders: dict[str, Count] = term("入围家数表", "shortlisted by number of bidders", default={})
    most: Count = term("最多", "most")

    @model_validator(mode="after")
    def _table(self) -> "Shortlist":
        if any(not bidders.isdigit() for bidders in self.by_bidders):
            raise fault("by_bidders 的键应为申报家数", "the keys of by_bidders must be numbers of bidders")
        rows = sorted((int(bidders), count) for bidders, count in self.by_bidders.items())
        if any(count > min(bidders, self.most) for bidders, count in rows):
            raise fault("入围家数多于申报家数或上限", "more are shortlisted than bid or than the most")
        if [count for _, count in rows] != sorted(count for _, count in rows):
            raise fault("入围家数须不减", "the number of shortlisted must not fall")
        if [bidders for bidders, _ in rows] != list(range(rows[0][0], rows[-1][0] + 1) if rows else []):
            raise fault("by_bidders 缺行", "by_bidders has gaps")
        return self


class Ceiling(Rule):
    """最高有效申报价: the least of a share of the mean listed price and of the highest provincial winning price."""

    rule: Literal["ceiling"]
    of_listed_mean: Share = term("挂网均价比例", "share of the mean listed price outside VBP", "ratio")
    exclude_sole_winners: bool = term("不计省级独家中选价", "prices of sole provincial winners left out")


class Thresholds(Rule):
    """Batches 2 to 9: a shortlisted bid wins if any threshold that the pack states is met."""

    rule: Literal["winning_thresholds"]
    spread: Positive | None = term("最低价倍数", "× the lowest unit comparable price", "ratio", default=None)
    cut: Share | None = term("降幅", "cut against the ceiling price", "ratio", default=None)
    price: Amount | None = term("单位可比价", "unit comparable price", "yuan", default=None)
    spread_revival: bool = term("可按倍数复活", "a bid above the spread may come down to it", default=False)


class Anchor(Rule):
    """Batch 11: bids above a multiple of an anchor price are fused (熔断); two ways of revival (复活)."""

    rule: Literal["winning_anchor"]
    of_mean: Share = term("均价比例", "share of the mean of the shortlisted bids", "ratio")
    fuse: Positive = term("熔断倍数", "× the anchor", "ratio")
    shortlisted_revival: bool = term("入围复活", "shortlisted bids may be revived")
    unlisted_revival: bool = term("未入围复活", "bids not shortlisted may be revived")


class DoubleDeviation(Rule):
    """Batch 12: an anchor one standard deviation below the mean, and no volume two deviations below it."""

    rule: Literal["winning_double_deviation"]
    anchor_deviations: Positive = term("锚点标准差倍数", "deviations below the mean: anchor")
    low_deviations: Positive = term("低线标准差倍数", "deviations below the mean: no volume")
    deviation: Literal["population", "sample"] | None = term("标准差口径", "standard deviation", default=None)
    fuse: Positive | None = term("熔断倍数", "× the anchor", "ratio", default=None)


class Comparability(Rule):
    """差比价: factors per doubling of strength, number of units and fill, and by dosage form."""

    rule: Literal["comparability"]
    strength: Positive = term("含量", "per doubling of strength")
    oral_pack: Positive = term("口服片剂胶囊数量", "per doubling of the pack, tablets and capsules")
    pack: Positive = term("其他数量", "per doubling of the pack, others")
    fill: Positive = term("装量", "per doubling of the fill")
    oral_forms: tuple[str, ...] = term("口服片剂胶囊", "forms that are tablets or capsules", min_length=1)
    forms: dict[str, Positive] = term("剂型", "by dosage form", min_length=1)
    decimals: Annotated[int, Field(ge=0, le=8)] = term("小数位", "decimals of the price, yuan")


class Cycle(Rule):
    """采购周期: years by the number of winners, or one last day for all."""

    rule: Literal["cycle"]
    years_by_winners: tuple[Count, ...] = term("年数", "years by number of winners, the last for more", default=())
    ends: date | None = term("统一到期", "last day for all", default=None)

    @model_validator(mode="after")
    def _one_way(self) -> "Cycle":
        if bool(self.years_by_winners) == (self.ends is not None):
            raise fault("years_by_winners 与 ends 须写且只写一个", "write one of years_by_winners and ends")
        return self


class Progress(Rule):
    """序时进度: alert when progress falls behind time by this share."""

    rule: Literal["progress_alert"]
    least_of_time: Share = term("不低于序时进度", "least share of time progress", "ratio")


class NonWinning(Rule):
    """非中选产品: which prices are appropriate or may be listed, and the largest share of high-priced purchases."""

    rule: Literal["non_winning"]
    most_of_winning: Positive | None = term("不高于中选价", "× the winning price", "ratio", default=None)
    listed_up_to: Positive | None = term("可挂网价", "may be listed: × own winning price", "ratio", default=None)
    high_share: Share | None = term("高价采购占比上限", "most of the variety's volume at a high price", default=None)


class PriceTiers(Rule):
    """预警分档: names of tiers by price ÷ winning price; the first is for all at or below its bound."""

    rule: Literal["price_tiers"]
    tiers: tuple["PriceTier", ...] = term("分档", "tiers", min_length=2)

    @model_validator(mode="after")
    def _rising(self) -> "PriceTiers":
        bounds = [(tier.over, tier.at_least) for tier in self.tiers]
        if bounds[0] != (None, None) or any((over is None) == (least is None) for over, least in bounds[1:]):
            raise fault(
                "第一档不写下限，其余各档写 over 或 at_least 之一",
                "the first tier has no bound, every other one of over and at_least",
            )
        lower = [over if over is not None else least for over, least in bounds[1:]]
        if lower != sorted({bound for bound in lower if bound is not None}):
            raise fault("各档下限须递增", "the bounds of the tiers must rise")
        return self


class PriceTier(Model):
    """One tier: above `over`, or from `at_least` on."""

    id: str
    name: Bilingual
    over: Positive | None = term("高于", "over", "ratio", default=None)
    at_least: Positive | None = term("不低于", "at least", "ratio", default=None)


class PaymentStandard(Rule):
    """医保支付标准 of a drug: what non-winning products with much higher prices keep in the first step."""

    rule: Literal["payment_standard"]
    multiple: Positive = term("倍数", "own price ÷ winning price from which it applies", "ratio")
    first_step: Share = term("第一步", "share of the own price", "ratio")
    below_winning: Literal["own_price"] | None = term("低于中选价", "own price below the winning", default=None)


class Prepayment(Rule):
    """集采预付: least share of the agreed purchase amount that is prepaid, and the days to pay suppliers."""

    rule: Literal["prepayment"]
    share: Share = term("预付比例", "share of the annual agreed amount", "ratio")
    settle_days: Count | None = term("结算天数", "days to settle after acceptance", "days", default=None)
    settle_by: Literal["end_of_next_month"] | None = term("结算期限", "settle by", default=None)


class Retention(Rule):
    """结余留用: what a hospital keeps of what an agreement saved. What is not written is asked for."""

    rule: Literal["retention"]
    ceiling: Share = term("留用上限", "most that is kept", "ratio")
    keep: tuple[ScoreBand, ...] = term("留用比例表", "share kept by score", default=())
    insured_share: Literal["person_times", "quantity"] | None = term("本地参保占比口径", "insured share", default=None)
    floor_at: Literal["drug", "institution"] | None = term("归零层级", "where the floor at zero stands", default=None)
    nonwin_scope: Literal["all", "not_appropriate", "not_passed"] | None = term(
        "扣减的非中选采购", "non-winning purchases that are deducted", default=None
    )
    tolerance: Share = term("完成容差", "shortfall of the agreed volume that is let pass", "ratio", default=Decimal(0))
    exclude_case_payment: bool = term("剔除已按病种留用", "what DRG/DIP left is taken out", default=False)
    across_years: Literal["purchased_amount", "end_of_cycle"] | None = term("跨年分摊", "across years", default=None)
    mode: Mode = term("进位", "rounding to fen", default="half_away_from_zero")

    @model_validator(mode="after")
    def _bands(self) -> "Retention":
        descending(self.keep, "share")
        if any(band.share is not None and band.share > self.ceiling for band in self.keep):
            raise fault(
                f"keep 中有高于上限 {self.ceiling} 的比例", f"a share of keep is above the ceiling {self.ceiling}"
            )
        return self


class Indicator(Model):
    """One start or stop indicator of service prices: a figure against a bound or another figure, or met as stated."""

    id: str = term("编号", "id")
    name: Bilingual = term("名称", "name")
    over: Number | None = term("高于", "over", default=None)
    below: Number | None = term("低于", "below", default=None)
    over_figure: str | None = term("高于另一指标", "over another figure", default=None)
    below_figure: str | None = term("低于另一指标", "below another figure", default=None)

    @model_validator(mode="after")
    def _one_test(self) -> "Indicator":
        if len([test for test in (self.over, self.below, self.over_figure, self.below_figure) if test is not None]) > 1:
            raise fault("一个指标只写一种比较", "an indicator has one comparison at most")
        return self


class PriceGate(Rule):
    """医疗服务价格动态调整: start indicators of which some must be met, stop indicators of which none may be."""

    rule: Literal["price_gate"]
    start: tuple[Indicator, ...] = term("启动条件", "start indicators", min_length=1)
    start_at_least: Count = term("至少符合", "met at least")
    stop: tuple[Indicator, ...] = term("约束条件", "stop indicators", default=())
    stop_at_least: Count = term("触发", "stops from so many on", default=1)

    @model_validator(mode="after")
    def _counts(self) -> "PriceGate":
        if self.start_at_least > len(self.start) or (self.stop and self.stop_at_least > len(self.stop)):
            raise fault("至少符合的个数多于条件数", "more indicators must be met than there are")
        ids = [one.id for one in (*self.start, *self.stop)]
        if twice := sorted({one for one in ids if ids.count(one) > 1}):
            raise fault(f"条件编号重复：{'、'.join(twice)}", f"indicators share an id: {', '.join(twice)}")
        return self


class LabourShare(Rule):
    """技术劳务占比: least share of technical-labour items in an adjustment, by number and by amount."""

    rule: Literal["labour_share"]
    least: Share = term("不低于", "least share", "ratio")
    among: Literal["adjusted", "raised"] | None = term("项目范围", "among which items", default=None)


class Compensation(Rule):
    """取消加成补偿: who makes up for the markup that hospitals lost."""

    rule: Literal["markup_compensation"]
    price: Share = term("价格调整", "service prices", "ratio")
    fiscal: Share = term("财政补助", "fiscal subsidy", "ratio")
    hospital: Share = term("医院自行消化", "the hospital itself", "ratio")

    @model_validator(mode="after")
    def _whole(self) -> "Compensation":
        if self.price + self.fiscal + self.hospital != 1:
            raise fault("三项之和应为 1", "the three parts must add up to 1")
        return self


AnyRule = Annotated[
    AgreedRatio | DemandFloor | Gradient | ClassShares | Shortlist | Ceiling | Thresholds | Anchor | DoubleDeviation
    | Comparability | Cycle | Progress | NonWinning | PriceTiers | PaymentStandard | Prepayment | Retention
    | PriceGate | LabourShare | Compensation,
    Field(discriminator="rule"),
]  # fmt: skip


class Facts(Model):
    """Published facts of a batch, for look-up and cross-checks."""

    opened: date | None = term("开标", "opened", default=None)
    repeats: str | None = term("续采批次", "round whose varieties are bought again", default=None)
    varieties: int | None = term("中选品种数", "varieties won", default=None)
    varieties_offered: int | None = term("采购品种数", "varieties offered", default=None)
    products: int | None = term("中选产品数", "products won", default=None)
    products_offered: int | None = term("申报产品数", "products offered", default=None)
    firms: int | None = term("中选企业数", "firms that won", default=None)
    firms_offered: int | None = term("投标企业数", "firms that bid", default=None)
    mean_cut: Share | None = term("平均降幅", "mean cut", "ratio", default=None)
    most_cut: Share | None = term("最高降幅", "largest cut", "ratio", default=None)
    cut_base: Bilingual | None = term("降幅基准", "price the cut is against", default=None)
    cumulative: int | None = term("累计品种数", "official cumulative count of varieties", default=None)


class Unconfirmed(Model):
    """A rule that is widely reported or not found: its shape is supported, no value is shipped."""

    rule: str
    what: Bilingual


class Pack(Model):
    """One batch, alliance or province: its documents, facts and dated rules, and what stays unconfirmed."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")] = term("编号", "id")
    title: Bilingual = term("名称", "title")
    scope: str = term("适用范围", "scope")
    batch: str | None = term("批次", "batch", default=None)
    documents: dict[str, str] = term("文件", "documents")
    facts: Facts | None = None
    rules: tuple[AnyRule, ...] = term("规则", "rules", default=())
    unconfirmed: tuple[Unconfirmed, ...] = term("未证实", "unconfirmed", default=())

    @model_validator(mode="after")
    def _one_value_a_day(self) -> "Pack":
        for n, one in enumerate(self.rules):
            for other in self.rules[:n]:
                day = max(one.valid_from or date.min, other.valid_from or date.min)
                if (one.rule, one.scope) == (other.rule, other.scope) and one.holds(day) and other.holds(day):
                    raise fault(f"{day} 有两条 {one.rule} 规则同时有效", f"two rules {one.rule} are valid on {day}")
        return self
