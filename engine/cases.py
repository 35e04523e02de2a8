"""Grouped cases: claims joined with their groups, ready to be measured or paid."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from engine.case_sub_types import COLUMNS as SUB_TYPED
from engine.case_sub_types import sub_types
from engine.claims import CheckPolicy, Claims, open_claims
from grouper.dip.subtypes import SubTypes
from grouper.fault import Text, UserError
from grouper.kinds import AnyScheme, Grouper, make_grouper

COLUMNS = (
    "stay_id", "person_id", "hospital_id", "hospital_level", "insurance_type", "insured_region", "treated_region",
    "age", "admitted", "discharged", "settled", "received", "length_of_stay", "discharge_way", "department",
    "payment_kind", "visit_kind", "total_charge", "fund_total", "hospital_borne", "fund_pool_paid", "fund_large_paid",
    "fund_serious_paid", "fund_civil_paid", "fund_assist_paid", "fund_other_paid", "patient_paid", "full_self_paid",
    "deductible", "category_b_self_paid", "refund", "original_case_id", "part_of_stay",
)  # fmt: skip
DRG_ANSWERS = ("case_id", "status", "adrg", "drg")
DIP_ANSWERS = ("case_id", "status", "group")


@dataclass(frozen=True)
class ClaimsInput:
    """Claims files and how to read them."""

    inputs: Sequence[Path]
    column_map: str | Path | None = None
    checks: CheckPolicy = field(default_factory=CheckPolicy)


@dataclass(frozen=True)
class Cases:
    """Cases with `group` (null: none) and `parent`, and what reading found: rows in, rejected, without a group row."""

    frame: pl.DataFrame
    counts: dict[str, int]
    findings: list[dict[str, Any]]
    files: list[Path]


def read_grouped(paths: Sequence[Path]) -> pl.DataFrame:
    """Return case_id, group and parent of grouped claims: results of `drgdip group`, files or folders of them.

    A case is in a group only where its status is grouped. Raises UserError for files without the columns.
    """
    files = [path / "grouped.parquet" if path.is_dir() else path for path in paths]
    frames, faults = [], []
    for file in files:
        try:
            is_dip = "group" in pl.read_parquet_schema(file)
            frame = pl.read_parquet(file, columns=list(DIP_ANSWERS if is_dip else DRG_ANSWERS))
        except FileNotFoundError:
            faults.append(Text(f"{file}：没有这个文件", f"{file}: there is no such file"))
        except (OSError, pl.exceptions.PolarsError) as error:
            faults.append(
                Text(f"{file}：不是 drgdip group 的结果：{error}", f"{file} is no result of drgdip group: {error}")
            )
        else:
            group, parent = ("group", None) if is_dip else ("drg", "adrg")
            frames.append(frame.select("case_id", *_group_columns(group, parent)))
    if faults:
        raise UserError(faults)
    return pl.concat(frames)


def _group_columns(group: str, parent: str | None) -> list[pl.Expr]:
    """Return group and parent, from the answers that hold them; nothing but a grouped case has a group."""
    grouped = pl.col("status").cast(pl.String) == "grouped"
    answers = {"group": pl.col(group), "parent": pl.lit(None) if parent is None else pl.col(parent)}
    return [pl.when(grouped).then(answer.cast(pl.String)).alias(name) for name, answer in answers.items()]


def read_cases(
    claims: ClaimsInput, grouped: Sequence[Path], columns: Sequence[str] = COLUMNS, rules: SubTypes | None = None
) -> Cases:
    """Return the claims with their groups, joined on case_id, and with rules of sub-types their `subtypes`.

    A claim without a row in `grouped` was rejected when it was grouped: it is left out and counted. Raises UserError
    where none fits.
    """
    groups = read_grouped(grouped)
    opened = _open(claims, _with_sub_typed(columns, rules))
    frame, counts = _read(opened, rules)
    joined = frame.join(groups, on="case_id", how="inner", maintain_order="left")
    if frame.height and not joined.height:
        raise UserError(
            Text(
                "结算记录与分组结果没有相同的 case_id：是否给错了文件？",
                "no case_id is in both the claims and the grouped claims: are these the right files?",
            )
        )
    counts["not_grouped"] = frame.height - joined.height
    counts["groups_without_claim"] = groups.height - joined.height
    return Cases(joined, counts, opened.findings.to_json(), [source.path for source in opened.sources])


def group_cases(
    claims: ClaimsInput, scheme: AnyScheme, columns: Sequence[str] = COLUMNS, rules: SubTypes | None = None
) -> Cases:
    """Return the claims with the groups of a scheme, and with rules of sub-types their `subtypes`."""
    grouper = make_grouper(scheme)
    opened = _open(claims, _with_sub_typed([*columns, "procedures", *grouper.columns], rules))
    frame, counts = _read(opened, rules, grouper)
    counts["not_grouped"] = counts["groups_without_claim"] = 0
    return Cases(frame, counts, opened.findings.to_json(), [source.path for source in opened.sources])


def _with_sub_typed(columns: Sequence[str], rules: SubTypes | None) -> Sequence[str]:
    return columns if rules is None else (*columns, *SUB_TYPED)


def _open(claims: ClaimsInput, columns: Sequence[str]) -> Claims:
    wanted = tuple(dict.fromkeys(("diagnoses", *columns)))
    return open_claims(
        claims.inputs,
        needed=wanted,
        required=("total_charge",),
        column_map=claims.column_map,
        policy=claims.checks,
    )


def _read(
    opened: Claims, rules: SubTypes | None, grouper: Grouper | None = None
) -> tuple[pl.DataFrame, dict[str, int]]:
    """Read all claims; with a grouper, put their groups in place of their codes."""
    frames, rows_in, rejected = [], 0, 0
    for batch in opened.batches():
        rows_in += batch.rows_in
        rejected += batch.rows_rejected
        frame = _frame(batch.table, grouper)
        frames.append(frame if rules is None else frame.with_columns(sub_types(batch.table, rules)))
        opened.findings.merge(batch.findings)
    frame = pl.concat(frames) if frames else pl.DataFrame()
    return frame, {"in": rows_in, "rejected": rejected, "accepted": rows_in - rejected}


def _frame(table: pa.Table, grouper: Grouper | None) -> pl.DataFrame:
    """Return one batch as a frame."""
    frame = pl.DataFrame(table.drop_columns([name for name in ("procedures",) if name in table.column_names]))
    if grouper is None:
        return frame.with_columns(pl.col("diagnoses").cast(pl.List(pl.String)))
    whole = table.combine_chunks()
    batch = whole.to_batches()[0] if whole.num_rows else pa.RecordBatch.from_pylist([], whole.schema)
    answers, _ = grouper.group(batch)
    groups = pl.DataFrame(pa.Table.from_batches([grouper.arrow(answers)]))
    found = groups.select(_group_columns(grouper.key_columns[-1], grouper.parent_column))
    return frame.drop("diagnoses").with_columns(found.get_columns())
