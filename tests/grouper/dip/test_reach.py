"""Every group of the national directory takes a record made for it, but for those that the table itself shuts off."""

import tomllib
from pathlib import Path

from grouper import load_directory
from grouper.dip.check import check
from grouper.dip.reference import Tried, group_case
from tests.dip_records import Designer

UNREACHABLE = {
    group["code"]: group["taken_by"]
    for group in tomllib.loads((Path(__file__).parent / "unreachable.toml").read_text(encoding="utf-8"))["group"]
}
MOST_TRIES = 20


def test_every_group_is_reached() -> None:
    directory = load_directory("dip-3.0")
    designer = Designer(directory, seed=7)
    assert len(directory.groups) == 5_125
    missed = {}
    for row in directory.groups:
        designs = (designer.design(row) for _ in range(MOST_TRIES))
        answers = []
        for record in designs:
            answers.append(group_case(directory, record))
            if answers[-1].group == row.code:
                trace: list[Tried] = []
                assert group_case(directory, record, trace) == answers[-1]
                assert [tried.row.code for tried in trace if tried.holds and tried.lost_by is None] == [row.code]
                break
        else:
            missed[row.code] = {answer.group for answer in answers}
    assert missed == {code: {taker} for code, taker in UNREACHABLE.items()}


def test_check_finds_the_groups_that_are_not_reached() -> None:
    found = {finding.name: finding for finding in check(load_directory("dip-3.0"))}
    assert found["unreachable"].examples == tuple(f"{code} ← {taker}" for code, taker in UNREACHABLE.items())
    assert found["unknown_procedure"].count == 24
    assert found.keys() == {"unreachable", "tied", "unknown_procedure"}
