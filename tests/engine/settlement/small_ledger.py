"""A ledger written by hand: two hospitals, two months, a correction, an undone batch, a clearing. Figures for the head.

October: c1 (H1), c2 (H2), c3 (H1, high, ten days after c1, same person), c4 (H2, low, 25 days after c2).
November: c5 (H1, 14 days after c3, same person), r1 (H1, takes c1 back), c6 (H2, ungrouped).
October's second version pays c2 100.00 less, booked in November; a third version of October was undone.
"""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from engine.settlement.ledger import Head, Ledger, open_ledger

Row = dict[str, Any]
RATIO = 70
"""Per cent of standards and charges that the fund pays."""


def case(name: str, hospital: str, month: str, admitted: date, charge: int, standard: int, **changes: Any) -> Row:
    """A case; amounts in yuan. Of the standard and of the charge 70 % are the fund's."""
    sign, day = changes.get("sign", 1), datetime.combine(admitted, time(9))
    plain = {
        "case_id": name,
        "person_id": f"person of {name}",
        "hospital_id": hospital,
        "hospital_level": 3 if hospital == "H1" else 2,
        "insurance_type": "310",
        "age": 60,
        "admitted": day,
        "discharged": day + timedelta(days=4, hours=6),
        "length_of_stay": 4,
        "total_charge": charge * 100,
        "patient_paid": charge * (100 - RATIO),
        "full_self_paid": charge * 10,
        "status": "grouped",
        "group_code": "A15",
        "parent_code": "A1",
        "group_name": "甲组",
        "late": "no",
        "budget_year": 2026,
        "pool": "employee",
        "month": month,
        "value_month": month,
        "case_class": "normal",
        "funding": "points",
        "weight": Decimal(1),
        "points": Decimal(standard) / 100,
        "sign": sign,
        "charge": charge * 100,
        "booked": charge * RATIO,
        "standard": standard * 100,
        "official_result": (standard - charge) * 100,
        "fund_part": standard * RATIO,
    }
    return plain | changes


