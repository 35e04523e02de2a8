"""Pools of fund money: who belongs to one, how its budget arises, what a point is worth, how hospitals share it."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AliasChoices, Field, model_validator

from rules.policy.values import Amount, Bilingual, FundColumn, Model, Month, Number, Positive, Share, fault, term

Unit = Literal["charge_yuan", "fund_yuan"]


class MonthlySpread(Model):
    """How a year's amount is spread over its months (shares by month number, adding up to 1)."""

    shares: dict[Annotated[str, Field(pattern=r"^(0[1-9]|1[0-2])$")], Share] = term(
        "各月份额", "share of each month", "ratio"
    )

    @model_validator(mode="after")
    def _whole(self) -> "MonthlySpread":
        if len(self.shares) != 12 or sum(self.shares.values()) != 1:
            raise fault("应有 12 个月，份额合计为 1", "must name 12 months whose shares add up to 1")
        return self


class BudgetCommon(Model):
    """What every budget states, by whichever method its amount arises."""

    reserve: Share = term("风险金比例", "reserve", "ratio of the amount")
    monthly: Literal["equal"] | MonthlySpread = term("月度分解", "spread over months", default="equal")


class BudgetByExpenditure(BudgetCommon):
    """支出项目法: the inpatient budget less what is spent outside DRG/DIP."""

    method: Literal["expenditure"]
    inpatient: Amount = term("住院预算", "inpatient budget", "yuan a year")
    adjustment: Amount = term("调剂金", "adjustment reserve", "yuan a year")
    out_of_area: Amount = term("异地住院", "out-of-area care", "yuan a year")
    items_outside: Amount = term("付费范围外项目", "items outside the budget", "yuan a year")


class BudgetByShare(BudgetCommon):
    """比例法: last year's share of the fund times this year's fund."""

    method: Literal["share"]
    fund: Amount = term("当年基金", "this year's fund", "yuan a year")
    share: Share = term("上年占比", "last year's share of DRG/DIP", "ratio")


class BudgetByGrowth(BudgetCommon):
    """增长率法: last year's amount times (1 + g)."""

    method: Literal["growth"]
    base: Amount = term("上年金额", "last year's amount", "yuan a year")
    growth: Annotated[Number, Field(ge=-1)] = term("增长率", "growth", "ratio")


Budget = Annotated[BudgetByExpenditure | BudgetByShare | BudgetByGrowth, Field(discriminator="method")]


class BudgetChange(Model):
    """A change of a pool's budget within the year, allowed only on the official grounds."""

    on: date = term("日期", "day")
    amount: Number = term("增减额", "change", "yuan")
    ground: Literal["income", "patients", "benefit_policy", "public_health_event", "fund_balance"] = term(
        "事由", "ground"
    )
    source: Literal["fund", "reserve"] = term("来源", "taken from")
    reason: str = term("说明", "reason")
    reference: str = term("依据", "reference")


class Levy(Model):
    """Adjustment money that moves between two levels of the hierarchy of pools (上解、下拨), `into` another pool.

    A policy file writes `into`, since `to` ends the days of a value there.
    """

    on: date = term("日期", "day")
    to: str = term("转入基金池", "pool that receives", validation_alias=AliasChoices("into", "to"))
    amount: Amount = term("金额", "amount", "yuan")
    reason: str = term("说明", "reason")
    reference: str = term("依据", "reference")


class CarveOut(Model):
    """Money of a close-knit consortium (医共体、医联体总额), taken out of the pool before its point value."""

    id: str = term("编号", "id")
    name: Bilingual = term("名称", "name")
    amount: Amount = term("金额", "amount", "yuan a year")


