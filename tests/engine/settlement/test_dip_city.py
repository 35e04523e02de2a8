"""A DIP town end to end: its directory measured, three months settled by it with sub-types, the year cleared.

J06.900 costs 1,000 below the age of 65 and 3,500 from then on, 2,000 in the mean: 1,000 points, the old 1,750. An
appendectomy costs 4,000: 2,000 points. A point is worth 2 yuan, and the pool has paid 70 % of every charge.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from engine.cases import ClaimsInput
from engine.directory.measurement import MeasurementRequest, run_measurement
from engine.grouping import GroupingRequest, run_grouping
from engine.pricing import PricingRequest, run_pricing
from grouper.codes import load_code_list
from grouper.dip.directory import load_directory
from grouper.fault import UserError
from tests.engine.money_city import COLUMNS, POLICY, claim
from tests.engine.settlement.conftest import Run
from tests.engine.settlement.town import Claim, ask, faults_of, settle_month

FIELDS = (*COLUMNS, "person_id", "age", "procedures")
COLD, APPENDIX = "J06.9:conservative", "K35.2:47.0100"
MEASURED = """
[directory]
national_groups = "left_out"
local_groups = "main_procedure"
core = { cases = 10 }
comprehensive_cases = 10
scores = { decimals = 2, mode = "half_away_from_zero" }

