"""Worked answers of procurement, read from tests/golden/procurement-*.toml."""

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
from rules.procurement.agreed_volume import agreed_quantities, agreed_ratio, gradient
from rules.procurement.comparability import Specification, comparable_price, factor
from rules.procurement.completion import completion, purchased
from rules.procurement.cross_checks import FORMULAS, WARNINGS, compare, cumulative_counts, retained_within, rounds
from rules.procurement.cycle import years
from rules.procurement.packs import find_pack, rule_on, shipped
from rules.procurement.parameters import (
    AgreedRatio,
    Anchor,
    Ceiling,
    Comparability,
    Cycle,
    DoubleDeviation,
    Gradient,
    PaymentStandard,
    Shortlist,
    Thresholds,
)
from rules.procurement.payment_standard import patient_part, standards
from rules.procurement.retention import over_reporting, retention
from rules.procurement.shortlist import places
from rules.procurement.winning import Bid, ceiling_price, evaluate
from tests.rules.procurement_rows import retention_rows, retention_rule, rule

GOLDEN = Path(__file__).parents[1] / "golden"
Given = Mapping[str, Any]
Answer = dict[str, Any]


def printed(exact: Fraction | Decimal, decimals: int) -> str:
    scaled = round_whole(Fraction(exact) * 10**decimals, "half_away_from_zero")
    return f"{Decimal(scaled).scaleb(-decimals):.{decimals}f}"


def agreed(given: Given) -> Answer:
    found = rule_on(find_pack(given["pack"]), AgreedRatio, given["on"])
    return {"agreed": [total(given["reported"], agreed_ratio(found, winners)) for winners in given["winners"]]}


