"""Lists of codes, list<dictionary<int32, string>>, from a column of lists, a cell with separators, numbered columns.

The codes of a chunk are cleaned once in its dictionary, never value by value. Blanks around a code are taken off,
an empty code is null. Lists keep their null entries and null lists. From cells and numbered columns empty codes are
left out, but the first diagnosis stays first even where it is blank; no code at all is a null list.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.claims.canonical import arrow_types
from engine.claims.cells import Mask, Rows, as_text, is_code_list, may_need_trimming, plain, series, trimmed
from engine.claims.column_map import CodeColumns


def read_codes(cells: Sequence[pa.Array], layout: CodeColumns, *, keep_first: bool) -> pa.ListArray:
    """Return the codes of each row. `keep_first` keeps a blank first code in its place (diagnoses)."""
    if not layout.single:
        return _from_numbered(cells, keep_first=keep_first)
    if is_code_list(cells[0].type):
        return _from_lists(cells[0])
    return _from_delimited(cells[0], layout.separators, keep_first=keep_first)


def list_array(offsets: Rows, codes: pa.DictionaryArray, missing: Mask | None = None) -> pa.ListArray:
    """Return canonical lists from offsets, their codes and the rows whose list is null."""
    mask = pa.array(missing) if missing is not None and missing.any() else None
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), codes, type=arrow_types()["codes"], mask=mask)


def entries(lists: pa.ListArray) -> pa.DictionaryArray:
    """Return the codes of all lists, one after the other, without those of a sliced-off neighbour."""
    return lists.flatten()


def _from_lists(lists: pa.Array) -> pa.ListArray:
    if pa.types.is_fixed_size_list(lists.type):
        lists = lists.cast(pa.list_(lists.type.value_type))
    missing = lists.is_null().to_numpy(zero_copy_only=False)
    offsets = lists.offsets.to_numpy()
    if missing.any():
        lengths = np.where(missing, 0, np.diff(offsets))
        offsets, values = np.concatenate(([0], np.cumsum(lengths))), lists.flatten()
    else:
        offsets, values = offsets - offsets[0], lists.values.slice(offsets[0], offsets[-1] - offsets[0])
    return list_array(offsets.astype(np.int32, copy=False), _cleaned(values), missing)


def _cleaned(values: pa.Array) -> pa.DictionaryArray:
    """Return codes with a dictionary of distinct trimmed codes; the usual dictionary passes as it is."""
    if not pa.types.is_dictionary(values.type):
        values = plain(values).cast(pa.string()).dictionary_encode()
    codes = plain(values.dictionary)
    indices = values.indices.cast(pa.int32())
    if codes.null_count or may_need_trimming(codes):
        distinct = trimmed(codes).dictionary_encode()
        indices, codes = distinct.indices.take(indices), distinct.dictionary
    return pa.DictionaryArray.from_arrays(indices, codes)


def _from_delimited(cells: pa.Array, separators: str, *, keep_first: bool) -> pa.ListArray:
    text = series(as_text(cells))
    if len(separators) > 1:
        text = text.str.replace_many(dict.fromkeys(separators[1:], separators[0]))
    array = text.to_arrow().cast(pa.string())
    lists = (
        pc.split_pattern(array, separators[0])
        if separators
        else pa.ListArray.from_arrays(np.arange(len(array) + 1), array)
    )
    split = _from_lists(lists)
    return without_empty(entries(split), np.diff(split.offsets.to_numpy()), keep_first=keep_first)


def _from_numbered(columns: Sequence[pa.Array], *, keep_first: bool) -> pa.ListArray:
    rows, width = len(columns[0]), len(columns)
    codes = pa.chunked_array([as_text(column) for column in columns]).dictionary_encode().combine_chunks()
    matrix = codes.indices.fill_null(-1).to_numpy().reshape(width, rows).T.ravel()
    indices = pa.array(matrix, mask=matrix < 0)
    values = pa.DictionaryArray.from_arrays(indices, codes.dictionary)
    return without_empty(values, np.full(rows, width), keep_first=keep_first)


def without_empty(codes: pa.DictionaryArray, lengths: Rows, *, keep_first: bool) -> pa.ListArray:
    """Drop null codes; with `keep_first` not the first of a row that has others."""
    filled = codes.is_valid().to_numpy(zero_copy_only=False)
    starts = np.concatenate(([0], np.cumsum(lengths)[:-1])).astype(np.int64)
    counts = _sums(filled, starts, lengths)
    kept = filled
    if keep_first:
        firsts = starts[(lengths > 0) & (counts > 0)]
        kept = filled.copy()
        kept[firsts] = True
        counts = _sums(kept, starts, lengths)
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int32)
    return list_array(offsets, codes.filter(pa.array(kept)), counts == 0)


def _sums(flags: Mask, starts: Rows, lengths: Rows) -> Rows:
    running = np.concatenate(([0], np.cumsum(flags)))
    counts: Rows = running[starts + lengths] - running[starts]
    return counts
