"""The clearing of a year, wherever its books come from: final values, each hospital's amount, pools' identities."""

import calendar
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any, NamedTuple

import polars as pl

from engine.clearing.checks import clearing_checks
from engine.clearing.inputs import Gathered
from engine.clearing.tables import budget_table, hospital_table, identity_table, statement_table
from engine.special_reviews import reviews_summary, reviews_text
from rules.fault import Text
from rules.money import exact_text, yuan_text
from rules.payment.bands import cliffs
from rules.payment.case_payment import Given, price_cases
from rules.payment.clearing import Stage
from rules.payment.clearing_statement import Identity, pool_identity
from rules.payment.fund_part import Key, Sums, by_case, outside_part
from rules.payment.special_case import Published, published
from rules.payment.statement import Line
from rules.payment.year import (
    Hospital,
    PoolPoints,
    PoolResult,
    YearInputs,
    added,
    case_sums,
    clear_year,
    hospital_ratios,
    year_points,
    year_sums,
)
from rules.policy.model import Rules

PAID = (
    "pool", "month", "kind", "class", "funding", "coefficient", "weight", "points", "points_fixed", "points_per_fen",
    "counted_charge", "taken_out", "standard", "extra", "separate", "formula_result", "adjustment", "official_result",
    "sign", "value_month", "fixed_part", "charge", "booked", "others", "extra_alike", "extra_fund", "policy_ratio",
    "fund_part", "outside_part",
)  # fmt: skip
"""Columns that pricing makes; whatever else a case has is its claim."""


def stage_of(through: int | None, *, trial: bool) -> Stage:
    """Return what kind of clearing is asked for."""
    return "trial" if trial else "final" if through is None else "quarterly"


def last_day(year: int, through: int | None) -> date:
    """Return the last day that counts, whose rules clear."""
    month = through or 12
    return date(year, month, calendar.monthrange(year, month)[1])


class Cleared(NamedTuple):
    """A cleared year: pools with their identities, what went in, and how many cases."""

    results: Mapping[str, PoolResult]
    identities: Mapping[str, Identity]
    inputs: YearInputs
    cases: int
    reviews: Published | None = None


def clear_books(gathered: Gathered, stage: Stage) -> Cleared:
    """Reckon final values, pay cases anew where the policy asks for it, clear every pool and prove its identity."""
    rules, cases = gathered.rules, gathered.books.cases
    sums, count = _counted(cases.pieces(), rules)
    inputs = gathered.inputs({key[1] for key in sums})
    points = year_points(sums, rules, inputs)
    decided = _Decided(gathered)
    if _judged_anew(rules) or gathered.books.decisions is not None:
        sums = added(year_sums(decided.seen(piece), rules) for piece in _paid_anew(gathered, points))
        points = year_points(sums, rules, inputs)
    parts = None
    if by_case(rules.clearing):
        parts = _added(case_sums(piece, rules, points) for piece in _paid_anew(gathered, points))
    inputs = gathered.controlled(inputs, points)
    results = clear_year(points, rules, inputs, parts, stage)
    identities = {name: pool_identity(found.cleared, rules.clearing) for name, found in results.items()}
    return Cleared(results, identities, inputs, count, decided.published(results))


class _Decided:
    """The cases of a year that special-case review decided on, gathered while the cases are paid."""

    def __init__(self, gathered: Gathered) -> None:
        self.rules, self.decisions = gathered.rules, gathered.books.decisions
        self.rows: list[pl.DataFrame] = []
        self.sums: list[dict[Key, Sums]] = []

    def seen(self, cases: pl.DataFrame) -> pl.DataFrame:
        """Keep what was decided on some paid cases, and return them."""
        if self.decisions is not None:
            kept = cases.filter(pl.col("sign") > 0)
            rows = self.decisions.join(kept.select("case_id"), on="case_id")
            approved = rows.filter(pl.col("decision") != "rejected")
            self.rows.append(rows)
            self.sums.append(year_sums(kept.join(approved.select("case_id"), on="case_id", how="semi"), self.rules))
        return cases

    def published(self, results: Mapping[str, PoolResult]) -> Published | None:
        """Return the figures to publish, None where no decision was given."""
        if self.decisions is None:
            return None
        paid = Fraction()
        for (pool, hospital, *_), sums in added(self.sums).items():
            found = results[pool].points
            ratio = hospital_ratios(found, self.rules)[hospital]
            paid += outside_part(self.rules.clearing, found.pool, sums, ratio)
        cases = sum(share.sums.cases for r in results.values() for share in r.points.shares.values())
        everything = sum(h.amount + h.year.paid_outside for r in results.values() for h in r.cleared.hospitals)
        return published(pl.concat(self.rows), cases, round(paid), everything)


