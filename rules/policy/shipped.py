"""The policies that come with the program: rules/policies/<id>/policy.toml."""

from importlib.resources import as_file, files
from pathlib import Path

from rules.fault import UserError, at, near
from rules.policy.reform import load
from rules.policy.resolve import Policy

FILE = "policy.toml"


def folder() -> Path:
    """Return the folder of the shipped policies."""
    with as_file(files("rules") / "policies") as path:
        return path


def shipped() -> list[str]:
    """Return the ids of the shipped policies."""
    return sorted(path.parent.name for path in folder().glob(f"*/{FILE}"))


def policy_file(name: str | Path) -> Path:
    """Return the file of a policy, named by a path or by the id of a shipped one."""
    path = Path(name)
    if path.suffix == ".toml" or path.exists():
        return path / FILE if path.is_dir() else path
    if str(name) in shipped():
        return folder() / str(name) / FILE
    hint = near(str(name), shipped())
    raise UserError(at(name, "", f"没有这个政策文件{hint.zh}", f"there is no such policy file{hint.en}"))


def find_policy(name: str | Path) -> Policy:
    """Read a policy or reform, named by a path or by the id of a shipped one. UserError with every fault of it."""
    return load(policy_file(name), policy_file)
