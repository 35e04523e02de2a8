"""DuckDB with drgdip's functions: analysts group inside SQL. A plain DuckDB shell does not have them."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from duckdb.func import FunctionNullHandling, PythonUDFType

from engine.database import open_database
from grouper import load_scheme
from grouper.drg.batch import ANSWER_COLUMNS, Grouper
from grouper.drg.compile import compile_scheme

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_PARAMETERS = {
    "scheme": "VARCHAR",
    "diagnoses": "VARCHAR[]",
    "procedures": "VARCHAR[]",
    "sex": "INTEGER",
    "age": "INTEGER",
    "age_days": "INTEGER",
    "newborn_weight": "INTEGER",
    "length_of_stay": "INTEGER",
    "discharge_way": "INTEGER",
}
_ANSWER = pa.struct([(name, pa.string()) for name in ANSWER_COLUMNS])
_MACRO = """
CREATE OR REPLACE TEMP MACRO drg(
    scheme, diagnoses, procedures, sex, age,
    age_days := NULL, newborn_weight := NULL, length_of_stay := NULL, discharge_way := NULL
) AS _drg(
    scheme, diagnoses, procedures, sex::INTEGER, age::INTEGER,
    age_days::INTEGER, newborn_weight::INTEGER, length_of_stay::INTEGER, discharge_way::INTEGER
)
"""


def connect(database: str | Path = ":memory:", *, read_only: bool = False) -> "DuckDBPyConnection":
    """Open a DuckDB database with the function `drg`.

    `drg(scheme, diagnoses, procedures, sex, age, age_days := …, newborn_weight := …, length_of_stay := …,
    discharge_way := …)` returns a struct of status, mdc, adrg, drg, severity and reason, as `grouper.group` does.
    """
    connection = open_database(database, read_only=read_only)
    add_functions(connection)
    return connection


def add_functions(connection: "DuckDBPyConnection") -> None:
    """Give an open DuckDB database the function `drg`."""
    answer = "STRUCT(" + ", ".join(f"{name} VARCHAR" for name in ANSWER_COLUMNS) + ")"
    connection.create_function(
        "_drg",
        _drg,
        list(_PARAMETERS.values()),
        answer,
        type=PythonUDFType.ARROW,
        null_handling=FunctionNullHandling.SPECIAL,
    )
    connection.execute(_MACRO)


@cache
def _grouper(scheme: str) -> Grouper:
    return Grouper(compile_scheme(load_scheme(scheme)))


def _drg(
    scheme: pa.ChunkedArray,
    diagnoses: pa.ChunkedArray,
    procedures: pa.ChunkedArray,
    sex: pa.ChunkedArray,
    age: pa.ChunkedArray,
    age_days: pa.ChunkedArray,
    newborn_weight: pa.ChunkedArray,
    length_of_stay: pa.ChunkedArray,
    discharge_way: pa.ChunkedArray,
) -> pa.Array:
    """Group one vector of rows; rows of several schemes may stand in it."""
    columns = (
        scheme,
        diagnoses,
        procedures,
        sex,
        age,
        age_days,
        newborn_weight,
        length_of_stay,
        discharge_way,
    )
    table = pa.table(dict(zip(_PARAMETERS, columns, strict=True))).combine_chunks()
    schemes = table["scheme"].unique().to_pylist()
    if len(schemes) == 1:
        return _grouped(table, schemes[0])
    answers: list[dict[str, str] | None] = [None] * table.num_rows
    for scheme in schemes:
        rows = [at for at, name in enumerate(table["scheme"].to_pylist()) if name == scheme]
        for at, answer in zip(rows, _grouped(table.take(rows), scheme).to_pylist(), strict=True):
            answers[at] = answer
    return pa.array(answers, _ANSWER)


def _grouped(table: pa.Table, scheme: str | None) -> pa.Array:
    if scheme is None:
        return pa.nulls(table.num_rows, _ANSWER)
    grouper = _grouper(scheme)
    weight = grouper.compiled.scheme.head.newborn_weight
    names = [weight if name == "newborn_weight" else name for name in table.column_names]
    batch = table.rename_columns(names).to_batches()[0]
    answers, _ = grouper.group(batch)
    columns = [column.cast(pa.string()) for column in grouper.arrow(answers).columns]
    return pa.StructArray.from_arrays(columns, names=list(ANSWER_COLUMNS))
