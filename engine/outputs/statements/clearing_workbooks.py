"""The workbooks of a clearing: each hospital's statement line by line, and the bureau's with identities and budgets."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import polars as pl

from engine.outputs.statements.addressee import SIGNATURES, Addressee
from engine.outputs.statements.clearing import ClearingFacts, ClearingFigures
from engine.outputs.statements.form import Cell, Form
from engine.outputs.statements.listing import Column, write_list
from engine.outputs.statements.lists import CLEARING_HOSPITALS, CLEARING_LINES, CLEARING_MONTHS
from engine.outputs.statements.paper import Margin, Paper, workbook
from grouper.fault import Text

WIDTHS = (5.0, 48.0, 18.0, 16.0, 16.0, 16.0)
ILLUSTRATIVE = "illustrative"
"""What a policy says of figures that no document gives."""
ALWAYS = ("payable", "booked", "clearing", "prepaid", "due")
SIDES = {"uses": Text("去向", "uses"), "sources": Text("来源", "sources")}
_NOTES = (
    Text(
        "1. 金额单位为元，红字为负数；灰底为合计，标“附注”的行不计入合计。",
        "1. Amounts are yuan; red is negative; shaded lines are totals, lines marked memo are not added up.",
    ),
    Text(
        "2. 已预付为各月拨付之和，见“各月拨付”；如有异议，请按医保经办机构规定的期限和方式书面提出。",
        "2. What was prepaid is the sum of the months, see the sheet months; objections go in writing to the bureau.",
    ),
)


def write_hospital_clearing(file: Path, to: Addressee, facts: ClearingFacts, figures: ClearingFigures) -> int:
    """Write the workbook of one hospital and return what it says is due (fen). `figures`: its own."""
    margin = Margin(f"{to.full[:60]}  {facts.year}", facts.line.text(to.lang))
    with workbook(file, to.lang, margin, facts.made) as paper:
        title = Text(f"{to.bureau}{facts.title.zh}结算单", f"{to.bureau} {facts.title.en}".strip())
        form = Form(paper, Text("清算单", "clearing"), paper.say(title), WIDTHS, upright=True)
        form.facts([(Text("医疗机构", "hospital"), to.full), *_about(paper.say, facts)], split=2)
        due = [_statement(form, facts, pool, rows) for pool, rows in _by_pool(facts, figures.lines)]
        form.heading(Text("合计", "Total"))
        label = paper.say(Text("各基金池本次应拨合计（负数为应退）", "due, all pools (below zero: to pay back)"))
        form.line([Cell(None), Cell(label), Cell(sum(due), "money")], bold=True)
        form.row += 1
        form.notes(_NOTES)
        form.signatures(SIGNATURES)
        about = f"{to.full}　{paper.say(facts.title)}　{paper.say(Text('单位：元', 'amounts in yuan'))}"
        title = Text("各月拨付", "months")
        write_list(paper, title, paper.say(title), about, CLEARING_MONTHS, _named(figures.months, facts, to.lang))
    return sum(due)


def _about(say: Callable[[Text], str], facts: ClearingFacts) -> list[tuple[Text, str]]:
    return [
        (Text("清算", "clearing"), say(facts.title)),
        (Text("截至", "through"), facts.through),
        (Text("政策", "policy"), facts.policy),
        (Text("批次与版本", "batch, version"), say(facts.version_line)),
        (Text("账本封印", "seal"), facts.seal[:32]),
    ]


def _by_pool(facts: ClearingFacts, rows: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    """Return the rows of each pool, in the order of the ledger's pools."""
    parts = {str(key[0]): part for key, part in rows.partition_by("pool", as_dict=True, maintain_order=True).items()}
    ordered = [*(pool for pool in facts.pools if pool in parts), *(pool for pool in parts if pool not in facts.pools)]
    return [(pool, parts[pool]) for pool in ordered]


def _statement(form: Form, facts: ClearingFacts, pool: str, lines: pl.DataFrame) -> int:
    """Write a pool's statement and return its last line, what is due."""
    say = form.paper.say
    form.heading(facts.pools.get(pool, Text(pool, pool)))
    form.header(
        [say(Text("序", "no.")), say(Text("项目", "item")), say(Text("金额", "amount"))],
        say(Text("依据与规则", "document and rule")),
    )
    _lines(form, lines)
    return int(lines["amount"][-1])


def _lines(form: Form, lines: pl.DataFrame) -> None:
    """Write lines with the rule and document of each; totals stand out, memos say that they are."""
    memo = form.paper.say(Text("附注：", "memo: "))
    for number, row in enumerate(lines.iter_rows(named=True), start=1):
        label = row[f"label_{form.paper.lang}"]
        if row["kind"] == "memo":
            label = f"{memo}{label}"
        document = row["document"] or ""
        if document.startswith(ILLUSTRATIVE):
            document = form.paper.say(Text("示例值", ILLUSTRATIVE))
        note = "　".join(part for part in (document, row["rule"]) if part)
        cells = [Cell(number, "whole"), Cell(label), Cell(row["amount"], "money")]
        form.line(cells, note, bold=row["kind"] == "total")