class Income(Model):
    """Income side of a pool: funding per head and the insured of each month; growth of spending must not exceed it."""

    per_head: Amount = term("人均筹资", "funding per head", "yuan a year")
    insured: dict[Month, Annotated[int, Field(ge=0)]] = term("各月参保人数", "insured persons by month", "persons")
    last_year: Amount = term("上年收入", "last year's income", "yuan a year")
    last_year_spending: Positive | None = term("上年支出", "last year's spending", "yuan a year", default=None)
    final_account: Amount | None = term("决算收入", "income by the final account", "yuan a year", default=None)
    correction: Literal["none", "by_final_account"] = term("决算校正", "correction before clearing", default="none")


class Quotas(Model):
    """Hospital quotas of a region that has them, with the total-control deduction (总控扣款)."""

    method: Literal["history", "growth", "negotiation"] = term("方法", "method")
    file: str = term("指标表", "table: hospital, version, state (proposed | agreed), amount yuan")
    growth: Number | None = term("增长率", "growth", "ratio", default=None)
    deduction: Literal["none", "all_over", "share_over", "bands_over"] = term(
        "总控扣款", "deduction of what exceeds the quota"
    )
    share: Share | None = term("扣款比例", "share of the excess that is deducted", "ratio", default=None)
    tolerance: Share = term("容忍比例", "excess that is tolerated", "ratio of the quota", default=Decimal(0))
    bands: tuple["QuotaBand", ...] = term("扣款分档", "bands of the excess", default=())

    @model_validator(mode="after")
    def _complete(self) -> "Quotas":
        if (self.deduction == "share_over") != (self.share is not None):
            raise fault('share 与 deduction = "share_over" 必须同时出现', 'share belongs to deduction = "share_over"')
        if (self.deduction == "bands_over") != bool(self.bands):
            raise fault('bands 与 deduction = "bands_over" 必须同时出现', 'bands belong to deduction = "bands_over"')
        if (self.method == "growth") != (self.growth is not None):
            raise fault('growth 与 method = "growth" 必须同时出现', 'growth belongs to method = "growth"')
        bounds = [band.up_to for band in self.bands]
        rising = sorted({bound for bound in bounds[:-1] if bound is not None})
        if bounds and (bounds[-1] is not None or bounds[:-1] != rising):
            raise fault(
                "扣款分档须递增，且只有最后一档不写 up_to",
                "bands of the excess must rise, and only the last omits up_to",
            )
        return self


class QuotaBand(Model):
    """One slice of the excess over a quota (as a ratio of the quota) and the share of it that is deducted."""

    up_to: Positive | None = term("至（含）", "up to", "ratio of the quota", default=None)
    share: Share = term("扣款比例", "share deducted", "ratio")


class PointMoney(Model):
    """Money per point. The unit says whether points buy charge level (a fund ratio follows) or fund money."""

    value: Positive = term("点值", "value", "yuan per point")
    unit: Unit = term("单位", "unit")


class PointCommon(Model):
    """What every point value states, fixed, floating or elastic."""

    start: PointMoney = term("年初点值", "value at the start of the year", "yuan per point")
    months: dict[Month, Positive] = term("月度点值", "values of single months", "yuan per point", default_factory=dict)
    last_year: Positive | None = term("上年点值", "last year's final value", "yuan per point", default=None)


class Capped(PointCommon):
    """A value that moves at clearing may be capped; what a cap cuts off or a floor adds is a named line."""

    floor: Positive | None = term("下限", "floor", "yuan per point", default=None)
    cap: Positive | None = term("上限", "cap", "yuan per point", default=None)
    remainder: Literal["reserve", "normalise"] = term("差额归属", "where the rest goes", default="reserve")
    limits_in_month: bool = term(
        "上下限也适用于月度浮动点值", "cap and floor hold for values of months too", default=True
    )


class FixedValue(PointCommon):
    """固定: one value for the period."""

    method: Literal["fixed"]


class FloatingValue(Capped):
    """浮动: a value to start with; the final one follows from the budget at clearing."""

    method: Literal["floating"]


class ElasticVolume(Capped):
    """弹性 (a): points up to a hospital's base volume at the start value, the rest floating."""

    method: Literal["elastic_volume"]
    base_points: str = term("基础量表", "table: hospital, pool, base_points")


