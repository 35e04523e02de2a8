"""drgdip clear: the priced months of a year, cleared hospital by hospital."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.cli.options import Json, Lang, language, say
from engine.cli.screen import console, print_json


def clear(
    year: Annotated[int, typer.Option(help="Budget year to clear.")],
    priced: Annotated[
        list[Path] | None, typer.Argument(help="Results of drgdip price: the folders of the year's months.")
    ] = None,
    ledger: Annotated[Path | None, typer.Option(help="Clear the months of a ledger instead of folders.")] = None,
    policy: Annotated[
        Path | None,
        typer.Option(help="Policy file, or the id of a shipped one; of a ledger that of its last month by default."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the results; replaced as a whole or not at all. Not with --ledger.")
    ] = None,
    trial: Annotated[bool, typer.Option("--trial", help="A trial: deposits stay held, the year stays open.")] = False,
    through: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m"], help="Clear only up to this month, as a quarterly clearing.")
    ] = None,
    deductions: Annotated[Path | None, typer.Option(help="Audit deductions with their states. Folders only.")] = None,
    accounts: Annotated[
        Path | None,
        typer.Option(
            help="pool, hospital, kind, amount: advance and working_capital (folders only), vbp_retention, "
            "care_elsewhere (of the pool)."
        ),
    ] = None,
    lines: Annotated[
        Path | None, typer.Option(help="Separately settled items: pool, hospital (or empty), label, amount.")
    ] = None,
    decisions: Annotated[
        Path | None, typer.Option(help="Special-case decisions: case_id, decision, amount. Folders only.")
    ] = None,
    fee_lines: Annotated[Path | None, typer.Option(help="Fee lines, for rules that look at items.")] = None,
    by: Annotated[str | None, typer.Option(help="Who clears a ledger; the user of the machine by default.")] = None,
    lang: Lang = "",
    as_json: Json = False,
) -> None:
    """Clear a year: payable, bands, assessment, deductions, the pool's funding, what each hospital is due.

    Of folders it writes clearing.csv (one row a hospital), statements.csv (how each figure came about, line by line,
    with the document of every rule), identities.csv, budgets.csv and summary.json; amounts are yuan. On a ledger it
    writes one batch; only a final clearing (no --trial, no --through) closes the year.
    """
    from rules.fault import Text, UserError
    from rules.policy.shipped import policy_file

    if through is not None and through.year != year:
        raise UserError(Text(f"--through 须在 {year} 年内", f"--through must be a month of {year}"))
    month = through.month if through else None
    if ledger is not None:
        beside = {"PRICED": priced, "--out": out, "--deductions": deductions, "--decisions": decisions}  # fmt: skip
        _refuse([name for name, given in beside.items() if given])
        from engine.settlement.clearing import LedgerClearing, clear_on_ledger
        from engine.settlement.ledger import open_ledger

        own = policy_file(policy) if policy else None
        with open_ledger(ledger) as found:
            summary = clear_on_ledger(found, LedgerClearing(year, trial, month, own, lines, fee_lines, by, accounts))
        _show(summary, as_json=as_json)
        return
    if not priced or policy is None or out is None:
        raise UserError(
            Text("须给出 --ledger，或 PRICED、--policy 与 --out", "give --ledger, or PRICED… with --policy and --out")
        )
    from engine.clearing.folders import ClearingRequest, TableFiles, run_clearing

    request = ClearingRequest(
        priced=priced,
        policy=policy_file(policy),
        year=year,
        out=out,
        trial=trial,
        through=month,
        tables=TableFiles(deductions, accounts, lines),
        decisions=decisions,
        fee_lines=fee_lines,
    )
    _show(run_clearing(request), as_json=as_json)
    if not as_json:
        say(f"结果在 {out}", f"results are in {out}")


def _refuse(names: list[str]) -> None:
    """Refuse what a clearing on a ledger takes from the ledger."""
    from rules.fault import Text, UserError

    if names:
        listed = ", ".join(names)
        zh = f"--ledger 不与 {listed} 同用：这些取自账本（drgdip ledger deductions、decisions、cash 记入）"
        en = f"{listed} cannot stand beside --ledger: cases, deductions, decisions and cash are those of the ledger"
        raise UserError(Text(zh, f"{en} (enter them with drgdip ledger deductions, decisions, cash)"))


def _show(summary: dict[str, Any], *, as_json: bool) -> None:
    """Print a summary, and what became of the batch where a ledger was cleared."""
    if as_json:
        notes = summary.get("notes", ())
        print_json(summary | ({"notes": [text._asdict() for text in notes]} if notes else {}))
        return
    batch = summary.get("batch")
    if summary.get("new") is False:
        say(f"同一清算已是批次 {batch}，未作改动", f"the same clearing is batch {batch} already; nothing was changed")
        return
    _print(summary)
    for text in summary.get("notes", ()):
        say(f"注意：{text.zh}", f"note: {text.en}")
    if batch is not None:
        closed = summary["stage"] == "final"
        zh = f"{summary['year']} 年已清算并关闭" if closed else "年度仍未关闭"
        en = f"{summary['year']} is cleared and closed" if closed else "the year stays open"
        say(f"已写入账本，批次 {batch}；{zh}", f"written to the ledger as batch {batch}; {en}")


def _print(summary: dict[str, Any]) -> None:
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
    for text in summary["checks"]:
        say(text["zh"], text["en"])
    for cliff in summary["cliffs"]:
        say(
            f"注意断崖：{cliff['side']} 分档在 A/P = {cliff['at']} 处由 {cliff['before']} 跳到 {cliff['after']}（×P）",
            f"a cliff: {cliff['side']} bands jump from {cliff['before']} to {cliff['after']} P at A/P {cliff['at']}",
        )
