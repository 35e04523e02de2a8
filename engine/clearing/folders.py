"""Clearing from folders: the priced months of a year in, tables of each hospital's clearing out."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from engine.clearing.accounts import read_accounts
from engine.clearing.inputs import Books, Gathered
from engine.clearing.run import clear_books, clearing_summary, clearing_tables, last_day, stage_of
from engine.clearing.tables import in_yuan
from engine.fee_lines import read_fee_lines
from engine.month_pricing import DECISIONS, DEDUCTIONS
from engine.outputs.folder import replaced_folder
from engine.provenance import input_files, program_versions
from engine.tables import Column, read_table
from rules.fault import Text, UserError
from rules.payment.year import Hospital, Paid
from rules.policy.check import load_policy

LINES = (Column("pool"), Column("hospital", optional=True), Column("label"), Column("amount", "yuan"))


@dataclass(frozen=True)
class TableFiles:
    """Tables a clearing is given, beyond those that the policy names.

    accounts: see `read_accounts`. lines: separately settled items (pool, hospital, label, amount), without a hospital
    those of the pool.
    """

    deductions: Path | None = None
    accounts: Path | None = None
    lines: Path | None = None


@dataclass(frozen=True)
class ClearingRequest:
    """What a run is asked to do. through: last month (1 … 12) of a quarterly clearing; None clears the whole year."""

    priced: Sequence[Path]
    policy: Path
    year: int
    out: Path
    trial: bool = False
    through: int | None = None
    tables: TableFiles = field(default_factory=TableFiles)
    decisions: Path | None = None
    fee_lines: Path | None = None


@dataclass(frozen=True)
class FolderCases:
    """A year's cases from the results of `drgdip price`, all at once."""

    frame: pl.DataFrame

    def pieces(self) -> Iterator[pl.DataFrame]:
        """Yield the cases."""
        yield self.frame

    def stays(self, *, at_once: bool) -> Iterator[pl.DataFrame]:  # noqa: ARG002  all cases are in one piece anyway
        """Yield the cases."""
        yield self.frame


def run_clearing(request: ClearingRequest) -> dict[str, Any]:
    """Clear a year; write clearing, statements, identities and budgets as tables, and summary.json.

    Returns the summary. Raises UserError for bad input and CannotWriteError for bad output; the folder is replaced as
    a whole or not at all.
    """
    gathered = _gather(request)
    stage = stage_of(request.through, trial=request.trial)
    cleared = clear_books(gathered, stage)
    with replaced_folder(request.out) as folder:
        for name, table in clearing_tables(cleared, gathered).items():
            in_yuan(table).write_csv(folder / f"{name}.csv", include_bom=True)
        files = input_files([*(path / "priced.parquet" for path in request.priced), request.policy])
        head = {"version": 1, "program": program_versions()}
        summary = head | clearing_summary(cleared, gathered, stage) | {"inputs": files}
        text = json.dumps(summary, ensure_ascii=False, indent=2)
        (folder / "summary.json").write_text(f"{text}\n", encoding="utf-8")
    return summary


def _gather(request: ClearingRequest) -> Gathered:
    """Read policy, months and tables, and keep what belongs to the year."""
    policy, last = load_policy(request.policy), last_day(request.year, request.through)
    months, hospitals = _read_months(request.priced)
    within = (pl.col("month") >= f"{request.year}-01") & (pl.col("month") <= f"{last:%Y-%m}")
    prior = pl.col("late") == "prior_year"
    booked, hospitals = months.filter(within), hospitals.filter(within)
    cases = booked.filter(~prior & (pl.col("budget_year") == request.year))
    if not cases.height:
        raise UserError(Text(f"没有 {request.year} 年的计付病例", f"there are no priced cases of {request.year}"))
    accounts = read_accounts(request.tables.accounts)
    paid = hospitals.group_by("pool", "hospital_id").agg(pl.col("paid", "deposit").sum())
    books = Books(
        cases=FolderCases(cases),
        prior=sums_of(booked.filter(prior), "fund_part"),
        paid={(pool, hospital): Paid(prepaid, deposit) for pool, hospital, prepaid, deposit in paid.iter_rows()},
        deducted=sums_of(hospitals, "deducted"),
        advanced=accounts.advanced,
        deductions=_table(request.tables.deductions, DEDUCTIONS),
        decisions=_table(request.decisions, DECISIONS),
        fee_lines=read_fee_lines(request.fee_lines),
        lines=read_lines(request.tables.lines),
        vbp=accounts.vbp,
        elsewhere=accounts.elsewhere,
    )
    return Gathered(books, policy, policy.on(last), last)


def _read_months(folders: Sequence[Path]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read results of `drgdip price`: cases and hospital-months. UserError for other folders and repeated months."""
    lost = [folder for folder in folders if not (folder / "priced.parquet").is_file()]
    if lost:
        raise UserError([Text(f"{f} 不是 drgdip price 的结果", f"{f} is no result of drgdip price") for f in lost])
    hospitals = [pl.read_parquet(folder / "hospital_months.parquet") for folder in folders]
    seen = pl.concat([table.select("month").unique() for table in hospitals])["month"]
    if twice := sorted(seen.filter(seen.is_duplicated()).unique()):
        listed = ", ".join(twice)
        raise UserError(Text(f"月份重复：{listed}", f"months are given more than once: {listed}"))
    cases = [pl.read_parquet(folder / "priced.parquet") for folder in folders]
    return pl.concat(cases, how="diagonal_relaxed"), pl.concat(hospitals)


def _table(path: Path | None, columns: Sequence[Column]) -> pl.DataFrame | None:
    """Return a table, None where there is none."""
    return None if path is None else read_table(path, columns)


def read_lines(path: Path | None) -> list[dict[str, Any]]:
    """Return separately settled items, none where there is no table."""
    return [] if path is None else read_table(path, LINES).to_dicts()


def sums_of(table: pl.DataFrame, column: str) -> dict[Hospital, int]:
    """Return the amounts of a table by pool and hospital."""
    sums = table.group_by("pool", "hospital_id").agg(pl.col(column).sum())
    return {(pool, hospital): amount for pool, hospital, amount in sums.iter_rows()}
