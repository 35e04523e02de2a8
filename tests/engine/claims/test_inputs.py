from collections.abc import Mapping
from pathlib import Path
from typing import Any, Unpack

import pyarrow as pa
import pytest

from engine.claims import open_claims
from grouper.fault import UserError
from tests.engine.claims.reading import Options, read, write_parquet

ONE = {"case_id": ["1"], "diagnoses": [["A00.000"]], "sex": [1]}


def case(number: int) -> Mapping[str, Any]:
    return {**ONE, "case_id": [str(number)]}


def faults(*inputs: Path, needed: tuple[str, ...] = ("diagnoses",), **options: Unpack[Options]) -> list[str]:
    with pytest.raises(UserError) as caught:
        open_claims(inputs, needed=needed, **options)
    assert len(caught.value.text("zh").splitlines()) == len(caught.value.text("en").splitlines())
    return caught.value.text("en").splitlines()


def test_a_folder_is_read_in_sorted_order(tmp_path: Path) -> None:
    for number, name in enumerate(["b.parquet", "a.parquet", "sub/c.parquet", "_tmp.parquet", ".hidden.parquet"]):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_parquet(tmp_path / name, case(number))
    (tmp_path / "d.CSV").write_text("case_id,diagnoses,sex\n9,A00.000,2\n", encoding="utf-8")
    (tmp_path / "README.md").write_text("notes", encoding="utf-8")
    found = read(tmp_path, needed=["sex", "diagnoses"], column_map="delimited")
    assert found.column("case_id") == ["1", "0", "9", "2"]
    assert found.findings == {("ignored_file", ""): 1}


def test_a_file_named_twice_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_parquet(tmp_path / "a.parquet", ONE)
    assert read(path, tmp_path, tmp_path / "." / "a.parquet", needed=["sex"]).column("case_id") == ["1"]
    monkeypatch.chdir(tmp_path)
    assert read(path, Path("a.parquet"), needed=["sex"]).column("case_id") == ["1"]


def test_code_tables_in_the_folder_of_the_claims_are_no_claims(tmp_path: Path) -> None:
    (tmp_path / "setlinfo.csv").write_text("setl_id,gend\n1,2\n", encoding="utf-8")
    (tmp_path / "diseinfo.csv").write_text("setl_id,diag_code\n1,A00.000\n", encoding="utf-8")
    found = read(tmp_path, needed=["sex", "diagnoses"], column_map="nhsa", diagnosis_table=tmp_path / "diseinfo.csv")
    assert found.rows == [{"case_id": "1", "sex": 2, "diagnoses": ["A00.000"]}]


def test_inputs_that_are_not_there(tmp_path: Path) -> None:
    write_parquet(tmp_path / "claims.parquet", ONE)
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.json").write_text("{}", encoding="utf-8")
    assert faults(tmp_path / "claim.parquet", tmp_path / "empty", tmp_path / "a.json") == [
        f"{tmp_path}/claim.parquet: no such file (did you mean claims.parquet?)",
        f"{tmp_path}/empty: no Parquet, CSV or Excel file in the folder",
        f"{tmp_path}/a.json: unknown kind of file; read are .parquet, .csv, .txt, .tsv, .xlsx",
    ]


def test_missing_columns_with_near_names(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", {"caseid": ["1"], "diagnosis": ["A"], "age": [1]})
    assert faults(path, needed=("sex", "diagnoses"), required=["sex"]) == [
        f"{path}: no column case_id (settlement id; canonical case_id) (did you mean caseid?)",
        f"{path}: no column sex (sex; canonical sex)",
        f"{path}: no column diagnoses (diagnoses, principal first; canonical diagnoses) (did you mean diagnosis?)",
    ]


@pytest.mark.parametrize(
    ("columns", "fitting"),
    [
        ({"setl_id": ["1"], "diag_code": [["A"]], "gend": [1]}, "nhsa"),
        ({"case_id": ["1"], "diag_1": ["A"], "diag_2": ["B"], "sex": [1]}, "wide"),
        ({"case_id": ["1"], "diagnoses": ["A;B"], "sex": [1]}, "delimited"),
    ],
)
def test_the_map_that_would_fit_is_named(tmp_path: Path, columns: Mapping[str, Any], fitting: str) -> None:
    columns = {name: pa.array(cells) if name == "diagnoses" else cells for name, cells in columns.items()}
    path = write_parquet(tmp_path / "a.parquet", columns)
    named = [line for line in faults(path) if f" {fitting} " in line]
    assert len(named) == 1
    assert "--map" in named[0]
    assert read(path, needed=["sex", "diagnoses"], column_map=fitting).column("sex") == [1]


def test_only_what_is_required_must_exist(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", ONE)
    found = read(path, needed=["diagnoses", "age", "procedures"])
    assert found.rows == [{"case_id": "1", "diagnoses": ["A00.000"], "age": None, "procedures": None}]
    assert found.findings == {("absent_column", "age"): 1, ("absent_column", "procedures"): 1}
    assert faults(path, needed=("diagnoses", "age"), required=["age"]) == [
        f"{path}: no column age (age in years; canonical age)"
    ]


def test_files_with_different_columns(tmp_path: Path) -> None:
    one = write_parquet(tmp_path / "a.parquet", {**ONE, "age": [1]})
    two = write_parquet(tmp_path / "b.parquet", case(2))
    assert faults(one, two, needed=("diagnoses", "age")) == [
        f"{two}: no column age, but {one} has it; all files must have the same columns"
    ]
    assert read(one, two, needed=["diagnoses"]).column("case_id") == ["1", "2"]


def test_files_with_different_types_are_read_alike(tmp_path: Path) -> None:
    one = write_parquet(tmp_path / "a.parquet", {**case(1), "age": pa.array([1], pa.int8())})
    two = write_parquet(tmp_path / "b.parquet", {**case(2), "age": ["2"]})
    assert read(one, two, needed=["age"]).column("age") == [1, 2]


def test_columns_to_keep(tmp_path: Path) -> None:
    one = write_parquet(tmp_path / "a.parquet", {**case(1), "ward": ["x"], "sum": [1]})
    two = write_parquet(tmp_path / "b.parquet", {**case(2), "ward": ["y"], "sum": ["2"]})
    kept = read(one, two, needed=["sex"], keep=["ward", "sex"])
    assert kept.rows == [{"case_id": "1", "sex": 1, "ward": "x"}, {"case_id": "2", "sex": 1, "ward": "y"}]
    assert faults(one, two, keep=["word", "sum"]) == [
        f"{one}: no column word to keep (did you mean ward?)",
        f"{two}: no column word to keep (did you mean ward?)",
        f"column sum to keep has several types: {one}: int64, {two}: string",
    ]


def test_wrong_types_are_named_at_once(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", {**ONE, "age": [{"a": 1}], "refund": [1.5], "admitted": [True]})
    assert faults(path, needed=("diagnoses", "age", "admitted", "refund")) == [
        f"{path}: column age (age in years) has type struct<a: int64>, which cannot be read as such",
        f"{path}: column admitted (admission) has type bool, which cannot be read as such",
    ]


def test_the_faults_of_all_files_at_once(tmp_path: Path) -> None:
    for name in ("a.parquet", "b.parquet"):
        (tmp_path / name).write_bytes(b"no parquet file at all")
    (tmp_path / "c.csv").write_bytes(b"")
    assert [Path(line.split(": ")[0]).name for line in faults(tmp_path)] == ["a.parquet", "b.parquet", "c.csv"]
