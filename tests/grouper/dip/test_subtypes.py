"""Auxiliary sub-types: rows of data, the comorbidity index of KA-19, and the choice of the highest coefficient."""

import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import grouper
from grouper import UserError
from grouper.dip.subtypes import EXAMPLES, highest, load_sub_types, sub_types_of
from tests.dip_records import Designer

KNOWN = [
    # KA-19: other diagnoses, index
    (["I21.0", "E11.9"], 2),
    (["J44.1", "I50.0"], 2),
    (["C34.1", "E11.3"], 3),
    (["K80.2"], 0),
    (["I10", "E11.9"], 1),
]


def rules(folder: Path, rows: str, *, switches: str = "", copied: tuple[str, ...] = ()) -> Path:
    folder.mkdir()
    head = f'id = "own"\nname = {{ zh = "自定", en = "Own" }}\ndocument = "none"\n[switches]\n{switches}\n'
    (folder / "subtypes.toml").write_text(head, encoding="utf-8")
    (folder / "subtypes.csv").write_text(rows, encoding="utf-8")
    for name in copied:
        shutil.copy(EXAMPLES / "subtypes" / name, folder)
    return folder


def found(claims: list[dict[str, Any]], folder: Path | str) -> list[list[str]]:
    """Return the sub-types of each claim, in order of kind."""
    frame = pl.DataFrame([{"case_id": str(at)} | claim for at, claim in enumerate(claims)], infer_schema_length=None)
    rows = sub_types_of(frame, load_sub_types(folder)).rows()
    return [[subtype for case, _, subtype in rows if case == str(at)] for at in range(len(claims))]


def test_the_comorbidity_index(tmp_path: Path) -> None:
    each = "kind,code,cci\n" + "".join(f"cci,{weight},{weight}-{weight}\n" for weight in range(9))
    folder = rules(tmp_path / "own", each, copied=("cci.csv",))
    claims = [{"diagnoses": ["A01.000", *others]} for others, _ in KNOWN]
    assert found(claims, folder) == [[str(weight)] for _, weight in KNOWN]


def test_the_main_diagnosis_counts_not_and_a_category_counts_once(tmp_path: Path) -> None:
    folder = rules(tmp_path / "own", "kind,code,cci\ncci,none,0-0\ncci,some,1-\n", copied=("cci.csv",))
    claims: list[dict[str, Any]] = [
        {"diagnoses": ["I21.000"]},
        {"diagnoses": ["A01.000", "e11．900 ", "E11.301", None]},
    ]
    assert found(claims, folder) == [["none"], ["some"]]
    twice = rules(tmp_path / "twice", "kind,code,cci\ncci,one,1-1\ncci,more,2-\n", copied=("cci.csv",))
    assert found(claims, twice) == [[], ["one"]]


@pytest.mark.parametrize(
    ("claim", "subtypes"),
    [
        ({"age": 0, "age_days": 28}, ["age_newborn", "cci_0", "none"]),
        ({"age": 0, "age_days": 29}, ["age_infant", "cci_0", "none"]),
        ({"age": 1}, ["age_1_6", "cci_0", "none"]),
        ({"age": 17}, ["age_7_17", "cci_0", "none"]),
        ({"age": 40, "age_days": 3}, ["cci_0", "none"]),
        ({"age": 64}, ["cci_0", "none"]),
        ({"age": 65}, ["age_old", "cci_0", "none"]),
        ({"age": None}, ["cci_0", "none"]),
        ({"discharge_way": 5, "length_of_stay": 3}, ["cci_0", "death_3_days"]),
        ({"discharge_way": "5", "length_of_stay": 2}, ["cci_0", "death"]),
        ({"icu_hours": 47}, ["cci_0", "none"]),
        ({"icu_hours": 48}, ["cci_0", "none", "icu_2_7"]),
        ({"icu_hours": 24 * 31}, ["cci_0", "none", "icu_31"]),
        ({"diagnoses": ["C34.901", "C77.900"]}, ["cci_5", "moderate", "tumour_metastasis"]),
        ({"diagnoses": ["C34.901"], "procedures": ["99.2503"]}, ["cci_0", "none", "tumour_drugs"]),
    ],
)
def test_the_example(claim: dict[str, Any], subtypes: list[str]) -> None:
    assert found([{"diagnoses": ["A01.000"]} | claim], "example") == [subtypes]


