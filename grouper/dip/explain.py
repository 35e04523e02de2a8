"""Explain the DIP group of one case, line by line: its procedures, the rows tried, ties, and what would change it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from grouper.codes import CodeList, fold
from grouper.dip.answer import REASONS, DipGroup
from grouper.dip.directory import Directory, GroupRow, Tie
from grouper.dip.reference import Case, Cleaned, Tested, Tried, group_case, try_row
from grouper.drg.reference import Record
from grouper.explanation import Explanation, Section
from grouper.fault import Text

_STATUS = {
    "grouped": Text("入组", "grouped"),
    "ungroupable": Text("未入组", "ungroupable"),
    "invalid": Text("无效", "invalid"),
}
LAYER_NAMES = {
    "XQ": Text("先期分组", "early groups"),
    "BX": Text("并项", "merged groups"),
    "FZ": Text("诊断辅助细分", "groups by further diagnoses"),
    "JC": Text("基本规则", "basic rule"),
    "ZH": Text("综合病种", "comprehensive groups"),
}
_FATES: dict[Cleaned, Text] = {
    "main": Text("主要手术操作", "main procedure"),
    "related": Text("相关手术操作", "related procedure"),
    "not_main": Text("相关手术操作（不可作为主要手术操作）", "related procedure (may not be the main one)"),
    "nothing": Text("不计（按保守治疗入组）", "counts for nothing (conservative)"),
    "out_of_scope": Text(
        "不计（仅在规定的主要诊断下可作主要手术操作）", "counts for nothing (main only with certain main diagnoses)"
    ),
}
_COLUMNS = {
    "main_procedure": Text("主要手术操作", "main procedure"),
    "related_procedure": Text("相关手术操作", "related procedures"),
    "procedures": Text("任一位置的手术操作", "procedures in any position"),
    "unmatched_procedures": Text("没有病种未列的手术操作", "no procedure that the group does not name"),
    "class": Text("手术操作类别", "class of the procedure"),
    "any_diagnosis": Text("任一诊断", "any diagnosis"),
    "other_diagnosis": Text("其他诊断", "other diagnosis"),
    "marker": Text("标记", "marker"),
    "age_days": Text("天龄", "age in days"),
    "birth_weight": Text("出生体重", "birth weight"),
}
TIE_NAMES: dict[Tie, Text] = {
    "specificity": Text("诊断更具体者", "the more specific diagnosis"),
    "parts": Text("符合的手术操作项更多者", "more parts of procedures matched"),
    "matched": Text("命中的手术操作更多者", "more procedures matched"),
    "exact": Text("没有未列手术操作者", "no procedure that the group does not name"),
    "first_procedure": Text("含主要手术操作者", "the group that names the main procedure"),
    "mean_cost": Text("均次费用最接近者", "the nearest mean cost"),
    "score": Text("分值最高者", "the highest score"),
    "sequence": Text("目录中排在前面者", "the earlier in the directory"),
}
_MOST_NEIGHBOURS = 8


def describe(directory: Directory, row: GroupRow) -> str:
    """Return the name of a group, or what its cells say where the directory has no names."""
    if row.name:
        return row.name
    cells = directory.tables["groups"][row.code].values
    diagnoses = [
        cells[name] for name in ("main_diagnosis", "any_diagnosis", "other_diagnosis", "marker") if cells[name]
    ]
    numbers = [cells[name] for name in ("age_days", "birth_weight") if cells[name]]
    procedures = [cells[name] for name in ("main_procedure", "related_procedure", "procedures") if cells[name]]
    procedures += [_CLASS_NAMES[cells["class"]]] if cells["class"] else []
    return " × ".join([" ".join([*diagnoses, *numbers]), " + ".join(procedures) or "保守治疗"]).removeprefix(" × ")


_CLASS_NAMES = {
    "surgery": "手术",
    "therapeutic": "治疗性操作",
    "diagnostic": "诊断性操作",
    "conservative": "保守治疗",
}


def explain_case(directory: Directory, record: Record) -> Explanation[DipGroup]:
    """Explain the group of a record under a directory, from the reference evaluator's trace."""
    trace: list[Tried] = []
    group = group_case(directory, record, trace)
    case = Case(directory, record)
    sections = [
        Section(Text("结果", "Result"), tuple(_result(directory, group))),
        Section(Text("病例", "Case"), tuple(_case_lines(case))),
        Section(Text("依次检查的病种", "Groups tried, in order"), tuple(_trace_lines(trace, case))),
        Section(Text("为何不入相邻病种", "Why not the neighbouring groups"), tuple(_neighbours(trace, case, group))),
        Section(Text("什么会改变分组", "What would change the group"), tuple(_changes(directory, record, group))),
    ]
    return Explanation(group, tuple(section for section in sections if section.lines))


def _result(directory: Directory, group: DipGroup) -> Iterator[Text]:
    name = directory.head.name
    yield Text(f"目录：{name.zh}（{directory.id}）", f"directory: {name.en} ({directory.id})")
    status = _STATUS[group.status]
    yield Text(f"状态：{status.zh}", f"status: {status.en}")
    if group.layer is not None:
        layer = LAYER_NAMES[group.layer]
        yield Text(f"层：{group.layer} {layer.zh}", f"layer: {group.layer} {layer.en}")
    if group.group is not None:
        named = {row.code: describe(directory, row) for row in directory.groups}.get(group.group, "")
        yield Text(f"病种：{group.group} {named}".rstrip(), f"group: {group.group} {named}".rstrip())
    if group.reason is not None:
        reason = REASONS[group.reason]
        yield Text(f"原因：{reason.zh}（{group.reason}）", f"reason: {reason.en} ({group.reason})")


