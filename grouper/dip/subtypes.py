"""Auxiliary sub-types (辅助分型) of cases: age, comorbidity (CCI), severity, tumours, intensive care, as rows of data.

Source: the auxiliary directories (辅助目录) of 《按病种分值(DIP)付费技术规范》 and of 3.0.
The lists behind them are the user's; an illustrative set is in grouper/dip/examples/subtypes. The first row of a kind
that takes a case gives its sub-type of that kind; what a sub-type pays is said elsewhere.
"""

import re
from collections.abc import Callable, Collection, Container, Mapping
from dataclasses import dataclass
from functools import partial, reduce
from operator import and_, or_
from pathlib import Path
from typing import Literal, NamedTuple

import polars as pl

from grouper.codes import fold
from grouper.dip.cells import CellError, Keys, read_cell, read_choice, read_codes, read_keys
from grouper.fault import Text, UserError
from grouper.scheme.pack import Names, load_scheme
from grouper.scheme.settings import Strict, read_toml, validated
from grouper.scheme.tables import Layout, Row, Table, Tables, read_tables

EXAMPLES = Path(__file__).parent / "examples"
EXAMPLE = "example"
"""The name of the illustrative set."""
DEATH = "5"
"""The way of discharge (离院方式) that is death."""
LAYOUT = Layout(
    columns={
        "subtypes": (
            "kind", "code", "name", "main_diagnosis", "marker", "death", "age", "age_days", "length_of_stay",
            "icu_days", "cci", "severity",
        ),
        "markers": ("marker", "position", "code"),
        "cci": ("code", "weight", "condition"),
    },
    optional=("markers", "cci"),
    keys={"markers": ("marker", "position", "code")},
    needed={"subtypes": ("kind", "code"), "cci": ("code", "weight")},
)  # fmt: skip
"""The tables of a set of sub-types."""
RANGES = {"age": "years_above", "age_days": "days_above", "length_of_stay": "days_above", "icu_days": "days_above"}
"""Numbers that rows may bound, and the switch that says what `65+` means of them."""
LEVELS = ("none", "cc", "mcc")
POSITIONS = ("main", "other", "any", "procedure")
_HOURS_OF_A_DAY = 24
_FOUND = {"case_id": pl.String, "kind": pl.String, "subtype": pl.String}


class Switches(Strict):
    """What the texts leave open; docs/dip.md says why."""

    years_above: Literal["included", "excluded"] = "included"
    days_above: Literal["included", "excluded"] = "included"
    icu_day: Literal["whole", "started"] = "whole"


class SubTypesHead(Strict):
    """What subtypes.toml says. `severity_scheme` is the DRG scheme whose MCC and CC lists tell severity."""

    id: str
    name: Names
    document: str
    severity_scheme: str | None = None
    switches: Switches = Switches()


class Limits(NamedTuple):
    """A range of whole numbers, without an end where `high` is None."""

    low: int
    high: int | None


@dataclass(frozen=True)
class SubType:
    """One sub-type and when it takes a case: every condition that is given must hold."""

    kind: str
    code: str
    name: str
    main_diagnosis: Keys | None
    marker: str | None
    death: bool | None
    ranges: Mapping[str, Limits]
    severity: str | None


@dataclass(frozen=True)
class SubTypes:
    """A set of auxiliary sub-types, ready to be applied. Codes are folded."""

    head: SubTypesHead
    rows: tuple[SubType, ...]
    markers: Mapping[str, Mapping[str, Container[str]]]
    """By marker and position (main, other, any, procedure): what its diagnoses or procedures are in."""
    cci: Mapping[str, int]
    """Weights of the comorbidity index by code or category."""


def load_sub_types(folder: str | Path) -> SubTypes:
    """Load the sub-types of a folder, or the illustrative ones, named example. Raises UserError with every fault."""
    path = EXAMPLES / "subtypes" if folder == EXAMPLE else Path(folder)
    head = validated(path / "subtypes.toml", SubTypesHead, read_toml(path / "subtypes.toml"))
    faults: list[Text] = []
    tables = read_tables(path, faults, LAYOUT)
    sub_types = SubTypes(
        head=head,
        rows=tuple(_sub_type(row, head.switches, tables, faults) for row in tables["subtypes"].values()),
        markers=_markers(tables["markers"], faults),
        cci={fold(code): _weight(row, faults) for code, row in tables["cci"].items()},
    )
    if faults:
        raise UserError(faults)
    return sub_types


def sub_types_of(claims: pl.DataFrame, rules: SubTypes) -> pl.DataFrame:
    """Return case_id, kind and subtype: a row for each sub-type of a case, at most one of a kind.

    `claims` holds canonical columns: case_id, diagnoses, procedures, age, age_days, length_of_stay, icu_hours,
    discharge_way. One that is absent counts as missing, and what is missing is in no range.
    """
    facts = _facts(claims, rules)
    found = []
    for kind in dict.fromkeys(row.kind for row in rules.rows):
        taken = [pl.when(_holds(row)).then(pl.lit(row.code)) for row in rules.rows if row.kind == kind]
        found.append(facts.select("case_id", kind=pl.lit(kind), subtype=pl.coalesce(taken)).drop_nulls("subtype"))
    return pl.concat(found).sort("case_id", maintain_order=True) if found else pl.DataFrame(schema=_FOUND)


