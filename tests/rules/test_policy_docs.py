"""docs/policies.md lists every key of worked examples, every formula, every condition and treatment."""

from pathlib import Path
from typing import get_args

from rules.payment.formulas import FORMULAS
from rules.policy.example_keys import EXPECTED, GIVEN
from rules.policy.kinds import Condition, Treatment
from rules.policy.model import Rules
from rules.policy.shipped import shipped

TEXT = (Path(__file__).parents[2] / "docs" / "policies.md").read_text("utf-8")


def test_keys_of_worked_examples() -> None:
    for key, described in [*GIVEN.items(), *(pair for keys in EXPECTED.values() for pair in keys.items())]:
        assert f"| `{key}` |" in TEXT, key
        assert described.what.zh in TEXT


def test_names_of_rules() -> None:
    names = (
        set(FORMULAS) | (set(Condition.model_fields) - {"reference"}) | set(Rules.model_fields) - {"reference", "id"}
    )
    names |= {get_args(one.model_fields["pay"].annotation)[0] for one in get_args(get_args(Treatment)[0])}
    assert {name for name in names | set(shipped()) if name not in TEXT} == set()
