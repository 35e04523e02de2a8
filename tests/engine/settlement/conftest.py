"""A city settled once, copied for every test that changes its ledger; and the command line."""

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.cli import main
from engine.settlement.ledger import Ledger, open_ledger
from tests.engine.settlement.priced_ledger import city_ledger

Run = Callable[..., str]


@pytest.fixture(scope="session")
def settled_city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the two-hospital city with the ledger of October and November."""
    folder = tmp_path_factory.mktemp("settled") / "city"
    city_ledger(folder)
    return folder


@pytest.fixture
def city(settled_city: Path, tmp_path: Path) -> Path:
    """A copy of the settled city."""
    return Path(shutil.copytree(settled_city, tmp_path / "city"))


@pytest.fixture
def ledger(city: Path) -> Iterator[Ledger]:
    """The ledger of the settled city, open for writing."""
    with open_ledger(city / "city.duckdb") as found:
        yield found


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in this process and return what it printed; `code`: the exit code that is expected."""

    def command(*arguments: object, code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["drgdip", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        printed = capsys.readouterr()
        assert (stop.value.code or 0) == code, printed.out + printed.err
        return printed.out + printed.err

    return command
