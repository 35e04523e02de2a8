"""The measurement of a local DIP directory (本地目录测算): claims of some years in, a directory with its scores out."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import polars as pl

from engine.cases import ClaimsInput
from engine.directory.cases import DipCases, read_dip_cases
from engine.directory.figures import Measured, Setting, calibrated, tested_for_primary_care
from engine.directory.groups import GroupChoice
from engine.outputs.directory_report import write_report
from engine.outputs.directory_tables import write_tables
from engine.outputs.folder import replaced_folder
from engine.outputs.printed import printed, printed_yuan
from engine.provenance import input_files, program_versions
from engine.tables import Column, read_table
from grouper.dip.directory import Directory, DirectoryHead, build, load_directory
from grouper.dip.subtypes import EXAMPLE, SubTypes, load_sub_types
from grouper.fault import Text, UserError
from grouper.scheme.pack import Names, Valid, shipped
from grouper.scheme.tables import Row
from rules.fault import UserError as RulesError
from rules.policy.calibration import Calibration
from rules.policy.check import load_policy
from rules.policy.directory import DirectoryMeasurement
from rules.policy.model import Rules
from rules.policy.resolve import Policy
from rules.policy.tables import read_groups

SUB_TYPES = (Column("case_id"), Column("kind"), Column("subtype"))
BY_KIND_AND_CLASS = (
    "core surgery", "primary-care surgery", "core therapeutic", "primary-care therapeutic", "core diagnostic",
    "primary-care diagnostic", "comprehensive surgery", "comprehensive therapeutic", "comprehensive diagnostic",
    "core conservative", "primary-care conservative", "comprehensive conservative", "core", "primary-care",
)  # fmt: skip
"""What is tried first in a directory without national groups (the style of 1.0 and 2.0)."""
SHOWN = 5


@dataclass(frozen=True)
class MeasurementRequest:
    """What a run is asked to do.

    directory: the base, by id or folder. years: first and last, to which the policy's year weights apply in order.
    previous: scores in force before, a table or the folder of an earlier measurement. procedure_classes: a table of
    classes (code, class) in place of the base's. sub_types: in place of the policy's rules of sub-types others, or a
    table (case_id, kind, subtype).
    """

    claims: ClaimsInput
    policy: Path
    out: Path
    directory: str = "dip-3.0"
    id: str | None = None
    years: tuple[int, int] | None = None
    on: date | None = None
    previous: Path | None = None
    procedure_classes: Path | None = None
    sub_types: str | Path | None = None
    fee_lines: Path | None = None
    lang: str = "zh"


def run_measurement(request: MeasurementRequest) -> dict[str, Any]:
    """Measure a local directory; write its pack, tables, report.xlsx and summary.json. Returns the summary.

    Raises UserError for bad input, all faults at once, and CannotWriteError for bad output; the folder is replaced as
    a whole or not at all.
    """
    measured = measure(request)
    with replaced_folder(request.out) as folder:
        write_tables(measured, folder)
        _refuse_another(load_directory(folder / "directory"), measured)
        write_report(measured, folder / "report.xlsx", request.lang)
        summary = {
            "version": 1,
            "program": program_versions(),
            "policy": str(request.policy),
            **_summary(measured),
            "findings": measured.setting.cases.findings,
            "inputs": input_files([*measured.setting.cases.files, request.policy]),
        }
        text = json.dumps(summary, ensure_ascii=False, indent=2)
        (folder / "summary.json").write_text(f"{text}\n", encoding="utf-8")
    return summary


def measure(request: MeasurementRequest) -> Measured:
    """Measure a local directory. Raises UserError for bad input, all faults at once."""
    policy = load_policy(request.policy)
    rules = policy.on(request.on or policy.valid[0]).rules
    rule, history = _parameters(request, rules)
    base = _base(request)
    years = [int(year) for year in history.year_weights]
    rules_named, sub_types = _sub_types(request, rule)
    setting = Setting(
        rules=rules,
        rule=rule,
        history=history,
        head=_head(request, policy, base, rule, history),
        tables=_tables(request, base),
        cases=read_dip_cases(request.claims, rules, years, request.fee_lines, sub_types),
        sub_type_rules=rules_named,
        previous=_previous(request, rules),
    )
    choice = GroupChoice(setting.cases, base, setting.head, rule, history)
    _refuse_bad_cases(setting, choice)
    setting = replace(setting, cases=setting.cases.without_ids())
    choice.cases = setting.cases
    choice.choose()
    chosen = choice.chosen()
    figures = calibrated(setting, chosen)
    tests = tested_for_primary_care(setting, chosen, figures)
    choice.mark_primary_care([test.group for test in tests if test.fails is None])
    final = choice.chosen()
    if not final.groups.equals(chosen.groups):
        figures = calibrated(setting, final)
    return Measured(setting, final, figures, [test for test in tests if test.group in final.rows])


def _parameters(request: MeasurementRequest, rules: Rules) -> tuple[DirectoryMeasurement, Calibration]:
    """Return how the policy measures, with its year weights on the years asked for."""
    faults = [
        Text(f"{request.policy}：政策没有 [{name}]，不知如何测算", f"{request.policy}: [{name}] is missing: {what}")
        for name, given, what in (
            ("directory", rules.directory, "the policy does not say how a directory is measured"),
            ("calibration", rules.calibration, "the policy does not say how scores are measured"),
            ("scores", rules.scores, "a directory is measured under a DIP policy"),
        )
        if given is None
    ]
    if faults or rules.directory is None or rules.calibration is None:
        raise UserError(faults)
    weights = dict(sorted(rules.calibration.year_weights.items()))
    if request.years is None:
        return rules.directory, rules.calibration
    first, last = request.years
    if last - first + 1 != len(weights):
        listed = ":".join(map(str, weights.values()))
        zh = f"--years {first}-{last}：政策的年度权数 {listed} 需要 {len(weights)} 年"
        raise UserError(
            Text(zh, f"--years {first}-{last}: the policy's year weights {listed} need {len(weights)} years")
        )
    years = {str(first + n): weight for n, weight in enumerate(weights.values())}
    return rules.directory, rules.calibration.model_copy(update={"year_weights": years})


def _base(request: MeasurementRequest) -> Directory:
    """Return the base directory with the classes of procedures that were given, and without a blank group."""
    base = load_directory(request.directory)
    switches = base.head.switches.model_copy(update={"blank_group": ""})
    base = replace(base, head=base.head.model_copy(update={"switches": switches}))
    if request.procedure_classes is None:
        return base
    path, faults = request.procedure_classes, list[Text]()
    rows = read_table(path, (Column("code"), Column("class"))).iter_rows(named=True)
    classes = {cells["code"]: Row(path, line, cells) for line, cells in enumerate(rows, 2)}
    directory = build(base.head, base.tables | {"procedure_class": classes}, base.changes, faults)
    if faults:
        raise UserError(faults)
    return directory


def _tables(request: MeasurementRequest, base: Directory) -> dict[str, list[dict[str, str]]]:
    """Return the tables besides the groups that the pack needs, as far as a shipped base does not give them."""
    own = {"procedure_class"} if request.procedure_classes is not None else set[str]()
    named = own if request.directory in shipped("dip") else set(base.tables) - {"groups"}
    return {name: [row.values for row in base.tables[name].values()] for name in sorted(named) if base.tables[name]}


def _sub_types(
    request: MeasurementRequest, rule: DirectoryMeasurement
) -> tuple[str | None, SubTypes | pl.DataFrame | None]:
    """Return the rules of sub-types with their name, a table in their place, or nothing."""
    if request.sub_types is not None and rule.sub_types is None:
        zh, en = "不知何时给出辅助系数", "the policy does not say when a sub-type earns a coefficient"
        key = "[directory.sub_types]"
        raise UserError(Text(f"{request.policy}：没有 {key}，{zh}", f"{request.policy}: {key} is missing: {en}"))
    named = request.sub_types or (rule.sub_types.rules if rule.sub_types is not None else None)
    if named is None:
        return None, None
    if request.sub_types is None and named != EXAMPLE:
        return str(named), load_sub_types(request.policy.parent / named)
    return (None, read_table(Path(named), SUB_TYPES)) if Path(named).is_file() else (str(named), load_sub_types(named))


def _head(
    request: MeasurementRequest, policy: Policy, base: Directory, rule: DirectoryMeasurement, history: Calibration
) -> DirectoryHead:
    """Return scheme.toml of the measured directory."""
    years = sorted(map(int, history.year_weights))
    title, kept = policy.document["title"], rule.national_groups == "kept"
    rules = policy.on(request.on or policy.valid[0]).rules
    order = base.head.order if "ZH" in base.head.order else (*base.head.order, "ZH")
    return base.head.model_copy(
        update={
            "id": request.id or (f"{policy.id}-directory" if rules.scheme == base.id else rules.scheme),
            "name": Names(zh=f"{title['zh']}：本地病种目录", en=f"{title['en']}: local directory"),
            "version": str(years[-1] + 1),
            "valid": Valid.model_validate({"from": date(years[-1] + 1, 1, 1)}),
            "document": f"{title['zh']}",
            "compiled": f"Measured by drgdip dip measure from claims of {years[0]}-{years[-1]} on {base.id}.",
            "base": base.id if request.directory in shipped("dip") else None,
            "order": order if kept else BY_KIND_AND_CLASS,
        }
    )


def _previous(request: MeasurementRequest, rules: Rules) -> dict[str, Fraction]:
    """Return the scores in force before: of the table or folder named, or of the policy's own table."""
    own = request.policy.parent / rules.scores.file if rules.scores is not None else None
    given = request.previous
    file = given / "scores.csv" if given is not None and given.is_dir() else given or own
    if file is None or (given is None and not file.is_file()):
        return {}
    return {
        group: figures.weight for group, figures in read_groups(file, "score").items() if figures.weight is not None
    }


