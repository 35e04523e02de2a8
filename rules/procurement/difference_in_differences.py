"""Difference in differences: pilot places against others, before and after (spec 3, counterfactual)."""

from typing import NamedTuple

import numpy as np
import polars as pl

from rules.fault import Text, UserError
from rules.payment.columns import need
from rules.procurement.estimates import Estimate, estimates, regression

KEYS = ["place", "month"]


class Difference(NamedTuple):
    """The effect, the difference of slopes before (which should be near zero), the places, and the means by month.

    `means`: month, pilot, others. With few places (below some twenty) the interval is too narrow.
    """

    effect: Estimate
    slope_before: Estimate | None
    places: int
    means: pl.DataFrame


def difference_in_differences(panel: pl.DataFrame, starts: int, confidence: float = 0.95) -> Difference:
    """Return the mean difference after the start that places and months do not explain, by least squares.

    `panel`: place, month, pilot (flag, one for a place), value, one row a place and month. `starts`: first month of the
    policy in the pilot places. Intervals allow for dependence within a place (clusters), from the t distribution.
    slope_before: the pilots' extra slope before the start; None with fewer than three months. UserError for rows
    that repeat, places both pilot and not, fewer than two places on a side, no month on a side of the start, and
    where statsmodels is not installed.
    """
    need(panel, [*KEYS, "pilot", "value"], "双重差分", "difference in differences")
    rows = panel.select(*KEYS, "pilot", pl.col("value").cast(pl.Float64)).sort(KEYS)
    _refuse(rows, starts)
    effect = _fit(rows, pl.col("pilot") & (pl.col("month") >= starts), confidence)
    before = rows.filter(pl.col("month") < starts)
    order = pl.col("month").rank("dense")
    slope = _fit(before, pl.col("pilot") * order, confidence) if before["month"].n_unique() >= 3 else None
    means = rows.group_by("month").agg(
        pl.col("value").filter("pilot").mean().alias("pilot"),
        pl.col("value").filter(~pl.col("pilot")).mean().alias("others"),
    )
    return Difference(effect, slope, rows["place"].n_unique(), means.sort("month"))


def _fit(rows: pl.DataFrame, regressor: pl.Expr, confidence: float) -> Estimate:
    """Return the estimate of a regressor beside one level for each place and each month."""
    columns = [rows.select(regressor.cast(pl.Float64)).to_series().to_numpy(), np.ones(rows.height)]
    for key in KEYS:
        codes = rows[key].rank("dense").to_numpy()
        columns += [(codes == code).astype(np.float64) for code in np.unique(codes)[1:]]
    model = regression().OLS(rows["value"].to_numpy(), np.column_stack(columns))
    groups = rows["place"].rank("dense").to_numpy()
    fitted = model.fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    return estimates(fitted.params, fitted.conf_int(alpha=1 - confidence), fitted.pvalues)[0]


def _refuse(rows: pl.DataFrame, starts: int) -> None:
    """Refuse a panel that cannot be compared."""
    sides = rows.group_by("place").agg(pl.col("pilot").n_unique().alias("sides"), pl.col("pilot").first())
    faults = []
    if count := rows.select(pl.any_horizontal(pl.all().is_null()).sum()).item():
        faults.append(Text(f"{count} 行有空格", f"{count} rows have empty cells"))
    if twice := int(rows.select(KEYS).is_duplicated().sum()):
        faults.append(Text(f"{twice} 行的地区和月份重复", f"{twice} rows share place and month"))
    if both := sides.filter(pl.col("sides") > 1).height:
        faults.append(Text(f"{both} 个地区既是试点又不是", f"{both} places are both pilot and not"))
    if min(sides["pilot"].sum(), (~sides["pilot"]).sum()) < 2:
        faults.append(Text("试点与对照各需至少两个地区", "at least two pilot places and two others are needed"))
    if not (rows["month"].min() < starts <= rows["month"].max()):  # type: ignore[operator]
        faults.append(Text("政策前后都须有月份", "months are needed before and after the start"))
    if faults:
        raise UserError(faults)
