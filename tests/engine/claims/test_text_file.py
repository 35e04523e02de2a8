import csv
from collections.abc import Sequence
from pathlib import Path

import pytest

from engine.claims import open_claims
from grouper.fault import UserError
from tests.engine.claims.reading import read

HEADER = "case_id,sex,age,diagnoses\n"


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def fault(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        read(path, needed=["sex", "age", "diagnoses"], column_map="delimited")
    return caught.value.text("en").replace(f"{path}: ", "")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_encodings_and_separators(tmp_path: Path, encoding: str, separator: str, line_end: str) -> None:
    lines = ["case_id,department,sex,diagnoses", "一号,心内科,男,A00.000、B01.000", "二号,“外科”,女,C02.000"]
    text = "".join(line.replace(",", separator) + line_end for line in lines)
    path = write(tmp_path / "a.csv", text, encoding)
    found = read(path, needed=["department", "sex", "diagnoses"], column_map="delimited")
    assert found.rows == [
        {"case_id": "一号", "department": "心内科", "sex": 1, "diagnoses": ["A00.000", "B01.000"]},
        {"case_id": "二号", "department": "“外科”", "sex": 2, "diagnoses": ["C02.000"]},
    ]
    assert found.numbers == [2, 3]


def test_chinese_headings_in_gbk(tmp_path: Path) -> None:
    write(
        tmp_path / "map.toml",
        '[columns]\ncase_id = "病案号"\nsex = "性别"\n[diagnoses]\ncolumn = "诊断"\nseparators = ";"\n',
    )
    path = write(tmp_path / "a.csv", "病案号,性别,诊断\n0012,男,A00.000;B01.000\n", "gbk")
    found = read(path, needed=["sex", "diagnoses"], column_map=tmp_path / "map.toml")
    assert found.rows == [{"case_id": "0012", "sex": 1, "diagnoses": ["A00.000", "B01.000"]}]


def test_title_lines_above_the_header(tmp_path: Path) -> None:
    write(tmp_path / "map.toml", 'base = "delimited"\nheader = 3\n')
    path = write(tmp_path / "a.csv", "出院病例\n2024年1月\n" + HEADER + "1,1,7,A00.000\n1,2\n")
    found = read(path, needed=["age", "diagnoses"], column_map=tmp_path / "map.toml")
    assert found.rows == [{"case_id": "1", "age": 7, "diagnoses": ["A00.000"]}]
    assert (found.numbers, found.reasons()) == ([4], [(5, "ragged_row")])


def test_ragged_rows_are_rejected_and_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", HEADER + "1,1,7,A00.000\n2,1\n\n3,1,7,A00.000,x,y\n4,2,8,B01.000")
    found = read(path, needed=["sex", "age", "diagnoses"], column_map="delimited")
    assert found.column("case_id") == ["1", "4"]
    assert found.numbers == [2, 5]
    assert found.reasons() == [(3, "ragged_row"), (4, "ragged_row")]
    assert found.rejects[0]["message_en"].endswith("4 cells expected, 2 found")
    assert found.rejects[1]["message_zh"].endswith("应有 4 列，实有 6 列")
    assert found.findings[("ragged_row", "")] == 2
    assert found.rows_in == 4


def test_quoted_cells(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", HEADER + '"a,""b""\nc",1,"7","A00.000;\nB01.000"\n2,1,8,C02.000\n')
    found = read(path, needed=["age", "diagnoses"], column_map="delimited")
    assert found.rows == [
        {"case_id": 'a,"b"\nc', "age": 7, "diagnoses": ["A00.000", "B01.000"]},
        {"case_id": "2", "age": 8, "diagnoses": ["C02.000"]},
    ]
    assert found.numbers == [2, 3]


def test_long_cells_many_codes_and_null_bytes(tmp_path: Path) -> None:
    codes = [f"A{number % 100:02}.{number:03}" for number in range(200)]
    path = write(tmp_path / "a.csv", HEADER + f"1,1,7,{';'.join(codes)}\n2,1,8,{'x' * 10_000}\n3\0,1,9,A00.000\n")
    found = read(path, needed=["age", "diagnoses"], column_map="delimited")
    assert found.column("diagnoses") == [codes, ["x" * 10_000], ["A00.000"]]
    assert found.column("case_id") == ["1", "2", "3\0"]


def test_what_databases_write_for_null(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", HEADER + "1,NULL,\\N,A00.000\n2,null,,B01.000\nNULL,1,5,C02.000\n")
    found = read(path, needed=["sex", "age", "diagnoses"], column_map="delimited")
    assert [(row["sex"], row["age"]) for row in found.rows] == [(None, None)] * 2
    assert found.reasons() == [(4, "missing_case_id")]


def test_a_header_only(tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.csv", HEADER), needed=["sex"], column_map="delimited").rows_in == 0


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b"\n\n"])
def test_an_empty_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    assert fault(path) == "empty file (no header in line 1)"


def test_neither_encoding(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(HEADER.encode() + "男,1,7,A00.000\n".encode("gbk") + b"2,1,\xff,B\n")
    assert fault(path) == "line 2 (byte 27) is not valid UTF-8\nline 3 (byte 46) is not valid GB18030"


def test_damaged_utf8_is_not_taken_for_gbk(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    good = "一,1,7,A00.000\n二,1,7,A00.000\n".encode()
    path.write_bytes(HEADER.encode() + good + "三三".encode()[:4] + b",1,7,A00.000\n")
    assert fault(path) == "line 4 (byte 62) is not valid UTF-8"


def test_gbk_that_happens_to_be_valid_utf8(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", HEADER + "1,女,7,A00.000\n", "gbk")
    path.read_bytes().decode("utf-8")
    assert read(path, needed=["sex"], column_map="delimited").rows == [{"case_id": "1", "sex": 2}]


def test_a_given_encoding_is_obeyed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", HEADER + "男,1,7,A00.000\n", "gbk")
    write(tmp_path / "map.toml", 'base = "delimited"\nencoding = "utf-8"\n')
    with pytest.raises(UserError, match=r"line 2 .* is not valid UTF-8"):
        read(path, needed=["sex"], column_map=tmp_path / "map.toml")


def test_utf16_is_named(tmp_path: Path) -> None:
    assert fault(write(tmp_path / "a.csv", HEADER, "utf-16")) == "encoded in UTF-16; save it as UTF-8"


def test_a_quote_never_closed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", HEADER + '1,1,7,A00.000\n2,1,7,"B01.000\n3,1,7,C02.000\n')
    assert "never closed" in fault(path)


def test_stray_quotes_are_not_guessed_at(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", HEADER + '1,1,7,A00.000\n2,1,7,5" x\n3,1,7,5" x\n')
    assert fault(path).startswith("quotation marks between rows 2 and 4 are out of balance")


def test_a_repeated_column_name(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "case_id,age,note,age,note,\n1,7,x,8,y,\n")
    with pytest.raises(UserError, match="the column name age occurs more than once"):
        read(path, needed=["age"], column_map="delimited")
    assert read(path, needed=["sex"], column_map="delimited").rows == [{"case_id": "1", "sex": None}]


def test_blocks_of_a_large_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = 60_000
    with path.open("w", encoding="gbk", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["case_id", "age", "note", "diagnoses"])
        note = "病程" * 150 + '"\n'
        writer.writerows([number, number % 100, note, "A00.000"] for number in range(rows))
    claims = open_claims([path], needed=["age"], column_map="delimited")
    assert claims.row_count == rows
    assert len(list(claims.chunks())) > 1
    found = read(path, needed=["age"], column_map="delimited")
    assert found.column("case_id") == [str(number) for number in range(rows)]
    assert found.numbers == list(range(2, rows + 2))


@pytest.mark.parametrize(
    ("cells", "codes"),
    [
        (["A", "", " B ", ""], ["A", "B"]),
        (["", "B", "　", "C"], [None, "B", "C"]),
        (["", "", "", ""], None),
    ],
)
def test_wide_columns(tmp_path: Path, cells: Sequence[str], codes: object) -> None:
    header = "case_id,diag_10,diag_2,proc_1,diag_1,proc_2,diag_9\n"
    first, second, ninth, tenth = cells
    path = write(tmp_path / "a.csv", header + f"1,{tenth},{second},,{first},33.6x00,{ninth}\n")
    found = read(path, needed=["diagnoses", "procedures"], column_map="wide")
    assert found.rows == [{"case_id": "1", "diagnoses": codes, "procedures": ["33.6x00"]}]


def test_a_principal_column_before_the_numbered_ones(tmp_path: Path) -> None:
    text = 'base = "canonical"\n[diagnoses]\nfirst = "主要诊断"\nnumbered = "其他诊断{n}"\n'
    write(tmp_path / "map.toml", text)
    path = write(tmp_path / "a.csv", "case_id,其他诊断2,其他诊断1,主要诊断\n1,C,B,A\n")
    found = read(path, needed=["diagnoses"], column_map=tmp_path / "map.toml")
    assert found.column("diagnoses") == [["A", "B", "C"]]


def test_delimited_cells(tmp_path: Path) -> None:
    lines = ["1,A；B|C、 D ", "2,;B;;C;", "3,;;", "4,", "5,A"]
    path = write(tmp_path / "a.csv", "case_id,diagnoses\n" + "\n".join(lines))
    found = read(path, needed=["diagnoses"], column_map="delimited")
    assert found.column("diagnoses") == [["A", "B", "C", "D"], [None, "B", "C"], None, None, ["A"]]
