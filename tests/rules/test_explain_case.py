"""The explanation of a case says what the kernels paid, and names the documents."""

from pathlib import Path

import polars as pl
import pytest

from rules.fault import UserError
from rules.payment.case_payment import Given, price_cases
from rules.payment.explain_case import explain_case
from tests.rules import random_cases
from tests.rules.city import policy
from tests.rules.families import FAMILIES, HIGH
from tests.rules.test_laws import SPECIAL


@pytest.mark.parametrize("family", list(FAMILIES))
def test_explanation_equals_payment(tmp_path: Path, family: str) -> None:
    rules = policy(tmp_path, *FAMILIES[family], SPECIAL, tables=random_cases.tables(5))
    cases = random_cases.claims(400, 5, ungrouped=family.startswith("blank"))
    lines, verdicts = random_cases.fee_lines(cases, 5), random_cases.decisions(cases, 5)
    given = Given(
        fee_lines=lines, decisions=verdicts.filter(pl.col("decision") != "adjusted_standard"), at_clearing=True
    )
    for paid in price_cases(cases, rules, given).head(40).iter_rows(named=True):
        told = explain_case(cases, paid["case_id"], rules, given)
        assert (told.kind, told.case_class, told.funding) == (paid["kind"], paid["class"], paid["funding"])
        assert (told.standard, told.extra, told.separate) == (paid["standard"], paid["extra"], paid["separate"])
        assert (told.formula_result, told.official_result) == (paid["formula_result"], paid["official_result"])
        assert told.steps


def test_steps_in_both_languages_with_their_documents(tmp_path: Path) -> None:
    text = '[documents]\nB = "示例市 2026 年细则"\n[case_class.high]\nreference = "B 第16条"\n'
    rules = policy(tmp_path, HIGH["linear_add"], text, tables={"weights.csv": "group,weight\nG01,2\n"})
    case = random_cases.claims(1, 1).with_columns(
        group=pl.lit("G01"),
        hospital_level=pl.lit(3, pl.Int8),
        insurance_type=pl.lit("310"),
        total_charge=pl.lit(3_162_456),
    )
    told = explain_case(case, "C0000000", rules)
    steps = {step.what.en: step for step in told.steps}
    assert steps["case class"].how == "r = 31624.56 ÷ 10541.52 = 3 > 2"
    assert steps["case class"].result == ("高倍率", "high")
    assert steps["points"].how == "200 × (1.06 + 3 - 2)"
    assert steps["points"].source is not None
    assert steps["points"].source.reference == "B 第16条"
    assert steps["payment standard"].result.zh == "21757.47"
    assert steps["charge at which the hospital breaks even"].result.en == "11195.5928"
    assert [step.what.zh for step in told.steps][:3] == ["病组 G01 的权重 RW", "基础点数 S", "医疗机构系数 f"]


def test_a_class_under_review_tells_its_cases(tmp_path: Path) -> None:
    """The standard of 1,000 points is 1,060 × the value; a charge of 2.5 times that is not high, a fen more is."""
    tables = {"scores.csv": "group,score\nG01,1000\n", "auxiliary.csv": "group,subtype,coefficient\n"}
    rules = policy(tmp_path, *FAMILIES["dip 3.0"], tables=tables)
    value = rules.on(rules.valid[0]).rules.pool("employee").point_value.start.value
    line = int(value * 100 * 1060 * 5 / 2)
    case = random_cases.claims(1, 1).with_columns(
        group=pl.lit("G01"),
        hospital_level=pl.lit(3, pl.Int8),
        insurance_type=pl.lit("310"),
        settled=pl.date(2026, 2, 1),
    )
    for charge, told in ((line, False), (line + 1, True)):
        steps = explain_case(case.with_columns(total_charge=pl.lit(charge)), "C0000000", rules).steps
        assert any(step.what.zh == "特例单议候选" for step in steps) == told


def test_a_case_that_is_not_there(tmp_path: Path) -> None:
    rules = policy(tmp_path, tables=random_cases.tables(5))
    with pytest.raises(UserError, match="there is no one case X"):
        explain_case(random_cases.claims(5, 5), "X", rules)
