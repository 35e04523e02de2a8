"""Find one case in claims files, to explain it."""

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from engine.claims import open_claims
from grouper.drg.batch import NUMBER_COLUMNS
from grouper.drg.reference import Record
from grouper.fault import Text, UserError


def find_record(inputs: Sequence[Path], case_id: str, column_map: str | Path | None) -> tuple[Record, date | None]:
    """Return the record of a case and its day of discharge, where the claims have one.

    Raises UserError where the case is not there, or was rejected: then with every reason.
    """
    claims = open_claims(
        inputs,
        needed=("diagnoses", "procedures", *NUMBER_COLUMNS, "total_charge", "discharged"),
        column_map=column_map,
    )
    for chunk in claims.chunks_with(case_id):
        batch = claims.read_chunk(chunk)
        rejects = batch.rejects.filter(pc.equal(batch.rejects["case_id"], case_id)).to_pylist()
        if rejects:
            raise UserError([_rejected(row) for row in rejects])
        rows = batch.table.filter(pc.equal(batch.table["case_id"], case_id)).to_pylist()
        if rows:
            return _record(rows[0]), _day(rows[0]["discharged"])
    raise UserError(Text(f"没有病例“{case_id}”", f"there is no case {case_id!r}"))


def _rejected(row: dict[str, Any]) -> Text:
    place = f"{row['file']} {row['row']}"
    return Text(f"{place}：该病例被拒收：{row['message_zh']}", f"{place}: the case was rejected: {row['message_en']}")


def _record(row: dict[str, Any]) -> Record:
    department = row.get("department")
    numbers = {name: row.get(name) for name in NUMBER_COLUMNS if name != "department"}
    return Record(
        diagnoses=row["diagnoses"],
        procedures=row.get("procedures"),
        total_charge=row.get("total_charge"),
        department=int(department) if department and department.isdecimal() else None,
        **numbers,
    )


def _day(moment: datetime | None) -> date | None:
    return moment.date() if moment else None
