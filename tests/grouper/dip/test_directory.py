"""A directory pack: overlays, amendments, and faults that are named with file, line and column, all at once."""

from pathlib import Path

import pytest

from grouper import Record, UserError, load, load_directory, load_scheme
from grouper.dip.check import check
from grouper.dip.difference import difference
from grouper.dip.reference import group_case

HEAD = """
kind = "dip"
id = "own"
name = {{ zh = "自定", en = "Own" }}
version = "1"
valid = {{ from = "2026-01-01" }}
document = "none"
compiled = "For tests."
diagnosis_codes = "icd10-insurance-2.0"
procedure_codes = "icd9cm3-insurance-2.0"
{more}
"""
CHOLERA = ("000", "000x001", "100", "100x001", "900", "900x002", "900x003", "900x004", "900x005")
"""What follows A00. in the code list."""
GROUPS = "code,layer,kind,main_diagnosis,main_procedure,class,marker,birth_weight,mean_cost\n"


def pack(folder: Path, more: str = 'order = ["JC", "ZH"]', **tables: str) -> Path:
    folder.mkdir()
    (folder / "scheme.toml").write_text(HEAD.format(more=more), encoding="utf-8")
    for name, text in tables.items():
        (folder / f"{name.replace('__', '.')}.csv").write_text(text, encoding="utf-8")
    return folder


def faults(folder: Path) -> list[str]:
    with pytest.raises(UserError) as raised:
        load_directory(folder)
    return [fault.en.removeprefix(f"{folder}/") for fault in raised.value.faults]


def test_a_local_directory_on_the_national_one(tmp_path: Path) -> None:
    """Comprehensive groups and amendments on top of the national tables."""
    folder = pack(
        tmp_path / "own",
        'base = "dip-3.0"\norder = ["XQ", "BX", "FZ", "JC", "ZH"]',
        groups__changes="action,code,layer,main_diagnosis,main_procedure,class,reason\n"
        "remove,JC-1858,,,,,少于15例\n"
        "add,A01:surgery,ZH,A01,,surgery,测算\n"
        "add,A01:conservative,ZH,A01,,conservative,测算\n",
        procedure_class="code,class\n47,surgery\n93,therapeutic\n",
    )
    own, national = load_directory(folder), load_directory("dip-3.0")
    assert len(own.groups) == 5_126
    assert (own.excluded, own.not_grouped) == (national.excluded, national.not_grouped)

    def group(*procedures: str) -> tuple[str | None, ...]:
        return group_case(own, Record(diagnoses=["A01.000"], procedures=procedures))[1:]

    assert group() == ("ZH", "A01:conservative", None)
    assert group("47.0100") == ("ZH", "A01:surgery", None)
    assert group("93.9000") == (None, None, "no_group")
    assert group("52.8200") == ("XQ", "XQ-5", None)
    assert group("51.2300") == (None, None, "class_unknown")
    found = difference(national, own)
    assert found.counts() == {
        "groups": {"added": 2, "removed": 1, "changed": 0},
        "procedure_class": {"added": 2, "removed": 0, "changed": 0},
    }
    assert [str(field) for field in found.head] == ["order ['XQ', 'BX', 'FZ', 'JC'] → ['XQ', 'BX', 'FZ', 'JC', 'ZH']"]


def test_the_tie_rule_of_the_nearest_mean_cost(tmp_path: Path) -> None:
    rows = "A,JC,,K35,47.0100,,,,10000\nB,JC,,K35,47.0100|47.0901,,,,20000.50\nC,JC,,K35,47.0100,,,,\n"
    folder = pack(tmp_path / "own", 'order = ["JC"]\n[switches]\nties = ["mean_cost"]', groups=GROUPS + rows)
    own = load_directory(folder)

    def group(charge: int | None) -> str | None:
        return group_case(own, Record(diagnoses=["K35.300"], procedures=["47.0100"], total_charge=charge)).group

    assert [group(charge) for charge in (0, 1_500_025, 1_500_026, None)] == ["A", "A", "B", "A"]