def highest(
    found: pl.DataFrame, groups: pl.DataFrame, coefficients: pl.DataFrame, never: Collection[str] = ()
) -> pl.DataFrame:
    """Return for each case the sub-type with the highest coefficient of its group.

    `found`: case_id, kind, subtype; `groups`: case_id, group; `coefficients`: group, subtype, coefficient, those that
    were triggered; `never`: groups that are not sub-typed (TCM-advantage and per-diem groups). Of equal coefficients
    the earlier kind wins. Returns case_id, group, kind, subtype, coefficient; a case without any has no row.
    """
    return (
        found.join(groups.filter(~pl.col("group").is_in(list(never))), on="case_id", how="inner", maintain_order="left")
        .join(coefficients, on=["group", "subtype"], how="inner", maintain_order="left")
        .sort("coefficient", descending=True, maintain_order=True)
        .unique("case_id", keep="first", maintain_order=True)
        .select("case_id", "group", "kind", "subtype", "coefficient")
        .sort("case_id")
    )


def _holds(row: SubType) -> pl.Expr:
    """Return whether a row takes a case, never null."""
    tests = [_within(pl.col(name), limits) for name, limits in row.ranges.items()]
    if row.main_diagnosis is not None:
        tests.append(pl.col(f"main {row.code}"))
    if row.marker is not None:
        tests.append(pl.col(f"marker {row.marker}"))
    if row.death is not None:
        tests.append(pl.col("death") == row.death)
    if row.severity is not None:
        tests.append(pl.col("severity") == LEVELS.index(row.severity))
    return reduce(and_, tests, pl.lit(value=True)).fill_null(value=False)


def _within(column: pl.Expr, limits: Limits) -> pl.Expr:
    above = column >= limits.low
    return above if limits.high is None else above & (column <= limits.high)


def _facts(claims: pl.DataFrame, rules: SubTypes) -> pl.DataFrame:
    """Return what rows ask about each case, a column for each fact."""
    asked = ("case_id", "diagnoses", "procedures", "age", "age_days", "length_of_stay", "icu_hours", "discharge_way")
    whole = claims.with_columns(pl.lit(None).alias(name) for name in asked if name not in claims.columns)
    whole = whole.with_row_index("row")
    diagnoses, procedures = _codes(whole, "diagnoses"), _codes(whole, "procedures")
    main, others = diagnoses.filter(pl.col("place") == 0), diagnoses.filter(pl.col("place") > 0)
    codes = {"main": main, "other": others, "any": diagnoses, "procedure": procedures}
    flags: dict[str, list[tuple[pl.DataFrame, Container[str]]]] = {
        f"main {row.code}": [(main, row.main_diagnosis)] for row in rules.rows if row.main_diagnosis is not None
    }
    flags |= {
        f"marker {name}": [(codes[at], named) for at, named in places.items()] for name, places in rules.markers.items()
    }
    hit = {
        name: reduce(or_, (pl.col("row").is_in(_rows(frame, named).implode()) for frame, named in where))
        for name, where in flags.items()
    }
    return (
        whole.select("row", pl.col("case_id").cast(pl.String), **_numbers(rules.head.switches), **hit)
        .join(_comorbidity(others, rules.cci), on="row", how="left", maintain_order="left")
        .join(_severity(main, others, rules.head.severity_scheme), on="row", how="left", maintain_order="left")
        .with_columns(pl.col("cci", "severity").fill_null(0))
    )


def _numbers(switches: Switches) -> dict[str, pl.Expr]:
    age, hours = _whole("age"), _whole("icu_hours")
    started = hours + (_HOURS_OF_A_DAY - 1 if switches.icu_day == "started" else 0)
    return {
        "age": age,
        # An adult sent with day age 0 must not become a newborn.
        "age_days": pl.when(age.fill_null(0) == 0).then(_whole("age_days")),
        "length_of_stay": _whole("length_of_stay"),
        "icu_days": started // _HOURS_OF_A_DAY,
        "death": pl.col("discharge_way").cast(pl.String) == DEATH,
    }


def _whole(name: str) -> pl.Expr:
    number = pl.col(name).cast(pl.Int32)
    return pl.when(number >= 0).then(number)


def _codes(claims: pl.DataFrame, column: str) -> pl.DataFrame:
    """Return row, place and folded code of every code of a column of lists, blanks left out."""
    lists = claims.select("row", code=pl.col(column).cast(pl.List(pl.String)))
    exploded = lists.with_columns(place=pl.int_ranges(pl.col("code").list.len())).explode("code", "place")
    written = exploded["code"].drop_nulls().unique()
    folded = pl.DataFrame({"code": written, "folded": [fold(code) for code in written]}, schema=_SPELLED)
    named = exploded.join(folded, on="code", how="inner", maintain_order="left")
    return named.filter(pl.col("folded") != "").select("row", "place", code="folded")


