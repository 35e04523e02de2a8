"""Special kinds of case: who they take, and how they are paid in place of the ordinary rule."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from rules.policy.values import Amount, Bilingual, Model, Positive, Share, Yuan, fault, term


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

    up_to_day: Annotated[int, Field(ge=1)] | None = term("至第几天", "up to day", "days", default=None)
    daily: Yuan = term("床日标准", "daily standard", "yuan a day")


class Excluded(Model):
    """Excluded from DRG/DIP payment: paid as booked by item, from the pool's money outside points or by nobody here."""

    pay: Literal["excluded"]
    funding: Literal["pool", "elsewhere"] = term("资金来源", "funding")


class PerDiem(Model):
    """床日: daily standard × days, in bands; optionally never more than the charge."""

    pay: Literal["per_diem"]
    bands: tuple[DayBand, ...] = term("床日标准", "daily standards", min_length=1)
    by_level: dict[str, Annotated[tuple[DayBand, ...], Field(min_length=1)]] = term(
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