def total(reported: int, ratio: Fraction) -> int:
    """Return the agreed total of a region whose demand three institutions reported."""
    parts = [reported // 3, reported // 3, reported - 2 * (reported // 3)]
    demand = pl.DataFrame({"region": "R", "generic": "G", "institution": ["a", "b", "c"], "reported": parts})
    ratios = pl.lit(Decimal(ratio.numerator) / ratio.denominator).cast(pl.Decimal(18, 6))
    return int(agreed_quantities(demand.with_columns(ratios.alias("ratio")))["agreed"].sum())


def cycle_years(given: Given) -> Answer:
    found = rule_on(find_pack(given["pack"]), Cycle, given["on"])
    return {"years": [years(found, winners) for winners in given["winners"]]}


def thresholds(given: Given) -> Answer:
    stated = rule(Thresholds, **{key: given[key] for key in ("spread", "cut", "price")})
    bids = [Bid(str(n), Decimal(price), ceiling=Decimal(given["ceiling"])) for n, price in enumerate(given["bids"])]
    verdicts = evaluate(stated, bids).verdicts
    return {"outcomes": [v.outcome for v in verdicts], "reasons": [v.reason.en for v in verdicts]}


def comparability() -> Comparability:
    (found,) = find_pack("comparability-2011").rules
    assert isinstance(found, Comparability)
    return found


def comparable(given: Given) -> Answer:
    def spec(pack: int) -> Specification:
        return Specification(given["form"], Fraction(1), Fraction(pack))

    places, price = given["decimals"], given["price"]
    found = [comparable_price(comparability(), price, spec(a), spec(b), decimals=places) for a, b in given["packs"]]
    return {"prices": [f"{converted:f}" for converted in found]}


def strength(given: Given) -> Answer:
    return {"factors": [printed(factor(comparability().strength, Fraction(r)), 4) for r in given["ratios"]]}


def shortlisted(given: Given) -> Answer:
    found = rule_on(find_pack(given["pack"]), Shortlist, given["on"])
    return {"places": [places(found, n) for n in given["bidders"]]}


def anchor(given: Given) -> Answer:
    (found,) = (one for one in find_pack("national-11").rules if isinstance(one, Anchor))
    tender = evaluate(found, [Bid(str(n), Decimal(p), accepts=Decimal(1)) for n, p in enumerate(given["bids"])])
    revived = {v.price for v in tender.verdicts if v.outcome == "revived"}
    assert revived == {tender.figures["revival"]}
    return {k: f"{v:f}" for k, v in tender.figures.items()} | {"outcomes": [v.outcome for v in tender.verdicts]}


def deviation(given: Given) -> Answer:
    (found,) = (one for one in find_pack("national-12").rules if isinstance(one, DoubleDeviation))
    stated = found.model_copy(update={"deviation": given["deviation"]})
    tender = evaluate(stated, [Bid(str(n), Decimal(price)) for n, price in enumerate(given["bids"])])
    first, *others = (v.outcome for v in tender.verdicts)
    (rest,) = set(others)
    return {k: printed(v, 4) for k, v in tender.figures.items()} | {"first": first, "others": rest}


def gradients(given: Given) -> Answer:
    (found,) = (one for one in find_pack("consumables").rules if isinstance(one, Gradient))
    volumes = [gradient(found, cut) for cut in given["cuts"]]
    return {"base": [printed(v.base, 2) for v in volumes], "movable": [printed(v.movable, 2) for v in volumes]}


def standard(given: Given) -> Answer:
    (found,) = (one for one in find_pack("national-4p7").rules if isinstance(one, PaymentStandard))
    stated = found.model_copy(update={"below_winning": "own_price"})
    prices = pl.DataFrame({"price": [int(fen(price)) for price in given["prices"]]}).with_columns(
        winning_price=pl.lit(int(fen(given["winning"]))), winning=pl.lit(value=False), passed=pl.lit(value=True)
    )
    found_standards = standards(prices, stated)
    one_pack = found_standards.with_columns(quantity=pl.lit(1), self_pay=pl.lit(0))
    excess = patient_part(one_pack)["excess"].to_list()
    return {"standards": list(map(yuan_text, found_standards["standard"])), "excess": list(map(yuan_text, excess))}


def ceiling(given: Given) -> Answer:
    (found,) = (one for one in find_pack("national-11").rules if isinstance(one, Ceiling))
    mean = Decimal(given["listed_mean"])
    found_prices = [ceiling_price(found, mean, [Decimal(p)], [Decimal(1)]) for p in given["provincial"]]
    return {"ceilings": [f"{price.normalize():f}" for price in found_prices]}


def classes(given: Given) -> Answer:
    (found,) = (one for one in find_pack("national-11").rules if isinstance(one, AgreedRatio))
    ordinary = agreed_ratio(found, given["winners"])
    restricted = agreed_ratio(found, given["winners"], "restricted", given["stated"])
    return {"ordinary": total(given["reported"], ordinary), "restricted": total(given["reported"], restricted)}


def completed(given: Given) -> Answer:
    products = pl.DataFrame({"product": ["P"], "generic": ["G"], "min_unit": ["片"], "pack_unit": ["盒"]}).with_columns(
        units_per_pack=pl.lit(1), agreement_factor=pl.lit(1)
    )
    purchases = pl.DataFrame(
        {"institution": ["H"], "product": ["P"], "month": [202301], "quantity": [given["bought"]], "unit": ["片"]}
    ).with_columns(amount=pl.lit(int(fen(given["bought_amount"]))), returned=pl.lit(value=False))
    agreement = pl.DataFrame({"batch": ["7"], "institution": ["H"], "bid": ["B"], "year": [2023]}).with_columns(
        quantity=pl.lit(given["agreed"]), starts=date(2023, 1, 1), ends=date(2023, 12, 31)
    )
    members = pl.DataFrame({"batch": ["7"], "bid": ["B"], "product": ["P"]})
    row = completion(agreement, purchased(purchases, products, members), date(2023, 12, 31)).row(0, named=True)
    amount, before = Fraction(row["amount"]), fen(given["agreed_amount"])
    return {
        "completion": printed(Fraction(row["completion"]) * 100, 2),
        "by_amount": printed(amount / before * 100, 2),
        "price_before": printed(before / given["agreed"] / 100, 3),
        "price_after": printed(amount / given["bought"] / 100, 3),
    }


def retained(given: Given) -> Answer:
    change: dict[str, Any] = {}
    if "nonwin" in given:
        change["nonwin_all"] = int(fen(given["nonwin"]))
    if "base" in given:
        change["base_quantity"] = given["base"]
    if "bought" in given:
        change["purchased_quantity"] = Decimal(given["bought"])
    rows, other = retention_rows(change), {k: given[k] for k in ("tolerance",) if k in given}
    half, less = (retention(rows, retention_rule(share, **other)).row(0, named=True) for share in ("0.50", "0.40"))
    worth = over_reporting(rows, retention_rule(**other))["worth"][0]
    money = {key: yuan_text(half[key]) for key in ("budget", "spend", "surplus")}
    kept = {"at_50": yuan_text(half["retained"]), "at_40": yuan_text(less["retained"]), "worth": yuan_text(worth)}
    return money | kept | {"reason": half["reason"]}


def floor(given: Given) -> Answer:
    rows = retention_rows({}, {"drug": "D2", "nonwin_all": int(fen("500000"))})
    found = retention(rows, retention_rule(floor_at=given["floor_at"]))
    return {"retained": list(map(yuan_text, found["retained"]))}


def keep(given: Given) -> Answer:
    bands = [{"score_from": "80", "share": "0.50"}, {"score_from": "60", "share": "0.40"}, {"share": "0"}]
    rows = retention_rows(*({"drug": f"D{s}", "score": Decimal(s)} for s in given["scores"]))
    return {"keep": [printed(share, 2) for share in retention(rows, retention_rule(keep=bands))["keep"]]}


RULES: dict[str, Callable[[Given], Answer]] = {
    "agreed": agreed,
    "years": cycle_years,
    "thresholds": thresholds,
    "comparable": comparable,
    "strength": strength,
    "places": shortlisted,
    "anchor": anchor,
    "deviation": deviation,
    "gradient": gradients,
    "standard": standard,
    "ceiling": ceiling,
    "classes": classes,
    "completed": completed,
    "retention": retained,
    "floor": floor,
    "keep": keep,
}


def answers(*names: str) -> Iterator[Any]:
    for name in names:
        document = tomllib.loads((GOLDEN / f"procurement-{name}.toml").read_text("utf-8"))
        for one in document["answer"]:
            yield pytest.param(one, id=one["id"])


@pytest.mark.parametrize("answer", list(answers("tender", "retention")))
def test_worked_answer(answer: Mapping[str, Any]) -> None:
    found = RULES[answer["rule"]](answer["given"])
    assert {key: found[key] for key in answer["expected"]} == answer["expected"]
    assert answer["what"]
    assert answer["source"]


@pytest.mark.parametrize("answer", list(answers("published")))
def test_published_figure(answer: Mapping[str, Any]) -> None:
    """Kinds P and D agree, kind X gives its named warning."""
    numbers = {k: [Fraction(x) for x in v] if isinstance(v, list) else Fraction(v) for k, v in answer["given"].items()}
    warned = compare(answer["warning"], FORMULAS[answer["formula"]](**numbers), Decimal(answer["published"]))
    assert (warned is None) == (answer["kind"] != "X")
    assert warned is None or (warned.name == answer["warning"] and WARNINGS[warned.name].en in warned.text.en)
    assert answer["source"]


def test_cumulative_count_of_varieties() -> None:
    """A19: 112, 157, 218, 234, 294, 333, 374, 436 against 435; 435 + 55 = 490."""
    counts = [("3", 112), ("4", 45), ("5", 61), ("6", 16), ("7", 60), ("8", 39), ("9", 41), ("10", 62), ("11", 55)]
    official = {"3": 112, "6": 234, "7": 294, "9": 374, "10": 435, "11": 490}
    (warned,) = cumulative_counts(counts, official)
    assert (warned.name, int(warned.computed), int(warned.published)) == ("cumulative_count_differs", 436, 435)
    (shipped_facts,) = rounds(find_pack(name) for name in shipped())
    assert shipped_facts == warned


def test_retention_that_the_agreed_quantity_does_not_explain() -> None:
    """B10: 195.53万 kept, at most 110.3万 with base = agreed quantity."""
    warned = retained_within(Decimal(239), Decimal("0.48"), Decimal("0.5"), Decimal("195.53"))
    assert warned is not None
    assert warned.name == "retention_unexplained"
    assert retained_within(Decimal(239), Decimal("0.48"), Decimal("0.5"), Decimal("110.3")) is None
