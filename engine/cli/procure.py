"""drgdip procure: tenders, completion, retention, savings and the chain of volume-based procurement."""

from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from engine.cli.options import Json, Lang, language, say
from engine.cli.screen import console, print_json

app = typer.Typer(
    name="procure",
    help="Volume-based procurement: bids, completion, retention, savings, the chain.",
    no_args_is_help=True,
)
Unit = Literal["least_unit", "agreement_unit", "ddd"]
Purchases = Annotated[Path, typer.Argument(help="Purchases: CSV, Excel or Parquet.")]
Products = Annotated[Path, typer.Option(help="Products with their units.")]
Winning = Annotated[Path, typer.Option(help="Winning list.")]
Out = Annotated[Path, typer.Option(help="Folder for the results; replaced as a whole or not at all.")]
Map = Annotated[Path | None, typer.Option("--map", help="Column map (TOML): a table of names for each of ours.")]
Day = Annotated[datetime | None, typer.Option("--on", formats=["%Y-%m-%d"], help="Day of the rules.")]


@app.command("bid")
def bid(
    bids: Annotated[Path, typer.Argument(help="Bids: bid, price; optional offer, ceiling, accepts, scenario …")],
    pack: Annotated[str, typer.Option(help="Parameter pack of the batch: shipped id or file.")],
    on: Day = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the verdicts.")] = None,
    lang: Lang = "",
    as_json: Json = False,
) -> None:
    """Judge bids by a batch's rules and say why each wins or loses."""
    from engine.procurement.run import run_bids

    summary = run_bids(bids, pack, on.date() if on else None, out, language())
    if as_json:
        print_json(summary)
    else:
        _table(summary["verdicts"], ["scenario", "bid", "outcome", "price", "reason"])


@app.command("completion")
def completion(
    purchases: Purchases,
    products: Products,
    winning: Winning,
    agreed: Annotated[Path, typer.Option(help="Agreed volumes.")],
    out: Out,
    on: Annotated[datetime, typer.Option("--on", formats=["%Y-%m-%d"], help="Day up to whose month purchases count.")],
    institutions: Annotated[Path | None, typer.Option(help="Institutions that exist.")] = None,
    pack: Annotated[str, typer.Option(help="Pack with the alert of progress.")] = "monitoring",
    column_map: Map = None,
    lang: Lang = "",
    as_json: Json = False,
) -> None:
    """Set purchases against agreed volumes, in agreement units, with progress against time."""
    from engine.procurement.run import CompletionRequest, run_completion
    from engine.procurement.tables import read_map

    names, day = read_map(column_map), on.date()
    request = CompletionRequest(purchases, products, winning, agreed, out, day, institutions, pack, names)
    summary = run_completion(request, language())
    if as_json:
        print_json(summary)
        return
    n, done, behind = (summary[name] for name in ("agreements", "completed", "behind"))
    say(
        f"协议 {n:,} 个，完成 {done:,} 个，落后于序时进度 {behind:,} 个；结果在 {out}",
        f"{n:,} agreements, {done:,} completed, {behind:,} behind time; see {out}",
    )
    if summary["findings"]:
        _table(summary["findings"], ["name", "table", "rows", "examples", "text"])


@app.command("retention")
def retention(
    rows: Annotated[Path, typer.Argument(help="One row a batch, institution, drug, year and insurance type.")],
    pack: Annotated[str, typer.Option(help="Pack with the retention rule: file or shipped id.")],
    out: Out,
    scope: Annotated[str, typer.Option(help="Scope of the rule in the pack.")] = "",
    on: Day = None,
    lang: Lang = "",
    as_json: Json = False,
) -> None:
    """Reckon what hospitals may keep, why, and what over-reporting would be worth."""
    from engine.procurement.run import run_retention

    summary = run_retention(rows, pack, scope, on.date() if on else date.today(), out)  # noqa: DTZ011
    if as_json:
        print_json(summary)
        return
    kept, worth = summary["retained"], summary["worth_of_over_reporting"]
    say(
        f"{summary['rows']:,} 行，留用合计 {kept} 元；基数高于约定量的部分值 {worth} 元；结果在 {out}",
        f"{summary['rows']:,} rows, {kept} yuan kept; bases above the agreements are worth {worth} yuan; see {out}",
    )


