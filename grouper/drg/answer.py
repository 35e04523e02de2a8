"""The answer of a grouper for one case: status, codes, severity, reason. The closed list of reasons stands here."""

from typing import Literal, NamedTuple, get_args

from grouper.fault import Text

Status = Literal["grouped", "ambiguous", "ungroupable", "invalid"]
Severity = Literal["none", "cc", "mcc"]
STATUSES: tuple[Status, ...] = get_args(Status)
SEVERITIES: tuple[Severity, ...] = get_args(Severity)

REASONS: dict[str, Text] = {
    "sex_missing": Text("性别缺失或不是1、2", "sex is missing or neither 1 nor 2"),
    "diagnoses_missing": Text("没有诊断", "there is no diagnosis"),
    "age_missing": Text("本方案要求年龄", "the scheme requires the age"),
    "age_days_missing": Text("本方案要求不足1岁者的天龄", "the scheme requires the age in days of an infant"),
    "birth_weight_missing": Text(
        "本方案要求28天以内新生儿的出生体重", "the scheme requires the birth weight of a newborn of at most 28 days"
    ),
    "principal_blank": Text("主要诊断为空", "the principal diagnosis is blank"),
    "principal_unknown": Text(
        "主要诊断编码不在编码表和方案中", "the principal diagnosis is in neither the code list nor the scheme"
    ),
    "principal_not_grouped": Text(
        "主要诊断属于不作为分组依据的诊断", "the scheme does not group this principal diagnosis"
    ),
    "no_adrg": Text("没有ADRG接受该病例", "no ADRG takes the case"),
    "no_drg": Text("ADRG内没有DRG接受该病例", "the ADRG has no DRG that takes the case"),
    "record_insufficient": Text("病案信息不足以分组", "the record does not say enough to group the case"),
    "ambiguous_procedure": Text(
        "主要手术操作与主要诊断不匹配（歧义）",
        "the principal procedure fits no group of the MDC of the principal diagnosis",
    ),
}
"""Why a case is not grouped, by reason code; the order is that of the kernel's numbers, which start at 1."""


class CaseGroup(NamedTuple):
    """The group of one case. Codes that a status does not have are None."""

    status: Status
    mdc: str | None = None
    adrg: str | None = None
    drg: str | None = None
    severity: Severity | None = None
    reason: str | None = None
