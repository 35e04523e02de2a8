"""A hospital's workbook of a month: summary, cases, outliers, corrections, rejects, deductions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import polars as pl

from engine.outputs.statements.addressee import SIGNATURES, Addressee
from engine.outputs.statements.arithmetic import Figures, Line, Section, month_sections
from engine.outputs.statements.form import Cell, Form
from engine.outputs.statements.listing import Column, write_list
from engine.outputs.statements.lists import CASES, CORRECTIONS, DEDUCTIONS, OUTLIERS, REJECTS
from engine.outputs.statements.month import MonthFacts, MonthFigures
from engine.outputs.statements.paper import Margin, Paper, workbook
from engine.outputs.statements.words import CLASSES, DEDUCTION_STATES, LATE, STATES, said
from grouper.fault import Text

NUMBER, LABEL, FIGURE = 5.0, 30.0, 15.0
"""Widths of the summary's columns; a note takes those that figures leave."""
BY_CLASS = ("cases", "charge", "points", "standard", "booked", "official_result", "fund_part")
OUTLYING = ("high", "low", "extreme", "special")
_NOTES = (
    Text(
        "1. 金额单位为元，红字为负数；退费病例各项均为负数。",
        "1. Amounts are yuan; red is negative; refunds are negative.",
    ),
    Text(
        "2. 基金应付按精确点数计算，按政策声明取整；病例明细中“基金应付”之和即“本月病例基金应付”。",
        "2. The fund's part follows from exact points, rounded as the policy declares; the case list adds up to it.",
    ),
    Text(
        "3. 请核对后盖章确认；如有异议，请按医保经办机构规定的期限和方式书面提出。",
        "3. Please check, sign and return; objections go in writing, as the insurance bureau provides.",
    ),
)
Printed = dict[str, Figures]


def write_hospital_month(file: Path, to: Addressee, facts: MonthFacts, figures: MonthFigures, cases: Path) -> Printed:
    """Write the workbook of one hospital and return the figures it shows, by pool.

    `figures`: its own; `cases`: the month's cases of all hospitals (`write_cases`).
    """
    own = pl.scan_parquet(cases).filter(pl.col("hospital_id") == to.hospital).collect()
    margin = Margin(f"{to.full[:60]}  {facts.month}", facts.line.text(to.lang))
    with workbook(file, to.lang, margin, facts.made) as paper:
        statement = _Statement(paper, to, facts, figures, _shown(own, facts, to.lang))
        printed = statement.summary()
        statement.lists()
    return printed


