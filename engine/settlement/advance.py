"""The advance of a year (预付金) and working capital (周转金): proposed from past years, booked on request."""

from collections.abc import Iterator, Mapping
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import polars as pl

from engine.settlement.contents import digest_of
from engine.settlement.ledger import Head, Ledger
from engine.tables import Column, read_table
from rules.fault import Text, UserError
from rules.payment.prepayment import FundState, advance, working_capital
from rules.policy.cases import Money
from rules.policy.pools import Pool
from rules.policy.settlement import Advance
from rules.policy.shipped import find_policy

FUND_STATE = (
    Column("pool"), Column("payable_months", "number"), Column("last_year_deficit", "flag"),
    Column("forecast_deficit", "flag"),
)  # fmt: skip
Years = Mapping[int, tuple[int, int]]
"""Payable and prepaid (fen) of a hospital by year."""


class Proposal(NamedTuple):
    """What a hospital would get (fen), and why it is nothing where it is."""

    pool: str
    hospital: str
    kind: str
    amount: int
    refused: tuple[Text, ...] = ()


def propose(ledger: Ledger, year: int, policy: Path, fund_state: Path | None) -> list[Proposal]:
    """Return what each hospital would get at the start of a year.

    The advance is a share of the mean monthly payable of past years, if every gate of the pool's fund is open;
    `fund_state` says how the funds stand. Working capital is a share of last year's mean monthly payment.
    """
    rules = find_policy(policy).on(date(year, 1, 1)).rules
    own, capital = rules.month.advance, rules.month.working_capital
    if own is None and capital is None:
        zh, en = "政策没有预付金（advance）和周转金（working_capital）", "declares neither advance nor working_capital"
        raise UserError(Text(f"{policy}：{zh}", f"{policy} {en}"))
    states = {} if own is None else _states(fund_state, rules.pools)
    found = []
    for pool in rules.pools:
        for hospital, years in _years(ledger, pool.id, year):
            if own is not None:
                spent = [years[of][0] for of in sorted(years)]
                found.append(_advance(own, pool, hospital, spent, states[pool.id], rules.money))
            if capital is not None:
                paid = years.get(year - 1, (0, 0))[1]
                amount = working_capital(capital, paid, rules.money)
                found.append(Proposal(pool.id, hospital, "working_capital", amount))
    return found


def book(ledger: Ledger, year: int, proposals: list[Proposal], by: str | None = None) -> int:
    """Write proposals as cash entries of January and return the batch. UserError where the year has some already."""
    rows = [(p.pool, p.hospital, p.kind, p.amount) for p in proposals if p.amount > 0]
    entries = pl.DataFrame(rows, ["pool", "hospital_id", "kind", "amount"], orient="row")
    if entries.is_empty():
        raise UserError(Text("没有可记入的金额", "there is nothing to enter"))
    before = ledger.rows(
        "SELECT max(batch) AS batch FROM ledger_cash WHERE month[:4] = $year AND list_contains($kinds, kind) "
        "AND batch IN (SELECT batch FROM effective_batches)",
        {"year": str(year), "kinds": entries["kind"].unique().to_list()},
    ).item()
    if before is not None:
        zh, en = f"{year} 年的预付金或周转金已在批次 {before} 记入", f"batch {before} has entered this for {year}"
        raise UserError(Text(f"{zh}：先撤销它", f"{en}: undo it first"))
    with ledger.batch(Head("cash", digest_of("advance", year, rows), year=year, accepted=len(rows)), by) as batch:
        batch.write("ledger_cash", entries.with_columns(pl.lit(f"{year}-01").alias("month")))
        return batch.number


def _states(path: Path | None, pools: tuple[Pool, ...]) -> dict[str, FundState]:
    """Return how the funds of all pools stand. UserError without a table, and for pools that it lacks."""
    named = ", ".join(column.name for column in FUND_STATE)
    if path is None:
        zh, en = "预付金须看基金运行情况", "the advance looks at how the funds stand"
        raise UserError(Text(f"{zh}：请用 --fund-state 给出（{named}）", f"{en}: give --fund-state ({named})"))
    found = {
        row["pool"]: FundState(Fraction(row["payable_months"]), row["last_year_deficit"], row["forecast_deficit"])
        for row in read_table(path, FUND_STATE).to_dicts()
    }
    if lost := [pool.id for pool in pools if pool.id not in found]:
        raise UserError([Text(f"{path}：缺少基金池 {name}", f"{path}: pool {name} is missing") for name in lost])
    return found


def _advance(rule: Advance, pool: Pool, hospital: str, spent: list[int], state: FundState, money: Money) -> Proposal:
    """Return the advance of one hospital; every insurance type of the pool must have its gates open."""
    found = [advance(rule, kind, spent, state, money) for kind in pool.insurance_types]
    refused = tuple(dict.fromkeys(reason for decision in found for reason in decision.refused))
    return Proposal(pool.id, hospital, "advance", 0 if refused else found[0].amount, refused)


def _years(ledger: Ledger, pool: str, before: int) -> Iterator[tuple[str, Years]]:
    """Yield a pool's hospitals with their past years; years of the ledger that a hospital is not in are zero."""
    query = """
        SELECT hospital_id, coalesce(year, of_month[:4]::INTEGER) AS of_year, sum(payable)::BIGINT AS payable,
          sum(paid)::BIGINT AS paid
        FROM ledger_booking WHERE pool = $pool AND of_year < $before GROUP BY ALL ORDER BY ALL
    """
    rows = ledger.rows(query, {"pool": pool, "before": before})
    for (hospital,), own in rows.group_by("hospital_id", maintain_order=True):
        known = {year: (payable, paid) for _, year, payable, paid in own.iter_rows()}
        yield str(hospital), {year: known.get(year, (0, 0)) for year in sorted(set(rows["of_year"]))}
