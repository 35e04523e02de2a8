"""On generated directories, with switches at random, the kernel gives what the reference evaluator gives."""

import csv
import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grouper import Record, load_directory
from grouper.dip.directory import LAYOUT, Directory
from grouper.dip.reference import group_case
from tests.grouper.dip.grouping import differing

DIAGNOSES = (
    "K80.302", "K80.000x001", "K35.300", "A15.000x010", "A16.200", "P07.000", "Z51.100x001", "C34.901", "C77.900",
    "K80.3", "K80.9zz", "X99.LOCAL", "不详",
)  # fmt: skip
KEYS = ("K80", "K80.3", "K80.302", "K35", "A15-A16", "A15", "C00-C75", "C76-C80", "P07", "P07.0", "Z51.1", "X99.LOCAL")
PROCEDURES = (
    "51.2300", "51.8803", "47.0100", "47.0100x001", "99.2503", "99.2800x005", "39.9500x007", "39.9500", "45.1600x001",
    "17.912A0", "45.16zz", "39.9500x999",
)  # fmt: skip
NAMED = (*PROCEDURES[:10], "51.23", "39.95", "45.1")
CLASSES = ("surgery", "therapeutic", "diagnostic", "conservative")
TIES = ("specificity", "parts", "matched", "exact", "first_procedure", "mean_cost", "score", "sequence")
SWITCHES: dict[str, Callable[[Random], object]] = {
    "related_and": lambda random: random.choice(("looser", "tighter")),
    "procedure_match": lambda random: random.choice(("exact", "extension", "subcategory")),
    "not_grouped_match": lambda random: random.choice(("exact", "prefix")),
    "in_sequence": lambda random: random.choice(([], ["XQ"])),
    "ties": lambda random: random.sample(TIES, random.randrange(len(TIES))),
    "parts": lambda random: random.choice(("all", "any")),
    "unmatched_procedures": lambda random: random.choice(("allowed", "refused")),
    "conservative": lambda random: random.choice(("no_main", "no_procedure", "no_operation")),
    "class_of_case": lambda random: random.choice(("main", "highest")),
    "intervention": lambda random: random.choice(("surgery", "therapeutic")),
    "blank_group": lambda random: random.choice(("", "", "", "BLANK")),
}
HEAD = """
kind = "dip"
id = "generated"
name = {{ zh = "生成", en = "Generated" }}
version = "1"
valid = {{ from = "2026-01-01" }}
document = "none"
compiled = "For tests."
diagnosis_codes = "icd10-insurance-2.0"
procedure_codes = "icd9cm3-insurance-2.0"
order = ["XQ", "BX", "ZH", "core", "comprehensive"]
switches = {{ {switches} }}
"""


def some(random: Random, pool: tuple[str, ...], most: int = 3) -> str:
    return "|".join(random.sample(pool, random.randint(1, most)))


def expression(random: Random) -> str:
    return "+".join(some(random, NAMED, 2) for _ in range(random.randint(1, 3)))


def group(random: Random, number: int) -> dict[str, str]:
    """Return the cells of a row: whatever a row may hold, mostly little."""
    cells = {"code": f"G{number}", "layer": random.choice(("XQ", "BX", "ZH", "", ""))}
    if cells["layer"] == "ZH" or random.random() < 0.2:
        cells |= {"kind": "comprehensive", "class": random.choice((*CLASSES, ""))}
    chances: dict[str, tuple[float, Callable[[], str]]] = {
        "main_diagnosis": (0.85, lambda: some(random, KEYS)),
        "any_diagnosis": (0.1, lambda: some(random, KEYS)),
        "other_diagnosis": (0.15, lambda: some(random, KEYS)),
        "main_procedure": (0.6, lambda: random.choice((some(random, NAMED), some(random, NAMED), "*"))),
        "related_procedure": (0.3, lambda: expression(random)),
        "procedures": (0.2, lambda: expression(random)),
        "marker": (0.15, lambda: random.choice(("resistant", "!resistant"))),
        "age_days": (0.1, lambda: "0-28"),
        "birth_weight": (0.1, lambda: random.choice(("0-999", "1000-1499"))),
        "score": (0.5, lambda: str(random.randint(1, 3))),
        "mean_cost": (0.5, lambda: f"{random.randint(1, 9) * 1000}.50"),
    }
    return cells | {name: make() for name, (chance, make) in chances.items() if random.random() < chance}


