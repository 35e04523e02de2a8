"""The ledger file: made, opened by one writer at a time, changed by batches that are whole or not there at all.

One DuckDB file. Every change is one transaction that ends with a row of ledger_batch; a killed run leaves the last
committed state. The connection is held from the first look to the last write, so two runs never work on the same
months.
"""

import getpass
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import duckdb
import polars as pl

from engine.database import open_database
from engine.outputs.folder import cannot_write, remove_left_behind
from engine.provenance import program_versions
from engine.settlement.contents import content_digest, rows_digests, seal
from engine.settlement.schema import create_tables, create_views, schema
from grouper.fault import CannotWriteError, Text, UserError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BatchKind = Literal["month", "clearing", "undo", "decisions", "deductions", "cash", "states", "prune"]
_NOT_WRITTEN = (duckdb.IOException, duckdb.TransactionException, duckdb.FatalException, duckdb.OutOfMemoryException)
_CORRUPT = "Corrupt database file"
MEMORY = "1GB"
"""What DuckDB may keep in memory; more goes to the ledger's own folder of temporary files."""


@dataclass(frozen=True, slots=True)
class Head:
    """What a batch says about itself; see the columns of ledger_batch."""

    kind: BatchKind
    digest: str
    month: str | None = None
    year: int | None = None
    version: int | None = None
    booked_month: str | None = None
    stage: str | None = None
    reverses: int | None = None
    policy: str | None = None
    scheme: str | None = None
    scheme_override: bool | None = None
    rows_in: int | None = None
    rejected: int | None = None
    accepted: int | None = None
    booked: int | None = None
    held: int | None = None
    merged: int | None = None
    known: int | None = None
    elsewhere: int | None = None
    options: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Ledger:
    """An open ledger."""

    path: Path
    connection: "DuckDBPyConnection"

    def rows(self, query: str, parameters: Mapping[str, object] | None = None) -> pl.DataFrame:
        """Return what a query finds."""
        return pl.DataFrame(self.connection.sql(query, params=dict(parameters or {})).to_arrow_table())

    def next_batch(self) -> int:
        """Return the number of the next batch."""
        return int(self.rows("SELECT coalesce(max(batch), 0) + 1 AS batch FROM ledger_batch").item())

    @contextmanager
    def batch(self, head: Head, by: str | None = None) -> Iterator["Batch"]:
        """Yield a batch to write rows into; it is committed when the block ends well, and never was otherwise."""
        try:
            self.connection.execute("BEGIN")
            try:
                batch = Batch(self.connection, self.next_batch())
                yield batch
                batch.close(head, by or getpass.getuser())
                self.connection.execute("COMMIT")
            except BaseException:
                with suppress(duckdb.Error):  # a commit that failed has ended the transaction itself
                    self.connection.execute("ROLLBACK")
                raise
        except (*_NOT_WRITTEN, OSError) as error:
            raise cannot_write(self.path, error) from error


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch that is being written."""

    connection: "DuckDBPyConnection"
    number: int
    written: set[str] = field(default_factory=set)

    def write(self, table: str, rows: pl.DataFrame) -> None:
        """Append rows to a table under this batch; columns go by name, those that are absent stay empty."""
        if rows.height:
            self.written.add(table)
            self.connection.register("batch_rows", rows.to_arrow())
            self.connection.execute(
                f"INSERT INTO {table} BY NAME SELECT {self.number}::BIGINT AS batch, * FROM batch_rows"  # noqa: S608
            )
            self.connection.unregister("batch_rows")

    def close(self, head: Head, by: str) -> None:
        """Write the batch's own row, with the digest of everything written before."""
        row = asdict(head) | {
            "batch": self.number,
            "content": content_digest(self._digests()),
            "program": json.dumps(program_versions()),
            "made_at": datetime.now(UTC).replace(tzinfo=None),
            "made_by": by,
        }
        row["seal"] = seal(row, self._seal_before())
        names = ", ".join(row)
        marks = ", ".join(f"${name}" for name in row)
        self.connection.execute(f"INSERT INTO ledger_batch ({names}) VALUES ({marks})", row)  # noqa: S608

    def _digests(self) -> dict[str, str]:
        """Return the digest of this batch's rows in every table it wrote into."""
        return {table: rows_digests(self.connection, table, self.number)[self.number] for table in self.written}

    def _seal_before(self) -> str:
        """Return the seal of the batch before this one."""
        found = self.connection.execute("SELECT seal FROM ledger_batch ORDER BY batch DESC LIMIT 1").fetchall()
        return str(found[0][0]) if found else ""


