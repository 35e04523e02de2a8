"""Calibrate, price and clear on files: figures checked by hand, refunds, late claims, refusals, whole outputs."""

import csv
import json
import stat
from datetime import date
from pathlib import Path

import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from engine.calibration import CalibrationRequest, run_calibration
from engine.cases import ClaimsInput
from engine.clearing.folders import ClearingRequest, TableFiles, run_clearing
from engine.cli.calibrate import calibrate
from engine.cli.clear import clear
from engine.cli.price import price
from engine.pricing import PricingRequest, run_pricing
from grouper.fault import UserError as ClaimsError
from grouper.scheme.pack import load_scheme
from rules.fault import UserError
from tests.engine.money_city import CLAIMS, GROUPS, POLICY, claim, write_city


def pricing(city: Path, month: int, **changes: object) -> PricingRequest:
    plain: dict[str, object] = {
        "grouped": [city / "grouped.parquet"],
        "claims": ClaimsInput([city / "claims.csv"], "delimited"),
        "policies": [city / "policy.toml"],
        "month": month,
        "out": city / str(month),
    }
    return PricingRequest(**(plain | changes))  # type: ignore[arg-type]


def hospital_month(city: Path, month: int, hospital: str) -> dict[str, int]:
    table = pl.read_parquet(city / str(month) / "hospital_months.parquet")
    return table.filter(pl.col("hospital_id") == hospital).to_dicts()[0]


@pytest.fixture
def city(tmp_path: Path) -> Path:
    return write_city(tmp_path / "city")


def test_a_month_is_priced_and_settled(city: Path) -> None:
    summary = run_pricing(pricing(city, 202610))
    # 100 and 200 points at 100 yuan, ρ = 0.7: 7,000 and 14,000; 90 % prepaid
    assert hospital_month(city, 202610, "H1")["payable"] == 7_000_00
    second = hospital_month(city, 202610, "H2")
    assert (second["payable"], second["paid"], second["deposit"]) == (14_000_00, 12_600_00, 1_400_00)
    assert summary["pools"][0]["cases_add_up"]
    assert summary["rows"]["priced"] == 2
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (city / "202610").iterdir()}
    assert modes == {0o600}


def test_a_refund_reverses_its_original_in_the_month_that_books_it(city: Path) -> None:
    run_pricing(pricing(city, 202611))
    first = hospital_month(city, 202611, "H1")
    assert (first["cases"], first["payable"], first["charge"]) == (0, 0, 1_000_00)
    refund = pl.read_parquet(city / "202611" / "priced.parquet").filter(pl.col("case_id") == "r1").to_dicts()[0]
    assert (refund["standard"], refund["sign"], refund["month"], refund["value_month"]) == (
        -10_000_00,
        -1,
        "2026-11",
        "2026-10",
    )


def test_a_refund_of_earlier_results_takes_their_figures_and_only_once(city: Path) -> None:
    run_pricing(pricing(city, 202610))
    run_pricing(pricing(city, 202611, earlier=[city / "202610"]))
    refund = pl.read_parquet(city / "202611" / "priced.parquet").filter(pl.col("case_id") == "r1").to_dicts()[0]
    assert (refund["fixed_part"], refund["fund_part"]) == (-7_000_00, -7_000_00)
    again = [*CLAIMS, claim("r2", "H1", "2026-12-01", -9000, refund="1", original_case_id="c1")]
    write_city(city, again, GROUPS | {"r2": "A1"})
    with pytest.raises(UserError, match="reversed more than once"):
        run_pricing(pricing(city, 202612, earlier=[city / "202610", city / "202611"]))


def test_a_refund_of_last_year_is_an_adjustment_of_it(tmp_path: Path) -> None:
    claims = [
        claim("old", "H1", "2025-12-20", 10000),
        claim("new", "H1", "2026-01-05", 10000),
        claim("next", "H1", "2026-01-05", 20000),
        claim("back", "H1", "2026-01-06", -10000, refund="1", original_case_id="old"),
    ]
    policy = POLICY.replace("from = 2026-01-01, to", "from = 2025-01-01, to").replace(
        "from = 2026-01-01", "from = 2025-01-01"
    )
    city = write_city(tmp_path / "years", claims, {"old": "A1", "new": "A1", "next": "A2", "back": "A1"}, policy)
    run_pricing(pricing(city, 202601))
    found = cleared(city, priced=[city / "202601"])["H1"]
    # the refund takes back 7,000 and leaves 37,000 for the two cases of this year
    assert (found["outside_points"], found["clearing"], found["cases"]) == ("-7000.00", "37000.00", "2")


