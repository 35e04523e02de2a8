"""drgdip ledger export: Parquet by month and the official interface names, read back."""

import json
import re
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from engine.cli.app import app
from engine.outputs.interfaces import export_interface, interfaces
from engine.outputs.parquet_export import VIEWS, export_parquet
from engine.settlement.ledger import read_ledger
from grouper.fault import UserError
from tests.engine.statements.conftest import City

OFFICIAL = {
    "3605": "setl_id drg_code drg_name adrg_code mdc_codg ccmcc grp_rslt err_info grp_ver grp_spec_ver "
    "place_grp_pay_std place_drg_codg drg_admdvs setl_ym grp_time",
    "3606": "setl_id insutype setl_time clr_optins insu_admdvs fixmedins_lv nuld_flag grp_stas dip_dise_grp_code "
    "dip_dise_grp_name grp_diag_code oprn_grp_code dise_list_type asst_list_flag asst_list_detl grp_dise_sco remarks",
    "9201": "clrYm insutype clrType clrTypeLv2 clrPsntime medfeeSumamt hiAgreSumfee fundAppySum dfrAmt detSumamt "
    "dpstSumamt sumamtDetSumamt actDfrAmt clrStas",
}


def test_official_names() -> None:
    assert set(interfaces()) == set(OFFICIAL)
    for name, fields in OFFICIAL.items():
        own = [field for field in interfaces()[name]["fields"] if field not in {"fixmedins_code", "pool"}]
        assert own == fields.split()


def test_parquet_by_month(city: City, tmp_path: Path) -> None:
    with read_ledger(city.ledger) as ledger:
        summary = export_parquet(ledger, tmp_path / "out")
        for view, months in summary["rows"].items():
            table = pl.read_parquet(tmp_path / "out" / view / "*" / "*.parquet", hive_partitioning=True)
            assert table.height == sum(months.values())
            assert "person_id" not in table.columns
        for view in ("cases", "hospital_months"):
            table = pl.read_parquet(tmp_path / "out" / view / "*" / "*.parquet", hive_partitioning=True)
            assert table.height == ledger.rows(f"SELECT count(*) FROM {view}").item()
        cases = pl.read_parquet(tmp_path / "out" / "cases" / "month=2026-03" / "cases.parquet")
        paid = ledger.rows("SELECT sum(payable) FROM hospital_months WHERE month = '2026-03'").item()
    assert cases["fund_part"].sum() == paid
    assert set(summary["rows"]) == set(VIEWS)
    texts = b"".join(file.read_bytes() for file in (tmp_path / "out").rglob("*.parquet"))
    assert not any(person.encode() in texts for person in list(city.people)[:200])


def test_one_month_alone(city: City, tmp_path: Path) -> None:
    with read_ledger(city.ledger) as ledger:
        export_parquet(ledger, tmp_path / "out", ["2026-02"])
        with pytest.raises(UserError, match="nothing of 2031-01; it has 2026-01, 2026-02, 2026-03"):
            export_parquet(ledger, tmp_path / "out", ["2031-01"])
    assert [path.name for path in (tmp_path / "out" / "cases").iterdir()] == ["month=2026-02"]


def test_hospital_months_9201(city: City, tmp_path: Path) -> None:
    with read_ledger(city.ledger) as ledger:
        export_interface(ledger, "9201", "2026-03", tmp_path / "out")
        own = ledger.rows(
            "SELECT sum(cases), sum(charge), sum(payable), sum(deposit), sum(paid) FROM ledger_booking "
            "WHERE booked_month = '2026-03'"
        ).row(0)
    table = pl.read_csv(tmp_path / "out" / "9201-2026-03.csv", infer_schema=False)
    sums = [
        table[name].cast(pl.Decimal(18, 2)).sum() * 100
        for name in ("medfeeSumamt", "dfrAmt", "dpstSumamt", "actDfrAmt")
    ]
    assert [table["clrPsntime"].cast(pl.Int64).sum(), *sums] == list(own)
    assert table["clrYm"].unique().to_list() == ["202603"]
    assert set(table["insutype"].unique()) == {"310", "390", None}


def test_cases_3605(city: City, tmp_path: Path) -> None:
    with read_ledger(city.ledger) as ledger:
        summary = export_interface(ledger, "3605", "2026-03", tmp_path / "out")
        count, ungrouped = ledger.rows(
            "SELECT count(*), count(*) FILTER (status <> 'grouped') FROM cases WHERE month = '2026-03'"
        ).row(0)
        with pytest.raises(UserError, match="paid by DRG; the interface 3606 reports results of DIP"):
            export_interface(ledger, "3606", "2026-03", tmp_path / "other")
        with pytest.raises(UserError, match=r"no interface 3601 \(did you mean"):
            export_interface(ledger, "3601", "2026-03", tmp_path / "other")
        with pytest.raises(UserError, match="2026-07 is not settled in this ledger; settled: 2026-01"):
            export_interface(ledger, "9201", "2026-07", tmp_path / "other")
    assert not (tmp_path / "other").exists()
    table = pl.read_csv(tmp_path / "out" / "3605-2026-03.csv", infer_schema=False)
    assert summary["files"] == {"3605-2026-03.csv": count}
    assert table.height == count
    assert table.filter(pl.col("grp_rslt") == "0").height == ungrouped
    grouped = table.filter(pl.col("grp_rslt") == "1")
    assert all(re.fullmatch(r"MDC[A-Z]", code) for code in grouped["mdc_codg"])
    assert set(grouped["ccmcc"]) <= set("13579")


def test_the_command(small: Path, tmp_path: Path) -> None:
    options = ["ledger", "export", "--ledger", str(small), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, [*options, "--month", "2026-10", "--json"])
    assert json.loads(result.stdout)["rows"]["cases"] == {"2026-10": 4}
    result = CliRunner().invoke(app, [*options, "--as", "9201"])
    assert isinstance(result.exception, UserError)
    assert "9201 needs one --month" in str(result.exception)


def test_the_page_lists_every_field() -> None:
    page = (Path(__file__).parents[3] / "docs" / "statements.md").read_text(encoding="utf-8")
    for name, interface in interfaces().items():
        table = page.split(f"### {name} ")[1].split("###")[0]
        shown = [line for line in table.splitlines() if line.startswith("| ")][1:]
        assert shown == [f"| {field} | {zh} / {en} |" for field, (_, zh, en) in interface["fields"].items()]
