"""What holds of every clean claim: sums, dates, ages, persons, refunds and parted stays."""

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from engine.checking import CheckingRequest, run_checking
from engine.claims.canonical import COLUMNS, FEE_ITEMS, FUND_PARTS
from grouper.codes import DIAGNOSES, PROCEDURES, load_code_list
from tests.engine.synthetic.conftest import CLAIMS, Written, mean

MONEY = [column.name for column in COLUMNS if column.kind == "money"]


def test_all_canonical_columns_are_there_with_their_types(clean_city: Written) -> None:
    schema = pq.read_schema(clean_city.folder / "claims" / "2025-01.parquet")
    # In files amounts are yuan with two decimals.
    expected = {column.name: pa.decimal64(16, 2) if column.kind == "money" else column.type for column in COLUMNS}
    assert {field.name: field.type for field in schema} == expected


def test_the_checks_of_claims_find_nothing(clean_city: Written) -> None:
    result = run_checking(CheckingRequest(inputs=[clean_city.folder / "claims"]))
    assert result["rows"] == {"in": CLAIMS, "accepted": CLAIMS, "rejected": 0}
    assert result["findings"] == []


def test_amounts_add_up_to_the_fen(clean_city: Written) -> None:
    claims = clean_city.claims
    assert (claims["total_charge"] == claims["fund_total"] + claims["patient_paid"] + claims["hospital_borne"]).all()
    assert (claims["fund_total"] == claims.select(pl.sum_horizontal(FUND_PARTS)).to_series()).all()
    assert (claims["total_charge"] == claims.select(pl.sum_horizontal(i.name for i in FEE_ITEMS)).to_series()).all()
    own = claims.select(pl.sum_horizontal("full_self_paid", "deductible", "category_b_self_paid")).to_series()
    assert (own.abs() <= claims["patient_paid"].abs()).all()
    ordinary = claims.filter(~pl.col("refund"))
    assert ordinary.select(pl.min_horizontal(pl.col(MONEY).min())).item() >= 0


def test_ids_are_used_once(clean_city: Written) -> None:
    claims = clean_city.claims
    assert claims["case_id"].is_unique().all()
    assert claims["case_id"].str.len_chars().unique().to_list() == [16]


def test_codes_are_in_the_code_lists(clean_city: Written) -> None:
    claims = clean_city.claims
    for column, known in (("diagnoses", DIAGNOSES), ("procedures", PROCEDURES)):
        used = set(claims[column].explode().drop_nulls().cast(pl.String))
        assert used <= set(load_code_list(known).official.values())
    assert (claims["diagnoses"].list.n_unique() == claims["diagnoses"].list.len()).all()


def test_claims_of_a_month_are_settled_in_it(clean_city: Written) -> None:
    for path in sorted((clean_city.folder / "claims").glob("*.parquet")):
        assert pl.read_parquet(path)["settled"].dt.strftime("%Y-%m").unique().to_list() == [path.stem]


def test_a_person_has_one_sex_one_birthday_and_one_insurance(clean_city: Written) -> None:
    people = (
        clean_city.claims.filter(pl.col("age") > 0)
        .group_by("person_id")
        .agg(pl.col("sex", "birth_date", "insured_region").n_unique())
    )
    assert people.select(pl.col("sex", "birth_date", "insured_region").max()).row(0) == (1, 1, 1)


def test_newborns_have_days_and_weights_and_nobody_else(clean_city: Written) -> None:
    claims = clean_city.claims
    infants, newborn = claims.filter(pl.col("age") == 0), claims.filter(pl.col("age_days") <= 28)
    assert infants["age_days"].is_between(0, 366).all()
    assert claims.filter(pl.col("age") > 0)["age_days"].null_count() == (claims["age"] > 0).sum()
    assert newborn["birth_weight"].is_between(700, 4100).all()
    assert (newborn["admission_weight"] >= newborn["birth_weight"]).all()
    assert claims["birth_weight"].count() == len(newborn) > 300


def test_a_refund_takes_back_its_original(clean_city: Written) -> None:
    claims = clean_city.claims
    refunds = claims.filter(pl.col("refund"))
    pairs = refunds.join(claims, left_on="original_case_id", right_on="case_id", suffix="_of_original")
    assert len(pairs) == len(refunds) > 200
    for name in MONEY:
        assert (pairs[name] == -pairs[f"{name}_of_original"]).all()
    for name in ("person_id", "stay_id", "hospital_id", "diagnoses", "discharged"):
        assert pairs[name].equals(pairs[f"{name}_of_original"], check_dtypes=False, check_names=False)
    assert (pairs["settled"] >= pairs["settled_of_original"]).all()
    later = pairs["settled"].dt.truncate("1mo") > pairs["settled_of_original"].dt.truncate("1mo")
    assert 0.2 < mean(later) < 0.6
    assert claims.filter(~pl.col("refund"))["original_case_id"].null_count() == (~claims["refund"]).sum()


def test_a_parted_stay_is_settled_twice(clean_city: Written) -> None:
    claims = clean_city.claims.filter(~pl.col("refund"))
    first = claims.filter(pl.col("part_of_stay"))
    both = first.join(claims.filter(~pl.col("part_of_stay")), on="stay_id", suffix="_later")
    assert len(both) == len(first) > 30
    assert (both["discharged_later"] > both["discharged"]).all()
    assert both["admitted"].equals(both["admitted_later"], check_names=False)
    assert (both["total_charge"] > both["total_charge_later"]).all()
    assert (both["length_of_stay"] >= 30).all()


def test_fee_lines_add_up_to_the_fee_items_of_their_claims(clean_city: Written) -> None:
    lines, claims = clean_city.table("fee_lines"), clean_city.claims
    total = lines.group_by("case_id").agg(pl.col("amount").sum()).join(claims, on="case_id")
    assert 0.04 < len(total) / len(claims) < 0.06
    assert (total["amount"] == total["total_charge"]).all()
    drugs = lines.filter(pl.col("item_class") == "western_drugs").group_by("case_id").agg(pl.col("amount").sum())
    joined = drugs.join(claims, on="case_id")
    assert (joined["amount"] == joined["fee_western_drugs"]).all()
    assert 0 < mean(lines["listed_new_item"]) < 0.05
    assert "tcm_treatment" in lines["item_class"].unique().to_list()
