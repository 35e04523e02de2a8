"""On generated schemes the reference evaluator, the kernel and a plain reading of the specification agree."""

import tempfile
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grouper import Record, group_case, load_scheme
from grouper.codes import DIAGNOSES, PROCEDURES, load_code_list
from grouper.drg.batch import ANSWER_COLUMNS, Grouper
from grouper.drg.compile import compile_scheme
from grouper.frames import group_arrow
from tests.grouper.scheme.small import COLUMNS, Rows, write_tables
from tests.properties.plain_grouping import PlainScheme, Row, Rule, plain_group, written

LISTED = ("A00.000", "A01.000x005+J17.0*", "E11.900", "I10.x00", "I21.900", "J18.900", "P07.300x001", "Z21.x00x001")
DIAGNOSIS_CODES = (*LISTED, "X99.LOCAL", "Y99.LOCAL")
PROCEDURE_CODES = ("01.2400", "36.0700x004", "37.5100", "74.1x01", "96.7201", "99.LOCAL")
DIAGNOSIS_SETS = ("DI_1", "DI_2", "DI_3", "DI_4")
PROCEDURE_SETS = ("OP_1", "OP_2", "OP_3")
TABLES = ("EX_1", "EX_2")
FIELDS = ("ZYZD", "QTZD", "ZYSS", "QTSS")
WEIGHTS = ("birth_weight", "admission_weight")
NUMBERS = ("sex", "age", "age_days", *WEIGHTS, "length_of_stay", "discharge_way", "department")
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
GATE: Rule = ("in", ["ZYZD", "QTZD"], ["DI_1", "DI_2"], False)
gates = st.one_of(rules, st.just(GATE))


def subsets(codes: tuple[str, ...], least: int = 0) -> st.SearchStrategy[frozenset[str]]:
    return st.frozensets(st.sampled_from(codes), min_size=least, max_size=len(codes))


@st.composite
def adrg_rows(draw: st.DrawFn, mdc: str) -> tuple[Row, ...]:
    kinds = draw(st.lists(st.sampled_from(("A1", "B2", "C3", "QY")), min_size=1, max_size=4, unique=True))
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
    letters = draw(st.lists(st.sampled_from("ABCD"), min_size=2, max_size=4, unique=True))
    return PlainScheme(
        mdcs=tuple(
            Row(f"MDC{letter}", letter, order, draw(gates), draw(adrg_rows(letter)))
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
        newborn_weight=draw(st.sampled_from(WEIGHTS)),
        listed_diagnoses=frozenset(LISTED),
    )


def random_record(random: Random) -> dict[str, Any]:
    """Return a record of the codes above in any spelling, with blanks, unknown codes and numbers near the limits."""
    return {
        "diagnoses": random_codes(random, DIAGNOSIS_CODES, random.choice((1, 1, 2, 3, 4, 5))),
        "procedures": random_codes(random, PROCEDURE_CODES, random.choice((0, 1, 1, 2, 3, 4))),
        "sex": random.choice((1, 2)) if random.random() < 0.9 else random.choice((0, 9, None)),
        "age_days": random.choice((-1, 0, 1, 2, 3, 4, 5, 28, 29, None)),
        **{name: random.choice((-1, 0, 1, 2, 3, 4, 5, None)) for name in ("age", *NUMBERS[3:])},
    }


def random_codes(random: Random, codes: tuple[str, ...], size: int) -> list[str | None] | None:
    if random.random() < 0.05:
        return random.choice((None, []))
    picked: list[str | None] = []
    for _ in range(size):
        code = random.choice(codes)
        spellings = code, code, code.lower(), code.upper(), f" {code}\u3000"
        picked.append(random.choice(spellings) if random.random() < 0.9 else random.choice(("", " ", None, "Q99.9")))
    return picked


def write_scheme(folder: Path, scheme: PlainScheme) -> Path:
    """Write a scheme as a pack. An unconditional row has an empty rule, as in the official workbook."""
    adrgs = [(mdc, adrg) for mdc in scheme.mdcs for adrg in mdc.inside]
    tables: dict[str, Rows] = {
        "mdc": [(str(row.order), row.code, row.name, text(row)) for row in scheme.mdcs],
        "adrg": [(mdc.code, str(row.order), row.code, row.name, text(row)) for mdc, row in adrgs],
        "drg": [(adrg.code, str(row.order), row.code, row.name, text(row)) for _, adrg in adrgs for row in adrg.inside],
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


def as_table(rows: list[dict[str, Any]]) -> pa.Table:
    codes = dict.fromkeys(("diagnoses", "procedures"), pa.list_(pa.string()))
    kinds = {**codes, **dict.fromkeys(NUMBERS, pa.int32())}
    return pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in kinds.items()})


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(scheme=schemes(), seed=st.integers(0, 10**6))
def test_reference_and_kernel_read_the_rules_as_the_specification_does(scheme: PlainScheme, seed: int) -> None:
    random = Random(seed)
    rows = [random_record(random) for _ in range(80)]
    with tempfile.TemporaryDirectory() as folder:
        loaded = load_scheme(write_scheme(Path(folder) / "generated", scheme))
    wanted = [plain_group(scheme, row) for row in rows]
    assert [tuple(group_case(loaded, Record(**row))) for row in rows] == wanted
    grouper = Grouper(compile_scheme(loaded))
    answers = grouper.arrow(grouper.group(as_table(rows).to_batches()[0])[0])
    assert list(zip(*(answers[name].to_pylist() for name in ANSWER_COLUMNS), strict=True)) == wanted


