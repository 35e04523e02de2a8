"""drgdip synth: what it writes and what it refuses."""

import json
from pathlib import Path

import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from engine.cli.synth import synth
from grouper.fault import UserError


def run(*options: str) -> str:
    app = typer.Typer()
    app.command()(synth)
    result = CliRunner().invoke(app, [*options, "--lang", "en"])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("claims", [1, 40, 1000])
def test_small_cities(tmp_path: Path, claims: int) -> None:
    said = run("--claims", str(claims), "--out", str(tmp_path / "city"))
    assert f"made {claims:,} claims of 2024-2026, seed 1" in said
    files = sorted((tmp_path / "city" / "claims").glob("*.parquet"))
    assert [path.stem for path in files][:2] == ["2024-01", "2024-02"]
    assert len(files) == 36
    assert sum(len(pl.read_parquet(path)) for path in files) == claims


def test_json_is_the_summary(tmp_path: Path) -> None:
    said = run(
        "--claims", "50", "--out", str(tmp_path / "city"), "--years", "2026", "--with", "truth,fee_lines", "--json"
    )
    summary = json.loads(said)
    assert summary == json.loads((tmp_path / "city" / "summary.json").read_text(encoding="utf-8"))
    assert (summary["claims"], summary["seed"], summary["years"]) == (50, 1, [2026, 2026])
    assert summary["files"]["hospitals.parquet"] == 6 + 25 + 60 + 6
    assert {"truth/2026-01.parquet", "fee_lines/2026-12.parquet"} <= set(summary["files"])


def test_a_city_replaces_a_city(tmp_path: Path) -> None:
    run("--claims", "50", "--out", str(tmp_path / "city"), "--years", "2024-2026")
    run("--claims", "50", "--out", str(tmp_path / "city"), "--years", "2026", "--one-file")
    assert [path.name for path in (tmp_path / "city" / "claims").iterdir()] == ["claims.parquet"]


def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="was not written by drgdip"):
        run("--claims", "50", "--out", str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_every_wrong_option_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        run(
            "--claims",
            "0",
            "--seed",
            "-1",
            "--dirty",
            "1.5",
            "--years",
            "2026-2024",
            "--with",
            "purchases",
            "--out",
            str(tmp_path),
        )
    for option in ("--claims 0", "--seed -1", "--dirty 1.5", "--years 2026-2024", "--with purchases"):
        assert option in error.value.text("en")
        assert option in error.value.text("zh")


@pytest.mark.parametrize(
    "years", ["26", "2024-", "next", "2000-2030", "1999", "2026-12..2026-10", "2026-10..2026-13", "2026-10-2026-12"]
)
def test_years_are_years(tmp_path: Path, years: str) -> None:
    with pytest.raises(UserError, match="must be years"):
        run("--claims", "10", "--years", years, "--out", str(tmp_path / "city"))
