"""The keys of worked examples: what may be given, what may be expected, and how each is written.

`docs/policies.md` prints these lists. Numbers are digits in quotes or whole numbers; amounts are yuan.
"""

from collections.abc import Mapping
from datetime import date
from fractions import Fraction
from typing import Literal, NamedTuple

from rules.fault import Text

Kind = Literal["number", "amount", "whole", "text", "texts", "flag", "date", "month", "table"]


class Key(NamedTuple):
    """One key: how its value is written, and what it means."""

    kind: Kind
    what: Text


def keys(**described: tuple[Kind, str, str]) -> dict[str, Key]:
    """Return keys by name."""
    return {name: Key(kind, Text(zh, en)) for name, (kind, zh, en) in described.items()}


CASE_GIVEN = keys(
    month=("month", "结算月", "month of settlement, 2026-10"),
    pool=("text", "基金池", "pool; may be left out where there is one, or the insurance type tells"),
    group=("text", "病组或病种", "group; an empty text is a case without a group"),
    weight=("number", "权重（代替权重表）", "weight, in place of the table's"),
    score=("number", "病种分值（代替分值表）", "score, in place of the table's"),
    group_mean=("amount", "病组次均费用", "mean charge of the group"),
    group_mean_separate=("amount", "其中单独支付部分", "part of the group mean that is paid separately"),
    level_mean=("amount", "同级次均费用", "mean charge of the group in hospitals of the level"),
    last_year_level_mean=("amount", "上年同级次均费用", "last year's mean charge of the group at the level"),
    group_mean_drug=("amount", "病组药品均费", "the group's mean drug cost"),
    group_mean_consumable=("amount", "病组耗材均费", "the group's mean cost of consumables"),
    group_mean_procedure=("amount", "病组诊疗均费", "the group's mean cost of procedures"),
    mean_all=("amount", "全部病例次均费用", "mean charge of all cases, in place of the policy's"),
    points_per_weight=("number", "点数基数", "points per weight 1.0 (or score base), in place of the policy's"),
    hospital=("text", "医院", "hospital"),
    hospital_level=("text", "医院等级", "hospital level"),
    coefficient=("number", "医疗机构系数（代替系数表）", "hospital coefficient, in place of the table's"),
    auxiliary=("number", "辅助系数", "auxiliary coefficient"),
    subtypes=("texts", "辅助分型", "auxiliary sub-types"),
    value=("amount", "点值", "point value, in place of the month's start value"),
    rate=("amount", "费率", "rate per weight 1.0, in place of a point value"),
    classifying_value=("amount", "分类点值", "value behind a standard that classifies"),
    charge=("amount", "总费用", "total charge"),
    cost_line=("amount", "最高费用界线", "charge of the line where a top share decides the class"),
    length_of_stay=("whole", "住院天数", "days of stay"),
    admitted=("date", "入院日", "admission"),
    discharged=("date", "出院日", "discharge"),
    settled=("date", "结算日", "settlement"),
    received=("date", "到达日", "arrival"),
    age=("whole", "年龄", "age in years"),
    insurance_type=("text", "险种", "insurance type"),
    payment_kind=("whole", "支付方式", "kind of payment"),
    visit_kind=("text", "住院类别", "kind of stay"),
    discharge_way=("whole", "离院方式", "way of discharge"),
    department=("text", "科别", "department"),
    diagnoses=("texts", "诊断", "diagnoses"),
    readmitted_after=("whole", "几日后再入院", "days to the next admission"),
    returned_after=("whole", "距上次出院天数", "days since the last discharge"),
    kind=("text", "特殊类型", "special kind, in place of the conditions that tell it"),
    new_item_cost=("amount", "新项目费用", "cost of listed new items"),
    new_item_kind=("text", "新项目类别", "drug | consumable | procedure; the policy's first kind where left out"),
    separate_cost=("amount", "单独支付项目费用", "cost of the separate item"),
    separate_item=("text", "单独支付项目", "id of the separate item; the policy's only one where left out"),
    separate_quantity=("number", "单独支付项目数量", "units of the separate item"),
    items=("texts", "收费项目", "item codes of the case"),
    tcm_share=("number", "中治率", "TCM share"),
    fee_tcm_treatment=("amount", "中医治疗费", "TCM treatment"),
    fee_treatment=("amount", "西医治疗费", "western treatment"),
    fee_western_drugs=("amount", "西药费", "western drugs"),
    fee_chinese_patent_drugs=("amount", "中成药费", "Chinese patent drugs"),
    fee_herbal_pieces=("amount", "中药饮片费", "herbal pieces"),
    fee_surgery=("amount", "手术费", "surgery"),
    fee_consumables=("amount", "卫生材料费", "consumables"),
    decision=("text", "特例单议结论", "special-case decision: by_item | adjusted_standard | rejected"),
    decision_amount=("amount", "调整后的标准", "adjusted standard"),
    at_clearing=("flag", "清算时", "apply the kinds that hold at clearing only"),
    fund_total=("amount", "基金支付总额", "paid by all funds"),
    fund_pool_paid=("amount", "统筹基金支付", "paid by the pool"),
    fund_large_paid=("amount", "大额补助支付", "paid by large-sum aid"),
    fund_serious_paid=("amount", "大病保险支付", "paid by serious-illness insurance"),
    fund_civil_paid=("amount", "公务员补助支付", "paid by civil servants' aid"),
    fund_assist_paid=("amount", "医疗救助支付", "paid by medical assistance"),
    fund_other_paid=("amount", "其他基金支付", "paid by other funds"),
    patient_paid=("amount", "个人负担", "paid by the patient"),
    full_self_paid=("amount", "全自费", "outside insurance"),
    category_b_self_paid=("amount", "先行自付", "category B self-paid"),
    deductible=("amount", "起付线", "deductible"),
    fund_ratio=("number", "基金支付比例", "fund ratio"),
)
POOL_GIVEN = keys(
    budget=("amount", "预算总额", "year's amount before the reserve, in place of the policy's"),
    fund=("amount", "F", "F, the pool's fund money for DRG/DIP, in place of what the policy gives"),
    outside=("amount", "点外资金", "money paid outside points, in the unit of the value"),
    total_points=("number", "总点数", "points (or score) of all hospitals"),
    total_score=("number", "总分值", "the same in DIP"),
    fixed_points=("number", "固定部分点数", "points at the fixed value"),
    floating_points=("number", "浮动部分点数", "points at the floating value"),
    hospital_points=("table", "各医院点数", "points by hospital"),
    base_points=("table", "各医院基础量", "base points by hospital"),
    unit=("text", "点值单位", "charge_yuan | fund_yuan, in place of the policy's"),
)
MONTH_GIVEN = keys(
    standard=("amount", "支付标准合计", "sum of the payment standards"),
    others_paid=("amount", "个人及其他基金支付", "what patients and the funds outside the budget pay"),
)
CLEARING_GIVEN = keys(
    payable=("amount", "应付 P", "payable P; a table by hospital where the pool is cleared"),
    booked=("amount", "按项目记账 A", "booked A; a table by hospital where the pool is cleared"),
    points=("number", "全年点数", "points of the year, where payable follows from them"),
    assessment_score=("number", "考核得分", "assessment score; a table by hospital where the pool is cleared"),
    assessment_coefficient=("number", "考核系数", "assessment coefficient, in place of the table's; may be a table"),
    deductions=("amount", "审核扣款", "audit deductions; a table by hospital where the pool is cleared"),
    deposit=("amount", "质保金", "deposit held"),
    prepaid=("amount", "已预付", "prepaid over the months"),
    reserve=("amount", "风险金", "reserve of the pool"),
    deposit_score=("number", "质保金得分", "score that releases the deposit, where it has one of its own"),
    quota=("amount", "总额指标", "quota of the hospital"),
)
ABOVE_ZERO = {
    "weight", "score", "group_mean", "level_mean", "last_year_level_mean", "mean_all", "points_per_weight",
    "value", "rate", "classifying_value",
}  # fmt: skip
"""Given figures that something is divided by."""
ANY_DECIMALS = {
    "group_mean", "group_mean_separate", "level_mean", "last_year_level_mean", "group_mean_drug",
    "group_mean_consumable", "group_mean_procedure", "mean_all", "value", "rate", "classifying_value", "payable",
    "fund", "outside", "budget", "standard", "others_paid",
}  # fmt: skip
"""Given amounts that need not be whole fen: means, values, sums of exact figures."""
BY_HOSPITAL = {
    "hospital_points", "base_points", "payable", "booked", "deductions", "assessment_score", "assessment_coefficient"
}  # fmt: skip
"""Given figures that may be a table by hospital."""
GIVEN: Mapping[str, Key] = CASE_GIVEN | POOL_GIVEN | MONTH_GIVEN | CLEARING_GIVEN

