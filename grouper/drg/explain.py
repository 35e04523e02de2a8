"""Explain the group of one case, line by line: what was tried, what hit, what was counted, and what would change it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from grouper.codes import CodeList, fold
from grouper.drg.answer import REASONS, CaseGroup
from grouper.drg.reference import Case, Record, Tested, Tried, group_case, holds
from grouper.explanation import Explanation, Section
from grouper.fault import Text
from grouper.rule_language import Always, Comparison, Count, Membership, Rule, atoms
from grouper.scheme.pack import RuleRow, Scheme

_STATUS = {
    "grouped": Text("入组", "grouped"),
    "ambiguous": Text("歧义", "ambiguous"),
    "ungroupable": Text("未入组", "ungroupable"),
    "invalid": Text("无效", "invalid"),
}
_FIELD = {
    "ZYZD": Text("主要诊断", "principal diagnosis"),
    "QTZD": Text("其他诊断", "other diagnosis"),
    "ZYSS": Text("主要手术操作", "principal procedure"),
    "QTSS": Text("其他手术操作", "other procedure"),
}
_NUMBER = {
    "NL": Text("年龄（岁）", "age in years"),
    "XB": Text("性别", "sex"),
    "XSRTL": Text("天龄", "age in days"),
    "XSRTZ": Text("新生儿体重（克）", "newborn weight in grams"),
    "ZYTS": Text("住院天数", "length of stay"),
    "LYFS": Text("离院方式", "way of discharge"),
    "KS": Text("科别", "department"),
}
_RECORD_FIELD = {"NL": "age", "XSRTL": "age_days", "ZYTS": "length_of_stay"}
_MOST_NEIGHBOURS = 8


def explain_case(scheme: Scheme, record: Record) -> Explanation[CaseGroup]:
    """Explain the group of a record under a scheme, from the reference evaluator's trace."""
    trace: list[Tried] = []
    group = group_case(scheme, record, trace)
    case = Case(scheme, record)
    sections = [
        Section(Text("结果", "Result"), tuple(_result(scheme, group))),
        Section(Text("病例", "Case"), tuple(_case_lines(case))),
    ]
    if trace:
        sections.append(Section(Text("依次检查的规则", "Rules tried, in order"), tuple(_trace_lines(trace, case))))
        sections.append(Section(Text("并发症与合并症", "Complications"), tuple(_complication_lines(case))))
        sections.append(
            Section(Text("为何不入相邻组", "Why not the neighbouring groups"), tuple(_neighbours(case, group)))
        )
    changes = tuple(_changes(scheme, record, group))
    if changes:
        sections.append(Section(Text("什么会改变分组", "What would change the group"), changes))
    return Explanation(group, tuple(section for section in sections if section.lines))


def _result(scheme: Scheme, group: CaseGroup) -> Iterator[Text]:
    name = scheme.head.name
    yield Text(f"方案：{name.zh}（{scheme.id}）", f"scheme: {name.en} ({scheme.id})")
    status = _STATUS[group.status]
    yield Text(f"状态：{status.zh}", f"status: {status.en}")
    names = {row.code: row.name for row in scheme.rule_rows()}
    for level, code in (("MDC", group.mdc), ("ADRG", group.adrg), ("DRG", group.drg)):
        if code is not None:
            line = f"{level} {code} {names[code]}".rstrip()
            yield Text(line, line)
    if group.severity is not None:
        yield Text(f"并发症等级：{group.severity}", f"severity: {group.severity}")
    if group.reason is not None:
        reason = REASONS[group.reason]
        yield Text(f"原因：{reason.zh}（{group.reason}）", f"reason: {reason.en} ({group.reason})")


def _case_lines(case: Case) -> Iterator[Text]:
    for field, codes, code_list in _coded_fields(case):
        for code in codes:
            label = _named(code, code_list)
            yield Text(f"{_FIELD[field].zh}：{label}", f"{_FIELD[field].en}: {label}")
        if field == "ZYSS" and case.first_procedure != case.principal_procedure:
            label = _named(case.first_procedure, code_list)
            yield Text(
                f"第一手术操作：{label}（本方案不以其分组，视同没有主要手术操作）",
                f"first procedure: {label} (the scheme does not group by it: there is no principal procedure)",
            )
    for scalar, value in case.numbers.items():
        if value is not None:
            yield Text(f"{_NUMBER[scalar].zh}：{value}", f"{_NUMBER[scalar].en}: {value}")


