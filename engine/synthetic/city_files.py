"""Reads a city from its folder: city.toml and five CSV tables, checked against the scheme and the code lists."""

import math
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np

from engine.synthetic.city import CONTEXTS, SEVERITIES, City, Coding, Conditions, Groups, Lists, Pathways
from engine.synthetic.draws import Choice, Floats, Ints
from engine.synthetic.settings import Settings, read_settings
from engine.synthetic.tables import Row, read_table
from grouper.codes import DIAGNOSES, PROCEDURES, fold, load_code_list
from grouper.fault import Text, UserError
from grouper.scheme.pack import Scheme, load_scheme

EXAMPLE_CITY = Path(__file__).with_name("example_city")
POLICIES = Path(__file__).parents[2] / "rules" / "policies"
_LAST_DIGITS = {"none": "5931", "cc": "3951", "mcc": "1395"}
"""Last digits of groups in the order in which they fit a severity: 1 with MCC, 3 with either, 5 without, 9 no split."""
_GROUP_COLUMNS = (
    "adrg", "per_10000", "people", "days", "burden", "level_3", "level_2", "level_1", "department", "fees", "season",
    "growth", "day_surgery", "per_diem", "grams_from", "grams_to",
)  # fmt: skip
_PATHWAY_COLUMNS = ("adrg", "share", "sex", "age", "principal", "others", "procedures")
_VENTILATION = {"96.7101": 1, "96.7201": 2}
"""Procedures of invasive ventilation: under 96 hours, and longer."""

T = TypeVar("T")


class Codes:
    """The codes a city uses, numbered in the order of their first use."""

    def __init__(self, known: str) -> None:
        self.known = frozenset(load_code_list(known).official.values())
        self.numbers: dict[str, int] = {}

    def number(self, code: str) -> int:
        """Return the number of a code, a new one where it is new."""
        return self.numbers.setdefault(code, len(self.numbers))


@cache
def load_city(folder: Path = EXAMPLE_CITY) -> City:
    """Load a city from its folder. Raises UserError with every fault found."""
    settings = read_settings(folder / "city.toml")
    return _Reader(folder, settings).city()


