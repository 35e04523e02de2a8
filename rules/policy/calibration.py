"""How weights, scores and coefficients are measured from history: the parameters of a calibration."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, model_validator

from rules.policy.values import Amount, Model, Positive, Share, fault, term


class Trimming(Model):
    """Which charges of a group are kept: all, or those within percentiles, interquartile ranges or deviations."""

    method: Literal["none", "percentile", "iqr", "sd"] = term("裁剪方法", "method")
    low: Share = term("低百分位", "low percentile", "ratio", default=Decimal("0.025"))
    high: Share = term("高百分位", "high percentile", "ratio", default=Decimal("0.975"))
    k: Positive = term("倍数", "multiple", "ratio", default=Decimal("1.5"))
    log: bool = term("对数", "on logarithms", default=False)

    @model_validator(mode="after")
    def _in_order(self) -> "Trimming":
        if self.low >= self.high:
            raise fault(
                f"low {self.low} 须小于 high {self.high}",
                f"the percentile low {self.low} must be below high {self.high}",
            )
        return self


class Adjustment(Model):
    """动态调整 between two years: a group moves when it changed beyond a threshold, and then by at most a limit."""

    threshold: Amount = term("变动阈值", "change beyond which a weight moves", "ratio")
    limit: Positive | None = term("最大变动", "largest change of a weight", "ratio", default=None)


class Calibration(Model):
    """Weights from history: years, estimator, trimming, divisor, and what an unstable group takes."""

    year_weights: dict[Annotated[str, Field(pattern=r"^\d{4}$")], Annotated[int, Field(gt=0)]] = term(
        "年度权数", "weight of each year", min_length=1
    )
    estimator: Literal["mean_of_yearly_means", "case_weighted"] = term("估计方法", "estimator")
    trimming: Trimming
    divisor: Literal["mean_of_all", "reference_disease", "fixed_quota"] = term("除数", "divisor of a group's mean")
    reference_disease: str | None = term("基准病种", "reference disease", default=None)
    quota: Positive | None = term("每分金额", "money per point of the quota method", "yuan", default=None)
    minimum_cases: Annotated[int, Field(ge=1)] = term("最少病例数", "least cases", "cases")
    maximum_cv: Positive | None = term("变异系数上限", "largest coefficient of variation", default=None)
    unstable: Literal["parent_mean", "withhold"] = term("不稳定病组", "an unstable group")
    not_lowered: tuple[str, ...] = term("不得下调的病组", "groups whose weight is not lowered", default=())
    adjustment: Adjustment | None = None
    decimals: Annotated[int, Field(ge=0, le=8)] = term("权重小数位", "decimals of weights or scores", default=4)
    level_group_minimum_cases: Annotated[int, Field(ge=1)] | None = term(
        "等级×病组系数最少病例数", "least cases of a coefficient by level and group", "cases", default=None
    )
    inversion: Literal["refused", "allowed"] = term("等级倒挂", "inversion between levels", default="refused")

    @model_validator(mode="after")
    def _divisor(self) -> "Calibration":
        given = {"reference_disease": self.reference_disease, "fixed_quota": self.quota}
        for name, value in given.items():
            if (self.divisor == name) != (value is not None):
                raise fault(
                    f'divisor = "{name}" 与其参数必须同时出现', f'divisor = "{name}" and its parameter belong together'
                )
        return self
