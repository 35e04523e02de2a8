"""The claims of a month out of files that may hold more: read, checked, sorted out, grouped, chunk by chunk."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

import numpy as np
import polars as pl
import pyarrow as pa

from engine.case_groups import LABELS, Groupers
from engine.cases import COLUMNS
from engine.claims import Chunk, ClaimBatch, Claims, Findings, in_order
from engine.claims.canonical import BY_NAME
from engine.claims.cells import series, single
from engine.claims.reasons import BY_CODE
from engine.claims.rejects import SCHEMA
from engine.claims.values import read_values
from engine.settlement.known import Known
from engine.settlement.prune import pruned_months
from rules.fault import Text
from rules.payment.place import DATES, day_column, month_text, months
from rules.policy.cases import DateBasis

CODES = ("diagnoses", "procedures")
KEPT = ("case_id", *COLUMNS)
LISTED = ("hospital_id", "insurance_type", "insured_region", "treated_region", "department", "visit_kind", *LABELS)
"""Columns of few different values, kept as numbers of a list."""
THREADS = 2
_LISTS = {"subtypes": pl.List(pl.String)}
"""Lists that are found beside the group."""
_REJECTS = pl.DataFrame(pa.table({name: pa.array([], SCHEMA.field(name).type) for name in SCHEMA.names}))


@dataclass
class MonthClaims:
    """The claims that a month books, and what became of the others.

    rows: canonical columns, status, reason, group and parent, `own` (year × 100 + month of the claim) and `late`
    (it belongs to an earlier month). counts: rows_in, rejected, known, changed (known with another charge), elsewhere.
    late: rows by the month they belong to. parts: settlements of stays in part, held or merged.
    """

    rows: pl.DataFrame
    rejects: pl.DataFrame
    findings: Findings
    counts: Counter[str]
    late: Counter[str]
    parts: pl.DataFrame = field(default_factory=pl.DataFrame)


@dataclass(frozen=True)
class MonthReader:
    """Reads a month's claims (`month`: year × 100 + month).

    `scheme_of` names the scheme of a day; `groupers` makes one that nobody expected; `extra` are the lists that the
    policy's rules look at beyond what every case has: diagnoses, subtypes.
    """

    claims: Claims
    month: int
    basis: DateBasis
    scheme_of: Callable[[date], str]
    groupers: Groupers
    known: Known
    extra: Sequence[str] = ()

    def read(self, progress: Callable[[int], None] | None = None) -> MonthClaims:
        """Read all inputs; rows of other months are dropped at once."""
        found = MonthClaims(self._no_rows(), _no_rejects(), self.claims.findings, Counter(), Counter())
        rows, rejects = [found.rows], [found.rejects]
        for piece in in_order(self._piece, self.claims.chunks(), THREADS):
            rows.append(piece.rows)
            rejects.append(piece.rejects)
            found.findings.merge(piece.findings)
            found.counts.update(piece.counts)
            found.late.update(piece.late)
            if progress is not None:
                progress(piece.counts["rows_in"])
        found.rows = pl.concat([frame for frame in rows if frame.height] or rows[:1], rechunk=True)
        found.rejects = pl.concat(rejects)
        pa.default_memory_pool().release_unused()  # of the chunks that were read: what follows needs it
        return found

    @cached_property
    def _settled(self) -> list[int]:
        return [int(month.replace("-", "")) for month in self.known.present]

    @cached_property
    def _pruned(self) -> list[int]:
        """Months whose cases are gone: their claims may have been booked, and are left out."""
        return [int(month.replace("-", "")) for month in pruned_months(self.known.ledger)]

    @cached_property
    def _indispensable(self) -> list[str]:
        """Columns without which a case has no place: in a month, under a policy and a scheme, in a pool."""
        basis = self.basis
        dates = [DATES[name] for name in (basis.month, basis.policy, basis.scheme, basis.budget_year)]
        return list(dict.fromkeys((*dates, "hospital_id", "insurance_type", "total_charge")))

    def _piece(self, chunk: Chunk) -> MonthClaims:
        """Read one chunk."""
        batch = self.claims.read_chunk(chunk)
        plain = pl.DataFrame(batch.table.select([n for n in batch.table.column_names if n not in CODES]))
        lacking = plain.select(pl.any_horizontal(pl.col(self._indispensable).is_null())).to_series()
        rejects = [pl.DataFrame(batch.rejects)]
        table = batch.table
        if lacking.any():
            rejects.append(self._lacking(batch, plain, lacking))
            plain, table = plain.filter(~lacking), table.filter((~lacking).to_arrow())
        counts = Counter(rows_in=batch.rows_in, rejected=batch.rows_rejected + int(lacking.sum()))
        kept, late = self._sorted_out(plain, counts)
        table = table if kept["keep"].all() else table.filter(kept["keep"].to_arrow())
        rows = plain.with_columns(kept["own"], kept["late"]).filter(kept["keep"])
        groups, findings = self._groups(table, rows)
        batch.findings.merge(findings)
        rows = self._shaped(rows.with_columns(groups.get_columns()), table)
        return MonthClaims(rows, self._with_hospitals(chunk, pl.concat(rejects)), batch.findings, counts, late)

    def _sorted_out(self, rows: pl.DataFrame, counts: Counter[str]) -> tuple[pl.DataFrame, Counter[str]]:
        """Tell which rows the month books (`keep`), with their own month and whether they are late; count the rest."""
        own = months(rows, self.basis.month)
        seen = self.known.seen(rows["case_id"]).with_columns(known=pl.lit(value=True))
        joined = rows.select("case_id", "total_charge").join(seen, on="case_id", how="left", maintain_order="left")
        known = joined["known"].fill_null(value=False)
        received = rows["received"]
        arrived = (received.dt.year() * 100 + received.dt.month().cast(pl.Int32)) == self.month
        late = (own < self.month) & (own.is_in(self._settled) | arrived.fill_null(value=False)) & ~known
        late &= ~own.is_in(self._pruned)
        keep = ((own == self.month) & ~known) | late
        counts["known"] = int(known.sum())
        counts["changed"] = int((joined["charge"] != joined["total_charge"].abs()).fill_null(value=False).sum())
        counts["elsewhere"] = rows.height - counts["known"] - int(keep.sum())
        by_month = own.filter(late).value_counts()
        return (
            pl.DataFrame({"own": own, "late": late, "keep": keep}),
            Counter({month_text(month): count for month, count in by_month.iter_rows()}),
        )

    def _groups(self, table: pa.Table, rows: pl.DataFrame) -> tuple[pl.DataFrame, Findings]:
        """Group rows, each under the scheme of its own day."""
        days = day_column(rows, self.basis.scheme, Text("分组方案", "the scheme"))
        scheme = {day: self.scheme_of(day) for day in days.unique().sort()}
        found, order, findings = [], [], Findings()
        for name in dict.fromkeys(scheme.values()):
            own = days.is_in([day for day, of in scheme.items() if of == name])
            groups, noted = self.groupers[name].groups(table if own.all() else table.filter(own.to_arrow()))
            found.append(groups.with_columns(pl.lit(name).alias("scheme")))
            order.append(own.arg_true())
            findings.merge(noted)
        if not found:
            return pl.DataFrame(schema={**dict.fromkeys((*LABELS, "scheme"), pl.String()), **_LISTS}), findings
        return found[0] if len(found) == 1 else pl.concat(found)[pl.concat(order).arg_sort()], findings

    def _shaped(self, rows: pl.DataFrame, table: pa.Table) -> pl.DataFrame:
        """Return the columns that are kept, those of few values as numbers of a list."""
        codes = [
            pl.DataFrame(table.select([name]))[name].cast(pl.List(pl.String)) for name in self.extra if name in CODES
        ]
        return rows.select(
            *(name for name in KEPT if name not in LISTED),
            *(pl.col(name).cast(pl.Categorical) for name in (*LISTED, "scheme")),
            "own",
            "late",
            *(name for name in self.extra if name not in CODES),
        ).with_columns(codes)

    def _no_rows(self) -> pl.DataFrame:
        """Return the frame of claims without rows."""
        empty = pa.table({name: pa.array([], BY_NAME[name].type) for name in (*KEPT, *CODES)})
        plain = pl.DataFrame(empty.drop_columns(list(CODES))).with_columns(
            *(pl.lit(None, pl.String).alias(name) for name in (*LABELS, "scheme")),
            *(pl.lit(None, kind).alias(name) for name, kind in _LISTS.items()),
            pl.lit(None, pl.Int32).alias("own"),
            pl.lit(None, pl.Boolean).alias("late"),
        )
        return self._shaped(plain.clear(), empty)

    def _lacking(self, batch: ClaimBatch, rows: pl.DataFrame, lacking: pl.Series) -> pl.DataFrame:
        """Return the rejects of rows that lack what they cannot be placed without, and count them as findings."""
        reason = BY_CODE["missing_value"]
        for name in self._indispensable:
            batch.findings.add(reason.code, name, rows[name].null_count())
        lost = rows.filter(lacking)
        names = pl.concat_str(
            (pl.when(pl.col(name).is_null()).then(pl.lit(name)) for name in self._indispensable),
            separator=", ",
            ignore_nulls=True,
        )
        return lost.select(
            pl.lit(str(batch.source)).alias("file"),
            pl.Series("row", batch.row_number[np.flatnonzero(lacking.to_numpy())], pl.Int64),
            "case_id",
            pl.lit(reason.code).alias("reason"),
            pl.format("{}：{}", pl.lit(reason.text.zh), names).alias("message_zh"),
            pl.format("{}: {}", pl.lit(reason.text.en), names).alias("message_en"),
        )

    def _with_hospitals(self, chunk: Chunk, rejects: pl.DataFrame) -> pl.DataFrame:
        """Add the hospital of rejected rows, where their cell can be read."""
        layout, source = self.claims.layouts[chunk.source], self.claims.sources[chunk.source]
        column = layout.columns.get("hospital_id")
        if not rejects.height or column is None:
            return rejects.with_columns(pl.lit(None, pl.String).alias("hospital_id"))
        cells = source.read(chunk, [column])
        read = read_values(BY_NAME["hospital_id"], single(cells.table[column]), self.claims.task.column_map)
        counted = np.arange(cells.table.num_rows) + chunk.first_row
        rows = pl.Series("row", counted if cells.rows is None else cells.rows, pl.Int64)
        hospitals = pl.DataFrame([rows, series(read.array).alias("hospital_id")])
        return rejects.join(hospitals, on="row", how="left", maintain_order="left")


def _no_rejects() -> pl.DataFrame:
    return _REJECTS.with_columns(pl.lit(None, pl.String).alias("hospital_id"))
