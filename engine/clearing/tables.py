"""Tables of a clearing, in fen: one row a hospital, its statement line by line, the pools' identities and budgets."""

from collections.abc import Mapping

import polars as pl

from rules.fault import Text
from rules.money import yuan_text
from rules.payment.budget import PoolBudget
from rules.payment.clearing import HospitalClearing
from rules.payment.clearing_statement import Identity, hospital_statement
from rules.payment.statement import Documents, Line
from rules.payment.year import PoolResult, payable_lines
from rules.policy.model import Rules

AMOUNTS = (
    "payable", "booked", "assessment_cut", "deductions", "total_control", "clearing", "pro_rata_cut", "overrun_borne",
    "pool_surplus", "deposit_held", "deposit_forfeited", "deposit_released", "outside_points", "vbp_retention",
    "prepaid", "advanced", "due", "amount",
)  # fmt: skip


def hospital_table(results: Mapping[str, PoolResult]) -> pl.DataFrame:
    """Return one row per pool and hospital."""
    rows = []
    for name, found in results.items():
        for h in found.cleared.hospitals:
            sums = found.points.shares[h.year.hospital].sums
            head = {
                "pool": name,
                "hospital": h.year.hospital,
                "cases": sums.cases,
                "points": f"{float(sums.points):.6f}",
            }
            rows.append(head | _amounts(h))
    return pl.DataFrame(rows)


def in_yuan(table: pl.DataFrame) -> pl.DataFrame:
    """Return a table of this module with its amounts as text in yuan."""
    amounts = pl.col(name for name in table.columns if name in AMOUNTS)
    return table.with_columns(amounts.map_elements(yuan_text, pl.String)) if table.height else table


def _amounts(h: HospitalClearing) -> dict[str, int]:
    """Return a hospital's amounts (fen)."""
    year = h.year
    return {
        "payable": round(year.payable),
        "booked": h.steps.booked,
        "assessment_cut": h.cut,
        "deductions": year.deductions,
        "total_control": year.control,
        "clearing": h.amount,
        "pro_rata_cut": h.reduction,
        "overrun_borne": h.borne,
        "pool_surplus": h.pool_share,
        "deposit_held": h.deposit_held,
        "deposit_forfeited": h.forfeited,
        "deposit_released": year.deposit - h.deposit_held - h.forfeited,
        "outside_points": year.paid_outside,
        "vbp_retention": year.vbp,
        "prepaid": year.prepaid,
        "advanced": year.advanced,
        "due": h.due,
    }


def statement_table(results: Mapping[str, PoolResult], rules: Rules, documents: Documents) -> pl.DataFrame:
    """Return every line of every hospital's statement."""
    rows = [
        {"pool": name, "hospital": h.year.hospital, "line": n, **_line(line)}
        for name, found in results.items()
        for h in found.cleared.hospitals
        for n, line in enumerate(_statement(found, h, rules, documents), start=1)
    ]
    return pl.DataFrame(rows)


def _statement(found: PoolResult, h: HospitalClearing, rules: Rules, documents: Documents) -> list[Line]:
    """Return the lines of a hospital's statement, from its points to what it is due."""
    before = payable_lines(found.points, h.year.hospital, rules, documents)
    return [*before, *hospital_statement(h, rules.clearing, documents)]


def identity_table(identities: Mapping[str, Identity]) -> pl.DataFrame:
    """Return every line of every pool's identity."""
    rows = [
        {
            "pool": name,
            "side": side,
            "line": n,
            "label_zh": line.label.zh,
            "label_en": line.label.en,
            "amount": line.amount,
        }
        for name, identity in identities.items()
        for side, lines in (("uses", identity.uses), ("sources", identity.sources))
        for n, line in enumerate(lines, start=1)
    ]
    return pl.DataFrame(rows)


def budget_table(budgets: Mapping[str, PoolBudget]) -> pl.DataFrame:
    """Return how each pool's F came about."""
    rows = [
        {"pool": name, "line": n, **_line(line)}
        for name, budget in budgets.items()
        for n, line in enumerate((*budget.lines, *_totals(budget)), start=1)
    ]
    return pl.DataFrame(rows)


def _totals(budget: PoolBudget) -> tuple[Line, Line]:
    """Return F, and the reserve beside it."""
    return (
        Line(Text("预算 F", "budget F"), budget.fund, kind="total"),
        Line(Text("可用风险金", "reserve"), budget.reserve, kind="memo"),
    )


def _line(line: Line) -> dict[str, str | int]:
    """Return a line's cells."""
    return {
        "label_zh": line.label.zh,
        "label_en": line.label.en,
        "amount": line.amount,
        "kind": line.kind,
        "rule": line.rule,
        "document": line.document,
    }
