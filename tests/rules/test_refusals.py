"""Every refusal of a policy file, one malformed fixture each, and the refusals while cases are paid."""

import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from rules.fault import UserError
from rules.payment import place
from rules.payment.case_payment import Given, price_cases
from rules.policy.check import checked, load_policy
from rules.policy.resolve import the_one_valid
from tests.rules import random_cases
from tests.rules.city import document, merged, policy
from tests.rules.families import FAMILIES, KINDS
from tests.rules.test_laws import SPECIAL

FILE = Path(__file__).parents[1] / "golden" / "refusals.toml"
REFUSALS: list[dict[str, Any]] = tomllib.loads(FILE.read_text("utf-8"))["refusal"]


@pytest.mark.parametrize("refusal", REFUSALS, ids=[refusal["what"] for refusal in REFUSALS])
def test_refused(refusal: dict[str, Any]) -> None:
    with pytest.raises(UserError) as caught:
        checked(merged(document(), refusal["change"]), Path("city.toml"))
    assert refusal["says"] in caught.value.text("en")
    assert refusal["zh"] in caught.value.text("zh")
    assert all(fault.en.startswith("city.toml: ") for fault in caught.value.faults)


def test_all_faults_at_once() -> None:
    change = {"month": {"style": "x", "prepayment_ratio": "2"}, "patient_basis": "nobody", "colour": "red"}
    with pytest.raises(UserError) as caught:
        checked(merged(document(), change), Path("city.toml"))
    assert len(caught.value.faults) == 4


def test_fault_in_a_later_stretch_is_placed_in_the_file() -> None:
    series = [{"from": document()["valid"]["from"], "value": "0.95"}, {"from": document()["valid"]["to"], "value": "7"}]
    with pytest.raises(UserError, match=r"month.prepayment_ratio\[1\].value: 7 must be ≤ 1"):
        checked(merged(document(), {"month": {"prepayment_ratio": series}}), Path("city.toml"))


def test_syntax_and_missing_file(tmp_path: Path) -> None:
    file = tmp_path / "p.toml"
    with pytest.raises(UserError, match="there is no such file"):
        load_policy(file)
    file.write_text("id = \n", "utf-8")
    with pytest.raises(UserError, match=r"TOML syntax: .*line 1"):
        load_policy(file)
    file.write_bytes("标题".encode("gbk"))
    with pytest.raises(UserError, match="UTF-8"):
        load_policy(file)


def test_two_policies_valid_on_one_day(tmp_path: Path) -> None:
    one, two = policy(tmp_path), policy(tmp_path, 'id = "other"')
    with pytest.raises(UserError, match="two policies are valid on 2026-01-01"):
        the_one_valid([one, two], one.valid[0])
    assert the_one_valid([one], one.valid[0]) is one


def paid(
    folder: Path, *changes: str, cases: pl.DataFrame | None = None, tables: dict[str, str] | None = None
) -> pl.DataFrame:
    rules = policy(folder, *changes, tables=random_cases.tables(1) | (tables or {}))
    return price_cases(random_cases.claims(200, 1) if cases is None else cases, rules)


def refused(folder: Path, message: str, *changes: str, **given: Any) -> None:
    with pytest.raises(UserError, match=message):
        paid(folder, *changes, **given)


def test_unpublished_weight_names_group_and_cases(tmp_path: Path) -> None:
    table = random_cases.tables(1)["weights.csv"].replace("\nG05,", "\nG99,")
    count = random_cases.claims(200, 1).filter(pl.col("group") == "G05").height
    refused(tmp_path, rf"group G05 has no published weight or score \({count} cases\)", tables={"weights.csv": table})


def test_withheld_weight(tmp_path: Path) -> None:
    rows = "".join(f"{group},1.0,{'withheld' if group == 'G05' else 'published'}\n" for group in random_cases.GROUPS)
    refused(tmp_path, "group G05 has no published weight", tables={"weights.csv": "group,weight,status\n" + rows})


def test_level_that_the_coefficients_lack(tmp_path: Path) -> None:
    refused(tmp_path, "has no level '1'", '[hospital_coefficient]\ntable = { "1" = "" }')


