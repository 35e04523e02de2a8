"""The files a policy consists of: itself, the baseline of a reform, and the tables and rules that it names."""

from collections.abc import Iterator
from pathlib import Path

from rules.policy.resolve import Policy

TABLES = {".csv", ".xlsx", ".xls", ".parquet", ".toml"}


def policy_files(file: Path, policy: Policy) -> list[Path]:
    """Return the file that was named and whatever its policy is read from, tables in the order of their names.

    A reform's tables stand beside its baseline, which `policy.file` names.
    """
    folder = policy.file.parent
    named = {text for text in _texts(policy.document) if Path(text).suffix in TABLES}
    auxiliary = (policy.on(day).rules.auxiliary for day in policy.starts)
    rules = sorted({one.rules for one in auxiliary if one is not None and one.rules is not None})
    sub_types = [path for name in rules for path in sorted((folder / name).glob("*"))]
    found = [file, policy.file, *(folder / name for name in sorted(named)), *sub_types]
    return list(dict.fromkeys(path for path in found if path.is_file()))


def _texts(node: object) -> Iterator[str]:
    """Yield every text of a document."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for value in node.values():
            yield from _texts(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _texts(value)
