"""Worked examples beside a policy: the official's own check that the file says what the document says.

FILE.cases.toml holds `[[case]]` tables with `what`, `given`, `expected` and `source`; the keys are in `example_keys`.
Money must be equal to the fen; any other figure is rounded to the decimals that the example prints.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from rules.fault import Text, UserError, at, near
from rules.money import round_decimals, yuan_text
from rules.policy.check import read_document
from rules.policy.example_answers import answers
from rules.policy.example_given import Given
from rules.policy.example_keys import (
    ABOVE_ZERO,
    ANY_DECIMALS,
    BY_HOSPITAL,
    CLEARING_GIVEN,
    EXPECTED,
    GIVEN,
    MONTH_EXPECTED,
    MONTH_GIVEN,
    POOL_GIVEN,
    Key,
    Value,
)
from rules.policy.resolve import Policy
from rules.policy.values import PLAIN

PARTS = ("what", "given", "expected", "source")


@dataclass(frozen=True)
class Example:
    """One worked example as read. `question`: case, pool, month or clearing."""

    number: int
    what: str
    source: str
    question: str
    given: Mapping[str, Value]
    expected: Mapping[str, object]


class Comparison(NamedTuple):
    """One expected figure beside what the policy gives, both as printed."""

    key: str
    expected: str
    found: str
    equal: bool


class Outcome(NamedTuple):
    """An example with its comparisons, or the fault that kept it from being worked."""

    example: Example
    comparisons: tuple[Comparison, ...]
    faults: tuple[Text, ...] = ()

    @property
    def passed(self) -> bool:
        """Tell whether every figure is as expected."""
        return not self.faults and all(comparison.equal for comparison in self.comparisons)


def cases_file(policy_file: Path) -> Path:
    """Return the file of a policy's worked examples: policy.toml -> policy.cases.toml."""
    return policy_file.with_suffix(".cases.toml")


def check_examples(policy: Policy, file: Path | None = None) -> list[Outcome]:
    """Work the examples beside a policy. UserError carries every fault of the file of examples."""
    return [worked(policy, example) for example in read_examples(file or cases_file(policy.file))]


def worked(policy: Policy, example: Example) -> Outcome:
    """Work one example."""
    try:
        found = answers(policy, Given(example.given), example.question)
    except UserError as error:
        return Outcome(example, (), error.faults)
    known = EXPECTED[example.question]
    return Outcome(example, tuple(compare(key, known[key], wanted, found) for key, wanted in example.expected.items()))


def compare(key: str, known: Key, wanted: object, found: Mapping[str, object]) -> Comparison:
    """Compare one expected figure with the one found."""
    value = found.get(key)
    if isinstance(wanted, Mapping):
        inner = value if isinstance(value, Mapping) else {}
        pairs = {name: compare(str(name), known, text, inner) for name, text in wanted.items()}
        equal = all(pair.equal for pair in pairs.values()) and set(inner) == set(pairs)
        return Comparison(key, str(dict(wanted)), str({name: pair.found for name, pair in pairs.items()}), equal)
    text = str(wanted)
    if value is None or isinstance(value, str) or known.kind not in {"number", "amount"}:
        shown = "" if value is None else str(value)
        return Comparison(key, text, shown, shown == text)
    exact = Fraction(value) if isinstance(value, int | Fraction | Decimal) else Fraction(0)
    decimals = max(0, -int(Decimal(text).as_tuple().exponent))
    if isinstance(value, int):
        return Comparison(key, text, yuan_text(value), Fraction(text) * 100 == value)
    shown_as = exact / 100 if known.kind == "amount" else exact
    rounded = round_decimals(shown_as, decimals, "half_away_from_zero")
    return Comparison(key, text, printed(rounded, decimals), rounded == Fraction(text))


def printed(number: Fraction, decimals: int) -> str:
    """Print a number that ends within so many decimals."""
    return f"{Decimal(int(number * 10**decimals)).scaleb(-decimals):f}"


def read_examples(file: Path) -> list[Example]:
    """Read a file of worked examples; UserError carries every fault of it."""
    document = read_document(file)
    faults: list[Text] = []
    strangers = set(document) - {"case"}
    faults += [
        at(file, name, "未知的表；应为 [[case]]", "unknown table; [[case]] expected") for name in sorted(strangers)
    ]
    tables = document.get("case", [])
    if not isinstance(tables, list) or not tables:
        raise UserError([*faults, at(file, "case", "没有 [[case]]", "there is no [[case]]")])
    found = [read_example(file, number, table, faults) for number, table in enumerate(tables, start=1)]
    if faults:
        raise UserError(faults)
    return found


