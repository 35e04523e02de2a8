"""Both kinds of scheme behind one door: DRG schemes and DIP directories."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from grouper.codes import Crosswalk
from grouper.dip import answer as dip
from grouper.dip.directory import Directory, load_directory
from grouper.drg import answer as drg
from grouper.drg.reference import Record
from grouper.explanation import Explanation
from grouper.fault import Text, UserError
from grouper.scheme.pack import Scheme, find_pack, load_scheme, pack_kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from grouper.columns import CodeNotes, CodeReader
    from grouper.dip.workbook_import import Import as DirectoryImport
    from grouper.scheme.check import Finding
    from grouper.scheme.difference import Difference
    from grouper.scheme.workbook_import import Import as SchemeImport

AnyScheme = Scheme | Directory
REASONS: dict[str, Text] = {**dip.REASONS, **drg.REASONS}
"""Why a case is not grouped, by reason code, under either kind of scheme."""


class Grouper(Protocol):
    """A compiled scheme ready for batches; may be used from several threads at once.

    Encoded records and answers are its own affair; what others read are Arrow columns.
    """

    diagnoses: "CodeReader"
    procedures: "CodeReader"
    answer_columns: tuple[str, ...]
    """The columns of its answers."""
    key_columns: tuple[str, ...]
    """Those of them that tell groups apart, the group last."""
    name_columns: tuple[str, ...]
    """The columns of `names`."""
    parent_column: str | None
    """The answer of which a group is a part, where the scheme has such."""
    required: tuple[str, ...]
    """Canonical claim columns that claims must have, besides the diagnoses."""
    dictionaries: "Mapping[str, pa.Array]"
    """The values of each answer column."""

    @property
    def scheme(self) -> AnyScheme:
        """The scheme it groups by."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Canonical claim columns the scheme asks for, besides the codes."""

    @property
    def group_names(self) -> "Mapping[str, str]":
        """Names of the groups by code."""

    def group(self, batch: "pa.RecordBatch") -> "tuple[Any, CodeNotes]":
        """Group one batch of canonical columns: `encode`, then `answer`."""

    def encode(self, batch: "pa.RecordBatch") -> "tuple[Any, CodeNotes]":
        """Turn canonical columns into encoded records, noting codes that were read otherwise than written."""

    def answer(self, records: Any) -> Any:  # noqa: ANN401  (its own encoded records and answers)
        """Group encoded records."""

    def missing(self, records: Any) -> dict[str, int]:  # noqa: ANN401
        """Count the numbers whose absence keeps a rule from holding, by name of finding."""

    def arrow(self, answers: Any) -> "pa.RecordBatch":  # noqa: ANN401
        """Return answers as dictionary-encoded columns; null is none."""

    def names(self, answers: Any) -> "dict[str, pa.DictionaryArray]":  # noqa: ANN401
        """Return the names of what the answers hold as dictionary-encoded columns, the group's last."""


def load(scheme: str | Path) -> AnyScheme:
    """Load a shipped pack of either kind by id, or any by its folder. Raises UserError with every fault found."""
    folder = find_pack(scheme)
    return load_directory(folder) if pack_kind(folder) == "dip" else load_scheme(folder)


def make_grouper(
    scheme: AnyScheme, diagnosis_crosswalk: Crosswalk | None = None, procedure_crosswalk: Crosswalk | None = None
) -> Grouper:
    """Compile a scheme. With crosswalks the codes of claims are of another version and are converted first."""
    if isinstance(scheme, Directory):
        from grouper.dip.batch import Grouper as DipGrouper
        from grouper.dip.compile import compile_directory

        return DipGrouper(compile_directory(scheme), diagnosis_crosswalk, procedure_crosswalk)
    from grouper.drg.batch import Grouper as DrgGrouper
    from grouper.drg.compile import compile_scheme

    return DrgGrouper(compile_scheme(scheme), diagnosis_crosswalk, procedure_crosswalk)


def explain(scheme: AnyScheme, record: Record) -> Explanation[drg.CaseGroup] | Explanation[dip.DipGroup]:
    """Explain the group of one record under a scheme."""
    if isinstance(scheme, Directory):
        from grouper.dip.explain import explain_case as explain_dip

        return explain_dip(scheme, record)
    from grouper.drg.explain import explain_case as explain_drg

    return explain_drg(scheme, record)


def figures(scheme: AnyScheme) -> dict[str, tuple[Text, int]]:
    """Return the figures of a scheme by name, each with what it counts."""
    if isinstance(scheme, Directory):
        from grouper.dip.figures import LABELS
        from grouper.dip.figures import figures as count_directory

        return {name: (LABELS[name], count) for name, count in asdict(count_directory(scheme)).items()}
    from grouper.scheme.figures import LABELS as SCHEME_LABELS
    from grouper.scheme.figures import figures as count_scheme

    return {name: (SCHEME_LABELS[name], count) for name, count in asdict(count_scheme(scheme)).items()}


def check(scheme: AnyScheme) -> "list[Finding]":
    """Return the kinds of inconsistency that occur in a scheme."""
    if isinstance(scheme, Directory):
        from grouper.dip.check import check as check_directory

        return check_directory(scheme)
    from grouper.scheme.check import check as check_scheme

    return check_scheme(scheme)


def difference(a: AnyScheme, b: AnyScheme) -> "Difference":
    """Return what changes from scheme `a` to scheme `b`. Raises UserError where they are not of one kind."""
    if isinstance(a, Directory) and isinstance(b, Directory):
        from grouper.dip.difference import difference as of_directories

        return of_directories(a, b)
    if isinstance(a, Scheme) and isinstance(b, Scheme):
        from grouper.scheme.difference import difference as of_schemes

        return of_schemes(a, b)
    raise UserError(
        Text(
            f"{a.id} 与 {b.id} 一为 DRG 方案、一为 DIP 目录，不能逐条比较；可用 drgdip group --compare 对照病例",
            f"{a.id} and {b.id}: a DRG scheme and a DIP directory have no rows in common to compare; "
            "drgdip group --compare shows where cases go",
        )
    )


def import_workbook(
    workbook: Path, folder: Path, like: str | None = None, column_map: Path | None = None
) -> "SchemeImport | DirectoryImport":
    """Read a workbook into a new pack: with a column map, of DIP 3.0, or of a DRG scheme, as its sheets show.

    Raises UserError with every fault; the pack is written whole or not at all.
    """
    from grouper.dip.mapped_import import import_mapped
    from grouper.dip.workbook_import import NATIONAL, import_directory, is_directory_workbook
    from grouper.scheme import workbook_import as of_scheme

    if column_map is not None:
        return import_mapped(workbook, folder, column_map)
    if is_directory_workbook(workbook):
        return import_directory(workbook, folder, like or NATIONAL)
    return of_scheme.import_workbook(workbook, folder, like or of_scheme.NATIONAL)
