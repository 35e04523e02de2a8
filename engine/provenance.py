"""Where a result came from: program, inputs and their digests."""

import hashlib
import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

_BLOCK = 1 << 20


def program_versions() -> dict[str, str]:
    """Return the versions of drgdip and of the libraries that its results depend on."""
    names = ("drgdip", "numba", "numpy", "polars", "pyarrow", "duckdb")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def file_digest(path: Path) -> str:
    """Return the SHA-256 digest of a file; the interpreter lock is free while it is computed."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def input_files(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """Return name, size and digest of each input file."""
    return [{"file": str(path), "bytes": path.stat().st_size, "sha256": file_digest(path)} for path in paths]