def read_example(file: Path, number: int, table: Mapping[str, Any], faults: list[Text]) -> Example:
    """Read one example and add its faults."""
    place = f"case[{number}]"
    if not isinstance(table, Mapping):
        faults.append(at(file, place, "应为表", "must be a table"))
        table = {name: {} for name in PARTS}
    for name in sorted(set(table) - set(PARTS)):
        hint = near(name, PARTS)
        faults.append(at(file, f"{place}.{name}", f"未知的键{hint.zh}", f"unknown key{hint.en}"))
    faults += [at(file, f"{place}.{name}", "缺少此项", "is missing") for name in PARTS if name not in table]
    parts = {name: table.get(name, {}) for name in ("given", "expected")}
    for name, part in parts.items():
        if not isinstance(part, Mapping):
            faults.append(at(file, f"{place}.{name}", "应为表", "must be a table"))
            parts[name] = {}
    given_table, expected = parts["given"], parts["expected"]
    given: dict[str, Value] = {}
    for name, value in given_table.items():
        where = f"{place}.given.{name}"
        if name not in GIVEN:
            hint = near(name, GIVEN)
            faults.append(at(file, where, f"未知的键{hint.zh}", f"unknown key{hint.en}"))
        else:
            read = read_value(GIVEN[name], value)
            read = read if isinstance(read, Text) else bounded(name, read) or read
            if isinstance(read, Text):
                faults.append(at(file, where, read.zh, read.en))
            else:
                given[name] = read
    question = question_of(given_table, expected)
    for name, value in expected.items():
        where = f"{place}.expected.{name}"
        if name not in EXPECTED[question]:
            hint = near(name, EXPECTED[question])
            faults.append(at(file, where, f"未知的结果{hint.zh}", f"unknown result{hint.en}"))
        elif isinstance(fault := read_value(EXPECTED[question][name], value), Text):
            faults.append(at(file, where, fault.zh, fault.en))
    if not expected and table.get("expected") == {}:
        faults.append(at(file, f"{place}.expected", "没有期望结果", "names no result"))
    return Example(number, str(table.get("what", "")), str(table.get("source", "")), question, given, expected)


def question_of(given: Mapping[str, object], expected: Mapping[str, object]) -> str:
    """Tell what an example asks about: clearing, a pool, a hospital-month, or one case.

    The keys that only one question has decide; a case is what no other question takes.
    """
    if "booked" in given or {"assessment_score", "assessment_coefficient"} & set(given):
        return "clearing"
    if (set(POOL_GIVEN) - {"outside"}) & set(given) or set(expected) & {"amount", "reserve"}:
        return "pool"
    if set(MONTH_GIVEN) & set(given) or set(expected) & {"prepaid", "withheld"}:
        return "month"
    own = set(CLEARING_GIVEN) & set(given)
    if own and set(expected) <= set(MONTH_EXPECTED) - {"deposit"}:
        return "month"
    if set(expected) & {"a", "retention", "sharing", "clearing"} or own:
        return "clearing"
    pool_only = set(expected) <= {"fund", "value"} and not {"charge", "weight", "score", "group"} & set(given)
    return "pool" if pool_only else "case"


def read_value(key: Key, value: object) -> Value | Text:
    """Read one given or expected value by the kind of its key, or say what is wrong with it."""
    if isinstance(value, Mapping):
        return read_table(key, value)
    if key.kind == "flag":
        return value if isinstance(value, bool) else Text("应为 true 或 false", "must be true or false")
    if key.kind == "date":
        return value if type(value) is date else Text("应为日期，如 2026-10-31", "must be a date such as 2026-10-31")
    if key.kind == "texts":
        listed = isinstance(value, list) and all(isinstance(item, str) for item in value)
        return tuple(value) if listed and isinstance(value, list) else Text("应为文字列表", "must be a list of texts")
    if key.kind == "month":
        good = isinstance(value, str) and len(value) == 7 and value[:4].isdigit() and value[5:].isdigit()
        good = good and isinstance(value, str) and value[4] == "-" and 1 <= int(value[5:]) <= 12
        return value if good and isinstance(value, str) else Text('应写成 "2026-10"', 'must read "2026-10"')
    if key.kind == "text":
        return str(value) if isinstance(value, str | int) else Text("应为文字", "must be text")
    return read_number(key, value)


def bounded(name: str, value: Value) -> Text | None:
    """Say what is wrong with a given value that no case or sum can have."""
    numbers = list(value.values()) if isinstance(value, Mapping) else [value]
    if isinstance(value, Mapping) and name not in BY_HOSPITAL:
        return Text("应为单个值，不是表", "must be one value, not a table")
    for number in numbers:
        if not isinstance(number, Fraction | int) or isinstance(number, bool):
            continue
        if number < 0 or (number == 0 and name in ABOVE_ZERO):
            return (
                Text("应大于 0", "must be above 0") if name in ABOVE_ZERO else Text("不得为负", "must not be negative")
            )
        if GIVEN[name].kind == "amount" and name not in ANY_DECIMALS and Fraction(number).denominator != 1:
            return Text("应精确到分", "must be in whole fen")
    return None


def read_table(key: Key, value: Mapping[str, object]) -> Value | Text:
    """Read a table of numbers by hospital."""
    if key.kind not in {"table", "amount", "number"}:
        return Text("应为单个值，不是表", "must be one value, not a table")
    found = {name: read_number(key, number) for name, number in value.items()}
    faults = [fault for fault in found.values() if isinstance(fault, Text)]
    return faults[0] if faults else {name: n for name, n in found.items() if isinstance(n, Fraction)}


def read_number(key: Key, value: object) -> Fraction | int | Text:
    """Read a number; an amount of yuan becomes fen."""
    wrong = Text(f'{value!r} 应为带引号的十进制数，如 "0.95"', f'{value!r} must be a decimal in quotes, such as "0.95"')
    if isinstance(value, bool) or not isinstance(value, str | int):
        return wrong
    if not PLAIN.fullmatch(str(value).strip()):
        return wrong
    number = Decimal(str(value).strip())
    if key.kind == "whole":
        return (
            int(number) if number == int(number) else Text(f"{value!r} 应为整数", f"{value!r} must be a whole number")
        )
    return Fraction(number) * (100 if key.kind == "amount" else 1)
