"""A ledger as Parquet, partitioned by month: what its views show, in yuan, without person ids."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.outputs.folder import MARK, replaced_folder
from engine.outputs.writing import writing
from engine.settlement.ledger import Ledger
from grouper.fault import Text, UserError

VIEWS = {
    "cases": "month",
    "hospital_months": "month",
    "bookings": "booked_month",
    "point_values": "month",
    "deductions": "month_found",
    "rejects": "month",
    "findings": "month",
    "batches": "month",
}
"""The views that are exported, and the column that says each row's month."""


def export_parquet(ledger: Ledger, out: Path, months: Sequence[str] = ()) -> dict[str, Any]:
    """Write <view>/month=<month>/<view>.parquet for the months given, all where none is; return a summary with rows.

    `FROM read_parquet('OUT/cases/*/*.parquet', hive_partitioning = true)` reads a view again. Raises UserError for a
    month that nothing is known of, and CannotWriteError; the folder is replaced as a whole or not at all.
    """
    known = _months(ledger)
    if lost := [month for month in months if month not in known]:
        shown = ", ".join(known) or "–"
        raise UserError(
            [
                Text(f"账本没有 {month}；有：{shown}", f"the ledger has nothing of {month}; it has {shown}")
                for month in lost
            ]
        )
    rows: dict[str, dict[str, int]] = {}
    with replaced_folder(out) as folder, writing(out):
        for view, column in VIEWS.items():
            rows[view] = {month: _write(ledger, folder, view, column, month) for month in months or known}
        summary = {"version": 1, "as": "parquet", "months": list(months or known), "rows": rows}
        (folder / MARK).write_text(f"{json.dumps(summary, indent=2)}\n", encoding="utf-8")
    return summary


def _months(ledger: Ledger) -> list[str]:
    """Return every month of the exported views."""
    each = " UNION ".join(f"SELECT {column} AS month FROM {view}" for view, column in VIEWS.items())  # noqa: S608
    return ledger.rows(f"SELECT month FROM ({each}) WHERE month IS NOT NULL ORDER BY month")["month"].to_list()  # noqa: S608


def _write(ledger: Ledger, folder: Path, view: str, column: str, month: str) -> int:
    """Write one view of one month, its rows in order so that equal ledgers give equal files; return their count."""
    place = folder / view / f"month={month}"
    place.mkdir(parents=True)
    quoted = str(place / f"{view}.parquet").replace("'", "''")
    kept = "* EXCLUDE (month)" if column == "month" else "*"
    query = f"SELECT {kept} FROM {view} WHERE {column} = '{month}' ORDER BY ALL"  # noqa: S608
    copied = ledger.connection.execute(f"COPY ({query}) TO '{quoted}' (FORMAT parquet, COMPRESSION zstd)")
    return int(copied.fetchall()[0][0])
