"""The base cases of a directory measurement: what is kept of millions of claims to group them again and again.

Codes are numbers from the first reading on; a case takes about 60 bytes besides its ids, which go as soon as stays are
merged and refunds are out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from engine.calibration import FEES
from engine.case_sub_types import COLUMNS as SUB_TYPED
from engine.cases import ClaimsInput
from engine.claims import in_order, open_claims
from engine.fee_lines import read_fee_lines
from grouper.codes import fold
from grouper.columns import BLANK, MISSING
from grouper.dip import kernel as k
from grouper.dip.compile import compile_directory
from grouper.dip.directory import Directory
from grouper.dip.subtypes import SubTypes, sub_types_of
from grouper.fault import Text, UserError
from rules.payment.calibration import inside_charge
from rules.payment.item_costs import item_costs
from rules.payment.place import place
from rules.payment.stays import budget_year, dates_needed, merge_parts, without_refunds
from rules.policy.model import Rules

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
UInt8 = npt.NDArray[np.uint8]
NUMBERS = ("age", "age_days", "birth_weight")
STAYS = ("case_id", "stay_id", "part_of_stay", "refund", "original_case_id", "total_charge", "hospital_level")
POOLS = ("insurance_type", "insured_region", "treated_region")
LEVEL = pl.Enum(["1", "2", "3"])
BATCH = 500_000


class CodeNumbers:
    """Gives every folded code of one column a number; 0 is the blank."""

    def __init__(self) -> None:
        self.codes = [""]
        self._numbers: dict[str, int] = {"": 0}
        self._seen: dict[str | None, int] = {None: 0}

    def of(self, dictionary: Sequence[str | None]) -> Int32:
        """Return the number of each dictionary entry."""
        for code in dictionary:
            if code not in self._seen:
                folded = fold(code or "")
                self._seen[code] = self._numbers.setdefault(folded, len(self.codes))
                if self._seen[code] == len(self.codes):
                    self.codes.append(folded)
        return np.array([self._seen[code] for code in dictionary], np.int32)


class Lists(NamedTuple):
    """A list of code numbers for every claim: `codes[start[i]:start[i + 1]]`."""

    start: Int64
    codes: Int32

    def part(self, first: int, last: int) -> "Lists":
        """Return the lists of some claims."""
        start = self.start[first : last + 1]
        return Lists(start - start[0], self.codes[start[0] : start[-1]])

    def claims(self) -> Int32:
        """Return the claim of each entry."""
        return np.repeat(np.arange(len(self.start) - 1, dtype=np.int32), np.diff(self.start))


@dataclass(frozen=True)
class DipCases:
    """Claims as read, and the base cases among them.

    `frame`: row (of the claims as read), case_id, year, level, charge (int64 fen inside the perimeter), pool (position
    in the policy, -1: none), fees by kind where the policy asks for them. The lists and `numbers` (age, age_days,
    birth_weight; -1: missing) are of all claims; code number 0 is the blank. `sub_types`: row, kind, subtype of all
    claims, None where they are not measured.
    """

    frame: pl.DataFrame
    diagnoses: Lists
    procedures: Lists
    diagnosis_codes: Sequence[str]
    procedure_codes: Sequence[str]
    numbers: Mapping[str, Int32]
    counts: dict[str, int]
    findings: list[dict[str, Any]]
    files: list[Path]
    sub_types: pl.DataFrame | None

    @property
    def claims(self) -> int:
        """Number of claims as read."""
        return len(self.diagnoses.start) - 1

    def without_ids(self) -> "DipCases":
        """Return the cases without their ids, which take as much memory as the rest."""
        return replace(self, frame=self.frame.drop("case_id"))

    def group(self, directory: Directory) -> tuple[Int32, UInt8]:
        """Return the row of the directory that each claim is in, -1 for none, and the kernel's reason."""
        compiled = compile_directory(directory)
        numbers = (
            _code_numbers(compiled.diagnosis_number, self.diagnosis_codes),
            _code_numbers(compiled.procedure_number, self.procedure_codes),
        )
        firsts = range(0, self.claims, BATCH)
        answers = list(
            in_order(lambda first: k.group_records(compiled.tables, self._records(first, *numbers)), firsts, 2)
        )
        if not answers:
            return np.empty(0, np.int32), np.empty(0, np.uint8)
        groups = np.concatenate([answer.group for answer in answers]).astype(np.int32)
        return groups, np.concatenate([answer.reason for answer in answers])

    def _records(self, first: int, diagnosis_code: Int32, procedure_code: Int32) -> k.Records:
        """Return a batch of claims as the kernel reads them."""
        last = min(first + BATCH, self.claims)
        diagnoses, procedures = self.diagnoses.part(first, last), self.procedures.part(first, last)
        age, days, weight = (self.numbers[name][first:last] for name in NUMBERS)
        records = k.Records(
            # An adult sent with day age 0 must not become a newborn; nobody weighs nothing.
            numbers=np.stack([np.where(age > 0, MISSING, days), np.where(weight == 0, MISSING, weight)]).astype(
                np.int32
            ),
            charge=np.full(last - first, MISSING, np.int64),
            diagnosis_start=diagnoses.start,
            diagnosis=diagnoses.codes,
            diagnosis_code=diagnosis_code,
            procedure_start=procedures.start,
            procedure=procedures.codes,
            procedure_code=procedure_code,
        )
        for column in records:
            column.flags.writeable = False
        return records


