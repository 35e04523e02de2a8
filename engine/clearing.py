"""The clearing run: a year's priced months in, each hospital's clearing and statement and each pool's identity out."""

import calendar
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import polars as pl

from engine.clearing_inputs import Gathered, TableFiles
from engine.clearing_tables import budget_table, hospital_table, identity_table, statement_table
from engine.fee_lines import read_fee_lines
from engine.month_pricing import DECISIONS
from engine.outputs.folder import replaced_folder
from engine.provenance import input_files, program_versions
from engine.tables import read_table
from rules.fault import Text, UserError
from rules.money import yuan_text
from rules.payment.bands import cliffs
from rules.payment.case_payment import Given, price_cases
from rules.payment.clearing import Stage
from rules.payment.clearing_statement import Identity, pool_identity
from rules.payment.fund_part import by_case
from rules.payment.statement import Line
from rules.payment.year import PoolPoints, PoolResult, YearInputs, clear_year, year_points
from rules.policy.check import load_policy
from rules.policy.model import Rules

PAID = (
    "pool", "month", "kind", "class", "funding", "coefficient", "points", "points_fixed", "points_per_fen",
    "counted_charge", "taken_out", "standard", "extra", "separate", "formula_result", "adjustment", "official_result",
    "sign", "value_month", "fixed_part", "charge", "booked", "others", "extra_alike", "extra_fund", "policy_ratio",
    "fund_part",
)  # fmt: skip


@dataclass(frozen=True)
class ClearingRequest:
    """What a run is asked to do. through: last month (1 … 12) of a quarterly clearing; None clears the whole year."""

    priced: Sequence[Path]
    policy: Path
    year: int
    out: Path
    trial: bool = False
    through: int | None = None
    tables: TableFiles = field(default_factory=TableFiles)
    decisions: Path | None = None
    fee_lines: Path | None = None

    @property
    def stage(self) -> Stage:
        """Return what kind of clearing this is."""
        return "trial" if self.trial else "final" if self.through is None else "quarterly"

    @property
    def last_day(self) -> date:
        """Return the last day that counts, whose rules clear."""
        month = self.through or 12
        return date(self.year, month, calendar.monthrange(self.year, month)[1])


def run_clearing(request: ClearingRequest) -> dict[str, Any]:
    """Clear a year; write clearing, statements, identities and budgets as tables, and summary.json.

    Returns the summary. Raises UserError for bad input and CannotWriteError for bad output; the folder is replaced as
    a whole or not at all.
    """
    gathered = _gather(request)
    rules = gathered.rules
    inputs = gathered.inputs()
    results, cases = _cleared(request, gathered, inputs)
    identities = {name: pool_identity(found.cleared, rules.clearing) for name, found in results.items()}
    with replaced_folder(request.out) as folder:
        tables = {
            "clearing": hospital_table(results),
            "statements": statement_table(results, rules, gathered.document),
            "identities": identity_table(identities),
            "budgets": budget_table(inputs.budgets),
        }
        for name, table in tables.items():
            table.write_csv(folder / f"{name}.csv", include_bom=True)
        summary = {
            "version": 1,
            "program": program_versions(),
            "year": request.year,
            "stage": request.stage,
            "through": request.last_day.isoformat(),
            "policy": {"id": gathered.policy.id, "file": str(request.policy)},
            "cases": cases,
            "pools": [_pool_summary(found, identities[name]) for name, found in results.items()],
            "cliffs": _cliffs(rules),
            "inputs": input_files([*(path / "priced.parquet" for path in request.priced), request.policy]),
        }
        text = json.dumps(summary, ensure_ascii=False, indent=2)
        (folder / "summary.json").write_text(f"{text}\n", encoding="utf-8")
    return summary


def _gather(request: ClearingRequest) -> Gathered:
    """Read policy and months, and keep what belongs to the year."""
    policy = load_policy(request.policy)
    months, hospitals = _read_months(request.priced)
    first, last = f"{request.year}-01", f"{request.last_day:%Y-%m}"
    within = (pl.col("month") >= first) & (pl.col("month") <= last)
    prior = pl.col("late") == "prior_year"
    booked = months.filter(within)
    cases = booked.filter(~prior & (pl.col("budget_year") == request.year))
    if not cases.height:
        raise UserError(Text(f"没有 {request.year} 年的计付病例", f"there are no priced cases of {request.year}"))
    return Gathered(
        cases=cases,
        late=booked.filter(prior),
        hospital_months=hospitals.filter(within),
        policy=policy,
        resolved=policy.on(request.last_day),
        last_day=request.last_day,
        files=request.tables,
    )


