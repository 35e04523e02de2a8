"""The worked answers of case payment: tests/golden/case-payment.toml, worked as `policy test` works a policy's own."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from rules.policy.check import checked
from rules.policy.examples import read_example, worked
from tests.rules import random_cases
from tests.rules.city import document, merged
from tests.rules.families import FAMILIES

FILE = Path(__file__).parents[1] / "golden" / "case-payment.toml"
CASES: list[dict[str, Any]] = tomllib.loads(FILE.read_text("utf-8"))["case"]
OWN = {"rules", "weights"}


@pytest.mark.parametrize("case", CASES, ids=[case["what"] for case in CASES])
def test_worked_answer(tmp_path: Path, case: dict[str, Any]) -> None:
    rules = document()
    for part in case.get("rules", []):
        rules = merged(rules, part) if isinstance(part, dict) else laid_over(rules, part)
    for name, text in random_cases.tables(1).items():
        (tmp_path / name).write_text(text, "utf-8")
    if "weights" in case:
        (tmp_path / "weights.csv").write_text(case["weights"], "utf-8")
    policy = checked(rules, tmp_path / "policy.toml")
    faults: list[Any] = []
    example = read_example(FILE, 1, {key: value for key, value in case.items() if key not in OWN}, faults)
    assert not faults
    outcome = worked(policy, example)
    assert outcome.passed, (outcome.faults, [c for c in outcome.comparisons if not c.equal])


def laid_over(rules: dict[str, Any], family: str) -> dict[str, Any]:
    for text in FAMILIES[family]:
        rules = merged(rules, tomllib.loads(text))
    return rules


def test_every_family_has_a_worked_answer() -> None:
    named = {part for case in CASES for part in case.get("rules", []) if isinstance(part, str)}
    aliases = {"exclusion, both lines", "coefficient sum", "drg high normal", "drg plain"}
    assert set(FAMILIES) - named <= aliases
