"""Retention: rows of single claims of cleared years are deleted; totals, digests and everything else stay."""

import os
from typing import Any

import duckdb
import polars as pl

from engine.outputs.folder import cannot_write
from engine.settlement.contents import digest_of, rows_digests
from engine.settlement.ledger import Head, Ledger
from engine.settlement.states import cleared_years
from engine.settlement.verify import verify
from grouper.fault import Text, UserError

PRUNED = ("ledger_case", "ledger_part", "ledger_reject")
"""Tables whose rows are single claims."""


def pruned_months(ledger: Ledger) -> set[str]:
    """Return the months whose cases are gone: a claim of one of them cannot be told from those that were booked."""
    query = "SELECT DISTINCT month FROM ledger_batch WHERE batch IN (SELECT of_batch FROM ledger_pruned)"
    with ledger.connection.cursor() as cursor:  # threads that read claims ask this too
        return {str(month) for (month,) in cursor.execute(query).fetchall()}


def prune(ledger: Ledger, through: str, by: str | None = None) -> dict[str, Any]:
    """Delete the claim-level rows of all months up to `through` ("2024-12") and write the file anew without them.

    Returns what was deleted. Raises UserError for months of years that are not cleared, where nothing is left to
    prune, and where the ledger does not verify.
    """
    batches = _batches(ledger, through)
    open_years = _open_years(ledger, batches["batch"].to_list())
    if open_years:
        listed = ", ".join(map(str, open_years))
        zh, en = f"{listed} 年尚未清算，其病例不能清理", f"{listed} is not cleared: its cases cannot be pruned"
        raise UserError(Text(zh, en))
    if failed := [check for check in verify(ledger) if check.failed]:
        zh, en = "账本核对不符，不能清理", "the ledger does not verify and cannot be pruned"
        raise UserError([Text(f"{zh}：{c.what.zh}", f"{en}: {c.what.en}") for c in failed])
    rows = _rows(ledger, batches["batch"].to_list())
    if rows.is_empty():
        zh, en = "没有可清理的明细", "has nothing left to prune"
        raise UserError(Text(f"{through} 及以前{zh}", f"everything up to {through} {en}"))
    with ledger.batch(Head("prune", digest_of("prune", through), month=through), by) as batch:
        batch.write("ledger_pruned", rows)
        for of_batch, table in rows.select("of_batch", "relation").iter_rows():
            ledger.connection.execute(f"DELETE FROM {table} WHERE batch = {of_batch}")  # noqa: S608
    write_anew(ledger)
    counts = dict(rows.group_by("relation").agg(pl.col("rows").sum()).sort("relation").iter_rows())
    return {"batch": batch.number, "through": through, "months": sorted(set(batches["month"])), "rows": counts}


def _batches(ledger: Ledger, through: str) -> pl.DataFrame:
    """Return the month batches up to a month, whatever their version."""
    query = "SELECT batch, month FROM ledger_batch WHERE kind = 'month' AND month <= $through ORDER BY batch"
    return ledger.rows(query, {"through": through})


def _open_years(ledger: Ledger, batches: list[int]) -> list[int]:
    """Return the years of some batches that no final clearing has closed."""
    query = """
        WITH years AS (
          SELECT batch, coalesce(year, of_month[:4]::INTEGER) AS year FROM ledger_booking
          UNION ALL SELECT batch, budget_year FROM ledger_case WHERE budget_year IS NOT NULL
          UNION ALL SELECT batch, month[:4]::INTEGER FROM ledger_batch WHERE kind = 'month'
        )
        SELECT DISTINCT year FROM years WHERE list_contains($batches, batch) ORDER BY year
    """
    closed = cleared_years(ledger)
    return [year for year in ledger.rows(query, {"batches": batches})["year"] if year not in closed]


def _rows(ledger: Ledger, batches: list[int]) -> pl.DataFrame:
    """Return rows of ledger_pruned for what there is to delete; parts of stays that are not finished are kept."""
    held = ledger.rows("""
        SELECT DISTINCT p.batch FROM ledger_part AS p JOIN month_batches AS m ON m.batch = p.batch WHERE NOT EXISTS (
          FROM ledger_case AS c JOIN month_batches AS o ON o.batch = c.batch WHERE c.stay_id = p.stay_id AND c.sign > 0)
    """)["batch"].to_list()
    found = []
    for table in PRUNED:
        for batch, digest in rows_digests(ledger.connection, table).items():
            if batch in batches and not (table == "ledger_part" and batch in held):
                count = int(digest.partition(" ")[0])
                found.append({"of_batch": batch, "relation": table, "rows": count, "digest": digest})
    return pl.DataFrame(found)


def write_anew(ledger: Ledger) -> None:
    """Put a fresh copy in place of the file: deleted rows would stay readable in its free space.

    The old file stays open, so that nobody else writes into it, until the copy has its name.
    """
    path = ledger.path
    fresh = path.with_name(f".{path.name}.new-{os.getpid()}")
    connection = ledger.connection
    name = connection.execute("SELECT current_database()").fetchall()[0][0]
    try:
        connection.execute("CHECKPOINT")
        connection.execute(f"ATTACH '{str(fresh).replace(chr(39), chr(39) * 2)}' AS anew")
        try:
            fresh.chmod(0o600)
            connection.execute(f'COPY FROM DATABASE "{name}" TO anew')
        finally:
            connection.execute("DETACH anew")
        fresh.replace(path)
    except (OSError, duckdb.Error) as error:
        raise cannot_write(path, error) from error
    finally:
        fresh.unlink(missing_ok=True)
