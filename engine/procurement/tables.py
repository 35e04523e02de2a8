"""Tables of procurement in and out: CSV, Excel or Parquet with a column map; amounts in files are yuan."""

import json
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from engine.outputs.folder import MARK, replaced_folder
from engine.provenance import input_files, program_versions
from engine.tables import Column, Kind, cell_faults, read_table
from grouper.fault import Text, UserError
from grouper.nearest import near_names
from rules.fault import UserError as RulesError
from rules.procurement.tables import PURCHASES, TABLES, Table, conform

Names = Mapping[str, Mapping[str, str]]
"""By table: our name of a column → the file's."""
KINDS: dict[str, Kind] = {
    "text": "text", "whole": "whole", "fen": "yuan", "price": "number", "number": "number", "day": "text",
    "month": "month", "flag": "flag",
}  # fmt: skip


def read_map(path: Path | None) -> Names:
    """Read a column map: a TOML file with a table of names for each of ours. UserError for names not ours."""
    if path is None:
        return {}
    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(_at(path, "", f"无法读取：{error}", f"cannot be read: {error}")) from None
    faults = []
    for name, columns in found.items():
        ours = {column.name for column in TABLES[name].columns} if name in TABLES else set(TABLES)
        wrong = [name] if name not in TABLES else sorted(set(columns) - ours)
        for one in wrong:
            near = near_names(one, ours)
            faults.append(_at(path, name, f"没有 {one}{near.zh}", f"there is no {one}{near.en}"))
    if faults:
        raise UserError(faults)
    return found


def read(path: Path, table: Table, names: Names) -> pl.DataFrame:
    """Read one of the tables of `rules.procurement`, in its types; amounts are yuan in the file and fen here.

    Columns that need not be there and are not are left out. UserError with every fault, by row and column.
    """
    theirs = {column.name: names.get(table.name, {}).get(column.name, column.name) for column in table.columns}
    asked = [Column(theirs[column.name], KINDS[column.kind], not column.needed) for column in table.columns]
    frame = read_table(path, asked)
    days = [theirs[column.name] for column in table.columns if column.kind == "day"]
    frame = _with_days(path, frame, days).rename({name: ours for ours, name in theirs.items()})
    present = [column for column in table.columns if column.needed or frame[column.name].null_count() < frame.height]
    months = pl.col([column.name for column in present if column.kind == "month"])
    frame = frame.select(column.name for column in present)
    with of_file(path):
        return conform(frame.with_columns(months.str.replace("-", "", literal=True).cast(pl.Int32)), table)


@contextmanager
def of_file(path: Path) -> Iterator[None]:
    """Name the file in what the rules refuse of its rows."""
    try:
        yield
    except RulesError as error:
        raise UserError([_at(path, "", fault.zh, fault.en) for fault in error.faults]) from None


def _with_days(path: Path, frame: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    """Return the frame with days as dates. UserError by row for what is none."""
    days = frame.with_columns(pl.col(columns).str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False))
    what = Text("应为 2026-01-31 这样的日期", "must be a day such as 2026-01-31")
    wrong = {name: days[name].is_null() & frame[name].is_not_null() for name in columns}
    if faults := [fault for name in columns for fault in cell_faults(path, frame[name], wrong[name], what)]:
        raise UserError(faults)
    return days


def scan_purchases(path: Path, names: Names) -> pl.LazyFrame:
    """Return purchases as a lazy frame: a Parquet file is not read here, so that it may be larger than memory.

    A Parquet file may hold months as 202610, "2026-10" or a date; amounts as decimals of yuan, never binary floats.
    """
    if path.suffix != ".parquet":
        return read(path, PURCHASES, names).lazy()
    try:
        lines = pl.scan_parquet(path)
        schema = lines.collect_schema()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UserError(_at(path, "", f"无法读取：{error}", f"cannot be read: {error}")) from None
    theirs = {column.name: names.get("purchases", {}).get(column.name, column.name) for column in PURCHASES.columns}
    faults, found = [], []
    for column in PURCHASES.columns:
        name = theirs[column.name]
        if name not in schema:
            if column.needed:
                near = near_names(name, list(schema))
                faults.append(_at(path, name, f"缺少列{near.zh}", f"the column is missing{near.en}"))
            continue
        if column.kind in {"fen", "whole"} and schema[name].is_float():
            faults.append(_at(path, name, "为浮点数，已失真：请用十进制", "holds binary floats: use decimals"))
        found.append(_typed(pl.col(name), schema[name], column.kind).alias(column.name))
    if faults:
        raise UserError(faults)
    return lines.select(found)