def _code_numbers(number: Callable[[str], int], codes: Sequence[str]) -> Int32:
    return np.array([BLANK, *(number(code) for code in codes[1:])], np.int32)


def read_dip_cases(
    claims: ClaimsInput,
    rules: Rules,
    years: Sequence[int],
    fee_lines: Path | None = None,
    sub_types: SubTypes | pl.DataFrame | None = None,
) -> DipCases:
    """Read the claims of the years: stays merged, refunds out with their originals.

    `sub_types`: the rules that give them, or a table of case_id, kind, subtype. The charge of a base case may still
    not be positive.
    """
    fees = [fee for kinds in FEES.values() for fee in kinds] if rules.exclusion is not None else []
    asked = SUB_TYPED if isinstance(sub_types, SubTypes) else ()
    wanted = (*STAYS, *sorted(dates_needed(rules.date_basis)), *POOLS, *fees)
    opened = open_claims(
        claims.inputs,
        needed=tuple(dict.fromkeys(("diagnoses", "procedures", *NUMBERS, *wanted, *asked))),
        required=("total_charge", "hospital_level"),
        column_map=claims.column_map,
        policy=claims.checks,
    )
    codes = {"diagnoses": CodeNumbers(), "procedures": CodeNumbers()}
    lists: dict[str, list[Lists]] = {name: [] for name in codes}
    values: dict[str, list[Int32]] = {name: [] for name in NUMBERS}
    frames, sub_typed, rows_in, rejected = [], [], 0, 0
    for batch in opened.batches():
        first, rows_in, rejected = rows_in - rejected, rows_in + batch.rows_in, rejected + batch.rows_rejected
        opened.findings.merge(batch.findings)
        for name, known in codes.items():
            lists[name].append(_numbered(batch.table, name, known))
        for name, parts in values.items():
            parts.append(_whole(batch.table, name))
        if isinstance(sub_types, SubTypes):
            found = sub_types_of(pl.DataFrame(batch.table), sub_types)
            sub_typed.append(_by_row(found, pl.DataFrame(batch.table.select(["case_id"])).with_row_index("row", first)))
        frames.append(_kept(pl.DataFrame(batch.table.drop_columns(_codes_of(batch.table))), rules))
    if rows_in == rejected:
        zh = f"没有可用的结算记录：读入 {rows_in} 条，拒收 {rejected} 条"
        raise UserError(Text(zh, f"there is no claim to measure from: {rows_in} read, {rejected} rejected"))
    frame = pl.concat(frames).with_row_index("row")
    if isinstance(sub_types, pl.DataFrame):
        sub_typed = [_by_row(sub_types, frame)]
    return DipCases(
        frame=_base_cases(frame, rules, years, fee_lines),
        diagnoses=_joined(lists["diagnoses"]),
        procedures=_joined(lists["procedures"]),
        diagnosis_codes=codes["diagnoses"].codes,
        procedure_codes=codes["procedures"].codes,
        numbers={name: np.concatenate(parts) for name, parts in values.items()},
        counts={"in": rows_in, "rejected": rejected, "accepted": rows_in - rejected},
        findings=opened.findings.to_json(),
        files=[source.path for source in opened.sources],
        sub_types=pl.concat(sub_typed) if sub_typed else None,
    )


