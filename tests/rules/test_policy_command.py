"""drgdip policy: list, show, check, test, diff, on good and on bad files."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engine.cli.policy import app
from rules.fault import UserError
from rules.policy.shipped import folder, shipped

RUNNER = CliRunner()


def run(*arguments: str, code: int = 0) -> str:
    result = RUNNER.invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result.output


def test_list() -> None:
    assert [one["id"] for one in json.loads(run("list", "--json"))] == shipped()
    assert "示例市按病组（DRG）付费政策" in run("list", "--lang", "zh")


def test_show_on_a_day() -> None:
    told = json.loads(run("show", "example-drg", "--on", "2027-02-01", "--json", "--lang", "en"))
    values = {one["key"]: one for one in told["values"]}
    assert told["on"] == "2027-02-01"
    assert values["scheme"]["value"] == "chs-drg-3.0"
    assert values["scheme"]["reference"] == "D"
    assert values["pools.employee.point_value.start.value"] == {
        "key": "pools.employee.point_value.start.value",
        "name": "value",
        "value": "54.2000",
        "unit": "yuan per point",
        "since": "2027-01-01",
        "reference": "illustrative",
    }
    printed = run("show", "example-dip", "--lang", "zh")
    assert "点值" in printed
    assert "元/点" in printed


@pytest.mark.parametrize("name", shipped())
def test_check_and_test_of_the_shipped(name: str) -> None:
    assert "no fault" in run("check", name, "--lang", "en")
    assert " 0 not" in run("test", name, "--lang", "en")


def test_check_of_bad_files(tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    text = (folder() / "example-drg" / "policy.toml").read_text("utf-8")
    bad.write_text(
        text.replace('style = "subtract"', 'style = "substract"').replace("[month]\n", "[month]\nratioo = 1\n"), "utf-8"
    )
    told = run("check", str(bad), "--lang", "en", code=1)
    assert "month.style: 'substract' is not one of the choices; did you mean subtract" in told
    assert "month.ratioo: unknown key" in told
    bad.write_text(text, "utf-8")
    assert "weights-2026.csv: there is no such file" in run("check", str(bad), "--lang", "en", code=1)
    assert "weights-2027.csv：没有这个文件" in run("check", str(bad), "--lang", "zh", code=1)


def test_examples_that_differ(tmp_path: Path) -> None:
    cases = tmp_path / "x.cases.toml"
    cases.write_text(
        '[[case]]\nwhat = "w"\nsource = "s"\nexpected = { standard = "1.00" }\n'
        'given = { pool = "employee", weight = "1", hospital_level = "2" }\n',
        "utf-8",
    )
    told = run("test", "example-drg", "--cases", str(cases), "--lang", "en", code=1)
    assert "✗ w  [s]\n    standard: expected 1.00, found 5383.81\n" in told
    [one] = json.loads(run("test", "example-drg", "--cases", str(cases), "--json", code=1))
    assert (one["passed"], one["results"][0]["found"]) == (False, "5383.81")
    assert isinstance(
        RUNNER.invoke(app, ["test", "example-drg", "--cases", str(tmp_path / "none.toml")]).exception, UserError
    )


def test_diff(tmp_path: Path) -> None:
    reform = tmp_path / "reform.toml"
    reform.write_text(
        'id = "r"\ntitle = { zh = "改", en = "R" }\nbaseline = "example-drg"\n'
        '[[change]]\nkey = "month.prepayment_ratio"\nfrom = 2026-07-01\nvalue = "0.90"\nreference = "illustrative"\n',
        "utf-8",
    )
    found = json.loads(run("diff", "example-drg", str(reform), "--json"))
    assert found == [
        {
            "key": "month.prepayment_ratio",
            "since": "2026-07-01",
            "until": "2026-12-31",
            "before": "0.95",
            "after": "0.90",
        },
        {
            "key": "month.prepayment_ratio",
            "since": "2027-01-01",
            "until": "2027-12-31",
            "before": "0.96",
            "after": "0.90",
        },
    ]
    assert "month.prepayment_ratio" in run("diff", "example-drg", str(reform), "--lang", "zh")
