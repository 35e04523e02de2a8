"""Directories from Excel: the official layout of 3.0, read tolerantly, and a city's own sheet by a column map."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import xlsxwriter

from grouper import Record, UserError, load_directory
from grouper.dip.directory import Directory
from grouper.dip.mapped_import import import_mapped
from grouper.dip.reference import group_case
from grouper.dip.workbook_import import import_directory, is_directory_workbook

Cells = Sequence[Sequence[str]]
SHEETS = {
    "XQ": "一、先期分组",
    "BX": "二、并项规则下的核心病种",
    "FZ": "三、诊断辅助细分规则下的核心病种",
    "JC": "四、基本规则下的核心病种",
}
HEADERS = ("序号", "主要诊断编码", "主要手术操作编码", "相关手术操作编码", "其他诊断编码", "入组条件")
RULES = {
    "conservative": "按保守治疗入组",
    "not_main": "不可作为主要手术操作",
    "main_within": "作为主要诊断，可作为主要手术操作",
}


def write_workbook(path: Path, sheets: dict[str, Cells]) -> Path:
    with xlsxwriter.Workbook(path) as book:
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for at, row in enumerate(rows):
                sheet.write_row(at, 0, row)
    return path


def official(directory: Directory) -> dict[str, Cells]:
    """Write a directory as the official document does: a title, prose for conditions, a list to each sheet."""
    sheets: dict[str, list[Sequence[str]]] = {name: [(name,), HEADERS] for name in SHEETS.values()}
    for row in directory.tables["groups"].values():
        cells, said = row.values, []
        main = cells["main_procedure"].replace("*", "") or cells["procedures"]
        if cells["procedures"] and cells["layer"] == "XQ":
            said.append("不限定为主要手术操作")
        if cells["any_diagnosis"]:
            said.append(f"天龄<29天;出生体重{cells['birth_weight']}克;诊断中包含P07，不限定为主要诊断")
        if cells["marker"]:
            said.append(
                "耐药=否;其他诊断不含U84.300" if cells["marker"].startswith("!") else "耐药=是;其他诊断包含U84.300"
            )
        diagnosis = cells["main_diagnosis"] or cells["any_diagnosis"] or "所有诊断"
        number = cells["code"].partition("-")[2]
        line = (number, diagnosis, main, cells["related_procedure"], cells["other_diagnosis"], ";".join(said))
        sheets[SHEETS[cells["layer"]]].append(line)
    lists: dict[str, Cells] = {
        "附表1 不作为分组依据的主要诊断": [("编码",), *((code,) for code in directory.tables["not_grouped_diagnosis"])],
        "附表2 手术操作处理规则": [
            ("编码", "规则", "范围"),
            *(
                (row.values["code"], RULES[row.values["rule"]], row.values["scope"])
                for row in directory.tables["excluded_procedure"].values()
            ),
        ],
        "附表3 结核耐药诊断列表": [
            ("编码",),
            *((r.values["code"],) for r in directory.tables["markers"].values() if r.values["position"] == "main"),
        ],
        "附表4 基层病种": [
            ("主要诊断编码", "主要手术操作编码"),
            *(tuple(row.values.values()) for row in directory.tables["primary_care"].values()),
        ],
    }
    return {**sheets, **lists}


def contents(directory: Directory) -> dict[str, list[dict[str, str]]]:
    return {
        name: [{column: cell for column, cell in row.values.items() if cell} for row in table.values()]
        for name, table in directory.tables.items()
    }


def test_the_official_layout_gives_the_shipped_directory(tmp_path: Path) -> None:
    national = load_directory("dip-3.0")
    book = write_workbook(tmp_path / "dip.xlsx", official(national))
    assert is_directory_workbook(book)
    read = import_directory(book, tmp_path / "read")
    assert contents(read.scheme) == contents(national)
    assert read.rows[SHEETS["JC"]] == 3_268
    assert {remark.kind for remark in read.remarks} == {"assumed"}


def test_what_cannot_be_read_is_left_out_and_reported(tmp_path: Path) -> None:
    sheets: dict[str, Cells] = {
        "说明": [("本目录说明",)],
        SHEETS["JC"]: [
            HEADERS,
            ("1", "A01.0 伤寒", "", "", "", ""),
            ("2", "K35", "47.0100 腹腔镜下阑尾切除术\n47.0901", "", "", ""),
            ("3", "", "保守治疗", "", "", ""),
            ("4", "其他", "", "", "", ""),
            ("5", "K80", "见附表", "", "", ""),
        ],
    }
    read = import_directory(write_workbook(tmp_path / "dip.xlsx", sheets), tmp_path / "read")
    groups = {code: row.values for code, row in read.scheme.tables["groups"].items()}
    assert groups.keys() == {"JC-1", "JC-2", "JC-3"}
    assert groups["JC-2"]["main_procedure"] == "47.0100|47.0901"
    assert groups["JC-3"]["main_diagnosis"] == "K35"
    lines = [remark.line("zh") for remark in read.remarks if remark.kind in {"filled", "unread"}]
    assert lines == [
        "说明 工作表: 无法读取，已略去: 说明",
        f"{SHEETS['JC']} 4 主要诊断编码: 合并单元格留下的空白已按上一行填写: K35",
        f"{SHEETS['JC']} 5 主要诊断编码: 无法读取，已略去: 其他",
        f"{SHEETS['JC']} 6 主要手术操作编码: 无法读取，已略去: 见附表",
    ]


MAP = """
sheet = "目录"

