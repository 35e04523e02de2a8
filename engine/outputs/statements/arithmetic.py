"""From points to payment: the lines of a hospital's month, each with how it came about; they add up to the fen.

Everything is summed from the ledger's cases and bookings. Where exact figures are shown rounded (points, values) or
cases were rounded one by one, a line of its own holds the difference. The lines stand in month_lines.toml.
"""

import tomllib
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import polars as pl

from engine.outputs.statements.month import BOOKED, MonthFacts, MonthFigures, PoolFacts
from grouper.fault import Text

Figure = int | Decimal | Fraction | None
Figures = dict[str, Figure]
MOVED = "moved"
"""Stands for all lines of corrections in the list of what the payable adds up."""


class Line(NamedTuple):
    """A line: label, kind of figure (see paper.NUMBERS), how it came about, and the figure of each pool and of all.

    Money is in fen. `adds`: keys of the lines that it adds up; it is a total. A line that is zero in every pool is
    left out, unless `always`. `note` may name other lines by their key in braces.
    """

    key: str
    label: Text
    kind: str = "money"
    note: Text = Text("", "")
    adds: Sequence[str] = ()
    always: bool = False
    figures: Sequence[Figure] = ()
    total: Figure = None


class Section(NamedTuple):
    """Lines under a heading."""

    heading: Text
    lines: Sequence[Line]


@cache
def _template() -> tuple[Section, ...]:
    """Return every line that a month may have, but for corrections."""
    text = (files("engine.outputs.statements") / "month_lines.toml").read_text(encoding="utf-8")
    return tuple(
        Section(Text(given["zh"], given["en"]), [_line(key, line) for key, line in given["lines"].items()])
        for given in tomllib.loads(text)["sections"]
    )


def _line(key: str, given: Mapping[str, Any]) -> Line:
    note = Text(given.get("note_zh", ""), given.get("note_en", ""))
    return Line(
        key,
        Text(given["zh"], given["en"]),
        given.get("kind", "money"),
        note,
        given.get("adds", ()),
        given.get("always", False),
    )


def month_sections(facts: MonthFacts, pools: Sequence[str], figures: MonthFigures) -> list[Section]:
    """Return the sections of one hospital's month; the figures of every line stand in the order of `pools`."""
    own = [_pool_figures(facts, pool, figures) for pool in pools]
    moved = _moved(facts.month, figures.bookings)
    for pool, found in zip(pools, own, strict=True):
        found |= {line.key: _payable(rows, pool) * sign for line, rows, sign in moved}
    with_moved = (_with_moved(section, [line for line, _, _ in moved]) for section in _template())
    return [
        Section(section.heading, lines)
        for section in with_moved
        if (lines := [_filled(line, own) for line in section.lines if line.always or _any(line.key, own)])
    ]


def _with_moved(section: Section, moved: Sequence[Line]) -> Section:
    """Put the corrections above the total that adds them up."""
    lines: list[Line] = []
    for line in section.lines:
        if MOVED in line.adds:
            keys = [key for key in line.adds if key != MOVED]
            lines += [*moved, line._replace(adds=[*keys, *(own.key for own in moved)])]
        else:
            lines.append(line)
    return Section(section.heading, lines)


def _any(key: str, own: Sequence[Figures]) -> bool:
    return any(found.get(key) for found in own)


def _filled(line: Line, own: Sequence[Figures]) -> Line:
    """Return a line with its figures; values and ratios of pools do not add up."""
    figures = [found.get(line.key) for found in own]
    known = [figure for figure in figures if figure is not None]
    additive = line.kind not in {"value", "ratio", "share"} and known
    return line._replace(figures=figures, total=sum(known[1:], known[0]) if additive else None)


