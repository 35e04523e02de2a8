"""One month of a ledger as its statements print it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

import polars as pl
import polars.selectors as cs

from grouper.fault import Text

BOOKED = ("cases", "charge", "booked", "payable", "deducted", "paid", "deposit", "withheld")
"""Figures of a booking that add up."""
_OWN = ("sums", "bookings", "corrections", "rejects", "deductions", "states")
"""What a month's figures say of single hospitals."""


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """A pool: its name, the month's value (yuan per point), how standards become fund money; documents by line."""

    name: Text
    value: Decimal | None = None
    ratio: Fraction | None = None
    prepayment_ratio: Decimal | None = None
    documents: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MonthFacts:
    """What all statements of a month share."""

    month: str
    batch: int
    version: int
    policy: str
    scheme: str
    seal: str
    made: datetime
    pools: Mapping[str, PoolFacts]
    kinds: Mapping[str, Text]

    @property
    def line(self) -> Text:
        """Return what ties a printed page to the ledger."""
        return Text(
            f"政策 {self.policy}  批次 {self.batch}  第 {self.version} 版  封印 {self.seal[:16]}",
            f"policy {self.policy}  batch {self.batch}  version {self.version}  seal {self.seal[:16]}",
        )

    @property
    def title(self) -> Text:
        """Return the month as it is said: 2026年10月."""
        return Text(f"{self.month[:4]}年{int(self.month[5:])}月", self.month)

    @property
    def version_line(self) -> Text:
        """Return batch, version and day."""
        day = self.made.date().isoformat()
        return Text(
            f"批次 {self.batch}，第 {self.version} 版，{day} 入账",
            f"batch {self.batch}, version {self.version}, booked {day}",
        )


@dataclass(frozen=True, slots=True)
class MonthFigures:
    """A month's figures of all hospitals, a frame each.

    sums: cases by hospital, pool, class, funding and value month. bookings: what batches booked in the month, and of
    it elsewhere. corrections, rejects, deductions: one row a record. states: of hospitals. findings, batches and
    balance (pools to date) are the bureau's alone.
    """

    sums: pl.DataFrame
    bookings: pl.DataFrame
    corrections: pl.DataFrame
    rejects: pl.DataFrame
    deductions: pl.DataFrame
    states: pl.DataFrame
    findings: pl.DataFrame
    batches: pl.DataFrame
    balance: pl.DataFrame

    def hospitals(self) -> list[str]:
        """Return every hospital that the month says something of."""
        frames = (self.sums, self.bookings, self.rejects, self.deductions)
        found = pl.concat([frame["hospital_id"].drop_nulls() for frame in frames])
        return found.unique().sort().to_list()

    def by_hospital(self) -> "dict[str, MonthFigures]":
        """Return each hospital's part, without what is the bureau's alone."""
        parts = {name: getattr(self, name).partition_by("hospital_id", as_dict=True) for name in _OWN}
        bureau = {name: pl.DataFrame() for name in ("findings", "batches", "balance")}
        return {
            hospital: replace(
                self, **bureau, **{name: parts[name].get((hospital,), getattr(self, name).clear()) for name in _OWN}
            )
            for hospital in self.hospitals()
        }

    def by_hospital_and_pool(self, month: str) -> pl.DataFrame:
        """Return one row per hospital and pool: what the month books, its cases' fund part and the corrections."""
        keys = ["hospital_id", "pool"]
        here = self.bookings.filter(pl.col("booked_month") == month)
        booked = here.group_by(keys).agg(pl.col("points", *BOOKED).sum())
        cases = self.sums.group_by(keys).agg(pl.col("fund_part").sum().alias("fund_cases"))
        joined = booked.join(cases, on=keys, how="full", coalesce=True).with_columns(cs.numeric().fill_null(0))
        return joined.with_columns((pl.col("payable") - pl.col("fund_cases")).alias("moved")).sort(keys)
