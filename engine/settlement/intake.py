"""Tables entered beside the claims: special-case decisions, audit deductions, cash; and how they stand."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from engine.provenance import input_files
from engine.settlement.contents import digest_of
from engine.settlement.ledger import BatchKind, Head, Ledger
from engine.settlement.states import cleared_years
from engine.tables import Column, cell_faults, read_checked
from grouper.fault import Text, UserError
from grouper.nearest import near_names
from rules.payment.cash import KINDS
from rules.payment.deductions import COLUMNS, STATES

DECISIONS = ("by_item", "adjusted_standard", "rejected")
DECISION_COLUMNS = (Column("case_id"), Column("decision"), Column("amount", "yuan", optional=True))
DEDUCTION_COLUMNS = tuple(
    Column(name, "yuan" if name == "amount" else "month" if name.startswith("month_") else "text") for name in COLUMNS
)
CASH_COLUMNS = (
    Column("pool"), Column("hospital"), Column("month", "month"), Column("kind"), Column("amount", "yuan"),
    Column("note", optional=True),
)  # fmt: skip
BEFORE_CASES = ("advance", "working_capital")
"""Cash that a hospital may get before it has any case."""
BY_STATE = ("prepaid", "deposit_held", "deduction")
"""Cash that marking a hospital's month as paid writes."""

Table = pl.DataFrame
Faults = Callable[[Ledger, Path, Table], list[Text]]
Notes = Callable[[Ledger, Table], list[Text]]


class Intake(NamedTuple):
    """One kind of table: where it goes, its columns, its faults, what is worth saying about rows without fault."""

    table: str
    columns: Sequence[Column]
    faults: Faults
    notes: Notes


def take_in(
    ledger: Ledger, kind: BatchKind, path: Path, by: str | None = None, note: str | None = None
) -> dict[str, Any]:
    """Enter a file of decisions, deductions or cash as a batch. Raises UserError with every fault of the file.

    The same file again changes nothing. Returns the batch, whether it is new, the rows, and notes.
    """
    intake = INTAKES[kind]
    files = input_files([path]) if path.is_file() else []
    digest = digest_of(kind, [file["sha256"] for file in files])
    before = ledger.rows(
        "SELECT max(batch) AS batch FROM effective_batches WHERE kind = $kind AND digest = $digest",
        {"kind": kind, "digest": digest},
    ).item()
    if before is not None:
        return {"batch": before, "new": False, "rows": 0, "notes": []}
    rows, faults = read_checked(path, intake.columns)
    faults += intake.faults(ledger, path, rows)
    if not rows.height:
        faults.append(Text(f"{path}：没有数据行", f"{path}: there are no rows"))
    if faults:
        raise UserError(faults)
    notes = intake.notes(ledger, rows)
    with ledger.batch(Head(kind, digest, rows_in=rows.height, accepted=rows.height, note=note), by) as batch:
        batch.write(intake.table, rows.rename({"hospital": "hospital_id"}, strict=False))
        batch.write("ledger_input", pl.DataFrame(files).with_columns(pl.lit(kind).alias("role")))
    return {"batch": batch.number, "new": True, "rows": rows.height, "notes": notes}


def present_decisions(ledger: Ledger) -> pl.DataFrame:
    """Return the special-case decisions as they stand: case_id, decision, amount (fen); the latest of each case."""
    return ledger.rows("""
        SELECT case_id, max_by(decision, batch) AS decision, arg_max_null(amount, batch) AS amount FROM ledger_decision
        WHERE batch IN (SELECT batch FROM effective_batches) GROUP BY case_id ORDER BY case_id
    """)


def present_deductions(ledger: Ledger, before: int | None = None) -> pl.DataFrame:
    """Return the deductions as they stand, in the columns of `rules.payment.deductions.COLUMNS` (fen).

    The latest state of each case, item and rule counts. `before`: as they stood when that batch was made.
    """
    return ledger.rows(
        f"""
        SELECT {", ".join(COLUMNS)} FROM ledger_deduction
        WHERE batch IN (SELECT batch FROM effective_batches) AND batch < coalesce($before, 9223372036854775807)
        QUALIFY row_number() OVER (PARTITION BY case_id, item, rule ORDER BY batch DESC) = 1
        ORDER BY case_id, item, rule
        """,  # noqa: S608
        {"before": before},
    )


def _decision_faults(ledger: Ledger, path: Path, rows: Table) -> list[Text]:
    adjusted = rows["decision"] == "adjusted_standard"
    none = Text("调整标准须写大于零的金额", "an adjusted standard needs an amount above zero")
    closed = _case_rows(ledger, rows)["budget_year"].is_in(list(cleared_years(ledger)))
    cleared = Text("该病例的年度已清算，决定不再起作用", "the case's year is cleared: a decision no longer acts")
    return [
        *_unknown(path, rows["decision"], DECISIONS),
        *cell_faults(path, _yuan(rows["amount"]), adjusted & (rows["amount"].fill_null(0) <= 0), none),
        *cell_faults(
            path,
            rows["case_id"],
            rows["case_id"].is_duplicated(),
            Text("同一病例在文件中不止一行", "has more than one row in the file"),
        ),
        *cell_faults(path, rows["case_id"], closed, cleared),
    ]


def _decision_notes(ledger: Ledger, rows: Table) -> list[Text]:
    ahead = _case_rows(ledger, rows)["pool"].null_count()
    zh, en = "例尚未结算：决定在其月份结算时起作用", "cases are not settled yet: their decisions act when they are"
    return [Text(f"{ahead} {zh}", f"{ahead} {en}")] if ahead else []


