"""A DIP directory: a pack of tables with their meaning, loaded from a folder.

Source: 《按病种分值(DIP)付费3.0版分组方案》; directories in the style of 1.0 and 2.0 are written in the same tables.
Format: docs/dip.md.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from functools import cache, cached_property
from pathlib import Path
from typing import Literal, get_args

from pydantic import Field as Key

from grouper.codes import CodeList, fold, load_code_list
from grouper.dip.cells import (
    CATEGORY,
    AndBinds,
    CellError,
    Expression,
    Keys,
    ProcedureMatch,
    read_cell,
    read_choice,
    read_codes,
    read_expression,
    read_keys,
    read_range,
)
from grouper.fault import Text, UserError
from grouper.nearest import near_names
from grouper.scheme.pack import Names, PackHead, Valid, find_pack, read_head
from grouper.scheme.settings import Strict
from grouper.scheme.tables import Change, Layout, Row, Table, Tables, apply_changes, read_tables

Layer = Literal["XQ", "BX", "FZ", "JC", "ZH"]
GroupKind = Literal["core", "primary-care", "comprehensive"]
CaseClass = Literal["surgery", "therapeutic", "diagnostic", "conservative"]
ProcedureClass = Literal["surgery", "intervention", "therapeutic", "diagnostic"]
Exclusion = Literal["conservative", "not_main", "main_within"]
Position = Literal["main", "other", "any"]
Tie = Literal["specificity", "parts", "matched", "exact", "first_procedure", "mean_cost", "score", "sequence"]
LAYERS: tuple[Layer, ...] = get_args(Layer)
GROUP_KINDS: tuple[GroupKind, ...] = get_args(GroupKind)
CASE_CLASSES: tuple[CaseClass, ...] = get_args(CaseClass)
PROCEDURE_CLASSES: tuple[ProcedureClass, ...] = get_args(ProcedureClass)
ANY = "*"

LAYOUT = Layout(
    columns={
        "groups": (
            "code", "name", "layer", "kind", "main_diagnosis", "any_diagnosis", "other_diagnosis", "main_procedure",
            "related_procedure", "procedures", "class", "marker", "age_days", "birth_weight", "score", "mean_cost",
        ),
        "not_grouped_diagnosis": ("code",),
        "excluded_procedure": ("code", "rule", "scope"),
        "markers": ("marker", "position", "code"),
        "primary_care": ("main_diagnosis", "main_procedure"),
        "procedure_class": ("code", "class"),
    },
    optional=("not_grouped_diagnosis", "excluded_procedure", "markers", "primary_care", "procedure_class"),
    keys={"markers": ("marker", "position", "code"), "primary_care": ("main_diagnosis", "main_procedure")},
    needed={"groups": ("code",), "excluded_procedure": ("code", "rule")},
)  # fmt: skip
"""The tables of a directory."""


class Switches(Strict):
    """What the rules leave open, with what is taken unless a directory says otherwise; docs/dip.md says why."""

    related_and: AndBinds = "looser"
    procedure_match: ProcedureMatch = "exact"
    not_grouped_match: Literal["exact", "prefix"] = "exact"
    in_sequence: tuple[str, ...] = ("XQ",)
    ties: tuple[Tie, ...] = ("specificity", "parts", "matched", "sequence")
    parts: Literal["all", "any"] = "all"
    unmatched_procedures: Literal["allowed", "refused"] = "allowed"
    conservative: Literal["no_main", "no_procedure", "no_operation"] = "no_main"
    class_of_case: Literal["main", "highest"] = "main"
    intervention: Literal["surgery", "therapeutic"] = "surgery"
    blank_group: str = ""


class DirectoryHead(PackHead):
    """What the scheme.toml of a directory says."""

    kind_of_pack = "dip"

    kind: Literal["dip"]
    id: str
    name: Names
    version: str
    valid: Valid
    document: str
    compiled: str
    base: str | None = None
    diagnosis_codes: str
    procedure_codes: str
    order: tuple[str, ...]
    switches: Switches = Key(default_factory=Switches)


@dataclass(frozen=True, slots=True)
class GroupRow:
    """One group and when it takes a case: every condition that is not None must hold.

    `entry` is the row's place in `order`, `sequence` its place in the table. A row that is conservative takes only
    cases whose procedures count for nothing. `mean_cost` is in fen.
    """

    code: str
    name: str
    layer: Layer | None
    kind: GroupKind
    entry: int
    sequence: int
    main_diagnosis: Keys | None
    any_diagnosis: Keys | None
    other_diagnosis: Keys | None
    main_procedure: frozenset[str] | None
    related: Expression | None
    procedures: Expression | None
    case_class: CaseClass | None
    is_conservative: bool
    marker: tuple[str, bool] | None
    age_days: tuple[int, int] | None
    birth_weight: tuple[int, int] | None
    score: Decimal | None
    mean_cost: int | None

    def specificity(self, diagnosis: str) -> int | None:
        """Return how closely the row names a main diagnosis, 0 where it takes any, None where it does not admit it."""
        if self.main_diagnosis is None:
            return 0
        return self.main_diagnosis.specificity(diagnosis) or None

    @property
    def parent(self) -> str | None:
        """The category of its main diagnoses, where they are of one."""
        keys = self.main_diagnosis
        categories = {name[:CATEGORY] for name in keys.names} if keys and not keys.ranges else set()
        return categories.pop().upper() if len(categories) == 1 else None


@dataclass(frozen=True, slots=True)
class ExcludedProcedure:
    """What becomes of a procedure: it counts for nothing, is never the main one, or only within a scope."""

    rule: Exclusion
    scope: Keys | None


@dataclass(frozen=True, eq=False)
class Directory:
    """A DIP directory, ready to be evaluated. All codes are folded (grouper.codes.fold)."""

    head: DirectoryHead
    groups: tuple[GroupRow, ...]
    not_grouped: frozenset[str]
    excluded: Mapping[str, ExcludedProcedure]
    markers: Mapping[str, Mapping[Position, Keys]]
    primary_care: tuple[tuple[Keys, frozenset[str] | None], ...]
    """The published list of primary-care groups: main diagnoses, and main procedures (None: conservative)."""
    procedure_classes: Mapping[str, ProcedureClass]
    changes: tuple[Change, ...]
    tables: Tables
    digest: str

    @property
    def id(self) -> str:
        """The directory's id, as written in scheme.toml."""
        return self.head.id

    @property
    def diagnosis_codes(self) -> CodeList:
        """The national list its diagnoses are taken from."""
        return load_code_list(self.head.diagnosis_codes)

    @property
    def procedure_codes(self) -> CodeList:
        """The national list its procedures are taken from."""
        return load_code_list(self.head.procedure_codes)

    def is_not_grouped(self, diagnosis: str) -> bool:
        """Whether a main diagnosis is on the list of those not to be grouped."""
        if self.head.switches.not_grouped_match == "exact":
            return diagnosis in self.not_grouped
        return any(diagnosis[:length] in self.not_grouped for length in range(3, len(diagnosis) + 1))

    def procedure_class(self, procedure: str) -> ProcedureClass | None:
        """Return the class of a procedure: that of the longest beginning in the table, or None."""
        if not self.procedure_classes:
            return None
        beginnings = (procedure[:length] for length in range(len(procedure), 1, -1))
        return next((found for one in beginnings if (found := self.procedure_classes.get(one)) is not None), None)

    def class_of(self, procedure: str) -> CaseClass | None:
        """Return the class that a procedure gives to its case, where an intervention counts as the switch says."""
        found = self.procedure_class(procedure)
        return self.head.switches.intervention if found == "intervention" else found

    @cached_property
    def named_diagnoses(self) -> frozenset[str]:
        """Every whole code and category that the directory names."""
        keys = [
            found
            for row in self.groups
            for found in (row.main_diagnosis, row.any_diagnosis, row.other_diagnosis)
            if found is not None
        ]
        keys += [found for positions in self.markers.values() for found in positions.values()]
        keys += [rule.scope for rule in self.excluded.values() if rule.scope is not None]
        return self.not_grouped.union(*(found.names for found in keys))

    @cached_property
    def named_procedures(self) -> frozenset[str]:
        """Every procedure that the directory names."""
        return frozenset(self.excluded).union(*(codes for row in self.groups for codes in procedure_sets(row)))

    def candidates(self, diagnosis: str) -> list[tuple[GroupRow, int]]:
        """Return the rows that admit a main diagnosis, in evaluation order, each with how closely it names it."""
        rows = [*self._by_category.get(diagnosis[:CATEGORY], ()), *self._by_category.get(ANY, ())]
        found = [(row, specificity) for row in rows if (specificity := row.specificity(diagnosis)) is not None]
        return sorted(found, key=lambda candidate: (candidate[0].entry, candidate[0].sequence))

    @cached_property
    def _by_category(self) -> Mapping[str, list[GroupRow]]:
        """Rows by the categories of their main diagnoses; under ANY those that a category does not tell."""
        rows: dict[str, list[GroupRow]] = {}
        for row in self.groups:
            keys = row.main_diagnosis
            is_wide = keys is None or keys.ranges
            for category in {ANY} if is_wide or keys is None else {name[:CATEGORY] for name in keys.names}:
                rows.setdefault(category, []).append(row)
        return rows


