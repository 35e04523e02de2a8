"""What a year's clearing takes: its books, from folders or a ledger, budgets, and tables beside the policy."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from fractions import Fraction
from typing import Any, Protocol

import polars as pl

from engine.assessment_scores import assessment_effects
from engine.tables import Column, read_table
from rules.fault import Text
from rules.money import round_fen
from rules.payment.budget import PoolBudget, monthly_amounts, pool_budget
from rules.payment.deductions import counted, deducted_by
from rules.payment.out_of_area import outgoing_charges
from rules.payment.quota import QuotaVersion, hospital_quotas, total_control_deduction
from rules.payment.statement import Line
from rules.payment.year import Hospital, Paid, PoolPoints, YearInputs, payables
from rules.policy.model import Rules
from rules.policy.pools import ElasticCost, ElasticSeverity, ElasticVolume, Pool
from rules.policy.resolve import Policy, Resolved
from rules.policy.tables import load_tables

BASE_POINTS = (Column("pool"), Column("hospital"), Column("base_points", "number"))
RIGID_SHARES = (Column("group"), Column("rigid_share", "number"))
QUOTAS = (Column("hospital"), Column("version", "whole"), Column("state"), Column("amount", "yuan"))


class YearCases(Protocol):
    """The priced cases of a year, piece by piece, as they were paid; columns as in the months."""

    def pieces(self) -> Iterator[pl.DataFrame]:
        """Yield the cases cut anyhow, with what sums are made of."""

    def stays(self, *, at_once: bool) -> Iterator[pl.DataFrame]:
        """Yield the cases with all that pricing looks at: stays of a person, refunds and originals in one piece.

        `at_once`: all in one piece, for rules that rank cases.
        """


@dataclass(frozen=True)
class Books:
    """What is known of a year beside the policy, in fen; by (pool, hospital) unless said otherwise.

    prior: adjustments of cleared years. paid: of the hospital-months. deducted: what acted in the months.
    deductions: single ones, where they act at clearing. lines: separately settled items (pool, hospital, label,
    amount), without a hospital those of the pool. vbp: procurement retention charged to the pool. elsewhere: by pool,
    care of own insured elsewhere.
    """

    cases: YearCases
    prior: Mapping[Hospital, int]
    paid: Mapping[Hospital, Paid]
    deducted: Mapping[Hospital, int]
    advanced: Mapping[Hospital, int]
    deductions: pl.DataFrame | None = None
    decisions: pl.DataFrame | None = None
    fee_lines: pl.DataFrame | None = None
    lines: Sequence[Mapping[str, Any]] = ()
    vbp: Mapping[Hospital, int] = field(default_factory=dict)
    elsewhere: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Gathered:
    """A year's books, the policy, and the rules of the last day that counts, which clear it."""

    books: Books
    policy: Policy
    resolved: Resolved
    last_day: date

    @property
    def rules(self) -> Rules:
        """Return the rules of the day that clears."""
        return self.resolved.rules

    def inputs(self, hospitals: Iterable[str]) -> YearInputs:
        """Return everything a clearing takes beside the cases, but the total-control deductions.

        `hospitals`: those with cases.
        """
        by_hospital, by_pool = self.lines()
        everyone = sorted({*hospitals, *(hospital for _, hospital in self.books.paid)})
        return YearInputs(
            budgets={pool.id: self.budget(pool) for pool in self.rules.pools},
            months=self.books.paid,
            effects=assessment_effects(self.rules, self.policy.file.parent, everyone),
            deductions=self.deductions(),
            advanced=self.books.advanced,
            vbp=self.books.vbp,
            lines=by_hospital,
            pool_lines=by_pool,
            base_points=self.base_points(),
            fixed_shares=self.fixed_shares(),
        )

    def beside(self, name: str, columns: Sequence[Column]) -> list[dict[str, Any]]:
        """Return the rows of a table that the policy names and that stands beside it."""
        return read_table(self.policy.file.parent / name, columns).to_dicts()

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

    def deductions(self) -> Mapping[Hospital, int]:
        """Return the deductions that count: those of the months where they act there, otherwise the single ones."""
        rule = self.rules.clearing.deductions
        if rule is not None and rule.acts == "month":
            return self.books.deducted
        if rule is None or self.books.deductions is None:
            return {}
        table = counted(self.books.deductions, rule)
        return {(key[0], key[1]): amount for key, amount in deducted_by(table, "pool", "hospital_id").items()}

    def lines(self) -> tuple[dict[Hospital, tuple[Line, ...]], dict[str, tuple[Line, ...]]]:
        """Return separately settled items and adjustments of cleared years, by hospital and for whole pools."""
        prior = Text("以前年度调整", "adjustment of cleared years")
        by_hospital: dict[Hospital, tuple[Line, ...]] = {
            key: (Line(prior, amount),) for key, amount in sorted(self.books.prior.items())
        }
        by_pool: dict[str, tuple[Line, ...]] = {}
        for row in self.books.lines:
            line = Line(Text(row["label"], row["label"]), row["amount"])
            if row["hospital"] is None:
                by_pool[row["pool"]] = (*by_pool.get(row["pool"], ()), line)
            else:
                key = (row["pool"], row["hospital"])
                by_hospital[key] = (*by_hospital.get(key, ()), line)
        care = Text("本地参保外出就医", "own insured treated elsewhere")
        for name, amount in outgoing_charges(self.books.elsewhere, self.rules.pools).items():
            by_pool[name] = (*by_pool.get(name, ()), Line(care, amount))
        return by_hospital, by_pool

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
