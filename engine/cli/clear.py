"""drgdip clear: the priced months of a year, cleared hospital by hospital."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.cli.options import Json, Lang, language, say
from engine.cli.screen import console, print_json


def clear(
    priced: Annotated[list[Path], typer.Argument(help="Results of drgdip price: the folders of the year's months.")],
    policy: Annotated[Path, typer.Option(help="Policy file, or the id of a shipped one.")],
    year: Annotated[int, typer.Option(help="Budget year to clear.")],
    out: Annotated[Path, typer.Option(help="Folder for the results; replaced as a whole or not at all.")],
    trial: Annotated[bool, typer.Option("--trial", help="A trial: deposits stay held.")] = False,
    through: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m"], help="Clear only up to this month, as a quarterly clearing.")
    ] = None,
    deductions: Annotated[Path | None, typer.Option(help="Audit deductions with their states.")] = None,
    accounts: Annotated[
        Path | None, typer.Option(help="Advances and working capital not repaid: pool, hospital, kind, amount.")
    ] = None,
    lines: Annotated[
        Path | None, typer.Option(help="Separately settled items: pool, hospital (or empty), label, amount.")
    ] = None,
    decisions: Annotated[Path | None, typer.Option(help="Special-case decisions: case_id, decision, amount.")] = None,
    fee_lines: Annotated[Path | None, typer.Option(help="Fee lines, for rules that look at items.")] = None,
    lang: Lang = "",
    as_json: Json = False,
) -> None:
    """Clear a year: payable, bands, assessment, deductions, the pool's funding, what each hospital is due.

    Writes clearing.csv (one row a hospital), statements.csv (how each figure came about, line by line, with the
    document of every rule), identities.csv, budgets.csv and summary.json. Amounts are yuan.
    """
    from engine.clearing_folders import ClearingRequest, TableFiles, run_clearing
    from rules.fault import Text, UserError
    from rules.policy.shipped import policy_file

    if through is not None and through.year != year:
        raise UserError(Text(f"--through 须在 {year} 年内", f"--through must be a month of {year}"))
    request = ClearingRequest(
        priced=priced,
        policy=policy_file(policy),
        year=year,
        out=out,
        trial=trial,
        through=through.month if through else None,
        tables=TableFiles(deductions, accounts, lines),
        decisions=decisions,
        fee_lines=fee_lines,
    )
    summary = run_clearing(request)
    if as_json:
        print_json(summary)
    else:
        _print(summary, out)


def _print(summary: dict[str, Any], out: Path) -> None:
    from rich.table import Table

    chinese = language() == "zh"
    stages = {
        "final": ("清算", "clearing"),
        "trial": ("试算", "trial"),
        "quarterly": ("季度清算", "quarterly clearing"),
    }
    zh, en = stages[summary["stage"]]
    say(f"{summary['year']} 年{zh}，{summary['cases']:,} 例", f"{en} of {summary['year']}, {summary['cases']:,} cases")
    for pool in summary["pools"]:
        table = Table(title=f"{pool['pool']}: {'点值' if chinese else 'value'} {pool['value']}", title_justify="left")
        table.add_column("资金去向" if chinese else "uses")
        table.add_column("元" if chinese else "yuan", justify="right")
        for line in pool["identity"]:
            if line["amount"] != "0.00":
                table.add_row(line["zh" if chinese else "en"], line["amount"], end_section=line["last"])
        console().print(table)
    for cliff in summary["cliffs"]:
        say(
            f"注意断崖：{cliff['side']} 分档在 A/P = {cliff['at']} 处由 {cliff['before']} 跳到 {cliff['after']}（×P）",
            f"a cliff: {cliff['side']} bands jump from {cliff['before']} to {cliff['after']} P at A/P {cliff['at']}",
        )
    say(f"结果在 {out}", f"results are in {out}")
