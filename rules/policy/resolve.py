"""A policy in time: the file as read, and the rules of one day with the source of every value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from rules.fault import Text, UserError
from rules.policy.dated import Cut, Source, as_of, change_days
from rules.policy.model import Rules


@dataclass(frozen=True)
class Resolved:
    """The rules of one day. Equal throughout `since` … `until`, the days on which nothing changes."""

    rules: Rules
    cut: Cut
    since: date
    until: date

    def source(self, *path: str | int) -> Source | None:
        """Return the source of a value, or of the nearest table around it; `path` is "month", "prepayment_ratio"."""
        return self.cut.source(path)


@dataclass(frozen=True)
class Policy:
    """A policy file: the dated document, its days of validity, and the folder its tables stand in."""

    document: Mapping[str, Any]
    valid: tuple[date, date]
    file: Path
    _resolved: dict[date, Resolved] = field(default_factory=dict, repr=False, compare=False)

    @property
    def id(self) -> str:
        """Return the policy's id."""
        return str(self.document["id"])

    @cached_property
    def starts(self) -> tuple[date, ...]:
        """Return the first day of every stretch of days on which nothing changes."""
        return tuple(change_days(self.document, self.valid))

    def on(self, day: date) -> Resolved:
        """Return the rules of `day`; UserError when the policy is not valid then."""
        if not self.valid[0] <= day <= self.valid[1]:
            raise UserError(
                Text(
                    f"{self.file}：政策 {self.id} 在 {day} 无效（有效期 {self.valid[0]} 至 {self.valid[1]}）",
                    f"{self.file}: policy {self.id} is not valid on {day} (valid {self.valid[0]} to {self.valid[1]})",
                )
            )
        start = max(first for first in self.starts if first <= day)
        if start not in self._resolved:
            later = [first for first in self.starts if first > start]
            until = date.fromordinal(later[0].toordinal() - 1) if later else self.valid[1]
            cut = as_of(self.document, start, self.valid)
            self._resolved[start] = Resolved(Rules.model_validate(cut.document), cut, start, until)
        return self._resolved[start]


def the_one_valid(policies: list[Policy], day: date) -> Policy:
    """Return the one policy that is valid on `day`; none or two are refused."""
    valid = [policy for policy in policies if policy.valid[0] <= day <= policy.valid[1]]
    if len(valid) == 1:
        return valid[0]
    names = "、".join(f"{policy.id} ({policy.file})" for policy in valid or policies)
    if valid:
        raise UserError(Text(f"{day} 有两个政策同时有效：{names}", f"two policies are valid on {day}: {names}"))
    raise UserError(Text(f"{day} 没有有效的政策：{names}", f"no policy is valid on {day}: {names}"))
