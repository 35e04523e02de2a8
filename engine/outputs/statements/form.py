"""A page that is filled in from the top: headings, facts, tables of few lines, notes, places to sign."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from engine.outputs.statements.paper import (
    FACTS,
    GREY,
    HEADER,
    RULE,
    SHADE,
    TITLE,
    WORDS,
    Paper,
    text_width,
    write_text,
)
from grouper.fault import Text

LINE, TALL = 16, 26
"""Heights of rows of one line and of two."""


class Cell(NamedTuple):
    """A figure and its kind (see paper.NUMBERS); money is whole fen. None is an empty cell."""

    figure: Any
    kind: str = "text"


class Form:
    """A sheet and the row that is filled in next: one page across, or upright pages as many as it takes.

    `widths`: of its columns.
    """

    def __init__(self, paper: Paper, name: Text, title: str, widths: Sequence[float], *, upright: bool = False) -> None:
        self.paper = paper
        self.widths = widths
        self.row = TITLE
        self.sheet = paper.sheet(paper.say(name))
        if upright:
            self.sheet.set_portrait()
        else:
            self.sheet.fit_to_pages(1, 1)
        for place, width in enumerate(widths):
            self.sheet.set_column(place, place, width)
        self._across(0, self.last, title, paper.style(bold=True, font_size=16, align="center"))
        self.row = FACTS
        self._across(0, self.last, paper.say(Text("单位：元", "amounts in yuan")), paper.style(align="right"))
        self.row = HEADER

    @property
    def last(self) -> int:
        """Return the last column."""
        return len(self.widths) - 1

    def heading(self, text: Text) -> None:
        """Write a heading across the page."""
        self.row += 1
        self.sheet.set_row(self.row, 20)
        write_text(self.sheet, self.row, 0, self.paper.say(text), self.paper.style(bold=True, font_size=12))
        self.row += 1

    def facts(self, pairs: Sequence[tuple[Text, str]], split: int) -> None:
        """Write names and what they are, two a line; the second begins in column `split`."""
        style = self.paper.style(bottom=1, bottom_color=RULE, shrink=True)
        colon = self.paper.say(Text("：", ": "))
        for place, (label, text) in enumerate(pairs):
            first, last = (split, self.last) if place % 2 else (0, split - 1)
            self._across(first, last, f"{self.paper.say(label)}{colon}{text}", style)
            if place % 2 or place == len(pairs) - 1:
                self.row += 1

    def header(self, labels: Sequence[str], note: str = "") -> None:
        """Write a table's header; `note` heads the rest of the page."""
        style = self.paper.header_style()
        self.sheet.set_row(self.row, TALL)
        for place, label in enumerate(labels):
            write_text(self.sheet, self.row, place, label, style)
        if note:
            self._across(len(labels), self.last, note, style)
        self.row += 1

    def line(self, cells: Sequence[Cell], note: str | None = None, *, bold: bool = False) -> None:
        """Write a line of a table; a note fills the rest of the page."""
        look: dict[str, Any] = {"border": 1, "border_color": RULE}
        if bold:
            look |= {"bold": True, "bg_color": SHADE}
        room = sum(self.widths[len(cells) :])
        wide = note is not None and text_width(note) > room
        self.sheet.set_row(self.row, TALL if wide else LINE)
        for place, cell in enumerate(cells):
            self._cell(place, cell, look)
        if note is not None:
            self._across(
                len(cells), self.last, note, self.paper.style(font_color=GREY, text_wrap=True, indent=1, **look)
            )
        self.row += 1

    def _cell(self, place: int, cell: Cell, look: dict[str, Any]) -> None:
        if cell.figure is None:
            self.sheet.write_blank(self.row, place, None, self.paper.style(**look))
        elif cell.kind in WORDS:
            write_text(self.sheet, self.row, place, str(cell.figure), self.paper.style(cell.kind, indent=1, **look))
        else:
            number = cell.figure / 100 if cell.kind == "money" else float(cell.figure)
            self.sheet.write_number(self.row, place, number, self.paper.style(cell.kind, **look))

    def notes(self, texts: Sequence[Text]) -> None:
        """Write notes under a table."""
        for text in texts:
            write_text(self.sheet, self.row, 0, self.paper.say(text), self.paper.style(font_color=GREY, font_size=9))
            self.row += 1

    def signatures(self, parties: Sequence[Text]) -> None:
        """Leave room for each party to sign and stamp."""
        self.row += 1
        for party in parties:
            self.sheet.set_row(self.row, TALL)
            write_text(self.sheet, self.row, 0, self.paper.say(party), self.paper.style())
            self.row += 1

    def _across(self, first: int, last: int, text: str, style: Any) -> None:  # noqa: ANN401
        """Write a text over several columns."""
        if last > first:
            self.sheet.merge_range(self.row, first, self.row, last, "", style)
        write_text(self.sheet, self.row, first, text, style)
