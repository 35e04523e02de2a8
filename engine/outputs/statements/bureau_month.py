"""The bureau's workbook of a month: pools and their identity, all hospitals, rejects, findings, batches."""

from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl

from engine.outputs.statements.form import Cell, Form
from engine.outputs.statements.hospital_month import Printed, shown_rejects, with_pool_names
from engine.outputs.statements.listing import write_list
from engine.outputs.statements.lists import ALL_REJECTS, BATCHES, FINDINGS, HOSPITAL_POOLS, HOSPITALS
from engine.outputs.statements.month import BOOKED, MonthFacts, MonthFigures
from engine.outputs.statements.paper import Margin, Paper, workbook
from engine.outputs.statements.words import BATCH_KINDS, STATES, said
from grouper.fault import Text

WIDTHS = (26.0, *[15.0] * 9)
_NOTES = (
    Text(
        "结算单：各医疗机构结算单所列之和；基金池：本月病例基金应付加更正差额；账本：入账记录之和。",
        "statements: sums of what hospitals' statements print; pool: cases and corrections; ledger: sums of bookings.",
    ),
)


def write_bureau_month(
    file: Path,
    bureau: str,
    lang: str,
    facts: MonthFacts,
    figures: MonthFigures,
    printed: Mapping[str, Printed],
    names: Mapping[str, str],
) -> None:
    """Write the bureau's workbook. `printed`: what each hospital's statement shows; `names`: of hospitals."""
    margin = Margin(f"{bureau} {facts.month}".strip(), facts.line.text(lang))
    with workbook(file, lang, margin, facts.made) as paper:
        _summary(paper, bureau, facts, figures, printed)
        _lists(paper, facts, figures, names)


def _summary(
    paper: Paper, bureau: str, facts: MonthFacts, figures: MonthFigures, printed: Mapping[str, Printed]
) -> None:
    """Write the sheet of pools: what they pay, and that statements, pools and ledger are the same fen."""
    title = Text(f"{bureau}{facts.title.zh}住院费用结算汇总", f"{bureau} settlement summary, {facts.month}".strip())
    form = Form(paper, Text("汇总", "summary"), paper.say(title), WIDTHS)
    form.facts(_about(paper.say, facts, len(printed)), split=5)
    form.heading(Text("一、基金池", "1  Pools"))
    _pools(form, facts, figures)
    form.heading(Text("二、核对：结算单 ＝ 基金池 ＝ 账本", "2  Identity: statements = pools = ledger"))
    _identity(form, facts, figures, printed)
    form.notes(_NOTES)
    if figures.balance.height:
        form.heading(Text("三、年度累计", "3  Year to date"))
        _balance(form, facts, figures.balance)


def _about(say: Callable[[Text], str], facts: MonthFacts, hospitals: int) -> list[tuple[Text, str]]:
    return [
        (Text("结算月份", "month"), say(facts.title)),
        (Text("医疗机构数", "hospitals"), str(hospitals)),
        (Text("政策", "policy"), facts.policy),
        (Text("分组方案", "scheme"), facts.scheme),
        (Text("批次与版本", "batch, version"), say(facts.version_line)),
        (Text("账本封印", "seal"), facts.seal),
    ]


def _pools(form: Form, facts: MonthFacts, figures: MonthFigures) -> None:
    """Write one line a pool: cases, points, value, ratio, and where the payable goes."""
    say = form.paper.say
    heads = (
        Text("基金池", "pool"), Text("病例数", "cases"), Text("点数", "points"), Text("点值（元/点）", "value"),
        Text("医保支付比例", "fund ratio"), Text("应付", "payable"), Text("审核扣款", "deducted"),
        Text("质保金", "deposit"), Text("留待清算", "left to clearing"), Text("拨付", "paid"),
    )  # fmt: skip
    form.header([say(head) for head in heads])
    here = figures.bookings.filter(pl.col("booked_month") == facts.month)
    columns = ("payable", "deducted", "deposit", "withheld", "paid")
    for pool in _present(facts, figures):
        own, rows = facts.pools[pool], here.filter(pl.col("pool") == pool)
        money = [Cell(int(rows[name].sum()), "money") for name in columns]
        counts = [Cell(int(rows["cases"].sum()), "whole"), Cell(rows["points"].sum(), "points")]
        form.line([Cell(say(own.name)), *counts, Cell(own.value, "value"), Cell(own.ratio, "ratio"), *money])
    total = [Cell(int(here[name].sum()), "money") for name in columns]
    counts = [Cell(int(here["cases"].sum()), "whole"), Cell(here["points"].sum(), "points")]
    form.line([Cell(say(Text("合计", "total"))), *counts, Cell(None), Cell(None), *total], bold=True)


def _present(facts: MonthFacts, figures: MonthFigures) -> list[str]:
    found = {*figures.sums["pool"], *figures.bookings["pool"]}
    return [pool for pool in facts.pools if pool in found]


