from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.claims import open_claims
from grouper.fault import UserError
from tests.engine.claims.reading import CODES, read, write_parquet

DICTIONARY_LISTS = pa.list_(pa.dictionary(pa.int32(), pa.string()))


def test_lists_keep_null_lists_and_null_entries(tmp_path: Path) -> None:
    diagnoses = [["A00.000", None, "B01.000"], None, [], [None]]
    path = write_parquet(tmp_path / "a.parquet", {"case_id": ["1", "2", "3", "4"], "diagnoses": diagnoses})
    found = read(path, needed=["diagnoses"])
    assert found.column("diagnoses") == diagnoses
    assert found.findings == {("no_diagnosis", "diagnoses"): 3, ("empty_code", "diagnoses"): 1}


def test_canonical_types_keep_dictionaries(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", {"case_id": ["1"], "diagnoses": [["A00.000"]], "sex": [2]})
    claims = open_claims([path], needed=["sex", "age", "diagnoses", "procedures"])
    batch = claims.read_chunk(next(claims.chunks()))
    types = {field.name: field.type for field in batch.table.schema}
    assert types == {
        "case_id": pa.string(),
        "sex": pa.int8(),
        "age": pa.int16(),
        "diagnoses": DICTIONARY_LISTS,
        "procedures": DICTIONARY_LISTS,
    }
    assert {(reason.code, column) for reason, column, _ in claims.findings} == {
        ("absent_column", "age"),
        ("absent_column", "procedures"),
    }


def test_row_groups_with_different_dictionaries_become_one_batch(tmp_path: Path) -> None:
    groups: list[list[list[str] | None]] = [[["A"], ["B", "A"]], [None, ["C"]], [["B", "D"]]]
    path = tmp_path / "a.parquet"
    schema = pa.schema({"case_id": pa.string(), "diagnoses": CODES})
    with pq.ParquetWriter(path, schema) as writer:
        number = 0
        for group in groups:
            ids = [str(number + place) for place in range(len(group))]
            number += len(group)
            writer.write_table(pa.table([pa.array(ids), pa.array(group, CODES)], schema=schema))
    claims = open_claims([path], needed=["diagnoses"])
    assert len(list(claims.chunks())) == 1
    assert read(path, needed=["diagnoses"]).column("diagnoses") == [["A"], ["B", "A"], None, ["C"], ["B", "D"]]


@pytest.mark.parametrize(
    "kind",
    [pl.String, pl.Categorical, pl.Enum(["A00.000", "B01.000"])],
    ids=["string", "categorical", "enum"],
)
def test_files_of_polars(tmp_path: Path, kind: pl.DataType) -> None:
    path = tmp_path / "a.parquet"
    codes = pl.Series([["A00.000", "B01.000"], None, ["B01.000"]], dtype=pl.List(kind))
    pl.DataFrame({"case_id": ["1", "2", "3"], "diagnoses": codes}).write_parquet(path)
    assert read(path, needed=["diagnoses"]).column("diagnoses") == [["A00.000", "B01.000"], None, ["B01.000"]]


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.string()),
        pa.large_list(pa.large_string()),
        pa.list_(pa.string_view()),
        pa.list_(pa.string(), 2),
        DICTIONARY_LISTS,
    ],
    ids=str,
)
def test_every_kind_of_list(tmp_path: Path, kind: pa.DataType) -> None:
    codes = pa.array([["A00.000", "B01.000"], ["B01.000", "C02.000"]], pa.list_(pa.string())).cast(kind)
    path = write_parquet(tmp_path / "a.parquet", {"case_id": ["1", "2"], "diagnoses": codes})
    assert read(path, needed=["diagnoses"]).column("diagnoses") == [["A00.000", "B01.000"], ["B01.000", "C02.000"]]


def test_a_leaf_named_item(tmp_path: Path) -> None:
    table = pa.table({"case_id": ["1"], "diagnoses": pa.array([["A00.000"]], CODES)})
    pq.write_table(table, tmp_path / "a.parquet", use_compliant_nested_type=False)
    assert pq.ParquetFile(tmp_path / "a.parquet").schema.column(1).path == "diagnoses.list.item"
    assert read(tmp_path / "a.parquet", needed=["diagnoses"]).column("diagnoses") == [["A00.000"]]


