"""Verify: a sound ledger passes; a changed, added or removed cell, row, batch or byte is found."""

import shutil
from pathlib import Path

import duckdb
import pytest

from engine.settlement.clearing import LedgerClearing, clear_on_ledger
from engine.settlement.contents import rows_digests
from engine.settlement.intake import take_in
from engine.settlement.ledger import Ledger, open_ledger, read_ledger
from engine.settlement.schema import schema
from engine.settlement.states import Mark, mark
from engine.settlement.undo import undo
from engine.settlement.verify import verify
from tests.engine.settlement.conftest import Run

TAMPERED = {
    "a booked amount": ("contents cases_booked bookings_split", "UPDATE ledger_booking SET payable = payable + 1"),
    "a booked amount, made to fit": (
        "contents clearing_bookings paid_months",
        "UPDATE ledger_booking SET paid = paid + 1, deposit = deposit - 1 WHERE hospital_id = 'H2'",
    ),
    "a fund part": ("contents cases_booked", "UPDATE ledger_case SET fund_part = fund_part + 1 WHERE case_id = 'c2'"),
    "a standard": (
        "contents points_times_value",
        "UPDATE ledger_case SET standard = standard + 500 WHERE case_id = 'c2'",
    ),
    "a person": ("contents", "UPDATE ledger_case SET person_id = 'another' WHERE case_id = 'c2'"),
    "a case taken out": ("cases_booked cases_written clearing_cases", "DELETE FROM ledger_case WHERE case_id = 'c2'"),
    "a case twice": (
        "contents cases_written",
        "INSERT INTO ledger_case SELECT * FROM ledger_case WHERE case_id = 'c2'",
    ),
    "what is due": ("clearing_due clearing_statements", "UPDATE ledger_clearing SET due = due + 1"),
    "a line of a statement": (
        "clearing_statements",
        "UPDATE ledger_clearing_line SET amount = amount + 1 WHERE line = 4",
    ),
    "an identity": (
        "identities identity_parts",
        "UPDATE ledger_identity_line SET amount = amount + 1 WHERE line = 1 AND side = 'uses'",
    ),
    "a budget": ("budgets identity_parts", "UPDATE ledger_budget_line SET amount = amount + 1 WHERE kind = 'total'"),
    "cash": ("contents paid_months", "UPDATE ledger_cash SET amount = amount + 1 WHERE kind = 'prepaid'"),
    "a cleared hospital's money": ("paid_clearings", "UPDATE ledger_cash SET amount = amount + 1 WHERE kind = 'paid'"),
    "a state": ("contents states_in_order", "UPDATE ledger_state SET state = 'paid' WHERE state = 'sent'"),
    "a point value": ("contents points_times_value", "UPDATE ledger_value SET value = value + 1"),
    "who made it": ("seals", "UPDATE ledger_batch SET made_by = 'nobody' WHERE batch = 2"),
    "a count": ("seals rows", "UPDATE ledger_batch SET rows_in = rows_in + 1 WHERE batch = 2"),
    "a digest": ("seals contents", "UPDATE ledger_batch SET content = upper(content) WHERE batch = 2"),
    "a batch taken out": ("seals numbers strays", "DELETE FROM ledger_batch WHERE batch = 2"),
    "what an undo took back": (
        "undone",
        "UPDATE ledger_cash SET amount = amount - 1 WHERE kind = 'advance' AND amount < 0",
    ),
}


