"""The figures of a scheme: how many rows, rules, codes it has, by which it is compared with its official document."""

from dataclasses import dataclass

from grouper.fault import Text
from grouper.scheme.pack import RuleRow, Scheme
from grouper.scheme.tables import Table

LABELS = {
    "mdc": Text("MDC", "MDC"),
    "adrg": Text("ADRG 行", "ADRG rows"),
    "adrg_groups": Text("ADRG（不含歧义行与空名行）", "ADRG that are groups"),
    "drg": Text("DRG 行", "DRG rows"),
    "drg_groups": Text("DRG（不含歧义行与空名行）", "DRG that are groups"),
    "ambiguous": Text("歧义行 xQY", "ambiguous rows, xQY"),
    "rules": Text("非空规则", "rules that are not empty"),
    "sets": Text("集合", "code sets"),
    "set_members": Text("集合中的编码", "members of the sets"),
    "complications": Text("并发症与合并症", "complications"),
    "mcc": Text("其中 MCC", "of which MCC"),
    "exclusion_tables": Text("排除表", "exclusion tables"),
    "exclusion_members": Text("排除表中的编码", "members of the exclusion tables"),
    "not_grouped_diagnoses": Text("不作分组依据的诊断", "diagnoses not grouped"),
    "not_grouped_procedures": Text("不作分组依据的手术操作", "procedures not grouped"),
    "changes": Text("更改（均有原因）", "changes, each with its reason"),
}
"""What each figure counts."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts of a scheme's tables. Members of sets and exclusion tables are counted as listed, repeated ones too."""

    mdc: int
    adrg: int
    adrg_groups: int
    drg: int
    drg_groups: int
    ambiguous: int
    rules: int
    sets: int
    set_members: int
    complications: int
    mcc: int
    exclusion_tables: int
    exclusion_members: int
    not_grouped_diagnoses: int
    not_grouped_procedures: int
    changes: int


def figures(scheme: Scheme) -> Figures:
    """Count a scheme. Groups are rows neither xQY nor x00; `rules` are those that are written, not empty."""
    adrgs = [row for rows in scheme.adrgs.values() for row in rows]
    drgs = [row for rows in scheme.drgs.values() for row in rows]
    return Figures(
        mdc=len(scheme.mdcs),
        adrg=len(adrgs),
        adrg_groups=sum(map(_is_group, adrgs)),
        drg=len(drgs),
        drg_groups=sum(map(_is_group, drgs)),
        ambiguous=sum(row.is_ambiguous for row in adrgs),
        rules=sum(bool(row.text) for row in scheme.rule_rows()),
        sets=len(scheme.sets),
        set_members=_members(scheme.tables["sets"]),
        complications=len(scheme.complications),
        mcc=sum(complication.level == "MCC" for complication in scheme.complications.values()),
        exclusion_tables=len(scheme.exclusions),
        exclusion_members=_members(scheme.tables["exclusions"]),
        not_grouped_diagnoses=len(scheme.not_grouped_diagnoses),
        not_grouped_procedures=len(scheme.not_grouped_procedures),
        changes=len(scheme.changes),
    )


def _is_group(row: RuleRow) -> bool:
    return not row.is_ambiguous and not row.is_nameless_fallback


def _members(table: Table) -> int:
    return sum(len(row.values["codes"].split()) for row in table.values())
