"""A small dirty city, written once."""

from pathlib import Path

import pytest

from engine.synthetic import Plan, SynthesisRequest, load_city, write_city

CLAIMS = 12_000


@pytest.fixture(scope="session")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of claims, one file a month of 2026."""
    folder = tmp_path_factory.mktemp("grouping") / "city"
    write_city(SynthesisRequest(Plan(load_city(), 3, CLAIMS, 2026, 2026), folder, dirty=0.05))
    return folder / "claims"
