"""DuckDB connections that print nothing of their own."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def open_database(database: str | Path = ":memory:", *, read_only: bool = False) -> "DuckDBPyConnection":
    """Open a DuckDB database.

    Its progress bar would write into the results on standard output, and a name without a table would be looked for
    among the variables of the program.
    """
    import duckdb

    connection = duckdb.connect(str(database), read_only=read_only)
    connection.execute("SET enable_progress_bar = false")
    connection.execute("SET python_enable_replacements = false")
    return connection
