"""The rule language: what is read, how tightly it binds, and what is said of what cannot be read."""

import csv
from pathlib import Path

import pytest

import grouper
from grouper import UserError, load_scheme
from grouper.rule_language import (
    Always,
    And,
    Atom,
    Comparison,
    Count,
    Membership,
    Or,
    Rule,
    RuleSyntaxError,
    atoms,
    parse,
    set_names,
)

PACKS = Path(grouper.__file__).parent / "schemes"
SCHEMES = ("chs-drg-1.1", "beijing-drg-2022", "chs-drg-2.0", "chs-drg-3.0")


def only(text: str) -> Atom:
    """Return the single condition of a rule."""
    rule = parse(text)
    assert isinstance(rule, Membership | Comparison | Count)
    return rule


def shape(rule: Rule) -> object:
    """Return a rule as nested tuples of what its conditions are about."""
    if isinstance(rule, And | Or):
        return (type(rule).__name__, *(shape(part) for part in rule.parts))
    if isinstance(rule, Membership):
        return rule.sets[0]
    if isinstance(rule, Comparison):
        return rule.scalar
    return type(rule).__name__


@pytest.mark.parametrize("text", ["", " ", "\n\u3000\u00a0\t", "1", " 1 ", "(1)", "((1))"])
def test_an_empty_rule_and_1_hold_always(text: str) -> None:
    assert parse(text) == Always()


@pytest.mark.parametrize("field", ["ZYZD", "QTZD", "ZYSS", "QTSS"])
def test_one_field_in_one_set(field: str) -> None:
    atom = only(f"{field} in DI_B00")
    assert isinstance(atom, Membership)
    assert (atom.fields, atom.sets, atom.negated) == ((field,), ("DI_B00",), False)


def test_several_fields_and_sets() -> None:
    atom = only("{ZYZD, QTZD,ZYSS ,QTSS} in {DI_A,DI_B , OP_C}")
    assert isinstance(atom, Membership)
    assert atom.fields == ("ZYZD", "QTZD", "ZYSS", "QTSS")
    assert atom.sets == ("DI_A", "DI_B", "OP_C")


@pytest.mark.parametrize("text", ["ZYSS not in OP_ALL", "ZYSS NOT IN OP_ALL", "ZYSS  Not\n in OP_ALL"])
def test_not_in(text: str) -> None:
    atom = only(text)
    assert isinstance(atom, Membership)
    assert (atom.sets, atom.negated) == (("OP_ALL",), True)


@pytest.mark.parametrize("scalar", ["NL", "XB", "XSRTL", "XSRTZ", "ZYTS", "LYFS", "KS"])
@pytest.mark.parametrize("operator", [">=", "<=", "<", ">", "="])
def test_comparisons(scalar: str, operator: str) -> None:
    for text in (f"{scalar}{operator}29", f"{scalar} {operator} 29", f"({scalar}{operator}029)"):
        atom = only(text)
        assert isinstance(atom, Comparison)
        assert (atom.scalar, atom.operator, atom.value) == (scalar, operator, 29)


@pytest.mark.parametrize(("sign", "operator"), [("≥", ">="), ("≤", "<=")])
def test_single_signs_of_comparison(sign: str, operator: str) -> None:
    atom = only(f"NL{sign}70")
    assert isinstance(atom, Comparison)
    assert atom.operator == operator


def test_length_counts_a_set_in_fields() -> None:
    text = "length(OP_IC2 ∩ {ZYSS, QTSS})>=2"
    atom = only(text)
    assert isinstance(atom, Count)
    assert (atom.set, atom.fields, atom.minimum) == ("OP_IC2", ("ZYSS", "QTSS"), 2)
    assert (atom.start, atom.end) == (0, len(text))
    assert shape(parse("LENGTH( OP_A∩QTSS ) ≥ 3")) == "Count"


