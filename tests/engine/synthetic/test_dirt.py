"""A share of dirty claims, each wrong in the way that its truth names."""

import polars as pl
import pytest

from engine.synthetic.dirt import KINDS
from grouper.codes import DIAGNOSES, fold, load_code_list
from tests.engine.synthetic.conftest import CLAIMS, DIRTY, Written, mean


@pytest.fixture(scope="module")
def claims(dirty_city: Written) -> pl.DataFrame:
    """Whole claims: what parts of stays and refunds bring along from their originals is not looked at."""
    return dirty_city.claims.filter(pl.col("stay_id").is_unique())


def of_kind(claims: pl.DataFrame, kind: str) -> pl.DataFrame:
    found = claims.filter(pl.col("dirt") == kind)
    assert len(found) > 50
    return found


def codes(claims: pl.DataFrame, place: int) -> list[str]:
    return claims["diagnoses"].list.get(place).cast(pl.String).to_list()


def test_the_share_is_kept_and_every_kind_occurs(dirty_city: Written) -> None:
    dirt = dirty_city.claims["dirt"]
    assert dirt.count() / CLAIMS == pytest.approx(DIRTY, abs=0.005)
    assert set(dirt.drop_nulls()) == set(KINDS)


def test_a_clean_city_has_none(clean_city: Written) -> None:
    assert clean_city.claims["dirt"].count() == 0


@pytest.mark.parametrize(("kind", "place"), [("badly_spelled_principal", 0), ("badly_spelled_other", -1)])
def test_badly_spelled_codes_are_codes_after_folding(claims: pl.DataFrame, kind: str, place: int) -> None:
    spelled = codes(of_kind(claims, kind), place)
    official = load_code_list(DIAGNOSES).official
    assert not set(spelled) & set(official.values())
    assert {fold(code) for code in spelled} <= set(official)
    assert any(code.isascii() for code in spelled)
    assert any(not code.isascii() for code in spelled)


def test_unknown_codes_are_in_no_list(claims: pl.DataFrame) -> None:
    official = load_code_list(DIAGNOSES).official
    for kind in ("unknown_principal", "tcm_principal", "blank_principal"):
        assert not {fold(code) for code in codes(of_kind(claims, kind), 0)} & set(official)
    several = of_kind(claims, "unknown_other").filter(pl.col("diagnoses").list.len() > 1)
    assert not {fold(code) for code in codes(several, -1)} & set(official)
    assert set(codes(of_kind(claims, "blank_principal"), 0)) == {""}


def test_missing_fields_are_missing(claims: pl.DataFrame) -> None:
    assert of_kind(claims, "missing_sex")["sex"].null_count() == len(of_kind(claims, "missing_sex"))
    assert of_kind(claims, "missing_age")["age"].count() == 0
    assert of_kind(claims, "missing_id")["case_id"].count() == 0
    assert of_kind(claims, "null_diagnoses")["diagnoses"].count() == 0
    assert of_kind(claims, "no_diagnoses")["diagnoses"].list.len().sum() == 0
    assert set(of_kind(claims, "impossible_sex")["sex"]) == {9}


def test_ids_are_used_twice(claims: pl.DataFrame) -> None:
    twice = claims.filter(pl.col("case_id").is_duplicated() & pl.col("case_id").is_not_null())
    assert set(twice.group_by("case_id").len()["len"]) <= {2, 3}
    assert mean(of_kind(claims, "id_used_twice")["case_id"].is_in(twice["case_id"].implode())) > 0.9


@pytest.mark.parametrize(
    ("kind", "holds"),
    [
        ("wrong_total", pl.col("total_charge") == pl.sum_horizontal("fund_total", "patient_paid", "hospital_borne")),
        ("wrong_fund", pl.col("fund_total") == pl.sum_horizontal("^fund_.*_paid$")),
        (
            "wrong_stay",
            pl.col("length_of_stay") == (pl.col("discharged").dt.date() - pl.col("admitted").dt.date()).dt.total_days(),
        ),
        ("discharged_too_early", pl.col("discharged") >= pl.col("admitted")),
        ("settled_too_early", pl.col("settled") >= pl.col("discharged")),
        ("negative_amount", pl.col("fee_other") >= 0),
        (
            "wrong_age",
            (pl.col("admitted").dt.date() - pl.col("birth_date")).dt.total_days() // 365 <= pl.col("age") - 2,
        ),
    ],
)
def test_what_should_hold_does_not(claims: pl.DataFrame, kind: str, holds: pl.Expr) -> None:
    found = of_kind(claims, kind)
    if kind == "wrong_age":
        assert found.select(holds.all()).item()
    else:
        assert not found.select(holds.any()).item()
