"""Read the sheets of an official workbook: tables found by their header texts, cells cleaned, every mend remarked.

Issues of the workbook differ: a title line or none, an empty first column or none, other header texts, `_x000D_`, hard
and full-width blanks and line breaks inside cells, a row 0000 at the end. Columns are never found by position.
"""

import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import fastexcel

from grouper.fault import Text, UserError
from grouper.nearest import near_names
from grouper.scheme.tables import Row

_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff"))
_HEADER_WITHIN = 20

REMARKS = {
    "blanks": Text("空白、换行或转义字符已整理", "blanks, line breaks or escapes folded"),
    "spelling": Text("编码写法已更正", "spelling of a code mended"),
    "end_row": Text("表尾标记行已略去", "end mark left out"),
    "repeated": Text("同一集合中重复的编码，照原样保留", "code repeated in its set, kept as it is"),
    "assumed": Text("工作簿没有的项目，已设定，请核对", "not in the workbook, assumed: please check"),
    "filled": Text("合并单元格留下的空白已按上一行填写", "blank left by merged cells, filled from the row above"),
    "unread": Text("无法读取，已略去", "could not be read, left out"),
    "amendment": Text("工作簿遗漏的内容，已补充", "missing from the workbook, added"),
}
"""Kinds of remarks on a workbook."""


class Remark(NamedTuple):
    """One thing noticed or mended. `row` is the number that Excel shows, 0 where there is none."""

    kind: str
    sheet: str
    row: int
    column: str
    detail: str

    def line(self, lang: str) -> str:
        """Return the remark in words."""
        place = " ".join(filter(None, (self.sheet, str(self.row or ""), self.column)))
        return f"{place}: {REMARKS[self.kind].text(lang)}: {self.detail}"


class Layout(NamedTuple):
    """A sheet's name and the headers under which each column of its table may stand, the usual one first.

    Columns that are `optional` may have no header.
    """

    sheet: str
    headers: Mapping[str, tuple[str, ...]]
    optional: frozenset[str] = frozenset()


LAYOUTS = {
    "mdc": Layout("MDC", {"order": ("排序",), "code": ("MDC编码",), "name": ("MDC名称",), "rule": ("MDC规则",)}),
    "adrg": Layout(
        "ADRG",
        {
            "mdc": ("所属MDC编码",),
            "order": ("MDC内排序", "排序"),
            "code": ("ADRG编码", "ADRG"),
            "name": ("ADRG名称",),
            "rule": ("ADRG规则",),
        },
    ),
    "drg": Layout(
        "DRG",
        {
            "adrg": ("所属ADRG编码",),
            "order": ("排序", "ADRG内排序"),
            "code": ("DRG编码", "DRG"),
            "name": ("DRG名称",),
            "rule": ("DRG规则",),
        },
    ),
    "sets": Layout("集合", {"set": ("集合编号",), "codes": ("ICD编码",)}),
    "complications": Layout("CC", {"code": ("疾病编码", "ICD编码"), "level": ("类型",), "exclusion": ("排除表",)}),
    "exclusions": Layout("排除表", {"table": ("集合编号",), "codes": ("ICD编码",)}),
}
"""The six sheets of the official workbook, by the table of a pack that each holds."""
SCHEME_SHEET = Layout("方案", {"key": ("项目",), "value": ("内容",)})
"""The seventh sheet: what scheme.toml says, and the codes not to be grouped."""
_HEADERS = {(layout.sheet, column): texts[0] for layout in LAYOUTS.values() for column, texts in layout.headers.items()}


class SheetRow(Row):
    """A row of a sheet, `file` being workbook/sheet; its faults name the column by the header."""

    __slots__ = ()

    def fault(self, column: str, zh: str, en: str) -> Text:
        """Return a fault that names workbook, sheet, row and header."""
        return super().fault(_HEADERS.get((self.file.name, column), column), zh, en)


