"""Clearing on the ledger: figures for the head, the same as from folders, closed years, what comes late."""

import csv
from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest

from engine.clearing.folders import ClearingRequest, run_clearing
from engine.settlement import year_cases
from engine.settlement.clearing import LedgerClearing, clear_on_ledger
from engine.settlement.intake import take_in
from engine.settlement.ledger import Ledger, open_ledger
from engine.settlement.states import cleared_years, states
from grouper.fault import UserError
from rules.fault import UserError as RulesError
from tests.engine.money_city import CLAIMS, GROUPS, POLICY, claim
from tests.engine.settlement.priced_ledger import book, city_ledger, price_month

TWO_YEARS = POLICY.replace("to = 2026-12-31", "to = 2027-12-31")
DEDUCTIONS = 'deductions = { states = ["confirmed"], acts = "clearing", receives = "fund" }\ndeposit_release'
BY_CASE = {
    "by case": POLICY.replace(
        '[clearing]\nstyle = "ratio"\nfund_ratio_level = "pool"',
        '[clearing]\nstyle = "ratio"\nfund_ratio_level = "case"\nfund_ratio_gap = "reserve"',
    ),
    "kinds of clearing": POLICY
    + '\n[[kinds]]\nid = "short"\nname = { zh = "短", en = "short" }\nat_clearing_only = true\n'
    + 'when = { hospital = ["H2"] }\ntreatment = { pay = "actual" }\n',
}


def result(ledger: Ledger, batch: int) -> dict[str, dict[str, int]]:
    """Return the rows of a clearing by hospital."""
    rows = ledger.rows("SELECT * FROM ledger_clearing WHERE batch = $batch", {"batch": batch}).to_dicts()
    return {row["hospital_id"]: row for row in rows}


def cleared(ledger: Ledger, year: int = 2026, **changes: object) -> dict[str, dict[str, int]]:
    """Clear and return the rows by hospital."""
    summary = clear_on_ledger(ledger, LedgerClearing(year, **changes))  # type: ignore[arg-type]
    assert summary["new"]
    assert all(pool["holds"] for pool in summary["pools"])
    return result(ledger, summary["batch"])


