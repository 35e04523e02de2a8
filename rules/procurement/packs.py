"""Parameter packs: one TOML file a batch, alliance or province, read with all its faults at once.

A rule is asked for by its kind and a day. A pack that does not hold it refuses with what it says of it, since an
unconfirmed rule is supplied by the user, in a pack of their own, and never taken from a default.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from rules.fault import Text, UserError, at, near
from rules.policy.check import meaning, read_document
from rules.policy.dated import written
from rules.policy.terms import known_keys, models_at, plain
from rules.procurement.parameters import Pack, Rule

R = TypeVar("R", bound=Rule)
SHIPPED_GRADES = ("T", "G")


def folder() -> Path:
    """Return the folder of the shipped packs."""
    with as_file(files("rules") / "procurement" / "packs") as path:
        return path


def shipped() -> list[str]:
    """Return the ids of the shipped packs."""
    return sorted(path.stem for path in folder().glob("*.toml"))


def find_pack(name: str | Path) -> Pack:
    """Return a pack, named by a path or by the id of a shipped one. UserError with every fault of it."""
    path = Path(name)
    if path.suffix == ".toml" or path.exists():
        return load_pack(path)
    if str(name) in shipped():
        return load_pack(folder() / f"{name}.toml")
    hint = near(str(name), shipped())
    raise UserError(at(name, "", f"没有这个参数包{hint.zh}", f"there is no such parameter pack{hint.en}"))


def load_pack(file: Path) -> Pack:
    """Read and check a pack. UserError carries every fault of it, each with file and key path."""
    document = read_document(file)
    faults: list[Text] = []
    try:
        pack = Pack.model_validate(document)
    except ValidationError as error:
        faults += [_fault(detail, document, file) for detail in error.errors()]
    faults += _references(document, file)
    if faults:
        raise UserError(faults)
    return pack


def _fault(detail: ErrorDetails, document: Mapping[str, Any], file: Path) -> Text:
    """Say what one error of the models means."""
    kind, location = detail["type"], detail["loc"]
    path = plain(location, document, keep_last=kind == "missing")
    if kind == "extra_forbidden":
        hint = near(str(location[-1]), known_keys(_models(location[:-1])))
        return at(file, written(path), f"未知的键{hint.zh}", f"unknown key{hint.en}")
    return at(file, written(path), *meaning(kind, detail.get("ctx", {}), detail))


def _models(location: tuple[str | int, ...]) -> list[Any]:
    """Return the models at an error's location; a rule is named there by its tag."""
    tag = next((key for key in location if key in rule_kinds()), None)
    start = rule_kinds().get(str(tag), Pack)
    return models_at(start, location[2:] if tag else location)


@cache
def rule_kinds() -> dict[str, type[Rule]]:
    """Return the models of rules by the name they have in a pack."""
    return {get_args(kind.model_fields["rule"].annotation)[0]: kind for kind in Rule.__subclasses__()}


def _references(document: Mapping[str, Any], file: Path) -> Iterator[Text]:
    """Yield every reference of a rule to a document that the pack does not list."""
    documents, entries = document.get("documents"), document.get("rules")
    for n, rule in enumerate(entries if isinstance(entries, list) else []):
        reference = rule.get("reference") if isinstance(rule, Mapping) else None
        key = str(reference).split()[0] if reference else ""
        if reference and isinstance(documents, Mapping) and key not in documents:
            hint = near(key, documents)
            zh, en = f"依据 {key} 不在 [documents] 中{hint.zh}", f"{key} is no key of [documents]{hint.en}"
            yield at(file, f"rules[{n}].reference", zh, en)


def rule_on(pack: Pack, kind: type[R], day: date, scope: str = "") -> R:
    """Return the pack's rule of this kind that is valid on a day. UserError says why there is none."""
    name = get_args(kind.model_fields["rule"].annotation)[0]
    scopes = {rule.scope for rule in pack.rules if isinstance(rule, kind)}
    held = [rule for rule in pack.rules if isinstance(rule, kind) and rule.scope == scope]
    for rule in held:
        if rule.holds(day):
            return rule
    if scopes and not held:
        hint = near(scope, scopes - {""})
        zh, en = (
            f"参数包 {pack.id} 的 {name} 没有适用范围 {scope!r}",
            f"pack {pack.id} has no {name} of scope {scope!r}",
        )
        raise UserError(Text(zh + hint.zh, en + hint.en))
    known = [one.what for one in pack.unconfirmed if one.rule == name]
    zh = "；".join(what.zh for what in known) or (f"{day} 无有效值" if held else "未收录")
    en = "; ".join(what.en for what in known) or (f"no value on {day}" if held else "not in the pack")
    raise UserError(
        Text(
            f"参数包 {pack.id} 没有规则 {name}（{zh}）：请在自己的参数包中写明",
            f"pack {pack.id} has no rule {name} ({en}): state it in a pack of your own",
        )
    )


def unshippable(pack: Pack) -> list[str]:
    """Return the rules whose grade is too low to be shipped as values."""
    return [rule.rule for rule in pack.rules if rule.grade not in SHIPPED_GRADES]
