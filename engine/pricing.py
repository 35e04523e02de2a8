"""The pricing run: grouped claims of a month in, priced cases and hospital-months out."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import polars as pl

from engine.case_sub_types import sub_type_rules
from engine.cases import ClaimsInput, read_cases
from engine.month_pricing import DEDUCTIONS, MonthPricing, Originals, dated, given_tables, named, rules_of
from engine.outputs.folder import replaced_folder
from engine.provenance import input_files, program_versions
from engine.special_reviews import reviews_of, reviews_summary
from engine.tables import read_table
from rules.fault import Text, UserError
from rules.money import exact_text
from rules.payment.month import Month
from rules.payment.place import day_column, month_text, months
from rules.payment.special_case import candidates
from rules.payment.stays import book, is_refund, merge_parts
from rules.policy.check import load_policy
from rules.policy.model import Rules
from rules.policy.resolve import the_one_valid


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
    rules = rules_of(policies, request.month)
    first_day = date(request.month // 100, request.month % 100, 1)
    sub_types = sub_type_rules(the_one_valid(policies, first_day), first_day)
    cases = read_cases(request.claims, request.grouped, rules=sub_types)
    merged = merge_parts(cases.frame)
    work = MonthPricing(
        request.month,
        policies,
        given_tables(request.fee_lines, request.decisions),
        lambda refunds: _originals(refunds, request.earlier, merged.claims),
    )
    deductions = None if request.deductions is None else read_table(request.deductions, DEDUCTIONS)
    settled = work.settled(work.priced(_of_month(merged.claims, rules, request)), deductions)
    with replaced_folder(request.out) as folder:
        settled.cases.write_parquet(folder / "priced.parquet")
        settled.hospitals.write_parquet(folder / "hospital_months.parquet")
        merged.held.write_parquet(folder / "held.parquet")
        if rules.special_case is not None:
            ranked = candidates(settled.cases, rules.special_case, rules.reviewed)
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
        } | reviews_summary(reviews_of(settled.cases, work.given.decisions))
        text = json.dumps(summary, ensure_ascii=False, indent=2)
        (folder / "summary.json").write_text(f"{text}\n", encoding="utf-8")
    return summary


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
    known = dated(chosen, rules, pl.repeat(request.month, chosen.height, eager=True), booked.value_month)
    return known.with_columns(booked.late.cast(pl.String))


def _originals(refunds: pl.DataFrame, earlier: Sequence[Path], claims: pl.DataFrame) -> Originals:
    """Return what refunds take back: cases of earlier results, otherwise claims of other months."""
    before = [_earlier(folder) for folder in earlier]
    reversed_before = [
        case for frame in before for case in frame.filter(pl.col("sign") < 0)["original_case_id"].drop_nulls()
    ]
    return Originals(before, named(claims.filter(~is_refund(claims)), refunds), reversed_before)


def _earlier(folder: Path) -> pl.DataFrame:
    """Return the priced cases of an earlier month."""
    try:
        return pl.read_parquet(folder / "priced.parquet")
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UserError(
            Text(f"{folder}：不是 drgdip price 的结果", f"{folder} is no result of drgdip price")
        ) from error


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
            "value": exact_text(values[row["pool"], row["month"]] / 100),
            "cases_add_up": parts.get(row["pool"], 0) == row["payable"],
        }
        for row in table.to_dicts()
    ]
