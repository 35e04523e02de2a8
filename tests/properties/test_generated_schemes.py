"""On generated schemes the reference evaluator, the kernel and a plain reading of the specification agree."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grouper import Record, group_case, load_scheme
from grouper.codes import DIAGNOSES, PROCEDURES, load_code_list
from grouper.drg.batch import ANSWER_COLUMNS, Grouper, group_arrow
from grouper.drg.compile import compile_scheme
from tests.grouper.scheme.small import write_tables
from tests.properties.plain_grouping import PlainScheme, Row, Rule, plain_group, written

LISTED = ("A00.000", "A01.000x005+J17.0*", "E11.900", "I10.x00", "I21.900", "J18.900", "P07.300x001", "Z21.x00x001")
DIAGNOSIS_CODES = (*LISTED, "X99.LOCAL", "Y99.LOCAL")
PROCEDURE_CODES = ("01.2400", "36.0700x004", "37.5100", "74.1x01", "96.7201", "99.LOCAL")
DIAGNOSIS_SETS = ("DI_1", "DI_2", "DI_3", "DI_4")
PROCEDURE_SETS = ("OP_1", "OP_2", "OP_3")
TABLES = ("EX_1", "EX_2")
FIELDS = ("ZYZD", "QTZD", "ZYSS", "QTSS")
NUMBERS = ("sex", "age", "age_days", "birth_weight", "admission_weight", "length_of_stay", "discharge_way", "department")
HEAD = """
id = "generated"
name = {{ zh = "生成", en = "Generated" }}
version = "1"
valid = {{ from = "2026-01-01" }}
document = "none"
compiled = "For tests."
newborn_weight = "{weight}"
required = [{required}]
diagnosis_codes = "icd10-insurance-2.0"
procedure_codes = "icd9cm3-insurance-2.0"
"""
ALWAYS: Rule = ("always",)

some_fields = st.lists(st.sampled_from(FIELDS), min_size=1, max_size=3, unique=True)
some_sets = st.lists(st.sampled_from((*DIAGNOSIS_SETS, *PROCEDURE_SETS)), min_size=1, max_size=3, unique=True)
memberships = st.tuples(st.just("in"), some_fields, some_sets, st.booleans())
levels = st.lists(st.sampled_from(("MCC", "CC", "DI_1", "DI_2")), min_size=1, max_size=3, unique=True)
complicated = st.tuples(st.just("in"), st.just(["QTZD"]), levels, st.booleans())
comparisons = st.tuples(
    st.just("compare"),
    st.sampled_from(("NL", "XB", "XSRTL", "XSRTZ", "ZYTS", "LYFS", "KS")),
    st.sampled_from((">=", "<=", "<", ">", "=")),
    st.integers(0, 4),
)
counts = st.tuples(
    st.just("length"), st.sampled_from((*DIAGNOSIS_SETS, *PROCEDURE_SETS)), some_fields, st.integers(0, 3)
)
conditions = st.one_of(memberships, memberships, complicated, comparisons, counts)
rules: st.SearchStrategy[Rule] = st.recursive(
    st.one_of(conditions, conditions, conditions, st.just(ALWAYS)),
    lambda inner: st.builds(
        lambda kind, parts: (kind, *parts), st.sampled_from(("and", "or")), st.lists(inner, min_size=2, max_size=3)
    ),
    max_leaves=6,
)
"""Rules of any shape; a bare "always" is a fallback."""


def subsets(codes: tuple[str, ...], least: int = 0) -> st.SearchStrategy[frozenset[str]]:
    return st.frozensets(st.sampled_from(codes), min_size=least, max_size=len(codes))


@st.composite
def adrg_rows(draw: st.DrawFn, mdc: str) -> tuple[Row, ...]:
    kinds = draw(st.lists(st.sampled_from(("A1", "B2", "C3", "QY")), max_size=3, unique=True))
    orders = draw(st.permutations(range(len(kinds) + 1)))
    rows = [
        Row(f"{mdc}{kind}", "" if kind == "QY" else f"{mdc}{kind}", order, draw(rules), draw(drg_rows(f"{mdc}{kind}")))
        for kind, order in zip(kinds, orders, strict=False)
    ]
    if draw(st.booleans()):
        rows.append(Row(f"{mdc}00", "", orders[-1], ALWAYS, (Row(f"{mdc}000", "", 1, ALWAYS),)))
    return tuple(rows)


@st.composite
def drg_rows(draw: st.DrawFn, adrg: str) -> tuple[Row, ...]:
    if adrg.endswith("QY"):
        return (Row(adrg, "", 1, ALWAYS),)
    digits = draw(st.lists(st.sampled_from("1359"), max_size=3, unique=True))
    orders = draw(st.permutations(range(len(digits))))
    return tuple(
        Row(f"{adrg}{digit}", f"{adrg}{digit}", order, draw(rules)) for digit, order in zip(digits, orders, strict=True)
    )


@st.composite
def schemes(draw: st.DrawFn) -> PlainScheme:
    letters = draw(st.lists(st.sampled_from("ABCD"), min_size=1, max_size=4, unique=True))
    return PlainScheme(
        mdcs=tuple(
            Row(f"MDC{letter}", letter, order, draw(rules), draw(adrg_rows(letter)))
            for order, letter in enumerate(letters)
        ),
        sets={
            **{name: draw(subsets(DIAGNOSIS_CODES, 1)) for name in DIAGNOSIS_SETS},
            **{name: draw(subsets(PROCEDURE_CODES, 1)) for name in PROCEDURE_SETS},
        },
        complications=draw(
            st.dictionaries(
                st.sampled_from(DIAGNOSIS_CODES),
                st.tuples(st.sampled_from(("MCC", "CC")), st.sampled_from((*TABLES, "无"))),
            )
        ),
        exclusions={name: draw(subsets(DIAGNOSIS_CODES, 1)) for name in TABLES},
        not_grouped_diagnoses=draw(st.one_of(st.just(frozenset[str]()), subsets(LISTED[:2]))),
        not_grouped_procedures=draw(st.one_of(st.just(frozenset[str]()), subsets(PROCEDURE_CODES[:3]))),
        required=draw(st.frozensets(st.sampled_from(("age", "age_days", "birth_weight")))) | {"sex"},
        newborn_weight=draw(st.sampled_from(("birth_weight", "admission_weight"))),
        listed_diagnoses=frozenset(LISTED),
    )


def any_spelling(codes: tuple[str, ...]) -> st.SearchStrategy[str | None]:
    spelled = st.builds(
        lambda code, spell: spell(code),
        st.sampled_from((*codes, *codes, "Q99.999x999")),
        st.sampled_from((str, str, str, str.lower, str.upper, " {}\u3000".format)),
    )
    return st.one_of(spelled, spelled, spelled, spelled, st.sampled_from(("", " ", None)))


def lists(codes: tuple[str, ...]) -> st.SearchStrategy[list[str | None] | None]:
    few = st.lists(any_spelling(codes), max_size=5)
    return st.one_of(few, few, few, few, st.none())


small = st.one_of(st.integers(-1, 5), st.none())
records = st.fixed_dictionaries(
    {
        "diagnoses": lists(DIAGNOSIS_CODES),
        "procedures": lists(PROCEDURE_CODES),
        "sex": st.sampled_from((1, 2, 1, 2, 1, 2, 0, 9, None)),
        "age": small,
        "age_days": st.one_of(small, st.sampled_from((28, 29))),
        **dict.fromkeys(NUMBERS[3:], small),
    }
)


def write_scheme(folder: Path, scheme: PlainScheme) -> Path:
    """Write a scheme as a pack. An unconditional row has an empty rule, as in the official workbook."""
    adrgs = [(mdc, adrg) for mdc in scheme.mdcs for adrg in mdc.inside]
    tables = {
        "mdc": [(str(row.order), row.code, row.name, text(row)) for row in scheme.mdcs],
        "adrg": [(mdc.code, str(row.order), row.code, row.name, text(row)) for mdc, row in adrgs],
        "drg": [
            (adrg.code, str(row.order), row.code, row.name, text(row)) for _, adrg in adrgs for row in adrg.inside
        ],
        "sets": [(name, " ".join(sorted(codes))) for name, codes in scheme.sets.items()],
        "complications": [(code, *said) for code, said in scheme.complications.items()],
        "exclusions": [(name, " ".join(sorted(codes))) for name, codes in scheme.exclusions.items()],
        "not_grouped_diagnosis": [(code,) for code in sorted(scheme.not_grouped_diagnoses)],
        "not_grouped_procedure": [(code,) for code in sorted(scheme.not_grouped_procedures)],
    }
    required = ", ".join(f'"{name}"' for name in sorted(scheme.required))
    return write_tables(folder, HEAD.format(weight=scheme.newborn_weight, required=required), tables)


def text(row: Row) -> str:
    return "" if row.rule == ALWAYS else written(row.rule)


def as_table(rows: list[Mapping[str, Any]]) -> pa.Table:
    return pa.table(
        {
            **{name: pa.array([row[name] for row in rows], pa.list_(pa.string())) for name in ("diagnoses", "procedures")},
            **{name: pa.array([row[name] for row in rows], pa.int32()) for name in NUMBERS},
        }
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(scheme=schemes().filter(lambda scheme: any(mdc.inside for mdc in scheme.mdcs)), rows=st.lists(records, min_size=1, max_size=30))
def test_reference_and_kernel_read_the_rules_as_the_specification_does(
    scheme: PlainScheme, rows: list[Mapping[str, Any]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        loaded = load_scheme(write_scheme(Path(folder) / "generated", scheme))
    wanted = [plain_group(scheme, row) for row in rows]
    assert [tuple(group_case(loaded, Record(**row))) for row in rows] == wanted
    grouper = Grouper(compile_scheme(loaded))
    answers = grouper.arrow(grouper.group(as_table(rows).to_batches()[0])[0])
    assert list(zip(*(answers[name].to_pylist() for name in ANSWER_COLUMNS), strict=True)) == wanted


def test_a_scheme_without_any_adrg_groups_nothing(tmp_path: Path) -> None:
    tables = {"mdc": [("1", "MDCA", "", "")], "sets": [("DI_1", "A00.000")]}
    others: dict[str, list[tuple[str, ...]]] = {name: [] for name in ("adrg", "drg", "complications", "exclusions")}
    head = HEAD.format(weight="birth_weight", required='"sex"')
    loaded = load_scheme(write_tables(tmp_path / "generated", head, {**tables, **others}))
    record = {**dict.fromkeys(NUMBERS), "diagnoses": ["A00.000"], "procedures": [], "sex": 1}
    assert group_case(loaded, Record(**record)) == ("ungroupable", None, None, None, None, "no_adrg")
    answers = group_arrow(as_table([record]), Grouper(compile_scheme(loaded)))
    assert answers["reason"].to_pylist() == ["no_adrg"]


@pytest.mark.parametrize("weight", ["birth_weight", "admission_weight"])
def test_what_a_scheme_requires_is_read_even_where_no_rule_asks_for_it(tmp_path: Path, weight: str) -> None:
    """A newborn of 5 days without a weight is invalid where the weight is required, whatever the rules compare."""
    tables: dict[str, list[tuple[str, ...]]] = {
        "mdc": [("1", "MDCA", "", "")],
        "adrg": [("MDCA", "1", "AA1", "甲", "ZYZD in DI_1")],
        "drg": [("AA1", "1", "AA19", "甲", "")],
        "sets": [("DI_1", "A00.000")],
        "complications": [],
        "exclusions": [],
    }
    head = HEAD.format(weight=weight, required='"sex", "birth_weight"')
    loaded = load_scheme(write_tables(tmp_path / "generated", head, tables))
    record = {**dict.fromkeys(NUMBERS), "diagnoses": ["A00.000"], "procedures": [], "sex": 1, "age": 0, "age_days": 5}
    answers = group_arrow(as_table([record, {**record, weight: 3000}]), Grouper(compile_scheme(loaded)))
    assert answers["reason"].to_pylist() == ["birth_weight_missing", None]


def test_the_codes_of_generated_schemes_are_what_they_are_meant_to_be() -> None:
    diagnoses = set(load_code_list(DIAGNOSES).official.values())
    assert diagnoses.issuperset(LISTED)
    assert diagnoses.isdisjoint(DIAGNOSIS_CODES[len(LISTED) :])
    procedures = set(load_code_list(PROCEDURES).official.values())
    assert procedures.issuperset(PROCEDURE_CODES[:-1])
