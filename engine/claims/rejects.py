"""Rejected rows: one line per case and reason, with a message in both languages."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
import pyarrow as pa

from engine.claims.canonical import BY_NAME
from engine.claims.cells import Mask, Rows, as_text, is_code_list, is_text, plain, series
from engine.claims.checks import Action
from engine.claims.findings import EXAMPLES, Example, Findings
from engine.claims.reasons import BY_CODE
from engine.claims.source import RaggedRow

SCHEMA = pa.schema(
    {
        "file": pa.string(),
        "row": pa.int64(),
        "case_id": pa.string(),
        "reason": pa.string(),
        "message_zh": pa.string(),
        "message_en": pa.string(),
    }
)
WRITTEN = pa.schema([*[field for field in SCHEMA if not field.name.startswith("message_")], ("message", pa.string())])
"""rejected.parquet: the same with one message, in the language of the run."""

SHOWN_LETTERS = 60
"""A value is shown up to this length."""


def in_language(rejects: pa.Table, lang: str) -> pa.Table:
    """Return rejects as they are written, with their message in `lang`."""
    return rejects.rename_columns({f"message_{lang}": "message"}).select(WRITTEN.names).cast(WRITTEN)


class Faults:
    """Rows of one chunk to reject, with their reasons, and the findings; row numbers and ids are as shown to people."""

    def __init__(self, file: str, row_number: Rows, case_ids: pa.StringArray) -> None:
        self.findings = Findings()
        self._file, self._row_number, self._case_ids = file, row_number, case_ids
        self._rejected: list[pl.DataFrame] = []

    def judge(self, code: str, column: str, rows: Mask, shown: Mapping[str, pa.Array], action: Action) -> None:
        """Count rows as a finding, and reject them where the action says so; `shown` has the values that show why."""
        if action == "off":
            return
        places = np.flatnonzero(rows)
        first = places[:EXAMPLES]
        examples = zip(self._row_number[first].tolist(), self._ids(first), _details(shown, first), strict=True)
        self.findings.add(
            code,
            column,
            len(places),
            (Example(self._file, row, case_id or "", value) for row, case_id, value in examples),
        )
        if action == "reject":
            details = pl.DataFrame(
                {"place": places, "detail": _details(shown, places)}, {"place": pl.Int64, "detail": pl.String}
            )
            self._rejected.append(details.with_columns(pl.lit(code).alias("reason")))

    def accepted(self) -> Mask | None:
        """Return the rows without a reason to reject, or None where that is all of them."""
        if not self._rejected:
            return None
        accepted = np.ones(len(self._row_number), np.bool_)
        for rejected in self._rejected:
            accepted[rejected["place"].to_numpy()] = False
        return accepted

    def rejects(self, ragged: Sequence[RaggedRow]) -> pa.Table:
        """Return one row per case and reason, in the order of rows."""
        lines = [self._lines(), self._ragged_lines(ragged)]
        rows = pl.concat([line for line in lines if line.height]) if any(line.height for line in lines) else lines[1]
        return rows.sort("row", maintain_order=True).to_arrow().cast(SCHEMA)

    def _lines(self) -> pl.DataFrame:
        if not self._rejected:
            return pl.DataFrame(schema=dict.fromkeys(SCHEMA.names, pl.String))
        rejected = (
            pl.concat(self._rejected)
            .group_by("place", "reason", maintain_order=True)
            .agg(pl.col("detail").str.join("; "))
        )
        places = rejected["place"].to_numpy()
        texts = {lang: {code: reason.text.text(lang) for code, reason in BY_CODE.items()} for lang in ("zh", "en")}
        return rejected.select(
            pl.lit(self._file).alias("file"),
            pl.Series("row", self._row_number[places]),
            pl.Series("case_id", self._ids(places), dtype=pl.String),
            "reason",
            _message(texts["zh"], "：").alias("message_zh"),
            _message(texts["en"], ": ").alias("message_en"),
        )

    def _ragged_lines(self, ragged: Sequence[RaggedRow]) -> pl.DataFrame:
        text = BY_CODE["ragged_row"].text
        lines = [
            (
                self._file,
                row.row,
                None,
                "ragged_row",
                f"{text.zh}：应有 {row.expected} 列，实有 {row.actual} 列",
                f"{text.en}: {row.expected} cells expected, {row.actual} found",
            )
            for row in ragged
        ]
        if ragged:
            examples = [Example(self._file, row.row, "", f"{row.actual}/{row.expected}") for row in ragged[:EXAMPLES]]
            self.findings.add("ragged_row", "", len(ragged), examples)
        return pl.DataFrame(lines, schema={**dict.fromkeys(SCHEMA.names, pl.String), "row": pl.Int64}, orient="row")

    def _ids(self, places: Rows) -> list[str | None]:
        found: list[str | None] = self._case_ids.take(pa.array(places)).to_pylist()
        return found


def _message(texts: Mapping[str, str], colon: str) -> pl.Expr:
    text = pl.col("reason").replace_strict(list(texts), list(texts.values()))
    return pl.when(pl.col("detail") == "").then(text).otherwise(pl.concat_str(text, pl.lit(colon), "detail"))


def _details(shown: Mapping[str, pa.Array], places: Rows) -> pl.Series:
    """Return "column=value, …" of some rows."""
    if not shown:
        return pl.Series([""] * len(places), dtype=pl.String)
    rows = pa.array(places)
    parts = [pl.concat_str(pl.lit(f"{name}="), pl.lit(_shown(name, cells.take(rows)))) for name, cells in shown.items()]
    return pl.select(pl.concat_str(*parts, separator=", ")).to_series()


def _shown(name: str, cells: pa.Array) -> pl.Series:
    """Return cells as people write them: yuan, codes separated by blanks, long texts cut."""
    if is_code_list(cells.type):
        text = series(cells).cast(pl.List(pl.String)).list.eval(pl.element().fill_null("∅")).list.join(" ")
    elif name in BY_NAME and BY_NAME[name].kind == "money" and pa.types.is_integer(cells.type):
        text = (series(cells) / 100).cast(pl.String)
    elif pa.types.is_timestamp(cells.type):
        text = series(cells).dt.strftime("%Y-%m-%d %H:%M:%S")
    else:
        kind = plain(cells).type
        text = (
            series(as_text(cells))
            if is_text(kind) or pa.types.is_floating(kind)
            else series(plain(cells)).cast(pl.String)
        )
    return text.fill_null("∅").str.slice(0, SHOWN_LETTERS)
