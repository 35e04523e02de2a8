"""A year's cases and bookings as they stand in the ledger, read piece by piece."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import polars as pl

from engine.settlement.ledger import Ledger
from engine.settlement.ledger_cases import NAMES
from grouper.fault import Text, UserError

PIECE = 200_000
"""Cases that are priced anew at once."""
SUMMED = """
    hospital_id, hospital_level, insurance_type, total_charge, fund_total, patient_paid, full_self_paid,
    category_b_self_paid, deductible, fund_pool_paid, fund_large_paid, fund_serious_paid, fund_civil_paid,
    fund_assist_paid, fund_other_paid, hospital_borne, pool, month, value_month, group_code, funding, sign, points,
    points_fixed, points_per_fen, counted_charge, standard, extra, separate
"""
OWN = "c.budget_year = $year AND coalesce(c.late, 'no') <> 'prior_year' AND c.month <= coalesce($through, '9999')"
PRESENT = f"FROM ledger_case AS c JOIN month_batches AS m ON m.batch = c.batch WHERE {OWN}"
"""The cases that the year's own clearing takes, as they stand. Cases that a clearing of their year has not seen stand
in the year whose month booked them, as adjustments."""


@dataclass(frozen=True, slots=True)
class LedgerCases:
    """The cases of a budget year in months up to `through` ("2026-09"), or all of them."""

    ledger: Ledger
    year: int
    through: str | None

    def pieces(self) -> Iterator[pl.DataFrame]:
        """Yield the cases month by month, with what sums are made of. UserError where there are none."""
        batches = self._rows(f"SELECT DISTINCT c.batch, c.month {PRESENT} ORDER BY c.month")["batch"]
        if batches.is_empty():
            there = self.ledger.rows("SELECT DISTINCT budget_year FROM ledger_case ORDER BY ALL")["budget_year"]
            zh, en = f"账本没有 {self.year} 年的病例", f"the ledger has no cases of {self.year}"
            listed = ", ".join(map(str, there)) or "–"
            raise UserError(Text(f"{zh}；有：{listed}", f"{en}; it has: {listed}"))
        for batch in batches:
            yield self._named(self._rows(f"SELECT {SUMMED} FROM ledger_case AS c WHERE c.batch = {batch} AND {OWN}"))  # noqa: S608

    def stays(self, *, at_once: bool) -> Iterator[pl.DataFrame]:
        """Yield the cases with all that pricing looks at: stays of a person, refunds and originals in one piece."""
        count = self._rows(f"SELECT count(*) AS n {PRESENT}").item()
        parts = 1 if at_once else ceil(count / PIECE)
        self.ledger.connection.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE stays AS
            WITH present AS (SELECT c.* EXCLUDE (batch, status, reason, group_name, split) {PRESENT}),
            refunds AS (SELECT case_id, original_case_id FROM present WHERE sign < 0),
            refunded AS (
              SELECT r.case_id, coalesce(p.person_id, p.case_id) AS person
              FROM present AS p JOIN refunds AS r ON r.original_case_id = p.case_id)
            SELECT p.*, hash(coalesce(r.person, p.person_id, p.case_id)) % {parts} AS part
            FROM present AS p LEFT JOIN refunded AS r ON r.case_id = p.case_id ORDER BY part, p.case_id
            """,  # noqa: S608
            {"year": self.year, "through": self.through},
        )
        for part in range(parts):
            yield self._named(self.ledger.rows(f"SELECT * EXCLUDE (part) FROM stays WHERE part = {part}"))  # noqa: S608
        self.ledger.connection.execute("DROP TABLE stays")

    def decided_late(self) -> bool:
        """Tell whether a special-case decision came after the month of its case was settled.

        Those that were there are in the points of the month already.
        """
        query = f"""
            SELECT count(*) AS n FROM ledger_decision AS d JOIN effective_batches AS e ON e.batch = d.batch
            JOIN (SELECT c.case_id, c.batch {PRESENT}) AS p ON p.case_id = d.case_id WHERE d.batch > p.batch
        """  # noqa: S608
        return bool(self._rows(query).item())

    def prior(self) -> pl.DataFrame:
        """Return adjustments of years cleared before: pool, hospital_id, fund_part (fen)."""
        return self._rows("""
            SELECT c.pool, c.hospital_id, sum(c.fund_part)::BIGINT AS fund_part
            FROM ledger_case AS c JOIN month_batches AS m ON m.batch = c.batch
            LEFT JOIN clearing_batches AS f ON f.stage = 'final' AND f.year = c.budget_year AND f.batch < c.batch
            WHERE c.month[:4] = $year::VARCHAR AND c.month <= coalesce($through, '9999')
              AND (c.late = 'prior_year' OR (c.budget_year < $year AND f.batch IS NOT NULL)) GROUP BY ALL
        """)

    def bookings(self) -> pl.DataFrame:
        """Return what the year's hospital months came to: pool, hospital_id, paid, deposit, deducted (fen)."""
        return self._rows("""
            SELECT pool, hospital_id, sum(paid)::BIGINT AS paid, sum(deposit)::BIGINT AS deposit,
              sum(deducted)::BIGINT AS deducted
            FROM ledger_booking
            WHERE coalesce(year, of_month[:4]::INTEGER) = $year AND booked_month <= coalesce($through, '9999')
            GROUP BY ALL
        """)

    def _rows(self, query: str) -> pl.DataFrame:
        return self.ledger.rows(query, {"year": self.year, "through": self.through})

    def _named(self, cases: pl.DataFrame) -> pl.DataFrame:
        """Return cases in the names of pricing."""
        return cases.rename({own: name for name, own in NAMES.items()}, strict=False)
