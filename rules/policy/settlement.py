"""From case standards to money paid: the month, the advances, and the clearing of the year."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, model_validator

from rules.policy.values import Amount, Bilingual, FundColumn, Model, Number, Positive, Share, fault, term

Style = Literal["ratio", "subtract", "policy_ratio"]
RatioLevel = Literal["pool", "hospital", "case"]
Bearer = Literal["hospitals", "fund", "next_year", "reserve"]


class Step(Model):
    """One step from standard to fund money. A step has one style, and every case of it is paid in that style."""

    style: Style = term("方式", "style")
    fund_ratio_level: RatioLevel | None = term("基金支付比例口径", "level of the fund ratio", default=None)
    fund_ratio_gap: Literal["normalise", "reserve"] | None = term(
        "比例差额", "gap between the parts and the budget", default=None
    )
    fund_ratio_outside: Literal["same", "booked"] = term(
        "点外病例比例", "ratio of cases paid outside points", default="same"
    )
    negative_fund_part: Literal["kept", "floored"] | None = term(
        "负基金额", "a case's negative fund part", default=None
    )

    @model_validator(mode="after")
    def _complete(self) -> "Step":
        if self.fund_ratio_level in {"hospital", "case"} and self.fund_ratio_gap is None:
            raise fault("按医院或病例的比例须声明 fund_ratio_gap", "hospital or case ratios need fund_ratio_gap")
        if self.style != "ratio" and self.negative_fund_part is None:
            raise fault(f"{self.style} 方式须声明 negative_fund_part", f"style {self.style} needs negative_fund_part")
        if self.style == "ratio" and self.negative_fund_part == "floored":
            raise fault(
                'ratio 方式的基金额不会因扣减而为负：negative_fund_part = "floored" 只用于 subtract、policy_ratio',
                'nothing is subtracted in style ratio: negative_fund_part = "floored" is for subtract and policy_ratio',
            )
        return self


class Advance(Model):
    """预付金: about one month of the mean monthly spend, paid at the start of the year if every gate is open."""

    months: Positive = term("月数", "months of mean monthly spend", "months")
    years: Annotated[int, Field(ge=1, le=3)] = term("年数", "past years of the mean", "years")
    payable_months: dict[str, Positive] = term("可支付月数下限", "least payable months by insurance type", "months")
    refuse_after_deficit: bool = term("上年赤字不预付", "none after a deficit year")
    refuse_on_forecast_deficit: bool = term("预测赤字不预付", "none when the rolling 12 months forecast a deficit")


class WorkingCapital(Model):
    """周转金: an account of its own beside advance and monthly prepayment."""

    months: Positive = term("月数", "months of mean monthly payment", "months")
    repaid: Literal["at_clearing", "year_end"] = term("归还", "repaid")


class ScoreBand(Model):
    """One line of a score table: from this score on (inclusive); the last line names no score."""

    score_from: Number | None = term("分数起点", "score from", "points of score", default=None)
    coefficient: Amount | None = term("系数", "coefficient", "ratio", default=None)
    release: Share | None = term("返还比例", "share released", "ratio", default=None)
    share: Share | None = term("比例", "share", "ratio", default=None)


class CurvePoint(Model):
    """One corner of an indicator's curve: at this value, this score; straight lines in between, flat outside."""

    at: Number = term("指标值", "value")
    score: Number = term("得分", "score")


class Indicator(Model):
    """One assessment indicator: its weight and the curve from its value to a score."""

    id: str = term("编号", "id")
    name: Bilingual = term("名称", "name")
    dimension: Literal["agreement", "list_upload", "cost_and_visits", "procurement", "quality", "supervision"] = term(
        "维度", "dimension"
    )
    weight: Positive = term("权重", "weight")
    curve: tuple[CurvePoint, ...] = term("曲线", "curve", min_length=1)


