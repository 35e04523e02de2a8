"""drgdip group: a claims file in, grouped claims out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.cli.options import Json, Lang, language, say
from engine.cli.progress import Progress
from engine.cli.screen import console, print_json
from grouper.fault import Text

Inputs = Annotated[list[Path], typer.Argument(help="Claims: Parquet, CSV or Excel files, or folders of them.")]
Scheme = Annotated[str, typer.Option("--scheme", help="Id of a scheme (drgdip scheme list) or the folder of a pack.")]
Map = Annotated[str | None, typer.Option("--map", help="Column map: nhsa, delimited, wide, long, or a TOML file.")]
Codes = Annotated[str, typer.Option(help="Version of the codes: insurance, or clinical (converted first).")]
HashIds = Annotated[
    Path | None, typer.Option("--hash-ids", metavar="KEYFILE", help="Replace person and case ids by keyed hashes.")
]


def group(
    inputs: Inputs,
    scheme: Scheme,
    out: Annotated[Path, typer.Option(help="Folder for the results; replaced as a whole or not at all.")],
    compare: Annotated[str | None, typer.Option(help="A second scheme: also write transitions.csv.")] = None,
    column_map: Map = None,
    diagnosis_table: Annotated[Path | None, typer.Option(help="Table of diagnoses, with --map long.")] = None,
    procedure_table: Annotated[Path | None, typer.Option(help="Table of procedures, with --map long.")] = None,
    codes: Codes = "insurance",
    keep: Annotated[list[str] | None, typer.Option(help="Input columns to keep, comma separated.")] = None,
    names: Annotated[bool, typer.Option("--names", help="Add the names of the groups.")] = False,
    kind: Annotated[str, typer.Option("--format", help="parquet, csv, xlsx or duckdb.")] = "parquet",
    check: Annotated[list[str] | None, typer.Option(help="NAME=off|warn|reject, for a check of claims.")] = None,
    hash_ids: HashIds = None,
    lang: Lang = "",
    as_json: Json = False,
) -> None:
    """Group claims under a scheme.

    Writes grouped.<format> (one row per accepted claim), rejected.parquet, findings.json, code_notes.csv and
    summary.json; with --compare also compared.<format> and transitions.csv.
    """
    from engine.claims import CheckPolicy, load_key, parse_actions
    from engine.grouping import GroupingRequest, parse_codes, parse_format, run_grouping
    from grouper.kinds import load

    request = GroupingRequest(
        inputs=inputs,
        scheme=load(scheme),
        out=out,
        compare=load(compare) if compare else None,
        column_map=column_map,
        diagnosis_table=diagnosis_table,
        procedure_table=procedure_table,
        codes=parse_codes(codes),
        keep=[name.strip() for names_given in keep or () for name in names_given.split(",") if name.strip()],
        names=names,
        format=parse_format(kind),
        checks=CheckPolicy(parse_actions(check or ())),
        hash_key=load_key(hash_ids) if hash_ids else None,
        lang=lang,
    )
    with Progress(Text("分组", "grouping")) as progress:
        summary = run_grouping(request, progress.start)
    if as_json:
        print_json(summary)
    else:
        _print_summary(summary, out)


def _print_summary(summary: Mapping[str, Any], out: Path) -> None:
    from engine.claims.reasons import BY_CODE
    from grouper.kinds import REASONS

    rows, seconds = summary["rows"], summary["seconds"]
    rate = rows["in"] / seconds["wall"]
    say(
        f"读入 {rows['in']:,} 行 = 接收 {rows['accepted']:,} + 拒收 {rows['rejected']:,}"
        f"；用时 {seconds['wall']:.1f} 秒（{rate:,.0f} 行/秒）",
        f"{rows['in']:,} rows in = {rows['accepted']:,} accepted + {rows['rejected']:,} rejected"
        f" in {seconds['wall']:.1f} s ({rate:,.0f} rows/s)",
    )
    _print_statuses(summary, summary.get("compared"))
    ungrouped = {f"{code}: {REASONS[code].text(language())}": count for code, count in summary["reason"].items()}
    _print_counts(("未入组原因", "not grouped because"), ungrouped)
    rejected = {
        f"{code}: {BY_CODE[code].text.text(language())}": count for code, count in summary["rejected_by_reason"].items()
    }
    _print_counts(("拒收原因", "rejected because"), rejected)
    stages = "  ".join(f"{name} {value:.2f}" for name, value in seconds.items())
    say(f"各阶段秒数（多线程累计）：{stages}", f"seconds by stage, added up over threads: {stages}")
    say(f"结果在 {out}", f"results are in {out}")


def _print_statuses(summary: Mapping[str, Any], compared: Mapping[str, Any] | None) -> None:
    from rich.table import Table

    parts = [part for part in (summary, compared) if part is not None]
    table = Table("状态" if language() == "zh" else "status")
    for part in parts:
        table.add_column(part["scheme"]["id"], justify="right")
        table.add_column("%", justify="right")
    for status in dict.fromkeys(status for part in parts for status in part["status"]):
        cells = []
        for part in parts:
            if status in part["status"]:
                number = part["status"][status]
                total = summary["rows"]["accepted"] or 1
                cells += [f"{number:,}", f"{100 * number / total:.2f}"]
            else:
                cells += ["", ""]
        table.add_row(status, *cells)
    console().print(table)


def _print_counts(title: tuple[str, str], counts: Mapping[str, int]) -> None:
    from rich.table import Table

    if counts:
        table = Table(title[0] if language() == "zh" else title[1])
        table.add_column("病例" if language() == "zh" else "cases", justify="right")
        for name, count in sorted(counts.items(), key=lambda item: -item[1]):
            table.add_row(name, f"{count:,}")
        console().print(table)
