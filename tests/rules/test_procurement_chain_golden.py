"""Worked answers of savings and of the chain, read from tests/golden/procurement-{savings,chain}.toml."""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from rules.money import fen, round_whole, yuan_text
from rules.payment.calibration import Sums
from rules.policy.calibration import Calibration
from rules.procurement.average_cuts import average_cuts
from rules.procurement.basket import priced
from rules.procurement.chain import chain, markup_compensation
from rules.procurement.cross_checks import FORMULAS, compare
from rules.procurement.decomposition import lmdi, three_factors
from rules.procurement.income_structure import at_base_structure, growth, income_structure
from rules.procurement.packs import find_pack, rule_on
from rules.procurement.parameters import Compensation, PriceGate
from rules.procurement.potential_savings import price_per_unit, substitution
from rules.procurement.price_gate import price_gate
from rules.procurement.price_room import price_room
from rules.procurement.savings import agreed_at_prices, fund_saving, indices, laspeyres, official, paasche
from rules.procurement.weight_lag import lagged_mean

GOLDEN = Path(__file__).parents[1] / "golden"
Given = Mapping[str, Any]
Answer = dict[str, Any]
PRICE = pl.Decimal(18, 6)


def printed(exact: Fraction | Decimal, decimals: int = 6) -> str:
    scaled = round_whole(Fraction(exact) * 10**decimals, "half_away_from_zero")
    return f"{Decimal(scaled).scaleb(-decimals):.{decimals}f}"


def per_cent(exact: Fraction | Decimal) -> str:
    return printed(Fraction(exact) * 100, 2)


def money(yuan: str) -> int:
    return int(fen(yuan))


def decimals(texts: list[str]) -> pl.Series:
    return pl.Series([Decimal(text) if text else None for text in texts], dtype=PRICE)


def basket_of(given: Given) -> pl.DataFrame:
    """Return a priced basket; each product is a generic name of its own."""
    sides = {}
    for at in ("base_", ""):
        quantities, prices = given[f"{at}quantities"], given[f"{at}prices"]
        sides[f"{at}quantity"] = decimals(quantities)
        sides[f"{at}amount"] = pl.Series([int(fen(p) * Fraction(q)) for p, q in zip(prices, quantities, strict=True)])
    names = [f"P{n}" for n in range(len(given["quantities"]))]
    return priced(pl.DataFrame({"product": names, "generic": names, **sides}))


def index_numbers(given: Given) -> Answer:
    rows = basket_of(given)
    found, factors, saved = indices(rows), three_factors(rows), paasche(rows, "ddd", "generic")
    assert found is not None
    names = ("laspeyres", "paasche", "fisher", "value", "quantity_laspeyres", "quantity_paasche")
    return {
        **{name: printed(getattr(found, name)) for name in names},
        **{name: printed(getattr(factors, name)) for name in ("volume", "structure", "price", "product")},
        "paasche_saving": yuan_text(saved.saving or 0),
        "laspeyres_saving": yuan_text(laspeyres(rows, "ddd", "generic").saving or 0),
        "before": yuan_text(factors.before),
        "after": yuan_text(factors.after),
        "sequential": [printed(effect / 100, 4) for effect in factors.sequential],
        "lmdi": [printed(effect / 100, 4) for effect in lmdi(rows)],
    }


def peers(given: Given) -> Answer:
    amounts = [money(cost) for cost in given["costs"]]
    rows = price_per_unit(pl.DataFrame({"generic": "G", "quantity": given["quantities"], "amount": amounts}))
    return {
        "target": printed(Fraction(rows["target"][0]) / 100),
        "potential": list(map(yuan_text, rows["potential"])),
        "sum": yuan_text(int(rows["potential"].sum())),
        "netted": yuan_text(int(rows["above_target"].sum())),
    }


def cuts(given: Given) -> Answer:
    prices = {"price_before": decimals(given["before"]), "price_after": decimals(given["after"])}
    found = average_cuts(pl.DataFrame({**prices, "quantity": given["quantities"]}))
    return {name: per_cent(value) for name, value in found._asdict().items()}


