"""Undo: a batch that takes back another, never a deletion; what that one booked and moved is written negative."""

from typing import Any

from engine.settlement.contents import digest_of
from engine.settlement.ledger import Head, Ledger
from engine.settlement.states import FIXED, cleared_years
from grouper.fault import Text, UserError

SHOWN = 5
BOOKED = ("cases", "points", "charge", "booked", "payable", "deducted", "paid", "deposit", "withheld")
Facts = dict[str, Any]


def undo(ledger: Ledger, batch: int, reason: str, by: str | None = None) -> dict[str, Any]:
    """Reverse a batch; an undone month may be settled again. Returns the new batch and what it takes back.

    Raises UserError with every reason why the batch must stand: whatever came after and depends on it.
    """
    facts = _facts(ledger, batch)
    faults = _reasons(ledger, facts)
    if faults:
        raise UserError(faults)
    own = {"batch": batch}
    bookings = ledger.rows(
        f"SELECT * EXCLUDE (batch) REPLACE ({', '.join(f'-{name} AS {name}' for name in BOOKED)}) "  # noqa: S608
        "FROM ledger_booking WHERE batch = $batch",
        own,
    )
    cash = ledger.rows(
        "SELECT * EXCLUDE (batch) REPLACE (-amount AS amount) FROM ledger_cash WHERE batch = $batch", own
    )
    head = Head(
        "undo",
        digest_of("undo", batch),
        month=facts["month"],
        year=facts["year"],
        booked_month=facts["booked_month"],
        reverses=batch,
        note=reason,
    )
    with ledger.batch(head, by) as written:
        written.write("ledger_booking", bookings)
        written.write("ledger_cash", cash)
    return {"batch": written.number, "reverses": batch, "kind": facts["kind"], "bookings": bookings.height,
            "cash": cash.height, "present": _present(ledger, facts)}  # fmt: skip


def _facts(ledger: Ledger, batch: int) -> Facts:
    """Return the row of a batch that can be undone at all."""
    found = ledger.rows("SELECT * FROM ledger_batch WHERE batch = $batch", {"batch": batch}).to_dicts()
    if not found:
        last = ledger.next_batch() - 1
        zh, en = f"没有批次 {batch}，最后一个是 {last}", f"there is no batch {batch}; the last one is {last}"
        raise UserError(Text(zh, en))
    facts = found[0]
    query = "SELECT max(batch) AS by FROM ledger_batch WHERE kind = 'undo' AND reverses = $batch"
    if (before := ledger.rows(query, {"batch": batch}).item()) is not None:
        raise UserError(Text(f"批次 {batch} 已由批次 {before} 撤销", f"batch {batch} was undone by batch {before}"))
    if facts["kind"] == "undo":
        zh, en = "是一次撤销：要恢复原批次，请重新结算或重新导入", "is an undo: settle or enter anew what it took back"
        raise UserError(Text(f"批次 {batch} {zh}", f"batch {batch} {en}"))
    if facts["kind"] == "prune":
        zh, en = "清理了明细，删去的行不能恢复", "pruned rows, and they cannot come back"
        raise UserError(Text(f"批次 {batch} {zh}", f"batch {batch} {en}"))
    return facts


def _present(ledger: Ledger, facts: Facts) -> int | None:
    """Return the batch that is the present version of an undone month, if there is one."""
    query = "SELECT max(batch) AS batch FROM month_batches WHERE month = $month"
    found = ledger.rows(query, {"month": facts["month"]}).item()
    return None if found is None else int(found)


def _reasons(ledger: Ledger, facts: Facts) -> list[Text]:
    """Return every reason why a batch must stand."""
    checks = {
        "month": [_newer_version, _fixed_hospitals, _cleared, _refunded_later, _merged_later],
        "clearing": [_marked_clearing, _adjusted_later, _pruned],
        "states": [_marked_later],
        "decisions": [_used_by_clearing],
        "deductions": [_used_by_clearing],
        "cash": [_used_by_clearing],
    }
    return [text for check in checks[facts["kind"]] if (text := check(ledger, facts)) is not None]


