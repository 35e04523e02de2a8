"""Worked answers of calibration, point values, budget and clearing, read from tests/golden."""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import TypeAdapter

from rules.fault import Text
from rules.money import Mode, fen, round_whole
from rules.payment.assessment import Effect, score_band, scores
from rules.payment.bands import cliffs, granted
from rules.payment.budget import income_check, monthly_amounts, pool_budget
from rules.payment.calibration import (
    Sums,
    calibrate,
    case_mix_index,
    estimate,
    inside_charge,
)
from rules.payment.cash import reconcile
from rules.payment.clearing import HospitalYear, PoolYear, clear
from rules.payment.clearing_statement import hospital_statement, pool_identity
from rules.payment.directory import deserves_own_group, is_primary_care_candidate
from rules.payment.fund_split import split_over_funds
from rules.payment.hospital_coefficient import level_coefficients
from rules.payment.month import settle_month
from rules.payment.out_of_area import settle_incoming
from rules.payment.point_value import (
    Limits,
    PointValue,
    PoolMoney,
    base_share,
    close_gap,
    elastic_value,
    fixed_value_of_share,
    floating_value,
    fund_ratio,
    predicted_rate,
    start_value,
)
from rules.payment.prepayment import FundState, advance, prepay, working_capital
from rules.payment.quota import QuotaVersion, hospital_quotas, total_control_deduction
from rules.payment.statement import Line
from rules.payment.trimming import trim
from rules.payment.weight_adjustment import dynamic_adjustment, keep_total, relative_change
from rules.policy.calibration import Calibration, Trimming
from rules.policy.cases import Money
from rules.policy.pools import Income, OutOfArea, Pool, Quotas
from rules.policy.settlement import (
    Advance,
    Clearing,
    FundSplit,
    Indicator,
    Monthly,
    Overspend,
    ScoreBand,
    Surplus,
    WorkingCapital,
)
from tests.rules.priced import case_rows, rules

GOLDEN = Path(__file__).parents[1] / "golden"
FEN = Money(step="fen", at="case", mode="half_away_from_zero")
HALF: Mode = "half_away_from_zero"
Given = Mapping[str, Any]
Answer = dict[str, Any]


def number(text: str) -> Fraction:
    return Fraction(Decimal(text))


def printed(exact: Fraction | Decimal | int, decimals: int) -> str:
    whole = round_whole(Fraction(exact) * 10**decimals, HALF)
    return f"{Decimal(whole).scaleb(-decimals):.{decimals}f}"


def yuan(amount: Fraction | int) -> str:
    return printed(Fraction(amount) / 100, 2)


def value(fen_per_point: Fraction) -> str:
    return printed(fen_per_point / 100, 4)