def _coded_fields(case: Case) -> Iterator[tuple[str, Sequence[str], CodeList]]:
    diagnoses, procedures = case.scheme.diagnosis_codes, case.scheme.procedure_codes
    yield "ZYZD", [case.principal_diagnosis] if case.principal_diagnosis else [], diagnoses
    yield "QTZD", case.other_diagnoses, diagnoses
    yield "ZYSS", [case.principal_procedure] if case.principal_procedure else [], procedures
    yield "QTSS", case.other_procedures, procedures


def _spelling(case: Case, field: str, code: str) -> str:
    code_list = case.scheme.diagnosis_codes if field in {"ZYZD", "QTZD"} else case.scheme.procedure_codes
    return code_list.spelling(code)


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
    row = tried.row
    name = f"{row.code} {row.name}".rstrip()
    if isinstance(row.rule, Always):
        return Text(f"✓ {name}：无条件", f"✓ {name}: no condition")
    mark = "✓" if tried.holds else "✗"
    decisive = [test for test in tried.tested if test.holds == tried.holds] or list(tried.tested)
    evidence = list(dict.fromkeys(_evidence(test, row.text, case) for test in decisive))
    return Text(
        f"{mark} {name}：{'；'.join(text.zh for text in evidence)}",
        f"{mark} {name}: {'; '.join(text.en for text in evidence)}",
    )


def _evidence(test: Tested, text: str, case: Case) -> Text:
    atom = test.atom
    condition = text[atom.start : atom.end]
    if isinstance(atom, Comparison):
        result = Text("成立", "holds") if test.holds else Text("不成立", "does not hold")
        return Text(f"{condition} {result.zh}", f"{condition} {result.en}")
    if not test.hits:
        return Text(f"{condition}：无编码命中", f"{condition}: no code hits")
    hits = list(dict.fromkeys((hit.field, _spelling(case, hit.field, hit.code), hit.set) for hit in test.hits))
    zh = "、".join(f"{_FIELD[field].zh} {code} ∈ {name}" for field, code, name in hits)
    en = ", ".join(f"{_FIELD[field].en} {code} ∈ {name}" for field, code, name in hits)
    return Text(f"{condition}：{zh}", f"{condition}: {en}")


def _complication_lines(case: Case) -> Iterator[Text]:
    codes = case.scheme.diagnosis_codes
    for code, level, excluded_by in case.complications:
        label = _named(code, codes)
        table = case.scheme.complications[code].exclusion
        if excluded_by is not None:
            principal = codes.spelling(case.principal_diagnosis)
            yield Text(
                f"{label}：{level}，被排除：主要诊断 {principal} 在 {excluded_by} 中",
                f"{label}: {level}, excluded: the principal diagnosis {principal} is in {excluded_by}",
            )
        elif table is None:
            yield Text(f"{label}：{level}，计入（从不排除）", f"{label}: {level}, counted (never excluded)")
        else:
            yield Text(
                f"{label}：{level}，计入（主要诊断不在 {table} 中）",
                f"{label}: {level}, counted (the principal diagnosis is not in {table})",
            )
    counted = {code for code, _, _ in case.complications}
    others = [codes.spelling(code) for code in case.other_diagnoses if code not in counted]
    if others:
        yield Text(f"不是并发症或合并症：{'、'.join(others)}", f"not complications: {', '.join(others)}")


def _neighbours(case: Case, group: CaseGroup) -> Iterator[Text]:
    """Siblings in the ADRG, then the later ADRGs of the MDC whose rule holds too or fails by one condition."""
    scheme = case.scheme
    for drg in scheme.drgs.get(group.adrg or "", ()):
        if drg.code != group.drg:
            yield _why_not(drg, case)
    near = []
    is_later = False
    for adrg in scheme.adrgs.get(group.mdc or "", ()):
        if adrg.code == group.adrg:
            is_later = True
        elif not adrg.is_nameless_fallback and not adrg.is_ambiguous:
            if is_later and holds(adrg.rule, case):
                near.append(
                    Text(
                        f"{adrg.code} {adrg.name}：也符合，但排在 {group.adrg} 之后",
                        f"{adrg.code} {adrg.name}: fits too, but stands after {group.adrg}",
                    )
                )
            elif _failed(adrg.rule, case) and any(_hits(adrg.rule, case)):
                near.append(_why_not(adrg, case))
    yield from near[:_MOST_NEIGHBOURS]


def _hits(rule: Rule, case: Case) -> Iterator[bool]:
    return (bool(case.hits(atom)) for atom in atoms(rule) if isinstance(atom, Membership | Count))


