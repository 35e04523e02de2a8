"""A scheme pack: the six tables of the official workbook with their meaning, loaded from a folder.

Source: the layout of 《按病组(DRG)付费3.0版分组方案配置信息》. A pack is `scheme.toml` and CSV files, see
docs/schemes.md; an overlay names a base pack and holds only changes.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache, cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import Field as Key

from grouper.codes import CodeList, fold, load_code_list
from grouper.fault import Text, UserError
from grouper.nearest import near_names
from grouper.rule_language import Always, Rule, RuleSyntaxError, parse, set_names
from grouper.scheme.settings import Strict, read_toml, validated
from grouper.scheme.tables import Change, Row, Table, Tables, apply_changes, read_tables

PACKS = Path(__file__).parents[1] / "schemes"
Kind = Literal["drg", "dip"]
Level = Literal["CC", "MCC"]
Required = Literal["sex", "age", "age_days", "birth_weight"]
NEVER_EXCLUDED = "无"
NATIONAL = "chs-drg-"
_LEVELS: dict[str, Level] = {"MCC": "MCC", "CC": "CC"}
_KINDS = {"drg": Text("DRG 分组方案", "a DRG scheme"), "dip": Text("DIP 目录", "a DIP directory")}


class Names(Strict):
    """A name in both languages."""

    zh: str
    en: str


class Valid(Strict):
    """Days of validity, both included."""

    start: date = Key(alias="from")
    end: date | None = Key(default=None, alias="to")


class PackHead(Strict):
    """What the scheme.toml of any pack is: of one kind."""

    kind_of_pack: ClassVar[Kind]


Head = TypeVar("Head", bound=PackHead)


class SchemeHead(PackHead):
    """What scheme.toml says. Of `required`, age_days is asked of infants, birth_weight of newborns (≤ 28 days)."""

    kind_of_pack = "drg"

    id: str
    name: Names
    version: str
    valid: Valid
    document: str
    compiled: str
    base: str | None = None
    newborn_weight: Literal["birth_weight", "admission_weight"]
    required: tuple[Required, ...]
    diagnosis_codes: str
    procedure_codes: str


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One row of MDC, ADRG or DRG. `parent` is the MDC of an ADRG, the ADRG of a DRG, empty for an MDC."""

    code: str
    name: str
    text: str
    rule: Rule
    order: int
    parent: str

    @property
    def is_ambiguous(self) -> bool:
        """Whether it is an xQY (歧义) row: a valid principal procedure that fits no group of the MDC."""
        return self.code[1:] == "QY"

    @property
    def is_nameless_fallback(self) -> bool:
        """Whether it is x00 or x000: the case belongs to the MDC, but the record does not say enough to group it."""
        return self.code[1:] in {"00", "000"}


@dataclass(frozen=True, slots=True)
class Complication:
    """A complication code's level and the exclusion table it is subject to (None: never excluded)."""

    level: Level
    exclusion: str | None


@dataclass(frozen=True, eq=False)
class Scheme:
    """A grouping scheme, ready to be evaluated. All codes are folded (grouper.codes.fold).

    `mdcs`, `adrgs[mdc]` and `drgs[adrg]` stand in evaluation order: fallbacks last, whatever their sort number says.
    """

    head: SchemeHead
    mdcs: tuple[RuleRow, ...]
    adrgs: Mapping[str, tuple[RuleRow, ...]]
    drgs: Mapping[str, tuple[RuleRow, ...]]
    sets: Mapping[str, frozenset[str]]
    complications: Mapping[str, Complication]
    exclusions: Mapping[str, frozenset[str]]
    not_grouped_diagnoses: frozenset[str]
    not_grouped_procedures: frozenset[str]
    changes: tuple[Change, ...]
    tables: Tables
    digest: str

    @property
    def id(self) -> str:
        """The scheme's id, as written in scheme.toml."""
        return self.head.id

    @property
    def diagnosis_codes(self) -> CodeList:
        """The national list its diagnoses are taken from."""
        return load_code_list(self.head.diagnosis_codes)

    @property
    def procedure_codes(self) -> CodeList:
        """The national list its procedures are taken from."""
        return load_code_list(self.head.procedure_codes)

    def rule_rows(self) -> Iterator[RuleRow]:
        """Yield every MDC, ADRG and DRG row, in evaluation order, depth first."""
        for mdc in self.mdcs:
            yield mdc
            for adrg in self.adrgs.get(mdc.code, ()):
                yield adrg
                yield from self.drgs.get(adrg.code, ())

    def is_known_diagnosis(self, folded: str) -> bool:
        """Whether a code is in the code list or in any diagnosis set of the scheme."""
        return folded in self.diagnosis_codes.official or folded in self._set_members[0]

    def is_known_procedure(self, folded: str) -> bool:
        """Whether a code is in the code list or in any procedure set of the scheme."""
        return folded in self.procedure_codes.official or folded in self._set_members[1]

    @cached_property
    def _set_members(self) -> tuple[frozenset[str], frozenset[str]]:
        """All codes of diagnosis sets (DI…) and of procedure sets (OP…)."""
        diagnoses = (codes for name, codes in self.sets.items() if not name.startswith("OP"))
        procedures = (codes for name, codes in self.sets.items() if name.startswith("OP"))
        return frozenset().union(*diagnoses), frozenset().union(*procedures)


