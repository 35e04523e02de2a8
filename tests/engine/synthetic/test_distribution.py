"""The city looks like one: mixes, levels, ages, drift. The bounds are wide: they catch mistakes, not changes."""

import polars as pl
import pytest

from tests.engine.synthetic.conftest import Written, mean


@pytest.fixture(scope="module")
def claims(clean_city: Written) -> pl.DataFrame:
    return clean_city.claims.filter(~pl.col("refund") & ~pl.col("part_of_stay"))


def share(claims: pl.DataFrame, which: pl.Expr) -> float:
    return float(claims.select(which.mean()).item())


def test_records_are_as_long_as_real_ones(claims: pl.DataFrame) -> None:
    diagnoses, procedures = claims["diagnoses"].list.len(), claims["procedures"].list.len()
    assert 5.5 < mean(diagnoses) < 6.6
    assert 1.2 < mean(procedures) < 1.6
    assert 0.2 < mean(procedures == 0) < 0.45
    assert diagnoses.to_numpy().max() > 15


def test_a_few_hundred_groups_cover_most_cases(claims: pl.DataFrame) -> None:
    counts = claims["target_drg"].value_counts().sort("count", descending=True)["count"].to_numpy()
    assert 450 < len(counts) <= 628
    assert 0.9 * counts.sum() < counts[:300].sum() < counts.sum()
    assert 0.02 < counts[0] / counts.sum() < 0.08


@pytest.mark.parametrize(
    ("adrg", "least"),
    [("ES3", 0.03), ("BR2", 0.03), ("RE1", 0.02), ("FR3", 0.015), ("CB3", 0.01), ("OB1", 0.008), ("OR1", 0.008)],
)
def test_common_groups_are_common(claims: pl.DataFrame, adrg: str, least: float) -> None:
    assert least < share(claims, pl.col("target_adrg") == adrg) < 0.08


def test_levels_differ(claims: pl.DataFrame) -> None:
    levels = {
        level: claims.filter((pl.col("hospital_level") == level) & (pl.col("treated_region") == "990100"))
        for level in (1, 2, 3)
    }
    hospitals = [levels[level]["hospital_id"].n_unique() for level in (3, 2, 1)]
    assert hospitals == [6, 25, 60]
    charge = {level: mean(part["total_charge"]) for level, part in levels.items()}
    assert charge[3] > 1.5 * charge[2] > 2 * charge[1]
    assert 0.35 < len(levels[3]) / len(claims) < 0.6
    heavy = {level: share(part, pl.col("target_adrg").str.contains("^.[A-D]")) for level, part in levels.items()}
    assert heavy[3] > heavy[2] > heavy[1]


def test_employees_and_residents_differ(claims: pl.DataFrame) -> None:
    by_kind = claims.group_by("insurance_type").agg(
        pl.col("age").mean(), pl.col("fund_total").sum() / pl.col("total_charge").sum(), pl.len()
    )
    rows = {row["insurance_type"]: row for row in by_kind.to_dicts()}
    assert set(rows) == {"310", "390"}
    assert 0.4 < rows["310"]["len"] / len(claims) < 0.55
    assert rows["310"]["age"] > rows["390"]["age"] + 4
    assert 0.70 < rows["310"]["fund_total"] < 0.85
    assert 0.55 < rows["390"]["fund_total"] < 0.70
    assert claims.filter(pl.col("age") < 17)["insurance_type"].unique().to_list() == ["390"]


def test_ages_and_ends(claims: pl.DataFrame) -> None:
    assert 0.05 < share(claims, pl.col("age") < 18) < 0.12
    assert 0.35 < share(claims, pl.col("age") >= 65) < 0.55
    assert 0.005 < share(claims, pl.col("discharge_way") == 5) < 0.015
    old, young = claims.filter(pl.col("age") >= 80), claims.filter(pl.col("age").is_between(18, 50))
    assert share(old, pl.col("discharge_way") == 5) > 4 * share(young, pl.col("discharge_way") == 5)
    assert mean(old["diagnoses"].list.len()) > mean(young["diagnoses"].list.len()) + 2


