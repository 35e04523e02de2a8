"""Bookings: what a batch adds to each hospital's month. Corrections book the difference to what was booked before."""

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import polars as pl

from engine.settlement.known import Known
from engine.settlement.ledger import Ledger
from engine.settlement.states import fixed_months
from grouper.fault import Text, UserError
from rules.money import exact_text
from rules.payment.fund_part import sums_by
from rules.payment.month import HOSPITAL_MONTH, Month, Scores
from rules.payment.prepayment import prepay
from rules.policy.model import Rules

KEYS = ("pool", "hospital_id", "year")
AMOUNTS = ("cases", "points", "charge", "booked", "payable", "deducted", "paid", "deposit", "withheld")
POINTS = pl.Decimal(38, 6)
TYPES = {name: POINTS if name == "points" else pl.Int64() for name in AMOUNTS}


def month_of_booking(known: Known, wanted: str | None) -> str:
    """Return the month that books what a month's new version changes.

    The month itself while no later month is settled and nobody has confirmed it; otherwise the one wanted, or the
    last month settled, or the month after it. UserError where the month or the one wanted is closed.
    """
    month, fixed = known.month, fixed_months(known.ledger)
    if (batch := known.cleared.get(int(month[:4]))) is not None:
        raise _cleared(month, batch)
    later = [other for other in known.present if other > month]
    is_open = month not in fixed and (known.own is None or not later)
    if wanted is not None:
        _check_wanted(known, wanted, fixed)
        return wanted
    if is_open:
        return month
    last = max(known.present)
    return last if last not in fixed and int(last[:4]) not in known.cleared else month_after(last)


def _check_wanted(known: Known, wanted: str, fixed: set[str]) -> None:
    """Refuse to book in a month before the one that is settled, or in one that is closed."""
    faults = []
    if wanted < known.month:
        zh, en = f"早于所结算的 {known.month}", f"lies before {known.month}, the month that is settled"
        faults.append(Text(f"--book-in {wanted} {zh}", f"--book-in {wanted} {en}"))
    if known.own is None and wanted != known.month:
        zh, en = f"{known.month} 首次结算，须记入当月", f"{known.month} is settled for the first time and books itself"
        faults.append(Text(f"--book-in {wanted}：{zh}", f"--book-in {wanted}: {en}"))
    if wanted in fixed:
        zh, en = "已有医疗机构确认", "has hospitals that confirmed it"
        faults.append(Text(f"--book-in {wanted}：该月{zh}", f"--book-in {wanted}: that month {en}"))
    if int(wanted[:4]) in known.cleared:
        faults.append(Text(f"--book-in {wanted}：该年度已清算", f"--book-in {wanted}: that year is cleared"))
    if faults:
        raise UserError(faults)


def _cleared(month: str, batch: int) -> UserError:
    year = month[:4]
    zh = (
        f"{month}：{year} 年已由批次 {batch} 清算，不能再结算该月。迟到的结算记录与退费随其到达月份结算，"
        f"作为以前年度调整；否则先撤销清算：drgdip ledger undo {batch}"
    )
    en = (
        f"{month}: {year} is cleared by batch {batch}, its months are closed. Settle late claims and refunds with the "
        f"month they arrived in, as adjustments of the cleared year, or undo the clearing: drgdip ledger undo {batch}"
    )
    return UserError(Text(zh, en))


def month_after(month: str) -> str:
    """Return the month after a month ("2026-12" → "2027-01")."""
    year, number = int(month[:4]), int(month[5:])
    return f"{year + number // 12}-{number % 12 + 1:02d}"


