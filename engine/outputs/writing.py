"""What the libraries that write files say when they cannot, as the user is told it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
from xlsxwriter.exceptions import XlsxWriterException

from engine.outputs.folder import cannot_write


@contextmanager
def writing(out: Path) -> Iterator[None]:
    """Raise CannotWriteError where DuckDB or the writer of workbooks cannot write to `out`."""
    try:
        yield
    except (duckdb.IOException, XlsxWriterException) as error:
        raise cannot_write(out, error) from error
