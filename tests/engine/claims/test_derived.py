from datetime import date
from pathlib import Path

import pytest

from tests.engine.claims.reading import at, read, write_parquet

ID = {"case_id": ["1"], "diagnoses": [["A00.000"]]}


@pytest.mark.parametrize(
    ("birth", "admitted", "age", "age_days"),
    [
        (date(1974, 1, 5), at("2024-01-05 23:00"), 50, None),
        (date(1974, 1, 6), at("2024-01-05"), 49, None),
        (date(2004, 2, 29), at("2023-02-28"), 18, None),
        (date(2004, 2, 29), at("2023-03-01"), 19, None),
        (date(2023, 1, 6), at("2024-01-05"), 0, 364),
        (date(2023, 1, 5), at("2024-01-05"), 1, None),
        (date(2024, 1, 5), at("2024-01-05 01:00"), 0, 0),
        (date(2024, 1, 6), at("2024-01-05"), None, None),
    ],
)
def test_ages_from_dates(tmp_path: Path, birth: date, admitted: object, age: int | None, age_days: int | None) -> None:
    path = write_parquet(tmp_path / "a.parquet", {**ID, "birth_date": [birth], "admitted": [admitted]})
    found = read(path, needed=["age", "age_days"])
    assert found.rows == [{"case_id": "1", "age": age, "age_days": age_days}]
    assert found.findings == {}


@pytest.mark.parametrize(
    ("discharged", "days"),
    [("2024-01-05 20:00", 1), ("2024-01-06 01:00", 1), ("2024-01-12", 7), ("2024-01-04", None)],
)
def test_length_of_stay_from_dates(tmp_path: Path, discharged: str, days: int | None) -> None:
    columns = {**ID, "admitted": [at("2024-01-05 09:00")], "discharged": [at(discharged)]}
    found = read(write_parquet(tmp_path / "a.parquet", columns), needed=["length_of_stay"])
    assert found.column("length_of_stay") == [days]


def test_what_the_file_gives_is_kept(tmp_path: Path) -> None:
    columns = {
        "case_id": ["1", "2"],
        "diagnoses": [["A00.000"]] * 2,
        "age": [30, None],
        "birth_date": [date(1974, 1, 5)] * 2,
        "admitted": [at("2024-01-05")] * 2,
    }
    found = read(write_parquet(tmp_path / "a.parquet", columns), needed=["age"])
    assert found.rows == [{"case_id": "1", "age": 30}, {"case_id": "2", "age": 50}]


def test_without_dates_nothing_is_filled(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", {**ID, "admitted": [at("2024-01-05")]})
    found = read(path, needed=["age"])
    assert found.rows == [{"case_id": "1", "age": None}]
    assert found.findings == {("absent_column", "age"): 1}
