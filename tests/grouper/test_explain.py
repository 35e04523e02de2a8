"""The explanation of a case says what decided, in both languages."""

import re
from collections.abc import Sequence

import pytest

from grouper import CaseGroup, Record, group_case, load_scheme
from grouper.drg.explain import explain_case
from grouper.explanation import Explanation
from tests.generated_records import generator, records

SCHEMES = ("chs-drg-1.1", "beijing-drg-2022", "chs-drg-2.0", "chs-drg-3.0")
PNEUMONIA = Record(["J18.900", "J96.000", "I10.x00"], [], sex=1, age=71)
KIDNEY = Record(["S37.011", "S37.910"], [], sex=2, age=40)
AMBIGUOUS = Record(["J95.801"], ["44.9100x002"], sex=1, age=70)
BURNT_NEWBORN = Record(["T21.000x033"], [], sex=2, age=0, age_days=28, admission_weight=1999)
INFARCTION = Record(["I21.900"], ["36.0700x004"], sex=1, age=50)


def explained(record: Record, scheme: str = "chs-drg-3.0") -> Explanation[CaseGroup]:
    loaded = load_scheme(scheme)
    explanation = explain_case(loaded, record)
    assert explanation.group == group_case(loaded, record)
    return explanation


def lines(explanation: Explanation[CaseGroup], heading: str, lang: str = "en") -> list[str]:
    """Return the lines under a heading."""
    for section in explanation.sections:
        if section.title.text(lang) == heading:
            return [line.text(lang) for line in section.lines]
    raise AssertionError(heading)


def assert_says(given: Sequence[str], *wanted: str) -> None:
    for line in wanted:
        assert line in given, "\n".join(given)


def test_result_and_case() -> None:
    explanation = explained(PNEUMONIA)
    assert_says(
        lines(explanation, "Result"),
        "scheme: CHS-DRG 3.0 (chs-drg-3.0)",
        "status: grouped",
        "ADRG ES4 呼吸系统感染/炎症",
        "DRG ES4E 呼吸系统感染/炎症，伴严重合并症或并发症，大于等于70岁",
        "severity: mcc",
    )
    assert_says(
        lines(explanation, "病例", "zh"),
        "主要诊断：J18.900 肺炎",
        "其他诊断：J96.000 急性呼吸衰竭",
        "年龄（岁）：71",
        "性别：1",
    )


def test_gates_and_rules_with_the_code_that_hit_and_its_set() -> None:
    given = lines(explained(PNEUMONIA), "Rules tried, in order")
    assert_says(
        given,
        "✓ MDCE 呼吸系统疾病及功能障碍: ZYZD in DI_E00: principal diagnosis J18.900 ∈ DI_E00",
        "✓ ES4 呼吸系统感染/炎症: ZYZD in DI_ES4: principal diagnosis J18.900 ∈ DI_ES4",
        "✓ ES4E 呼吸系统感染/炎症，伴严重合并症或并发症，大于等于70岁: "
        "QTZD in MCC: other diagnosis J96.000 ∈ MCC; NL>=70 holds",
    )
    assert any(line.startswith("do not apply: AA1 AA2") and line.endswith("MDCD") for line in given)


@pytest.mark.parametrize("record", [PNEUMONIA, KIDNEY, AMBIGUOUS, BURNT_NEWBORN])
def test_every_row_that_held_says_why(record: Record) -> None:
    for lang in ("zh", "en"):
        assert re.findall(r"^\s*✓ .*[:：]\s*$", explained(record).text(lang), re.MULTILINE) == []


def test_a_counted_complication_and_one_that_is_excluded() -> None:
    explanation = explained(PNEUMONIA)
    assert_says(
        lines(explanation, "Complications"),
        "J96.000 急性呼吸衰竭: MCC, counted (the principal diagnosis is not in EX_58)",
        "not complications: I10.x00",
    )
    explanation = explained(KIDNEY)
    assert (explanation.group.drg, explanation.group.severity) == ("ZZ15", "none")
    assert_says(
        lines(explanation, "Complications"),
        "S37.910 开放性盆腔器官损伤: CC, excluded: the principal diagnosis S37.011 is in EX_131",
    )
    assert_says(
        lines(explanation, "并发症与合并症", "zh"),
        "S37.910 开放性盆腔器官损伤：CC，被排除：主要诊断 S37.011 在 EX_131 中",
    )


def test_an_ambiguous_procedure() -> None:
    explanation = explained(AMBIGUOUS)
    assert explanation.group[:4] == ("ambiguous", "MDCE", "EQY", "EQY")
    assert_says(
        lines(explanation, "结果", "zh"),
        "状态：歧义",
        "原因：主要手术操作与主要诊断不匹配（歧义）（ambiguous_procedure）",
    )
    assert_says(
        lines(explanation, "Rules tried, in order"),
        "✓ EQY: ZYSS in OP_ALL: principal procedure 44.9100x002 ∈ OP_ALL",
    )
    assert_says(lines(explanation, "What would change the group"), "without procedure 44.9100x002 → EW1G")


