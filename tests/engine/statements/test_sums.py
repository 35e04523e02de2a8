"""Sums read back from the files: case lists = summaries = the bureau's workbook = the ledger, to the fen."""

import re
from pathlib import Path

import pytest

from tests.engine.statements.conftest import City
from tests.engine.statements.reading import arithmetic, cells, column, fen, listed, sheets


def hospital_files(folder: Path) -> dict[str, Path]:
    """The workbooks of a month by hospital id, as their summaries name them."""
    found = {}
    for file in sorted(folder.glob("*.xlsx")):
        if not file.stem.endswith("bureau"):
            named = next(str(row[0]) for row in cells(file, "汇总") if str(row[0]).startswith("医疗机构："))
            found[named.removeprefix("医疗机构：").rpartition("（")[2].removesuffix("）")] = file
    return found


@pytest.fixture(scope="module")
def files(city: City) -> dict[str, Path]:
    return hospital_files(city.month)


def test_every_hospital_has_a_workbook(city: City, files: dict[str, Path]) -> None:
    known = city.rows("SELECT DISTINCT hospital_id FROM ledger_booking WHERE booked_month = '2026-03'")
    assert sorted(files) == sorted(known["hospital_id"])


def test_cases_summary_bureau_and_ledger_are_the_same_fen(city: City, files: dict[str, Path]) -> None:
    ledger = city.rows(
        """
        SELECT k.hospital_id, sum(payable)::BIGINT AS payable, sum(paid)::BIGINT AS paid, any_value(part) AS part
        FROM ledger_booking AS k JOIN (
            SELECT hospital_id, sum(fund_part)::BIGINT AS part FROM ledger_case SEMI JOIN month_batches USING (batch)
            WHERE month = '2026-03' GROUP BY ALL
        ) USING (hospital_id) WHERE booked_month = '2026-03' GROUP BY k.hospital_id
        """
    ).rows_by_key("hospital_id", named=True, unique=True)
    bureau, totals = listed(city.month / "2026-03-bureau.xlsx", "医疗机构")
    printed = bureau.rows_by_key("医疗机构", named=True, unique=True)
    for hospital, file in files.items():
        cases, total = listed(file, "病例明细")
        summary, own = {row[1]: row for row in arithmetic(file)}, ledger[hospital]
        assert column(cases, "基金应付") == fen(total["基金应付"]) == own["part"], hospital
        assert fen(summary["本月病例基金应付"][-2]) == own["part"]
        assert fen(summary["本月应付"][-2]) == fen(printed[hospital]["应付"]) == own["payable"]
        assert fen(summary["本月拨付"][-2]) == fen(printed[hospital]["拨付"]) == own["paid"]
    assert fen(totals["应付"]) == column(bureau, "应付") == sum(row["payable"] for row in ledger.values())


def test_pool_identity(city: City) -> None:
    ledger = dict(
        city.rows(
            "SELECT p.name_zh, sum(payable)::BIGINT FROM ledger_booking JOIN pools AS p USING (pool) "
            "WHERE booked_month = '2026-03' GROUP BY ALL"
        ).iter_rows()
    )
    rows = cells(city.month / "2026-03-bureau.xlsx", "汇总")
    start = next(n for n, row in enumerate(rows) if "结算单应付" in row)
    heads, found = rows[start], {}
    for row in rows[start + 1 : start + 1 + len(ledger)]:
        line = dict(zip(heads[:7], row[:7], strict=True))
        assert fen(line["差额"]) == 0
        found[row[0]] = fen(line["结算单应付"])
        assert fen(line["基金池应付"]) == fen(line["账本应付"]) == found[row[0]]
    assert found == ledger


def figures(row: list[str | None]) -> list[int]:
    """A line's figures in fen."""
    return [fen(cell) for cell in row[2:-1]]


def test_lines_add_up(files: dict[str, Path]) -> None:
    totals = 0
    for file in files.values():
        numbered = {int(row[0] or 0): row for row in arithmetic(file)}
        for row in numbered.values():
            note = str(row[-1] or "")
            if note.startswith("＝"):
                added = [figures(numbered[int(n)]) for n in re.findall(r"\((\d+)\)", note)]
                assert figures(row) == [sum(parts) for parts in zip(*added, strict=True)], (file, row)
                totals += 1
    assert totals > 4 * len(files)


