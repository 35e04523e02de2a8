"""drgdip sql: a query with drgdip's functions at hand."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.options import Json, Lang

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

WIDEST = 10_000
"""Characters of a line where no terminal sets its width."""


def sql(
    query: Annotated[str, typer.Argument(help="SQL; files are read by name: FROM 'claims.parquet'.")],
    ledger: Annotated[Path | None, typer.Option(help="A ledger to query, read-only; see docs/dictionary.md.")] = None,
    database: Annotated[Path | None, typer.Option("--database", help="A DuckDB file to query, read-only.")] = None,
    lang: Lang = "",
    as_json: Json = False,
) -> None:
    """Run a DuckDB query that may call drg(scheme, diagnoses, procedures, sex, age, age_days := …, …)."""
    import duckdb

    from grouper.fault import Text, UserError

    try:
        with _opened(ledger, database) as connection:
            answer = connection.sql(query)
            if answer is None:
                return
            if as_json:
                typer.echo(answer.pl().write_json())
            else:
                answer.show(max_rows=200, max_width=None if sys.stdout.isatty() else WIDEST)
    except duckdb.Error as error:
        raise UserError(Text(f"查询失败：{error}", f"the query failed: {error}")) from error


@contextmanager
def _opened(ledger: Path | None, database: Path | None) -> Iterator["DuckDBPyConnection"]:
    """Yield the database to query, a fresh one where none is named. Raises UserError for files that do not open."""
    from engine.settlement.ledger import read_ledger
    from engine.sql import add_functions, connect
    from grouper.fault import Text, UserError

    if ledger is not None and database is not None:
        raise UserError(Text("--ledger 与 --database 只能给一个", "give either --ledger or --database"))
    if ledger is not None:
        with read_ledger(ledger) as found:
            add_functions(found.connection)
            yield found.connection
        return
    if database is not None and not database.is_file():
        raise UserError(Text(f"{database}：文件不存在", f"{database}: no such file"))
    with connect(database or ":memory:", read_only=database is not None) as connection:
        yield connection