def booking_rows(settled: Month, rules: Rules, ledger: Ledger, of_month: str, booked_month: str) -> pl.DataFrame:
    """Return rows of ledger_booking: a settled month less what was booked of it before."""
    now, before = _by_year(settled, rules, int(of_month[:4])), _booked_before(ledger, of_month)
    signed = [
        frame.select(*KEYS, *(pl.col(name).cast(kind) * sign for name, kind in TYPES.items()))
        for frame, sign in ((now, 1), (before, -1))
    ]
    differences = pl.concat(signed).group_by(KEYS).agg(pl.col(AMOUNTS).sum()).sort(KEYS)
    changed = differences.filter(pl.any_horizontal(pl.col(name) != 0 for name in AMOUNTS))
    return changed.with_columns(pl.lit(booked_month).alias("booked_month"), pl.lit(of_month).alias("of_month"))


def _booked_before(ledger: Ledger, of_month: str) -> pl.DataFrame:
    """Return what all batches together booked for a month."""
    sums = ", ".join(f"sum({name})::{'DECIMAL(38,6)' if name == 'points' else 'BIGINT'} AS {name}" for name in AMOUNTS)
    return ledger.rows(
        f"SELECT pool, hospital_id, year, {sums} FROM ledger_booking WHERE of_month = $month GROUP BY ALL",  # noqa: S608
        {"month": of_month},
    )


def _by_year(settled: Month, rules: Rules, year: int) -> pl.DataFrame:
    """Return the hospital months, their cases of another budget year apart: that year's clearing settles them.

    What a hospital month rounds once stays with its own year: the parts are those of the other years' cases.
    """
    cases = settled.cases
    apart = (cases["budget_year"] != year) & (cases["late"] != "prior_year")
    whole = _with_points(settled.hospitals).with_columns(pl.lit(None, pl.Int32).alias("year"))
    if not apart.any():
        return whole
    years = cases.filter(apart).group_by("budget_year")
    parts = pl.concat(_part(own, rules, int(str(of)), settled.scores) for (of,), own in years)
    without = parts.with_columns(-pl.col(AMOUNTS), pl.lit(None, pl.Int32).alias("year"))
    rest = pl.concat([whole.select(without.columns), without]).group_by(KEYS).agg(pl.col(AMOUNTS).sum())
    return pl.concat([rest.select(parts.columns), parts])


def _part(cases: pl.DataFrame, rules: Rules, year: int, scores: Scores) -> pl.DataFrame:
    """Return what the cases of one budget year come to, hospital by hospital."""
    sums = cases.group_by(pl.col(HOSPITAL_MONTH).cast(pl.String)).agg(pl.col("fund_part").sum())
    payable = {row[:-1]: Fraction(row[-1]) for row in sums.iter_rows()}
    rows = []
    for key, total in sums_by(cases, HOSPITAL_MONTH, rules.money).items():
        parts = prepay(rules.month, payable[key], rules.money, scores.get(key[2], Fraction(1)))
        own = {
            "cases": total.cases, "points": exact_text(total.points), "charge": total.charge + total.charge_outside,
            "booked": total.booked + total.booked_outside, "payable": parts.payable, "deducted": 0, "paid": parts.paid,
            "deposit": parts.deposit, "withheld": parts.withheld,
        }  # fmt: skip
        rows.append({"pool": key[0], "hospital_id": key[2], **own})
    schema = dict.fromkeys(("pool", "hospital_id", "points"), pl.String)
    frame = pl.DataFrame(rows, schema_overrides=schema).with_columns(pl.lit(year, pl.Int32).alias("year"))
    return _with_points(frame)


def _with_points(hospitals: pl.DataFrame) -> pl.DataFrame:
    """Return the columns of a booking, points (exact fractions as text) with six decimals."""
    points = [_shown(Fraction(text)) for text in hospitals["points"]]
    shown = hospitals.with_columns(pl.Series("points", points, POINTS))
    return shown.select(*(name for name in KEYS if name in shown.columns), *AMOUNTS)


def _shown(points: Fraction) -> Decimal:
    """Return points with six decimals."""
    return (Decimal(points.numerator) / points.denominator).quantize(Decimal("0.000001"), ROUND_HALF_UP)
