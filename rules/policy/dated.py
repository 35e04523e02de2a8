"""A policy file is a dated document: any value of it may be a series in time.

A series is a list of tables that carry `from` (and `to`, where a value ends before the next begins). On a given day the
series stands for the one entry in force: a lone `value` becomes that value, other keys become a table. A series called
`values` speaks for the table it stands in. In a list whose tables carry `id` every id is a series of its own. What
carries no `from` holds for the whole validity of the policy.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Any, NamedTuple, TypeGuard

from rules.fault import Text, at

DAY = timedelta(days=1)
FRAME = ("from", "to")
Path = tuple[str | int, ...]


class Source(NamedTuple):
    """Where a value in force comes from: the document it names, the days it holds, its place in the file."""

    reference: str
    since: date
    until: date
    place: str


def written(path: Path) -> str:
    """Print a key path the way it is written in the file: pools[0].budget.values[1]."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else str(key)
    return text


def is_series(node: object) -> TypeGuard[list[Mapping[str, Any]]]:
    """Tell whether a node is one value's series in time."""
    if not isinstance(node, list) or not node:
        return False
    return all(isinstance(entry, Mapping) and "id" not in entry for entry in node) and any("from" in e for e in node)


def entry_days(entry: Mapping[str, Any], starts: list[date], valid: tuple[date, date]) -> tuple[date, date]:
    """Return the first and last day of an entry; `starts` are the first days of its whole series."""
    first = entry.get("from", valid[0])
    later = [start for start in starts if start > first]
    last = entry.get("to") or (min(later) - DAY if later else valid[1])
    return first, min(last, valid[1])


def series_starts(entries: list[Mapping[str, Any]], valid: tuple[date, date]) -> list[date]:
    """Return the first day of every entry of a series."""
    return [entry.get("from", valid[0]) for entry in entries]


@dataclass(frozen=True)
class Cut:
    """The document as it stands on one day, with the source of every value."""

    document: dict[str, Any]
    sources: dict[Path, Source]
    places: dict[Path, Path]

    def source(self, path: Path) -> Source | None:
        """Return the source of a value: its own, or that of the nearest table around it that names one."""
        return next((self.sources[path[:n]] for n in range(len(path), -1, -1) if path[:n] in self.sources), None)

    def place(self, path: Path) -> Path:
        """Return where a value of the day stands in the file."""
        for n in range(len(path), 0, -1):
            if path[:n] in self.places:
                return self.places[path[:n]] + path[n:]
        return path


class _Cutter:
    def __init__(self, day: date, valid: tuple[date, date]) -> None:
        self.day, self.valid = day, valid
        self.sources: dict[Path, Source] = {}
        self.places: dict[Path, Path] = {}

    def cut(self, node: object, path: Path, place: Path, days: tuple[date, date]) -> object:
        if place != path:
            self.places[path] = place
        if is_series(node):
            return self.series(node, path, place)
        if isinstance(node, Mapping):
            return self.table(node, path, place, days)
        if isinstance(node, list):
            return self.items(node, path, place, days)
        return node

    def in_force(
        self, entries: list[tuple[int, Mapping[str, Any]]]
    ) -> tuple[int, Mapping[str, Any], tuple[date, date]] | None:
        starts = series_starts([entry for _, entry in entries], self.valid)
        for index, entry in entries:
            days = entry_days(entry, starts, self.valid)
            if days[0] <= self.day <= days[1]:
                return index, entry, days
        return None

    def series(self, node: list[Mapping[str, Any]], path: Path, place: Path) -> object:
        found = self.in_force(list(enumerate(node)))
        if found is None:
            return None
        index, entry, days = found
        self.places[path] = (*place, index)
        return self.table(entry, path, (*place, index), days)

    def table(self, node: Mapping[str, Any], path: Path, place: Path, days: tuple[date, date]) -> dict[str, Any]:
        if "from" in node or "to" in node:
            days = entry_days(node, [], self.valid) if path else days
        if isinstance(node.get("reference"), str):
            self.sources[path] = Source(node["reference"], *days, written(place))
        out: dict[str, Any] = {}
        for key, value in node.items():
            if key in FRAME or (path == () and key in {"valid", "documents"}):
                continue
            if isinstance(value, Mapping) and "from" in value and not days_hold(value, self.day):
                continue
            inner = self.cut(value, (*path, key), (*place, key), days)
            alone = lone(inner)
            if alone is not inner:
                self.lift((*path, key, "value"), (*path, key))
            if key == "values" and is_series(value):
                out.update(alone if isinstance(alone, dict) else {} if alone is None else {"value": alone})
                self.lift((*path, key), path)
            elif alone is not None:
                out[key] = alone
        return out

    def lift(self, inner: Path, outer: Path) -> None:
        """Give what a table's `values` said to the table itself."""
        n = len(inner)
        for source in [path for path in self.sources if path[:n] == inner]:
            self.sources[outer + source[n:]] = self.sources.pop(source)
        for spot in [path for path in self.places if path[:n] == inner]:
            self.places[outer + spot[n:]] = self.places.pop(spot)

    def items(self, node: list[Any], path: Path, place: Path, days: tuple[date, date]) -> list[Any]:
        by_id: dict[str, list[tuple[int, Mapping[str, Any]]]] = {}
        kept: list[tuple[int, Any, tuple[date, date]]] = []
        for index, item in enumerate(node):
            if isinstance(item, Mapping) and isinstance(item.get("id"), str) and "from" in item:
                by_id.setdefault(item["id"], []).append((index, item))
            else:
                kept.append((index, item, days))
        kept += [found for entries in by_id.values() if (found := self.in_force(entries))]
        kept.sort(key=lambda item: item[0])
        return [self.cut(item, (*path, n), (*place, index), span) for n, (index, item, span) in enumerate(kept)]


