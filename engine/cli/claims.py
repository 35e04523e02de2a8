"""drgdip check: what is wrong with claims, before anything is done with them."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.cli.options import Json, Lang, language, say
from engine.cli.progress import Progress
from engine.cli.screen import console, print_json
from grouper.fault import Text


def check(
    inputs: Annotated[list[Path], typer.Argument(help="Claims: Parquet, CSV or Excel files, or folders of them.")],
    out: Annotated[Path | None, typer.Option(help="Folder for rejected.parquet and findings.json.")] = None,
    column_map: Annotated[
        str | None, typer.Option("--map", help="Column map: nhsa, delimited, wide, long, or a TOML file.")
    ] = None,
    diagnosis_table: Annotated[Path | None, typer.Option(help="Table of diagnoses keyed by the case.")] = None,
    procedure_table: Annotated[Path | None, typer.Option(help="Table of procedures keyed by the case.")] = None,
    checks: Annotated[
        list[str] | None, typer.Option("--check", help="NAME=off|warn|reject, for a check of claims.")
    ] = None,
    as_of: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Dates after this day lie in the future.")
    ] = None,
    hash_ids: Annotated[
        Path | None, typer.Option(metavar="KEYFILE", help="Replace person and case ids by keyed hashes.")
    ] = None,
    lang: Lang = "",
    as_json: Json = False,
) -> None:
    """Read all canonical columns of claims, run all checks and print the findings; exit code 1 if rows are rejected."""
    from engine.checking import CheckingRequest, run_checking
    from engine.claims import CheckPolicy, load_key, parse_actions

    request = CheckingRequest(
        inputs=inputs,
        out=out,
        column_map=column_map,
        diagnosis_table=diagnosis_table,
        procedure_table=procedure_table,
        checks=CheckPolicy(parse_actions(checks or ()), as_of.date() if as_of else None),
        hash_key=load_key(hash_ids) if hash_ids else None,
        lang=lang,
    )
    with Progress(Text("检查", "checking")) as progress:
        result = run_checking(request, progress.start)
    if as_json:
        print_json(result)
    else:
        _print(result)
        if out is not None:
            say(f"结果在 {out}", f"results are in {out}")
    if result["rows"]["rejected"]:
        raise typer.Exit(1)


def _print(result: dict[str, Any]) -> None:
    from rich.table import Table

    lang = language()
    rows = result["rows"]
    say(
        f"读入 {rows['in']:,} 行 = 接收 {rows['accepted']:,} + 拒收 {rows['rejected']:,}",
        f"{rows['in']:,} rows in = {rows['accepted']:,} accepted + {rows['rejected']:,} rejected",
    )
    absent = [finding["column"] for finding in result["findings"] if finding["name"] == "absent_column"]
    found = [finding for finding in result["findings"] if finding["name"] != "absent_column"]
    if found:
        table = Table(box=None)
        for title in ("检查项", "列", "行数", "说明") if lang == "zh" else ("check", "column", "rows", "what"):
            table.add_column(title, justify="right" if title in {"rows", "行数"} else "left")
        for column in table.columns[:-1]:
            column.no_wrap = True
        for finding in found:
            table.add_row(finding["name"], finding["column"], f"{finding['count']:,}", finding[lang] + _first(finding))
        console().print(table)
    if absent:
        listed = ", ".join(absent)
        say(f"文件中没有的列（按全部缺失处理）：{listed}", f"columns not in the files, taken as missing: {listed}")


def _first(finding: dict[str, Any]) -> str:
    """Return file and row of the first example, in brackets."""
    if not finding["examples"]:
        return ""
    first = finding["examples"][0]
    return f" ({Path(first['file']).name}:{first['row']})" if first["row"] else f" ({Path(first['file']).name})"