def agreed_saving(given: Given) -> Answer:
    bids = ["B1", "B2"]
    prices = pl.DataFrame({"bid": bids, "product": bids, "price": decimals(given["win"])}).with_columns(
        batch=pl.lit("5"), price_unit=pl.lit("盒"), base_price=decimals(given["base"])
    )
    products = pl.DataFrame({"product": bids, "generic": bids}).with_columns(
        min_unit=pl.lit("片"),
        pack_unit=pl.lit("盒"),
        units_per_pack=pl.lit(given["units_per_pack"]),
        agreement_factor=pl.lit(1),
    )
    agreed = pl.DataFrame({"batch": "5", "bid": bids, "quantity": given["agreed"]})
    found = official(agreed_at_prices(agreed, prices, products, "base_price"), "winning_list_base")
    amounts = {name: yuan_text(getattr(found, name)) for name in ("before", "after", "saving")}
    return amounts | {"missing": found.missing, "coverage": printed(found.coverage or Fraction())}


def for_the_fund(given: Given) -> Answer:
    ratios = Decimal(given["pay_ratio"]), Decimal(given["insured_share"])
    found = fund_saving(money(given["saving"]), *ratios, money(given["retained"]), money(given["locked_in"]))
    return {"patients": yuan_text(found.patients), "fund": yuan_text(found.fund)}


def substituted(given: Given) -> Answer:
    rows = [
        (f"G{n}", original, Decimal(quantity), money(cost))
        for original, side in ((True, given["originals"]), (False, given["generics"]))
        for n, (quantity, cost) in enumerate(side)
    ]
    found = substitution(pl.DataFrame(rows, schema=["generic", "original", "quantity", "amount"], orient="row"))
    savings = ["" if saving is None else yuan_text(saving) for saving in found["saving"]]
    return {"savings": savings, "missing": found["saving"].null_count()}


def income(given: Given) -> Answer:
    row = income_structure(pl.DataFrame({line: [money(amount)] for line, amount in given.items()})).row(0, named=True)
    shares = {name: per_cent(value) for name, value in row.items() if "share" in name}
    return shares | {"total": yuan_text(row["total"])}


def grown(given: Given) -> Answer:
    rows = [
        {
            "place": "S",
            "year": year,
            "drugs": money(part["drugs"]),
            "services": money(part["rest"]),
            "materials": 0,
            "examinations": 0,
        }
        for year, part in ((2013, given["before"]), (2014, given["after"]))
    ]
    last = growth(income_structure(pl.DataFrame(rows)), "place", "year").row(1, named=True)
    shares = {name: per_cent(last[name]) for name in ("total_growth", "drugs_growth", "services_growth")}
    return shares | {"total_change": yuan_text(last["total_change"])}


def points(given: Given) -> Answer:
    pairs = zip(given["before"], given["after"], strict=True)
    return {"change": [f"{Decimal(after) - Decimal(before):f}" for before, after in pairs]}


def compensation(given: Given) -> Answer:
    rule = rule_on(find_pack("service-prices"), Compensation, date(2014, 1, 1), given["scope"])
    return {who: yuan_text(part) for who, part in markup_compensation(money(given["lost"]), rule).items()}


def lag(given: Given) -> Answer:
    last = given["years"]
    rule = Calibration.model_validate(
        {
            "year_weights": {str(2020 + n): 1 for n in range(last)},
            "estimator": "mean_of_yearly_means",
            "trimming": {"method": "none"},
            "divisor": "mean_of_all",
            "minimum_cases": 1,
            "unstable": "withhold",
        }
    )
    costs = {2024 + n: money(given["before"] if n < last else given["after"]) for n in range(2 * last)}
    history = {year: Sums(10, 10 * cost) for year, cost in costs.items()}
    means = [lagged_mean(history, rule, 2024 + last + n) for n in range(last + 1)]
    return {"means": [printed((mean or Fraction()) / 100, 2) for mean in means]}


