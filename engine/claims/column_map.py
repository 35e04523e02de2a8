"""Column maps: which source column holds which canonical column, as data in TOML; docs/claims.md has the format."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from engine.claims.canonical import BY_NAME, UNITS, Column
from grouper.fault import Text, UserError
from grouper.nearest import near_names

MAPS = Path(__file__).parent / "maps"
CODE_COLUMNS = ("diagnoses", "procedures")

Names = Annotated[tuple[str, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)]
"""One name or several; the first that exists in the file is read."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CodeTable(_Model):
    """A table of its own with one code a row, keyed by the case."""

    case_id: Names
    code: Names
    sequence: Names = ()
    principal: Names = ()
    principal_values: Names = ("1", "是", "主", "主要诊断", "主要手术")
    only: Mapping[str, Names] = Field(default_factory=dict)
    sheet: str | None = None


class CodeSource(_Model):
    """Where a list of codes comes from: one column, numbered columns, or a table; the first that exists is read."""

    column: Names = ()
    separators: str = ""
    first: Names = ()
    numbered: Names = ()
    table: CodeTable | None = None

    @model_validator(mode="after")
    def _patterns_count(self) -> Self:
        for pattern in self.numbered:
            if pattern.count("{n}") != 1:
                raise ValueError(f"numbered column pattern {pattern!r} must contain {{n}} once")
        return self


class ColumnMap(_Model):
    """A column map, as written in its TOML file."""

    zh: str = ""
    en: str = ""
    encoding: Literal["utf-8", "gb18030"] | None = None
    separator: Literal[",", ";", "\t", "|"] | None = None
    sheet: str | None = None
    header: int = Field(default=1, ge=1)
    times: Literal["local", "utc"] = "local"
    columns: Mapping[str, Names] = Field(default_factory=dict)
    units: Mapping[str, str] = Field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = Field(default_factory=dict)
    diagnoses: CodeSource = CodeSource()
    procedures: CodeSource = CodeSource()

    def codes(self, name: str) -> CodeSource:
        """Return the source of "diagnoses" or "procedures"."""
        return self.diagnoses if name == "diagnoses" else self.procedures

    def unit(self, column: Column) -> str:
        """Return the unit of a column in the file, "" where it has none."""
        general = self.units.get("money", "") if column.kind == "money" else ""
        return self.units.get(column.name) or general or next(iter(column.units), "")

    def sources(self, name: str) -> tuple[str, ...]:
        """Return the source names that may hold a canonical column, for messages."""
        if name in CODE_COLUMNS:
            source = self.codes(name)
            return (*source.column, *source.first, *source.numbered)
        return self.columns.get(name, ())


class CodeColumns(NamedTuple):
    """How a list of codes stands in one file: a column, or a first one and numbered ones in order."""

    columns: tuple[str, ...]
    separators: str
    single: bool


class Layout(NamedTuple):
    """What of a file is read: canonical name -> source column. Absent columns are not listed."""

    columns: Mapping[str, str]
    codes: Mapping[str, CodeColumns]

    def source_columns(self) -> list[str]:
        """Return the names of all columns that are read, each once."""
        codes = (column for found in self.codes.values() for column in found.columns)
        return list(dict.fromkeys([*self.columns.values(), *codes]))


def locate(column_map: ColumnMap, header: Iterable[str], wanted: Iterable[str]) -> Layout:
    """Find the wanted canonical columns in a file with these column names; blanks and case do not matter."""
    present = _present(header)
    columns: dict[str, str] = {}
    codes: dict[str, CodeColumns] = {}
    for name in wanted:
        if name in CODE_COLUMNS:
            found = _code_columns(column_map.codes(name), present)
            if found is not None:
                codes[name] = found
        else:
            source = _first_present(column_map.columns.get(name, ()), present)
            if source is not None:
                columns[name] = source
    return Layout(columns, codes)


def _present(header: Iterable[str]) -> dict[str, str]:
    return {name.strip().casefold(): name for name in reversed(list(header))}


def first_present(names: Iterable[str], header: Iterable[str]) -> str | None:
    """Return the column of a header that bears the first of these names that is there."""
    return _first_present(names, _present(header))


def _first_present(names: Iterable[str], present: Mapping[str, str]) -> str | None:
    return next((present[key] for name in names if (key := name.strip().casefold()) in present), None)