class Assessment(Model):
    """Year's assessment: scores from a table or from indicators, and where each score acts."""

    file: str | None = term("得分表", "table: hospital, score", default=None)
    indicators: tuple[Indicator, ...] = term("指标", "indicators", default=())
    indicator_file: str | None = term("指标值表", "table: hospital, indicator, value", default=None)
    table: tuple[ScoreBand, ...] = term("系数表", "coefficient by score", min_length=1)
    acts_on: tuple[Literal["coefficient", "retention_share", "prepayment", "deposit"], ...] = term(
        "作用于", "where the score acts", default=("coefficient",)
    )
    same_score_twice: bool = term(
        "允许同一得分既扣系数又扣质保金", "one score may cut both coefficient and deposit", default=False
    )

    @model_validator(mode="after")
    def _consistent(self) -> "Assessment":
        if (self.file is None) == (not self.indicators):
            raise fault("得分须来自 file 或 indicators 之一", "scores come either from file or from indicators")
        if bool(self.indicators) != (self.indicator_file is not None):
            raise fault("indicators 须与 indicator_file 同时给出", "indicators and indicator_file belong together")
        if {"coefficient", "deposit"} <= set(self.acts_on) and not self.same_score_twice:
            raise fault(
                "同一得分不得既扣系数又扣质保金，除非 same_score_twice = true",
                "one score must not cut both coefficient and deposit unless same_score_twice = true",
            )
        descending(self.table, "coefficient")
        bounded = {"prepayment", "deposit"} & set(self.acts_on)
        if bounded and any(band.coefficient is not None and band.coefficient > 1 for band in self.table):
            raise fault(
                "得分作用于预付或质保金时系数不得大于 1", "a score on prepayment or deposit has no coefficient above 1"
            )
        return self


def descending(table: tuple[ScoreBand, ...], key: str) -> None:
    """Check a score table: scores fall from line to line, the last line is open, every line has its value."""
    scores = [band.score_from for band in table]
    if table and (scores[-1] is not None or None in scores[:-1]):
        raise fault("得分表只有最后一行不写 score_from", "only the last line of a score table omits score_from")
    bounds = [score for score in scores if score is not None]
    if bounds != sorted(set(bounds), reverse=True):
        raise fault("得分表的 score_from 须逐行递减", "score_from must fall from line to line")
    if any(getattr(band, key) is None for band in table):
        raise fault(f"得分表每行须有 {key}", f"every line of the score table needs {key}")


class Deductions(Model):
    """Audit deductions: a table of single deductions with states; each acts once."""

    states: tuple[Literal["suspected", "appealed", "confirmed"], ...] = term("计入状态", "states that count")
    acts: Literal["month", "booked", "clearing"] = term("作用处", "where a deduction acts")
    receives: Literal["fund", "pool", "treasury"] = term("收款方", "who receives the money")


class Monthly(Step):
    """The month: how settled discharges are prepaid."""

    value: Literal["start", "floating"] = term("月度点值", "value that prices a month", default="start")
    prepayment_ratio: Share = term("预付比例", "prepayment ratio", "ratio")
    deposit: Literal["withheld_part", "further_line", "none"] = term("质保金", "deposit")
    deposit_ratio: Share | None = term("质保金比例", "deposit ratio", "ratio", default=None)
    deposit_base: Literal["payable", "payable_times_ratio"] | None = term(
        "质保金基数", "base of the deposit", default=None
    )
    advance: Advance | None = None
    working_capital: WorkingCapital | None = None

    @model_validator(mode="after")
    def _deposit(self) -> "Monthly":
        further = self.deposit == "further_line"
        if further != (self.deposit_ratio is not None) or further != (self.deposit_base is not None):
            raise fault(
                'deposit_ratio、deposit_base 与 deposit = "further_line" 必须同时出现',
                'deposit_ratio and deposit_base belong to deposit = "further_line"',
            )
        return self


class Band(Model):
    """One band of a = booked / payable: up to a bound (`below` strict, `up_to` inclusive) one share; the last is open.

    A lower bound may be written too (`over` strict, `from_` inclusive); it must continue the band before.
    """

    below: Positive | None = term("低于", "below", "booked / payable", default=None)
    up_to: Positive | None = term("至（含）", "up to", "booked / payable", default=None)
    over: Positive | None = term("高于", "over", "booked / payable", default=None)
    at_least: Positive | None = term("不低于", "at least", "booked / payable", default=None)
    retain: Share | None = term("留用比例", "share of the surplus kept", "ratio", default=None)
    share: Share | None = term("分担比例", "share of the overspend the fund pays", "ratio", default=None)


