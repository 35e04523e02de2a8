"""drgdip scheme: list, show, check, import, export and compare grouping schemes."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli.options import Json, Lang
from engine.cli.screen import console, print_json
from grouper.fault import Text

if TYPE_CHECKING:
    from grouper.kinds import AnyScheme

app = typer.Typer(help="Grouping schemes: list, show, check, import, export, diff.", no_args_is_help=True)

SchemeName = Annotated[str, typer.Argument(metavar="SCHEME", help="Id of a shipped scheme, or the folder of a pack.")]
All = Annotated[bool, typer.Option("--all", help="Print every line, not only the first of each kind.")]

FIRST = 10
"""Lines of one kind that are printed without --all."""


@app.command("list")
def list_schemes(lang: Lang = "", as_json: Json = False) -> None:
    """List the schemes that come with the program."""
    from grouper.kinds import figures, load
    from grouper.scheme.pack import shipped

    schemes = [load(name) for name in shipped()]
    if as_json:
        print_json([_described(scheme) for scheme in schemes])
        return
    rows = []
    for scheme in schemes:
        head, counted = scheme.head, figures(scheme)
        name = Text(head.name.zh, head.name.en).text(lang)
        valid = f"{head.valid.start} – {head.valid.end or ''}"
        counts = [counted[key][1] if key in counted else "" for key in ("mdc", "adrg_groups", "drg_groups", "groups")]
        rows.append((scheme.id, name, valid, *counts))
    titles = Text("编号 名称 有效期 MDC ADRG DRG DIP病种", "scheme name valid MDC ADRG DRG DIP-groups")
    _print_table(titles.text(lang), rows)


@app.command()
def show(scheme: SchemeName, lang: Lang = "", as_json: Json = False, every: All = False) -> None:
    """Show where a scheme comes from, its figures, and its changes with their reasons."""
    from grouper.kinds import figures, load

    loaded = load(scheme)
    described = _described(loaded)
    if as_json:
        print_json(described)
        return
    rows = [(key, value) for key, value in described["head"].items()]
    rows += [(label.text(lang), count) for label, count in figures(loaded).values()]
    _print_table(Text("项目 内容", "item value").text(lang), [*rows, ("digest", loaded.digest)])
    lines = [
        f"{change['table']} {change['action']} {' '.join(change['row'].values())}: {change['reason']}"
        for change in described["changes"]
    ]
    _print_lines(lines, lang, every)


@app.command()
def check(scheme: SchemeName, lang: Lang = "", as_json: Json = False) -> None:
    """Check a scheme for lists and rules that disagree with each other."""
    from grouper.kinds import check as check_scheme
    from grouper.kinds import load

    findings = check_scheme(load(scheme))
    if as_json:
        print_json([asdict(finding) | {"text": finding.text._asdict()} for finding in findings])
        return
    rows = [
        (finding.name, finding.count, finding.text.text(lang), "; ".join(finding.examples[:5])) for finding in findings
    ]
    _print_table(Text("发现 数量 说明 举例", "finding count meaning examples").text(lang), rows)


@app.command("import")
def import_workbook(
    workbook: Annotated[Path, typer.Argument(metavar="WORKBOOK.xlsx", help="The official workbook, or an export.")],
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Folder of the new pack; must not exist.")],
    like: Annotated[
        str | None,
        typer.Option("--like", metavar="SCHEME", help="Scheme from which what the workbook does not say is taken."),
    ] = None,
    column_map: Annotated[
        Path | None, typer.Option("--map", metavar="MAP.toml", help="Column map of a city's own DIP directory.")
    ] = None,
    lang: Lang = "",
    as_json: Json = False,
    every: All = False,
) -> None:
    """Read a workbook into a new pack, and report what was read, mended and left out.

    The official workbook of a DRG scheme or of DIP 3.0, an exported scheme, or with --map a city's own DIP directory.
    """
    from grouper.kinds import import_workbook as read
    from grouper.scheme.workbook_sheets import REMARKS

    result = read(workbook, out, like, column_map)
    remarks = [remark._asdict() for remark in result.remarks]
    if as_json:
        print_json({"folder": str(out), "digest": result.scheme.digest, "rows": dict(result.rows), "remarks": remarks})
        return
    _print_table(Text("工作表 行数", "sheet rows").text(lang), result.rows.items())
    kinds = Counter(remark.kind for remark in result.remarks)
    for kind, count in kinds.items():
        console().print(f"{REMARKS[kind].text(lang)}: {count}", soft_wrap=True)
        _print_lines([r.line(lang) for r in result.remarks if r.kind == kind], lang, every)
    console().print(Text(f"已写入 {out}", f"written to {out}").text(lang), soft_wrap=True)


@app.command("export")
def export_workbook(
    scheme: SchemeName,
    out: Annotated[Path, typer.Option("--out", metavar="FILE.xlsx", help="The workbook to write.")],
    lang: Lang = "",
    as_json: Json = False,
) -> None:
    """Write a scheme as a workbook in the official layout."""
    from grouper.scheme.pack import load_scheme
    from grouper.scheme.workbook_export import export_workbook as write

    loaded = load_scheme(scheme)
    write(loaded, out)
    if as_json:
        print_json({"file": str(out), "scheme": loaded.id, "digest": loaded.digest})
    else:
        console().print(Text(f"已写入 {out}", f"written to {out}").text(lang), soft_wrap=True)


@app.command()
def diff(a: SchemeName, b: SchemeName, lang: Lang = "", as_json: Json = False, every: All = False) -> None:
    """Say which rules, groups, sets and complications differ from scheme A to scheme B."""
    from grouper.kinds import difference, load
    from grouper.scheme.difference import CHANGES

    found = difference(load(a), load(b))
    if as_json:
        print_json(found.as_json())
        return
    counts = [(table, *by_change.values()) for table, by_change in found.counts().items()]
    titles = [Text("表", "table").text(lang), *(text.text(lang) for text in CHANGES.values())]
    _print_table(" ".join(titles), counts)
    for lines in found.lines(lang).values():
        _print_lines(lines, lang, every)


def _described(scheme: "AnyScheme") -> dict[str, Any]:
    from grouper.kinds import figures

    changes = [
        {
            "table": table,
            "action": action,
            "row": {column: cell for column, cell in row.values.items() if cell and column not in {"action", "reason"}},
            "reason": reason,
        }
        for table, action, row, reason in scheme.changes
    ]
    counts = {name: count for name, (_, count) in figures(scheme).items()}
    head = scheme.head.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {"head": head, "digest": scheme.digest, "figures": counts, "changes": changes}


def _print_table(titles: str, rows: Iterable[Sequence[object]]) -> None:
    from rich.table import Table

    table = Table(*titles.split())
    for row in rows:
        table.add_row(*map(_cell, row))
    console().print(table)


def _cell(value: object) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, dict):
        return "; ".join(f"{key}: {inner}" for key, inner in value.items())
    return ", ".join(value) if isinstance(value, list) else str(value)


def _print_lines(lines: Sequence[str], lang: str, every: bool) -> None:
    screen = console()
    for line in lines if every else lines[:FIRST]:
        screen.print(f"  {line}", soft_wrap=True)
    left = 0 if every else len(lines) - FIRST
    if left > 0:
        screen.print(Text(f"  …… 另有 {left} 行（--all）", f"  … {left} more (--all)").text(lang))
