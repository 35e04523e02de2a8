"""Every local family of case payment as a few lines of policy laid over the test city."""

from tests.rules.city import SCORES

CLASSIFY = """
[case_class.ratio]
classify = "{0}"
formula = "{0}"
{1}
"""
MEAN = CLASSIFY.format("group_mean", "")
LOW_BY_COST = """
[case_class.low]
when = "ratio < 0.4"
pay = "points_by_cost"
"""
LINE = """
[case_class.high]
line = [
  { weight_below = "1", ratio_over = "3" },
  { weight_below = "2", ratio_over = "2.5" },
  { weight_up_to = "3", ratio_over = "2" },
  { weight_over = "3", weight_below = "5", ratio_from = "1.5" },
  { ratio_over = "1.3" },
]
"""
DIP_1_0 = """
[case_class.low]
when = "ratio < 0.5"
pay = "factor"
coefficient = true
[case_class.high]
when = "ratio > 2"
pay = "excess"
coefficient = true
[case_class.extreme]
when = "ratio > 5"
pay = "as_high"
review = true
"""
REGIONAL_B = """
[case_class.low]
when = "ratio <= 0.5"
pay = "factor"
coefficient = false
[case_class.high]
when = "ratio > 2"
pay = "linear_add"
[case_class.extreme]
when = "ratio > 5"
pay = "normal"
"""
DIP_3_0 = """
[case_class.ratio]
classify = "standard"
formula = "standard"
value = "start"
[case_class.low]
when = "ratio < 0.5"
pay = "actual"
[case_class.high]
when = "ratio > 2.5"
pay = "normal"
review = true
[auxiliary]
file = "auxiliary.csv"
applies_to = ["normal"]
"""
KINDS = """
[[kinds]]
id = "epidemic"
name = { zh = "疫情", en = "epidemic" }
when = { diagnosis = ["U07.100"] }
treatment = { pay = "own_funding", source = "财政" }
[[kinds]]
id = "by_item"
name = { zh = "按项目", en = "by item" }
when = { payment_kind = [1] }
treatment = { pay = "excluded", funding = "pool" }
[[kinds]]
id = "self_paid"
name = { zh = "自费", en = "self-paid" }
when = { fund_paid = false }
treatment = { pay = "excluded", funding = "elsewhere" }
[[kinds]]
id = "days_of_level_3"
name = { zh = "床日（三级）", en = "per diem, level 3" }
when = { payment_kind = [5], hospital_level = ["3"] }
treatment = { pay = "per_diem", daily = "420.00", days = "length_of_stay", cap_at_charge = false }
[[kinds]]
id = "days"
name = { zh = "床日", en = "per diem" }
when = { payment_kind = [5] }
[kinds.treatment]
pay = "per_diem"
bands = [{ up_to_day = 30, daily = "380.00" }, { up_to_day = 60, daily = "310.55" }, { daily = "300.00" }]
days = "both_days_counted"
cap_at_charge = true
[[kinds]]
id = "single_disease"
name = { zh = "单病种", en = "single disease" }
when = { payment_kind = [2] }
[kinds.treatment]
pay = "fixed_price"
price = { "3" = "6800.00", "2" = "6200.00", "1" = "5600.00" }
exit_over = "2"
exit_below = "0.5"
[[kinds]]
id = "transfer"
name = { zh = "转院", en = "transfer" }
when = { discharge_way = [2, 3], days_up_to = 3 }
treatment = { pay = "factor", factor = "0.55" }
[[kinds]]
id = "long"
name = { zh = "超长住院", en = "long stay" }
when = { days_from = 60 }
treatment = { pay = "actual" }
[[kinds]]
id = "day_surgery"
name = { zh = "日间手术", en = "day surgery" }
when = { visit_kind = ["day_surgery"] }
treatment = { pay = "group", groups = { G01 = "G31", G02 = "G32", G03 = "G33" } }
[[kinds]]
id = "child"
name = { zh = "儿童", en = "children" }
when = { age_up_to = 6, group = ["G05", "G06", "G07", "G08"] }
treatment = { pay = "normal" }
[[kinds]]
id = "before_readmission"
name = { zh = "再入院的前次住院", en = "stay before a readmission" }
when = { readmitted_within = 15 }
treatment = { pay = "factor", factor = "0.9" }
"""
TCM = """
[[kinds]]
id = "tcm_fallback"
name = { zh = "中治率不足的中医优势病种", en = "TCM group without the TCM share" }
when = { group = ["G10", "G11", "G12"], tcm_share_below = "0.60" }
treatment = { pay = "group", groups = { G10 = "G20", G11 = "G21", G12 = "G22" } }
at_clearing_only = true
[[added_points]]
id = "tcm"
component = "tcm"
by = "group"
points = { G10 = "12.5", G11 = "8" }
[[added_points]]
id = "robot"
component = "new_technology"
by = "item"
points = { ROBOT = "55.25", LASER = "10" }
"""
ITEMS = """
[exclusion]
charge_over = "2"
share_over = "0.64"
kinds = ["drug", "consumable"]
money = "total"
pool = "same"
outlier_test = "{}"
[[separate_items]]
id = "negotiated"
name = {{ zh = "谈判药", en = "negotiated drugs" }}
items = ["DRUG1", "DRUG2"]
pay = "share"
share = "0.705"
taken_out = true
[[separate_items]]
id = "robot"
name = {{ zh = "机器人", en = "robot" }}
items = ["ROBOT"]
pay = "per_unit"
per_unit = "1500.55"
taken_out = false
[[separate_items]]
id = "bed"
name = {{ zh = "床位", en = "beds" }}
items = ["BED"]
pay = "share"
share = "0.333"
sign = "deduct"
taken_out = false
"""
COMPOSED = """
[hospital_coefficient]
by = ""
table = ""
compose = "{}"
[[hospital_coefficient.parts]]
by = ["level"]
table = {{ "3" = "1.0637", "2" = "1.00", "1" = "0.9211" }}
{}
[[hospital_coefficient.parts]]
by = ["level", "group"]
{}
[hospital_coefficient.parts.table]
"3" = {{ G01 = "1.12", "*" = "1.01" }}
"2" = {{ "*" = "1.00" }}
"1" = {{ G05 = "0.97", "*" = "0.99" }}
[[hospital_coefficient.parts]]
by = ["hospital"]
table = {{ H001 = "1.05", H002 = "0.98" }}
otherwise = "1.003"
{}
"""
NO_SHARES = ("", "", "")
SHARES = ('share = "0.7"', 'share = "0.2"', 'share = "0.1"')

