"""drgdip scheme: what each command prints, as tables and as JSON, in both languages."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.cli import main
from tests.grouper.scheme.small import SMALL, write_pack


class Command:
    """Runs the command line in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: object, code: int = 0) -> str:
        self._monkeypatch.setattr(sys, "argv", ["drgdip", "scheme", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        printed = self._capsys.readouterr()
        assert (stop.value.code or 0) == code, printed.err
        return printed.err if code else printed.out

    def data(self, *arguments: object) -> Any:
        return json.loads(self(*arguments, "--json"))


@pytest.fixture
def drgdip(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(monkeypatch, capsys)


def test_list(drgdip: Command) -> None:
    english, chinese = drgdip("list", "--lang", "en"), drgdip("list", "--lang", "zh")
    for scheme in ("beijing-drg-2022", "chs-drg-1.1", "chs-drg-2.0", "chs-drg-3.0", "dip-3.0"):
        assert scheme in english
        assert scheme in chinese
    assert "有效期" in chinese
    figures = [scheme["figures"] for scheme in drgdip.data("list")]
    assert [counts.get("drg_groups") or counts["groups"] for counts in figures][:5] == [696, 628, 634, 825, 5_125]


def test_show(drgdip: Command) -> None:
    assert "exclusions add EX_103 P22.100: 配置信息工作簿遗漏" in drgdip("show", "chs-drg-3.0", "--lang", "zh")
    shown = drgdip.data("show", "chs-drg-3.0")
    assert shown["head"]["valid"] == {"from": "2027-01-01"}
    assert len(shown["digest"]) == 64
    assert (shown["changes"][-1]["table"], shown["changes"][-1]["action"]) == ("exclusions", "add")
    assert shown["changes"][-1]["row"] == {"table": "EX_128", "codes": "S02.400"}


def test_check(drgdip: Command) -> None:
    assert "C85.900x008 MDCR" in drgdip("check", "chs-drg-3.0", "--lang", "en")
    findings = {finding["name"]: finding for finding in drgdip.data("check", "chs-drg-3.0")}
    assert findings["unknown_procedure"]["count"] == 80
    assert findings["unknown_procedure"]["text"].keys() == {"zh", "en"}


def test_export_and_import(drgdip: Command, tmp_path: Path) -> None:
    repeated = [(name, f"{codes} {codes}") for name, codes in SMALL["sets"]]
    small = write_pack(tmp_path / "small", sets=repeated)
    book, out = tmp_path / "book.xlsx", tmp_path / "imported"
    assert f"written to {book}" in drgdip("export", small, "--out", book, "--lang", "en")
    printed = drgdip("import", book, "--out", out, "--lang", "en")
    assert "code repeated in its set, kept as it is: 13" in printed
    assert "… 3 more (--all)" in printed
    assert drgdip.data("show", out)["digest"] == drgdip.data("show", small)["digest"]
    again = drgdip.data("import", book, "--out", tmp_path / "again")
    assert again["rows"]["集合"] == 26
    assert again["remarks"][0]["kind"] == "repeated"
    assert "exists and is not empty" in drgdip("import", book, "--out", out, "--lang", "en", code=2)


def test_diff(drgdip: Command) -> None:
    printed = drgdip("diff", "chs-drg-1.1", "beijing-drg-2022", "--lang", "zh")
    assert "adrg AH1 有创呼吸机支持≥96小时或ECMO或全人工心脏移植术 变更 rule ZYSS in OP_AH1 →" in printed
    assert "（--all）" in printed
    assert "（--all）" not in drgdip("diff", "chs-drg-1.1", "beijing-drg-2022", "--lang", "zh", "--all")
    assert drgdip.data("diff", "chs-drg-1.1", "beijing-drg-2022")["counts"]["drg"] == {
        "added": 277,
        "removed": 209,
        "changed": 102,
    }


def test_an_unknown_scheme_is_a_message(drgdip: Command) -> None:
    assert "did you mean chs-drg-3.0" in drgdip("check", "chs-drg-3", "--lang", "en", code=2)
    assert "没有分组方案" in drgdip("check", "chs-drg-3", "--lang", "zh", code=2)
