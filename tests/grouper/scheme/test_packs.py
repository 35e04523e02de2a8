"""The shipped packs have the figures of their official documents (counted here from the files, not by the program)."""

import csv
from collections import Counter
from pathlib import Path

import pytest

import grouper
from grouper.codes import DIAGNOSES, PROCEDURES, clinical_crosswalk, load_code_list
from grouper.scheme.figures import figures
from grouper.scheme.pack import Scheme, load_scheme, shipped

PACKS = Path(grouper.__file__).parent / "schemes"


def rows(path: str) -> list[dict[str, str]]:
    with (PACKS / path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def members(path: str) -> int:
    return sum(len(row["codes"].split()) for row in rows(path))


def test_the_four_schemes_are_shipped() -> None:
    assert shipped("drg") == ["beijing-drg-2022", "chs-drg-1.1", "chs-drg-2.0", "chs-drg-3.0"]


def test_chs_drg_1_1() -> None:
    pack = "chs-drg-1.1"
    assert [len(rows(f"{pack}/{table}.csv")) for table in ("mdc", "adrg", "drg")] == [26, 376, 628]
    sets = {row["set"]: row["codes"].split() for row in rows(f"{pack}/sets.csv")}
    gates = {name for name in sets if name.startswith(("DI_Z0",)) or name.endswith("00")}
    assert sum(len(sets[name]) for name in gates) == 29_673
    assert sum(len(codes) for name, codes in sets.items() if name not in gates | {"OP_ALL"}) == 59_554
    assert len(sets["OP_ALL"]) == 10_251
    levels = Counter(row["level"] for row in rows(f"{pack}/complications.csv"))
    assert levels == {"MCC": 4_678, "CC": 16_568}
    assert len(rows(f"{pack}/exclusions.csv")) == 223
    assert members(f"{pack}/exclusions.csv") == 28_302


def test_chs_drg_2_0() -> None:
    pack = "chs-drg-2.0"
    assert len(rows(f"{pack}/mdc.csv")) == 26
    assert Counter(row["code"][1:] == "QY" for row in rows(f"{pack}/adrg.csv")) == {False: 409, True: 21}
    assert Counter(row["code"][1:] == "QY" for row in rows(f"{pack}/drg.csv")) == {False: 634, True: 21}
    levels = Counter(row["level"] for row in rows(f"{pack}/complications.csv"))
    assert levels == {"MCC": 4_477, "CC": 8_009}
    assert len(rows(f"{pack}/exclusions.csv")) == 211
    assert members(f"{pack}/exclusions.csv") == 27_143
    assert len(rows(f"{pack}/not_grouped_diagnosis.csv")) == 1_849
    assert len(rows(f"{pack}/not_grouped_procedure.csv")) == 1_822


def test_chs_drg_3_0() -> None:
    pack = "chs-drg-3.0"
    adrgs, drgs = rows(f"{pack}/adrg.csv"), rows(f"{pack}/drg.csv")
    assert (len(rows(f"{pack}/mdc.csv")), len(adrgs), len(drgs)) == (26, 537, 870)
    assert Counter("QY" if row["code"][1:] == "QY" else bool(row["name"]) for row in adrgs) == {
        True: 492,
        "QY": 21,
        False: 24,
    }
    assert Counter(bool(row["name"]) for row in drgs) == {True: 825, False: 45}
    assert sum(bool(row["rule"]) for table in ("mdc", "adrg", "drg") for row in rows(f"{pack}/{table}.csv")) == 871
    assert len(rows(f"{pack}/sets.csv")) == 634
    assert members(f"{pack}/sets.csv") == 106_950
    levels = Counter(row["level"] for row in rows(f"{pack}/complications.csv"))
    assert (levels.total(), levels["MCC"]) == (7_918, 1_581)
    assert len(rows(f"{pack}/exclusions.csv")) == 148
    assert members(f"{pack}/exclusions.csv") == 21_036
    assert len(load_scheme(pack).sets["OP_ALL"]) == 9_514


def test_the_amendments_of_3_0_have_their_reasons() -> None:
    scheme = load_scheme("chs-drg-3.0")
    added = [(change.row.values["table"], change.row.values["codes"]) for change in scheme.changes]
    assert added == [
        ("EX_103", "P22.100"),
        ("EX_103", "P24.100"),
        ("EX_104", "P39.800"),
        ("EX_105", "P55.100"),
        ("EX_105", "P59.900"),
        ("EX_107", "P78.800"),
        ("EX_128", "S02.400"),
    ]
    assert all(change.reason for change in scheme.changes)
    assert sum(map(len, scheme.exclusions.values())) == 21_043


def test_beijing_is_1_1_with_changes() -> None:
    scheme, base = load_scheme("beijing-drg-2022"), load_scheme("chs-drg-1.1")
    counted = figures(scheme)
    assert scheme.head.base == "chs-drg-1.1"
    assert (counted.mdc, counted.adrg, counted.drg) == (26, 376, 696)
    gates = {name for name in scheme.sets if name.startswith("DI_Z0") or name.endswith("00")}
    assert sum(len(scheme.sets[name]) for name in gates) == 29_602
    # the document lists 59,532, one of them twice in FM4
    assert sum(len(codes) for name, codes in scheme.sets.items() if name not in gates | {"OP_ALL"}) == 59_531
    assert len(scheme.sets["OP_ALL"]) == 10_112
    assert (counted.mcc, counted.complications - counted.mcc) == (4_676, 16_568)
    assert scheme.exclusions == base.exclusions
    assert all(change.reason for change in scheme.changes)


@pytest.mark.parametrize(
    ("adrg", "rules"),
    [
        ("RC1", ["ZYTS>=13", "(ZYTS>=6) and (ZYTS<=12)", "(ZYTS>=2) and (ZYTS<=5)", "ZYTS=1"]),
        ("RC2", ["ZYTS>=14", "(ZYTS>=7) and (ZYTS<=14)", "(ZYTS>=3) and (ZYTS<=6)", "(ZYTS>=1) and (ZYTS<=2)"]),
        ("RE1", ["ZYTS>=14", "(ZYTS>=7) and (ZYTS<=14)", "ZYTS<7"]),
        ("IT2", ["(NL<=6) and (QTZD in {MCC, CC})", "NL<=6", "QTZD in MCC", ""]),
    ],
)
def test_beijing_splits_by_stay_and_age(adrg: str, rules: list[str]) -> None:
    assert [row.text for row in load_scheme("beijing-drg-2022").drgs[adrg]] == rules


def test_order_of_mdcs() -> None:
    def order(scheme: str) -> str:
        return "".join(row.code[3] for row in load_scheme(scheme).mdcs)

    assert order("chs-drg-1.1") == order("beijing-drg-2022") == "APYZMNBCDEFGHIJKLOQRSTUVWX"
    assert order("chs-drg-2.0") == "APYZBCDEFGHIJKLMNOQRSTUVWX"
    assert order("chs-drg-3.0") == "APZBCDEFGHIJKLMNOQRSTUVWXY"


def test_what_the_schemes_require() -> None:
    heads = {name: load_scheme(name).head for name in shipped("drg")}
    older = ("sex", "age", "age_days", "birth_weight")
    assert {name: head.required for name, head in heads.items()} == {
        "beijing-drg-2022": older,
        "chs-drg-1.1": older,
        "chs-drg-2.0": ("sex",),
        "chs-drg-3.0": ("sex",),
    }
    assert {name for name, head in heads.items() if head.newborn_weight == "admission_weight"} == {"chs-drg-3.0"}


@pytest.mark.parametrize("name", ["beijing-drg-2022", "chs-drg-1.1", "chs-drg-2.0", "chs-drg-3.0"])
def test_codes_stand_in_the_official_spelling(name: str) -> None:
    scheme: Scheme = load_scheme(name)
    official = {**scheme.diagnosis_codes.official, **scheme.procedure_codes.official}
    for table in ("sets", "exclusions"):
        for row in scheme.tables[table].values():
            assert not [code for code in row.values["codes"].split() if official.get(code.casefold(), code) != code]
    assert not [code for code in scheme.tables["complications"] if official.get(code.casefold(), code) != code]


def test_code_lists_and_crosswalks() -> None:
    assert len(load_code_list(DIAGNOSES).official) == 33_308
    assert len(load_code_list(PROCEDURES).official) == 13_686
    crosswalks = {kind: clinical_crosswalk(kind).target for kind in ("icd10", "icd9cm3")}
    assert {kind: len(target) for kind, target in crosswalks.items()} == {"icd10": 35_591, "icd9cm3": 13_654}
    changed = {kind: sum(new != old for old, new in target.items()) for kind, target in crosswalks.items()}
    assert changed == {"icd10": 4_388, "icd9cm3": 560}
