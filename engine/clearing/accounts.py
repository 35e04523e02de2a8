"""The accounts a clearing is given: money that hospitals had, procurement retention, care of own insured elsewhere."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import polars as pl

from engine.tables import Column, cell_faults, read_checked
from grouper.fault import Text, UserError
from rules.fault import near
from rules.payment.year import Hospital

ACCOUNTS = (Column("pool"), Column("hospital", optional=True), Column("kind"), Column("amount", "yuan"))
ADVANCED = ("advance", "working_capital")
RETENTION, ELSEWHERE = "vbp_retention", "care_elsewhere"
KINDS = (*ADVANCED, RETENTION, ELSEWHERE)


class Accounts(NamedTuple):
    """Amounts in fen. advanced: not repaid; vbp: procurement retention; elsewhere: own insured treated elsewhere."""

    advanced: Mapping[Hospital, int]
    vbp: Mapping[Hospital, int]
    elsewhere: Mapping[str, int]


def read_accounts(path: Path | None, kinds: tuple[str, ...] = KINDS) -> Accounts:
    """Read accounts: pool, hospital (empty for care_elsewhere), kind, amount in yuan. Nothing where there is no table.

    `kinds`: those that may stand there; on a ledger advances are entries of its cash account. UserError with every
    fault by file, row and column.
    """
    if path is None:
        return Accounts({}, {}, {})
    table, faults = read_checked(path, ACCOUNTS)
    kind, hospital = table["kind"], table["hospital"]
    for name in sorted(set(kind.drop_nulls()) - set(kinds)):
        hint = near(name, kinds)
        faults += cell_faults(path, kind, kind == name, Text(f"不是账户种类{hint.zh}", f"is no kind here{hint.en}"))
    whole = (kind == ELSEWHERE).fill_null(value=False)
    zh, en = f"{ELSEWHERE} 属整个基金池", f"must be empty: {ELSEWHERE} is the pool's"
    faults += cell_faults(path, hospital, whole & hospital.is_not_null(), Text(zh, en))
    faults += cell_faults(path, hospital, ~whole & hospital.is_null(), Text("不能为空", "must not be empty"))
    if faults:
        raise UserError(faults)
    return Accounts(
        _by_hospital(table, ADVANCED),
        _by_hospital(table, (RETENTION,)),
        dict(table.filter(whole).group_by("pool").agg(pl.col("amount").sum()).iter_rows()),
    )


def _by_hospital(table: pl.DataFrame, kinds: tuple[str, ...]) -> dict[Hospital, int]:
    """Return the amounts of some kinds by pool and hospital."""
    sums = table.filter(pl.col("kind").is_in(kinds)).group_by("pool", "hospital").agg(pl.col("amount").sum())
    return {(pool, hospital): amount for pool, hospital, amount in sums.iter_rows()}
