"""The measurement of a local DIP directory: hand-made claims, laws of order, bad input, the synthetic city."""

import csv
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import fastexcel
import polars as pl
import pytest

from engine.cases import ClaimsInput
from engine.directory.measurement import MeasurementRequest, measure, run_measurement
from engine.grouping import GroupingRequest, run_grouping
from engine.synthetic import Plan, SynthesisRequest, load_city, write_city
from grouper.dip.directory import load_directory
from grouper.dip.reference import group_case
from grouper.drg.reference import Record
from grouper.fault import UserError

Case = dict[str, str]
POLICY = """
id = "small-city"
title = { zh = "小城", en = "Small city" }
kind = "dip"
valid = { from = 2026-01-01, to = 2026-12-31 }
patient_basis = "item"
reference = "illustrative"

[documents]

[scheme]
values = [{ from = 2026-01-01, value = "small-city-2026", reference = "illustrative" }]

[date_basis]
scheme = "discharge"
policy = "settlement"
month = "settlement"
budget_year = "settlement"
late_claim_value = "arrival"

[money]
step = "fen"
at = "case"
mode = "half_away_from_zero"

[[pools]]
id = "employee"
name = { zh = "职工", en = "employees" }
insurance_types = ["310"]
place = "local"
funds = ["fund_pool_paid"]
budget = { method = "growth", base = "30000.00", growth = "0", reserve = "0" }
point_value = { method = "floating", start = { value = "10", unit = "charge_yuan" } }

[scores]
file = "scores.csv"
scheme = "small-city-2026"
mean_all = "10000.00"
base = 1000

[calibration]
year_weights = { "2025" = 1 }
estimator = "mean_of_yearly_means"
trimming = { method = "none" }
divisor = "mean_of_all"
minimum_cases = 1
unstable = "withhold"

[directory]
national_groups = "left_out"
local_groups = "main_procedure"
core = { cases = 10 }
comprehensive_cases = 2
scores = { decimals = 2, mode = "half_away_from_zero" }

[month]
style = "ratio"
fund_ratio_level = "pool"
prepayment_ratio = "0.90"
deposit = "withheld_part"

[clearing]
style = "ratio"
fund_ratio_level = "pool"
coefficient = "after_bands"
funding_order = ["reserve", "overrun:fund"]
deposit_release = { by = "all" }
surplus = { mode = "whole", bands = [{ retain = "1" }] }
overspend = { mode = "whole", bands = [{ share = "0" }] }
"""


def cases(
    diagnosis: str, charges: Sequence[int], *, procedures: str = "", year: int = 2025, level: str = "2", name: str = ""
) -> list[Case]:
    """Claims of one kind; charges in yuan."""
    return [
        {
            "case_id": f"{name or diagnosis}-{procedures}-{year}-{level}-{number}",
            "hospital_level": level,
            "insurance_type": "310",
            "settled": f"{year}-06-01",
            "total_charge": f"{charge}.00",
            "diagnoses": diagnosis,
            "procedures": procedures,
        }
        for number, charge in enumerate(charges)
    ]


KA_23 = [
    *cases("I21.900", [15_000 + 500 * i for i in range(20)]),
    *cases("K35.200", [10_000 + 400 * i for i in range(15)]),
    *cases("J06.900", [3_000 + 200 * i for i in range(10)]),
]


def write_claims(file: Path, claims: Sequence[Case]) -> Path:
    with file.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, list(claims[0]))
        writer.writeheader()
        writer.writerows(claims)
    return file


def request(folder: Path, claims: Sequence[Case], **policy: str) -> MeasurementRequest:
    """Write claims and a policy with lines changed; return the request to measure them."""
    folder.mkdir(parents=True, exist_ok=True)
    text = POLICY
    for key, line in policy.items():
        found = next((old for old in text.splitlines() if old.startswith(f"{key} = ")), None)
        text = text.replace(found, line) if found else text.replace("[directory]\n", f"[directory]\n{line}\n")
    (folder / "policy.toml").write_text(text, encoding="utf-8")
    files = [write_claims(folder / "claims.csv", claims)]
    return MeasurementRequest(ClaimsInput(files, "delimited"), folder / "policy.toml", folder / "out", lang="en")


def scores(asked: MeasurementRequest) -> dict[str, dict[str, str]]:
    """Run a measurement and return its table of scores by group."""
    run_measurement(asked)
    with (asked.out / "scores.csv").open(encoding="utf-8", newline="") as file:
        return {row["group"]: row for row in csv.DictReader(file)}


