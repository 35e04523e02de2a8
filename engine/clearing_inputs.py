"""What a year's clearing takes beside the cases: budgets, tables beside the policy, accounts, deductions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import polars as pl

from engine.month_pricing import DEDUCTIONS
from engine.tables import Column, read_table
from rules.fault import Text
from rules.money import round_fen
from rules.payment.assessment import Effect, effects, scores
from rules.payment.budget import PoolBudget, monthly_amounts, pool_budget
from rules.payment.deductions import counted, deducted_by
from rules.payment.quota import QuotaVersion, hospital_quotas, total_control_deduction
from rules.payment.statement import Line
from rules.payment.year import Hospital, Paid, PoolPoints, YearInputs, payables
from rules.policy.model import Rules
from rules.policy.pools import ElasticCost, ElasticSeverity, ElasticVolume, Pool
from rules.policy.resolve import Policy, Resolved
from rules.policy.tables import load_tables

ACCOUNTS = (Column("pool"), Column("hospital"), Column("kind"), Column("amount", "yuan"))
LINES = (Column("pool"), Column("hospital", optional=True), Column("label"), Column("amount", "yuan"))
SCORES = (Column("hospital"), Column("score", "number"))
INDICATORS = (Column("hospital"), Column("indicator"), Column("value", "number"))
BASE_POINTS = (Column("pool"), Column("hospital"), Column("base_points", "number"))
RIGID_SHARES = (Column("group"), Column("rigid_share", "number"))
QUOTAS = (Column("hospital"), Column("version", "whole"), Column("state"), Column("amount", "yuan"))


@dataclass(frozen=True)
class TableFiles:
    """Tables a clearing is given, beyond those that the policy names.

    accounts: advances and working capital not repaid (pool, hospital, kind, amount). lines: separately settled items
    (pool, hospital, label, amount), without a hospital those of the pool, such as care of own insured elsewhere.
    """

    deductions: Path | None = None
    accounts: Path | None = None
    lines: Path | None = None


@dataclass(frozen=True)
class Gathered:
    """A year's cases and hospital-months, the rules that clear them, and the last month (1 … 12) that counts."""

    cases: pl.DataFrame
    late: pl.DataFrame
    hospital_months: pl.DataFrame
    policy: Policy
    resolved: Resolved
    last_day: date
    files: TableFiles

    @property
    def rules(self) -> Rules:
        """Return the rules of the day that clears."""
        return self.resolved.rules

    def inputs(self) -> YearInputs:
        """Return everything a clearing takes beside the cases, but the total-control deductions."""
        hospitals = {*self.cases["hospital_id"].to_list(), *self.hospital_months["hospital_id"].to_list()}
        by_hospital, by_pool = self.lines()
        return YearInputs(
            budgets={pool.id: self.budget(pool) for pool in self.rules.pools},
            months=self.paid(),
            effects=self.effects(sorted(hospitals)),
            deductions=self.deductions(),
            advanced=_sums(pl.DataFrame(rows)) if (rows := self.rows(self.files.accounts, ACCOUNTS)) else {},
            lines=by_hospital,
            pool_lines=by_pool,
            base_points=self.base_points(),
            fixed_shares=self.fixed_shares(),
        )

    def rows(self, path: Path | None, columns: Sequence[Column]) -> list[dict[str, Any]]:
        """Return the rows of a table, none where there is no table."""
        return [] if path is None else read_table(path, columns).to_dicts()

    def beside(self, name: str, columns: Sequence[Column]) -> list[dict[str, Any]]:
        """Return the rows of a table that the policy names and that stands beside it."""
        return self.rows(self.policy.file.parent / name, columns)

    def document(self, path: tuple[str | int, ...]) -> str:
        """Return the reference of a rule."""
        source = self.resolved.source(*path)
        return "" if source is None else source.reference

    def budget(self, pool: Pool) -> PoolBudget:
        """Return a pool's budget of the year, or that of its months so far."""
        whole = pool_budget(self.rules.pools, pool, self.rules.money, self.last_day, documents=self.document)
        months = monthly_amounts(whole.fund, pool.budget.monthly)
        rest = sum(amount for month, amount in months.items() if int(month) > self.last_day.month)
        if not rest:
            return whole
        line = Line(Text("以后月份的预算", "budget of later months"), -rest, "pools.budget.monthly")
        return replace(whole, lines=(*whole.lines, line))

    def paid(self) -> dict[Hospital, Paid]:
        """Return what each hospital was prepaid and what deposit is held."""
        table = self.hospital_months.group_by("pool", "hospital_id").agg(pl.col("paid", "deposit").sum())
        return {(pool, hospital): Paid(paid, deposit) for pool, hospital, paid, deposit in table.iter_rows()}

    def deductions(self) -> dict[Hospital, int]:
        """Return the deductions that count: those of the months where they act there, otherwise those of the table."""
        rule = self.rules.clearing.deductions
        if rule is not None and rule.acts == "month":
            months = self.hospital_months.rename({"hospital_id": "hospital", "deducted": "amount"})
            return _sums(months)
        if rule is None or self.files.deductions is None:
            return {}
        table = counted(read_table(self.files.deductions, DEDUCTIONS), rule)
        return {(key[0], key[1]): amount for key, amount in deducted_by(table, "pool", "hospital_id").items()}

    def lines(self) -> tuple[dict[Hospital, tuple[Line, ...]], dict[str, tuple[Line, ...]]]:
        """Return separately settled items and adjustments of cleared years, by hospital and for whole pools."""
        by_hospital: dict[Hospital, tuple[Line, ...]] = {}
        by_pool: dict[str, tuple[Line, ...]] = {}
        prior = self.late.group_by("pool", "hospital_id").agg(pl.col("fund_part").sum()).sort("pool", "hospital_id")
        for pool, hospital, amount in prior.iter_rows():
            by_hospital[pool, hospital] = (Line(Text("以前年度调整", "adjustment of cleared years"), amount),)
        for row in self.rows(self.files.lines, LINES):
            line = Line(Text(row["label"], row["label"]), row["amount"])
            if row["hospital"] is None:
                by_pool[row["pool"]] = (*by_pool.get(row["pool"], ()), line)
            else:
                key = (row["pool"], row["hospital"])
                by_hospital[key] = (*by_hospital.get(key, ()), line)
        return by_hospital, by_pool

    def effects(self, hospitals: Sequence[str]) -> dict[str, Effect]:
        """Return what the assessment does to each hospital."""
        assessment, release = self.rules.clearing.assessment, self.rules.clearing.deposit_release
        own = self.scores(release.file) if release is not None and release.file is not None else {}
        found: dict[str, Fraction] = {}
        if assessment is not None and assessment.file is not None:
            found = self.scores(assessment.file)
        elif assessment is not None and assessment.indicator_file is not None:
            values: dict[str, dict[str, Fraction]] = {}
            for row in self.beside(assessment.indicator_file, INDICATORS):
                values.setdefault(row["hospital"], {})[row["indicator"]] = Fraction(row["value"])
            found = scores(assessment.indicators, values)
        return effects(assessment, release, hospitals, found, own)

    def scores(self, file: str) -> dict[str, Fraction]:
        """Return the scores of a table beside the policy."""
        return {row["hospital"]: Fraction(row["score"]) for row in self.beside(file, SCORES)}

    def base_points(self) -> dict[Hospital, Fraction]:
        """Return the base volumes of elastic pools."""
        files = {p.point_value.base_points for p in self.rules.pools if isinstance(p.point_value, ElasticVolume)}
        rows = [row for file in sorted(files) for row in self.beside(file, BASE_POINTS)]
        return {(row["pool"], row["hospital"]): Fraction(row["base_points"]) for row in rows}

    def fixed_shares(self) -> dict[str, Fraction]:
        """Return the share of each group's points that elastic pools pay at the start value."""
        found: dict[str, Fraction] = {}
        for rule in (pool.point_value for pool in self.rules.pools):
            if isinstance(rule, ElasticCost) and rule.rigid_file is not None:
                rows = self.beside(rule.rigid_file, RIGID_SHARES)
                found |= {row["group"]: Fraction(row["rigid_share"]) for row in rows}
            if isinstance(rule, ElasticSeverity):
                found |= dict.fromkeys(self.severe_groups(rule), Fraction(1))
        return found

    def severe_groups(self, rule: ElasticSeverity) -> list[str]:
        """Return the groups that count as severe: those named, and those whose weight is high enough."""
        least = rule.severe_weight_from
        if least is None:
            return list(rule.severe_groups)
        groups = load_tables(self.policy, self.resolved).groups
        heavy = [name for name, own in groups.items() if own.weight is not None and own.weight >= Fraction(least)]
        return [*rule.severe_groups, *heavy]

    def controlled(self, inputs: YearInputs, points: Mapping[str, PoolPoints]) -> YearInputs:
        """Add the total-control deductions of pools with quotas; what a hospital spent is its payable."""
        money, control = self.rules.money, dict[Hospital, int]()
        for name, found in points.items():
            rule = found.pool.quotas
            if rule is None or rule.deduction == "none":
                continue
            table = [QuotaVersion(**row) for row in self.beside(rule.file, QUOTAS)]
            quotas = hospital_quotas(rule, table, inputs.budgets[name].fund, money)
            spent = {h: round_fen(p, money.step, money.mode) for h, p in payables(found, self.rules).items()}
            cut = total_control_deduction(rule, spent, quotas)
            control |= {(name, h): round_fen(amount, money.step, money.mode) for h, amount in cut.items()}
        return replace(inputs, control=control)


def _sums(table: pl.DataFrame) -> dict[Hospital, int]:
    """Return the amounts of a table by pool and hospital."""
    sums = table.group_by("pool", "hospital").agg(pl.col("amount").sum())
    return {(pool, hospital): amount for pool, hospital, amount in sums.iter_rows()}
