"""The policy as it stands on one day: every table and key a policy file may hold, typed and frozen."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from rules.policy.calibration import Calibration
from rules.policy.cases import (
    AddedPoints,
    Auxiliary,
    DateBasis,
    Exclusion,
    HospitalCoefficient,
    Money,
    Reimbursement,
    Scores,
    SeparateItem,
    SpecialCase,
    Weights,
)
from rules.policy.classes import BlankGroup, CaseClasses, HighRule
from rules.policy.directory import DirectoryMeasurement
from rules.policy.kinds import Kind
from rules.policy.pools import Pool
from rules.policy.settlement import Clearing, FundSplit, Monthly
from rules.policy.values import Bilingual, Model, fault, term


class Rules(Model):
    """One day's policy. Nothing is implied: what is not written does not apply."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")] = term("编号", "id")
    title: Bilingual = term("名称", "title")
    kind: Literal["drg", "dip"] = term("类型", "kind")
    scheme: str = term("分组方案", "scheme")
    date_basis: DateBasis
    money: Money
    pools: tuple[Pool, ...] = term("基金池", "pools", min_length=1)
    weights: Weights | None = None
    scores: Scores | None = None
    hospital_coefficient: HospitalCoefficient | None = None
    auxiliary: Auxiliary | None = None
    added_points: tuple[AddedPoints, ...] = term("加成分值", "added points", default=())
    primary_care: tuple[str, ...] = term("基层病种", "primary-care groups", default=())
    case_class: CaseClasses | None = None
    blank_group: BlankGroup | None = None
    kinds: tuple[Kind, ...] = term("特殊类型", "special kinds", default=())
    special_case: SpecialCase | None = None
    exclusion: Exclusion | None = None
    calibration: Calibration | None = None
    directory: DirectoryMeasurement | None = None
    separate_items: tuple[SeparateItem, ...] = term("单独支付项目", "separately paid items", default=())
    patient_basis: Literal["item", "group"] = term("个人计费基础", "what patients pay by")
    reimbursement: Reimbursement | None = None
    fund_split: FundSplit | None = None
    month: Monthly
    clearing: Clearing

    @model_validator(mode="after")
    def _table_of_the_kind(self) -> "Rules":
        given = {"drg": self.weights, "dip": self.scores}
        if given[self.kind] is None or sum(table is not None for table in given.values()) != 1:
            raise fault(
                'kind = "drg" 须有 weights，kind = "dip" 须有 scores',
                'kind = "drg" needs weights, kind = "dip" needs scores',
            )
        return self

    @model_validator(mode="after")
    def _table_of_the_scheme(self) -> "Rules":
        for name, table in (("weights", self.weights), ("scores", self.scores)):
            if table is not None and table.scheme != self.scheme:
                raise fault(
                    f"{name}.scheme {table.scheme!r} 与当日分组方案 {self.scheme!r} 不符",
                    f"{name}.scheme is {table.scheme!r}, but cases are grouped by {self.scheme!r} on that day",
                )
        return self

    @model_validator(mode="after")
    def _items_once(self) -> "Rules":
        named = [code for item in self.separate_items for code in item.items]
        if twice := sorted({code for code in named if named.count(code) > 1}):
            listed = "、".join(twice)
            raise fault(
                f"separate_items：项目 {listed} 由不止一条规则单独支付",
                f"separate_items: more than one rule pays for {', '.join(twice)}",
            )
        return self

    @model_validator(mode="after")
    def _money_of_extras(self) -> "Rules":
        kinds = {item.money for item in self.separate_items}
        if len(kinds) > 1:
            raise fault(
                "separate_items 的 money 须一致（total 或 fund），合计后才能分清",
                "separate_items must all be total or all be fund money: a case carries their sum",
            )
        extras = kinds | ({self.exclusion.money} if self.exclusion is not None else set())
        if "total" in extras and any(pool.point_value.start.unit == "fund_yuan" for pool in self.pools):
            raise fault(
                'fund_yuan 的点值不知基金支付比例：exclusion、separate_items 须写 money = "fund"',
                'a value in fund_yuan knows no fund ratio: exclusion and separate_items need money = "fund"',
            )
        return self

    @model_validator(mode="after")
    def _booked_holds_extras(self) -> "Rules":
        as_booked = any(
            step.style == "ratio" and step.fund_ratio_outside == "booked" for step in (self.month, self.clearing)
        )
        charged = any(pool.point_value.start.unit == "charge_yuan" for pool in self.pools)
        fund = [item.id for item in self.separate_items if item.money == "fund" and item.taken_out]
        fund += ["exclusion"] if self.exclusion is not None and self.exclusion.money == "fund" else []
        if as_booked and charged and fund:
            raise fault(
                f'fund_ratio_outside = "booked" 的记账额已含 {"、".join(fund)}，不得再付基金金额（写 money = "total"）',
                f'what is booked (fund_ratio_outside = "booked") holds {", ".join(fund)} already: fund money on top '
                'would pay it twice (money = "total")',
            )
        return self

    @model_validator(mode="after")
    def _tree_of_pools(self) -> "Rules":
        parents = {pool.id: pool.parent for pool in self.pools}
        for pool in self.pools:
            for other in (pool.parent, *(levy.to for levy in pool.levies)):
                if other is not None and other not in parents:
                    raise fault(
                        f"基金池 {pool.id} 提到的 {other} 不存在", f"pool {pool.id} names {other}, which is no pool"
                    )
            above, seen = pool.parent, {pool.id}
            while above is not None:
                if above in seen:
                    raise fault(f"基金池 {pool.id} 的上级成环", f"the parents of pool {pool.id} form a ring")
                seen.add(above)
                above = parents[above]
        return self

    @model_validator(mode="after")
    def _one_pool_for_a_case(self) -> "Rules":
        for n, pool in enumerate(self.pools):
            for other in self.pools[n + 1 :]:
                kinds = sorted(set(pool.insurance_types) & set(other.insurance_types))
                regions = sorted(set(pool.regions) & set(other.regions))
                if kinds and pool.place == other.place and (regions or not (pool.regions or other.regions)):
                    where = ", ".join([*kinds, pool.place, *regions])
                    raise fault(
                        f"pools：{pool.id} 与 {other.id} 都收同一险种、就医地与参保地（{where}）",
                        f"pools: {pool.id} and {other.id} take the same insurance type, place and region ({where})",
                    )
        return self

    @model_validator(mode="after")
    def _patients_by_group(self) -> "Rules":
        steps = (("month", self.month), ("clearing", self.clearing))
        if self.patient_basis == "group":
            for name, step in steps:
                if step.style == "subtract":
                    raise fault(
                        f'patient_basis = "group"：个人按病组付费，{name}.style 不能从标准中减去其按项目付费额'
                        "（写 policy_ratio 或 ratio）",
                        f'patient_basis = "group": patients pay by group, so {name}.style cannot subtract what they '
                        "paid by item (policy_ratio or ratio)",
                    )
            if any(pool.point_value.start.unit == "fund_yuan" for pool in self.pools):
                raise fault(
                    'patient_basis = "group" 要求各池点值单位均为 charge_yuan：基金金额的点值不知个人负担',
                    'patient_basis = "group" needs every pool\'s unit to be charge_yuan: fund money per point says '
                    "nothing of the patient's part",
                )
        return self

    @model_validator(mode="after")
    def _standards_suit_the_unit(self) -> "Rules":
        value = None if self.case_class is None else self.case_class.ratio.value
        if value is not None and any(pool.point_value.start.unit != "charge_yuan" for pool in self.pools):
            raise fault(
                "case_class.ratio：分母为 standard 时各池点值单位须为 charge_yuan",
                "case_class.ratio: a standard as denominator needs every pool's unit to be charge_yuan",
            )
        return self

    @model_validator(mode="after")
    def _steps_suit_the_unit(self) -> "Rules":
        units = {pool.point_value.start.unit for pool in self.pools}
        for name, step in (("month", self.month), ("clearing", self.clearing)):
            if step.style != "ratio" and units != {"charge_yuan"}:
                raise fault(
                    f'{name}.style = "{step.style}" 要求各池点值单位均为 charge_yuan',
                    f'{name}.style = "{step.style}" needs every pool\'s unit to be charge_yuan',
                )
            if step.style == "policy_ratio" and self.reimbursement is None:
                raise fault(
                    f'{name}.style = "policy_ratio" 须有 [reimbursement]',
                    f'{name}.style = "policy_ratio" needs [reimbursement]',
                )
            if step.style == "ratio" and "charge_yuan" in units and step.fund_ratio_level is None:
                raise fault(
                    f"{name}：charge_yuan 的 ratio 方式须声明 fund_ratio_level",
                    f"{name}: style ratio in charge_yuan needs fund_ratio_level",
                )
        return self

    @property
    def reviewed(self) -> list[str]:
        """Return the classes whose cases are reviewed: those that say so, or high and extreme where none does."""
        return [name for name, rule in self._dear_classes.items() if rule.review] or list(self._dear_classes)

    @property
    def _dear_classes(self) -> dict[str, HighRule]:
        """Return the rules of high and extreme cases that there are."""
        classes = self.case_class
        both = {} if classes is None else {"high": classes.high, "extreme": classes.extreme}
        return {name: rule for name, rule in both.items() if rule is not None}

    def pool(self, name: str) -> Pool:
        """Return the pool of this id."""
        return next(pool for pool in self.pools if pool.id == name)
