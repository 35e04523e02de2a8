"""Options that several commands share."""

import os
from typing import Annotated

import typer

Lang = Annotated[
    str,
    typer.Option("--lang", help="Language of messages: zh or en.", envvar="DRGDIP_LANG", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for scripts.")]


def default_lang() -> str:
    """Return zh where the locale is Chinese, otherwise en."""
    locale = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "zh" if locale.startswith("zh") else "en"
