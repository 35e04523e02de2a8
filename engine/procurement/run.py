"""Runs of procurement: bids, completion, retention and the chain, from tables to a folder of results."""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from engine.outputs.printed import printed_yuan
from engine.procurement.tables import Names, in_yuan, of_file, read, write
from engine.tables import Column, Kind, cell_faults, read_table
from grouper.fault import Text, UserError
from rules.procurement.chain import MONEY, RESULTS, chain, planned_and_actual, verdict
from rules.procurement.checks import Finding, check
from rules.procurement.completion import completion, purchased, totals
from rules.procurement.packs import find_pack, rule_on
from rules.procurement.parameters import Anchor, DoubleDeviation, Pack, Progress, Retention, Shortlist, Thresholds
from rules.procurement.retention import KEYS, over_reporting, retention
from rules.procurement.shortlist import Offer, shortlist
from rules.procurement.tables import AGREED, PRODUCTS, PURCHASES, WINNING
from rules.procurement.winning import Bid, evaluate

PRICE = pl.Decimal(18, 6)
FATAL = {"unit_without_conversion", "negative_without_return"}
"""Findings with which nothing can be added up."""


def run_bids(bids: Path, pack: str, on: date | None, out: Path | None, lang: str) -> dict[str, Any]:
    """Judge a table of bids by a batch's rules, scenario by scenario; write it where asked. Returns the verdicts.

    Columns: bid, price (unit comparable price, yuan); optional scenario, offer, ceiling, accepts, volume, group
    (affiliated firms), shortlisted (otherwise by the pack's table).
    """
    found = find_pack(pack)
    day = on or (found.facts.opened if found.facts else None)
    if day is None:
        raise UserError(Text(f"{pack} 没有开标日：请写 --on", f"{pack} has no day of opening: give --on"))
    numbers = ["price", "offer", "ceiling", "accepts"]
    columns = [Column("bid"), *(Column(name, "number", optional=name != "price") for name in numbers)]
    columns += [Column("volume", "whole", optional=True), Column("group", optional=True)]
    columns += [Column("scenario", optional=True), Column("shortlisted", optional=True)]
    rows = read_table(bids, columns).with_columns(pl.col("scenario").fill_null(""))
    rule, listed = _winning_rule(found, day), _shortlist_rule(found, day, rows)
    verdicts = [
        verdict
        for part in rows.partition_by("scenario", maintain_order=True)
        for verdict in _judged(part.to_dicts(), rule, listed, lang)
    ]
    summary = {"pack": found.id, "on": str(day), "verdicts": verdicts}
    return summary if out is None else write(out, {"verdicts": pl.DataFrame(verdicts)}, summary, [bids])


def _winning_rule(pack: Pack, day: date) -> Thresholds | Anchor | DoubleDeviation:
    """Return the pack's winning rule on a day, of whatever kind."""
    held = [rule for rule in pack.rules if isinstance(rule, Thresholds | Anchor | DoubleDeviation) and rule.holds(day)]
    return held[0] if held else rule_on(pack, Thresholds, day)


def _shortlist_rule(pack: Pack, day: date, rows: pl.DataFrame) -> Shortlist | None:
    """Return the rule of the shortlist, None where the table says who is shortlisted."""
    return None if rows["shortlisted"].null_count() == 0 else rule_on(pack, Shortlist, day)


