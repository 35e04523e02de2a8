"""The rule language of the official grouping workbook: text -> typed tree with positions.

Source: the rule columns of 《按病组(DRG)付费3.0版分组方案配置信息》. The grammar::

    rule   := (empty = always true) | or
    or     := and { "or" and }             and := atom { "and" atom }
    atom   := "(" or ")" | fields ["not"] "in" sets | scalar comparison integer
            | "length" "(" set "∩" fields ")" ">=" integer | "1"
    fields := field | "{" field {"," field} "}"
    sets   := set | "{" set {"," set} "}"

`and` binds tighter than `or`. Key words are read in any case, punctuation in half or full width.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, cast, get_args

from grouper.fault import Text, UserError

Field = Literal["ZYZD", "QTZD", "ZYSS", "QTSS"]
"""Principal diagnosis, any other diagnosis, principal procedure, any other procedure."""
Scalar = Literal["NL", "XB", "XSRTL", "XSRTZ", "ZYTS", "LYFS", "KS"]
"""Age in years, sex, age in days, newborn weight (g), length of stay, way of discharge, department."""
Operator = Literal[">=", "<=", "<", ">", "="]
LEVELS = ("MCC", "CC")
"""The two complication levels, written where a set may stand."""

_FIELDS = get_args(Field)
_SCALARS = get_args(Scalar)
_HALF_WIDTH = str.maketrans("（）｛｝，＝＜＞", "(){},=<>")
_TOKEN = re.compile(r"(?P<blank>\s+)|(?P<number>\d+)|(?P<word>[A-Za-z_][A-Za-z0-9_]*)|(?P<mark>>=|<=|≥|≤|[(){},<>=∩])")
_WORDS = frozenset({"and", "or", "not", "in"})
_DEEPEST = 100
_MOST_DIGITS = 9
_OPERATORS: dict[str, Operator] = {">=": ">=", "≥": ">=", "<=": "<=", "≤": "<=", "<": "<", ">": ">", "=": "="}


@dataclass(frozen=True, slots=True)
class Always:
    """A rule that holds for every case: an empty cell or `1`."""


@dataclass(frozen=True, slots=True)
class Membership:
    """`fields [not] in sets`: some code of the fields is in the union of the sets (or, negated, none is)."""

    fields: tuple[Field, ...]
    sets: tuple[str, ...]
    negated: bool
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """`scalar operator integer`; a missing scalar satisfies none."""

    scalar: Scalar
    operator: Operator
    value: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Count:
    """`length(set ∩ fields) >= minimum`: distinct codes of the fields that are in the set."""

    set: str
    fields: tuple[Field, ...]
    minimum: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class And:
    """Every part holds."""

    parts: tuple["Rule", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one part holds."""

    parts: tuple["Rule", ...]


Atom = Membership | Comparison | Count
Rule = Always | Atom | And | Or


class RuleSyntaxError(UserError):
    """A rule that cannot be read. `position` is the offset of the offending character in the text."""

    def __init__(self, position: int, zh: str, en: str) -> None:
        self.position = position
        super().__init__(Text(f"第{position + 1}个字符：{zh}", f"character {position + 1}: {en}"))


def parse(text: str) -> Rule:
    """Read one rule. Raises RuleSyntaxError with the position and what was expected there."""
    return _Parser(text).rule()


def atoms(rule: Rule) -> Iterator[Atom]:
    """Yield the conditions of a rule from left to right."""
    if isinstance(rule, And | Or):
        for part in rule.parts:
            yield from atoms(part)
    elif not isinstance(rule, Always):
        yield rule


def set_names(rule: Rule) -> Iterator[tuple[str, int]]:
    """Yield each named set (complication levels excepted) with the offset of the condition that names it."""
    for atom in atoms(rule):
        if isinstance(atom, Count):
            yield atom.set, atom.start
        elif isinstance(atom, Membership):
            yield from ((name, atom.start) for name in atom.sets if name not in LEVELS)


class _Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int