def test_rule_that_needs_fee_lines(tmp_path: Path) -> None:
    refused(tmp_path, "the rules .*exclusion need the table fee_lines", *FAMILIES["exclusion, high line"])


def test_rule_that_needs_a_mean_the_table_lacks(tmp_path: Path) -> None:
    table = {"weights.csv": "group,weight\n" + "".join(f"{group},1\n" for group in random_cases.GROUPS)}
    refused(
        tmp_path,
        "needs the mean charge of group G00",
        *FAMILIES["drg high linear_add"],
        '[weights]\ngroup_mean = "listed"',
        tables=table,
    )
    refused(
        tmp_path,
        "in hospitals of level",
        *FAMILIES["drg level mean"],
        '[weights]\ngroup_mean = "weight_times_mean"',
        tables=table,
    )


def test_exclusion_needs_the_mean_of_the_kind(tmp_path: Path) -> None:
    table = {"weights.csv": "group,weight\n" + "".join(f"{group},0.1\n" for group in random_cases.GROUPS)}
    rules = policy(tmp_path, *FAMILIES["exclusion, high line"], tables=table)
    cases = random_cases.claims(500, 1)
    with pytest.raises(UserError, match=r"exclusion payment needs mean_(drug|consumable) of group"):
        price_cases(cases, rules, Given(fee_lines=random_cases.fee_lines(cases, 1)))


def test_columns_that_a_rule_needs(tmp_path: Path) -> None:
    cases = random_cases.claims(200, 1)
    refused(tmp_path, r"special kind \w+ needs the column payment_kind", KINDS, cases=cases.drop("payment_kind"))
    refused(tmp_path, "needs the column subtypes", *FAMILIES["dip 3.0"], cases=cases.drop("subtypes"))
    refused(tmp_path, "payment needs the column group; did you mean groups", cases=cases.rename({"group": "groups"}))
    refused(tmp_path, "the month needs the column settled", cases=cases.drop("settled"))


def test_cases_without_a_group_need_a_rule(tmp_path: Path) -> None:
    cases = random_cases.claims(200, 1, ungrouped=True)
    count = cases["group"].null_count()
    refused(tmp_path, rf"no group and the policy no \[blank_group\] \({count} cases\)", cases=cases)


def test_a_pool_of_a_region_comes_before_one_of_all_others(tmp_path: Path) -> None:
    pools = """
[[pools]]
id = "others"
name = { zh = "其余", en = "all others" }
insurance_types = ["310", "390"]
place = "local"
funds = ["fund_pool_paid"]
budget = { method = "growth", base = "1", growth = "0", reserve = "0" }
point_value = { method = "fixed", start = { value = "1", unit = "charge_yuan" } }
[[pools]]
id = "county"
name = { zh = "县", en = "county" }
insurance_types = ["310", "390"]
place = "local"
regions = ["230184"]
funds = ["fund_pool_paid"]
budget = { method = "growth", base = "1", growth = "0", reserve = "0" }
point_value = { method = "fixed", start = { value = "1", unit = "charge_yuan" } }
"""
    rules = policy(tmp_path, pools, tables=random_cases.tables(1)).on(date(2026, 1, 1)).rules
    cases = pl.DataFrame({"insurance_type": ["310", "390"], "insured_region": ["230184", "230102"]})
    assert [rules.pools[n].id for n in place.pools(cases, rules)] == ["county", "others"]


def test_cases_of_no_pool(tmp_path: Path) -> None:
    cases = random_cases.claims(3, 1).with_columns(insurance_type=pl.Series(["310", "340", "340"]))
    refused(tmp_path, r"2 cases \(insurance type 340, local\) belong to no pool", cases=cases)


def test_cases_outside_the_validity(tmp_path: Path) -> None:
    cases = random_cases.claims(3, 1).with_columns(pl.col("discharged").dt.offset_by("-2y"))
    refused(tmp_path, "3 cases have a discharge date outside the validity of policy test-city", cases=cases)


def test_cases_without_a_charge_or_a_date(tmp_path: Path) -> None:
    cases = random_cases.claims(3, 1)
    refused(tmp_path, "1 cases have no total_charge", cases=cases.with_columns(total_charge=pl.Series([1, None, 2])))
    refused(tmp_path, "3 cases have no settled", cases=cases.with_columns(settled=pl.lit(None, pl.Date)))


