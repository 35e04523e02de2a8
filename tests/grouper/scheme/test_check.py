"""What `check` finds in the shipped packs is what their documents are known for; a small pack shows each kind."""

import re
from itertools import product
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grouper.drg.reference import Record, group_case
from grouper.scheme.check import KINDS, Finding, check
from grouper.scheme.pack import load_scheme
from tests.grouper.scheme.small import SMALL, Rows, write_pack


def found(scheme: str | Path) -> dict[str, Finding]:
    return {finding.name: finding for finding in check(load_scheme(scheme))}


def counts(scheme: str) -> dict[str, int]:
    return {name: finding.count for name, finding in found(scheme).items()}


def test_1_1() -> None:
    findings = found("chs-drg-1.1")
    assert findings["outside_gate_medical"].count == 180
    assert findings["two_gates"].examples == ("Z20.600 MDCY MDCX", "C45.100 MDCN MDCG", "T28.800x001 MDCN MDCL")
    assert "unreachable" not in findings
    assert not findings.keys() & {"unknown_diagnosis", "unknown_procedure", "unused_set", "unused_exclusion"}


def test_1_1_admits_diagnoses_that_no_medical_adrg_takes() -> None:
    # 154 in the MDCs of organs and, counted here too, 9 newborn diagnoses of MDCP
    finding = found("chs-drg-1.1")["gate_without_adrg"]
    assert finding.count == 154 + 9
    assert {example.split()[1] for example in finding.examples[:9]} == {"MDCP"}


def test_2_0() -> None:
    findings = found("chs-drg-2.0")
    assert findings["gate_without_adrg"].examples == ("O75.700x001 MDCO", "O84.000 MDCO")
    assert not findings.keys() & {"outside_gate_medical", "outside_gate_surgical", "two_gates", "unreachable"}


def test_3_0() -> None:
    findings = found("chs-drg-3.0")
    assert findings["outside_gate_surgical"].examples == ("C85.900x008 MDCR", "C85.900x013 MDCR", "C85.900x020 MDCR")
    assert findings["unknown_procedure"].count == 80
    assert not findings.keys() & {"gate_without_adrg", "two_gates", "unreachable", "unknown_diagnosis", "unused_set"}


def test_beijing_has_adrgs_without_an_unconditional_drg() -> None:
    assert found("beijing-drg-2022")["adrg_without_drg"].examples == ("RC1", "RC2", "RE1")


def test_a_consistent_scheme_has_no_findings(tmp_path: Path) -> None:
    assert found(write_pack(tmp_path / "small")).keys() == {"no_gate"}
    assert found(tmp_path / "small")["no_gate"].count == 33_308 - 5


def plus(table: str, *rows: tuple[str, ...]) -> Rows:
    return [*SMALL[table], *rows]


@pytest.mark.parametrize(
    ("name", "tables", "examples"),
    [
        ("outside_gate_medical", {"sets": plus("sets", ("DI_X", "G00.000 H25.000"))}, ("H25.000 MDCB",)),
        ("gate_without_adrg", {"sets": [("DI_B00", "G00.000 G00.300"), *SMALL["sets"][1:]]}, ("G00.300 MDCB",)),
        ("two_gates", {"sets": plus("sets", ("DI_X", "H25.000"))}, ("H25.000 MDCB MDCC",)),
        ("unknown_diagnosis", {"complications": plus("complications", ("Q99.999", "CC", "无"))}, ("q99.999",)),
        ("unknown_procedure", {"sets": plus("sets", ("OP_X", "99.9999x999"))}, ("99.9999x999",)),
        ("unused_set", {"sets": plus("sets", ("DI_OLD", "G00.000"))}, ("DI_OLD",)),
        ("unused_exclusion", {"exclusions": plus("exclusions", ("EX_2", "G00.000"))}, ("EX_2",)),
        ("adrg_without_drg", {"adrg": plus("adrg", ("MDCC", "2", "CZ2", "其他", "NL<6"))}, ("CZ2",)),
    ],
)
def test_each_kind_of_lists(tmp_path: Path, name: str, tables: dict[str, Rows], examples: tuple[str, ...]) -> None:
    tables = dict(tables)
    if name == "outside_gate_medical":
        tables["adrg"] = plus("adrg", ("MDCB", "5", "BR3", "其他", "ZYZD in DI_X"))
    if name == "two_gates":
        tables["mdc"] = [SMALL["mdc"][0], ("2", "MDCB", "神经", "ZYZD in {DI_B00, DI_X}"), SMALL["mdc"][2]]
    finding = found(write_pack(tmp_path / "odd", **tables))[name]
    assert (finding.examples, finding.count) == (examples, len(examples))
    assert finding.text.zh
    assert finding.text.en