def procedure_sets(row: GroupRow) -> Iterator[frozenset[str]]:
    """Yield every set of procedures that a row names."""
    if row.main_procedure is not None:
        yield row.main_procedure
    for expression in (row.related, row.procedures):
        for conjunction in expression or ():
            yield from (part.codes for part in conjunction)


def load_directory(directory: str | Path) -> Directory:
    """Load a shipped directory by id, or any by its folder. Raises UserError with every fault found."""
    return _load(find_pack(directory))


@cache
def _load(folder: Path) -> Directory:
    faults: list[Text] = []
    head = read_head(folder, DirectoryHead)
    tables = read_tables(
        folder, faults, LAYOUT if head.base is None else replace(LAYOUT, optional=tuple(LAYOUT.columns))
    )
    changes: tuple[Change, ...] = ()
    if head.base is not None:
        base = _load_base(head.base, folder)
        for name, table in base.tables.items():
            if not (folder / f"{name}.csv").is_file():
                tables[name] = dict(table)
        changes = base.changes
    changes = (*changes, *apply_changes(folder, tables, faults, LAYOUT))
    directory = build(head, tables, changes, faults)
    if faults:
        raise UserError(faults)
    return directory


def _load_base(base: str, folder: Path) -> Directory:
    beside = folder.parent / base
    if beside == folder or base == folder.name:
        raise UserError(Text(f"{folder}：base 不能是自身", f"{folder}: base cannot be the pack itself"))
    return _load(beside.resolve()) if (beside / "scheme.toml").is_file() else load_directory(base)


