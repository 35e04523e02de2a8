"""Verification: every digest and every total of a ledger recomputed from its rows."""

import tomllib
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import NamedTuple

from engine.settlement.contents import content_digest, rows_digests, seal
from engine.settlement.ledger import Ledger
from engine.settlement.schema import schema
from grouper.fault import Text

SHOWN = 5


class Check(NamedTuple):
    """A check: what it proves, at how many places, and the places that fail."""

    name: str
    what: Text
    places: int
    failed: tuple[str, ...]


def verify(ledger: Ledger) -> Iterator[Check]:
    """Yield every check of a ledger as it is done."""
    yield _seals(ledger)
    yield _contents(ledger)
    yield _strays(ledger)
    for name, given in _queries().items():
        rows = ledger.rows(f"SELECT what::VARCHAR AS what, holds FROM ({given['query']})")  # noqa: S608
        failed = rows.filter(~rows["holds"].fill_null(value=False))["what"].sort()
        yield Check(name, Text(given["zh"], given["en"]), rows.height, tuple(failed))


def _queries() -> Mapping[str, Mapping[str, str]]:
    text = (files("engine.settlement") / "checks.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _seals(ledger: Ledger) -> Check:
    """Check the batches' own rows: each with the seal before it makes its seal."""
    found = ledger.connection.execute("SELECT * FROM ledger_batch ORDER BY batch")
    names = [column[0] for column in found.description or ()]
    failed, before, rows = [], "", found.fetchall()
    for cells in rows:
        row = dict(zip(names, cells, strict=True))
        if seal(row, before) != row["seal"]:
            failed.append(str(row["batch"]))
        before = row["seal"]
    what = Text("批次行与前一批次的封印相符", "every batch's own row and the seal before it make its seal")
    return Check("seals", what, len(rows), tuple(failed))


def _contents(ledger: Ledger) -> Check:
    """Check the rows of every batch; those pruned count with the digest they had."""
    found: dict[int, dict[str, str]] = {}
    for table in schema().tables:
        if table != "ledger_batch":
            for batch, digest in rows_digests(ledger.connection, table).items():
                found.setdefault(batch, {})[table] = digest
    for batch, table, digest in ledger.rows("SELECT of_batch, relation, digest FROM ledger_pruned").iter_rows():
        found.setdefault(batch, {})[table] = digest
    rows = ledger.rows("SELECT batch, kind, coalesce(month, year::VARCHAR) AS of, content FROM ledger_batch")
    failed = [
        f"{batch} ({kind}{'' if of is None else f' {of}'})"
        for batch, kind, of, content in rows.sort("batch").iter_rows()
        if content_digest(found.get(batch, {})) != content
    ]
    what = Text("各批次的内容与摘要相符", "the rows of every batch make its digest")
    return Check("contents", what, rows.height, tuple(failed))


def _strays(ledger: Ledger) -> Check:
    """Check that every row belongs to a batch, and pruned rows are gone."""
    failed = []
    for table in schema().tables:
        query = f"SELECT DISTINCT batch FROM {table} WHERE batch NOT IN (SELECT batch FROM ledger_batch) ORDER BY ALL"  # noqa: S608
        failed += [f"{table} batch {batch}" for batch in ledger.rows(query)["batch"]]
    for batch, table in ledger.rows("SELECT of_batch, relation FROM ledger_pruned ORDER BY ALL").iter_rows():
        if ledger.rows(f"SELECT 1 AS n FROM {table} WHERE batch = {batch} LIMIT 1").height:  # noqa: S608
            failed.append(f"{table} batch {batch}")
    what = Text("每一行都属于某个批次，已清理的行确已删去", "every row belongs to a batch, and pruned rows are gone")
    return Check("strays", what, len(schema().tables), tuple(failed))