def test_points_times_value(files: dict[str, Path]) -> None:
    """The product that a statement prints is that of the points and the value it prints, to the fen of a pool."""
    for file in list(files.values())[:20]:
        own = {row[1]: row for row in arithmetic(file)}
        for points, value, product in zip(
            own["点数"][2:-2], own["点值（元/点）"][2:-2], own["点数 × 点值"][2:-2], strict=True
        ):
            assert abs(float(points or 0) * float(value or 0) - float(product or 0)) < 0.01


def test_classes_add_up_to_the_cases(files: dict[str, Path]) -> None:
    for file in files.values():
        rows = cells(file, "汇总")
        start = next(n for n, row in enumerate(rows) if "病例类型" in row)
        body = rows[start + 1 :]
        end = next(n for n, row in enumerate(body) if row[1] == "合计")
        _, total = listed(file, "病例明细")
        fund = rows[start].index("基金应付")
        assert sum(fen(row[fund]) for row in body[:end]) == fen(body[end][fund]) == fen(total["基金应付"])


def test_outliers_and_rejects(city: City, files: dict[str, Path]) -> None:
    ledger = city.one(
        "SELECT count(*) FROM ledger_case SEMI JOIN month_batches USING (batch) WHERE month = '2026-03' AND "
        "(case_class IN ('high', 'low', 'extreme', 'special') OR sign < 0 OR late <> 'no' OR funding = 'elsewhere')"
    )
    assert sum(listed(file, "超常病例")[0].height for file in files.values()) == ledger
    rejects, _ = listed(city.month / "2026-03-bureau.xlsx", "拒收")
    assert rejects["结算号"].to_list() == ["=TWICE()", "=TWICE()"]
    assert sum(listed(file, "拒收")[0].height for file in files.values()) == 2


def test_sheets(files: dict[str, Path], city: City) -> None:
    assert {tuple(sheets(file)) for file in files.values()} == {("汇总", "病例明细", "超常病例", "拒收", "扣款")}
    assert sheets(city.month / "2026-03-bureau.xlsx") == [
        "汇总",
        "医疗机构",
        "医疗机构与基金池",
        "拒收",
        "数据发现",
        "批次",
    ]


def test_clearing(city: City) -> None:
    due = city.rows(
        "SELECT hospital_id, sum(due)::BIGINT AS due, sum(prepaid)::BIGINT AS prepaid FROM ledger_clearing GROUP BY ALL"
    )
    bureau, totals = listed(city.year / "2026-bureau.xlsx", "医疗机构")
    assert column(bureau, "本次应拨") == fen(totals["本次应拨"]) == due["due"].sum()
    rows = cells(city.year / "2026-bureau.xlsx", "汇总")
    gaps = [fen(row[2]) for row in rows if row[1] in {"差额（来源 − 去向）", "差额"}]
    assert gaps == [0] * 5
    shown = 0
    for hospital, own, prepaid in due.sort("hospital_id").iter_rows():
        for file in city.year.glob(f"2026-{hospital}.xlsx"):
            form = cells(file, "清算单")
            total = next(row for row in form if row[1] and row[1].startswith("各基金池本次应拨合计"))
            assert fen(total[2]) == own
            months, sums = listed(file, "各月拨付")
            assert column(months, "拨付") == fen(sums["拨付"]) == prepaid
            shown += 1
    assert shown == due.height - 1  # one hospital's id is no name of a file


def test_clearing_lines_add_up(city: City) -> None:
    """Items add up to the next total; memos stand beside them."""
    lines_of, _ = listed(city.year / "2026-bureau.xlsx", "清算单逐行")
    assert lines_of.height
    for _, rows in lines_of.group_by("医疗机构", "基金池", maintain_order=True):
        running = 0
        for amount, kind in rows.select("金额", "类别").iter_rows():
            if kind == "total":
                assert running == fen(amount)
            elif kind == "item":
                running += fen(amount)
