"""A month's money: its cases priced at the month's values, refunds as their originals were paid, hospitals settled."""

import calendar
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from engine.assessment_scores import prepayment_scores
from engine.fee_lines import read_fee_lines
from engine.tables import Column, read_table
from rules.fault import Text
from rules.payment.budget import monthly_amounts, pool_budget
from rules.payment.case_payment import Given, price_cases
from rules.payment.columns import CANCELLED, counts
from rules.payment.deductions import COLUMNS as DEDUCTION_COLUMNS
from rules.payment.deductions import counted
from rules.payment.figures import start_value
from rules.payment.month import Month, monthly_values, settle_month
from rules.payment.place import day_column, month_text, months
from rules.payment.special_kinds import days_between_stays, stay_gaps
from rules.payment.stays import budget_year, is_refund, reverse
from rules.policy.model import Rules
from rules.policy.resolve import Policy, the_one_valid
from rules.policy.scheme_tables import last_with, with_scheme

DECISIONS = (Column("case_id"), Column("decision"), Column("amount", "yuan", optional=True))
DEDUCTIONS = tuple(Column(name, "yuan" if name == "amount" else "text") for name in DEDUCTION_COLUMNS)
REVERSED = (
    "sign", "points", "counted_charge", "taken_out", "standard", "extra", "separate", "formula_result", "adjustment",
    "official_result",
)  # fmt: skip
Values = dict[tuple[str, str], Fraction]


class Originals(NamedTuple):
    """What refunds of a month take back beside its own cases.

    paid: priced cases, which the refund takes back at exactly the fund part that was paid. unpriced: claims of other
    months, priced now as they were then. reversed_before: case ids that were taken back already.
    """

    paid: Sequence[pl.DataFrame] = ()
    unpriced: pl.DataFrame | None = None
    reversed_before: Sequence[str] = ()


FindOriginals = Callable[[pl.DataFrame], Originals]
"""Given the refunds of a month, return where their originals are."""
FindNeighbours = Callable[[pl.DataFrame, int], pl.DataFrame]
"""Given stays, return those of the same persons in other months that lie within so many days of them: case_id,
person_id, admitted, discharged, and whether a refund took it back (cancelled)."""


def rules_of(policies: Sequence[Policy], month: int) -> Rules:
    """Return the rules that settle a month: those of its first day."""
    first = _first_day(month)
    return the_one_valid(list(policies), first).on(first).rules


