"""The tables and views of a ledger, from ledger.toml and views.toml, made with comments in both languages."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_HERE = files("engine.settlement")
MADE = ("batch", "digest", "content", "program", "made_at", "made_by", "options", "seal")
"""Columns of ledger_batch that differ between equal runs, or are derived; no content digest covers them."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: SQL type and meaning."""

    type: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or view: meaning and columns; of a view also its query."""

    name: str
    zh: str
    en: str
    columns: Mapping[str, Column]
    query: str = ""


@dataclass(frozen=True, slots=True)
class Schema:
    """Everything a ledger of this program's version consists of."""

    version: int
    tables: Mapping[str, Relation]
    views: Mapping[str, Relation]


@cache
def schema() -> Schema:
    """Return the tables and views of this program's ledgers, views in the order they are made."""
    found = tomllib.loads((_HERE / "ledger.toml").read_text(encoding="utf-8"))
    tables = {name: _table(name, given) for name, given in found["tables"].items()}
    text = (_HERE / "views.toml").read_text(encoding="utf-8")
    views = {name: _view(name, given) for name, given in tomllib.loads(text)["views"].items()}
    return Schema(found["version"], tables, views)


def _table(name: str, given: Mapping[str, dict[str, list[str]]]) -> Relation:
    columns = {column: Column(*cells) for column, cells in given["columns"].items()}
    return Relation(name, str(given["zh"]), str(given["en"]), columns)


def _view(name: str, given: Mapping[str, dict[str, list[str]]]) -> Relation:
    columns = {column: Column("", *cells) for column, cells in given["columns"].items()}
    return Relation(name, str(given["zh"]), str(given["en"]), columns, str(given["query"]))


def create_tables(connection: "DuckDBPyConnection") -> None:
    """Make the tables of an empty ledger."""
    for table in schema().tables.values():
        columns = ", ".join(f'"{name}" {column.type}' for name, column in table.columns.items())
        connection.execute(f"CREATE TABLE {table.name} ({columns})")
        comment(connection, "TABLE", table)


def create_views(connection: "DuckDBPyConnection") -> None:
    """Make the views anew: they hold nothing, so a newer program may always replace them."""
    for view in schema().views.values():
        connection.execute(f"CREATE OR REPLACE VIEW {view.name} AS {view.query}")
        comment(connection, "VIEW", view)


def comment(connection: "DuckDBPyConnection", kind: str, relation: Relation) -> None:
    """Say in the database what a table or view and its columns mean."""
    connection.execute(f"COMMENT ON {kind} {relation.name} IS {_quoted(relation.zh, relation.en)}")
    for name, column in relation.columns.items():
        connection.execute(f'COMMENT ON COLUMN {relation.name}."{name}" IS {_quoted(column.zh, column.en)}')


def _quoted(zh: str, en: str) -> str:
    text = f"{zh} / {en}".replace("'", "''")
    return f"'{text}'"