def test_a_record_that_does_not_say_enough() -> None:
    explanation = explained(BURNT_NEWBORN)
    assert explanation.group[:4] == ("ungroupable", "MDCP", "P00", "P000")
    assert_says(
        lines(explanation, "Result"), "reason: the record does not say enough to group the case (record_insufficient)"
    )
    assert_says(lines(explanation, "Rules tried, in order"), "✓ P000: no condition")
    assert_says(lines(explanation, "Case"), "age in days: 28", "newborn weight in grams: 1999")


def test_why_not_the_neighbours() -> None:
    given = lines(explained(PNEUMONIA), "Why not the neighbouring groups")
    assert_says(
        given,
        "ES41 呼吸系统感染/炎症，伴严重合并症或并发症: fits too, but stands later",
        "ES43 呼吸系统感染/炎症，伴一般合并症或并发症: QTZD in CC: no code hits",
    )
    stent = explained(INFARCTION, "chs-drg-2.0")
    assert stent.group.adrg == "FM3"
    assert_says(lines(stent, "Why not the neighbouring groups"), "FR1 急性心肌梗死: fits too, but stands after FM3")
    assert_says(lines(stent, "为何不入相邻组", "zh"), "FR1 急性心肌梗死：也符合，但排在 FM3 之后")


def test_an_age_that_would_change_the_group() -> None:
    assert_says(lines(explained(PNEUMONIA), "What would change the group"), "age in years 69 → ES41")
    assert_says(lines(explained(PNEUMONIA), "什么会改变分组", "zh"), "年龄（岁）为 69 → ES41")


def test_without_the_complication() -> None:
    assert_says(lines(explained(PNEUMONIA), "What would change the group"), "without other diagnosis J96.000 → ES4G")


def test_codes_are_shown_in_their_official_spelling() -> None:
    mixed = Record([" s37.011 ", "Ｓ３７．９１０"], [], sex=2, age=40)
    given = lines(explained(mixed), "Case")
    assert_says(given, "principal diagnosis: S37.011 开放性肾破裂", "other diagnosis: S37.910 开放性盆腔器官损伤")
    suggested = [line for line in lines(explained(KIDNEY), "What would change the group") if "counted MCC" in line]
    assert suggested
    assert all(re.search(r"such as [A-Z]\d\d\.", line) for line in suggested), suggested


@pytest.mark.parametrize("blank", [None, "", " \u3000"])
def test_blank_codes_are_not_proposed_as_changes(blank: str | None) -> None:
    record = Record(["J18.900", blank, "J96.000"], [blank], sex=1, age=71)
    assert_says(lines(explained(record), "What would change the group"), "J96.000 as principal diagnosis → ER25")
    for lang in ("zh", "en"):
        assert explained(record).text(lang) == explained(Record(["J18.900", "J96.000"], [], sex=1, age=71)).text(lang)


def test_a_principal_procedure_that_counts_as_none_is_shown_as_such() -> None:
    """00.0101 is on the list of procedures that 2.0 does not group by: the reader must see that it was set aside."""
    explanation = explained(Record(["I21.900"], ["00.0101", "36.0700x004"], sex=1, age=50), "chs-drg-2.0")
    assert explanation.group.drg == "FR15"
    assert any("00.0101" in line for line in lines(explanation, "Case"))


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (Record(["J18.900"], [], sex=None), "sex is missing or neither 1 nor 2"),
        (Record([], [], sex=1), "there is no diagnosis"),
        (Record([" ", "J18.900"], [], sex=1), "the principal diagnosis is blank"),
        (Record(["X99.999x999"], [], sex=1), "the principal diagnosis is in neither the code list nor the scheme"),
    ],
)
def test_records_that_no_rule_is_tried_on(record: Record, reason: str) -> None:
    explanation = explained(record)
    assert any(line.startswith(f"reason: {reason}") for line in lines(explanation, "Result"))
    assert "Rules tried, in order" not in [section.title.en for section in explanation.sections]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_five_hundred_generated_records_are_explained(scheme: str) -> None:
    loaded = load_scheme(scheme)
    for record in records(generator(loaded).table(500, seed=9)):
        explanation = explain_case(loaded, record)
        group = explanation.group
        assert group == group_case(loaded, record)
        zh, en = explanation.text("zh"), explanation.text("en")
        assert zh.count("\n") == en.count("\n")
        if group.drg is not None:
            assert f"DRG {group.drg}" in zh
            assert f"DRG {group.drg}" in en
        if group.reason is not None:
            assert f"（{group.reason}）" in zh
            assert f"({group.reason})" in en
