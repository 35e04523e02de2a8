"""A year's clearing on a ledger as its statements print it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

import polars as pl

from engine.outputs.statements.words import STAGES
from engine.settlement.ledger import Ledger
from grouper.fault import Text, UserError

_MONTHS = """
SELECT hospital_id, pool, booked_month, sum(cases)::BIGINT AS cases, sum(payable)::BIGINT AS payable,
    sum(deducted)::BIGINT AS deducted, sum(deposit)::BIGINT AS deposit, sum(withheld)::BIGINT AS withheld,
    sum(paid)::BIGINT AS paid
FROM ledger_booking
WHERE coalesce(year, left(of_month, 4)::INTEGER) = $year AND batch < $batch AND of_month <= $through
GROUP BY ALL ORDER BY ALL
"""
_POOLS = """
SELECT pool, name_zh, name_en FROM ledger_pool WHERE batch = (SELECT max(batch) FROM ledger_pool) ORDER BY rowid
"""
_CHOSEN = """
SELECT b.* FROM ledger_batch AS b JOIN clearing_batches USING (batch)
WHERE b.year = $year ORDER BY b.stage = 'final' DESC, b.batch DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class ClearingFacts:
    """What all statements of a clearing share."""

    year: int
    stage: str
    through: str
    batch: int
    version: int
    policy: str
    seal: str
    made: datetime
    pools: Mapping[str, Text]
    values: Mapping[str, Decimal]

    @property
    def title(self) -> Text:
        """Return year and stage as they are said."""
        words = STAGES.get(self.stage, Text(self.stage, self.stage))
        return Text(f"{self.year}年度{words.zh}", f"{words.en} of {self.year}")

    @property
    def line(self) -> Text:
        """Return what ties a printed page to the ledger."""
        return Text(
            f"政策 {self.policy}  批次 {self.batch}  封印 {self.seal[:16]}",
            f"policy {self.policy}  batch {self.batch}  seal {self.seal[:16]}",
        )

    @property
    def version_line(self) -> Text:
        """Return batch, version and day."""
        day = self.made.date().isoformat()
        return Text(
            f"批次 {self.batch}，第 {self.version} 版，{day}", f"batch {self.batch}, version {self.version}, {day}"
        )


@dataclass(frozen=True, slots=True)
class ClearingFigures:
    """A clearing's rows: of hospitals, of their statements, of their months, of pools' identities and budgets."""

    hospitals: pl.DataFrame
    lines: pl.DataFrame
    months: pl.DataFrame
    identities: pl.DataFrame
    budgets: pl.DataFrame

    def of(self, hospital: str) -> "ClearingFigures":
        """Return one hospital's part."""
        own = pl.col("hospital_id") == hospital
        parts = {name: getattr(self, name).filter(own) for name in ("hospitals", "lines", "months")}
        return replace(self, **parts, identities=pl.DataFrame(), budgets=pl.DataFrame())


def clearing_facts(ledger: Ledger, year: int) -> ClearingFacts:
    """Return what a year's statements share: of its final clearing, else of the last trial or quarterly one.

    Raises UserError where the year has none.
    """
    found = ledger.rows(_CHOSEN, {"year": year})
    if found.is_empty():
        raise UserError(
            Text(
                f"账本没有 {year} 年的清算；请先运行 drgdip clear --year {year} --ledger {ledger.path}",
                f"the ledger has no clearing of {year}: run drgdip clear --year {year} --ledger {ledger.path}",
            )
        )
    row = found.row(0, named=True)
    names = ledger.rows(_POOLS)
    values = ledger.rows("SELECT pool, value FROM ledger_value WHERE batch = $batch", {"batch": row["batch"]})
    return ClearingFacts(
        year=year,
        stage=row["stage"],
        through=row["note"] if row["stage"] == "quarterly" else f"{year}-12",
        batch=row["batch"],
        version=row["version"] or 1,
        policy=row["policy"] or "",
        seal=row["seal"],
        made=row["made_at"],
        pools={pool: Text(zh, en) for pool, zh, en in names.iter_rows()},
        values=dict(values.iter_rows()),
    )


def clearing_figures(ledger: Ledger, facts: ClearingFacts) -> ClearingFigures:
    """Return a clearing's rows."""
    batch = {"batch": facts.batch}
    return ClearingFigures(
        hospitals=ledger.rows("FROM ledger_clearing WHERE batch = $batch ORDER BY pool, hospital_id", batch),
        lines=ledger.rows("FROM ledger_clearing_line WHERE batch = $batch ORDER BY hospital_id, pool, line", batch),
        months=ledger.rows(_MONTHS, batch | {"year": facts.year, "through": facts.through}),
        identities=ledger.rows("FROM ledger_identity_line WHERE batch = $batch ORDER BY pool, side DESC, line", batch),
        budgets=ledger.rows("FROM ledger_budget_line WHERE batch = $batch ORDER BY pool, line", batch),
    )
