"""How statements look: one workbook's formats, page set-up and title lines, on paper A4 across.

Cells are written as numbers or as text, never as formulas or links, whatever the data says.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import xlsxwriter

from grouper.fault import Text

A4 = 9
TITLE, FACTS = 0, 1
"""Rows of the title and of the line of facts beneath; the table's header follows after an empty row."""
HEADER = 3
SHADE, RULE, GREY = "#DDEBF7", "#8EA9C1", "#595959"
FONT = "宋体"
NUMBERS: Mapping[str, str] = {
    "text": "@",
    "name": "@",
    "date": "yyyy-mm-dd",
    "whole": "#,##0;[Red]-#,##0",
    "money": "#,##0.00;[Red]-#,##0.00",
    "points": "#,##0.0000;[Red]-#,##0.0000",
    "value": "#,##0.000000;[Red]-#,##0.000000",
    "multiple": "0.00;[Red]-0.00",
    "share": "0.00%;[Red]-0.00%",
    "ratio": "0.0000%",
}
"""Number formats by kind of figure; what is negative is red, and long names shrink to fit."""
WORDS = ("text", "name")
"""Kinds that are written as text."""


@dataclass(frozen=True, slots=True)
class Margin:
    """What stands above and below every printed page of a workbook."""

    above: str
    below: str


@dataclass(frozen=True)
class Paper:
    """A workbook being written."""

    book: xlsxwriter.Workbook
    lang: str
    margin: Margin
    _formats: dict[tuple[tuple[str, Any], ...], Any]

    def say(self, text: Text) -> str:
        """Return a text in the workbook's language."""
        return text.text(self.lang)

    def style(self, kind: str = "text", **properties: Any) -> Any:  # noqa: ANN401
        """Return the format of a kind of figure with further properties; equal ones are made once."""
        wanted = {"num_format": NUMBERS[kind], "valign": "vcenter", "shrink": kind == "name"} | properties
        key = tuple(sorted(wanted.items()))
        if key not in self._formats:
            self._formats[key] = self.book.add_format(wanted)
        return self._formats[key]

    def sheet(self, name: str) -> xlsxwriter.worksheet.Worksheet:
        """Add a sheet, set up for printing."""
        sheet = self.book.add_worksheet(name)
        sheet.set_landscape()
        sheet.set_paper(A4)
        sheet.fit_to_pages(1, 0)
        sheet.set_margins(left=0.4, right=0.4, top=0.75, bottom=0.7)
        sheet.center_horizontally()
        sheet.set_header(f"&L&9{_printed(self.margin.above)}&R&9&A")
        sheet.set_footer(
            f"&L&8{_printed(self.margin.below)}&R&9{self.say(Text('第 &P 页，共 &N 页', 'page &P of &N'))}"
        )
        sheet.ignore_errors({"number_stored_as_text": "A1:XFD1048576"})
        sheet.set_row(TITLE, 26)
        return sheet

    def header_style(self) -> Any:  # noqa: ANN401
        """Return the format of a table's header."""
        return self.style(bold=True, bg_color=SHADE, border=1, border_color=RULE, align="center", text_wrap=True)


def write_text(sheet: xlsxwriter.worksheet.Worksheet, row: int, column: int, text: str, style: Any = None) -> None:  # noqa: ANN401
    """Write a cell of text as it stands."""
    sheet.write_string(row, column, plain(text), style)


def plain(text: str) -> str:
    """Return a text that the writer takes as text: signs no file of XML holds are left out."""
    text = text.replace("\ufffe", "").replace("\uffff", "")
    # What begins like the writer's own rich text would be written as it stands.
    return f" {text}" if text.startswith("<r>") else text


def _printed(text: str) -> str:
    """Return a text for headers and footers, where & begins a code."""
    return text.replace("&", "&&")


@contextmanager
def workbook(path: Path, lang: str, margin: Margin, made: datetime) -> Iterator[Paper]:
    """Make a workbook; `made` stands in its properties, so that equal data give equal files."""
    options = {
        "in_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "default_format_properties": {"font_name": FONT, "font_size": 10},
    }
    made_of = BytesIO()
    with xlsxwriter.Workbook(made_of, options) as book:
        book.set_properties({"created": made, "comments": margin.below})
        yield Paper(book, lang, margin, {})
    path.write_bytes(made_of.getvalue())


def text_width(text: str) -> int:
    """Return how wide a text is in figures of the font."""
    return sum(2 if ord(sign) > 0x2E7F else 1 for sign in text)