def shipped(kind: Kind | None = None) -> list[str]:
    """Return the ids of the packs that come with the program: all, or those of one kind."""
    folders = sorted(folder for folder in PACKS.iterdir() if (folder / "scheme.toml").is_file())
    return [folder.name for folder in folders if kind is None or pack_kind(folder) == kind]


def find_pack(scheme: str | Path) -> Path:
    """Return the folder of a shipped pack by its id, or the folder that is named."""
    return (PACKS / scheme if isinstance(scheme, str) and scheme in shipped() else Path(scheme)).resolve()


def pack_kind(folder: Path) -> Kind:
    """Return what kind of scheme a folder holds. Raises UserError where its scheme.toml cannot be read."""
    return "dip" if _read_toml(folder).get("kind") == "dip" else "drg"


def in_force(day: date) -> str:
    """Return the id of the national DRG scheme in force on a day: the latest one that has begun."""
    heads = [read_head(PACKS / name, SchemeHead) for name in shipped() if name.startswith(NATIONAL)]
    begun = [head for head in heads if head.valid.start <= day] or heads
    return max(begun, key=lambda head: head.valid.start).id


def load_scheme(scheme: str | Path) -> Scheme:
    """Load a shipped pack by id, or any pack by its folder. Raises UserError with every fault found."""
    return _load(find_pack(scheme))


@cache
def _load(folder: Path) -> Scheme:
    faults: list[Text] = []
    head = read_head(folder, SchemeHead)
    if head.base is None:
        tables = read_tables(folder, faults)
        changes: tuple[Change, ...] = ()
    else:
        base = _load_base(head.base, folder)
        tables, changes = {name: dict(table) for name, table in base.tables.items()}, base.changes
    changes = (*changes, *apply_changes(folder, tables, faults))
    scheme = build(head, tables, changes, faults)
    if faults:
        raise UserError(faults)
    return scheme


def read_head(folder: Path, model: type[Head]) -> Head:
    """Read the scheme.toml of a folder. Raises UserError where it is missing, no TOML, or says what it must not."""
    path, content = folder / "scheme.toml", _read_toml(folder)
    if pack_kind(folder) != model.kind_of_pack:
        wanted = _KINDS[model.kind_of_pack]
        raise UserError(Text(f"{path}：此处需要{wanted.zh}", f"{path}: {wanted.en} is needed here"))
    return validated(path, model, content)


def _read_toml(folder: Path) -> dict[str, Any]:
    path = folder / "scheme.toml"
    if not path.is_file():
        known = ", ".join(shipped())
        near = near_names(folder.name, shipped())
        raise UserError(
            Text(
                f"没有分组方案“{folder.name}”{near.zh}；现有：{known}，或给出含 scheme.toml 的文件夹",
                f"no scheme {folder.name!r}{near.en}; there are {known}, or name a folder with a scheme.toml",
            )
        )
    return read_toml(path)


def _load_base(base: str, folder: Path) -> Scheme:
    beside = folder.parent / base
    if beside == folder or base == folder.name:
        raise UserError(Text(f"{folder}：base 不能是自身", f"{folder}: base cannot be the pack itself"))
    return _load(beside.resolve()) if (beside / "scheme.toml").is_file() else load_scheme(base)