def _deduction_faults(ledger: Ledger, path: Path, rows: Table) -> list[Text]:
    known = _case_rows(ledger, rows)
    twice = rows.select(pl.struct("case_id", "item", "rule").is_duplicated()).to_series()
    lost = known["pool"].is_null() & rows["month_of_claim"].is_in(_months_with_cases(ledger))
    again = Text("同一病例、项目、规则不止一行", "has more than one row for one item and rule")
    zh, en = "该月病例中没有这个结算号", "is no case of the month that its row names"
    faults = [
        *_unknown(path, rows["state"], STATES),
        *cell_faults(path, _yuan(rows["amount"]), rows["amount"] <= 0, Text("扣款金额须大于零", "must be above zero")),
        *cell_faults(path, rows["case_id"], twice, again),
        *cell_faults(path, rows["case_id"], lost, Text(zh, en)),
    ]
    for column, own in (("hospital_id", "hospital_id"), ("pool", "pool"), ("month_of_claim", "month")):
        zh, en = "与账本中该病例的不同", "is not what the ledger has for this case"
        faults += cell_faults(path, rows[column], rows[column] != known[own], Text(zh, en))
    return faults


def _deduction_notes(ledger: Ledger, rows: Table) -> list[Text]:
    settled = ledger.rows("SELECT month FROM month_batches")["month"].implode()
    count = rows.filter(pl.col("month_found").is_in(settled)).height
    zh = "笔的发现月份已结算：若政策令扣款在当月起作用，须重新结算该月，差额另记"
    en = "rows were found in months that are settled: where deductions act in the month, settle it anew"
    return [Text(f"{count} {zh}", f"{count} {en}")] if count else []


def _cash_faults(ledger: Ledger, path: Path, rows: Table) -> list[Text]:
    pools = ledger.rows("SELECT DISTINCT pool FROM ledger_booking")["pool"].to_list()
    hospitals = ledger.rows("SELECT DISTINCT hospital_id FROM ledger_booking")["hospital_id"].to_list()
    settled = ~rows["kind"].is_in(list(BEFORE_CASES))
    years = [str(year) for year in cleared_years(ledger)]
    closed = rows["kind"].is_in(list(BEFORE_CASES)) & rows["month"].str.head(4).is_in(years)
    cleared = Text(
        "该年度已清算，预付金或周转金须记入未清算年度", "is in a cleared year: enter it in a year not cleared"
    )
    twice = Text(
        "该医疗机构月份已标记为已拨付，款项已入账", "this hospital's month is marked as paid, its money is entered"
    )
    return [
        *_unknown(path, rows["kind"], KINDS),
        *cell_faults(path, _yuan(rows["amount"]), rows["amount"] <= 0, Text("金额须大于零", "must be above zero")),
        *(_unknown(path, rows["pool"], pools) if pools else []),
        *_unknown(path, rows["hospital"], hospitals, settled),
        *cell_faults(path, rows["month"], closed, cleared),
        *cell_faults(path, rows["month"], _marked_paid(ledger, rows), twice),
    ]


def _marked_paid(ledger: Ledger, rows: Table) -> pl.Series:
    """Tell which rows are money that a hospital's month, marked as paid, has written already."""
    query = "SELECT hospital_id AS hospital, month, true AS marked FROM hospital_states WHERE state = 'paid'"
    joined = rows.join(ledger.rows(query), on=["hospital", "month"], how="left", maintain_order="left")
    return joined.select(pl.col("marked").fill_null(value=False) & pl.col("kind").is_in(BY_STATE)).to_series()


def _no_notes(_ledger: Ledger, _rows: Table) -> list[Text]:
    return []


def _unknown(path: Path, cells: pl.Series, known: Sequence[str], where: pl.Series | None = None) -> list[Text]:
    """Return the cells that are none of the known names, each with the near ones."""
    wrong = ~cells.is_in(list(known))
    wrong = wrong if where is None else wrong & where
    faults = []
    for name in cells.filter(wrong).drop_nulls().unique().sort():
        hint = near_names(name, known)
        listed = "、".join(sorted(known)) if len(known) <= len(KINDS) else ""
        zh, en = hint if hint.en else Text(f"；可用：{listed}", f"; known: {listed}")
        faults += cell_faults(path, cells, wrong & (cells == name), Text(f"未知{zh}", f"is unknown{en}"))
    return faults


def _yuan(cells: pl.Series) -> pl.Series:
    """Return amounts (fen) as they stand in files."""
    return (cells.cast(pl.Decimal(20, 2)) / 100).cast(pl.String)


def _months_with_cases(ledger: Ledger) -> list[str]:
    """Return the months whose cases are in the ledger: settled and not pruned."""
    return ledger.rows("SELECT month FROM month_batches WHERE batch NOT IN (SELECT of_batch FROM ledger_pruned)")[
        "month"
    ].to_list()


def _case_rows(ledger: Ledger, rows: Table) -> pl.DataFrame:
    """Return for each row what the ledger has of its case: hospital_id, pool, month, budget_year; else empty."""
    ledger.connection.register("asked", rows.select("case_id").unique().to_arrow())
    found = ledger.rows("""
        SELECT c.case_id, c.hospital_id, c.pool, c.month, c.budget_year FROM ledger_case AS c
        JOIN month_batches USING (batch) WHERE c.case_id IN (SELECT case_id FROM asked)
    """)
    ledger.connection.unregister("asked")
    return rows.select("case_id").join(found.unique("case_id"), on="case_id", how="left", maintain_order="left")


INTAKES: Mapping[BatchKind, Intake] = {
    "decisions": Intake("ledger_decision", DECISION_COLUMNS, _decision_faults, _decision_notes),
    "deductions": Intake("ledger_deduction", DEDUCTION_COLUMNS, _deduction_faults, _deduction_notes),
    "cash": Intake("ledger_cash", CASH_COLUMNS, _cash_faults, _no_notes),
}
