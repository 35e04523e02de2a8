"""Months corrected: new versions, where their differences are booked, and every figure explained by the ledger."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
import pytest

from engine.settlement.ledger import open_ledger
from engine.settlement.states import Mark, mark, states
from rules.policy.shipped import folder as shipped_policies
from tests.engine.settlement.conftest import Run
from tests.engine.settlement.town import (
    PART,
    ask,
    faults_of,
    findings,
    found_town,
    parts,
    payable,
    settle_month,
    stay,
    write_policy,
)

OCTOBER = [stay("c1", "2026-10-05"), stay("c2", "2026-10-06", "BR29", "H2")]
CORRECTED = [stay("c1", "2026-10-05", "CZ19"), OCTOBER[1], stay("c3", "2026-10-08", hospital="H3")]
"""October with another group for c1 (half the weight) and a case more."""
LESS, MORE = -PART // 2, PART


@pytest.fixture
def town(tmp_path: Path) -> Path:
    """A town with October settled."""
    town = found_town(tmp_path / "town")
    settle_month(town, "2026-10", OCTOBER)
    return town


def move(town: Path, month: str, *names: str, hospitals: Sequence[str] = ()) -> None:
    """Mark a month's hospitals with some states in turn."""
    with open_ledger(town / "city.duckdb") as ledger:
        for name in names:
            mark(ledger, Mark(name, month, hospitals))


def later_months(town: Path, *months: str) -> None:
    for month in months:
        settle_month(town, month, [stay(f"m{month}", f"{month}-05")])


def differences(town: Path, batch: int) -> dict[tuple[str, ...], int]:
    query = (
        f"SELECT booked_month, of_month, hospital_id, payable FROM ledger_booking WHERE batch = {batch} ORDER BY ALL"
    )
    return {row[:-1]: row[-1] for row in ask(town, query)}


