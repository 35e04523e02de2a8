"""Cells as files have them: text in any Arrow layout, trimmed; numbers in any type, made comparable."""

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

Mask = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.signedinteger[Any]]
"""Places, numbers or counts of rows."""


def is_text(kind: pa.DataType) -> bool:
    """Tell whether a column holds text, in any of Arrow's layouts."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def is_code_list(kind: pa.DataType) -> bool:
    """Tell whether a column is a list of texts, dictionary-encoded or not."""
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
        return False
    value = kind.value_type.value_type if pa.types.is_dictionary(kind.value_type) else kind.value_type
    return is_text(value) or pa.types.is_null(value)


def single(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def series(cells: pa.Array) -> pl.Series:
    """Return an Arrow array as a polars series."""
    found = pl.from_arrow(cells)
    if not isinstance(found, pl.Series):
        raise TypeError(type(found))
    return found


def mask(rows: pl.Series) -> Mask:
    """Return a boolean series as a mask; null counts as false."""
    return rows.fill_null(value=False).to_numpy()


def plain(cells: pa.Array) -> pa.Array:
    """Return cells without dictionary, and text of any layout as plain strings."""
    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    if cells.type != pa.string() and (
        is_text(cells.type) or pa.types.is_binary(cells.type) or pa.types.is_large_binary(cells.type)
    ):
        cells = cells.cast(pa.string())
    return cells


def as_text(cells: pa.Array) -> pa.Array:
    """Return cells as strings without blanks around them; whole numbers without a decimal point, empty text as null."""
    cells = plain(cells)
    if pa.types.is_floating(cells.type):
        numbers = series(cells).fill_nan(None)
        whole = numbers.cast(pl.Int64, strict=False)
        text = pl.select(
            pl.when(whole == numbers).then(whole.cast(pl.String)).otherwise(numbers.cast(pl.String))
        ).to_series()
        return text.to_arrow().cast(pa.string())
    if cells.type != pa.string():
        cells = cells.cast(pa.string())
    return trimmed(cells) if may_need_trimming(cells) else cells


def may_need_trimming(cells: pa.StringArray) -> bool:
    """Tell whether any string is empty or has a byte that a blank could have: a glance instead of a look at each."""
    if not len(cells):
        return False
    _, offsets, data = cells.buffers()
    ends = np.frombuffer(offsets, np.int32)[cells.offset : cells.offset + len(cells) + 1]
    if np.count_nonzero(ends[1:] == ends[:-1]) > cells.null_count:
        return True
    if data is None or ends[0] == ends[-1]:
        return False
    letters = np.frombuffer(data, np.uint8)[ends[0] : ends[-1]]
    return bool(letters.min() <= ord(" ") or letters.max() > ord("~"))


def trimmed(cells: pa.StringArray) -> pa.StringArray:
    """Take blanks (also full-width ones) off both ends; empty text becomes null."""
    text = series(cells).str.strip_chars()
    return text.set(text == "", None).to_arrow().cast(pa.string())


def halved(cells: pa.Array) -> pl.Series:
    """Return text as a series with half-width characters, trimmed and in lower case, for reading numbers and words."""
    text = series(as_text(cells))
    if text.str.len_bytes().sum() != text.str.len_chars().sum():
        text = text.str.normalize("NFKC").str.strip_chars()
        text = text.set(text == "", None)
    return text.str.to_lowercase()
