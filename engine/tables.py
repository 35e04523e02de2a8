"""Small tables beside the claims: scores, deductions, decisions, quotas, fee lines; CSV, Excel or Parquet."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from grouper.fault import Text, UserError
from grouper.nearest import near_names

Kind = Literal["text", "whole", "number", "yuan", "flag", "month"]
SHOWN_FAULTS = 5
_TRUE, _FALSE = ("1", "true", "是", "y", "yes"), ("0", "false", "否", "n", "no", "")
_WHAT = {
    "whole": Text("应为整数", "must be a whole number"),
    "number": Text("应为十进制数", "must be a decimal number"),
    "yuan": Text("应为最多两位小数的金额（元）", "must be an amount of yuan with at most two decimals"),
    "flag": Text("应为 0/1、true/false 或 是/否", "must be 0/1, true/false or 是/否"),
    "month": Text("应为 2026-10 这样的月份", "must be a month such as 2026-10"),
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table. Yuan come out as whole fen, numbers as text with all their digits."""

    name: str
    kind: Kind = "text"
    optional: bool = False


def read_table(path: Path, columns: Sequence[Column]) -> pl.DataFrame:
    """Read a table; further columns of the file are left out, an optional one that is absent comes out empty.

    Amounts in files are yuan, as in claims. Raises UserError with every fault: unreadable file, missing columns with
    near names, empty cells and cells of the wrong kind by row.
    """
    frame, faults = read_checked(path, columns)
    if faults:
        raise UserError(faults)
    return frame


def read_checked(path: Path, columns: Sequence[Column]) -> tuple[pl.DataFrame, list[Text]]:
    """Read a table and return what is wrong in its cells beside it, so that further checks can add their own faults.

    A cell at fault comes out empty. Raises UserError for an unreadable file and missing columns.
    """
    frame = _read(path)
    missing = [column for column in columns if column.name not in frame.columns and not column.optional]
    if missing:
        raise UserError([_missing(path, column.name, frame.columns) for column in missing])
    faults: list[Text] = []
    found = [_column(path, frame, column, faults) for column in columns]
    return pl.DataFrame(found), faults


def cell_faults(path: Path, cells: pl.Series, wrong: pl.Series, what: Text) -> list[Text]:
    """Return what is wrong with some cells of a column, by file, row and column: the first few, then how many more."""
    faults = []
    for row in wrong.fill_null(value=False).arg_true()[:SHOWN_FAULTS]:
        place = f"{path}:{row + 2}:{cells.name}"
        shown = "" if cells[row] is None else f" {cells[row]!r}"
        faults.append(Text(f"{place}:{shown} {what.zh}", f"{place}:{shown} {what.en}"))
    if (more := int(wrong.sum()) - SHOWN_FAULTS) > 0:
        name = cells.name
        faults.append(Text(f"{path}：{name} 另有 {more} 处", f"{path}: {more} more cells of {name}"))
    return faults


def _read(path: Path) -> pl.DataFrame:
    """Read a file with every cell as text, or as the types of a Parquet file."""
    try:
        if path.suffix == ".parquet":
            return pl.read_parquet(path)
        if path.suffix in {".xlsx", ".xls"}:
            return pl.read_excel(path, read_options={"dtypes": "string"})
        return pl.read_csv(path, infer_schema=False)
    except FileNotFoundError:
        raise UserError(Text(f"{path}：没有这个文件", f"{path}: there is no such file")) from None
    except (OSError, pl.exceptions.PolarsError, ValueError) as error:
        raise UserError(Text(f"{path}：无法读取：{error}", f"{path}: cannot be read: {error}")) from None


def _missing(path: Path, name: str, there: Sequence[str]) -> Text:
    near = near_names(name, there)
    listed = ", ".join(there)
    zh, en = near if near.en else Text(f"；文件有 {listed}", f"; the file has {listed}")
    return Text(f"{path}：缺少列 {name}{zh}", f"{path}: the column {name} is missing{en}")


def _column(path: Path, frame: pl.DataFrame, column: Column, faults: list[Text]) -> pl.Series:
    """Return one column in its kind, and note its faults."""
    if column.name not in frame.columns:
        return pl.Series(column.name, [None] * frame.height, dtype=_TYPES[column.kind])
    cells = frame[column.name]
    text = cells.cast(pl.String).str.strip_chars()
    text = text.set(text == "", None) if column.kind != "flag" else text
    found = pl.DataFrame({"cell": text}).select(_parsed(column.kind).alias(column.name)).to_series()
    wrong = found.is_null() & (pl.Series([not column.optional] * len(text), dtype=pl.Boolean) | text.is_not_null())
    faults += cell_faults(path, text, wrong & text.is_null(), Text("不能为空", "must not be empty"))
    if (what := _WHAT.get(column.kind)) is not None:
        faults += cell_faults(path, text, wrong & text.is_not_null(), what)
    return found.alias(column.name)


_TYPES: dict[str, pl.DataType] = {
    "text": pl.String(), "whole": pl.Int64(), "number": pl.String(), "yuan": pl.Int64(), "flag": pl.Boolean(),
    "month": pl.String(),
}  # fmt: skip


def _parsed(kind: Kind) -> pl.Expr:
    """Return the cells of a column in their kind; null where a cell is not of it."""
    cell = pl.col("cell")
    if kind == "text":
        return cell
    if kind == "whole":
        return cell.cast(pl.Int64, strict=False)
    if kind == "number":
        return pl.when(cell.str.contains(r"^[+-]?\d+(\.\d+)?$")).then(cell)
    if kind == "month":
        return pl.when(cell.str.contains(r"^\d{4}-(0[1-9]|1[0-2])$")).then(cell)
    if kind == "flag":
        low = cell.fill_null("").str.to_lowercase()
        return pl.when(low.is_in(_TRUE)).then(True).when(low.is_in(_FALSE)).then(False)  # noqa: FBT003
    whole = cell.str.contains(r"^[+-]?\d{1,15}(\.\d{1,2}0*)?$")
    return pl.when(whole).then((cell.cast(pl.Decimal(24, 6), strict=False) * 100).cast(pl.Int64, strict=False))
