"""Explain what one case is paid: the policy's rules on it, step by step, beside the group that the scheme gives it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from json import loads
from pathlib import Path

import polars as pl

from engine.case_sub_types import sub_type_rules
from engine.cases import ClaimsInput, group_cases
from engine.fee_lines import read_fee_lines
from engine.month_pricing import DECISIONS
from engine.tables import read_table
from grouper.explanation import Section
from grouper.fault import Text, UserError
from grouper.kinds import AnyScheme
from rules.payment.case_payment import Given
from rules.payment.explain_case import explain_case
from rules.payment.explanation import Step
from rules.payment.stays import is_refund, merge_parts
from rules.policy.resolve import Policy


@dataclass(frozen=True)
class PaymentQuestion:
    """Which case is asked about, and the claims, policy and tables that pay it.

    `priced` are results of `drgdip price`: their point values replace the start values, where months float.
    `discharged`, the case's own, says which rules of sub-types are meant, where they change.
    """

    inputs: Sequence[Path]
    case_id: str
    policy: Policy
    column_map: str | Path | None = None
    fee_lines: Path | None = None
    decisions: Path | None = None
    priced: Sequence[Path] = ()
    discharged: date | None = None


def policy_scheme(policy: Policy, discharged: date | None) -> str:
    """Return the scheme that a policy names for a day of discharge; its first day where the day is not known."""
    return policy.on(discharged or policy.valid[0]).rules.scheme


def explain_payment(question: PaymentQuestion, scheme: AnyScheme) -> Section:
    """Return the steps from the case's group to its payment, each with the document of its rule.

    All claims given are read: readmissions and lines of a top share look at other cases. Raises UserError where the
    case is a refund or waits for the last settlement of its stay, and for what the policy or its tables lack.
    """
    first, last = question.policy.valid
    rules = sub_type_rules(question.policy, min(max(question.discharged or first, first), last))
    claims = ClaimsInput(question.inputs, question.column_map)
    merged = merge_parts(group_cases(claims, scheme, rules=rules).frame)
    _refuse(question.case_id, merged.claims, merged.held)
    decisions = None if question.decisions is None else read_table(question.decisions, DECISIONS)
    given = Given(fee_lines=read_fee_lines(question.fee_lines), decisions=decisions, values=_values(question.priced))
    paid = explain_case(merged.claims.filter(~is_refund(merged.claims)), question.case_id, question.policy, given)
    title, documents = question.policy.document["title"], question.policy.document.get("documents", {})
    lines = tuple(_line(step, documents) for step in paid.steps)
    return Section(Text(f"支付（{title['zh']}）", f"Payment ({title['en']})"), lines)


def _refuse(case_id: str, claims: pl.DataFrame, held: pl.DataFrame) -> None:
    if case_id in held["case_id"]:
        raise UserError(
            Text(
                f"{case_id} 是中途结算，所属住院的最后一次结算尚未收到",
                f"{case_id} is a part of a stay whose last settlement has not arrived",
            )
        )
    refunds = claims.filter((pl.col("case_id") == case_id) & is_refund(claims))
    if refunds.height:
        original = refunds["original_case_id"][0]
        raise UserError(
            Text(
                f"{case_id} 是 {original} 的退费，按原记录冲回；请解释 {original}",
                f"{case_id} is the refund of {original} and takes back what that was paid; explain {original}",
            )
        )


def _values(priced: Sequence[Path]) -> dict[tuple[str, str], Fraction]:
    """Return the point values (fen) of priced months, by pool and month."""
    values = {}
    for folder in priced:
        try:
            summary = loads((folder / "summary.json").read_text(encoding="utf-8"))
            values.update({(pool["pool"], pool["month"]): 100 * Fraction(pool["value"]) for pool in summary["pools"]})
        except (OSError, ValueError, KeyError) as error:
            raise UserError(
                Text(f"{folder}：不是 drgdip price 的结果", f"{folder} is no result of drgdip price")
            ) from error
    return values


def _line(step: Step, documents: Mapping[str, str]) -> Text:
    """Return a step with the document, clause and key path of its rule."""
    how = f" = {step.how}" if step.how else ""
    zh, en = f"{step.what.zh}{how} → {step.result.zh}", f"{step.what.en}{how} → {step.result.en}"
    if step.source is None:
        return Text(zh, en)
    key, _, clause = step.source.reference.partition(" ")
    document = f"{documents.get(key, key)} {clause}".strip()
    return Text(f"{zh} 〔{document}；{step.source.place}〕", f"{en} [{document}; {step.source.place}]")
