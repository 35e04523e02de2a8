"""What is printed is what the data say: brackets are no markup."""

from pathlib import Path

import pytest
import typer

from engine.cli.claims import check


def test_file_names_with_brackets_are_printed_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    claims = tmp_path / "a[bold].csv"
    claims.write_text("case_id,sex,age,diagnoses\n1,1,old,K80.302\n", encoding="utf-8")
    with pytest.raises(typer.Exit):
        check([claims], column_map="delimited")
    assert "a[bold].csv:2" in capsys.readouterr().out
