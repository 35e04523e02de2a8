"""Auxiliary sub-types (辅助分型) of claims, by the rules that a policy names."""

from datetime import date

import polars as pl
import pyarrow as pa

from grouper.dip.subtypes import EXAMPLE, SubTypes, load_sub_types, sub_types_of
from grouper.fault import Text, UserError
from grouper.nearest import near_names
from rules.policy.resolve import Policy
from rules.policy.tables import load_tables

COLUMNS = ("diagnoses", "procedures", "age", "age_days", "length_of_stay", "icu_hours", "discharge_way")
"""Canonical columns that rules of sub-types look at."""


def sub_type_rules(policy: Policy, day: date) -> SubTypes | None:
    """Return the rules by which a policy's cases get their sub-types on a day, None where it has no sub-types.

    UserError where the policy does not name them, for every fault of theirs, and for coefficients of sub-types that
    they never give.
    """
    resolved = policy.on(day)
    auxiliary = resolved.rules.auxiliary
    if auxiliary is None:
        return None
    if auxiliary.rules is None:
        zh, en = "auxiliary.rules：缺少；政策没有说明病例如何辅助分型", "auxiliary.rules is missing: it says how cases"
        raise UserError(Text(f"{policy.file}：{zh}", f"{policy.file}: {en} get their sub-types"))
    folder = policy.file.parent
    rules = load_sub_types(auxiliary.rules if auxiliary.rules == EXAMPLE else folder / auxiliary.rules)
    given = {row.code for row in rules.rows}
    table = load_tables(policy, resolved).auxiliary
    faults = []
    for subtype in sorted({subtype for _, subtype in table} - given):
        hint = near_names(subtype, given)
        zh, en = f"{auxiliary.rules} 的规则没有这个分型{hint.zh}", f"is no sub-type of {auxiliary.rules}{hint.en}"
        faults.append(Text(f"{folder / auxiliary.file}：{subtype}：{zh}", f"{folder / auxiliary.file}: {subtype} {en}"))
    if faults:
        raise UserError(faults)
    return rules


def sub_types(claims: pa.Table, rules: SubTypes) -> pl.Series:
    """Return the sub-types of each claim as a list, null where it has none."""
    found = sub_types_of(pl.DataFrame(claims), rules).group_by("case_id").agg(pl.col("subtype"))
    ids = pl.DataFrame(claims.select(["case_id"]))
    return ids.join(found, on="case_id", how="left", maintain_order="left")["subtype"].alias("subtypes")
