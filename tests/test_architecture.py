"""The walls of the house: imports run one way, and each thing is said in its own place."""

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import engine
import grouper
import rules

ROOT = Path(__file__).parents[1]
PACKAGES = {"engine": engine, "grouper": grouper, "rules": rules}
FORBIDDEN = {"grouper": {"engine", "rules"}, "rules": {"engine", "grouper"}, "engine": {"tests", "benchmarks"}}
REGISTRIES = ("pypi" + ".org", "python" + "hosted", "conda" + ".anaconda", "anaconda" + ".org", "files" + ".python")


def sources(package: str) -> list[Path]:
    found = sorted((ROOT / package).rglob("*.py"))
    assert found
    return found


def imported(path: Path) -> Iterator[str]:
    """Yield the top names that a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield path.relative_to(ROOT).parts[0] if node.level else str(node.module).split(".")[0]


def project_files() -> list[Path]:
    """Return the files of the project, committed or about to be."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [path for name in listed.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


@pytest.mark.parametrize("package", FORBIDDEN)
def test_imports_run_one_way(package: str) -> None:
    wrong = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources(package)
        for name in imported(path)
        if name in FORBIDDEN[package] | {"tests"}
    }
    assert wrong == set()


@pytest.mark.parametrize("package", PACKAGES)
def test_init_files_hold_names_and_nothing_else(package: str) -> None:
    """Docstring, imports, `__all__`; the command line's entry point is a function that imports late."""
    for path in sources(package):
        if path.name == "__init__.py":
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                assert is_name_only(node), f"{path.relative_to(ROOT)} line {node.lineno}"


def is_name_only(node: ast.stmt) -> bool:
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    if isinstance(node, ast.Assign):
        return [ast.unparse(target) for target in node.targets] == ["__all__"]
    if isinstance(node, ast.FunctionDef):
        return node.name == "main"
    return isinstance(node, ast.Import | ast.ImportFrom)


def test_flags_of_compiled_kernels_stand_in_jit_modules_only() -> None:
    compiler = "nj" + "it"
    for path in (path for package in (*PACKAGES, "benchmarks", "tests") for path in sources(package)):
        if path.name != "jit.py":
            text = path.read_text(encoding="utf-8")
            assert compiler not in text, path.relative_to(ROOT)
            assert "numba" not in set(imported(path)), path.relative_to(ROOT)


def test_no_file_names_a_package_registry() -> None:
    named = {
        str(path.relative_to(ROOT))
        for path in project_files()
        if any(host.encode() in path.read_bytes().lower() for host in REGISTRIES)
    }
    assert named == set()


@pytest.mark.parametrize("package", PACKAGES)
def test_the_imported_packages_are_of_this_checkout(package: str) -> None:
    """The names are generic: a test run against another installation would prove nothing."""
    assert Path(str(PACKAGES[package].__file__)) == ROOT / package / "__init__.py"


def test_every_pack_has_its_head_and_its_id() -> None:
    committed = {path for path in project_files() if path.is_relative_to(ROOT / "grouper" / "schemes")}
    folders = {path.relative_to(ROOT / "grouper" / "schemes").parts[0] for path in committed}
    assert folders >= {"beijing-drg-2022", "chs-drg-1.1", "chs-drg-2.0", "chs-drg-3.0", "dip-3.0"}
    for folder in folders:
        assert ROOT / "grouper" / "schemes" / folder / "scheme.toml" in committed, folder
        assert grouper.load(folder).id == folder
