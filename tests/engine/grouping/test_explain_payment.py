"""drgdip explain with a policy: the steps end in what drgdip price paid for the same case."""

from pathlib import Path

import polars as pl
import pytest

from tests.engine.grouping.test_command import drgdip


@pytest.fixture(scope="module")
def priced(city: Path, tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """March of the dirty city, priced under the policy of the synthetic city."""
    folder = tmp_path_factory.mktemp("priced")
    assert drgdip("group", city, "--scheme", "chs-drg-2.0", "--out", folder / "grouped").returncode == 0
    ran = drgdip(
        "price", folder / "grouped", "--claims", city, "--policy", "synthetic-city", "--month", "2026-03",
        "--out", folder / "priced",
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return pl.read_parquet(folder / "priced" / "priced.parquet")


@pytest.mark.parametrize("case_class", ["normal", "low", "high"])
def test_steps_end_in_what_was_paid(city: Path, priced: pl.DataFrame, case_class: str) -> None:
    case = priced.filter((pl.col("class") == case_class) & (pl.col("sign") > 0) & (pl.col("funding") != "elsewhere"))
    case_id, standard = case.select("case_id", "standard").row(0)
    ran = drgdip("explain", city, "--case", case_id, "--policy", "synthetic-city", lang="zh")
    assert ran.returncode == 0, ran.stderr
    payment = ran.stdout[ran.stdout.index("支付（模拟城市") :]
    assert f"→ {standard / 100:.2f}" in next(line for line in payment.splitlines() if "支付标准" in line)
    assert "盈亏平衡费用" in payment
    assert "case_class" in payment or case_class == "normal"


def test_refunds_point_to_their_original(city: Path, priced: pl.DataFrame) -> None:
    refunds = priced.filter(pl.col("original_case_id").is_not_null()).select("case_id", "original_case_id")
    case_id, original = refunds.row(0)
    ran = drgdip("explain", city, "--case", case_id, "--policy", "synthetic-city")
    assert ran.returncode == 2
    assert (
        ran.stderr == f"{case_id} is the refund of {original} and takes back what that was paid; explain {original}\n"
    )


def test_a_policy_needs_claims() -> None:
    ran = drgdip("explain", "--dx", "I10.x00x002", "--policy", "synthetic-city")
    assert ran.returncode == 2
    assert ran.stderr == "--policy needs INPUT and --case\n"


def test_an_earlier_month_that_is_not_there_is_named(city: Path, priced: pl.DataFrame, tmp_path: Path) -> None:
    groups = priced.select("case_id", status=pl.lit("grouped"), adrg=pl.col("parent"), drg=pl.col("group"))
    groups.write_parquet(tmp_path / "grouped.parquet")
    ran = drgdip(
        "price", tmp_path, "--claims", city, "--policy", "synthetic-city", "--month", "2026-03",
        "--earlier", tmp_path / "nowhere", "--out", tmp_path / "priced",
    )  # fmt: skip
    assert ran.returncode == 2
    assert ran.stderr == f"{tmp_path / 'nowhere'} is no result of drgdip price\n"
    assert not (tmp_path / "priced").exists()
