"""docs/analysts.md: its ten questions run on any ledger, and on that of `make demo` give the answers of the page."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engine.cli.app import app
from engine.settlement.ledger import open_ledger
from grouper.fault import UserError
from tests.engine.settlement.analysts_page import PAGE, Question, asked, questions
from tests.engine.settlement.small_ledger import small_ledger

ROOT = PAGE.parents[1]
DRGDIP = [sys.executable, "-c", "from engine.cli import main; main()"]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_ledger(tmp_path_factory.mktemp("small") / "city.duckdb")


def test_there_are_ten_questions() -> None:
    assert [question.number for question in questions()] == list(range(1, 11))


@pytest.mark.parametrize("question", questions(), ids=lambda question: str(question.number))
def test_every_question_gives_the_columns_of_the_page(small: Path, question: Question) -> None:
    found = Question(question.number, question.sql, asked(small, question.sql))
    assert found.columns == question.columns


@pytest.mark.heavy
def test_the_answers_are_those_of_the_demo(tmp_path: Path) -> None:
    subprocess.run(["sh", "-ec", demo_commands(tmp_path)], check=True, cwd=ROOT, capture_output=True)
    for question in questions():
        assert asked(tmp_path / "city.duckdb", question.sql) == question.answer, question.number


def demo_commands(out: Path) -> str:
    """Return what `make demo` does to its ledger, as a script that does it in another folder."""
    made = subprocess.run(["make", "--dry-run", "demo"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    ledger = r"\S*drgdip (synth|settle|clear|ledger mark|ledger decisions) .*|printf .* > demo/.*"
    lines = [line for line in made.splitlines() if re.fullmatch(ledger, line)]
    return "\n".join(lines).replace(".venv/bin/drgdip", shlex.join(DRGDIP)).replace("demo/", f"{out}/")


def test_sql_opens_a_ledger_to_read_it(small: Path) -> None:
    assert "41270.00" in asked(small, "SELECT sum(payable) AS payable FROM hospital_months")
    assert "drg" in asked(small, "SELECT drg('chs-drg-2.0', ['I10.x00'], [], 1, 50).status AS drg")
    with pytest.raises(UserError, match="read-only"):
        asked(small, "DELETE FROM ledger_case")


def test_sql_refuses_what_it_cannot_open(small: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such ledger"):
        asked(tmp_path / "none.duckdb", "SELECT 1")
    found = CliRunner().invoke(app, ["sql", "--ledger", str(small), "--database", str(small), "SELECT 1"])
    assert "either --ledger or --database" in str(found.exception)


def test_sql_says_that_another_process_holds_the_ledger(small: Path) -> None:
    query = ["sql", "--ledger", str(small), "SELECT 1"]
    with open_ledger(small):
        found = subprocess.run([*DRGDIP, *query], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (found.returncode, found.stdout) == (2, "")
    assert "another process has this ledger open" in found.stderr or "另一个进程" in found.stderr