def _case_lines(case: Case) -> Iterator[Text]:
    diagnoses, procedures = case.directory.diagnosis_codes, case.directory.procedure_codes
    if case.main_diagnosis:
        label = _named(case.main_diagnosis, diagnoses)
        yield Text(f"主要诊断：{label}", f"main diagnosis: {label}")
    for code in case.other_diagnoses:
        label = _named(code, diagnoses)
        yield Text(f"其他诊断：{label}", f"other diagnosis: {label}")
    for code, fate in case.cleaned:
        label = _named(code, procedures)
        yield Text(f"手术操作：{label}：{_FATES[fate].zh}", f"procedure: {label}: {_FATES[fate].en}")
    if case.is_conservative:
        yield Text("保守治疗：没有计入的手术操作", "conservative: no procedure counts")
    for name, value in (("age_days", case.age_days), ("birth_weight", case.birth_weight)):
        if value is not None:
            yield Text(f"{_COLUMNS[name].zh}：{value}", f"{_COLUMNS[name].en}: {value}")
    if case.is_primary_care:
        yield Text("在公布的基层病种名单中", "in the published list of primary-care groups")


def _named(code: str, code_list: CodeList) -> str:
    return f"{code_list.spelling(code)} {code_list.name(code)}".rstrip()


def _trace_lines(trace: Sequence[Tried], case: Case) -> Iterator[Text]:
    """One line for each row that held or nearly did, with its evidence; rows that no code hit are gathered."""
    passed_over: list[str] = []
    for tried in trace:
        if not tried.holds and not any(test.hits for test in tried.tested):
            passed_over.append(tried.row.code)
            continue
        yield from _passed_over(passed_over)
        yield _tried_line(tried, case)
    yield from _passed_over(passed_over)


def _passed_over(codes: list[str]) -> Iterator[Text]:
    if codes:
        listed = " ".join(codes)
        yield Text(f"不符合：{listed}", f"do not apply: {listed}")
        codes.clear()


def _tried_line(tried: Tried, case: Case) -> Text:
    name = f"{tried.row.code} {describe(case.directory, tried.row)}"
    if tried.holds and tried.lost_by is not None:
        tie = TIE_NAMES[tried.lost_by]
        return Text(f"○ {name}：也符合，但{tie.zh}优先", f"○ {name}: fits too, but {tie.en} comes first")
    mark = "✓" if tried.holds else "✗"
    decisive = [test for test in tried.tested if test.holds == tried.holds]
    evidence = [_evidence(test, case) for test in decisive]
    return Text(
        f"{mark} {name}：{'；'.join(text.zh for text in evidence)}",
        f"{mark} {name}: {'; '.join(text.en for text in evidence)}",
    )


def _evidence(test: Tested, case: Case) -> Text:
    column = _COLUMNS[test.column]
    hits = " ".join(_spelled(code, test, case) for code in test.hits)
    if hits:
        return Text(f"{column.zh} {hits}", f"{column.en} {hits}")
    if test.holds:
        return Text(f"{column.zh}符合", f"{column.en}: holds")
    return Text(f"{column.zh}不符合", f"{column.en}: does not hold")


def _spelled(code: str, test: Tested, case: Case) -> str:
    is_diagnosis = test.column in {"any_diagnosis", "other_diagnosis", "marker"}
    return (case.directory.diagnosis_codes if is_diagnosis else case.directory.procedure_codes).spelling(code)


def _neighbours(trace: Sequence[Tried], case: Case, group: DipGroup) -> Iterator[Text]:
    """Rows of later entries of `order` that would take the case too."""
    if group.group is None or not trace:
        return
    last = trace[-1].row.entry
    later = [
        row
        for row, specificity in case.directory.candidates(case.main_diagnosis)
        if row.entry > last and try_row(row, specificity, case).holds
    ]
    for row in later[:_MOST_NEIGHBOURS]:
        name = f"{row.code} {describe(case.directory, row)}"
        yield Text(f"{name}：也符合，但排在 {group.group} 之后", f"{name}: fits too, but stands after {group.group}")


def _changes(directory: Directory, record: Record, group: DipGroup) -> Iterator[Text]:
    """Single changes of the record that lead to another group, each tried with the reference evaluator."""
    for what, changed in _single_changes(record):
        other = group_case(directory, changed)
        if other != group:
            reason = REASONS[other.reason or "no_group"]
            yield Text(f"{what.zh} → {other.group or reason.zh}", f"{what.en} → {other.group or reason.en}")


def _single_changes(record: Record) -> Iterator[tuple[Text, Record]]:
    diagnoses, procedures = list(record.diagnoses or ()), list(record.procedures or ())
    for at, code in enumerate(diagnoses):
        if at and fold(code or ""):
            rest = [*diagnoses[:at], *diagnoses[at + 1 :]]
            yield Text(f"去掉其他诊断 {code}", f"without other diagnosis {code}"), replace(record, diagnoses=rest)
            first = replace(record, diagnoses=[code, *rest])
            yield Text(f"以 {code} 为主要诊断", f"{code} as main diagnosis"), first
    for at, code in enumerate(procedures):
        if fold(code or ""):
            rest = [*procedures[:at], *procedures[at + 1 :]]
            yield Text(f"去掉手术操作 {code}", f"without procedure {code}"), replace(record, procedures=rest)
            if at:
                first = replace(record, procedures=[code, *rest])
                yield Text(f"以 {code} 为第一手术操作", f"{code} as first procedure"), first
