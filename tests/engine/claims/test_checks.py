from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from engine.claims import CheckPolicy, parse_actions
from engine.claims.canonical import FUND_PARTS
from engine.claims.checks import failed_codes
from engine.claims.reasons import CHECKS
from grouper.codes import DIAGNOSES, PROCEDURES, load_code_list
from grouper.fault import UserError
from tests.engine.claims.reading import Reading, at, read, write_parquet

DAY = at("2024-01-05")


def claim(folder: Path, columns: Mapping[str, Any], policy: CheckPolicy | None = None) -> Reading:
    """Read one claim with just these columns, all of them needed."""
    cells = {"diagnoses": ["A00.000"], **columns}
    path = write_parquet(folder / "a.parquet", {"case_id": ["1"], **{name: [cell] for name, cell in cells.items()}})
    return read(path, needed=list(cells), policy=policy)


TOTAL = {"total_charge": "100", "fund_total": "60.5", "patient_paid": "39.5", "hospital_borne": "0"}
FUND = {"fund_total": "21", **{name: str(place) for place, name in enumerate(FUND_PARTS, 1)}}
STAY = {"admitted": DAY, "discharged": at("2024-01-08 10:00"), "part_of_stay": False}


@pytest.mark.parametrize(
    ("good", "bad", "check"),
    [
        (TOTAL, {"total_charge": "100.01"}, "total_adds_up"),
        ({**TOTAL, "hospital_borne": None}, {"patient_paid": "39"}, "total_adds_up"),
        (FUND, {"fund_other_paid": "0"}, "fund_adds_up"),
        ({**STAY, "length_of_stay": 3}, {"length_of_stay": 4}, "stay_matches_dates"),
        ({**STAY, "discharged": DAY, "length_of_stay": 1}, {"length_of_stay": 2}, "stay_matches_dates"),
        ({**STAY, "length_of_stay": 9, "part_of_stay": True}, {"part_of_stay": None}, "stay_matches_dates"),
        (STAY, {"discharged": at("2024-01-04")}, "dates_in_order"),
        ({**STAY, "admitted": at("2024-01-08 09:00")}, {"discharged": at("2024-01-08 08:00")}, "dates_in_order"),
        ({**STAY, "settled": at("2024-01-08")}, {"settled": at("2024-01-07 23:00")}, "dates_in_order"),
        ({**STAY, "settled": DAY, "part_of_stay": True}, {"part_of_stay": False}, "dates_in_order"),
        ({"age": 0, "age_days": 365}, {"age_days": 400}, "ages_agree"),
        ({"age": 50, "age_days": 18517}, {"age_days": 12}, "ages_agree"),
        ({"age": 50, "age_days": None}, {"age_days": 0}, "ages_agree"),
        ({"age": 49, "birth_date": date(1974, 1, 6), "admitted": DAY}, {"birth_date": date(1974, 1, 5)}, "ages_agree"),
        ({"total_charge": "-5", "refund": True}, {"refund": None}, "negative_amount"),
        ({"diagnoses": ["A00.000"]}, {"diagnoses": []}, "no_diagnosis"),
        ({"diagnoses": ["A00.000"]}, {"diagnoses": ["A00.000", ""]}, "empty_code"),
        ({"diagnoses": ["a00. 000", "Ａ00.000", "M80000/3"]}, {"diagnoses": ["A00.000", "高血压"]}, "malformed_code"),
        ({"procedures": ["33.6x00", "88.7903x001", "00.1"]}, {"procedures": ["33.6x00", "0.1"]}, "malformed_code"),
        ({"diagnoses": ["A00.000", "A04.01.01"]}, {"diagnoses": ["A04.01.01", "A00.000"]}, "tcm_principal"),
        ({"diagnoses": ["A00.000", "BNP010"]}, {"diagnoses": ["BNP010"]}, "tcm_principal"),
        ({"total_charge": "1.10"}, {"total_charge": "1.105"}, "third_decimal"),
        ({"age": 5}, {"age": -5}, "negative_value"),
        ({"sex": 1}, {"sex": 3}, "unknown_sex"),
        ({"birth_date": DAY}, {"birth_date": at("2024-01-04 16:00")}, "shifted_time"),
    ],
)  # fmt: skip
def test_each_check(tmp_path: Path, good: Mapping[str, Any], bad: Mapping[str, Any], check: str) -> None:
    fine = claim(tmp_path, good)
    assert (fine.findings, len(fine.rows)) == ({}, 1)
    warned = claim(tmp_path, {**good, **bad})
    assert {name: count for (name, _), count in warned.findings.items()} == {check: 1}
    assert len(warned.rows) == 1
    rejected = claim(tmp_path, {**good, **bad}, CheckPolicy({check: "reject"}))
    assert (rejected.rows, rejected.reasons()) == ([], [(1, check)])
    off = claim(tmp_path, {**good, **bad}, CheckPolicy({check: "off"}))
    assert (off.findings, len(off.rows)) == ({}, 1)