@pytest.mark.parametrize("sets", ["MCC", "CC", "{MCC, CC}", "{MCC, DI_A}"])
def test_complication_levels_are_asked_of_other_diagnoses(sets: str) -> None:
    atom = only(f"QTZD in {sets}")
    assert isinstance(atom, Membership)
    assert atom.sets == tuple(sets.strip("{}").split(", "))


def test_and_binds_tighter_than_or() -> None:
    assert shape(parse("NL=1 or XB=2 and KS=3 or LYFS=4")) == ("Or", "NL", ("And", "XB", "KS"), "LYFS")
    assert shape(parse("NL=1 and XB=2 or KS=3 and LYFS=4")) == ("Or", ("And", "NL", "XB"), ("And", "KS", "LYFS"))


def test_parentheses_group() -> None:
    assert shape(parse("(NL=1 or XB=2) and (KS=3 OR LYFS=4)")) == ("And", ("Or", "NL", "XB"), ("Or", "KS", "LYFS"))
    assert shape(parse("((NL=1)) and (((XB=2)))")) == ("And", "NL", "XB")
    assert shape(parse("NL=1 and (XB=2 and KS=3)")) == ("And", "NL", ("And", "XB", "KS"))


def test_key_words_in_any_case_and_without_blanks_around_marks() -> None:
    assert shape(parse("(ZYZD in DI_A)and(NL>=1)")) == ("And", "DI_A", "NL")
    assert shape(parse("(NL=1)OR(XB=2)Or(KS=3)oR(LYFS=4)")) == ("Or", "NL", "XB", "KS", "LYFS")
    assert shape(parse("(NL=1)AND(XB=2)And(KS=3)")) == ("And", "NL", "XB", "KS")


def test_full_width_punctuation_reads_as_half_width_and_keeps_positions() -> None:
    half = "({ZYZD,QTZD} in {DI_A,DI_B}) and (NL>=1) or (XB=2)"
    full = half.translate(str.maketrans("(){},=<>", "（）｛｝，＝＜＞"))
    assert full != half
    assert parse(full) == parse(half)
    assert parse("NL＞＝７") == parse("NL>=7")


def test_every_kind_of_blank_separates() -> None:
    blanks = "\u3000\u00a0\r\n\t "
    assert shape(parse(f"{blanks}NL{blanks}>={blanks}1{blanks}and{blanks}XB=1{blanks}")) == ("And", "NL", "XB")


def test_conditions_know_where_they_stand() -> None:
    text = "(ZYZD in DI_A) and (NL >= 1 or {ZYSS, QTSS} not in {OP_A, OP_B})"
    found = [text[atom.start : atom.end] for atom in atoms(parse(text))]
    assert found == ["ZYZD in DI_A", "NL >= 1", "{ZYSS, QTSS} not in {OP_A, OP_B}"]


def test_named_sets_with_positions_without_complication_levels() -> None:
    rule = parse("ZYZD in {DI_A, DI_B} and QTZD in MCC and length(OP_C ∩ QTSS)>=1")
    assert list(set_names(rule)) == [("DI_A", 0), ("DI_B", 0), ("OP_C", 41)]
    assert list(set_names(parse("1"))) == []


