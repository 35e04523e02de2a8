"""All faults of a policy file at once: file, key path, what is wrong, what would be right."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from rules.fault import Text, UserError, at, near
from rules.policy.dated import Cut, as_of, change_days, series_faults, written
from rules.policy.dated import Path as KeyPath
from rules.policy.model import Rules
from rules.policy.resolve import Policy
from rules.policy.terms import known_keys, models_at, plain
from rules.policy.values import PLAIN

ILLUSTRATIVE = "illustrative"
KINDS_OF_FAULT = {
    "missing": Text("缺少此项", "is missing"),
    "string_type": Text("应为文字", "must be text"),
    "bool_type": Text("应为 true 或 false", "must be true or false"),
    "int_type": Text("应为整数", "must be a whole number"),
    "decimal_parsing": Text("不是十进制数", "is not a decimal number"),
    "decimal_type": Text("不是十进制数", "is not a decimal number"),
    "tuple_type": Text("应为列表", "must be a list"),
    "dict_type": Text("应为表", "must be a table"),
    "model_type": Text("应为表", "must be a table"),
    "date_type": Text("应为日期，如 2026-01-01", "must be a date such as 2026-01-01"),
    "decimal_max_places": Text("小数位过多", "has too many decimals"),
    "too_short": Text("不能为空", "must not be empty"),
}
BOUNDS = {"greater_than": ">", "greater_than_equal": "≥", "less_than": "<", "less_than_equal": "≤"}


def read_document(file: Path) -> dict[str, Any]:
    """Read a TOML file; UserError with the line where it does not parse."""
    try:
        text = file.read_bytes().decode("utf-8")
        return tomllib.loads(text)
    except FileNotFoundError:
        raise UserError(Text(f"{file}：没有这个文件", f"{file}: there is no such file")) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            Text(
                f"{file}：读不出（须为 UTF-8 文本）：{error}", f"{file}: cannot be read (UTF-8 text expected): {error}"
            )
        ) from None
    except (ValueError, RecursionError) as error:
        raise UserError(Text(f"{file}：TOML 语法错误：{error}", f"{file}: TOML syntax: {error}")) from None


def load_policy(file: Path | str) -> Policy:
    """Read and check a policy file. UserError carries every fault of it."""
    path = Path(file)
    document = read_document(path)
    return checked(document, path)


def checked(document: Mapping[str, Any], file: Path) -> Policy:
    """Return the policy of a document, or refuse it with every fault of it."""
    valid = validity(document, file)
    if stray := stray_days(document, file):
        raise UserError(stray)
    faults = series_faults(document, valid, str(file))
    for day in change_days(document, valid):
        cut = as_of(document, day, valid)
        faults += [fault for fault in day_faults(cut, day, file) if fault not in faults]
        faults += [fault for fault in reference_faults(document, cut, file) if fault not in faults]
    if faults:
        raise UserError(without_days(faults))
    policy = Policy(document, valid, file)
    if len({policy.on(start).rules.date_basis.policy for start in policy.starts}) > 1:
        raise UserError(at(file, "date_basis.policy", "在一个政策内不得改变", "must be the same throughout the policy"))
    return policy


def validity(document: Mapping[str, Any], file: Path) -> tuple[date, date]:
    """Return the first and last day of a policy."""
    valid = document.get("valid")
    days = (
        (valid.get("from"), valid.get("to"))
        if isinstance(valid, Mapping) and set(valid) <= {"from", "to"}
        else (None, None)
    )
    first, last = days
    if type(first) is not date or type(last) is not date or last < first:
        form = "{ from = 2026-01-01, to = 2026-12-31 }"
        raise UserError(at(file, "valid", f"应写成 {form}", f"must read {form}"))
    return first, last


def stray_days(node: object, file: Path, path: KeyPath = ()) -> list[Text]:
    """Return a fault for every `from` or `to` that is no day."""
    faults = []
    items = node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        if key in {"from", "to"} and type(value) is not date:
            where = written((*path, key))
            faults.append(at(file, where, "应为日期，如 2026-01-01", "must be a date such as 2026-01-01"))
        faults += stray_days(value, file, (*path, key))
    return faults


def day_faults(cut: Cut, day: date, file: Path) -> Iterator[Text]:
    """Yield the faults of the document as it stands on one day."""
    try:
        Rules.model_validate(cut.document)
    except ValidationError as error:
        details = error.errors()
        for detail in details:
            inner = any(other["loc"][: len(detail["loc"])] == detail["loc"] for other in details if other is not detail)
            if not (inner and detail["type"] == "too_short"):
                yield fault_text(detail, cut, day, file)


def fault_text(detail: ErrorDetails, cut: Cut, day: date, file: Path) -> Text:
    """Say what one error of the models means, in both languages."""
    kind, context = detail["type"], detail.get("ctx", {})
    path = plain(detail["loc"], cut.document, keep_last=kind == "missing")
    where = written(cut.place(path))
    zh, en = meaning(kind, context, detail)
    since = f" ({day})" if kind == "missing" else ""
    return at(file, where, zh + since, en + since)


def meaning(kind: str, context: Mapping[str, Any], detail: ErrorDetails) -> Text:
    """Return what is wrong, without the place."""
    value = detail["input"]
    if kind == "policy":
        return Text(str(context["zh"]), str(context["en"]))
    if kind == "extra_forbidden":
        key = str(detail["loc"][-1])
        hint = near(key, known_keys(models_at(Rules, detail["loc"][:-1])))
        return Text(f"未知的键{hint.zh}", f"unknown key{hint.en}")
    if kind in {"literal_error", "union_tag_invalid"}:
        names = re.findall(r"'([^']+)'", str(context.get("expected") or context.get("expected_tags")))
        given = str(context.get("tag", value))
        hint = near(given, names)
        return Text(f"{given!r} 不在可选值中{hint.zh}", f"{given!r} is not one of the choices{hint.en}")
    if kind == "union_tag_not_found":
        key = str(context["discriminator"]).strip("'")
        return Text(f"缺少 {key}", f"{key} is missing")
    if kind in BOUNDS:
        bound = next(iter(context.values()))
        return Text(f"{value} 应 {BOUNDS[kind]} {bound}", f"{value} must be {BOUNDS[kind]} {bound}")
    if kind == "string_pattern_mismatch":
        return Text(
            f"{value!r} 的写法不对（应合 {context['pattern']}）",
            f"{value!r} is not written right (expected {context['pattern']})",
        )
    known = KINDS_OF_FAULT.get(kind)
    return known or Text(detail["msg"], detail["msg"])


def reference_faults(document: Mapping[str, Any], cut: Cut, file: Path) -> Iterator[Text]:
    """Yield every number without a reference and every reference to a document that is not listed."""
    documents = document.get("documents", {})
    if not isinstance(documents, Mapping):
        yield at(file, "documents", "应为表", "must be a table")
        return
    for source in cut.sources.values():
        key = source.reference.split()[0] if source.reference.split() else ""
        if key not in documents and not source.reference.startswith(ILLUSTRATIVE):
            hint = near(key, documents)
            zh = f"依据 {source.reference!r} 应为 [documents] 的键加条款，或 illustrative{hint.zh}"
            en = f"reference {source.reference!r} must be a key of [documents] and a clause, or illustrative{hint.en}"
            yield at(file, source.place, zh, en)
    for path, value in numbers(cut.document):
        if cut.source(path) is None:
            yield at(file, written(cut.place(path)), f"{value} 没有依据（reference）", f"{value} has no reference")


def numbers(node: object, path: KeyPath = ()) -> Iterator[tuple[KeyPath, object]]:
    """Yield every number of a document with its path: whole numbers and digits in quotes."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key not in {"id", "insurance_types", "regions", "file", "reference"}:
                yield from numbers(value, (*path, key))
    elif isinstance(node, list):
        for n, value in enumerate(node):
            yield from numbers(value, (*path, n))
    elif (isinstance(node, int) and not isinstance(node, bool)) or (isinstance(node, str) and PLAIN.fullmatch(node)):
        yield path, node


def without_days(faults: list[Text]) -> list[Text]:
    """Drop the repetitions of a fault on later days."""
    seen: dict[str, Text] = {}
    for fault in faults:
        seen.setdefault(re.sub(r" \(\d{4}-\d\d-\d\d\)$", "", fault.en), fault)
    return list(seen.values())
