"""Excel workbooks: one sheet, read as text once and handed out in slices."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import fastexcel
import numpy as np
import pyarrow as pa

from engine.claims.source import CHUNK_ROWS, Cells, Chunk, Header
from grouper.fault import Text, UserError
from grouper.nearest import near_names


class WorkbookSheet:
    """The sheet of a workbook that holds the wanted columns. Blank rows are no rows; row numbers are the sheet's."""

    def __init__(
        self, path: Path, index: int, *, header: int, sheet: str | None, wanted: Callable[[Sequence[str]], bool]
    ) -> None:
        self.path = path
        self._index = index
        self._header = header
        try:
            reader = fastexcel.read_excel(path)
            self._sheet, names, data = _choose(reader, path, header, sheet, wanted)
        except (fastexcel.FastExcelError, pa.ArrowException, OSError) as error:
            detail = str(error).splitlines()[0]
            raise UserError(
                Text(f"{path}：无法读取该 Excel 文件：{detail}", f"{path}: cannot read the workbook: {detail}")
            ) from None
        self.repeated = names.repeated
        self.columns: Mapping[str, pa.DataType] = dict.fromkeys(names.named, pa.string())
        filled = np.zeros(data.num_rows, np.bool_)
        for column in data.columns:
            filled |= column.is_valid().to_numpy(zero_copy_only=False)
        self._rows = np.flatnonzero(filled) + header + 1
        self._table = data.filter(pa.array(filled)).rename_columns(names.unique)
        self.row_count: int | None = self._table.num_rows

    def numeric(self, columns: Sequence[str]) -> list[str]:
        """Return the columns whose cells are all numbers: Excel keeps no leading zeros there."""
        filled = [name for name in columns if self._table[name].null_count < self._table.num_rows]
        if not filled:
            return []
        places = [self._table.column_names.index(name) for name in filled]
        reader = fastexcel.read_excel(self.path)
        guessed = reader.load_sheet(
            self._sheet, header_row=self._header - 1, use_columns=places, schema_sample_rows=None
        )
        kinds = {info.index: info.dtype for info in guessed.selected_columns}
        return [name for name, place in zip(filled, places, strict=True) if kinds[place] in ("int", "float")]

    def chunks(self) -> Iterator[Chunk]:
        """Yield slices of the sheet."""
        for part, start in enumerate(range(0, self._table.num_rows, CHUNK_ROWS)):
            yield Chunk(self._index, part, int(self._rows[start]), start, min(CHUNK_ROWS, self._table.num_rows - start))

    def read(self, chunk: Chunk, columns: Sequence[str]) -> Cells:
        """Return a slice of some columns."""
        table = self._table.select(list(columns)).slice(chunk.start, chunk.length)
        return Cells(table, self._rows[chunk.start : chunk.start + chunk.length])


def _choose(
    reader: fastexcel.ExcelReader, path: Path, header: int, sheet: str | None, wanted: Callable[[Sequence[str]], bool]
) -> tuple[str, Header, pa.Table]:
    """Return the named sheet, or the only one whose header has the wanted columns; the first where none has."""
    if sheet is not None and sheet not in reader.sheet_names:
        near = near_names(sheet, reader.sheet_names)
        listed = ", ".join(reader.sheet_names)
        raise UserError(
            Text(
                f"{path}：没有工作表“{sheet}”{near.zh}；现有 {listed}",
                f"{path}: no sheet {sheet!r}{near.en}; there are {listed}",
            )
        )
    sheets = [(name, *_load(reader, name, header)) for name in ([sheet] if sheet else reader.sheet_names)]
    fitting = [found for found in sheets if wanted(found[1].named)]
    if len(fitting) > 1:
        listed = ", ".join(name for name, _, _ in fitting)
        raise UserError(
            Text(
                f"{path}：多个工作表（{listed}）都有所需的列，请在列映射中用 sheet 指定一个",
                f"{path}: several sheets ({listed}) have the columns; name one in the column map (sheet)",
            )
        )
    chosen = (fitting or sheets)[0]
    if not chosen[1].named:
        raise UserError(
            Text(
                f"{path}：工作表 {chosen[0]} 第 {header} 行没有表头",
                f"{path}: sheet {chosen[0]} has no header in row {header}",
            )
        )
    return chosen


def _load(reader: fastexcel.ExcelReader, name: str, header: int) -> tuple[Header, pa.Table]:
    """Return the column names and the cells below them, all as text."""
    loaded = reader.load_sheet(name, header_row=None, skip_rows=0, dtypes="string")
    cells = pa.table(loaded.to_arrow()) if loaded.width else pa.table({})
    if cells.num_rows < header:
        return Header.of([]), pa.table({})
    return Header.of([column[header - 1].as_py() for column in cells.columns]), cells.slice(header)
