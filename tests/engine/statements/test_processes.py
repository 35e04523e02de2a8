"""Work in several processes: every result comes, faults come through, and nothing outlives a killed parent."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.outputs.statements.processes import Task, in_processes

SLEEPERS = """
import time
from engine.outputs.statements.processes import Task, in_processes
if __name__ == "__main__":
    list(in_processes({"a": Task(time.sleep, (120,)), "b": Task(time.sleep, (120,))}, 2))
"""


def test_every_result_comes() -> None:
    tasks = {str(n): Task(pow, (n, 2), n) for n in range(7)}
    assert dict(in_processes(tasks, 2)) == dict(in_processes(tasks, 1)) == {str(n): n * n for n in range(7)}
    assert dict(in_processes({})) == {}


def test_faults_come_through() -> None:
    with pytest.raises(NotADirectoryError):
        list(in_processes({"a": Task(os.listdir, (__file__,)), "b": Task(pow, (2, 2))}, 2))


def test_nothing_outlives_a_killed_parent(tmp_path: Path) -> None:
    script = tmp_path / "sleepers.py"
    script.write_text(SLEEPERS)
    with subprocess.Popen([sys.executable, script], start_new_session=True, stdout=subprocess.DEVNULL) as parent:
        until(lambda: len(alive(parent.pid)) >= 3)
        parent.send_signal(signal.SIGKILL)
    until(lambda: not alive(parent.pid))


def until(done: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        time.sleep(0.1)


def alive(session: int) -> list[int]:
    """The processes of a session that still run."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, own = (place / "stat").read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(own) == session and state not in "ZX":
            found.append(int(place.name))
    return found
