"""The reference agrees with the corpus of the national table and with published answers."""

import tomllib
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from grouper import Record
from grouper.dip.directory import load_directory
from grouper.dip.reference import group_case

CORPUS = Path(__file__).parents[2] / "corpus" / "dip_3_0.parquet"
KNOWN = tomllib.loads((Path(__file__).parent / "known-answers.toml").read_text(encoding="utf-8"))["case"]


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known["id"])
def test_known_answers(known: dict[str, Any]) -> None:
    directory = load_directory("dip-3.0")
    for given in known["given"]:
        group, reason, layer = given.pop("group", None), given.pop("reason", None), given.pop("layer", None)
        answer = group_case(directory, Record(**given))
        if layer == "not XQ":
            assert answer.layer != "XQ", given
        else:
            assert (answer.group or "", answer.reason) == (group, reason), given
            assert answer.layer == (group[:2] or None)


def test_the_corpus_of_the_national_table() -> None:
    directory, cases = load_directory("dip-3.0"), pl.read_parquet(CORPUS).to_dicts()
    assert len(cases) == 5_086
    fields = ("diagnoses", "procedures", "sex", "age", "age_days", "birth_weight")
    differing = [
        (case["case_id"], answer)
        for case in cases
        if (answer := group_case(directory, Record(**{name: case[name] for name in fields})))[:3]
        != ("grouped", case["layer"], case["group"])
    ]
    assert differing == []