@dataclass(frozen=True)
class _Statement:
    paper: Paper
    to: Addressee
    facts: MonthFacts
    figures: MonthFigures
    cases: pl.DataFrame

    def summary(self) -> Printed:
        """Write the first sheet and return what its arithmetic comes to."""
        month, say = self.facts.title, self.paper.say
        title = Text(
            f"{self.to.bureau}{month.zh}住院费用月结算单", f"{self.to.bureau} monthly settlement, {month.en}".strip()
        )
        widths = (NUMBER, LABEL, *[FIGURE] * max(8, len(self._pools()) + 4))
        form = Form(self.paper, Text("汇总", "summary"), say(title), widths)
        form.facts(self._about(), split=5)
        form.heading(Text("一、病例构成", "1  Cases by class"))
        self._classes(form)
        form.heading(Text("二、从点数到支付", "2  From points to payment"))
        printed = self._arithmetic(form)
        form.row += 1
        form.notes(_NOTES)
        form.signatures(SIGNATURES)
        return printed

    def _about(self) -> list[tuple[Text, str]]:
        state = self.figures.states["state"].first() or "computed"
        pools = "、".join(self.paper.say(self.facts.pools[pool].name) for pool in self._pools())
        return [
            (Text("医疗机构", "hospital"), self.to.full),
            (Text("结算月份", "month"), self.paper.say(self.facts.title)),
            (Text("基金池", "pools"), pools if self.to.lang == "zh" else pools.replace("、", ", ")),
            (Text("状态", "state"), said(STATES, self.to.lang).get(str(state), str(state))),
            (Text("政策", "policy"), self.facts.policy),
            (Text("分组方案", "scheme"), self.facts.scheme),
            (Text("批次与版本", "batch, version"), self.paper.say(self.facts.version_line)),
            (Text("账本封印", "seal"), self.facts.seal),
        ]

    def _pools(self) -> list[str]:
        found = {*self.figures.sums["pool"], *self.figures.bookings["pool"]}
        return [pool for pool in self.facts.pools if pool in found]

    def _classes(self, form: Form) -> None:
        """Write cases, points and money by class."""
        heads = (
            Text("序", "no."), Text("病例类型", "class"), Text("病例数", "cases"), Text("总费用", "charge"),
            Text("点数", "points"), Text("支付标准", "standard"), Text("按项目记账额", "by-item amount"),
            Text("盈亏（标准−费用）", "result (standard − charge)"), Text("基金应付", "fund's part"),
            Text("占病例数", "share of cases"),
        )  # fmt: skip
        form.header([self.paper.say(head) for head in heads])
        table = self.figures.sums.group_by("case_class").agg(pl.col(BY_CLASS).sum())
        rows: dict[str, dict[str, Any]] = {row["case_class"]: row for row in table.iter_rows(named=True)}
        total: dict[str, Any] = {name: table[name].sum() for name in BY_CLASS}
        ordered = [name for name in (*CLASSES, *sorted(set(rows) - set(CLASSES))) if name in rows]
        names = said(CLASSES, self.to.lang)
        for number, name in enumerate(ordered, start=1):
            form.line(_class_cells(Cell(number, "whole"), names.get(name, name), rows[name], total["cases"]))
        form.line(_class_cells(Cell(None), self.paper.say(Text("合计", "total")), total, total["cases"]), bold=True)

    def _arithmetic(self, form: Form) -> Printed:
        """Write the lines from points to payment, numbered, and return their figures by pool."""
        pools, say = self._pools(), self.paper.say
        sections = month_sections(self.facts, pools, self.figures)
        names = [say(self.facts.pools[pool].name) for pool in pools]
        form.header(
            [say(Text("序", "no.")), say(Text("项目", "item")), *names, say(Text("合计", "total"))],
            say(Text("来由", "how it came about")),
        )
        numbers = {line.key: str(n) for n, line in enumerate((x for s in sections for x in s.lines), start=1)}
        for section in sections:
            self._section(form, section, numbers)
        lines = [line for section in sections for line in section.lines]
        return {pool: {line.key: line.figures[n] for line in lines} for n, pool in enumerate(pools)}

    def _section(self, form: Form, section: Section, numbers: dict[str, str]) -> None:
        width = len(self._pools()) + 1
        form.line([Cell(None), Cell(self.paper.say(section.heading)), *[Cell(None)] * width], "", bold=True)
        for line in section.lines:
            figures = [Cell(figure, line.kind) for figure in (*line.figures, line.total)]
            cells = [Cell(int(numbers[line.key]), "whole"), Cell(self.paper.say(line.label)), *figures]
            form.line(cells, self._note(line, numbers), bold=bool(line.adds))

    def _note(self, line: Line, numbers: dict[str, str]) -> str:
        """Return how a line came about: the numbers of what it adds up, or its note."""
        if line.adds:
            return "＝ " + " ＋ ".join(f"({numbers[key]})" for key in line.adds if key in numbers)
        note = self.paper.say(line.note).format_map({key: f"({number})" for key, number in numbers.items()})
        documents = {self.facts.pools[pool].documents.get(line.key, "") for pool in self._pools()}
        return "；".join([note, *sorted(documents - {""})])

    def lists(self) -> None:
        """Write the sheets that list records."""
        say, name = self.paper.say, self.to.full
        facts = f"{name}　{say(self.facts.title)}　{say(Text('单位：元', 'amounts in yuan'))}"
        for sheet, title, columns, rows in self._lists():
            write_list(self.paper, sheet, say(title), facts, columns, rows)

    def _lists(self) -> Iterator[tuple[Text, Text, Sequence[Column], pl.DataFrame]]:
        """Yield name, title, columns and rows of each list."""
        figures, lang = self.figures, self.to.lang
        yield Text("病例明细", "cases"), Text("病例明细", "Cases"), self._case_columns(), self.cases
        title = Text("超常病例：倍率、特殊、退费、迟到", "Outliers: high, low, special, refunds, late")
        yield Text("超常病例", "outliers"), title, OUTLIERS, self.cases.filter(pl.col("reasons") != "")
        if figures.corrections.height:
            title = Text("计入本月的以前月份更正，逐例对照", "Corrections of other months booked here, case by case")
            rows = with_pool_names(figures.corrections, self.facts, lang)
            yield Text("更正明细", "corrections"), title, CORRECTIONS, rows
        title = Text("拒收记录及原因", "Rejected claims and reasons")
        yield Text("拒收", "rejects"), title, REJECTS, shown_rejects(figures.rejects, lang)
        title = Text("审核扣款（本月发现）", "Audit deductions found in the month")
        states = figures.deductions.with_columns(pl.col("state").replace(said(DEDUCTION_STATES, lang)))
        yield Text("扣款", "deductions"), title, DEDUCTIONS, states

    def _case_columns(self) -> list[Column]:
        """Return the columns of the case list; extras and what others pay only where there are any."""
        sums = self.figures.sums
        absent = {
            "extras": not sums.select((pl.col("extra_alike") != 0) | (pl.col("extra_fund") != 0)).to_series().any(),
            "others": not (sums["others"] != 0).any(),
        }
        return [column for column in CASES if not absent.get(column.name, False)]


