"""Upgrade: a ledger of an older version brought to this program's, after a copy of the file was set aside."""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from engine.outputs.folder import cannot_write
from engine.settlement.ledger import any_version, ledger_version
from engine.settlement.schema import comment, create_views, schema
from grouper.fault import Text, UserError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class Upgraded(NamedTuple):
    """From which version to which, and where the copy is; None where the ledger was of this version already."""

    before: int
    now: int
    backup: Path | None


def upgrade(path: Path) -> Upgraded:
    """Bring a ledger to this program's version: new tables, and new columns that are empty in older rows.

    The file is copied to `city.duckdb.v1.bak` first; digests stay what they were. Raises UserError for ledgers of a
    newer program and where the copy exists already, CannotWriteError where it cannot be made.
    """
    own = schema().version
    with any_version(path) as ledger:
        found = ledger_version(ledger.connection)
        if found is None:
            raise UserError(Text(f"{path}：不是 drgdip 账本", f"{path} is no ledger of drgdip"))
        if found > own:
            zh, en = "由更新版本的 drgdip 写成", "was made by a newer drgdip"
            raise UserError(
                Text(f"{path}：{zh}（{found} > {own}）", f"{path} {en} ({found} > {own}): use that program")
            )
        if found == own:
            return Upgraded(found, own, None)
        ledger.connection.execute("CHECKPOINT")
        backup = _copy(path, path.with_name(f"{path.name}.v{found}.bak"))
        _bring_up(ledger.connection, own)
    return Upgraded(found, own, backup)


def _copy(path: Path, backup: Path) -> Path:
    """Copy the file, whole or not at all."""
    if backup.exists():
        zh, en = f"{backup} 已存在，请先移走", f"{backup} exists already: move it away first"
        raise UserError(Text(zh, en))
    fresh = backup.with_name(f".{backup.name}.new-{os.getpid()}")
    try:
        shutil.copyfile(path, fresh)
        fresh.chmod(0o600)
        with fresh.open("rb") as file:
            os.fsync(file.fileno())
        fresh.rename(backup)
    except OSError as error:
        raise cannot_write(backup, error) from error
    finally:
        fresh.unlink(missing_ok=True)
    return backup


def _bring_up(connection: "DuckDBPyConnection", version: int) -> None:
    """Add what this program's ledgers have and this one has not, in one transaction."""
    rows = connection.execute("SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal").fetchall()
    there: dict[str, set[str]] = {}
    for table, column in rows:
        there.setdefault(table, set()).add(column)
    connection.execute("BEGIN")
    for table, relation in schema().tables.items():
        if table not in there:
            columns = ", ".join(f'"{name}" {column.type}' for name, column in relation.columns.items())
            connection.execute(f"CREATE TABLE {table} ({columns})")
        else:
            for name, column in relation.columns.items():
                if name not in there[table]:
                    kind = column.type.removesuffix(" NOT NULL")
                    connection.execute(f'ALTER TABLE {table} ADD COLUMN "{name}" {kind}')
        comment(connection, "TABLE", relation)
    connection.execute("UPDATE ledger_version SET version = ?", [version])
    connection.execute("COMMIT")
    create_views(connection)