def _newer_version(ledger: Ledger, facts: Facts) -> Text | None:
    """Refuse where a later version of the month stands on this one."""
    query = "SELECT max(batch) AS batch FROM month_batches WHERE month = $month"
    last = ledger.rows(query, {"month": facts["month"]}).item()
    if last == facts["batch"]:
        return None
    month = facts["month"]
    return Text(
        f"{month} 的现行版本是批次 {last}：先撤销它", f"batch {last} is the present version of {month}: undo that first"
    )


def _fixed_hospitals(ledger: Ledger, facts: Facts) -> Text | None:
    """Refuse where hospitals have confirmed a month that the batch booked in."""
    rows = ledger.rows(
        """
        SELECT DISTINCT s.hospital_id, s.month, s.state FROM hospital_states AS s
        JOIN ledger_booking AS k ON k.hospital_id = s.hospital_id AND k.booked_month = s.month
        WHERE k.batch = $batch AND list_contains($fixed, s.state) ORDER BY ALL
        """,
        {"batch": facts["batch"], "fixed": list(FIXED)},
    )
    shown = ", ".join(f"{hospital} {month} {state}" for hospital, month, state in rows.head(SHOWN).iter_rows())
    zh = f"{rows.height} 个医院月份已确认或更进一步：{shown}；请重新结算，差额记入以后的月份"
    en = f"{rows.height} hospital months are confirmed or further: {shown}; settle anew, the difference is booked later"
    return Text(zh, en) if rows.height else None


def _cleared(ledger: Ledger, facts: Facts) -> Text | None:
    """Refuse where a final clearing took the bookings or cases of the batch."""
    years = ledger.rows(
        """
        SELECT DISTINCT coalesce(year, of_month[:4]::INTEGER) AS year FROM ledger_booking WHERE batch = $batch
        UNION SELECT DISTINCT budget_year FROM ledger_case WHERE batch = $batch
        """,
        {"batch": facts["batch"]},
    )["year"]
    return _closed(ledger, facts, [int(year) for year in years.drop_nulls()])


def _closed(ledger: Ledger, facts: Facts, years: list[int]) -> Text | None:
    """Return the refusal where a later final clearing has one of the years."""
    taken = {y: n for y, n in cleared_years(ledger).items() if y in years and n > facts["batch"]}
    if not taken:
        return None
    year, batch = min(taken.items())
    return Text(
        f"{year} 年已由批次 {batch} 清算：先运行 drgdip ledger undo {batch}",
        f"{year} is cleared by batch {batch}: first drgdip ledger undo {batch}",
    )


def _refunded_later(ledger: Ledger, facts: Facts) -> Text | None:
    """Refuse where a later month took back cases of the batch."""
    return _needed(
        ledger,
        facts,
        "SELECT DISTINCT m.month FROM ledger_case AS c JOIN month_batches AS m ON m.batch = c.batch "
        "WHERE m.batch > $batch AND m.month <> $month AND c.sign < 0 "
        "AND c.original_case_id IN (SELECT case_id FROM ledger_case WHERE batch = $batch) ORDER BY ALL",
        Text("的退费冲回了本批次的病例", "holds refunds of its cases"),
    )


def _merged_later(ledger: Ledger, facts: Facts) -> Text | None:
    """Refuse where a later month merged parts of stays that the batch held."""
    return _needed(
        ledger,
        facts,
        "SELECT DISTINCT m.month FROM ledger_case AS c JOIN month_batches AS m ON m.batch = c.batch "
        "WHERE m.batch > $batch AND m.month <> $month AND c.sign > 0 "
        "AND c.stay_id IN (SELECT stay_id FROM ledger_part WHERE batch = $batch) ORDER BY ALL",
        Text("的病例并入了本批次暂挂的中途结算", "holds stays whose parts it held"),
    )


