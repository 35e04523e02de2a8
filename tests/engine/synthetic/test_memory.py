"""Claims stream: three times as many need no more memory."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import resource, sys
from pathlib import Path
from engine.synthetic import Plan, SynthesisRequest, load_city, write_city
write_city(SynthesisRequest(Plan(load_city(), 1, int(sys.argv[1]), 2026, 2026), Path(sys.argv[2])))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak(claims: int, out: Path) -> int:
    command = [sys.executable, "-c", PROGRAM, str(claims), str(out)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.heavy
def test_memory_does_not_grow(tmp_path: Path) -> None:
    small, large = peak(1_700_000, tmp_path / "small"), peak(5_100_000, tmp_path / "large")
    assert large < 1.25 * small
    assert large < 1_600_000  # KiB
