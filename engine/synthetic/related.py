"""Claims that belong to other claims: refunds, of this month or the last, and second parts of parted stays."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.claims.canonical import BY_NAME, FEE_ITEMS, FUND_PARTS
from engine.synthetic.draws import Draws, Ints
from engine.synthetic.plan import Chunk, Month
from engine.synthetic.records import texts_of_digits

_MONEY = tuple(name for name, column in BY_NAME.items() if column.kind == "money")
_US_PER_DAY = 86_400_000_000
_FIRST_PART, _WHOLE = 3, 5
"""The first part of a stay bears three fifths of its charge."""


def with_related(
    batch: "pa.RecordBatch", chunk: Chunk, following: Month | None, draws: Draws
) -> tuple["pa.RecordBatch", list["pa.RecordBatch"]]:
    """Return the claims of a chunk with the refunds of this month, and what the next month settles of them.

    First parts of stays keep their share of the amounts; the rows that follow come after the drawn ones.
    """
    month = chunk.month
    refunds, late, parts = (chunk.slice(n) for n in (month.refunds, month.carried_refunds, month.carried_parts))
    parted = np.flatnonzero(batch.column("part_of_stay").to_numpy(zero_copy_only=False))
    others = np.flatnonzero(~batch.column("part_of_stay").to_numpy(zero_copy_only=False))
    chosen = others[_spread(len(others), len(refunds) + len(late))]
    last_day = month.first_day + month.days - 1
    same_month = _refunds(
        batch,
        chosen[: len(refunds)],
        month.number,
        month.drawn + np.arange(refunds.start, refunds.stop),
        last_day,
        draws,
    )
    carried = []
    if following is not None:
        first = following.drawn + following.refunds
        limit = following.first_day + following.days - 1
        numbers = first + np.arange(late.start, late.stop)
        carried.append(
            _refunds(batch, chosen[len(refunds) :], following.number, numbers, limit, draws, following.first_day)
        )
        second = first + month.carried_refunds + np.arange(parts.start, parts.stop)
        carried.append(_second_parts(batch, parted, following, second, draws))
    return pa.concat_batches([_first_parts(batch, parted), same_month]), carried


def _spread(whole: int, wanted: int) -> Ints:
    """Choose rows at even distances."""
    return np.arange(wanted, dtype=np.int64) * max(whole // max(wanted, 1), 1)


def _refunds(
    batch: "pa.RecordBatch", rows: Ints, month: int, numbers: Ints, last_day: int, draws: Draws, first_day: int = 0
) -> "pa.RecordBatch":
    """Take claims back: the same with all amounts negated, a new id, the id of the original, and a later settlement."""
    originals = batch.take(pa.array(rows))
    settled = _day(originals, "settled")
    earliest = np.maximum(settled, first_day)
    day = earliest + draws.below(np.maximum(last_day - earliest, 0) + 1, len(rows))
    changes = {name: pc.negate(originals.column(name)) for name in _MONEY}
    changes |= {
        "case_id": texts_of_digits(month * 10**10 + numbers),
        "original_case_id": originals.column("case_id"),
        "refund": pa.array(np.ones(len(rows), np.bool_)),
        "settled": _moved(originals, "settled", day - settled),
        "received": _days(day + 1),
    }
    return _changed(originals, changes)


def _first_parts(batch: "pa.RecordBatch", rows: Ints) -> "pa.RecordBatch":
    """Leave first parts of stays their share of the amounts."""
    if not len(rows):
        return batch
    changes = {}
    for name, part in _first_amounts(batch.take(pa.array(rows))).items():
        amounts = batch.column(name).to_numpy().copy()
        amounts[rows] = part
        changes[name] = pa.array(amounts)
    return _changed(batch, changes)


def _second_parts(
    batch: "pa.RecordBatch", rows: Ints, following: Month, numbers: Ints, draws: Draws
) -> "pa.RecordBatch":
    """Settle the rest of stays in the following month: same stay, later discharge, the rest of the amounts."""
    stays = batch.take(pa.array(rows))
    discharged = _day(stays, "discharged")
    day = following.first_day + draws.below(20, len(rows))
    changes = {name: pa.array(stays.column(name).to_numpy() - part) for name, part in _first_amounts(stays).items()}
    changes |= {
        "case_id": texts_of_digits(following.number * 10**10 + numbers),
        "discharged": _moved(stays, "discharged", day - discharged),
        "settled": _moved(stays, "discharged", day - discharged),
        "received": _days(day + 2),
        "length_of_stay": pa.array((day - _day(stays, "admitted")).astype(np.int32)),
        "part_of_stay": pa.array(np.zeros(len(rows), np.bool_)),
    }
    return _changed(stays, changes)


def _first_amounts(stays: "pa.RecordBatch") -> dict[str, Ints]:
    """Return the amounts of first parts of stays, such that sums are sums again."""
    part = {name: stays.column(name).to_numpy() * _FIRST_PART // _WHOLE for name in _MONEY}
    nothing = np.zeros(stays.num_rows, np.int64)
    part["fund_total"] = sum((part[name] for name in FUND_PARTS), nothing)
    part["total_charge"] = part["fund_total"] + part["hospital_borne"] + part["patient_paid"]
    fees = sum((part[item.name] for item in FEE_ITEMS), nothing)
    part["fee_western_drugs"] = part["fee_western_drugs"] + part["total_charge"] - fees
    return part


def _day(batch: "pa.RecordBatch", name: str) -> Ints:
    return np.asarray(batch.column(name).cast(pa.int64()).to_numpy() // _US_PER_DAY)


def _days(days: Ints) -> "pa.Array":
    return pa.array(days.astype(np.int32)).cast(pa.date32())


def _moved(batch: "pa.RecordBatch", name: str, days: Ints) -> "pa.Array":
    """Return a column of times moved by whole days."""
    moved = batch.column(name).cast(pa.int64()).to_numpy() + days * _US_PER_DAY
    return pa.array(moved).cast(batch.schema.field(name).type)


def _changed(batch: "pa.RecordBatch", columns: dict[str, "pa.Array"]) -> "pa.RecordBatch":
    arrays = [columns.get(field.name, batch.column(field.name)) for field in batch.schema]
    return pa.RecordBatch.from_arrays(arrays, schema=batch.schema)
