"""Clearing on the ledger: its cases, bookings, deductions, decisions and cash of a year in, one batch out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from engine.clearing.accounts import ELSEWHERE, RETENTION, read_accounts
from engine.clearing.folders import read_lines, sums_of
from engine.clearing.inputs import Books, Gathered
from engine.clearing.run import Cleared, clear_books, clearing_summary, clearing_tables, last_day, stage_of
from engine.fee_lines import read_fee_lines
from engine.provenance import input_files
from engine.settlement.cash import not_repaid
from engine.settlement.clearing_notes import notes
from engine.settlement.clearing_policy import policy_of_year
from engine.settlement.contents import digest_of
from engine.settlement.intake import present_decisions, present_deductions
from engine.settlement.ledger import Head, Ledger
from engine.settlement.policy_files import policy_files
from engine.settlement.states import cleared_years
from engine.settlement.year_cases import LedgerCases
from grouper.fault import Text, UserError
from rules.money import exact_text
from rules.payment.deductions import counted
from rules.payment.year import Paid
from rules.policy.model import Rules
from rules.policy.shipped import find_policy


@dataclass(frozen=True, slots=True)
class LedgerClearing:
    """What a clearing on the ledger is asked to do. policy: by default the one of the year's last settled month.

    lines: separately settled items; accounts: procurement retention and care of own insured elsewhere; fee_lines: for
    rules that look at items, where cases are paid anew.
    """

    year: int
    trial: bool = False
    through: int | None = None
    policy: Path | None = None
    lines: Path | None = None
    fee_lines: Path | None = None
    by: str | None = None
    accounts: Path | None = None


def clear_on_ledger(ledger: Ledger, request: LedgerClearing) -> dict[str, Any]:
    """Clear a year and write the result as a batch; only a final clearing closes the year. Returns the summary.

    The same clearing again changes nothing. Raises UserError for a year that is closed, has no cases, or whose policy
    is not to be found as it was.
    """
    stage, last = stage_of(request.through, trial=request.trial), last_day(request.year, request.through)
    file = request.policy or policy_of_year(ledger, request.year, last)
    policy = find_policy(file)
    beside = {"policy": [file], "table": policy_files(file, policy)[1:]}
    files = _inputs(
        beside | {"lines": [request.lines], "accounts": [request.accounts], "fee_lines": [request.fee_lines]}
    )
    digest = digest_of(request.year, stage, request.through, [file["sha256"] for file in files], _digests(ledger))
    if (before := _before(ledger, request.year, stage, digest)) is not None:
        return {"year": request.year, "stage": stage, "batch": before, "new": False}
    resolved = policy.on(last)
    gathered = Gathered(_books(ledger, request, last, resolved.rules), policy, resolved, last)
    cleared = clear_books(gathered, stage)
    head = Head(
        "clearing",
        digest,
        year=request.year,
        version=_version(ledger, request.year, stage),
        stage=stage,
        policy=policy.id,
        booked=cleared.cases,
        note=None if request.through is None else f"{last:%Y-%m}",
    )
    with ledger.batch(head, request.by) as batch:
        for table, rows in _rows(cleared, gathered).items():
            batch.write(table, rows)
        batch.write("ledger_input", pl.DataFrame(files))
    summary = clearing_summary(cleared, gathered, stage)
    return summary | {"batch": batch.number, "new": True, "notes": notes(ledger, request.year, last)}


def _inputs(files: Mapping[str, Sequence[Path | None]]) -> list[dict[str, Any]]:
    """Return role, name, size and digest of the files that go in."""
    given = [(role, path) for role, paths in files.items() for path in paths if path is not None]
    return [{"role": role} | file for role, path in given for file in input_files([path])]


def _digests(ledger: Ledger) -> list[str]:
    """Return what tells the state of the ledger that a clearing looks at from any other."""
    kinds = "('month', 'decisions', 'deductions', 'cash')"
    query = f"SELECT content FROM effective_batches WHERE kind IN {kinds} ORDER BY batch"  # noqa: S608
    return ledger.rows(query)["content"].to_list()


def _before(ledger: Ledger, year: int, stage: str, digest: str) -> int | None:
    """Return the batch of the same clearing, if it is the last of its stage. UserError for a year closed by another."""
    closed = cleared_years(ledger).get(year)
    last = ledger.rows(
        "SELECT batch, digest FROM clearing_batches JOIN ledger_batch USING (batch, year, stage) "
        "WHERE year = $year AND stage = $stage",
        {"year": year, "stage": stage},
    )
    if last.height and last["digest"][0] == digest:
        return int(last["batch"][0])
    if stage == "final" and closed is not None:
        zh = f"{year} 年已由批次 {closed} 清算；先运行 drgdip ledger undo {closed}，或用 --trial 试算"
        en = f"{year} is cleared by batch {closed}: undo it first (drgdip ledger undo {closed}), or try with --trial"
        raise UserError(Text(zh, en))
    return None


def _version(ledger: Ledger, year: int, stage: str) -> int:
    """Return the number of this clearing of its year and stage."""
    query = "SELECT count(*) + 1 AS n FROM ledger_batch WHERE kind = 'clearing' AND year = $year AND stage = $stage"
    return int(ledger.rows(query, {"year": year, "stage": stage}).item())


def _books(ledger: Ledger, request: LedgerClearing, last: date, rules: Rules) -> Books:
    """Return what the ledger knows of a year up to a day."""
    cases = LedgerCases(ledger, request.year, f"{last:%Y-%m}" if request.through else None)
    paid = cases.bookings()
    accounts = read_accounts(request.accounts, (RETENTION, ELSEWHERE))
    return Books(
        cases=cases,
        prior=sums_of(cases.prior(), "fund_part"),
        paid={(pool, hospital): Paid(prepaid, deposit) for pool, hospital, prepaid, deposit, _ in paid.iter_rows()},
        deducted=sums_of(paid, "deducted"),
        advanced=sums_of(not_repaid(ledger, request.year), "amount"),
        deductions=_deductions(ledger, request.year, last, rules),
        decisions=present_decisions(ledger) if cases.decided_late() else None,
        fee_lines=read_fee_lines(request.fee_lines),
        lines=read_lines(request.lines),
        vbp=accounts.vbp,
        elsewhere=accounts.elsewhere,
    )


def _deductions(ledger: Ledger, year: int, last: date, rules: Rules) -> pl.DataFrame | None:
    """Return a year's single deductions: of its claims, and of claims of cleared years whose clearing had them not."""
    rule = rules.clearing.deductions
    if rule is None:
        return None
    closed = cleared_years(ledger)
    table = counted(present_deductions(ledger), rule)
    claimed = pl.col("month_of_claim").str.head(4).cast(pl.Int32)
    own = (claimed == year) & (pl.col("month_of_claim") <= f"{last:%Y-%m}")
    late = claimed.is_in([cleared for cleared in closed if cleared < year])
    table = table.filter(own | late)
    for before, batch in sorted(closed.items()):
        if before < year:
            taken = counted(present_deductions(ledger, batch), rule).filter(claimed <= before)
            table = table.join(taken, on=["case_id", "item", "rule"], how="anti")
    return table


def _rows(cleared: Cleared, gathered: Gathered) -> dict[str, pl.DataFrame]:
    """Return the rows of the batch by table."""
    tables = clearing_tables(cleared, gathered)
    year = str(gathered.last_day.year)
    values = [
        {"pool": name, "month": year, "value": f"{float(value / 100):.6f}", "exact": exact_text(value / 100)}
        for name, value in ((name, found.points.value.value) for name, found in cleared.results.items())
    ]
    points = pl.col("points").cast(pl.Decimal(38, 6))
    return {
        "ledger_clearing": tables["clearing"].rename({"hospital": "hospital_id"}).with_columns(points),
        "ledger_clearing_line": tables["statements"].rename({"hospital": "hospital_id"}),
        "ledger_identity_line": tables["identities"],
        "ledger_budget_line": tables["budgets"],
        "ledger_value": pl.DataFrame(values).with_columns(pl.col("value").cast(pl.Decimal(18, 6))),
    }
