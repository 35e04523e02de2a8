"""Groups of claims in columns that every kind of scheme has: status, reason, group, parent, name of the group.

The one place that knows which grouper a scheme needs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl
import pyarrow as pa

from grouper.drg.batch import Grouper
from grouper.drg.compile import compile_scheme
from grouper.scheme.pack import load_scheme

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
    def scheme(self) -> str:
        """Id of the scheme."""
        return self.grouper.compiled.scheme.id

    @property
    def digest(self) -> str:
        """Digest of the scheme's tables."""
        return self.grouper.compiled.scheme.digest

    @cached_property
    def names(self) -> Mapping[str, str]:
        """Names of the groups."""
        return {row.code: row.name for row in self.grouper.compiled.drgs}

    def groups(self, claims: pa.Table) -> pl.DataFrame:
        """Return status, reason, group and parent of claims; nothing but a grouped case has a group."""
        batches = claims.combine_chunks().to_batches()
        if not batches:
            return pl.DataFrame(schema=dict.fromkeys(LABELS, pl.String))
        answers, _ = self.grouper.group(batches[0])
        table = pl.DataFrame(pa.Table.from_batches([self.grouper.arrow(answers)]))
        grouped = pl.col("status").cast(pl.String) == "grouped"
        text = pl.col("status", "reason").cast(pl.String)
        codes = {"group": "drg", "parent": "adrg"}
        return table.select(
            text, *(pl.when(grouped).then(pl.col(own).cast(pl.String)).alias(name) for name, own in codes.items())
        )


def case_grouper(scheme: str) -> CaseGrouper:
    """Return the grouper of a scheme, named by its id or the folder of its pack. UserError where there is none."""
    return CaseGrouper(Grouper(compile_scheme(load_scheme(scheme))))


def columns_of(groupers: Sequence[CaseGrouper]) -> tuple[str, ...]:
    """Return the claim columns that any of the groupers asks for."""
    return tuple(dict.fromkeys(name for grouper in groupers for name in grouper.columns))
