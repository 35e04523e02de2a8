"""Cases reach the groups they are aimed at, and are grouped under the schemes in force."""

import csv

import polars as pl
import pytest

import grouper
from engine.synthetic import EXAMPLE_CITY, load_city
from grouper.scheme.pack import load_scheme
from tests.engine.synthetic.conftest import Written, mean

DELIVERY = "OR1"
"""1.1 asks for the outcome of delivery (Z37) as principal diagnosis; 2.0, 3.0 and coders have it among the others."""


def group(frame: pl.DataFrame, scheme: str) -> pl.DataFrame:
    return pl.DataFrame(grouper.group(frame, load_scheme(scheme)))


@pytest.fixture(scope="module")
def pathways() -> pl.DataFrame:
    """Every pathway with a patient of its group's kind."""
    with (EXAMPLE_CITY / "pathways.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    city = load_city()
    position = {name: number for number, name in enumerate(city.groups.adrg)}
    cases = []
    for row in rows:
        place = position[row["adrg"]]
        people = city.settings.people[city.people[city.groups.people[place]]]
        bands = people.ages or (1,)
        years = 0 if people.days else 8 if row["age"] == "child" or not sum(bands[3:]) else 40
        days = None if people.days is None else 60 if people.days[0] > 28 else 3
        grams = int(city.groups.grams[0][place]) or None
        cases.append(
            {
                "adrg": row["adrg"],
                "sex": int(row["sex"] or (1 if people.male > 0 else 2)),
                "age": years,
                "age_days": days,
                "birth_weight": grams,
                "admission_weight": grams,
                "diagnoses": [row["principal"], *row["others"].split()],
                "procedures": row["procedures"].split(),
            }
        )
    return (
        pl.DataFrame(cases, infer_schema_length=None)
        .with_row_index("case_id")
        .with_columns(pl.col("case_id").cast(pl.String))
    )


def test_groups_are_those_of_the_pack(pathways: pl.DataFrame) -> None:
    names = {row.code: row.name for rows in load_scheme("chs-drg-1.1").adrgs.values() for row in rows}
    with (EXAMPLE_CITY / "groups.csv").open(encoding="utf-8", newline="") as file:
        listed = {row["adrg"]: row["name"] for row in csv.DictReader(file)}
    assert listed == {code: names[code] for code in listed}
    # Seven groups have no published weight (facts of the table), so the city has no such case.
    assert set(names) - set(listed) == {"AC1", "AD1", "AF1", "NG1", "PB1", "PJ1", "RA4"}
    assert set(pathways["adrg"]) == set(listed)


def test_every_pathway_reaches_its_group(pathways: pl.DataFrame) -> None:
    reached = group(pathways, "chs-drg-1.1")
    wrong = pathways.filter(
        (reached["adrg"] != pathways["adrg"]).fill_null(value=True) & (pathways["adrg"] != DELIVERY)
    )
    assert wrong.is_empty(), wrong


def test_cases_reach_their_target_under_1_1(clean_city: Written) -> None:
    claims = clean_city.claims
    reached = group(claims, "chs-drg-1.1")
    aimed = claims["target_adrg"] != DELIVERY
    assert mean(reached["status"].filter(aimed) == "grouped") > 0.99
    assert mean((reached["adrg"].cast(pl.String) == claims["target_adrg"]).filter(aimed)) > 0.985
    assert mean((reached["drg"].cast(pl.String) == claims["target_drg"]).filter(aimed)) > 0.985


@pytest.mark.parametrize("scheme", ["chs-drg-2.0", "chs-drg-3.0"])
def test_nearly_all_cases_are_grouped(clean_city: Written, scheme: str) -> None:
    status = group(clean_city.claims, scheme)["status"].cast(pl.String)
    assert 0.97 < mean(status == "grouped") < 1
    assert (status == "invalid").sum() == 0
    assert (status == "ambiguous").any()


def test_severities_are_mixed(clean_city: Written) -> None:
    severity = group(clean_city.claims, "chs-drg-1.1")["severity"].cast(pl.String)
    assert 0.05 < mean(severity == "mcc") < 0.2
    assert 0.3 < mean(severity == "cc") < 0.65