I21, K35, J06 = (f"{category}:conservative" for category in ("I21.9", "K35.2", "J06.9"))


@pytest.mark.parametrize(
    ("divisor", "expected"),
    [
        ('divisor = "mean_of_all"', {I21: "1419.73", K35: "920.13", J06: "280.35"}),
        (
            f'divisor = "reference_disease"\nreference_disease = "{K35}"',
            {I21: "1542.97", K35: "1000.00", J06: "304.69"},
        ),
        ('divisor = "fixed_quota"\nquota = "100"', {K35: "128.00"}),
    ],
)
def test_scores_by_three_methods(tmp_path: Path, divisor: str, expected: dict[str, str]) -> None:
    """KA-23."""
    found = scores(request(tmp_path, KA_23, divisor=divisor))
    assert {group: found[group]["score"] for group in expected} == expected
    assert 'mean_all = "13911.11"' in (tmp_path / "out" / "policy.toml").read_text("utf-8")


def test_years_weigh_one_two_seven(tmp_path: Path) -> None:
    """KA-24."""
    claims = [
        one for n, mean in enumerate((9_000, 9_500, 10_200)) for one in cases("J06.900", [mean] * 5, year=2023 + n)
    ]
    weights = 'year_weights = { "2023" = 1, "2024" = 2, "2025" = 7 }'
    assert scores(request(tmp_path, claims, year_weights=weights))[J06]["mean_charge"] == "9940.00"


def test_weights_move_with_the_years_asked_for(tmp_path: Path) -> None:
    claims = [*cases("J06.900", [1_000] * 10, year=2024), *cases("J06.900", [2_000] * 10, year=2025)]
    asked = request(tmp_path, claims, year_weights='year_weights = { "2020" = 1, "2021" = 3 }')
    assert scores(replace(asked, years=(2024, 2025)))[J06]["mean_charge"] == "1750.00"
    with pytest.raises(UserError, match="year weights 1:3 need 2 years"):
        measure(replace(asked, years=(2023, 2025)))


PRIMARY_CARE = (
    'primary_care = { candidates = "all", cases = 10, maximum_cv = "0.7", levels = ["1"], share_over = "0.5" }'
)


def test_primary_care(tmp_path: Path) -> None:
    """KA-18: a group of CV 1.9655 is none; the other one is, and its row says so."""
    claims = [*cases("J06.900", [1_000] * 9 + [20_000], level="1"), *cases("K35.200", [1_000] * 10, level="1")]
    found = scores(request(tmp_path, claims, primary_care=PRIMARY_CARE))
    assert (found[J06]["cv"], found[J06]["mean_charge"], found[J06]["kind"]) == ("1.9655", "2900.00", "core")
    assert found[K35]["kind"] == "primary-care"
    assert {row.code: row.kind for row in load_directory(tmp_path / "out" / "directory").groups}[K35] == "primary-care"
    assert f'primary_care = ["{K35}"]' in (tmp_path / "out" / "policy.toml").read_text("utf-8")


def test_related_procedure_with_its_own_group(tmp_path: Path) -> None:
    """KA-20: +56.97 % earns a group, +2.91 % does not."""
    claims = [
        *cases("K35.200", [28_033] * 10, procedures="47.0100"),
        *cases("K35.200", [44_003] * 10, procedures="47.0100|54.5101"),
        *cases("K80.302", [28_033] * 10, procedures="51.2300"),
        *cases("K80.302", [28_849] * 10, procedures="51.2300|54.5101"),
    ]
    found = scores(request(tmp_path, claims, related='related = { mean_raised_by = "0.10", cases = 10 }'))
    own = "K35.2:47.0100+54.5101"
    assert {group: row["mean_charge"] for group, row in found.items()} == {
        "K35.2:47.0100": "28033.00",
        own: "44003.00",
        "K80.3:51.2300": "28441.00",
    }


def test_national_groups_and_what_is_left(tmp_path: Path) -> None:
    claims = [
        *cases("K80.302", [9_000] * 10, procedures="51.2300"),  # KA-7: BX-1029
        *cases("K35.200", [9_000] * 12, procedures="51.2300"),  # no national group: a local one
        *cases("J06.900", [500] * 4),  # too rare for JC: comprehensive
    ]
    asked = request(tmp_path, claims, national_groups='national_groups = "kept"')
    found = scores(asked)
    assert {group: row["made"] for group, row in found.items()} == {
        "BX-1029": "national",
        "K35.2:51.2300": "local",
        "J06:conservative": "comprehensive",
    }
    assert load_directory(tmp_path / "out" / "directory").head.base == "dip-3.0"