def _refuse_bad_cases(setting: Setting, choice: GroupChoice) -> None:
    """Find the threshold, and refuse what would bend the figures silently, all faults at once."""
    faults = _faults(setting.cases, setting.years)
    if setting.cases.frame.height:
        try:
            choice.find_threshold()
        except RulesError as error:
            faults += [Text(*fault) for fault in error.faults]
    if faults:
        raise UserError(faults)


def _faults(cases: DipCases, years: list[int]) -> list[Text]:
    """Return the years without cases, and the cases whose charge is not positive."""
    frame = cases.frame
    seen = set(frame["year"].unique())
    faults = [
        Text(
            f"{year} 年没有病例：测算需要 {years[0]}-{years[-1]} 各年的结算数据",
            f"there is no case of {year}: the measurement needs claims of each of {years[0]}-{years[-1]}",
        )
        for year in years
        if year not in seen
    ]
    for name, zh, wrong in (
        ("negative", "为负", frame.filter(frame["charge"] < 0)),
        ("zero", "为零", frame.filter(frame["charge"] == 0)),
    ):
        if wrong.height:
            shown = ", ".join(wrong["case_id"].sort().head(SHOWN))
            faults.append(
                Text(
                    f"{wrong.height} 例的费用{zh}，如 {shown}：请更正，或从历史数据中剔除",
                    f"{wrong.height} cases have a {name} charge, such as {shown}: mend them or leave them out",
                )
            )
    return faults