def test_a_scheme_without_any_adrg_groups_nothing(tmp_path: Path) -> None:
    tables: dict[str, Rows] = dict.fromkeys(COLUMNS, ())
    tables |= {"mdc": [("1", "MDCA", "", "")], "sets": [("DI_1", "A00.000")]}
    head = HEAD.format(weight="birth_weight", required='"sex"')
    loaded = load_scheme(write_tables(tmp_path / "generated", head, tables))
    record: dict[str, Any] = {**dict.fromkeys(NUMBERS), "diagnoses": ["A00.000"], "procedures": [], "sex": 1}
    assert group_case(loaded, Record(**record)) == ("ungroupable", None, None, None, None, "no_adrg")
    answers = group_arrow(as_table([record]), Grouper(compile_scheme(loaded)))
    assert answers["reason"].to_pylist() == ["no_adrg"]


@pytest.mark.parametrize("weight", WEIGHTS)
def test_what_a_scheme_requires_is_read_even_where_no_rule_asks_for_it(tmp_path: Path, weight: str) -> None:
    """A newborn of 5 days without a weight is invalid where the weight is required, whatever the rules compare."""
    tables: dict[str, Rows] = {
        "mdc": [("1", "MDCA", "", "")],
        "adrg": [("MDCA", "1", "AA1", "甲", "ZYZD in DI_1")],
        "drg": [("AA1", "1", "AA19", "甲", "")],
        "sets": [("DI_1", "A00.000")],
        "complications": [],
        "exclusions": [],
    }
    head = HEAD.format(weight=weight, required='"sex", "birth_weight"')
    loaded = load_scheme(write_tables(tmp_path / "generated", head, tables))
    record: dict[str, Any] = {
        **dict.fromkeys(NUMBERS),
        "diagnoses": ["A00.000"],
        "procedures": [],
        "sex": 1,
        "age": 0,
        "age_days": 5,
    }
    answers = group_arrow(as_table([record, {**record, weight: 3000}]), Grouper(compile_scheme(loaded)))
    assert answers["reason"].to_pylist() == ["birth_weight_missing", None]


def test_the_codes_of_generated_schemes_are_what_they_are_meant_to_be() -> None:
    diagnoses = set(load_code_list(DIAGNOSES).official.values())
    assert diagnoses.issuperset(LISTED)
    assert diagnoses.isdisjoint(DIAGNOSIS_CODES[len(LISTED) :])
    procedures = set(load_code_list(PROCEDURES).official.values())
    assert procedures.issuperset(PROCEDURE_CODES[:-1])
