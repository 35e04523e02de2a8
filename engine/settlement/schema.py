"""The tables and views of a ledger, from ledger.toml and views.toml, made with comments in both languages."""

import hashlib
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_HERE = files("engine.settlement")
MADE = ("batch", "digest", "content", "program", "made_at", "made_by", "options", "seal")
"""Columns of ledger_batch that differ between equal runs, or are derived; no content digest covers them."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: SQL type, meaning, and the version of the ledger that brought it."""

    type: str
    zh: str
    en: str
    since: int = 1


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or view: meaning and columns.

    Of a view also its query, which of its columns are amounts that it turns from fen into yuan, and the tables and
    views whose columns say what its own mean where `columns` does not.
    """

    name: str
    zh: str
    en: str
    columns: Mapping[str, Column]
    query: str = ""
    amounts: tuple[str, ...] = ()
    like: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Schema:
    """Everything a ledger of this program's version consists of."""

    version: int
    tables: Mapping[str, Relation]
    views: Mapping[str, Relation]


@cache
def schema() -> Schema:
    """Return the tables and views of this program's ledgers, views in the order they are made."""
    found = tomllib.loads(_text("ledger.toml"))
    tables = {name: _table(name, given) for name, given in found["tables"].items()}
    views = {name: _view(name, given) for name, given in tomllib.loads(_text("views.toml"))["views"].items()}
    return Schema(found["version"], tables, views)


def _text(file: str) -> str:
    return (_HERE / file).read_text(encoding="utf-8")


def _table(name: str, given: Mapping[str, dict[str, list[Any]]]) -> Relation:
    columns = {column: Column(*cells) for column, cells in given["columns"].items()}
    return Relation(name, str(given["zh"]), str(given["en"]), columns)


def _view(name: str, given: Mapping[str, Any]) -> Relation:
    columns = {column: Column("", *cells) for column, cells in given.get("columns", {}).items()}
    amounts, like = tuple(given.get("amounts", ())), tuple(given.get("like", ()))
    return Relation(name, given["zh"], given["en"], columns, given["query"], amounts, like)


def create_tables(connection: "DuckDBPyConnection") -> None:
    """Make the tables of an empty ledger, in one transaction."""
    connection.execute("BEGIN")
    for table in schema().tables.values():
        columns = ", ".join(f'"{name}" {column.type}' for name, column in table.columns.items())
        connection.execute(f"CREATE TABLE {table.name} ({columns})")
        comment(connection, "TABLE", table)
    connection.execute("COMMIT")


def create_views(connection: "DuckDBPyConnection") -> None:
    """Make the views anew where they are not those of this program, in one transaction: they hold nothing.

    The comment of ledger_version tells which they are.
    """
    own = hashlib.sha256((_text("ledger.toml") + _text("views.toml")).encode()).hexdigest()
    if connection.execute("FROM duckdb_tables() WHERE table_name = 'ledger_version' AND comment = ?", [own]).fetchall():
        return
    connection.execute("BEGIN")
    for view in schema().views.values():
        _create_view(connection, view)
    connection.execute(f"COMMENT ON TABLE ledger_version IS '{own}'")
    connection.execute("COMMIT")


def _create_view(connection: "DuckDBPyConnection", view: Relation) -> None:
    yuan = ", ".join(f'("{name}"::BIGINT * 0.01)::DECIMAL(18,2) AS "{name}"' for name in view.amounts)
    query = f"SELECT * REPLACE ({yuan}) FROM ({view.query})" if yuan else view.query  # noqa: S608
    connection.execute(f"CREATE OR REPLACE VIEW {view.name} AS {query}")
    names = [str(row[0]) for row in connection.execute(f"DESCRIBE {view.name}").fetchall()]
    comment(connection, "VIEW", replace(view, columns={name: meaning(view, name) for name in names}))


def meaning(relation: Relation, column: str) -> Column:
    """Return what a column means: as the relation says, or as the first of those it is like that has it."""
    if column in relation.columns:
        return relation.columns[column]
    everything = {**schema().tables, **schema().views}
    for name in relation.like:
        with suppress(KeyError):
            found = meaning(everything[name], column)
            if column in relation.amounts:
                return replace(found, zh=found.zh.replace("（分", "（元"), en=found.en.replace("(fen", "(yuan"))
            return found
    raise KeyError(f"{relation.name}.{column}")


def comment(connection: "DuckDBPyConnection", kind: str, relation: Relation) -> None:
    """Say in the database what a table or view and its columns mean."""
    connection.execute(f"COMMENT ON {kind} {relation.name} IS {_quoted(relation.zh, relation.en)}")
    for name, column in relation.columns.items():
        connection.execute(f'COMMENT ON COLUMN {relation.name}."{name}" IS {_quoted(column.zh, column.en)}')


def _quoted(zh: str, en: str) -> str:
    text = f"{zh} / {en}".replace("'", "''")
    return f"'{text}'"