def _judged(
    rows: list[dict[str, Any]], rule: Thresholds | Anchor | DoubleDeviation, listed: Shortlist | None, lang: str
) -> list[dict[str, Any]]:
    """Return the verdicts on the bids of one scenario."""
    if listed is None:
        inside = {row["bid"]: row["shortlisted"].lower() in {"1", "true", "y", "yes", "是"} for row in rows}
    else:
        offers = [Offer(row["bid"], Decimal(row["price"]), row["group"] or "") for row in rows]
        inside = {place.bid: place.shortlisted for place in shortlist(listed, offers)}

    def number(cell: str | None) -> Decimal | None:
        return None if cell is None else Decimal(cell)

    bids = [
        Bid(
            row["bid"],
            Decimal(row["price"]),
            number(row["offer"]),
            number(row["ceiling"]),
            inside[row["bid"]],
            number(row["accepts"]),
            row["volume"] or 0,
        )
        for row in rows
    ]
    scenario = rows[0]["scenario"]
    return [
        {
            "scenario": scenario,
            "bid": one.bid,
            "outcome": one.outcome,
            "price": "" if one.price is None else f"{one.price:f}",
            "reason": one.reason.text(lang),
        }
        for one in evaluate(rule, bids).verdicts
    ]


@dataclass(frozen=True)
class CompletionRequest:
    """Tables of a completion run, its day, and the pack whose alert holds."""

    purchases: Path
    products: Path
    winning: Path
    agreed: Path
    out: Path
    on: date
    institutions: Path | None = None
    pack: str = "monitoring"
    names: Names = field(default_factory=dict)


def run_completion(request: CompletionRequest, lang: str) -> dict[str, Any]:
    """Set purchases against agreements; write agreements, bids and findings as a folder. Returns the summary."""
    paths = (request.purchases, request.products, request.winning, request.agreed)
    tables = (PURCHASES, PRODUCTS, WINNING, AGREED)
    bought, products, winning, agreed = (
        read(path, table, request.names) for path, table in zip(paths, tables, strict=True)
    )
    known = pl.concat([bought["institution"], agreed["institution"]])
    if request.institutions is not None:
        known = read_table(request.institutions, [Column("institution")])["institution"]
    found = check(bought, products, winning, agreed, known.unique())
    if FATAL & {one.name for one in found}:
        raise UserError([_said(one) for one in found])
    findings = [one._asdict() | {"text": one.text.text(lang), "examples": "; ".join(one.examples)} for one in found]
    alert = rule_on(find_pack(request.pack), Progress, request.on)
    with of_file(request.agreed):
        rows = completion(agreed, purchased(bought, products, winning), request.on, alert)
    by_bid = totals(rows, ["batch", "bid"])
    summary = {
        "on": str(request.on),
        "agreements": rows.height,
        "completed": int(rows["completed"].sum()),
        "behind": int(rows["behind"].sum()),
        "findings": findings,
    }
    schema = {"name": pl.String, "table": pl.String, "rows": pl.Int64, "examples": pl.String, "text": pl.String}
    written = {
        "agreements": in_yuan(rows, ["amount"]),
        "bids": in_yuan(by_bid, ["amount"]),
        "findings": pl.DataFrame(findings, schema=schema),
    }
    institutions = [] if request.institutions is None else [request.institutions]
    return write(request.out, written, summary, [*paths, *institutions])


def _said(found: Finding) -> Text:
    """Say a finding with its count and first rows."""
    first = "; ".join(found.examples)
    return Text(
        f"{found.table}：{found.rows} 行：{found.text.zh}（{first}）",
        f"{found.table}: {found.rows} rows: {found.text.en} ({first})",
    )


