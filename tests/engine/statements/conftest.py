"""A small ledger whose figures are checked in the head, and a synthetic city settled and cleared for real."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from engine.outputs.statements.run import StatementsRequest, clearing_statements, month_statements
from engine.settlement.clearing import LedgerClearing, clear_on_ledger
from engine.settlement.ledger import open_ledger, read_ledger
from engine.settlement.month_run import SettlementRequest, settle
from engine.synthetic import Plan, SynthesisRequest, load_city, write_city
from rules.policy.shipped import policy_file
from tests.engine.settlement.small_ledger import enter, fill

HOSTILE = ("=1+1", "+SUM(A1)", "-2", "@cmd", "<r>red</r>")
"""Ids that a spreadsheet, or its writer, could take for more than text."""


@dataclass(frozen=True)
class City:
    """A settled and cleared city: its ledger and the statements of October and of the year."""

    ledger: Path
    month: Path
    year: Path
    people: frozenset[str]

    def one(self, query: str) -> object:
        """The one figure that a query on the ledger finds."""
        return self.rows(query).item()

    def rows(self, query: str) -> pl.DataFrame:
        """What a query on the ledger finds."""
        with read_ledger(self.ledger) as ledger:
            return ledger.rows(query)


@pytest.fixture(scope="session")
def city(tmp_path_factory: pytest.TempPathFactory) -> City:
    folder = tmp_path_factory.mktemp("statements")
    write_city(SynthesisRequest(Plan(load_city(), 1, 8_000, 2026, 2026), folder / "city", 0.0, frozenset()))
    claims = [folder / "city" / "claims" / f"2026-{month}.parquet" for month in ("01", "02", "03")]
    made_hostile(claims[2])
    for number, file in enumerate(claims, start=1):
        settle(SettlementRequest([file], ["synthetic-city"], 202600 + number, folder / "city.duckdb"))
    with open_ledger(folder / "city.duckdb") as ledger:
        clear_on_ledger(ledger, LedgerClearing(2026, policy=policy_file("synthetic-city")))
    names = folder / "city" / "hospitals.parquet"
    for out in ("month", "year"):
        request = StatementsRequest(
            folder / "city.duckdb", folder / out, names=names, bureau="示例市医疗保障局", processes=1
        )
        month_statements(request, "2026-03") if out == "month" else clearing_statements(request, 2026)
    people = pl.concat([pl.read_parquet(file)["person_id"] for file in claims])
    return City(folder / "city.duckdb", folder / "month", folder / "year", frozenset(people))


def made_hostile(file: Path) -> None:
    """Give some claims hostile ids, one hospital such an id, and one claim an id that another has too."""
    claims = pl.read_parquet(file)
    plain = claims.filter(~pl.col("refund").fill_null(value=False), ~pl.col("part_of_stay").fill_null(value=False))
    ids = plain["case_id"].head(len(HOSTILE))
    hospital = plain["hospital_id"][0]
    twice = plain.tail(1).with_columns(case_id=pl.lit("=TWICE()"))
    changed = claims.with_columns(
        pl.col("case_id").replace(ids.to_list(), list(HOSTILE)),
        pl.col("original_case_id").replace(ids.to_list(), list(HOSTILE)),
        pl.col("hospital_id").replace({hospital: "=H/../1"}),
    )
    pl.concat([changed, twice, twice]).write_parquet(file)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("small") / "city.duckdb"
    with open_ledger(path, create=True) as ledger:
        fill(ledger)
        enter(ledger)
    return path
