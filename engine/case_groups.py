"""Groups of claims in columns that every kind of scheme has: status, reason, group, parent; names of groups."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from engine.case_sub_types import COLUMNS as SUB_TYPED
from engine.case_sub_types import sub_types
from engine.claims import Findings
from engine.grouping_totals import note_findings
from grouper.dip.subtypes import SubTypes
from grouper.kinds import Grouper, load, make_grouper

LABELS = ("status", "reason", "group", "parent")


@dataclass(frozen=True)
class CaseGrouper:
    """A scheme ready for batches; may be used from several threads at once. `sub_types`: the rules of sub-types."""

    grouper: Grouper
    sub_types: SubTypes | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Canonical claim columns the scheme asks for, the codes among them."""
        return ("diagnoses", "procedures", *self.grouper.columns, *(SUB_TYPED if self.sub_types else ()))

    @property
    def digest(self) -> str:
        """Digest of the scheme's tables."""
        return self.grouper.scheme.digest

    @property
    def names(self) -> Mapping[str, str]:
        """Names of the groups."""
        return self.grouper.group_names

    def groups(self, claims: pa.Table) -> tuple[pl.DataFrame, Findings]:
        """Return status, reason, group, parent and subtypes of claims, and what reading their codes found.

        Nothing but a grouped case has a group; `subtypes` are lists, null without rules.
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
            pl.lit(None, pl.List(pl.String)).alias("subtypes"),
        )
        if self.sub_types is not None:
            groups = groups.with_columns(sub_types(claims, self.sub_types))
        return groups, note_findings(notes)


class Groupers(dict[str, CaseGrouper]):
    """Groupers by scheme, its id or the folder of its pack; made when asked for. UserError where there is none.

    `sub_types_of` returns the rules of sub-types that go with a scheme.
    """

    def __init__(self, sub_types_of: Callable[[str], SubTypes | None]) -> None:
        super().__init__()
        self._sub_types_of = sub_types_of

    def __missing__(self, scheme: str) -> CaseGrouper:
        """Make the grouper of a scheme."""
        self[scheme] = CaseGrouper(make_grouper(load(scheme)), self._sub_types_of(scheme))
        return self[scheme]

    def columns(self) -> tuple[str, ...]:
        """Return the claim columns that any of the groupers made so far asks for."""
        return tuple(dict.fromkeys(name for grouper in self.values() for name in grouper.columns))