@pytest.mark.parametrize(
    ("rule", "order", "examples"),
    [
        ("ZYZD in DI_B00", "5", ("BR3 ← BR1, BR2",)),
        ("(ZYZD in DI_B00) and (NL<6)", "5", ("BR3 ← BR1, BR2",)),
        ("(ZYZD in DI_BR1) and (ZYZD in DI_BR2)", "0", ("BR3",)),
        ("(NL<6) and (NL>6)", "0", ("BR3",)),
        ("ZYZD in DI_C00", "0", ("BR3",)),
        ("ZYSS in OP_AA1", "0", ("BR3 ← AA1",)),
        ("(ZYZD in DI_BR2) and (ZYSS in {OP_BB1, OP_AA1})", "1", ("BR3 ← AA1, BB1",)),
        ("(ZYZD in DI_BR1) and (QTZD in DI_BR2)", "5", ("BR3 ← BR1",)),
        ("ZYZD in DI_B00", "0", ("BB1 ← BR3", "BQY ← BR3", "BR1 ← BR3", "BR2 ← BR3")),
        ("(ZYZD in DI_B00) and (NL<6)", "0", ()),
        ("(ZYZD in DI_BR1) and (QTZD in DI_BR2)", "0", ()),
        ("(ZYZD in DI_BR1) and (ZYSS not in OP_ALL)", "0", ("BR1 ← BR3, BQY",)),
        ("QTSS in OP_BB1", "0", ()),
    ],
)
def test_unreachable_groups(tmp_path: Path, rule: str, order: str, examples: tuple[str, ...]) -> None:
    folder = write_pack(
        tmp_path / "odd",
        adrg=plus("adrg", ("MDCB", order, "BR3", "其他", rule)),
        drg=plus("drg", ("BR3", "1", "BR39", "其他", "")),
    )
    findings = found(folder)
    assert (findings["unreachable"].examples if "unreachable" in findings else ()) == examples


@pytest.mark.parametrize(
    ("rule", "order", "examples"),
    [
        ("QTZD in {MCC, CC}", "1", ()),
        ("(QTZD in MCC) and (NL<6)", "2", ("BB13 ← BB11",)),
        ("", "3", ("BB13 ← BB15",)),
        ("(QTZD in MCC) and (NL>6) and (NL<6)", "0", ("BB13",)),
    ],
)
def test_unreachable_drgs(tmp_path: Path, rule: str, order: str, examples: tuple[str, ...]) -> None:
    drg = [*SMALL["drg"][:2], ("BB1", order, "BB13", "开颅，伴", rule), *SMALL["drg"][2:]]
    findings = found(
        write_pack(tmp_path / "odd", drg=[row if row[2] != "BB15" else ("BB1", "2", *row[2:]) for row in drg])
    )
    assert (findings["unreachable"].examples if "unreachable" in findings else ()) == examples


def test_overlapping_rules(tmp_path: Path) -> None:
    folder = write_pack(
        tmp_path / "odd",
        sets=plus("sets", ("DI_X", "G00.200 G00.100"), ("OP_X", "01.2400 01.2300")),
        adrg=plus(
            "adrg",
            ("MDCB", "5", "BR3", "其他", "ZYZD in DI_X"),
            ("MDCB", "2", "BB2", "其他", "ZYSS in OP_X"),
            ("MDCC", "2", "CB1", "其他", "ZYSS in OP_X"),
        ),
        drg=plus("drg", *((code[:3], "1", code, "其他", "") for code in ("BR39", "BB29", "CB19"))),
    )
    findings = found(folder)
    assert findings["overlapping_surgical"].examples == ("BB1 BB2 (1: 01.2400)",)
    assert findings["overlapping_medical"].examples == ("BR1 BR3 (1: G00.100)", "BR2 BR3 (1: G00.200)")