def _by_row(found: pl.DataFrame, claims: pl.DataFrame) -> pl.DataFrame:
    """Return row, kind, subtype: sub-types of cases by the row of their claim."""
    joined = claims.select("row", "case_id").join(found, on="case_id", maintain_order="left")
    return joined.select("row", pl.col("kind", "subtype").cast(pl.Categorical))


def _codes_of(table: pa.Table) -> list[str]:
    return [name for name in ("diagnoses", "procedures") if name in table.column_names]


def _numbered(table: pa.Table, name: str, known: CodeNumbers) -> Lists:
    """Return a column of lists of codes as numbers, all-empty where there is no such column."""
    if name not in table.column_names:
        return Lists(np.zeros(table.num_rows + 1, np.int64), np.empty(0, np.int32))
    starts, entries = [np.zeros(1, np.int64)], []
    for lists in table[name].chunks:
        offsets = lists.offsets.to_numpy().astype(np.int64)
        values = lists.values.slice(offsets[0], offsets[-1] - offsets[0])
        numbers = np.append(known.of(values.dictionary.to_pylist()), 0).astype(np.int32)
        indices = values.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        starts.append(offsets[1:] - offsets[0] + starts[-1][-1])
        entries.append(numbers[indices])
    return Lists(np.concatenate(starts), np.concatenate([np.empty(0, np.int32), *entries]))


def _joined(parts: Sequence[Lists]) -> Lists:
    """Return the lists of all batches one after the other."""
    ends = np.cumsum([0, *(part.start[-1] for part in parts)])
    starts = [part.start[:-1] + end for part, end in zip(parts, ends, strict=False)]
    return Lists(
        np.concatenate([*starts, ends[-1:]]).astype(np.int64),
        np.concatenate([np.empty(0, np.int32), *(part.codes for part in parts)]),
    )


def _whole(table: pa.Table, name: str) -> Int32:
    """Return a column of whole numbers, -1 where missing."""
    if name not in table.column_names:
        return np.full(table.num_rows, -1, np.int32)
    column = pl.Series(table[name]).cast(pl.Int32).fill_null(-1)
    return column.to_numpy()


def _kept(claims: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """Return what is kept of a batch of claims until stays are merged."""
    kinds = {
        kind: pl.sum_horizontal(pl.col(fee).fill_null(0) for fee in fees if fee in claims.columns)
        for kind, fees in FEES.items()
        if rules.exclusion is not None
    }
    return claims.select(
        *(name for name in STAYS if name in claims.columns and name != "hospital_level"),
        budget_year(claims, rules.date_basis),
        pl.col("hospital_level").cast(pl.String).cast(LEVEL).alias("level"),
        _pool(claims, rules).alias("pool"),
        *(total.alias(f"fee_{kind}") for kind, total in kinds.items()),
    )


def _pool(claims: pl.DataFrame, rules: Rules) -> pl.Expr:
    """Return the position of each claim's pool in the policy, -1 where none takes it: all discharges are measured."""
    found = pl.lit(-1, pl.Int8)
    if "insurance_type" not in claims.columns:
        return found
    for number, pool in enumerate(rules.pools):
        takes = pl.col("insurance_type").is_in(list(pool.insurance_types)) & (place(claims) == pool.place)
        found = pl.when(takes).then(pl.lit(number, pl.Int8)).otherwise(found)
    return found


def _base_cases(claims: pl.DataFrame, rules: Rules, years: Sequence[int], fee_lines: Path | None) -> pl.DataFrame:
    """Return the base cases of the years, with their charge inside the perimeter."""
    whole = without_refunds(merge_parts(claims).claims).filter(pl.col("year").is_in(list(years)))
    charge = pl.col("total_charge")
    if fee_lines is not None and any(item.taken_out for item in rules.separate_items):
        costs = item_costs(read_fee_lines(fee_lines), rules)
        if costs is not None:
            whole = whole.join(costs.select("case_id", "taken_out"), on="case_id", how="left", maintain_order="left")
            charge = inside_charge(charge, pl.col("taken_out"))
    ids = [name for name in ("stay_id", "part_of_stay", "refund", "original_case_id") if name in whole.columns]
    return whole.with_columns(charge.alias("charge")).drop("total_charge", *ids)
