"""Rules as disjunctions of clauses: a clause is a set of literals, a literal a fact that must hold or must not.

A fact is the smallest thing a kernel has to know about a record, one bit. `{ZYSS, QTSS} in S` is two facts, either of
which will do; `{ZYZD, QTZD} not in S` is two facts, neither of which may hold.
"""

from collections.abc import Iterable
from itertools import product
from typing import NamedTuple

from grouper.fault import Text, UserError
from grouper.rule_language import LEVELS, Always, And, Atom, Comparison, Count, Field, Or, Rule


class CodeFact(NamedTuple):
    """Some code of one field is in the union of sets."""

    field: Field
    sets: tuple[str, ...]


class LevelFact(NamedTuple):
    """Some other diagnosis is a complication of this level and is not excluded."""

    level: str


class NumberFact(NamedTuple):
    """A number of the record compares so with a value."""

    scalar: str
    operator: str
    value: int


class CountFact(NamedTuple):
    """The fields hold at least so many distinct codes of a set."""

    set: str
    fields: tuple[Field, ...]
    minimum: int


Fact = CodeFact | LevelFact | NumberFact | CountFact


class Literal(NamedTuple):
    """A fact that must hold, or must not."""

    fact: Fact
    holds: bool


Clause = frozenset[Literal]
MOST_CLAUSES = 20_000


def clauses(rule: Rule) -> list[Clause]:
    """Return the clauses of a rule, any of which satisfies it. Raises UserError where there would be too many."""
    if isinstance(rule, Always):
        return [frozenset()]
    if isinstance(rule, Or):
        return _distinct(clause for part in rule.parts for clause in clauses(part))
    if isinstance(rule, And):
        return conjunction([clauses(part) for part in rule.parts])
    return _atom_clauses(rule)


def conjunction(parts: list[list[Clause]]) -> list[Clause]:
    """Return the clauses of the conjunction of rules given by their clauses."""
    joined: list[Clause] = [frozenset()]
    for part in parts:
        if len(joined) * len(part) > MOST_CLAUSES:
            raise UserError(
                Text(
                    f"规则展开后超过{MOST_CLAUSES}个子句",
                    f"a rule has more than {MOST_CLAUSES} clauses when spelled out",
                )
            )
        joined = _distinct(one | other for one, other in product(joined, part))
    return joined


def _distinct(found: Iterable[Clause]) -> list[Clause]:
    """Drop repeated clauses, and those that ask a fact to hold and not to hold."""
    return [clause for clause in dict.fromkeys(found) if len({fact for fact, _ in clause}) == len(clause)]


def _atom_clauses(atom: Atom) -> list[Clause]:
    if isinstance(atom, Comparison):
        facts: list[Fact] = [NumberFact(atom.scalar, atom.operator, atom.value)]
    elif isinstance(atom, Count):
        facts = [CountFact(atom.set, atom.fields, atom.minimum)]
    else:
        named = tuple(sorted({name for name in atom.sets if name not in LEVELS}))
        facts = [CodeFact(field, named) for field in atom.fields if named]
        facts += [LevelFact(level) for level in LEVELS if level in atom.sets]
        if atom.negated:
            return [frozenset(Literal(fact, holds=False) for fact in facts)]
    return [frozenset({Literal(fact, holds=True)}) for fact in facts]
