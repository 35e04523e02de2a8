"""drgdip calibrate: weights and scores from the claims of past years."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.cli.options import Json, Lang, say
from engine.cli.screen import print_json


def calibrate(
    claims: Annotated[list[Path], typer.Argument(help="Claims of past years: files, or folders of them.")],
    scheme: Annotated[str, typer.Option("--scheme", help="Id of a scheme or the folder of a pack.")],
    policy: Annotated[Path, typer.Option(help="Policy file or shipped id; its calibration table says how.")],
    out: Annotated[Path, typer.Option(help="Table of weights or scores to write; a summary goes beside it.")],
    grouped: Annotated[
        list[Path] | None, typer.Option(help="Results of drgdip group; without them the claims are grouped here.")
    ] = None,
    on: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Day of the policy; its first day by default.")
    ] = None,
    previous: Annotated[Path | None, typer.Option(help="Table in force before, to compare with.")] = None,
    fee_lines: Annotated[Path | None, typer.Option(help="Fee lines, where items are paid separately.")] = None,
    column_map: Annotated[str | None, typer.Option("--map", help="Column map of the claims.")] = None,
    lang: Lang = "",
    as_json: Json = False,
) -> None:
    """Measure weights (DRG) or scores (DIP) and write them as the table a policy names.

    The table has weight or score, status, means by hospital level and by kind of cost, and for information cases,
    trimming, CV, stability and the change against the table before.
    """
    from engine.calibration import CalibrationRequest, run_calibration
    from engine.cases import ClaimsInput
    from grouper.scheme.pack import load_scheme
    from rules.policy.shipped import policy_file

    request = CalibrationRequest(
        claims=ClaimsInput(claims, column_map),
        scheme=load_scheme(scheme),
        policy=policy_file(policy),
        out=out,
        grouped=grouped or (),
        on=on.date() if on else None,
        previous=previous,
        fee_lines=fee_lines,
    )
    summary = run_calibration(request)
    if as_json:
        print_json(summary)
    else:
        _print(summary, out)


def _print(summary: dict[str, Any], out: Path) -> None:
    groups, rows = summary["groups"], summary["rows"]
    say(
        f"{rows['accepted']:,} 条结算，测算基础 {summary['base_cases']:,} 例，次均费用 {summary['mean_all']} 元",
        f"{summary['base_cases']:,} base cases of {rows['accepted']:,} claims; mean of all {summary['mean_all']} yuan",
    )
    say(
        f"病组：稳定 {groups['stable']}，病例少 {groups['few_cases']}，变异大 {groups['high_variation']}，"
        f"无病例 {groups['no_cases']}；公布 {summary['published']}；RIV {summary['riv']}",
        f"groups: {groups['stable']} stable, {groups['few_cases']} with few cases, {groups['high_variation']} varying, "
        f"{groups['no_cases']} without cases; {summary['published']} published; RIV {summary['riv']}",
    )
    for pool, value in summary["start_value"].items():
        say(f"预算点值 {pool}：{value} 元/点", f"start value of {pool}: {value} yuan per point")
    say(f"结果在 {out}", f"the table is {out}")
