"""The data dictionary: every view and table of a ledger and its columns, from the comments in a freshly made ledger.

`python -m engine.settlement.dictionary` writes docs/dictionary.md.
"""

import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from engine.settlement.ledger import Ledger, open_ledger
from engine.settlement.schema import schema

PAGE = Path("docs/dictionary.md")
_HEAD = """\
# Data dictionary of the ledger · 账本数据字典

Made from the comments in the database itself by `python -m engine.settlement.dictionary`; a test checks that it is
current. Analysts read the views: names and columns are stable, amounts are yuan (`DECIMAL(18,2)`), cases are those of
each month's present version, and person ids are not shown. The tables beneath hold whole fen and every batch ever
made; nothing in them is changed or deleted. In DuckDB `group` is a keyword, so the group's column is `group_code`.
Worked questions: [analysts.md](analysts.md).

本页由数据库内的注释生成。分析请用视图：名称与列保持稳定，金额以元为单位，病例取各月现行版本，不含人员编号。底层各表以分为单位，保存全部批次，
不改不删。`group` 是 DuckDB 关键字，病组列名为 `group_code`。查询示例见 [analysts.md](analysts.md)。
"""
_COLUMNS = """
SELECT column_name, data_type, comment FROM duckdb_columns() WHERE table_name = $name ORDER BY column_index
"""


def dictionary() -> str:
    """Return the page as Markdown."""
    with tempfile.TemporaryDirectory() as folder, open_ledger(Path(folder) / "ledger.duckdb", create=True) as ledger:
        return "\n".join(
            [_HEAD, *_section(ledger, "Views 视图", schema().views), *_section(ledger, "Tables 表", schema().tables)]
        )


def _section(ledger: Ledger, title: str, names: Iterable[str]) -> Iterator[str]:
    """Yield a list of some views or tables, then each with its columns."""
    meanings = dict(
        ledger.rows(
            "SELECT view_name, comment FROM duckdb_views() UNION ALL SELECT table_name, comment FROM duckdb_tables()"
        ).iter_rows()
    )
    yield f"## {title}\n\n| name | 中文 | English |\n|---|---|---|"
    yield from (_row(f"[{name}](#{name})", *_both(meanings[name])) for name in names)
    for name in names:
        zh, en = _both(meanings[name])
        yield f"\n### {name}\n\n{zh}\n\n{en}\n\n| column | type | 中文 | English |\n|---|---|---|---|"
        columns = ledger.rows(_COLUMNS, {"name": name}).iter_rows()
        yield from (_row(f"`{column}`", kind, *_both(comment)) for column, kind, comment in columns)
    yield ""


def _both(comment: str) -> tuple[str, str]:
    """Return a comment in Chinese and in English."""
    zh, en = comment.split(" / ", 1)
    return zh, en


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else PAGE
    path.write_text(dictionary(), encoding="utf-8")