CONDITION = (
    "条件：字段（ZYZD、QTZD、ZYSS、QTSS）、数值（NL、XB、XSRTL、XSRTZ、ZYTS、LYFS、KS）、length 或 (",
    "a condition: a field (ZYZD, QTZD, ZYSS, QTSS), a number (NL, XB, XSRTL, XSRTZ, ZYTS, LYFS, KS), length or (",
)
FAULTS: list[tuple[str, int, str, str]] = [
    # text, offset of the fault, what is said in Chinese and in English
    ("NL>=1 ; XB=2", 6, "无法识别的字符“;”", "unexpected character ';'"),
    ("NL>=-1", 4, "无法识别的字符“-”", "unexpected character '-'"),
    ("ZYZD in 'DI_A'", 8, "无法识别的字符“'”", 'unexpected character "\'"'),
    ("年龄>=1", 0, "无法识别的字符“年”", "unexpected character '年'"),
    ("and", 0, f"应为{CONDITION[0]}，却是“and”", f"expected {CONDITION[1]}, found 'and'"),
    ("NL=1 and", 8, f"应为{CONDITION[0]}，却是规则结束", f"expected {CONDITION[1]}, found the end of the rule"),
    ("NL=1 or or XB=1", 8, f"应为{CONDITION[0]}，却是“or”", f"expected {CONDITION[1]}, found 'or'"),
    ("()", 1, f"应为{CONDITION[0]}，却是“)”", f"expected {CONDITION[1]}, found ')'"),
    ("not ZYZD in DI_A", 0, f"应为{CONDITION[0]}，却是“not”", f"expected {CONDITION[1]}, found 'not'"),
    ("2", 0, f"应为{CONDITION[0]}，却是“2”", f"expected {CONDITION[1]}, found '2'"),
    ("zyzd in DI_A", 0, f"应为{CONDITION[0]}，却是“zyzd”", f"expected {CONDITION[1]}, found 'zyzd'"),
    (
        "NL=1 NL=2",
        5,
        "应为“and”“or”或规则结束，却是“NL”",
        "expected and, or, or the end of the rule, found 'NL'",
    ),
    ("NL=1)", 4, "应为“and”“or”或规则结束，却是“)”", "expected and, or, or the end of the rule, found ')'"),
    ("(NL=1", 5, "应为“)”，却是规则结束", "expected ')', found the end of the rule"),
    ("((NL=1) and XB=2", 16, "应为“)”，却是规则结束", "expected ')', found the end of the rule"),
    ("ZYZD DI_A", 5, "应为“in”或“not in”，却是“DI_A”", "expected in or not in, found 'DI_A'"),
    ("ZYZD not DI_A", 9, "应为“in”或“not in”，却是“DI_A”", "expected in or not in, found 'DI_A'"),
    ("ZYZD", 4, "应为“in”或“not in”，却是规则结束", "expected in or not in, found the end of the rule"),
    ("ZYZD in", 7, "应为集合编号，却是规则结束", "expected the name of a set, found the end of the rule"),
    ("ZYZD in 5", 8, "应为集合编号，却是“5”", "expected the name of a set, found '5'"),
    ("ZYZD in {DI_A,}", 14, "应为集合编号，却是“}”", "expected the name of a set, found '}'"),
    ("ZYZD in {DI_A DI_B}", 14, "应为“}”，却是“DI_B”", "expected '}', found 'DI_B'"),
    ("ZYZD in {DI_A", 13, "应为“}”，却是规则结束", "expected '}', found the end of the rule"),
    (
        "{ZYZD, NL} in DI_A",
        7,
        "应为字段 ZYZD、QTZD、ZYSS、QTSS，却是“NL”",
        "expected a field: ZYZD, QTZD, ZYSS, QTSS, found 'NL'",
    ),
    (
        "{} in DI_A",
        1,
        "应为字段 ZYZD、QTZD、ZYSS、QTSS，却是“}”",
        "expected a field: ZYZD, QTZD, ZYSS, QTSS, found '}'",
    ),
    ("NL in DI_A", 3, "应为比较符 >= <= < > =，却是“in”", "expected a comparison: >= <= < > =, found 'in'"),
    ("NL", 2, "应为比较符 >= <= < > =，却是规则结束", "expected a comparison: >= <= < > =, found the end of the rule"),
    ("NL==1", 3, "应为整数，却是“=”", "expected an integer, found '='"),
    ("NL>=DI_A", 4, "应为整数，却是“DI_A”", "expected an integer, found 'DI_A'"),
    ("length OP_A", 7, "应为“(”，却是“OP_A”", "expected '(', found 'OP_A'"),
    ("length({OP_A} ∩ QTSS)>=1", 7, "应为集合编号，却是“{”", "expected the name of a set, found '{'"),
    ("length(OP_A, QTSS)>=1", 11, "应为“∩”，却是“,”", "expected '∩', found ','"),
    ("length(OP_A ∩ QTSS>=1", 18, "应为“)”，却是“>=”", "expected ')', found '>='"),
    ("length(OP_A ∩ QTSS)>1", 19, "应为>=，却是“>”", "expected >=, found '>'"),
    ("length(OP_A ∩ QTSS)", 19, "应为>=，却是规则结束", "expected >=, found the end of the rule"),
    ("length(OP_A ∩ QTSS)>=", 21, "应为整数，却是规则结束", "expected an integer, found the end of the rule"),
    *(
        (
            f"NL=1 and {fields} in {sets}",
            9,
            "MCC、CC 只能用于其他诊断 QTZD",
            "MCC and CC can only be asked of other diagnoses, QTZD",
        )
        for fields, sets in (("ZYZD", "MCC"), ("ZYSS", "CC"), ("{ZYZD, QTZD}", "{DI_A, CC}"), ("QTSS", "{MCC, CC}"))
    ),
]