def history(given: Given) -> pl.DataFrame:
    rows = [
        (line["group"], None, 2025, int(fen(line["charge"]) + i * fen(line.get("step", "0"))))
        for line in given["cases"]
        for i in range(line["count"])
    ]
    schema = {"group": pl.String, "parent": pl.String, "year": pl.Int32, "charge": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def calibration(**changes: object) -> Calibration:
    plain = {
        "year_weights": {"2025": 1},
        "estimator": "mean_of_yearly_means",
        "trimming": {"method": "none"},
        "divisor": "mean_of_all",
        "minimum_cases": 1,
        "unstable": "withhold",
    }
    return Calibration.model_validate(plain | changes)


def variation(given: Given) -> Answer:
    group = calibrate(history(given), calibration()).groups[0]
    assert group.mean is not None
    assert group.cv is not None
    return {
        "mean": yuan(group.mean),
        "cv": printed(group.cv, 4),
        "primary_care": is_primary_care_candidate(group.cv, Decimal(given["primary_care_cv"])),
    }


def own_group(given: Given) -> Answer:
    mean, mean_with = fen(given["mean"]), fen(given["mean_with"])
    return {
        "change": printed(100 * relative_change(mean, mean_with), 2),
        "own_group": deserves_own_group(mean, mean_with, number(given["threshold"])),
    }


def cmi(given: Given) -> Answer:
    weights = {group: number(weight) for group, weight in given["weights"].items()}
    return {"cmi": printed(case_mix_index(given["cases"], weights), 2)}


def group_scores(given: Given) -> Answer:
    result = calibrate(history(given), calibration(**given["divisor"]), given.get("base", 1))
    found = {g.group: printed(g.weight, 2) for g in result.groups if g.weight is not None}
    return {"mean_all": yuan(result.mean_all), **found}


def three_years(given: Given) -> Answer:
    years = {2023 + n: Sums(count, int(count * fen(mean))) for n, (count, mean) in enumerate(given["years"])}
    weights = {str(2023 + n): weight for n, weight in enumerate(given["weights"])}
    mean = estimate(years, calibration(estimator=given["estimator"], year_weights=weights))
    assert mean is not None
    return {"mean": yuan(mean)}


def perimeter(given: Given) -> Answer:
    pairs = {"total": [given["mean"], given["charge"]], "separate": [given["mean_separate"], given["charge_separate"]]}
    frame = pl.DataFrame({name: [int(fen(x)) for x in column] for name, column in pairs.items()})
    mean, charge = frame.select(inside_charge(pl.col("total"), pl.col("separate")))["total"]
    return {"ratio": printed(Fraction(charge, mean), 2)}


def point_value(found: PointValue) -> Answer:
    return {"value": value(found.value), "rest": yuan(found.rest), "reason": found.reason}


def floating(given: Given) -> Answer:
    ratio = number(given["fund_ratio"]) if "fund_ratio" in given else None
    money = PoolMoney(fen(given["fund"]), given["unit"], fen(given.get("outside", "0")), ratio)
    limits = Limits(cap=fen(given["cap"]) if "cap" in given else None, decimals=given.get("decimals"))
    return point_value(floating_value(money, number(given["points"]), limits))


def start(given: Given) -> Answer:
    years = {n: (int(fen(charge)), number(points)) for n, (charge, points) in enumerate(given["years"])}
    return {"value": value(start_value(years, dict(enumerate(given["weights"]))))}


def rate(given: Given) -> Answer:
    found = predicted_rate(int(fen(given["fund"])), number(given["last_fund_ratio"]), number(given["weight"]))
    return {"rate": yuan(found)}


def fixed_and_floating(given: Given) -> tuple[Fraction, Fraction]:
    if "hospitals" in given:
        parts = [(number(h["points"]), base_share(number(h["points"]), number(h["base"]))) for h in given["hospitals"]]
    elif "groups" in given:
        parts = [(number(g["points"]), number(g["rigid"])) for g in given["groups"]]
    else:
        parts = [(number(given["severe"]), Fraction(1)), (number(given["mild"]), Fraction(0))]
    fixed = sum((points * share for points, share in parts), Fraction())
    return fixed, sum((points for points, _ in parts), Fraction()) - fixed


def elastic(given: Given) -> Answer:
    fixed, floating_points = fixed_and_floating(given)
    money = PoolMoney(fen(given["total"]), "fund_yuan")
    points = {"fixed_points": printed(fixed, 0), "floating_points": printed(floating_points, 0)}
    return points | point_value(elastic_value(money, fixed * fen(given["fixed_value"]), floating_points))


def amounts_split(given: Given) -> Answer:
    found = fixed_value_of_share(fen(given["total"]), number(given["fixed_share"]), number(given["fixed_points"]))
    return {"value": value(found)}


def fund_money(given: Given) -> Answer:
    hospitals = given["hospitals"]
    charges = [int(fen(h["charge"])) for h in hospitals]
    booked = [int(c * number(h["ratio"])) for c, h in zip(charges, hospitals, strict=True)]
    pool_ratio = fund_ratio(sum(booked), sum(charges))
    points = [number(h["points"]) for h in hospitals]
    fund = fen(given["fund"])
    found = floating_value(PoolMoney(fund, "charge_yuan", ratio=pool_ratio), sum(points, Fraction()))
    ratios = [pool_ratio] * 2 if given["level"] == "pool" else [number(h["ratio"]) for h in hospitals]
    level = {str(n): p * found.value * ratio for n, (p, ratio) in enumerate(zip(points, ratios, strict=True))}
    money = close_gap(level, fund, given.get("gap", "reserve"))
    return {
        "fund_ratio": printed(pool_ratio, 4),
        "value": value(found.value),
        "paid": yuan(sum(money.parts.values(), Fraction())),
        "gap": yuan(money.gap),
        "parts": [yuan(part) for part in money.parts.values()],
    }


def bands(given: Given) -> Answer:
    surplus, overspend = Surplus.model_validate(given["surplus"]), Overspend.model_validate(given["overspend"])
    payable = fen(given["payable"])
    return {"granted": [yuan(granted(payable, int(fen(b)), surplus, overspend)) for b in given["booked"]]}


def cliffs_of(given: Given) -> Answer:
    sides = (Surplus.model_validate(given["surplus"]), Overspend.model_validate(given["overspend"]))
    return {"cliffs": [[printed(figure, 2) for figure in cliff] for side in sides for cliff in cliffs(side)]}


def hospital_year(given: Given) -> HospitalYear:
    def money(key: str) -> int:
        return int(fen(given.get(key, "0")))

    outside = (Line(Text("点数外", "outside points"), money("outside")),) if "outside" in given else ()
    return HospitalYear(
        hospital=given["id"],
        payable=fen(given["payable"]),
        booked=money("booked"),
        deductions=money("deductions"),
        outside=outside,
        deposit=money("deposit"),
        prepaid=money("prepaid"),
        advanced=money("advanced"),
        effect=Effect(coefficient=number(given.get("score", "1")), deposit=number(given.get("release", "1"))),
    )


def clearing_rule(given: Given) -> Clearing:
    optional = {
        key: given[key] for key in ("floor", "cap", "deductions", "deposit_release", "pool_level") if key in given
    }
    return Clearing.model_validate(
        {
            "style": "ratio",
            "fund_ratio_level": "pool",
            "coefficient": given.get("coefficient", "after_bands"),
            "funding_order": given.get("order", ["reserve", "overrun:hospitals"]),
            "surplus": given["surplus"],
            "overspend": given["overspend"],
            **optional,
        }
    )


def clearing(given: Given) -> Answer:
    rule = clearing_rule(given)
    pool = PoolYear("employee", int(fen(given["fund"])), int(fen(given.get("reserve", "0"))))
    result = clear(pool, [hospital_year(h) for h in given["hospitals"]], rule, FEN)
    assert pool_identity(result, rule).difference == 0
    for hospital in result.hospitals:
        assert adds_up(list(hospital_statement(hospital, rule)))
    return {
        "amounts": [yuan(h.amount) for h in result.hospitals],
        "net": [yuan(h.net) for h in result.hospitals],
        "due": [yuan(h.due) for h in result.hospitals],
        "borne": [yuan(h.borne) for h in result.hospitals],
        "pool_share": [yuan(h.pool_share) for h in result.hospitals],
        "assessment_cuts": yuan(sum(h.cut for h in result.hospitals)),
        "from_reserve": yuan(result.funding.from_reserve),
        "reserve_left": yuan(result.funding.reserve_left),
        "surplus_returned": yuan(result.funding.returned),
        "overrun": {who: yuan(amount) for who, amount in result.funding.overrun.items()},
    }


def adds_up(lines: list[Line]) -> bool:
    running = 0
    for line in lines:
        if line.kind == "total" and line.amount != running:
            return False
        running += line.amount if line.kind == "item" else 0
    return True


def pool(name: str, budget: Mapping[str, Any], **changes: object) -> Pool:
    plain = {
        "id": name,
        "name": {"zh": name, "en": name},
        "insurance_types": ["310"],
        "place": "local",
        "funds": ["fund_pool_paid"],
        "budget": dict(budget),
        "point_value": {"method": "floating", "start": {"value": "10", "unit": "charge_yuan"}},
    }
    return Pool.model_validate(plain | changes)


def budget(given: Given) -> Answer:
    beside = {key: given[key] for key in ("levies", "changes", "reserve_at_start") if key in given}
    amounts = {key: value for key, value in given.items() if key not in beside}
    city = pool("city", amounts, **beside)
    province = pool("province", {"method": "share", "fund": "1", "share": "1", "reserve": "0"})
    found = pool_budget([city, province], city, FEN, date(2026, 12, 31))
    return {"amount": yuan(found.own), "reserve": yuan(found.reserve), "fund": yuan(found.fund)}


def capital(given: Given) -> Answer:
    rule = WorkingCapital.model_validate({"months": given["months"], "repaid": "year_end"})
    return {"working_capital": yuan(working_capital(rule, int(fen(given["paid_last_year"])), FEN))}


def trimming(given: Given) -> Answer:
    rows = [("A", int(fen(charge))) for charge in given["charges"]]
    kept = trim(
        pl.DataFrame(rows, schema=["group", "charge"], orient="row"), Trimming.model_validate(given["trimming"])
    )
    charges = kept["charge"].to_list()
    return {"kept": str(len(charges)), "lowest": yuan(min(charges)), "highest": yuan(max(charges))}


def coefficients(given: Given) -> Answer:
    rows = [(c["level"], c["group"], int(fen(c["charge"]))) for c in given["cases"] for _ in range(c["count"])]
    cases = pl.DataFrame(rows, schema=["level", "group", "charge"], orient="row")
    weights = {group: number(weight) for group, weight in given["weights"].items()} if "weights" in given else None
    levels = list(dict.fromkeys(c["level"] for c in given["cases"]))
    return {
        name: {k: printed(v, 4) for k, v in level_coefficients(cases, levels, weights, no_inversion=strict).items()}
        for name, strict in (("free", False), ("no_inversion", True))
    }


def numbers(table: Mapping[str, str]) -> dict[str, Fraction]:
    return {name: number(text) for name, text in table.items()}


def kept_total(given: Given) -> Answer:
    found = keep_total(numbers(given["weights"]), given["cases"], number(given["total"]), numbers(given["not_below"]))
    return {name: printed(weight, 4) for name, weight in found.items()}


def dynamic(given: Given) -> Answer:
    previous, current = numbers(given["previous"]), numbers(given["current"])
    found = dynamic_adjustment(previous, current, number(given["threshold"]), number(given["limit"]))
    return {name: printed(weight, 4) for name, weight in found.items()}


def fund_parts(given: Given) -> Answer:
    amounts = ("standard", "charge", "fund", "other_funds", "patient", "full_self_paid", "category_b", "deductible")
    rows = []
    for n, case in enumerate(given["cases"]):
        money = {name: int(fen(case.get(name, "0"))) for name in amounts}
        changes = {
            "case_id": f"c{n}",
            "hospital_id": case["hospital"],
            "funding": "outside" if case.get("outside") else "points",
            "standard": money["standard"],
            "total_charge": money["charge"],
            "fund_pool_paid": money["fund"],
            "fund_large_paid": 0,
            "fund_total": money["fund"] + money["other_funds"],
            "patient_paid": money["patient"],
            "full_self_paid": money["full_self_paid"],
            "category_b_self_paid": money["category_b"],
            "deductible": money["deductible"],
        }
        rows.append(case_rows(1, **changes).with_columns(pl.lit(f"c{n}").alias("case_id")))
    policy = rules(given["style"], reimbursement={"ratios": {"310": given.get("ratio", "1"), "390": "1"}})
    found = settle_month(pl.concat(rows), policy, {("employee", "2026-10"): Fraction(10000)})
    return {"parts": [yuan(part) for part in found.cases["fund_part"]]}


def fund_split(given: Given) -> Answer:
    names = {"fund_pool_paid": "pool", "fund_large_paid": "large"}
    keys = {key: given[key] for key in ("method", "cap", "remainder") if key in given}
    rule = FundSplit.model_validate({"funds": list(names), **keys})
    frame = pl.DataFrame({"fund_part": [int(fen(given["part"]))]} | {f: [int(fen(given[n]))] for f, n in names.items()})
    row = split_over_funds(frame, rule).to_dicts()[0]
    return {names.get(column.removesuffix("_split"), "hospital"): yuan(part) for column, part in row.items()}


def incoming(given: Given) -> Answer:
    table = {"incoming_value": "own", "bearer": given["bearer"], "outgoing": "outside_budget"}
    found = settle_incoming(int(fen(given["by_item"])), int(fen(given["standard"])), OutOfArea.model_validate(table))
    return {name: yuan(amount) for name, amount in found._asdict().items()}


def cash(given: Given) -> Answer:
    earned = [("H", month, int(fen(amount))) for month, amount in given["accrued"]]
    moved = [("H", month, kind, int(fen(amount))) for month, kind, amount in given["entries"]]
    found = reconcile(
        pl.DataFrame(earned, schema=["hospital", "month", "amount"], orient="row"),
        pl.DataFrame(moved, schema=["hospital", "month", "kind", "amount"], orient="row"),
    )
    return {"cash": yuan(int(found["cash"].sum())), "open": yuan(found["open"][-1])}


def months(given: Given) -> Answer:
    parts = monthly_amounts(int(fen(given["fund"])), "equal")
    return {"first": yuan(parts["01"]), "last": yuan(parts["12"]), "sum": yuan(sum(parts.values()))}


def income(given: Given) -> Answer:
    insured = {f"2026-{month:02d}": given["insured"] for month in range(1, 13)}
    table = {"per_head": given["per_head"], "insured": insured, "last_year": given["last_year"], "correction": "none"}
    found = income_check(Income.model_validate(table), int(fen(given["amount"])), int(fen(given["last_spending"])))
    growth = printed(100 * found.spending_growth, 2)
    return {"income": yuan(found.income), "spending_growth": growth, "holds": found.holds}


def quotas(given: Given) -> Answer:
    rule = Quotas.model_validate({"method": given["method"], "file": "quotas.csv", "deduction": "none"})
    table = [
        QuotaVersion(q["hospital"], q.get("version", 1), q.get("state", "agreed"), int(fen(q["amount"])))
        for q in given["table"]
    ]
    return {name: yuan(amount) for name, amount in hospital_quotas(rule, table, int(fen(given["fund"])), FEN).items()}


def total_control(given: Given) -> Answer:
    keys = ("deduction", "share", "tolerance", "bands")
    rule = Quotas.model_validate(
        {"method": "history", "file": "quotas.csv", **{key: given[key] for key in keys if key in given}}
    )
    found = total_control_deduction(rule, {"H": int(fen(given["spent"]))}, {"H": int(fen(given["quota"]))})
    return {"deduction": yuan(found["H"])}


def advance_of(given: Given) -> Answer:
    rule = Advance.model_validate(
        {
            "months": "1",
            "years": 2,
            "payable_months": {"310": "12", "390": "6"},
            "refuse_after_deficit": True,
            "refuse_on_forecast_deficit": True,
        }
    )
    state = FundState(number(given["payable_months"]), given["last_year_deficit"], given["forecast_deficit"])
    found = advance(rule, given["insurance_type"], [int(fen(s)) for s in given["spend"]], state, FEN)
    return {"advance": yuan(found.amount), "refused": len(found.refused)}


def prepaid(given: Given) -> Answer:
    optional = {key: given[key] for key in ("deposit_ratio", "deposit_base") if key in given}
    rule = Monthly.model_validate(
        {
            "style": "ratio",
            "fund_ratio_level": "pool",
            "prepayment_ratio": given["ratio"],
            "deposit": given["deposit"],
            **optional,
        }
    )
    found = prepay(rule, fen(given["payable"]), FEN)
    assert found.payable == found.paid + found.deposit + found.withheld
    return {"paid": yuan(found.paid), "deposit": yuan(found.deposit), "withheld": yuan(found.withheld)}


def score(given: Given) -> Answer:
    indicators = [Indicator.model_validate(i) for i in given["indicators"]]
    found = scores(indicators, {"H": {name: number(v) for name, v in given["values"].items()}})["H"]
    table = TypeAdapter(tuple[ScoreBand, ...]).validate_python(given["table"])
    coefficient = score_band(table, found).coefficient
    assert coefficient is not None
    return {"score": printed(found, 2), "coefficient": printed(coefficient, 2)}


RULES: dict[str, Callable[[Given], Answer]] = {
    "variation": variation,
    "own_group": own_group,
    "case_mix_index": cmi,
    "scores": group_scores,
    "three_years": three_years,
    "perimeter": perimeter,
    "floating_value": floating,
    "start_value": start,
    "predicted_rate": rate,
    "elastic_value": elastic,
    "fixed_value_of_share": amounts_split,
    "fund_money": fund_money,
    "bands": bands,
    "cliffs": cliffs_of,
    "clear": clearing,
    "budget": budget,
    "months": months,
    "income": income,
    "quotas": quotas,
    "total_control": total_control,
    "advance": advance_of,
    "prepay": prepaid,
    "score": score,
    "working_capital": capital,
    "trimming": trimming,
    "level_coefficients": coefficients,
    "keep_total": kept_total,
    "dynamic_adjustment": dynamic,
    "fund_part": fund_parts,
    "fund_split": fund_split,
    "incoming": incoming,
    "cash": cash,
}


def worked_answers() -> Iterator[Any]:
    for file in sorted(GOLDEN.glob("*.toml")):
        document = tomllib.loads(file.read_text(encoding="utf-8"))
        for case in document.get("case", ()):
            if "rule" not in case:
                continue
            shared = document.get("bands", {}).get(case["given"].get("bands"), {}) if "bands" in document else {}
            yield pytest.param(case, {**case["given"], **shared}, id=f"{file.stem}: {case['id']}")


@pytest.mark.parametrize(("case", "given"), list(worked_answers()))
def test_worked_answer(case: Mapping[str, Any], given: Given) -> None:
    found = RULES[case["rule"]](given)
    assert {key: found[key] for key in case["expected"]} == case["expected"]
    assert case["what"]
    assert case["source"]
