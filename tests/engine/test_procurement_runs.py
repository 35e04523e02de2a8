"""Runs of procurement as a user makes them: files in, folder out, and what bad files are told."""

import json
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from engine.cli.app import app
from grouper.fault import UserError

PRODUCTS = """product,generic,min_unit,pack_unit,units_per_pack,agreement_factor
W1,A,片,盒,10,1
N1,A,片,盒,7,1
S1,K,片,盒,7,1
"""
WINNING = """batch,bid,product,region,role,price,price_unit,base_price,ceiling_price,valid_from,valid_to
5,B1,W1,R,main,3.20,盒,40.00,48.00,2026-01-01,2026-12-31
"""
AGREED = """batch,institution,bid,year,quantity,starts,ends
5,H1,B1,2026,1000,2026-01-01,2026-12-31
"""
PURCHASES = """机构,product,month,quantity,unit,amount,returned
H1,N1,2025-06,100,盒,4200.00,否
H1,S1,2025-06,10,盒,500.00,否
H1,W1,2026-02,105,盒,336.00,否
H1,W1,2026-03,-5,盒,-16.00,是
H1,N1,2026-02,10,盒,380.00,否
"""
MAP = '[purchases]\ninstitution = "机构"\n'
CHAIN = """institution,saving,adjustment,retained,fiscal,lost_markup,locked_in,drug_ratio,service_ratio
H1,1000,700,100,0,900,0,0.6,0.5
"""
PERIODS = ("--base", "2025-01:2025-12", "--current", "2026-01:2026-12")


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    names = {"products.csv": PRODUCTS, "winning.csv": WINNING, "agreed.csv": AGREED, "purchases.csv": PURCHASES}
    for name, text in {**names, "map.toml": MAP, "chain.csv": CHAIN}.items():
        (tmp_path / name).write_text(text, "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


TABLES = ("--products", "products.csv", "--winning", "winning.csv", "--map", "map.toml", "--lang", "en")


def run(*arguments: str) -> str:
    """Run a command and return what it prints."""
    found = CliRunner().invoke(app, ["procure", *arguments], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found.output


def refused(*arguments: str) -> str:
    found = CliRunner().invoke(app, ["procure", *arguments])
    assert isinstance(found.exception, Exception), found.output
    return str(found.exception)


def test_savings(files: Path) -> None:
    """W1: 1,000 tablets at 6 yuan of its name before, 320 after; N1: 70 tablets at 6, 380 after."""
    out = run(
        "savings", "purchases.csv", *TABLES, *PERIODS, "--agreed", "agreed.csv", "--out", "out", "--json"
    )  # fmt: skip
    summary = json.loads(out)
    assert json.loads((files / "out" / "summary.json").read_text("utf-8")) == summary
    found = {(one["method"], one["price_base"], one["perimeter"]): one for one in summary["measures"]}
    assert found["official", "winning_list_base", "winning"]["saving"] == "3680.00"
    assert found["official", "ceiling", "winning"]["saving"] == "4480.00"
    assert found["paasche", "weighted_prior", "winning"]["saving"] == "5680.00"
    assert found["paasche", "weighted_prior", "generic"]["saving"] == "5720.00"
    assert found["laspeyres", "weighted_prior", "generic"]["saving"] == "400.00"
    assert all(one["unit"] == "agreement_unit" for one in summary["measures"])
    factors = pl.read_csv(files / "out" / "factors.csv", infer_schema=False).row(1, named=True)
    assert (factors["volume"], factors["structure"], factors["price"]) == ("1.528571", "1.000000", "0.109034")
    assert (summary["purchases"], summary["unmapped_rows"]) == (5, 0)
    table = run("savings", "purchases.csv", *TABLES, *PERIODS, "--out", "out")
    assert "Paasche: quantities after" in table
    assert "weighted mean price before" in table


def test_parquet_and_csv_give_the_same(files: Path) -> None:
    frame = pl.read_csv("purchases.csv", infer_schema=False)
    frame.with_columns(
        pl.col("month").str.replace("-", "").cast(pl.Int32),
        pl.col("quantity").cast(pl.Int64),
        pl.col("amount").cast(pl.Decimal(18, 2)),
        pl.col("returned") == "是",
    ).write_parquet("purchases.parquet")
    for name in ("csv", "parquet"):
        run("savings", f"purchases.{name}", *TABLES, *PERIODS, "--out", name)
    for table in ("measures.csv", "factors.csv", "products.csv", "potential.csv"):
        assert (files / "csv" / table).read_bytes() == (files / "parquet" / table).read_bytes()
    frame.with_columns(pl.col("amount").cast(pl.Float64)).write_parquet("float.parquet")
    assert "float.parquet: amount: holds binary floats" in refused(
        "savings", "float.parquet", *TABLES, *PERIODS, "--out", "x"
    )


def test_completion(files: Path) -> None:
    out = run("completion", "purchases.csv", *TABLES, "--agreed", "agreed.csv", "--on", "2026-12-31", "--out", "out")
    assert "1 agreements, 1 completed, 0 behind time" in out
    row = pl.read_csv(files / "out" / "agreements.csv", infer_schema=False).row(0, named=True)
    assert (row["purchased"], row["amount"], row["completion"]) == ("1000.000000", "320.00", "1.000000")


def test_chain(files: Path) -> None:
    (files / "actual.csv").write_text(CHAIN.replace("700", "800"), "utf-8")
    out = run("chain", "chain.csv", "--actual", "actual.csv", "--out", "out", "--lang", "en")
    assert "planned: fund -150.00, patients -50.00, hospitals -100.00 yuan; they do not all hold; losing: H1" in out
    assert "actual: fund -100.00, patients 0.00, hospitals 0.00 yuan; all three hold" in out
    row = pl.read_csv(files / "out" / "differences.csv", infer_schema=False).filter(pl.col("line") == "adjustment")
    assert row.row(0) == ("H1", "adjustment", "700.00", "800.00", "100.00")


def test_bids_by_scenario(files: Path) -> None:
    rows = ["a,x,6,,1", "a,y,10,,1", "a,z,12,9,1", "b,x,6,,1", "b,y,10,,1", "b,z,12,11,1"]
    (files / "bids.csv").write_text("scenario,bid,price,accepts,shortlisted\n" + "\n".join(rows), "utf-8")
    found = json.loads(run("bid", "bids.csv", "--pack", "national-11", "--json"))["verdicts"]
    assert [one["outcome"] for one in found] == ["wins", "wins", "revived", "wins", "wins", "fused"]
    assert "declare deviation" in refused("bid", "bids.csv", "--pack", "national-12", "--lang", "en")


def test_retention(files: Path) -> None:
    (files / "own.toml").write_text(
        """id = "own"
title = { zh = "自有", en = "own" }
scope = "here"
[documents]
A = "a document"
[[rules]]
rule = "retention"
ceiling = "0.50"
keep = [{ score_from = "80", share = "0.50" }, { share = "0" }]
insured_share = "quantity"
floor_at = "drug"
nonwin_scope = "all"
reference = "A"
grade = "T"
""",
        "utf-8",
    )
    (files / "rows.csv").write_text(
        "batch,institution,drug,year,insurance_type,base_quantity,agreed_quantity,purchased_quantity,pre_price,"
        "agreed_amount,nonwin_all,pay_ratio,insured_quantity,score\n"
        "5,H1,D1,2026,310,100000,80000,80000,5.00,80000,20000,0.6,0.95,90\n",
        "utf-8",
    )
    summary = json.loads(run("retention", "rows.csv", "--pack", "own.toml", "--out", "out", "--json"))
    assert (summary["retained"], summary["worth_of_over_reporting"]) == ("114000.00", "28500.00")
    national = ("retention", "rows.csv", "--pack", "retention", "--on", "2026-01-01", "--out", "out", "--lang", "en")
    assert "does not state floor_at" in refused(*national)


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("purchases.csv", "105,盒", "105,瓶", ["1 rows have a unit without conversion (W1: 瓶)"]),
        (
            "purchases.csv",
            "-16.00,是",
            "-16.00,否",
            ["purchases.csv: returned: 1 rows are below zero without a return"],
        ),
        ("purchases.csv", "336.00", "336.001", ["purchases.csv:4:amount: '336.001' must be an amount of yuan"]),
        ("winning.csv", "main", "chief", ["winning.csv: winning list: role", "main, backup"]),
        ("winning.csv", "2026-01-01", "1/1/2026", ["winning.csv:2:valid_from: '1/1/2026' must be a day"]),
        ("map.toml", "institution", "institutio", ["map.toml: purchases: there is no institutio", "did you mean"]),
    ],
)
def test_bad_input(files: Path, file: str, old: str, new: str, says: Sequence[str]) -> None:
    text = (files / file).read_text("utf-8")
    (files / file).write_text(text.replace(old, new, 1), "utf-8")
    told = refused("savings", "purchases.csv", *TABLES, *PERIODS, "--out", "out")
    assert all(part in told for part in says)
    assert not (files / "out").exists()


def test_all_findings_before_completion_is_refused(files: Path) -> None:
    text = PURCHASES.replace("105,盒", "105,瓶").replace("H1,N1,2026", "H1,X9,2026").replace("-16.00,是", "-16.00,否")
    (files / "purchases.csv").write_text(text, "utf-8")
    told = refused(
        "completion", "purchases.csv", *TABLES, "--agreed", "agreed.csv", "--on", "2026-12-31", "--out", "out"
    )
    assert "1 rows: the product is not in the table of products (X9)" in told
    assert "1 rows: the unit of the quantity has no conversion (W1 · 瓶)" in told
    assert "1 rows: a quantity below zero without a return flag" in told


@pytest.mark.usefixtures("files")
def test_months_are_read() -> None:
    periods = ("--base", "2025-13", "--current", "2026-01")
    with pytest.raises(UserError, match="--base 2025-13: should be like 2026-01"):
        run("savings", "purchases.csv", *TABLES, *periods, "--out", "out")
