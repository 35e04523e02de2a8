"""The settlement of a month: claims read, checked, grouped, priced, settled by hospital, booked in one batch."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from engine.case_groups import Groupers
from engine.case_sub_types import sub_type_rules
from engine.cases import COLUMNS
from engine.claims import Claims, open_claims
from engine.month_pricing import MonthPricing, dated, rules_of
from engine.provenance import program_versions
from engine.settlement.bookings import AMOUNTS, booking_rows, month_of_booking
from engine.settlement.known import Known
from engine.settlement.ledger import Batch, Head, Ledger, open_ledger
from engine.settlement.ledger_cases import case_rows
from engine.settlement.month_claims import MonthClaims, MonthReader
from engine.settlement.month_findings import Noted, finding_rows, notes_of
from engine.settlement.month_inputs import SettlementRequest, Tables, batch_digest, files_of, latest, read_tables
from engine.settlement.policy_rows import kind_rows, pool_rows
from engine.settlement.stay_parts import part_rows, read_parts, with_parts_taken_back
from engine.special_reviews import reviews_of, reviews_summary
from grouper.dip.subtypes import SubTypes
from grouper.fault import Text, UserError
from rules.money import exact_text
from rules.payment.case_payment import Given
from rules.payment.month import Month
from rules.payment.place import month_text, months
from rules.payment.special_kinds import needed_columns
from rules.payment.stays import budget_year, merge_parts
from rules.policy.model import Rules
from rules.policy.resolve import Policy, the_one_valid
from rules.policy.scheme_tables import last_with
from rules.policy.shipped import find_policy

StartProgress = Callable[[int | None], Callable[[int], None]]
MEMORY = "256MB"
"""What the ledger may keep in memory beside the month's frames, however many months it holds."""
PIECE = 200_000
"""Cases that are written at once: bounds what their copy for the ledger takes."""


def settle(request: SettlementRequest, start_progress: StartProgress | None = None) -> dict[str, Any]:
    """Settle a month into a ledger, which is made where there is none. Returns the summary.

    The same batch again changes nothing. `start_progress` is told the number of rows, where that is known, and returns
    what is told the rows done. Raises UserError for bad input and CannotWriteError for bad output; the ledger has the
    whole batch or nothing of it.
    """
    policies = [find_policy(name) for name in request.policies]
    rules_of(policies, request.month)
    with _ledger_of(request.ledger) as ledger:
        return _MonthRun(request, policies, ledger).run(start_progress)


@contextmanager
def _ledger_of(path: Path) -> Iterator[Ledger]:
    """Open the ledger; one that was made for a run that fails goes again, while nobody else can have opened it."""
    new = not path.exists()
    with open_ledger(path, create=True, memory=MEMORY) as ledger:
        try:
            yield ledger
        except BaseException:
            if new and ledger.next_batch() == 1:
                path.unlink()
            raise


@dataclass
class _Result:
    """What a run has to write."""

    found: MonthClaims
    pricing: MonthPricing
    settled: Month
    notes: list[Noted]


