"""Ids used twice, over all inputs: eight bytes of memory an id, and the text of an id only where its hash repeats."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from engine.claims.cells import Rows, series

Key = tuple[int, int]
"""Source and part of a chunk."""


def id_hashes(ids: pa.Array) -> npt.NDArray[np.uint64]:
    """Return one 64-bit hash a row; rows without an id get a hash too, and are told apart by their text."""
    return series(ids).hash().to_numpy()


def repeated_rows(
    hashes: Mapping[Key, npt.NDArray[np.uint64]], read_ids: Callable[[Key], pa.Array], threads: int
) -> dict[Key, Rows]:
    """Return the rows of each chunk whose id occurs again anywhere; chunks without one are left out.

    `read_ids` reads the ids of a chunk once more: it is asked only for chunks that hold a repeated hash.
    """
    suspects = _repeated(hashes.values())
    if not len(suspects):
        return {}

    def candidates(key: Key) -> tuple[Key, Rows, pl.Series]:
        places = np.minimum(np.searchsorted(suspects, hashes[key]), len(suspects) - 1)
        rows = np.flatnonzero(suspects[places] == hashes[key])
        return key, rows, series(read_ids(key)).gather(rows) if len(rows) else pl.Series([], dtype=pl.String)

    with ThreadPoolExecutor(threads) as pool:
        found = [part for part in pool.map(candidates, sorted(hashes)) if len(part[1])]
    ids = pl.concat([part[2] for part in found])
    repeated = (ids.is_duplicated() & ids.is_not_null()).to_numpy()
    ends = np.cumsum([len(part[1]) for part in found])
    parts = zip(found, np.split(repeated, ends[:-1]), strict=True)
    return {key: rows[twice] for (key, rows, _), twice in parts if twice.any()}


def _repeated(hashes: Iterable[npt.NDArray[np.uint64]]) -> npt.NDArray[np.uint64]:
    """Return the sorted distinct hashes that occur more than once."""
    parts = [pl.Series(part) for part in hashes]
    if not parts:
        return np.empty(0, np.uint64)
    ordered = pl.concat(parts).sort().to_numpy()
    return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
