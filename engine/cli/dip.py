"""drgdip dip: local measurement of a DIP directory."""

import re
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.cli.options import Json, Lang, language, say
from engine.cli.screen import print_json
from grouper.fault import Text, UserError

app = typer.Typer(name="dip", help="DIP directories: measure a local one from claims.", no_args_is_help=True)


@app.callback()
def _dip() -> None:
    """Keep `measure` a command of its own, although it is the only one."""


@app.command("measure")
def measure(
    claims: Annotated[list[Path], typer.Argument(help="Claims of the years measured: files, or folders of them.")],
    policy: Annotated[Path, typer.Option(help="Policy file or shipped id; [directory] and [calibration] say how.")],
    out: Annotated[Path, typer.Option(help="Folder for the results; replaced as a whole or not at all.")],
    directory: Annotated[
        str, typer.Option("--directory", help="Base directory: id or folder; its groups and tables are started from.")
    ] = "dip-3.0",
    name: Annotated[str | None, typer.Option("--id", help="Id of the measured directory.")] = None,
    years: Annotated[
        str | None, typer.Option(help="Years such as 2024-2026, which take the policy's year weights in order.")
    ] = None,
    on: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Day of the policy; its first day by default.")
    ] = None,
    previous: Annotated[
        Path | None, typer.Option(help="Scores in force before: a table, or the folder of an earlier measurement.")
    ] = None,
    procedure_classes: Annotated[
        Path | None, typer.Option(help="Classes of procedures (code, class), where the base directory has none.")
    ] = None,
    sub_types: Annotated[
        str | None,
        typer.Option(
            help="Auxiliary sub-types: a folder of rules or example, or a table of case_id, kind, subtype; by default "
            "the policy's rules."
        ),
    ] = None,
    fee_lines: Annotated[Path | None, typer.Option(help="Fee lines, where items are paid separately.")] = None,
    column_map: Annotated[str | None, typer.Option("--map", help="Column map of the claims.")] = None,
    lang: Lang = "",
    as_json: Json = False,
) -> None:
    """Measure a local directory from claims: its groups, scores and coefficients.

    Writes directory/ (a pack for drgdip group), scores.csv, coefficients.csv, auxiliary.csv, policy.toml (the tables of
    a policy that name them), report.xlsx and summary.json.
    """
    from engine.cases import ClaimsInput
    from engine.directory.measurement import MeasurementRequest, run_measurement
    from rules.policy.shipped import policy_file

    summary = run_measurement(
        MeasurementRequest(
            claims=ClaimsInput(claims, column_map),
            policy=policy_file(policy),
            out=out,
            directory=directory,
            id=name,
            years=None if years is None else _years(years),
            on=on.date() if on else None,
            previous=previous,
            procedure_classes=procedure_classes,
            sub_types=sub_types,
            fee_lines=fee_lines,
            lang=language(),
        )
    )
    if as_json:
        print_json(summary)
    else:
        _print(summary, out)


def _years(text: str) -> tuple[int, int]:
    """Read the first and the last year."""
    found = re.fullmatch(r"(\d{4})(?:-(\d{4}))?", text)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
    if first > last:
        raise UserError(Text(f"--years {text}：应如 2024-2026", f"--years {text}: should be like 2024-2026"))
    return first, last


def _print(summary: dict[str, Any], out: Path) -> None:
    groups, made, grouped, cv = (summary[name] for name in ("groups", "made", "grouped", "cv"))
    rows, cases, threshold = summary["rows"], summary["base_cases"], summary["threshold"]
    say(
        f"{rows['in']:,} 条结算，拒收 {rows['rejected']:,}；测算病例 {cases:,}，病例数临界值 {threshold}",
        f"{rows['in']:,} claims, {rows['rejected']:,} rejected; {cases:,} base cases; threshold {threshold}",
    )
    say(
        f"病种：核心 {groups['core']:,}，基层 {groups['primary-care']:,}，综合 {groups['comprehensive']:,}"
        f"（国家目录 {made['national']:,}，本地 {made['local']:,}，相关手术操作 {made['related']:,}）；"
        f"未列入 {summary['dropped']:,}",
        f"groups: {groups['core']:,} core, {groups['primary-care']:,} of primary care, {groups['comprehensive']:,} "
        f"comprehensive ({made['national']:,} national, {made['local']:,} local, {made['related']:,} by related "
        f"procedures); {summary['dropped']:,} dropped",
    )
    say(
        f"入组 {grouped['measured']:,} 例（覆盖 {summary['coverage']}；原目录 {grouped['base']:,}）；"
        f"平均变异系数 {cv['base']} → {cv['measured']}；RIV {summary['riv']}；次均费用 {summary['mean_all']} 元",
        f"{grouped['measured']:,} cases in a group (coverage {summary['coverage']}; base {grouped['base']:,}); "
        f"mean CV {cv['base']} -> {cv['measured']}; RIV {summary['riv']}; mean of all {summary['mean_all']} yuan",
    )
    if summary["unpublished"]:
        cases = sum(summary["unpublished"].values())
        say(
            f"{len(summary['unpublished'])} 个病种未公布分值（{cases:,} 例，结算时将被拒绝；见报告）",
            f"{len(summary['unpublished'])} groups have no score ({cases:,} cases, refused when paid; see the report)",
        )
    for pool, value in summary["start_value"].items():
        say(f"预算点值 {pool}：{value} 元/分", f"start value of {pool}: {value} yuan per point")
    say(f"结果在 {out}", f"results are in {out}")
