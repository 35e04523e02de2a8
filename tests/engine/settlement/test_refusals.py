"""What settle refuses, with a clear message and nothing changed."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from engine.settlement.ledger import Head, open_ledger
from engine.settlement.states import Mark, mark
from grouper.fault import UserError as ClaimsError
from rules.fault import UserError
from tests.engine.settlement.conftest import Run
from tests.engine.settlement.town import everything, found_town, put, settle_month, stay, write_policy

OCTOBER = [stay("c1", "2026-10-05"), stay("c2", "2026-10-06", "BR29", "H2")]
NOVEMBER = [stay("n1", "2026-11-05")]


@pytest.fixture
def town(tmp_path: Path) -> Path:
    """A town with October settled."""
    town = found_town(tmp_path / "town")
    settle_month(town, "2026-10", OCTOBER)
    return town


@contextmanager
def unchanged(town: Path) -> Iterator[None]:
    """Prove that the ledger is what it was."""
    before = everything(town / "city.duckdb")
    yield
    assert everything(town / "city.duckdb") == before


def test_a_ledger_of_a_newer_version(town: Path) -> None:
    with duckdb.connect(str(town / "city.duckdb")) as connection:
        connection.execute("UPDATE ledger_version SET version = 99")
    with unchanged(town), pytest.raises(ClaimsError, match="was made by a newer drgdip"):
        settle_month(town, "2026-11", NOVEMBER)


def test_a_month_of_a_cleared_year(town: Path) -> None:
    with open_ledger(town / "city.duckdb") as ledger, ledger.batch(Head("clearing", "d", year=2026, stage="final")):
        pass
    for month in ("2026-10", "2026-11"):
        with unchanged(town), pytest.raises(ClaimsError, match=f"{month}: 2026 is cleared by batch 2") as caught:
            settle_month(town, month, [*OCTOBER, *NOVEMBER])
        assert "drgdip ledger undo 2" in str(caught.value)


def test_a_policy_that_is_not_valid_in_the_month(town: Path) -> None:
    with unchanged(town), pytest.raises(UserError, match="no policy is valid on 2027-01-01: two-hospitals"):
        settle_month(town, "2027-01", [stay("j1", "2027-01-05")])


def test_two_policies_for_the_month(town: Path) -> None:
    other = write_policy(town, {'"two-hospitals"': '"another"'}, "another")
    with unchanged(town), pytest.raises(UserError, match="two policies are valid on 2026-11-01"):
        settle_month(town, "2026-11", NOVEMBER, policies=[town / "policy.toml", other])


def test_a_claim_that_no_pool_takes(town: Path) -> None:
    strangers = [
        stay("r1", "2026-11-06", insurance_type="390"),
        stay("r2", "2026-11-06", insurance_type="390"),
    ]
    with unchanged(town), pytest.raises(UserError, match=r"2 cases \(insurance type 390, local\) belong to no pool"):
        settle_month(town, "2026-11", [*NOVEMBER, *strangers])


def test_a_refund_without_its_original(town: Path) -> None:
    lost = [stay(f"r{n}", "2026-11-06", charge=-1, refund="1", original_case_id=f"gone-{n}") for n in range(7)]
    with unchanged(town), pytest.raises(UserError) as caught:
        settle_month(town, "2026-11", [*NOVEMBER, *lost])
    assert "7 refunds have an original that is not among the priced cases: r0 (gone-0), r1 (gone-1)" in str(
        caught.value
    )
    assert "r5" not in str(caught.value)


def test_a_scheme_day_that_no_policy_covers(town: Path) -> None:
    before = stay("c9", "2026-11-06", admitted="2025-12-01", discharged="2025-12-30")
    with unchanged(town), pytest.raises(UserError, match="no policy is valid on 2025-12-30"):
        settle_month(town, "2026-11", [*NOVEMBER, before])


def test_a_part_without_its_stay(town: Path) -> None:
    part = stay("p1", "2026-11-06", stay_id="", part_of_stay="1")
    with unchanged(town), pytest.raises(UserError, match="1 settlements in part have no stay_id, p1 for example"):
        settle_month(town, "2026-11", [*NOVEMBER, part])


def test_a_month_without_claims(town: Path) -> None:
    with unchanged(town), pytest.raises(ClaimsError, match="there are no claims of 2026-11"):
        settle_month(town, "2026-11", OCTOBER)
    with unchanged(town), pytest.raises(ClaimsError, match="there are no claims of 2026-11"):
        settle_month(town, "2026-11", [])


def test_a_group_without_a_weight(town: Path) -> None:
    (town / "weights.csv").write_text("group,weight\nBR29,2\n", encoding="utf-8")
    with unchanged(town), pytest.raises(UserError, match=r"group BR19 has no published weight or score \(1 cases\)"):
        settle_month(town, "2026-11", NOVEMBER)


def test_where_a_difference_may_not_be_booked(town: Path) -> None:
    with open_ledger(town / "city.duckdb") as ledger:
        mark(ledger, Mark("sent", "2026-10"))
        mark(ledger, Mark("confirmed", "2026-10"))
    changed = [*OCTOBER, stay("c3", "2026-10-30")]
    for wanted, message in (
        (202610, "that month has hospitals that confirmed it"),
        (202609, "lies before 2026-10"),
    ):
        with unchanged(town), pytest.raises(ClaimsError, match=message):
            settle_month(town, "2026-10", changed, book_in=wanted)
    with unchanged(town), pytest.raises(ClaimsError, match="is settled for the first time and books itself"):
        settle_month(town, "2026-11", NOVEMBER, book_in=202612)


@contextmanager
def held(ledger: Path) -> Iterator[None]:
    """Have another process hold the ledger open."""
    code = "import sys, duckdb; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(ledger)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield
        process.communicate("")


def test_a_ledger_that_another_process_has_open(town: Path, run: Run) -> None:
    before = everything(town / "city.duckdb")
    given = [put(town, "november", NOVEMBER), "--policy", town / "policy.toml", "--month", "2026-11"]
    given += ["--ledger", town / "city.duckdb", "--map", "delimited"]
    with held(town / "city.duckdb"):
        said = run("settle", *given, "--lang", "en", code=2)
        assert "another process has this ledger open; run again when it has ended" in said
        assert "另一个进程正在使用该账本" in run("settle", *given, "--lang", "zh", code=2)
    assert everything(town / "city.duckdb") == before
    run("settle", *given)


def test_a_file_that_is_no_ledger(town: Path) -> None:
    (town / "text.duckdb").write_text("not a database", encoding="utf-8")
    with pytest.raises(ClaimsError, match=r"text\.duckdb is no ledger"):
        settle_month(town, "2026-11", NOVEMBER, ledger=town / "text.duckdb")
    duckdb.connect(str(town / "other.duckdb")).close()
    with pytest.raises(ClaimsError, match="is a DuckDB file but no ledger of drgdip"):
        settle_month(town, "2026-11", NOVEMBER, ledger=town / "other.duckdb")


def test_a_run_that_fails_leaves_no_new_ledger_behind(tmp_path: Path) -> None:
    town = found_town(tmp_path / "town")
    with pytest.raises(ClaimsError, match="there are no claims of 2026-11"):
        settle_month(town, "2026-11", OCTOBER)
    assert [path.name for path in town.iterdir() if "duckdb" in path.name] == []