def _failed(rule: Rule, case: Case) -> list[Tested]:
    tested: list[Tested] = []
    holds(rule, case, tested)
    return [test for test in tested if not test.holds]


def _why_not(row: RuleRow, case: Case) -> Text:
    name = f"{row.code} {row.name}".rstrip()
    tested: list[Tested] = []
    if holds(row.rule, case, tested):
        return Text(f"{name}：也符合，但排在后面", f"{name}: fits too, but stands later")
    evidence = list(dict.fromkeys(_evidence(test, row.text, case) for test in tested if not test.holds))
    return Text(f"{name}：{'；'.join(t.zh for t in evidence)}", f"{name}: {'; '.join(t.en for t in evidence)}")


def _changes(scheme: Scheme, record: Record, group: CaseGroup) -> Iterator[Text]:
    """Single changes of the record that lead to another group, each tried with the reference evaluator."""
    for what, changed in _single_changes(scheme, record):
        yield from _change(what, group_case(scheme, changed), group)
    reached = {group[:4]}
    for what, changed in _other_numbers(scheme, record):
        other = group_case(scheme, changed)
        if other[:4] not in reached:
            reached.add(other[:4])
            yield from _change(what, other, group)


def _change(what: Text, other: CaseGroup, group: CaseGroup) -> Iterator[Text]:
    if other[:4] == group[:4]:
        return
    target = other.drg or other.adrg
    reason = REASONS[other.reason or "no_adrg"]
    yield Text(f"{what.zh} → {target or reason.zh}", f"{what.en} → {target or reason.en}")


def _single_changes(scheme: Scheme, record: Record) -> Iterator[tuple[Text, Record]]:
    diagnoses, procedures = list(record.diagnoses or ()), list(record.procedures or ())
    for at, code in enumerate(diagnoses[1:], start=1):
        if not fold(code or ""):
            continue
        rest = [*diagnoses[:at], *diagnoses[at + 1 :]]
        yield Text(f"去掉其他诊断 {code}", f"without other diagnosis {code}"), replace(record, diagnoses=rest)
        yield (
            Text(f"以 {code} 为主要诊断", f"{code} as principal diagnosis"),
            replace(record, diagnoses=[code, *rest]),
        )
    for at, code in enumerate(procedures):
        if not fold(code or ""):
            continue
        rest = [*procedures[:at], *procedures[at + 1 :]]
        yield Text(f"去掉手术操作 {code}", f"without procedure {code}"), replace(record, procedures=rest)
        if at:
            yield (
                Text(f"以 {code} 为主要手术操作", f"{code} as principal procedure"),
                replace(record, procedures=[code, *rest]),
            )
    yield from _added_complications(scheme, record, diagnoses)


def _added_complications(scheme: Scheme, record: Record, diagnoses: list[str | None]) -> Iterator[tuple[Text, Record]]:
    principal = fold(diagnoses[0] or "") if diagnoses else ""
    for level in ("MCC", "CC"):
        for code, complication in scheme.complications.items():
            table = complication.exclusion
            if complication.level == level and not (table and principal in scheme.exclusions[table]):
                such = scheme.diagnosis_codes.spelling(code)
                yield (
                    Text(f"另有计入的 {level}（如 {such}）", f"with a counted {level} (such as {such})"),
                    replace(record, diagnoses=[*diagnoses, code]),
                )
                break


def _other_numbers(scheme: Scheme, record: Record) -> Iterator[tuple[Text, Record]]:
    """Yield the record with other numbers, nearest first: the values on both sides of what the scheme compares."""
    fields = {**_RECORD_FIELD, "XSRTZ": scheme.head.newborn_weight}
    for scalar, values in _limits(scheme).items():
        now = getattr(record, fields[scalar]) if scalar in fields else None
        if now is None or (scalar == "XSRTL" and record.age):
            continue
        for value in sorted(values - {now}, key=lambda value: abs(value - now)):
            change: dict[str, Any] = {fields[scalar]: value}
            if value >= 0:
                yield (
                    Text(f"{_NUMBER[scalar].zh}为 {value}", f"{_NUMBER[scalar].en} {value}"),
                    replace(record, **change),
                )


@lru_cache(maxsize=8)
def _limits(scheme: Scheme) -> dict[str, set[int]]:
    """Return the values around every number that the scheme's rules compare with, by scalar."""
    limits: dict[str, set[int]] = {}
    for row in scheme.rule_rows():
        for atom in atoms(row.rule):
            if isinstance(atom, Comparison):
                limits.setdefault(atom.scalar, set()).update((atom.value - 1, atom.value, atom.value + 1))
    return limits
