"""The same request gives the same bytes, whatever the machine has."""

import hashlib
import os
from pathlib import Path

import polars as pl
import pytest

from engine.synthetic import Plan, SynthesisRequest, load_city, write_city
from engine.synthetic.plan import CHUNK, Chunk
from tests.engine.synthetic.conftest import write


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    first = write(tmp_path / "first", 3000, dirty=0.1)
    again = write(tmp_path / "again", 3000, dirty=0.1)
    assert digests(first.folder) == digests(again.folder)


def test_another_seed_gives_other_claims(tmp_path: Path) -> None:
    one, two = (digests(write(tmp_path / str(seed), 2000, seed=seed).folder) for seed in (1, 2))
    assert one["hospitals.parquet"] == two["hospitals.parquet"]
    assert not {one[name] for name in one if name.startswith("claims")} & {
        two[name] for name in two if name.startswith("claims")
    }


@pytest.mark.parametrize("cores", [1, 7])
def test_the_number_of_cores_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: int) -> None:
    usual = write(tmp_path / "usual", 3000)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert digests(write(tmp_path / "other", 3000).folder) == digests(usual.folder)


def test_extra_tables_do_not_change_the_claims(tmp_path: Path) -> None:
    plan = Plan(load_city(), 1, 2000, 2026, 2026)
    write_city(SynthesisRequest(plan, tmp_path / "bare", dirty=0.1))
    bare, full = (
        digests(tmp_path / "bare"),
        digests(write(tmp_path / "full", 2000, dirty=0.1, years=(2026, 2026)).folder),
    )
    assert {name: full[name] for name in bare if name.startswith("claims")} == {
        name: digest for name, digest in bare.items() if name.startswith("claims")
    }


def test_one_file_holds_the_months_in_order(tmp_path: Path) -> None:
    plan = Plan(load_city(), 1, 2000, 2026, 2026)
    summary = write_city(SynthesisRequest(plan, tmp_path / "one", one_file=True))
    months = write(tmp_path / "months", 2000, years=(2026, 2026))
    assert pl.read_parquet(tmp_path / "one" / "claims" / "claims.parquet").equals(months.table("claims"))
    assert summary["files"]["claims/claims.parquet"] == 2000


def test_a_chunk_does_not_depend_on_the_others() -> None:
    plan = Plan(load_city(), 1, 5 * CHUNK * 12, 2026, 2026)
    month = plan.months[3]
    kinds, persons = plan.kinds_and_persons(Chunk(month, 2))
    fresh = Plan(load_city(), 1, 5 * CHUNK * 12, 2026, 2026)
    again = fresh.kinds_and_persons(Chunk(fresh.months[3], 2))
    assert (kinds == again[0]).all()
    assert (persons == again[1]).all()
