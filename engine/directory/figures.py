"""The figures of a measured DIP directory: scores, means, variation, coefficients, start values."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

import polars as pl

from engine.calibration import FEES, LEVELS
from engine.directory.cases import DipCases
from engine.directory.groups import Chosen
from grouper.dip.directory import DirectoryHead, GroupRow
from rules.money import round_decimals
from rules.payment.calibration import Calibrated, GroupWeight, Sums, calibrate, means_by, total, yearly_sums
from rules.payment.directory import PrimaryCareTest, primary_care_groups
from rules.payment.directory_coefficient import LevelCosts, SubType, level_costs, sub_type_coefficients
from rules.payment.point_value import start_value
from rules.payment.trimming import trim
from rules.policy.calibration import Calibration, Trimming
from rules.policy.directory import DirectoryMeasurement
from rules.policy.model import Rules

Means = Mapping[tuple[str, str], Fraction]


class Variation(NamedTuple):
    """How alike the cases of a group are: cases in a group, and the mean coefficient of variation by cases."""

    cases: int
    cv: Decimal | None


@dataclass(frozen=True)
class Setting:
    """What a measurement starts from.

    `head` is scheme.toml, `tables` are the tables of the pack besides its groups; `sub_type_rules`: the name of the
    rules of sub-types, None where a table gave them or nothing did; `previous`: the scores in force before.
    """

    rules: Rules
    rule: DirectoryMeasurement
    history: Calibration
    head: DirectoryHead
    tables: Mapping[str, Sequence[Mapping[str, str]]]
    cases: DipCases
    sub_type_rules: str | None
    previous: Mapping[str, Fraction]

    @property
    def years(self) -> list[int]:
        """The years measured, oldest first."""
        return sorted(int(year) for year in self.history.year_weights)

    def grouped(self, groups: pl.Series) -> pl.DataFrame:
        """Return the base cases that have a group."""
        return self.cases.frame.with_columns(groups.alias("group")).filter(pl.col("group").is_not_null())


@dataclass(frozen=True)
class Measured:
    """A measured directory: its setting, its groups, their means and scores, and which are of primary care."""

    setting: Setting
    chosen: Chosen
    calibrated: Calibrated
    primary_care: Sequence[PrimaryCareTest]

    @cached_property
    def history(self) -> pl.DataFrame:
        """The cases in a group, before trimming."""
        return self.setting.grouped(self.chosen.groups)

    @cached_property
    def kept(self) -> pl.DataFrame:
        """The cases that trimming keeps."""
        return trim(self.history, self.setting.history.trimming)

    @cached_property
    def scores(self) -> dict[str, Fraction]:
        """The published scores, rounded as the policy says."""
        rule = self.setting.rule.scores
        return {
            group.group: round_decimals(group.weight, rule.decimals, rule.mode)
            for group in self.calibrated.groups
            if group.weight is not None
        }

    @property
    def unpublished(self) -> list[GroupWeight]:
        """Groups without a score: their cases would be refused when they are paid."""
        return [group for group in self.calibrated.groups if group.group not in self.scores]

    @property
    def primary_care_groups(self) -> list[str]:
        """The primary-care groups, in the order of the directory."""
        return [test.group for test in self.primary_care if test.fails is None]

    @cached_property
    def untrimmed(self) -> dict[str, Sums]:
        """The sums of each group before trimming."""
        return {group: total(years) for (group,), years in yearly_sums(self.history, "group").items()}

    @cached_property
    def before(self) -> Variation:
        """Variation under the base directory."""
        national = yearly_sums(self.setting.grouped(self.chosen.national), "group")
        return _variation([total(years) for years in national.values()])

    @cached_property
    def after(self) -> Variation:
        """Variation under the measured directory, before trimming."""
        return _variation(self.untrimmed.values())

    @cached_property
    def level_means(self) -> Means:
        """The mean charge (fen) of each group and level, of all years."""
        return means_by(self.kept, self._untrimmed_rule, "level")

    @cached_property
    def last_year_means(self) -> Means:
        """The mean charge (fen) of each group and level in the newest year."""
        newest = self.kept.filter(pl.col("year") == self.setting.years[-1])
        return means_by(newest, self._untrimmed_rule, "level")

    @cached_property
    def kind_means(self) -> dict[str, Means]:
        """Mean drugs, consumables and procedures of each group (fen), where the policy asks for them."""
        alike = self.kept.with_columns(pl.lit("").alias("all"))
        return {
            kind: means_by(alike, self._untrimmed_rule, "all", f"fee_{kind}")
            for kind in FEES
            if f"fee_{kind}" in alike.columns
        }

    @property
    def _untrimmed_rule(self) -> Calibration:
        return self.setting.history.model_copy(update={"trimming": Trimming(method="none")})

    @cached_property
    def coefficients(self) -> LevelCosts | None:
        """Coefficients of hospital levels, where the policy asks for them; primary-care groups have no part in them."""
        rule, exempt = self.setting.rule.hospital_coefficient, set(self.primary_care_groups)
        if rule is None:
            return None
        taking = [group for group in self.scores if group not in exempt]
        cases = self.kept.filter(pl.col("group").is_in(taking)).drop_nulls("level")
        scale = 10**self.setting.rule.scores.decimals
        whole = {group: int(score * scale) for group, score in self.scores.items()}
        return level_costs(cases, LEVELS, whole, rule, self.setting.history)

    @cached_property
    def sub_types(self) -> list[SubType]:
        """Auxiliary sub-types that earn a coefficient."""
        rule, given = self.setting.rule.sub_types, self.setting.cases.sub_types
        if rule is None or given is None:
            return []
        cases = self.kept.select("row", "group", "year", "charge")
        groups = {group: years for (group,), years in yearly_sums(cases, "group").items()}
        found = yearly_sums(
            cases.join(given.with_columns(pl.col("kind", "subtype").cast(pl.String)), on="row"),
            "group",
            "kind",
            "subtype",
        )
        parts = {(group, kind, name): years for (group, kind, name), years in found.items()}
        return sub_type_coefficients(groups, parts, rule, self.setting.history)

    def start_values(self) -> dict[str, Fraction]:
        """Return the start-of-year value of each pool (fen per point): weighted charge over weighted score, trimmed."""
        years: dict[int, dict[int, tuple[int, Fraction]]] = {}
        table = self.kept.group_by("pool", "year", "group").agg(pl.len(), pl.col("charge").sum())
        for pool, year, group, count, charge in table.iter_rows():
            before = years.setdefault(pool, {}).get(year, (0, Fraction()))
            points = count * self.scores.get(group, Fraction())
            if points:
                years[pool][year] = (before[0] + charge, before[1] + points)
        weights = {int(year): weight for year, weight in self.setting.history.year_weights.items()}
        pools = enumerate(self.setting.rules.pools)
        return {pool.id: start_value(years[number], weights) for number, pool in pools if years.get(number)}


def calibrated(setting: Setting, chosen: Chosen) -> Calibrated:
    """Return means and scores of the chosen groups; a group's parent is the category of its diagnoses."""
    parents = [row.parent for row in chosen.directory.groups]
    known = pl.Enum(sorted({parent for parent in parents if parent}))
    cases = setting.grouped(chosen.groups).select("group", "year", "charge")
    rows = cases["group"].to_physical()
    cases = cases.with_columns(pl.Series("parent", parents, dtype=known).gather(rows))
    base = int(setting.rules.scores.base) if setting.rules.scores is not None else 1
    return calibrate(cases, setting.history, base)