def dues(rows: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    return {name: row["due"] for name, row in rows.items()}


def test_a_year_is_cleared_to_the_fen(ledger: Ledger) -> None:
    found = cleared(ledger)
    # 10,000 less 6,300 prepaid, 20,000 less 12,600
    assert dues(found) == {"H1": 3_700_00, "H2": 7_400_00}
    assert {n: (r["deposit_held"], r["deposit_released"]) for n, r in found.items()} == {
        "H1": (0, 700_00),
        "H2": (0, 1_400_00),
    }
    values = ledger.rows("SELECT exact FROM ledger_value WHERE month = '2026'")["exact"]
    assert values.to_list() == ["1000/7"]  # 30,000 ÷ 0.7 ÷ 300 points
    totals = ledger.rows("SELECT line, amount FROM ledger_clearing_line WHERE hospital_id = 'H1' AND kind = 'total'")
    assert totals["amount"].to_list() == [10_000_00, 3_700_00]
    roles = ledger.rows("SELECT role FROM ledger_input WHERE batch = 3 ORDER BY role")["role"]
    assert roles.to_list() == ["policy", "table"]


def test_only_a_final_clearing_closes_the_year(ledger: Ledger) -> None:
    trial = cleared(ledger, trial=True)
    assert (trial["H1"]["deposit_held"], trial["H1"]["due"]) == (700_00, 3_000_00)
    quarter = cleared(ledger, through=11)
    assert quarter["H2"]["clearing"] == 18_333_33  # 27,500 of the budget so far, two thirds of it
    assert cleared_years(ledger) == {}
    assert states(ledger, "2026") == {}
    cleared(ledger)
    assert cleared_years(ledger) == {2026: 5}
    assert states(ledger, "2026") == {"H1": "computed", "H2": "computed"}


def test_the_same_clearing_again_changes_nothing_and_another_is_refused(ledger: Ledger, city: Path) -> None:
    first = clear_on_ledger(ledger, LedgerClearing(2026))
    again = clear_on_ledger(ledger, LedgerClearing(2026))
    assert (again["new"], again["batch"], ledger.next_batch()) == (False, first["batch"], 4)
    other = city / "other.toml"
    other.write_text((city / "policy.toml").read_text(encoding="utf-8") + "\n", encoding="utf-8")
    with pytest.raises(UserError, match="2026 is cleared by batch 3: undo it first"):
        clear_on_ledger(ledger, LedgerClearing(2026, policy=other))


def test_what_is_still_open_is_said(ledger: Ledger) -> None:
    notes = [text.en for text in clear_on_ledger(ledger, LedgerClearing(2026, through=11))["notes"]]
    assert notes[0].startswith("months not settled: 2026-01, ")
    assert notes[0].endswith("2026-09")
    assert notes[1] == "3 hospital months are not marked as paid; clearing takes their prepayment as paid"


@pytest.mark.parametrize("policy", [POLICY, *BY_CASE.values()], ids=["sums", *BY_CASE])
def test_ledger_and_folders_clear_alike_in_pieces_of_any_size(
    policy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = city_ledger(tmp_path / "city", policy=policy)
    folders = [tmp_path / "city" / month for month in ("202610", "202611")]
    run_clearing(ClearingRequest(folders, tmp_path / "city" / "policy.toml", 2026, tmp_path / "out"))
    with (tmp_path / "out" / "clearing.csv").open(encoding="utf-8-sig") as file:
        expected = {row["hospital"]: row for row in csv.DictReader(file)}
    monkeypatch.setattr(year_cases, "PIECE", 1)
    with open_ledger(path) as ledger:
        found = cleared(ledger)
    for name, row in found.items():
        for column in ("payable", "booked", "clearing", "outside_points", "due"):
            assert f"{row[column] / 100:.2f}" == expected[name][column]


def test_deductions_decisions_and_cash_come_from_the_ledger(tmp_path: Path) -> None:
    path = city_ledger(tmp_path / "city", policy=POLICY.replace("deposit_release", DEDUCTIONS))
    deductions = tmp_path / "deductions.csv"
    deductions.write_text(
        "case_id,hospital_id,pool,item,rule,amount,state,month_found,month_of_claim\n"
        "c2,H2,employee,bed,R1,500.00,suspected,2026-12,2026-10\n"
        "c2,H2,employee,drug,R2,300.00,appealed,2026-12,2026-10\n",
        encoding="utf-8",
    )
    confirmed = tmp_path / "confirmed.csv"
    confirmed.write_text(
        deductions.read_text(encoding="utf-8").replace("suspected", "confirmed").replace("500.00", "400.00"),
        encoding="utf-8",
    )
    cash = tmp_path / "cash.csv"
    cash.write_text(
        "pool,hospital,month,kind,amount\nemployee,H1,2026-01,advance,1000.00\nemployee,H1,2026-06,recovered,250.00\n",
        encoding="utf-8",
    )
    with open_ledger(path) as ledger:
        take_in(ledger, "deductions", deductions)
        assert cleared(ledger, trial=True)["H2"]["deductions"] == 0
        take_in(ledger, "deductions", confirmed)
        take_in(ledger, "cash", cash)
        found = cleared(ledger)
    assert (found["H2"]["deductions"], found["H2"]["clearing"], found["H2"]["due"]) == (400_00, 19_600_00, 7_000_00)
    assert (found["H1"]["advanced"], found["H1"]["due"]) == (750_00, 2_950_00)


def test_a_deduction_confirmed_after_its_year_was_cleared_acts_in_the_next(tmp_path: Path) -> None:
    policy = TWO_YEARS.replace("deposit_release", DEDUCTIONS)
    claims = [*CLAIMS, claim("n1", "H1", "2027-01-05", 10000), claim("n2", "H2", "2027-01-05", 10000)]
    groups = GROUPS | {"n1": "A1", "n2": "A1"}
    path = city_ledger(tmp_path / "city", (202610, 202611, 202701), claims=claims, groups=groups, policy=policy)
    row = "case_id,hospital_id,pool,item,rule,amount,state,month_found,month_of_claim\nc2,H2,employee,bed,R1,500.00,"
    for state in ("appealed", "confirmed"):
        (tmp_path / f"{state}.csv").write_text(f"{row}{state},2026-12,2026-10\n", encoding="utf-8")
    with open_ledger(path) as ledger:
        take_in(ledger, "deductions", tmp_path / "appealed.csv")
        assert cleared(ledger)["H2"]["deductions"] == 0
        take_in(ledger, "deductions", tmp_path / "confirmed.csv")
        assert cleared(ledger, 2027)["H2"]["deductions"] == 500_00


def test_a_decision_that_came_after_the_month_pays_the_case_anew(tmp_path: Path) -> None:
    review = (
        '\n[special_case]\nquota_share = "0.05"\nquota_base = "region_discharges"\n'
        'approved = ["by_item", "adjusted_standard"]\nrank_by = "loss"\ncandidates = "all_losses"\n'
    )
    path = city_ledger(tmp_path / "city", policy=POLICY + review)
    (tmp_path / "decisions.csv").write_text("case_id,decision,amount\nc2,by_item,\n", encoding="utf-8")
    with open_ledger(path) as ledger:
        take_in(ledger, "decisions", tmp_path / "decisions.csv")
        found = cleared(ledger)
    # c2 is paid its charge of 21,000 × 0.7 outside points; the rest is for the 100 points of H1
    assert (found["H2"]["outside_points"], found["H2"]["clearing"]) == (14_700_00, 0)
    assert found["H1"]["clearing"] == 15_300_00


def january(ledger: Ledger, city: Path, late: str) -> int:
    """Book a case of the budget of 2026 in January 2027: 7,000.00, 90 % prepaid; the batch."""
    folder = price_month(city, 202701)
    frame = pl.read_parquet(folder / "priced.parquet")
    frame.with_columns(pl.lit(2026, pl.Int32).alias("budget_year"), pl.lit(late).alias("late")).write_parquet(
        folder / "priced.parquet"
    )
    return book(ledger, folder, "2027-01", year=2026 if late == "no" else None)


def new_year(folder: Path) -> Path:
    """A city with a case of January 2027 beside those of 2026, the ledger up to November."""
    claims = [*CLAIMS, claim("n1", "H1", "2027-01-05", 10000)]
    return city_ledger(folder, claims=claims, groups=GROUPS | {"n1": "A1"}, policy=TWO_YEARS)


def test_cases_of_the_budget_that_january_books_are_cleared_with_their_year(tmp_path: Path) -> None:
    with open_ledger(new_year(tmp_path / "city")) as ledger:
        january(ledger, tmp_path / "city", "no")
        found = cleared(ledger)
        # 200 points of each hospital now share 30,000; H1 had 6,300 for October and 6,300 for January
        assert (found["H1"]["clearing"], found["H1"]["prepaid"]) == (15_000_00, 12_600_00)
        with pytest.raises(UserError, match="the ledger has no cases of 2027; it has: 2026"):
            cleared(ledger, 2027)


def test_cases_of_a_cleared_year_are_adjustments_of_the_year_that_books_them(tmp_path: Path) -> None:
    claims = [*CLAIMS, claim("n1", "H1", "2027-01-05", 10000), claim("n2", "H2", "2027-02-05", 10000)]
    path = city_ledger(tmp_path / "city", claims=claims, groups=GROUPS | {"n1": "A1", "n2": "A1"}, policy=TWO_YEARS)
    with open_ledger(path) as ledger:
        cleared(ledger)
        january(ledger, tmp_path / "city", "prior_year")
        book(ledger, price_month(tmp_path / "city", 202702), "2027-02")
        found = cleared(ledger, 2027)
    assert (found["H1"]["outside_points"], found["H1"]["clearing"], found["H1"]["prepaid"]) == (7_000_00, 0, 6_300_00)
    assert found["H2"]["clearing"] == 23_000_00


def test_the_policy_is_that_of_the_last_month_unless_it_was_changed(tmp_path: Path) -> None:
    path = city_ledger(tmp_path / "city")
    policy = tmp_path / "city" / "policy.toml"
    text = policy.read_text(encoding="utf-8")
    policy.write_text(text + "\n", encoding="utf-8")
    with open_ledger(path) as ledger:
        with pytest.raises(
            UserError, match=r"policy\.toml, which settled 2026-11, was changed: name one with --policy"
        ):
            clear_on_ledger(ledger, LedgerClearing(2026))
        assert dues(cleared(ledger, trial=True, policy=policy))["H1"] == 3_000_00
        policy.unlink()
        with pytest.raises(UserError, match=r"policy\.toml, which settled 2026-11, is not there any more"):
            clear_on_ledger(ledger, LedgerClearing(2026))
        with pytest.raises(UserError, match="no month of 2025 with its policy file: name it with --policy"):
            clear_on_ledger(ledger, LedgerClearing(2025))
        with pytest.raises(RulesError, match="there is no such file"):
            clear_on_ledger(ledger, LedgerClearing(2026, policy=policy))
