"""drgdip ledger export: a ledger's months as Parquet, or under the names of an official interface."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import Json, Lang, say
from engine.cli.screen import print_json
from grouper.fault import Text, UserError


def export(
    ledger: Annotated[Path, typer.Option("--ledger", help="The ledger, a DuckDB file.")],
    out: Annotated[Path, typer.Option(help="Folder for the files; replaced as a whole or not at all.")],
    as_: Annotated[str, typer.Option("--as", help="parquet, or an official interface: 3605, 3606, 9201.")] = "parquet",
    month: Annotated[
        list[datetime] | None,
        typer.Option(formats=["%Y-%m"], help="Month, may be repeated; parquet without one takes all."),
    ] = None,
    lang: Lang = "",
    as_json: Json = False,
) -> None:
    """Export months: Parquet partitioned by month, or CSV with official field names; amounts in yuan, no person ids."""
    from engine.outputs.interfaces import export_interface
    from engine.outputs.parquet_export import export_parquet
    from engine.settlement.ledger import read_ledger

    months = [f"{day:%Y-%m}" for day in month or ()]
    with read_ledger(ledger) as found:
        if as_ == "parquet":
            summary = export_parquet(found, out, months)
        elif len(months) == 1:
            summary = export_interface(found, as_, months[0], out)
        else:
            raise UserError(Text(f"--as {as_} 须给出一个 --month", f"--as {as_} needs one --month"))
    if as_json:
        print_json(summary)
    else:
        say(f"结果在 {out}", f"results are in {out}")