class _Reader:
    """Reads the tables of one city and collects what is wrong with them."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder, self.settings = folder, settings
        self.faults: list[Text] = []
        self.scheme = load_scheme(settings.scheme)
        self.diagnoses, self.procedures = Codes(DIAGNOSES), Codes(PROCEDURES)
        self.people = tuple(settings.people)

    def city(self) -> City:
        rows = self._rows("groups.csv", _GROUP_COLUMNS)
        departments = sorted({row.cells["department"] for row in rows})
        groups = self._stop_at_faults(lambda: self._groups(rows, departments))
        pathways = self._stop_at_faults(lambda: self._pathways(groups))
        conditions = self._stop_at_faults(self._conditions)
        examinations = self._rows("examinations.csv", ("code", "share"))
        shares = [row.number("share") for row in examinations]
        found = [
            self.procedures.number(code) for row in examinations for code in row.codes("code", self.procedures.known)
        ]
        self._stop_at_faults(lambda: None)
        return City(
            self.settings, self.people, tuple(departments), groups, pathways, conditions, Choice.of([shares]),
            np.array(found, np.int32), self._coding(),
        )  # fmt: skip

    def _rows(self, name: str, columns: Sequence[str]) -> list[Row]:
        return read_table(self.folder / name, columns, self.faults)

    def _stop_at_faults(self, step: Callable[[], T]) -> T:
        result = None if self.faults else step()
        if self.faults:
            raise UserError(self.faults)
        return result  # type: ignore[return-value]

    def _groups(self, rows: list[Row], departments: list[str]) -> Groups:
        adrgs = {row.code for adrgs in self.scheme.adrgs.values() for row in adrgs}
        weights = read_weights(self.settings.weights)
        names = [row.text("adrg", adrgs) for row in rows]
        for row, name in zip(rows, names, strict=True):
            if name in adrgs and _fitting(weights, name, "none") is None:
                row.faults.append(
                    Text(
                        f"{row.place} adrg：权重表 {self.settings.weights} 没有 {name} 的病组",
                        f"{row.place} adrg: the weights {self.settings.weights} have no group of {name}",
                    )
                )
        fees = tuple(self.settings.fees)

        def numbers(column: str, least: float = 0.0, most: float = 1e6) -> Floats:
            return np.array([row.number(column, least, most) for row in rows], np.float64)

        def places(column: str, allowed: Sequence[str]) -> Ints:
            cells = [row.text(column, allowed) for row in rows]
            return np.array([allowed.index(cell) if cell in allowed else 0 for cell in cells], np.int64)

        levels = [numbers(f"level_{hospital.level}") for hospital in self.settings.hospitals]
        return Groups(
            adrg=tuple(names),
            per_10000=numbers("per_10000", 1e-6),
            people=places("people", self.people),
            days=numbers("days", 0.1, 400),
            burden=numbers("burden", 0.1, 5),
            level=Choice.of([[max(share, 1e-9) for share in shares] for shares in zip(*levels, strict=True)]),
            department=places("department", departments),
            fees=places("fees", fees),
            season=tuple(row.text("season", ("even", "winter", "summer")) for row in rows),
            growth=numbers("growth", 0.5, 2),
            day_surgery=numbers("day_surgery", 0, 1),
            per_diem=numbers("per_diem", 0, 1),
            grams=(numbers("grams_from", 0, 6000), numbers("grams_to", 0, 6000)),
            weight=np.array([[_fitting(weights, name, s) or math.nan for s in SEVERITIES] for name in names]),
            drg=tuple(tuple(_target(self.scheme, name, severity) for severity in SEVERITIES) for name in names),
        )

    def _pathways(self, groups: Groups) -> Pathways:
        rows = self._rows("pathways.csv", _PATHWAY_COLUMNS)
        choices: list[list[tuple[int, float]]] = [[] for _ in range(len(groups.adrg) * 4)]
        position = {name: number for number, name in enumerate(groups.adrg)}
        principal, others, procedures, ventilation = [], [], [], []
        for number, row in enumerate(rows):
            group = position.get(row.text("adrg", position), 0)
            sex, age = row.text("sex", ("", "1", "2")), row.text("age", ("", "child", "adult"))
            codes = row.codes("principal", self.diagnoses.known)
            if len(codes) != 1:
                row.faults.append(
                    Text(f"{row.place} principal：应为一个编码", f"{row.place} principal: should be one code")
                )
            principal.append(self.diagnoses.number("".join(codes)))
            others.append([self.diagnoses.number(code) for code in row.codes("others", self.diagnoses.known)])
            done = row.codes("procedures", self.procedures.known)
            procedures.append([self.procedures.number(code) for code in done])
            ventilation.append(max((_VENTILATION.get(code, 0) for code in done), default=0))
            for place in range(4):
                if sex in ("", str(place // 2 + 1)) and age in ("", ("child", "adult")[place % 2]):
                    choices[group * 4 + place].append((number, row.number("share", 1e-9)))
        self._find_missing_pathways(groups, choices)
        return Pathways(
            Choice.of([[share for _, share in row] for row in choices]),
            np.array([number for row in choices for number, _ in row], np.int64),
            np.array(principal, np.int32),
            Lists.of(others),
            Lists.of(procedures),
            np.array(ventilation, np.int64),
        )

    def _find_missing_pathways(self, groups: Groups, choices: list[list[tuple[int, float]]]) -> None:
        for number, name in enumerate(groups.adrg):
            people = self.settings.people[self.people[groups.people[number]]]
            sexes = [sex for sex, some in ((1, people.male > 0), (2, people.male < 1)) if some]
            bands = people.ages or (1.0,)
            ages = [age for age, some in ((0, sum(bands[:3]) > 0), (1, sum(bands[3:]) > 0)) if some]
            if not all(choices[number * 4 + (sex - 1) * 2 + age] for sex in sexes for age in ages):
                self.faults.append(
                    Text(
                        f"pathways.csv：{name} 对人群 {self.people[groups.people[number]]} 的某个性别或年龄没有路径",
                        f"pathways.csv: {name} has no pathway for a sex or age of its people "
                        f"({self.people[groups.people[number]]})",
                    )
                )

    def _conditions(self) -> Conditions:
        rows = self._rows("conditions.csv", ("condition", "sex", *CONTEXTS))
        position = {row.cells["condition"]: number for number, row in enumerate(rows)}
        often = np.zeros((len(CONTEXTS), 2, len(rows)))
        for number, row in enumerate(rows):
            sex = row.text("sex", ("", "1", "2"))
            for context, column in enumerate(CONTEXTS):
                for place in range(2):
                    if sex in ("", str(place + 1)):
                        often[context, place, number] = row.number(column, 0, 1000) / 1000
        codes: list[list[tuple[int, float]]] = [[] for _ in rows]
        for row in self._rows("condition_codes.csv", ("condition", "code", "share")):
            name = row.text("condition", position)
            for code in row.codes("code", self.diagnoses.known):
                codes[position.get(name, 0)].append((self.diagnoses.number(code), row.number("share", 1e-9)))
        for name, number in position.items():
            if not codes[number]:
                self.faults.append(
                    Text(f"condition_codes.csv：{name} 没有编码", f"condition_codes.csv: {name} has no code")
                )
        return Conditions(
            often,
            Choice.of([[share for _, share in row] for row in codes]),
            np.array([number for row in codes for number, _ in row], np.int32),
        )

    def _coding(self) -> Coding:
        diagnoses, scheme = tuple(self.diagnoses.numbers), self.scheme
        folded = [fold(code) for code in diagnoses]
        tables = {name: number for number, name in enumerate(scheme.exclusions)}
        member = {code: tables[name] for name, codes in scheme.exclusions.items() for code in codes}
        found = [scheme.complications.get(code) for code in folded]
        categories: dict[str, int] = {}
        return Coding(
            diagnoses,
            tuple(self.procedures.numbers),
            np.array([0 if c is None else ("CC", "MCC").index(c.level) + 1 for c in found], np.int8),
            np.array([-1 if c is None or c.exclusion is None else tables[c.exclusion] for c in found], np.int32),
            np.array([member.get(code, -2) for code in folded], np.int32),
            np.array([categories.setdefault(code[:3], len(categories)) for code in folded], np.int32),
        )


def read_weights(name: str) -> dict[str, float]:
    """Read the published weights of rules/policies/<name>/weights.csv, by group."""
    faults: list[Text] = []
    rows = read_table(POLICIES / name / "weights.csv", ("group", "weight"), faults)
    weights = {row.cells["group"]: row.number("weight", 1e-6) for row in rows}
    if faults:
        raise UserError(faults)
    return weights


def _fitting(weights: dict[str, float], adrg: str, severity: str) -> float | None:
    """Return the weight of the group of an ADRG that fits a severity best, None where the table has no group of it."""
    return next((weights[adrg + digit] for digit in _LAST_DIGITS[severity] if adrg + digit in weights), None)


def _target(scheme: Scheme, adrg: str, severity: str) -> str:
    """Return the group of an ADRG that a severity leads to, under a scheme of the 1.x kind."""
    groups = {row.code for row in scheme.drgs.get(adrg, ())}
    fitting = {"none": "59", "cc": "359", "mcc": "1359"}[severity]
    return next((adrg + digit for digit in fitting if adrg + digit in groups), "")
