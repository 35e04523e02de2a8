"""Rows done, rate and time left: a bar on a terminal, plain lines elsewhere; both on standard error."""

import sys
import time
from collections.abc import Callable
from typing import Any, Self

from engine.cli.options import language
from grouper.fault import Text

_PLAIN_EVERY = 5.0
"""Seconds between progress lines where the screen is not a terminal."""


class Progress:
    """Progress of one long job, named in both languages."""

    def __init__(self, what: Text) -> None:
        self._what = what
        self._done = 0
        self._total: int | None = None
        self._began = self._said = time.monotonic()
        self._bar: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def start(self, total: int | None) -> Callable[[int], None]:
        """Begin to count towards `total` rows (None: not known) and return what counts them."""
        self._total = total
        self._began = self._said = time.monotonic()
        return self._start_bar() if sys.stderr.isatty() else self._count

    def _start_bar(self) -> Callable[[int], None]:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(show_speed=True),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        task = self._bar.add_task(self._what.text(language()), total=self._total)
        self._bar.start()
        return lambda rows: self._bar.advance(task, rows)

    def _count(self, rows: int) -> None:
        self._done += rows
        now = time.monotonic()
        if now - self._said < _PLAIN_EVERY:
            return
        self._said = now
        rate = self._done / (now - self._began)
        left = Text("", "")
        if self._total:
            seconds = (self._total - self._done) / rate
            left = Text(f"，还需 {seconds:.0f} 秒", f", {seconds:.0f} s left")
        line = Text(
            f"{self._done:,} 行，{rate:,.0f} 行/秒{left.zh}", f"{self._done:,} rows, {rate:,.0f} rows/s{left.en}"
        )
        sys.stderr.write(f"{line.text(language())}\n")
