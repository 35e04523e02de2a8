"""drgdip sql: a query with drgdip's functions at hand."""

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import Json, Lang


def sql(
    query: Annotated[str, typer.Argument(help="SQL; files are read by name: FROM 'claims.parquet'.")],
    database: Annotated[Path | None, typer.Option("--database", help="A DuckDB file to query, read-only.")] = None,
    lang: Lang = "",
    as_json: Json = False,
) -> None:
    """Run a DuckDB query that may call drg(scheme, diagnoses, procedures, sex, age, age_days := …, …)."""
    import duckdb

    from engine.sql import connect
    from grouper.fault import Text, UserError

    if database is not None and not database.is_file():
        raise UserError(Text(f"{database}：文件不存在", f"{database}: no such file"))
    try:
        with connect(database or ":memory:", read_only=database is not None) as connection:
            answer = connection.sql(query)
            if answer is None:
                return
            if as_json:
                typer.echo(answer.pl().write_json())
            else:
                answer.show(max_rows=200)
    except duckdb.Error as error:
        raise UserError(Text(f"查询失败：{error}", f"the query failed: {error}")) from error