class Workbook:
    """A workbook being read, with the remarks, faults and row counts by sheet found so far."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.remarks: list[Remark] = []
        self.faults: list[Text] = []
        self.counts: dict[str, int] = {}
        try:
            self._reader = fastexcel.read_excel(path)
        except (fastexcel.FastExcelError, OSError) as error:
            reason = str(error).splitlines()[0]
            fault = Text(
                f"{path}：不能作为 Excel 工作簿读取：{reason}", f"{path}: cannot be read as a workbook: {reason}"
            )
            raise UserError(fault) from error
        self._sheets = {_plain(name): name for name in self._reader.sheet_names}

    @property
    def sheet_names(self) -> list[str]:
        """The names of its sheets, in their order."""
        return list(self._reader.sheet_names)

    def has(self, layout: Layout) -> bool:
        """Whether the workbook has the sheet."""
        return _plain(layout.sheet) in self._sheets

    def rows(self, layout: Layout) -> list[SheetRow]:
        """Read the rows below the headers, cells cleaned. A missing sheet or header is added to the faults."""
        if not self.has(layout):
            near = near_names(layout.sheet, self._reader.sheet_names)
            there = "、".join(self._reader.sheet_names)
            self.faults.append(
                Text(
                    f"{self.path}：没有工作表“{layout.sheet}”{near.zh}；现有：{there}",
                    f"{self.path}: no sheet {layout.sheet!r}{near.en}; there are {there}",
                )
            )
            return []
        # skip_rows=0 keeps leading empty rows, so that row numbers are those that Excel shows
        sheet = self._reader.load_sheet(
            self._sheets[_plain(layout.sheet)], header_row=None, skip_rows=0, dtypes="string"
        )
        cells = list(sheet.to_polars().iter_rows())
        found = self._header(layout, cells)
        if found is None:
            return []
        header_row, columns = found
        place = self.path / layout.sheet
        rows = []
        for number, line in enumerate(cells[header_row + 1 :], start=header_row + 2):
            if any(line[at] and line[at].strip() for at in columns.values()):
                cells_of = dict.fromkeys(layout.headers, "") | {name: line[at] or "" for name, at in columns.items()}
                rows.append(SheetRow(place, number, self._cleaned(layout, number, cells_of)))
        self.counts[layout.sheet] = len(rows)
        return rows

    def _header(self, layout: Layout, cells: list[tuple[str | None, ...]]) -> tuple[int, dict[str, int]] | None:
        """Return the header row and where each column stands, from the row that has most of the headers."""
        best: tuple[int, dict[str, int]] = (0, {})
        for number, line in enumerate(cells[:_HEADER_WITHIN]):
            texts = {_plain(cell): at for at, cell in reversed(list(enumerate(line))) if cell}
            columns = {}
            for column, headers in layout.headers.items():
                at = next((texts[_plain(header)] for header in headers if _plain(header) in texts), None)
                if at is not None:
                    columns[column] = at
            if len(columns) > len(best[1]):
                best = number, columns
        missing = [
            headers
            for column, headers in layout.headers.items()
            if column not in best[1] and column not in layout.optional
        ]
        if not missing:
            return best
        there = [clean(cell) for cell in (cells[best[0]] if cells else ()) if cell]
        for headers in missing:
            near = near_names(headers[0], there)
            wanted = Text("或".join(headers), " or ".join(headers))
            self.faults.append(
                Text(
                    f"{self.path}/{layout.sheet}：没有表头“{wanted.zh}”{near.zh}",
                    f"{self.path}/{layout.sheet}: no header {wanted.en}{near.en}",
                )
            )
        return None

    def _cleaned(self, layout: Layout, number: int, raw: dict[str, str]) -> dict[str, str]:
        values = {column: clean(cell) for column, cell in raw.items()}
        for column, cell in raw.items():
            if cell != values[column]:
                self.remark("blanks", layout, number, column, values[column])
        return values

    def respell(self, layout: Layout, row: SheetRow, column: str, spelling: str) -> None:
        """Write a code of a row as it should be, and remark it."""
        if row.values[column] != spelling:
            self.remark("spelling", layout, row.line, column, f"{row.values[column]} → {spelling}")
            row.values[column] = spelling

    def remark(self, kind: str, layout: Layout, row: int, column: str, detail: str) -> None:
        """Keep a remark on a cell."""
        self.remarks.append(Remark(kind, layout.sheet, row, layout.headers[column][0], detail))


def clean(cell: str) -> str:
    """Return a cell without escapes and invisible characters, runs of blanks and line breaks folded to one blank."""
    if "_x" in cell:
        cell = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), cell)
    return " ".join(cell.translate(_INVISIBLE).split())


def squeeze(code: str) -> str:
    """Return a code in half width, without blanks."""
    return code if code.isascii() and " " not in code else "".join(unicodedata.normalize("NFKC", code).split())


def _plain(header: str) -> str:
    return squeeze(clean(header)).casefold()