def _typed(cell: pl.Expr, dtype: pl.DataType, kind: str) -> pl.Expr:
    """Return a cell of a Parquet file in the type of its kind; null where it does not fit."""
    if kind == "fen":
        return (cell.cast(pl.Decimal(24, 2), strict=False) * 100).cast(pl.Int64)
    if kind == "whole":
        return cell.cast(pl.Int64, strict=False)
    if kind == "month" and dtype.is_temporal():
        return cell.dt.year() * 100 + cell.dt.month()
    if kind == "month":
        return cell.cast(pl.String).str.replace("-", "", literal=True).cast(pl.Int32, strict=False)
    return cell.cast(pl.Boolean, strict=False) if kind == "flag" else cell


def refusals(lines: pl.LazyFrame) -> pl.LazyFrame:
    """Return one row of counts over purchases: cells that are empty or do not fit, and negatives without a flag."""
    needed = [column.name for column in PURCHASES.columns if column.needed]
    negative = ~pl.col("returned") & ((pl.col("quantity") < 0) | (pl.col("amount") < 0))
    counts = [pl.col(name).null_count().alias(name) for name in needed]
    month = (~(pl.col("month") % 100).is_between(1, 12)).sum().alias("_months")
    return lines.select(*counts, negative.sum().alias("_negative"), month, pl.len().alias("_rows"))


def refuse(path: Path, counts: Mapping[str, int]) -> int:
    """Refuse purchases of which `refusals` counted something; return how many rows they are."""
    faults = []
    for name, count in counts.items():
        if count and not name.startswith("_"):
            faults.append(_at(path, name, f"{count} 格为空或不合类型", f"{count} cells are empty or of the wrong kind"))
    if count := counts["_months"]:
        faults.append(_at(path, "month", f"{count} 格不是月份", f"{count} cells are not months"))
    if count := counts["_negative"]:
        zh, en = f"{count} 行数量或金额为负而无退货标志", f"{count} rows are below zero without a return flag"
        faults.append(_at(path, "returned", zh, en))
    if faults:
        raise UserError(faults)
    return counts["_rows"]


def in_yuan(frame: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    """Return the frame with amounts of fen as yuan with two decimals."""
    return frame.with_columns((pl.col(columns).cast(pl.Decimal(38, 2)) / 100).cast(pl.Decimal(38, 2)))


def write(out: Path, tables: Mapping[str, pl.DataFrame], summary: dict[str, Any], inputs: list[Path]) -> dict[str, Any]:
    """Write tables as CSV and a summary with its provenance as a folder that is replaced as a whole."""
    whole = {**summary, "inputs": input_files(inputs), "versions": program_versions()}
    with replaced_folder(out) as folder:
        for name, table in tables.items():
            table.write_csv(folder / f"{name}.csv")
        (folder / MARK).write_text(json.dumps(whole, ensure_ascii=False, indent=2) + "\n", "utf-8")
    return whole


def month_of(month: str, option: str) -> int:
    """Read a month such as 2026-01 as year × 100 + month."""
    year, dash, number = month.partition("-")
    if not (dash and len(year) == 4 and year.isdecimal() and number.isdecimal() and 1 <= int(number) <= 12):
        raise UserError(Text(f"{option} {month}：应如 2026-01", f"{option} {month}: should be like 2026-01"))
    return int(year) * 100 + int(number)


def _at(path: Path, where: str, zh: str, en: str) -> Text:
    """Return a message about a column of a file, or about the file."""
    return Text(f"{path}：{where}：{zh}", f"{path}: {where}: {en}") if where else Text(f"{path}：{zh}", f"{path}: {en}")
