"""Results under the names of the official interfaces: 3605 (DRG) and 3606 (DIP) by case, 9201 by hospital and month.

The interfaces name their fields; interfaces.toml says what stands in each. Where no public text tells how a field is
coded it holds the ledger's own word, and what a ledger does not know stays empty.
"""

import json
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from engine.outputs.folder import MARK, replaced_folder
from engine.outputs.writing import writing
from engine.settlement.ledger import Ledger
from grouper.fault import Text, UserError
from grouper.nearest import near_names


@cache
def interfaces() -> Mapping[str, Mapping[str, Any]]:
    """Return the interfaces by name: zh, en, kind, source and fields."""
    return tomllib.loads((files("engine.outputs") / "interfaces.toml").read_text(encoding="utf-8"))


def export_interface(ledger: Ledger, name: str, month: str, out: Path) -> dict[str, Any]:
    """Write a settled month as <name>-<month>.csv in UTF-8 with the official field names; return a summary.

    Raises UserError for an unknown interface, a month that is not settled or of the other kind of payment, and
    CannotWriteError; the folder is replaced as a whole or not at all.
    """
    if name not in interfaces():
        near = near_names(name, interfaces())
        raise UserError(Text(f"没有接口 {name}{near.zh}", f"there is no interface {name}{near.en}"))
    interface = interfaces()[name]
    _refuse(ledger, name, month, interface.get("kind"))
    fields = ", ".join(f'{field[0]} AS "{official}"' for official, field in interface["fields"].items())
    query = f"SELECT {fields} FROM {interface['source'].strip()}".replace("$month", f"'{month}'")  # noqa: S608
    with replaced_folder(out) as folder, writing(out):
        file = folder / f"{name}-{month}.csv"
        quoted = str(file).replace("'", "''")
        rows = ledger.connection.execute(f"COPY ({query}) TO '{quoted}' (HEADER)").fetchall()[0][0]
        summary = {"version": 1, "as": name, "month": month, "files": {file.name: rows}}
        (folder / MARK).write_text(f"{json.dumps(summary, indent=2)}\n", encoding="utf-8")
    return summary


def _refuse(ledger: Ledger, name: str, month: str, kind: str | None) -> None:
    """Refuse a month that is not settled, or that was paid the other way."""
    query = "SELECT m.month, max(kind) FROM month_batches AS m LEFT JOIN ledger_pool USING (batch) GROUP BY ALL"
    settled = dict(ledger.rows(query).iter_rows())
    if month not in settled:
        known = ", ".join(sorted(settled)) or "–"
        raise UserError(
            Text(
                f"账本没有 {month} 的月结算；已结算：{known}",
                f"{month} is not settled in this ledger; settled: {known}",
            )
        )
    if kind is not None and settled[month] not in {kind, None}:
        raise UserError(
            Text(
                f"{month} 按 {settled[month].upper()} 付费，接口 {name} 只报 {kind.upper()} 结果",
                f"{month} is paid by {settled[month].upper()}; the interface {name} reports results of {kind.upper()}",
            )
        )
