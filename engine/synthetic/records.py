"""Claims as columns: all canonical columns of a chunk, and their way to Arrow."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from engine.claims.canonical import COLUMNS
from engine.synthetic.city import Lists
from engine.synthetic.draws import Flags, Ints

STAY_IDS = 5 * 10**15
"""Stay ids are the case ids of their first claim, this much higher."""
TRUTH = pa.schema({"target_adrg": pa.string(), "target_drg": pa.string(), "dirt": pa.string()})
"""What the generator knows of a claim and no claim says: the group aimed at, and what was made wrong."""
SCHEMA = pa.schema({column.name: column.type for column in COLUMNS} | {field.name: field.type for field in TRUTH})
_FOUR_DIGITS = np.frombuffer("".join(f"{number:04}" for number in range(10_000)).encode(), np.uint32)


@dataclass
class Records:
    """Columns of some claims. Ids are numbers of sixteen digits; texts are places in a list of names.

    `numbers` holds every other column by its canonical name, days from 1970-01-01 and times in minutes; `missing` the
    rows that have no value there.
    """

    ids: dict[str, Ints]
    numbers: dict[str, NDArray[Any]]
    texts: dict[str, tuple[Ints, Sequence[str]]]
    lists: dict[str, Lists]
    missing: dict[str, Flags] = field(default_factory=dict)

    def batch(self, dictionaries: dict[str, "pa.StringArray"]) -> "pa.RecordBatch":
        """Return the claims in Arrow, with the columns of SCHEMA; `dictionaries` spell the code numbers of a list."""
        rows = len(next(iter(self.ids.values())))
        arrays = [self._array(field, dictionaries, rows) for field in SCHEMA]
        return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)

    def _array(self, field: "pa.Field", dictionaries: dict[str, "pa.StringArray"], rows: int) -> "pa.Array":
        name, missing = field.name, self.missing.get(field.name)
        if name in self.lists:
            return _lists(self.lists[name], dictionaries[name], missing)
        if name in self.ids:
            return texts_of_digits(self.ids[name], missing)
        if name in self.texts:
            places, names = self.texts[name]
            return pa.array(names, pa.string()).take(pa.array(places, mask=missing))
        if name not in self.numbers:
            return pa.nulls(rows, field.type)
        values = self.numbers[name]
        if pa.types.is_timestamp(field.type):
            return pa.array((values * 60_000_000).astype("datetime64[us]"), field.type, mask=missing)
        if pa.types.is_date(field.type):
            return pa.array(values.astype(np.int32), pa.int32(), mask=missing).cast(field.type)
        return pa.array(values.astype(field.type.to_pandas_dtype()), field.type, mask=missing)


def texts_of_digits(numbers: Ints, missing: Flags | None = None) -> "pa.StringArray":
    """Spell whole numbers with sixteen digits, without a Python object per number."""
    quads = np.empty((len(numbers), 4), np.uint32)
    rest = numbers.astype(np.uint64)
    for place in (3, 2, 1, 0):
        following = rest // np.uint64(10_000)
        quads[:, place] = _FOUR_DIGITS[(rest - following * np.uint64(10_000)).astype(np.int64)]
        rest = following
    offsets = np.arange(0, 16 * len(numbers) + 1, 16, dtype=np.int32)
    texts = pa.StringArray.from_buffers(len(numbers), pa.py_buffer(offsets), pa.py_buffer(quads))
    return texts if missing is None else pc.if_else(pa.array(missing), None, texts)


def _lists(lists: Lists, dictionary: "pa.StringArray", missing: Flags | None) -> "pa.ListArray":
    values = pa.DictionaryArray.from_arrays(pa.array(lists.values), dictionary)
    mask = None if missing is None else pa.array(missing)
    return pa.ListArray.from_arrays(pa.array(lists.starts.astype(np.int32)), values, mask=mask)
