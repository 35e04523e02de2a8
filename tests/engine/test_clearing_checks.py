"""What a clearing takes and says beside claims: accounts, carve-outs, indicators, deadlines, reviews, scores."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from engine.clearing.folders import ClearingRequest, TableFiles, run_clearing
from engine.pricing import run_pricing
from engine.settlement.clearing import LedgerClearing, clear_on_ledger
from engine.settlement.ledger import open_ledger
from grouper.fault import UserError as TableError
from rules.fault import UserError
from tests.engine.money_city import POLICY, write_city
from tests.engine.settlement.priced_ledger import city_ledger
from tests.engine.test_money_runs import cleared, hospital_month, priced_year, pricing

POOL = 'funds = ["fund_pool_paid"]\n'
OUT_OF_AREA = (
    'out_of_area = { incoming_value = "own", bearer = "treating_pool", outgoing = "charged_to_home_budget" }\n'
)
INDICATORS = """
calendar = { "2026" = 2020-04-30 }
money_left = "0.05"
[month.working_capital]
months = "1"
repaid = "year_end"
"""


def summary_of(city: Path, **changes: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "priced": priced_year(city),
        "policy": city / "policy.toml",
        "year": 2026,
        "out": city / "cleared",
    }
    return run_clearing(ClearingRequest(**(plain | changes)))


def said(summary: dict[str, Any]) -> list[str]:
    return [text["en"] for text in summary["checks"]]


def accounts(city: Path, *rows: str) -> TableFiles:
    (city / "accounts.csv").write_text("\n".join(["pool,hospital,kind,amount", *rows, ""]), encoding="utf-8")
    return TableFiles(accounts=city / "accounts.csv")


def test_carve_outs_retention_and_care_elsewhere_come_off_before_the_value(tmp_path: Path) -> None:
    """30,000 - 3,000 of a consortium - 600 - 2,400 leave 24,000 to 100 and 200 points."""
    carved = 'carve_outs = [{ id = "north", name = { zh = "北县", en = "north" }, amount = "3000.00" }]\n'
    city = write_city(tmp_path / "city", policy=POLICY.replace(POOL, POOL + OUT_OF_AREA + carved))
    tables = accounts(city, "employee,H1,vbp_retention,600.00", "employee,,care_elsewhere,2400.00")
    found = cleared(city, tables=tables)
    assert {name: row["clearing"] for name, row in found.items()} == {"H1": "8000.00", "H2": "16000.00"}
    assert {name: row["due"] for name, row in found.items()} == {"H1": "2300.00", "H2": "3400.00"}
    assert "carved out: north" in (city / "cleared" / "budgets.csv").read_text(encoding="utf-8")
    with pytest.raises(UserError, match="pool employee has no rule for care elsewhere"):
        cleared(write_city(tmp_path / "plain"), tables=tables)


def test_a_ledger_takes_the_accounts_that_its_cash_entries_do_not_hold(tmp_path: Path) -> None:
    """30,000 - 600 - 2,400 leave 27,000: 9,000 and 18,000, less 6,300 and 12,600 prepaid; H1 keeps 600."""
    path = city_ledger(tmp_path / "city", policy=POLICY.replace(POOL, POOL + OUT_OF_AREA))
    rows = ("employee,H1,vbp_retention,600.00", "employee,,care_elsewhere,2400.00")
    with open_ledger(path) as ledger:
        wrong = LedgerClearing(2026, accounts=accounts(path.parent, "employee,H1,advance,1").accounts)
        with pytest.raises(TableError, match="'advance' is no kind here"):
            clear_on_ledger(ledger, wrong)
        given = LedgerClearing(2026, trial=True, accounts=accounts(path.parent, *rows).accounts)
        assert clear_on_ledger(ledger, given)["new"]
        assert not clear_on_ledger(ledger, given)["new"]
        table = ledger.rows("SELECT hospital_id, clearing, vbp_retention, due FROM ledger_clearing ORDER BY ALL")
        # trial: deposits of 700 and 1,400 stay held
        assert table.rows() == [("H1", 9_000_00, 600_00, 2_600_00), ("H2", 18_000_00, 0, 4_000_00)]
        roles = ledger.rows("SELECT role FROM ledger_input JOIN ledger_batch USING (batch) WHERE kind = 'clearing'")
        assert "accounts" in roles["role"].to_list()


def test_accounts_name_their_faults(tmp_path: Path) -> None:
    city = write_city(tmp_path / "city")
    rows = ("employee,H1,advnce,1.00", "employee,H1,care_elsewhere,1.00", "employee,,advance,1.00")
    with pytest.raises(TableError) as caught:
        cleared(city, tables=accounts(city, *rows))
    file = city / "accounts.csv"
    assert [fault.en.removeprefix(f"{file}:") for fault in caught.value.faults] == [
        "2:kind: 'advnce' is no kind here; did you mean advance?",
        "3:hospital: 'H1' must be empty: care_elsewhere is the pool's",
        "4:hospital: must not be empty",
    ]


def test_indicators_and_checks_are_said(tmp_path: Path) -> None:
    """Of 30,000 hospitals had 18,900 and 1,000 of working capital: 10,100 are left, 33.67 %."""
    income = 'income = { per_head = "1", insured = {}, last_year = "30000.00", final_account = "29100.00" }\n'
    policy = POLICY.replace(POOL, POOL + income)
    city = write_city(tmp_path / "city", policy=policy + INDICATORS)
    tables = accounts(city, "employee,H1,working_capital,1000.00")
    found = said(summary_of(city, tables=tables))
    assert found[0].startswith("2026 was to be cleared by 2020-04-30; today is ")
    assert found[1:] == [
        "working capital was to be repaid by the end of the year: 1000.00 yuan of advances are open and come off",
        "pool employee: 33.67% of payments are left to clearing, above the policy's 5.00%",
        "pool employee: spending grows by 0.00%, beyond the growth of income, -3.00%",
    ]
    trial = said(summary_of(city, tables=tables, trial=True))
    assert [text.split(":")[0] for text in trial] == ["pool employee", "pool employee"]
    assert said(summary_of(write_city(tmp_path / "plain"))) == []


def test_incoming_patients_and_levels_are_said(tmp_path: Path) -> None:
    """200 points of 100 yuan at 0.7 are 14,000 for a by-item amount of 21,000 × 0.7 = 14,700."""
    given = 'on = 2026-05-01, into = "guests", amount = "1000.00", reason = "调剂", reference = "illustrative"'
    levy = f"levies = [{{ {given} }}]\n"
    guests = POLICY[POLICY.index("[[pools]]") : POLICY.index("[weights]")]
    for old, new in (("employee", "guests"), ("职工", "异地"), ('"local"', '"in_province"')):
        guests = guests.replace(old, new)
    guests = guests.replace(POOL, f'{POOL}parent = "employee"\n{OUT_OF_AREA}').replace("floating", "fixed")
    policy = POLICY.replace(POOL, POOL + levy).replace("[weights]", f"{guests}[weights]")
    city = write_city(tmp_path / "city", policy=policy)
    claims = pl.read_csv(city / "claims.csv", infer_schema=False)
    treated = pl.when(pl.col("case_id") == "c2").then(pl.lit("239900")).otherwise(pl.lit("230100"))
    places = claims.with_columns(insured_region=pl.lit("230100"), treated_region=treated)
    places.write_csv(city / "claims.csv")
    borne = "14700.00 by item, 14000.00 by the standard; the treating place bears -700.00 yuan"
    assert said(summary_of(city)) == [
        f"pool guests: incoming patients {borne}",
        "levels of pools balance: 2 pools, 1000.00 yuan moved between them",
    ]


def test_what_is_published_of_special_cases(tmp_path: Path) -> None:
    """By item the fund pays 21,000 × 0.7 = 14,700: of 21,700 in the month, of 30,000 in the year."""
    review = """
