"""All commands of drgdip, and what becomes of errors.

Exit codes: 0 done, 1 a check found faults, 2 bad input or a wrong option, 3 the output cannot be written,
130 interrupted.
"""

import signal
import sys
from types import FrameType

import typer

from engine.cli import (
    calibrate,
    claims,
    clear,
    codes,
    dip,
    dip_subtypes,
    explain,
    group,
    ledger_entries,
    ledger_export,
    policy,
    price,
    procure,
    scheme,
    settle,
    sql,
    statements,
    synth,
)
from engine.cli.options import language
from grouper.fault import CannotWriteError, Text, UserError
from rules.fault import UserError as RulesError

BAD_INPUT, CANNOT_WRITE, INTERRUPTED = 2, 3, 130
_INTERRUPTED = Text("已中断，没有写入任何结果", "interrupted; no result was written")

app = typer.Typer(
    name="drgdip",
    help="Payment engine of a Chinese health-insurance bureau: DRG and DIP grouping, payment, settlement.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("group")(group.group)
app.command("explain")(explain.explain)
app.command("check")(claims.check)
app.command("calibrate")(calibrate.calibrate)
app.command("price")(price.price)
app.command("settle")(settle.settle)
app.command("statements")(statements.statements)
app.command("clear")(clear.clear)
app.command("synth")(synth.synth)
app.command("sql")(sql.sql)
ledger_entries.app.command("export")(ledger_export.export)
app.add_typer(ledger_entries.app, name="ledger")
app.add_typer(policy.app, name="policy")
app.add_typer(scheme.app, name="scheme")
app.add_typer(codes.app, name="codes")
dip.app.command("subtypes")(dip_subtypes.subtypes)
app.add_typer(dip.app, name="dip")
app.add_typer(procure.app, name="procure")


@app.callback(invoke_without_command=True)
def _version(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:  # noqa: FBT003
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"drgdip {installed('drgdip')}")
        raise typer.Exit


def main() -> None:
    """Run the command line. Errors for the user become messages; no traceback reaches the screen for them."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        app()
    except SystemExit as end:
        if end.code == INTERRUPTED:
            sys.stderr.write(f"{_INTERRUPTED.text(language())}\n")
        raise
    except (UserError, RulesError) as error:
        sys.stderr.write(f"{error.text(language())}\n")
        sys.exit(CANNOT_WRITE if isinstance(error, CannotWriteError) else BAD_INPUT)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
