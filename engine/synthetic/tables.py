"""The CSV tables of a city: groups, pathways, conditions, examinations. All faults of a table are named at once."""

import csv
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from grouper.fault import Text
from grouper.nearest import near_names


@dataclass(frozen=True)
class Row:
    """A row of a table, and where faults in it are noted."""

    place: str
    cells: dict[str, str]
    faults: list[Text]

    def text(self, column: str, allowed: Collection[str] | None = None) -> str:
        """Return a cell, one of `allowed` where given."""
        cell = self.cells[column]
        if allowed is not None and cell not in allowed:
            near = near_names(cell, [name for name in allowed if name])
            self.faults.append(
                Text(f"{self.place} {column}：没有“{cell}”{near.zh}", f"{self.place} {column}: no {cell!r}{near.en}")
            )
        return cell

    def number(self, column: str, least: float = 0.0, most: float = 1e6) -> float:
        """Return a cell as a number within bounds, both included."""
        cell = self.cells[column]
        try:
            value = float(cell)
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            self.faults.append(
                Text(
                    f"{self.place} {column}：“{cell}”应为 {least:g} 至 {most:g} 的数",
                    f"{self.place} {column}: {cell!r} should be a number from {least:g} to {most:g}",
                )
            )
            return least
        return value

    def codes(self, column: str, known: Collection[str]) -> list[str]:
        """Return the codes of a cell, separated by blanks, each in its official spelling."""
        codes = self.cells[column].split()
        for code in codes:
            if code not in known:
                self.faults.append(
                    Text(
                        f"{self.place} {column}：编码表中没有“{code}”",
                        f"{self.place} {column}: {code!r} is not in the code list",
                    )
                )
        return codes


def read_table(path: Path, columns: Sequence[str], faults: list[Text]) -> list[Row]:
    """Read a CSV file that must have `columns`; a file that cannot be read is a fault and gives no rows."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, restval="")
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            rows = [] if missing else [Row(f"{path.name}:{reader.line_num}", cells, faults) for cells in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        faults.append(Text(f"{path}：无法读取：{error}", f"{path}: cannot be read: {error}"))
        return []
    faults.extend(Text(f"{path}：缺少列 {name}", f"{path}: column {name} is missing") for name in missing)
    if not missing and not rows:
        faults.append(Text(f"{path}：没有数据行", f"{path}: there are no rows"))
    return rows
