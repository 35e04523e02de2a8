"""The figures of a directory: how many rows and codes it has, by which it is compared with its official document."""

from collections import Counter
from dataclasses import dataclass

from grouper.dip.directory import Directory
from grouper.fault import Text

LABELS = {
    "groups": Text("病种", "groups"),
    "early": Text("其中先期分组 XQ", "of which early groups, XQ"),
    "merged": Text("其中并项 BX", "of which merged groups, BX"),
    "further": Text("其中诊断辅助细分 FZ", "of which groups by further diagnoses, FZ"),
    "basic": Text("其中基本规则 JC", "of which basic rule, JC"),
    "comprehensive": Text("其中综合病种", "of which comprehensive"),
    "primary_care": Text("其中基层病种", "of which primary-care"),
    "conservative": Text("其中保守治疗", "of which conservative"),
    "not_grouped_diagnoses": Text("不入组的主要诊断", "main diagnoses not grouped"),
    "excluded_procedures": Text("排除的手术操作", "excluded procedures"),
    "excluded_conservative": Text("其中按保守治疗入组", "of which count for nothing"),
    "excluded_not_main": Text("其中不可作为主要手术操作", "of which may not be the main one"),
    "excluded_main_within": Text(
        "其中仅在规定主要诊断下可作主要手术操作", "of which main only with certain main diagnoses"
    ),
    "marker_codes": Text("标记的诊断", "diagnoses of markers"),
    "primary_care_list": Text("公布的基层病种名单", "published list of primary-care groups"),
    "procedure_classes": Text("手术操作类别", "classes of procedures"),
    "changes": Text("更改（均有原因）", "changes, each with its reason"),
}
"""What each figure counts."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts of a directory's tables."""

    groups: int
    early: int
    merged: int
    further: int
    basic: int
    comprehensive: int
    primary_care: int
    conservative: int
    not_grouped_diagnoses: int
    excluded_procedures: int
    excluded_conservative: int
    excluded_not_main: int
    excluded_main_within: int
    marker_codes: int
    primary_care_list: int
    procedure_classes: int
    changes: int


def figures(directory: Directory) -> Figures:
    """Count a directory."""
    layers = Counter(row.layer for row in directory.groups)
    kinds = Counter(row.kind for row in directory.groups)
    rules = Counter(excluded.rule for excluded in directory.excluded.values())
    return Figures(
        groups=len(directory.groups),
        early=layers["XQ"],
        merged=layers["BX"],
        further=layers["FZ"],
        basic=layers["JC"],
        comprehensive=kinds["comprehensive"],
        primary_care=kinds["primary-care"],
        conservative=sum(row.is_conservative for row in directory.groups),
        not_grouped_diagnoses=len(directory.not_grouped),
        excluded_procedures=len(directory.excluded),
        excluded_conservative=rules["conservative"],
        excluded_not_main=rules["not_main"],
        excluded_main_within=rules["main_within"],
        marker_codes=len(directory.tables["markers"]),
        primary_care_list=len(directory.primary_care),
        procedure_classes=len(directory.procedure_classes),
        changes=len(directory.changes),
    )
