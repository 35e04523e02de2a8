"""A reform holds only what changes against a named baseline; applied to it, it is a policy like any other.

A reform file has `id`, `title`, `baseline` (a file beside it, or the id of a shipped policy), `[documents]` of its own
and `[[change]]` tables: `key` (the key path, pools and kinds by their id), `from` (left out: from the first day),
`to` (left out: to the last day), `reference`, and either `value` (a figure, a text, a list or a whole table) or
`remove = true`.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

from rules.fault import Text, UserError, at, near
from rules.policy.check import checked, read_document, validity
from rules.policy.dated import DAY, entry_days, is_series, series_starts
from rules.policy.resolve import Policy

KEYS = ("id", "title", "baseline", "documents", "change")
CHANGE_KEYS = ("key", "from", "to", "reference", "value", "remove")
Find = Callable[[str], Path]


def load(file: Path | str, find: Find) -> Policy:
    """Read a policy or a reform; `find` turns the name of a baseline into its file. UserError with every fault."""
    path = Path(file)
    document = read_document(path)
    return apply(document, path, find) if "baseline" in document else checked(document, path)


def apply(reform: Mapping[str, Any], file: Path, find: Find) -> Policy:
    """Return the policy that a reform makes of its baseline."""
    refuse_strangers(reform, file)
    beside = file.parent / str(reform["baseline"])
    base_file = beside if beside.exists() else find(str(reform["baseline"]))
    document = deepcopy(read_document(base_file))
    valid = validity(document, base_file)
    document |= {"id": reform["id"], "title": reform["title"]}
    document["documents"] = {**document.get("documents", {}), **reform.get("documents", {})}
    faults: list[Text] = []
    for number, change in enumerate(reform["change"], start=1):
        place = f"change[{number}]"
        try:
            put(document, change, valid, file.parent)
        except KeyError as error:
            known = error.args[1] if len(error.args) > 1 else ()
            hint = near(str(error.args[0]), known)
            key = change.get("key")
            zh, en = f"基准政策没有键 {key!r}{hint.zh}", f"the baseline has no key {key!r}{hint.en}"
            faults.append(at(file, f"{place}.key", zh, en))
    if faults:
        raise UserError(faults)
    policy = checked(document, file)
    return Policy(policy.document, policy.valid, base_file)


def refuse_strangers(reform: Mapping[str, Any], file: Path) -> None:
    """Refuse unknown and missing keys of a reform file."""
    faults = []
    changes = reform.get("change", [])
    if not isinstance(changes, list):
        raise UserError(at(file, "change", "应为 [[change]]", "[[change]] expected"))
    places: list[tuple[str, object, tuple[str, ...], tuple[str, ...]]] = [
        ("", reform, KEYS, ("id", "title", "baseline", "change"))
    ]
    places += [(f"change[{n}].", one, CHANGE_KEYS, ("key", "reference")) for n, one in enumerate(changes, 1)]
    for place, table, known, needed in places:
        if not isinstance(table, Mapping):
            faults.append(at(file, place.rstrip("."), "应为表", "must be a table"))
            continue
        for key in sorted(set(table) - set(known)):
            hint = near(key, known)
            faults.append(at(file, f"{place}{key}", f"未知的键{hint.zh}", f"unknown key{hint.en}"))
        faults += [at(file, f"{place}{key}", "缺少此项", "is missing") for key in needed if key not in table]
        faults += wrong_types(table, place, file)
        if place and len({"value", "remove"} & set(table)) != 1:
            faults.append(at(file, place.rstrip("."), "须写 value 或 remove", "needs either value or remove"))
    if faults:
        raise UserError(faults)


def wrong_types(table: Mapping[str, Any], place: str, file: Path) -> list[Text]:
    """Return the faults of keys that hold another type than they may."""
    types: dict[str, tuple[type, Text]] = {
        **dict.fromkeys(("baseline", "key", "reference"), (str, Text("应为文字", "must be text"))),
        **dict.fromkeys(("from", "to"), (date, Text("应为日期，如 2026-01-01", "must be a date such as 2026-01-01"))),
        "documents": (dict, Text("应为表", "must be a table")),
    }
    return [
        at(file, f"{place}{key}", what.zh, what.en)
        for key, (kind, what) in types.items()
        if key in table and type(table[key]) is not kind
    ] + [
        at(file, f"{place}to", "早于 from", "lies before from")
        for first, last in [(table.get("from"), table.get("to"))]
        if type(first) is date and type(last) is date and last < first
    ]


def put(document: dict[str, Any], change: Mapping[str, Any], valid: tuple[date, date], folder: Path) -> None:
    """Put one change into a document. KeyError(name, known names) where the key path leads nowhere."""
    node: Any = document
    *way, last = str(change["key"]).split(".")
    for name in way:
        node = step(node, name)
    if not isinstance(node, dict):
        raise KeyError(last, [])
    old = node.get(last)
    if isinstance(old, dict) and is_series(old.get("values")):
        node, last, old = old, "values", old["values"]
    series: list[Mapping[str, Any]] = [{"from": valid[0], "value": old}]
    series = old if is_series(old) else [] if old is None else series
    new = entry(change, valid, folder)
    kept = [part for e in series for part in outside(e, series, new, valid)]
    series = sorted([*kept, *([] if change.get("remove") else [new])], key=lambda e: e["from"])
    if series:
        node[last] = series
    else:
        node.pop(last, None)


def step(node: object, name: str) -> Any:  # noqa: ANN401 (a node of a TOML document)
    """Go one key down: into a table, or into the table of a list that has this id."""
    if isinstance(node, list):
        found = [item for item in node if isinstance(item, Mapping) and item.get("id") == name]
        if found:
            return found[0]
        raise KeyError(name, [str(item.get("id")) for item in node if isinstance(item, Mapping)])
    if isinstance(node, dict):
        if name not in node:
            raise KeyError(name, list(node))
        return node[name]
    raise KeyError(name, [])


def entry(change: Mapping[str, Any], valid: tuple[date, date], folder: Path) -> dict[str, Any]:
    """Return the entry of a series that a change adds; files beside the reform are named in full."""
    value = change.get("value")
    if isinstance(value, dict):
        value = {key: in_full(inner, folder) if key.endswith("file") else inner for key, inner in value.items()}
    elif str(change["key"]).endswith("file"):
        value = in_full(value, folder)
    days = {"from": change.get("from", valid[0])} | ({"to": change["to"]} if "to" in change else {})
    return days | {"value": value, "reference": change["reference"]}


def in_full(name: object, folder: Path) -> object:
    """Return the whole path of a file that stands beside the reform, any other name as it is."""
    return str((folder / str(name)).resolve()) if (folder / str(name)).exists() else name


def outside(
    old: Mapping[str, Any], series: list[Mapping[str, Any]], new: Mapping[str, Any], valid: tuple[date, date]
) -> list[dict[str, Any]]:
    """Return the parts of an entry's days that a new entry leaves as they were."""
    first, last = entry_days(old, series_starts(series, valid), valid)
    start, end = new["from"], new.get("to", valid[1])
    parts = []
    if first < start:
        parts.append({**old, "from": first, "to": min(last, start - DAY)})
    if last > end:
        parts.append({**old, "from": max(first, end + DAY), "to": last})
    return parts
