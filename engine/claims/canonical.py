"""The canonical claims table: one row is one settlement of an inpatient stay; docs/claims.md prints this list."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from math import inf
from typing import TYPE_CHECKING, Literal

from grouper.fault import Text

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["text", "codes", "whole", "date", "datetime", "money", "flag", "hours", "ratio"]


@dataclass(frozen=True)
class Column:
    """A canonical column: what it means, how its cells are read and what Arrow type they become.

    A value outside `least` and `most` is taken as missing and booked under the check `outside`.
    """

    name: str
    kind: Kind
    label: Text
    official: tuple[str, ...] = ()
    bits: int = 32
    least: float = -inf
    most: float = inf
    outside: str = ""
    words: Mapping[str, int] = field(default_factory=dict)

    @property
    def type(self) -> "pa.DataType":
        """The Arrow type of the canonical column; money is int64 fen, times are local and without a zone."""
        return arrow_types()[f"int{self.bits}" if self.kind == "whole" else self.kind]

    @property
    def units(self) -> tuple[str, ...]:
        """The units in which files may give the column, the usual one first; none where it has no unit."""
        return UNITS.get("weight" if self.name.endswith("_weight") else self.kind, ())


UNITS = {"money": ("yuan", "fen", "wan"), "weight": ("g", "kg"), "hours": ("hours", "minutes", "days")}


@cache
def arrow_types() -> dict[str, "pa.DataType"]:
    """Return the Arrow type of every kind of column; whole numbers by their width."""
    import pyarrow as pa

    return {
        "text": pa.string(),
        "codes": pa.list_(pa.dictionary(pa.int32(), pa.string())),
        "int8": pa.int8(),
        "int16": pa.int16(),
        "int32": pa.int32(),
        "date": pa.date32(),
        "datetime": pa.timestamp("us"),
        "money": pa.int64(),
        "flag": pa.bool_(),
        "hours": pa.float64(),
        "ratio": pa.float64(),
    }


def _text(name: str, zh: str, en: str, *official: str) -> Column:
    return Column(name, "text", Text(zh, en), official)


def _count(name: str, bits: int, zh: str, en: str, *official: str) -> Column:
    return Column(name, "whole", Text(zh, en), official, bits, least=0, outside="negative_value")


def _choice(name: str, zh: str, en: str, official: tuple[str, ...], words: Mapping[str, int]) -> Column:
    return Column(name, "whole", Text(zh, en), official, 8, words=words)


def _hours(name: str, zh: str, en: str, *official: str) -> Column:
    return Column(name, "hours", Text(zh, en), official, least=0, outside="negative_value")


def _money(name: str, zh: str, en: str, *official: str) -> Column:
    return Column(name, "money", Text(zh, en), official)


FEE_ITEMS = (
    _money("fee_bed", "床位费", "bed"),
    _money("fee_consultation", "诊察费", "consultation"),
    _money("fee_examination", "检查费", "examination"),
    _money("fee_laboratory", "化验费", "laboratory"),
    _money("fee_treatment", "治疗费", "treatment"),
    _money("fee_surgery", "手术费", "surgery"),
    _money("fee_nursing", "护理费", "nursing"),
    _money("fee_consumables", "卫生材料费", "consumables"),
    _money("fee_western_drugs", "西药费", "western drugs"),
    _money("fee_herbal_pieces", "中药饮片费", "herbal pieces"),
    _money("fee_chinese_patent_drugs", "中成药费", "Chinese patent drugs"),
    _money("fee_general_treatment", "一般诊疗费", "general treatment"),
    _money("fee_registration", "挂号费", "registration"),
    _money("fee_other", "其他费", "other fees"),
)
"""The fourteen fee classes of the settlement list, in the order of their official codes 01 to 14."""

COLUMNS = (
    _text("case_id", "结算号", "settlement id", "setl_id"),
    _text("stay_id", "就诊号", "stay id", "mdtrt_id"),
    _text("person_id", "人员编号", "person id", "psn_no"),
    _text("hospital_id", "机构编号", "hospital id", "fixmedins_code"),
    _choice(
        "hospital_level",
        "机构等级",
        "hospital level",
        ("hi_setl_lv", "fixmedins_lv"),
        {"一级": 1, "二级": 2, "三级": 3},
    ),
    _text("insurance_type", "险种", "insurance type", "insutype", "hi_type"),
    _text("insured_region", "参保地", "insured region", "insuplc", "insu_admdvs"),
    _text("treated_region", "就医地", "region of treatment", "mdtrtarea_admvs"),
    Column(
        "sex",
        "whole",
        Text("性别", "sex"),
        ("gend",),
        8,
        1,
        2,
        "unknown_sex",
        {"男": 1, "男性": 1, "m": 1, "male": 1, "女": 2, "女性": 2, "f": 2, "female": 2},
    ),
    _count("age", 16, "年龄(岁)", "age in years", "age"),
    _count("age_days", 32, "天龄", "age in days of an infant", "nwb_age"),
    Column("birth_date", "date", Text("出生日期", "date of birth"), ("brdy",)),
    _count("birth_weight", 32, "出生体重(克)", "birth weight in grams", "nwb_bir_wt"),
    _count("admission_weight", 32, "入院体重(克)", "admission weight in grams", "nwb_adm_wt"),
    Column("admitted", "datetime", Text("入院时间", "admission"), ("adm_time",)),
    Column("discharged", "datetime", Text("出院时间", "discharge"), ("dscg_time",)),
    Column("settled", "datetime", Text("结算时间", "settlement"), ("setl_time",)),
    _count("length_of_stay", 32, "实际住院天数", "length of stay in days", "act_ipt_days"),
    _choice("discharge_way", "离院方式", "way of discharge", ("dscg_way",), {}),
    _text("department", "出院科别", "department", "dscg_dept_codg", "dscg_caty"),
    Column("diagnoses", "codes", Text("诊断, 第一个为主要诊断", "diagnoses, principal first")),
    Column("procedures", "codes", Text("手术操作, 第一个为主要操作", "procedures, principal first")),
    _hours("ventilation_hours", "呼吸机使用时间(小时)", "hours of ventilation", "vent_used_dura"),
    _hours("icu_hours", "重症监护时间(小时)", "hours in intensive care", "scs_cutd_sum_dura"),
    _hours("coma", "昏迷时间(小时)", "hours of coma"),
    _choice("payment_kind", "医保支付方式", "kind of payment", ("hi_paymtd",), {}),
    _text("visit_kind", "住院类别", "kind of stay", "med_type", "ipt_med_type"),
    _money("total_charge", "总费用", "total charge", "medfee_sumamt"),
    _money("fund_total", "基金支付总额", "paid by all funds", "fund_pay_sumamt"),
    _money("hospital_borne", "医院负担金额", "borne by the hospital", "hosp_part_amt"),
    _money("fund_pool_paid", "统筹基金支付", "paid by the pool", "hifp_pay"),
    _money("fund_large_paid", "职工大额补助支付", "paid by large-sum aid", "hifob_pay"),
    _money("fund_serious_paid", "大病保险支付", "paid by serious-illness insurance", "hifmi_pay"),
    _money("fund_civil_paid", "公务员补助支付", "paid by civil servants' aid", "cvlserv_pay"),
    _money("fund_assist_paid", "医疗救助支付", "paid by medical assistance", "maf_pay"),
    _money("fund_other_paid", "其他基金支付", "paid by other funds", "oth_pay"),
    _money("patient_paid", "个人负担", "paid by the patient", "psn_part_amt", "psn_pay_sumamt"),
    _money("full_self_paid", "全自费金额", "outside insurance", "fulamt_ownpay_amt"),
    _money("deductible", "起付线", "deductible", "act_pay_dedc"),
    _money("category_b_self_paid", "先行自付金额", "category B self-paid", "preselfpay_amt"),
    *FEE_ITEMS,
    Column("refund", "flag", Text("退费结算", "refund"), ("refd_setl_flag",)),
    _text("original_case_id", "原结算号", "original settlement id", "init_setl_id"),
    Column("part_of_stay", "flag", Text("中途结算", "settled in parts"), ("mid_setl_flag",)),
    Column("received", "date", Text("到达日期", "date received")),
)
"""Every canonical column, in the order of the documentation."""

BY_NAME: Mapping[str, Column] = {column.name: column for column in COLUMNS}
FUND_PARTS = tuple(column.name for column in COLUMNS if column.name.startswith("fund_") and column.name != "fund_total")
IDENTITIES = ("case_id", "original_case_id", "stay_id", "person_id")
"""Columns that `--hash-ids` replaces: they identify a person or a case."""
