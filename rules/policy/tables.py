"""The tables a policy names: weights or scores, coefficients, auxiliary sub-types. CSV, UTF-8, beside the policy."""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from rules.fault import Text, UserError, at, near
from rules.policy.cases import CoefficientPart
from rules.policy.resolve import Policy, Resolved
from rules.policy.values import PLAIN

KINDS = ("drug", "consumable", "procedure")
LEVELS = ("1", "2", "3")


class GroupFigures(NamedTuple):
    """What a table says of one group: weight (or score) and means in fen, all exact.

    A weight that is withheld is None. Means leave out what is paid separately.
    """

    weight: Fraction | None
    mean: Fraction | None = None
    level_means: Mapping[str, Fraction] = {}
    last_year_means: Mapping[str, Fraction] = {}
    kind_means: Mapping[str, Fraction] = {}


@dataclass(frozen=True)
class Tables:
    """The tables of one day's rules. `coefficients` has one table for each part of the hospital coefficient.

    `means` holds group means (fen) that are given in place of the table's, by worked examples.
    """

    groups: Mapping[str, GroupFigures] = field(default_factory=dict)
    coefficients: tuple[Mapping[tuple[str, ...], Fraction], ...] = ()
    auxiliary: Mapping[tuple[str, str], Fraction] = field(default_factory=dict)
    means: Mapping[str, Fraction] = field(default_factory=dict)


class Row(NamedTuple):
    """One row of a CSV file and where it stands."""

    file: Path
    number: int
    cells: Mapping[str, str]

    def fault(self, column: str, zh: str, en: str) -> Text:
        """Return a fault of one cell."""
        return at(self.file, f"{self.number}:{column}", zh, en)


def read_rows(file: Path, required: tuple[str, ...]) -> Iterator[Row]:
    """Yield the rows of a CSV file; UserError when it cannot be read or lacks a required column."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise UserError(at(file, "", "没有这个文件", "there is no such file")) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = f"{error}"
        raise UserError(
            at(file, "", f"读不出（须为 UTF-8）：{reason}", f"cannot be read (UTF-8 expected): {reason}")
        ) from None
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        yield from checked_rows(file, reader, required)
    except csv.Error as error:
        raise UserError(at(file, str(reader.line_num), f"CSV 写法不对：{error}", f"is no CSV: {error}")) from None


def checked_rows(file: Path, reader: "csv.DictReader[str]", required: tuple[str, ...]) -> Iterator[Row]:
    """Yield the rows; UserError for columns missing or named twice, and for rows with more cells than columns."""
    columns = [name.strip() for name in reader.fieldnames or ()]
    faults = [
        at(file, "1", f"缺少列 {name}{hint.zh}", f"column {name} is missing{hint.en}")
        for name in required
        if name not in columns and (hint := near(name, columns)) is not None
    ]
    faults += [
        at(file, "1", f"列 {name} 出现不止一次", f"column {name} appears more than once")
        for name in sorted({name for name in columns if name and columns.count(name) > 1})
    ]
    if faults:
        raise UserError(faults)
    for number, cells in enumerate(reader, start=2):
        if any(cells.get(None) or ()):  # cells beyond the columns stand under None
            zh = f"格数多于 {len(columns)} 列：数字中不要写千位逗号"
            en = f"has more cells than the {len(columns)} columns: no commas within numbers"
            raise UserError(at(file, str(number), zh, en))
        yield Row(file, number, {key.strip(): (value or "").strip() for key, value in cells.items() if key})


class Numbers:
    """Reads the numbers of a file and keeps every fault."""

    def __init__(self) -> None:
        self.faults: list[Text] = []

    def read(self, row: Row, column: str, scale: int = 1, *, positive: bool = False) -> Fraction | None:
        """Return a cell's number times `scale`, or None where the cell is empty or absent."""
        text = row.cells.get(column, "")
        if not text:
            return None
        number = Decimal(text) if PLAIN.fullmatch(text) else Decimal(-1)
        if number < 0 or (positive and not number):
            self.faults.append(
                row.fault(column, f"{text!r} 不是正的十进制数", f"{text!r} is not a positive decimal number")
            )
            return None
        return Fraction(number) * scale

    def whole_fen(self, row: Row, means: Mapping[str, Fraction]) -> Mapping[str, Fraction]:
        """Return means that must be whole fen, since they are subtracted from an amount of money."""
        for kind, mean in means.items():
            if mean.denominator != 1:
                self.faults.append(row.fault(f"mean_{kind}", "须精确到分", "must be in whole fen"))
        return means

    def settle(self) -> None:
        """Raise UserError when any fault was found."""
        if self.faults:
            raise UserError(self.faults)


