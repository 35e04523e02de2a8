from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from engine.claims.duplicates import repeated_rows
from tests.engine.claims.reading import read, write_parquet


def test_every_row_of_a_shared_id_is_rejected_over_all_files(tmp_path: Path) -> None:
    one = write_parquet(tmp_path / "a.parquet", {"case_id": ["1", "2", None, "3", "3"], "diagnoses": [["A00"]] * 5})
    two = tmp_path / "b.csv"
    two.write_text("case_id,diagnoses\n 2 ,A00\n4,A00\n  ,A00\n", encoding="utf-8")
    found = read(one, needed=[])
    assert found.column("case_id") == ["1", "2"]
    both = read(one, two, needed=[], column_map="delimited")
    assert both.column("case_id") == ["1", "4"]
    assert [(Path(line["file"]).name, line["row"], line["case_id"], line["reason"]) for line in both.rejects] == [
        ("a.parquet", 2, "2", "duplicate_case_id"),
        ("a.parquet", 3, None, "missing_case_id"),
        ("a.parquet", 4, "3", "duplicate_case_id"),
        ("a.parquet", 5, "3", "duplicate_case_id"),
        ("b.csv", 2, "2", "duplicate_case_id"),
        ("b.csv", 4, None, "missing_case_id"),
    ]
    assert both.findings == {("missing_case_id", ""): 2, ("duplicate_case_id", ""): 4}


def test_a_row_with_several_reasons_has_a_line_for_each(tmp_path: Path) -> None:
    columns = {"case_id": ["1", "1"], "diagnoses": [["A00"]] * 2, "age": ["x", "5"], "sex": ["y", "1"]}
    found = read(write_parquet(tmp_path / "a.parquet", columns), needed=["sex", "age"])
    assert sorted(found.reasons()) == [(1, "duplicate_case_id"), (1, "unparsable_value"), (2, "duplicate_case_id")]
    message = next(line["message_en"] for line in found.rejects if line["reason"] == "unparsable_value")
    assert message in ("a value cannot be read: sex=y; age=x", "a value cannot be read: age=x; sex=y")


Parts = st.lists(st.lists(st.sampled_from(["a", "b", "c", "d", "e", None]), max_size=6), max_size=4)


@given(Parts, st.integers(1, 4))
def test_hashes_that_collide_are_told_apart_by_the_ids(parts: list[list[str | None]], buckets: int) -> None:
    """With a hash as poor as the length of a remainder, only ids that truly repeat are found."""
    arrays = {(0, place): pa.array(part, pa.string()) for place, part in enumerate(parts)}
    hashes = {
        key: np.array([ord(name or "z") % buckets for name in array.to_pylist()], np.uint64)
        for key, array in arrays.items()
    }
    counts = Counter(name for part in parts for name in part)
    expected = {
        key: [place for place, name in enumerate(array.to_pylist()) if name is not None and counts[name] > 1]
        for key, array in arrays.items()
    }
    found = repeated_rows(hashes, arrays.__getitem__, 2)
    assert {key: rows.tolist() for key, rows in found.items()} == {key: rows for key, rows in expected.items() if rows}
