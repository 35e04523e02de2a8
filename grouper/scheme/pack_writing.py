"""Write a pack: scheme.toml and its tables, whole or not at all."""

import csv
import json
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from grouper.fault import CannotWriteError, Text, UserError
from grouper.scheme.pack import PackHead
from grouper.scheme.tables import Layout, Tables


def refuse_occupied(folder: Path) -> None:
    """Raise UserError where a folder for a new pack holds something already."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(
            Text(f"{folder} 已存在且不为空，未作改动", f"{folder} exists and is not empty; nothing was changed")
        )


def write_pack(folder: Path, head: PackHead, tables: Tables, layout: Layout, copied: Iterable[Path] = ()) -> None:
    """Write a pack beside the folder and move it there when it is whole; `copied` are files to go with it.

    Optional tables without rows, and columns that a layout does not need and no row fills, are left out.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as scratch:
            pack = Path(scratch) / folder.name
            pack.mkdir()
            (pack / "scheme.toml").write_text(as_toml(head), encoding="utf-8")
            for name, table in tables.items():
                if table or name not in layout.optional:
                    with (pack / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
                        columns = [
                            column for column in layout.columns[name] if _is_written(column, name, tables, layout)
                        ]
                        writer = csv.DictWriter(file, columns, lineterminator="\n", extrasaction="ignore")
                        writer.writeheader()
                        writer.writerows(row.values for row in table.values())
            for path in copied:
                shutil.copy(path, pack)
            pack.replace(folder)
    except OSError as error:
        raise CannotWriteError(Text(f"{folder}：无法写入：{error}", f"{folder}: cannot be written: {error}")) from error


def _is_written(column: str, name: str, tables: Tables, layout: Layout) -> bool:
    needed = layout.columns[name] if layout.needed is None else layout.needed.get(name, layout.columns[name])
    return column in needed or any(row.values[column] for row in tables[name].values())


def as_toml(head: PackHead) -> str:
    """Return what scheme.toml says of a pack."""
    data = head.model_dump(mode="json", by_alias=True, exclude_none=True)
    return "".join(f"{key} = {_toml_value(value)}\n" for key, value in data.items())


def _toml_value(value: object) -> str:
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_toml_value(inner)}' for key, inner in value.items())} }}"
    return json.dumps(value, ensure_ascii=False)
