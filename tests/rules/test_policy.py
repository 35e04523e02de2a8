"""Policies in time: dated values, sources, reforms, differences; the shipped ones and their worked examples."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rules.fault import UserError
from rules.policy.check import checked, load_policy
from rules.policy.dated import as_of, change_days
from rules.policy.difference import difference
from rules.policy.examples import check_examples, read_examples
from rules.policy.model import Rules
from rules.policy.shipped import find_policy, policy_file, shipped
from rules.policy.tables import load_tables
from rules.policy.terms import models_in, term_at
from rules.policy.values import term_of
from tests.rules.city import document, policy

if TYPE_CHECKING:
    from pydantic import BaseModel

VALID = date(2026, 1, 1), date(2026, 12, 31)
JULY = date(2026, 7, 1)


@pytest.mark.parametrize("name", shipped())
def test_shipped_policy(name: str) -> None:
    loaded = find_policy(name)
    assert loaded.id == name
    for start in loaded.starts:
        assert load_tables(loaded, loaded.on(start)).groups
    outcomes = check_examples(loaded)
    assert [(o.example.what, o.comparisons, o.faults) for o in outcomes if not o.passed] == []


def test_every_value_of_every_shipped_policy_has_a_name() -> None:
    todo: list[type[BaseModel]] = [Rules]
    seen: set[type[BaseModel]] = set()
    while todo:
        model = todo.pop()
        if model not in seen:
            seen.add(model)
            for key, field in model.model_fields.items():
                assert term_of(model, key)[0].zh
                todo += models_in(field.annotation)
    assert term_at(("pools", 0, "point_value", "start", "value")) == (("点值", "value"), ("元/点", "yuan per point"))


def test_a_day_picks_one_entry_of_every_series() -> None:
    dated: dict[str, Any] = {
        "scalar": [
            {"from": VALID[0], "value": "1", "reference": "A"},
            {"from": JULY, "value": "2", "reference": "B 3"},
        ],
        "section": {"kept": 1, "values": [{"from": VALID[0], "x": "1"}, {"from": JULY, "x": "2", "reference": "C"}]},
        "table": [{"from": JULY, "y": {"z": "3"}}],
        "items": [{"id": "a", "v": 1}, {"id": "b", "from": VALID[0], "v": 2}, {"id": "b", "from": JULY, "v": 3}],
        "list": [{"from": VALID[0], "value": ["p", "q"]}],
    }
    before, after = as_of(dated, date(2026, 6, 30), VALID), as_of(dated, JULY, VALID)
    assert before.document == {
        "scalar": "1",
        "section": {"kept": 1, "x": "1"},
        "items": [{"id": "a", "v": 1}, {"id": "b", "v": 2}],
        "list": ["p", "q"],
    }
    assert after.document["scalar"] == "2"
    assert after.document["section"] == {"kept": 1, "x": "2", "reference": "C"}
    assert after.document["table"] == {"y": {"z": "3"}}
    assert after.document["items"] == [{"id": "a", "v": 1}, {"id": "b", "v": 3}]
    assert change_days(dated, VALID) == [VALID[0], JULY]
    source = after.source(("scalar",))
    assert source == ("B 3", JULY, VALID[1], "scalar[1]")


def test_a_source_is_that_of_the_nearest_table(tmp_path: Path) -> None:
    city = policy(tmp_path, '[month]\nreference = "illustrative: the month"')
    resolved = city.on(VALID[0])
    assert resolved.source("month", "prepayment_ratio") == ("illustrative: the month", *VALID, "month")
    assert resolved.source("clearing", "surplus") == ("illustrative", *VALID, "")


def test_stretches_of_days(tmp_path: Path) -> None:
    city = policy(
        tmp_path,
        '[month]\nprepayment_ratio = [{ from = 2026-01-01, value = "0.95" }, { from = 2026-07-01, value = "0.9" }]',
    )
    assert city.starts == (VALID[0], JULY)
    assert str(city.on(date(2026, 6, 30)).rules.month.prepayment_ratio) == "0.95"
    assert str(city.on(JULY).rules.month.prepayment_ratio) == "0.9"
    with pytest.raises(UserError, match="policy test-city is not valid on 2027-01-01"):
        city.on(date(2027, 1, 1))


LATER_CLASSES = """
from = 2026-10-01
[change.value]
ratio = { classify = "group_mean", formula = "group_mean" }
low = { when = "ratio < 0.3", pay = "actual" }
"""
REFORM = """
id = "reform"
title = { zh = "改革", en = "A reform" }
baseline = "base.toml"
[documents]
N = "a new notice"
"""
CHANGE = """
[[change]]
key = "{key}"
reference = "N 1"
{rest}
"""


def reformed(folder: Path, *changes: tuple[str, str]) -> list[Any]:
    """Write the test city and a reform of it, and return what differs."""
    text = toml(document())
    (folder / "base.toml").write_text(text, "utf-8")
    (folder / "reform.toml").write_text(REFORM + "".join(CHANGE.format(key=k, rest=r) for k, r in changes), "utf-8")
    before, after = find_policy(folder / "base.toml"), find_policy(folder / "reform.toml")
    assert after.id == "reform"
    return difference(before, after)


def toml(table: dict[str, Any]) -> str:
    """Write a document as TOML inline tables, enough for the test city."""
    return "".join(f"{key} = {inline(value)}\n" for key, value in table.items())


def inline(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f'"{key}" = {inline(inner)}' for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    if isinstance(value, str):
        return '"' + value.replace('"', '\\"') + '"'
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_a_reform_changes_only_what_it_says(tmp_path: Path) -> None:
    found = reformed(
        tmp_path,
        ("month.prepayment_ratio", 'from = 2026-07-01\nvalue = "0.9"'),
        (
            "pools.resident.point_value.start",
            'from = 2026-03-01\nto = 2026-03-31\nvalue = { value = "60", unit = "charge_yuan" }',
        ),
        ("hospital_coefficient.table", 'value = { "1" = "1", "2" = "1", "3" = "1" }'),
        (
            "case_class",
            LATER_CLASSES,
        ),
    )
    october, march = date(2026, 10, 1), (date(2026, 3, 1), date(2026, 3, 31))
    assert found == [
        ("case_class.low.pay", october, VALID[1], None, "actual"),
        ("case_class.low.when", october, VALID[1], None, "ratio < 0.3"),
        ("case_class.ratio.classify", october, VALID[1], None, "group_mean"),
        ("case_class.ratio.formula", october, VALID[1], None, "group_mean"),
        ("hospital_coefficient.table.1", *VALID, "0.92", "1"),
        ("hospital_coefficient.table.2", *VALID, "1.00", "1"),
        ("hospital_coefficient.table.3", *VALID, "1.06", "1"),
        ("month.prepayment_ratio", JULY, VALID[1], "0.95", "0.9"),
        ("pools.resident.point_value.start.value", *march, "53.8381", "60"),
    ]


def test_a_reform_may_end_a_rule(tmp_path: Path) -> None:
    later = reformed(tmp_path, ("hospital_coefficient", "from = 2026-07-01\nremove = true"))
    assert later[0][:3] == ("hospital_coefficient.by", JULY, VALID[1])
    always = reformed(tmp_path, ("hospital_coefficient", "remove = true"))
    assert {(one.since, one.until, one.after) for one in always} == {(*VALID, None)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("month.prepayment_rates.x", 'value = "1"'),
            "the baseline has no key 'month.prepayment_rates.x'; did you mean prepayment_ratio",
        ),
        (("pools.employees.place", 'value = "local"'), "no key 'pools.employees.place'; did you mean employee"),
        (("month.prepayment_ratio", ""), r"change\[1\]: needs either value or remove"),
        (
            ("month.prepayment_ratio", 'value = "1"\nfrm = 2026-01-01'),
            r"change\[1\].frm: unknown key; did you mean from",
        ),
        (("month.prepayment_ratio", 'value = "7"'), "month.prepayment_ratio.*7 must be ≤ 1"),
    ],
)
def test_reforms_refused(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        reformed(tmp_path, change)


def test_names_of_policies() -> None:
    assert policy_file("example-drg").name == "policy.toml"
    with pytest.raises(UserError, match="there is no such policy file; did you mean example-drg"):
        policy_file("exampel-drg")


def examples(folder: Path, text: str) -> list[str]:
    (folder / "x.cases.toml").write_text(text, "utf-8")
    try:
        return [str(len(read_examples(folder / "x.cases.toml")))]
    except UserError as error:
        return [fault.en.split(": ", 1)[1] for fault in error.faults]


def test_faults_of_worked_examples(tmp_path: Path) -> None:
    assert examples(tmp_path, "x = 1\n") == ["x: unknown table; [[case]] expected", "case: there is no [[case]]"]
    faulty = """
