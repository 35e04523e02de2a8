"""The calibration run: three years of claims in, a table of weights or scores out, ready for the policy to name."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import polars as pl

from engine.cases import COLUMNS, Cases, ClaimsInput, group_cases, read_cases
from engine.fee_lines import read_fee_lines
from engine.outputs.printed import csv_text, printed, printed_yuan
from engine.provenance import input_files, program_versions
from grouper.fault import CannotWriteError, Text, UserError
from grouper.scheme.pack import Scheme
from rules.payment.calibration import Calibrated, GroupWeight, calibrate, means_by
from rules.payment.hospital_coefficient import inversions, level_coefficients, level_group_coefficients
from rules.payment.item_costs import item_costs
from rules.payment.place import place
from rules.payment.point_value import start_value
from rules.payment.stays import budget_year, merge_parts, without_refunds
from rules.payment.trimming import trim
from rules.payment.weight_adjustment import dynamic_adjustment, keep_total, relative_change
from rules.policy.calibration import Calibration
from rules.policy.check import load_policy
from rules.policy.model import Rules
from rules.policy.tables import read_groups

FEES = {
    "drug": ("fee_western_drugs", "fee_herbal_pieces", "fee_chinese_patent_drugs"),
    "consumable": ("fee_consumables",),
    "procedure": ("fee_surgery", "fee_treatment"),
}
LEVELS = ("3", "2", "1")
DECIMALS = 4


@dataclass(frozen=True)
class CalibrationRequest:
    """What a run is asked to do. Groups come from `grouped` where it is given, otherwise from `scheme`."""

    claims: ClaimsInput
    scheme: Scheme
    policy: Path
    out: Path
    grouped: Sequence[Path] = ()
    on: date | None = None
    previous: Path | None = None
    fee_lines: Path | None = None


def run_calibration(request: CalibrationRequest) -> dict[str, Any]:
    """Calibrate weights or scores from claims; write the table and, beside it, a summary as JSON. Returns the summary.

    Raises UserError for bad input, CannotWriteError for bad output; the table is replaced as a whole or not at all.
    """
    policy = load_policy(request.policy)
    rules = policy.on(request.on or policy.valid[0]).rules
    if rules.calibration is None:
        raise UserError(
            Text(
                f"{request.policy}：政策没有 [calibration]，不知如何测算",
                f"{request.policy}: the policy has no [calibration] and does not say how to calibrate",
            )
        )
    cases = _read(request)
    history = _history(cases.frame, rules, request.fee_lines)
    base = int(rules.scores.base) if rules.scores is not None else 1
    measured = calibrate(history, rules.calibration, base, _directory(request.scheme))
    previous = _previous(request, rules)
    final = _adjusted(measured, rules.calibration, previous)
    rows = _rows(final, history, rules, previous)
    summary = _summary(request, cases, history, rules, measured, final)
    _write(request.out, csv_text(rows))
    if rows_by_group := _level_group_rows(history, final, rules):
        _write(request.out.with_name(f"{request.out.stem}-coefficients.csv"), csv_text(rows_by_group))
    _write(request.out.with_suffix(".json"), json.dumps(summary, ensure_ascii=False, indent=2) + "\n")
    return summary


def _read(request: CalibrationRequest) -> Cases:
    columns = [*COLUMNS, *(fee for fees in FEES.values() for fee in fees)]
    if request.grouped:
        return read_cases(request.claims, request.grouped, columns)
    return group_cases(request.claims, request.scheme, columns)


def _history(cases: pl.DataFrame, rules: Rules, fee_lines: Path | None) -> pl.DataFrame:
    """Return the base cases: grouped, stays merged, refunds out, the charge inside the perimeter, the year."""
    whole = without_refunds(merge_parts(cases).claims)
    year = budget_year(whole, rules.date_basis)
    taken = _taken_out(whole, rules, fee_lines)
    years = [int(name) for name in rules.calibration.year_weights] if rules.calibration else []
    return whole.with_columns(
        year,
        (pl.col("total_charge") - taken).alias("charge"),
        pl.col("hospital_level").cast(pl.String).alias("level"),
        *(pl.sum_horizontal(pl.col(fee).fill_null(0) for fee in fees).alias(kind) for kind, fees in FEES.items()),
    ).filter(pl.col("group").is_not_null() & pl.col("year").is_in(years) & (pl.col("charge") > 0))


def _taken_out(cases: pl.DataFrame, rules: Rules, fee_lines: Path | None) -> pl.Series:
    """Return what is paid separately and leaves means and charges alike (fen)."""
    if not any(item.taken_out for item in rules.separate_items):
        return pl.zeros(cases.height, pl.Int64, eager=True)
    costs = item_costs(read_fee_lines(fee_lines), rules)
    if costs is None:
        return pl.zeros(cases.height, pl.Int64, eager=True)
    joined = cases.select("case_id").join(costs, on="case_id", how="left", maintain_order="left")
    return joined["taken_out"].fill_null(0)


def _directory(scheme: Scheme) -> pl.DataFrame:
    """Return every group of a scheme with its parent, except the rows that make no group."""
    rows = [
        (row.code, row.parent)
        for groups in scheme.drgs.values()
        for row in groups
        if not row.is_ambiguous and not row.is_nameless_fallback
    ]
    return pl.DataFrame(rows, schema={"group": pl.String, "parent": pl.String}, orient="row")


def _previous(request: CalibrationRequest, rules: Rules) -> dict[str, Fraction]:
    """Return the weights in force before, of the file named or of the policy's own table where it is of this scheme."""
    table = rules.weights or rules.scores
    own = None if table is None or table.scheme != request.scheme.id else request.policy.parent / table.file
    file = request.previous or (own if own is not None and own.is_file() else None)
    if file is None:
        return {}
    groups = read_groups(file, "weight" if rules.weights else "score")
    return {group: figures.weight for group, figures in groups.items() if figures.weight is not None}


