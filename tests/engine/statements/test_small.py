"""Statements of the small ledger, every figure checked in the head: points to payment, corrections, undone batches."""

from datetime import date
from pathlib import Path

import pytest

from engine.outputs.statements.run import StatementsRequest, month_statements
from engine.settlement.ledger import open_ledger
from tests.engine.settlement.small_ledger import booking, case, write_month
from tests.engine.statements.reading import arithmetic, cells, column, fen, listed, sheets


@pytest.fixture(scope="module")
def written(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the statements of October and of November."""
    folder = tmp_path_factory.mktemp("written")
    for month in ("2026-10", "2026-11"):
        month_statements(StatementsRequest(small, folder / month, processes=1), month)
    return folder


def amounts(file: Path) -> dict[str, int]:
    """A summary's lines of money, all pools together, in fen."""
    return {str(row[1]): fen(row[-2]) for row in arithmetic(file)}


def test_from_points_to_payment(written: Path) -> None:
    """H1's October: c1 and c3, 350 points at 100.00, of which the fund pays 70 % and prepays 90 %."""
    file = written / "2026-10" / "2026-10-H1.xlsx"
    found = {str(row[1]): row for row in arithmetic(file)}
    assert float(found["点数"][2] or 0) == 350
    assert float(found["点值（元/点）"][2] or 0) == 100
    assert found["点数 × 点值"][-1] == f"({found['点数'][0]}) × ({found['点值（元/点）'][0]})"
    own = amounts(file)
    assert own["支付标准"] == own["点数 × 点值"] == 35_000_00
    assert own["折算为基金支付的差额"] == -10_500_00
    assert own["基金应付（点数内）"] == own["本月病例基金应付"] == own["本月应付"] == 24_500_00
    assert own["减：质保金"] == -2_450_00
    assert own["本月拨付"] == 22_050_00
    cases, total = listed(file, "病例明细")
    assert cases["结算号"].to_list() == ["c1", "c3"]
    assert fen(total["基金应付"]) == 24_500_00


def test_state_names_and_pool_names(written: Path) -> None:
    about = [cell for row in cells(written / "2026-10" / "2026-10-H1.xlsx", "汇总")[:8] for cell in row if cell]
    assert {"状态：已确认", "基金池：职工", "结算月份：2026年10月", "医疗机构：H1"} <= set(about)


def test_a_correction_booked_elsewhere_is_not_paid_twice(written: Path) -> None:
    """October's present version pays c2 100.00 less; November booked it; October's payable stays what it was."""
    own = amounts(written / "2026-10" / "2026-10-H2.xlsx")
    assert own["本月病例基金应付"] == 15_300_00
    assert own["减：已计入 2026-11 的本月更正"] == 100_00
    assert own["本月应付"] == 15_400_00
    assert own["本月拨付"] == 13_860_00


def test_a_correction_booked_here_is_explained_case_by_case(written: Path) -> None:
    """H2's November: c6 at 1,470.00 less 100.00 for October's c2."""
    file = written / "2026-11" / "2026-11-H2.xlsx"
    own = amounts(file)
    assert own["更正 2026-10 的差额计入本月"] == -100_00
    assert own["本月应付"] == 1_370_00
    rows, total = listed(file, "更正明细")
    assert rows.select("结算号", "所属月份", "批次").rows() == [("c2", "2026-10", "3")]
    assert [fen(total[name]) for name in ("更正前基金应付", "更正后基金应付", "差额")] == [
        14_000_00,
        13_900_00,
        -100_00,
    ]


def test_an_undone_correction_shows_there_and_back(written: Path) -> None:
    """H1's November: c5 less r1 is nothing; a version without c3 was booked and undone."""
    file = written / "2026-11" / "2026-11-H1.xlsx"
    own = amounts(file)
    assert own["本月病例基金应付"] == own["本月应付"] == own["本月拨付"] == 0
    rows, total = listed(file, "更正明细")
    assert [fen(cell) for cell in rows["差额"]] == [-17_500_00, 17_500_00]
    assert fen(total["差额"]) == 0


def test_refunds_and_deductions(written: Path) -> None:
    file = written / "2026-11" / "2026-11-H1.xlsx"
    outliers, _ = listed(file, "超常病例")
    assert outliers.select("结算号", "原因", "原结算号（退费）", "点值月份").rows() == [("r1", "退费", "c1", "2026-10")]
    deductions, total = listed(file, "扣款")
    assert deductions.select("结算号", "规则", "状态").rows() == [("c3", "r", "已确认")]
    assert fen(total["金额"]) == column(deductions, "金额") == 400_00


def test_the_bureau(written: Path) -> None:
    hospitals, total = listed(written / "2026-11" / "2026-11-bureau.xlsx", "医疗机构")
    assert hospitals["状态"].to_list() == ["已发送", "已计算"]
    assert [fen(total[name]) for name in ("本月病例基金应付", "更正差额", "应付")] == [1_470_00, -100_00, 1_370_00]
    batches, _ = listed(written / "2026-11" / "2026-11-bureau.xlsx", "批次")
    assert batches.select("批次", "类别", "效力").rows() == [
        ("2", "月结算", "现行"), ("3", "月结算", "现行"), ("4", "月结算", "已撤销"), ("5", "撤销", None),
    ]  # fmt: skip
    rejects, _ = listed(written / "2026-11" / "2026-11-bureau.xlsx", "拒收")
    assert rejects.select("文件", "行", "原因代码").rows() == [("a.csv", "7", "bad in 1")]


def test_in_english(small: Path, tmp_path: Path) -> None:
    month_statements(StatementsRequest(small, tmp_path / "out", lang="en", processes=1), "2026-11")
    file = tmp_path / "out" / "2026-11-H2.xlsx"
    assert sheets(file) == ["summary", "cases", "outliers", "corrections", "rejects", "deductions"]
    text = "".join(str(cell) for sheet in sheets(file) for row in cells(file, sheet) for cell in row if cell)
    assert {sign for sign in text if "一" <= sign <= "鿿"} <= set("甲组")


def test_a_hospital_in_many_pools(tmp_path: Path) -> None:
    """Ten pools: the page grows, every pool has its column, and the total is theirs."""
    ledger = tmp_path / "city.duckdb"
    with open_ledger(ledger, create=True) as opened:
        cases = [case(f"c{n}", "H1", "2026-10", date(2026, 10, 1), 1000, 1000, pool=f"pool {n}") for n in range(10)]
        bookings = [booking("H1", "2026-10", "2026-10", [own]) | {"pool": own["pool"]} for own in cases]
        write_month(opened, "2026-10", 1, "2026-10", cases, bookings)
    month_statements(StatementsRequest(ledger, tmp_path / "out", processes=1), "2026-10")
    payable = next(row for row in arithmetic(tmp_path / "out" / "2026-10-H1.xlsx") if row[1] == "本月应付")
    assert [fen(cell) for cell in payable[2:-1]] == [*[700_00] * 10, 7_000_00]