def tested_for_primary_care(setting: Setting, chosen: Chosen, measured: Calibrated) -> list[PrimaryCareTest]:
    """Return the test of every core group for primary care, none where the policy has no such groups."""
    rule = setting.rule.primary_care
    if rule is None:
        return []
    core = {row.code for row in chosen.directory.groups if row.kind != "comprehensive"}
    listed = {row.code for row in chosen.directory.groups if _is_listed(row, chosen)}
    levels: dict[str, dict[str, int]] = {}
    for group, level, count in setting.grouped(chosen.groups).group_by("group", "level").len().iter_rows():
        levels.setdefault(group, {})[level or ""] = count
    return primary_care_groups([group for group in measured.groups if group.group in core], levels, rule, listed)


def _is_listed(row: GroupRow, chosen: Chosen) -> bool:
    """Return whether the published list of primary-care groups has all that a group takes."""
    if row.main_diagnosis is None or row.related is not None or row.procedures is not None:
        return False
    return any(
        all(name in keys for name in row.main_diagnosis.names)
        and (row.is_conservative if codes is None else row.main_procedure is not None and row.main_procedure <= codes)
        for keys, codes in chosen.directory.primary_care
    )


def _variation(groups: Collection[Sums]) -> Variation:
    """Return the mean coefficient of variation by cases."""
    cases = sum(sums.cases for sums in groups)
    weighted = sum((sums.cases * (sums.cv or Decimal()) for sums in groups), Decimal())
    return Variation(cases, weighted / cases if cases else None)