def test_a_refund_of_nothing_is_refused(tmp_path: Path) -> None:
    lone = [claim("r9", "H1", "2026-12-01", -9000, refund="1", original_case_id="zz")]
    city = write_city(tmp_path / "lone", lone, {"r9": "A1"})
    with pytest.raises(UserError, match=r"1 refunds have an original that is not among the priced cases: r9 \(zz\)"):
        run_pricing(pricing(city, 202612))


def test_late_claims_enter_the_month_of_arrival(tmp_path: Path) -> None:
    late = claim("c4", "H2", "2026-10-30", 8000, received="2026-11-20")
    city = write_city(tmp_path / "late", [*CLAIMS, late], GROUPS | {"c4": "A1"})
    run_pricing(pricing(city, 202611, late_since=date(2026, 11, 10)))
    assert hospital_month(city, 202611, "H2")["payable"] == 7_000_00
    run_pricing(pricing(city, 202611))
    assert pl.read_parquet(city / "202611" / "hospital_months.parquet")["hospital_id"].to_list() == ["H1"]


def test_parts_of_a_stay_are_merged_and_unfinished_stays_held(tmp_path: Path) -> None:
    parts = [
        claim("p1", "H1", "2026-09-30", 4000, stay_id="S", part_of_stay="1"),
        claim("p2", "H1", "2026-10-20", 6000, stay_id="S"),
        claim("q1", "H1", "2026-10-21", 5000, stay_id="Q", part_of_stay="1"),
    ]
    city = write_city(tmp_path / "parts", parts, {"p1": "A1", "p2": "A1", "q1": "A1"})
    run_pricing(pricing(city, 202610))
    assert hospital_month(city, 202610, "H1")["charge"] == 10_000_00
    assert pl.read_parquet(city / "202610" / "held.parquet")["case_id"].to_list() == ["q1"]


def test_a_floating_month_shares_the_month_amount(tmp_path: Path) -> None:
    floating = POLICY.replace(
        'style = "ratio"\nfund_ratio_level = "pool"\nprepayment',
        'style = "ratio"\nvalue = "floating"\nfund_ratio_level = "pool"\nprepayment',
    ).replace('at = "case"', 'at = "hospital_month"')
    city = write_city(tmp_path / "floating", policy=floating)
    summary = run_pricing(pricing(city, 202610))
    # 30,000 ÷ 12 = 2,500 for 300 points at ρ = 0.7: 2,500 ÷ 0.7 ÷ 300 a point
    assert summary["pools"][0]["payable"] == 2_500_00
    assert hospital_month(city, 202610, "H2")["payable"] == 1_666_67


def priced_year(city: Path) -> list[Path]:
    for month in (202610, 202611):
        run_pricing(pricing(city, month))
    return [city / "202610", city / "202611"]


def cleared(city: Path, **changes: object) -> dict[str, dict[str, str]]:
    plain: dict[str, object] = {
        "priced": changes.get("priced") or priced_year(city),
        "policy": city / "policy.toml",
        "year": 2026,
        "out": city / "cleared",
    }
    summary = run_clearing(ClearingRequest(**(plain | changes)))  # type: ignore[arg-type]
    assert all(pool["holds"] for pool in summary["pools"])
    with (city / "cleared" / "clearing.csv").open(encoding="utf-8-sig") as file:
        return {row["hospital"]: row for row in csv.DictReader(file)}


def test_a_year_is_cleared_to_the_fen(city: Path) -> None:
    found = cleared(city)
    # c1 was refunded: 100 points of H1 and 200 of H2 share 30,000
    assert {name: row["clearing"] for name, row in found.items()} == {"H1": "10000.00", "H2": "20000.00"}
    assert {name: row["due"] for name, row in found.items()} == {"H1": "3700.00", "H2": "7400.00"}
    summary = json.loads((city / "cleared" / "summary.json").read_text(encoding="utf-8"))
    uses = {line["en"]: line["amount"] for line in summary["pools"][0]["identity"] if line["side"] == "uses"}
    assert uses["clearing amounts, net of deposits"] == "30000.00"
    assert uses["rounding residue"] == "0.00"