_SPELLED = {"code": pl.String, "folded": pl.String}


def _rows(codes: pl.DataFrame, named: Container[str]) -> pl.Series:
    """Return the rows that hold a code that is named; each distinct code is looked at once."""
    hits = [code for code in codes["code"].unique() if code in named]
    return codes.filter(pl.col("code").is_in(hits))["row"].unique()


def _comorbidity(others: pl.DataFrame, weights: Mapping[str, int]) -> pl.DataFrame:
    """Return row and cci: the sum over categories of the highest weight of each; other diagnoses only."""
    codes = others["code"].unique()
    weighed = [max((weights.get(code[:length], 0) for length in (3, 5, len(code))), default=0) for code in codes]
    table = pl.DataFrame({"code": codes, "weight": weighed}, schema={"code": pl.String, "weight": pl.Int32})
    of_category = others.join(table, on="code").group_by("row", pl.col("code").str.head(3)).agg(pl.col("weight").max())
    return of_category.group_by("row").agg(cci=pl.col("weight").sum())


def _severity(main: pl.DataFrame, others: pl.DataFrame, scheme: str | None) -> pl.DataFrame:
    """Return row and severity: the highest complication level that the main diagnosis does not exclude."""
    if scheme is None:
        return pl.DataFrame(schema={"row": main.schema["row"], "severity": pl.Int32})
    loaded = load_scheme(scheme)
    complications = pl.DataFrame(
        [(code, LEVELS.index(one.level.lower()), one.exclusion) for code, one in loaded.complications.items()],
        schema={"code": pl.String, "level": pl.Int32, "exclusion": pl.String},
        orient="row",
    )
    excluding = pl.DataFrame(
        [(table, code) for table, codes in loaded.exclusions.items() for code in codes],
        schema={"exclusion": pl.String, "main": pl.String},
        orient="row",
    )
    counted = (
        others.join(complications, on="code")
        .join(main.select("row", main="code"), on="row", how="left")
        .join(excluding, on=["exclusion", "main"], how="anti")
    )
    return counted.group_by("row").agg(severity=pl.col("level").max())


def _sub_type(row: Row, switches: Switches, tables: Tables, faults: list[Text]) -> SubType:
    marker = read_choice(row, "marker", {one.values["marker"] for one in tables["markers"].values()}, faults)
    death = read_choice(row, "death", ("yes", "no"), faults)
    ranges = {name: read_cell(row, name, partial(_limits, name, switches), faults) for name in (*RANGES, "cci")}
    return SubType(
        kind=row.values["kind"],
        code=row.values["code"],
        name=row.values["name"],
        main_diagnosis=read_cell(row, "main_diagnosis", read_keys, faults),
        marker=marker,
        death=None if death is None else death == "yes",
        ranges={name: limits for name, limits in ranges.items() if limits is not None},
        severity=read_choice(row, "severity", LEVELS, faults),
    )


def _limits(name: str, switches: Switches, cell: str) -> Limits:
    """Read `7-17`, `31-` or `65+` (65 以上, which may include 65 or not). Raises CellError."""
    found = _RANGE.fullmatch(cell)
    if not found or (found[3] and int(found[3]) < int(found[1])):
        fault = Text(f"“{cell}”应为范围，如 7-17、31- 或 65+", f"{cell!r} should be a range such as 7-17, 31- or 65+")
        raise CellError(fault)
    is_above = found[2] == "+" and getattr(switches, RANGES.get(name, ""), "included") == "excluded"
    return Limits(int(found[1]) + is_above, int(found[3]) if found[3] else None)


_RANGE = re.compile(r"(\d+)(?:([+])|-(\d*))")


def _markers(table: Table, faults: list[Text]) -> dict[str, dict[str, Container[str]]]:
    cells: dict[tuple[str, str], list[str]] = {}
    for row in table.values():
        position = read_choice(row, "position", POSITIONS, faults)
        reader: Callable[[str], object] = read_codes if position == "procedure" else read_keys
        if position is not None and read_cell(row, "code", reader, faults) is not None:
            cells.setdefault((row.values["marker"], position), []).append(row.values["code"])
    markers: dict[str, dict[str, Container[str]]] = {}
    for (marker, position), codes in cells.items():
        listed = "|".join(codes)
        named = Beginnings(read_codes(listed)) if position == "procedure" else read_keys(listed)
        markers.setdefault(marker, {})[position] = named
    return markers


@dataclass(frozen=True)
class Beginnings:
    """Procedures named by whole codes or by what they begin with."""

    names: frozenset[str]

    def __contains__(self, code: object) -> bool:
        return isinstance(code, str) and any(code[:length] in self.names for length in range(2, len(code) + 1))


def _weight(row: Row, faults: list[Text]) -> int:
    weight = row.values["weight"]
    if not weight.isdecimal():
        faults.append(row.fault("weight", f"“{weight}”不是整数", f"{weight!r} is no whole number"))
        return 0
    return int(weight)
