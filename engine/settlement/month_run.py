"""The settlement of a month: claims read, checked, grouped, priced, settled by hospital, booked in one batch."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import polars as pl

from engine.case_groups import CaseGrouper, case_grouper, columns_of
from engine.cases import COLUMNS
from engine.claims import CheckPolicy, Claims, open_claims
from engine.month_pricing import DEDUCTIONS, MonthPricing, dated, given_tables, rules_of
from engine.provenance import input_files, program_versions
from engine.settlement.bookings import booked_before, booking_rows
from engine.settlement.known import Known, read_parts
from engine.settlement.ledger import Head, Ledger, open_ledger
from engine.settlement.ledger_cases import case_rows
from engine.settlement.month_claims import MonthClaims, MonthReader
from engine.settlement.policy_rows import kind_rows, pool_rows
from engine.tables import read_table
from rules.fault import Text, UserError
from rules.payment.month import Month
from rules.payment.place import month_text, months
from rules.payment.special_kinds import needed_columns
from rules.payment.stays import budget_year, merge_parts
from rules.policy.model import Rules
from rules.policy.resolve import Policy, the_one_valid
from rules.policy.shipped import find_policy

StartProgress = Callable[[int | None], Callable[[int], None]]


@dataclass(frozen=True)
class SettlementRequest:
    """What a run is asked to do. month: year × 100 + month; scheme overrides the policy's."""

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
    by: str | None = None
    checks: CheckPolicy = field(default_factory=CheckPolicy)


def settle(request: SettlementRequest, start_progress: StartProgress | None = None) -> dict[str, Any]:
    """Settle a month into a ledger, which is made where there is none. Returns the summary.

    `start_progress` is told the number of rows, where that is known, and returns what is told the rows done. Raises
    UserError for bad input and CannotWriteError for bad output; the ledger has the whole batch or nothing of it.
    """
    policies = [find_policy(name) for name in request.policies]
    with open_ledger(request.ledger, create=True) as ledger:
        return MonthRun(request, policies, ledger).run(start_progress)


