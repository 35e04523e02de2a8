"""Interrupted time series: did a monthly figure jump, or turn, when the policy came in (spec 3, counterfactual)."""

from typing import NamedTuple

import numpy as np
import polars as pl

from rules.fault import Text, UserError
from rules.payment.columns import need
from rules.procurement.estimates import Estimate, estimates, regression

LEAST = 3


class Interrupted(NamedTuple):
    """The slope before, the jump and the change of slope, and month by month what would have been without the policy.

    `path`: month, value, without, effect, low, high, relative (effect ÷ without); the last four null before the start.
    """

    slope_before: Estimate
    level: Estimate
    trend: Estimate
    path: pl.DataFrame


def interrupted_time_series(series: pl.DataFrame, starts: int, lags: int, confidence: float = 0.95) -> Interrupted:
    """Return the estimates of value = a + b·t + level·after + trend·(t − start)·after, by least squares.

    `series`: month (year × 100 + month, without gaps), value (a figure per month, such as yuan a daily dose). `starts`:
    first month of the policy. Intervals are Newey and West's with `lags` months (autocorrelation), from the t
    distribution. It tells what else came in that month along with the policy. UserError for gaps and for fewer than
    three months on either side, and where statsmodels is not installed.
    """
    need(series, ["month", "value"], "间断时间序列", "interrupted time series")
    rows = series.select("month", pl.col("value").cast(pl.Float64)).sort("month")
    after = (rows["month"] >= starts).to_numpy()
    _refuse(rows, after)
    time = np.arange(rows.height, dtype=np.float64)
    since = np.where(after, time - time[after][0], 0.0)
    design = np.column_stack([np.ones_like(time), time, after.astype(np.float64), since])
    model = regression().OLS(rows["value"].to_numpy(), design)
    fitted = model.fit(cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": True}, use_t=True)
    _, slope, level, trend = estimates(fitted.params, fitted.conf_int(alpha=1 - confidence), fitted.pvalues)
    without = design[:, :2] @ fitted.params[:2]
    combinations = np.column_stack([np.zeros((int(after.sum()), 2)), design[after][:, 2:]])
    tested = fitted.t_test(combinations)
    effects = estimates(tested.effect, tested.conf_int(alpha=1 - confidence), tested.pvalue)
    found = pl.DataFrame({"month": rows["month"].filter(pl.Series(after))}).with_columns(
        pl.Series("effect", [one.value for one in effects]),
        pl.Series("low", [one.low for one in effects]),
        pl.Series("high", [one.high for one in effects]),
    )
    path = rows.with_columns(pl.Series("without", without)).join(found, on="month", how="left", maintain_order="left")
    return Interrupted(slope, level, trend, path.with_columns((pl.col("effect") / pl.col("without")).alias("relative")))


def _refuse(rows: pl.DataFrame, after: np.ndarray) -> None:
    """Refuse empty cells, gaps and sides that are too short."""
    months = (rows["month"] // 100 * 12 + rows["month"] % 100).cast(pl.Int64)
    faults = []
    if count := rows.select(pl.any_horizontal(pl.all().is_null()).sum()).item():
        faults.append(Text(f"{count} 行有空格", f"{count} rows have empty cells"))
    if (months.diff().drop_nulls() != 1).any():
        faults.append(Text("月份重复或不连续", "months repeat or are not consecutive"))
    if min(after.sum(), (~after).sum()) < LEAST:
        zh, en = f"政策前后各需至少 {LEAST} 个月", f"at least {LEAST} months are needed before and after the start"
        faults.append(Text(zh, en))
    if faults:
        raise UserError(faults)
