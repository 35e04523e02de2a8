"""The official workbook in all its issues is read, mended and reported; what is exported comes back the same."""

import csv
import resource
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
import xlsxwriter

import grouper
from grouper.fault import UserError
from grouper.scheme.pack import Scheme, load_scheme
from grouper.scheme.tables import COLUMNS
from grouper.scheme.workbook_export import export_workbook
from grouper.scheme.workbook_import import Import, import_workbook
from tests.grouper.scheme.small import SMALL, replaced, write_overlay, write_pack

Sheet = Sequence[Sequence[str | int]]
PACKS = Path(grouper.__file__).parent / "schemes"


def write_workbook(path: Path, sheets: dict[str, Sheet]) -> Path:
    with xlsxwriter.Workbook(path, {"strings_to_formulas": False}) as book:
        for name, lines in sheets.items():
            sheet = book.add_worksheet(name)
            for number, line in enumerate(lines):
                sheet.write_row(number, 0, line)
    return path


def official(**tables: Sequence[Sequence[str]]) -> dict[str, Sheet]:
    """The small scheme in the layout of the official workbook; `tables` replace its tables."""
    data = {**SMALL, **tables}
    mdc_of = {row[2]: row[0] for row in data["adrg"]}
    codes = {name: [(row[0], code) for row in data[name] for code in row[1].split()] for name in ("sets", "exclusions")}
    return {
        "MDC": [
            ("小方案配置信息",),
            ("MDC编码", "MDC名称", "MDC规则", "排序"),
            *((code, name, rule, int(order)) for order, code, name, rule in data["mdc"]),
        ],
        "ADRG": [
            ("ADRG编码", "ADRG名称", "ADRG规则", "所属MDC编码", "MDC内排序"),
            *((code, name, rule, mdc, int(order)) for mdc, order, code, name, rule in data["adrg"]),
        ],
        "DRG": [
            ("DRG", "DRG名称", "DRG规则", "所属ADRG编码", "所属MDC编码", "排序"),
            *(
                (code, name, rule, adrg, mdc_of.get(adrg, ""), int(order))
                for adrg, order, code, name, rule in data["drg"]
            ),
        ],
        "集合": [
            ("集合编号", "ICD编码", "ICD名称", "类型编号"),
            *((name, code, "", name[:2]) for name, code in codes["sets"]),
        ],
        "CC": [
            ("疾病编码", "疾病名称", "排除表", "类型"),
            *((code, "", exclusion, level) for code, level, exclusion in data["complications"]),
        ],
        "排除表": [("集合编号", "ICD编码", "ICD名称"), *((name, code, "") for name, code in codes["exclusions"])],
    }


def read(tmp_path: Path, sheets: dict[str, Sheet]) -> Import:
    return import_workbook(write_workbook(tmp_path / "book.xlsx", sheets), tmp_path / "imported")


def faults_of(tmp_path: Path, sheets: dict[str, Sheet]) -> UserError:
    with pytest.raises(UserError) as error:
        read(tmp_path, sheets)
    assert not (tmp_path / "imported").exists()
    return error.value


def content(scheme: Scheme) -> dict[str, object]:
    return {table: {key: row.values for key, row in scheme.tables[table].items()} for table in COLUMNS}


def lines(result: Import, kind: str) -> list[str]:
    return [remark.line("en") for remark in result.remarks if remark.kind == kind]


@pytest.mark.parametrize("name", ["beijing-drg-2022", "chs-drg-1.1", "chs-drg-2.0", "chs-drg-3.0"])
def test_an_export_comes_back_the_same(tmp_path: Path, name: str) -> None:
    scheme = load_scheme(name)
    export_workbook(scheme, tmp_path / "book.xlsx")
    result = import_workbook(tmp_path / "book.xlsx", tmp_path / name)
    assert result.scheme.digest == scheme.digest
    assert result.scheme.head == scheme.head.model_copy(update={"base": None})
    assert content(result.scheme) == content(scheme)
    assert {remark.kind for remark in result.remarks} <= {"repeated"}