def read_groups(file: Path, weight: str) -> dict[str, GroupFigures]:
    """Read a table of weights or scores.

    Columns: group, `weight` ("weight" or "score"); optional: status (published | withheld), and means in yuan:
    mean_charge, mean_separate (inside mean_charge and taken out of it), mean_charge_1 … 3 and last_year_mean_1 … 3 by
    hospital level, mean_drug, mean_consumable, mean_procedure. Further columns are information.
    """
    numbers = Numbers()
    found: dict[str, GroupFigures] = {}
    for row in read_rows(file, ("group", weight)):
        group, status = row.cells["group"], row.cells.get("status") or "published"
        if not group or group in found:
            numbers.faults.append(
                row.fault("group", f"病组 {group!r} 为空或重复", f"group {group!r} is empty or appears twice")
            )
        if status not in {"published", "withheld"}:
            numbers.faults.append(
                row.fault(
                    "status", f"{status!r} 应为 published 或 withheld", f"{status!r} must be published or withheld"
                )
            )
        mean = numbers.read(row, "mean_charge", 100, positive=True)
        separate = numbers.read(row, "mean_separate", 100) or Fraction(0)
        if mean is not None and separate >= mean:
            numbers.faults.append(row.fault("mean_separate", "不小于 mean_charge", "is not below mean_charge"))
        found[group] = GroupFigures(
            numbers.read(row, weight, positive=True) if status == "published" else None,
            None if mean is None else mean - separate,
            read_means(numbers, row, {level: f"mean_charge_{level}" for level in LEVELS}),
            read_means(numbers, row, {level: f"last_year_mean_{level}" for level in LEVELS}),
            numbers.whole_fen(row, read_means(numbers, row, {kind: f"mean_{kind}" for kind in KINDS})),
        )
    numbers.settle()
    return found


def read_means(numbers: Numbers, row: Row, columns: Mapping[str, str]) -> dict[str, Fraction]:
    """Return the means (fen) that a row gives, by what they are the mean of."""
    read = {key: numbers.read(row, column, 100) for key, column in columns.items()}
    return {key: mean for key, mean in read.items() if mean is not None}


def read_keyed(file: Path, keys: tuple[str, ...], value: str) -> dict[tuple[str, ...], Fraction]:
    """Read a table of one number by its keys: (level, group) → coefficient, (group, subtype) → coefficient."""
    numbers = Numbers()
    found: dict[tuple[str, ...], Fraction] = {}
    for row in read_rows(file, (*keys, value)):
        key = tuple(row.cells[name] for name in keys)
        number = numbers.read(row, value)
        if key in found or number is None:
            numbers.faults.append(
                row.fault(value, f"{'、'.join(key)} 重复或没有数值", f"{', '.join(key)} appears twice or has no number")
            )
        else:
            found[key] = number
    numbers.settle()
    return found


def coefficient_table(part: CoefficientPart, folder: Path) -> dict[tuple[str, ...], Fraction]:
    """Return one part's table of hospital coefficients, written in the policy or in a file."""
    return inline_coefficients(part) if part.file is None else read_keyed(folder / part.file, part.by, "coefficient")


def inline_coefficients(part: CoefficientPart) -> dict[tuple[str, ...], Fraction]:
    """Return the coefficients that stand in the policy itself."""
    found: dict[tuple[str, ...], Fraction] = {}
    for key, value in (part.table or {}).items():
        inner = value.items() if isinstance(value, dict) else [(None, value)]
        found |= {(key,) if second is None else (key, second): Fraction(number) for second, number in inner}
    return found


def load_tables(policy: Policy, resolved: Resolved) -> Tables:
    """Read every table that one day's rules need to pay cases. UserError carries the faults of all files."""
    rules, folder = resolved.rules, policy.file.parent
    faults: list[Text] = []
    groups: dict[str, GroupFigures] = {}
    parts: list[dict[tuple[str, ...], Fraction]] = []
    auxiliary: dict[tuple[str, ...], Fraction] = {}
    table, weight = (rules.weights, "weight") if rules.weights else (rules.scores, "score")
    try:
        groups = read_groups(folder / table.file, weight) if table else {}
    except UserError as error:
        faults += error.faults
    for part in rules.hospital_coefficient.parts if rules.hospital_coefficient else ():
        try:
            parts.append(coefficient_table(part, folder))
        except UserError as error:
            faults += error.faults
    try:
        auxiliary = (
            read_keyed(folder / rules.auxiliary.file, ("group", "subtype"), "coefficient") if rules.auxiliary else {}
        )
    except UserError as error:
        faults += error.faults
    if faults:
        raise UserError(faults)
    return Tables(groups, tuple(parts), {(group, subtype): number for (group, subtype), number in auxiliary.items()})
