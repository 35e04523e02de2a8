"""The data dictionary: every view and column means something in both languages, and the page is current."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.settlement.dictionary import PAGE, dictionary
from engine.settlement.ledger import Ledger, open_ledger

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with open_ledger(tmp_path_factory.mktemp("fresh") / "city.duckdb", create=True) as ledger:
        yield ledger


def test_the_committed_page_is_current() -> None:
    written = (ROOT / PAGE).read_text(encoding="utf-8")
    assert written == dictionary(), "run python -m engine.settlement.dictionary"


def test_every_relation_and_column_means_something_in_both_languages(fresh: Ledger) -> None:
    comments = fresh.rows("""
        SELECT table_name || '.' || column_name AS name, comment FROM duckdb_columns() WHERE NOT internal
        UNION ALL SELECT view_name, comment FROM duckdb_views() WHERE NOT internal
        UNION ALL SELECT table_name, comment FROM duckdb_tables() WHERE NOT internal
    """)
    for name, comment in comments.iter_rows():
        if not name.startswith("ledger_version"):
            zh, en = comment.split(" / ")
            assert any("一" <= letter <= "鿿" for letter in zh), name
            assert en.isprintable(), name
            assert "|" not in comment, name


def test_amounts_say_their_unit(fresh: Ledger) -> None:
    columns = fresh.rows("""
        SELECT table_name || '.' || column_name AS name, data_type, comment FROM duckdb_columns()
        WHERE NOT internal AND table_name NOT LIKE 'ledger_%'
    """)
    for name, kind, comment in columns.iter_rows():
        money = kind == "DECIMAL(18,2)"
        assert ("（元" in comment and "(yuan" in comment) == (money or name.endswith(".value")), name
        assert not re.search("（分[，）]|[(]fen", comment), name