def test_the_official_layout_is_read(tmp_path: Path) -> None:
    result = read(tmp_path, official())
    assert content(result.scheme) == content(load_scheme(write_pack(tmp_path / "small")))
    assert result.rows == {"MDC": 3, "ADRG": 7, "DRG": 8, "集合": 13, "CC": 2, "排除表": 2}
    assert result.scheme.id == "imported"
    assert {remark.kind for remark in result.remarks} == {"assumed"}
    assert "newborn_weight = admission_weight（chs-drg-3.0）" in "\n".join(lines(result, "assumed"))


def test_columns_are_found_by_header(tmp_path: Path) -> None:
    sheets = official()
    headers = ("", "排序", "所属 MDC\n编码", "ADRG规则", "ADRG名称", "ＡＤＲＧ编码")
    sheets["ADRG"] = [headers, *(("", *reversed(line)) for line in sheets["ADRG"][1:])]
    sheets["DRG"] = [(), ("表3",), (), *sheets["DRG"]]
    sheets["CC"] = [("ICD编码", "名称", "排除表", "类型"), *sheets["CC"][1:]]
    sheets = dict(reversed(sheets.items()))
    assert content(read(tmp_path, sheets).scheme) == content(load_scheme(write_pack(tmp_path / "small")))


def test_cells_are_mended_and_each_mend_is_listed(tmp_path: Path) -> None:
    sheets = official(
        adrg=replaced("adrg", "BB1", ("mdcb", "1", " bb1", "开颅\u3000", "ZYSS\xa0in_x000D_\n_x000A_  OP_BB1")),
        sets=[("DI_B00", "g00.000 Ｇ00.100 G00.200 G00.200"), *SMALL["sets"][1:]],
        complications=[("g00.300", "mcc", "EX_1"), ("I10.X00", "CC", "无")],
    )
    sheets["MDC"] = [*sheets["MDC"], ("000", "", "", ""), (" ", "", "", "")]
    sheets["DRG"] = [*sheets["DRG"], ("0000", "", "", "000", "000", "")]
    result = read(tmp_path, sheets)
    small = content(load_scheme(write_pack(tmp_path / "small")))
    small["sets"] |= {"DI_B00": {"set": "DI_B00", "codes": "G00.000 G00.100 G00.200 G00.200"}}  # type: ignore[operator]
    assert content(result.scheme) == small
    fold = "blanks, line breaks or escapes folded"
    assert lines(result, "blanks") == [
        f"ADRG 3 ADRG编码: {fold}: bb1",
        f"ADRG 3 ADRG名称: {fold}: 开颅",
        f"ADRG 3 ADRG规则: {fold}: ZYSS in OP_BB1",
    ]
    assert lines(result, "spelling") == [
        "ADRG 3 ADRG编码: spelling of a code mended: bb1 → BB1",
        "ADRG 3 所属MDC编码: spelling of a code mended: mdcb → MDCB",
        "集合 2 ICD编码: spelling of a code mended: g00.000 → G00.000",
        "集合 3 ICD编码: spelling of a code mended: Ｇ00.100 → G00.100",
        "CC 2 疾病编码: spelling of a code mended: g00.300 → G00.300",
        "CC 2 类型: spelling of a code mended: mcc → MCC",
        "CC 3 疾病编码: spelling of a code mended: I10.X00 → I10.x00",
    ]
    assert lines(result, "repeated") == ["集合 5 ICD编码: code repeated in its set, kept as it is: DI_B00 G00.200"]
    assert lines(result, "end_row") == [
        "MDC 6 MDC编码: end mark left out: 000",
        "DRG 10 DRG编码: end mark left out: 0000",
    ]


