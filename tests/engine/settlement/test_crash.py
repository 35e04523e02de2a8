"""Crashes for real: processes killed at any moment, torn logs, full disks, two runs at once."""

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from tests.engine.settlement.town import everything, faults_of

COMMAND = [sys.executable, "-c", "from engine.cli import main; main()"]
MADE = ("made_at", "seal")
"""What differs between equal runs."""
KILLS = 6


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A city of 36,000 claims a year, with January in a ledger, and a ledger with February too, never disturbed."""
    folder = tmp_path_factory.mktemp("crash")
    command("synth", "--claims", 36000, "--years", 2026, "--seed", 9, "--out", folder / "city")
    settle(folder, "2026-01", "january.duckdb")
    shutil.copy(folder / "january.duckdb", folder / "both.duckdb")
    settle(folder, "2026-02", "both.duckdb")
    return folder


def command(*arguments: object, code: int = 0) -> str:
    """Run the command line in a process of its own."""
    done = subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stderr


def arguments_of(city: Path, month: str, ledger: Path) -> list[str]:
    claims = city / "city" / "claims" / f"{month}.parquet"
    given = ["settle", claims, "--policy", "synthetic-city", "--month", month, "--ledger", ledger, "--by", "zhang"]
    return [*map(str, given), "--lang", "en"]


def settle(city: Path, month: str, ledger: str) -> None:
    command(*arguments_of(city, month, city / ledger))


def started(city: Path, month: str, ledger: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [*COMMAND, *arguments_of(city, month, ledger)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def contents(ledger: Path) -> dict[str, pl.DataFrame]:
    """Return all rows but the times they were made at, in an order that runs do not differ in."""
    tables = {}
    for name, rows in everything(ledger).items():
        frame = pl.DataFrame(rows, orient="row", infer_schema_length=None)
        tables[name] = frame if name != "ledger_batch" else frame.drop(made_columns())
    return tables


def made_columns() -> list[str]:
    from engine.settlement.schema import schema

    return [f"column_{n}" for n, name in enumerate(schema().tables["ledger_batch"].columns) if name in MADE]


def same(one: Path, other: Path) -> bool:
    left, right = contents(one), contents(other)
    return left.keys() == right.keys() and all(left[name].equals(right[name]) for name in left)


def killed(city: Path, ledger: Path, wait: Callable[["subprocess.Popen[bytes]"], None]) -> bool:
    """Settle February, kill it after some waiting; tell whether it was still running."""
    process = started(city, "2026-02", ledger)
    wait(process)
    alive = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    return alive


def to_its_end(process: "subprocess.Popen[bytes]") -> None:
    assert process.wait() == 0


def after(seconds: float) -> Callable[["subprocess.Popen[bytes]"], None]:
    return lambda _: time.sleep(seconds)


def while_writing(ledger: Path, seconds: float) -> Callable[["subprocess.Popen[bytes]"], None]:
    """Wait until the run has begun to write (its log or the ledger grows), and a little more."""
    log, size = ledger.with_name(f"{ledger.name}.wal"), ledger.stat().st_size

    def wait(process: "subprocess.Popen[bytes]") -> None:
        while process.poll() is None:
            if ledger.stat().st_size > size or (log.exists() and log.stat().st_size > 100_000):
                time.sleep(seconds)
                return
            time.sleep(0.001)

    return wait


def kill_often(city: Path, tmp_path: Path, kills: int) -> None:
    """Kill runs at random moments, half of them while they write; the ledger is always January's or both months'."""
    ledger, draw = tmp_path / "city.duckdb", random.Random(kills)
    shutil.copy(city / "january.duckdb", ledger)
    began = time.monotonic()
    assert not killed(city, ledger, to_its_end)
    usual = time.monotonic() - began
    shutil.copy(city / "january.duckdb", ledger)
    interrupted = 0
    for n in range(kills):
        wait = after(draw.uniform(0, usual)) if n % 2 else while_writing(ledger, draw.uniform(0, 0.3))
        interrupted += killed(city, ledger, wait)
        assert faults_of(ledger) == []
        batches = len(everything(ledger)["ledger_batch"])
        assert same(ledger, city / ("january.duckdb" if batches == 1 else "both.duckdb")), n
        if batches == 2:
            shutil.copy(city / "january.duckdb", ledger)
    assert interrupted > kills // 2
    command(*arguments_of(city, "2026-02", ledger))
    assert same(ledger, city / "both.duckdb")
    assert [path.name for path in tmp_path.iterdir()] == ["city.duckdb"]


def test_a_killed_run_leaves_the_last_good_state_and_a_rerun_equals_an_undisturbed_one(
    city: Path, tmp_path: Path
) -> None:
    kill_often(city, tmp_path, KILLS)


@pytest.mark.heavy
def test_fifty_kills(city: Path, tmp_path: Path) -> None:
    kill_often(city, tmp_path, 50)


def test_the_first_run_killed_leaves_no_half_made_ledger(city: Path, tmp_path: Path) -> None:
    ledger, draw = tmp_path / "city.duckdb", random.Random(1)
    for _ in range(KILLS // 2):
        process = started(city, "2026-01", ledger)
        while process.poll() is None and not list(tmp_path.iterdir()):
            time.sleep(0.001)
        time.sleep(draw.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not ledger.exists() or faults_of(ledger) == []
    command(*arguments_of(city, "2026-01", ledger))
    assert same(ledger, city / "january.duckdb")
    assert [path.name for path in tmp_path.iterdir()] == ["city.duckdb"]


UNTIDIED = """
import os, sys
from engine.cli import main
from engine.settlement import month_run