def run_retention(rows: Path, pack: str, scope: str, on: date, out: Path) -> dict[str, Any]:
    """Reckon retention row by row; write rows and institutions as a folder. Returns the summary.

    Columns: those of `rules.procurement.retention.retention`; amounts in yuan.
    """
    rule = rule_on(find_pack(pack), Retention, on, scope)
    kinds: dict[str, Kind] = dict.fromkeys(KEYS, "text")
    kinds |= {"year": "whole", "base_quantity": "whole", "agreed_quantity": "whole"}
    numbers = ["purchased_quantity", "pre_price", "agreed_amount", "pay_ratio", "score"]
    kinds |= dict.fromkeys([*numbers, f"insured_{rule.insured_share}"], "number")
    money = [f"nonwin_{rule.nonwin_scope}", *(["case_budget", "case_spend"] if rule.exclude_case_payment else [])]
    kinds |= dict.fromkeys(money, "yuan")
    if rule.insured_share is None or rule.nonwin_scope is None:
        retention(pl.DataFrame(), rule)  # says what the rule leaves open
    columns = [Column(name, kind, optional=name == "score") for name, kind in kinds.items()]
    table = read_table(rows, [*columns, Column("change", "number", optional=True)])
    table = table.with_columns(pl.col("change").fill_null("0"))
    table = _decimals(rows, table, [name for name, kind in kinds.items() if kind == "number"] + ["change"])
    with of_file(rows):
        kept = retention(table, rule)
    worth = over_reporting(table, rule).select("retained_if_agreed", "worth")
    kept = pl.concat([kept, worth], how="horizontal")
    by = ["institution", "insurance_type"]
    sums = kept.group_by(by).agg(pl.col("budget", "spend", "retained", "worth").sum()).sort(by)
    results = ["budget", "spend", "surplus", "retained", "retained_if_agreed", "worth"]
    summary = {
        "rows": kept.height,
        "reasons": dict(kept.group_by("reason").len().sort("reason").iter_rows()),
        "retained": printed_yuan(int(kept["retained"].sum())),
        "worth_of_over_reporting": printed_yuan(int(kept["worth"].sum())),
    }
    tables = {
        "rows": in_yuan(kept, [*money, *results]),
        "institutions": in_yuan(sums, ["budget", "spend", "retained", "worth"]),
    }
    return write(out, tables, summary, [rows])


def run_chain(
    planned: Path, out: Path, actual: Path | None = None, fund_limit: int = 0, tolerance: int = 0
) -> dict[str, Any]:
    """Reckon the chain of a plan, and what came of it beside it; write them as a folder. Returns the summary."""
    rows = _chain(planned)
    money = [*MONEY, *RESULTS, "break_even"]
    tables, inputs = {"institutions": in_yuan(rows, money)}, [planned]
    summary: dict[str, Any] = {"planned": _verdict(rows, fund_limit, tolerance)}
    if actual is not None:
        after = _chain(actual)
        summary["actual"] = _verdict(after, fund_limit, tolerance)
        both = planned_and_actual(rows, after)
        tables |= {"actual": in_yuan(after, money), "differences": in_yuan(both, ["planned", "actual", "difference"])}
        inputs.append(actual)
    return write(out, tables, summary, inputs)


def _chain(path: Path) -> pl.DataFrame:
    """Read the amounts of each institution (yuan) and its pay ratios, and reckon its chain."""
    ratios = ["drug_ratio", "service_ratio"]
    columns = [Column("institution"), *(Column(name, "yuan") for name in MONEY)]
    rows = _decimals(path, read_table(path, [*columns, *(Column(name, "number") for name in ratios)]), ratios)
    with of_file(path):
        return chain(rows)


def _verdict(rows: pl.DataFrame, fund_limit: int, tolerance: int) -> dict[str, Any]:
    """Return the verdict on all institutions together, amounts in yuan."""
    found = verdict(rows, fund_limit, tolerance)
    amounts = {name: printed_yuan(getattr(found, name)) for name in RESULTS}
    holds = {"fund_holds": found.fund_holds, "patients_hold": found.patients_hold, "losing": list(found.losing)}
    return amounts | holds | {"holds": found.holds}


def _decimals(path: Path, rows: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    """Return columns of numbers as decimals; more than six places are refused, since rounding would be silent."""
    long = Text("最多六位小数", "has at most six decimals")
    faults = [
        fault
        for name in columns
        for fault in cell_faults(path, rows[name], rows[name].str.contains(r"\.\d{6}\d*[1-9]"), long)
    ]
    if faults:
        raise UserError(faults)
    return rows.with_columns(pl.col(columns).cast(PRICE))
