"""Assessment scores of hospitals from the tables beside a policy, and what they do."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from engine.tables import Column, read_table
from rules.payment.assessment import Effect, effects, scores
from rules.policy.model import Rules
from rules.policy.settlement import Assessment

SCORES = (Column("hospital"), Column("score", "number"))
INDICATORS = (Column("hospital"), Column("indicator"), Column("value", "number"))


def assessment_effects(rules: Rules, folder: Path, hospitals: Sequence[str]) -> dict[str, Effect]:
    """Return what the assessment does to each hospital at clearing; tables stand in `folder`.

    UserError naming every hospital whose score is missing.
    """
    assessment, release = rules.clearing.assessment, rules.clearing.deposit_release
    own = _table(folder / release.file) if release is not None and release.file is not None else {}
    found = {} if assessment is None else assessment_scores(assessment, folder)
    return effects(assessment, release, hospitals, found, own)


def prepayment_scores(rules: Rules, folder: Path, hospitals: Sequence[str]) -> dict[str, Fraction]:
    """Return what each hospital's prepayment ratio is multiplied by, where the policy's assessment acts there."""
    assessment = rules.clearing.assessment
    if assessment is None or "prepayment" not in assessment.acts_on:
        return {}
    found = effects(assessment, None, hospitals, assessment_scores(assessment, folder))
    return {hospital: effect.prepayment for hospital, effect in found.items()}


def assessment_scores(assessment: Assessment, folder: Path) -> dict[str, Fraction]:
    """Return the scores of hospitals: as listed, or from the values of their indicators."""
    if assessment.file is not None:
        return _table(folder / assessment.file)
    values: dict[str, dict[str, Fraction]] = {}
    for row in read_table(folder / str(assessment.indicator_file), INDICATORS).to_dicts():
        values.setdefault(row["hospital"], {})[row["indicator"]] = Fraction(row["value"])
    return scores(assessment.indicators, values)


def _table(path: Path) -> dict[str, Fraction]:
    """Return the scores of a table."""
    return {row["hospital"]: Fraction(row["score"]) for row in read_table(path, SCORES).to_dicts()}
