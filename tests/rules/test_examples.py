# ruff: noqa: E501 (examples on one line, as they are written)
"""Worked examples as officials write them: every question is answered as the documents say, every slip is named."""

from pathlib import Path

import pytest

from rules.fault import UserError
from rules.policy.examples import check_examples, read_examples
from tests.rules.city import policy

TABLES = {"weights.csv": "group,weight\nG01,1\n"}
POOLS = """
[[pools]]
id = "employee"
name = { zh = "职工", en = "employees" }
insurance_types = ["310"]
place = "local"
funds = ["fund_pool_paid"]
budget = { method = "growth", base = "1000000.00", growth = "0", reserve = "0" }
point_value = { method = "floating", start = { value = "10", unit = "%s" } }
quotas = { method = "history", file = "q.csv", deduction = "bands_over", tolerance = "0.1", bands = [{ up_to = "0.1", share = "0.5" }, { share = "1" }] }
"""
SUBTRACT = """
[month]
style = "subtract"
negative_fund_part = "kept"
fund_ratio_level = ""
[clearing.deductions]
states = ["confirmed"]
acts = "month"
receives = "fund"
"""
EXTRAS = """
fund_split = { method = "order", funds = ["fund_pool_paid", "fund_large_paid"], cap = "1.10", remainder = "hospital" }
[exclusion]
charge_over = "2"
share_over = "0.64"
kinds = ["drug", "consumable"]
money = "total"
pool = "same"
outlier_test = "high"
[[separate_items]]
id = "robot"
name = { zh = "机器人", en = "robot" }
items = ["X1"]
pay = "per_unit"
per_unit = "1500.00"
taken_out = false
"""
SCORED = """
[clearing]
funding_order = ["pro_rata:clearing"]
surplus = { mode = "whole", bands = [{ below = "0.80", retain = "0" }, { retain = "1" }] }
overspend = { mode = "marginal", bands = [{ up_to = "1.10", share = "0.70" }, { share = "0" }] }
deductions = { states = ["confirmed"], acts = "clearing", receives = "fund" }
assessment = { file = "scores.csv", table = [{ score_from = 90, coefficient = "1.02" }, { coefficient = "0.95" }] }
deposit_release = { by = "score", table = [{ score_from = 90, release = "1" }, { score_from = 80, release = "0.6" }, { release = "0" }] }
"""


def worked(folder: Path, given: str, expected: str, *changes: str) -> list[str]:
    file = folder / "x.cases.toml"
    file.write_text(
        f'[[case]]\nwhat = "x"\ngiven = {given}\nexpected = {expected}\nsource = "own arithmetic"\n', "utf-8"
    )
    (outcome,) = check_examples(policy(folder, POOLS % "charge_yuan", *changes, tables=TABLES), file)
    return [f"{c.key}: {c.found}" for c in outcome.comparisons if not c.equal] + [fault.en for fault in outcome.faults]


