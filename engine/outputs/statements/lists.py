"""The columns of the lists in statements."""

from engine.outputs.statements.listing import Column
from grouper.fault import Text

CASES = (
    Column("case_id", Text("结算号", "settlement"), width=19),
    Column("settled", Text("结算日期", "settled"), "date", 10.5),
    Column("discharged", Text("出院日期", "discharged"), "date", 10.5),
    Column("length_of_stay", Text("住院天数", "days"), "whole", 6),
    Column("pool", Text("基金池", "pool"), width=10),
    Column("group_code", Text("病组", "group"), width=8),
    Column("group_name", Text("病组名称", "name of the group"), "name", 34),
    Column("case_class", Text("类型", "class"), width=9),
    Column("remarks", Text("备注", "remarks"), width=11),
    Column("weight", Text("权重", "weight"), "points", 9),
    Column("coefficient", Text("机构系数", "coefficient"), "points", 9),
    Column("points", Text("点数", "points"), "points", 11, total=True),
    Column("value", Text("点值", "value"), "points", 10),
    Column("standard", Text("支付标准", "standard"), "money", 13, total=True),
    Column("extras", Text("另加额", "extras"), "money", 11, total=True),
    Column("others", Text("其他方支付", "paid by others"), "money", 12, total=True),
    Column("charge", Text("总费用", "charge"), "money", 13, total=True),
    Column("booked", Text("记账额", "by-item amount"), "money", 13, total=True),
    Column("official_result", Text("盈亏", "result"), "money", 12, total=True),
    Column("fund_part", Text("基金应付", "fund's part"), "money", 13, total=True),
)
OUTLIERS = (
    Column("case_id", Text("结算号", "settlement"), width=19),
    Column("reasons", Text("原因", "why"), width=16),
    Column("special_kind", Text("特殊类型", "special kind"), width=14),
    Column("original_case_id", Text("原结算号（退费）", "original (refunds)"), width=19),
    Column("settled", Text("结算日期", "settled"), "date", 10.5),
    Column("value_month", Text("点值月份", "value of month"), width=9),
    Column("group_code", Text("病组", "group"), width=8),
    Column("group_name", Text("病组名称", "name of the group"), "name", 30),
    Column("multiple", Text("费用÷标准", "charge ÷ standard"), "multiple", 10),
    Column("points", Text("点数", "points"), "points", 11, total=True),
    Column("standard", Text("支付标准", "standard"), "money", 13, total=True),
    Column("charge", Text("总费用", "charge"), "money", 13, total=True),
    Column("official_result", Text("盈亏", "result"), "money", 13, total=True),
    Column("fund_part", Text("基金应付", "fund's part"), "money", 13, total=True),
)
CORRECTIONS = (
    Column("case_id", Text("结算号", "settlement"), width=19),
    Column("of_month", Text("所属月份", "of month"), width=9),
    Column("batch", Text("批次", "batch"), "whole", 7),
    Column("pool", Text("基金池", "pool"), width=12),
    Column("group_before", Text("更正前病组", "group before"), width=12),
    Column("group_after", Text("更正后病组", "group after"), width=12),
    Column("points_before", Text("更正前点数", "points before"), "points", 13, total=True),
    Column("points_after", Text("更正后点数", "points after"), "points", 13, total=True),
    Column("fund_before", Text("更正前基金应付", "fund's part before"), "money", 15, total=True),
    Column("fund_after", Text("更正后基金应付", "fund's part after"), "money", 15, total=True),
    Column("difference", Text("差额", "difference"), "money", 15, total=True),
)
REJECTS = (
    Column("case_id", Text("结算号", "settlement"), width=22),
    Column("file", Text("文件", "file"), width=28),
    Column("row", Text("行", "row"), "whole", 9),
    Column("reason", Text("原因代码", "reason"), width=26),
    Column("message", Text("说明", "what is wrong"), width=70),
)
DEDUCTIONS = (
    Column("case_id", Text("结算号", "settlement"), width=20),
    Column("month_of_claim", Text("病例月份", "month of the case"), width=10),
    Column("item", Text("项目", "item"), width=30),
    Column("rule", Text("规则", "rule"), width=30),
    Column("state", Text("状态", "state"), width=10),
    Column("amount", Text("金额", "amount"), "money", 14, total=True),
)
HOSPITAL = Column("hospital_id", Text("医疗机构", "hospital"), width=16)
NAME = Column("name", Text("名称", "name"), "name", 26)
_BOOKED = (
    Column("cases", Text("病例数", "cases"), "whole", 10, total=True),
    Column("points", Text("点数", "points"), "points", 15, total=True),
    Column("charge", Text("总费用", "charge"), "money", 17, total=True),
    Column("booked", Text("记账额", "by-item amount"), "money", 17, total=True),
    Column("fund_cases", Text("本月病例基金应付", "fund's part of cases"), "money", 17, total=True),
    Column("moved", Text("更正差额", "corrections"), "money", 15, total=True),
    Column("payable", Text("应付", "payable"), "money", 17, total=True),
    Column("deducted", Text("审核扣款", "deducted"), "money", 14, total=True),
    Column("deposit", Text("质保金", "deposit"), "money", 15, total=True),
    Column("withheld", Text("留待清算", "left to clearing"), "money", 15, total=True),
    Column("paid", Text("拨付", "paid"), "money", 17, total=True),
)
HOSPITALS = (HOSPITAL, NAME, Column("state", Text("状态", "state"), width=9), *_BOOKED)
HOSPITAL_POOLS = (HOSPITAL, NAME, Column("pool", Text("基金池", "pool"), width=12), *_BOOKED)
ALL_REJECTS = (REJECTS[0], HOSPITAL, *REJECTS[1:])
FINDINGS = (
    Column("finding", Text("发现", "finding"), width=30),
    Column("subject", Text("所涉列或代码", "column or code"), width=24),
    Column("count", Text("次数", "count"), "whole", 12),
    Column("message", Text("说明", "what it means"), width=90),
)
BATCHES = (
    Column("number", Text("批次", "batch"), width=8),
    Column("kind", Text("类别", "kind"), width=10),
    Column("month", Text("月份", "month"), width=9),
    Column("version", Text("版本", "version"), "whole", 7),
    Column("standing", Text("效力", "standing"), width=10),
    Column("policy", Text("政策", "policy"), width=20),
    Column("scheme", Text("分组方案", "scheme"), width=16),
    Column("rows_in", Text("读入", "rows in"), "whole", 11),
    Column("rejected", Text("拒收", "rejected"), "whole", 10),
    Column("booked", Text("入账", "booked"), "whole", 11),
    Column("held", Text("暂挂", "held"), "whole", 9),
    Column("merged", Text("并入", "merged"), "whole", 9),
    Column("known", Text("已入账", "known"), "whole", 11),
    Column("elsewhere", Text("其他月份", "elsewhere"), "whole", 11),
    Column("made_at", Text("入账日期", "booked"), "date", 11),
    Column("made_by", Text("经办人", "by"), width=12),
    Column("note", Text("说明", "note"), width=30),
)
CLEARING_MONTHS = (
    Column("booked_month", Text("入账月份", "month"), width=11),
    Column("pool", Text("基金池", "pool"), width=14),
    Column("cases", Text("病例数", "cases"), "whole", 10, total=True),
    Column("payable", Text("应付", "payable"), "money", 18, total=True),
    Column("deducted", Text("审核扣款", "deducted"), "money", 16, total=True),
    Column("deposit", Text("质保金", "deposit"), "money", 16, total=True),
    Column("withheld", Text("留待清算", "left to clearing"), "money", 16, total=True),
    Column("paid", Text("拨付", "paid"), "money", 18, total=True),
)
_CLEARED = (
    ("payable", "应付额 P", "payable P"),
    ("booked", "记账额 A", "booked A"),
    ("assessment_cut", "考核扣减", "assessment cut"),
    ("deductions", "审核扣款", "audit deductions"),
    ("total_control", "总控扣款", "total control"),
    ("clearing", "清算额", "clearing amount"),
    ("pro_rata_cut", "按比例调减", "pro-rata cut"),
    ("overrun_borne", "承担超支", "overrun borne"),
    ("pool_surplus", "分得结余", "pool surplus"),
    ("deposit_held", "质保金暂扣", "deposit held"),
    ("deposit_forfeited", "质保金不返还", "deposit forfeited"),
    ("deposit_released", "质保金返还", "deposit released"),
    ("outside_points", "点数外支付", "outside points"),
    ("vbp_retention", "集采结余留用", "procurement retention"),
    ("prepaid", "已预付", "prepaid"),
    ("advanced", "预付金与周转金", "advance, working capital"),
    ("due", "本次应拨", "due"),
)
CLEARING_HOSPITALS = (
    HOSPITAL,
    NAME,
    Column("pool", Text("基金池", "pool"), width=12),
    Column("cases", Text("病例数", "cases"), "whole", 10, total=True),
    Column("points", Text("点数", "points"), "points", 15, total=True),
    *(Column(name, Text(zh, en), "money", 15, total=True) for name, zh, en in _CLEARED),
)
CLEARING_LINES = (
    HOSPITAL,
    NAME,
    Column("pool", Text("基金池", "pool"), width=12),
    Column("line", Text("行", "line"), "whole", 6),
    Column("label", Text("项目", "item"), "name", 48),
    Column("amount", Text("金额", "amount"), "money", 17),
    Column("kind", Text("类别", "kind"), width=8),
    Column("rule", Text("规则", "rule"), width=30),
    Column("document", Text("依据", "document"), "name", 40),
)
