"""drgdip ledger: what officers enter: states of hospitals' months, decisions, deductions, cash, advances."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli.ledger import By, LedgerFile, app, show_table
from engine.cli.options import Json, Lang, language, say
from engine.cli.screen import print_json

if TYPE_CHECKING:
    from engine.settlement.ledger import BatchKind

__all__ = ["app"]

Note = Annotated[str | None, typer.Option(help="A note; kept in the ledger.")]
Period = Annotated[str, typer.Argument(help="A month such as 2026-10, or a cleared year such as 2026.")]
CASH = {
    "pool": "基金池",
    "hospital_id": "医疗机构",
    "month": "月份",
    "accrued": "应得",
    "cleared": "清算增减",
    "advance": "预付金",
    "working_capital": "周转金",
    "prepaid": "月预付",
    "deposit_held": "质保金",
    "deposit_released": "返还质保金",
    "deduction": "扣款",
    "supplier_direct": "直付供应商",
    "vbp_retention": "集采留用",
    "recovered": "收回",
    "paid": "清算拨付",
    "cash": "收付净额",
    "open": "累计未清",
}


@app.command()
def mark(
    period: Period,
    state: Annotated[str, typer.Argument(help="sent, confirmed, disputed, approved or paid.")],
    ledger: LedgerFile,
    hospital: Annotated[list[str] | None, typer.Option(help="Only this hospital; may be repeated.")] = None,
    note: Note = None,
    by: By = None,
    lang: Lang = "",
    as_json: Json = False,
) -> None:
    """Mark hospitals of a month or cleared year: computed, sent, confirmed or disputed, approved, paid, in this order.

    Without --hospital every hospital that can moves and the others are named. What is marked as paid is written to
    the cash account.
    """
    from engine.settlement.ledger import open_ledger
    from engine.settlement.states import Mark
    from engine.settlement.states import mark as run
    from rules.money import yuan_text

    with open_ledger(ledger) as found:
        done = run(found, Mark(state, period, hospital or (), note, by))
    if as_json:
        print_json(done)
        return
    count = len(done["moved"])
    say(f"{period}：{count} 家医疗机构已标记为 {state}（批次 {done['batch']}）",
        f"{period}: {count} hospitals marked as {state} (batch {done['batch']})")  # fmt: skip
    for name, now in done["left"].items():
        say(f"  未变：{name} 为 {now}", f"  left as it was: {name} is {now}")
    for kind, amount in done["paid"].items():
        typer.echo(f"  {CASH[kind] if language() == 'zh' else kind}: {yuan_text(amount)}")


@app.command()
def states(period: Period, ledger: LedgerFile, lang: Lang = "", as_json: Json = False) -> None:
    """Show the state of every hospital of a month or cleared year, since when and by whom."""
    from engine.settlement.ledger import read_ledger

    query = "SELECT * FROM hospital_states WHERE month = $period ORDER BY hospital_id"
    with read_ledger(ledger) as found:
        rows = found.rows(query, {"period": period}).to_dicts()
    for row in rows:
        row["since"] = f"{row['since']:%Y-%m-%d %H:%M}"
    if as_json:
        print_json(rows)
    else:
        show_table(
            {"hospital_id": "医疗机构", "state": "状态", "since": "时间(UTC)", "made_by": "经办人", "note": "说明"},
            rows,
        )


@app.command()
def decisions(
    file: Annotated[Path, typer.Argument(help="Table: case_id, decision, amount.")],
    ledger: LedgerFile,
    note: Note = None,
    by: By = None,
    lang: Lang = "",
    as_json: Json = False,
) -> None:
    """Enter special-case decisions: by_item, adjusted_standard, rejected; the latest of a case counts."""
    _enter(ledger, "decisions", file, by, note, as_json=as_json)


@app.command()
def deductions(
    file: Annotated[
        Path,
        typer.Argument(
            help="Table: case_id, hospital_id, pool, item, rule, amount, state, month_found, month_of_claim."
        ),
    ],
    ledger: LedgerFile,
    note: Note = None,
    by: By = None,
    lang: Lang = "",
    as_json: Json = False,
) -> None:
    """Enter audit deductions: suspected, appealed or confirmed; the latest state of a case, item and rule counts."""
    _enter(ledger, "deductions", file, by, note, as_json=as_json)


@app.command()
def cash(
    ledger: LedgerFile,
    file: Annotated[Path | None, typer.Argument(help="Table: pool, hospital, month, kind, amount, note.")] = None,
    hospital: Annotated[str | None, typer.Option(help="Show only this hospital.")] = None,
    year: Annotated[int | None, typer.Option(help="Show only this year.")] = None,
    note: Note = None,
    by: By = None,
    lang: Lang = "",
    as_json: Json = False,
) -> None:
    """Enter money that moved, or without a file show the cash account beside what was earned, and what is open."""
    if file is not None:
        _enter(ledger, "cash", file, by, note, as_json=as_json)
        return
    from engine.settlement.ledger import read_ledger

    query = """
        SELECT * FROM cash_account WHERE coalesce(hospital_id = $hospital, $hospital IS NULL)
          AND coalesce(month[:4] = $year, $year IS NULL) ORDER BY pool, hospital_id, month
    """
    with read_ledger(ledger) as found:
        rows = found.rows(query, {"hospital": hospital, "year": None if year is None else str(year)}).to_dicts()
    shown = [{name: str(value) for name, value in row.items()} for row in rows]
    if as_json:
        print_json(shown)
        return
    used = {
        name: zh for name, zh in CASH.items() if name in {"accrued", "cash", "open"} or any(row[name] for row in rows)
    }
    show_table(used, shown, set(CASH) - {"pool", "hospital_id", "month"})


def _enter(ledger: Path, kind: "BatchKind", file: Path, by: str | None, note: str | None, *, as_json: bool) -> None:
    from engine.settlement.intake import take_in
    from engine.settlement.ledger import open_ledger

    with open_ledger(ledger) as found:
        done = take_in(found, kind, file, by, note)
    if as_json:
        print_json(done | {"notes": [text.text(language()) for text in done["notes"]]})
    elif not done["new"]:
        say(
            f"该文件已在批次 {done['batch']} 记入，未作改动",
            f"batch {done['batch']} has this file already; nothing was changed",
        )
    else:
        say(
            f"已记入 {done['rows']:,} 行（批次 {done['batch']}）",
            f"{done['rows']:,} rows entered (batch {done['batch']})",
        )
        for text in done["notes"]:
            say(f"  {text.zh}", f"  {text.en}")


@app.command()
def advance(
    ledger: LedgerFile,
    year: Annotated[int, typer.Option(help="Year whose advance is proposed.")],
    policy: Annotated[Path, typer.Option(help="Policy file, or the id of a shipped one.")],
    fund_state: Annotated[
        Path | None, typer.Option(help="Table: pool, payable_months, last_year_deficit, forecast_deficit.")
    ] = None,
    book: Annotated[bool, typer.Option("--book", help="Write the amounts to the cash account.")] = False,
    by: By = None,
    lang: Lang = "",
    as_json: Json = False,
) -> None:
    """Propose each hospital's advance and working capital from past years of the ledger; with --book, enter them."""
    from engine.settlement.advance import book as enter
    from engine.settlement.advance import propose
    from engine.settlement.ledger import open_ledger
    from rules.money import yuan_text

    with open_ledger(ledger) as found:
        proposals = propose(found, year, policy, fund_state)
        batch = enter(found, year, proposals, by) if book else None
    rows: list[dict[str, Any]] = [
        {
            "pool": p.pool,
            "hospital": p.hospital,
            "kind": p.kind,
            "amount": yuan_text(p.amount),
            "refused": "; ".join(text.text(language()) for text in p.refused),
        }
        for p in proposals
    ]
    if as_json:
        print_json({"batch": batch, "proposals": rows})
        return
    show_table(
        {"pool": "基金池", "hospital": "医疗机构", "kind": "项目", "amount": "金额（元）", "refused": "不予预付的原因"},
        rows,
        {"amount"},
    )
    if batch is not None:
        say(f"已记入现金账（批次 {batch}）", f"entered in the cash account (batch {batch})")