@pytest.mark.parametrize(
    ("given", "expected", "changes"),
    [
        # 70,000 points at 10 less 150,000 that others pay; 95 % of it less the deduction that acts in the month
        ('{ points = "70000", others_paid = "150000.00", deductions = "1200.00" }',
         '{ payable = "550000.00", prepaid = "521300.00", deposit = "27500.00" }', [SUBTRACT]),
        # what others pay is no part of the ratio style; 0.7 × 700,000
        ('{ standard = "700000.00", others_paid = "9.00", fund_ratio = "0.7" }', '{ payable = "490000.00" }', []),
        ('{ points = "1000", fund_ratio = "0.7" }', '{ payable = "7000.00" }', []),
        # KA-28: 0.4527 × 6,495.34 = 2,940.4404
        ('{ points = "0.4527", value = "6495.34", charge = "66789.00" }',
         '{ standard = "2940.44", formula_result = "-63848.56" }', []),
        ('{ standard = "700.00" }', '{ payable = "700.00", prepaid = "665.00" }', [POOLS % "fund_yuan"]),
        # 1,000 points at 10 and 1,500 for the robot, less 2,000 that the patient pays; caps 1.1 × 8,000 and 1.1 × 500
        (('{ weight = "1", coefficient = "10", charge = "10500.00", separate_quantity = 1, patient_paid = "2000.00", '
         'fund_total = "8500.00", fund_pool_paid = "8000.00", fund_large_paid = "500.00" }'),
         ('{ standard = "10000.00", separate = "1500.00", fund = "9000.00", '
         'fund_split = { fund_pool_paid = "8800.00", fund_large_paid = "200.00" } }'), [SUBTRACT, EXTRAS]),
        # the extra is total money: (10,000 + 17,000) × 0.6
        (('{ weight = "1", coefficient = "10", group_mean = "10000.00", group_mean_drug = "3000.00", '
         'charge = "30000.00", new_item_cost = "20000.00", fund_ratio = "0.6" }'), '{ extra = "17000.00", fund = "16200.00" }', [EXTRAS]),
        # a quarter over the quota, a tenth tolerated: 0.5 × 10 % and 1 × 5 % of 1,000 are deducted
        ('{ payable = "1250.00", booked = "1250.00", quota = "1000.00" }',
         '{ total_control = "100.00", clearing = "1150.00" }', []),
        # 85 points: 0.95 × 1,000; 60 % of the deposit is released
        ('{ payable = "1000.00", booked = "1000.00", assessment_score = 85, deposit = "50.00", prepaid = "900.00" }',
         '{ assessment_cut = "50.00", clearing = "950.00", deposit_released = "30.00", due = "30.00" }', [SCORED]),
        # a coefficient above 1 adds to the amount
        ('{ payable = "1000.00", booked = "900.00", assessment_score = 95 }',
         '{ assessment_cut = "-20.00", clearing = "1020.00" }', [SCORED]),
        # nothing releases the deposit: it stays held
        ('{ payable = "1000.00", booked = "1000.00", deposit = "50.00", prepaid = "900.00" }',
         '{ deposit_released = "0.00", due = "50.00" }', []),
        # bands grant 3,070 of 3,000: the 70 come off 950 - 5, 1,000 and 1,070 in proportion, 21.94 + 23.22 + 24.84
        (('{ fund = "3000.00", payable = { H1 = "1000.00", H2 = "1000.00", H3 = "1000.00" }, booked = { H1 = "1000.00", '
         'H2 = "900.00", H3 = "1100.00" }, assessment_coefficient = { H1 = "0.95" }, deductions = { H1 = "5.00" } }'),
         '{ clearing = { H1 = "923.06", H2 = "976.78", H3 = "1045.16" }, total = "2945.00", overrun = "0.00" }', [SCORED]),
    ],
)  # fmt: skip
def test_answers(tmp_path: Path, given: str, expected: str, changes: list[str]) -> None:
    assert worked(tmp_path, given, expected, *changes) == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ('{ weight = "1", coefficient = "1", charge = "9.00", new_item_cost = "8.00", new_item_kind = "drugs" }',
         "given.new_item_kind: [exclusion] has no kind 'drugs'; did you mean drug?"),
        ('{ payable = "1.00", booked = "1.00", assessment_score = 5 }',
         "given.assessment_score: the policy has no rule that looks at a score"),
        ('{ fund = "6", payable = { H1 = "1.00", H2 = "2.00" }, booked = { H1 = "1.00" } }',
         "given: hospitals without payable or booked: H2"),
    ],
)  # fmt: skip
def test_examples_that_cannot_be_worked(tmp_path: Path, given: str, message: str) -> None:
    assert worked(tmp_path, given, '{ standard = "1.00" }' if "weight" in given else '{ total = "1.00" }', EXTRAS) == [
        message
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("case = [1]", "case[1]: must be a table"),
        ('[[case]]\nwhat = "x"\ngiven = "x"\nexpected = 5\nsource = "s"', "case[1].given: must be a table"),
        ('[[case]]\ngiven = { weight = "0" }', "case[1].given.weight: must be above 0"),
        ('[[case]]\ngiven = { charge = "-5.00" }', "case[1].given.charge: must not be negative"),
        ('[[case]]\ngiven = { charge = "5.005" }', "case[1].given.charge: must be in whole fen"),
        ('[[case]]\ngiven = { charge = { H1 = "5.00" } }', "case[1].given.charge: must be one value, not a table"),
        ('[[case]]\ngiven = { charge = "1e9" }', """case[1].given.charge: '1e9' must be a decimal in quotes"""),
    ],
)
def test_faults_of_the_file(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "x.cases.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(UserError) as caught:
        read_examples(file)
    assert message in caught.value.text("en")
