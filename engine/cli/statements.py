"""drgdip statements: the workbooks of a month or of a year's clearing."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.cli.options import Json, Lang, say
from engine.cli.progress import Progress
from engine.cli.screen import print_json
from grouper.fault import Text, UserError


def statements(
    context: typer.Context,
    ledger: Annotated[Path, typer.Option(help="The ledger.")],
    out: Annotated[Path, typer.Option(help="Folder for the workbooks; replaced as a whole or not at all.")],
    month: Annotated[datetime | None, typer.Option(formats=["%Y-%m"], help="A settled month, such as 2026-10.")] = None,
    year: Annotated[int | None, typer.Option(help="A cleared year, such as 2026; or one that was tried.")] = None,
    hospital: Annotated[
        list[str] | None, typer.Option(help="Only this hospital, and no workbook of the bureau; may be repeated.")
    ] = None,
    names: Annotated[Path | None, typer.Option(help="Names of hospitals: hospital_id, hospital_name.")] = None,
    bureau: Annotated[str, typer.Option(help="Who sends the statements, for their titles.")] = "",
    lang: Lang = "",
    as_json: Json = False,
) -> None:
    """Write one Excel workbook a hospital and one of the bureau; in Chinese unless --lang says en."""
    from engine.outputs.statements.run import StatementsRequest, clearing_statements, month_statements

    source = context.get_parameter_source("lang")
    request = StatementsRequest(
        ledger=ledger,
        out=out,
        lang="zh" if source is None or source.name == "DEFAULT" else lang,
        hospitals=hospital or (),
        names=names,
        bureau=bureau,
    )
    if (month is None) == (year is None):
        raise UserError(Text("须给出 --month 或 --year 之一", "give either --month or --year"))
    with Progress(Text("写结算单", "writing statements")) as progress:
        if month is not None:
            summary = month_statements(request, f"{month:%Y-%m}", progress.start)
        else:
            summary = clearing_statements(request, year or 0, progress.start)
    if as_json:
        print_json(summary)
        return
    (_print_month if month is not None else _print_year)(summary)
    say(f"结算单在 {out}", f"statements are in {out}")


def _print_month(summary: dict[str, Any]) -> None:
    from rules.money import yuan_text

    payable = yuan_text(sum(pool["payable"] for pool in summary["pools"]))
    say(
        f"{summary['month']}：{summary['hospitals']} 家医疗机构，应付 {payable} 元；结算单 ＝ 基金池 ＝ 账本",
        f"{summary['month']}: {summary['hospitals']} hospitals, {payable} yuan payable; statements = pools = ledger",
    )


def _print_year(summary: dict[str, Any]) -> None:
    from rules.money import yuan_text

    due, hospitals = yuan_text(summary["due"]), summary["hospitals"]
    say(
        f"{summary['year']} 年清算（批次 {summary['batch']}）：{hospitals} 家医疗机构，应拨 {due} 元",
        f"clearing of {summary['year']} (batch {summary['batch']}): {hospitals} hospitals, {due} yuan due",
    )
