"""Random claims, groups and fee lines for the property tests of case payment."""

import csv
import io
from typing import Any

import numpy as np
import polars as pl

from rules.payment.case_payment import Given

GROUPS = [f"G{n:02d}" for n in range(40)]
LEVELS = ["1", "2", "3"]
MEAN_ALL = 5270.76


def tables(seed: int) -> dict[str, str]:
    """Return the tables of the test city: weights (as weights and as scores), means of every kind, sub-types."""
    rng = np.random.default_rng(seed)
    rows = []
    for group in GROUPS:
        weight = round(float(rng.lognormal(0, 0.9)) + 0.05, 4)
        mean = round(weight * MEAN_ALL * float(rng.uniform(0.9, 1.1)), 2)
        row: dict[str, Any] = {
            "group": group,
            "weight": f"{weight:.4f}",
            "score": f"{weight * 1000:.2f}",
            "mean_charge": f"{mean:.2f}",
        }
        row |= {f"mean_charge_{n}": f"{mean * (0.8 + 0.1 * n):.2f}" for n in (1, 2, 3)}
        row |= {f"last_year_mean_{n}": f"{mean * (0.75 + 0.1 * n):.2f}" for n in (1, 2, 3)}
        row |= {
            "mean_drug": f"{mean * 0.3:.2f}",
            "mean_consumable": f"{mean * 0.2:.2f}",
            "mean_procedure": f"{mean * 0.1:.2f}",
        }
        rows.append(row)
    subtypes = [
        {"group": group, "subtype": name, "coefficient": f"{rng.uniform(0.8, 1.6):.4f}"}
        for group in GROUPS[::2]
        for name in ("age", "cci", "severe")
    ]
    weights = text(rows)
    return {"weights.csv": weights, "scores.csv": weights, "auxiliary.csv": text(subtypes)}


def text(rows: list[dict[str, Any]]) -> str:
    """Return rows as CSV."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def claims(count: int, seed: int, *, ungrouped: bool = False) -> pl.DataFrame:
    """Return random claims of 2026, one case in eight with a charge at or beside a class boundary."""
    rng = np.random.default_rng(seed)
    weights = pl.read_csv(io.StringIO(tables(seed)["weights.csv"]))
    group = rng.integers(0, len(GROUPS), count)
    weight = weights["weight"].to_numpy()[group]
    ratio = rng.lognormal(0, 0.8, count)
    edges = rng.choice([0.35, 0.4, 0.5, 1.3, 1.5, 2, 2.5, 3, 5], count)
    ratio = np.where(rng.random(count) < 0.125, edges, ratio)
    charge = np.round(ratio * weight * MEAN_ALL * 100).astype(np.int64) + rng.integers(-1, 2, count)
    admitted = np.datetime64("2026-01-01") + rng.integers(0, 200, count)
    stay = np.where(rng.random(count) < 0.05, rng.integers(55, 70, count), rng.integers(0, 20, count))
    booked = np.where(rng.random(count) < 0.05, 0, np.round(charge * rng.uniform(0.4, 0.8, count)).astype(np.int64))
    kinds = ["inpatient", "inpatient", "inpatient", "day_surgery"]
    frame = pl.DataFrame(
        {
            "case_id": [f"C{n:07d}" for n in range(count)],
            "person_id": [f"P{n}" for n in rng.integers(0, max(count // 3, 1), count)],
            "hospital_id": [f"H{n:03d}" for n in rng.integers(1, 9, count)],
            "hospital_level": rng.integers(1, 4, count).astype(np.int8),
            "insurance_type": rng.choice(["310", "390"], count),
            "group": np.array(GROUPS)[group],
            "age": rng.integers(0, 95, count).astype(np.int16),
            "admitted": admitted,
            "discharged": admitted + stay,
            "settled": admitted + stay + rng.integers(0, 20, count),
            "length_of_stay": stay.astype(np.int32),
            "discharge_way": rng.choice([1, 1, 1, 2, 3, 4, 5], count).astype(np.int8),
            "payment_kind": rng.choice([4, 4, 4, 4, 4, 1, 2, 5], count).astype(np.int8),
            "visit_kind": rng.choice(kinds, count),
            "diagnoses": [["U07.100"] if k == 0 else ["I10.x00", "E11.900"] for k in rng.integers(0, 50, count)],
            "total_charge": charge,
            "fund_total": booked,
            "fund_pool_paid": (booked * 9) // 10,
            "fund_large_paid": booked - (booked * 9) // 10,
            "subtypes": [["age", "cci", "severe"][:k] for k in rng.integers(0, 4, count)],
        }
    )
    return (
        frame.with_columns(pl.when(pl.Series(rng.random(count) < 0.1)).then(None).otherwise("group").alias("group"))
        if ungrouped
        else frame
    )


CODES = ["DRUG1", "DRUG2", "NEWDRUG", "NEWSTENT", "ROBOT", "LASER", "BED", "HERB", "ACUPUNCTURE", "TABLETS"]
CLASSES = [
    "western_drugs", "western_drugs", "western_drugs", "consumables", "surgery", "surgery", "bed", "herbal_pieces",
    "tcm_treatment", "western_drugs",
]  # fmt: skip


def fee_lines(cases: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Return fee lines of two cases in three; new items take up to all of the charge."""
    rng = np.random.default_rng(seed + 1)
    rows = []
    for case, charge in cases.select("case_id", "total_charge").iter_rows():
        for n in rng.choice(len(CODES), rng.integers(0, 4), replace=False):
            share = rng.choice([0.1, 0.2, 0.64, 0.7]) if n in {2, 3} else rng.uniform(0, 0.2)
            rows.append((case, CODES[n], CLASSES[n], bool(n in {2, 3}), int(rng.integers(1, 4)), int(charge * share)))
    return pl.DataFrame(
        rows, schema=["case_id", "item_code", "item_class", "listed_new_item", "quantity", "amount"], orient="row"
    )


def decisions(cases: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Return a decision on one case in fifty."""
    rng = np.random.default_rng(seed + 2)
    some = cases.filter(pl.Series(rng.random(cases.height) < 0.02))
    return some.select(
        "case_id",
        pl.Series("decision", rng.choice(["by_item", "adjusted_standard", "rejected"], some.height)),
        pl.Series("amount", rng.integers(100_000, 900_000, some.height)),
    )


def given(cases: pl.DataFrame, seed: int, *, at_clearing: bool = True) -> Given:
    """Return fee lines for the cases."""
    return Given(fee_lines=fee_lines(cases, seed), at_clearing=at_clearing)