def test_future_dates_need_a_day(tmp_path: Path) -> None:
    dates = {"admitted": DAY, "received": date(2024, 2, 1)}
    assert claim(tmp_path, dates).findings == {}
    assert claim(tmp_path, dates, CheckPolicy(as_of=date(2024, 2, 1))).findings == {}
    found = claim(tmp_path, dates, CheckPolicy(as_of=date(2024, 1, 31)))
    assert found.findings == {("future_date", "received"): 1}


def test_sex_of_the_principal_diagnosis(tmp_path: Path) -> None:
    policy = CheckPolicy(sex_of_diagnosis={"c61.x00": 1, "o80.000": 2})
    assert claim(tmp_path, {"sex": 1, "diagnoses": ["C61.x00"]}, policy).findings == {}
    assert claim(tmp_path, {"sex": 1, "diagnoses": ["A00.000", "O80.000"]}, policy).findings == {}
    assert claim(tmp_path, {"sex": None, "diagnoses": ["O80.000"]}, policy).findings == {}
    assert claim(tmp_path, {"sex": 1, "diagnoses": ["O80.000"]}, policy).findings == {
        ("sex_of_diagnosis", "diagnoses"): 1
    }
    assert claim(tmp_path, {"sex": 2, "diagnoses": ["c61.X00"]}, policy).findings == {
        ("sex_of_diagnosis", "diagnoses"): 1
    }


def test_a_check_runs_only_where_its_columns_are_needed(tmp_path: Path) -> None:
    path = write_parquet(
        tmp_path / "a.parquet",
        {"case_id": ["1"], "diagnoses": [[]], **{name: [value] for name, value in TOTAL.items()}},
    )
    assert read(path, needed=["total_charge", "fund_total"]).findings == {}


def test_the_message_of_a_check_shows_the_values(tmp_path: Path) -> None:
    found = claim(tmp_path, {**TOTAL, "total_charge": "101"}, CheckPolicy({"total_adds_up": "reject"}))
    (line,) = found.rejects
    shown = "total_charge=101.0, fund_total=60.5, patient_paid=39.5, hospital_borne=0.0"
    assert line["message_en"] == f"total charge is not fund + patient + hospital: {shown}"
    assert line["message_zh"] == f"总费用 ≠ 基金支付 + 个人负担 + 医院负担：{shown}"


@pytest.mark.parametrize(("name", "codes"), [("diagnoses", DIAGNOSES), ("procedures", PROCEDURES)])
def test_no_code_of_the_national_lists_is_malformed_or_tcm(name: str, codes: str) -> None:
    import pyarrow as pa

    official = list(load_code_list(codes).official.values())
    for spelled in (official, [code.lower() for code in official], [f" {code} " for code in official]):
        lists = pa.array([[code] for code in spelled], pa.list_(pa.dictionary(pa.int32(), pa.string())))
        assert list(failed_codes(name, lists, CheckPolicy())) == []


def test_check_options() -> None:
    assert parse_actions(["ages_agree=off", " no_diagnosis = reject "]) == {
        "ages_agree": "off",
        "no_diagnosis": "reject",
    }
    assert parse_actions(f"{name}=warn" for name in CHECKS) == dict.fromkeys(CHECKS, "warn")
    with pytest.raises(UserError) as caught:
        parse_actions(["age_agree=off", "ages_agree=of", "missing_case_id=off"])
    faults = caught.value.text("en").splitlines()
    assert faults[0] == "--check age_agree=off: no check 'age_agree' (did you mean ages_agree?)"
    assert faults[1] == "--check ages_agree=of: off, warn or reject"
    assert len(faults) == 3
