"""Groups of claims in columns that every kind of scheme has: status, reason, group, parent; names of groups."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from engine.claims import Findings
from engine.grouping_totals import note_findings
from grouper.kinds import Grouper, load, make_grouper

LABELS = ("status", "reason", "group", "parent")


@dataclass(frozen=True)
class CaseGrouper:
    """A scheme ready for batches; may be used from several threads at once."""

    grouper: Grouper

    @property
    def columns(self) -> tuple[str, ...]:
        """Canonical claim columns the scheme asks for, the codes among them."""
        return ("diagnoses", "procedures", *self.grouper.columns)

    @property
    def digest(self) -> str:
        """Digest of the scheme's tables."""
        return self.grouper.scheme.digest

    @property
    def names(self) -> Mapping[str, str]:
        """Names of the groups."""
        return self.grouper.group_names

    def groups(self, claims: pa.Table) -> tuple[pl.DataFrame, Findings]:
        """Return status, reason, group and parent of claims, and what reading their codes found.

        Nothing but a grouped case has a group.
        """
        batches = claims.combine_chunks().to_batches()
        batch = batches[0] if batches else pa.RecordBatch.from_pylist([], claims.schema)
        answers, notes = self.grouper.group(batch)
        table = pl.DataFrame(pa.Table.from_batches([self.grouper.arrow(answers)]))
        grouped, parent = pl.col("status").cast(pl.String) == "grouped", self.grouper.parent_column
        codes = {
            "group": pl.col(self.grouper.key_columns[-1]),
            "parent": pl.lit(None) if parent is None else pl.col(parent),
        }
        groups = table.select(
            pl.col("status", "reason").cast(pl.String),
            *(pl.when(grouped).then(code.cast(pl.String)).alias(name) for name, code in codes.items()),
        )
        return groups, note_findings(notes)


class Groupers(dict[str, CaseGrouper]):
    """Groupers by scheme, its id or the folder of its pack; made when asked for. UserError where there is none."""

    def __missing__(self, scheme: str) -> CaseGrouper:
        """Make the grouper of a scheme."""
        self[scheme] = CaseGrouper(make_grouper(load(scheme)))
        return self[scheme]

    def columns(self) -> tuple[str, ...]:
        """Return the claim columns that any of the groupers made so far asks for."""
        return tuple(dict.fromkeys(name for grouper in self.values() for name in grouper.columns))
