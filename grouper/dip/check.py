"""Inconsistencies of a directory, with counts and examples.

What makes a pack unreadable (a cell that cannot be read, a code that repeats) is a fault of loading, not a finding.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from itertools import combinations

from grouper.dip.cells import SUBCATEGORY, Keys, procedure_names
from grouper.dip.directory import ANY, Directory, GroupRow, procedure_sets
from grouper.dip.ties import settled_by_table
from grouper.fault import Text
from grouper.scheme.check import MOST_EXAMPLES, Finding

KINDS = {
    "duplicate": Text(
        "条件完全相同的病种：病例进入排在前面的", "groups with the same conditions: a case goes to the first"
    ),
    "unreachable": Text(
        "任何病例都不能进入的病种：诊断不入组、手术操作不计，或已被箭头后的病种全部覆盖",
        "groups no case can reach: diagnoses not grouped, procedures that count for nothing, or the groups after the "
        "arrow take all of it",
    ),
    "shadowed": Text(
        "部分诊断与手术操作组合已被排在前面的层的病种（箭头后）接收",
        "groups some of whose combinations of diagnosis and procedure the groups after the arrow, of an earlier layer, "
        "take",
    ),
    "tied": Text(
        "同一层中可同时符合、表内无法分先后的病种对，由 ties 的后续规则决定",
        "pairs of groups of one layer that a case may fit both and the table alone cannot tell apart: what `ties` "
        "names next decides",
    ),
    "dead_procedure": Text(
        "病种所列、但按排除表永不计入的手术操作",
        "procedures named by a group that by the table of exclusions never count there",
    ),
    "unknown_diagnosis": Text(
        "编码表中没有的诊断编码，或没有任何编码的类目",
        "diagnosis codes that the code list does not have, or categories without a code",
    ),
    "unknown_procedure": Text("编码表中没有的手术操作编码", "procedure codes that the code list does not have"),
    "unused_marker": Text("没有病种使用的标记", "markers that no group names"),
}
"""What can be found, in the order it is reported."""

Atom = tuple[str, str]
"""A key of main diagnoses and a procedure (or CONSERVATIVE, or ANY) by which a row takes cases."""
CONSERVATIVE = ""


def check(directory: Directory) -> list[Finding]:
    """Return the kinds of inconsistency that occur in a directory, in the order of KINDS."""
    rows = _Rows(directory)
    occurrences: dict[str, Iterable[str]] = {
        "duplicate": rows.duplicate(),
        "unreachable": rows.unreachable,
        "shadowed": rows.shadowed(),
        "tied": rows.tied(),
        "dead_procedure": rows.dead_procedure(),
        "unknown_diagnosis": rows.unknown_diagnosis(),
        "unknown_procedure": sorted(directory.named_procedures - rows.known_procedures),
        "unused_marker": sorted(directory.markers.keys() - {row.marker[0] for row in directory.groups if row.marker}),
    }
    found = {name: list(listed) for name, listed in occurrences.items()}
    return [
        Finding(name, text, len(found[name]), tuple(found[name][:MOST_EXAMPLES]))
        for name, text in KINDS.items()
        if found[name]
    ]


class _Rows:
    """What the rows of a directory take, as atoms. Methods yield one example for each occurrence."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._codes = sorted(directory.diagnosis_codes.official)
        self.known_procedures = directory.procedure_codes.official.keys() | self._subcategories()
        groupable = [code for code in self._codes if not directory.is_not_grouped(code)]
        self._groupable = {code[:length] for code in groupable for length in (3, SUBCATEGORY)} | set(groupable)
        self._atoms = {row.code: frozenset(self._atoms_of(row)) for row in directory.groups}
        self._rows = sorted(directory.groups, key=lambda row: (row.entry, row.sequence))

    def _subcategories(self) -> set[str]:
        """Return the subcategories that procedures may be named by, where the directory names them so."""
        if self._directory.head.switches.procedure_match != "subcategory":
            return set()
        return {
            name for code in self._directory.procedure_codes.official for name in procedure_names(code, "subcategory")
        }

    def _atoms_of(self, row: GroupRow) -> Iterator[Atom]:
        procedures = [*self._anchors(row)]
        for key in self._keys(row.main_diagnosis):
            if key in self._groupable or key == ANY:
                yield from ((key, code) for code in procedures if self._counts(code, key))

    def _keys(self, keys: Keys | None) -> Iterator[str]:
        if keys is None:
            yield ANY
            return
        yield from sorted(keys.names)
        if keys.ranges:
            yield from sorted({code[:3] for code in self._codes if code[:3] not in keys.names and code[:3] in keys})

    def _anchors(self, row: GroupRow) -> Iterable[str]:
        if row.main_procedure is not None:
            return row.main_procedure
        if row.procedures is not None:
            return {code for conjunction in row.procedures for code in conjunction[0].codes}
        return [CONSERVATIVE if row.is_conservative else ANY]

    def _counts(self, procedure: str, key: str) -> bool:
        """Whether a procedure may bring a case with a main diagnosis of the key into a row."""
        excluded = self._directory.excluded.get(procedure)
        if excluded is None or excluded.rule == "not_main":
            return excluded is None
        return excluded.scope is not None and (key == ANY or key in excluded.scope)

    def duplicate(self) -> Iterator[str]:
        first: dict[tuple[tuple[str, str], ...], str] = {}
        for row in self._rows:
            cells = self._directory.tables["groups"][row.code].values
            own = tuple(item for item in cells.items() if item[0] not in {"code", "name", "score", "mean_cost"})
            if own in first:
                yield f"{row.code} = {first[own]}"
            first.setdefault(own, row.code)

    @cached_property
    def _takers(self) -> dict[str, dict[Atom, str]]:
        """For each row the atoms that a row of an earlier entry, which asks for nothing else, takes before it."""
        plain: dict[Atom, tuple[int, str]] = {}
        taken: dict[str, dict[Atom, str]] = {}
        for row in self._rows:
            taken[row.code] = {}
            for key, code in self._atoms[row.code]:
                for wider in dict.fromkeys((ANY, key[:3], key[:SUBCATEGORY], key)):
                    entry, taker = plain.get((wider, code), (row.entry, ""))
                    if entry < row.entry:
                        taken[row.code][key, code] = taker
                        break
            if _is_plain(row):
                for atom in self._atoms[row.code]:
                    plain.setdefault(atom, (row.entry, row.code))
        return taken

    @cached_property
    def unreachable(self) -> list[str]:
        found = []
        for row in self._rows:
            if self._atoms[row.code].issubset(self._takers[row.code]):
                takers = ", ".join(sorted(set(self._takers[row.code].values())))
                found.append(f"{row.code} ← {takers}" if takers else row.code)
        return found

    def shadowed(self) -> Iterator[str]:
        for row in self._rows:
            taken, atoms = self._takers[row.code], self._atoms[row.code]
            if taken and len(taken) < len(atoms):
                yield f"{row.code} ({len(taken)}/{len(atoms)}) ← {', '.join(sorted(set(taken.values())))}"

    def tied(self) -> Iterator[str]:
        ranks = settled_by_table(self._directory)
        alike: dict[tuple[int, str, str], list[GroupRow]] = {}
        for row in self._rows:
            for key, code in sorted(self._atoms[row.code]):
                specificity = row.specificity(key) if key != ANY else 0
                alike.setdefault((ranks[row.sequence, specificity or 0], key, code), []).append(row)
        seen: set[tuple[str, str]] = set()
        for (_, key, code), rows in alike.items():
            for one, other in combinations(rows, 2):
                if (one.code, other.code) not in seen and not _contradict(one, other):
                    seen.add((one.code, other.code))
                    yield f"{one.code} {other.code} ({key.upper()} {code})".replace(" )", ")")

    def dead_procedure(self) -> Iterator[str]:
        for row in self._rows:
            keys = list(self._keys(row.main_diagnosis))
            for code in sorted({code for codes in procedure_sets(row) for code in codes}):
                rule = self._directory.excluded.get(code)
                as_related = row.main_procedure is None or code not in row.main_procedure
                if rule is None or (rule.rule == "not_main" and as_related):
                    continue
                if not any(self._counts(code, key) for key in keys):
                    yield f"{row.code} {code}"

    def unknown_diagnosis(self) -> Iterator[str]:
        stems = {code[:length] for code in self._codes for length in (3, SUBCATEGORY)} | set(self._codes)
        yield from sorted(self._directory.named_diagnoses - stems)


def _is_plain(row: GroupRow) -> bool:
    """Whether a row asks for nothing but its main diagnosis and one procedure, or none."""
    others = (row.related, row.any_diagnosis, row.other_diagnosis, row.marker, row.age_days, row.birth_weight)
    is_one_part = row.procedures is None or all(len(parts) == 1 and parts[0].needed == 1 for parts in row.procedures)
    return is_one_part and row.case_class is None and all(asked is None for asked in others)


def _contradict(one: GroupRow, other: GroupRow) -> bool:
    """Whether no case can fit both rows: opposite markers, other classes, or ranges that do not meet."""
    if one.marker and other.marker and one.marker[0] == other.marker[0] and one.marker[1] != other.marker[1]:
        return True
    if one.case_class != other.case_class and one.case_class and other.case_class:
        return True
    ranges: Mapping[str, tuple[tuple[int, int] | None, tuple[int, int] | None]] = {
        "age_days": (one.age_days, other.age_days),
        "birth_weight": (one.birth_weight, other.birth_weight),
    }
    return any(a and b and (a[1] < b[0] or b[1] < a[0]) for a, b in ranges.values())
