"""drgdip explain: why a case is in its group."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli.options import Json, Lang

if TYPE_CHECKING:
    from grouper.explanation import Explanation

Comma = "comma separated, the principal one first"


def explain(
    inputs: Annotated[list[Path] | None, typer.Argument(help="Claims files or folders, with --case.")] = None,
    case: Annotated[str | None, typer.Option("--case", help="Id of the case to look up in the claims.")] = None,
    dx: Annotated[list[str] | None, typer.Option("--dx", help=f"Diagnoses, {Comma}.")] = None,
    proc: Annotated[list[str] | None, typer.Option("--proc", help=f"Procedures, {Comma}.")] = None,
    sex: Annotated[int | None, typer.Option(help="1 male, 2 female.")] = None,
    age: Annotated[int | None, typer.Option(help="Age in years.")] = None,
    age_days: Annotated[int | None, typer.Option(help="Age in days, of an infant.")] = None,
    weight: Annotated[int | None, typer.Option(help="Weight of a newborn in grams.")] = None,
    length_of_stay: Annotated[int | None, typer.Option(help="Length of stay in days.")] = None,
    scheme: Annotated[
        str | None, typer.Option("--scheme", help="Scheme id or folder.", show_default="the national one in force")
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option("--policy", help="With --case: a policy file or a shipped one's id; explains the money."),
    ] = None,
    fee_lines: Annotated[Path | None, typer.Option(help="Fee lines, for rules that look at items.")] = None,
    decisions: Annotated[Path | None, typer.Option(help="Special-case decisions: case_id, decision, amount.")] = None,
    priced: Annotated[list[Path] | None, typer.Option(help="Results of drgdip price, for floating values.")] = None,
    column_map: Annotated[str | None, typer.Option("--map", help="Column map of the claims.")] = None,
    lang: Lang = "",
    as_json: Json = False,
) -> None:
    """Explain one case: rules tried, codes that hit, complications, neighbours, what would change its group.

    With --policy also what it is paid, step by step, with the document of every rule.
    """
    from dataclasses import replace
    from datetime import date

    from engine.explaining import find_record
    from engine.explaining_payment import PaymentQuestion, explain_payment, policy_scheme
    from grouper.drg.reference import Record
    from grouper.fault import Text, UserError
    from grouper.kinds import explain as explain_case
    from grouper.kinds import load
    from grouper.scheme.pack import in_force
    from rules.policy.shipped import find_policy

    if bool(inputs) != bool(case) or bool(case) == bool(dx):
        raise UserError(
            Text(
                "请给出 INPUT 与 --case，或 --dx（及 --proc、--sex、--age）",
                "name INPUT and --case, or --dx (with --proc, --sex, --age)",
            )
        )
    discharged, paid_by = None, find_policy(policy) if policy else None
    if inputs and case:
        record, discharged = find_record(inputs, case, column_map)
    elif paid_by is not None:
        raise UserError(Text("--policy 需要 INPUT 与 --case", "--policy needs INPUT and --case"))
    else:
        record = Record(
            diagnoses=_codes(dx),
            procedures=_codes(proc),
            sex=sex,
            age=age,
            age_days=age_days,
            birth_weight=weight,
            admission_weight=weight,
            length_of_stay=length_of_stay,
        )
    if scheme is None:
        today = date.today()  # noqa: DTZ011  (the office's own day)
        scheme = policy_scheme(paid_by, discharged) if paid_by else in_force(discharged or today)
    loaded = load(scheme)
    explanation = explain_case(loaded, record)
    if paid_by is not None and inputs and case:
        question = PaymentQuestion(inputs, case, paid_by, column_map, fee_lines, decisions, priced or (), discharged)
        explanation = replace(explanation, sections=(*explanation.sections, explain_payment(question, loaded)))
    typer.echo(
        json.dumps(_as_data(explanation, lang), ensure_ascii=False, indent=2) if as_json else explanation.text(lang)
    )


def _codes(given: list[str] | None) -> list[str]:
    return [code.strip() for codes in given or () for code in codes.replace("，", ",").split(",")]


def _as_data(explanation: "Explanation[Any]", lang: str) -> dict[str, Any]:
    return {
        "group": explanation.group._asdict(),
        "sections": [
            {"title": section.title.text(lang), "lines": [line.text(lang) for line in section.lines]}
            for section in explanation.sections
        ],
    }