def test_the_statement_adds_up_from_payable_to_due(city: Path) -> None:
    cleared(city)
    with (city / "cleared" / "statements.csv").open(encoding="utf-8-sig") as file:
        lines = [row for row in csv.DictReader(file) if row["hospital"] == "H1"]
    running = 0
    for line in lines:
        cents = round(float(line["amount"]) * 100)
        if line["kind"] == "total":
            assert cents == running
        running += cents if line["kind"] == "item" else 0
    assert lines[-1]["amount"] == "3700.00"
    assert any("points 100.0000" in line["label_en"] for line in lines)


def test_a_trial_holds_deposits_and_a_quarter_clears_part_of_the_budget(city: Path) -> None:
    trial = cleared(city, trial=True)
    # deposits held: 700 + 0 of H1, 1,400 of H2
    assert (trial["H1"]["deposit_held"], trial["H1"]["due"]) == ("700.00", "3000.00")
    quarter = cleared(city, through=11)
    assert quarter["H2"]["clearing"] == "18333.33"


def test_tables_of_deductions_accounts_and_lines_act(tmp_path: Path) -> None:
    policy = POLICY.replace(
        "deposit_release",
        'deductions = { states = ["confirmed"], acts = "clearing", receives = "fund" }\ndeposit_release',
    )
    city = write_city(tmp_path / "tables", policy=policy)
    (city / "deductions.csv").write_text(
        "case_id,hospital_id,pool,item,rule,amount,state,month_found,month_of_claim\n"
        "c2,H2,employee,bed,R1,500.00,confirmed,2026-12,2026-10\n"
        "c2,H2,employee,drug,R2,300.00,appealed,2026-12,2026-10\n",
        encoding="utf-8",
    )
    (city / "accounts.csv").write_text("pool,hospital,kind,amount\nemployee,H1,advance,1000.00\n", encoding="utf-8")
    (city / "lines.csv").write_text(
        "pool,hospital,label,amount\nemployee,H1,PET-CT,300.00\nemployee,,elsewhere,600.00\n", encoding="utf-8"
    )
    files = TableFiles(city / "deductions.csv", city / "accounts.csv", city / "lines.csv")
    found = cleared(city, tables=files)
    # 30,000 - 300 - 600 = 29,100 for 300 points
    assert (found["H1"]["clearing"], found["H1"]["due"]) == ("9700.00", "2700.00")
    assert (found["H2"]["clearing"], found["H2"]["due"]) == ("18900.00", "6300.00")


def test_assessment_from_a_table_beside_the_policy(tmp_path: Path) -> None:
    table = '[{ score_from = "90", coefficient = "1" }, { coefficient = "0.9" }]'
    policy = f'{POLICY}\n[clearing.assessment]\nfile = "scores.csv"\ntable = {table}\n'
    city = write_city(tmp_path / "scored", policy=policy)
    (city / "scores.csv").write_text("hospital,score\nH1,95\nH2,80.5\n", encoding="utf-8")
    assert {n: r["clearing"] for n, r in cleared(city).items()} == {"H1": "10000.00", "H2": "18000.00"}
    (city / "scores.csv").write_text("hospital,score\nH1,95\n", encoding="utf-8")
    with pytest.raises(UserError, match="hospital H2 has no assessment score"):
        cleared(city)


def test_quotas_beside_the_policy(tmp_path: Path) -> None:
    quotas = '{ method = "negotiation", file = "quotas.csv", deduction = "all_over" }'
    policy = POLICY.replace('funds = ["fund_pool_paid"]', f'funds = ["fund_pool_paid"]\nquotas = {quotas}')
    city = write_city(tmp_path / "quotas", policy=policy)
    (city / "quotas.csv").write_text(
        "hospital,version,state,amount\nH1,1,agreed,12000\nH2,1,agreed,19000\n", encoding="utf-8"
    )
    assert cleared(city)["H2"]["clearing"] == "19000.00"