def _read_months(folders: Sequence[Path]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read results of `drgdip price`: cases and hospital-months. UserError for other folders and repeated months."""
    lost = [folder for folder in folders if not (folder / "priced.parquet").is_file()]
    if lost:
        raise UserError([Text(f"{f} 不是 drgdip price 的结果", f"{f} is no result of drgdip price") for f in lost])
    hospitals = [pl.read_parquet(folder / "hospital_months.parquet") for folder in folders]
    seen = pl.concat([table.select("month").unique() for table in hospitals])["month"]
    if twice := sorted(seen.filter(seen.is_duplicated()).unique()):
        listed = ", ".join(twice)
        raise UserError(Text(f"月份重复：{listed}", f"months are given more than once: {listed}"))
    cases = [pl.read_parquet(folder / "priced.parquet") for folder in folders]
    return pl.concat(cases, how="diagonal_relaxed"), pl.concat(hospitals)


def _cleared(request: ClearingRequest, gathered: Gathered, inputs: YearInputs) -> tuple[dict[str, PoolResult], int]:
    """Reckon final values, pay cases anew where the policy asks for it, clear every pool; also count the cases."""
    rules, cases = gathered.rules, gathered.cases
    points = year_points(cases, rules, inputs)
    if _judged_anew(rules) or request.decisions is not None:
        cases = _paid_anew(cases, request, gathered, points)
        points = year_points(cases, rules, inputs)
    if by_case(rules.clearing):
        cases = _paid_anew(cases, request, gathered, points)
    inputs = gathered.controlled(inputs, points)
    return clear_year(cases, rules, inputs, points, request.stage), cases.height


def _judged_anew(rules: Rules) -> bool:
    """Tell whether the policy judges cases anew at clearing: by the final value, or by kinds that hold only then."""
    classes = rules.case_class
    return (classes is not None and classes.ratio.value == "final") or any(k.at_clearing_only for k in rules.kinds)


def _paid_anew(
    cases: pl.DataFrame, request: ClearingRequest, gathered: Gathered, points: Mapping[str, PoolPoints]
) -> pl.DataFrame:
    """Pay the year's cases at the final values; refunds of other years' cases stay as they were paid."""
    own = pl.col("original_case_id").is_in(cases["case_id"].to_list()).fill_null(value=False)
    foreign = cases.filter((pl.col("sign") < 0) & ~own)
    rest = cases.join(foreign, on="case_id", how="anti")
    floating = {n: p.value.value for n, p in points.items() if p.pool.point_value.method == "floating"}
    values = {(name, month): value for name, value in floating.items() for month in rest["value_month"].unique()}
    decisions = None if request.decisions is None else read_table(request.decisions, DECISIONS)
    given = Given(values, read_fee_lines(request.fee_lines), decisions, at_clearing=True)
    claims = rest.select(name for name in rest.columns if name not in PAID and not name.endswith("_split"))
    paid = price_cases(claims, gathered.policy, given).with_columns(rest["month"], rest["value_month"])
    text = paid.with_columns(pl.col(pl.Enum, pl.Categorical).cast(pl.String))
    return pl.concat([text, foreign.select(text.columns)], how="vertical_relaxed")


def _pool_summary(found: PoolResult, identity: Identity) -> dict[str, Any]:
    """Return a pool's result and identity; money in yuan."""
    points, cleared = found.points, found.cleared
    return {
        "pool": points.pool.id,
        "hospitals": len(cleared.hospitals),
        "points": str(sum((share.sums.points for share in points.shares.values()), Fraction())),
        "fund_ratio": f"{float(points.ratio):.6f}",
        "value": f"{float(points.value.value / 100):.6f}",
        "value_rest": points.value.reason,
        "identity": [*_side("uses", identity.uses), *_side("sources", identity.sources)],
        "holds": identity.difference == 0,
        "due": yuan_text(sum(h.due for h in cleared.hospitals)),
    }


def _side(side: str, lines: Sequence[Line]) -> list[dict[str, Any]]:
    """Return one side of an identity, with its total as the last line."""
    total = Line(Text("合计", "total"), sum(line.amount for line in lines))
    return [
        {
            "side": side,
            "zh": line.label.zh,
            "en": line.label.en,
            "amount": yuan_text(line.amount),
            "last": line is total,
        }
        for line in (*lines, total)
    ]


def _cliffs(rules: Rules) -> list[dict[str, str]]:
    """Return the jumps of the bands in mode whole."""
    sides = (("surplus", rules.clearing.surplus), ("overspend", rules.clearing.overspend))
    return [
        {"side": name, **{key: f"{float(figure):g}" for key, figure in cliff._asdict().items()}}
        for name, side in sides
        for cliff in cliffs(side)
    ]
