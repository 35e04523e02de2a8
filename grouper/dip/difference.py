"""What differs between two directories: groups, lists, and what scheme.toml says. Compared is what decides a group."""

from collections.abc import Iterator, Mapping

from grouper.codes import fold
from grouper.dip.directory import Directory
from grouper.scheme.difference import Change, CodesDifference, Difference, FieldDifference, RowDifference, moved_places
from grouper.scheme.tables import Row

_HEAD = ("order", "switches", "diagnosis_codes", "procedure_codes")
_LISTS = {"main_diagnosis", "any_diagnosis", "other_diagnosis", "main_procedure", "scope"}


def difference(a: Directory, b: Directory) -> Difference:
    """Return what changes from directory `a` to directory `b`."""
    moved = moved_places([row.code for row in a.groups], [row.code for row in b.groups])
    rows = (
        *_rows("groups", a.tables["groups"], b.tables["groups"], moved),
        *_rows("excluded_procedure", a.tables["excluded_procedure"], b.tables["excluded_procedure"]),
        *_rows("procedure_class", a.tables["procedure_class"], b.tables["procedure_class"]),
    )
    codes = [*_codes("not_grouped_diagnosis", a, b), *_codes("markers", a, b), *_codes("primary_care", a, b)]
    return Difference(a.id, b.id, tuple(_head(a, b)), rows, tuple(codes))


def _head(a: Directory, b: Directory) -> Iterator[FieldDifference]:
    before, after = a.head.model_dump(mode="json"), b.head.model_dump(mode="json")
    for key in _HEAD:
        if isinstance(before[key], dict):
            for name, value in before[key].items():
                if value != after[key][name]:
                    yield FieldDifference(f"{key}.{name}", str(value), str(after[key][name]))
        elif before[key] != after[key]:
            yield FieldDifference(key, str(before[key]), str(after[key]))


def _rows(
    table: str, before: Mapping[str, Row], after: Mapping[str, Row], moved: frozenset[str] = frozenset()
) -> Iterator[RowDifference]:
    for code in dict.fromkeys([*before, *after]):
        if code not in after:
            yield RowDifference(table, code, before[code].values.get("name", ""), "removed")
        elif code not in before:
            yield RowDifference(table, code, after[code].values.get("name", ""), "added")
        else:
            fields = list(_fields(before[code].values, after[code].values))
            fields += [FieldDifference("order", "", "")] if code in moved else []
            if fields:
                yield RowDifference(table, code, after[code].values.get("name", ""), "changed", tuple(fields))


def _fields(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[FieldDifference]:
    for column, cell in before.items():
        if _said(column, cell) != _said(column, after[column]):
            yield FieldDifference(column, cell, after[column])


def _said(column: str, cell: str) -> object:
    """Return what a cell says, however it is written: the order of a list of codes says nothing."""
    if column in _LISTS:
        return frozenset(fold(code) for code in cell.replace("/", "|").split("|"))
    return cell if column == "name" else fold(cell.replace("/", "|"))


def _codes(table: str, a: Directory, b: Directory) -> Iterator[CodesDifference]:
    old, new = (frozenset(directory.tables[table]) for directory in (a, b))
    if old != new:
        change: Change = "added" if not old else "removed" if not new else "changed"
        yield CodesDifference(table, "", change, tuple(sorted(new - old)), tuple(sorted(old - new)))