@pytest.mark.parametrize(("text", "position", "zh", "en"), FAULTS, ids=[text for text, *_ in FAULTS])
def test_faults_name_the_place_and_what_was_expected(text: str, position: int, zh: str, en: str) -> None:
    with pytest.raises(RuleSyntaxError) as caught:
        parse(text)
    assert caught.value.position == position
    assert caught.value.text("zh") == f"第{position + 1}个字符：{zh}"
    assert caught.value.text("en") == f"character {position + 1}: {en}"


def test_positions_count_full_width_characters_once() -> None:
    with pytest.raises(RuleSyntaxError) as caught:
        parse("（NL＝1） and （XB＝）")
    assert caught.value.position == 15


def nested(levels: int) -> str:
    return "(" * levels + "NL=1" + ")" * levels


def test_a_hundred_nested_parentheses_are_read_and_one_more_is_a_fault() -> None:
    assert shape(parse(nested(100))) == "NL"
    with pytest.raises(RuleSyntaxError) as caught:
        parse(nested(101))
    assert caught.value.position == 100
    assert caught.value.text("zh") == "第101个字符：括号嵌套超过100层"
    assert caught.value.text("en") == "character 101: more than 100 nested parentheses"
    with pytest.raises(RuleSyntaxError):
        parse("(" * 50_000)


def test_depth_counts_nesting_and_not_parentheses() -> None:
    assert shape(parse(" and ".join(["(NL=1)"] * 500)))


@pytest.mark.parametrize("digits", [10, 5_000])
def test_an_integer_that_no_record_can_hold_is_a_fault(digits: int) -> None:
    """Numbers of a record are 32 bits wide; a larger limit is a slip of the pen, and must be said to be one."""
    with pytest.raises(UserError):
        parse(f"NL>={'9' * digits}")


def test_a_key_word_is_no_name_of_a_set() -> None:
    with pytest.raises(RuleSyntaxError) as caught:
        parse("ZYZD in and NL=1")
    assert caught.value.position == 8


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_rule_of_a_shipped_scheme_is_read_whole(scheme: str) -> None:
    loaded = load_scheme(scheme)
    for row in loaded.rule_rows():
        rule = parse(row.text)
        assert rule == row.rule
        assert not row.text.strip() or isinstance(rule, Always) == (row.text.strip() == "1")
        for name, position in set_names(rule):
            assert name in loaded.sets, (row.code, name)
            assert name in row.text[position:]
        for atom in atoms(rule):
            assert parse(row.text[atom.start : atom.end]), row.code


def test_chs_drg_3_0_has_871_rules() -> None:
    texts = []
    for table in ("mdc", "adrg", "drg"):
        with (PACKS / "chs-drg-3.0" / f"{table}.csv").open(encoding="utf-8", newline="") as file:
            texts += [row["rule"] for row in csv.DictReader(file) if row["rule"].strip()]
    assert len(texts) == 871
    assert all(parse(text) for text in texts)
