"""The commands of the ledger as an officer runs them: what they print, in both languages, and what they refuse."""

import json
from pathlib import Path

from tests.engine.settlement.conftest import Run


def test_the_life_of_a_year_from_the_command_line(city: Path, tmp_path: Path, run: Run) -> None:
    own = ("--ledger", city / "city.duckdb", "--lang", "en")
    cash = tmp_path / "cash.csv"
    cash.write_text("pool,hospital,month,kind,amount\nemployee,H1,2026-01,advance,1000.00\n", encoding="utf-8")
    assert run("ledger", "cash", cash, *own) == "1 rows entered (batch 3)\n"
    assert run("ledger", "cash", cash, *own) == "batch 3 has this file already; nothing was changed\n"
    assert "marked as sent (batch 4)" in run("ledger", "mark", "2026-10", "sent", "--note", "by post", *own)
    said = run("ledger", "mark", "2026-10", "disputed", "--hospital", "H2", "--by", "li", *own)
    assert said == "2026-10: 1 hospitals marked as disputed (batch 5)\n"
    said = run("ledger", "mark", "2026-10", "approved", *own, code=2)
    assert "1 hospitals of 2026-10 are sent: H1; approved follows confirmed" in said
    shown = run("ledger", "states", "2026-10", *own)
    assert "disputed" in shown
    assert "li" in shown
    run("ledger", "mark", "2026-10", "confirmed", *own)
    run("ledger", "mark", "2026-10", "approved", *own)
    assert "prepaid: 18900.00" in run("ledger", "mark", "2026-10", "paid", *own)
    trial = run("clear", "--year", "2026", "--trial", *own)
    assert "written to the ledger as batch 9; the year stays open" in trial
    final = run("clear", "--year", "2026", *own)
    assert "note: 1 hospital months are not marked as paid" in final
    assert "written to the ledger as batch 10; 2026 is cleared and closed" in final
    assert "batch 10 already; nothing was changed" in run("clear", "--year", "2026", *own)
    account = run("ledger", "cash", "--hospital", "H1", *own)
    assert "1000.00" in account
    assert "supplier_direct" not in account
    assert run("ledger", "undo", 10, "--reason", "too early", *own).startswith("batch 11 undoes batch 10: 0 bookings")
    listed = run("ledger", "list", *own)
    for text in ("undone by 11", "undoes 10", "too early", "by post", "last seal"):
        assert text in listed
    assert "the ledger is sound" in run("ledger", "verify", *own)


def test_everything_is_said_in_chinese_too(city: Path, run: Run) -> None:
    own = ("--ledger", city / "city.duckdb", "--lang", "zh")
    assert "月结算" in run("ledger", "list", *own)
    assert "入账病例数: 2" in run("ledger", "show", 2, *own)
    assert "没有批次 7，最后一个是 2" in run("ledger", "show", 7, *own, code=2)
    assert "已标记为 sent" in run("ledger", "mark", "2026-11", "sent", *own)
    assert "注意：未结算的月份" in run("clear", "--year", "2026", "--trial", *own)
    assert "累计未清" in run("ledger", "cash", *own)
    assert "账本核对无误" in run("ledger", "verify", *own)
    assert "已是版本 1" in run("ledger", "upgrade", *own)
    assert "2026 年尚未清算" in run("ledger", "prune", "--through", "2026-10", *own, code=2)


def test_json_for_scripts(city: Path, run: Run) -> None:
    own = ("--ledger", city / "city.duckdb", "--json")
    assert [row["batch"] for row in json.loads(run("ledger", "list", *own))] == [1, 2]
    assert json.loads(run("ledger", "show", 1, *own))["rows"][0] == {"table": "ledger_input", "rows": 1}
    assert json.loads(run("ledger", "verify", *own))["holds"]
    assert json.loads(run("ledger", "mark", "2026-10", "sent", *own))["moved"] == ["H1", "H2"]
    assert json.loads(run("ledger", "states", "2026-10", *own))[0]["state"] == "sent"
    cleared = json.loads(run("clear", "--year", "2026", *own))
    assert (cleared["batch"], cleared["new"], cleared["notes"][0]["en"][:18]) == (4, True, "months not settled")
    assert json.loads(run("ledger", "cash", *own))[-1]["open"] == "20000.00"
    assert json.loads(run("ledger", "undo", 4, "--reason", "-", *own))["reverses"] == 4


def test_wrong_options_are_refused(city: Path, tmp_path: Path, run: Run) -> None:
    ledger = ("--ledger", city / "city.duckdb", "--lang", "en")
    assert "give --ledger, or PRICED… with --policy and --out" in run("clear", "--year", "2026", "--lang", "en", code=2)
    said = run("clear", city / "202610", "--year", "2026", "--out", tmp_path / "x", *ledger, code=2)
    assert "PRICED, --out cannot stand beside --ledger" in said
    assert "there is no such ledger" in run("ledger", "list", "--ledger", tmp_path / "no", "--lang", "en", code=2)
    assert "is no ledger" in run("ledger", "list", "--ledger", city / "claims.csv", "--lang", "en", code=2)
    assert "--through must be a month of 2026" in run("clear", "--year", 2026, "--through", "2025-03", *ledger, code=2)