@pytest.fixture(scope="session")
def full_once(settled_city: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with batches of every kind: paid months, an undo, a trial and a paid clearing."""
    folder = tmp_path_factory.mktemp("full")
    path = Path(shutil.copy(settled_city / "city.duckdb", folder))
    cash = "pool,hospital,month,kind,amount\nemployee,H1,2026-01,advance,100.00\n"
    (folder / "cash.csv").write_text(cash, encoding="utf-8")
    (folder / "decisions.csv").write_text("case_id,decision,amount\nc9,by_item,\n", encoding="utf-8")
    with open_ledger(path) as ledger:
        undo(ledger, take_in(ledger, "cash", folder / "cash.csv")["batch"], "wrong")
        take_in(ledger, "decisions", folder / "decisions.csv")
        clear_on_ledger(ledger, LedgerClearing(2026, trial=True))
        for period in ("2026-10", "2026"):
            if period == "2026":
                clear_on_ledger(ledger, LedgerClearing(2026))
            for state in ("sent", "confirmed", "approved", "paid"):
                mark(ledger, Mark(state, period))
    return path


@pytest.fixture
def full(full_once: Path, tmp_path: Path) -> Path:
    """A copy of that ledger."""
    return Path(shutil.copy(full_once, tmp_path))


def failing(path: Path) -> set[str]:
    """The checks that fail."""
    with read_ledger(path) as ledger:
        return {check.name for check in verify(ledger) if check.failed}


def test_a_sound_ledger_passes_every_check(full: Path) -> None:
    with read_ledger(full) as ledger:
        checks = list(verify(ledger))
    assert [check for check in checks if check.failed] == []
    places = {check.name: check.places for check in checks}
    assert places["seals"] == places["contents"] == places["numbers"] == 15
    assert min(places.values()) > 0  # nothing passes because it looked at nothing


@pytest.mark.parametrize("what", TAMPERED)
def test_what_was_changed_by_other_means_is_found(full: Path, what: str) -> None:
    names, change = TAMPERED[what]
    with duckdb.connect(str(full)) as connection:
        connection.execute(change)
    found = failing(full)
    assert set(names.split()) <= found
    assert found & {"contents", "seals", "strays"}


def test_no_cell_of_any_table_can_be_changed_unseen(full: Path) -> None:
    changed = 0
    with open_ledger(full) as ledger:
        for table, relation in schema().tables.items():
            first = ledger.rows(f"SELECT min(batch) AS batch FROM {table}").item()
            if table == "ledger_batch" or first is None:
                continue
            for name, column in relation.columns.items():
                if name != "batch":
                    assert _differs(ledger, table, name, column.type, first), f"{table}.{name}"
                    changed += 1
    assert changed > 140


def _differs(ledger: Ledger, table: str, name: str, kind: str, batch: int) -> bool:
    """Change a cell, digest the batch, and take the change back."""
    other = {"VARCHAR": "'another'", "VARCHAR[]": "['another']", "BOOLEAN": "true", "DATE": "DATE '1999-01-01'"}
    plain = kind.removesuffix(" NOT NULL").partition("(")[0]
    value = other.get(plain, "TIMESTAMP '1999-01-01'" if plain == "TIMESTAMP" else "77")
    if plain == "BOOLEAN":
        value = f'NOT coalesce("{name}", false)'
    before = rows_digests(ledger.connection, table, batch)
    ledger.connection.execute("BEGIN")
    try:
        rows = f"(SELECT min(rowid) FROM {table} WHERE batch = {batch})"
        ledger.connection.execute(f'UPDATE {table} SET "{name}" = {value} WHERE rowid = {rows}')
        return rows_digests(ledger.connection, table, batch) != before
    finally:
        ledger.connection.execute("ROLLBACK")


def test_the_command_names_what_fails_and_exits_with_1(full: Path, run: Run) -> None:
    sound = run("ledger", "verify", "--ledger", full, "--lang", "en")
    assert sound.splitlines()[-1] == "the ledger is sound"
    assert "✗" not in sound
    with duckdb.connect(str(full)) as connection:
        connection.execute("UPDATE ledger_case SET fund_part = fund_part + 1 WHERE case_id = 'c2'")
    said = run("ledger", "verify", "--ledger", full, "--lang", "en", code=1)
    assert "    1 (month 2026-10)" in said
    assert "    2026-10 employee H2" in said
    assert said.splitlines()[-1] == "2 checks fail: the ledger was changed by other means, or is damaged"
    assert "2 项不符" in run("ledger", "verify", "--ledger", full, "--lang", "zh", code=1)


@pytest.mark.parametrize("place", [100, 4096 + 100, 4096 * 3 + 100, 270_000])
def test_damaged_bytes_are_told_without_a_traceback(full: Path, run: Run, place: int) -> None:
    data = bytearray(full.read_bytes())
    data[place : place + 64] = bytes(255 - byte for byte in data[place : place + 64])
    full.write_bytes(data)
    said = run("ledger", "verify", "--ledger", full, "--lang", "en", code=2)
    assert f"{full} is damaged: restore it from a backup" in said