def build(head: SchemeHead, tables: Tables, changes: tuple[Change, ...], faults: list[Text]) -> Scheme:
    """Give merged tables their meaning. Faults are added to the list; the scheme is good only if there are none."""
    sets = _code_sets(tables["sets"])
    exclusions = _code_sets(tables["exclusions"])
    mdcs = _rule_rows(tables["mdc"], "", {"": ""}, sets, faults)
    adrgs = _rule_rows(tables["adrg"], "mdc", tables["mdc"], sets, faults)
    drgs = _rule_rows(tables["drg"], "adrg", tables["adrg"], sets, faults)
    return Scheme(
        head=head,
        mdcs=mdcs.get("", ()),
        adrgs=adrgs,
        drgs=drgs,
        sets=sets,
        complications=_complications(tables["complications"], exclusions, faults),
        exclusions=exclusions,
        not_grouped_diagnoses=frozenset(map(fold, tables["not_grouped_diagnosis"])),
        not_grouped_procedures=frozenset(map(fold, tables["not_grouped_procedure"])),
        changes=changes,
        tables=tables,
        digest=_digest(head, tables),
    )


def _code_sets(table: Table) -> dict[str, frozenset[str]]:
    return {name: frozenset(map(fold, row.values["codes"].split())) for name, row in table.items()}


def _rule_rows(
    table: Table, parent: str, parents: Mapping[str, object], sets: Mapping[str, object], faults: list[Text]
) -> dict[str, tuple[RuleRow, ...]]:
    scopes: dict[str, list[RuleRow]] = {}
    for code, row in table.items():
        scope = row.values[parent] if parent else ""
        if scope not in parents:
            faults.append(row.fault(parent, f"没有“{scope}”", f"there is no {scope!r}"))
        rule = _read_rule(row, sets, faults)
        order = row.values["order"]
        if not order.isdecimal():
            faults.append(row.fault("order", f"“{order}”不是序号", f"{order!r} is not a number"))
            order = "0"
        scopes.setdefault(scope, []).append(
            RuleRow(code, row.values["name"], row.values["rule"], rule, int(order), scope)
        )
    return {scope: tuple(sorted(rows, key=_evaluation_order)) for scope, rows in scopes.items()}


def _evaluation_order(row: RuleRow) -> tuple[bool, bool, int]:
    is_fallback = bool(row.parent) and isinstance(row.rule, Always)
    return is_fallback, row.is_nameless_fallback, row.order


def _read_rule(row: Row, sets: Mapping[str, object], faults: list[Text]) -> Rule:
    try:
        rule = parse(row.values["rule"])
    except RuleSyntaxError as error:
        faults.extend(row.fault("rule", fault.zh, fault.en) for fault in error.faults)
        return Always()
    for name, start in set_names(rule):
        if name not in sets:
            near = near_names(name, sets)
            where = start + 1
            faults.append(
                row.fault(
                    "rule",
                    f"第{where}个字符：没有集合“{name}”{near.zh}",
                    f"character {where}: no set {name!r}{near.en}",
                )
            )
    return rule


def _complications(table: Table, exclusions: Mapping[str, object], faults: list[Text]) -> dict[str, Complication]:
    complications = {}
    for code, row in table.items():
        level, exclusion = row.values["level"], row.values["exclusion"]
        if exclusion not in exclusions and exclusion != NEVER_EXCLUDED:
            near = near_names(exclusion, exclusions)
            faults.append(
                row.fault(
                    "exclusion", f"没有排除表“{exclusion}”{near.zh}", f"no exclusion table {exclusion!r}{near.en}"
                )
            )
        if level in _LEVELS:
            complications[fold(code)] = Complication(_LEVELS[level], None if exclusion == NEVER_EXCLUDED else exclusion)
        else:
            faults.append(row.fault("level", f"“{level}”应为 MCC 或 CC", f"{level!r} should be MCC or CC"))
    return complications


def _digest(head: SchemeHead, tables: Tables) -> str:
    """Digest of what decides a group: the merged tables, whatever order their sets are written in, and the head."""
    total = hashlib.sha256(head.model_dump_json(exclude={"base", "compiled"}).encode())
    for name, table in tables.items():
        total.update(f"\n{name}\n".encode())
        for key in sorted(table):
            values = table[key].values
            cells = [" ".join(sorted(values[c].split())) if c == "codes" else values[c] for c in values]
            total.update("\t".join(cells).encode() + b"\n")
    return total.hexdigest()
