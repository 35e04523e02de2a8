"""docs/claims.md prints lists that live in the code: they must be the same."""

from pathlib import Path

from engine.claims.canonical import COLUMNS, Column
from engine.claims.column_map import load_map, shipped_maps
from engine.claims.reasons import REASONS

DOCUMENT = Path(__file__).parents[3] / "docs" / "claims.md"


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table under a heading, without its two title lines."""
    section = DOCUMENT.read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def kind(column: Column) -> str:
    if column.kind == "money":
        return "int64 fen"
    if column.kind == "codes":
        return "list of string"
    return str(column.type)


def test_canonical_columns() -> None:
    expected = [
        [
            f"`{column.name}`",
            ", ".join(f"`{name}`" for name in column.official),
            column.label.zh,
            column.label.en,
            kind(column),
        ]
        for column in COLUMNS
    ]
    assert rows("Canonical columns") == expected


def test_reasons() -> None:
    assert rows("Reasons and findings") == [
        [f"`{reason.code}`", reason.use, reason.text.zh, reason.text.en] for reason in REASONS
    ]


def test_every_shipped_map_is_described() -> None:
    described = [line[0] for line in rows("Shipped column maps")]
    assert described == [f"`{name}`" for name in shipped_maps()]


def test_the_example_of_a_map_is_a_map(tmp_path: Path) -> None:
    example = DOCUMENT.read_text(encoding="utf-8").split("```toml\n")[1].split("```")[0]
    (tmp_path / "map.toml").write_text(example, encoding="utf-8")
    column_map = load_map(tmp_path / "map.toml")
    assert column_map.columns["sex"] == ("性别", "XB")
    assert column_map.diagnoses.table is not None