class Side(Model):
    """The bands of one side and their mode: `whole` (the band of a decides for the whole difference) or `marginal`."""

    mode: Literal["whole", "marginal"] = term("方式", "mode")
    bands: tuple[Band, ...] = term("分档", "bands", min_length=1)

    @model_validator(mode="after")
    def _contiguous(self) -> "Side":
        contiguous(self.bands)
        return self


def contiguous(bands: tuple[Band, ...]) -> None:
    """Refuse gaps and overlaps: bounds rise, each lower bound continues the band before, only the last band is open."""
    before: tuple[Number, bool] | None = None
    for n, band in enumerate(bands, start=1):
        if band.below is not None and band.up_to is not None:
            raise fault(f"第 {n} 档同时写了 below 和 up_to", f"band {n} has both below and up_to")
        if band.over is not None and band.at_least is not None:
            raise fault(f"第 {n} 档同时写了 over 和 at_least", f"band {n} has both over and at_least")
        upper = next(
            ((bound, closed) for bound, closed in ((band.below, False), (band.up_to, True)) if bound is not None), None
        )
        if (upper is None) != (n == len(bands)):
            raise fault(f"第 {n} 档：只有最后一档不写上限", f"band {n}: only the last band has no upper bound")
        lower = next(
            ((bound, closed) for bound, closed in ((band.over, False), (band.at_least, True)) if bound is not None),
            None,
        )
        if lower is not None:
            continues(n, before, lower)
        if upper is not None and before is not None and upper <= before:
            raise fault(f"第 {n} 档与上一档重叠", f"band {n} overlaps the band before")
        before = upper or before


def continues(n: int, before: tuple[Number, bool] | None, lower: tuple[Number, bool]) -> None:
    """Refuse a lower bound that leaves a gap to the band before or overlaps it."""
    bound, closed = lower
    if before is None:
        raise fault(f"第 {n} 档之下没有档：缺口", f"nothing stands below band {n}: a gap")
    if bound > before[0] or (bound == before[0] and not closed and not before[1]):
        raise fault(f"第 {n} 档与上一档之间有缺口", f"there is a gap between band {n} and the band before")
    if bound < before[0] or (closed and before[1]):
        raise fault(f"第 {n} 档与上一档重叠", f"band {n} overlaps the band before")


class Surplus(Side):
    """Surplus side (a ≤ 1): the hospital keeps booked + retain × (payable − booked)."""

    @model_validator(mode="after")
    def _shares(self) -> "Surplus":
        if any(band.retain is None or band.share is not None for band in self.bands):
            raise fault("结余各档须写 retain（不写 share）", "every surplus band needs retain (and no share)")
        return self


class Overspend(Side):
    """Overspend side (a > 1): the fund pays payable + share × (booked − payable)."""

    @model_validator(mode="after")
    def _shares(self) -> "Overspend":
        if any(band.share is None or band.retain is not None for band in self.bands):
            raise fault("超支各档须写 share（不写 retain）", "every overspend band needs share (and no retain)")
        return self


class Bound(Model):
    """A floor or cap of a hospital's clearing amount."""

    ratio: Positive = term("比例", "ratio", "ratio of the base")
    base: Literal["booked", "payable"] = term("基数", "base")


