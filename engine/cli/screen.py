"""What commands print: JSON for scripts, tables for people. Text from data is printed as it stands, never as markup."""

import json
import sys
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Console

_WIDTH = 200
"""Columns where the screen is not a terminal: a table that goes to a file is not folded."""


def console() -> "Console":
    """Return the screen that tables are printed on."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else _WIDTH
    return Console(width=width, markup=False, emoji=False, highlight=False)


def print_json(data: object) -> None:
    """Print a result as JSON."""
    typer.echo(json.dumps(data, ensure_ascii=False, indent=2))
