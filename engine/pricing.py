"""The pricing run: grouped claims of a month in, priced cases and hospital-months out."""

import calendar
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import polars as pl

from engine.cases import ClaimsInput, read_cases
from engine.fee_lines import read_fee_lines
from engine.outputs.folder import replaced_folder
from engine.provenance import input_files, program_versions
from engine.tables import Column, read_table
from rules.fault import Text, UserError
from rules.payment.budget import monthly_amounts, pool_budget
from rules.payment.case_payment import Given, price_cases
from rules.payment.deductions import COLUMNS as DEDUCTION_COLUMNS
from rules.payment.deductions import counted
from rules.payment.figures import start_value
from rules.payment.month import Month, monthly_values, settle_month
from rules.payment.place import day_column, month_text, months
from rules.payment.special_case import candidates
from rules.payment.stays import book, budget_year, is_refund, merge_parts, reverse
from rules.policy.check import load_policy
from rules.policy.model import Rules
from rules.policy.resolve import Policy, the_one_valid

DECISIONS = (Column("case_id"), Column("decision"), Column("amount", "yuan", optional=True))
DEDUCTIONS = tuple(Column(name, "yuan" if name == "amount" else "text") for name in DEDUCTION_COLUMNS)
REVERSED = (
    "sign", "points", "counted_charge", "taken_out", "standard", "extra", "separate", "formula_result", "adjustment",
    "official_result",
)  # fmt: skip
LABELS = ("pool", "month", "kind", "class", "funding", "coefficient", "points_fixed", "points_per_fen")
Values = dict[tuple[str, str], Fraction]


@dataclass(frozen=True)
class PricingRequest:
    """What a run is asked to do.

    month: year × 100 + month. earlier: results of earlier months, for refunds of their cases. late_since: claims of
    earlier months that arrived since that day are booked in this month; without it there are none.
    """

    grouped: Sequence[Path]
    claims: ClaimsInput
    policies: Sequence[Path]
    month: int
    out: Path
    earlier: Sequence[Path] = ()
    late_since: date | None = None
    fee_lines: Path | None = None
    decisions: Path | None = None
    deductions: Path | None = None


