"""What the points and the money of one case start from: weights, coefficients, sub-types, reviews, extras."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from rules.policy.values import Amount, Bilingual, DateField, Mode, Model, Positive, Share, Yuan, fault, term

FeeKind = Literal["drug", "consumable", "procedure"]


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
    table: dict[str, Amount | dict[str, Amount]] | None = term("系数表", "table", "ratio", default=None)
    file: str | None = term("系数文件", "table: the columns of `by`, coefficient", default=None)
    otherwise: Amount | None = term("其他", "coefficient of what the table does not name", "ratio", default=None)
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


class Auxiliary(Model):
    """辅助分型: a coefficient by group and sub-type; of several the highest counts."""

    file: str = term("辅助分型表", "table: group, subtype, coefficient")
    rules: str | None = term("辅助分型规则", "rules that give cases their sub-types: folder, or example", default=None)
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