def _class_cells(number: Cell, name: str, row: dict[str, Any], cases: int) -> list[Cell]:
    kinds = {"cases": "whole", "points": "points"}
    share = Fraction(row["cases"], cases) if cases else None
    figures = [Cell(row[column], kinds.get(column, "money")) for column in BY_CLASS]
    return [number, Cell(name), *figures, Cell(share, "share")]


def _shown(cases: pl.DataFrame, facts: MonthFacts, lang: str) -> pl.DataFrame:
    """Return the cases with words for codes, the reasons they are outliers for, and their charge ÷ standard."""
    classes, late = said(CLASSES, lang), said(LATE, lang)
    kind = pl.when(pl.col("case_class").is_in(OUTLYING)).then(pl.col("case_class").replace(classes))
    remarks = [
        pl.when(pl.col("sign") < 0).then(pl.lit(Text("退费", "refund").text(lang))),
        pl.when(pl.col("late") != "no").then(pl.col("late").replace(late)),
        pl.when(pl.col("funding") == "elsewhere").then(pl.lit(Text("他处支付", "paid elsewhere").text(lang))),
    ]
    comma = "、" if lang == "zh" else ", "
    coefficients = {text: str(float(Fraction(text))) for text in cases["coefficient"].drop_nulls().unique()}
    return with_pool_names(cases, facts, lang).with_columns(
        pl.concat_str(remarks, separator=comma, ignore_nulls=True).alias("remarks"),
        pl.concat_str([kind, *remarks], separator=comma, ignore_nulls=True).alias("reasons"),
        pl.col("case_class").replace(classes),
        pl.col("special_kind").replace({kind: name.text(lang) for kind, name in facts.kinds.items()}),
        pl.col("coefficient").replace(coefficients).cast(pl.Float64),
        pl.when(pl.col("standard") != 0).then(pl.col("charge") / pl.col("standard")).alias("multiple"),
    )


def shown_rejects(rejects: pl.DataFrame, lang: str) -> pl.DataFrame:
    """Return rejects with the file's name alone and the message of the language."""
    name = pl.col("file").str.split("/").list.last()
    return rejects.with_columns(name.alias("file"), pl.col(f"message_{lang}").alias("message"))


def with_pool_names(rows: pl.DataFrame, facts: MonthFacts, lang: str) -> pl.DataFrame:
    """Return rows with the names of pools for their ids."""
    return rows.with_columns(pl.col("pool").replace({pool: own.name.text(lang) for pool, own in facts.pools.items()}))
