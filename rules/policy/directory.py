"""How a city measures its own DIP directory (本地目录测算): which groups it has, their scores and coefficients."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from rules.policy.cases import Decimals
from rules.policy.values import Model, Positive, Share, fault, term

Cases = Annotated[int, Field(ge=1)]


class Core(Model):
    """核心病种: groups with at least so many cases, or with as many as cover a share of all cases."""

    cases: Cases | None = term("病例数临界值", "least cases of a core group", "cases", default=None)
    coverage: Share | None = term("覆盖率", "share of cases that core groups cover", "ratio", default=None)

    @model_validator(mode="after")
    def _one(self) -> "Core":
        if (self.cases is None) == (self.coverage is None):
            raise fault("cases 与 coverage 须且只须给一个", "give either cases or coverage")
        return self


class Related(Model):
    """相关手术操作: when a procedure beside the main one makes a group of its own."""

    mean_raised_by: Positive = term("次均费用升幅（不低于）", "mean charge raised by at least", "ratio")
    cases: Cases = term("最少病例数", "least cases with it, and without", "cases")


class PrimaryCare(Model):
    """基层病种: common, of little variation, mostly treated in hospitals of low level."""

    candidates: Literal["all", "published"] = term("候选范围", "candidates: every core group, or the published list")
    cases: Cases = term("最少病例数", "least cases", "cases")
    maximum_cv: Positive = term("变异系数上限", "largest coefficient of variation")
    levels: tuple[Literal["1", "2"], ...] = term("基层机构等级", "levels that count as low", min_length=1)
    share_over: Share = term("基层就诊占比（高于）", "share of cases treated there above", "ratio")


class LevelCoefficients(Model):
    """医疗机构调节系数: cost of a level over that of the city, per case or per point, by level or level × group."""

    by: Literal["level", "level_group"] = term("按", "by")
    unit: Literal["case", "score"] = term("单位成本", "cost per case, or per point of score (case-mix adjusted)")
    cases: Cases = term("最少病例数", "least cases of a level in a group", "cases", default=1)
    decimals: Decimals


class SubTypes(Model):
    """辅助分型: when a sub-type earns a coefficient (all conditions)."""

    rules: str | None = term("辅助分型规则", "rules that give cases their sub-types: folder, or example", default=None)
    cases_over: Annotated[int, Field(ge=0)] = term(
        "上年病例数（高于）", "cases of group and sub-type in the newest year above", "cases"
    )
    cv_over: Positive = term("病种变异系数（高于）", "coefficient of variation of the group above")
    cv_reduced_by: Share = term("分型后变异系数降幅（不低于）", "variation reduced by at least", "ratio")
    never: tuple[str, ...] = term("不作辅助分型的病种", "groups never sub-typed (TCM, per diem)", default=())
    decimals: Decimals


class DirectoryMeasurement(Model):
    """本地目录测算 (DIP 3.0 技术规范): groups, their scores, coefficients of hospitals and of sub-types."""

    national_groups: Literal["kept", "left_out"] = term("国家目录病种", "groups of the national directory")
    local_groups: Literal["main_procedure", "all_procedures", "none"] = term(
        "本地核心病种", "local core groups: diagnosis × main procedure (3.0), or × all procedures (1.0, 2.0)"
    )
    core: Core
    related: Related | None = None
    comprehensive_cases: Cases = term("综合病种最少病例数", "least cases of a comprehensive group", "cases")
    primary_care: PrimaryCare | None = None
    hospital_coefficient: LevelCoefficients | None = None
    sub_types: SubTypes | None = None
    scores: Decimals
