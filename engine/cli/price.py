"""drgdip price: grouped claims of a month, priced under the policy."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.cli.options import Json, Lang, language, say
from engine.cli.screen import console, print_json


def price(
    grouped: Annotated[list[Path], typer.Argument(help="Results of drgdip group: folders or grouped.parquet files.")],
    claims: Annotated[list[Path], typer.Option("--claims", help="The claims: files, or folders of them.")],
    policy: Annotated[
        list[Path], typer.Option("--policy", help="Policy file or shipped id; one more for earlier days.")
    ],
    month: Annotated[datetime, typer.Option(formats=["%Y-%m"], help="Month to price, such as 2026-10.")],
    out: Annotated[Path, typer.Option(help="Folder for the results; replaced as a whole or not at all.")],
    earlier: Annotated[
        list[Path] | None, typer.Option(help="Results of earlier months, for refunds of their cases.")
    ] = None,
    late_since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Claims of earlier months that arrived since are booked here."),
    ] = None,
    fee_lines: Annotated[Path | None, typer.Option(help="Fee lines, for rules that look at items.")] = None,
    decisions: Annotated[Path | None, typer.Option(help="Special-case decisions: case_id, decision, amount.")] = None,
    deductions: Annotated[Path | None, typer.Option(help="Audit deductions, where they act in the month.")] = None,
    column_map: Annotated[str | None, typer.Option("--map", help="Column map of the claims.")] = None,
    lang: Lang = "",
    as_json: Json = False,
) -> None:
    """Price the cases of a month and settle it hospital by hospital.

    Writes priced.parquet (one row a case), hospital_months.parquet, held.parquet (stays whose last settlement is
    missing), special_case_candidates.csv where the policy reviews special cases, and summary.json.
    """
    from engine.cases import ClaimsInput
    from engine.pricing import PricingRequest, run_pricing
    from rules.policy.shipped import policy_file

    request = PricingRequest(
        grouped=grouped,
        claims=ClaimsInput(claims, column_map),
        policies=[policy_file(name) for name in policy],
        month=month.year * 100 + month.month,
        out=out,
        earlier=earlier or (),
        late_since=late_since.date() if late_since else None,
        fee_lines=fee_lines,
        decisions=decisions,
        deductions=deductions,
    )
    summary = run_pricing(request)
    if as_json:
        print_json(summary)
    else:
        _print(summary, out)


def _print(summary: dict[str, Any], out: Path) -> None:
    from rich.table import Table

    from rules.money import yuan_text

    rows = summary["rows"]
    say(
        f"{summary['month']}：计付 {rows['priced']:,} 例；无分组结果 {rows['not_grouped']:,}，暂挂 {rows['held']:,}",
        f"{summary['month']}: {rows['priced']:,} cases priced; {rows['not_grouped']:,} without a group row, "
        f"{rows['held']:,} held",
    )
    chinese = language() == "zh"
    names = ("基金池", "病例", "点值", "应付", "扣款", "预付", "质保金") if chinese else (
        "pool", "cases", "value", "payable", "deducted", "paid", "deposit"
    )  # fmt: skip
    table = Table()
    for name in names:
        table.add_column(name, justify="left" if name in {"pool", "基金池"} else "right")
    for pool in summary["pools"]:
        amounts = [yuan_text(pool[key]) for key in ("payable", "deducted", "paid", "deposit")]
        table.add_row(pool["pool"], f"{pool['cases']:,}", _value(pool["value"]), *amounts)
    console().print(table)
    if (reviews := summary.get("special_cases")) is not None:
        say(reviews["zh"], reviews["en"])
    say(f"结果在 {out}", f"results are in {out}")


def _value(exact: str) -> str:
    from fractions import Fraction

    return f"{float(Fraction(exact)):.4f}"