def test_stays(claims: pl.DataFrame) -> None:
    assert 6.5 < mean(claims["length_of_stay"]) < 9.5
    by_day = claims.filter(pl.col("visit_kind") == "day_surgery")
    assert 0.015 < len(by_day) / len(claims) < 0.05
    assert by_day["length_of_stay"].unique().to_list() == [1]
    per_diem = claims.filter(pl.col("payment_kind") == 5)
    assert per_diem["target_adrg"].str.contains("^(T|U|X)").all()
    assert mean(per_diem["length_of_stay"]) > 20
    january = claims.filter(pl.col("settled").dt.month() == 1)
    assert 0.1 < share(january, pl.col("admitted").dt.year() < pl.col("settled").dt.year()) < 0.4


def test_persons_come_back(claims: pl.DataFrame) -> None:
    stays = claims.sort("person_id", "discharged").with_columns(
        pl.col("discharged").shift().over("person_id").alias("last")
    )
    gap = stays.select((pl.col("admitted") - pl.col("last")).dt.total_days()).to_series()
    assert 0.02 < gap.is_between(0, 15).sum() / len(stays) < 0.10
    assert (gap < 0).sum() / len(stays) < 0.02
    chemotherapy = claims.filter(pl.col("target_adrg") == "RE1")
    assert chemotherapy["person_id"].n_unique() < 0.75 * len(chemotherapy)


def test_people_from_elsewhere_and_elsewhere(claims: pl.DataFrame) -> None:
    assert 0.02 < share(claims, pl.col("insured_region").is_in(["990300", "980100"])) < 0.08
    assert 0.01 < share(claims, pl.col("treated_region") != "990100") < 0.04
    assert not claims.filter(
        pl.col("insured_region").is_in(["990300", "980100"]) & (pl.col("treated_region") != "990100")
    ).height


def test_volume_and_costs_drift(claims: pl.DataFrame) -> None:
    years = {
        row[0]: row
        for row in claims.group_by(pl.col("settled").dt.year()).agg(pl.len(), pl.col("total_charge").mean()).rows()
    }
    assert years[2026][1] / years[2025][1] == pytest.approx(1.045, abs=0.02)
    assert 1.0 < years[2026][2] / years[2025][2] < 1.06


def test_charges_scatter_within_a_group_and_have_outliers(claims: pl.DataFrame) -> None:
    group = claims.filter((pl.col("target_drg") == "FR39") & (pl.col("hospital_level") == 2))["total_charge"]
    ratio = group / mean(group)
    assert 0.3 < ratio.to_numpy().std() < 0.8
    assert 0.005 < mean(ratio > 2.2) < 0.04
    assert 0.01 < mean(ratio < 0.4) < 0.05


def test_charges_follow_the_published_weights(claims: pl.DataFrame) -> None:
    from engine.synthetic.city_files import read_weights

    weights = read_weights("harbin-2024")
    assert len(weights) == 703
    means = (
        claims.group_by("target_drg")
        .agg(pl.col("total_charge").cast(pl.Float64).mean(), pl.len())
        .filter(pl.col("len") > 200)
    )
    rows = [(weights[drg], mean) for drg, mean, _ in means.rows() if drg in weights]
    assert len(rows) > 40
    # 15,000 yuan per weight, with the level of the hospitals and the length of stay around it
    ratios = sorted(mean / (15_000 * weight) for weight, mean in rows)
    assert 0.9 < ratios[len(ratios) // 2] < 1.2
    assert 0.5 < ratios[0] < ratios[-1] < 2.2


def test_some_claims_arrive_late(claims: pl.DataFrame) -> None:
    delay = claims.select((pl.col("received") - pl.col("settled").dt.date()).dt.total_days()).to_series()
    assert delay.min() == 0
    assert 0.005 < mean(delay > 3) < 0.03
    assert delay.to_numpy().max() > 60


def test_enrolment_grows_by_month(clean_city: Written) -> None:
    enrolment = pl.read_parquet(clean_city.folder / "enrolment.parquet")
    assert enrolment.columns == ["month", "insurance_type", "insured_region", "insured"]
    by_month = enrolment.group_by("month").agg(pl.col("insured").sum()).sort("month")
    assert len(by_month) == 24
    assert by_month["insured"].is_sorted()
    assert by_month["insured"][0] == pytest.approx(4 * 30_000, rel=0.01)
