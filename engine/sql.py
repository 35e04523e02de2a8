"""DuckDB with drgdip's functions: analysts group inside SQL. A plain DuckDB shell does not have them."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from duckdb.func import FunctionNullHandling, PythonUDFType

from engine.database import open_database
from grouper.dip.batch import ANSWER_COLUMNS as DIP_ANSWERS
from grouper.dip.directory import Directory
from grouper.drg.batch import ANSWER_COLUMNS as DRG_ANSWERS
from grouper.fault import Text, UserError
from grouper.kinds import Grouper, load, make_grouper
from grouper.scheme.pack import Kind

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_CODES = {"scheme": "VARCHAR", "diagnoses": "VARCHAR[]", "procedures": "VARCHAR[]"}
_PARAMETERS: dict[Kind, dict[str, str]] = {
    "drg": _CODES
    | dict.fromkeys(
        ("sex", "age", "age_days", "newborn_weight", "length_of_stay", "discharge_way"),
        "INTEGER",
    ),
    "dip": _CODES | {"age": "INTEGER", "age_days": "INTEGER", "birth_weight": "INTEGER", "total_charge": "BIGINT"},
}
_ANSWERS: dict[Kind, tuple[str, ...]] = {"drg": DRG_ANSWERS, "dip": DIP_ANSWERS}
_MACROS = """
CREATE OR REPLACE TEMP MACRO drg(
    scheme, diagnoses, procedures, sex, age,
    age_days := NULL, newborn_weight := NULL, length_of_stay := NULL, discharge_way := NULL
) AS _drg(
    scheme, diagnoses, procedures, sex::INTEGER, age::INTEGER,
    age_days::INTEGER, newborn_weight::INTEGER, length_of_stay::INTEGER, discharge_way::INTEGER
);
CREATE OR REPLACE TEMP MACRO dip(
    scheme, diagnoses, procedures, age := NULL, age_days := NULL, birth_weight := NULL, total_charge := NULL
) AS _dip(
    scheme, diagnoses, procedures, age::INTEGER, age_days::INTEGER, birth_weight::INTEGER, total_charge::BIGINT
)
"""


def connect(database: str | Path = ":memory:", *, read_only: bool = False) -> "DuckDBPyConnection":
    """Open a DuckDB database with the functions `drg` and `dip`.

    `drg(scheme, diagnoses, procedures, sex, age, age_days := …, newborn_weight := …, length_of_stay := …,
    discharge_way := …)` returns a struct of status, mdc, adrg, drg, severity and reason, and
    `dip(scheme, diagnoses, procedures, age := …, age_days := …, birth_weight := …, total_charge := …)` one of status,
    layer, group and reason, as `grouper.group` does.
    """
    connection = open_database(database, read_only=read_only)
    add_functions(connection)
    return connection


def add_functions(connection: "DuckDBPyConnection") -> None:
    """Give an open DuckDB database the functions `drg` and `dip`."""
    functions: dict[Kind, Callable[..., pa.Array]] = {"drg": _drg, "dip": _dip}
    for kind, function in functions.items():
        answer = "STRUCT(" + ", ".join(f'"{column}" VARCHAR' for column in _ANSWERS[kind]) + ")"
        connection.create_function(
            f"_{kind}",
            function,
            list(_PARAMETERS[kind].values()),
            answer,
            type=PythonUDFType.ARROW,
            null_handling=FunctionNullHandling.SPECIAL,
        )
    connection.execute(_MACROS)


@cache
def _grouper(scheme: str, kind: Kind) -> Grouper:
    loaded = load(scheme)
    other: Kind = "dip" if isinstance(loaded, Directory) else "drg"
    if other != kind:
        raise UserError(
            Text(f"{scheme} 的函数是 {other}()，不是 {kind}()", f"{scheme}: its function is {other}(), not {kind}()")
        )
    return make_grouper(loaded)


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
    numbers = (sex, age, age_days, newborn_weight, length_of_stay, discharge_way)
    return _answers("drg", (scheme, diagnoses, procedures, *numbers))


def _dip(
    scheme: pa.ChunkedArray,
    diagnoses: pa.ChunkedArray,
    procedures: pa.ChunkedArray,
    age: pa.ChunkedArray,
    age_days: pa.ChunkedArray,
    birth_weight: pa.ChunkedArray,
    total_charge: pa.ChunkedArray,
) -> pa.Array:
    return _answers("dip", (scheme, diagnoses, procedures, age, age_days, birth_weight, total_charge))


def _answers(kind: Kind, columns: Sequence[pa.ChunkedArray]) -> pa.Array:
    """Group one vector of rows; rows of several schemes may stand in it."""
    table = pa.table(dict(zip(_PARAMETERS[kind], columns, strict=True))).combine_chunks()
    schemes = table["scheme"].unique().to_pylist()
    if len(schemes) == 1:
        return _grouped(table, schemes[0], kind)
    answers: list[dict[str, str] | None] = [None] * table.num_rows
    for scheme in schemes:
        rows = [at for at, name in enumerate(table["scheme"].to_pylist()) if name == scheme]
        for at, answer in zip(rows, _grouped(table.take(rows), scheme, kind).to_pylist(), strict=True):
            answers[at] = answer
    return pa.array(answers, _struct(kind))


def _struct(kind: Kind) -> pa.DataType:
    return pa.struct([(name, pa.string()) for name in _ANSWERS[kind]])


def _grouped(table: pa.Table, scheme: str | None, kind: Kind) -> pa.Array:
    if scheme is None:
        return pa.nulls(table.num_rows, _struct(kind))
    grouper = _grouper(scheme, kind)
    weight = next((name for name in grouper.columns if name.endswith("_weight")), "birth_weight")
    names = [weight if name == "newborn_weight" else name for name in table.column_names]
    batch = table.rename_columns(names).to_batches()[0]
    answers, _ = grouper.group(batch)
    columns = [column.cast(pa.string()) for column in grouper.arrow(answers).columns]
    return pa.StructArray.from_arrays(columns, names=list(_ANSWERS[kind]))
