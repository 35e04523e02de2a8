"""What a measured DIP directory is written as: a pack, and the tables a policy names, ready to be pasted into one."""

import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from engine.calibration import LEVELS
from engine.directory.figures import Measured
from engine.outputs.printed import csv_text, printed, printed_yuan
from grouper.dip.directory import LAYOUT, DirectoryHead
from rules.payment.calibration import GroupWeight
from rules.payment.weight_adjustment import relative_change

PACK = "directory"


def write_tables(measured: Measured, folder: Path) -> None:
    """Write directory/ (the pack), scores.csv, coefficients.csv, auxiliary.csv and policy.toml.

    coefficients.csv and auxiliary.csv are written where the policy asks for them. policy.toml holds the tables of a
    policy that name the others.
    """
    _write_pack(measured, folder / PACK)
    (folder / "scores.csv").write_text(csv_text(score_rows(measured)), encoding="utf-8")
    if measured.coefficients is not None:
        (folder / "coefficients.csv").write_text(csv_text(coefficient_rows(measured)), encoding="utf-8")
    if measured.setting.cases.sub_types is not None and measured.setting.rule.sub_types is not None:
        columns = ("group", "subtype", "coefficient", "kind", "cases", "cv", "cv_split")
        (folder / "auxiliary.csv").write_text(csv_text(sub_type_rows(measured), columns), encoding="utf-8")
    (folder / "policy.toml").write_text(_policy_tables(measured), encoding="utf-8")


def _write_pack(measured: Measured, folder: Path) -> None:
    folder.mkdir()
    (folder / "scheme.toml").write_text(_toml(measured.setting.head), encoding="utf-8")
    rows = list(measured.chosen.rows.values())
    used = [column for column in LAYOUT.columns["groups"] if any(row[column] for row in rows)]
    tables = {"groups": [{column: row[column] for column in used} for row in rows], **measured.setting.tables}
    for name, table in tables.items():
        (folder / f"{name}.csv").write_text(csv_text(table), encoding="utf-8")


def _toml(head: DirectoryHead) -> str:
    """Return scheme.toml; what is as by default is left out."""
    content = head.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return "".join(f"{key} = {_value(value)}\n" for key, value in content.items())


def _value(value: Any) -> str:  # noqa: ANN401 (whatever a head holds)
    """Return a value in TOML: JSON writes texts and lists the same way."""
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{key} = {_value(inner)}' for key, inner in value.items() if inner is not None)} }}"
    return json.dumps(value, ensure_ascii=False)


def score_rows(measured: Measured) -> list[dict[str, str]]:
    """Return the table of scores: what a policy reads first, then what an official looks at."""
    by_level, last_year, levels = measured.level_means, measured.last_year_means, sorted(LEVELS)
    return [
        {
            "group": group.group,
            "score": printed(measured.scores.get(group.group), measured.setting.rule.scores.decimals),
            "status": group.status,
            "mean_charge": printed_yuan(group.mean),
            **{f"mean_charge_{level}": printed_yuan(by_level.get((group.group, level))) for level in levels},
            **{f"last_year_mean_{level}": printed_yuan(last_year.get((group.group, level))) for level in levels},
            **{
                f"mean_{kind}": printed_yuan(means.get((group.group, "")))
                for kind, means in measured.kind_means.items()
            },
            **_information(measured, group),
        }
        for group in measured.calibrated.groups
    ]


def _information(measured: Measured, group: GroupWeight) -> dict[str, str]:
    """Return what stands in the table of scores for information."""
    cells, before = measured.chosen.rows[group.group], measured.setting.previous.get(group.group)
    score = measured.scores.get(group.group)
    return {
        "name": cells["name"],
        "layer": cells["layer"],
        "kind": cells["kind"],
        "made": measured.chosen.stages[group.group],
        "cases": str(group.cases),
        "trimmed": str(group.trimmed),
        "mean_untrimmed": printed_yuan(group.mean_untrimmed),
        "cv_untrimmed": printed(measured.untrimmed[group.group].cv, 4),
        "cv": printed(group.cv, 4),
        "stability": group.stability,
        "mean_from": group.mean_from or "",
        "previous": printed(before, measured.setting.rule.scores.decimals),
        "change": printed(relative_change(before, score) if before and score is not None else None, 4),
    }


def coefficient_rows(measured: Measured) -> list[dict[str, str]]:
    """Return the table of hospital coefficients, by level or by level and group."""
    costs, rule = measured.coefficients, measured.setting.rule.hospital_coefficient
    if costs is None or rule is None:
        return []
    if rule.by == "level":
        return [
            {"level": level, "coefficient": printed(value, rule.decimals.decimals, rule.decimals.mode)}
            for level, value in costs.by_level.items()
        ]
    return [
        {"level": level, "group": group, "coefficient": printed(value, rule.decimals.decimals, rule.decimals.mode)}
        for (level, group), value in costs.by_group.items()
    ]


def sub_type_rows(measured: Measured) -> list[dict[str, str]]:
    """Return the table of auxiliary sub-types."""
    rule = measured.setting.rule.sub_types
    if rule is None:
        return []
    return [
        {
            "group": one.group,
            "subtype": one.sub_type,
            "coefficient": printed(one.coefficient, rule.decimals.decimals, rule.decimals.mode),
            "kind": one.kind,
            "cases": str(one.cases),
            "cv": printed(one.cv, 4),
            "cv_split": printed(one.cv_split, 4),
        }
        for one in measured.sub_types
    ]


def _policy_tables(measured: Measured) -> str:
    """Return the tables of a policy that name what was measured."""
    setting, level = measured.setting, measured.setting.rule.hospital_coefficient
    base = setting.rules.scores.base if setting.rules.scores is not None else 1
    parts = [
        "# Measured by drgdip dip measure: the tables of a policy that pays by this directory. Give each a reference.",
        f'[scores]\nbase = {_value(str(base))}\nfile = "scores.csv"\nscheme = {_value(setting.head.id)}',
    ]
    parts[-1] += f"\nmean_all = {_value(printed_yuan(measured.calibrated.mean_all))}"
    if level is not None:
        by = ["level"] if level.by == "level" else ["level", "group"]
        parts.append(f'[hospital_coefficient]\nby = {_value(by)}\nfile = "coefficients.csv"')
    if setting.cases.sub_types is not None and setting.rule.sub_types is not None:
        parts.append('[auxiliary]\nfile = "auxiliary.csv"\napplies_to = ["normal"]')
        parts[-1] += "" if setting.sub_type_rules is None else f"\nrules = {_value(setting.sub_type_rules)}"
    if setting.rule.primary_care is not None:
        parts.insert(1, f"primary_care = {_value(measured.primary_care_groups)}")
    return "\n\n".join(parts) + "\n"


def largest_changes(measured: Measured, most: int) -> Sequence[tuple[str, Fraction, Fraction, Fraction]]:
    """Return the groups whose score moved most: group, score before and now, change over the score before."""
    before = measured.setting.previous
    changes = [
        (group, before[group], score, relative_change(before[group], score))
        for group, score in measured.scores.items()
        if before.get(group)
    ]
    return sorted(changes, key=lambda change: (-abs(change[3]), change[0]))[:most]
