"""What differs between two policies, value by value, with the days on which it does."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import NamedTuple

from rules.policy.dated import DAY, Cut
from rules.policy.dated import Path as KeyPath
from rules.policy.resolve import Policy

HEAD = {"id", "title", "documents"}


class Difference(NamedTuple):
    """One value that differs; None where a policy does not have it."""

    key: str
    since: date
    until: date
    before: str | None
    after: str | None


def values(cut: Cut) -> Iterator[tuple[str, KeyPath, object]]:
    """Yield every value of one day's document: its key with ids in place of positions, its path, the value."""
    yield from _values(cut.document, "", ())


def _values(node: object, key: str, path: KeyPath) -> Iterator[tuple[str, KeyPath, object]]:
    if isinstance(node, Mapping):
        for name, value in node.items():
            if name != "reference":
                yield from _values(value, f"{key}.{name}" if key else str(name), (*path, name))
    elif isinstance(node, list) and any(isinstance(item, Mapping) for item in node):
        for n, item in enumerate(node):
            name = item.get("id", n + 1) if isinstance(item, Mapping) else n + 1
            yield from _values(item, f"{key}.{name}", (*path, n))
    else:
        yield key, path, node


def written(value: object) -> str:
    """Print a value of a policy."""
    return "、".join(map(written, value)) if isinstance(value, list) else str(value)


def difference(before: Policy, after: Policy) -> list[Difference]:
    """Return what differs on the days that both policies hold, sorted by key and day."""
    first, last = max(before.valid[0], after.valid[0]), min(before.valid[1], after.valid[1])
    starts = sorted({first, *(day for day in (*before.starts, *after.starts) if first < day <= last)})
    found: dict[str, list[Difference]] = {}
    for n, start in enumerate(starts if first <= last else []):
        until = starts[n + 1] - DAY if n + 1 < len(starts) else last
        old, new = (dict(_printed(policy, start)) for policy in (before, after))
        for key in sorted(set(old) | set(new)):
            if old.get(key) != new.get(key):
                one = Difference(key, start, until, old.get(key), new.get(key))
                series = found.setdefault(key, [])
                if series and series[-1].until == start - DAY and series[-1][3:] == one[3:]:
                    one = one._replace(since=series.pop().since)
                series.append(one)
    return [one for key in sorted(found) for one in found[key]]


def _printed(policy: Policy, day: date) -> Iterator[tuple[str, str]]:
    for key, path, value in values(policy.on(day).cut):
        if path[0] not in HEAD:
            yield key, written(value)