def test_a_new_version_books_what_it_changes_and_nothing_else(town: Path) -> None:
    summary = settle_month(town, "2026-10", CORRECTED)
    assert (summary["month_version"], summary["difference"]["payable"]) == (2, LESS + MORE)
    # H2 is as it was: no booking
    assert differences(town, 2) == {("2026-10", "2026-10", "H1"): LESS, ("2026-10", "2026-10", "H3"): MORE}
    assert parts(town) == {"c1": PART // 2, "c2": 2 * PART, "c3": PART}
    assert sum(payable(town).values()) == sum(parts(town).values())


def test_a_version_takes_the_place_of_the_one_before_but_both_stay(town: Path) -> None:
    settle_month(town, "2026-10", CORRECTED)
    assert ask(town, "SELECT batch, count(*) FROM ledger_case GROUP BY ALL ORDER BY ALL") == [(1, 2), (2, 3)]
    assert ask(town, "SELECT * FROM month_batches") == [("2026-10", 2)]
    assert faults_of(town / "city.duckdb") == []


def test_back_and_forth_ends_where_it_began(town: Path) -> None:
    settle_month(town, "2026-10", CORRECTED)
    settle_month(town, "2026-10", OCTOBER)
    assert payable(town) == {("2026-10", "2026-10", "H1"): PART, ("2026-10", "2026-10", "H2"): 2 * PART}
    assert differences(town, 3) == {("2026-10", "2026-10", "H1"): -LESS, ("2026-10", "2026-10", "H3"): -MORE}


def test_with_a_later_month_settled_the_last_month_books_the_difference(town: Path) -> None:
    later_months(town, "2026-11", "2026-12")
    summary = settle_month(town, "2026-10", CORRECTED)
    assert summary["booked_month"] == "2026-12"
    assert findings(summary) == {("booked_elsewhere", "2026-12"): 1}
    assert differences(town, 4) == {("2026-12", "2026-10", "H1"): LESS, ("2026-12", "2026-10", "H3"): MORE}
    assert payable(town, "booked_month") == {
        ("2026-10",): 3 * PART,
        ("2026-11",): PART,
        ("2026-12",): PART + LESS + MORE,
    }


def test_a_month_that_a_hospital_confirmed_is_left_alone(town: Path) -> None:
    move(town, "2026-10", "sent")
    move(town, "2026-10", "confirmed", hospitals=["H2"])
    assert settle_month(town, "2026-10", CORRECTED)["booked_month"] == "2026-11"
    # November is settled later beside what stands in it already
    later_months(town, "2026-11")
    assert payable(town, "booked_month, of_month") == {
        ("2026-10", "2026-10"): 3 * PART, ("2026-11", "2026-10"): LESS + MORE, ("2026-11", "2026-11"): PART
    }  # fmt: skip


def test_a_month_sent_or_disputed_is_computed_anew(town: Path) -> None:
    move(town, "2026-10", "sent")
    move(town, "2026-10", "disputed", hospitals=["H1"])
    assert settle_month(town, "2026-10", CORRECTED)["booked_month"] == "2026-10"
    with open_ledger(town / "city.duckdb") as ledger:
        # H2 was not touched and stays sent
        assert states(ledger, "2026-10") == {"H1": "computed", "H2": "sent", "H3": "computed"}


def test_the_month_after_the_last_books_where_that_is_confirmed(town: Path) -> None:
    later_months(town, "2026-11", "2026-12")
    move(town, "2026-12", "sent", "confirmed")
    assert settle_month(town, "2026-10", CORRECTED)["booked_month"] == "2027-01"


def test_an_open_month_may_be_named(town: Path) -> None:
    later_months(town, "2026-11", "2026-12")
    assert settle_month(town, "2026-10", CORRECTED, book_in=202611)["booked_month"] == "2026-11"


def test_a_value_corrected_afterwards(town: Path) -> None:
    later_months(town, "2026-11")
    start = 'start = { value = "100", unit = "charge_yuan" }'
    corrected = write_policy(town, {start: f'{start}, months = {{ "2026-10" = "110" }}'}, "corrected")
    summary = settle_month(town, "2026-10", OCTOBER, policies=[corrected])
    assert summary["difference"]["payable"] == 3 * PART // 10
    assert differences(town, 3) == {("2026-11", "2026-10", "H1"): PART // 10, ("2026-11", "2026-10", "H2"): PART // 5}
    assert ask(town, "SELECT value FROM ledger_value WHERE batch = 3") == [(110,)]


def test_refunds_of_a_corrected_month_take_back_the_present_version(town: Path) -> None:
    settle_month(town, "2026-10", CORRECTED)
    refund = stay("r1", "2026-11-05", charge=-10000, refund="1", original_case_id="c1")
    settle_month(town, "2026-11", [refund, stay("n1", "2026-11-06")])
    assert parts(town)["r1"] == -PART // 2


def test_the_month_of_a_refund_follows_when_its_original_was_corrected(town: Path) -> None:
    november = [stay("r1", "2026-11-05", charge=-10000, refund="1", original_case_id="c1"), stay("n1", "2026-11-06")]
    settle_month(town, "2026-11", november)
    settle_month(town, "2026-10", CORRECTED)
    assert parts(town)["r1"] == -PART
    # the same file is another batch now: what it depends on has changed
    again = settle_month(town, "2026-11", november)
    assert (again["new"], again["difference"]["payable"]) == (True, PART // 2)
    assert sum(payable(town).values()) == sum(parts(town).values())
    assert not settle_month(town, "2026-11", november)["new"]


def by_hospital(folder: Path) -> dict[tuple[str, str], int]:
    """Return the payable of a month as `drgdip price` reckoned it."""
    rows = pl.read_parquet(folder / "hospital_months.parquet").select("pool", "hospital_id", "payable").rows()
    return {(pool, hospital): amount for pool, hospital, amount in rows}


def test_refunds_resubmissions_and_a_corrected_value_are_all_explained(tmp_path: Path, run: Run) -> None:
    """January settled; in March 1 % of it comes back with other diagnoses; then February's value is corrected.

    What every batch must come to is reckoned apart, by pricing the grouped claims of each month.
    """
    city, ledger = tmp_path / "city", tmp_path / "city.duckdb"
    run("synth", "--claims", 24000, "--years", 2026, "--seed", 3, "--out", city)
    months = {f"2026-{n:02d}": pl.read_parquet(city / "claims" / f"2026-{n:02d}.parquet") for n in (1, 2, 3)}
    taken_back = pl.concat(months.values())["original_case_id"].drop_nulls().implode()
    plain = ~(pl.col("refund") | pl.col("part_of_stay") | pl.col("case_id").is_in(taken_back))
    returned = months["2026-01"].filter(plain).gather_every(100)
    diagnoses = months["2026-02"]["diagnoses"].head(returned.height)
    amounts = [name for name, dtype in returned.schema.items() if isinstance(dtype, pl.Decimal)]
    march = {"settled": pl.datetime(2026, 3, 20), "received": pl.date(2026, 3, 20)}
    refunds = returned.with_columns(
        pl.format("r{}", "case_id").alias("case_id"), pl.col("case_id").alias("original_case_id"),
        pl.lit(value=True).alias("refund"), *(-pl.col(name) for name in amounts), **march,
    )  # fmt: skip
    again = returned.with_columns(pl.format("n{}", "case_id").alias("case_id"), diagnoses.alias("diagnoses"), **march)
    files = tmp_path / "claims"
    files.mkdir()
    months["2026-03"] = pl.concat([months["2026-03"], refunds, again])
    for month, frame in months.items():
        frame.write_parquet(files / f"{month}.parquet")
    policy, corrected = policies(tmp_path)
    run("group", files, "--scheme", "chs-drg-2.0", "--out", tmp_path / "grouped")

    def priced(month: str, policy: Path, *earlier: str) -> dict[tuple[str, str], int]:
        given = [option for name in earlier for option in ("--earlier", tmp_path / f"priced-{name}")]
        out = tmp_path / (f"priced-{month}" if policy.parent.name == "plain" else f"corrected-{month}")
        claims = ["--claims", files, "--policy", policy, "--month", month, "--out", out]
        run("price", tmp_path / "grouped", *claims, *given)
        return by_hospital(out)

    expected = {
        1: priced("2026-01", policy),
        2: priced("2026-02", policy, "2026-01"),
        3: priced("2026-03", policy, "2026-01", "2026-02"),
    }
    expected[4] = minus(priced("2026-02", corrected, "2026-01"), expected[2])
    for month, policy_file in (("2026-01", policy), ("2026-02", policy), ("2026-03", policy), ("2026-02", corrected)):
        run("settle", files / f"{month}.parquet", "--policy", policy_file, "--month", month, "--ledger", ledger)
    # every batch booked what was reckoned apart, the correction in the last month settled
    for batch, amounts_of in expected.items():
        query = f"SELECT pool, hospital_id, payable, booked_month FROM ledger_booking WHERE batch = {batch}"
        found = ask(tmp_path, query)
        assert {row[:2]: row[2] for row in found if row[2]} == {key: own for key, own in amounts_of.items() if own}
        assert {row[3] for row in found} == {f"2026-0{min(batch, 3)}"}
    explain(tmp_path, returned["case_id"].to_list(), expected)
    assert faults_of(ledger) == []


def policies(folder: Path) -> tuple[Path, Path]:
    """Write the shipped policy, and the same with a lower value for the employees' February."""
    found = []
    for name, months in (("plain", ""), ("corrected", 'months = { "2026-02" = "150.00" }\n')):
        path = folder / name
        path.mkdir()
        for file in (shipped_policies() / "synthetic-city").iterdir():
            (path / file.name).write_bytes(file.read_bytes())
        text = (path / "policy.toml").read_text(encoding="utf-8")
        first = 'remainder = "reserve"\n'
        (path / "policy.toml").write_text(text.replace(first, f"{months}{first}", 1), encoding="utf-8")
        found.append(path / "policy.toml")
    return found[0], found[1]


def minus(one: Mapping[tuple[str, str], int], other: Mapping[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    return {key: one.get(key, 0) - other.get(key, 0) for key in {*one, *other}}


def explain(folder: Path, returned: list[str], expected: Mapping[int, Mapping[tuple[str, str], int]]) -> None:
    """Find every figure in the ledger alone."""
    # each refund takes back exactly what its original was paid, and its resubmission has a group of its own
    refunds = ask(
        folder,
        """
        SELECT o.case_id, r.fund_part + o.fund_part, r.points + o.points, n.case_id IS NOT NULL, n.month
        FROM ledger_case AS r JOIN ledger_case AS o ON o.case_id = r.original_case_id AND o.batch = 1
        LEFT JOIN ledger_case AS n ON n.case_id = 'n' || o.case_id
        WHERE r.batch = 3 AND r.sign < 0 AND r.case_id LIKE 'r%' ORDER BY ALL
        """,
    )
    assert refunds == [(case, 0, 0, True, "2026-03") for case in sorted(returned)]
    # what the correction booked is what its cases are paid less, all of it in the employees' pool
    paid_less = ask(
        folder,
        """
        SELECT n.pool, sum(n.fund_part - o.fund_part)::BIGINT FROM ledger_case AS n
        JOIN ledger_case AS o ON o.case_id = n.case_id AND o.batch = 2 AND n.batch = 4 GROUP BY ALL
        HAVING sum(n.fund_part - o.fund_part) <> 0
        """,
    )
    assert paid_less == [("employee", sum(expected[4].values()))]
    assert paid_less[0][1] < 0
    # the year so far is the sum of the months' present versions
    whole = sum(sum(amounts.values()) for amounts in expected.values())
    assert sum(parts(folder).values()) == sum(payable(folder).values()) == whole
