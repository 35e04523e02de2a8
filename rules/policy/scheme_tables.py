"""Stays that another scheme grouped: paid by its weights or scores, under a policy that has moved on to the next.

The scheme follows one date of a case, the policy another (`date_basis`). A stay that ended under the old scheme and is
settled under the new policy takes the old scheme's table with its scale and mean, and everything else of its policy.
"""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from rules.fault import Text, UserError
from rules.policy.resolve import Policy

OF_SCHEME = ("scheme", "weights", "scores", "auxiliary", "primary_care")
"""Tables of a policy that speak of a scheme's groups."""


def last_with(policies: Sequence[Policy], scheme: str) -> tuple[Policy, date] | None:
    """Return the policy that has a scheme's tables, and the first day on which they stand as they stood last."""
    found = [(start, n) for n, p in enumerate(policies) for start in p.starts if p.on(start).rules.scheme == scheme]
    return None if not found else (policies[max(found)[1]], max(found)[0])


def with_scheme(policy: Policy, source: Policy, day: date) -> Policy:
    """Return a policy with the tables that `source` has for its scheme on `day`. UserError for another kind of it."""
    there = source.on(day)
    own = policy.on(policy.valid[0]).rules.kind
    if there.rules.kind != own:
        scheme, name, kind = there.rules.scheme, policy.id, there.rules.kind
        raise UserError(
            Text(
                f"有病例按 {scheme}（{kind}）分组，但其政策 {name} 按 {own} 付费；"
                "请在政策中令 date_basis 的 scheme 与 policy 取同一日期",
                f"cases are grouped by {scheme} ({kind}), but their policy {name} pays by {own}: let date_basis.scheme "
                "and date_basis.policy name the same date",
            )
        )
    kept = {key: value for key, value in policy.document.items() if key not in OF_SCHEME}
    tables = {
        key: _absolute(there.cut.document[key], source.file.parent) for key in OF_SCHEME if key in there.cut.document
    }
    return Policy({**kept, **tables}, policy.valid, policy.file)


def _absolute(table: Any, folder: Path) -> Any:  # noqa: ANN401 (a piece of a TOML document)
    """Return a table that names its file in full."""
    return {**table, "file": str((folder / table["file"]).absolute())} if isinstance(table, dict) else table