def _code_columns(source: CodeSource, present: Mapping[str, str]) -> CodeColumns | None:
    single = _first_present(source.column, present)
    if single is not None:
        return CodeColumns((single,), source.separators, single=True)
    first = _first_present(source.first, present)
    numbered: list[tuple[int, str]] = []
    for pattern in source.numbered:
        shape = re.compile(re.escape(pattern.strip().casefold()).replace(r"\{n\}", r"(\d+)"))
        numbered = sorted((int(match[1]), name) for key, name in present.items() if (match := shape.fullmatch(key)))
        if numbered:
            break
    names = ([first] if first is not None else []) + [name for _, name in numbered]
    return CodeColumns(tuple(names), "", single=False) if names else None


def shipped_maps() -> tuple[str, ...]:
    """Return the names of the shipped maps."""
    return tuple(sorted(path.stem for path in MAPS.glob("*.toml")))


def load_map(source: str | Path | None) -> ColumnMap:
    """Load a shipped map by name or a user's map by path; None is the map of canonical names.

    Raises UserError with every fault of the file: unknown keys, unknown canonical columns, wrong types.
    """
    if source is None:
        return _load(MAPS / "canonical.toml")
    if str(source) in shipped_maps():
        return _load(MAPS / f"{source}.toml")
    path = Path(source)
    if not path.is_file():
        near = near_names(str(source), shipped_maps())
        known = ", ".join(shipped_maps())
        raise UserError(
            Text(
                f"没有列映射“{source}”{near.zh}；自带的有 {known}，也可给出 TOML 文件",
                f"no column map {source}{near.en}; shipped are {known}, or name a TOML file",
            )
        )
    return _load(path)


@cache
def _load(path: Path) -> ColumnMap:
    raw = _with_base(_toml(path), path)
    faults = _unknown_names(raw, path)
    try:
        column_map = ColumnMap.model_validate(raw)
    except ValidationError as error:
        raise UserError([*faults, *_faults(error, path)]) from None
    if faults:
        raise UserError(faults)
    return column_map


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(Text(f"{path}：不是有效的 TOML：{error}", f"{path}: not valid TOML: {error}")) from None


def _with_base(raw: dict[str, Any], path: Path) -> dict[str, Any]:
    base = raw.pop("base", None)
    if base is None:
        return raw
    if base not in shipped_maps():
        near = near_names(str(base), shipped_maps())
        raise UserError(
            Text(f"{path}：base：没有自带的列映射“{base}”{near.zh}", f"{path}: base: no shipped map {base!r}{near.en}")
        )
    under = _with_base(_toml(MAPS / f"{base}.toml"), path)
    merged = {key: value for key, value in under.items() if key not in ("zh", "en")}
    for key, value in raw.items():
        both = key in ("columns", "units", "values") and isinstance(value, dict)
        merged[key] = {**merged.get(key, {}), **value} if both else value
    return merged


def _unknown_names(raw: Mapping[str, Any], path: Path) -> list[Text]:
    """Return a fault for each key that is no canonical column, and for each unit that its column cannot have."""
    units = {"money": UNITS["money"], **{name: column.units for name, column in BY_NAME.items() if column.units}}
    plain = [name for name in BY_NAME if name not in CODE_COLUMNS]
    faults = []
    for section, known in (("columns", plain), ("values", plain), ("units", list(units))):
        names = raw.get(section)
        if not isinstance(names, dict):
            continue
        for name in names:
            key = f"{path}: {section}.{name}"
            if name not in known:
                near = near_names(name, known)
                faults.append(Text(f"{key}：没有这个标准列{near.zh}", f"{key}: no such canonical column{near.en}"))
            elif section == "units" and names[name] not in units[name]:
                right = ", ".join(units[name])
                faults.append(Text(f"{key}：单位应为 {right}", f"{key}: the unit must be one of {right}"))
    return faults


def _faults(error: ValidationError, path: Path) -> list[Text]:
    faults = []
    for fault in error.errors():
        key = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            near = near_names(str(fault["loc"][-1]), _known_keys(fault["loc"][:-1]))
            faults.append(Text(f"{path}：{key}：未知的键{near.zh}", f"{path}: {key}: unknown key{near.en}"))
        else:
            faults.append(Text(f"{path}：{key}：{fault['msg']}", f"{path}: {key}: {fault['msg']}"))
    return faults


def _known_keys(place: tuple[int | str, ...]) -> tuple[str, ...]:
    if not place:
        return ("base", *ColumnMap.model_fields)
    return tuple(CodeTable.model_fields if place[-1] == "table" else CodeSource.model_fields)
