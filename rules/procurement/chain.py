"""腾空间、调结构、保衔接 as arithmetic: what fund, patients and hospitals gain and lose together (spec 1.15).

    ΔF = r_s·A − r_d·S + R        fund
    ΔP = (1 − r_s)·A − (1 − r_d)·S    patients
    ΔF + ΔP = A + R − S           always, to the fen
    ΔH = A + R + fiscal + locked in − lost markup    each hospital

S is what prices saved, R what hospitals keep of it, A what service prices add.
"""

from collections.abc import Mapping
from typing import NamedTuple

import polars as pl

from rules.fault import Text, UserError
from rules.money import Mode, largest_remainder
from rules.payment.columns import need
from rules.procurement.exact import MILLION, Exact, millionths, ratio, rounded, wide
from rules.procurement.parameters import Compensation

MONEY = ["saving", "adjustment", "retained", "fiscal", "lost_markup", "locked_in"]
RESULTS = ["fund", "patients", "hospital"]


def chain(rows: pl.DataFrame, mode: Mode = "half_away_from_zero") -> pl.DataFrame:
    """Return the rows with fund, patients, hospital (ΔF, ΔP, ΔH), break_even and coverage.

    `rows`: one row an institution: institution, saving S, adjustment A, retained R, fiscal, lost_markup, locked_in
    (what DRG/DIP leaves with it), all fen; drug_ratio, service_ratio (pay ratios, at most six decimals). The
    fund's parts are rounded once each and patients take the rest. break_even: the adjustment at which the hospital
    loses nothing, at least zero; coverage: adjustment ÷ break_even, null where nothing is needed. UserError counts
    empty cells and ratios outside 0 to 1.
    """
    _refuse(rows)
    of_adjustment, of_saving = (
        rounded(Exact(wide(money) * millionths(share), MILLION), mode)
        for money, share in (("adjustment", "service_ratio"), ("saving", "drug_ratio"))
    )
    other = pl.col("retained") + pl.col("fiscal") + pl.col("locked_in") - pl.col("lost_markup")
    fund = of_adjustment - of_saving + pl.col("retained")
    needed = (-other).clip(lower_bound=0)
    return rows.with_columns(
        fund.alias("fund"),
        (pl.col("adjustment") + pl.col("retained") - pl.col("saving") - fund).alias("patients"),
        (pl.col("adjustment") + other).alias("hospital"),
        needed.alias("break_even"),
        ratio(wide("adjustment"), needed).alias("coverage"),
    )


def _refuse(rows: pl.DataFrame) -> None:
    """Refuse rows that lack a column, a cell, or hold a ratio out of bounds."""
    ratios = ["drug_ratio", "service_ratio"]
    need(rows, ["institution", *MONEY, *ratios], "腾空间测算", "the chain")
    wrong = {column: pl.col(column).is_null() for column in MONEY}
    wrong |= {column: ~pl.col(column).is_between(0, 1).fill_null(value=False) for column in ratios}
    faults = [
        Text(f"{count} 行的 {column} 为空或越界", f"{count} rows have no {column} or one out of bounds")
        for column, expression in wrong.items()
        if (count := rows.filter(expression).height)
    ]
    if twice := int(rows["institution"].is_duplicated().sum()):
        faults.append(Text(f"{twice} 行的机构重复", f"{twice} rows share an institution"))
    if faults:
        raise UserError(faults)


class Verdict(NamedTuple):
    """保衔接: totals (fen), whether fund, patients and each hospital hold, and the hospitals beyond the tolerance."""

    fund: int
    patients: int
    hospital: int
    fund_holds: bool
    patients_hold: bool
    losing: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Tell whether all three hold."""
        return self.fund_holds and self.patients_hold and not self.losing


def verdict(rows: pl.DataFrame, fund_limit: int = 0, tolerance: int = 0) -> Verdict:
    """Return whether ΔF ≤ fund_limit, ΔP ≤ 0 and ΔH ≥ −tolerance for each hospital; `rows`: see `chain`."""
    fund, patients, hospital = (int(rows[column].sum()) for column in RESULTS)
    losing = rows.filter(pl.col("hospital") < -tolerance).sort("hospital")["institution"].to_list()
    return Verdict(fund, patients, hospital, fund <= fund_limit, patients <= 0, tuple(losing))


def planned_and_actual(planned: pl.DataFrame, actual: pl.DataFrame) -> pl.DataFrame:
    """Return institution, line, planned, actual, difference (fen): what was planned beside what came of it.

    Both: results of `chain`. UserError names institutions that only one of them has.
    """
    both = (set(frame["institution"].to_list()) for frame in (planned, actual))
    if alone := sorted(set.symmetric_difference(*both)):
        names = ", ".join(alone[:3])
        zh = f"{len(alone)} 个机构只在计划或实际之一中（{names}）"
        raise UserError(Text(zh, f"{len(alone)} institutions are in only one of plan and actual ({names})"))
    lines = [*MONEY, *RESULTS]
    plan, found = (
        frame.unpivot(lines, index="institution", variable_name="line", value_name=name)
        for frame, name in ((planned, "planned"), (actual, "actual"))
    )
    joined = plan.join(found, on=["institution", "line"], maintain_order="left")
    difference = (pl.col("actual") - pl.col("planned")).alias("difference")
    return joined.with_columns(difference).sort("institution", maintain_order=True)


def markup_compensation(lost_markup: int, rule: Compensation) -> Mapping[str, int]:
    """Return who makes up for the markup that is lost: price, fiscal, hospital (fen), adding up to it."""
    shares = {"price": rule.price, "fiscal": rule.fiscal, "hospital": rule.hospital}
    return largest_remainder(lost_markup, shares)