@app.command("savings")
def savings(
    purchases: Purchases,
    products: Products,
    winning: Winning,
    base: Annotated[str, typer.Option(help="Months before, such as 2025-01:2025-12.")],
    current: Annotated[str, typer.Option(help="Months after, such as 2026-01:2026-12.")],
    out: Out,
    unit: Annotated[Unit, typer.Option(help="Unit of quantities.")] = "agreement_unit",
    agreed: Annotated[Path | None, typer.Option(help="Agreed volumes, for the official measure.")] = None,
    classes: Annotated[Path | None, typer.Option(help="Generic names and their class, for substitutes.")] = None,
    ddd: Annotated[Path | None, typer.Option(help="Daily doses in a least unit: product, ddds_per_unit.")] = None,
    column_map: Map = None,
    lang: Lang = "",
    as_json: Json = False,
) -> None:
    """Reckon what procurement saved, by every method, with its price base, quantity base, unit, perimeter, coverage."""
    from engine.procurement.savings import SavingsRequest, run_savings
    from engine.procurement.tables import read_map

    periods = _months(base, "--base"), _months(current, "--current")
    names = read_map(column_map)
    summary = run_savings(
        SavingsRequest(purchases, products, winning, out, *periods, unit, agreed, classes, ddd, names)
    )
    if as_json:
        print_json(summary)
        return
    bases = ["method", "price_base", "quantity_base", "unit", "perimeter"]
    _table(_in_words(summary["measures"], bases), [*bases, "saving", "coverage", "missing"])
    say(
        f"{summary['purchases']:,} 行采购；按低价同行可再省 {summary['potential']} 元；结果在 {out}",
        f"{summary['purchases']:,} purchases; at the price of cheap peers {summary['potential']} yuan more; see {out}",
    )
    if count := summary["unmapped_rows"]:
        say(f"{count:,} 行的产品不在产品表中", f"{count:,} rows name products outside the table of products")


@app.command("chain")
def chain(
    planned: Annotated[Path, typer.Argument(help="Institutions with savings, adjustment, retention … (yuan).")],
    out: Out,
    actual: Annotated[Path | None, typer.Option(help="The same table afterwards.")] = None,
    fund_limit: Annotated[int, typer.Option(help="Most that the fund may pay more, yuan.")] = 0,
    tolerance: Annotated[int, typer.Option(help="Most that a hospital may lose, yuan.")] = 0,
    lang: Lang = "",
    as_json: Json = False,
) -> None:
    """Reckon what fund, patients and each hospital gain and lose together, and whether all three hold."""
    from engine.procurement.run import run_chain

    summary = run_chain(planned, out, actual, fund_limit * 100, tolerance * 100)
    if as_json:
        print_json(summary)
        return
    for name, zh in (("planned", "计划"), ("actual", "实际")):
        if name in summary:
            _say_verdict(summary[name], zh, name)
    say(f"结果在 {out}", f"see {out}")


def _say_verdict(found: dict[str, Any], zh: str, en: str) -> None:
    fund, patients, hospital = (found[name] for name in ("fund", "patients", "hospital"))
    losing = ", ".join(found["losing"])
    say(
        f"{zh}：基金 {fund} 元，患者 {patients} 元，医院 {hospital} 元；"
        f"{'三者均可衔接' if found['holds'] else '未能衔接'}{'；亏损医院 ' + losing if losing else ''}",
        f"{en}: fund {fund}, patients {patients}, hospitals {hospital} yuan; "
        f"{'all three hold' if found['holds'] else 'they do not all hold'}{'; losing: ' + losing if losing else ''}",
    )


def _months(text: str, option: str) -> Any:  # noqa: ANN401
    """Read a period such as 2025-01:2025-12."""
    from engine.procurement.tables import month_of
    from rules.procurement.purchase_totals import Months

    first, colon, last = text.partition(":")
    return Months(month_of(first, option), month_of(last if colon else first, option))


def _in_words(rows: list[dict[str, Any]], columns: list[str]) -> list[dict[str, Any]]:
    """Return rows whose names are said in the language of messages."""
    from rules.procurement.savings import WORDS

    lang = language()
    return [row | {name: WORDS[row[name]].text(lang) for name in columns} for row in rows]


def _table(rows: list[dict[str, Any]], columns: list[str]) -> None:
    """Print rows as a table; columns without any content are left out."""
    from rich.table import Table

    shown = [name for name in columns if any(str(row[name]) for row in rows)]
    table = Table(*shown)
    for row in rows:
        table.add_row(*(str(row[name]) for name in shown))
    console().print(table)
