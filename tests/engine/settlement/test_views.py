"""Views of a ledger written by hand: every figure worked out in the head; cash beside the reconciliation of rules."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from engine.settlement.ledger import Ledger, read_ledger
from engine.settlement.schema import schema
from rules.payment.cash import reconcile
from rules.payment.special_kinds import stay_gaps
from tests.engine.settlement.small_ledger import C1, C2, C3, C4, C5, C6, CASH, R1, small_ledger


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with read_ledger(small_ledger(tmp_path_factory.mktemp("small") / "city.duckdb")) as ledger:
        yield ledger


def found(ledger: Ledger, query: str) -> list[tuple[Any, ...]]:
    return ledger.rows(query).rows()


def yuan(*amounts: str) -> tuple[Decimal, ...]:
    return tuple(Decimal(amount) for amount in amounts)


@pytest.mark.parametrize("view", list(schema().views))
def test_every_amount_is_yuan_and_no_view_shows_who_it_was(ledger: Ledger, view: str) -> None:
    types = dict(ledger.rows(f"SELECT column_name, column_type FROM (DESCRIBE {view})").iter_rows())
    assert {types[name] for name in schema().views[view].amounts} <= {"DECIMAL(18,2)"}
    assert "person_id" not in types
    text = ledger.rows(f"SELECT string_agg(v::VARCHAR) AS text FROM {view} AS v").item() or ""
    assert "person of" not in text


def test_cases_are_those_of_the_present_versions(ledger: Ledger) -> None:
    rows = found(ledger, "SELECT case_id, month, batch, charge, fund_part FROM cases ORDER BY month, case_id")
    assert [row[:3] for row in rows] == [
        ("c1", "2026-10", 3),
        ("c2", "2026-10", 3),
        ("c3", "2026-10", 3),
        ("c4", "2026-10", 3),
        ("c5", "2026-11", 2),
        ("c6", "2026-11", 2),
        ("r1", "2026-11", 2),
    ]
    assert rows[1][3:] == yuan("21000.00", "13900.00")
    assert rows[-1][3:] == yuan("-9000.00", "-7000.00")


def test_versions_of_a_case_show_what_each_changed(ledger: Ledger) -> None:
    columns = "version, present, booked_month, fund_part, change"
    assert found(ledger, f"SELECT {columns} FROM case_versions WHERE case_id = 'c2' ORDER BY batch") == [
        (1, False, "2026-10", *yuan("14000.00", "14000.00")),
        (2, True, "2026-11", *yuan("13900.00", "-100.00")),
    ]


def test_hospital_months_show_corrections_apart(ledger: Ledger) -> None:
    columns = "month, hospital_id, state, cases, payable, own_payable, earlier_payable, paid, earlier_paid, deposit"
    assert found(ledger, f"SELECT {columns} FROM hospital_months ORDER BY month, hospital_id") == [
        ("2026-10", "H1", "confirmed", 2, *yuan("24500.00", "24500.00", "0.00", "22050.00", "0.00", "2450.00")),
        ("2026-10", "H2", "computed", 2, *yuan("15400.00", "15400.00", "0.00", "13860.00", "0.00", "1540.00")),
        ("2026-11", "H1", "sent", 0, *yuan("0.00", "0.00", "0.00", "0.00", "0.00", "0.00")),
        ("2026-11", "H2", "computed", 1, *yuan("1370.00", "1470.00", "-100.00", "1233.00", "-90.00", "137.00")),
    ]


def test_hospital_months_sum_to_the_cases(ledger: Ledger) -> None:
    booked = found(ledger, "SELECT sum(payable) FROM hospital_months")
    assert booked == found(ledger, "SELECT sum(fund_part) FROM cases") == [yuan("41270.00")]


def test_groups_hold_what_a_cmi_is_made_of(ledger: Ledger) -> None:
    columns = (
        "cases, charge, standard, fund_part, result, mean_charge, weights, weighted_cases, days, low_cases, high_cases"
    )
    query = f"SELECT {columns} FROM group_months WHERE month = '2026-10' ORDER BY group_code"
    first, second = found(ledger, query)
    money = yuan("51000.00", "37000.00", "25900.00", "-14000.00", "17000.00")
    assert first == (3, *money, Decimal(3), 3, 12, 1, 1)
    assert second[6:8] == (Decimal(2), 1)
    november = "FROM group_months WHERE month = '2026-11' ORDER BY group_code"
    # a refund takes its case out of counts and weights; without cases there is no mean; an ungrouped case has no weight
    assert found(ledger, f"SELECT group_code, cases, weights, weighted_cases, mean_charge {november}") == [
        ("A15", 0, Decimal(0), 0, None),
        (None, 1, Decimal(0), 0, Decimal("3000.00")),
    ]


def test_groups_of_hospitals_add_up_to_groups(ledger: Ledger) -> None:
    sums = "SELECT sum(cases), sum(charge), sum(standard), sum(result), sum(weights), sum(days) FROM"
    assert found(ledger, f"{sums} hospital_group_months") == found(ledger, f"{sums} group_months")


def test_year_to_date_runs_on_in_months_without_bookings(ledger: Ledger) -> None:
    columns = "month, hospital_id, month_payable, payable, paid, deposit, cases"
    assert found(ledger, f"SELECT {columns} FROM year_to_date WHERE year = 2026 ORDER BY month, hospital_id") == [
        ("2026-10", "H1", *yuan("24500.00", "24500.00", "22050.00", "2450.00"), 2),
        ("2026-10", "H2", *yuan("15400.00", "15400.00", "13860.00", "1540.00"), 2),
        ("2026-11", "H1", *yuan("0.00", "24500.00", "22050.00", "2450.00"), 2),
        ("2026-11", "H2", *yuan("1370.00", "16770.00", "15093.00", "1677.00"), 3),
    ]


def test_pool_balance_takes_the_budget_of_the_last_clearing(ledger: Ledger) -> None:
    columns = "month, name_en, budget, reserve, payable, payable_to_date, paid_to_date, deposit_to_date, budget_left"
    assert found(ledger, f"SELECT {columns}, budget_used FROM pool_balance ORDER BY month") == [
        (
            "2026-10", "employees",
            *yuan("50000.00", "3000.00", "39900.00", "39900.00", "35910.00", "3990.00", "10100.00", "0.7980"),
        ),
        (
            "2026-11", "employees",
            *yuan("50000.00", "3000.00", "1370.00", "41270.00", "37143.00", "4127.00", "8730.00", "0.8254"),
        ),
    ]  # fmt: skip


def test_outliers(ledger: Ledger) -> None:
    assert found(ledger, "SELECT case_id, case_class, ratio FROM outliers ORDER BY case_id") == [
        ("c3", "high", Decimal("1.6000")),
        ("c4", "low", Decimal("1.0000")),
    ]


def test_readmissions_are_those_of_the_rules(ledger: Ledger) -> None:
    columns = "case_id, next_case_id, days, within_14, same_hospital, same_group, next_admitted"
    # c1 was taken back by r1, so c3 is nobody's next stay
    rows = found(ledger, f"SELECT {columns} FROM readmissions ORDER BY case_id")
    assert rows == [
        ("c2", "c4", 25, False, True, False, date(2026, 10, 31)),
        ("c3", "c5", 14, True, True, True, date(2026, 11, 2)),
    ]
    frame = pl.DataFrame([C1, C2, C3, C4, C5, R1, C6], infer_schema_length=None)
    kept = frame.filter(~pl.col("case_id").is_in(["c1", "r1"]))
    gaps = kept.select("case_id").with_columns(stay_gaps(kept)).filter(pl.col("days_to_next") <= 30)
    assert gaps.select("case_id", "days_to_next").sort("case_id").rows() == [(row[0], row[2]) for row in rows]


def test_deposits_run_until_the_final_clearing_releases_them(ledger: Ledger) -> None:
    query = "SELECT month, deposit, released, forfeited, balance FROM deposits WHERE hospital_id = 'H2' ORDER BY month"
    assert found(ledger, query) == [
        ("2026-10", *yuan("1540.00", "0.00", "0.00", "1540.00")),
        ("2026-11", *yuan("137.00", "0.00", "0.00", "1677.00")),
        ("2026-12", *yuan("0.00", "1677.00", "0.00", "0.00")),
    ]


def test_cash_account_is_the_reconciliation_of_the_rules(ledger: Ledger) -> None:
    # H1 earned 24,500.00 and is due 2,000.00 beside 22,050.00 prepaid; H2 16,770.00, and pays back 300.00 of 15,093.00
    accrued = [
        ("H1", 202610, 24_500_00),
        ("H2", 202610, 15_400_00),
        ("H1", 202611, 0),
        ("H2", 202611, 1_370_00),
        ("H1", 202612, 24_050_00 - 24_500_00),
        ("H2", 202612, 14_793_00 - 16_770_00),
    ]
    entries = [(row["hospital_id"], int(row["month"].replace("-", "")), row["kind"], row["amount"]) for row in CASH]
    expected = reconcile(
        pl.DataFrame(accrued, schema=["hospital", "month", "amount"], orient="row"),
        pl.DataFrame(entries, schema=["hospital", "month", "kind", "amount"], orient="row"),
    )
    names = [name for name in expected.columns if name not in ("hospital", "month", "accrued")]
    shown = ledger.rows("SELECT *, accrued + cleared AS earned FROM cash_account ORDER BY hospital_id, month")
    assert shown.select("hospital_id", "month").rows() == [
        (hospital, f"{month // 100}-{month % 100:02}")
        for hospital, month in expected.select("hospital", "month").rows()
    ]
    fen = shown.select((pl.col("earned", *names) * 100).cast(pl.Int64))
    assert fen.rows() == expected.select("accrued", *names).rows()


def test_the_latest_word_counts(ledger: Ledger) -> None:
    assert found(ledger, "SELECT state, amount FROM deductions") == [("confirmed", Decimal("400.00"))]
    assert found(ledger, "SELECT decision, amount FROM decisions") == [("rejected", None)]
    assert found(ledger, "SELECT month, reason FROM rejects ORDER BY month") == [
        ("2026-10", "bad in 2"),
        ("2026-11", "bad in 1"),
    ]
    assert found(ledger, 'SELECT month, "count" FROM findings ORDER BY month') == [("2026-10", 2), ("2026-11", 1)]


def test_batches_say_which_count(ledger: Ledger) -> None:
    query = "SELECT month, version, effective, present, undone_by FROM batches WHERE kind = 'month' ORDER BY batch"
    assert found(ledger, query) == [
        ("2026-10", 1, True, False, None),
        ("2026-11", 1, True, True, None),
        ("2026-10", 2, True, True, None),
        ("2026-10", 3, False, False, 5),
    ]


def test_bookings_say_what_corrects_what(ledger: Ledger) -> None:
    query = "SELECT batch, kind, payable, year FROM bookings WHERE correction ORDER BY batch"
    assert found(ledger, query) == [
        (3, "month", Decimal("-100.00"), 2026),
        (4, "month", Decimal("-17500.00"), 2026),
        (5, "undo", Decimal("17500.00"), 2026),
    ]


def test_clearings_are_the_last_of_their_stage(ledger: Ledger) -> None:
    assert found(
        ledger, "SELECT stage, hospital_id, due FROM clearings WHERE stage = 'final' ORDER BY hospital_id"
    ) == [
        ("final", "H1", Decimal("2000.00")),
        ("final", "H2", Decimal("-300.00")),
    ]
    budgets = "SELECT year, stage, amount FROM budgets WHERE kind = 'total' ORDER BY stage"
    assert found(ledger, budgets) == [(2026, "final", Decimal("50000.00")), (2026, "trial", Decimal("60000.00"))]
    assert found(ledger, "SELECT count(*) FROM clearing_statements") == [(2,)]
    assert found(ledger, "SELECT sum(amount) FROM pool_identities WHERE stage = 'final'") == [yuan("1.00")]


def test_pools_and_values(ledger: Ledger) -> None:
    assert found(ledger, "SELECT pool, name_zh, unit FROM pools") == [("employee", "职工", "charge_yuan")]
    assert found(ledger, "SELECT month, value_month, value FROM point_values ORDER BY month") == [
        ("2026-10", "2026-10", Decimal(100)),
        ("2026-11", "2026-11", Decimal(100)),
    ]


def test_special_kinds_have_names(ledger: Ledger) -> None:
    assert found(ledger, "FROM special_kinds") == [("per_diem", "床日", "per diem")]


def test_parts_are_held_until_their_stay_is_a_case(ledger: Ledger) -> None:
    held = found(ledger, "SELECT case_id, stay_id, total_charge FROM held_parts ORDER BY case_id")
    assert held == [("2026-10 1", "unfinished", Decimal("1.00")), ("2026-11 1", "unfinished", Decimal("1.00"))]


def test_views_are_made_anew_only_where_they_differ(tmp_path: Path) -> None:
    from engine.settlement.ledger import open_ledger

    path = small_ledger(tmp_path / "city.duckdb")
    with open_ledger(path) as ledger:
        ledger.connection.execute("CREATE OR REPLACE VIEW pools AS SELECT 1 AS mine")
    with open_ledger(path) as ledger:
        assert ledger.rows("FROM pools").columns == ["mine"]
        ledger.connection.execute("COMMENT ON TABLE ledger_version IS 'of an older program'")
    with open_ledger(path) as ledger:
        assert "name_zh" in ledger.rows("FROM pools").columns
