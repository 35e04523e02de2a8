"""Upgrade: an older ledger gets what it lacks after a copy was set aside; its digests stay what they were."""

import stat
from pathlib import Path

import duckdb
import pytest

from engine.settlement.ledger import open_ledger, read_ledger
from engine.settlement.upgrade import upgrade
from engine.settlement.verify import verify
from grouper.fault import UserError
from tests.engine.settlement.conftest import Run


def made_older(path: Path) -> None:
    """Take from a ledger what a later program would have brought: a table, a column, the version."""
    with duckdb.connect(str(path)) as connection:
        for (view,) in connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall():
            connection.execute(f"DROP VIEW {view}")
        connection.execute("DROP TABLE ledger_pruned")
        connection.execute("ALTER TABLE ledger_booking DROP COLUMN year")
        connection.execute("UPDATE ledger_version SET version = 0")
        connection.execute("COMMENT ON TABLE ledger_version IS 'views of an older program'")


def test_an_older_ledger_is_copied_and_brought_up(city: Path, run: Run) -> None:
    path = city / "city.duckdb"
    made_older(path)
    said = run("ledger", "list", "--ledger", path, "--lang", "en", code=2)
    assert f"{path} has the older ledger version 0: run drgdip ledger upgrade --ledger {path}" in said
    said = run("ledger", "upgrade", "--ledger", path, "--lang", "en")
    backup = city / "city.duckdb.v0.bak"
    assert said == f"the ledger went from version 0 to 1; the old file is {backup}\n"
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    with duckdb.connect(str(backup), read_only=True) as connection:
        assert connection.execute("SELECT version FROM ledger_version").fetchall() == [(0,)]
        assert connection.execute("SELECT count(*) FROM ledger_case").fetchall() == [(4,)]
    with read_ledger(path) as ledger:
        assert all(not check.failed for check in verify(ledger))
        assert ledger.rows("SELECT count(*) AS n FROM hospital_months").item() == 3
    assert "nothing was changed" in run("ledger", "upgrade", "--ledger", path, "--lang", "en")


def test_what_cannot_be_upgraded(city: Path, tmp_path: Path) -> None:
    path = city / "city.duckdb"
    made_older(path)
    backup = city / "city.duckdb.v0.bak"
    backup.touch()
    with pytest.raises(UserError, match="exists already: move it away first"):
        upgrade(path)
    with pytest.raises(UserError, match="older ledger version 0"), read_ledger(path):
        pass
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE ledger_version SET version = 99")
    with pytest.raises(UserError, match=r"was made by a newer drgdip \(99 > 1\)"):
        upgrade(path)
    with pytest.raises(UserError, match="was made by a newer drgdip"), open_ledger(path):
        pass
    other = tmp_path / "other.duckdb"
    with duckdb.connect(str(other)) as connection:
        connection.execute("CREATE TABLE t (a INTEGER)")
    with pytest.raises(UserError, match="is no ledger of drgdip"):
        upgrade(other)
    with pytest.raises(UserError, match="there is no such ledger"):
        upgrade(tmp_path / "none.duckdb")