def write_bureau_clearing(
    file: Path,
    bureau: str,
    lang: str,
    facts: ClearingFacts,
    figures: ClearingFigures,
    due: Mapping[str, int],
    names: Mapping[str, str],
) -> None:
    """Write the bureau's workbook. `due`: what each hospital's statement says (fen); `names`: of hospitals."""
    margin = Margin(f"{bureau} {facts.year}".strip(), facts.line.text(lang))
    with workbook(file, lang, margin, facts.made) as paper:
        _pools(paper, bureau, facts, figures, due)
        _budgets(paper, facts, figures.budgets)
        about = f"{paper.say(facts.title)}　{paper.say(Text('单位：元', 'amounts in yuan'))}"
        name = pl.col("hospital_id").replace_strict(names, default="", return_dtype=pl.String).alias("name")
        label = pl.col(f"label_{lang}").alias("label")
        lists = (
            (
                Text("医疗机构", "hospitals"),
                _used(CLEARING_HOSPITALS, figures.hospitals),
                figures.hospitals.with_columns(name),
            ),
            (Text("清算单逐行", "lines"), CLEARING_LINES, figures.lines.with_columns(name, label)),
        )
        for title, columns, rows in lists:
            write_list(paper, title, paper.say(title), about, columns, _named(rows, facts, lang))


def _pools(paper: Paper, bureau: str, facts: ClearingFacts, figures: ClearingFigures, due: Mapping[str, int]) -> None:
    """Write each pool's identity, and that the statements are the ledger's."""
    title = Text(f"{bureau}{facts.title.zh}汇总", f"{bureau} {facts.title.en}: summary".strip())
    form = Form(paper, Text("汇总", "summary"), paper.say(title), WIDTHS, upright=True)
    form.facts(_about(paper.say, facts), split=2)
    for pool, rows in _by_pool(facts, figures.identities):
        _identity(form, facts, pool, rows)
    form.heading(Text("核对：结算单 ＝ 账本", "Check: statements = ledger"))
    ledger, shown = int(figures.hospitals["due"].sum()), sum(due.values())
    for label, amount in (
        (Text("各医疗机构清算单应拨之和", "due, as the hospitals' statements say"), shown),
        (Text("账本应拨之和", "due in the ledger"), ledger),
        (Text("差额", "difference"), shown - ledger),
    ):
        form.line([Cell(None), Cell(paper.say(label)), Cell(amount, "money")])


def _identity(form: Form, facts: ClearingFacts, pool: str, rows: pl.DataFrame) -> None:
    """Write where a pool's money came from and went, and the difference, which is nothing."""
    say = form.paper.say
    value = facts.values.get(pool)
    said = "" if value is None else f"{say(Text('　结算点值', '  final value'))} {value}"
    name = facts.pools.get(pool, Text(pool, pool))
    form.heading(Text(f"{name.zh}{said}", f"{name.en}{said}"))
    form.header([say(Text("序", "no.")), say(Text("项目", "item")), say(Text("金额", "amount"))])
    sums = {}
    for side in ("sources", "uses"):
        own = rows.filter((pl.col("side") == side) & (pl.col("amount") != 0))
        for number, (label, amount) in enumerate(own.select(f"label_{form.paper.lang}", "amount").iter_rows(), start=1):
            form.line([Cell(number, "whole"), Cell(label), Cell(amount, "money")])
        sums[side] = int(own["amount"].sum())
        total = Text(f"{SIDES[side].zh}合计", f"total of {SIDES[side].en}")
        form.line([Cell(None), Cell(say(total)), Cell(sums[side], "money")], bold=True)
    gap = Text("差额（来源 − 去向）", "difference (sources − uses)")
    form.line([Cell(None), Cell(say(gap)), Cell(sums["sources"] - sums["uses"], "money")])


def _budgets(paper: Paper, facts: ClearingFacts, budgets: pl.DataFrame) -> None:
    """Write how each pool's F came about."""
    name = Text("预算", "budgets")
    form = Form(
        paper,
        name,
        paper.say(Text(f"{facts.year}年度预算 F 的来由", f"Budgets F of {facts.year}")),
        WIDTHS,
        upright=True,
    )
    for pool, rows in _by_pool(facts, budgets):
        _statement(form, facts, pool, rows)


def _used(columns: Sequence[Column], rows: pl.DataFrame) -> list[Column]:
    """Return columns without those of money that is nothing for everybody."""
    return [c for c in columns if c.kind != "money" or c.name in ALWAYS or (rows[c.name] != 0).any()]


def _named(rows: pl.DataFrame, facts: ClearingFacts, lang: str) -> pl.DataFrame:
    """Return rows with the names of pools for their ids."""
    return rows.with_columns(pl.col("pool").replace({pool: name.text(lang) for pool, name in facts.pools.items()}))