def build(head: DirectoryHead, tables: Tables, changes: tuple[Change, ...], faults: list[Text]) -> Directory:
    """Give merged tables their meaning. Faults are added to the list; the result is good only if there are none."""
    classes = _procedure_classes(tables["procedure_class"], faults)
    directory = Directory(
        head=head,
        groups=(),
        not_grouped=frozenset(map(fold, tables["not_grouped_diagnosis"])),
        excluded=_excluded(tables["excluded_procedure"], faults),
        markers=_markers(tables["markers"], faults),
        primary_care=tuple(_primary_care(tables["primary_care"], faults)),
        procedure_classes=classes,
        changes=changes,
        tables=tables,
        digest=_digest(head, tables),
    )
    return replace(directory, groups=_Groups(directory, faults).read(tables["groups"]))


class _Groups:
    """Reads the rows of groups.csv against the other tables of a directory."""

    def __init__(self, directory: Directory, faults: list[Text]) -> None:
        self._directory = directory
        self._switches = directory.head.switches
        self._order = [frozenset(entry.split()) for entry in directory.head.order]
        self._faults = faults

    def read(self, table: Table) -> tuple[GroupRow, ...]:
        if not table:
            self._faults.append(Text("目录没有病种", "the directory has no group"))
        return tuple(self._group(row, sequence) for sequence, row in enumerate(table.values()))

    def _group(self, row: Row, sequence: int) -> GroupRow:
        faults = self._faults
        layer = read_choice(row, "layer", LAYERS, faults)
        kind = read_choice(row, "kind", GROUP_KINDS, faults) or ("comprehensive" if layer == "ZH" else "core")
        case_class = read_choice(row, "class", CASE_CLASSES, faults)
        is_any = row.values["main_procedure"] == ANY
        main = None if is_any else read_cell(row, "main_procedure", read_codes, faults)
        related, procedures = (
            read_cell(row, name, self._expression, faults) for name in ("related_procedure", "procedures")
        )
        by_class = case_class if kind == "comprehensive" else None
        names_procedures = is_any or main is not None or related is not None or procedures is not None
        group = GroupRow(
            code=row.values["code"],
            name=row.values["name"],
            layer=layer,
            kind=kind,
            entry=0,
            sequence=sequence,
            main_diagnosis=read_cell(row, "main_diagnosis", read_keys, faults),
            any_diagnosis=read_cell(row, "any_diagnosis", read_keys, faults),
            other_diagnosis=read_cell(row, "other_diagnosis", read_keys, faults),
            main_procedure=main,
            related=related,
            procedures=procedures,
            case_class=by_class,
            is_conservative=not names_procedures and by_class is None,
            marker=self._marker(row),
            age_days=read_cell(row, "age_days", read_range, faults),
            birth_weight=read_cell(row, "birth_weight", read_range, faults),
            score=read_cell(row, "score", _number, faults),
            mean_cost=read_cell(row, "mean_cost", _fen, faults),
        )
        if not group.code:
            faults.append(row.fault("code", "病种没有编码", "a group has no code"))
        return replace(group, entry=self._entry(row, group, case_class))

    def _expression(self, cell: str) -> Expression:
        return read_expression(cell, self._switches.related_and)

    def _marker(self, row: Row) -> tuple[str, bool] | None:
        cell = row.values["marker"]
        name = cell.removeprefix("!")
        if cell and name not in self._directory.markers:
            near = near_names(name, self._directory.markers)
            self._faults.append(
                row.fault("marker", f"markers.csv 中没有“{name}”{near.zh}", f"markers.csv has no {name!r}{near.en}")
            )
        return (name, not cell.startswith("!")) if cell else None

    def _entry(self, row: Row, group: GroupRow, written: CaseClass | None) -> int:
        """Return the first entry of `order` whose words are all the group's own."""
        words = {group.layer, group.kind, written or self._class_of(group)}
        for at, entry in enumerate(self._order):
            if entry <= words:
                return at
        own = " ".join(str(word) for word in (group.layer, group.kind, written or self._class_of(group)) if word)
        self._faults.append(
            row.fault(
                "layer", f"scheme.toml 的 order 没有此病种（{own}）", f"order in scheme.toml has no place for {own!r}"
            )
        )
        return 0

    def _class_of(self, group: GroupRow) -> CaseClass | None:
        """Return the highest class of a row's procedures, conservative where it has none."""
        classes = {self._directory.class_of(code) for codes in procedure_sets(group) for code in codes}
        if not classes:
            return "conservative"
        return next((known for known in CASE_CLASSES if known in classes), None)


