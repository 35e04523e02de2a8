"""The difference of two schemes names what decides a group, and nothing that is only written otherwise."""

import json
from pathlib import Path

from grouper.scheme.difference import Difference, difference
from grouper.scheme.pack import load_scheme
from tests.grouper.scheme.small import SMALL, Rows, write_overlay, write_pack


def from_small(tmp_path: Path, **tables: Rows) -> Difference:
    before = load_scheme(write_pack(tmp_path / "small"))
    return difference(before, load_scheme(write_pack(tmp_path / "other", **tables)))


def test_a_scheme_does_not_differ_from_itself() -> None:
    scheme = load_scheme("chs-drg-3.0")
    same = difference(scheme, scheme)
    assert (same.head, same.rows, same.codes) == ((), (), ())


def test_writing_a_rule_otherwise_is_no_difference(tmp_path: Path) -> None:
    rules = {"BB1": "((ZYSS  in {OP_BB1}))", "BR1": "(ZYZD IN DI_BR1) or (ZYZD in DI_BR1)"}
    adrg = [(*row[:4], rules.get(row[2], row[4])) for row in SMALL["adrg"]]
    assert not list(from_small(tmp_path, adrg=adrg).rows)


def test_rules_groups_and_order(tmp_path: Path) -> None:
    adrg = [
        ("MDCA", "1", "AA1", "心脏移植", "ZYSS in OP_AA1"),
        ("MDCB", "1", "BR2", "链球菌", "ZYZD in DI_BR2"),
        ("MDCB", "2", "BB1", "开颅术", "ZYSS in OP_BB1"),
        ("MDCB", "3", "BQY", "", "ZYSS in OP_ALL"),
        ("MDCB", "4", "BR1", "脑膜炎", "(ZYZD in DI_BR1) and (NL<7)"),
        ("MDCB", "9", "B00", "", ""),
        ("MDCC", "1", "CZ2", "白内障", "ZYZD in DI_C00"),
    ]
    drg = [*SMALL["drg"][:-1], ("CZ2", "1", "CZ29", "白内障", "")]
    found = from_small(tmp_path, adrg=adrg, drg=drg)
    assert {(row.table, row.code, row.change) for row in found.rows} == {
        ("adrg", "BB1", "changed"),
        ("adrg", "BR1", "changed"),
        ("adrg", "BR2", "changed"),
        ("adrg", "CZ1", "removed"),
        ("adrg", "CZ2", "added"),
        ("drg", "CZ19", "removed"),
        ("drg", "CZ29", "added"),
    }
    fields = {row.code: [(field.field, field.before, field.after) for field in row.fields] for row in found.rows}
    assert fields["BB1"] == [("name", "开颅", "开颅术")]
    assert fields["BR1"] == [("rule", "ZYZD in DI_BR1", "(ZYZD in DI_BR1) and (NL<7)")]
    assert fields["BR2"] == [("order", "4", "1")]
    assert found.counts() == {
        "adrg": {"added": 1, "removed": 1, "changed": 3},
        "drg": {"added": 1, "removed": 1, "changed": 0},
    }


def test_codes_complications_and_lists(tmp_path: Path) -> None:
    found = from_small(
        tmp_path,
        sets=[("DI_B00", "g00.000 G00.100 G00.300"), *SMALL["sets"][1:]],
        complications=[("G00.300", "CC", "EX_7"), ("E11.900", "CC", "无")],
        exclusions=[("EX_7", "G00.000 G00.100 G00.200"), ("EX_8", "H25.000")],
        not_grouped_diagnosis=[("B95.000",)],
    )
    assert [(item.table, item.name, item.change, item.added, item.removed) for item in found.codes] == [
        ("sets", "DI_B00", "changed", ("G00.300",), ("G00.200",)),
        ("exclusions", "EX_1 → EX_7", "changed", ("G00.200",), ()),
        ("exclusions", "EX_8", "added", ("H25.000",), ()),
        ("not_grouped", "diagnosis", "added", ("B95.000",), ()),
    ]
    assert [(row.code, row.change, row.fields and str(row.fields[0])) for row in found.rows] == [
        ("E11.900", "added", ()),
        ("G00.300", "changed", "level MCC → CC"),
        ("I10.x00", "removed", ()),
    ]


def test_what_scheme_toml_says(tmp_path: Path) -> None:
    write_pack(tmp_path / "small")
    folder = write_overlay(tmp_path / "local", "small")
    text = (folder / "scheme.toml").read_text(encoding="utf-8").replace('"birth_weight"', '"admission_weight"')
    (folder / "scheme.toml").write_text(text, encoding="utf-8")
    found = difference(load_scheme(tmp_path / "small"), load_scheme(folder))
    assert [str(field) for field in found.head] == ["newborn_weight birth_weight → admission_weight"]


def test_beijing_differs_from_1_1_as_its_changes_say() -> None:
    base, local = load_scheme("chs-drg-1.1"), load_scheme("beijing-drg-2022")
    found = difference(base, local)
    changes = {table: [c for c in local.changes if c.table == table] for table in ("drg", "complications", "sets")}
    assert sum(found.counts()["sets"].values()) == len({change.row.values["set"] for change in changes["sets"]})
    removed = {row.code for row in found.rows if (row.table, row.change) == ("drg", "removed")}
    assert removed == {c.row.values["code"] for c in changes["drg"] if c.action == "remove"}
    gone = [(row.code, row.change) for row in found.rows if row.table == "complications"]
    assert gone == [("Z94.800x006", "removed"), ("Z94.800x007", "removed")]


def test_it_reads_in_both_languages_and_as_json() -> None:
    found = difference(load_scheme("chs-drg-2.0"), load_scheme("chs-drg-3.0"))
    english, chinese = found.lines("en"), found.lines("zh")
    assert english.keys() == chinese.keys() == {"scheme.toml", *found.counts()}
    assert english["scheme.toml"] == ["scheme.toml newborn_weight birth_weight → admission_weight"]
    assert any(line.startswith("adrg AH3 有创呼吸机支持≥96小时，不伴CRRT added") for line in english["adrg"])
    assert any("新增" in line for line in chinese["adrg"])
    data = json.loads(json.dumps(found.as_json()))
    assert len(data["rows"]) + len(data["codes"]) == sum(sum(change.values()) for change in data["counts"].values())