C1 = case("c1", "H1", "2026-10", date(2026, 10, 1), 9000, 10000)
C2 = case("c2", "H2", "2026-10", date(2026, 10, 2), 21000, 20000, weight=Decimal(2), group_code="A23", person_id="p2")
C3 = case("c3", "H1", "2026-10", date(2026, 10, 15), 40000, 25000, case_class="high", person_id=C1["person_id"])
C4 = case("c4", "H2", "2026-10", date(2026, 10, 31), 2000, 2000, case_class="low", person_id="p2")
C5 = case("c5", "H1", "2026-11", date(2026, 11, 2), 10000, 10000, person_id=C1["person_id"], stay_id="stay of c5")
R1 = case(
    "r1", "H1", "2026-11", date(2026, 10, 1), -9000, -10000, sign=-1, refund=True, original_case_id="c1",
    value_month="2026-10", person_id=C1["person_id"],
)  # fmt: skip
C6 = case(
    "c6", "H2", "2026-11", date(2026, 11, 9), 3000, 2100, status="ungroupable", group_code=None, parent_code=None,
    group_name=None, weight=None, case_class="ungrouped",
)  # fmt: skip
LESS = 10000
"""What October's second version pays less for c2 (fen)."""
C2_LATER = C2 | {"standard": C2["standard"] - LESS * 100 // RATIO, "fund_part": C2["fund_part"] - LESS}


def booking(hospital: str, booked: str, of: str, cases: list[Row], taken: list[Row] | None = None) -> Row:
    """What a batch books for a hospital: its cases less those that were booked before; 90 % prepaid, 10 % deposit."""

    def total(name: str) -> int:
        return sum(int(row[name]) for row in cases) - sum(int(row[name]) for row in taken or [])

    payable = total("fund_part")
    return {
        "pool": "employee",
        "hospital_id": hospital,
        "booked_month": booked,
        "of_month": of,
        "cases": total("sign"),
        "points": Decimal(total("points")),
        "charge": total("charge"),
        "booked": total("booked"),
        "payable": payable,
        "deducted": 0,
        "paid": payable * 9 // 10,
        "deposit": payable // 10,
        "withheld": 0,
    }


def write_month(ledger: Ledger, month: str, version: int, booked_in: str, cases: list[Row], bookings: list[Row]) -> int:
    """Write a month's batch."""
    head = Head("month", f"{month} {version}", month=month, version=version, booked_month=booked_in, rows_in=len(cases))
    with ledger.batch(head, "officer") as batch:
        batch.write("ledger_case", pl.DataFrame(cases, infer_schema_length=None))
        batch.write("ledger_booking", pl.DataFrame(bookings, infer_schema_length=None))
        batch.write("ledger_pool", pl.DataFrame([POOL]))
        value = {"pool": "employee", "month": month, "value": Decimal(100), "exact": "100"}
        batch.write("ledger_value", pl.DataFrame([value]))
        batch.write("ledger_part", pl.DataFrame([part(f"{month} {n}", stay, month) for n, stay in enumerate(HELD)]))
        batch.write("ledger_kind", pl.DataFrame([KIND]))
        batch.write("ledger_reject", pl.DataFrame({"file": ["a.csv"], "row": [7], "reason": [f"bad in {version}"]}))
        batch.write("ledger_finding", pl.DataFrame({"finding": ["odd"], "subject": ["age"], "count": [version]}))
        return batch.number


POOL = {
    "pool": "employee", "name_zh": "职工", "name_en": "employees", "unit": "charge_yuan", "style": "ratio",
    "prepayment_ratio": "0.90", "deposit": "withheld_part",
}  # fmt: skip


KIND = {"special_kind": "per_diem", "name_zh": "床日", "name_en": "per diem"}
HELD = ("stay of c5", "unfinished")
"""Stays that October and November hold parts of; c5 finishes the first."""


def part(name: str, stay: str, month: str) -> Row:
    """A held part of a stay."""
    record = '{"person_id": "person of a part"}'
    return {
        "case_id": name, "stay_id": stay, "hospital_id": "H1", "month": month, "total_charge": 1_00, "record": record,
    }  # fmt: skip


def write_rows(ledger: Ledger, head: Head, rows: Mapping[str, list[Row]]) -> int:
    """Write a batch of any kind."""
    with ledger.batch(head, "officer") as batch:
        for table, own in rows.items():
            batch.write(table, pl.DataFrame(own, infer_schema_length=None))
        return batch.number


def fill(ledger: Ledger) -> None:
    """Write all batches but the clearing."""
    october = [C1, C2, C3, C4]
    first = [booking("H1", "2026-10", "2026-10", [C1, C3]), booking("H2", "2026-10", "2026-10", [C2, C4])]
    write_month(ledger, "2026-10", 1, "2026-10", october, first)
    november = [booking("H1", "2026-11", "2026-11", [C5, R1]), booking("H2", "2026-11", "2026-11", [C6])]
    write_month(ledger, "2026-11", 1, "2026-11", [C5, R1, C6], november)
    change = [booking("H2", "2026-11", "2026-10", [C2_LATER], [C2])]
    write_month(ledger, "2026-10", 2, "2026-11", [C1, C2_LATER, C3, C4], change)
    wrong = [booking("H1", "2026-11", "2026-10", [], [C3])]
    third = write_month(ledger, "2026-10", 3, "2026-11", [C1, C2_LATER, C4], wrong)
    back = [booking("H1", "2026-11", "2026-10", [C3])]
    write_rows(ledger, Head("undo", "undo", reverses=third), {"ledger_booking": back})
    for month, state in (("2026-10", "sent"), ("2026-10", "confirmed"), ("2026-11", "sent")):
        row = {"hospital_id": "H1", "month": month, "state": state}
        write_rows(ledger, Head("states", f"{month} {state}"), {"ledger_state": [row]})


def deduction(amount: int, state: str) -> Row:
    """An audit deduction of c3; the amount in fen."""
    return {
        "case_id": "c3", "hospital_id": "H1", "pool": "employee", "item": "X", "rule": "r", "amount": amount,
        "state": state, "month_found": "2026-11", "month_of_claim": "2026-10",
    }  # fmt: skip


def cash(hospital: str, month: str, kind: str, amount: int) -> Row:
    """A cash entry; the amount in fen."""
    return {"pool": "employee", "hospital_id": hospital, "month": month, "kind": kind, "amount": amount}


CASH = [
    cash("H1", "2026-10", "prepaid", 20_000_00),
    cash("H1", "2026-10", "deposit_held", 2_450_00),
    cash("H1", "2026-09", "advance", 5_000_00),
    cash("H1", "2026-12", "recovered", 1_000_00),
    cash("H2", "2026-11", "prepaid", 13_000_00),
    cash("H2", "2026-11", "supplier_direct", 500_00),
]


def enter(ledger: Ledger) -> None:
    """Write what an officer enters: deductions, decisions, cash."""
    for amount, state in ((500_00, "suspected"), (400_00, "confirmed")):
        write_rows(ledger, Head("deductions", state), {"ledger_deduction": [deduction(amount, state)]})
    for decision in ("by_item", "rejected"):
        rows = [{"case_id": "c3", "decision": decision, "amount": 1_00 if decision == "by_item" else None}]
        write_rows(ledger, Head("decisions", decision), {"ledger_decision": rows})
    write_rows(ledger, Head("cash", "cash"), {"ledger_cash": CASH})


def clear(ledger: Ledger, stage: str, fund: int) -> None:
    """Write a clearing with budget `fund` (fen): H1 is due 2,000.00, H2 pays back 300.00."""
    nothing = dict.fromkeys(
        (
            "assessment_cut", "deductions", "total_control", "pro_rata_cut", "overrun_borne", "pool_surplus",
            "deposit_held", "deposit_forfeited", "outside_points", "vbp_retention", "advanced",
        ),
        0,
    )  # fmt: skip
    hospitals = [
        {"pool": "employee", "hospital_id": name, "cases": 2, "points": Decimal(1), "payable": 1, "booked": 1,
         "clearing": 1, "prepaid": prepaid, "deposit_released": deposit, "due": due} | nothing
        for name, prepaid, deposit, due in (("H1", 22_050_00, 2_450_00, 2_000_00), ("H2", 15_093_00, 1_677_00, -300_00))
    ]  # fmt: skip
    line = {"pool": "employee", "line": 1, "label_zh": "甲", "label_en": "a", "amount": 1_00, "kind": "item"}
    budget = [
        line | {"line": 1, "amount": fund, "kind": "total"},
        line | {"line": 2, "amount": 3_000_00, "kind": "memo"},
    ]
    tables = {
        "ledger_clearing": hospitals,
        "ledger_clearing_line": [line | {"hospital_id": "H1"}],
        "ledger_identity_line": [
            {"pool": "employee", "side": "uses", "line": 1, "label_zh": "甲", "label_en": "a", "amount": 1_00}
        ],
        "ledger_budget_line": budget,
    }
    write_rows(ledger, Head("clearing", f"{stage} {fund}", year=2026, stage=stage), tables)


def small_ledger(path: Path) -> Path:
    """Make the ledger."""
    with open_ledger(path, create=True) as ledger:
        fill(ledger)
        enter(ledger)
        clear(ledger, "trial", 60_000_00)
        clear(ledger, "final", 50_000_00)
    return path
