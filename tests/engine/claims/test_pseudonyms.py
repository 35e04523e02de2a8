import hmac
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.claims import load_key
from engine.claims.pseudonyms import pseudonyms
from grouper.fault import UserError
from tests.engine.claims.reading import read, write_parquet

KEY = b"0123456789abcdef\x00\xff"


def expected(name: str, key: bytes = KEY) -> str:
    return hmac.new(key, name.encode(), "sha256").hexdigest()[:32]


@given(st.lists(st.text() | st.none(), max_size=5), st.binary(min_size=16, max_size=80))
def test_keyed_hashes(names: list[str | None], key: bytes) -> None:
    found = pseudonyms(pa.array(names, pa.string()), key).to_pylist()
    assert found == [None if name is None else expected(name, key) for name in names]


def test_no_id_is_left_anywhere(tmp_path: Path) -> None:
    columns = {
        "case_id": ["张三-1", "张三-2", "张三-2", "张三-3"],
        "original_case_id": ["张三-1", None, None, None],
        "person_id": ["P张三", "P李四", None, "P王五"],
        "diagnoses": [["A00.000"]] * 4,
        "age": ["5", "5", "5", "x"],
    }
    path = write_parquet(tmp_path / "a.parquet", columns)
    needed = ["original_case_id", "person_id", "age"]
    found = read(path, needed=needed, keep=["person_id", "age"], hash_key=KEY)
    assert [row["case_id"] for row in found.rows] == [expected("张三-1")]
    assert found.rows[0]["original_case_id"] == found.rows[0]["case_id"]
    assert found.rows[0]["person_id"] == expected("P张三")
    assert {line["case_id"] for line in found.rejects} == {expected("张三-2"), expected("张三-3")}
    assert "张三" not in str(found)
    assert "P" not in "".join(str(line) for line in found.rejects).replace("PosixPath", "").replace(str(path), "")


def test_key_files(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(b"0123456789abcdef\n")
    assert load_key(key) == b"0123456789abcdef"
    key.write_bytes(b"short")
    with pytest.raises(UserError, match="at least 16 bytes"):
        load_key(key)
    with pytest.raises(UserError, match="cannot read the key file"):
        load_key(tmp_path / "none")