def test_above_and_started_days_are_switches(tmp_path: Path) -> None:
    rows = "kind,code,age,icu_days\nage,old,65+,\nicu,two,,2-2\n"
    included = rules(tmp_path / "included", rows)
    excluded = rules(tmp_path / "excluded", rows, switches='years_above = "excluded"\nicu_day = "started"')
    claims = [{"diagnoses": ["A01.000"], "age": age, "icu_hours": 47} for age in (65, 66)]
    assert found(claims, included) == [["old"], ["old"]]
    assert found(claims, excluded) == [["two"], ["old", "two"]]


def test_severity_is_that_of_the_drg_scheme() -> None:
    designer = Designer(grouper.load_directory("dip-3.0"), seed=5)
    pool = [designer.random.choice(designer.diagnoses) for _ in range(3_000)]
    claims = pl.DataFrame(
        {
            "case_id": [str(at) for at in range(600)],
            "diagnoses": [[c.upper() for c in pool[5 * at : 5 * at + 5]] for at in range(600)],
            "sex": [1 + at % 2 for at in range(600)],
        }
    )
    drg = grouper.group(claims, "chs-drg-2.0").select("case_id", pl.col("severity").cast(pl.String)).drop_nulls()
    own = sub_types_of(claims, load_sub_types("example")).filter(pl.col("kind") == "severity")
    level = pl.col("subtype").replace({"severe": "mcc", "moderate": "cc"})
    joined = drg.join(own.select("case_id", level), on="case_id")
    assert joined.height == drg.height > 400
    assert joined.filter(pl.col("severity") != pl.col("subtype")).is_empty()


def test_the_highest_coefficient_is_chosen() -> None:
    given = pl.DataFrame(
        {
            "case_id": ["1", "1", "1", "2", "3", "4"],
            "kind": ["age", "cci", "icu", "age", "age", "cci"],
            "subtype": ["old", "cci_5", "icu_31", "old", "old", "cci_5"],
        }
    )
    groups = pl.DataFrame({"case_id": ["1", "2", "3", "4"], "group": ["G", "TCM", "H", "G"]})
    coefficients = pl.DataFrame(
        {
            "group": ["G", "G", "TCM"],
            "subtype": ["old", "cci_5", "old"],
            "coefficient": [Decimal("1.2"), Decimal("1.2"), Decimal("1.5")],
        }
    )
    assert highest(given, groups, coefficients, never=["TCM"]).rows() == [
        ("1", "G", "age", "old", Decimal("1.2")),
        ("4", "G", "cci", "cci_5", Decimal("1.2")),
    ]


def test_faults_are_named_all_at_once(tmp_path: Path) -> None:
    rows = "kind,code,age,severity,marker\nage,a,x,,\nseverity,b,,mc,\ntumour,c,,,metastases\n"
    folder = rules(tmp_path / "own", rows, switches='years_over = "excluded"', copied=("markers.csv",))
    with pytest.raises(UserError, match=r"switches.years_over.*did you mean years_above"):
        load_sub_types(folder)
    (folder / "subtypes.toml").write_text('id = "o"\nname = { zh = "o", en = "o" }\ndocument = "d"\n', encoding="utf-8")
    with pytest.raises(UserError) as raised:
        load_sub_types(folder)
    assert len(raised.value.faults) == 3
    assert "subtypes.csv 第2行 age列：“x”应为范围" in raised.value.text("zh")
