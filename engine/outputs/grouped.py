"""The table of grouped claims: written as Parquet while it grows, and turned into the format asked for at the end."""

from pathlib import Path
from typing import Literal, get_args

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter
from xlsxwriter.exceptions import XlsxFileError

from engine.database import open_database
from engine.outputs.folder import cannot_write
from grouper.fault import CannotWriteError, Text

Format = Literal["parquet", "csv", "xlsx", "duckdb"]
FORMATS: tuple[Format, ...] = get_args(Format)
_EXCEL_ROWS = 1_048_576
_EXCEL_BATCH = 10_000


class TableWriter:
    """Writes one table to <folder>/<name>.parquet, batch by batch, at least one; `finish` converts it."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / f"{name}.parquet"
        self._writer: pq.ParquetWriter | None = None

    @property
    def is_empty(self) -> bool:
        """Whether no table was written yet, and so no columns are known."""
        return self._writer is None

    def write(self, table: pa.Table) -> None:
        """Append rows; the first table decides the columns."""
        if self._writer is None:
            # Ids are all different, and a dictionary of them would be thrown away; the answers are few and repeat.
            encoded = [field.name for field in table.schema if pa.types.is_dictionary(field.type)]
            self._writer = pq.ParquetWriter(
                self.path, table.schema, use_dictionary=encoded, compression="zstd", write_statistics=False
            )
        self._writer.write_table(table)

    def finish(self, kind: Format) -> Path:
        """Close the table and return its path in the format asked for."""
        if self._writer is None:
            raise ValueError(self.path)
        self._writer.close()
        if kind == "parquet":
            return self.path
        target = self.path.with_suffix(f".{kind}")
        try:
            _CONVERT[kind](self.path, target)
        except (duckdb.IOException, XlsxFileError) as error:
            raise cannot_write(target, error) from error
        self.path.unlink()
        return target


def _to_csv(source: Path, target: Path) -> None:
    quoted = str(target).replace("'", "''")
    with open_database() as connection:
        connection.execute(f"COPY (FROM read_parquet($source)) TO '{quoted}' (HEADER)", {"source": str(source)})


def _to_duckdb(source: Path, target: Path) -> None:
    with open_database(target) as database:
        database.execute(f'CREATE TABLE "{source.stem}" AS FROM read_parquet($source)', {"source": str(source)})


def _to_excel(source: Path, target: Path) -> None:
    parquet = pq.ParquetFile(source)
    if parquet.metadata.num_rows >= _EXCEL_ROWS:
        raise CannotWriteError(
            Text(
                f"{parquet.metadata.num_rows} 行超过 Excel 一张表的 {_EXCEL_ROWS - 1} 行；请用 csv 或 parquet",
                f"{parquet.metadata.num_rows} rows are more than the {_EXCEL_ROWS - 1} of an Excel sheet; "
                "use csv or parquet",
            )
        )
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(target, options) as workbook:
        sheet = workbook.add_worksheet(source.stem)
        sheet.freeze_panes(1, 0)
        sheet.write_row(0, 0, parquet.schema_arrow.names)
        at = 0
        for batch in parquet.iter_batches(_EXCEL_BATCH):
            for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                at += 1
                sheet.write_row(at, 0, [cell if isinstance(cell, int | float) else str(cell or "") for cell in row])


_CONVERT = {"csv": _to_csv, "duckdb": _to_duckdb, "xlsx": _to_excel}
