"""No key of a policy is let in and then read by nobody."""

import ast
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from rules.policy.model import Rules
from rules.policy.terms import models_in

ROOT = Path(__file__).parents[2]
PACKAGES = ("rules/payment", "rules/policy", "engine")
STRANGERS = {"synthetic", "claims", "outputs"}
"""Folders of engine that know no policy: a name of theirs is no reading of a key."""
CHECKED = {"OutOfArea.incoming_value", "Assessment.same_score_twice"}
"""Keys whose whole sense is a check of the policy itself."""
SHOWN = {"Indicator.dimension"}
"""Keys that `drgdip policy show` prints for the reader and that pay nothing."""


def models(root: type[BaseModel]) -> set[type[BaseModel]]:
    """Every model that a policy may hold."""
    found, todo = set[type[BaseModel]](), [root]
    while todo:
        model = todo.pop()
        if model not in found:
            found.add(model)
            todo += [inner for field in model.model_fields.values() for inner in models_in(field.annotation)]
    return found


def is_validator(node: ast.AST) -> bool:
    named = [d.func if isinstance(d, ast.Call) else d for d in getattr(node, "decorator_list", ())]
    return any(isinstance(name, ast.Name) and name.id == "model_validator" for name in named)


def names_read(node: ast.AST) -> Iterator[str]:
    """Yield the attributes a module reads, and the keys it names as text, but not within validators of models."""
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, ast.Attribute):
            yield inner.attr
        if isinstance(inner, ast.Dict):
            yield from (key.value for key in inner.keys if isinstance(key, ast.Constant) and isinstance(key.value, str))
        if not is_validator(inner):
            yield from names_read(inner)


def test_every_key_of_a_policy_is_read() -> None:
    files = [path for name in PACKAGES for path in (ROOT / name).rglob("*.py") if not STRANGERS & set(path.parts)]
    read = {name for file in files for name in names_read(ast.parse(file.read_text(encoding="utf-8")))}
    keys = {f"{model.__name__}.{key}": key for model in models(Rules) for key in model.model_fields}
    assert {path for path, key in keys.items() if key not in read} == CHECKED | SHOWN
