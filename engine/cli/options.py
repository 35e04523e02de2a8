"""Options that several commands share, and the language of messages."""

import os
from contextvars import ContextVar
from typing import Annotated

import typer

from grouper.fault import Text, UserError

_language: ContextVar[str] = ContextVar("language")


def language() -> str:
    """Return the language of messages: --lang, else DRGDIP_LANG, else zh where the locale is Chinese, else en."""
    return _language.get(default_lang())


def default_lang() -> str:
    """Return the language where no option names one."""
    wanted = os.environ.get("DRGDIP_LANG")
    if wanted in {"zh", "en"}:
        return wanted
    locale = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "zh" if locale.startswith("zh") else "en"


def _choose_language(value: str) -> str:
    chosen = value or default_lang()
    if chosen not in {"zh", "en"}:
        raise UserError(Text(f"--lang {value}：应为 zh 或 en", f"--lang {value}: must be zh or en"))
    _language.set(chosen)
    return chosen


Lang = Annotated[
    str,
    typer.Option("--lang", help="Language of messages, zh or en.", callback=_choose_language, show_default="locale"),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for scripts.")]


def say(zh: str, en: str) -> None:
    """Print a line to the screen in the language of messages."""
    typer.echo(zh if language() == "zh" else en)