CASE_EXPECTED = keys(
    weight=("number", "权重", "weight"),
    score=("number", "分值", "score, or weight × points per weight"),
    group_mean=("amount", "病组次均费用", "mean charge of the group"),
    coefficient=("number", "医疗机构系数", "hospital coefficient"),
    ratio=("number", "倍率", "ratio that classifies"),
    kind=("text", "特殊类型", "special kind"),
    funding=("text", "资金", "points | outside | elsewhere"),
    points=("number", "点数", "points, for display also where money is paid outside points"),
    counted_points=("number", "计入总点数的点数", "points that share the value"),
    value=("amount", "点值", "point value"),
    low_line=("amount", "低倍率线", "charge of the low line"),
    high_line=("amount", "高倍率线", "charge of the high line"),
    extreme_line=("amount", "极高倍率线", "charge of the extreme line"),
    standard=("amount", "支付标准", "payment standard"),
    extra=("amount", "除外支付", "exclusion payment"),
    separate=("amount", "单独支付", "separately paid items"),
    payment=("amount", "合计", "standard, extra and separate items together"),
    formula_result=("amount", "公式盈亏", "result by formula"),
    adjustment=("amount", "调整", "adjustment"),
    official_result=("amount", "正式盈亏", "official result"),
    profit=("amount", "盈亏", "the official result"),
    fund=("amount", "基金支付", "the fund's part in the month's style, with its extras and separate items"),
    fund_split=("amount", "各基金分担", "the fund's part over the funds that pay, by fund"),
    break_even_ratio=("number", "零点比", "break-even ratio Z"),
    break_even_charge=("amount", "盈亏平衡费用", "charge at which the hospital breaks even"),
) | {"class": Key("text", Text("病例类型", "case class: normal | low | high | extreme | ungrouped | special"))}
POOL_EXPECTED = keys(
    amount=("amount", "预算总额", "year's amount before the reserve"),
    reserve=("amount", "风险金", "reserve"),
    fund=("amount", "F", "F, the pool's fund money for DRG/DIP"),
    value=("amount", "点值", "point value: start where fixed, otherwise what the money gives"),
)
MONTH_EXPECTED = keys(
    standard=("amount", "支付标准", "sum of the payment standards: points × value"),
    payable=("amount", "应付", "payable"),
    prepaid=("amount", "预付", "paid for the month"),
    deposit=("amount", "质保金", "deposit"),
    withheld=("amount", "留待清算", "left to clearing"),
    formula_result=("amount", "公式盈亏", "standards less charges"),
)
CLEARING_EXPECTED = keys(
    payable=("amount", "应付 P", "payable P"),
    a=("number", "A ÷ P", "booked ÷ payable"),
    fund=("amount", "基金承担", "what the fund grants by the bands, before coefficient and deductions"),
    retention=("amount", "结余留用", "surplus that the hospital keeps"),
    sharing=("amount", "超支分担", "overspend that the fund pays"),
    assessment_cut=("amount", "考核扣减", "what the assessment coefficient takes"),
    clearing=(
        "amount",
        "清算额",
        "clearing amount, after coefficient and deductions, and a pro-rata cut; a table where the pool is cleared",
    ),
    total_control=("amount", "总控扣款", "deduction for more than the quota"),
    deposit_released=("amount", "返还质保金", "deposit released"),
    due=("amount", "应补付", "clearing amount less prepaid, with the deposit released"),
    total=("amount", "清算合计", "clearing amounts of the pool"),
    from_reserve=("amount", "动用风险金", "taken from the reserve"),
    overrun=("amount", "超支", "named overrun of the pool"),
)
EXPECTED: Mapping[str, Mapping[str, Key]] = {
    "case": CASE_EXPECTED,
    "pool": POOL_EXPECTED,
    "month": MONTH_EXPECTED,
    "clearing": CLEARING_EXPECTED,
}
Value = Fraction | int | str | bool | date | tuple[str, ...] | Mapping[str, Fraction]
