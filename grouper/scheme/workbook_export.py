"""Export a scheme in the layout of the official workbook, with a seventh sheet for what its six cannot hold."""

import tempfile
from collections.abc import Iterable, Iterator
from datetime import datetime, time
from pathlib import Path

import xlsxwriter
from xlsxwriter.exceptions import XlsxWriterException

from grouper.fault import CannotWriteError, Text, UserError
from grouper.scheme.pack import Scheme
from grouper.scheme.tables import OPTIONAL
from grouper.scheme.workbook_sheets import SCHEME_SHEET

Cell = str | int
Lines = Iterable[tuple[Cell, ...]]


def export_workbook(scheme: Scheme, path: Path) -> None:
    """Write a scheme as a workbook, whole or not at all; its amendments and changes are merged into the tables."""
    try:
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as scratch:
            partial = Path(scratch) / path.name
            with xlsxwriter.Workbook(partial, {"constant_memory": True}) as book:
                book.set_properties({"created": datetime.combine(scheme.head.valid.start, time())})
                for name, lines in _sheets(scheme).items():
                    _write_sheet(book, name, lines)
            partial.replace(path)
    except (OSError, XlsxWriterException) as error:
        raise CannotWriteError(Text(f"{path}：无法写入：{error}", f"{path}: cannot be written: {error}")) from error


def _write_sheet(book: xlsxwriter.Workbook, name: str, lines: Lines) -> None:
    sheet = book.add_worksheet(name)
    sheet.set_column(0, 4, 18)
    for row, cells in enumerate(lines):
        for column, cell in enumerate(cells):
            if isinstance(cell, int):
                sheet.write_number(row, column, cell)
            elif sheet.write_string(row, column, cell):
                where = f"{name} {cells[0]}"
                raise UserError(
                    Text(f"{where}：超过 Excel 单元格或行数的上限", f"{where}: more than an Excel sheet can hold")
                )


def _sheets(scheme: Scheme) -> dict[str, Lines]:
    """Return the lines of each sheet; as in the official workbook, MDC has a title line above its headers."""
    return {
        "MDC": _mdc_lines(scheme),
        "ADRG": _adrg_lines(scheme),
        "DRG": _drg_lines(scheme),
        "集合": _set_lines(scheme),
        "CC": _complication_lines(scheme),
        "排除表": _exclusion_lines(scheme),
        SCHEME_SHEET.sheet: _scheme_lines(scheme),
    }


def _mdc_lines(scheme: Scheme) -> Iterator[tuple[Cell, ...]]:
    yield (scheme.head.name.zh,)
    yield "MDC编码", "MDC名称", "MDC规则", "排序"
    for row in scheme.mdcs:
        yield row.code, row.name, row.text, row.order


def _adrg_lines(scheme: Scheme) -> Iterator[tuple[Cell, ...]]:
    yield "ADRG编码", "ADRG名称", "ADRG规则", "所属MDC编码", "MDC内排序"
    for mdc in scheme.mdcs:
        for row in scheme.adrgs.get(mdc.code, ()):
            yield row.code, row.name, row.text, row.parent, row.order


def _drg_lines(scheme: Scheme) -> Iterator[tuple[Cell, ...]]:
    yield "DRG编码", "DRG名称", "DRG规则", "所属ADRG编码", "所属MDC编码", "排序"
    for mdc in scheme.mdcs:
        for adrg in scheme.adrgs.get(mdc.code, ()):
            for row in scheme.drgs.get(adrg.code, ()):
                yield row.code, row.name, row.text, row.parent, mdc.code, row.order


def _set_lines(scheme: Scheme) -> Iterator[tuple[Cell, ...]]:
    yield "集合编号", "ICD编码", "ICD名称", "类型编号"
    for name, row in scheme.tables["sets"].items():
        kind = "OP" if name.startswith("OP") else "DI"
        names = scheme.procedure_codes if kind == "OP" else scheme.diagnosis_codes
        for code in row.values["codes"].split():
            yield name, code, names.name(code), kind


def _complication_lines(scheme: Scheme) -> Iterator[tuple[Cell, ...]]:
    yield "疾病编码", "疾病名称", "排除表", "类型"
    for code, row in scheme.tables["complications"].items():
        yield code, scheme.diagnosis_codes.name(code), row.values["exclusion"], row.values["level"]


def _exclusion_lines(scheme: Scheme) -> Iterator[tuple[Cell, ...]]:
    yield "集合编号", "ICD编码", "ICD名称"
    for name, row in scheme.tables["exclusions"].items():
        for code in row.values["codes"].split():
            yield name, code, scheme.diagnosis_codes.name(code)


def _scheme_lines(scheme: Scheme) -> Iterator[tuple[Cell, ...]]:
    yield "项目", "内容", "名称"
    data = scheme.head.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"base"})
    for key, value in data.items():
        if isinstance(value, dict):
            yield from ((f"{key}.{inner}", text) for inner, text in value.items())
        else:
            yield key, ", ".join(value) if isinstance(value, list) else value
    for table, names in zip(OPTIONAL, (scheme.diagnosis_codes, scheme.procedure_codes), strict=True):
        for code in scheme.tables[table]:
            yield table, code, names.name(code)
