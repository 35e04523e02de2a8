"""drgdip ledger: what a ledger holds, whether it is sound, and how a batch is taken back."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.cli.options import Json, Lang, language, say
from engine.cli.screen import console, print_json

app = typer.Typer(help="Look at a ledger, verify it, enter decisions, deductions and cash, mark months.")
LedgerFile = Annotated[Path, typer.Option("--ledger", help="The ledger, a DuckDB file.")]
By = Annotated[str | None, typer.Option(help="Who does it; the user of the machine by default.")]
KINDS = {
    "month": "月结算",
    "clearing": "清算",
    "undo": "撤销",
    "decisions": "特例决定",
    "deductions": "扣款",
    "cash": "现金",
    "states": "状态",
    "prune": "清理",
}
LISTED = {
    "batch": "批次",
    "kind": "类别",
    "of": "月份/年度",
    "version": "版",
    "stage": "阶段",
    "cases": "病例",
    "made_at": "时间(UTC)",
    "made_by": "经办人",
    "counts": "是否有效",
    "note": "说明",
}
PARTS = {
    "inputs": ("输入", "inputs"),
    "rows": ("行数", "rows"),
    "bookings": ("入账（元）", "booked (yuan)"),
    "findings": ("发现", "findings"),
    "undone_by": ("撤销", "undone by"),
}


def show_table(names: dict[str, str], rows: list[dict[str, Any]], right: set[str] | None = None) -> None:
    """Print rows as a table; `names`: column and its Chinese heading."""
    from rich.table import Table

    table = Table()
    for name, zh in names.items():
        table.add_column(zh if language() == "zh" else name, justify="right" if name in (right or set()) else "left")
    for row in rows:
        table.add_row(*("" if row[name] is None else str(row[name]) for name in names))
    console().print(table)


@app.command("list")
def list_(ledger: LedgerFile, lang: Lang = "", as_json: Json = False) -> None:
    """List all batches: what, for when, which version, who and when, whether it still counts."""
    from engine.settlement.ledger import read_ledger

    with read_ledger(ledger) as found:
        rows = found.rows("SELECT * FROM batches ORDER BY batch").to_dicts()
        last = found.rows("SELECT seal FROM ledger_batch ORDER BY batch DESC LIMIT 1")["seal"].to_list()
    for row in rows:
        row["of"] = row["month"] or row["year"]
        row["made_at"] = f"{row['made_at']:%Y-%m-%d %H:%M}"
        row["counts"] = _counts(row)
    if as_json:
        print_json(rows)
        return
    shown = [
        row | {"kind": KINDS[row["kind"]] if language() == "zh" else row["kind"], "cases": row["booked"] or ""}
        for row in rows
    ]
    show_table(LISTED, shown, {"batch", "version", "cases"})
    say(f"最后封印 {(last or ['–'])[0]}", f"last seal {(last or ['–'])[0]}")


def _counts(row: dict[str, Any]) -> str:
    """Return whether a batch still counts, in words."""
    zh = language() == "zh"
    if row["undone_by"] is not None:
        return f"已由 {row['undone_by']} 撤销" if zh else f"undone by {row['undone_by']}"
    if row["kind"] == "undo":
        return f"撤销 {row['reverses']}" if zh else f"undoes {row['reverses']}"
    if row["kind"] == "month" and not row["present"]:
        return "已有新版" if zh else "superseded"
    return "有效" if zh else "yes"


@app.command()
def show(
    batch: Annotated[int, typer.Argument(help="Number of the batch, see drgdip ledger list.")],
    ledger: LedgerFile,
    lang: Lang = "",
    as_json: Json = False,
) -> None:
    """Show a batch: from what it was made, how many rows it wrote, what it booked."""
    from engine.settlement.ledger import read_ledger
    from engine.settlement.showing import shown_batch

    with read_ledger(ledger) as found:
        facts = shown_batch(found, batch)
    if as_json:
        print_json(facts)
        return
    chinese = language() == "zh"
    for row in facts["head"]:
        typer.echo(f"{row['zh'] if chinese else row['en']}: {row['value']}")
    for name, (zh, en) in PARTS.items():
        if facts[name]:
            say(f"\n{zh}", f"\n{en}")
            for row in facts[name]:
                typer.echo("  " + "  ".join(str(cell) for cell in row.values() if cell is not None))


@app.command()
def verify(ledger: LedgerFile, lang: Lang = "", as_json: Json = False) -> None:
    """Recompute every digest and every total. Exit code 1 where anything is not what it should be."""
    from engine.settlement.ledger import read_ledger
    from engine.settlement.verify import SHOWN
    from engine.settlement.verify import verify as run

    checks = []
    with read_ledger(ledger) as found:
        for check in run(found):
            checks.append(check)
            if not as_json:
                mark = "✗" if check.failed else "✓"
                typer.echo(f"{mark} {check.what.text(language())} ({check.places:,})")
                for place in check.failed[:SHOWN]:
                    typer.echo(f"    {place}")
                if (more := len(check.failed) - SHOWN) > 0:
                    say(f"    另有 {more} 处", f"    and {more} more")
        gone = found.rows("""
            SELECT any_value(b.month) AS month, p.relation, sum(p.rows)::BIGINT AS rows FROM ledger_pruned AS p
            JOIN ledger_batch AS b ON b.batch = p.of_batch GROUP BY b.month, p.relation ORDER BY ALL
        """).to_dicts()
    failed = [check for check in checks if check.failed]
    if as_json:
        shown = [{"name": c.name, "what": c.what._asdict(), "places": c.places, "failed": c.failed} for c in checks]
        print_json({"holds": not failed, "pruned": gone, "checks": shown})
    elif failed:
        _print_pruned(gone)
        say(
            f"{len(failed)} 项不符：账本被其他方式改动，或已损坏",
            f"{len(failed)} checks fail: the ledger was changed by other means, or is damaged",
        )
    else:
        _print_pruned(gone)
        say("账本核对无误", "the ledger is sound")
    if failed:
        raise typer.Exit(1)


def _print_pruned(gone: list[dict[str, Any]]) -> None:
    if gone:
        months = sorted({row["month"] for row in gone})
        count = sum(row["rows"] for row in gone)
        span = f"{months[0]} … {months[-1]}"
        say(
            f"{span} 的明细已清理（{count:,} 行）：这些月份的合计仍核对，病例不再核对",
            f"claim-level rows of {span} were pruned ({count:,}): totals of these months are checked, cases are not",
        )


@app.command()
def undo(
    batch: Annotated[int, typer.Argument(help="Number of the batch, see drgdip ledger list.")],
    ledger: LedgerFile,
    reason: Annotated[str, typer.Option(help="Why; kept in the ledger.")],
    by: By = None,
    lang: Lang = "",
    as_json: Json = False,
) -> None:
    """Take a batch back by a batch of its own; refused where later batches depend on it."""
    from engine.settlement.ledger import open_ledger
    from engine.settlement.undo import undo as run

    with open_ledger(ledger) as found:
        done = run(found, batch, reason, by)
    if as_json:
        print_json(done)
        return
    say(
        f"批次 {done['batch']} 撤销了批次 {batch}：冲回 {done['bookings']} 笔入账、{done['cash']} 笔现金",
        f"batch {done['batch']} undoes batch {batch}: {done['bookings']} bookings, {done['cash']} cash entries",
    )
    if done["kind"] == "month":
        now = done["present"]
        say(
            f"该月现行版本：{f'批次 {now}' if now else '无，可重新结算'}",
            f"the month's present version: {f'batch {now}' if now else 'none, settle it anew'}",
        )


@app.command()
def upgrade(ledger: LedgerFile, lang: Lang = "") -> None:
    """Bring a ledger of an older program to this one's version; a copy of the file is set aside first."""
    from engine.settlement.upgrade import upgrade as run

    done = run(ledger)
    if done.backup is None:
        say(f"账本已是版本 {done.now}，无需升级", f"the ledger is of version {done.now} already; nothing was changed")
    else:
        say(
            f"账本由版本 {done.before} 升级到 {done.now}；原文件备份在 {done.backup}",
            f"the ledger went from version {done.before} to {done.now}; the old file is {done.backup}",
        )


@app.command()
def prune(
    ledger: LedgerFile,
    through: Annotated[datetime, typer.Option(formats=["%Y-%m"], help="Last month to prune, of a cleared year.")],
    by: By = None,
    lang: Lang = "",
    as_json: Json = False,
) -> None:
    """Delete the rows of single claims of cleared years up to a month; totals and digests stay.

    The file is written anew, so that nothing of the rows remains in it.
    """
    from engine.settlement.ledger import open_ledger
    from engine.settlement.prune import prune as run

    with open_ledger(ledger) as found:
        done = run(found, f"{through:%Y-%m}", by)
    if as_json:
        print_json(done)
        return
    rows = ", ".join(f"{table} {count:,}" for table, count in done["rows"].items())
    months = f"{done['months'][0]} … {done['months'][-1]}"
    say(
        f"已清理 {months} 的明细：{rows}（批次 {done['batch']}）",
        f"pruned {months}: {rows} rows (batch {done['batch']})",
    )