def test_level_without_a_fixed_price(tmp_path: Path) -> None:
    cases = random_cases.claims(200, 1).with_columns(payment_kind=pl.lit(2, pl.Int8))
    refused(
        tmp_path,
        "of special kind single_disease lack",
        KINDS.replace('"1" = "5600.00"', '"4" = "5600.00"')
        .replace('exit_over = "2"\n', "")
        .replace('exit_below = "0.5"', ""),
        cases=cases,
    )


def test_special_case_decisions(tmp_path: Path) -> None:
    rules = policy(tmp_path, SPECIAL, tables=random_cases.tables(1))
    cases = random_cases.claims(10, 1)
    table = pl.DataFrame(
        {
            "case_id": ["C0000001", "C0000002", "C0000002"],
            "decision": ["adjusted_standard", "by_items", "by_item"],
            "amount": [None, None, None],
        },
        schema={"case_id": pl.String, "decision": pl.String, "amount": pl.Int64},
    )
    with pytest.raises(UserError) as caught:
        price_cases(cases, rules, Given(decisions=table))
    assert caught.value.text("en").splitlines() == [
        "case C0000001: the policy does not allow 'adjusted_standard'; known: by_item, rejected",
        "case C0000002: the policy does not allow 'by_items'; did you mean by_item?",
        "case C0000002 is decided more than once",
    ]


def test_refund_without_its_original(tmp_path: Path) -> None:
    cases = random_cases.claims(3, 1).with_columns(
        refund=pl.Series([False, False, True]), original_case_id=pl.Series([None, None, "C9"])
    )
    refused(tmp_path, "1 refunds have no original settlement: C0000002", cases=cases)


def test_figures_too_fine_for_exact_arithmetic(tmp_path: Path) -> None:
    part = '{ by = ["level"], table = { "3" = "1.%s1", "2" = "1.%s3", "1" = "1.%s7" } }'
    fine = part % (("0" * 60,) * 3)
    change = f'[hospital_coefficient]\nby = ""\ntable = ""\ncompose = "product"\nparts = [{fine}, {fine}]\n'
    refused(tmp_path, "too many decimals for exact arithmetic", change)
    assert paid(tmp_path, change + 'decimals = { decimals = 6, mode = "half_even" }\n').height == 200


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("group,weigth\nG01,1\n", "column weight is missing; did you mean weigth"),
        ("group,weight\nG01,1\nG01,2\n", "weights.csv: 3:group: group 'G01' is empty or appears twice"),
        ("group,weight\nG01,zero\n", "weights.csv: 2:weight: 'zero' is not a positive decimal number"),
        ("group,weight\nG01,-1\n", "'-1' is not a positive decimal number"),
        ("group,weight\nG01,1e999999\n", "'1e999999' is not a positive decimal number"),
        ("group,weight\nG01,1,000.5\n", "weights.csv: 2: has more cells than the 2 columns: no commas within numbers"),
        ("group,weight,weight\nG01,1,2\n", "weights.csv: 1: column weight appears more than once"),
        ('group,weight\n"G01,1\n', "is no CSV"),
        ("group,weight,status\nG01,1,draft\n", "'draft' must be published or withheld"),
        ("group,weight,mean_charge,mean_separate\nG01,1,100,100\n", "mean_separate: is not below mean_charge"),
        ("group,weight,mean_drug\nG01,1,30.005\n", "mean_drug: must be in whole fen"),
    ],
)
def test_tables(tmp_path: Path, table: str, message: str) -> None:
    refused(tmp_path, message, tables={"weights.csv": table})


def test_a_level_without_a_price_is_refused_though_the_price_has_exits(tmp_path: Path) -> None:
    kind = (
        '[[kinds]]\nid = "x"\nname = { zh = "甲", en = "x" }\nwhen = { payment_kind = [2] }\n'
        'treatment = { pay = "fixed_price", price = { "3" = "6800.00" }, exit_over = "2", exit_below = "0.5" }\n'
    )
    cases = random_cases.claims(20, 1).with_columns(payment_kind=pl.lit(2), hospital_level=pl.lit(2))
    refused(tmp_path, "20 cases of special kind x lack .* a price for their level", kind, cases=cases)