def test_faults_of_rows_are_named_all_at_once(tmp_path: Path) -> None:
    rows = (
        "G1,JX,,A01,,,,,\nG2,JC,,1A,47.01,,,,\nG3,JC,,A01,,,resistent,,\nG4,,,A01,,,,,\n"
        "G5,JC,,A01,,,,1499-1000,\nG6,JC,,A01,,,,,12.345\nG6,JC,,A01,,,,,\n"
    )
    markers = "marker,position,code\nresistant,main,A15\n"
    assert faults(pack(tmp_path / "own", groups=GROUPS + rows, markers=markers)) == [
        "groups.csv line 8, code: 'G6' repeats line 7",
        "groups.csv line 2, layer: 'JX' should be one of XQ, BX, FZ, JC, ZH",
        "groups.csv line 2, layer: order in scheme.toml has no place for 'core conservative'",
        "groups.csv line 3, main_diagnosis: '1a' is no diagnosis code, category (A40, A40.0) or range (C00-C75)",
        "groups.csv line 4, marker: markers.csv has no 'resistent' (did you mean resistant?)",
        "groups.csv line 5, layer: order in scheme.toml has no place for 'core conservative'",
        "groups.csv line 6, birth_weight: '1499-1000' should be a range such as 1000-1499",
    ]


def test_columns_and_keys_that_are_not_there(tmp_path: Path) -> None:
    folder = pack(tmp_path / "own", groups="code,layer,related_procedur\nG1,JC,\n", excluded_procedure="code\n47.01\n")
    unknown, missing = faults(folder)
    assert unknown.startswith("groups.csv: there is no column 'related_procedur' (did you mean related_procedure, ")
    assert missing == "excluded_procedure.csv: no column rule; expected code, rule, scope"
    folder = pack(tmp_path / "other", 'order = ["JC"]\n[switches]\nnot_grouped = "exact"', groups=GROUPS)
    assert faults(folder)[0].startswith("scheme.toml switches.not_grouped: ")
    assert "(did you mean not_grouped_match, " in faults(folder)[0]
    assert faults(pack(tmp_path / "none", groups=GROUPS)) == ["the directory has no group"]


def test_a_scheme_of_the_other_kind_is_refused() -> None:
    with pytest.raises(UserError, match="a DRG scheme is needed here"):
        load_scheme("dip-3.0")
    with pytest.raises(UserError, match="a DIP directory is needed here"):
        load_directory("chs-drg-2.0")
    assert (load("dip-3.0").id, load("chs-drg-2.0").id) == ("dip-3.0", "chs-drg-2.0")
    with pytest.raises(UserError, match=r"no scheme 'dip-3.1'.*dip-3.0"):
        load("dip-3.1")


def test_what_check_finds(tmp_path: Path) -> None:
    head = "code,layer,main_diagnosis,main_procedure,related_procedure\n"
    rows = (
        "A,BX,K80,51.2300,\nB,JC,K80.3,51.2300,\nC,JC,K35,47.0100|00.2900,\nD,JC,K35,47.0100|00.2900,\n"
        "E,JC,K80.3,51.2300|51.2400,\nF,JC,A00,,\nG,JC,Q99.9,99.9999x99,\nH,JC,K35,47.0100,54.1903\nI,JC,K35,47.0100,54.2100\n"
    )
    folder = pack(
        tmp_path / "own",
        'order = ["BX", "JC"]',
        groups=head + rows,
        not_grouped_diagnosis="code\n" + "".join(f"A00.{n}\n" for n in CHOLERA),
        excluded_procedure="code,rule\n00.2900,conservative\n",
        markers="marker,position,code\nunused,any,A15\n",
    )
    found = {finding.name: finding.examples for finding in check(load_directory(folder))}
    assert found["duplicate"] == ("D = C",)
    assert found["unreachable"] == ("B ← A", "F")
    assert found["shadowed"] == ("E (1/2) ← A",)
    assert "H I (K35 47.0100)" in found["tied"]
    assert found["dead_procedure"] == ("C 00.2900", "D 00.2900")
    assert found["unknown_procedure"] == ("99.9999x99",)
    assert found["unused_marker"] == ("unused",)