@pytest.mark.parametrize(
    ("tables", "en", "zh"),
    [
        (
            {"adrg": replaced("adrg", "BB1", ("MDCB", "1", "BB1", "", "ZYSS of OP_BB1"))},
            "ADRG line 3, ADRG规则: character 6: expected in or not in, found 'of'",
            "ADRG 第3行 ADRG规则列：第6个字符",
        ),
        (
            {"adrg": replaced("adrg", "BB1", ("MDCB", "1", "BB1", "", "ZYSS in OP_BB2"))},
            "ADRG line 3, ADRG规则: character 1: no set 'OP_BB2' (did you mean OP_BB1",
            "没有集合“OP_BB2”",
        ),
        (
            {"adrg": replaced("adrg", "BB1", ("MDCX", "1", "BB1", "", ""))},
            "ADRG line 3, 所属MDC编码: there is no 'MDCX'",
            "没有“MDCX”",
        ),
        (
            {"adrg": [*SMALL["adrg"], SMALL["adrg"][0]]},
            "ADRG line 9, ADRG编码: 'AA1' repeats row 2",
            "“AA1”与第2行重复",
        ),
        (
            {"drg": replaced("drg", "AA19", ("AA1", "1", "", "", ""))},
            "DRG line 2, DRG编码: is empty",
            "DRG 第2行 DRG编码列：为空",
        ),
        (
            {"complications": [("G00.300", "MC", "EX_1")]},
            "CC line 2, 类型: 'MC' should be MCC or CC",
            "“MC”应为 MCC 或 CC",
        ),
        (
            {"complications": [("G00.300", "MCC", "EX_4")]},
            "CC line 2, 排除表: no exclusion table 'EX_4'",
            "没有排除表“EX_4”",
        ),
        ({"complications": [("G00.300", "MCC", "")]}, "CC line 2, 排除表: is empty", "为空"),
    ],
)
def test_faults_name_sheet_row_and_column(
    tmp_path: Path, tables: dict[str, Sequence[Sequence[str]]], en: str, zh: str
) -> None:
    error = faults_of(tmp_path, official(**tables))
    assert en in error.text("en")
    assert zh in error.text("zh")
    assert "book.xlsx" in error.text("en")


def test_an_order_that_is_no_number(tmp_path: Path) -> None:
    sheets = official()
    sheets["MDC"] = [*sheets["MDC"][:2], ("MDCA", "", "", "first"), *sheets["MDC"][3:]]
    assert "MDC line 3, 排序: 'first' is not a number" in faults_of(tmp_path, sheets).text("en")


def test_all_faults_at_once(tmp_path: Path) -> None:
    sheets = official(
        mdc=replaced("mdc", "MDCC", ("3", "MDCC", "眼", "ZYZD in DI_C00)")),
        adrg=replaced("adrg", "BB1", ("MDCB", "1", "BB1", "", "ZYSS in OP_BB2")),
        complications=[("G00.300", "MC", "EX_4")],
    )
    assert len(faults_of(tmp_path, sheets).faults) == 4


def test_missing_sheets_and_headers(tmp_path: Path) -> None:
    sheets = official()
    del sheets["排除表"]
    sheets["CC 表"] = sheets.pop("CC")
    sheets["DRG"] = [("DRG编码", "DRG名称", "DRG 规", "所属ADRG编码", "排序"), *sheets["DRG"][1:]]
    sheets["集合"] = []
    text = faults_of(tmp_path, sheets).text("en")
    assert "no sheet '排除表'; there are" in text
    assert "no sheet 'CC' (did you mean CC 表?)" in text
    assert "/DRG: no header DRG规则 (did you mean DRG 规" in text
    assert "/集合: no header 集合编号" in text


def test_not_a_workbook(tmp_path: Path) -> None:
    (tmp_path / "book.xlsx").write_text("MDC", encoding="utf-8")
    for name in ("book.xlsx", "none.xlsx"):
        with pytest.raises(UserError, match="cannot be read as a workbook"):
            import_workbook(tmp_path / name, tmp_path / "imported")


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "imported").mkdir()
    (tmp_path / "imported" / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match="exists and is not empty"):
        read(tmp_path, official())
    assert [file.name for file in (tmp_path / "imported").iterdir()] == ["notes.txt"]


def test_like_another_scheme(tmp_path: Path) -> None:
    book = write_workbook(tmp_path / "book.xlsx", official())
    head = import_workbook(book, tmp_path / "imported", like="chs-drg-1.1").scheme.head
    assert (head.newborn_weight, head.required) == ("birth_weight", ("sex", "age", "age_days", "birth_weight"))


