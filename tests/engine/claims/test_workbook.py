from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from grouper.fault import UserError
from tests.engine.claims.reading import at, read

HEADER = ["case_id", "sex", "age", "admitted", "diagnoses"]


def write(path: Path, sheets: Mapping[str, Sequence[Sequence[Any]]]) -> Path:
    with xlsxwriter.Workbook(path, {"default_date_format": "yyyy-mm-dd"}) as book:
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for number, row in enumerate(rows):
                for place, cell in enumerate(row):
                    sheet.write(number, place, cell)
    return path


def test_rows_of_a_sheet(tmp_path: Path) -> None:
    rows: list[Sequence[Any]] = [
        HEADER,
        ["0012", "男", 7, at("2024-01-05"), "A00.000;B01.000"],
        [],
        ["0013", 2, "８", "2024/1/6", "C02.000"],
        ["0014", "女", 7.5, 45296, "C02.000"],
    ]
    path = write(tmp_path / "a.xlsx", {"病例": rows})
    found = read(path, needed=["sex", "age", "admitted", "diagnoses"], column_map="delimited")
    assert found.rows == [
        {"case_id": "0012", "sex": 1, "age": 7, "admitted": at("2024-01-05"), "diagnoses": ["A00.000", "B01.000"]},
        {"case_id": "0013", "sex": 2, "age": 8, "admitted": at("2024-01-06"), "diagnoses": ["C02.000"]},
    ]
    assert (found.numbers, found.reasons()) == ([2, 4], [(5, "unparsable_value")])
    assert found.findings == {("unparsable_value", "age"): 1}


def test_ids_stored_as_numbers_have_lost_their_zeros(tmp_path: Path) -> None:
    rows: list[Sequence[Any]] = [["case_id", "diag_1", "proc_1"], [12, "A00.000", 0.1], [13, "A00.000", 33.6]]
    found = read(write(tmp_path / "a.xlsx", {"a": rows}), needed=["diagnoses", "procedures"], column_map="wide")
    assert found.column("case_id") == ["12", "13"]
    assert found.findings == {
        ("numeric_id", "case_id"): 1,
        ("numeric_id", "proc_1"): 1,
        ("malformed_code", "procedures"): 1,
    }


def test_the_sheet_with_the_columns_is_taken(tmp_path: Path) -> None:
    path = write(tmp_path / "a.xlsx", {"说明": [["导出说明"]], "空": [], "病例": [HEADER, ["1", 1, 7, "", "A00.000"]]})
    assert read(path, needed=["sex"], column_map="delimited").rows == [{"case_id": "1", "sex": 1}]


def test_several_sheets_with_the_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "a.xlsx", {"一月": [HEADER, ["1", 1]], "二月": [HEADER, ["2", 1]]})
    with pytest.raises(UserError, match=r"several sheets \(一月, 二月\)"):
        read(path, needed=["sex"], column_map="delimited")
    (tmp_path / "map.toml").write_text('base = "delimited"\nsheet = "二月"\n', encoding="utf-8")
    assert read(path, needed=["sex"], column_map=tmp_path / "map.toml").rows == [{"case_id": "2", "sex": 1}]
    (tmp_path / "near.toml").write_text('base = "delimited"\nsheet = "2月"\n', encoding="utf-8")
    with pytest.raises(UserError, match=r"no sheet '2月'.*二月"):
        read(path, needed=["sex"], column_map=tmp_path / "near.toml")


def test_a_header_below_a_title(tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text('base = "delimited"\nheader = 2\n', encoding="utf-8")
    path = write(tmp_path / "a.xlsx", {"a": [["出院病例"], HEADER, ["1", 1, 7, "", "A00.000"]]})
    found = read(path, needed=["age"], column_map=tmp_path / "map.toml")
    assert (found.rows, found.numbers) == ([{"case_id": "1", "age": 7}], [3])


@pytest.mark.parametrize("content", [b"", b"not a workbook"])
def test_what_is_no_workbook(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.xlsx: cannot read the workbook"):
        read(path, needed=["sex"], column_map="delimited")


def test_an_empty_sheet(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no header in row 1"):
        read(write(tmp_path / "a.xlsx", {"a": []}), needed=["sex"], column_map="delimited")