@dataclass
class MonthRun:
    """One settlement on its way."""

    request: SettlementRequest
    policies: Sequence[Policy]
    ledger: Ledger

    def __post_init__(self) -> None:
        self.month = month_text(self.request.month)
        self.rules = rules_of(self.policies, self.request.month)
        self.known = Known(self.ledger, self.month)
        self.seconds: dict[str, float] = {}
        self._clock = time.perf_counter()

    def stage(self, name: str) -> None:
        """Book the time since the last stage."""
        now = time.perf_counter()
        self.seconds[name], self._clock = round(now - self._clock, 3), now

    def run(self, start_progress: StartProgress | None) -> dict[str, Any]:
        """Settle the month."""
        claims, groupers = self.open()
        inputs = input_files([source.path for source in claims.sources])
        self.stage("open")
        reader = MonthReader(
            claims, self.request.month, self.rules.date_basis, self.scheme_of, groupers, self.known, self.extra()
        )
        found = reader.read(start_progress(claims.row_count) if start_progress else None)
        self.stage("read and group")
        cases, held = self.merged(found)
        pricing = MonthPricing(
            self.request.month,
            self.policies,
            given_tables(self.request.fee_lines, self.request.decisions),
            self.known.originals,
            self.known.values(),
        )
        priced = pricing.priced(cases)
        self.stage("price")
        deductions = None if self.request.deductions is None else read_table(self.request.deductions, DEDUCTIONS)
        settled = pricing.settled(priced, deductions)
        self.stage("settle")
        batch = self.write(found, held, settled, pricing, groupers, inputs)
        self.stage("write")
        return self.summary(found, settled, pricing, batch)

    def open(self) -> tuple[Claims, dict[str, CaseGrouper]]:
        """Open the claims and the groupers of all schemes that the policies name."""
        names = [self.request.scheme] if self.request.scheme else list(dict.fromkeys(self.schemes()))
        groupers = {name: case_grouper(name) for name in names}
        claims = open_claims(
            self.request.claims,
            needed=(*COLUMNS, *columns_of(list(groupers.values())), *self.extra()),
            required=("total_charge",),
            column_map=self.request.column_map,
            diagnosis_table=self.request.diagnosis_table,
            procedure_table=self.request.procedure_table,
            policy=self.request.checks,
            hash_key=self.request.hash_key,
        )
        return claims, groupers

    def schemes(self) -> list[str]:
        """Return the schemes that the policies name."""
        return [policy.on(day).rules.scheme for policy in self.policies for day in policy.starts]

    def scheme_of(self, day: date) -> str:
        """Return the scheme of a day."""
        return self.request.scheme or the_one_valid(list(self.policies), day).on(day).rules.scheme

    def extra(self) -> list[str]:
        """Return the claim columns that special kinds look at beyond those every case has."""
        conditions = [
            kind.when for policy in self.policies for day in policy.starts for kind in policy.on(day).rules.kinds
        ]
        wanted = {name for when in conditions for name in needed_columns(when)}
        return ["diagnoses"] if "diagnoses" in wanted else []

    def merged(self, found: MonthClaims) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return the cases that the month books, with their dates for pricing, and the parts that are held."""
        rows = found.frame
        if not rows.height:
            raise UserError(Text(f"没有 {self.month} 的结算记录", f"there are no claims of {self.month}"))
        last = rows.filter(~pl.col("part_of_stay").fill_null(value=False))
        before = read_parts(self.known.parts(last["stay_id"]), rows)
        merged = merge_parts(pl.concat([rows, before]))
        found.counts["held"] = merged.held.height
        found.counts["from_ledger"] = before.height
        found.counts["booked"] = merged.claims.height
        found.counts["merged"] = rows.height - merged.claims.height - merged.held.height + before.height
        return self.dated(merged.claims), merged.held

    def dated(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Add the month that books a case, the one whose value pays it, whether it is late, and its budget year."""
        basis, month = self.rules.date_basis, self.request.month
        late = rows["late"]
        value = pl.repeat(month, rows.height, dtype=pl.Int32, eager=True)
        if late.any():
            value = value.scatter(late.arg_true(), months(rows.filter(late), basis.late_claim_value))
        cleared = budget_year(rows, basis).is_in(self.known.cleared_years())
        known = dated(rows.drop("own", "late"), self.rules, pl.repeat(month, rows.height, eager=True), value)
        prior = pl.when(late & cleared).then(pl.lit("prior_year")).when(late).then(pl.lit("late"))
        return known.with_columns(prior.otherwise(pl.lit("no")).alias("late"))

    def write(
        self,
        found: MonthClaims,
        held: pl.DataFrame,
        settled: Month,
        pricing: MonthPricing,
        groupers: Mapping[str, CaseGrouper],
        inputs: Sequence[Mapping[str, Any]],
    ) -> int:
        """Write the batch."""
        counts = found.counts
        head = Head(
            kind="month",
            digest=self.digest(inputs),
            month=self.month,
            version=self.version(),
            booked_month=self.month,
            policy=", ".join(policy.id for policy in self.policies),
            scheme=", ".join(groupers),
            scheme_override=self.request.scheme is not None,
            rows_in=counts["rows_in"],
            rejected=counts["rejected"],
            accepted=counts["rows_in"] - counts["rejected"],
            booked=counts["booked"],
            held=counts["held"],
            merged=counts["merged"],
            known=counts["known"],
            elsewhere=counts["elsewhere"],
        )
        names = {code: name for grouper in groupers.values() for code, name in grouper.names.items()}
        with self.ledger.batch(head, self.request.by) as batch:
            batch.write("ledger_case", case_rows(settled.cases, names))
            batch.write("ledger_part", part_rows(held, self.rules))
            bookings = booking_rows(settled.hospitals, booked_before(self.ledger, self.month), self.month, self.month)
            batch.write("ledger_booking", bookings)
            batch.write("ledger_value", value_rows(settled.cases, pricing))
            first = date(self.request.month // 100, self.request.month % 100, 1)
            policy = the_one_valid(list(self.policies), first)
            batch.write("ledger_pool", pool_rows(settled.cases, policy, first))
            batch.write("ledger_kind", kind_rows(policy.on(first).rules))
            batch.write("ledger_reject", found.rejects)
            batch.write("ledger_finding", finding_rows(found))
            batch.write("ledger_input", pl.DataFrame([{"role": "claims", **row} for row in inputs]))
            return batch.number

    def version(self) -> int:
        """Return the number of this version of the month."""
        query = "SELECT coalesce(max(version), 0) + 1 AS n FROM ledger_batch WHERE kind = 'month' AND month = $month"
        return int(self.ledger.rows(query, {"month": self.month}).item())

    def digest(self, inputs: Sequence[Mapping[str, Any]]) -> str:
        """Return what tells this batch from others."""
        said = {"month": self.month, "claims": sorted(row["sha256"] for row in inputs)}
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    def summary(self, found: MonthClaims, settled: Month, pricing: MonthPricing, batch: int) -> dict[str, Any]:
        """Return what the run says about itself."""
        counts = found.counts
        rows = {
            name: counts[name] for name in ("rows_in", "rejected", "booked", "held", "merged", "known", "elsewhere")
        }
        amounts = ("cases", "charge", "booked", "payable", "deducted", "paid", "deposit", "withheld")
        pools = settled.hospitals.group_by("pool").agg(pl.len().alias("hospitals"), pl.col(amounts).sum()).sort("pool")
        return {
            "version": 1,
            "program": program_versions(),
            "ledger": str(self.request.ledger),
            "batch": batch,
            "month": self.month,
            "rows": rows,
            "pools": [row | {"value": str(pricing.values[row["pool"], self.month] / 100)} for row in pools.to_dicts()],
            "seconds": self.seconds,
        }


def part_rows(held: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """Return held parts as rows of ledger_part."""
    if not held.height:
        return held.clear()
    own = months(held, rules.date_basis.month)
    return held.select(
        "case_id",
        "stay_id",
        "hospital_id",
        pl.Series("month", [month_text(month) for month in own]),
        "total_charge",
        pl.struct(pl.exclude("own", "late")).struct.json_encode().alias("record"),
    )


def value_rows(cases: pl.DataFrame, pricing: MonthPricing) -> pl.DataFrame:
    """Return the point values that paid the cases as rows of ledger_value."""
    used = cases.select(pl.col("pool", "value_month").cast(pl.String)).unique().sort("pool", "value_month")
    rows = []
    for pool, month in used.iter_rows():
        if (pool, month) in pricing.values:
            yuan = Fraction(pricing.values[pool, month], 100)
            rows.append({"pool": pool, "month": month, "value": f"{float(yuan):.6f}", "exact": str(yuan)})
    return pl.DataFrame(rows).with_columns(pl.col("value").cast(pl.Decimal(18, 6)))


def finding_rows(found: MonthClaims) -> pl.DataFrame:
    """Return findings as rows of ledger_finding."""
    rows = [
        {
            "finding": row["name"], "subject": row["column"], "count": row["count"], "message_zh": row["zh"],
            "message_en": row["en"],
        }
        for row in found.findings.to_json()
    ]  # fmt: skip
    return pl.DataFrame(rows)