def national() -> dict[str, Sheet]:
    """The national workbook of 3.0, its sets cut to one code each."""
    tables: dict[str, list[tuple[str, ...]]] = {}
    for name, columns in COLUMNS.items():
        path = PACKS / "chs-drg-3.0" / f"{name}.csv"
        if path.is_file():
            with path.open(encoding="utf-8", newline="") as file:
                tables[name] = [tuple(row[column] for column in columns) for row in csv.DictReader(file)]
    tables["sets"] = [(name, codes.split()[0]) for name, codes in tables["sets"]]
    return official(**tables)


def test_the_gaps_of_the_national_workbook_are_filled(tmp_path: Path) -> None:
    result = read(tmp_path, national())
    shipped = load_scheme("chs-drg-3.0")
    assert result.scheme.exclusions == shipped.exclusions
    assert [change.row.values for change in result.scheme.changes] == [change.row.values for change in shipped.changes]
    assert len(lines(result, "amendment")) == 7
    assert "EX_128 S02.400（配置信息工作簿遗漏" in lines(result, "amendment")[-1]
    assert result.scheme.head.newborn_weight == "admission_weight"


def test_a_corrected_national_workbook_is_taken_as_it_is(tmp_path: Path) -> None:
    sheets = national()
    sheets["排除表"] = [*sheets["排除表"], ("EX_128", "S02.400", "")]
    result = read(tmp_path, sheets)
    assert (result.scheme.changes, lines(result, "amendment")) == ((), [])


def test_an_overlay_is_exported_merged(tmp_path: Path) -> None:
    write_pack(tmp_path / "small", not_grouped_procedure=[("01.2300",)])
    overlay = load_scheme(write_overlay(tmp_path / "local", "small", sets=[("add", "DI_C00", "H26.900", "本地增加")]))
    export_workbook(overlay, tmp_path / "book.xlsx")
    imported = import_workbook(tmp_path / "book.xlsx", tmp_path / "imported").scheme
    assert imported.digest == overlay.digest
    assert imported.head.base is None
    assert imported.not_grouped_procedures == {"01.2300"}


def test_text_is_never_written_as_a_formula(tmp_path: Path) -> None:
    adrg = replaced("adrg", "BB1", ("MDCB", "1", "BB1", '=HYPERLINK("x")', "ZYSS in OP_BB1"))
    scheme = load_scheme(write_pack(tmp_path / "small", adrg=adrg))
    export_workbook(scheme, tmp_path / "book.xlsx")
    with zipfile.ZipFile(tmp_path / "book.xlsx") as parts:
        sheets = b"".join(parts.read(name) for name in parts.namelist() if name.startswith("xl/worksheets"))
    assert b"HYPERLINK" in sheets
    assert b"<f>" not in sheets
    assert b"hyperlink" not in sheets
    assert import_workbook(tmp_path / "book.xlsx", tmp_path / "imported").scheme.digest == scheme.digest


def test_what_excel_cannot_hold_is_a_fault(tmp_path: Path) -> None:
    adrg = replaced("adrg", "BB1", ("MDCB", "1", "BB1", "x" * 40_000, ""))
    scheme = load_scheme(write_pack(tmp_path / "small", adrg=adrg))
    with pytest.raises(UserError, match="ADRG BB1: more than an Excel sheet can hold"):
        export_workbook(scheme, tmp_path / "book.xlsx")
    assert not list(tmp_path.glob("*.xlsx"))


def test_unwritable_places(tmp_path: Path) -> None:
    scheme = load_scheme(write_pack(tmp_path / "small"))
    with pytest.raises(UserError, match="cannot be written"):
        export_workbook(scheme, tmp_path / "none" / "book.xlsx")
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UserError, match="cannot be written"):
        import_workbook(write_workbook(tmp_path / "b.xlsx", official()), tmp_path / "file" / "imported")


def test_a_failed_import_leaves_nothing(tmp_path: Path) -> None:
    book = write_workbook(tmp_path / "book.xlsx", official())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(UserError, match="cannot be written"):
            import_workbook(book, tmp_path / "imported")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.iterdir()] == ["book.xlsx"]
