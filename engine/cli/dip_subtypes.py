"""drgdip dip subtypes: auxiliary sub-types of claims."""

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import Json, Lang
from engine.cli.screen import console, print_json
from grouper.fault import Text


def subtypes(
    inputs: Annotated[list[Path], typer.Argument(help="Claims: Parquet, CSV or Excel files, or folders of them.")],
    out: Annotated[Path, typer.Option(help="The table to write: .csv or .parquet, a row for each sub-type of a case.")],
    rules: Annotated[str, typer.Option("--rules", help="Folder with the sub-types, or example.")] = "example",
    column_map: Annotated[str | None, typer.Option("--map", help="Column map of the claims.")] = None,
    lang: Lang = "",
    as_json: Json = False,
) -> None:
    """Say which auxiliary sub-types (age, comorbidity, severity, tumours, intensive care) each case is of."""
    from rich.table import Table

    from engine.cases import ClaimsInput
    from engine.directory.subtypes import write_sub_types
    from grouper.dip.subtypes import load_sub_types

    loaded = load_sub_types(rules)
    counted = write_sub_types(ClaimsInput(inputs, column_map), loaded, out)
    if as_json:
        print_json({"file": str(out), "rules": loaded.head.id, "cases": counted})
        return
    table = Table(*Text("种类 分型 名称 病例", "kind sub-type name cases").text(lang).split())
    for row in loaded.rows:
        table.add_row(row.kind, row.code, row.name, f"{counted[row.code]:,}")
    console().print(table)
    console().print(Text(f"已写入 {out}", f"written to {out}").text(lang), soft_wrap=True)
