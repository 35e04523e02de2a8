"""drgdip codes: search the national code lists."""

import json
from typing import Annotated

import typer

from engine.cli.options import Json, Lang, say

app = typer.Typer(help="The national code lists.", no_args_is_help=True)
_MOST = 50


@app.command()
def search(
    text: Annotated[str, typer.Argument(help="The beginning of a code, or part of a name.")],
    lang: Lang = "",
    as_json: Json = False,
) -> None:
    """Search diagnoses and procedures of the insurance version 2.0 by code or name."""
    from grouper.codes import DIAGNOSES, PROCEDURES, load_code_list

    found = [
        (kind, code, name)
        for kind, list_id in (("diagnosis", DIAGNOSES), ("procedure", PROCEDURES))
        for code, name in load_code_list(list_id).search(text)
    ]
    if as_json:
        typer.echo(
            json.dumps([{"kind": kind, "code": code, "name": name} for kind, code, name in found], ensure_ascii=False)
        )
        return
    for kind, code, name in found[:_MOST]:
        label = {"diagnosis": "诊断", "procedure": "手术操作"}[kind]
        say(f"{label}\t{code}\t{name}", f"{kind}\t{code}\t{name}")
    more = len(found) - _MOST
    if more > 0:
        say(f"另有 {more} 条；请写得更具体，或用 --json", f"{more} more; be more specific, or use --json")
    elif not found:
        say(f"没有与“{text}”相符的编码", f"no code or name matches {text!r}")