class ElasticSeverity(Capped):
    """弹性 (b): points of severe cases at the start value, of mild cases floating."""

    method: Literal["elastic_severity"]
    severe_weight_from: Positive | None = term(
        "重症权重起点", "weight from which a group counts as severe", default=None
    )
    severe_groups: tuple[str, ...] = term("重症病组", "groups that count as severe", default=())

    @model_validator(mode="after")
    def _declared(self) -> "ElasticSeverity":
        if self.severe_weight_from is None and not self.severe_groups:
            raise fault(
                "须声明 severe_weight_from 或 severe_groups", "must declare severe_weight_from or severe_groups"
            )
        return self


class ElasticCost(Capped):
    """弹性 (c): the rigid share of each group's cost at the start value, the elastic share floating."""

    method: Literal["elastic_cost"]
    rigid_share: Share | None = term("刚性成本占比", "rigid share of cost, every group", "ratio", default=None)
    rigid_file: str | None = term("刚性成本表", "table: group, rigid_share", default=None)

    @model_validator(mode="after")
    def _one(self) -> "ElasticCost":
        if (self.rigid_share is None) == (self.rigid_file is None):
            raise fault("rigid_share 与 rigid_file 须且只须给一个", "give either rigid_share or rigid_file")
        return self


PointValue = Annotated[
    FixedValue | FloatingValue | ElasticVolume | ElasticSeverity | ElasticCost, Field(discriminator="method")
]


class OutOfArea(Model):
    """A pool's rule for care across regions: patients who come in, and own insured treated elsewhere (异地就医)."""

    incoming_value: Literal["own", "local"] = term(
        "就医地点值", "value used for incoming patients: this pool's own, or the local pool's"
    )
    bearer: Literal["insured_pool", "treating_pool", "hospital"] = term(
        "差额承担方", "who bears standard less by-item amount"
    )
    outgoing: Literal["charged_to_home_budget", "outside_budget"] = term(
        "本地参保外出就医", "own insured treated elsewhere"
    )

    @model_validator(mode="after")
    def _own_value(self) -> "OutOfArea":
        if self.incoming_value == "local":
            raise fault(
                'incoming_value = "local" 不能按险种取本地池的点值：请把该点值写入本池的 point_value，并写 "own"',
                'incoming_value = "local" cannot tell local pools apart: write "own" here, and the value of the local '
                "pool as point_value of this one",
            )
        return self


class Pool(Model):
    """One pool: year × insurance type × region × place, with its budget and its point value."""

    id: str = term("编号", "id")
    name: Bilingual = term("名称", "name")
    insurance_types: tuple[str, ...] = term("险种", "insurance types", min_length=1)
    place: Literal["local", "in_province", "cross_province"] = term("就医地", "place of care")
    regions: tuple[str, ...] = term("参保地", "insured regions; none named: all", default=())
    parent: str | None = term("上级基金池", "pool one level up", default=None)
    funds: tuple[FundColumn, ...] = term("预算内基金", "funds that the budget covers", min_length=1)
    budget: Budget
    point_value: PointValue
    changes: tuple[BudgetChange, ...] = term("预算调整", "changes of the budget", default=())
    carve_outs: tuple[CarveOut, ...] = term("医共体总额划出", "carved out for consortia", default=())
    carried_overrun: Amount = term("上年结转超支", "overrun carried from last year", "yuan", default=Decimal(0))
    levies: tuple[Levy, ...] = term("上解下拨", "levies and grants between levels", default=())
    reserve_at_start: Amount = term("年初风险金", "reserve at the start of the year", "yuan", default=Decimal(0))
    income: Income | None = None
    quotas: Quotas | None = None
    out_of_area: OutOfArea | None = None

    @property
    def by_item(self) -> bool:
        """Tell whether hospitals bear what the standard differs from the by-item amount, and so keep the latter."""
        return self.out_of_area is not None and self.out_of_area.bearer == "hospital"
