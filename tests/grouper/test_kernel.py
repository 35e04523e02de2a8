"""The kernel equals the reference evaluator, whatever the order, the repetition and the cut of the records."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from grouper import CaseGroup, Record, Scheme, UserError, group_case, load_scheme
from grouper.drg.batch import ANSWER_COLUMNS, Grouper
from grouper.drg.compile import compile_scheme
from grouper.frames import group_arrow
from tests.generated_records import generator, records
from tests.grouper.scheme.small import replaced, write_pack

SCHEMES = ("chs-drg-1.1", "beijing-drg-2022", "chs-drg-2.0", "chs-drg-3.0")
ROOT = Path(__file__).parents[2]
PARTS = 8


def by_kernel(scheme: Scheme, table: pa.Table) -> list[tuple[str | None, ...]]:
    answers = group_arrow(table, Grouper(compile_scheme(scheme)))
    return list(zip(*(answers[name].to_pylist() for name in ANSWER_COLUMNS), strict=True))


def differences(scheme: Scheme, table: pa.Table) -> list[tuple[object, ...]]:
    """Return the records for which the two differ, with both answers."""
    answers = by_kernel(scheme, table)
    assert len(answers) == table.num_rows
    return [
        (record, wanted, given)
        for record, given in zip(records(table), answers, strict=True)
        if (wanted := group_case(scheme, record)) != CaseGroup(*given)  # type: ignore[arg-type]
    ]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_kernel_equals_reference_on_twenty_thousand_records(scheme: str) -> None:
    loaded = load_scheme(scheme)
    assert differences(loaded, generator(loaded).table(20_000, seed=20)) == []


@pytest.mark.heavy
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("scheme", SCHEMES)
def test_kernel_equals_reference_on_a_million_records(scheme: str, part: int) -> None:
    loaded = load_scheme(scheme)
    for seed in range(5):
        assert differences(loaded, generator(loaded).table(1_000_000 // PARTS // 5, seed=1000 + 5 * part + seed)) == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_generated_records_are_as_odd_as_they_should_be(scheme: str) -> None:
    """The comparison is worth something only if every status, most groups and every oddity are among the records."""
    loaded = load_scheme(scheme)
    table = generator(loaded).table(20_000, seed=20)
    found = list(records(table))
    lists = [record.diagnoses for record in found]
    codes = {code for record in found for code in (*(record.diagnoses or ()), *(record.procedures or ()))}
    assert None in lists
    assert [] in lists
    assert max(len(codes or ()) for codes in lists) == 200
    assert {None, "", " ", "\u3000", "不详"} < codes
    written = {code for code in codes if code}
    assert any(code != code.strip() for code in written)
    assert any("０" in code for code in written)
    assert {record.sex for record in found} >= {0, 1, 2, 9, None}
    assert {record.age for record in found} >= {0, 1, 6, 7, 69, 70, None}
    assert {record.age_days for record in found} >= {0, 28, 29, 364, 365, 366, None}
    weights = {getattr(record, loaded.head.newborn_weight) for record in found}
    assert weights >= {0, 999, 1000, 1499, 1500, 1999, 2000, 2499, 2500, None}
    assert any(record.age and record.age_days == 0 for record in found)
    answers = by_kernel(loaded, table)
    assert len({answer[3] for answer in answers}) > 0.95 * sum(len(rows) for rows in loaded.drgs.values()) - 24
    assert {answer[4] for answer in answers} == {None, "none", "cc", "mcc"}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_order_of_other_codes_and_repeated_codes_do_not_matter(scheme: str) -> None:
    loaded = load_scheme(scheme)
    table = generator(loaded).table(2_000, seed=31)
    random = np.random.default_rng(5)
    lists: dict[str, list[list[str | None] | None]] = {"diagnoses": [], "procedures": []}
    for record in records(table):
        for name, codes in (("diagnoses", record.diagnoses), ("procedures", record.procedures)):
            given = list(codes) if codes is not None else None
            lists[name].append(shuffled(given, random, first_may_be_blank=name == "diagnoses"))
    changed = table
    for name, shuffles in lists.items():
        at = changed.schema.get_field_index(name)
        changed = changed.set_column(at, name, pa.array(shuffles, pa.list_(pa.string())))
    assert by_kernel(loaded, changed) == by_kernel(loaded, table)


def shuffled(
    codes: list[str | None] | None, random: np.random.Generator, *, first_may_be_blank: bool
) -> list[str | None] | None:
    """Return the codes with the principal one in place, the others in another order and some of them twice."""
    if not codes:
        return codes
    at = 0 if first_may_be_blank else next((at for at, code in enumerate(codes) if code and code.strip()), 0)
    others = codes[at + 1 :]
    others += others[: int(random.integers(len(others) + 1))]
    return [*codes[: at + 1], *(others[at] for at in random.permutation(len(others)))]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_cutting_and_repeating_and_reordering_records_do_not_matter(scheme: str) -> None:
    loaded = load_scheme(scheme)
    table = generator(loaded).table(3_000, seed=47)
    whole = by_kernel(loaded, table)
    assert by_kernel(loaded, table.combine_chunks()) == whole
    for size in (1, 7, 1000):
        cut = pa.Table.from_batches(table.slice(0, 300 if size == 1 else None).to_batches(max_chunksize=size))
        assert by_kernel(loaded, cut) == whole[: cut.num_rows]
    order = np.random.default_rng(3).integers(table.num_rows, size=5_000)
    plain = pa.table({name: pa.array(table[name].to_pylist(), kind(table, name)) for name in table.column_names})
    assert by_kernel(loaded, plain.take(order)) == [whole[at] for at in order]
    assert by_kernel(loaded, table.slice(1_234, 321)) == whole[1_234 : 1_234 + 321]


def kind(table: pa.Table, name: str) -> pa.DataType:
    return pa.list_(pa.string()) if name in {"diagnoses", "procedures"} else table.schema.field(name).type


def test_one_grouper_serves_several_threads() -> None:
    loaded = load_scheme("chs-drg-3.0")
    table = generator(loaded).table(8_000, seed=61)
    whole = group_arrow(table, Grouper(compile_scheme(loaded))).to_pylist()
    grouper = Grouper(compile_scheme(loaded))
    with ThreadPoolExecutor(8) as pool:
        parts = pool.map(lambda at: group_arrow(table.slice(at, 500), grouper).to_pylist(), range(0, 8_000, 500))
    assert [row for part in parts for row in part] == whole


def test_a_rule_too_large_for_the_kernel_is_named(tmp_path: Path) -> None:
    """The person who wrote the rule must learn which one it is."""
    rule = " and ".join(f"(NL={at} or ZYTS={at})" for at in range(20))
    pack = write_pack(tmp_path / "small", adrg=replaced("adrg", "BB1", ("MDCB", "1", "BB1", "开颅", rule)))
    loaded = load_scheme(pack)
    assert group_case(loaded, Record(["G00.000"], [], sex=1)).adrg == "BR1"
    with pytest.raises(UserError) as caught:
        compile_scheme(loaded)
    assert "BB1" in caught.value.text("zh")
    assert "BB1" in caught.value.text("en")


def test_a_limit_that_no_number_reaches_is_a_fault_of_its_row(tmp_path: Path) -> None:
    row = ("MDCB", "1", "BB1", "开颅", "NL>=99999999999")
    with pytest.raises(UserError) as caught:
        compile_scheme(load_scheme(write_pack(tmp_path / "small", adrg=replaced("adrg", "BB1", row))))
    assert "adrg.csv" in caught.value.text("en")


PLAIN_PYTHON = """
import sys
import numba
from grouper import load_scheme
from tests.generated_records import generator
from tests.grouper.test_kernel import differences

assert numba.config.DISABLE_JIT
for scheme in sys.argv[1:]:
    loaded = load_scheme(scheme)
    wrong = differences(loaded, generator(loaded).table(300, seed=77))
    assert wrong == [], wrong[:3]
"""


@pytest.mark.parametrize("scheme", ["beijing-drg-2022", "chs-drg-3.0"])
def test_the_same_code_runs_as_plain_python(scheme: str) -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", PLAIN_PYTHON, scheme],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
