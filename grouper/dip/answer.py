"""The answer of a DIP grouper for one case: status, layer, group, reason. The closed list of reasons stands here."""

from typing import Literal, NamedTuple, get_args

from grouper.drg import answer as drg
from grouper.fault import Text

Status = Literal["grouped", "ungroupable", "invalid"]
STATUSES: tuple[Status, ...] = get_args(Status)

REASONS: dict[str, Text] = {
    **{name: drg.REASONS[name] for name in ("diagnoses_missing", "principal_blank")},
    "principal_not_grouped": Text(
        "主要诊断属于不作为分组依据的诊断", "the directory does not group this principal diagnosis"
    ),
    "no_group": Text("目录中没有病种接受该病例", "no group of the directory takes the case"),
    "class_unknown": Text(
        "没有病种接受该病例，且主要手术操作没有类别，无法进入综合病种",
        "no group takes the case, and its main procedure has no class by which a comprehensive group could",
    ),
}
"""Why a case is not grouped, by reason code; the order is that of the kernel's numbers, which start at 1."""


class DipGroup(NamedTuple):
    """The group of one case. What a status does not have is None; a group of its own city has no layer."""

    status: Status
    layer: str | None = None
    group: str | None = None
    reason: str | None = None