[directory.sub_types]
rules = "example"
cases_over = 5
cv_over = "0.5"
cv_reduced_by = "0.20"
decimals = { decimals = 4, mode = "half_even" }
"""


def case(name: str, settled: str, age: int = 30, hospital: str = "H1", **changes: str) -> dict[str, str]:
    """A cold; with a procedure an appendectomy."""
    own = {"diagnoses": "K35.200" if "procedures" in changes else "J06.900", "person_id": f"p-{name}", "age": str(age)}
    charge = 4_000 if "procedures" in changes else 3_500 if age >= 65 else 1_000
    return claim(name, hospital, settled, charge, procedures="") | own | changes


HISTORY = [
    *(case(f"y{n}", "2025-06-01") for n in range(12)),
    *(case(f"o{n}", "2025-06-01", 65 + n) for n in range(8)),
    *(case(f"k{n}", "2025-06-01", procedures="47.0100") for n in range(20)),
]
MONTHS = {
    "2026-10": [case("o1", "2026-10-05", 70), case("y1", "2026-10-06"), case("k1", "2026-10-07", procedures="47.0100")],
    "2026-11": [
        case("o2", "2026-11-05", 80, "H2"),
        case(
            "part",
            "2026-11-30",
            66,
            "H2",
            stay_id="long",
            part_of_stay="1",
            total_charge="500.00",
            fund_pool_paid="350.00",
        ),
    ],
    "2026-12": [case("y2", "2026-12-05", hospital="H2"), case("last", "2026-12-06", 66, "H2", stay_id="long")],
}
POINTS = {"o1": 1750, "y1": 1000, "k1": 2000, "o2": 1750, "y2": 1000, "last": 1750}


def put(file: Path, claims: Sequence[Claim]) -> Path:
    with file.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, FIELDS)
        writer.writeheader()
        writer.writerows(claims)
    return file


def written(file: Path, replaced: Mapping[str, str]) -> Path:
    """Write the town's policy with some texts replaced."""
    text = POLICY
    for old, new in replaced.items():
        assert old in text, old
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the town: its measured directory, and the policy that pays by what the measurement wrote."""
    folder = tmp_path_factory.mktemp("dip") / "town"
    folder.mkdir()
    weights = POLICY[POLICY.index("[weights]") : POLICY.index("[calibration]")]
    changed = {
        'kind = "drg"': 'kind = "dip"',
        "chs-drg-2.0": "town-2026",
        'value = "100"': 'value = "2"',
        'year_weights = { "2024" = 1, "2025" = 2, "2026" = 7 }': 'year_weights = { "2025" = 1 }',
        'divisor = "mean_of_all"': 'divisor = "fixed_quota"\nquota = "2"',
        "[month]": f"{MEASURED}\n[month]",
    }
    scores = '[scores]\nfile = "scores.csv"\nscheme = "town-2026"\nmean_all = "3000.00"\nbase = 1000\n\n'
    before = written(folder / "before.toml", {weights: scores} | changed)
    history = ClaimsInput([put(folder / "history.csv", HISTORY)], "delimited")
    run_measurement(MeasurementRequest(history, before, folder / "measured"))
    tables = (folder / "measured" / "policy.toml").read_text("utf-8")
    paying = before.read_text("utf-8").replace(scores, f"{tables}\n")
    paying = paying.replace("town-2026", str(folder / "measured" / "directory"))
    (folder / "measured" / "policy.toml").write_text(paying, encoding="utf-8")
    for month, claims in MONTHS.items():
        put(folder / f"{month}.csv", claims)
        policies = [folder / "measured" / "policy.toml"]
        settle_month(folder, month, folder / f"{month}.csv", policies=policies)
    return folder


def test_sub_types_are_measured_and_paid(town: Path) -> None:
    lines = (town / "measured" / "auxiliary.csv").read_text("utf-8").splitlines()
    assert lines[1:] == [f"{COLD},age_old,1.7500,age,8,0.6124,0.0000"]
    cases = "FROM cases WHERE case_class = 'normal' ORDER BY ALL"
    assert dict(ask(town, f"SELECT case_id, points::DOUBLE {cases}")) == POINTS
    parts = dict(ask(town, f"SELECT case_id, fund_part::DOUBLE {cases}"))
    assert parts == {name: points * 2 * 0.7 for name, points in POINTS.items()}


def test_groups_have_names_and_weights(town: Path) -> None:
    names = dict(ask(town, "SELECT DISTINCT group_code, group_name FROM cases"))
    cold, knife = load_code_list("icd10-insurance-2.0"), load_code_list("icd9cm3-insurance-2.0")
    assert names == {
        COLD: f"{cold.name('J06.900')}：保守治疗",
        APPENDIX: f"{cold.name('K35.200')}：{knife.name('47.0100')}",
    }
    asked = "SELECT group_code, weights::DOUBLE, weighted_cases FROM group_months WHERE month = '2026-10' ORDER BY ALL"
    assert ask(town, asked) == [(COLD, 2.0, 2), (APPENDIX, 2.0, 1)]


def test_the_same_by_price_and_by_explain(town: Path, tmp_path: Path, run: Run) -> None:
    claims, policy = town / "2026-10.csv", town / "measured" / "policy.toml"
    directory = load_directory(town / "measured" / "directory")
    run_grouping(GroupingRequest([claims], directory, tmp_path / "grouped", column_map="delimited"))
    asked = PricingRequest(
        [tmp_path / "grouped"], ClaimsInput([claims], "delimited"), [policy], 202610, tmp_path / "priced"
    )
    run_pricing(asked)
    query = f"SELECT case_id, points::DOUBLE FROM '{tmp_path / 'priced' / 'priced.parquet'}'"
    assert dict(ask(town, query)) == {name: POINTS[name] for name in ("o1", "y1", "k1")}
    said = run("explain", claims, "--map", "delimited", "--case", "o1", "--policy", policy, "--lang", "en")
    assert f"group: {COLD}" in said
    assert "1.75" in said
    assert "1750" in said
    assert "3500.00" in said


def test_interface_names_group_and_sub_types(town: Path, tmp_path: Path, run: Run) -> None:
    run(
        "ledger",
        "export",
        "--ledger",
        town / "city.duckdb",
        "--as",
        "3606",
        "--month",
        "2026-10",
        "--out",
        tmp_path / "x",
    )
    with (tmp_path / "x" / "3606-2026-10.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["setl_id"]: row for row in csv.DictReader(file)}
    assert rows["o1"]["dip_dise_grp_code"] == COLD
    assert rows["o1"]["asst_list_detl"].split(";")[0] == "age_old"
    assert "age_old" not in rows["y1"]["asst_list_detl"]


def test_the_year_is_cleared(town: Path, tmp_path: Path, run: Run) -> None:
    """F = 30,000.00 shared by points: 4,750 of 9,250 at H1."""
    ledger = ("--ledger", town / "city.duckdb", "--lang", "en")
    said = run("clear", "--year", "2026", *ledger)
    assert "2026 is cleared and closed" in said
    cleared = ask(town, "SELECT hospital_id, clearing FROM ledger_clearing ORDER BY ALL")
    assert cleared == [("H1", 15_405_41), ("H2", 14_594_59)]
    assert faults_of(town / "city.duckdb") == []
    run("statements", "--month", "2026-12", *ledger, "--out", tmp_path / "month")
    run("statements", "--year", "2026", *ledger, "--out", tmp_path / "year")
    assert (tmp_path / "month" / "2026-12-H2.xlsx").is_file()
    assert (tmp_path / "year" / "2026-H2.xlsx").is_file()


def test_stays_over_the_new_year_from_a_local_directory_to_the_national_one(town: Path, tmp_path: Path) -> None:
    """The stay that ended in 2026 keeps its directory, score, sub-type and primary-care list; JC-3392 is of dip-3.0."""
    measured, local = town / "measured", str(town / "measured" / "directory")
    text = (measured / "policy.toml").read_text("utf-8").replace("to = 2026-12-31", "to = 2027-12-31")
    start = text.index("[scores]")
    end = min(at for table in ("[calibration]", "[directory]") if (at := text.find(table, start)) > 0)
    old = 'from = 2026-01-01, mean_all = "3000.00"'
    both = f"""[scores]
