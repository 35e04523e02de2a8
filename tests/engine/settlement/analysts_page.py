"""The questions of docs/analysts.md with their answers, as `drgdip sql` prints them.

`python -m tests.engine.settlement.analysts_page demo/city.duckdb` writes the answers of a ledger into the page.
"""

import re
import sys
from pathlib import Path
from typing import NamedTuple

from typer.testing import CliRunner

from engine.cli.app import app

PAGE = Path(__file__).parents[3] / "docs" / "analysts.md"
QUESTION = re.compile(r"^## (\d+) .*?^```sql\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)


class Question(NamedTuple):
    """A question: its number, its SQL, and the answer in the page."""

    number: int
    sql: str
    answer: str

    @property
    def columns(self) -> list[str]:
        """Return the columns that the page shows."""
        return [cell.strip() for cell in self.answer.splitlines()[1].strip("│").split("│")]


def questions() -> list[Question]:
    """Return the questions of the page."""
    return [Question(int(n), sql, answer) for n, sql, answer in QUESTION.findall(PAGE.read_text(encoding="utf-8"))]


def asked(ledger: Path, sql: str) -> str:
    """Return what `drgdip sql` prints."""
    found = CliRunner().invoke(app, ["sql", "--ledger", str(ledger), sql])
    if found.exception is not None:
        raise found.exception
    return "\n".join(line.rstrip() for line in found.stdout.strip().splitlines()) + "\n"


def fill(ledger: Path) -> None:
    """Write the answers of a ledger into the page."""

    def answered(match: re.Match[str]) -> str:
        question = match[0].split("\n```text\n")[0].rstrip()
        return f"{question}\n\n```text\n{asked(ledger, match[2])}```\n"

    PAGE.write_text(QUESTION.sub(answered, PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    fill(Path(sys.argv[1]))
