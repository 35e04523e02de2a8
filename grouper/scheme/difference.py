"""What differs between two schemes: rules, groups, sets, complications, exclusion tables, codes not to be grouped.

Compared is what decides a group. Rules differ when they say something else, not when they are written otherwise; a row
is moved when it changed places with another, not when rows before it came or went; an exclusion table is compared with
the one most like it, whatever their numbers.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher
from typing import Any, Literal

from grouper.codes import fold
from grouper.drg.clauses import clauses
from grouper.fault import Text
from grouper.scheme.pack import NEVER_EXCLUDED, RuleRow, Scheme

Change = Literal["added", "removed", "changed"]
CHANGES: dict[Change, Text] = {
    "added": Text("新增", "added"),
    "removed": Text("取消", "removed"),
    "changed": Text("变更", "changed"),
}
_HEAD = ("newborn_weight", "required", "diagnosis_codes", "procedure_codes")
_SHOWN_CODES = 5


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """One field of a row, or of scheme.toml, before and after."""

    field: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.field} {self.before or '∅'} → {self.after or '∅'}"


@dataclass(frozen=True, slots=True)
class RowDifference:
    """An MDC, ADRG, DRG or complication that came, went or changed. `name` is the later name; `fields` what changed."""

    table: str
    code: str
    name: str
    change: Change
    fields: tuple[FieldDifference, ...] = ()

    def line(self, lang: str) -> str:
        """Return the difference in words."""
        fields = "; ".join(map(str, self.fields))
        return " ".join(
            part for part in (self.table, self.code, self.name, CHANGES[self.change].text(lang), fields) if part
        )


@dataclass(frozen=True, slots=True)
class CodesDifference:
    """The codes that a set, an exclusion table or a list of codes not to be grouped gained and lost."""

    table: str
    name: str
    change: Change
    added: tuple[str, ...]
    removed: tuple[str, ...]

    def line(self, lang: str) -> str:
        """Return the difference in words, with the first few codes of each side."""
        sides = " ".join(f"{sign}{_few(codes)}" for sign, codes in (("+", self.added), ("−", self.removed)) if codes)
        return f"{self.table} {self.name} {CHANGES[self.change].text(lang)} {sides}"


@dataclass(frozen=True, slots=True)
class Difference:
    """What changes from scheme `a` to scheme `b`."""

    a: str
    b: str
    head: tuple[FieldDifference, ...]
    rows: tuple[RowDifference, ...]
    codes: tuple[CodesDifference, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the difference as plain dictionaries and lists."""
        return {**asdict(self), "counts": self.counts()}

    def counts(self) -> dict[str, dict[str, int]]:
        """Return how many rows, sets … were added, removed and changed, by table."""
        counts: dict[str, dict[str, int]] = {}
        for item in self._items():
            table = counts.setdefault(item.table, dict.fromkeys(CHANGES, 0))
            table[item.change] += 1
        return counts

    def lines(self, lang: str) -> dict[str, list[str]]:
        """Return the difference in words, by table: a line for each field of scheme.toml, row, set and list."""
        lines = {"scheme.toml": [f"scheme.toml {field}" for field in self.head]}
        for item in self._items():
            lines.setdefault(item.table, []).append(item.line(lang))
        return lines

    def _items(self) -> Iterator[RowDifference | CodesDifference]:
        yield from self.rows
        yield from self.codes


def difference(a: Scheme, b: Scheme) -> Difference:
    """Return what changes from scheme `a` to scheme `b`."""
    spellings = _spellings(a, b)
    old_table = _alike(a.exclusions, b.exclusions)
    renamed = {old: f"{old} → {new}" for new, old in old_table.items() if old != new}
    old_exclusions = {renamed.get(name, name): codes for name, codes in a.exclusions.items()}
    exclusions = {renamed.get(old_table.get(name, ""), name): codes for name, codes in b.exclusions.items()}
    rows = (
        *_rows("mdc", {"": a.mdcs}, {"": b.mdcs}),
        *_rows("adrg", a.adrgs, b.adrgs),
        *_rows("drg", a.drgs, b.drgs),
        *_complications(a, b, old_table, spellings),
    )
    codes = (
        *_codes("sets", a.sets, b.sets, spellings),
        *_codes("exclusions", old_exclusions, exclusions, spellings),
        *_codes("not_grouped", _not_grouped(a), _not_grouped(b), spellings),
    )
    return Difference(a.id, b.id, tuple(_head(a, b)), rows, codes)


def _head(a: Scheme, b: Scheme) -> Iterator[FieldDifference]:
    before, after = a.head.model_dump(mode="json"), b.head.model_dump(mode="json")
    for key in _HEAD:
        if before[key] != after[key]:
            yield FieldDifference(key, str(before[key]), str(after[key]))