class PoolLevel(Model):
    """What happens to the surplus or deficit of the whole pool.

    none: hospitals bear an overrun; share: the fund pays `fund_share` of it; carry: it is taken off next year's budget;
    two_way_split: surplus and deficit are divided between hospitals and fund.
    """

    method: Literal["none", "share", "carry", "two_way_split"] = term("方式", "method")
    fund_share: Share | None = term("基金分担", "fund's share of an overrun", "ratio", default=None)
    hospitals_surplus: Share | None = term("结余归医院", "hospitals' share of a surplus", "ratio", default=None)
    hospitals_deficit: Share | None = term("超支归医院", "hospitals' share of a deficit", "ratio", default=None)

    @model_validator(mode="after")
    def _complete(self) -> "PoolLevel":
        if (self.method == "share") != (self.fund_share is not None):
            raise fault('fund_share 与 method = "share" 必须同时出现', 'fund_share belongs to method = "share"')
        both = (self.hospitals_surplus is not None, self.hospitals_deficit is not None)
        if both != (self.method == "two_way_split",) * 2:
            raise fault(
                'hospitals_surplus、hospitals_deficit 与 method = "two_way_split" 必须同时出现',
                'hospitals_surplus and hospitals_deficit belong to method = "two_way_split"',
            )
        return self


class DepositRelease(Model):
    """How the deposit held is given back at clearing."""

    by: Literal["all", "score", "indicator"] = term("方式", "by")
    file: str | None = term("得分表", "table: hospital, score (a score of its own)", default=None)
    table: tuple[ScoreBand, ...] = term("返还表", "share released by score", default=())
    forfeited_to: Literal["fund", "pool", "reserve"] = term("不返还部分归", "where the rest goes", default="pool")

    @model_validator(mode="after")
    def _table(self) -> "DepositRelease":
        if (self.by == "all") == bool(self.table):
            raise fault("按得分返还须给 table，全额返还不给", "release by score needs table, release of all has none")
        descending(self.table, "release")
        return self


class Clearing(Step):
    """Year-end clearing (年终清算)."""

    coefficient: Literal["after_bands", "inside_payable"] = term(
        "考核系数位置", "where the assessment coefficient acts"
    )
    funding_order: tuple[str, ...] = term("资金来源次序", "order of funding", min_length=1)
    surplus: Surplus
    overspend: Overspend
    assessment: Assessment | None = None
    deductions: Deductions | None = None
    floor: Bound | None = term("下限", "floor", default=None)
    cap: Bound | None = term("上限", "cap", default=None)
    pool_level: PoolLevel | None = None
    deposit_release: DepositRelease | None = None
    calendar: dict[Annotated[str, Field(pattern=r"^\d{4}$")], date] = term(
        "清算时限", "year and the day it is cleared by", default_factory=dict
    )
    money_left: Share | None = term(
        "清算预留比例指标", "indicator: money left to clearing", "ratio of payments", default=None
    )

    @model_validator(mode="after")
    def _order(self) -> "Clearing":
        *before, last = self.funding_order
        known_last = {f"overrun:{bearer}" for bearer in ("hospitals", "fund", "next_year", "reserve")} | {
            "pro_rata:clearing",
            "pro_rata:overspend",
        }
        if last not in known_last:
            raise fault(
                f"funding_order 须以 {'、'.join(sorted(known_last))} 之一结束",
                f"funding_order must end with one of {', '.join(sorted(known_last))}",
            )
        if any(source not in {"reserve", "surplus_returned"} for source in before) or len(set(before)) < len(before):
            raise fault(
                "funding_order 中间只可依次写 reserve、surplus_returned，各一次",
                "funding_order may name reserve and surplus_returned before its end, each once",
            )
        return self


class FundSplit(Model):
    """How a case's fund part is divided over the funds that pay this patient."""

    method: Literal["order", "proportion"] = term("方式", "method")
    funds: tuple[FundColumn, ...] = term("基金次序", "funds, in order", min_length=1)
    cap: Positive | None = term("上限", "cap of each fund", "ratio of its by-item amount", default=None)
    remainder: FundColumn | Literal["hospital"] | None = term("余额归", "who takes what the caps leave", default=None)

    @model_validator(mode="after")
    def _remainder(self) -> "FundSplit":
        if (self.cap is not None or self.method == "order") != (self.remainder is not None):
            raise fault(
                "有 cap 或按次序拆分时须声明 remainder，否则不写",
                "a cap or an order needs remainder, otherwise there is none",
            )
        return self