class _MonthRun:
    """One settlement on its way."""

    def __init__(self, request: SettlementRequest, policies: Sequence[Policy], ledger: Ledger) -> None:
        self.request, self.policies, self.ledger = request, policies, ledger
        self.month = month_text(request.month)
        self.first_day = date(request.month // 100, request.month % 100, 1)
        self.rules = rules_of(policies, request.month)
        self.known = Known(ledger, self.month)
        self.seconds: dict[str, float] = {}
        self._clock = time.perf_counter()

    def run(self, start_progress: StartProgress | None) -> dict[str, Any]:
        """Settle the month."""
        wanted = self.request.book_in
        booked_month = month_of_booking(self.known, None if wanted is None else month_text(wanted))
        self.refuse_other_ids()
        claims, groupers = self.open()
        files = files_of(self.request, claims, self.policies)
        digest = batch_digest(self.request, files, groupers, self.known)
        if (own := self.known.own) is not None and self.digest_of(own) == digest:
            return self.head_of_summary(own) | {"new": False}
        tables = read_tables(self.request, self.ledger)
        self.stage("open")
        found = self.reader(claims, groupers).read(start_progress(claims.row_count) if start_progress else None)
        self.stage("read and group")
        result = self.result(found, tables, booked_month)
        with self.ledger.batch(self.head(result, digest, booked_month), self.request.by) as batch:
            bookings = self.write(batch, result, groupers, booked_month)
            for kind, rows in (("decision", tables.decisions), ("deduction", tables.deductions)):
                batch.write(f"ledger_{kind}", pl.DataFrame() if rows is None else rows)
            batch.write("ledger_input", pl.DataFrame(files))
        self.stage("write")
        return self.summary(batch.number, result, bookings)

    def stage(self, name: str) -> None:
        """Book the time since the last stage."""
        now = time.perf_counter()
        self.seconds[name], self._clock = round(now - self._clock, 3), now

    def refuse_other_ids(self) -> None:
        """Refuse ids that are hashed otherwise than those of the ledger: no case would be known again."""
        others = [own for own in self.known.hashed_with() if own != self.request.fingerprint]
        if others:
            key = Text("账本中的编号未脱敏", "the ids of this ledger are not hashed")
            if others[0] is not None:
                key = Text("账本中的编号是用密钥脱敏的", "the ids of this ledger are hashed by a key")
            zh, en = "须始终使用同一 --hash-ids 密钥（或都不用）", "use the same --hash-ids key, or none, throughout"
            raise UserError(Text(f"{self.request.ledger}：{key.zh}；{zh}", f"{self.request.ledger}: {key.en}; {en}"))

    def digest_of(self, batch: int) -> str:
        """Return the digest of a batch that was made."""
        return str(self.ledger.rows("SELECT digest FROM ledger_batch WHERE batch = $batch", {"batch": batch}).item())

    def open(self) -> tuple[Claims, Groupers]:
        """Open the claims, and the groupers of all schemes that days up to the end of the month may ask for."""
        groupers = Groupers(self.sub_types)
        for name in self.schemes():
            groupers[name]  # makes it
        claims = open_claims(
            self.request.claims,
            needed=(*COLUMNS, *groupers.columns(), *self.extra()),
            required=("total_charge",),
            column_map=self.request.column_map,
            diagnosis_table=self.request.diagnosis_table,
            procedure_table=self.request.procedure_table,
            policy=self.request.checks,
            hash_key=self.request.hash_key,
        )
        return claims, groupers

    def schemes(self) -> list[str]:
        """Return the schemes that the policies name for days up to the end of the month, or the one named instead."""
        if self.request.scheme is not None:
            return [self.request.scheme]
        days = [(policy, day) for policy in self.policies for day in policy.starts if f"{day:%Y-%m}" <= self.month]
        return list(dict.fromkeys(policy.on(day).rules.scheme for policy, day in days))

    def scheme_of(self, day: date) -> str:
        """Return the scheme of a day."""
        return self.request.scheme or the_one_valid(list(self.policies), day).on(day).rules.scheme

    def sub_types(self, scheme: str) -> SubTypes | None:
        """Return the rules of sub-types of the policy that has a scheme's tables, or of the month."""
        own = the_one_valid(list(self.policies), self.first_day), self.first_day
        return sub_type_rules(*(last_with(self.policies, scheme) or own))

    def extra(self) -> list[str]:
        """Return the claim columns that special kinds look at beyond those every case has."""
        kinds = (kind for rules in self.all_rules() for kind in rules.kinds)
        return ["diagnoses"] if any("diagnoses" in needed_columns(kind.when) for kind in kinds) else []

    def all_rules(self) -> list[Rules]:
        """Return the rules of all days of the policies."""
        return [policy.on(day).rules for policy in self.policies for day in policy.starts]

    def reader(self, claims: Claims, groupers: Groupers) -> MonthReader:
        """Return what reads the claims."""
        kept = [*self.extra(), *(["subtypes"] if any(rules.auxiliary for rules in self.all_rules()) else [])]
        basis = self.rules.date_basis
        return MonthReader(claims, self.request.month, basis, self.scheme_of, groupers, self.known, kept)

    def result(self, found: MonthClaims, tables: Tables, booked_month: str) -> _Result:
        """Price and settle the claims; no frame outlives its use, for each is a good part of what a run may take."""
        decisions = latest(self.known.decisions(found.rows["case_id"]), tables.decisions, ["case_id"])
        given = Given(fee_lines=tables.fee_lines, decisions=decisions if decisions.height else None)
        known = self.known
        pricing = MonthPricing(
            self.request.month, self.policies, given, known.originals, known.values(), known.neighbours
        )
        priced = pricing.priced(self.merged(found))
        self.stage("price")
        deductions = latest(known.deductions(), tables.deductions, ["case_id", "item", "rule"])
        settled = pricing.settled(priced, deductions)
        del priced
        _check(found.counts, settled)
        self.stage("settle")
        return _Result(found, pricing, settled, self.notes(found, settled, booked_month))

    def merged(self, found: MonthClaims) -> pl.DataFrame:
        """Return the cases that the month books, with their dates for pricing; put the parts that are held aside."""
        rows, found.rows = found.rows, found.rows.clear()
        if not rows.height:
            raise UserError(Text(f"没有 {self.month} 的结算记录", f"there are no claims of {self.month}"))
        rows = with_parts_taken_back(rows, self.known.held)
        part = rows["part_of_stay"].fill_null(value=False)
        found.parts, last = rows.filter(part), rows["stay_id"].filter(~part)
        finished = self.known.held.filter(pl.col("stay_id").is_in(last.implode()))
        before, height = read_parts(finished["record"].to_list(), rows), rows.height
        merged = merge_parts(pl.concat([rows, before]) if before.height else rows)
        del rows
        held, booked = merged.held.height, merged.claims.height
        found.counts.update(held=held, from_ledger=before.height, booked=booked, merged=height - booked - held)
        return self.dated(merged.claims)

    def dated(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Add the month that books a case, the one whose value pays it, whether it is late, and its budget year.

        A late claim that does not say when it arrived has arrived in the month that sees it.
        """
        basis, late = self.rules.date_basis, rows["late"]
        booked = pl.repeat(self.request.month, rows.height, dtype=pl.Int32, eager=True)
        value = booked
        if late.any():
            seen = rows.filter(late).with_columns(pl.col("received").fill_null(self.first_day))
            value = booked.clone().scatter(late.arg_true(), months(seen, basis.late_claim_value))
        cleared = budget_year(rows, basis).is_in(list(self.known.cleared))
        kind = pl.when(cleared).then(pl.lit("prior_year")).when(late).then(pl.lit("late")).otherwise(pl.lit("no"))
        return dated(rows.drop("own", "late"), self.rules, booked, value).with_columns(
            kind.cast(pl.Categorical).alias("late")
        )

    def notes(self, found: MonthClaims, settled: Month, booked_month: str) -> list[Noted]:
        """Return what the run found beside the checks of claims."""
        notes = notes_of(found.counts, found.late, int((settled.cases["late"] == "prior_year").sum()))
        if self.known.own is None and any(month > self.month for month in self.known.present):
            notes.append(Noted("out_of_order", 1, self.month))
        if booked_month != self.month:
            notes.append(Noted("booked_elsewhere", 1, booked_month))
        return notes

    def head(self, result: _Result, digest: str, booked_month: str) -> Head:
        """Return what the batch says about itself."""
        query = "SELECT coalesce(max(version), 0) + 1 AS n FROM ledger_batch WHERE kind = 'month' AND month = $month"
        counts = result.found.counts
        return Head(
            kind="month",
            digest=digest,
            month=self.month,
            version=int(self.ledger.rows(query, {"month": self.month}).item()),
            booked_month=booked_month,
            policy=", ".join(policy.id for policy in self.policies),
            scheme=", ".join(result.settled.cases["scheme"].cast(pl.String).unique().sort()),
            scheme_override=self.request.scheme is not None,
            rows_in=counts["rows_in"],
            rejected=counts["rejected"],
            accepted=counts["rows_in"] - counts["rejected"],
            booked=counts["booked"],
            held=counts["held"],
            merged=counts["merged"],
            known=counts["known"],
            elsewhere=counts["elsewhere"],
            options=json.dumps(self.request.options, ensure_ascii=False),
        )

    def write(self, batch: Batch, result: _Result, groupers: Groupers, booked_month: str) -> pl.DataFrame:
        """Write what the run made; return the bookings."""
        settled, names = result.settled, {name: grouper.names for name, grouper in groupers.items()}
        for piece in settled.cases.iter_slices(PIECE):
            batch.write("ledger_case", case_rows(piece, names))
        batch.write("ledger_part", part_rows(result.found.parts))
        bookings = booking_rows(settled, self.rules, self.ledger, self.month, booked_month)
        batch.write("ledger_booking", bookings)
        batch.write("ledger_value", _value_rows(settled.cases, result.pricing))
        policy = the_one_valid(list(self.policies), self.first_day)
        batch.write("ledger_pool", pool_rows(settled.cases, policy, self.first_day))
        batch.write("ledger_kind", kind_rows(self.rules))
        batch.write("ledger_reject", result.found.rejects)
        batch.write("ledger_finding", finding_rows(result.found.findings, result.notes))
        return bookings

    def head_of_summary(self, batch: int) -> dict[str, Any]:
        """Return the part of the summary that says what was settled where."""
        return {
            "version": 1,
            "program": program_versions(),
            "ledger": str(self.request.ledger),
            "batch": batch,
            "month": self.month,
        }

    def summary(self, batch: int, result: _Result, bookings: pl.DataFrame) -> dict[str, Any]:
        """Return what the run says about itself; money in fen."""
        found, settled = result.found, result.settled
        counts, amounts = found.counts, [name for name in AMOUNTS if name != "points"]
        rows = {name: counts[name] for name in ("booked", "held", "merged", "known", "elsewhere")}
        pools = settled.hospitals.group_by("pool").agg(pl.len().alias("hospitals"), pl.col(amounts).sum()).sort("pool")
        value = {pool.id: result.pricing.values[pool.id, self.month] / 100 for pool in self.rules.pools}
        findings = finding_rows(found.findings, result.notes)
        own = self.ledger.rows("FROM ledger_batch WHERE batch = $batch", {"batch": batch}).to_dicts()[0]
        return self.head_of_summary(batch) | {
            "new": True,
            "month_version": own["version"],
            "booked_month": own["booked_month"],
            "policy": own["policy"],
            "scheme": own["scheme"],
            "rows": {"in": counts["rows_in"], "rejected": counts["rejected"], "accepted": own["accepted"], **rows},
            "rejected_by_reason": dict(found.rejects.group_by("reason").len().sort("reason").iter_rows()),
            "pools": [row | {"value": str(value[row["pool"]])} for row in pools.to_dicts()],
            "difference": {name: int(bookings[name].sum()) for name in amounts},
            "findings": findings.to_dicts(),
            "seconds": self.seconds,
            **reviews_summary(reviews_of(settled.cases, result.pricing.given.decisions)),
        }


def _check(counts: Mapping[str, int], settled: Month) -> None:
    """Prove that no row is lost and that cases add up to their hospitals, before anything is written."""
    accepted = counts["rows_in"] - counts["rejected"]
    if accepted != sum(counts[name] for name in ("booked", "held", "merged", "known", "elsewhere")):
        raise ArithmeticError(dict(counts))
    parts = settled.cases.group_by("pool", "hospital_id").agg(pl.col("fund_part").sum().alias("parts"))
    keys = pl.col("pool", "hospital_id").cast(pl.String)
    joined = settled.hospitals.with_columns(keys).join(parts.with_columns(keys), on=["pool", "hospital_id"], how="left")
    if not (joined["payable"] == joined["parts"].fill_null(0)).all():
        raise ArithmeticError(joined.filter(pl.col("payable") != pl.col("parts").fill_null(0)))


def _value_rows(cases: pl.DataFrame, pricing: MonthPricing) -> pl.DataFrame:
    """Return the point values that paid the cases as rows of ledger_value; yuan."""
    used = cases.select("pool", "value_month").unique().cast(pl.String).sort("pool", "value_month")
    values = {key: pricing.values[key] / 100 for key in used.iter_rows() if key in pricing.values}
    rows = [(*key, f"{float(value):.6f}", exact_text(value)) for key, value in values.items()]
    frame = pl.DataFrame(rows, dict.fromkeys(("pool", "month", "value", "exact"), pl.String), orient="row")
    return frame.with_columns(pl.col("value").cast(pl.Decimal(18, 6)))


__all__ = ["SettlementRequest", "settle"]
