"""Columns of the claims that a rule needs, and the refusal when they are not there."""

from collections.abc import Iterable

import polars as pl

from rules.fault import Text, UserError, near


def need(cases: pl.DataFrame, columns: Iterable[str], zh: str, en: str) -> None:
    """Refuse a frame that lacks a column; `zh` and `en` name the rule that needs it."""
    faults = []
    for column in columns:
        if column not in cases.columns:
            hint = near(column, cases.columns)
            faults.append(Text(f"{zh}需要列 {column}{hint.zh}", f"{en} needs the column {column}{hint.en}"))
    if faults:
        raise UserError(faults)


def refuse_empty(cases: pl.DataFrame, column: str, zh: str, en: str) -> None:
    """Refuse a frame in which a column has empty cells."""
    if count := cases[column].null_count():
        raise UserError(Text(f"{count} 例缺 {column}，{zh}", f"{count} cases have no {column}: {en}"))


CANCELLED = "cancelled"
"""Column of cases that a refund in the same frame takes back."""


def counts(cases: pl.DataFrame) -> pl.Expr:
    """Return which cases count in ranks and sequences: those that no refund takes back."""
    return ~pl.col(CANCELLED) if CANCELLED in cases.columns else pl.lit(value=True)


def names_by(indices: pl.Series, names: list[str]) -> pl.Series:
    """Return names by index as a Categorical, a few bytes a row in place of text."""
    return pl.Series(names, dtype=pl.String).cast(pl.Categorical).gather(indices)