def run_pricing(request: PricingRequest) -> dict[str, Any]:
    """Price a month; write priced.parquet, hospital_months.parquet, held.parquet and summary.json. Returns the summary.

    Raises UserError for bad input and CannotWriteError for bad output; the folder is replaced as a whole or not at
    all.
    """
    policies = [load_policy(path) for path in request.policies]
    first_day = date(request.month // 100, request.month % 100, 1)
    rules = the_one_valid(policies, first_day).on(first_day).rules
    cases = read_cases(request.claims, request.grouped)
    merged = merge_parts(cases.frame)
    work = _Work(request, policies, rules, _given(request))
    priced = work.priced(_of_month(merged.claims, rules, request), merged.claims)
    settled = work.settled(priced)
    with replaced_folder(request.out) as folder:
        settled.cases.write_parquet(folder / "priced.parquet")
        settled.hospitals.write_parquet(folder / "hospital_months.parquet")
        merged.held.write_parquet(folder / "held.parquet")
        if rules.special_case is not None:
            ranked = candidates(settled.cases, rules.special_case)
            ranked.select("rank", "case_id", "hospital_id", "group", "total_charge", "standard").write_csv(
                folder / "special_case_candidates.csv"
            )
        inputs = input_files([*cases.files, *request.policies])
        summary = {
            "version": 1,
            "program": program_versions(),
            "month": month_text(request.month),
            "policies": [{"id": policy.id, "file": str(policy.file)} for policy in policies],
            "rows": cases.counts | {"held": merged.held.height, "priced": settled.cases.height},
            "classes": _counts(settled.cases, "class"),
            "fundings": _counts(settled.cases, "funding"),
            "late": _counts(settled.cases, "late"),
            "pools": _pools(settled, work.values),
            "inputs": inputs,
        }
        text = json.dumps(summary, ensure_ascii=False, indent=2)
        (folder / "summary.json").write_text(f"{text}\n", encoding="utf-8")
    return summary


def _given(request: PricingRequest) -> Given:
    decisions = None if request.decisions is None else read_table(request.decisions, DECISIONS)
    return Given(fee_lines=read_fee_lines(request.fee_lines), decisions=decisions)


def _of_month(claims: pl.DataFrame, rules: Rules, request: PricingRequest) -> pl.DataFrame:
    """Return the claims booked in the month, with month, value_month (year × 100 + month), late and budget_year."""
    own = months(claims, rules.date_basis.month)
    wanted = own == request.month
    if request.late_since is not None:
        arrived = day_column(claims, "arrival", Text("到达日期", "the day of arrival"))
        wanted |= (own < request.month) & (arrived >= request.late_since) & (months(claims, "arrival") <= request.month)
    chosen = claims.filter(wanted)
    if not chosen.height:
        month = month_text(request.month)
        raise UserError(Text(f"没有 {month} 的结算记录", f"there are no claims of {month}"))
    early = request.month - 1 if request.month % 100 > 1 else request.month - 89
    booked = book(chosen, rules.date_basis, early if request.late_since is not None else None)
    dated = _dated(chosen, rules, pl.repeat(request.month, chosen.height, eager=True), booked.value_month)
    return dated.with_columns(booked.late.cast(pl.String))


def _dated(cases: pl.DataFrame, rules: Rules, month: pl.Series, value_month: pl.Series) -> pl.DataFrame:
    """Add the month that books a case, the month whose value pays it, and its budget year; not late."""
    return cases.with_columns(
        month.cast(pl.Int32).alias("booked"),
        value_month.cast(pl.Int32).alias("value_of"),
        pl.lit("no").alias("late"),
        budget_year(cases, rules.date_basis).alias("budget_year"),
    )


def _named(cases: pl.DataFrame, refunds: pl.DataFrame) -> pl.DataFrame:
    """Return the cases that refunds name as their originals."""
    return cases.join(refunds.select(pl.col("original_case_id").alias("case_id")), on="case_id", how="semi")


def _like(cases: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """Return cases in the columns and types of another frame."""
    return cases.select(pl.col(name).cast(dtype) for name, dtype in other.schema.items())


@dataclass
class _Work:
    """A pricing run on its way: policies, the month's rules, point values."""

    request: PricingRequest
    policies: Sequence[Policy]
    rules: Rules
    given: Given

    def __post_init__(self) -> None:
        month = month_text(self.request.month)
        decimals = self.rules.money.value
        self.values: Values = {(p.id, month): start_value(p, month, decimals) for p in self.rules.pools}

    def priced(self, cases: pl.DataFrame, claims: pl.DataFrame) -> pl.DataFrame:
        """Price the month's cases, late ones at the value their policy names, refunds as their originals were paid.

        `claims`: all that were read, where originals of earlier months may be.
        """
        here, refunds = cases.filter(~is_refund(cases)), cases.filter(is_refund(cases))
        booked = self._booked(here, refunds, claims)
        if self.rules.month.value == "floating":
            own = booked.filter(pl.col("fixed_part").is_null())
            self.values |= monthly_values(own, self.rules, self._amounts())
            booked = self._booked(here, refunds, claims)
        return booked

    def _booked(self, here: pl.DataFrame, refunds: pl.DataFrame, claims: pl.DataFrame) -> pl.DataFrame:
        """Price the month's cases and reverse what its refunds name."""
        paid = [self._paid(here)] if here.height else []
        return pl.concat([*paid, *([self._reversed(refunds, paid, claims)] if refunds.height else [])])

    def _paid(self, cases: pl.DataFrame) -> pl.DataFrame:
        """Price cases that are no refunds; each (own month, value month) by itself, since values go by month."""
        own = months(cases, self.rules.date_basis.month)
        parts = []
        for (month, value_month), part in cases.with_columns(own.alias("own")).group_by(
            "own", "value_of", maintain_order=True
        ):
            value = month_text(int(str(value_month)))
            values = {(p.id, month_text(int(str(month)))): self._value(p.id, value) for p in self.rules.pools}
            parts.append(self._by_policy(part.drop("own"), replace(self.given, values=values)))
        return _labelled(pl.concat(parts))

    def _value(self, pool: str, month: str) -> Fraction:
        """Return the value of a month (fen per point): a floating one where it was reckoned, else the start value."""
        if (pool, month) not in self.values:
            self.values[pool, month] = start_value(self.rules.pool(pool), month, self.rules.money.value)
        return self.values[pool, month]

    def _by_policy(self, cases: pl.DataFrame, given: Given) -> pl.DataFrame:
        """Price cases under the policy that is valid on their day."""
        if len(self.policies) == 1:
            return price_cases(cases, self.policies[0], given)
        days = day_column(cases, self.rules.date_basis.policy, Text("政策日期", "the date of the policy"))
        chosen = {day: the_one_valid(list(self.policies), day) for day in days.unique()}
        parts = []
        for policy in self.policies:
            own = days.is_in([day for day, valid in chosen.items() if valid is policy])
            if own.any():
                parts.append(_plain(price_cases(cases.filter(own), policy, given)))
        return pl.concat(parts)

    def _amounts(self) -> Values:
        """Return F of the month by pool (fen)."""
        year, number = divmod(self.request.month, 100)
        through = date(year, number, calendar.monthrange(year, number)[1])
        found: Values = {}
        for pool in self.rules.pools:
            fund = pool_budget(self.rules.pools, pool, self.rules.money, through).fund
            found[pool.id, month_text(self.request.month)] = Fraction(
                monthly_amounts(fund, pool.budget.monthly)[f"{number:02d}"]
            )
        return found

    def _reversed(self, refunds: pl.DataFrame, originals: Sequence[pl.DataFrame], claims: pl.DataFrame) -> pl.DataFrame:
        """Reverse originals of this month, of earlier results, or priced now as they were then.

        The refund of an earlier year's case is an adjustment of that year, at what the case was paid.
        """
        found, already = list(originals), list[str]()
        for folder in self.request.earlier:
            before = _earlier(folder)
            already += before.filter(pl.col("sign") < 0)["original_case_id"].drop_nulls().to_list()
            found.append(_named(before, refunds).with_columns(-pl.col("fund_part").alias("fixed_part")))
        known = [case for frame in found for case in frame["case_id"]]
        others = _named(claims.filter(~is_refund(claims) & ~pl.col("case_id").is_in(known)), refunds)
        if others.height:
            own = months(others, self.rules.date_basis.month)
            found.append(self._paid(_dated(others, self.rules, own, own)))
        template = found[0] if originals else found[-1] if found else refunds.select("case_id").clear()
        month = pl.lit(month_text(self.request.month))
        same = pl.concat([_like(frame, template) for frame in found or [template]])
        back = reverse(refunds.with_columns(month.alias("month")), same, REVERSED, already)
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

    def settled(self, priced: pl.DataFrame) -> Month:
        """Settle the month of the priced cases."""
        deductions, rule = None, self.rules.clearing.deductions
        if self.request.deductions is not None and rule is not None:
            deductions = counted(read_table(self.request.deductions, DEDUCTIONS), rule)
            deductions = deductions.filter(pl.col("month_found") == month_text(self.request.month))
        return settle_month(priced, self.rules, self.values, deductions)


def _earlier(folder: Path) -> pl.DataFrame:
    """Return the priced cases of an earlier month."""
    try:
        return pl.read_parquet(folder / "priced.parquet")
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UserError(
            Text(f"{folder}：不是 drgdip price 的结果", f"{folder} is no result of drgdip price")
        ) from error


def _labelled(priced: pl.DataFrame) -> pl.DataFrame:
    """Return priced cases with the month that books them, and labels as text that other months can be added to."""
    value = pl.col("value_of")
    text = pl.format("{}-{}", value // 100, (value % 100).cast(pl.String).str.zfill(2))
    booked = pl.format("{}-{}", pl.col("booked") // 100, (pl.col("booked") % 100).cast(pl.String).str.zfill(2))
    names = (booked.alias("month"), text.alias("value_month"), pl.lit(None, pl.Int64).alias("fixed_part"))
    return _plain(priced).with_columns(names).drop("booked", "value_of")


def _plain(priced: pl.DataFrame) -> pl.DataFrame:
    """Return labels as text: those of different policies and months have different lists of values."""
    return priced.with_columns(pl.col(LABELS).cast(pl.String))


def _counts(cases: pl.DataFrame, column: str) -> dict[str, int]:
    table = cases.group_by(pl.col(column).cast(pl.String)).len().sort(column)
    return dict(table.iter_rows())


def _pools(settled: Month, values: Mapping[tuple[str, str], Fraction]) -> list[dict[str, Any]]:
    """Return what each pool's month came to (fen), and that cases add up to hospitals."""
    amounts = ("cases", "charge", "booked", "payable", "deducted", "paid", "deposit", "withheld")
    table = (
        settled.hospitals.group_by("pool", "month").agg(pl.len().alias("hospitals"), pl.col(amounts).sum()).sort("pool")
    )
    parts = dict(settled.cases.group_by("pool").agg(pl.col("fund_part").sum()).iter_rows())
    return [
        row
        | {
            "value": str(values[row["pool"], row["month"]] / 100),
            "cases_add_up": parts.get(row["pool"], 0) == row["payable"],
        }
        for row in table.to_dicts()
    ]