[special_case]
quota_share = "0.05"
quota_base = "region_discharges"
approved = ["by_item"]
rank_by = "loss"
candidates = "all_losses"
"""
    city = write_city(tmp_path / "city", policy=POLICY + review)
    (city / "decisions.csv").write_text("case_id,decision,amount\nc2,by_item,\n", encoding="utf-8")
    month = run_pricing(pricing(city, 202610, decisions=city / "decisions.csv"))
    run_pricing(pricing(city, 202611))
    months = [city / "202610", city / "202611"]
    year = summary_of(city, priced=months, decisions=city / "decisions.csv")
    assert month["special_cases"]["en"] == (
        "special-case review: 1 applied (50.00% of discharges), 1 approved, 14700.00 yuan of the fund (67.74%)"
    )
    assert year["special_cases"]["en"] == month["special_cases"]["en"].replace("67.74%", "49.00%")
    assert said(year)[-1] == year["special_cases"]["en"]
    assert "special_cases" not in summary_of(city)


def test_a_score_cuts_the_prepayment_of_its_hospital(tmp_path: Path) -> None:
    """14,000 × 0.90 × 0.9 = 11,340; the deposit stays 1,400, and 1,260 wait for clearing."""
    table = '[{ score_from = "90", coefficient = "1" }, { coefficient = "0.9" }]'
    act = f'\n[clearing.assessment]\nfile = "scores.csv"\nacts_on = ["prepayment"]\ntable = {table}\n'
    city = write_city(tmp_path / "city", policy=POLICY + act)
    (city / "scores.csv").write_text("hospital,score\nH1,95\nH2,80\n", encoding="utf-8")
    run_pricing(pricing(city, 202610))
    found = {name: hospital_month(city, 202610, name) for name in ("H1", "H2")}
    columns = ("paid", "deposit", "withheld")
    assert [found["H1"][name] for name in columns] == [6_300_00, 700_00, 0]
    assert [found["H2"][name] for name in columns] == [11_340_00, 1_400_00, 1_260_00]
    (city / "scores.csv").write_text("hospital,score\nH1,95\n", encoding="utf-8")
    with pytest.raises(UserError, match="hospital H2 has no assessment score"):
        run_pricing(pricing(city, 202610))
