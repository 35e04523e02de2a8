"""drgdip settle: the claims of a month, settled into a ledger."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli.options import Json, Lang, language, say
from engine.cli.progress import Progress
from engine.cli.screen import console, print_json
from grouper.fault import Text

if TYPE_CHECKING:
    from engine.run_file import Kind
    from engine.settlement.month_inputs import SettlementRequest


KEYS: "dict[str, Kind]" = {
    "claims": "paths", "policy": "names", "month": "month", "ledger": "path", "scheme": "name", "map": "name",
    "diagnosis-table": "path", "procedure-table": "path", "fee-lines": "path", "decisions": "path",
    "deductions": "path", "check": "texts", "book-in": "month", "hash-ids": "path", "by": "text",
}  # fmt: skip
"""What a run file may hold."""
Month = Annotated[datetime | None, typer.Option(formats=["%Y-%m"], help="Month to settle, such as 2026-10.")]


def settle(
    claims: Annotated[
        list[Path] | None, typer.Argument(help="Claims: Parquet, CSV or Excel files, or folders of them.")
    ] = None,
    policy: Annotated[
        list[Path] | None, typer.Option("--policy", help="Policy file or shipped id; one more for earlier days.")
    ] = None,
    month: Month = None,
    ledger: Annotated[Path | None, typer.Option(help="The ledger, a DuckDB file; made where there is none.")] = None,
    run: Annotated[Path | None, typer.Option(help="Run file with these arguments: docs/run.toml.")] = None,
    scheme: Annotated[str | None, typer.Option(help="Another scheme than the policy's; recorded.")] = None,
    column_map: Annotated[str | None, typer.Option("--map", help="Column map of the claims.")] = None,
    diagnosis_table: Annotated[Path | None, typer.Option(help="Table of diagnoses, with --map long.")] = None,
    procedure_table: Annotated[Path | None, typer.Option(help="Table of procedures, with --map long.")] = None,
    fee_lines: Annotated[Path | None, typer.Option(help="Fee lines, for rules that look at items.")] = None,
    decisions: Annotated[Path | None, typer.Option(help="Special-case decisions: case_id, decision, amount.")] = None,
    deductions: Annotated[Path | None, typer.Option(help="Audit deductions, where they act in the month.")] = None,
    check: Annotated[list[str] | None, typer.Option(help="NAME=off|warn|reject, for a check of claims.")] = None,
    book_in: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m"], help="Month that books the differences of a correction.")
    ] = None,
    hash_ids: Annotated[
        Path | None, typer.Option(metavar="KEYFILE", help="Replace person and case ids by keyed hashes.")
    ] = None,
    by: Annotated[str | None, typer.Option(help="Who settles; the user of the machine by default.")] = None,
    lang: Lang = "",
    as_json: Json = False,
) -> None:
    """Settle a month of claims: read, check, group, price, and book it in the ledger as one batch.

    The first version of a month books itself; a later one books what it changes. The same batch again changes
    nothing.
    """
    from engine.settlement.month_run import settle as run_settlement

    values = (
        claims, policy, month, ledger, scheme, column_map, diagnosis_table, procedure_table, fee_lines, decisions,
        deductions, check, book_in, hash_ids, by,
    )  # fmt: skip
    arguments = _arguments(dict(zip(KEYS, values, strict=True)), run)
    with Progress(Text("结算", "settling")) as progress:
        summary = run_settlement(_request(arguments), progress.start)
    if as_json:
        print_json(summary)
    else:
        _print(summary)


def _arguments(command: dict[str, Any], run: Path | None) -> dict[str, Any]:
    """Return the arguments of the command, those it leaves out from the run file."""
    from engine.run_file import missing, read_run

    given = {} if run is None else read_run(run, KEYS)
    given |= {key: value for key, value in command.items() if value not in (None, [])}
    needed = {"claims": "claims", "policy": "--policy", "month": "--month", "ledger": "--ledger"}
    if lacking := [name for key, name in needed.items() if key not in given]:
        raise missing(lacking)
    return given


def _request(given: dict[str, Any]) -> "SettlementRequest":
    from engine.claims import CheckPolicy, load_key, parse_actions
    from engine.settlement.month_inputs import SettlementRequest

    book_in, hash_ids, scheme = given.get("book-in"), given.get("hash-ids"), given.get("scheme")
    return SettlementRequest(
        claims=given["claims"],
        policies=given["policy"],
        month=given["month"].year * 100 + given["month"].month,
        ledger=given["ledger"],
        scheme=None if scheme is None else str(scheme),
        column_map=given.get("map"),
        diagnosis_table=given.get("diagnosis-table"),
        procedure_table=given.get("procedure-table"),
        fee_lines=given.get("fee-lines"),
        decisions=given.get("decisions"),
        deductions=given.get("deductions"),
        checks=CheckPolicy(parse_actions(given.get("check", ()))),
        book_in=book_in.year * 100 + book_in.month if book_in else None,
        hash_key=load_key(hash_ids) if hash_ids else None,
        by=given.get("by"),
    )


def _print(summary: dict[str, Any]) -> None:
    where, batch = summary["ledger"], summary["batch"]
    if not summary["new"]:
        say(
            f"{summary['month']}：同一批次已入账（{where}，批次 {batch}），没有任何改动",
            f"{summary['month']}: this very batch is in {where} already, as batch {batch}; nothing was changed",
        )
        return
    _print_rows(summary["month"], summary["rows"])
    _print_pools(summary["pools"])
    _print_findings(summary["findings"])
    if (reviews := summary.get("special_cases")) is not None:
        say(reviews["zh"], reviews["en"])
    _print_booked(summary)


def _print_rows(month: str, rows: dict[str, int]) -> None:
    say(
        f"{month}：读入 {rows['in']:,} 行 = 拒收 {rows['rejected']:,} + 接收 {rows['accepted']:,}；"
        f"接收 = 入账 {rows['booked']:,} + 暂挂 {rows['held']:,} + 并入 {rows['merged']:,} + 已入账 {rows['known']:,}"
        f" + 其他月份 {rows['elsewhere']:,}",
        f"{month}: {rows['in']:,} rows in = {rows['rejected']:,} rejected + {rows['accepted']:,} accepted; "
        f"accepted = {rows['booked']:,} booked + {rows['held']:,} held + {rows['merged']:,} merged"
        f" + {rows['known']:,} known + {rows['elsewhere']:,} elsewhere",
    )


def _print_pools(pools: list[dict[str, Any]]) -> None:
    from fractions import Fraction

    from rich.table import Table

    from rules.money import yuan_text

    chinese = language() == "zh"
    names = ("基金池", "病例", "点值", "应付", "扣款", "预付", "质保金") if chinese else (
        "pool", "cases", "value", "payable", "deducted", "paid", "deposit"
    )  # fmt: skip
    table = Table()
    for name in names:
        table.add_column(name, justify="left" if name in {"pool", "基金池"} else "right")
    for pool in pools:
        amounts = [yuan_text(pool[key]) for key in ("payable", "deducted", "paid", "deposit")]
        table.add_row(pool["pool"], f"{pool['cases']:,}", f"{float(Fraction(pool['value'])):.4f}", *amounts)
    console().print(table)


def _print_findings(findings: list[dict[str, Any]]) -> None:
    from rich.table import Table

    lang = language()
    found = [finding for finding in findings if finding["finding"] != "absent_column"]
    if found:
        table = Table(box=None)
        for title in ("发现", "列或月份", "次数", "说明") if lang == "zh" else ("finding", "of", "count", "what"):
            table.add_column(title, justify="right" if title in {"count", "次数"} else "left")
        for finding in found:
            table.add_row(finding["finding"], finding["subject"], f"{finding['count']:,}", finding[f"message_{lang}"])
        console().print(table)
    if absent := [finding["subject"] for finding in findings if finding["finding"] == "absent_column"]:
        listed = ", ".join(absent)
        say(f"文件中没有的列（按全部缺失处理）：{listed}", f"columns not in the files, taken as missing: {listed}")


def _print_booked(summary: dict[str, Any]) -> None:
    from rules.money import yuan_text

    version, difference = summary["month_version"], yuan_text(summary["difference"]["payable"])
    if version > 1:
        say(
            f"第 {version} 版：与此前入账的差额 {difference} 元应付，计入 {summary['booked_month']}",
            f"version {version}: payable differs by {difference} yuan from what was booked before, "
            f"booked in {summary['booked_month']}",
        )
    seconds = "  ".join(f"{name} {value:.2f}" for name, value in summary["seconds"].items())
    say(f"各阶段秒数：{seconds}", f"seconds by stage: {seconds}")
    say(
        f"已记入 {summary['ledger']}，批次 {summary['batch']}",
        f"booked in {summary['ledger']} as batch {summary['batch']}",
    )