def _rows(
    table: str, before: Mapping[str, tuple[RuleRow, ...]], after: Mapping[str, tuple[RuleRow, ...]]
) -> Iterator[RowDifference]:
    old = {row.code: row for scope in before.values() for row in scope}
    new = {row.code: row for scope in after.values() for row in scope}
    moved = {code for scope in after for code in _moved(before.get(scope, ()), after[scope])}
    for code in dict.fromkeys([*old, *new]):
        if code not in new:
            yield RowDifference(table, code, old[code].name, "removed")
        elif code not in old:
            yield RowDifference(table, code, new[code].name, "added")
        else:
            fields = tuple(_fields(old[code], new[code], moved=code in moved))
            if fields:
                yield RowDifference(table, code, new[code].name, "changed", fields)


def _fields(old: RuleRow, new: RuleRow, *, moved: bool) -> Iterator[FieldDifference]:
    if fold(old.name) != fold(new.name):
        yield FieldDifference("name", old.name, new.name)
    if set(clauses(old.rule)) != set(clauses(new.rule)):
        yield FieldDifference("rule", old.text, new.text)
    if old.parent != new.parent:
        yield FieldDifference("parent", old.parent, new.parent)
    if moved:
        yield FieldDifference("order", str(old.order), str(new.order))


def _moved(before: tuple[RuleRow, ...], after: tuple[RuleRow, ...]) -> frozenset[str]:
    """Return the rows of both scopes that do not keep their place among each other."""
    return moved_places([row.code for row in before], [row.code for row in after])


def moved_places(before: Sequence[str], after: Sequence[str]) -> frozenset[str]:
    """Return the codes of both lists that do not keep their place among each other."""
    both = frozenset(before) & frozenset(after)
    old, new = ([code for code in codes if code in both] for codes in (before, after))
    blocks = SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
    return both - {code for block in blocks for code in old[block.a : block.a + block.size]}


def _alike(before: Mapping[str, frozenset[str]], after: Mapping[str, frozenset[str]]) -> dict[str, str]:
    """Return the earlier table of each later one: pairs that share most codes, at least half of the smaller table."""
    shared = [
        (len(old & new), old_name == new_name, old_name, new_name)
        for old_name, old in before.items()
        for new_name, new in after.items()
        if len(old & new) * 2 >= min(len(old), len(new))
    ]
    pairs: dict[str, str] = {}
    for _, _, old_name, new_name in sorted(shared, reverse=True):
        if new_name not in pairs and old_name not in pairs.values():
            pairs[new_name] = old_name
    return pairs


def _complications(
    a: Scheme, b: Scheme, old_table: Mapping[str, str], spellings: Mapping[str, str]
) -> Iterator[RowDifference]:
    for code in sorted(a.complications.keys() | b.complications.keys()):
        old, new = a.complications.get(code), b.complications.get(code)
        spelling, name = spellings.get(code, code), b.diagnosis_codes.name(code)
        if old is None:
            yield RowDifference("complications", spelling, name, "added")
        elif new is None:
            yield RowDifference("complications", spelling, name, "removed")
        else:
            fields = []
            if old.level != new.level:
                fields.append(FieldDifference("level", old.level, new.level))
            if old.exclusion != old_table.get(new.exclusion or "", new.exclusion):
                before, after = old.exclusion or NEVER_EXCLUDED, new.exclusion or NEVER_EXCLUDED
                fields.append(FieldDifference("exclusion", before, after))
            if fields:
                yield RowDifference("complications", spelling, name, "changed", tuple(fields))


def _codes(
    table: str, before: Mapping[str, frozenset[str]], after: Mapping[str, frozenset[str]], spellings: Mapping[str, str]
) -> Iterator[CodesDifference]:
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name, frozenset()), after.get(name, frozenset())
        if old != new:
            change: Change = "changed" if name in before and name in after else "added" if name in after else "removed"
            added, removed = (
                tuple(spellings.get(code, code) for code in sorted(some)) for some in (new - old, old - new)
            )
            yield CodesDifference(table, name, change, added, removed)


def _not_grouped(scheme: Scheme) -> dict[str, frozenset[str]]:
    lists = {"diagnosis": scheme.not_grouped_diagnoses, "procedure": scheme.not_grouped_procedures}
    return {name: codes for name, codes in lists.items() if codes}


def _spellings(a: Scheme, b: Scheme) -> dict[str, str]:
    lists = (a.diagnosis_codes, a.procedure_codes, b.diagnosis_codes, b.procedure_codes)
    return {folded: code for code_list in lists for folded, code in code_list.official.items()}


def _few(codes: tuple[str, ...]) -> str:
    more = " …" if len(codes) > _SHOWN_CODES else ""
    return f"{len(codes)} ({' '.join(codes[:_SHOWN_CODES])}{more})"