DIAGNOSES = ("G00.000", "G00.100", "G00.200", "H25.000")
PROCEDURES = ("01.2300", "01.2400", "37.5100")
ATOMS = st.sampled_from(
    [
        f"({fields} {word} {name})"
        for name, fields, word in (
            *product(("DI_1", "DI_2", "{DI_1, DI_3}"), ("ZYZD", "QTZD", "{ZYZD, QTZD}"), ("in", "not in")),
            *product(("OP_1", "OP_2", "{OP_1, OP_2}"), ("ZYSS", "QTSS", "{ZYSS, QTSS}"), ("in", "not in")),
        )
    ]
    + ["(NL<6)", "(NL>=6)", "(NL=7)", "(length(OP_1 ∩ {ZYSS, QTSS})>=2)"]
)
RULES = st.lists(st.lists(ATOMS, min_size=1, max_size=3).map(" and ".join), min_size=1, max_size=2).map(" or ".join)
SETS = st.tuples(
    *[st.sets(st.sampled_from(DIAGNOSES), min_size=1)] * 3, *[st.sets(st.sampled_from(PROCEDURES), min_size=1)] * 2
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rules=st.lists(RULES, min_size=2, max_size=4), gate=RULES, sets=SETS)
def test_no_record_reaches_a_group_called_unreachable(
    tmp_path_factory: pytest.TempPathFactory, rules: list[str], gate: str, sets: tuple[set[str], ...]
) -> None:
    names = ("DI_1", "DI_2", "DI_3", "OP_1", "OP_2")
    folder = write_pack(
        tmp_path_factory.mktemp("odd") / "pack",
        mdc=[("1", "MDCB", "神经", gate), ("2", "MDCC", "眼", "")],
        adrg=[("MDCB" if at < 2 else "MDCC", str(at), f"BR{at}", "组", rule) for at, rule in enumerate(rules)],
        drg=[(f"BR{at}", "1", f"BR{at}9", "组", "") for at in range(len(rules))],
        sets=[(name, " ".join(sorted(codes))) for name, codes in zip(names, sets, strict=True)],
        complications=[],
        exclusions=[],
    )
    scheme = load_scheme(folder)
    findings = found(folder)
    unreachable = (
        {example.split(" ")[0] for example in findings["unreachable"].examples} if "unreachable" in findings else set()
    )
    reached = {
        group_case(scheme, Record([principal, *other], list(procedures), sex=1, age=age)).adrg
        for principal, other, procedures, age in product(
            (*DIAGNOSES, "J18.900"),
            ((), ("G00.000",), ("G00.200", "H25.000")),
            ((), *((code,) for code in PROCEDURES), ("01.2300", "01.2400"), ("37.5100", "01.2300")),
            (5, 7),
        )
    }
    assert not unreachable & reached


def test_the_documentation_gives_the_counts() -> None:
    text = (Path(__file__).parents[3] / "docs" / "schemes.md").read_text(encoding="utf-8")
    schemes = ("chs-drg-1.1", "beijing-drg-2022", "chs-drg-2.0", "chs-drg-3.0")
    documented: dict[str, dict[str, int]] = {scheme: {} for scheme in schemes}
    for line in text[text.index("## What check finds") :].splitlines():
        if line.startswith("| `"):
            name, *columns = [cell.strip() for cell in line.strip("|").split("|")]
            for scheme, column in zip(schemes, columns, strict=True):
                figures = [int(figure.replace(",", "")) for figure in column.split(", ")]
                documented[scheme] |= dict(zip(re.findall("`([a-z_]+)`", name), figures, strict=True))
    assert {s: {n: c for n, c in by_name.items() if c} for s, by_name in documented.items()} == {
        s: counts(s) for s in schemes
    }
    assert all(by_name.keys() == KINDS.keys() for by_name in documented.values())
