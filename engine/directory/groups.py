"""Choosing the groups of a local directory (本地目录测算): national groups that are kept, local and comprehensive ones.

Cases are grouped again by the directory as it stands after each step, so that in the end every case is where the
finished directory puts it, whatever shadows what.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from engine.directory.cases import DipCases, Int32, UInt8
from engine.directory.procedures import UNKNOWN, CleanedProcedures, clean, main_diagnoses
from grouper.dip import kernel as k
from grouper.dip.directory import ANY, CASE_CLASSES, GROUP_KINDS, LAYOUT, Directory, DirectoryHead, build
from grouper.fault import Text, UserError
from grouper.scheme.tables import Row
from rules.payment.directory import OwnGroup, least_cases, own_groups
from rules.policy.calibration import Calibration
from rules.policy.directory import DirectoryMeasurement

Cells = dict[str, str]
Bools = npt.NDArray[np.bool_]
Stage = Literal["national", "local", "related", "comprehensive"]
GROUPS = LAYOUT.columns["groups"]
DIAGNOSIS = re.compile(r"[A-Za-z]\d\d(\.[0-9A-Za-z].*)?")
PROCEDURE = re.compile(r"\d\d?(\.[^|/+]+)?")
"""A code that a cell can hold: 47.0100, 39.9500x007, 17.912A0; a sign that joins codes would make it two."""
CATEGORY, SUBCATEGORY = 3, 5
UNNAMED = "?"
"""Stands for a procedure whose code no directory could hold."""


class Dropped(NamedTuple):
    """A group that the directory has not: its cases and how many it would have needed."""

    group: str
    stage: Stage
    cases: int
    needed: int


class Rare(NamedTuple):
    """Combinations of diagnosis and procedures that are too rare for a local group, and their cases."""

    combinations: int = 0
    cases: int = 0


@dataclass(frozen=True)
class Chosen:
    """The groups of a local directory.

    `rows`: groups.csv by code; `stages`: what made each row; `groups`: the group of every base case (Enum of the
    codes), null where it has none; `national`: the same under the base directory; `own`: related procedures with a
    group of their own.
    """

    directory: Directory
    rows: Mapping[str, Cells]
    stages: Mapping[str, Stage]
    groups: pl.Series
    national: pl.Series
    threshold: int
    own: list[OwnGroup]
    dropped: list[Dropped]
    rare: Rare


@dataclass
class GroupChoice:
    """The choice on its way: the rows so far, what made them, the cases they need, and what was dropped."""

    cases: DipCases
    base: Directory
    head: DirectoryHead
    rule: DirectoryMeasurement
    history: Calibration
    threshold: int = 0
    rows: dict[str, Cells] = field(default_factory=dict)
    stages: dict[str, Stage] = field(default_factory=dict)
    needed: dict[str, int] = field(default_factory=dict)
    own: list[OwnGroup] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    rare: Rare = field(default_factory=Rare)
    _last: tuple[list[tuple[str, str]], Int32] | None = None

    def find_threshold(self) -> None:
        """Find how many cases make a core group. Raises UserError of the rules where no group has so many."""
        national, reasons = self._in_base
        kept = self.rule.national_groups == "kept"
        left = ~is_refused(reasons) & (national < 0 if kept else True)
        counts = _counts(national, len(self.base.groups)).tolist() if kept else []
        self.threshold = least_cases([*counts, *self._combinations(left)["cases"].to_list()], self.rule.core)

    def choose(self) -> None:
        """Choose the groups, once the threshold is known."""
        if self.rule.national_groups == "kept":
            self._keep_national()
        self._add_local()
        self._add_related()
        self._add_comprehensive()

    def chosen(self) -> Chosen:
        """Return the groups as they stand, with every case where they put it."""
        groups = named(self._settle(), list(self.rows))
        base = named(self._in_base[0], [row.code for row in self.base.groups])
        stages = {code: self.stages[code] for code in self.rows}
        return Chosen(
            self.directory(), self.rows, stages, groups, base, self.threshold, self.own, self.dropped, self.rare
        )

    def mark_primary_care(self, groups: Collection[str]) -> None:
        """Make groups primary-care groups (基层病种)."""
        for group in groups:
            self.rows[group]["kind"] = "primary-care"

    def directory(self) -> Directory:
        """Return the directory as it stands."""
        faults: list[Text] = []
        path = Path(self.head.id)
        table = {code: Row(path, line, cells) for line, (code, cells) in enumerate(self.rows.items(), 2)}
        directory = build(self.head, self.base.tables | {"groups": table}, (), faults)
        if faults:
            raise UserError(faults)
        return directory

    def _grouped(self, directory: Directory) -> tuple[Int32, UInt8]:
        """Return the row and the reason of each base case."""
        groups, reasons = self.cases.group(directory)
        return groups[self._rows], reasons[self._rows]

    @cached_property
    def _in_base(self) -> tuple[Int32, UInt8]:
        return self._grouped(self.base)

    @cached_property
    def _rows(self) -> npt.NDArray[np.uint32]:
        """The base cases among the claims."""
        return self.cases.frame["row"].to_numpy()

    @cached_property
    def _procedures(self) -> CleanedProcedures:
        return clean(self.cases, self.base)

    @cached_property
    def _main_diagnoses(self) -> pl.Series:
        return pl.Series(main_diagnoses(self.cases)[self._rows])

    def _add(self, stage: Stage, needed: int, cells: Cells) -> None:
        code = cells["code"]
        self.rows[code] = dict.fromkeys(GROUPS, "") | cells
        self.stages[code], self.needed[code] = stage, needed

    def _keep_national(self) -> None:
        """Take over the national groups with cases enough, entry by entry, so that what falls may land further down."""
        for row in self.base.tables["groups"].values():
            self._add("national", self.threshold, row.values)
        self._last = self._state, self._in_base[0]
        entries = {row.code: row.entry for row in self.directory().groups}
        for entry in sorted(set(entries.values())):
            self._settle({code for code, at in entries.items() if at == entry}, once=True)

    def _settle(self, asked: Collection[str] | None = None, *, once: bool = False) -> Int32:
        """Drop the groups (of those asked) with too few cases until none is left; return the row of each base case."""
        while self.rows:
            groups = self._grouped_as_it_stands()
            counts = zip(list(self.rows), _counts(groups, len(self.rows)).tolist(), strict=True)
            few = [
                (code, cases)
                for code, cases in counts
                if cases < self.needed[code] and (asked is None or code in asked)
            ]
            for code, cases in few:
                self.dropped.append(Dropped(code, self.stages[code], cases, self.needed[code]))
                del self.rows[code]
            if once or not few:
                return groups
        return np.full(len(self._rows), -1, np.int32)

    def _grouped_as_it_stands(self) -> Int32:
        """Return the row of each base case; what was found for the same rows is kept."""
        if self._last is None or self._last[0] != self._state:
            self._last = self._state, self._grouped(self.directory())[0]
        return self._last[1]

    @property
    def _state(self) -> list[tuple[str, str]]:
        """What decides the groups: the rows, and their kinds where the order of evaluation asks for kinds."""
        by_kind = any(kind in entry.split() for entry in self.head.order for kind in GROUP_KINDS)
        return [(code, cells["kind"] if by_kind else "") for code, cells in self.rows.items()]

    def _left(self) -> Bools:
        """Return which base cases no group takes though their diagnosis may be grouped."""
        return (self._settle() < 0) & ~is_refused(self._in_base[1])

    def _add_local(self) -> None:
        """Add a group for every combination of diagnosis and procedures that is common among the cases left."""
        if self.rule.local_groups == "none":
            return
        found = self._combinations(self._left())
        is_common = pl.col("cases") >= self.threshold
        rare = found.filter(~is_common)
        self.rare = Rare(rare.height, int(rare["cases"].sum()))
        column = "main_procedure" if self.rule.local_groups == "main_procedure" else "procedures"
        layer = "JC" if "JC" in self.head.order else ""
        for diagnosis, procedures in found.filter(is_common).select("diagnosis", "procedures").iter_rows():
            cells = {"code": f"{diagnosis}:{procedures or 'conservative'}", "name": self._name(diagnosis, procedures)}
            self._add(
                "local",
                self.threshold,
                cells | {"layer": layer, "kind": "core", "main_diagnosis": diagnosis, column: procedures},
            )

    def _combinations(self, left: Bools) -> pl.DataFrame:
        """Return diagnosis, procedures, cases: the combinations of the cases left, in the order of the codes."""
        if self.rule.local_groups == "none":
            return pl.DataFrame(schema={"diagnosis": pl.String, "procedures": pl.String, "cases": pl.Int64})
        cases = self._with_category(SUBCATEGORY).filter(pl.Series(left))
        procedures = self._all_procedures if self.rule.local_groups == "all_procedures" else self._main_procedure
        return (
            cases.join(procedures(cases), on="row", how="left")
            .with_columns(pl.col("procedures").fill_null(""))
            .filter((pl.col("diagnosis") != "") & (pl.col("procedures") != UNNAMED))
            .group_by("diagnosis", "procedures")
            .agg(pl.len().cast(pl.Int64).alias("cases"))
            .sort("diagnosis", "procedures")
        )

    def _with_category(self, length: int) -> pl.DataFrame:
        """Return row, diagnosis: each base case with the category of its main diagnosis, "" where it has none."""
        spelling = self.base.diagnosis_codes.spelling
        categories = pl.Series([_category(spelling(code), length) for code in self.cases.diagnosis_codes])
        return pl.DataFrame({"row": self._rows, "diagnosis": categories.gather(self._main_diagnoses)})

    def _main_procedure(self, cases: pl.DataFrame) -> pl.DataFrame:
        """Return row, procedures: the main procedure of each case."""
        main = pl.Series(self._procedures.main[cases["row"].to_numpy()])
        return cases.select("row", self._spelled.gather(main).alias("procedures"))

    def _all_procedures(self, cases: pl.DataFrame) -> pl.DataFrame:
        """Return row, procedures: all procedures of each case that has a main one, each once, joined by +."""
        kept = self._procedures.kept.join(cases, on="row", how="semi")
        kept = kept.join(kept.filter("is_main"), on="row", how="semi")
        spelled = kept.select("row", self._spelled.gather(kept["procedure"]).alias("procedures"))
        distinct = spelled.filter(pl.col("procedures") != UNNAMED).unique().sort("row", "procedures")
        return distinct.group_by("row", maintain_order=True).agg(pl.col("procedures").str.join("+"))

    def _add_related(self) -> None:
        """Give related procedures that raise the cost enough a group of their own."""
        if self.rule.related is None:
            return
        groups = named(self._settle(), list(self.rows))
        asked = [code for code, cells in self.rows.items() if _may_split(cells)]
        cases = self.cases.frame.select("row", "year", "charge", groups.alias("group")).filter(
            pl.col("group").is_in(asked)
        )
        beside = self._procedures.beside().join(cases, on="row", how="semi")
        beside = beside.select("row", self._spelled.gather(beside["procedure"]).alias("procedure"))
        beside = beside.filter(pl.col("procedure") != UNNAMED)
        self.own = own_groups(cases, beside, self.rule.related, self.history)
        for own in self.own:
            cells = self.rows[own.group]
            name = "+".join(filter(None, (cells["name"], self.base.procedure_codes.name(own.procedure))))
            split = {"code": f"{own.group}+{own.procedure}", "name": name, "related_procedure": own.procedure}
            self._add("related", self.rule.related.cases, cells | split)

    def _add_comprehensive(self) -> None:
        """Add comprehensive groups, category × class, for the cases left."""
        needed = self.rule.comprehensive_cases
        classes = pl.Series("class", self._procedures.case_class[self._rows])
        found = (
            self._with_category(CATEGORY)
            .with_columns(classes)
            .filter(pl.Series(self._left()) & (pl.col("diagnosis") != "") & (pl.col("class") != UNKNOWN))
            .group_by("diagnosis", "class")
            .agg(pl.len())
            .sort("diagnosis", "class")
        )
        for diagnosis, number, cases in found.iter_rows():
            case_class = CASE_CLASSES[number]
            code = f"{diagnosis}:{case_class}"
            if cases < needed:
                self.dropped.append(Dropped(code, "comprehensive", cases, needed))
                continue
            cells = {"code": code, "layer": "ZH", "kind": "comprehensive", "main_diagnosis": diagnosis}
            self._add("comprehensive", needed, cells | {"class": case_class})

    @cached_property
    def _spelled(self) -> pl.Series:
        """By code number the official spelling of each procedure, UNNAMED where no directory could name it."""
        spelling = self.base.procedure_codes.spelling
        codes = self.cases.procedure_codes[1:]
        return pl.Series(["", *(spelling(code) if PROCEDURE.fullmatch(code) else UNNAMED for code in codes)])

    def _name(self, diagnosis: str, procedures: str) -> str:
        """Return the name of a local group, as far as the code lists have names."""
        operations = [self.base.procedure_codes.name(code) or code for code in procedures.split("+") if code]
        return f"{self.base.diagnosis_codes.name(f'{diagnosis}00') or diagnosis}：{'+'.join(operations) or '保守治疗'}"


def named(rows: Int32, codes: list[str]) -> pl.Series:
    """Return rows of a directory as its codes, null for none."""
    return pl.Series("group", rows).replace(-1, None).cat.to(pl.Enum(codes))


def is_refused(reasons: UInt8) -> Bools:
    """Return whether the main diagnosis of a case is missing, blank or not to be grouped."""
    return np.isin(reasons, [k.DIAGNOSES_MISSING, k.PRINCIPAL_BLANK, k.PRINCIPAL_NOT_GROUPED])


def _counts(rows: Int32, groups: int) -> npt.NDArray[np.int64]:
    return np.bincount(rows[rows >= 0], minlength=groups)


def _category(code: str, length: int) -> str:
    """Return the category of a diagnosis in so many characters, "" where no directory could name it."""
    return code[:1].upper() + code[1:length] if DIAGNOSIS.fullmatch(code) else ""


def _may_split(cells: Cells) -> bool:
    """Return whether a group is a main procedure's, with nothing said of what is beside it."""
    return cells["main_procedure"] not in {"", ANY} and not cells["related_procedure"] and not cells["procedures"]