HIGH = {pay: MEAN + LOW_BY_COST + LINE + f'pay = "{pay}"\n' for pay in ("linear_add", "deduct", "cap", "normal")}
BY_ITEM = '[case_class.low]\nwhen = "ratio <= 0.35"\npay = "actual"\nofficial_result = "zero"\n'

FUND_YUAN = """
[[pools]]
id = "employee"
name = { zh = "职工", en = "employees" }
insurance_types = ["310"]
place = "local"
funds = ["fund_pool_paid", "fund_large_paid"]
budget = { method = "growth", base = "1000000.00", growth = "0", reserve = "0" }
point_value = { method = "fixed", start = { value = "38.1234", unit = "fund_yuan" }, months = { "2026-03" = "39" } }
[[pools]]
id = "resident"
name = { zh = "居民", en = "residents" }
insurance_types = ["390"]
place = "local"
funds = ["fund_pool_paid"]
budget = { method = "growth", base = "1000000.00", growth = "0", reserve = "0" }
point_value = { method = "fixed", start = { value = "36.5", unit = "fund_yuan" } }
"""

FAMILIES: dict[str, tuple[str, ...]] = {
    "drg plain": (),
    "drg high linear_add": (HIGH["linear_add"],),
    "drg high deduct": (HIGH["deduct"],),
    "drg high cap": (HIGH["cap"],),
    "drg high normal": (HIGH["normal"],),
    "drg high and low by item": (MEAN + BY_ITEM + LINE + 'pay = "actual"\nofficial_result = "zero"\n',),
    "drg top share": (
        MEAN + LOW_BY_COST,
        '[case_class]\ntop_share_among = "month"\n[case_class.high]\ntop_share = "0.05"\npay = "linear_add"\n',
    ),
    "drg level mean": (
        CLASSIFY.format("level_mean", "") + LOW_BY_COST + LINE + 'pay = "excess"\ncoefficient = false\n',
        '[weights]\ngroup_mean = "listed"\n',
    ),
    "drg two denominators": (
        '[case_class.ratio]\nclassify = "standard_without_coefficient"\n'
        'formula = "last_year_level_mean"\nvalue = "last_year"\n' + LOW_BY_COST + LINE + 'pay = "linear_add"\n',
    ),
    "dip 1.0": (SCORES + MEAN + DIP_1_0,),
    "dip regional b": (SCORES + MEAN + REGIONAL_B,),
    "dip 3.0": (SCORES + DIP_3_0,),
    "special kinds": (HIGH["linear_add"], KINDS),
    "tcm and added points": (HIGH["linear_add"], TCM),
    "exclusion, high line": (HIGH["linear_add"], ITEMS.format("high")),
    "exclusion, both lines": (HIGH["deduct"], ITEMS.format("both")),
    "coefficient product": (
        HIGH["linear_add"],
        COMPOSED.format("product", *NO_SHARES),
        '[hospital_coefficient]\nfloor = "0.9"\ncap = "1.15"\n',
    ),
    "coefficient weighted": (
        HIGH["cap"],
        COMPOSED.format("weighted", *SHARES),
        '[hospital_coefficient]\ndecimals = { decimals = 4, mode = "half_even" }\n',
    ),
    "coefficient sum": (HIGH["deduct"], COMPOSED.format("sum", *NO_SHARES)),
    "points and values rounded": (
        HIGH["linear_add"],
        '[money.points]\ndecimals = 2\nmode = "half_even"\n[money.value]\ndecimals = 2\nmode = "half_away_from_zero"\n',
    ),
    "jiao, up": (HIGH["deduct"], KINDS, '[money]\nstep = "jiao"\nmode = "up"\n'),
    "yuan, half_even": (HIGH["linear_add"], ITEMS.format("high"), '[money]\nstep = "yuan"\nmode = "half_even"\n'),
    "fund money per point": (
        HIGH["linear_add"],
        BY_ITEM.replace("[case_class.low]", "[case_class.low]"),
        KINDS,
        FUND_YUAN,
    ),
    "fund money per point, items": (
        HIGH["linear_add"],
        BY_ITEM + LINE + 'pay = "actual"\n',
        KINDS,
        ITEMS.format("high")
        .replace('money = "total"', 'money = "fund"')
        .replace("taken_out =", 'money = "fund"\ntaken_out ='),
        FUND_YUAN,
    ),
    "blank group": (HIGH["linear_add"], '[blank_group]\npay = "points"\nfactor = "0.7"\n'),
    "blank group by item": (HIGH["linear_add"], '[blank_group]\npay = "actual"\nfactor = "0.815"\n'),
}
"""Name of a family and the texts laid over the test city."""
