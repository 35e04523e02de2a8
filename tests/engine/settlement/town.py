"""A town with a small scheme, settled by `settle` from claims files: figures for the head.

A case of weight w has w × 100 points at 100 yuan, and the pool has paid 70 % of every charge: the fund's part is
w × 7,000.00, whatever the charge.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from engine.settlement.ledger import read_ledger
from engine.settlement.month_inputs import SettlementRequest
from engine.settlement.month_run import settle
from engine.settlement.verify import verify
from tests.engine.money_city import COLUMNS, POLICY, claim
from tests.grouper.scheme.small import write_pack

REVIEW = """[special_case]
quota_share = "0.05"
quota_base = "region_discharges"
approved = ["by_item"]
rank_by = "loss"
candidates = "all_losses"
reference = "illustrative"

[month]"""
"""Special-case review, to be put before the policy's [month]."""
CODES = {"BR19": "G00.000", "BR29": "G00.200", "CZ19": "H25.000"}
WEIGHTS = "group,weight\nBR19,1\nBR29,2\nCZ19,0.5\n"
PART = 7_000_00
"""Fund part of a case of weight 1 (fen)."""


Claim = Mapping[str, str]


def stay(
    case: str, settled: str, group: str = "BR19", hospital: str = "H1", charge: int = 10000, **changes: str
) -> dict[str, str]:
    """A claim of a group; the charge in yuan."""
    return claim(case, hospital, settled, charge, diagnoses=CODES[group], person_id=f"person-{case}") | changes


def found_town(folder: Path, replaced: Mapping[str, str] | None = None) -> Path:
    """Write the scheme, the policy and its weights."""
    folder.mkdir(parents=True)
    write_pack(folder / "small")
    write_policy(folder, replaced)
    (folder / "weights.csv").write_text(WEIGHTS, encoding="utf-8")
    return folder


def write_policy(folder: Path, replaced: Mapping[str, str] | None = None, name: str = "policy") -> Path:
    """Write a policy that names the town's scheme; `replaced`: texts of the policy and what stands in their place."""
    text = POLICY.replace("chs-drg-2.0", str(folder / "small"))
    for old, new in (replaced or {}).items():
        assert old in text, old
        text = text.replace(old, new)
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def put(folder: Path, name: str, claims: Sequence[Claim]) -> Path:
    """Write a file of claims."""
    path = folder / f"{name}.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*COLUMNS, "person_id"])
        writer.writeheader()
        writer.writerows(claims)
    return path


def settle_month(folder: Path, month: str, claims: Sequence[Claim] | Path, **changes: Any) -> dict[str, Any]:
    """Settle a month into the town's ledger."""
    file = claims if isinstance(claims, Path) else put(folder, f"claims-{month}", claims)
    plain: dict[str, Any] = {
        "claims": [file],
        "policies": [folder / "policy.toml"],
        "month": int(month.replace("-", "")),
        "ledger": folder / "city.duckdb",
        "column_map": "delimited",
        "by": "zhang",
    }
    return settle(SettlementRequest(**(plain | changes)))


def ask(folder: Path, query: str) -> list[tuple[Any, ...]]:
    """Return what a query finds in the town's ledger."""
    with duckdb.connect(str(folder / "city.duckdb"), read_only=True) as connection:
        return connection.execute(query).fetchall()


def payable(folder: Path, by: str = "booked_month, of_month, hospital_id") -> dict[tuple[Any, ...], int]:
    """Return the payable of all bookings (fen) by some columns, those of 0 left out."""
    query = f"SELECT {by}, sum(payable)::BIGINT FROM ledger_booking GROUP BY ALL HAVING sum(payable) <> 0 ORDER BY ALL"
    return {row[:-1]: row[-1] for row in ask(folder, query)}


def parts(folder: Path) -> dict[str, int]:
    """Return the fund part (fen) of every case of the months' present versions."""
    return dict(ask(folder, "SELECT case_id, fund_part FROM ledger_case JOIN month_batches USING (batch) ORDER BY ALL"))


def findings(summary: Mapping[str, Any]) -> dict[tuple[str, str], int]:
    """Return how often each finding was made, by finding and subject; absent columns apart."""
    rows = [row for row in summary["findings"] if row["finding"] != "absent_column"]
    return {(row["finding"], row["subject"]): row["count"] for row in rows}


def everything(ledger: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows of all tables."""
    with duckdb.connect(str(ledger), read_only=True) as connection:
        names = [name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()]
        return {name: sorted(connection.execute(f"FROM {name}").fetchall(), key=repr) for name in names}


def faults_of(ledger: Path) -> list[str]:
    """Return what verifying a ledger finds wrong."""
    with read_ledger(ledger) as found:
        return [f"{check.name}: {place}" for check in verify(found) for place in check.failed]
