"""What a month's settlement finds beside the checks of claims: late claims, parts of stays, cases known before."""

from collections.abc import Mapping
from typing import NamedTuple

import polars as pl

from engine.claims import Findings
from grouper.fault import Text

TEXTS = {
    "late": Text("以前月份的迟到结算记录，计入本月", "late claims of an earlier month, booked in this one"),
    "prior_year": Text(
        "已清算年度的结算记录，作为以前年度调整", "claims of a cleared year: an adjustment of that year"
    ),
    "known": Text("此前已入账，未重复计入", "booked before, left as they are"),
    "changed_after_settlement": Text(
        "此前已入账但总费用不同：须退费重结或重新结算原月份",
        "booked before with another total charge: refund and resubmit, or settle their month anew",
    ),
    "elsewhere": Text("属于其他月份，未计入", "claims of other months, left out"),
    "part_held": Text(
        "中途结算暂挂，待末次结算到达", "settlements in part, held until the last settlement of the stay arrives"
    ),
    "part_merged": Text("中途结算并入末次结算", "settlements in part, merged into the last settlement of their stay"),
    "part_from_ledger": Text(
        "以前月份暂挂的中途结算并入末次结算", "settlements in part held in earlier months, merged into their stay"
    ),
    "out_of_order": Text("在更晚月份之后才结算的月份", "a month settled after later ones"),
    "booked_elsewhere": Text(
        "与前一版的差额计入其他月份", "the difference to the version before is booked in another month"
    ),
}


class Noted(NamedTuple):
    """One finding: how often, and of what."""

    finding: str
    cases: int
    subject: str = ""


def finding_rows(findings: Findings, noted: list[Noted]) -> pl.DataFrame:
    """Return findings as rows of ledger_finding, those of the claims first."""
    rows = [(row["name"], row["column"], row["count"], row["zh"], row["en"]) for row in findings.to_json()]
    rows += [(note.finding, note.subject, note.cases, *TEXTS[note.finding]) for note in noted if note.cases]
    names = {"finding": pl.String, "subject": pl.String, "count": pl.Int64}
    return pl.DataFrame(rows, names | {"message_zh": pl.String, "message_en": pl.String}, orient="row")


def notes_of(counts: Mapping[str, int], late: Mapping[str, int], prior: int) -> list[Noted]:
    """Return what was found of the rows of a month."""
    by_month = [Noted("late", count, month) for month, count in sorted(late.items())]
    names = {
        "known": "known", "changed_after_settlement": "changed", "elsewhere": "elsewhere", "part_held": "held",
        "part_merged": "merged", "part_from_ledger": "from_ledger",
    }  # fmt: skip
    return [*by_month, Noted("prior_year", prior), *(Noted(name, counts[key]) for name, key in names.items())]