def test_codes_lose_blanks_around_them_only(tmp_path: Path) -> None:
    diagnoses = [[" a00.000", "Ａ00.000　", "", "b 01"]]
    path = write_parquet(tmp_path / "a.parquet", {"case_id": ["1"], "diagnoses": diagnoses})
    assert read(path, needed=["diagnoses"]).column("diagnoses") == [["a00.000", "Ａ00.000", None, "b 01"]]


def test_two_hundred_diagnoses_and_long_codes(tmp_path: Path) -> None:
    many = [f"A{number % 100:02}.{number:03}" for number in range(200)]
    path = write_parquet(tmp_path / "a.parquet", {"case_id": ["1", "2"], "diagnoses": [many, ["x" * 10_000]]})
    found = read(path, needed=["diagnoses"], policy=None)
    assert found.column("diagnoses") == [many, ["x" * 10_000]]
    assert found.findings == {("malformed_code", "diagnoses"): 1}


def test_a_huge_row_group_is_read_in_slices(tmp_path: Path) -> None:
    rows = 1_200_000
    codes = pa.array([f"A{number:02}.000" for number in range(100)])
    lists = pa.ListArray.from_arrays(
        pa.array(np.arange(rows + 1, dtype=np.int32)), codes.take(pa.array(np.arange(rows) % 100))
    )
    ids = pa.array(np.arange(rows)).cast(pa.string())
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"case_id": ids, "diagnoses": lists}), path, row_group_size=rows)
    claims = open_claims([path], needed=["diagnoses"])
    chunks = list(claims.chunks())
    assert [chunk.first_row for chunk in chunks] == [1, 500_001, 1_000_001]
    for chunk in reversed(chunks):
        batch = claims.read_chunk(chunk)
        first = chunk.first_row - 1
        assert batch.table["case_id"][0].as_py() == str(first)
        assert batch.row_number[0] == chunk.first_row
        assert batch.table["diagnoses"][99].as_py() == [f"A{(first + 99) % 100:02}.000"]
    batches = list(claims.batches())
    assert sum(batch.table.num_rows for batch in batches) == rows


def test_no_rows(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", {"case_id": pa.array([], pa.string()), "diagnoses": []})
    assert read(path, needed=["diagnoses"]).rows_in == 0


@pytest.mark.parametrize("keep", [0, 10, -20, -200])
def test_a_truncated_file_is_named(tmp_path: Path, keep: int) -> None:
    path = write_parquet(tmp_path / "a.parquet", {"case_id": ["1"], "diagnoses": [["A00.000"]]})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError) as caught:
        open_claims([path], needed=["diagnoses"])
    assert str(path) in caught.value.text("en")
    assert ("empty" if keep == 0 else "truncated") in caught.value.text("en")


def test_damaged_pages_are_named(tmp_path: Path) -> None:
    ids = [f"{number:09}" for number in range(20_000)]
    path = write_parquet(tmp_path / "a.parquet", {"case_id": ids, "diagnoses": [["A00.000"]] * len(ids)})
    content = bytearray(path.read_bytes())
    content[100:20_000] = b"\xff" * 19_900
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.parquet.*damaged"):
        read(path, needed=["diagnoses"])


def test_columns_not_used_are_never_looked_at(tmp_path: Path) -> None:
    columns = {"case_id": ["1"], "diagnoses": [["A00.000"]], "age": [[1, 2]], "sex": [1]}
    path = write_parquet(tmp_path / "a.parquet", columns)
    assert read(path, needed=["sex"]).rows == [{"case_id": "1", "sex": 1}]
    with pytest.raises(UserError, match=r"column age .* has type list"):
        read(path, needed=["age"])


def test_kept_columns_stay_as_they_are(tmp_path: Path) -> None:
    columns = {"case_id": ["1", ""], "diagnoses": [["A00.000"]] * 2, "ward": pa.array(["x", "y"]).dictionary_encode()}
    path = write_parquet(tmp_path / "a.parquet", columns)
    claims = open_claims([path], needed=["sex"], keep=["ward"])
    batch = claims.read_chunk(next(claims.chunks()))
    assert batch.kept.schema.field("ward").type == pa.dictionary(pa.int32(), pa.string())
    assert batch.kept.to_pylist() == [{"ward": "x"}]
