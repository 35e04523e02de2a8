from pathlib import Path

import pytest

from engine.claims import load_map, shipped_maps
from engine.claims.canonical import BY_NAME, COLUMNS
from engine.claims.column_map import CODE_COLUMNS, MAPS, locate
from grouper.fault import UserError
from tests.engine.claims.reading import read, write_parquet


def user_map(folder: Path, text: str) -> Path:
    path = folder / "map.toml"
    path.write_text(text, encoding="utf-8")
    return path


def faults(path: Path) -> list[str]:
    with pytest.raises(UserError) as caught:
        load_map(path)
    return [fault.replace(f"{path}: ", "") for fault in caught.value.text("en").splitlines()]


def test_the_shipped_maps() -> None:
    assert shipped_maps() == ("canonical", "delimited", "long", "nhsa", "wide")
    for name in shipped_maps():
        assert load_map(name) is load_map(name)
        assert load_map(name).zh
        assert load_map(name).en
        assert "http" not in (MAPS / f"{name}.toml").read_text(encoding="utf-8")


def test_the_canonical_map_names_every_column_as_itself() -> None:
    column_map = load_map(None)
    plain = [column.name for column in COLUMNS if column.name not in CODE_COLUMNS]
    assert {name: (name,) for name in plain} == dict(column_map.columns)


def test_the_official_map_has_the_official_names() -> None:
    column_map = load_map("nhsa")
    for column in COLUMNS:
        if column.official:
            assert set(column.official) <= set(column_map.columns[column.name]), column.name
        else:
            assert column.name not in column_map.columns


def test_names_are_found_without_regard_to_case_and_blanks(tmp_path: Path) -> None:
    columns = {"SETL_ID": ["1"], " Gend ": ["2"], "age": [5], "Diag_Code": [["A00.000"]]}
    found = read(write_parquet(tmp_path / "a.parquet", columns), needed=["sex", "age", "diagnoses"], column_map="nhsa")
    assert found.rows == [{"case_id": "1", "sex": 2, "age": 5, "diagnoses": ["A00.000"]}]


def test_the_first_name_that_exists_is_read() -> None:
    layout = locate(load_map("nhsa"), ["hi_type", "fixmedins_lv", "hi_setl_lv"], ["insurance_type", "hospital_level"])
    assert layout.columns == {"insurance_type": "hi_type", "hospital_level": "hi_setl_lv"}


def test_a_users_map(tmp_path: Path) -> None:
    text = """
        base = "nhsa"
        [columns]
        case_id = ["流水号", "序号"]
        sex = "性别"
        [units]
        money = "fen"
        total_charge = "yuan"
        [values.sex]
        "先生" = "1"
        "女士" = "2"
    """
    columns = {
        "序号": ["1", "2"],
        "性别": ["先生", "女士"],
        "diag_code_1": ["A00.000", "B01.000"],
        "diag_code_2": ["C02.000", None],
        "medfee_sumamt": ["12.5", "3"],
        "fund_pay_sumamt": ["1250", "300"],
    }
    path = write_parquet(tmp_path / "a.parquet", columns)
    found = read(path, needed=["sex", "diagnoses", "total_charge", "fund_total"], column_map=user_map(tmp_path, text))
    assert found.rows == [
        {"case_id": "1", "sex": 1, "diagnoses": ["A00.000", "C02.000"], "total_charge": 1250, "fund_total": 1250},
        {"case_id": "2", "sex": 2, "diagnoses": ["B01.000"], "total_charge": 300, "fund_total": 300},
    ]


def test_all_faults_of_a_map_at_once(tmp_path: Path) -> None:
    text = """
        colums = 1
        encoding = "latin1"
        [columns]
        agee = "age"
        sex = 5
        [units]
        total_charge = "dollar"
        [values.gender]
        a = "b"
        [diagnoses]
        separator = ";"
        numbered = "diag"
        [diagnoses.table]
        case_id = "id"
    """
    found = faults(user_map(tmp_path, text))
    assert found[:3] == [
        "columns.agee: no such canonical column (did you mean age?)",
        "values.gender: no such canonical column",
        "units.total_charge: the unit must be one of yuan, fen, wan",
    ]
    rest = "\n".join(found[3:])
    for part in (
        "colums: unknown key (did you mean columns?)",
        "diagnoses.separator: unknown key (did you mean separators?)",
        "encoding: ",
        "columns.sex",
        "diagnoses.table.code: Field required",
    ):
        assert part in rest
    assert all("diagnoses" not in BY_NAME[name].units for name in BY_NAME)


def test_a_numbered_pattern_needs_its_number(tmp_path: Path) -> None:
    (fault,) = faults(user_map(tmp_path, '[diagnoses]\nnumbered = "diag"\n'))
    assert "must contain {n} once" in fault


def test_a_base_that_is_not_shipped(tmp_path: Path) -> None:
    assert faults(user_map(tmp_path, 'base = "nhas"\n')) == ["base: no shipped map 'nhas' (did you mean nhsa?)"]


def test_what_is_no_toml(tmp_path: Path) -> None:
    (fault,) = faults(user_map(tmp_path, "a = [\n"))
    assert fault.startswith("not valid TOML")


def test_a_map_that_does_not_exist() -> None:
    with pytest.raises(
        UserError, match=r"no column map widde \(did you mean wide\?\); shipped are canonical, delimited"
    ):
        load_map("widde")