@contextmanager
def open_ledger(path: Path, *, create: bool = False, memory: str = MEMORY) -> Iterator[Ledger]:
    """Open a ledger for writing; `create` makes it where there is none. `memory`: what the database may keep in it.

    Raises UserError where another process has it open, where it is no ledger, or of another version.
    """
    with _private_files():
        if create and not path.exists():
            _make(path)
        with _opened(path, read_only=False) as ledger:
            try:
                ledger.connection.execute(f"SET memory_limit = '{memory}'")
                create_views(ledger.connection)
            except _NOT_WRITTEN as error:
                raise cannot_write(path, error) from error
            yield ledger


@contextmanager
def _private_files() -> Iterator[None]:
    """Have new files readable by their owner only: DuckDB writes a log and temporary files beside the ledger."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def read_ledger(path: Path) -> Iterator[Ledger]:
    """Open a ledger to look at it. Raises UserError as `open_ledger` does."""
    with _opened(path, read_only=True) as ledger:
        yield ledger


def _make(path: Path) -> None:
    """Make an empty ledger beside and link it into place: none is ever half made, and none that is there replaced."""
    fresh = path.with_name(f".{path.name}.new-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_left_behind(path)
        with open_database(fresh) as connection:
            connection.execute("CREATE TABLE ledger_version (version INTEGER NOT NULL)")
            connection.execute("INSERT INTO ledger_version VALUES (?)", [schema().version])
            create_tables(connection)
            create_views(connection)
            connection.execute("CHECKPOINT")  # closing would, too, but says nothing of a full disk
        _log_of(path).unlink(missing_ok=True)  # what a ledger that is gone has left is no log of this one
        with suppress(FileExistsError):
            path.hardlink_to(fresh)
    except (OSError, *_NOT_WRITTEN) as error:
        raise cannot_write(path, error) from error
    finally:
        fresh.unlink(missing_ok=True)
        _log_of(fresh).unlink(missing_ok=True)


def _log_of(path: Path) -> Path:
    """Return the file beside a database that holds what was committed since it was last tidied up."""
    return path.with_name(f"{path.name}.wal")


@contextmanager
def _opened(path: Path, *, read_only: bool) -> Iterator[Ledger]:
    with any_version(path, read_only=read_only) as ledger:
        _check_version(path, ledger.connection)
        yield ledger


@contextmanager
def any_version(path: Path, *, read_only: bool = False) -> Iterator[Ledger]:
    """Open a ledger of any version.

    Raises UserError where another process has it open, where it is no DuckDB file, and as soon as something is read
    that is damaged.
    """
    if not path.is_file():
        raise UserError(Text(f"{path}：没有这个账本", f"{path}: there is no such ledger"))
    try:
        connection = open_database(path, read_only=read_only)
    except duckdb.Error as error:
        raise _refused(path, error) from error
    try:
        yield Ledger(path, connection)
    except duckdb.Error as error:
        if _CORRUPT in str(error):
            raise _refused(path, error) from error
        raise
    finally:
        connection.close()


def _refused(path: Path, error: duckdb.Error) -> UserError:
    """Return what to tell the user of a file that DuckDB does not open."""
    if _CORRUPT in str(error):
        zh, en = "文件已损坏，请用备份恢复", "is damaged: restore it from a backup"
        return UserError(Text(f"{path}：{zh}：{error}", f"{path} {en}: {error}"))
    if "set lock" in str(error):
        return UserError(
            Text(
                f"{path}：另一个进程正在使用该账本；请等它结束后再运行",
                f"{path}: another process has this ledger open; run again when it has ended",
            )
        )
    if "permission denied" in str(error).lower():
        return CannotWriteError(Text(f"{path}：没有权限打开", f"{path}: no permission to open it"))
    return UserError(Text(f"{path}：不是账本文件：{error}", f"{path} is no ledger: {error}"))


def _check_version(path: Path, connection: "DuckDBPyConnection") -> None:
    """Refuse a database that is no ledger, and ledgers of other versions."""
    own, found = schema().version, ledger_version(connection)
    if found is None:
        raise UserError(
            Text(f"{path}：是 DuckDB 文件，但不是 drgdip 账本", f"{path} is a DuckDB file but no ledger of drgdip")
        )
    if found > own:
        raise UserError(
            Text(
                f"{path}：由更新版本的 drgdip 写成（账本版本 {found}，本程序 {own}）；请升级程序",
                f"{path} was made by a newer drgdip (ledger version {found}, here {own}): use that program",
            )
        )
    if found < own:
        raise UserError(
            Text(
                f"{path}：账本版本 {found} 较旧；请运行 drgdip ledger upgrade --ledger {path}",
                f"{path} has the older ledger version {found}: run drgdip ledger upgrade --ledger {path}",
            )
        )


def ledger_version(connection: "DuckDBPyConnection") -> int | None:
    """Return the version of a ledger, None for any other database."""
    try:
        return int(connection.execute("SELECT version FROM ledger_version").fetchall()[0][0])
    except (duckdb.CatalogException, IndexError):
        return None
