"""The kernel gives what the reference evaluator gives, however records are cut, ordered or spelled."""

import random
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

import grouper
from grouper import Record, UserError, load_directory
from grouper.dip.batch import Grouper
from grouper.dip.compile import compile_directory
from grouper.frames import group_arrow
from tests.dip_records import Designer
from tests.grouper.dip.grouping import as_table, by_kernel, differing

CORPUS = Path(__file__).parents[2] / "corpus" / "dip_3_0.parquet"
DIRECTORY = load_directory("dip-3.0")


def generated(seed: int, count: int) -> list[Record]:
    """Return records made for groups at random, and each of them changed."""
    designer, records = Designer(DIRECTORY, seed), list[Record]()
    while len(records) < count:
        record = designer.design(designer.random.choice(DIRECTORY.groups))
        records += [record, *designer.mutations(record)]
    return records[:count]


def test_kernel_and_reference_agree() -> None:
    assert differing(DIRECTORY, generated(seed=1, count=4_000)) == []


@pytest.mark.heavy
@pytest.mark.parametrize("seed", range(10, 20))
def test_a_million_generated_records(seed: int) -> None:
    for part in range(4):
        assert differing(DIRECTORY, generated(seed=10 * seed + part, count=25_000)) == []


def test_the_corpus() -> None:
    frame = pl.read_parquet(CORPUS)
    answers = grouper.group(frame, "dip-3.0")
    assert answers.columns == ["case_id", "status", "layer", "group", "reason"]
    given = answers.select("case_id", pl.col("layer", "group").cast(pl.String))
    assert given.equals(frame.select("case_id", "layer", "group"))


def test_cutting_and_ordering_change_nothing() -> None:
    records = generated(seed=2, count=2_000)
    whole, table = by_kernel(DIRECTORY, records), as_table(records)
    kernel = Grouper(compile_directory(DIRECTORY))
    parts = pa.Table.from_batches([batch for at in range(0, 2_000, 317) for batch in table.slice(at, 317).to_batches()])
    assert [tuple(row.values()) for row in group_arrow(parts, kernel).to_pylist()] == whole
    order = list(range(2_000))
    random.Random(3).shuffle(order)
    assert by_kernel(DIRECTORY, [records[at] for at in order]) == [whole[at] for at in order]
    assert by_kernel(DIRECTORY, [*records, *records]) == [*whole, *whole]


def test_spelling_changes_nothing() -> None:
    plain = Record(diagnoses=["K80.302", "J96.000"], procedures=["51.2300", "51.8803"])
    spelled = Record(diagnoses=["k80．302 ", None, "J96.000"], procedures=["", " 51.2300", "５１.8803"])
    assert by_kernel(DIRECTORY, [plain, spelled]) == [("grouped", "BX", "BX-1026", None)] * 2


def test_a_code_that_is_in_no_list_is_grouped_by_its_category_and_noted() -> None:
    kernel = Grouper(compile_directory(DIRECTORY))
    table = as_table([Record(diagnoses=["A01.0zz"]), Record(diagnoses=["A01.000"])])
    answers, notes = kernel.group(table.to_batches()[0])
    assert kernel.arrow(answers).column("group").to_pylist() == ["JC-1858", "JC-1858"]
    assert notes.counts == {("unknown", "diagnoses"): {"A01.0zz": 1}}


def test_missing_columns_and_records_without_codes() -> None:
    frame = pl.DataFrame({"diagnoses": [["A01.000"], [], None, [""]]}, schema={"diagnoses": pl.List(pl.String)})
    assert grouper.group(frame, "dip-3.0").rows() == [
        ("grouped", "JC", "JC-1858", None),
        ("invalid", None, None, "diagnoses_missing"),
        ("invalid", None, None, "diagnoses_missing"),
        ("ungroupable", None, None, "principal_blank"),
    ]
    assert grouper.group(frame.clear(), "dip-3.0").columns == ["status", "layer", "group", "reason"]


def test_columns_of_the_wrong_type_are_named() -> None:
    with pytest.raises(UserError, match="column diagnoses should hold lists of codes"):
        grouper.group(pl.DataFrame({"diagnoses": ["A01.000"]}), "dip-3.0")
