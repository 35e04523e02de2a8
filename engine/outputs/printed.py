"""Exact figures as text, for tables that people and policies read."""

import csv
import io
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

from rules.money import Mode, round_whole


def printed(value: Fraction | Decimal | None, decimals: int, mode: Mode = "half_away_from_zero") -> str:
    """Print an exact figure at so many decimals, nothing for None."""
    if value is None:
        return ""
    whole = round_whole(Fraction(value) * 10**decimals, mode)
    return f"{Decimal(whole).scaleb(-decimals):.{decimals}f}"


def printed_yuan(fen: Fraction | int | None) -> str:
    """Print an exact amount of fen in yuan with two decimals, nothing for None."""
    return printed(None if fen is None else Fraction(fen) / 100, 2)


def csv_text(rows: Sequence[Mapping[str, str]], columns: Sequence[str] = ()) -> str:
    """Return rows as the text of a CSV file; the columns are those of the first row where none are named."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns or rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