def write_directory(folder: Path, seed: int) -> Directory:
    random = Random(seed)
    chosen = [f"{name} = {json.dumps(choose(random))}" for name, choose in SWITCHES.items() if random.random() < 0.5]
    folder.mkdir()
    (folder / "scheme.toml").write_text(HEAD.format(switches=", ".join(chosen)), encoding="utf-8")
    excluded = {
        code: random.choice((("conservative", ""), ("not_main", ""), ("main_within", some(random, KEYS))))
        for code in random.sample(PROCEDURES, 3)
    }
    tables = {
        "groups": [group(random, number) for number in range(random.randint(1, 25))],
        "not_grouped_diagnosis": [{"code": code} for code in random.sample(("C77.900", "K35.3", "X99.LOCAL"), 1)],
        "excluded_procedure": [{"code": c, "rule": rule, "scope": scope} for c, (rule, scope) in excluded.items()],
        "markers": [
            {"marker": "resistant", "position": "main", "code": "A15.000x010"},
            {"marker": "resistant", "position": random.choice(("other", "any")), "code": some(random, KEYS, 1)},
        ],
        "procedure_class": [
            {"code": code, "class": random.choice(("surgery", "intervention", "therapeutic", "diagnostic"))}
            for code in random.sample(("51", "47", "99.25", "39.95", "39.9500x007", "45.16", "17"), 4)
        ],
    }
    for name, rows in tables.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, LAYOUT.columns[name])
            writer.writeheader()
            writer.writerows(rows)
    return load_directory(folder)


def record(random: Random) -> Record:
    def maybe(*values: int) -> int | None:
        return random.choice((*values, None))

    diagnoses = [random.choice((*DIAGNOSES, "", None)) for _ in range(random.choice((0, 1, 1, 2, 3)))]
    procedures = [random.choice((*PROCEDURES, "", None)) for _ in range(random.randrange(5))]
    return Record(
        diagnoses=diagnoses if diagnoses or random.random() < 0.5 else None,
        procedures=procedures,
        age=maybe(0, 1, -1),
        age_days=maybe(0, 28, 29, -1),
        birth_weight=maybe(0, 999, 1000, 1500),
        total_charge=maybe(0, 250_000, 899_999),
    )


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32))
def test_kernel_and_reference_agree(seed: int) -> None:
    random = Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        directory = write_directory(Path(folder) / "generated", seed)
    assert differing(directory, [record(random) for _ in range(200)]) == []


@pytest.mark.heavy
def test_many_generated_directories(tmp_path: Path) -> None:
    for seed in range(120):
        random = Random(seed)
        directory = write_directory(tmp_path / f"generated-{seed}", seed)
        assert differing(directory, [record(random) for _ in range(1_000)]) == [], seed


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32))
def test_order_of_what_stands_behind_the_main_codes_changes_nothing(seed: int) -> None:
    """Procedures are shuffled behind the first only where it is the main one: before it, position decides."""
    random = Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        directory = write_directory(Path(folder) / "generated", seed)
    triples = []
    for one in (record(random) for _ in range(150)):
        diagnoses, procedures = list(one.diagnoses or ()), list(one.procedures or ())
        first = (procedures[0] or "").strip().casefold() if procedures else ""
        if diagnoses and first and first not in directory.excluded:
            other = replace(
                one,
                diagnoses=[diagnoses[0], *random.sample(diagnoses[1:], len(diagnoses) - 1)],
                procedures=[procedures[0], *random.sample(procedures[1:], len(procedures) - 1)],
            )
            repeated = replace(one, diagnoses=[*diagnoses, *diagnoses[1:]])
            triples.append((one, other, repeated))
    for triple in triples:
        assert len({group_case(directory, each) for each in triple}) == 1, triple
    every = [each for triple in triples for each in triple]
    assert differing(directory, every) == []