def _counted(pieces: Iterable[pl.DataFrame], rules: Rules) -> tuple[dict[Key, Sums], int]:
    """Return the sums of the year's cases, and their number."""
    found, count = list[dict[Key, Sums]](), 0
    for piece in pieces:
        found.append(year_sums(piece, rules))
        count += piece.height
    return added(found), count


def _added(parts: Iterable[Mapping[Hospital, int]]) -> dict[Hospital, int]:
    """Return the amounts of all parts together."""
    found: dict[Hospital, int] = {}
    for part in parts:
        for hospital, amount in part.items():
            found[hospital] = found.get(hospital, 0) + amount
    return found


def _judged_anew(rules: Rules) -> bool:
    """Tell whether the policy judges cases anew at clearing: by the final value, or by kinds that hold only then."""
    classes = rules.case_class
    return (classes is not None and classes.ratio.value == "final") or any(k.at_clearing_only for k in rules.kinds)


def _ranked(rules: Rules) -> bool:
    """Tell whether a class takes the cases of highest cost, so that all cases must be seen together."""
    classes = rules.case_class
    lines = () if classes is None else (classes.high, classes.extreme)
    return any(line is not None and line.top_share is not None for line in lines)


def _paid_anew(gathered: Gathered, points: Mapping[str, PoolPoints]) -> Iterator[pl.DataFrame]:
    """Yield the year's cases paid at the final values; refunds of other years' cases stay as they were paid."""
    books = gathered.books
    floating = {n: p.value.value for n, p in points.items() if p.pool.point_value.method == "floating"}
    for cases in books.cases.stays(at_once=_ranked(gathered.rules)):
        own = pl.col("original_case_id").is_in(cases["case_id"].implode()).fill_null(value=False)
        foreign = cases.filter((pl.col("sign") < 0) & ~own)
        rest = cases.join(foreign, on="case_id", how="anti")
        values = {(name, month): value for name, value in floating.items() for month in rest["value_month"].unique()}
        given = Given(values, books.fee_lines, books.decisions, at_clearing=True)
        claims = rest.select(name for name in rest.columns if name not in PAID and not name.endswith("_split"))
        paid = price_cases(claims, gathered.policy, given).with_columns(rest["month"], rest["value_month"])
        text = paid.with_columns(pl.col(pl.Enum, pl.Categorical).cast(pl.String))
        yield pl.concat([text, foreign.select(text.columns)], how="vertical_relaxed")


def clearing_tables(cleared: Cleared, gathered: Gathered) -> dict[str, pl.DataFrame]:
    """Return what a clearing hands out, amounts in fen: hospitals, statements, identities and budgets."""
    return {
        "clearing": hospital_table(cleared.results),
        "statements": statement_table(cleared.results, gathered.rules, gathered.document),
        "identities": identity_table(cleared.identities),
        "budgets": budget_table(cleared.inputs.budgets),
    }


def clearing_summary(cleared: Cleared, gathered: Gathered, stage: Stage) -> dict[str, Any]:
    """Return what a clearing says about itself; money in yuan."""
    return {
        "year": gathered.last_day.year,
        "stage": stage,
        "through": gathered.last_day.isoformat(),
        "policy": {"id": gathered.policy.id, "file": str(gathered.policy.file)},
        "cases": cleared.cases,
        "pools": [_pool_summary(found, cleared.identities[name]) for name, found in cleared.results.items()],
        "checks": [text._asdict() for text in _said(cleared, gathered, stage)],
        "cliffs": _cliffs(gathered.rules),
    } | reviews_summary(cleared.reviews)


def _said(cleared: Cleared, gathered: Gathered, stage: Stage) -> list[Text]:
    """Return what the policy's checks say of a clearing today, and what is published of special cases."""
    today = datetime.now(tz=UTC).astimezone().date()
    reviews = [] if cleared.reviews is None else [reviews_text(cleared.reviews)]
    return [*clearing_checks(gathered, cleared.results, stage, today), *reviews]


def _pool_summary(found: PoolResult, identity: Identity) -> dict[str, Any]:
    """Return a pool's result and identity; money in yuan."""
    points, cleared = found.points, found.cleared
    return {
        "pool": points.pool.id,
        "hospitals": len(cleared.hospitals),
        "points": exact_text(sum((share.sums.points for share in points.shares.values()), Fraction())),
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