def shift(given: Given) -> Answer:
    parts = ("goods", "examinations", "services")
    row: dict[str, Any] = {part: money(given[part]) for part in parts}
    row |= {f"base_{part}": Decimal(share) for part, share in zip(parts, given["base"], strict=True)}
    found = at_base_structure(pl.DataFrame([row])).row(0, named=True)
    space, *rest = (found[f"{part}_shift"] for part in parts)
    return {
        "shifts": [yuan_text(amount) for amount in (space, *rest)],
        "of_space": [per_cent(Fraction(amount, -space)) for amount in rest],
    }


def chained(given: Given) -> Answer:
    amounts = {name: [money(given[name])] for name in ("saving", "adjustment", "retained")}
    rows = pl.DataFrame({"institution": ["H"], **amounts}).with_columns(
        fiscal=pl.lit(0),
        lost_markup=pl.lit(0),
        locked_in=pl.lit(0),
        drug_ratio=decimals([given["drug_ratio"]]),
        service_ratio=decimals([given["service_ratio"]]),
    )
    row = chain(rows).row(0, named=True)
    names = ("fund", "patients")
    return {name: yuan_text(row[name]) for name in names} | {"sum": yuan_text(sum(row[name] for name in names))}


def room(given: Given) -> Answer:
    r_d, r_s, share = (Decimal(given[name]) for name in ("drug_ratio", "service_ratio", "limit"))
    cap = money(given["cap"]) if given["cap"] else None
    found = price_room(money(given["saving"]), money(given["retained"]), r_d, r_s, share, cap, 0)
    shown = {name: yuan_text(getattr(found, name)) for name in ("of_saving", "fund", "patients", "most")}
    return shown | {"bound_by": list(found.bound_by)}


def gate(given: Given) -> Answer:
    rule = rule_on(find_pack("service-prices"), PriceGate, given["on"], given["scope"])
    figures = {name: Decimal(figure) for name, figure in given.get("figures", {}).items()}
    stated = {one.id: one.id in given["met"] for one in (*rule.start, *rule.stop) if one.id not in figures}
    found = price_gate(rule, {**stated, **figures})
    return {"allowed": found.allowed, "started": len(found.started), "stopped": len(found.stopped)}


RULES: dict[str, Callable[[Given], Answer]] = {
    "indices": index_numbers,
    "price_per_unit": peers,
    "average_cuts": cuts,
    "official": agreed_saving,
    "fund_saving": for_the_fund,
    "substitution": substituted,
    "income": income,
    "growth": grown,
    "points": points,
    "compensation": compensation,
    "weight_lag": lag,
    "shift": shift,
    "chain": chained,
    "room": room,
    "gate": gate,
}


def entries(kind: str) -> Iterator[Any]:
    for name in ("savings", "chain"):
        document = tomllib.loads((GOLDEN / f"procurement-{name}.toml").read_text("utf-8"))
        for one in document[kind]:
            yield pytest.param(one, id=one["id"])


@pytest.mark.parametrize("answer", list(entries("answer")))
def test_worked_answer(answer: Mapping[str, Any]) -> None:
    found = RULES[answer["rule"]](answer["given"])
    assert {key: found[key] for key in answer["expected"]} == answer["expected"]
    assert answer["what"]
    assert answer["source"]


@pytest.mark.parametrize("answer", list(entries("published")))
def test_published_figure(answer: Mapping[str, Any]) -> None:
    """Kinds P and D agree, kind X gives its named warning."""
    numbers = {k: [Fraction(x) for x in v] if isinstance(v, list) else Fraction(v) for k, v in answer["given"].items()}
    warned = compare(answer["warning"], FORMULAS[answer["formula"]](**numbers), Decimal(answer["published"]))
    assert (warned is None) == (answer["kind"] != "X")
    assert warned is None or warned.name == answer["warning"]
    assert answer["source"]
