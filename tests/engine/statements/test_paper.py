"""What stands in the files beside figures: text that stays text, print set-up, privacy, equal bytes, modes."""

import os
import re
import stat
from pathlib import Path

import polars as pl
import pytest

from engine.outputs.statements import listing
from engine.outputs.statements.run import StatementsRequest, file_name, month_statements
from tests.engine.statements.conftest import HOSTILE, City
from tests.engine.statements.reading import cells, column, fen, listed, parts, sheets


@pytest.fixture(scope="module")
def books(city: City) -> dict[Path, dict[str, str]]:
    """The parts of every workbook of the city."""
    return {file: parts(file) for folder in (city.month, city.year) for file in sorted(folder.glob("*.xlsx"))}


def test_nothing_is_a_formula_or_a_link(books: dict[Path, dict[str, str]]) -> None:
    for file, inside in books.items():
        for name, text in inside.items():
            if name.startswith("xl/worksheets/"):
                assert "<f>" not in text, (file, name)
                assert "<hyperlink" not in text, (file, name)
                assert "<rPr>" not in text, (file, name)


def test_hostile_ids_come_back_as_they_are(city: City) -> None:
    listed_ids = pl.concat(
        [
            listed(file, "病例明细")[0].select("结算号")
            for file in city.month.glob("*.xlsx")
            if "bureau" not in file.name
        ]
    )
    found = {name.strip() for name in listed_ids["结算号"]}
    assert set(HOSTILE) <= found
    hospitals, _ = listed(city.month / "2026-03-bureau.xlsx", "医疗机构")
    assert "=H/../1" in hospitals["医疗机构"].to_list()


def test_file_names_are_safe_and_differ(city: City) -> None:
    assert [file_name(hospital) for hospital in ("H1", "市一院", "a_b")] == ["H1", "市一院", "a_b"]
    names = [file_name(hospital) for hospital in ("=H/../1", "=H/__/1", "../x", "a b", "x" * 300)]
    assert len({*names}) == 5
    assert all(re.fullmatch(r"[\w-]{1,80}", name) for name in names)
    assert len(list(city.month.glob("2026-03-_H____1-*.xlsx"))) == 1


def test_no_person_id_anywhere(city: City, books: dict[Path, dict[str, str]]) -> None:
    for inside in books.values():
        for text in inside.values():
            words = set(re.findall(r"[0-9A-Za-z]{8,}", text))
            assert not words & city.people


def test_print_set_up(books: dict[Path, dict[str, str]]) -> None:
    for file, inside in books.items():
        names = sheets(file)
        for number, name in enumerate(names, start=1):
            text = inside[f"xl/worksheets/sheet{number}.xml"]
            assert 'paperSize="9"' in text
            assert "fitToPage" in text
            assert "&amp;P" in text
            assert "封印" in text
            if not re.search("汇总|清算单$|预算", name):
                assert 'orientation="landscape"' in text
                assert 'state="frozen"' in text
                assert "<autoFilter" in text
                title = f"'{name}'!$4:$4" if not name.isalnum() else f"{name}!$4:$4"
                assert title in inside["xl/workbook.xml"].replace("&apos;", "'"), (file, name)


def test_numbers_have_formats(books: dict[Path, dict[str, str]]) -> None:
    inside = books[next(file for file in books if "bureau" not in file.name)]
    styles = inside["xl/styles.xml"]
    assert "#,##0.00;[Red]-#,##0.00" in styles
    assert "yyyy-mm-dd" in styles
    columns = inside["xl/worksheets/sheet2.xml"].split("<sheetData>")[0]
    assert len(re.findall(r"<col [^>]*style=", columns)) >= 12


def test_equal_ledgers_give_equal_files_on_any_number_of_processes(small: Path, tmp_path: Path) -> None:
    for processes in (1, 2):
        month_statements(StatementsRequest(small, tmp_path / str(processes), processes=processes), "2026-11")
    files = [sorted((tmp_path / name).iterdir()) for name in ("1", "2")]
    assert [file.name for file in files[0]] == [
        "2026-11-H1.xlsx",
        "2026-11-H2.xlsx",
        "2026-11-bureau.xlsx",
        "summary.json",
    ]
    assert [file.read_bytes() for file in files[0]] == [file.read_bytes() for file in files[1]]


def test_files_are_their_owners_alone(city: City) -> None:
    assert stat.S_IMODE(os.stat(city.month).st_mode) == 0o700  # noqa: PTH116
    for file in city.month.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert not file.name.startswith(".")


def test_a_list_longer_than_a_sheet_goes_on(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "SHEET_ROWS", 1)
    month_statements(StatementsRequest(small, tmp_path / "out", processes=1), "2026-10")
    file = tmp_path / "out" / "2026-10-H1.xlsx"
    assert [name for name in sheets(file) if name.startswith("病例明细")] == ["病例明细1", "病例明细2"]
    first, none = listed(file, "病例明细1")
    second, total = listed(file, "病例明细2")
    assert not none
    assert column(first, "基金应付") + column(second, "基金应付") == fen(total["基金应付"]) == 24_500_00


def test_empty_lists_say_so(small: Path, tmp_path: Path) -> None:
    month_statements(StatementsRequest(small, tmp_path / "out", hospitals=["H1"], processes=1), "2026-10")
    assert [file.name for file in sorted((tmp_path / "out").glob("*.xlsx"))] == ["2026-10-H1.xlsx"]
    assert any(row[0] == "无" for row in cells(tmp_path / "out" / "2026-10-H1.xlsx", "扣款"))
