"""drgdip group and explain as a user meets them: messages, exit codes, nothing half-written."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

DRGDIP = [sys.executable, "-c", "from engine.cli import main; main()"]


def drgdip(*arguments: object, lang: str = "en") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DRGDIP_LANG": lang}
    command = [*DRGDIP, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_group_prints_counts_that_add_up(city: Path, tmp_path: Path) -> None:
    ran = drgdip("group", city, "--scheme", "chs-drg-3.0", "--out", tmp_path / "out")
    assert ran.returncode == 0, ran.stderr
    numbers = [int(word.replace(",", "")) for word in ran.stdout.split() if word.replace(",", "").isdigit()]
    assert numbers[0] == numbers[1] + numbers[2]
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nowhere.parquet", "--scheme", "chs-drg-2.0", "--out", "out"], 2, ["nowhere.parquet: no such file"]),
        (["claims.parquet", "--scheme", "chs-drg-2.1", "--out", "out"], 2, ["no scheme 'chs-drg-2.1'", "chs-drg-2.0"]),
        (["cut.parquet", "--scheme", "chs-drg-2.0", "--out", "out"], 2, ["cut.parquet", "not a whole Parquet file"]),
        (["nodx.parquet", "--scheme", "chs-drg-2.0", "--out", "out"], 2, ["nodx.parquet: no column diagnoses"]),
        (["official.parquet", "--scheme", "chs-drg-2.0", "--out", "out"], 2, ["setl_id", "nhsa would fit"]),
        (["claims.parquet", "--scheme", "chs-drg-2.0", "--out", "full"], 3, ["full is not empty"]),
        (["claims.parquet", "--scheme", "chs-drg-2.0", "--out", "claims.parquet"], 3, ["is a file"]),
        (["claims.parquet", "--scheme", "chs-drg-2.0", "--out", "out", "--format", "xls"], 2, ["xlsx"]),
        (["claims.parquet", "--scheme", "chs-drg-2.0", "--out", "out", "--codes", "klinical"], 2, ["clinical"]),
        (["claims.parquet", "--scheme", "chs-drg-2.0", "--out", "out", "--check", "age_agree=warn"], 2, ["ages_agree"]),
        (["claims.parquet", "--scheme", "chs-drg-2.0", "--out", "out", "--keep", "nope"], 2, ["no column nope"]),
    ],
)
def test_bad_input_is_a_message_and_an_exit_code(
    city: Path, tmp_path: Path, arguments: list[str], code: int, words: list[str]
) -> None:
    claims = pl.read_parquet(city / "2026-01.parquet").select("case_id", "sex", "age", "diagnoses", "procedures")
    claims.write_parquet(tmp_path / "claims.parquet")
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "claims.parquet").read_bytes()[:9000])
    claims.drop("diagnoses").write_parquet(tmp_path / "nodx.parquet")
    claims.rename({"case_id": "setl_id", "sex": "gend"}).write_parquet(tmp_path / "official.parquet")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.docx").write_text("mine")
    command = [*DRGDIP, "group", *arguments]
    environment = {**os.environ, "DRGDIP_LANG": "en"}
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=environment)
    assert ran.returncode == code, ran.stderr
    assert all(word in ran.stderr for word in words), ran.stderr
    assert "Traceback" not in ran.stderr
    assert not (tmp_path / "out").exists()
    assert (tmp_path / "full" / "thesis.docx").read_text() == "mine"


def test_messages_follow_the_language(tmp_path: Path) -> None:
    ran = drgdip("group", "没有.parquet", "--scheme", "chs-drg-2.0", "--out", tmp_path / "out", "--lang", "zh")
    assert "文件不存在" in ran.stderr
    assert "must be zh or en" in drgdip("codes", "search", "K80", "--lang", "fr").stderr


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_runs_leave_the_former_result(city: Path, tmp_path: Path, how: signal.Signals) -> None:
    out = tmp_path / "out"
    assert drgdip("group", city / "2026-01.parquet", "--scheme", "chs-drg-2.0", "--out", out).returncode == 0
    before = (out / "summary.json").read_bytes()
    month = pl.read_parquet(city / "2026-01.parquet").select("case_id", "sex", "age", "diagnoses", "procedures")
    copies = pl.concat(month.with_columns(pl.col("case_id") + f"-{copy}") for copy in range(1000))
    copies.write_parquet(tmp_path / "large.parquet")
    running = subprocess.Popen(
        [*DRGDIP, "group", str(tmp_path / "large.parquet"), "--scheme", "chs-drg-2.0", "--out", str(out)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while running.poll() is None and not list(tmp_path.glob(".out.new-*")):
        time.sleep(0.01)
    running.send_signal(how)
    _, errors = running.communicate()
    assert running.returncode == 130, errors
    assert "interrupted; no result was written" in errors
    assert (out / "summary.json").read_bytes() == before
    assert not list(tmp_path.glob(".out.*"))


def test_what_killed_runs_left_is_removed_by_the_next(city: Path, tmp_path: Path) -> None:
    left = tmp_path / ".out.new-999999999"
    left.mkdir()
    assert (
        drgdip("group", city / "2026-01.parquet", "--scheme", "chs-drg-2.0", "--out", tmp_path / "out").returncode == 0
    )
    assert not left.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk_is_a_message() -> None:
    from engine.outputs.folder import cannot_write

    with pytest.raises(OSError, match="No space left") as caught, Path("/dev/full").open("w") as file:
        file.write("x")
    assert cannot_write(Path("out"), caught.value).text("en") == "out: no space left on the disk"


def test_explain_finds_a_case_in_claims(city: Path) -> None:
    case_id = pl.read_parquet(city / "2026-02.parquet")["case_id"].drop_nulls()[100]
    ran = drgdip("explain", city, "--case", case_id, "--scheme", "chs-drg-3.0", lang="zh")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("结果\n  方案：CHS-DRG 3.0版（chs-drg-3.0）")
    assert drgdip("explain", city, "--case", "nobody").stderr == "there is no case 'nobody'\n"
    assert "--dx" in drgdip("explain", city).stderr


def test_explain_takes_a_case_from_its_options() -> None:
    ran = drgdip(
        "explain", "--dx", "K80.302，J96.000", "--proc", "51.2300", "--sex", 1, "--age", 72, "--scheme", "chs-drg-3.0"
    )
    assert "DRG HC4F" in ran.stdout
    assert "without other diagnosis J96.000 → HC45" in ran.stdout


def test_codes_search_finds_by_code_and_by_name() -> None:
    assert "K80.302\t胆总管结石伴胆管炎" in drgdip("codes", "search", "k80.3").stdout
    assert "51.2300" in drgdip("codes", "search", "腹腔镜下胆囊切除术").stdout
    assert "no code or name" in drgdip("codes", "search", "qqqq").stdout


def test_sql_has_the_function_and_says_what_fails(city: Path) -> None:
    query = f"""
        SELECT drg('chs-drg-2.0', diagnoses, procedures, sex, age).status AS s, count(*) AS n
        FROM '{city}/*.parquet' GROUP BY ALL ORDER BY n DESC
    """
    ran = drgdip("sql", query, "--json")
    assert ran.stdout.startswith('[{"s":"grouped","n":'), ran.stderr
    ran = drgdip("sql", "SELECT nothing")
    assert ran.returncode == 2
    assert "the query failed" in ran.stderr


def test_help_lists_every_command() -> None:
    ran = drgdip("--help")
    assert all(name in ran.stdout for name in ("group", "explain", "check", "synth", "sql", "scheme", "codes"))