def _identity(form: Form, facts: MonthFacts, figures: MonthFigures, printed: Mapping[str, Printed]) -> None:
    """Write the three sums of each pool's payable, and the paid, side by side."""
    say = form.paper.say
    heads = (
        Text("基金池", "pool"), Text("病例基金应付", "cases"), Text("更正差额", "corrections"),
        Text("基金池应付", "pool"),
        Text("结算单应付", "statements"), Text("账本应付", "ledger"), Text("差额", "difference"),
        Text("结算单拨付", "statements: paid"), Text("账本拨付", "ledger: paid"), Text("差额", "difference"),
    )  # fmt: skip
    form.header([say(head) for head in heads])
    rows = [_pool_identity(pool, facts, figures, printed) for pool in _present(facts, figures)]
    for pool, row in zip(_present(facts, figures), rows, strict=True):
        form.line([Cell(say(facts.pools[pool].name)), *[Cell(amount, "money") for amount in row]])
    total = [sum(column) for column in zip(*rows, strict=True)]
    form.line([Cell(say(Text("合计", "total"))), *[Cell(amount, "money") for amount in total]], bold=True)


def _pool_identity(
    pool: str, facts: MonthFacts, figures: MonthFigures, printed: Mapping[str, Printed]
) -> tuple[int, ...]:
    own = figures.bookings.filter(pl.col("pool") == pool)
    here = own.filter(pl.col("booked_month") == facts.month)
    of = own.filter(pl.col("of_month") == facts.month)
    cases = int(figures.sums.filter(pl.col("pool") == pool)["fund_part"].sum())
    moved = int(here.filter(pl.col("of_month") != facts.month)["payable"].sum()) - int(
        of.filter(pl.col("booked_month") != facts.month)["payable"].sum()
    )
    shown = [statement[pool] for statement in printed.values() if pool in statement]
    payable, paid = (sum(int(figures.get(key) or 0) for figures in shown) for key in ("payable", "paid"))
    booked, prepaid = int(here["payable"].sum()), int(here["paid"].sum())
    return cases, moved, cases + moved, payable, booked, payable - booked, paid, prepaid, paid - prepaid


def _balance(form: Form, facts: MonthFacts, balance: pl.DataFrame) -> None:
    """Write what each pool's year came to so far; F stands there once the year was cleared or tried."""
    say = form.paper.say
    heads = (
        Text("基金池", "pool"), Text("年度", "year"), Text("累计应付", "payable"), Text("累计拨付", "paid"),
        Text("累计质保金", "deposit"), Text("预算 F", "budget F"), Text("预算余额", "left"), Text("预算使用率", "used"),
    )  # fmt: skip
    form.header([say(head) for head in heads])
    for row in balance.iter_rows(named=True):
        pool = facts.pools.get(row["pool"])
        names = [Cell(row["pool"] if pool is None else say(pool.name)), Cell(str(row["year"]))]
        columns = ("payable_to_date", "paid_to_date", "deposit_to_date", "budget", "budget_left")
        money = [Cell(None if row[name] is None else int(row[name] * 100), "money") for name in columns]
        form.line([*names, *money, Cell(row["budget_used"], "share")])


def _lists(paper: Paper, facts: MonthFacts, figures: MonthFigures, names: Mapping[str, str]) -> None:
    """Write the sheets that list hospitals, rejects, findings and batches."""
    lang = paper.lang
    about = f"{paper.say(facts.title)}　{paper.say(Text('单位：元', 'amounts in yuan'))}"
    named = figures.by_hospital_and_pool(facts.month).with_columns(
        pl.col("hospital_id").replace_strict(names, default="", return_dtype=pl.String).alias("name")
    )
    message = pl.col(f"message_{lang}").alias("message")
    sheets = (
        (Text("医疗机构", "hospitals"), HOSPITALS, _hospitals(named, figures.states, lang)),
        (Text("医疗机构与基金池", "hospitals by pool"), HOSPITAL_POOLS, with_pool_names(named, facts, lang)),
        (Text("拒收", "rejects"), ALL_REJECTS, shown_rejects(figures.rejects, lang)),
        (Text("数据发现", "findings"), FINDINGS, figures.findings.with_columns(message)),
        (Text("批次", "batches"), BATCHES, _batches(figures.batches, lang)),
    )
    for name, columns, rows in sheets:
        write_list(paper, name, paper.say(name), about, columns, rows)


def _hospitals(by_pool: pl.DataFrame, states: pl.DataFrame, lang: str) -> pl.DataFrame:
    """Return one row a hospital, with its state."""
    sums = by_pool.group_by("hospital_id", "name").agg(pl.col("points", "fund_cases", "moved", *BOOKED).sum())
    state = pl.col("state").fill_null("computed").replace(said(STATES, lang))
    return sums.join(states, on="hospital_id", how="left").with_columns(state).sort("hospital_id")


def _batches(batches: pl.DataFrame, lang: str) -> pl.DataFrame:
    """Return batches with words for their kind, and whether they stand."""
    standing = (
        pl.when("present")
        .then(pl.lit(Text("现行", "present").text(lang)))
        .when("effective")
        .then(pl.lit(Text("有效", "effective").text(lang)))
        .when(pl.col("undone_by").is_not_null())
        .then(pl.lit(Text("已撤销", "undone").text(lang)))
    )
    return batches.with_columns(
        pl.col("batch").cast(pl.String).alias("number"),
        pl.col("kind").replace(said(BATCH_KINDS, lang)),
        standing.alias("standing"),
    )