def test_all_procedures_of_a_case_make_a_group_of_the_older_style(tmp_path: Path) -> None:
    both = "47.0100|54.5101"
    claims = [
        *cases("K35.200", [20_000] * 10, procedures=both),
        *cases("K35.200", [20_000] * 10, procedures="54.5101|47.0100", name="turned"),
        *cases("K35.200", [10_000] * 10, procedures="47.0100"),
        *cases("K35.200", [30_000] * 2, procedures="54.5101|47.0100|99.0401"),
    ]
    found = scores(request(tmp_path, claims, local_groups='local_groups = "all_procedures"'))
    # the two with a further procedure are too few: of the groups that take them the one with most parts does
    assert {group: (row["cases"], row["mean_charge"]) for group, row in found.items()} == {
        "K35.2:47.0100+54.5101": ("22", "20909.09"),
        "K35.2:47.0100": ("10", "10000.00"),
    }


def test_procedures_of_every_spelling_have_groups(tmp_path: Path) -> None:
    """Codes with letters, as a city may have of its own; one that a cell would read as two gets no group."""
    written = {"47.01AB0": "47.01ab0", "39.9500x007": "39.9500x007", "47.01(2)": "47.01(2)", "47.0100+54": None}
    claims = [one for n, code in enumerate(written) for one in cases("K35.200", [9_000] * (10 + n), procedures=code)]
    found = scores(request(tmp_path, claims))
    core = {group: row["cases"] for group, row in found.items() if row["kind"] == "core"}
    assert core == {f"K35.2:{code}": str(10 + n) for n, code in enumerate(written.values()) if code}


FILES = ("scores.csv", "policy.toml", "report.xlsx", "directory/groups.csv", "directory/scheme.toml")


def test_cut_and_order_of_the_claims_change_nothing(tmp_path: Path) -> None:
    rng = random.Random(7)
    related = {"related": 'related = { mean_raised_by = "0.10", cases = 5 }', "core": "core = { cases = 5 }"}
    claims = [
        *KA_23,
        *(
            one
            for n in range(40)
            for one in cases(
                rng.choice(["K35.200", "K35.301", "K80.000"]),
                [rng.randrange(1, 30_000)],
                procedures="|".join(rng.sample(["47.0100", "54.5101", "51.2300"], rng.randrange(3))),
                level=rng.choice("123"),
                name=f"r{n}",
            )
        ),
    ]
    whole = request(tmp_path / "a", claims, **related)
    cut = request(tmp_path / "b", rng.sample(claims, len(claims)), **related)
    thirds = [cut.claims.inputs[0].with_name(f"{n}.csv") for n in range(3)]
    shuffled = rng.sample(claims, len(claims))
    parts = ClaimsInput([write_claims(file, shuffled[n::3]) for n, file in enumerate(thirds)], "delimited")
    run_measurement(whole)
    run_measurement(replace(cut, claims=parts))
    for name in FILES:
        assert (whole.out / name).read_bytes() == (cut.out / name).read_bytes(), name


def test_everything_that_is_wrong_at_once(tmp_path: Path) -> None:
    claims = [*cases("J06.900", [1_000] * 9), *cases("J06.900", [0, -5], name="bad")]
    weights = 'year_weights = { "2024" = 1, "2025" = 2 }'
    with pytest.raises(UserError) as found:
        measure(request(tmp_path, claims, year_weights=weights, core="core = { cases = 50 }"))
    assert [fault.en for fault in found.value.faults] == [
        "there is no case of 2024: the measurement needs claims of each of 2024-2025",
        "1 cases have a negative charge, such as bad--2025-2-1: mend them or leave them out",
        "1 cases have a zero charge, such as bad--2025-2-0: mend them or leave them out",
        "directory.core: no group has 50 cases; the largest has 11",
    ]


