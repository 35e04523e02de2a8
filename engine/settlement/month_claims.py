"""The claims of a month out of files that may hold more: read, checked, sorted, grouped, chunk by chunk."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import polars as pl
import pyarrow as pa

from engine.case_groups import CaseGrouper
from engine.cases import COLUMNS
from engine.claims import Chunk, Claims, Findings, in_order
from engine.claims.canonical import BY_NAME
from engine.claims.cells import series, single
from engine.claims.values import read_values
from engine.settlement.known import Known
from rules.fault import Text
from rules.payment.place import day_column, month_text, months
from rules.policy.cases import DateBasis

CODES = ("diagnoses", "procedures")
KEPT = ("case_id", *COLUMNS)
THREADS = 2


@dataclass
class MonthClaims:
    """The claims that a month books, and what became of the others.

    frame: canonical columns, status, reason, group and parent, `own` (year × 100 + month of the claim) and `late`
    (it belongs to an earlier month). counts: rows in, rejected, known, elsewhere, changed; late: rows by their month.
    """

    frame: pl.DataFrame
    rejects: pl.DataFrame
    findings: Findings
    counts: Counter[str]


@dataclass(frozen=True)
class _Piece:
    rows: pl.DataFrame
    rejects: pl.DataFrame
    findings: Findings
    counts: Counter[str]


@dataclass(frozen=True)
class MonthReader:
    """Reads a month's claims.

    `scheme_of` names the scheme of a day, `groupers` has those of all schemes that may occur; `extra` are columns that
    the policy's rules look at beyond those every case has.
    """

    claims: Claims
    month: int
    basis: DateBasis
    scheme_of: Callable[[date], str]
    groupers: Mapping[str, CaseGrouper]
    known: Known
    extra: Sequence[str] = ()
    _settled: list[int] = field(default_factory=list)

    def read(self, progress: Callable[[int], None] | None = None) -> MonthClaims:
        """Read all inputs; rows of other months are dropped at once."""
        findings, counts = self.claims.findings, Counter[str]()
        frames, rejects = [], []
        for piece in in_order(self._piece, self.claims.chunks(), THREADS):
            frames.append(piece.rows)
            rejects.append(piece.rejects)
            findings.merge(piece.findings)
            counts.update(piece.counts)
            if progress is not None:
                progress(piece.counts["rows_in"])
        return MonthClaims(pl.concat(frames), pl.concat(rejects), findings, counts)

    def _piece(self, chunk: Chunk) -> _Piece:
        batch = self.claims.read_chunk(chunk)
        plain = pl.DataFrame(batch.table.select([n for n in batch.table.column_names if n not in CODES]))
        counts = Counter(rows_in=batch.rows_in, rejected=batch.rows_rejected)
        sorted_out = self._sorted_out(plain, counts)
        keep = sorted_out["keep"]
        table = batch.table if keep.all() else batch.table.filter(keep.to_arrow())
        rows = plain.with_columns(sorted_out.drop("keep").get_columns()).filter(keep)
        diagnoses = [
            pl.DataFrame(table.select(["diagnoses"]))["diagnoses"].cast(pl.List(pl.String)).alias("diagnoses")
            for name in self.extra
            if name == "diagnoses"
        ]
        rows = rows.select(*(n for n in (*KEPT, *self.extra) if n in rows.columns), "own", "late").with_columns(
            *diagnoses, *self._groups(table, rows).get_columns()
        )
        return _Piece(rows, self._rejects(chunk, pl.DataFrame(batch.rejects)), batch.findings, counts)

    def _sorted_out(self, rows: pl.DataFrame, counts: Counter[str]) -> pl.DataFrame:
        """Tell which rows the month books (`keep`), with their own month and whether they are late; count the rest."""
        own = months(rows, self.basis.month)
        seen = self.known.seen(rows["case_id"])
        charge = rows.select("case_id", "total_charge").join(
            seen.rename({"total_charge": "known"}), on="case_id", how="left", maintain_order="left"
        )
        known = rows["case_id"].is_in(seen["case_id"].implode())
        arrived = rows["received"].dt.year().cast(pl.Int32) * 100 + rows["received"].dt.month().cast(pl.Int32)
        settled = [int(m.replace("-", "")) for m in self.known.present]
        late = (own < self.month) & (own.is_in(settled) | (arrived == self.month).fill_null(value=False)) & ~known
        keep = ((own == self.month) & ~known) | late
        counts["known"] = int(known.sum())
        counts["changed"] = int((charge["known"] != charge["total_charge"]).fill_null(value=False).sum())
        counts["elsewhere"] = rows.height - counts["known"] - int(keep.sum())
        for month, count in own.filter(late).value_counts().iter_rows():
            counts[f"late {month_text(month)}"] = count
        return pl.DataFrame({"own": own, "late": late, "keep": keep})

    def _groups(self, table: pa.Table, rows: pl.DataFrame) -> pl.DataFrame:
        """Group rows, each under the scheme of its own day."""
        days = day_column(rows, self.basis.scheme, Text("分组方案", "the scheme"))
        scheme = {day: self.scheme_of(day) for day in days.unique()}
        found, order = [], []
        for name in dict.fromkeys(scheme.values()):
            own = days.is_in([day for day, of in scheme.items() if of == name])
            part = table if own.all() else table.filter(own.to_arrow())
            found.append(self.groupers[name].groups(part))
            order.append(own.arg_true())
        if len(found) == 1:
            return found[0]
        return pl.concat(found)[pl.concat(order).arg_sort()] if found else self._no_groups()

    def _no_groups(self) -> pl.DataFrame:
        return pl.DataFrame(schema=dict.fromkeys(("status", "reason", "group", "parent"), pl.String))

    def _rejects(self, chunk: Chunk, rejects: pl.DataFrame) -> pl.DataFrame:
        """Add the hospital of rejected rows, where their cell can be read."""
        layout, source = self.claims.layouts[chunk.source], self.claims.sources[chunk.source]
        column = layout.columns.get("hospital_id")
        if not rejects.height or column is None:
            return rejects.with_columns(pl.lit(None, pl.String).alias("hospital_id"))
        cells = source.read(chunk, [column])
        read = series(
            read_values(BY_NAME["hospital_id"], single(cells.table[column]), self.claims.task.column_map).array
        )
        numbers = (
            pl.int_range(chunk.first_row, chunk.first_row + len(read), eager=True)
            if cells.rows is None
            else pl.Series(cells.rows)
        )
        hospitals = pl.DataFrame({"row": numbers.cast(pl.Int64), "hospital_id": read})
        return rejects.join(hospitals, on="row", how="left", maintain_order="left")
