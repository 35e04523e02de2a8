"""Run files: the arguments of a command as a TOML file, with comments; the command line wins over them.

Keys are the names of the options without dashes in front. Files are named relative to the run file.
"""

import tomllib
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from grouper.fault import Text, UserError
from grouper.nearest import near_names

Kind = Literal["path", "paths", "name", "names", "text", "texts", "month"]
"""What a key holds; a name is a file, or the id of something shipped. Plural kinds take a list or a single one."""
_SHOULD: dict[str, Text] = {
    "path": Text("应为文件名", "must be the name of a file"),
    "name": Text("应为文件名或编号", "must be the name of a file or an id"),
    "text": Text("应为文字", "must be text"),
    "month": Text("应为 2026-10 这样的月份", "must be a month such as 2026-10"),
}


def read_run(file: Path, kinds: Mapping[str, Kind]) -> dict[str, Any]:
    """Return the arguments in a run file: paths, texts, months as days; lists of them for plural kinds.

    Raises UserError with every fault: unknown keys with near names, values of the wrong kind.
    """
    found: dict[str, Any] = {}
    faults = []
    for key, value in _read(file).items():
        if key not in kinds:
            hint = near_names(key, kinds)
            listed = ", ".join(kinds)
            zh, en = hint if hint.en else Text(f"；可用：{listed}", f"; known: {listed}")
            faults.append(Text(f"{file}：{key}：未知的键{zh}", f"{file}: {key}: unknown key{en}"))
            continue
        kind = kinds[key].removesuffix("s")
        values = value if isinstance(value, list) and kinds[key].endswith("s") else [value]
        read = [_value(item, kind, file.parent) for item in values]
        if None in read or not read:
            zh, en = _SHOULD[kind]
            faults.append(Text(f"{file}：{key} = {value!r} {zh}", f"{file}: {key} = {value!r} {en}"))
        found[key] = read if kinds[key].endswith("s") else read[0]
    if faults:
        raise UserError(faults)
    return found


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_bytes().decode("utf-8"))
    except OSError as error:
        reason = error.strerror
        raise UserError(Text(f"{file}：读不出：{reason}", f"{file}: cannot be read: {reason}")) from None
    except ValueError as error:
        raise UserError(Text(f"{file}：TOML 语法错误：{error}", f"{file}: TOML syntax: {error}")) from None


def _value(value: object, kind: str, folder: Path) -> object:
    """Return one value in its kind, None where it is of another."""
    if not isinstance(value, str) or not value:
        return None
    if kind == "month":
        try:
            return datetime.strptime(value, "%Y-%m")  # noqa: DTZ007 (a month has no time zone)
        except ValueError:
            return None
    beside = folder / value
    if kind == "path" or (kind == "name" and beside.exists()):
        return beside
    return value


def missing(names: Sequence[str]) -> UserError:
    """Return what to tell the user of arguments that neither the command nor a run file gives."""
    return UserError(
        [
            Text(
                f"缺少 {name}：请在命令行或运行文件（--run）中给出",
                f"{name} is missing: give it in the command or in a run file (--run)",
            )
            for name in names
        ]
    )
