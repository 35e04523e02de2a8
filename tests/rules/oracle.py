"""What the reference pays, case by case, as a frame to compare with."""

from collections import defaultdict
from decimal import Decimal
from fractions import Fraction
from typing import Any

import polars as pl

from rules.money import round_decimals, round_fen
from rules.payment.case_payment import SHOWN_DECIMALS, Given
from rules.payment.discharge import Discharge
from rules.payment.figures import Figures, classifying_value, start_value
from rules.payment.reference import price
from rules.policy.model import Rules
from rules.policy.resolve import Policy
from rules.policy.tables import load_tables

KIND_OF_CLASS = {
    "western_drugs": "drug",
    "herbal_pieces": "drug",
    "chinese_patent_drugs": "drug",
    "consumables": "consumable",
}
TCM = {"tcm_treatment", "chinese_patent_drugs", "herbal_pieces"}
TCM_BASE = TCM | {"treatment", "western_drugs", "surgery", "consumables"}


def expected(cases: pl.DataFrame, policy: Policy, given: Given) -> pl.DataFrame:
    """Pay every case by the reference; its inputs are gathered here in plain Python."""
    resolved = policy.on(policy.valid[0])
    rules, tables = resolved.rules, load_tables(policy, resolved)
    figures = Figures(rules, tables)
    lines = defaultdict(list)
    for line in given.fee_lines.iter_rows(named=True) if given.fee_lines is not None else ():
        lines[line["case_id"]].append(line)
    verdicts = {} if given.decisions is None else {row[0]: (row[1], row[2]) for row in given.decisions.iter_rows()}
    claims = cases.to_dicts()
    gaps, tops = stay_gaps(claims), top_lines(claims, rules)
    rows = []
    for claim in claims:
        pool = next(pool for pool in rules.pools if claim["insurance_type"] in pool.insurance_types)
        month = claim["settled"].strftime("%Y-%m")
        value = start_value(pool, month, rules.money.value)
        case = Discharge(
            claim=claim,
            pool=pool,
            value=value,
            classifying_value=classifying_value(rules, pool, month, value),
            subtypes=tuple(claim["subtypes"]),
            cost_lines=tops.get((month, claim["group"]), {}),
            days_to_next=gaps[claim["case_id"]][0],
            days_since_last=gaps[claim["case_id"]][1],
            decision=verdicts.get(claim["case_id"]),
            at_clearing=given.at_clearing,
            **item_figures(lines[claim["case_id"]], rules),
        )
        paid = price(case, resolved, tables, telling=False, figures=figures)
        decimals = SHOWN_DECIMALS if rules.money.points is None else rules.money.points.decimals
        shown = round_decimals(
            paid.points, decimals, rules.money.mode if rules.money.points is None else rules.money.points.mode
        )
        rows.append(
            {
                "kind": paid.kind,
                "class": paid.case_class,
                "funding": paid.funding,
                "points": f"{Decimal(int(shown * 10**decimals)).scaleb(-decimals):f}",
                "standard": paid.standard,
                "extra": paid.extra,
                "separate": paid.separate,
                "formula_result": paid.formula_result,
                "adjustment": paid.adjustment,
                "official_result": paid.official_result,
                "exact": str(paid.points),
            }
        )
    return pl.DataFrame(rows, infer_schema_length=None)


def item_figures(lines: list[dict[str, Any]], rules: Rules) -> dict[str, Any]:
    """Return what a case's fee lines mean, item by item."""
    taken, separate, paid_for_taken = 0, Fraction(0), Fraction(0)
    new: dict[str, int] = defaultdict(int)
    tcm = base = 0
    for line in lines:
        amount = line["amount"]
        item = next((item for item in rules.separate_items if line["item_code"] in item.items), None)
        paid = Fraction(0)
        if item is not None and item.pay == "per_unit":
            paid = line["quantity"] * Fraction(item.per_unit or 0) * 100 * (-1 if item.sign == "deduct" else 1)
        elif item is not None:
            paid = amount * Fraction(1 if item.share is None else item.share) * (-1 if item.sign == "deduct" else 1)
        separate += paid
        if item is not None and item.taken_out:
            taken, paid_for_taken = taken + amount, paid_for_taken + paid
            continue
        if line["listed_new_item"]:
            new[KIND_OF_CLASS[line["item_class"]]] += amount
        tcm += amount if line["item_class"] in TCM else 0
        base += amount if line["item_class"] in TCM_BASE else 0
    return {
        "taken_out": taken,
        "separate": separate,
        "separate_taken": round_fen(paid_for_taken, rules.money.step, rules.money.mode),
        "new_items": {kind: cost for kind, cost in new.items() if cost} if rules.exclusion else {},
        "tcm_share": Fraction(tcm, base) if base else None,
        "items": frozenset(line["item_code"] for line in lines),
    }


def stay_gaps(claims: list[dict[str, Any]]) -> dict[str, tuple[int | None, int | None]]:
    """Return days to the next and since the last stay of the same person."""
    people = defaultdict(list)
    for row, claim in enumerate(claims):
        people[claim["person_id"]].append((claim["admitted"], claim["discharged"], row, claim["case_id"]))
    found: dict[str, tuple[int | None, int | None]] = {}
    for stays in people.values():
        stays.sort()
        for n, (admitted, discharged, _, case) in enumerate(stays):
            after = (stays[n + 1][0] - discharged).days if n + 1 < len(stays) else None
            before = (admitted - stays[n - 1][1]).days if n else None
            found[case] = (after, before)
    return found


def top_lines(claims: list[dict[str, Any]], rules: Rules) -> dict[tuple[str, str], dict[str, int]]:
    """Return the charge of the line of a top share, by month and group."""
    high = None if rules.case_class is None else rules.case_class.high
    if high is None or high.top_share is None:
        return {}
    charges = defaultdict(list)
    for claim in claims:
        charges[claim["settled"].strftime("%Y-%m"), claim["group"]].append(claim["total_charge"])
    lines = {}
    for key, found in charges.items():
        above = len(found) * Fraction(high.top_share)
        ranked = sorted(found, reverse=True)
        lines[key] = {"high": ranked[int(above)] if int(above) < len(ranked) else -1}
    return lines