def _pool_figures(facts: MonthFacts, name: str, figures: MonthFigures) -> Figures:
    """Return the figures of one pool by the keys of the lines."""
    pool = facts.pools[name]
    sums = figures.sums.filter(pl.col("pool") == name)
    fixed, funding = pl.col("fixed"), pl.col("funding")
    points = sums.filter(~fixed & (funding == "points"))
    outside = sums.filter(~fixed & (funding == "outside"))
    back = sums.filter(fixed & (funding != "elsewhere"))
    booked = figures.bookings.filter((pl.col("pool") == name) & (pl.col("booked_month") == facts.month))
    month = {key: int(booked[key].sum()) for key in BOOKED}
    found: Figures = {
        **_standard(facts.month, pool, points),
        "cases": _sum(points, "cases"),
        "extras": _sum(points, "extra_alike"),
        "others": -_sum(points, "others"),
        "ratio": pool.ratio if points.height else None,
        "extra_fund": _sum(points, "extra_fund"),
        "conversion": _conversion(points),
        "fund_points": _sum(points, "fund_part"),
        "cases_outside": _sum(outside, "cases"),
        "standard_outside": _sum(outside, "standard") + _sum(outside, "extra_alike"),
        "others_outside": -_sum(outside, "others"),
        "extra_fund_outside": _sum(outside, "extra_fund"),
        "conversion_outside": _conversion(outside),
        "fund_outside": _sum(outside, "fund_part"),
        "cases_back": _sum(back, "cases"),
        "fund_back": _sum(back, "fund_part"),
        "cases_elsewhere": _sum(sums.filter(funding == "elsewhere"), "cases"),
        "fund_cases": _sum(sums, "fund_part"),
        "payable": month["payable"],
        "deducted": -month["deducted"],
        "deposit": -month["deposit"],
        "withheld": -month["withheld"],
        "prepayment": pool.prepayment_ratio,
        "paid": month["paid"],
    }
    return found


def _sum(rows: pl.DataFrame, column: str) -> int:
    return int(rows[column].sum())


def _standard(month: str, pool: PoolFacts, points: pl.DataFrame) -> Figures:
    """Return how the standards of the cases in points follow from points and value."""
    valued = points.filter(pl.col("value_month") == month) if pool.value is not None else points.clear()
    number = Decimal(valued["points"].sum() or 0)
    product = int((number * (pool.value or 0) * 100).quantize(Decimal(1), ROUND_HALF_UP))
    whole, own = _sum(points, "standard"), _sum(valued, "standard")
    return {
        "points": number,
        "value": pool.value if points.height else None,
        "product": product,
        "other_values": whole - own,
        "rounding": own - product,
        "standard": whole,
    }


def _conversion(rows: pl.DataFrame) -> int:
    """Return what the step from standards to fund money adds or takes off, roundings included."""
    before = _sum(rows, "standard") + _sum(rows, "extra_alike") - _sum(rows, "others") + _sum(rows, "extra_fund")
    return _sum(rows, "fund_part") - before


Moved = tuple[Line, pl.DataFrame, int]


def _moved(month: str, bookings: pl.DataFrame) -> list[Moved]:
    """Return a line for each batch that booked a correction of this month elsewhere, or of another month here."""
    found: list[Moved] = []
    for (batch, booked, of), rows in sorted(
        bookings.filter(pl.col("booked_month") != pl.col("of_month")).partition_by(
            "batch", "booked_month", "of_month", as_dict=True
        ).items(),
        key=lambda item: str(item[0]),
    ):  # fmt: skip
        if of == month:
            label = Text(f"减：已计入 {booked} 的本月更正", f"less corrections of this month booked in {booked}")
            note = Text(f"批次 {batch}，不重复支付", f"batch {batch}; not paid twice")
        else:
            label = Text(f"更正 {of} 的差额计入本月", f"correction of {of}, booked here")
            note = Text(f"批次 {batch}，逐例见“更正明细”", f"batch {batch}; case by case on the sheet corrections")
        found.append((Line(f"moved-{batch}-{booked}-{of}", label, note=note), rows, -1 if of == month else 1))
    return found


def _payable(rows: pl.DataFrame, pool: str) -> int:
    return _sum(rows.filter(pl.col("pool") == pool), "payable")
