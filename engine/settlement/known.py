"""What the ledger knows beside the present version of the month that is settled: cases, parts, originals, values."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import polars as pl

from engine.month_pricing import Originals, Values
from engine.settlement.contents import digest_of
from engine.settlement.intake import present_decisions, present_deductions
from engine.settlement.ledger import Ledger
from engine.settlement.ledger_cases import priced_cases
from engine.settlement.states import cleared_years


@dataclass(frozen=True)
class Known:
    """The present versions of the other months. `month` is the one that is settled ("2026-10")."""

    ledger: Ledger
    month: str

    @cached_property
    def present(self) -> Mapping[str, int]:
        """The batch of each settled month's present version."""
        return dict(self.ledger.rows("SELECT month, batch FROM month_batches ORDER BY month").iter_rows())

    @property
    def own(self) -> int | None:
        """The batch of the month's own present version, None where there is none."""
        return self.present.get(self.month)

    @cached_property
    def others(self) -> str:
        """The batches of the other months' present versions, as a list in SQL."""
        return ", ".join(str(batch) for month, batch in self.present.items() if month != self.month) or "NULL"

    @cached_property
    def cleared(self) -> Mapping[int, int]:
        """The years that a final clearing has closed, and its batch."""
        return cleared_years(self.ledger)

    def seen(self, ids: pl.Series) -> pl.DataFrame:
        """Return case_id and charge of those cases that other months hold, as cases or parts of stays.

        A refund's charge is what it takes back; the charge of a stay that took parts in is not that of its last
        settlement, and stays empty.
        """
        if self.others == "NULL":
            return pl.DataFrame(schema={"case_id": pl.String, "charge": pl.Int64})
        query = f"""
            SELECT case_id, CASE WHEN stay_id IN (SELECT stay_id FROM ledger_part) THEN NULL ELSE abs(total_charge) END
                AS charge
            FROM asked JOIN ledger_case USING (case_id) WHERE batch IN ({self.others})
            UNION ALL
            SELECT case_id, abs(total_charge) FROM asked JOIN ledger_part USING (case_id)
            WHERE batch IN ({self.others})
        """  # noqa: S608
        return self._joined(ids.to_frame("case_id"), query).unique("case_id")

    def originals(self, refunds: pl.DataFrame) -> Originals:
        """Return the cases of other months that refunds name, and which of them were taken back already."""
        asked = refunds.select(pl.col("original_case_id").alias("case_id"))
        query = f"""
            SELECT * EXCLUDE (batch, group_name, split) FROM ledger_case SEMI JOIN asked USING (case_id)
            WHERE batch IN ({self.others})
        """  # noqa: S608
        paid = self._joined(asked, query)
        query = f"""
            SELECT original_case_id FROM ledger_case SEMI JOIN asked ON original_case_id = asked.case_id
            WHERE sign < 0 AND batch IN ({self.others})
        """  # noqa: S608
        before = self._joined(asked, query)["original_case_id"].to_list()
        return Originals(paid=[priced_cases(paid)] if paid.height else [], reversed_before=before)

    @cached_property
    def held(self) -> pl.DataFrame:
        """Parts of stays that other months hold and no case has taken in yet: case_id, stay_id, record (JSON)."""
        query = f"""
            WITH held AS (FROM ledger_part WHERE batch IN ({self.others})),
            taken AS (
                SELECT DISTINCT stay_id FROM ledger_case
                WHERE sign > 0 AND batch IN ({self.others}) AND stay_id IN (SELECT stay_id FROM held)
            )
            SELECT case_id, stay_id, record FROM held ANTI JOIN taken USING (stay_id) ORDER BY month, case_id
        """  # noqa: S608
        return self.ledger.rows(query)

    def neighbours(self, stays: pl.DataFrame, days: int) -> pl.DataFrame:
        """Return stays of the same persons in other months that lie within so many days."""
        asked = stays.select("person_id", "admitted", "discharged")
        query = f"""
            SELECT case_id, person_id, admitted, discharged, case_id IN (
                SELECT original_case_id FROM ledger_case WHERE sign < 0 AND batch IN ({self.others})
            ) AS cancelled
            FROM ledger_case AS l WHERE sign > 0 AND batch IN ({self.others}) AND EXISTS (
                FROM asked AS a WHERE a.person_id = l.person_id
                AND l.discharged >= a.admitted - to_days($days) AND l.admitted <= a.discharged + to_days($days)
            )
            ORDER BY case_id
        """  # noqa: S608
        return self._joined(asked, query.replace("$days", str(days + 1)))

    def values(self) -> Values:
        """Return the point values (fen per point) that other months used in their own month."""
        query = f"""
            SELECT pool, v.month, exact FROM ledger_value AS v JOIN ledger_batch AS b USING (batch)
            WHERE v.month = b.month AND batch IN ({self.others})
        """  # noqa: S608
        return {(pool, month): 100 * Fraction(exact) for pool, month, exact in self.ledger.rows(query).iter_rows()}

    def decisions(self, cases: pl.Series) -> pl.DataFrame:
        """Return the special-case decisions on some cases."""
        return present_decisions(self.ledger).filter(pl.col("case_id").is_in(cases.implode()))

    def deductions(self) -> pl.DataFrame:
        """Return the audit deductions found in the month."""
        return present_deductions(self.ledger).filter(pl.col("month_found") == self.month)

    def digest(self) -> str:
        """Return what tells the state of the ledger that the month depends on from any other.

        Earlier months hold originals, parts and neighbours; decisions and deductions act on the month.
        """
        earlier = [batch for month, batch in self.present.items() if month < self.month]
        listed = ", ".join(map(str, earlier)) or "NULL"
        contents = self.ledger.rows(f"SELECT content FROM ledger_batch WHERE batch IN ({listed}) ORDER BY month")  # noqa: S608
        decided = self._joined(
            present_decisions(self.ledger),
            f"FROM asked WHERE case_id IN (SELECT case_id FROM ledger_case WHERE batch = {self.own or 0})",  # noqa: S608
        )
        found = (decided.sort("case_id"), self.deductions())
        return digest_of(contents["content"].to_list(), sorted(self.cleared), *(frame.rows() for frame in found))

    def hashed_with(self) -> Sequence[str | None]:
        """Return the fingerprints of the keys that hashed the ids of other batches, None for plain ids."""
        rows = self.ledger.rows("SELECT options FROM effective_batches WHERE kind = 'month' AND options IS NOT NULL")
        return sorted({json.loads(options).get("hashed_ids") for options in rows["options"]}, key=str)

    def _joined(self, asked: pl.DataFrame, query: str) -> pl.DataFrame:
        """Return what a query finds that joins the table `asked`; several threads may ask at once."""
        with self.ledger.connection.cursor() as cursor:
            cursor.register("asked", asked.to_arrow())
            return pl.DataFrame(cursor.sql(query).to_arrow_table())