base = 1000
values = [
  {{ {old}, scheme = "{local}", file = "{measured / "scores.csv"}" }},
  {{ from = 2027-01-01, mean_all = "3000.00", scheme = "dip-3.0", file = "national.csv" }},
]

[auxiliary]
values = [
  {{ from = 2026-01-01, file = "{measured / "auxiliary.csv"}", rules = "example", applies_to = ["normal"] }},
  {{ from = 2027-01-01, file = "national-sub-types.csv", rules = "example", applies_to = ["normal"] }},
]

[hospital_coefficient]
by = ["level"]
table = {{ "3" = "1.2", "2" = "1.0" }}

[primary_care]
values = [{{ from = 2026-01-01, value = ["{COLD}"] }}, {{ from = 2027-01-01, value = ["JC-1858"] }}]

"""
    text = text[:start] + both + text[end:]
    text = text.replace("[scheme]\nvalues = [", '[scheme]\nvalues = [{ from = 2027-01-01, value = "dip-3.0" }, ')
    (tmp_path / "policy.toml").write_text(text, encoding="utf-8")
    (tmp_path / "national.csv").write_text("group,score\nJC-3392,900\n", encoding="utf-8")
    sub_types = "group,subtype,coefficient\nJC-3392,age_old,1.5\n"
    (tmp_path / "national-sub-types.csv").write_text(sub_types, encoding="utf-8")
    january = [
        case("before", "2027-01-05", 70, admitted="2026-12-20", discharged="2026-12-31"),
        case("after", "2027-01-05", 70, admitted="2026-12-28", discharged="2027-01-01"),
        case("young", "2027-01-06", discharged="2027-01-06"),
    ]
    settle_month(tmp_path, "2027-01", put(tmp_path / "2027-01.csv", january))
    found = ask(tmp_path, "SELECT case_id, scheme, group_code, points::DOUBLE FROM ledger_case ORDER BY ALL")
    assert found == [
        ("after", "dip-3.0", "JC-3392", 1620),
        ("before", local, COLD, 1750),
        ("young", "dip-3.0", "JC-3392", 1080),
    ]
    assert faults_of(tmp_path / "city.duckdb") == []


def test_rules_of_sub_types_that_do_not_fit(town: Path, tmp_path: Path) -> None:
    policy, months = town / "measured" / "policy.toml", town / "2026-10.csv"
    text = policy.read_text("utf-8")
    for name in ("scores.csv", "auxiliary.csv"):
        (tmp_path / name).write_text((policy.parent / name).read_text("utf-8").replace("age_old", "age_odl"), "utf-8")
    for changed, wrong in (
        (text, "age_odl is no sub-type of example .did you mean age_old"),
        ("", "auxiliary.rules is missing"),
    ):
        (tmp_path / "p.toml").write_text(changed or text.replace('\nrules = "example"', ""), encoding="utf-8")
        with pytest.raises(UserError, match=wrong):
            settle_month(tmp_path, "2026-10", months, policies=[tmp_path / "p.toml"])