def test_claims_of_other_years_and_no_claims(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no case of 2025") as found:
        measure(request(tmp_path, cases("J06.900", [1_000] * 9, year=2026)))
    assert len(found.value.faults) == 1
    with pytest.raises(UserError, match="no claim to measure from: 9 read, 9 rejected"):
        measure(request(tmp_path, [one | {"case_id": "twice"} for one in cases("J06.900", [1_000] * 9)]))


def test_policy_that_does_not_say_how(tmp_path: Path) -> None:
    asked = request(tmp_path, KA_23)
    text = asked.policy.read_text("utf-8")
    asked.policy.write_text(text[: text.index("[directory]")] + text[text.index("[month]") :], encoding="utf-8")
    with pytest.raises(UserError, match=r"\[directory\] is missing"):
        measure(asked)


def test_sub_types_of_cases(tmp_path: Path) -> None:
    claims = [*cases("J06.900", [1_000] * 12), *cases("J06.900", [3_500] * 8, name="severe")]
    rounding = 'decimals = { decimals = 2, mode = "half_even" }'
    rule = f'sub_types = {{ cases_over = 5, cv_over = "0.5", cv_reduced_by = "0.20", {rounding} }}'
    asked = request(tmp_path, claims, sub_types=rule)
    table = [{"case_id": one["case_id"], "kind": "cci", "subtype": "cci_3"} for one in claims[12:]]
    run_measurement(replace(asked, sub_types=write_claims(tmp_path / "sub_types.csv", table)))
    # the mean of 2,000 and 3,500: CV 0.6124 before, 0 after
    lines = (asked.out / "auxiliary.csv").read_text("utf-8").splitlines()
    assert lines == ["group,subtype,coefficient,kind,cases,cv,cv_split", f"{J06},cci_3,1.75,cci,8,0.6124,0.0000"]


def test_report_compares_with_the_scores_before(tmp_path: Path) -> None:
    (tmp_path / "scores.csv").write_text(f"group,score\n{I21},1000\n{K35},920.13\n", encoding="utf-8")
    asked = request(tmp_path, KA_23)
    found = scores(asked)
    assert [found[group]["change"] for group in (I21, K35, J06)] == ["0.4197", "0.0000", ""]
    book = fastexcel.read_excel(asked.out / "report.xlsx")
    assert book.sheet_names == [
        "summary", "groups", "coverage", "variation", "dropped", "primary care", "related procedures",
        "hospital coefficients", "sub-types", "changes",
    ]  # fmt: skip
    assert book.load_sheet("changes").to_polars().rows() == [(I21, 1000.0, 1419.73, 0.4197), (K35, 920.13, 920.13, 0.0)]


CLASSES = (
    "code,class\n"
    + "".join(f"{chapter:02d},surgery\n" for chapter in range(1, 87))
    + "".join(f"{chapter},therapeutic\n" for chapter in range(87, 100))
)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dip") / "city"
    plan = Plan(load_city(), seed=5, claims=3_000, first_year=2025, last_year=2025)
    write_city(SynthesisRequest(plan, folder))
    return folder / "claims"


@pytest.mark.parametrize(("national", "local"), [("kept", "main_procedure"), ("left_out", "all_procedures")])
def test_every_case_is_where_the_directory_puts_it(tmp_path: Path, city: Path, national: str, local: str) -> None:
    """The synthetic city: the pack as written, read by the reference evaluator and by drgdip group."""
    rules = {
        "national_groups": f'national_groups = "{national}"',
        "local_groups": f'local_groups = "{local}"',
        "primary_care": PRIMARY_CARE,
        "related": 'related = { mean_raised_by = "0.10", cases = 3 }',
        "core": "core = { cases = 5 }",
    }
    (tmp_path / "classes.csv").write_text(CLASSES, encoding="utf-8")
    asked = request(tmp_path, KA_23, **rules)
    asked = replace(asked, claims=ClaimsInput([city]), procedure_classes=tmp_path / "classes.csv")
    measured = measure(asked)
    run_measurement(asked)
    directory = load_directory(asked.out / "directory")
    rows, groups = measured.setting.cases.frame["row"], measured.chosen.groups.cast(pl.String)
    run_grouping(GroupingRequest([city], directory, tmp_path / "grouped"))
    answers = pl.read_parquet(tmp_path / "grouped" / "grouped.parquet")
    assert answers["group"].cast(pl.String).gather(rows).equals(groups)
    claims = pl.read_parquet(city / "*.parquet").select("diagnoses", "procedures", "age", "age_days", "birth_weight")
    for row, group in list(zip(rows, groups, strict=True))[::5]:
        assert group_case(directory, Record(**claims.row(row, named=True))).group == group
    made = set(measured.chosen.stages.values())
    assert made >= {"local", "comprehensive"} | ({"national"} if national == "kept" else set())
