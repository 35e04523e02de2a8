"""Every fault of a pack is told with file, line and column, all faults at once, in both languages."""

from pathlib import Path

import pytest

from grouper.fault import UserError
from grouper.scheme.pack import load_scheme
from tests.grouper.scheme.small import HEAD, SMALL, Rows, replaced, write_overlay, write_pack, write_tables


def faults_of(folder: Path) -> UserError:
    with pytest.raises(UserError) as error:
        load_scheme(folder)
    return error.value


def test_the_small_pack_loads(tmp_path: Path) -> None:
    scheme = load_scheme(write_pack(tmp_path / "small"))
    assert [row.code for row in scheme.adrgs["MDCB"]] == ["BB1", "BQY", "BR1", "BR2", "B00"]


@pytest.mark.parametrize(
    ("table", "rows", "line", "en", "zh"),
    [
        (
            "mdc",
            replaced("mdc", "MDCB", ("2", "MDCB", "神经", "ZYZD on DI_B00")),
            3,
            "character 6: expected in",
            "第6个字符",
        ),
        (
            "mdc",
            replaced("mdc", "MDCB", ("2", "MDCB", "", "ZYZD in DI_B0")),
            3,
            "no set 'DI_B0' (did you mean",
            "没有集合“DI_B0”",
        ),
        ("mdc", replaced("mdc", "MDCB", ("two", "MDCB", "", "")), 3, "'two' is not a number", "“two”不是序号"),
        ("mdc", [*SMALL["mdc"], ("4", "MDCA", "", "")], 5, "'MDCA' repeats line 2", "“MDCA”与第2行重复"),
        ("adrg", replaced("adrg", "AA1", ("MDCQ", "1", "AA1", "", "")), 2, "there is no 'MDCQ'", "没有“MDCQ”"),
        ("drg", replaced("drg", "AA19", ("AA2", "1", "AA19", "", "")), 2, "there is no 'AA2'", "没有“AA2”"),
        (
            "complications",
            [("G00.300", "MCC", "EX_2")],
            2,
            "no exclusion table 'EX_2' (did you mean EX_1?)",
            "没有排除表“EX_2”",
        ),
        ("complications", [("G00.300", "MC", "EX_1")], 2, "'MC' should be MCC or CC", "“MC”应为 MCC 或 CC"),
        ("sets", [("DI_B00",)], 2, "expected 2 cells", "应有2个单元格"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, table: str, rows: Rows, line: int, en: str, zh: str) -> None:
    error = faults_of(write_pack(tmp_path / "bad", **{table: rows}))
    assert f"bad/{table}.csv line {line}" in error.text("en")
    assert en in error.text("en")
    assert f"{table}.csv 第{line}行" in error.text("zh")
    assert zh in error.text("zh")


def test_all_faults_at_once(tmp_path: Path) -> None:
    error = faults_of(
        write_pack(
            tmp_path / "bad",
            mdc=replaced("mdc", "MDCB", ("x", "MDCB", "", "ZYZD in DI_B00")),
            adrg=replaced("adrg", "AA1", ("MDCA", "1", "AA1", "", "ZYSS in")),
            complications=[("G00.300", "MC", "EX_9")],
        )
    )
    assert len(error.faults) == 4


def test_missing_file_and_column(tmp_path: Path) -> None:
    folder = write_pack(tmp_path / "bad")
    (folder / "sets.csv").unlink()
    (folder / "drg.csv").write_text("adrg,order,code,name\nAA1,1,AA19,x\n", encoding="utf-8")
    text = faults_of(folder).text("en")
    assert "sets.csv: this file is missing" in text
    assert "drg.csv: no column rule; expected adrg, order, code, name, rule" in text


def test_wrong_encoding(tmp_path: Path) -> None:
    folder = write_pack(tmp_path / "bad")
    (folder / "mdc.csv").write_bytes("order,code,name,rule\n1,MDCA,先期,\n".encode("gbk"))
    assert "is not UTF-8" in faults_of(folder).text("en")


@pytest.mark.parametrize(
    ("head", "en"),
    [
        ("id =", "not valid TOML"),
        (HEAD.replace('version = "1"\n', ""), "scheme.toml version"),
        (HEAD + 'newborn_wieght = "x"\n', "newborn_wieght"),
        (HEAD.replace('["sex"]', '["sex", "weight"]'), "scheme.toml required.1"),
        (HEAD.replace('"birth_weight"', '"weight"'), "scheme.toml newborn_weight"),
    ],
)
def test_a_bad_scheme_toml_names_the_key(tmp_path: Path, head: str, en: str) -> None:
    assert en in faults_of(write_tables(tmp_path / "bad", head, SMALL)).text("en")


def test_unknown_scheme_names_the_near_ones() -> None:
    with pytest.raises(UserError) as error:
        load_scheme("chs-drg-2.1")
    assert "did you mean chs-drg-2.0" in error.value.text("en")
    assert "chs-drg-3.0" in error.value.text("zh")


def test_an_overlay_adds_changes_and_removes(tmp_path: Path) -> None:
    write_pack(tmp_path / "small")
    folder = write_overlay(
        tmp_path / "local",
        "small",
        adrg=[
            ("change", "MDCB", "3", "BR1", "脑膜炎", "(ZYZD in DI_BR1) and (NL>6)", "本地只收7岁以上"),
            ("remove", "", "", "BR2", "", "", "本地不设"),
            ("add", "MDCC", "2", "CZ2", "其他", "", "本地增设"),
        ],
        drg=[
            ("remove", "", "", "BR29", "", "", "本地不设"),
            ("add", "CZ2", "1", "CZ29", "其他", "", "本地增设"),
        ],
        sets=[
            ("add", "DI_C00", "H26.900", "本地增加"),
            ("remove", "DI_BR2", "G00.200", "本地不设"),
            ("add", "OP_CZ2", "13.4100", "本地增设"),
        ],
        complications=[("change", "I10.x00", "MCC", "EX_1", "本地提高")],
    )
    scheme = load_scheme(folder)
    assert [row.text for row in scheme.adrgs["MDCB"]] == [
        "ZYSS in OP_BB1",
        "ZYSS in OP_ALL",
        "(ZYZD in DI_BR1) and (NL>6)",
        "",
    ]
    assert [row.code for row in scheme.adrgs["MDCC"]] == ["CZ1", "CZ2"]
    assert scheme.sets["DI_C00"] == {"h25.000", "h25.100", "h26.900"}
    assert scheme.sets["OP_CZ2"] == {"13.4100"}
    assert "DI_BR2" not in scheme.sets
    assert scheme.complications["i10.x00"].level == "MCC"
    assert len(scheme.changes) == 9


def test_an_overlay_may_stand_on_a_shipped_pack(tmp_path: Path) -> None:
    scheme = load_scheme(
        write_overlay(tmp_path / "local", "chs-drg-2.0", sets=[("add", "DI_B00", "H25.000", "本地增加")])
    )
    base = load_scheme("chs-drg-2.0")
    assert scheme.sets["DI_B00"] - base.sets["DI_B00"] == {"h25.000"}
    assert scheme.digest != base.digest


@pytest.mark.parametrize(
    ("table", "row", "en"),
    [
        ("adrg", ("change", "MDCB", "3", "BR9", "", "", "why"), "there is no 'BR9' to change"),
        ("adrg", ("remove", "", "", "BR9", "", "", "why"), "there is no 'BR9' to remove"),
        ("adrg", ("add", "MDCB", "3", "BR1", "", "", "why"), "'BR1' is there already"),
        ("adrg", ("drop", "", "", "BR1", "", "", "why"), "'drop' should be add, change or remove"),
        ("adrg", ("remove", "", "", "BR1", "", "", ""), "each change needs its reason"),
        ("sets", ("add", "DI_B00", "G00.000", "why"), "G00.000 already in DI_B00"),
        ("sets", ("remove", "DI_B00", "H25.000", "why"), "H25.000 not in DI_B00"),
        ("exclusions", ("change", "EX_1", "G00.000", "why"), "added or removed, not changed"),
        ("adrg", ("remove", "", "", "BR1", "", "", "why"), "drg.csv line 6, adrg: there is no 'BR1'"),
        ("sets", ("remove", "DI_BR2", "G00.200", "why"), "character 1: no set 'DI_BR2'"),
    ],
)
def test_a_change_that_does_not_fit_is_a_fault(tmp_path: Path, table: str, row: tuple[str, ...], en: str) -> None:
    write_pack(tmp_path / "small")
    assert en in faults_of(write_overlay(tmp_path / "local", "small", **{table: [row]})).text("en")


def test_base_cannot_be_the_pack_itself(tmp_path: Path) -> None:
    assert "base cannot be the pack itself" in faults_of(write_overlay(tmp_path / "local", "local")).text("en")
