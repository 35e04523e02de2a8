"""Assessment of hospitals: scores from indicators by weights and curves, and what a score does (规程 2025版)."""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from rules.fault import Text, UserError
from rules.policy.settlement import Assessment, DepositRelease, Indicator, ScoreBand


class Effect(NamedTuple):
    """What an assessment multiplies: clearing amount, retained shares, next year's prepayment, deposit released."""

    coefficient: Fraction = Fraction(1)
    retention: Fraction = Fraction(1)
    prepayment: Fraction = Fraction(1)
    deposit: Fraction = Fraction(1)


NO_EFFECT = Effect()
PLACES = {
    "coefficient": "coefficient",
    "retention_share": "retention",
    "prepayment": "prepayment",
    "deposit": "deposit",
}
"""Where a score acts, as the policy writes it, and the effect it has there."""


def indicator_score(indicator: Indicator, value: Fraction) -> Fraction:
    """Return an indicator's score: straight lines between the curve's corners, flat outside."""
    corners = sorted((Fraction(corner.at), Fraction(corner.score)) for corner in indicator.curve)
    if value <= corners[0][0]:
        return corners[0][1]
    for (left, low), (right, high) in pairwise(corners):
        if value <= right:
            return low + (high - low) * (value - left) / (right - left)
    return corners[-1][1]


def scores(indicators: Sequence[Indicator], values: Mapping[str, Mapping[str, Fraction]]) -> dict[str, Fraction]:
    """Return each hospital's score, the weighted mean of its indicators' scores.

    `values`: hospital → indicator → value. Raises UserError naming every value that is missing.
    """
    faults = [
        Text(
            f"医院 {hospital} 缺少指标 {indicator.id} 的值",
            f"hospital {hospital} has no value of indicator {indicator.id}",
        )
        for hospital, given in sorted(values.items())
        for indicator in indicators
        if indicator.id not in given
    ]
    if faults:
        raise UserError(faults)
    weight = sum((Fraction(indicator.weight) for indicator in indicators), Fraction())
    return {
        hospital: sum((Fraction(i.weight) * indicator_score(i, given[i.id]) for i in indicators), Fraction()) / weight
        for hospital, given in values.items()
    }


def score_band(table: Sequence[ScoreBand], score: Fraction) -> ScoreBand:
    """Return the line of a score table that holds a score: from `score_from` on, the last line for all below."""
    return next(band for band in table if band.score_from is None or score >= Fraction(band.score_from))


def effects(
    assessment: Assessment | None,
    release: DepositRelease | None,
    hospitals: Sequence[str],
    scored: Mapping[str, Fraction],
    deposit_scored: Mapping[str, Fraction] | None = None,
) -> dict[str, Effect]:
    """Return what the assessment does to each hospital. Raises UserError naming every hospital whose score is missing.

    `scored`: the assessment's scores; `deposit_scored`: the deposit's own, where its release reads a table of its own.
    """
    by_own = release is not None and release.by == "score" and release.file is not None
    deposit_scores = (deposit_scored or {}) if by_own else scored
    faults = list(_missing(assessment is not None, hospitals, scored, Text("考核得分", "assessment score")))
    if release is not None and release.by != "all":
        faults += _missing(by_own, hospitals, deposit_scores, Text("质保金得分", "deposit score"))
    if faults:
        raise UserError(faults)
    return {name: _effect(assessment, release, scored.get(name), deposit_scores.get(name)) for name in hospitals}


def _missing(needed: bool, hospitals: Sequence[str], given: Mapping[str, Fraction], what: Text) -> Iterator[Text]:
    """Yield a fault for every hospital without a needed score."""
    for name in sorted(set(hospitals) - set(given)) if needed else ():
        yield Text(f"医院 {name} 没有{what.zh}", f"hospital {name} has no {what.en}")


def _effect(
    assessment: Assessment | None, release: DepositRelease | None, score: Fraction | None, deposit: Fraction | None
) -> Effect:
    """Return the effect of one hospital's scores."""
    effect = NO_EFFECT
    if assessment is not None and score is not None:
        value = Fraction(score_band(assessment.table, score).coefficient or 0)
        effect = effect._replace(**{PLACES[place]: value for place in assessment.acts_on})
    if release is not None and release.by != "all" and deposit is not None:
        effect = effect._replace(deposit=Fraction(score_band(release.table, deposit).release or 0))
    return effect
