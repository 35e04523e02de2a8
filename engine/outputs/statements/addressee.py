"""Whom a statement is for, who sends it, and where both sign."""

from dataclasses import dataclass

from grouper.fault import Text

SIGNATURES = (
    Text(
        "经办机构（盖章）：　　　　　　　　　　经办人：　　　　　　　　复核人：　　　　　　　　日期：",
        "Bureau (stamp):                         by:                         checked by:                         date:",
    ),
    Text(
        "医疗机构（盖章）：　　　　　　　　　　确认人：　　　　　　　　联系电话：　　　　　　　日期：",
        "Hospital (stamp):                       confirmed by:               phone:                              date:",
    ),
)


@dataclass(frozen=True, slots=True)
class Addressee:
    """Whom a statement is for, who sends it, and its language."""

    hospital: str
    name: str
    bureau: str
    lang: str

    @property
    def full(self) -> str:
        """Return the hospital's name with its id."""
        return f"{self.name}（{self.hospital}）" if self.name else self.hospital