def test_refusals_name_what_is_wrong(city: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no claims of 2026-05"):
        run_pricing(pricing(city, 202605))
    other = write_city(tmp_path / "other", groups={"zz": "A1"})
    with pytest.raises(ClaimsError, match="no case_id is in both"):
        run_pricing(pricing(other, 202610))
    unknown = write_city(tmp_path / "unknown", groups=GROUPS | {"c2": "B9"})
    with pytest.raises(UserError, match="group B9 has no published weight"):
        run_pricing(pricing(unknown, 202610))
    assert not (unknown / "202610").exists()
    with pytest.raises(UserError, match="is no result of drgdip price"):
        run_clearing(ClearingRequest([tmp_path], city / "policy.toml", 2026, tmp_path / "out"))
    months = priced_year(city)
    with pytest.raises(UserError, match="given more than once: 2026-10"):
        run_clearing(ClearingRequest([*months, months[0]], city / "policy.toml", 2026, tmp_path / "out"))


def test_tables_name_their_faults_by_row(city: Path) -> None:
    (city / "accounts.csv").write_text("pool,hospitl,kind,amount\nemployee,H1,advance,1.005\n", encoding="utf-8")
    with pytest.raises(ClaimsError, match=r"accounts\.csv:2:hospital: must not be empty"):
        cleared(city, tables=TableFiles(accounts=city / "accounts.csv"))
    (city / "accounts.csv").write_text("pool,hospital,kind,amount\nemployee,H1,,1.005\n", encoding="utf-8")
    with pytest.raises(ClaimsError) as caught:
        cleared(city, tables=TableFiles(accounts=city / "accounts.csv"))
    assert "accounts.csv:2:kind: must not be empty" in str(caught.value)
    assert "accounts.csv:2:amount: '1.005' must be an amount of yuan" in str(caught.value)


def test_calibration_from_grouped_claims(city: Path) -> None:
    summary = run_calibration(
        CalibrationRequest(
            claims=ClaimsInput([city / "claims.csv"], "delimited"),
            scheme=load_scheme("chs-drg-2.0"),
            policy=city / "policy.toml",
            out=city / "measured.csv",
            grouped=[city / "grouped.parquet"],
        )
    )
    # c1 was refunded: c2 and c3 are left, 21,000 and 10,000 with mean 15,500
    assert (summary["base_cases"], summary["mean_all"]) == (2, "15500.00")
    with (city / "measured.csv").open(encoding="utf-8") as file:
        rows = {row["group"]: row for row in csv.DictReader(file)}
    assert (rows["A1"]["weight"], rows["A2"]["weight"]) == ("0.6452", "1.3548")
    assert (rows["A1"]["mean_charge_3"], rows["A1"]["previous"], rows["A1"]["change"]) == (
        "10000.00",
        "1.0000",
        "-0.3548",
    )
    assert stat.S_IMODE((city / "measured.csv").stat().st_mode) == 0o600


def test_commands_print_a_summary_or_json(city: Path) -> None:
    app = typer.Typer()
    for command in (price, clear, calibrate):
        app.command(command.__name__)(command)
    runner = CliRunner()
    given = [str(city / "grouped.parquet"), "--claims", str(city / "claims.csv"), "--map", "delimited"]
    policy = ["--policy", str(city / "policy.toml")]
    for month in ("2026-10", "2026-11"):
        done = runner.invoke(
            app, ["price", *given, *policy, "--month", month, "--out", str(city / month), "--lang", "en"]
        )
        assert done.exit_code == 0, done.output
        assert "cases priced" in done.output
    folders = [str(city / "2026-10"), str(city / "2026-11")]
    done = runner.invoke(app, ["clear", *folders, *policy, "--year", "2026", "--out", str(city / "y"), "--lang", "zh"])
    assert "清算" in done.output
    assert "30000.00" in done.output
    done = runner.invoke(
        app, ["clear", *folders, *policy, "--year", "2026", "--out", str(city / "y"), "--through", "2026-11", "--json"]
    )
    assert json.loads(done.stdout)["stage"] == "quarterly"
