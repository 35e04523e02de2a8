"""A month settled: what is booked, what is written beside it, the same batch twice, tables, ids, the run file."""

import json
import stat
from pathlib import Path

import polars as pl
import pytest

from grouper.fault import UserError as ClaimsError
from tests.engine.settlement.conftest import Run
from tests.engine.settlement.town import (
    PART,
    REVIEW,
    ask,
    everything,
    faults_of,
    found_town,
    parts,
    payable,
    put,
    settle_month,
    stay,
    write_policy,
)

OCTOBER = [
    stay("c1", "2026-10-05", charge=9000),
    stay("c2", "2026-10-06", "BR29", "H2", 21000),
    stay("c3", "2026-10-07", "CZ19", "H2", 4000),
]


@pytest.fixture
def town(tmp_path: Path) -> Path:
    return found_town(tmp_path / "town")


def test_a_month_is_booked_in_one_batch(town: Path) -> None:
    summary = settle_month(town, "2026-10", OCTOBER)
    assert parts(town) == {"c1": PART, "c2": 2 * PART, "c3": PART // 2}
    assert payable(town) == {("2026-10", "2026-10", "H1"): PART, ("2026-10", "2026-10", "H2"): PART * 5 // 2}
    assert summary["rows"] == {
        "in": 3, "rejected": 0, "accepted": 3, "booked": 3, "held": 0, "merged": 0, "known": 0, "elsewhere": 0
    }  # fmt: skip
    head = "kind, month, version, booked_month, policy, scheme_override, rows_in, accepted, booked, made_by"
    assert ask(town, f"SELECT {head} FROM ledger_batch") == [
        ("month", "2026-10", 1, "2026-10", "two-hospitals", False, 3, 3, 3, "zhang")
    ]
    # 90 % prepaid, the rest held as deposit
    sums = ask(town, "SELECT sum(paid)::BIGINT, sum(deposit)::BIGINT, sum(cases)::BIGINT FROM ledger_booking")
    assert sums == [(PART * 35 // 10 * 9 // 10, PART * 35 // 10 // 10, 3)]
    assert ask(town, "SELECT pool, month, value, exact FROM ledger_value") == [("employee", "2026-10", 100, "100")]


def test_a_case_keeps_what_it_came_with_and_how_it_was_paid(town: Path) -> None:
    settle_month(town, "2026-10", OCTOBER)
    columns = "group_code, parent_code, group_name, scheme, status"
    assert ask(town, f"SELECT {columns} FROM ledger_case WHERE case_id = 'c2'") == [
        ("BR29", "BR2", "链球菌", str(town / "small"), "grouped")
    ]
    columns = "weight, points, standard, charge, booked, late, budget_year"
    assert ask(town, f"SELECT {columns} FROM ledger_case WHERE case_id = 'c2'") == [
        (2, 200, 20_000_00, 21_000_00, 14_700_00, "no", 2026)
    ]


def test_files_and_options_are_recorded(town: Path) -> None:
    settle_month(town, "2026-10", OCTOBER)
    roles = ask(town, "SELECT role, file FROM ledger_input ORDER BY ALL")
    assert roles == [
        ("claims", str(town / "claims-2026-10.csv")),
        ("policy", str(town / "policy.toml")),
        ("table", str(town / "weights.csv")),
    ]
    options = json.loads(ask(town, "SELECT options FROM ledger_batch")[0][0])
    assert options["map"] == "delimited"
    assert stat.S_IMODE((town / "city.duckdb").stat().st_mode) == 0o600


def test_the_ledger_of_a_settled_month_is_whole(town: Path) -> None:
    settle_month(town, "2026-10", OCTOBER)
    assert faults_of(town / "city.duckdb") == []


def test_the_same_batch_twice_changes_nothing(town: Path) -> None:
    first = settle_month(town, "2026-10", OCTOBER)
    before = everything(town / "city.duckdb")
    again = settle_month(town, "2026-10", OCTOBER)
    assert (first["new"], again["new"], again["batch"]) == (True, False, 1)
    assert everything(town / "city.duckdb") == before


def test_another_file_name_is_still_the_same_batch(town: Path) -> None:
    settle_month(town, "2026-10", OCTOBER)
    assert not settle_month(town, "2026-10", put(town, "renamed", OCTOBER))["new"]


def test_an_option_that_matters_makes_another_batch(town: Path) -> None:
    from engine.claims import CheckPolicy

    settle_month(town, "2026-10", OCTOBER)
    again = settle_month(town, "2026-10", OCTOBER, checks=CheckPolicy({"future_date": "off"}))
    assert (again["new"], again["month_version"], again["difference"]["payable"]) == (True, 2, 0)
    assert ask(town, "SELECT count(*) FROM ledger_booking WHERE batch = 2") == [(0,)]


def test_rejected_rows_stand_in_the_ledger_with_their_hospital(town: Path) -> None:
    bad = [
        stay("twice", "2026-10-08", hospital="H2"),
        stay("twice", "2026-10-08", hospital="H2"),
        stay("lost", "2026-10-09", hospital="H3", total_charge=""),
        stay("when", "2026-10-09", hospital="H4") | {"settled": "yesterday"},
        stay("never", "2026-10-09", hospital="H5") | {"settled": "", "insurance_type": ""},
    ]
    summary = settle_month(town, "2026-10", [*OCTOBER, *bad])
    rows = summary["rows"]
    assert (rows["in"], rows["rejected"], rows["booked"]) == (8, 5, 3)
    found = ask(town, "SELECT row, case_id, hospital_id, reason, message_en FROM ledger_reject ORDER BY row")
    assert [row[:4] for row in found] == [
        (5, "twice", "H2", "duplicate_case_id"),
        (6, "twice", "H2", "duplicate_case_id"),
        (7, "lost", "H3", "missing_value"),
        (8, "when", "H4", "unparsable_value"),
        (9, "never", "H5", "missing_value"),
    ]
    assert found[-1][4].endswith(": settled, insurance_type")
    assert summary["rejected_by_reason"] == {"duplicate_case_id": 2, "missing_value": 2, "unparsable_value": 1}
    # two rows lack something, one of them twice
    assert ask(town, "SELECT count FROM ledger_finding WHERE finding = 'missing_value' ORDER BY subject") == [
        (1,),
        (1,),
        (1,),
    ]


def test_ungrouped_cases_say_why(town: Path) -> None:
    write_policy(town, {"[month]": '[blank_group]\npay = "points"\nfactor = "0.5"\n\n[month]'})
    settle_month(town, "2026-10", [*OCTOBER, stay("z", "2026-10-08", diagnoses="Z00.000", charge=4000)])
    columns = "status, reason, group_code, case_class, fund_part"
    # 4,000 ÷ 10,000 × 100 points × 0.5, 100 yuan each, 70 %
    assert ask(town, f"SELECT {columns} FROM ledger_case WHERE case_id = 'z'") == [
        ("ungroupable", "no_adrg", None, "ungrouped", 1_400_00)
    ]


def test_another_scheme_than_the_policys_is_recorded(town: Path) -> None:
    from tests.grouper.scheme.small import replaced, write_pack

    other = write_pack(town / "other", sets=replaced("sets", "DI_BR1", ("DI_BR1", "G00.000 G00.100 G00.200")))
    settle_month(town, "2026-10", OCTOBER, scheme=str(other))
    assert ask(town, "SELECT scheme, scheme_override FROM ledger_batch") == [(str(other), True)]
    assert parts(town)["c2"] == PART


def test_decisions_given_with_the_month_act_and_are_kept(town: Path) -> None:
    write_policy(town, {"[month]": REVIEW})
    (town / "decisions.csv").write_text("case_id,decision,amount\nc1,by_item,\n", encoding="utf-8")
    settle_month(town, "2026-10", OCTOBER, decisions=town / "decisions.csv")
    assert ask(town, "SELECT case_class, standard FROM ledger_case WHERE case_id = 'c1'") == [("special", 9_000_00)]
    assert ask(town, "SELECT batch, case_id, decision, amount FROM ledger_decision") == [(1, "c1", "by_item", None)]
    # the decision stands when the month is settled anew without the file
    settle_month(town, "2026-10", [*OCTOBER, stay("c4", "2026-10-30")])
    assert ask(town, "SELECT standard FROM ledger_case WHERE case_id = 'c1' AND batch = 2") == [(9_000_00,)]


def test_deductions_that_act_in_the_month_come_off_it(town: Path) -> None:
    acts = 'deductions = { states = ["confirmed"], acts = "month", receives = "fund" }\ndeposit_release'
    write_policy(town, {"deposit_release": acts})
    (town / "deductions.csv").write_text(
        "case_id,hospital_id,pool,item,rule,amount,state,month_found,month_of_claim\n"
        "c1,H1,employee,bed,R1,500.00,confirmed,2026-10,2026-10\n"
        "c1,H1,employee,drug,R2,300.00,appealed,2026-10,2026-10\n"
        "c1,H1,employee,test,R3,200.00,confirmed,2026-11,2026-10\n",
        encoding="utf-8",
    )
    settle_month(town, "2026-10", OCTOBER, deductions=town / "deductions.csv")
    assert ask(town, "SELECT payable, deducted, paid FROM ledger_booking WHERE hospital_id = 'H1'") == [
        (PART, 500_00, PART * 9 // 10 - 500_00)
    ]
    # the one found in November waits for it
    settle_month(town, "2026-11", [stay("n1", "2026-11-03")])
    assert ask(town, "SELECT deducted FROM ledger_booking WHERE booked_month = '2026-11'") == [(200_00,)]


def test_faults_of_the_tables_are_named_together(town: Path) -> None:
    (town / "decisions.csv").write_text("case_id,decision,amount\nc1,maybe,\n", encoding="utf-8")
    (town / "deductions.csv").write_text(
        "case_id,hospital_id,pool,item,rule,amount,state,month_found,month_of_claim\n"
        "c1,H1,employee,bed,R1,-5.00,confirmed,2026-10,2026-10\n",
        encoding="utf-8",
    )
    with pytest.raises(ClaimsError) as caught:
        settle_month(town, "2026-10", OCTOBER, decisions=town / "decisions.csv", deductions=town / "deductions.csv")
    assert "decisions.csv:2:decision: 'maybe' is unknown" in str(caught.value)
    assert "deductions.csv:2:amount" in str(caught.value)
    assert not (town / "city.duckdb").exists()


def test_ids_are_hashed_in_all_tables_and_one_key_is_used_throughout(town: Path) -> None:
    write_policy(town, {"[month]": REVIEW})
    (town / "decisions.csv").write_text("case_id,decision,amount\nc1,by_item,\n", encoding="utf-8")
    key = b"a key of sixteen"
    settle_month(town, "2026-10", OCTOBER, hash_key=key, decisions=town / "decisions.csv")
    dump = repr(everything(town / "city.duckdb"))
    assert "person-c1" not in dump
    assert "'c1'" not in dump
    assert ask(town, "SELECT count(*) FROM ledger_case WHERE case_class = 'special'") == [(1,)]
    refund = stay("r1", "2026-11-02", charge=-9000, refund="1", original_case_id="c1")
    settle_month(town, "2026-11", [refund], hash_key=key)
    assert payable(town, "booked_month")["2026-11",] < 0
    before = everything(town / "city.duckdb")
    for other in (None, b"another key of 16"):
        with pytest.raises(ClaimsError, match="use the same --hash-ids key"):
            settle_month(town, "2026-12", [stay("d1", "2026-12-02")], hash_key=other)
    assert everything(town / "city.duckdb") == before


def test_cases_of_last_years_budget_are_told_apart_for_its_clearing(tmp_path: Path) -> None:
    years = {
        "valid = { from = 2026-01-01, to = 2026-12-31 }": "valid = { from = 2025-01-01, to = 2027-12-31 }",
        'budget_year = "settlement"': 'budget_year = "discharge"',
        "from = 2026-01-01, value": "from = 2025-01-01, value",
    }
    town = found_town(tmp_path / "town", years)
    january = [
        stay("old", "2027-01-04", "BR29", discharged="2026-12-30", admitted="2026-12-20"),
        stay("new", "2027-01-05", discharged="2027-01-05"),
    ]
    settle_month(town, "2027-01", january)
    rows = ask(town, "SELECT year, cases, points, payable, paid, deposit FROM ledger_booking ORDER BY year NULLS FIRST")
    assert rows == [
        (None, 1, 100, PART, PART * 9 // 10, PART // 10),
        (2026, 1, 200, 2 * PART, PART * 18 // 10, PART * 2 // 10),
    ]


def test_a_floating_month_is_paid_at_its_value_and_later_months_know_it(tmp_path: Path) -> None:
    floating = {
        'style = "ratio"\nfund_ratio_level = "pool"\nprepayment': (
            'style = "ratio"\nvalue = "floating"\nfund_ratio_level = "pool"\nprepayment'
        ),
        'at = "case"': 'at = "hospital_month"',
        'late_claim_value = "arrival"': 'late_claim_value = "settlement"',
    }
    town = found_town(tmp_path / "town", floating)
    # 30,000 ÷ 12 = 2,500 for 100 + 200 points at ρ = 0.7
    settle_month(town, "2026-10", OCTOBER[:2])
    assert sum(payable(town).values()) == 2_500_00
    exact = ask(town, "SELECT exact FROM ledger_value WHERE batch = 1")
    assert exact == [("250/21",)]
    late = stay("late", "2026-10-20", hospital="H2", received="2026-11-04")
    settle_month(town, "2026-11", [late, stay("n1", "2026-11-03")])
    # at October's value: 100 × 250/21 × 0.7
    assert parts(town)["late"] == 833_33


def test_two_schemes_in_one_month_each_with_its_weights(tmp_path: Path) -> None:
    from tests.grouper.scheme.small import replaced, write_pack

    town = found_town(tmp_path / "town")
    new = write_pack(town / "new", drg=replaced("drg", "BR19", ("BR1", "1", "BR11", "脑膜炎", "")))
    (town / "weights-new.csv").write_text("group,weight\nBR11,3\nBR29,2\n", encoding="utf-8")
    scheme = "values = [{ from = 2026-01-01, value = "
    weights = f'file = "weights.csv"\nscheme = "{town / "small"}"\nmean_all = "10000.00"\n'
    old = f'{{ from = 2026-01-01, file = "weights.csv", scheme = "{town / "small"}", mean_all = "10000.00" }}'
    later = f'{{ from = 2027-01-01, file = "weights-new.csv", scheme = "{new}", mean_all = "10000.00" }}'
    write_policy(
        town,
        {
            "valid = { from = 2026-01-01, to = 2026-12-31 }": "valid = { from = 2026-01-01, to = 2027-12-31 }",
            scheme: f'values = [{{ from = 2027-01-01, value = "{new}", reference = "illustrative" }}, {scheme[10:]}',
            weights: f"values = [{old}, {later}]\n",
        },
    )
    january = [
        stay("before", "2027-01-05", admitted="2026-12-20", discharged="2026-12-31"),
        stay("after", "2027-01-05", admitted="2026-12-28", discharged="2027-01-01"),
    ]
    settle_month(town, "2027-01", january)
    found = ask(town, "SELECT case_id, scheme, group_code, weight, fund_part FROM ledger_case ORDER BY ALL")
    assert found == [("after", str(new), "BR11", 3, 3 * PART), ("before", str(town / "small"), "BR19", 1, PART)]
    assert ask(town, "SELECT scheme FROM ledger_batch") == [(f"{new}, {town / 'small'}",)]


def test_stays_over_the_new_year_from_the_second_to_the_third_national_scheme(tmp_path: Path) -> None:
    """Z21.x00x001 is YR25 of 2.0, weight 0.8439, and XT35 of 3.0, weight 0.4875; a level-3 hospital has 1.10."""
    january = [
        stay("before", "2027-01-05", admitted="2026-12-20", discharged="2026-12-31", diagnoses="Z21.x00x001"),
        stay("after", "2027-01-05", admitted="2026-12-28", discharged="2027-01-01", diagnoses="Z21.x00x001"),
    ]
    settle_month(tmp_path, "2027-01", january, policies=["synthetic-city"])
    found = ask(tmp_path, "SELECT case_id, scheme, group_code, points::VARCHAR FROM ledger_case ORDER BY ALL")
    assert found == [("after", "chs-drg-3.0", "XT35", "53.62500000"), ("before", "chs-drg-2.0", "YR25", "92.82900000")]


def test_a_readmission_over_the_turn_of_the_month_is_seen(tmp_path: Path) -> None:
    back = (
        '[[kinds]]\nid = "back"\nname = { zh = "再入院", en = "back" }\nwhen = { returned_within = 10 }\n'
        'treatment = { pay = "factor", factor = "0.5" }\nreference = "illustrative"\n\n[month]'
    )
    town = found_town(tmp_path / "town", {"[month]": back})
    october = [stay(f"o{n}", f"2026-10-{n}", admitted=f"2026-10-{n - 2}", person_id=f"p{n}") for n in (20, 25, 28)]
    settle_month(town, "2026-10", october)
    november = [
        stay("near", "2026-11-08", admitted="2026-11-04", person_id="p25"),
        stay("far", "2026-11-08", admitted="2026-11-04", person_id="p20"),
        stay("r28", "2026-11-02", charge=-10000, refund="1", original_case_id="o28"),
        stay("refunded", "2026-11-08", admitted="2026-11-04", person_id="p28"),
    ]
    settle_month(town, "2026-11", november)
    kinds = dict(ask(town, "SELECT case_id, special_kind FROM ledger_case WHERE month = '2026-11' ORDER BY ALL"))
    # ten days after o25; the stay of p28 was taken back in the same month and counts for no sequence
    assert kinds == {"far": None, "near": "back", "r28": None, "refunded": None}
    assert parts(town)["near"] == PART // 2


def test_settling_equals_pricing_the_grouped_claims(tmp_path: Path, run: Run) -> None:
    """The first months of the synthetic city, month by month, by both ways."""
    city, ledger = tmp_path / "city", tmp_path / "city.duckdb"
    run("synth", "--claims", 6000, "--years", 2026, "--seed", 5, "--out", city)
    run("group", city / "claims", "--scheme", "chs-drg-2.0", "--out", tmp_path / "grouped")
    earlier: list[object] = []
    for month in ("2026-01", "2026-02", "2026-03"):
        out = tmp_path / month
        known = ["--claims", city / "claims", "--policy", "synthetic-city", "--month", month]
        run("price", tmp_path / "grouped", *known, *earlier, "--out", out)
        earlier += ["--earlier", out]
        run("settle", city / "claims" / f"{month}.parquet", *known[2:], "--ledger", ledger)
        priced = pl.read_parquet(out / "priced.parquet").select("case_id", "standard", "fund_part").sort("case_id")
        query = f"SELECT case_id, standard, fund_part FROM ledger_case WHERE month = '{month}' ORDER BY case_id"
        assert ask(tmp_path, query) == priced.rows()
        hospitals = pl.read_parquet(out / "hospital_months.parquet").sort("pool", "hospital_id")
        query = (
            f"SELECT payable, paid, deposit FROM ledger_booking WHERE of_month = '{month}' ORDER BY pool, hospital_id"
        )
        assert ask(tmp_path, query) == hospitals.select("payable", "paid", "deposit").rows()
    assert faults_of(ledger) == []


def test_the_command_says_what_became_of_every_row(town: Path, run: Run) -> None:
    file = put(town, "october", [*OCTOBER, stay("n1", "2026-11-03")])
    given = [
        "--policy",
        town / "policy.toml",
        "--month",
        "2026-10",
        "--ledger",
        town / "city.duckdb",
        "--map",
        "delimited",
    ]
    said = run("settle", file, *given, "--lang", "en")
    assert "4 rows in = 0 rejected + 4 accepted" in said
    assert "3 booked + 0 held + 0 merged + 0 known + 1 elsewhere" in said
    assert "as batch 1" in said
    assert "nothing was changed" in run("settle", file, *given, "--lang", "en")
    assert "没有任何改动" in run("settle", file, *given, "--lang", "zh")
    summary = json.loads(run("settle", file, *given, "--json", "--check", "future_date=off"))
    assert summary["month_version"] == 2


def test_a_run_file_holds_all_arguments_and_the_command_wins(town: Path, run: Run) -> None:
    put(town, "october", OCTOBER)
    put(town, "november", [stay("n1", "2026-11-03")])
    text = (
        'claims = "october.csv"\npolicy = ["policy.toml"]\nmonth = "2026-10"\nledger = "city.duckdb"\n'
        'map = "delimited"\nby = "li"\ncheck = ["future_date=off"]\n'
    )
    (town / "run.toml").write_text(text, encoding="utf-8")
    run("settle", "--run", town / "run.toml")
    run("settle", town / "november.csv", "--month", "2026-11", "--run", town / "run.toml", "--by", "wang")
    assert ask(town, "SELECT month, made_by FROM ledger_batch ORDER BY batch") == [
        ("2026-10", "li"),
        ("2026-11", "wang"),
    ]


def test_faults_of_a_run_file_are_named_together(town: Path, run: Run) -> None:
    (town / "run.toml").write_text('claim = ["x"]\nmonth = "2026-13"\nledger = 3\n', encoding="utf-8")
    said = run("settle", "--run", town / "run.toml", "--lang", "en", code=2)
    assert "claim: unknown key (did you mean claims?)" in said
    assert "month = '2026-13' must be a month such as 2026-10" in said
    assert "ledger = 3 must be the name of a file" in said
    assert "--policy is missing" in run("settle", "x.csv", "--lang", "en", code=2)


def test_the_shipped_run_file_names_every_key(tmp_path: Path) -> None:
    from engine.cli.settle import KEYS
    from engine.run_file import read_run

    shipped = Path(__file__).parents[3] / "docs" / "run.toml"
    lines = shipped.read_text(encoding="utf-8").splitlines()
    keys = {line.lstrip("# ").split(" = ")[0] for line in lines if " = " in line}
    assert keys == set(KEYS)
    whole = tmp_path / "run.toml"
    whole.write_text("\n".join(line.removeprefix("# ") for line in lines if " = " in line), encoding="utf-8")
    assert set(read_run(whole, KEYS)) == set(KEYS)
