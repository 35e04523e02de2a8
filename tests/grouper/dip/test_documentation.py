"""docs/dip.md names every column, table, switch, tie and finding there is."""

from pathlib import Path
from typing import get_args

from grouper.dip import check, subtypes
from grouper.dip.directory import LAYOUT, Switches, Tie

TEXT = (Path(__file__).parents[3] / "docs" / "dip.md").read_text(encoding="utf-8")


def test_everything_is_named() -> None:
    names = {column for columns in LAYOUT.columns.values() for column in columns} | LAYOUT.columns.keys()
    names |= {column for columns in subtypes.LAYOUT.columns.values() for column in columns}
    names |= Switches.model_fields.keys() | subtypes.Switches.model_fields.keys() | set(get_args(Tie))
    assert {name for name in names if name not in TEXT} == set()
    assert {name for name in check.KINDS if not name.startswith("unknown_") and name not in TEXT} == {"unused_marker"}


def test_defaults_are_those_of_the_switches() -> None:
    rows = [line.split(" | ") for line in TEXT.splitlines() if line.startswith("| `")]
    stated = {row[0].strip("| `"): row[2].strip("`") for row in rows if len(row) == 4}
    for name, field in Switches.model_fields.items():
        default = field.default
        said = ", ".join(f'"{one}"' for one in default) if isinstance(default, tuple) else default
        assert stated[name] == (f"[{said}]" if isinstance(default, tuple) else said or "none"), name
