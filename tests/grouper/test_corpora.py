"""The four corpora of expected groups, by the reference evaluator and by the kernel; DIFFERENCES.md, recounted."""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import grouper
from grouper import Record, Scheme, fold, group_case, load_scheme

CORPUS = Path(__file__).parents[1] / "corpus"
DIFFERENCES = Path(__file__).parent / "DIFFERENCES.md"
SCHEMES = {
    "chs_drg_1_1": ("chs-drg-1.1", 20_000),
    "beijing_2022": ("beijing-drg-2022", 8_000),
    "chs_drg_2_0": ("chs-drg-2.0", 14_385),
    "chs_drg_3_0": ("chs-drg-3.0", 17_550),
}
ANSWERS = ("status", "mdc", "adrg", "drg")
INPUTS = ("diagnoses", "procedures", "sex", "age", "age_days", "birth_weight", "admission_weight", "length_of_stay")


@cache
def corpus(name: str) -> pl.DataFrame:
    return pl.read_parquet(CORPUS / f"{name}.parquet")


def expected(name: str) -> list[tuple[str, ...]]:
    return corpus(name).select(pl.col(ANSWERS).fill_null("")).rows()


@pytest.mark.parametrize("name", SCHEMES)
def test_reference_gives_every_expected_answer(name: str) -> None:
    scheme, size = SCHEMES[name]
    loaded, frame = load_scheme(scheme), corpus(name)
    columns = [column for column in INPUTS if column in frame.columns]
    answers = (group_case(loaded, Record(**row)) for row in frame.select(columns).iter_rows(named=True))
    given = [tuple(answer or "" for answer in group[:4]) for group in answers]
    wanted = expected(name)
    assert len(given) == size
    assert [(at, *pair) for at, pair in enumerate(zip(given, wanted, strict=True)) if pair[0] != pair[1]] == []


@pytest.mark.parametrize("name", SCHEMES)
def test_kernel_gives_every_expected_answer(name: str) -> None:
    given = grouper.group(corpus(name), SCHEMES[name][0])
    assert given["case_id"].to_list() == corpus(name)["case_id"].to_list()
    rows = given.select(pl.col(ANSWERS).cast(pl.String).fill_null("")).rows()
    wanted = expected(name)
    assert [(at, *pair) for at, pair in enumerate(zip(rows, wanted, strict=True)) if pair[0] != pair[1]] == []


@dataclass
class Case:
    """A record of a corpus that the other implementation answers differently."""

    sets: Mapping[str, frozenset[str]]
    row: Mapping[str, Any]

    def __post_init__(self) -> None:
        self.written = [code or "" for name in ("diagnoses", "procedures") for code in self.row[name] or ()]
        self.diagnoses = [fold(code or "") for code in self.row["diagnoses"]]
        self.procedures = [fold(code or "") for code in self.row["procedures"] or ()]
        self.adrg = self.row["adrg"]
        self.other: str = self.row["drg_other_implementation"]

    def principal_in(self, *names: str) -> bool:
        return any(self.diagnoses[0] in self.sets[name] for name in names)

    def operated(self, *names: str) -> bool:
        return bool(self.procedures) and any(self.procedures[0] in self.sets[name] for name in names)

    def any_procedure(self, name: str) -> bool:
        return not self.sets[name].isdisjoint(self.procedures)


Cause = Callable[[Case], bool]
SHORT_OF = {"FM1": "36.0700", "LL1": "39.9500", "FM3": "88.5600"}
NATIONAL: dict[str, Cause] = {
    "written": lambda c: any(code != code.strip() or code[:1].islower() for code in c.written),
    "newborn": lambda c: not c.adrg and c.other.startswith("PV1") and c.principal_in("DI_P00"),
    "category": lambda c: c.procedures[:1] == [SHORT_OF.get(c.other[:3])] and not c.operated(f"OP_{c.other[:3]}"),
    "order": lambda c: (
        (c.adrg, c.other[:3]) == ("FF1", "FF2") and c.any_procedure("OP1_FF2") and c.any_procedure("OP2_FF2")
    ),
    "list": lambda c: c.adrg == "RA1" and c.diagnoses[0] == "d47.702" and c.operated("OP_RA1"),
}
BEIJING: dict[str, Cause] = {
    "written": NATIONAL["written"],
    "advance": lambda c: c.row["mdc"] == "MDCA" and not c.operated("OP_ALL"),
    "graft": lambda c: c.adrg == "WB1" and c.other == "WC19",
    "burn": lambda c: c.adrg == "WR1" and c.other.startswith("WZ1") and not c.principal_in("DI1_WR1"),
    "age": lambda c: c.row["age"] <= 6 and c.row["drg"] in {"DC2D", "IT2B", "IT2C"},
    "spine": lambda c: (
        c.adrg == "IB1" and not c.any_procedure("OP1_IB1") and c.any_procedure("OP2_IB1") and c.principal_in("DI_IB1")
    ),
    "list": lambda c: (
        (c.adrg == "IB1" and not {"03.0900x007", "81.3801"}.isdisjoint(c.procedures) and c.any_procedure("OP1_IB1"))
        or (c.adrg == "IF4" and c.procedures[0] == "79.3700x024")
    ),
    "stay": lambda c: c.row["length_of_stay"] == 0 and c.other == c.adrg,
}


def differing(name: str, scheme: Scheme) -> list[Case]:
    frame = corpus(name).filter(pl.col("drg").fill_null("") != pl.col("drg_other_implementation").fill_null(""))
    return [Case(scheme.sets, row) for row in frame.iter_rows(named=True)]


def counted_in_text(heading: str) -> dict[str, int]:
    """Return the counts of the table under a heading of DIFFERENCES.md, by cause."""
    section = DIFFERENCES.read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    return {cause: int(count) for cause, count in re.findall(r"^\| `(\w+)` \| (\d+) \|", section, re.MULTILINE)}


@pytest.mark.parametrize(
    ("name", "causes", "total"), [("chs_drg_1_1", NATIONAL, 87), ("beijing_2022", BEIJING, 129)], ids=["1.1", "Beijing"]
)
def test_each_difference_has_exactly_one_cause_and_the_text_counts_them(
    name: str, causes: Mapping[str, Cause], total: int
) -> None:
    cases = differing(name, load_scheme(SCHEMES[name][0]))
    found = [[cause for cause, applies in causes.items() if applies(case)] for case in cases]
    assert [case.row["case_id"] for case, named in zip(cases, found, strict=True) if len(named) != 1] == []
    counts = Counter(named[0] for named in found)
    assert counts.total() == total
    assert counts == counted_in_text(SCHEMES[name][0])
