"""One dirty city of two years for all tests of its shape, one clean one for the laws."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from engine.synthetic import Plan, SynthesisRequest, load_city, write_city

CLAIMS = 60_000
DIRTY = 0.05


@dataclass(frozen=True)
class Written:
    """A city on disk."""

    folder: Path

    def table(self, name: str) -> pl.DataFrame:
        """All months of a table, in order."""
        return pl.concat([pl.read_parquet(path) for path in sorted((self.folder / name).glob("*.parquet"))])

    @property
    def claims(self) -> pl.DataFrame:
        """Claims with what the generator knows of them, row by row."""
        return pl.concat([self.table("claims"), self.table("truth").drop("case_id")], how="horizontal")


def mean(values: pl.Series) -> float:
    """Return the mean of numbers, or the share of what is true; missing values are left out."""
    return float(values.drop_nulls().to_numpy().mean())


def write(
    folder: Path, claims: int, *, dirty: float = 0.0, years: tuple[int, int] = (2025, 2026), seed: int = 1
) -> Written:
    plan = Plan(load_city(), seed, claims, *years)
    write_city(SynthesisRequest(plan, folder, dirty, frozenset({"fee_lines", "truth"})))
    return Written(folder)


@pytest.fixture(scope="session")
def dirty_city(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return write(tmp_path_factory.mktemp("dirty") / "city", CLAIMS, dirty=DIRTY)


@pytest.fixture(scope="session")
def clean_city(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return write(tmp_path_factory.mktemp("clean") / "city", CLAIMS)