def _tokens(text: str) -> Iterator[_Token]:
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise RuleSyntaxError(
                position, f"无法识别的字符“{text[position]}”", f"unexpected character {text[position]!r}"
            )
        if match.lastgroup != "blank":
            yield _Token(str(match.lastgroup), match.group(), match.start(), match.end())
        position = match.end()
    yield _Token("end", "", len(text), len(text))


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text.translate(_HALF_WIDTH)))
        self._at = 0
        self._depth = 0

    def rule(self) -> Rule:
        if self._next.kind == "end":
            return Always()
        rule = self._or()
        if self._next.kind != "end":
            raise self._expected("“and”“or”或规则结束", "and, or, or the end of the rule")
        return rule

    def _or(self) -> Rule:
        parts = [self._and()]
        while self._word("or"):
            parts.append(self._and())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _and(self) -> Rule:
        parts = [self._atom()]
        while self._word("and"):
            parts.append(self._atom())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _atom(self) -> Rule:
        token = self._next
        if self._mark("("):
            return self._inner(token.start)
        if token.kind == "number" and token.text == "1":
            self._at += 1
            return Always()
        if token.kind == "word" and token.text.lower() == "length":
            return self._count(token.start)
        if token.text in _SCALARS:
            return self._comparison()
        if token.text == "{" or token.text in _FIELDS:
            return self._membership(token.start)
        raise self._expected(
            f"条件：字段（{'、'.join(_FIELDS)}）、数值（{'、'.join(_SCALARS)}）、length 或 (",
            f"a condition: a field ({', '.join(_FIELDS)}), a number ({', '.join(_SCALARS)}), length or (",
        )

    def _inner(self, start: int) -> Rule:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise RuleSyntaxError(start, f"括号嵌套超过{_DEEPEST}层", f"more than {_DEEPEST} nested parentheses")
        rule = self._or()
        self._need(")")
        self._depth -= 1
        return rule

    def _membership(self, start: int) -> Membership:
        fields = self._fields()
        negated = self._word("not")
        if not self._word("in"):
            raise self._expected("“in”或“not in”", "in or not in")
        sets = self._names(self._set)
        if any(name in LEVELS for name in sets) and fields != ("QTZD",):
            raise RuleSyntaxError(
                start, "MCC、CC 只能用于其他诊断 QTZD", "MCC and CC can only be asked of other diagnoses, QTZD"
            )
        return Membership(fields, sets, negated, start, self._end)

    def _comparison(self) -> Comparison:
        token = self._take()
        operator = _OPERATORS.get(self._next.text)
        if operator is None:
            raise self._expected("比较符 >= <= < > =", "a comparison: >= <= < > =")
        self._at += 1
        return Comparison(cast("Scalar", token.text), operator, self._integer(), token.start, self._end)

    def _count(self, start: int) -> Count:
        self._at += 1
        self._need("(")
        name = self._set()
        self._need("∩")
        fields = self._fields()
        self._need(")")
        if _OPERATORS.get(self._next.text) != ">=":
            raise self._expected(">=", ">=")
        self._at += 1
        return Count(name, fields, self._integer(), start, self._end)

    def _fields(self) -> tuple[Field, ...]:
        return cast("tuple[Field, ...]", self._names(self._field))

    def _names(self, one: Callable[[], str]) -> tuple[str, ...]:
        if not self._mark("{"):
            return (one(),)
        names = [one()]
        while self._mark(","):
            names.append(one())
        self._need("}")
        return tuple(names)

    def _field(self) -> str:
        if self._next.text not in _FIELDS:
            raise self._expected(f"字段 {'、'.join(_FIELDS)}", f"a field: {', '.join(_FIELDS)}")
        return self._take().text

    def _set(self) -> str:
        if self._next.kind != "word" or self._next.text.lower() in _WORDS:
            raise self._expected("集合编号", "the name of a set")
        return self._take().text

    def _integer(self) -> int:
        if self._next.kind != "number":
            raise self._expected("整数", "an integer")
        token = self._take()
        if len(token.text) > _MOST_DIGITS:
            raise RuleSyntaxError(
                token.start, f"整数超过{_MOST_DIGITS}位", f"an integer of more than {_MOST_DIGITS} digits"
            )
        return int(token.text)

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    @property
    def _end(self) -> int:
        return self._tokens[self._at - 1].end

    def _take(self) -> _Token:
        token = self._next
        self._at += 1
        return token

    def _word(self, word: str) -> bool:
        found = self._next.kind == "word" and self._next.text.lower() == word
        self._at += found
        return found

    def _mark(self, mark: str) -> bool:
        found = self._next.text == mark
        self._at += found
        return found

    def _need(self, mark: str) -> None:
        if not self._mark(mark):
            raise self._expected(f"“{mark}”", f"{mark!r}")

    def _expected(self, zh: str, en: str) -> RuleSyntaxError:
        found = self._next
        what = (f"“{found.text}”", repr(found.text)) if found.text else ("规则结束", "the end of the rule")
        return RuleSyntaxError(found.start, f"应为{zh}，却是{what[0]}", f"expected {en}, found {what[1]}")