def lone(node: object) -> object:
    """Return the value of a table that says nothing else, and any other node as it is."""
    return node["value"] if isinstance(node, dict) and {"value"} <= set(node) <= {"value", "reference"} else node


def days_hold(table: Mapping[str, Any], day: date) -> bool:
    """Tell whether a table that carries its own days is in force."""
    first, last = table.get("from"), table.get("to")
    return (first is None or first <= day) and (last is None or day <= last)


def as_of(document: Mapping[str, Any], day: date, valid: tuple[date, date]) -> Cut:
    """Return the document as it stands on `day`; what is not in force is left out."""
    cutter = _Cutter(day, valid)
    cut = cutter.table(document, (), (), valid)
    return Cut(cut, cutter.sources, cutter.places)


def walk_series(node: object, path: Path = ()) -> Iterator[tuple[Path, list[tuple[Path, Mapping[str, Any]]]]]:
    """Yield every series of a document: its path and its entries with theirs."""
    if is_series(node):
        yield path, [((*path, n), entry) for n, entry in enumerate(node)]
    elif isinstance(node, list):
        by_id: dict[str, list[tuple[Path, Mapping[str, Any]]]] = {}
        for n, item in enumerate(node):
            if isinstance(item, Mapping) and isinstance(item.get("id"), str):
                by_id.setdefault(item["id"], []).append(((*path, n), item))
        for name, entries in by_id.items():
            if len(entries) > 1 or "from" in entries[0][1]:
                yield (*path, name), entries
    items = node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        if path or key != "valid":
            yield from walk_series(value, (*path, key))


def change_days(document: Mapping[str, Any], valid: tuple[date, date]) -> list[date]:
    """Return the days within the validity on which any value begins or ends, the first day of the policy included."""
    days = {valid[0]}

    def collect(node: object, top: bool) -> None:
        if isinstance(node, Mapping):
            if not top and isinstance(node.get("from"), date):
                days.add(node["from"])
            if not top and isinstance(node.get("to"), date):
                days.add(node["to"] + DAY)
            for key, value in node.items():
                if not (top and key == "valid"):
                    collect(value, top=False)
        elif isinstance(node, list):
            for value in node:
                collect(value, top=False)

    collect(document, top=True)
    return sorted(day for day in days if valid[0] <= day <= valid[1])


def series_faults(document: Mapping[str, Any], valid: tuple[date, date], file: str) -> list[Text]:
    """Return every gap, overlap and stray day of the document's series."""
    faults: list[Text] = []
    for path, entries in walk_series(document):
        starts = series_starts([entry for _, entry in entries], valid)
        spans = sorted((*entry_days(entry, starts, valid), written(place)) for place, entry in entries)
        for first, last, place in spans:
            if last < first or first > valid[1]:
                zh = f"{first} 起的值先止后起，或在政策有效期（至 {valid[1]}）之外"
                en = f"the value from {first} ends before it begins or lies after the policy's last day {valid[1]}"
                faults.append(at(file, place, zh, en))
        for (_, last, _), (first, _, place) in pairwise(spans):
            if first <= last:
                zh, en = f"{first} 有两个值同时有效（{place}）", f"two values are valid on {first} ({place})"
                faults.append(at(file, written(path), zh, en))
            elif first > last + DAY:
                gap = last + DAY, first - DAY
                faults.append(
                    at(file, written(path), f"{gap[0]} 至 {gap[1]} 没有值", f"no value from {gap[0]} to {gap[1]}")
                )
    return faults
