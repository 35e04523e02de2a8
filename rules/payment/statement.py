"""Statements: how a figure came about, line by line, each line with the document of its rule."""

from collections.abc import Callable
from typing import Literal, NamedTuple

from rules.fault import Text
from rules.policy.dated import written

# the reference of the rule at a key path of the policy, such as ("clearing", "surplus")
Documents = Callable[[tuple[str | int, ...]], str]


class Line(NamedTuple):
    """One line: what it is, how much (fen), the rule by its key path in the policy, and the document of the rule.

    Items add up to the next total; a memo is shown for information only.
    """

    label: Text
    amount: int
    rule: str = ""
    document: str = ""
    kind: Literal["item", "total", "memo"] = "item"


def undocumented(_path: tuple[str | int, ...]) -> str:
    """Return no document: for figures that are computed without a policy file."""
    return ""


def rule_line(zh: str, en: str, amount: int, path: tuple[str | int, ...], documents: Documents) -> Line:
    """Return the line of a rule of the policy."""
    return Line(Text(zh, en), amount, written(path), documents(path))
