"""What the ledger knows beside the present version of the month that is settled: cases, parts, originals, values."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import polars as pl

from engine.month_pricing import Originals, Values
from engine.settlement.ledger import Ledger
from engine.settlement.ledger_cases import priced_cases


@dataclass(frozen=True)
class Known:
    """The present versions of the other months. `month` is the one that is settled ("2026-10")."""

    ledger: Ledger
    month: str

    @cached_property
    def present(self) -> Mapping[str, int]:
        """Return the batch of each settled month's present version."""
        return dict(self.ledger.rows("SELECT month, batch FROM month_batches ORDER BY month").iter_rows())

    @property
    def own(self) -> int | None:
        """Return the batch of the month's own present version, None where it was never settled."""
        return self.present.get(self.month)

    @cached_property
    def others(self) -> str:
        """Return the batches of the other months' present versions, as a list in SQL."""
        return ", ".join(str(batch) for month, batch in self.present.items() if month != self.month) or "NULL"

    def seen(self, ids: pl.Series) -> pl.DataFrame:
        """Return case_id and total_charge of those cases that other months hold, as cases or parts of stays."""
        if self.others == "NULL":
            return pl.DataFrame(schema={"case_id": pl.String, "total_charge": pl.Int64})
        return self._joined(
            ids.to_frame("case_id"),
            f"""
            SELECT case_id, total_charge FROM asked JOIN ledger_case USING (case_id) WHERE batch IN ({self.others})
            UNION ALL
            SELECT case_id, total_charge FROM asked JOIN ledger_part USING (case_id) WHERE batch IN ({self.others})
            """,  # noqa: S608
        )

    def originals(self, refunds: pl.DataFrame) -> Originals:
        """Return the cases of other months that refunds name, and which of them were taken back already."""
        asked = refunds.select(pl.col("original_case_id").alias("case_id"))
        paid = self._joined(
            asked,
            f"SELECT l.* FROM ledger_case AS l SEMI JOIN asked USING (case_id) WHERE batch IN ({self.others})",  # noqa: S608
        )
        before = self._joined(
            asked,
            f"""
            SELECT original_case_id FROM ledger_case SEMI JOIN asked ON original_case_id = asked.case_id
            WHERE sign < 0 AND batch IN ({self.others})
            """,  # noqa: S608
        )
        found = [priced_cases(paid)] if paid.height else []
        return Originals(paid=found, reversed_before=before["original_case_id"].to_list())

    def parts(self, stays: pl.Series) -> list[str]:
        """Return the records (JSON) of held parts of stays that no case has taken in yet."""
        rows = self._joined(
            stays.to_frame("stay_id"),
            f"""
            SELECT record FROM ledger_part AS p SEMI JOIN asked USING (stay_id)
            WHERE batch IN ({self.others}) AND NOT EXISTS (
                FROM ledger_case AS c WHERE c.stay_id = p.stay_id AND c.sign > 0 AND c.batch IN ({self.others})
            )
            ORDER BY month, case_id
            """,  # noqa: S608
        )
        return rows["record"].to_list()

    def values(self) -> Values:
        """Return the point values (fen per point) that other months used in their own month."""
        rows = self.ledger.rows(
            f"SELECT pool, v.month, exact FROM ledger_value AS v JOIN ledger_batch AS b USING (batch) "  # noqa: S608
            f"WHERE v.month = b.month AND batch IN ({self.others})"
        )
        return {(pool, month): 100 * Fraction(exact) for pool, month, exact in rows.iter_rows()}

    def cleared_years(self) -> list[int]:
        """Return the years that a final clearing has closed."""
        rows = self.ledger.rows(
            "SELECT DISTINCT year FROM effective_batches WHERE kind = 'clearing' AND stage = 'final' ORDER BY year"
        )
        return rows["year"].to_list()

    def _joined(self, asked: pl.DataFrame, query: str) -> pl.DataFrame:
        """Return what a query finds that joins the table `asked`; several threads may ask at once."""
        with self.ledger.connection.cursor() as cursor:
            cursor.register("asked", asked.to_arrow())
            return pl.DataFrame(cursor.sql(query).to_arrow_table())


def read_parts(records: list[str], like: pl.DataFrame) -> pl.DataFrame:
    """Return held parts in the columns of a frame of claims."""
    if not records:
        return like.clear()
    cells = pl.Series("record", records, dtype=pl.String)
    known = set[str]().union(*(json.loads(record) for record in records))
    struct = pl.Struct({name: dtype for name, dtype in like.schema.items() if name in known})
    found = cells.str.json_decode(struct).struct.unnest()
    return found.select(
        (pl.col(name) if name in found.columns else pl.lit(None).alias(name)).cast(dtype)
        for name, dtype in like.schema.items()
    )
