"""What savings and the chain refuse, each with what would be right."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal

import polars as pl
import pytest

from rules.fault import UserError
from rules.payment.calibration import Sums
from rules.procurement.average_cuts import average_cuts
from rules.procurement.basket import basket, perimeter
from rules.procurement.chain import chain, planned_and_actual
from rules.procurement.decomposition import lmdi, three_factors
from rules.procurement.income_structure import income_structure
from rules.procurement.packs import find_pack, rule_on
from rules.procurement.parameters import LabourShare, PriceGate
from rules.procurement.price_gate import price_gate
from rules.procurement.price_room import adjusted, labour_share, price_room, relative_prices
from rules.procurement.purchase_totals import Months
from rules.procurement.weight_lag import with_cut
from rules.procurement.where_it_lands import where_it_lands
from tests.rules.procurement_rows import rule

BASE, CURRENT = Months(202501, 202512), Months(202601, 202612)
PRODUCTS = pl.DataFrame({"product": ["P", "Q"], "generic": ["G", "K"]}).with_columns(
    min_unit=pl.lit("片"), pack_unit=pl.lit("盒"), units_per_pack=pl.lit(10), agreement_factor=pl.lit(1)
)
SUMS = pl.DataFrame({"product": ["P"], "unit": ["盒"], "month": [202601], "quantity": [3], "amount": [900]})
SIDES = pl.DataFrame({"generic": ["G"], "base_quantity": [0], "base_amount": [0], "quantity": [1], "amount": [1]})
ITEMS = pl.DataFrame({"item": ["a"], "class": ["care"], "price": [100], "new_price": [110], "volume": [1]})


def gate(scope: str, **observed: Decimal | bool) -> None:
    price_gate(rule_on(find_pack("service-prices"), PriceGate, date(2023, 1, 1), scope), observed)


def landing(payment: str) -> None:
    row = {"payment": [payment], "saving": [1], "retained": [0], "budget_cut": [1], "pay_ratio": [Decimal(1)]}
    where_it_lands(pl.DataFrame(row), "charges", "rest")


REFUSALS: list[tuple[Callable[[], object], str]] = [
    (lambda: basket(SUMS, PRODUCTS, CURRENT, BASE, "ddd"), "the base 202601-202612 must be before 202501-202512"),
    (lambda: basket(SUMS, PRODUCTS, BASE, CURRENT, "ddd"), "need a table of them"),
    (
        lambda: basket(SUMS, PRODUCTS, BASE, CURRENT, "ddd", pl.DataFrame({"product": ["Q"], "ddds_per_unit": [1]})),
        r"1 products have no daily dose \(P\)",
    ),
    (
        lambda: basket(SUMS.with_columns(unit=pl.lit("支")), PRODUCTS, BASE, CURRENT, "least_unit"),
        r"1 rows have a unit without conversion \(P: 支\)",
    ),
    (lambda: perimeter(PRODUCTS, pl.Series(["P"]), "substitutes"), "needs the classes of generic names"),
    (lambda: three_factors(SIDES.with_columns(at_base=pl.lit(1))), "nothing was bought in one of the periods"),
    (lambda: lmdi(SIDES), "nothing was bought in one of the periods"),
    (
        lambda: average_cuts(pl.DataFrame({"price_before": [0, 2], "price_after": [1, 1], "quantity": [1, 1]})),
        "1 of 2 rows have no prices",
    ),
    (lambda: price_room(1, 0, 2, 1, 1, None, 0), "pay ratios must lie between 0 and 1"),
    (lambda: adjusted(ITEMS, {"car": Decimal(1)}, "fen", "up"), "no item has the class car; did you mean care"),
    (lambda: adjusted(ITEMS, {"care": Decimal(-2)}, "fen", "up"), "the change of care, -2, is below -1"),
    (
        lambda: labour_share(ITEMS.with_columns(labour=pl.lit(value=True)), rule(LabourShare, least="0.6")),
        "does not state among",
    ),
    (
        lambda: relative_prices(ITEMS, pl.DataFrame({"higher": ["b"], "lower": ["a"], "least": [1], "most": [2]})),
        r"1 items of the relations are not in the list \(b\)",
    ),
    (lambda: gate("hunan", fund_months=True), "fund_months must be a figure"),
    (lambda: gate("guangdong", cpi=Decimal(1)), "cpi must be true or false"),
    (lambda: gate("guangdong"), "labour_cost_share is missing"),
    (lambda: gate("hebei"), "no price_gate of scope 'hebei'"),
    (lambda: landing("fixed"), "unknown payment fixed"),
    (lambda: landing("fixed_rate"), "1 rows have a cut of the budget without that payment"),
    (lambda: chain(ITEMS), "the chain needs the column institution"),
    (
        lambda: planned_and_actual(pl.DataFrame({"institution": ["a"]}), pl.DataFrame({"institution": ["b"]})),
        r"2 institutions are in only one of plan and actual \(a, b\)",
    ),
    (
        lambda: income_structure(
            pl.DataFrame({"drugs": [1], "materials": [1], "examinations": [1], "services": [1], "total": [5]})
        ),
        "in 1 rows the total is not the sum",
    ),
    (lambda: with_cut({"G": {2026: Sums(1, 5)}}, {"G": 9, "K": 1}, 2026), "there are no cases of group K"),
]


@pytest.mark.parametrize(("call", "says"), REFUSALS)
def test_refused(call: Callable[[], object], says: str) -> None:
    with pytest.raises(UserError, match=says) as caught:
        call()
    assert all(fault.zh for fault in caught.value.faults)


def test_perimeters_widen() -> None:
    products = pl.DataFrame({"product": ["W", "N", "S", "O"], "generic": ["G", "G", "K", "L"]})
    classes = pl.DataFrame({"generic": ["G", "K"], "class": ["C10AA", "C10AA"]})
    won = pl.Series(["W"])
    found = [perimeter(products, won, which, classes)["product"].to_list() for which in ("winning", "generic")]
    assert found == [["W"], ["W", "N"]]
    assert perimeter(products, won, "substitutes", classes)["product"].to_list() == ["W", "N", "S"]
