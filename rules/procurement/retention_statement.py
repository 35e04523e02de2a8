"""A hospital's statement of surplus retention: every agreement, drug by drug, up to the amount it may keep."""

from collections.abc import Iterator
from typing import Any

import polars as pl

from rules.fault import Text
from rules.money import yuan_text
from rules.payment.statement import Line
from rules.procurement.parameters import Retention
from rules.procurement.retention import GROUP, REASONS


def retention_statement(retained: pl.DataFrame, rule: Retention, institution: str) -> Iterator[Line]:
    """Yield the lines of one institution (fen): an item a drug and reason, the total of each insurance type, the whole.

    `retained`: what `retention` returned. Budget and spend stand beside each item as memos. Items add up to the total
    of their insurance type; the last total is the sum of all.
    """
    own = retained.filter(pl.col("institution") == institution).sort(*GROUP, "drug")
    whole = 0
    for group in own.partition_by(GROUP, maintain_order=True):
        head = group.row(0, named=True)
        where = f"{head['batch']} · {head['year']} · {head['insurance_type']}"
        for row in group.iter_rows(named=True):
            yield from _drug(row, f"{where} · {row['drug']}", rule)
        subtotal = int(group["retained"].sum())
        whole += subtotal
        yield Line(Text(f"{where} 小计", f"{where}: subtotal"), subtotal, kind="memo")
    zh, en = "结余留用合计", "surplus retention"
    yield Line(Text(zh, en), whole, "retention", rule.reference, "total")


def _drug(row: dict[str, Any], name: str, rule: Retention) -> Iterator[Line]:
    """Yield one drug: budget, spend, and what is kept with the reason."""
    yield Line(Text(f"{name} 集采前预算", f"{name}: budget at earlier prices"), row["budget"], kind="memo")
    yield Line(Text(f"{name} 实际应支出", f"{name}: spending at winning prices"), row["spend"], kind="memo")
    why, share = REASONS[row["reason"]], f"{row['keep'] * 100:.2f} %"
    surplus = yuan_text(max(row["surplus"], 0))
    zh = f"{name} 留用（结余 {surplus} 元 × {share}；{why.zh}）"
    en = f"{name}: kept ({surplus} yuan saved × {share}; {why.en})"
    yield Line(Text(zh, en), row["retained"], "retention.keep", rule.reference)
