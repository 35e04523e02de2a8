"""A city with a mistake is refused with a message that says where; an own city works."""

import shutil
from pathlib import Path

import pytest

from engine.synthetic import EXAMPLE_CITY, Plan, SynthesisRequest, load_city, write_city
from grouper.fault import UserError


@pytest.fixture
def city(tmp_path: Path) -> Path:
    return shutil.copytree(EXAMPLE_CITY, tmp_path / "city")


def edit(city: Path, name: str, old: str, new: str) -> None:
    text = (city / name).read_text(encoding="utf-8")
    assert old in text
    (city / name).write_text(text.replace(old, new, 1), encoding="utf-8")


MISTAKES = [
    ("city.toml", "per_weight_yuan = 15000", "per_weight = 15000", ["charges.per_weight_yuan", "charges.per_weight:"]),
    ("city.toml", "male = 0.54", "male = 1.54", ["people.newborn.male", "less than or equal to 1"]),
    ("city.toml", "level = 3", "level = 4", ["hospitals.0.level"]),
    ("city.toml", "name = {", "name = ", ["not valid TOML"]),
    ("city.toml", 'weights = "harbin-2024"', 'weights = "nowhere"', ["nowhere", "cannot be read"]),
    ("groups.csv", "AA1,", "AA9,", ["groups.csv:2 adrg: no 'AA9'", "did you mean", "AA1"]),
    ("groups.csv", ",middle,28,", ",midle,28,", ["groups.csv:2 people: no 'midle'", "middle"]),
    ("groups.csv", ",middle,28,", ",middle,-1,", ["groups.csv:2 days: '-1' should be a number from 0.1 to 400"]),
    ("groups.csv", "per_10000", "often", ["column per_10000 is missing"]),
    ("pathways.csv", "I42.000", "I42.0Z9", ["pathways.csv:2 principal: 'I42.0Z9' is not in the code list"]),
    ("pathways.csv", "AA1,1000,,,", "AA1,1000,2,,", ["AA1 has no pathway for a sex or age of its people (middle)"]),
    ("conditions.csv", "hypertension,,0", "hypertension,,many", ["conditions.csv:2 newborn: 'many'"]),
    ("condition_codes.csv", "hypertension,I10.x05", "hypertenson,I10.x05", ["no 'hypertenson'", "hypertension"]),
    ("examinations.csv", "87.4101", "87.4199", ["examinations.csv:2 code: '87.4199' is not in the code list"]),
]


@pytest.mark.parametrize(("name", "old", "new", "said"), MISTAKES, ids=[f"{m[0]}-{n}" for n, m in enumerate(MISTAKES)])
def test_a_mistake_is_named(city: Path, name: str, old: str, new: str, said: list[str]) -> None:
    edit(city, name, old, new)
    with pytest.raises(UserError) as error:
        load_city(city)
    for text in said:
        assert text in error.value.text("en")
    assert error.value.text("zh")


def test_a_folder_without_city_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no city\.toml"):
        load_city(tmp_path)


def test_a_missing_table_is_refused(city: Path) -> None:
    (city / "pathways.csv").unlink()
    with pytest.raises(UserError, match="cannot be read"):
        load_city(city)


def test_all_faults_of_a_table_are_named_at_once(city: Path) -> None:
    edit(city, "groups.csv", "AA1,", "AA9,")
    edit(city, "groups.csv", "AB1,", "AB9,")
    with pytest.raises(UserError) as error:
        load_city(city)
    assert {"groups.csv:2", "groups.csv:3"} <= {fault.en.split(" ")[0] for fault in error.value.faults}


def test_an_own_city_with_two_levels_works(city: Path, tmp_path: Path) -> None:
    text = (city / "city.toml").read_text(encoding="utf-8")
    start, end = text.index("[[hospitals]]\nlevel = 1"), text.index("[benefits]")
    (city / "city.toml").write_text(text[:start] + text[end:], encoding="utf-8")
    write_city(SynthesisRequest(Plan(load_city(city), 1, 500, 2026, 2026), tmp_path / "out"))
    import polars as pl

    hospitals = pl.read_parquet(tmp_path / "out" / "hospitals.parquet")
    assert set(hospitals["hospital_level"]) == {2, 3}