close = month_run._MonthRun.stage
def stage(self, name):
    if name == "write":
        os._exit(0)
    close(self, name)
month_run._MonthRun.stage = stage
main()
"""
"""A run that ends like a power cut right after its commit: all of the batch is in the log beside the ledger."""


def test_a_log_cut_off_anywhere_gives_the_last_good_state(city: Path, tmp_path: Path) -> None:
    ledger, log = tmp_path / "city.duckdb", tmp_path / "city.duckdb.wal"
    shutil.copy(city / "january.duckdb", ledger)
    subprocess.run([sys.executable, "-c", UNTIDIED, *arguments_of(city, "2026-02", ledger)], check=True)
    whole, base = log.read_bytes(), ledger.read_bytes()
    draw = random.Random(2)
    for cut in (0, len(whole) - 1, len(whole), *(draw.randrange(len(whole)) for _ in range(9))):
        ledger.write_bytes(base)
        log.write_bytes(whole[:cut])
        assert same(ledger, city / ("both.duckdb" if cut == len(whole) else "january.duckdb")), cut


def test_what_killed_runs_left_beside_the_ledger_does_no_harm(city: Path, tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    for name in (f".city.duckdb.new-{process.pid}", f".city.duckdb.new-{process.pid}.wal", "city.duckdb.wal"):
        (tmp_path / name).write_bytes(os.urandom(5000))
    command(*arguments_of(city, "2026-01", tmp_path / "city.duckdb"))
    assert same(tmp_path / "city.duckdb", city / "january.duckdb")
    assert [path.name for path in tmp_path.iterdir()] == ["city.duckdb"]


def limited(size: int) -> Callable[[], None]:
    """Return what lets a process write no file beyond a size, as a full disk would."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.parametrize(
    "share", [pytest.param(0.2, marks=pytest.mark.heavy), 0.6, pytest.param(0.95, marks=pytest.mark.heavy)]
)
def test_a_full_disk_is_said_plainly_and_changes_nothing(city: Path, tmp_path: Path, share: float) -> None:
    ledger = tmp_path / "city.duckdb"
    shutil.copy(city / "january.duckdb", ledger)
    size, needed = ledger.stat().st_size, (city / "both.duckdb").stat().st_size
    done = subprocess.run(
        [*COMMAND, *arguments_of(city, "2026-02", ledger)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limited(size + int((needed - size) * share)),
    )
    if done.returncode:
        assert done.returncode == 3, done.stderr
        assert "Traceback" not in done.stderr
        assert str(ledger) in done.stderr
    assert faults_of(ledger) == []
    assert same(ledger, city / ("both.duckdb" if done.returncode == 0 else "january.duckdb"))
    command(*arguments_of(city, "2026-02", ledger))
    assert same(ledger, city / "both.duckdb")


def test_a_disk_too_small_for_any_ledger(city: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, *arguments_of(city, "2026-01", tmp_path / "city.duckdb")],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limited(100_000),
    )
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_two_runs_at_once_and_the_second_is_refused_at_its_start(city: Path, tmp_path: Path) -> None:
    ledger = tmp_path / "city.duckdb"
    shutil.copy(city / "january.duckdb", ledger)
    runs = [
        subprocess.Popen([*COMMAND, *arguments_of(city, "2026-02", ledger)], stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = {process.wait(): process.communicate()[1] for process in runs}
    assert set(said) == {0, 2}
    assert "another process has this ledger open; run again when it has ended" in said[2]
    assert same(ledger, city / "both.duckdb")


def test_two_first_runs_at_once_make_one_ledger(city: Path, tmp_path: Path) -> None:
    ledger = tmp_path / "city.duckdb"
    runs = [started(city, month, ledger) for month in ("2026-01", "2026-01", "2026-01")]
    codes = sorted(process.wait() for process in runs)
    assert codes[0] == 0
    assert set(codes) <= {0, 2}
    assert same(ledger, city / "january.duckdb")
    assert [path.name for path in tmp_path.iterdir()] == ["city.duckdb"]
