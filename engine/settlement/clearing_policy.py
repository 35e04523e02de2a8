"""The policy that clears a year on the ledger: that of its last settled month, unchanged since."""

from datetime import date
from pathlib import Path

from engine.provenance import file_digest
from engine.settlement.ledger import Ledger
from grouper.fault import Text, UserError
from rules.policy.shipped import find_policy


def policy_of_year(ledger: Ledger, year: int, last: date) -> Path:
    """Return the policy file of the last month settled of a year, up to a day, that is valid on that day.

    Raises UserError where no file is recorded, none is valid, or the file is gone or is not what it was.
    """
    rows = ledger.rows(
        """
        SELECT i.file, i.sha256, m.month FROM month_batches AS m JOIN ledger_input AS i USING (batch)
        WHERE i.role = 'policy' AND m.month[:4] = $year AND m.month <= $last
        QUALIFY rank() OVER (ORDER BY m.month DESC) = 1
        """,
        {"year": str(year), "last": f"{last:%Y-%m}"},
    )
    if not rows.height:
        zh, en = f"账本没有记下 {year} 年所用的政策文件", f"the ledger has no month of {year} with its policy file"
        raise UserError(Text(f"{zh}；请用 --policy 指定", f"{en}: name it with --policy"))
    files = [_unchanged(Path(file), digest, month) for file, digest, month in rows.iter_rows()]
    valid = [file for file in files if (days := find_policy(file).valid)[0] <= last <= days[1]]
    if len(valid) != 1:
        listed = ", ".join(map(str, files))
        zh, en = (
            f"{last} 有效的政策不止一个或没有：{listed}",
            f"none or several of these policies are valid on {last}: {listed}",
        )
        raise UserError(Text(f"{zh}；请用 --policy 指定", f"{en}; name one with --policy"))
    return valid[0]


def _unchanged(file: Path, digest: str, month: str) -> Path:
    """Return a policy file that is what it was when a month was settled."""
    found = file_digest(file) if file.is_file() else None
    if found != digest:
        zh, en = ("已不在原处", "is not there any more") if found is None else ("已被改动", "was changed")
        said = f"（结算 {month} 时所用）", f", which settled {month},"
        raise UserError(
            Text(f"{file}{said[0]}{zh}；请用 --policy 指定", f"{file}{said[1]} {en}: name one with --policy")
        )
    return file
