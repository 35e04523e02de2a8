"""The report of a measured DIP directory: one workbook with what an official looks at before it is published."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import Any

import xlsxwriter
from xlsxwriter.exceptions import XlsxFileError
from xlsxwriter.workbook import Workbook
from xlsxwriter.worksheet import Worksheet

from engine.directory.figures import Measured
from engine.outputs.directory_tables import coefficient_rows, largest_changes, score_rows, sub_type_rows
from engine.outputs.folder import cannot_write
from engine.outputs.printed import printed, printed_yuan
from grouper.fault import Text

Row = Sequence[object]
POINTS = 200
CHANGES, CHARTED = 200, 20
CV_STEPS = [Fraction(n, 10) for n in range(21)]
STAGES = {
    "national": Text("国家目录", "national directory"),
    "local": Text("本地核心", "local core"),
    "related": Text("相关手术操作", "related procedure"),
    "comprehensive": Text("综合病种", "comprehensive"),
}
FAILS = {
    None: Text("入选", "selected"),
    "not_published": Text("不在公布目录", "not on the published list"),
    "cases": Text("病例数不足", "too few cases"),
    "cv": Text("变异系数过大", "varies too much"),
    "low_level_share": Text("基层就诊占比不足", "not mostly treated in low-level hospitals"),
}
SCORES = {
    "group": Text("病种", "group"),
    "name": Text("名称", "name"),
    "layer": Text("层", "layer"),
    "kind": Text("类型", "kind"),
    "score": Text("分值", "score"),
    "cases": Text("病例数（裁剪后）", "cases kept"),
    "trimmed": Text("裁剪病例", "trimmed"),
    "mean_charge": Text("次均费用", "mean charge"),
    "mean_untrimmed": Text("裁剪前次均费用", "mean before trimming"),
    "cv_untrimmed": Text("裁剪前变异系数", "CV before trimming"),
    "cv": Text("裁剪后变异系数", "CV after trimming"),
    "stability": Text("稳定性", "stability"),
    "status": Text("状态", "status"),
    "previous": Text("上版分值", "previous score"),
    "change": Text("变化", "change"),
}
COEFFICIENTS = {
    "level": Text("等级", "level"), "group": Text("病种", "group"), "coefficient": Text("系数", "coefficient"),
}  # fmt: skip
SUB_TYPES = {
    "group": Text("病种", "group"),
    "kind": Text("分型类别", "kind"),
    "subtype": Text("分型", "sub-type"),
    "coefficient": Text("系数", "coefficient"),
    "cases": Text("病例数", "cases"),
    "cv": Text("分型前变异系数", "CV before"),
    "cv_split": Text("分型后变异系数", "CV after"),
}


def write_report(measured: Measured, path: Path, lang: str) -> None:
    """Write the workbook. Raises CannotWriteError."""
    try:
        with xlsxwriter.Workbook(str(path), {"in_memory": True}) as workbook:
            # Without a clock the same measurement gives the same bytes.
            workbook.set_properties({"created": datetime(measured.setting.years[-1] + 1, 1, 1)})  # noqa: DTZ001
            _Report(measured, workbook, lang).write()
    except XlsxFileError as error:
        raise cannot_write(path, error) from error


class _Report:
    """A report on its way: one method a sheet."""

    def __init__(self, measured: Measured, workbook: Workbook, lang: str) -> None:
        self.measured, self.workbook, self.lang = measured, workbook, lang
        self.bold = workbook.add_format({"bold": True})

    def write(self) -> None:
        self._summary()
        self._table(Text("病种", "groups"), SCORES, score_rows(self.measured))
        self._coverage()
        self._variation()
        self._dropped()
        self._primary_care()
        self._related()
        self._table(Text("机构系数", "hospital coefficients"), COEFFICIENTS, coefficient_rows(self.measured))
        self._table(Text("辅助分型", "sub-types"), SUB_TYPES, sub_type_rows(self.measured))
        self._changes()

    def _summary(self) -> None:
        measured = self.measured
        before, after, cases = measured.before, measured.after, measured.setting.cases.frame.height
        rows = [
            (Text("目录", "directory"), measured.setting.head.id),
            (Text("年度", "years"), " ".join(map(str, measured.setting.years))),
            (Text("测算病例", "base cases"), cases),
            (Text("病例数临界值", "threshold"), measured.chosen.threshold),
            (Text("病种数", "groups"), len(measured.chosen.rows)),
            (Text("基层病种", "primary-care groups"), len(measured.primary_care_groups)),
            (Text("入组病例（国家目录）", "cases in a group, base directory"), before.cases),
            (Text("入组病例（本地目录）", "cases in a group, local directory"), after.cases),
            (Text("覆盖率", "coverage"), _number(printed(Fraction(after.cases, cases), 4))),
            (Text("平均变异系数（国家目录）", "mean CV, base directory"), _number(printed(before.cv, 4))),
            (Text("平均变异系数（本地目录）", "mean CV, local directory"), _number(printed(after.cv, 4))),
            (Text("组间变异占比 RIV", "RIV"), _number(printed(measured.calibrated.riv, 4))),
            (Text("次均费用（元）", "mean of all (yuan)"), _number(printed_yuan(measured.calibrated.mean_all))),
            (Text("未公布分值的病种", "groups without a score"), len(measured.unpublished)),
            (Text("病例过少的组合", "combinations that are too rare"), measured.chosen.rare.combinations),
            (Text("其病例", "their cases"), measured.chosen.rare.cases),
        ]
        sheet = self._sheet(Text("概况", "summary"), [Text("项目", "item"), Text("数值", "figure")], [])
        for line, (name, value) in enumerate(rows, 1):
            sheet.write_row(line, 0, [name.text(self.lang), value])

    def _coverage(self) -> None:
        """Show what share of the cases the largest groups cover."""
        counts = sorted((sums.cases for sums in self.measured.untrimmed.values()), reverse=True)
        total = self.measured.setting.cases.frame.height
        covered = list(accumulate(counts))
        step = max(1, len(covered) // POINTS)
        ends = sorted({*range(0, len(covered), step), len(covered) - 1})
        rows = [(n + 1, counts[n], _number(printed(Fraction(covered[n], total), 4))) for n in ends]
        title = Text("覆盖", "coverage")
        heads = [Text("病种数", "groups"), Text("最小病例数", "cases of the last"), Text("累计占比", "share covered")]
        sheet = self._sheet(title, heads, rows)
        self._chart(sheet, title, "line", [2], len(rows), "E2")

    def _variation(self) -> None:
        """Count groups by coefficient of variation, before and after trimming, with columns."""
        before = [sums.cv for sums in self.measured.untrimmed.values()]
        after = [group.cv for group in self.measured.calibrated.groups]
        rows = []
        for low, high in zip(CV_STEPS, [*CV_STEPS[1:], None], strict=True):
            inside = [
                sum(cv is not None and low <= cv and (high is None or cv < high) for cv in cvs)
                for cvs in (before, after)
            ]
            rows.append((f"{float(low):.1f}–" + ("" if high is None else f"{float(high):.1f}"), *inside))
        title = Text("变异系数", "variation")
        heads = [Text("变异系数", "CV"), Text("裁剪前病种数", "groups before trimming"), Text("裁剪后病种数", "after")]
        sheet = self._sheet(title, heads, rows)
        self._chart(sheet, title, "column", [1, 2], len(rows), "E2")

    def _dropped(self) -> None:
        """List the groups that the directory has not, those with most cases first."""
        dropped = sorted(self.measured.chosen.dropped, key=lambda one: (-one.cases, one.group))
        rows = [(one.group, STAGES[one.stage].text(self.lang), one.cases, one.needed) for one in dropped]
        heads = [Text("病种", "group"), Text("来源", "from"), Text("病例数", "cases"), Text("需要", "needed")]
        self._sheet(Text("未列入病种", "dropped"), heads, rows)

    def _primary_care(self) -> None:
        tests = sorted(self.measured.primary_care, key=lambda test: (test.fails is not None, -test.cases, test.group))
        rows = [
            (
                test.group,
                self.measured.chosen.rows[test.group]["name"],
                test.cases,
                _number(printed(test.cv, 4)),
                _number(printed(test.low_level_share, 4)),
                FAILS[test.fails].text(self.lang),
            )
            for test in tests
        ]
        heads = [
            Text("病种", "group"), Text("名称", "name"), Text("病例数", "cases"), Text("变异系数", "CV"),
            Text("基层就诊占比", "share in low-level hospitals"), Text("结论", "result"),
        ]  # fmt: skip
        self._sheet(Text("基层病种", "primary care"), heads, rows)

    def _related(self) -> None:
        rows = [
            (
                own.group,
                own.procedure,
                own.cases,
                _number(printed_yuan(own.mean_without)),
                _number(printed_yuan(own.mean)),
                _number(printed(own.raised_by, 4)),
            )
            for own in self.measured.chosen.own
        ]
        heads = [
            Text("病种", "group"), Text("相关手术操作", "related procedure"), Text("病例数", "cases"),
            Text("无该操作次均费用", "mean without"), Text("有该操作次均费用", "mean with"), Text("升幅", "raised by"),
        ]  # fmt: skip
        self._sheet(Text("相关手术操作", "related procedures"), heads, rows)

    def _changes(self) -> None:
        """List the scores that moved most against those in force before, with bars."""
        decimals = self.measured.setting.rule.scores.decimals
        rows = [
            (group, _number(printed(before, decimals)), _number(printed(score, decimals)), _number(printed(change, 4)))
            for group, before, score, change in largest_changes(self.measured, CHANGES)
        ]
        title = Text("与上版比较", "changes")
        heads = [Text("病种", "group"), Text("上版分值", "previous"), Text("本版分值", "score"), Text("变化", "change")]
        sheet = self._sheet(title, heads, rows)
        if rows:
            self._chart(sheet, title, "bar", [3], min(len(rows), CHARTED), "F2")

    def _table(self, title: Text, columns: Mapping[str, Text], rows: Sequence[Mapping[str, str]]) -> None:
        used = {name: head for name, head in columns.items() if not rows or name in rows[0]}
        texts = {"group", "name", "layer", "kind", "stability", "status", "subtype", "level"}
        cells = [[row[name] if name in texts else _number(row[name]) for name in used] for row in rows]
        self._sheet(title, list(used.values()), cells)

    def _sheet(self, title: Text, heads: Sequence[Text], rows: Iterable[Row]) -> Worksheet:
        """Add a sheet with a header that stays in sight."""
        sheet: Worksheet = self.workbook.add_worksheet(title.text(self.lang))
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, len(heads) - 1, 16)
        for column, head in enumerate(heads):
            sheet.write_string(0, column, head.text(self.lang), self.bold)
        for line, row in enumerate(rows, 1):
            for column, value in enumerate(row):
                if isinstance(value, str):
                    sheet.write_string(line, column, value)
                elif value is not None:
                    sheet.write(line, column, value)
        return sheet

    def _chart(self, sheet: Worksheet, title: Text, kind: str, columns: Sequence[int], rows: int, at: str) -> None:
        """Add a chart of columns over the first one."""
        chart: Any = self.workbook.add_chart({"type": kind})
        for column in columns:
            chart.add_series(
                {
                    "name": [sheet.name, 0, column],
                    "categories": [sheet.name, 1, 0, rows, 0],
                    "values": [sheet.name, 1, column, rows, column],
                }
            )
        chart.set_title({"name": title.text(self.lang)})
        chart.set_legend({"position": "bottom"})
        sheet.insert_chart(at, chart, {"x_scale": 1.6, "y_scale": 1.4})


def _number(text: str) -> float | None:
    """Return a printed figure as a cell's number; a workbook shows figures, it does not carry them."""
    return float(text) if text else None