def _number(cell: str) -> Decimal:
    try:
        number = Decimal(cell)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number < 0:
        raise CellError(Text(f"“{cell}”不是不小于0的数", f"{cell!r} is no number of 0 or more"))
    return number


def _fen(cell: str) -> int:
    fen = _number(cell) * 100
    if fen != fen.to_integral_value():
        raise CellError(Text(f"“{cell}”元应最多两位小数", f"{cell!r} yuan should have at most two decimals"))
    return int(fen)


def _excluded(table: Table, faults: list[Text]) -> dict[str, ExcludedProcedure]:
    excluded = {}
    for code, row in table.items():
        rule = read_choice(row, "rule", get_args(Exclusion), faults)
        scope = read_cell(row, "scope", read_keys, faults)
        if (rule == "main_within") != (scope is not None) and rule is not None:
            faults.append(
                row.fault(
                    "scope", "main_within 需要范围，其他规则没有", "main_within needs a scope, other rules have none"
                )
            )
        if rule is not None:
            excluded[fold(code)] = ExcludedProcedure(rule, scope)
    return excluded


def _markers(table: Table, faults: list[Text]) -> dict[str, dict[Position, Keys]]:
    cells: dict[str, dict[Position, list[str]]] = {}
    for row in table.values():
        position = read_choice(row, "position", get_args(Position), faults)
        if position is not None and read_cell(row, "code", read_keys, faults) is not None:
            cells.setdefault(row.values["marker"], {}).setdefault(position, []).append(row.values["code"])
    return {
        marker: {position: read_keys("|".join(keys)) for position, keys in positions.items()}
        for marker, positions in cells.items()
    }


def _primary_care(table: Table, faults: list[Text]) -> Iterator[tuple[Keys, frozenset[str] | None]]:
    for row in table.values():
        keys = read_cell(row, "main_diagnosis", read_keys, faults)
        codes = read_cell(row, "main_procedure", read_codes, faults)
        if keys is not None:
            yield keys, codes


def _procedure_classes(table: Table, faults: list[Text]) -> dict[str, ProcedureClass]:
    classes = {}
    for code, row in table.items():
        found = read_choice(row, "class", PROCEDURE_CLASSES, faults)
        if found is not None:
            classes[fold(code)] = found
    return classes


def _digest(head: DirectoryHead, tables: Tables) -> str:
    """Digest of what decides a group: the head and the merged tables, in the order of their rows."""
    total = hashlib.sha256(head.model_dump_json(exclude={"base", "compiled"}).encode())
    for name, table in tables.items():
        rows = [{column: cell for column, cell in row.values.items() if cell} for row in table.values()]
        total.update(json.dumps([name, rows], ensure_ascii=False).encode())
    return total.hexdigest()