def _refuse_another(written: Directory, measured: Measured) -> None:
    """Make sure that the pack as written is the directory by which the cases were measured."""
    ours = measured.chosen.directory
    if (written.groups, written.head.order, written.head.switches) != (
        ours.groups,
        ours.head.order,
        ours.head.switches,
    ):
        raise RuntimeError(f"{written.id}: the pack as written differs from the directory that was measured")


def _summary(measured: Measured) -> dict[str, Any]:
    """Return what the run found, in figures."""
    setting, chosen = measured.setting, measured.chosen
    base_cases, before, after = setting.cases.frame.height, measured.before, measured.after
    kinds = [row.kind for row in chosen.directory.groups]
    primary = set(measured.primary_care_groups)
    return {
        "directory": setting.head.id,
        "base": setting.head.base,
        "years": dict(setting.history.year_weights),
        "rows": setting.cases.counts,
        "base_cases": base_cases,
        "threshold": chosen.threshold,
        "groups": {kind: kinds.count(kind) for kind in ("core", "primary-care", "comprehensive")},
        "made": {
            stage: list(chosen.stages.values()).count(stage)
            for stage in ("national", "local", "related", "comprehensive")
        },
        "grouped": {"base": before.cases, "measured": after.cases},
        "coverage": printed(Fraction(after.cases, base_cases), 4),
        "cv": {"base": printed(before.cv, 4), "measured": printed(after.cv, 4)},
        "riv": printed(measured.calibrated.riv, 4),
        "mean_all": printed_yuan(measured.calibrated.mean_all),
        "published": len(measured.scores),
        "unpublished": {group.group: group.cases for group in measured.unpublished},
        "dropped": len(chosen.dropped),
        "rare": chosen.rare._asdict(),
        "related": len(chosen.own),
        "primary_care": len(primary),
        "sub_types": len(measured.sub_types),
        "coefficients": _printed(measured.coefficients.by_level if measured.coefficients else {}),
        "start_value": {pool: printed(value / 100, 4) for pool, value in measured.start_values().items()},
    }


def _printed(values: Mapping[str, Fraction]) -> dict[str, str]:
    return {name: printed(value, 4) for name, value in values.items()}
