"""What a batch says about itself, for the screen."""

import re
from typing import Any

from engine.settlement.ledger import Ledger
from engine.settlement.schema import schema
from grouper.fault import Text, UserError


def shown_batch(ledger: Ledger, batch: int) -> dict[str, Any]:
    """Return a batch's head, inputs, rows by table, bookings by pool and month (yuan), findings and what undid it."""
    own = {"batch": batch}
    found = ledger.rows("SELECT * FROM ledger_batch WHERE batch = $batch", own).to_dicts()
    if not found:
        last = ledger.next_batch() - 1
        zh, en = f"没有批次 {batch}，最后一个是 {last}", f"there is no batch {batch}; the last one is {last}"
        raise UserError(Text(zh, en))
    columns = schema().tables["ledger_batch"].columns
    head = [
        {"name": name, "zh": _short(columns[name].zh), "en": _short(columns[name].en), "value": str(value)}
        for name, value in found[0].items()
        if value is not None
    ]
    counts = {
        table: ledger.rows(f"SELECT count(*) AS n FROM {table} WHERE batch = $batch", own).item()  # noqa: S608
        for table in schema().tables
        if table != "ledger_batch"
    }
    bookings = """
        SELECT pool, booked_month, of_month, count(*) AS hospitals, sum(cases)::BIGINT AS cases,
          sum(payable) AS payable, sum(paid) AS paid, sum(deposit) AS deposit
        FROM bookings WHERE batch = $batch GROUP BY ALL ORDER BY ALL
    """
    return {
        "head": head,
        "inputs": ledger.rows(
            "SELECT role, file, bytes, sha256 FROM ledger_input WHERE batch = $batch", own
        ).to_dicts(),
        "rows": [{"table": table, "rows": count} for table, count in counts.items() if count],
        "bookings": [
            {name: str(value) for name, value in row.items()}
            for row in ledger.rows(bookings, own).iter_rows(named=True)
        ],
        "findings": ledger.rows(
            "SELECT finding, subject, count FROM ledger_finding WHERE batch = $batch", own
        ).to_dicts(),
        "undone_by": ledger.rows("SELECT batch, note FROM ledger_batch WHERE reverses = $batch", own).to_dicts(),
    }


def _short(meaning: str) -> str:
    """Return what a column is, without the explanation after it."""
    return re.split(r"[：，；（:,;(]", meaning)[0].strip()