[columns]
code = "病种编码"
name = "病种名称"
main_diagnosis = "诊断编码"
procedures = "操作编码"
kind = "类型"
score = "分值"
mean_cost = "均次费用"

[words.kind]
"核心" = "core"
"基层" = "primary-care"

[scheme]
id = "city-2025"
name = { zh = "某市2025目录", en = "A city 2025" }
version = "2025"
valid = { from = "2025-01-01" }
document = "illustrative"
compiled = "For tests."
diagnosis_codes = "icd10-insurance-2.0"
procedure_codes = "icd9cm3-insurance-2.0"
order = ["core", "primary-care"]
switches = { ties = ["parts", "matched", "mean_cost"] }
"""
SHEET: Cells = [
    ("某市病种目录",),
    ("病种编码", "病种名称", "诊断编码", "操作编码", "类型", "分值", "均次费用"),
    ("C1", "急性阑尾炎：腹腔镜", "K35.3", "47.0100/47.0101", "核心", "1,020.5", "12,345.60"),
    ("C2", "急性阑尾炎：腹腔镜伴引流", "K35.3", "47.0100+54.1903", "核心", "1,300", "15000"),
    ("B1", "急性阑尾炎：保守治疗", "K35.3", "-", "基层", "300", "3000"),
]


def test_a_citys_own_sheet_by_a_column_map(tmp_path: Path) -> None:
    column_map = tmp_path / "map.toml"
    column_map.write_text(MAP, encoding="utf-8")
    book = write_workbook(tmp_path / "city.xlsx", {"目录": SHEET})
    directory = import_mapped(book, tmp_path / "city", column_map).scheme
    assert [(row.code, row.kind, row.score and float(row.score), row.mean_cost) for row in directory.groups] == [
        ("C1", "core", 1020.5, 1_234_560),
        ("C2", "core", 1300, 1_500_000),
        ("B1", "primary-care", 300, 300_000),
    ]
    cases = {("47.0101",): "C1", ("54.1903", "47.0100"): "C2", (): "B1", ("54.1903",): None}
    for procedures, group in cases.items():
        assert group_case(directory, Record(diagnoses=["K35.300"], procedures=procedures)).group == group


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('score = "分值"', 'scores = "分值"', "columns.scores：groups.csv 没有此列（是否为 score"),
        ('"核心" = "core"', '"核心" = "kore"', "“kore”应为 core, primary-care, comprehensive 之一"),
        ('sheet = "目录"', 'sheet = "目录表"', "没有工作表“目录表”"),
        ('order = ["core", "primary-care"]', 'order = ["core"]', "order 没有此病种（primary-care conservative）"),
        ('procedures = "操作编码"', 'procedures = "手术编码"', "没有表头“手术编码”"),
    ],
)
def test_faults_of_a_map_are_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    column_map = tmp_path / "map.toml"
    column_map.write_text(MAP.replace(old, new), encoding="utf-8")
    book = write_workbook(tmp_path / "city.xlsx", {"目录": SHEET})
    with pytest.raises(UserError) as raised:
        import_mapped(book, tmp_path / "city", column_map)
    assert said in raised.value.text("zh")
    assert not (tmp_path / "city").exists()