[[case]]
what = "a"
given = { charg = "1", weight = 0.5, month = "2026-13", length_of_stay = "2.5", at_clearing = "yes", diagnoses = "I10" }
expected = { standrd = "1" }
note = "x"
[[case]]
what = "b"
given = { charge = "1" }
expected = {}
source = "c"
"""
    assert examples(tmp_path, faulty) == [
        "case[1].note: unknown key; known: expected, given, source, what",
        "case[1].source: is missing",
        "case[1].given.charg: unknown key; did you mean charge, discharged?",
        'case[1].given.weight: 0.5 must be a decimal in quotes, such as "0.95"',
        'case[1].given.month: must read "2026-10"',
        "case[1].given.length_of_stay: '2.5' must be a whole number",
        "case[1].given.at_clearing: must be true or false",
        "case[1].given.diagnoses: must be a list of texts",
        "case[1].expected.standrd: unknown result; did you mean standard?",
        "case[2].expected: names no result",
    ]


def test_a_figure_that_differs_is_told(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(toml(document()), "utf-8")
    case = '[[case]]\nwhat = "w"\nsource = "s"\ngiven = {{ {} }}\nexpected = {{ {} }}\n'
    given = 'pool = "employee", weight = "1", hospital_level = "2", charge = "5000.00"'
    text = case.format(given, 'standard = "5280.95", points = "100", class = "low", break_even_ratio = "1.0019"')
    text += case.format('pool = "employe", weight = "1"', 'standard = "1"')
    file.with_suffix(".cases.toml").write_text(text, "utf-8")
    first, second = check_examples(load_policy(file))
    assert [(c.key, c.found, c.equal) for c in first.comparisons] == [
        ("standard", "5280.94", False),
        ("points", "100", True),
        ("class", "normal", False),
        ("break_even_ratio", "1.0019", True),
    ]
    assert not second.passed
    assert second.faults[0].en == "given.pool: there is no pool 'employe'; did you mean employee?"


def test_documents_are_never_changed_by_checking() -> None:
    first = document(
        '[case_class.ratio]\nclassify = "group_mean"\nformula = "group_mean"\n'
        '[case_class.high]\npay = "cap"\nline = [{ ratio_over = "3" }]'
    )
    copy = toml(first)
    checked(first, Path("x.toml"))
    assert toml(first) == copy


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("baseline = 5", "baseline: must be text"),
        ("change = 5", "change: [[change]] expected"),
        ("change = [5]", "change[1]: must be a table"),
        ("documents = 5", "documents: must be a table"),
        ('[[change]]\nkey = 5\nvalue = 1\nreference = "illustrative"', "change[1].key: must be text"),
        ('[[change]]\nkey = "month"\nfrom = "2026"\nvalue = 1', "change[1].from: must be a date such as 2026-01-01"),
        ('[[change]]\nkey = "month"\nfrom = 2026-05-01\nto = 2026-01-01\nvalue = 1', "change[1].to: lies before from"),
    ],
)
def test_reforms_of_the_wrong_types(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "reform.toml"
    baseline = "" if "baseline" in text else 'baseline = "example-drg"\n'
    file.write_text(f'{baseline}id = "x"\ntitle = {{ zh = "甲", en = "x" }}\n{text}\n', "utf-8")
    with pytest.raises(UserError) as caught:
        find_policy(file)
    assert message in caught.value.text("en")