def _first_day(month: int) -> date:
    return date(month // 100, month % 100, 1)


def given_tables(fee_lines: Path | None, decisions: Path | None) -> Given:
    """Read what pricing is given beside the cases."""
    table = None if decisions is None else read_table(decisions, DECISIONS)
    return Given(fee_lines=read_fee_lines(fee_lines), decisions=table)


def dated(cases: pl.DataFrame, rules: Rules, month: pl.Series, value_month: pl.Series) -> pl.DataFrame:
    """Add the month that books a case, the month whose value pays it, and its budget year; not late."""
    return cases.with_columns(
        month.cast(pl.Int32).alias("booked"),
        value_month.cast(pl.Int32).alias("value_of"),
        pl.lit("no").alias("late"),
        budget_year(cases, rules.date_basis).alias("budget_year"),
    )


def named(cases: pl.DataFrame, refunds: pl.DataFrame) -> pl.DataFrame:
    """Return the cases that refunds name as their originals."""
    return cases.join(refunds.select(pl.col("original_case_id").alias("case_id")), on="case_id", how="semi")


class MonthPricing:
    """Prices and settles one month (year × 100 + month) under policies, the month's rules and point values.

    `values`: fen per point by pool and month that are known already, floating ones of earlier months for example.
    `neighbours`: finds stays of other months, for the rules of readmissions.
    """

    def __init__(
        self,
        month: int,
        policies: Sequence[Policy],
        given: Given,
        originals: FindOriginals,
        values: Mapping[tuple[str, str], Fraction] | None = None,
        neighbours: FindNeighbours | None = None,
    ) -> None:
        self.month, self.policies, self.given, self.originals = month, policies, given, originals
        self.neighbours = neighbours
        self.rules = rules_of(policies, month)
        decimals = self.rules.money.value
        own = {(p.id, month_text(month)): start_value(p, month_text(month), decimals) for p in self.rules.pools}
        self.values: Values = dict(values or {}) | own

    def priced(self, cases: pl.DataFrame) -> pl.DataFrame:
        """Price the month's cases, late ones at the value their policy names, refunds as their originals were paid.

        `cases`: see `price_cases`, with the columns of `dated`; with `scheme`, a case that another scheme grouped than
        the one of its policy's day is paid by that scheme's table.
        """
        refund = cases.select(is_refund(cases).alias("refund")).to_series()
        refunds, here = cases.filter(refund), cases.filter(~refund) if refund.any() else cases
        del cases  # the frame of a month is a good part of what a run may take in memory
        others = self.originals(refunds) if refunds.height else Originals()
        here = self._with_stays(here, refunds)
        booked = self._booked(here, refunds, others)
        if self.rules.month.value == "floating":
            own = booked.filter(pl.col("fixed_part").is_null())
            self.values |= monthly_values(own, self.rules, self._amounts())
            booked = self._booked(here, refunds, others)
        return booked

    def settled(self, priced: pl.DataFrame, deductions: pl.DataFrame | None) -> Month:
        """Settle the month of the priced cases; of `deductions` those count that were found in the month."""
        rule, off = self.rules.clearing.deductions, None
        if deductions is not None and rule is not None:
            off = counted(deductions, rule).filter(pl.col("month_found") == month_text(self.month))
        folder = the_one_valid(list(self.policies), _first_day(self.month)).file.parent
        scores = prepayment_scores(self.rules, folder, priced["hospital_id"].cast(pl.String).unique().sort().to_list())
        return settle_month(priced, self.rules, self.values, off, scores)

    def _booked(self, here: pl.DataFrame, refunds: pl.DataFrame, others: Originals) -> pl.DataFrame:
        """Price the month's cases and reverse what its refunds name."""
        paid = [self._paid(here)] if here.height else []
        parts = [*paid, *([self._reversed(refunds, paid, others)] if refunds.height else [])]
        return parts[0] if len(parts) == 1 else pl.concat(parts, rechunk=True)

    def _with_stays(self, here: pl.DataFrame, refunds: pl.DataFrame) -> pl.DataFrame:
        """Mark the cases that refunds take back, and add the gaps between stays where a special kind asks for them.

        Both look at the month as a whole, and gaps at its neighbours: pricing sees its cases in parts.
        """
        if refunds.height:
            here = here.with_columns(pl.col("case_id").is_in(refunds["original_case_id"].implode()).alias(CANCELLED))
        asked = [days for policy in self.policies if (days := days_between_stays(policy)) is not None]
        if not asked or not here.height:
            return here
        stays = here.select("person_id", "admitted", "discharged", counts(here).not_().alias(CANCELLED))
        if self.neighbours is not None:
            beside, taken_back = self.neighbours(here, max(asked)), refunds["original_case_id"].implode()
            marked = beside.with_columns(pl.col(CANCELLED) | pl.col("case_id").is_in(taken_back))
            stays = pl.concat([stays, _like(marked, stays)])
        return here.with_columns(stay_gaps(stays).head(here.height).get_columns())

    def _paid(self, cases: pl.DataFrame) -> pl.DataFrame:
        """Price cases that are no refunds; each (own month, value month) by itself, since values go by month."""
        own = months(cases, self.rules.date_basis.month)
        parts = []
        for (month, value_month), part in _parts(cases, own, cases["value_of"]):
            value = month_text(value_month)
            values = {(p.id, month_text(month)): self._value(p.id, value) for p in self.rules.pools}
            parts.append(self._by_policy(part, replace(self.given, values=values)))
        return _labelled(pl.concat(parts))

    def _value(self, pool: str, month: str) -> Fraction:
        """Return the value of a month (fen per point): a floating one where it was reckoned, else the start value."""
        if (pool, month) not in self.values:
            self.values[pool, month] = start_value(self.rules.pool(pool), month, self.rules.money.value)
        return self.values[pool, month]

    def _by_policy(self, cases: pl.DataFrame, given: Given) -> pl.DataFrame:
        """Price cases under the policy that is valid on their day, by the table of the scheme that grouped them."""
        days = day_column(cases, self.rules.date_basis.policy, Text("政策日期", "the date of the policy"))
        paying = {day: self._policy_of(day) for day in days.unique()}
        number = days.replace_strict({day: n for day, (n, _) in paying.items()}, return_dtype=pl.Int32)
        scheme = pl.Series("scheme", [None], pl.String).new_from_index(0, cases.height)
        if "scheme" in cases.columns:
            own = days.replace_strict({day: name for day, (_, name) in paying.items()}, return_dtype=pl.String)
            scheme = cases["scheme"].cast(pl.String)
            scheme = scheme.set(scheme == own, None)
        parts = [
            price_cases(part, self._with_scheme(number, scheme), given)
            for (number, scheme), part in _parts(cases, number, scheme)
        ]
        return parts[0] if len(parts) == 1 else pl.concat(parts)

    def _policy_of(self, day: date) -> tuple[int, str | None]:
        """Return the position of the policy of a day, and its scheme; a lone policy refuses days by itself."""
        if len(self.policies) > 1:
            policy = the_one_valid(list(self.policies), day)
            return self.policies.index(policy), policy.on(day).rules.scheme
        first, last = self.policies[0].valid
        return 0, self.policies[0].on(day).rules.scheme if first <= day <= last else None

    def _with_scheme(self, number: int, scheme: str | None) -> Policy:
        """Return a policy with the tables of another scheme, where a policy has them; itself for its own scheme."""
        policy = self.policies[number]
        found = None if scheme is None else last_with(self.policies, scheme)
        return policy if found is None else with_scheme(policy, *found)

    def _amounts(self) -> Values:
        """Return F of the month by pool (fen)."""
        year, number = divmod(self.month, 100)
        through = date(year, number, calendar.monthrange(year, number)[1])
        found: Values = {}
        for pool in self.rules.pools:
            fund = pool_budget(self.rules.pools, pool, self.rules.money, through).fund
            found[pool.id, month_text(self.month)] = Fraction(
                monthly_amounts(fund, pool.budget.monthly)[f"{number:02d}"]
            )
        return found

    def _reversed(self, refunds: pl.DataFrame, own: Sequence[pl.DataFrame], others: Originals) -> pl.DataFrame:
        """Reverse originals of this month, of earlier results, or priced now as they were then.

        The refund of an earlier year's case is an adjustment of that year, at what the case was paid.
        """
        taken_back = -pl.col("fund_part").alias("fixed_part")
        found = [named(paid, refunds) for paid in own]
        found += [named(before, refunds).with_columns(taken_back) for before in others.paid]
        if others.unpriced is not None:
            known = [case for frame in found for case in frame["case_id"]]
            rest = others.unpriced.filter(~pl.col("case_id").is_in(known))
            if rest.height:
                then = months(rest, self.rules.date_basis.month)
                found.append(self._paid(dated(rest, self.rules, then, then)))
        template = found[0] if own else found[-1] if found else refunds.select("case_id").clear()
        month = pl.lit(month_text(self.month))
        same = pl.concat([_like(frame, template) for frame in found or [template]])
        back = reverse(refunds.with_columns(month.alias("month")), same, REVERSED, others.reversed_before)
        own_columns = refunds.select("case_id", "original_case_id", "refund", pl.col("budget_year").alias("own_year"))
        joined = back.drop("original_case_id", "refund").join(own_columns, on="case_id", maintain_order="left")
        earlier_year = pl.col("budget_year") < pl.col("own_year")
        return _like(
            joined.with_columns(
                pl.when(earlier_year).then(pl.lit("prior_year")).otherwise(pl.lit("no")).alias("late"),
                pl.col("own_year").alias("budget_year"),
            ),
            template,
        )


def _parts(cases: pl.DataFrame, *keys: pl.Series) -> Iterator[tuple[tuple[Any, ...], pl.DataFrame]]:
    """Yield the cases that agree in some keys, in the order they came; all of them as they are where all agree."""
    labels = pl.DataFrame([key.alias(str(n)) for n, key in enumerate(keys)])
    if all(key.n_unique() == 1 for key in keys):
        yield labels.row(0), cases
        return
    for key, rows in labels.with_row_index("row").group_by(labels.columns, maintain_order=True):
        yield key, cases[rows["row"]]


def _like(cases: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """Return cases in the columns and types of another frame, empty where they have no such column."""
    return cases.select(
        (pl.col(name) if name in cases.columns else pl.lit(None).alias(name)).cast(dtype)
        for name, dtype in other.schema.items()
    )


def _labelled(priced: pl.DataFrame) -> pl.DataFrame:
    """Return priced cases with the month that books them and the one whose value paid them, as text of few values."""
    names = {month: month_text(month) for name in ("booked", "value_of") for month in priced[name].unique()}
    text = pl.col("booked", "value_of").replace_strict(names, return_dtype=pl.Categorical)
    return (
        priced.with_columns(text, pl.lit(None, pl.Int64).alias("fixed_part"))
        .drop("month")
        .rename({"booked": "month", "value_of": "value_month"})
    )