def _adjusted(measured: Calibrated, rule: Calibration, previous: Mapping[str, Fraction]) -> Calibrated:
    """Return the weights moved from last year's, groups that are not lowered held, the base cases' total kept."""
    floors = {group: previous[group] for group in rule.not_lowered if group in previous}
    weights = {g.group: g.weight for g in measured.groups if g.weight is not None}
    if rule.adjustment is not None and previous:
        limit = None if rule.adjustment.limit is None else Fraction(rule.adjustment.limit)
        known = {group: weight for group, weight in previous.items() if group in {g.group for g in measured.groups}}
        weights = dynamic_adjustment(known, weights, Fraction(rule.adjustment.threshold), limit)
    elif not floors:
        return measured
    cases = {g.group: g.cases for g in measured.groups}
    return measured.with_weights(keep_total(weights, cases, measured.total, floors))


def _rows(
    final: Calibrated, history: pl.DataFrame, rules: Rules, previous: Mapping[str, Fraction]
) -> list[dict[str, str]]:
    """Return the lines of the table: what a policy reads first, then what an official looks at."""
    rule = rules.calibration
    assert rule is not None  # noqa: S101 (the run refuses a policy without it)
    by_level = means_by(history, rule, "level")
    alike = history.with_columns(pl.lit("").alias("all"))
    by_kind = {kind: means_by(alike, rule, "all", kind) for kind in FEES if alike[kind].sum()}
    name = "score" if rules.scores is not None else "weight"
    return [
        {
            "group": g.group,
            name: printed(g.weight, rule.decimals),
            "status": g.status,
            "mean_charge": printed_yuan(g.mean),
            **{f"mean_charge_{level}": printed_yuan(by_level.get((g.group, level))) for level in sorted(LEVELS)},
            **{f"mean_{kind}": printed_yuan(means.get((g.group, ""))) for kind, means in by_kind.items()},
            **_information(g, previous),
        }
        for g in final.groups
    ]


def _information(g: GroupWeight, previous: Mapping[str, Fraction]) -> dict[str, str]:
    """Return what stands in the table for information."""
    before = previous.get(g.group)
    change = relative_change(before, g.weight) if before and g.weight is not None else None
    return {
        "parent": g.parent or "",
        "cases": str(g.cases),
        "trimmed": str(g.trimmed),
        "mean_untrimmed": printed_yuan(g.mean_untrimmed),
        "trimming_effect": printed(g.trimming_effect, DECIMALS),
        "cv": printed(None if g.cv is None else Fraction(g.cv), DECIMALS),
        "stability": g.stability,
        "mean_from": g.mean_from or "",
        "previous": printed(before, DECIMALS),
        "change": printed(change, DECIMALS),
    }