def _needed(ledger: Ledger, facts: Facts, query: str, what: Text) -> Text | None:
    """Return the refusal where later months stand on the batch."""
    months = ", ".join(ledger.rows(query, {"batch": facts["batch"], "month": facts["month"]})["month"])
    return Text(f"{months} {what.zh}：先撤销这些月份", f"{months} {what.en}: undo that first") if months else None


def _marked_clearing(ledger: Ledger, facts: Facts) -> Text | None:
    """Refuse where hospitals have confirmed the clearing."""
    if facts["stage"] != "final":
        return None
    query = "SELECT count(*) AS n FROM hospital_states WHERE month = $year AND list_contains($fixed, state)"
    count = ledger.rows(query, {"year": str(facts["year"]), "fixed": list(FIXED)}).item()
    zh = f"{count} 家医疗机构已确认 {facts['year']} 年清算或更进一步：先撤销这些状态批次"
    en = f"{count} hospitals have confirmed the clearing of {facts['year']} or further: undo those states first"
    return Text(zh, en) if count else None


def _adjusted_later(ledger: Ledger, facts: Facts) -> Text | None:
    """Refuse where later months or clearings took the year as cleared."""
    if facts["stage"] != "final":
        return None
    rows = ledger.rows(
        """
        SELECT DISTINCT m.month FROM ledger_case AS c JOIN month_batches AS m ON m.batch = c.batch
        WHERE m.batch > $batch AND c.budget_year = $year
        UNION SELECT year::VARCHAR FROM clearing_batches WHERE stage = 'final' AND batch > $batch
        ORDER BY ALL
        """,
        {"batch": facts["batch"], "year": facts["year"]},
    )
    listed = ", ".join(rows["month"])
    zh = f"此后 {listed} 已按 {facts['year']} 年已清算入账或清算：先撤销它们"
    en = f"{listed} was booked or cleared since, with {facts['year']} as a cleared year: undo that first"
    return Text(zh, en) if listed else None


def _pruned(ledger: Ledger, facts: Facts) -> Text | None:
    """Refuse where cases of the year are pruned."""
    query = """
        SELECT count(*) AS n FROM ledger_pruned AS p JOIN ledger_batch AS b ON b.batch = p.of_batch
        WHERE b.month[:4] = $year
    """
    gone = facts["stage"] == "final" and ledger.rows(query, {"year": str(facts["year"])}).item()
    year = facts["year"]
    zh, en = f"{year} 年的病例明细已清理，无法重新清算", f"cases of {year} are pruned: it cannot be cleared anew"
    return Text(zh, en) if gone else None


def _marked_later(ledger: Ledger, facts: Facts) -> Text | None:
    """Refuse where hospitals were marked or booked again since."""
    rows = ledger.rows(
        """
        SELECT DISTINCT s.hospital_id, s.month FROM ledger_state AS s
        JOIN hospital_states AS h ON h.hospital_id = s.hospital_id AND h.month = s.month
        WHERE s.batch = $batch AND h.batch <> $batch ORDER BY ALL
        """,
        {"batch": facts["batch"]},
    )
    shown = ", ".join(f"{hospital} {month}" for hospital, month in rows.head(SHOWN).iter_rows())
    zh, en = (
        "个医院月份此后又有状态变动：先撤销后来的批次",
        "hospital months were marked again since: undo the later batch first",
    )
    return Text(f"{rows.height} {zh}：{shown}", f"{rows.height} {en}: {shown}") if rows.height else None


def _used_by_clearing(ledger: Ledger, facts: Facts) -> Text | None:
    """Refuse where a final clearing took what was entered."""
    years = {
        "decisions": "SELECT budget_year FROM ledger_decision AS d JOIN ledger_case USING (case_id) "
        "WHERE d.batch = $batch",
        "deductions": "SELECT month_of_claim[:4]::INTEGER FROM ledger_deduction WHERE batch = $batch",
        "cash": "SELECT month[:4]::INTEGER FROM ledger_cash WHERE batch = $batch",
    }
    found = ledger.rows(years[facts["kind"]], {"batch": facts["batch"]}).to_series().unique().drop_nulls()
    return _closed(ledger, facts, found.to_list())
