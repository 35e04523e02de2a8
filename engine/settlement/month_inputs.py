"""What goes into a month's batch: its files with their digests, tables beside the claims, and what tells it apart."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from engine.case_groups import Groupers
from engine.claims import CheckPolicy, Claims
from engine.claims.pseudonyms import pseudonyms
from engine.fee_lines import read_fee_lines
from engine.provenance import input_files
from engine.settlement.contents import digest_of
from engine.settlement.intake import INTAKES
from engine.settlement.known import Known
from engine.settlement.ledger import Ledger
from engine.settlement.policy_files import policy_files
from engine.tables import read_checked
from grouper.fault import Text, UserError
from rules.policy.resolve import Policy
from rules.policy.shipped import policy_file

_FINGERPRINT = "drgdip ledger"
Hash = Callable[[pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True)
class SettlementRequest:
    """What a run is asked to do. month, book_in: year × 100 + month; scheme overrides the policy's."""

    claims: Sequence[Path]
    policies: Sequence[str | Path]
    month: int
    ledger: Path
    scheme: str | None = None
    column_map: str | Path | None = None
    diagnosis_table: Path | None = None
    procedure_table: Path | None = None
    fee_lines: Path | None = None
    decisions: Path | None = None
    deductions: Path | None = None
    book_in: int | None = None
    hash_key: bytes | None = None
    checks: CheckPolicy = field(default_factory=CheckPolicy)
    by: str | None = None

    def hashed(self, table: pl.DataFrame) -> pl.DataFrame:
        """Return a table that names cases with the ids that the claims get."""
        if self.hash_key is None:
            return table
        ids = pseudonyms(table["case_id"].to_arrow().cast("string"), self.hash_key)
        return table.with_columns(pl.Series("case_id", ids))

    @property
    def fingerprint(self) -> str | None:
        """What tells the key that hashes ids from others, None for plain ids."""
        if self.hash_key is None:
            return None
        return str(self.hashed(pl.DataFrame({"case_id": [_FINGERPRINT]}))["case_id"][0])

    @property
    def options(self) -> dict[str, Any]:
        """The options that bear on the result."""
        return {
            "scheme": self.scheme,
            "map": str(self.column_map or "canonical"),
            "checks": dict(sorted(self.checks.actions.items())),
            "hashed_ids": self.fingerprint,
        }


def files_of(request: SettlementRequest, claims: Claims, policies: Sequence[Policy]) -> list[dict[str, Any]]:
    """Return role, file, bytes and sha256 of every file that goes in; policies by their full path."""
    named = [(policy_file(name).absolute(), policy) for name, policy in zip(request.policies, policies, strict=True)]
    fee_lines = request.fee_lines
    of_role: dict[str, Sequence[Path | None]] = {
        "claims": [source.path for source in (*claims.sources, *(s for table in claims.tables for s in table.sources))],
        "policy": [file for file, _ in named],
        "table": list(dict.fromkeys(path for file, policy in named for path in policy_files(file, policy)[1:])),
        "map": [Path(str(request.column_map))],
        "fee_lines": sorted(fee_lines.glob("*.parquet")) if fee_lines and fee_lines.is_dir() else [fee_lines],
        "decisions": [request.decisions],
        "deductions": [request.deductions],
    }
    given = [(role, path) for role, paths in of_role.items() for path in paths if path is not None and path.is_file()]
    return [{"role": role, **row} for role, path in given for row in input_files([path])]


def batch_digest(
    request: SettlementRequest, files: Sequence[Mapping[str, Any]], groupers: Groupers, known: Known
) -> str:
    """Return what tells a batch from every other: its month, files, schemes, options, and what the ledger adds."""
    return digest_of(
        "month",
        known.month,
        sorted((file["role"], file["sha256"]) for file in files),
        {name: grouper.digest for name, grouper in groupers.items()},
        request.options,
        known.digest(),
    )


@dataclass(frozen=True)
class Tables:
    """Tables that were given beside the claims, checked, their cases named as the claims are."""

    decisions: pl.DataFrame | None
    deductions: pl.DataFrame | None
    fee_lines: pl.DataFrame | None


def read_tables(request: SettlementRequest, ledger: Ledger) -> Tables:
    """Read decisions, deductions and fee lines. UserError carries the faults of all of them."""
    faults: list[Text] = []
    found: dict[str, pl.DataFrame | None] = {}
    for kind, path in (("decisions", request.decisions), ("deductions", request.deductions)):
        found[kind] = None
        if path is not None:
            intake = INTAKES[kind]  # type: ignore[index]  # both are kinds of batches
            rows, wrong = read_checked(path, intake.columns)
            rows = request.hashed(rows)
            found[kind] = rows
            faults += [*wrong, *intake.faults(ledger, path, rows)]
    if faults:
        raise UserError(faults)
    fee_lines = read_fee_lines(request.fee_lines)
    return Tables(**found, fee_lines=None if fee_lines is None else request.hashed(fee_lines))


def latest(rows: pl.DataFrame, newer: pl.DataFrame | None, keys: Sequence[str]) -> pl.DataFrame:
    """Return rows, with those that newer ones replace replaced."""
    if newer is None:
        return rows
    same = [pl.col(name).cast(dtype) for name, dtype in rows.schema.items()]
    return pl.concat([rows.join(newer, on=keys, how="anti"), newer.select(same)])