def _summary(
    request: CalibrationRequest,
    cases: Cases,
    history: pl.DataFrame,
    rules: Rules,
    measured: Calibrated,
    final: Calibrated,
) -> dict[str, Any]:
    """Return what the run did: counts, the mean of all cases, RIV, coefficients, start values, provenance."""
    weights = {g.group: g.weight for g in final.groups if g.weight is not None}
    published = history.filter(pl.col("group").is_in(list(weights)))
    return {
        "version": 1,
        "program": program_versions(),
        "scheme": {"id": request.scheme.id, "digest": request.scheme.digest},
        "policy": str(request.policy),
        "rows": cases.counts,
        "base_cases": history.height,
        "groups": {
            state: sum(g.stability == state for g in final.groups)
            for state in ("stable", "few_cases", "high_variation", "no_cases")
        },
        "published": len(weights),
        "mean_all": printed_yuan(measured.mean_all),
        "riv": printed(measured.riv, DECIMALS),
        "total_weight": {"measured": printed(measured.total, DECIMALS), "published": printed(final.total, DECIMALS)},
        "level_coefficients": _coefficients(published, weights, rules),
        "start_value": _start_values(published, weights, rules),
        "inputs": input_files([*cases.files, request.policy]),
    }


def _coefficients(cases: pl.DataFrame, weights: Mapping[str, Fraction], rules: Rules) -> dict[str, Any]:
    """Return coefficients by level: cost ratio and cost per weight, and where a lower level would be above a higher."""
    levels = [level for level in LEVELS if level in set(cases["level"].drop_nulls())]
    known = cases.filter(pl.col("level").is_in(levels))
    if not known.height or not levels:
        return {}
    keep = rules.calibration is not None and rules.calibration.inversion == "refused"
    free = level_coefficients(known, levels, weights, no_inversion=False)
    return {
        "cost_ratio": _numbers(level_coefficients(known, levels, no_inversion=keep)),
        "cost_per_weight": _numbers(level_coefficients(known, levels, weights, no_inversion=keep)),
        "inversions": [list(pair) for pair in inversions(free)],
    }


def _level_group_rows(history: pl.DataFrame, final: Calibrated, rules: Rules) -> list[dict[str, str]]:
    """Return coefficients by level and group as a table that a policy may name, none where it asks for none."""
    rule = rules.calibration
    if rule is None or rule.level_group_minimum_cases is None:
        return []
    weights = {g.group: g.weight for g in final.groups if g.weight is not None}
    cases = history.filter(pl.col("group").is_in(list(weights)) & pl.col("level").is_in(LEVELS))
    levels = [level for level in LEVELS if level in set(cases["level"])]
    by_level = level_coefficients(cases, levels, weights, no_inversion=rule.inversion == "refused")
    found = level_group_coefficients(cases, by_level, rule.level_group_minimum_cases)
    return [
        {"level": level, "group": group, "coefficient": printed(value, rule.decimals)}
        for (level, group), value in found.items()
    ] + [{"level": level, "group": "*", "coefficient": printed(f, rule.decimals)} for level, f in by_level.items()]


def _start_values(cases: pl.DataFrame, weights: Mapping[str, Fraction], rules: Rules) -> dict[str, str]:
    """Return the start-of-year value of each pool (yuan per point): weighted charge over weighted points, trimmed."""
    rule = rules.calibration
    assert rule is not None  # noqa: S101 (the run refuses a policy without it)
    scale = Fraction(rules.weights.points_per_weight) if rules.weights is not None else Fraction(1)
    kept = trim(cases, rule.trimming)
    found = {}
    for pool in rules.pools:
        own = kept.filter(pl.col("insurance_type").is_in(pool.insurance_types) & (place(kept) == pool.place))
        years: dict[int, tuple[int, Fraction]] = {}
        table = own.group_by("year", "group").agg(pl.len(), pl.col("charge").sum())
        for year, group, count, charge in table.iter_rows():
            before = years.get(year, (0, Fraction()))
            years[year] = (before[0] + charge, before[1] + count * weights[group] * scale)
        if years:
            value = start_value(years, {int(name): weight for name, weight in rule.year_weights.items()})
            found[pool.id] = printed(value / 100, DECIMALS)
    return found


def _numbers(values: Mapping[str, Fraction]) -> dict[str, str]:
    return {name: printed(value, DECIMALS) for name, value in values.items()}


def _write(path: Path, text: str) -> None:
    """Write a file readable by its owner, as a whole or not at all."""
    fresh = path.with_name(f".{path.name}.new-{os.getpid()}")
    try:
        fresh.write_text(text, encoding="utf-8")
        fresh.chmod(0o600)
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise CannotWriteError(Text(f"{path}：无法写入：{error}", f"{path}: cannot be written: {error}")) from error
