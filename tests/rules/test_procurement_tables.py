"""Tables of procurement: shapes, units, findings; monitoring, non-winning products and cash entries on small tables."""

from datetime import date
from decimal import Decimal

import polars as pl
import pytest

from rules.fault import UserError
from rules.payment.cash import reconcile
from rules.procurement.agreed_volume import doubtful_demand, supplier
from rules.procurement.checks import check
from rules.procurement.completion import completion, totals
from rules.procurement.monitoring import calendar, network_share, price_jumps
from rules.procurement.non_winning import amounts, may_be_listed, shares, with_tiers
from rules.procurement.packs import find_pack
from rules.procurement.parameters import DemandFloor, NonWinning, Prepayment, PriceTiers
from rules.procurement.retention import observed_shares
from rules.procurement.settlement_lines import (
    direct_settlement,
    due_day,
    offset,
    paid_in_time,
    prepayment,
    retention_entries,
    shortfall,
)
from rules.procurement.tables import AGREED, PRODUCTS, PURCHASES, WINNING, conform
from rules.procurement.units import agreed_amounts, in_agreement_units
from rules.procurement.winning import Bid, evaluate
from tests.rules.procurement_rows import rule

products = conform(
    pl.DataFrame(
        {
            "product": ["P1", "P2"],
            "generic": ["G1", "G1"],
            "min_unit": ["片", "片"],
            "pack_unit": ["盒", "盒"],
            "units_per_pack": ["24", "10"],
            "agreement_factor": ["1", "0.5"],
        }
    ),
    PRODUCTS,
)
WINS = {
    "batch": "5",
    "bid": "B1",
    "product": "P1",
    "region": "R",
    "role": "main",
    "price": "8.72",
    "price_unit": "盒",
    "valid_from": date(2026, 1, 1),
    "valid_to": date(2026, 12, 31),
}
BOUGHT = {"institution": "H1", "product": "P1", "month": 202601, "quantity": 1, "unit": "盒", "amount": 872}
AGREES = {"batch": "5", "institution": "H1", "bid": "B1", "year": 2026, "quantity": "240"}
SPAN = {"starts": date(2026, 1, 1), "ends": date(2026, 12, 31)}


def wins(*changes: dict[str, object]) -> pl.DataFrame:
    return conform(pl.DataFrame([WINS | change for change in changes]), WINNING)


def bought(*changes: dict[str, object]) -> pl.DataFrame:
    return conform(pl.DataFrame([BOUGHT | {"returned": False} | change for change in changes]), PURCHASES)


def agrees(*changes: dict[str, object]) -> pl.DataFrame:
    return conform(pl.DataFrame([AGREES | SPAN | change for change in changes]), AGREED)


def test_faults_of_a_table_at_once() -> None:
    frame = pl.DataFrame({"institution": ["H1", None], "produkt": ["P1", "P1"], "month": [202613, 202601]})
    frame = frame.with_columns(quantity=pl.Series([1.5, 2.0]), unit=pl.lit("盒"), amount=pl.lit("x"), returned=False)
    with pytest.raises(UserError) as caught:
        conform(frame, PURCHASES)
    text = caught.value.text("en")
    assert "purchases: no column product; did you mean produkt?" in text
    assert "institution: 1 cells (row 2) are empty" in text
    assert "month: 1 cells (row 1 (202613)) do not fit the kind month" in text
    assert "quantity holds binary floats" in text
    assert "amount: 2 cells (row 1 (x), 2 (x)) do not fit the kind fen" in text
    with pytest.raises(UserError, match="2 rows share batch, bid, product, region, valid_from"):
        wins({}, {})
    with pytest.raises(UserError, match="do not fit the kind text: main, backup, winner_elsewhere, non_winning"):
        wins({"role": "主供商"})
    with pytest.raises(UserError, match="price: 1 cells"):
        wins({"price": "0.1234567"})


def test_findings_with_counts() -> None:
    purchases = bought(
        {},
        {"product": "P9"},
        {"unit": "支"},
        {"quantity": -1, "amount": -872},
        {"institution": "H9"},
        {"returned": True},
    )
    winning = wins(
        {"valid_to": date(2026, 5, 14)},
        {"bid": "B2", "product": "P2", "valid_from": date(2026, 5, 15)},
        {"bid": "B3", "product": "P8", "region": "S"},
    )
    agreed = agrees({"ends": date(2026, 5, 14)}, {"institution": "H8"}, {"bid": "B7"}, {"batch": "6", "bid": "B1"})
    agreed_again = agrees({}, {"year": 2027, "starts": date(2026, 12, 1), "ends": date(2027, 12, 31)})
    found = check(purchases, products, winning, agreed, pl.Series(["H1"]))
    assert {(f.name, f.table): (f.rows, f.examples) for f in found} == {
        ("unmapped_product", "purchases"): (1, ("P9",)),
        ("unit_without_conversion", "purchases"): (1, ("P1 · 支",)),
        ("negative_without_return", "purchases"): (1, ("H1 · P1 · 202601",)),
        ("return_above_zero", "purchases"): (1, ("H1 · P1 · 202601",)),
        ("unknown_institution", "purchases"): (1, ("H9",)),
        ("unknown_institution", "agreed"): (1, ("H8",)),
        ("unmapped_product", "winning"): (1, ("P8",)),
        ("bid_not_winning", "agreed"): (2, ("5 · B7", "6 · B1")),
        ("winner_changed_inside_month", "winning"): (1, ("R · G1 · 202605",)),
    }
    twice = check(bought({}), products, wins({}), agreed_again, pl.Series(["H1"]))
    assert [(f.name, f.rows) for f in twice] == [("product_in_two_agreements", 1)]
    nothing = pl.DataFrame(schema={"batch": pl.String, "institution": pl.String, "bid": pl.String, "month": pl.Int32})
    with pytest.raises(UserError, match="1 agreements share months"):
        completion(agreed_again, nothing.with_columns(purchased=0, amount=0), date(2026, 12, 31))


def test_units_are_converted_or_refused() -> None:
    found = in_agreement_units(bought({"quantity": 10}, {"product": "P2", "quantity": 3, "unit": "片"}), products)
    assert found["min_quantity"].to_list() == [240, 3]
    assert found["agreement_quantity"].to_list() == [240, Decimal("1.5")]
    with pytest.raises(UserError) as caught:
        in_agreement_units(bought({"product": "P9"}, {"unit": "支"}, {"unit": "支"}), products)
    assert caught.value.text("en").splitlines() == [
        "1 rows name no known product (P9)",
        "2 rows have a unit without conversion (P1: 支)",
    ]
    amount = agreed_amounts(agrees({}, {"bid": "B7"}), wins({}), products)["agreed_amount"]
    assert amount.to_list() == [Decimal("87.20"), None]


def test_totals_of_completion() -> None:
    months = pl.DataFrame({"batch": "5", "institution": ["H1", "H2"], "bid": "B1", "month": [202601, 202602]})
    bought_units = months.with_columns(purchased=pl.Series([240, 60]), amount=pl.lit(100))
    agreed = agrees({}, {"institution": "H2"})
    found = totals(completion(agreed, bought_units, date(2026, 12, 31)), ["bid"]).row(0, named=True)
    assert (found["completion"], found["complete"], found["agreements_completed"]) == (
        Decimal("0.625"),
        Decimal("0.5"),
        1,
    )


def test_price_tiers_and_shares_of_non_winning_products() -> None:
    packs = find_pack("monitoring").rules
    (tiers,) = (one for one in packs if isinstance(one, PriceTiers))
    (gansu,) = (one for one in packs if isinstance(one, NonWinning))
    prices = pl.DataFrame({"price": ["1.00", "1.01", "2.00", "4.99", "5.00", "10.00", None], "winning_price": "1.00"})
    found = with_tiers(prices.with_columns(pl.all().cast(pl.Decimal(18, 6))), tiers)
    assert found["tier"].to_list() == ["ordinary", "yellow", "red_1", "red_1", "red_2", "red_3", None]
    lines = pl.DataFrame(
        {
            "institution": "H1",
            "generic": "G1",
            "role": ["main", "non_winning", "non_winning"],
            "agreement_quantity": [69, 1, 30],
            "price": [100, 90, 300],
            "winning_price": 100,
            "amount": [6900, 90, 9000],
            "passed": [True, False, True],
        }
    )
    row = shares(lines, gansu).row(0, named=True)
    assert (row["non_winning_share"], row["high_price_share"], row["above_limit"]) == (
        Decimal("0.31"),
        Decimal("0.3"),
        False,
    )
    assert amounts(lines, gansu, ["institution"]).row(0) == ("H1", 9090, 9000, 90)


def test_winners_that_do_not_supply_a_region() -> None:
    (nine,) = (one for one in find_pack("national-09").rules if isinstance(one, NonWinning))
    prices = pl.DataFrame({"price": [150, 151, 180, 181], "highest_winning_price": [90, 90, 180, 180]})
    prices = prices.with_columns(own_winning_price=pl.lit(100))
    assert prices.select(may_be_listed(nine)).to_series().to_list() == [True, False, True, False]


def test_network_share_jumps_and_calendar() -> None:
    purchases = bought({"amount": 600}, {"amount": 300}, {"amount": 100}).with_columns(
        on_platform=pl.Series([True, False, None])
    )
    assert network_share(purchases, ["institution"]).row(0) == ("H1", 600, 1000, 1, Decimal("0.6"), "amount")
    months = pl.DataFrame(
        {
            "institution": "H1",
            "product": "P1",
            "month": [202601, 202602, 202604],
            "min_quantity": 10,
            "amount": [100, 130, 120],
        }
    )
    (jump,) = price_jumps(months, Decimal("0.29"), Decimal("0.10")).rows(named=True)
    assert (jump["month"], jump["change"], jump["price"]) == (202602, Decimal("0.3"), Decimal("0.13"))
    ending = calendar(
        agrees({}, {"institution": "H2"}, {"bid": "B2", "ends": date(2027, 6, 30)}), date(2026, 12, 1), 60
    )
    assert ending.rows() == [("5", "B1", date(2026, 12, 31), 2, 30)]


def test_demand_and_its_supplier() -> None:
    floors = rule(DemandFloor, of_mean_use="0.80", explain_fall_over="0.20")
    demand = pl.DataFrame({"institution": ["a", "b"], "generic": "G", "reported": [79, 80]})
    doubts = doubtful_demand(demand.with_columns(mean_use=pl.lit(100), last_use=pl.Series([None, 101])), floors)
    assert [(d.institution, d.text.en) for d in doubts] == [
        ("a", "79 reported, below 80 % of the mean of past use (100)"),
        ("b", "80 reported, below 80 % of last year's use (a reason is needed) (101)"),
    ]
    winning = pl.DataFrame(
        {"region": ["R", "S"], "generic": "G1", "product": ["P1", "P2"], "bid": ["B1", "B2"], "role": "main"}
    )
    reported = pl.DataFrame({"region": "R", "generic": "G1", "brand": ["P2", "P9", None]})
    assert supplier(reported, winning)["bid"].to_list() == ["B2", "B1", "B1"]


def test_shares_of_the_insured_observed_in_settlement_lines() -> None:
    lines = pl.DataFrame(
        {
            "institution": "H1",
            "drug": "G1",
            "year": 2026,
            "insurance_type": ["310", "390", "310"],
            "agreement_quantity": [60, 20, 20],
            "person_times": [4, 4, 2],
            "charge": [1000, 400, 300],
            "fund": [800, 240, 150],
            "local": [True, True, False],
        }
    )
    assert observed_shares(lines).select("pay_ratio", "insured_quantity", "insured_person_times").rows() == [
        (Decimal("0.8"), Decimal("0.6"), Decimal("0.4")),
        (Decimal("0.6"), Decimal("0.2"), Decimal("0.4")),
    ]


def test_nothing_is_paid_twice() -> None:
    """1,000 agreed: 300 prepaid, taken off 200 + 100; the fund pays 500 to suppliers of 450 due; 50 are collected."""
    half = rule(Prepayment, share="0.30", settle_by="end_of_next_month")
    advance = prepayment(pl.DataFrame({"institution": ["H1"], "amount": [100_000]}), half, 202601)
    assert advance.row(0) == ("H1", 202601, "advance", 30_000)
    payable = pl.DataFrame({"hospital": ["H1"] * 3, "month": [202603, 202602, 202604], "amount": [40_000, 20_000, 1]})
    back = offset(advance, payable)
    assert back["amount"].to_list() == [20_000, 10_000]
    invoices = pl.DataFrame({"institution": ["H1"] * 2, "month": [202602] * 2, "amount": [30_000, 20_000]})
    direct = direct_settlement(invoices.with_columns(confirmed=pl.lit(value=True)))
    due = pl.DataFrame({"hospital": ["H1"], "month": [202602], "amount": [45_000]})
    assert shortfall(direct, due).row(0) == ("H1", 202602, 45_000, 5_000)
    kept = retention_entries(pl.DataFrame({"institution": ["H1", "H2"], "retained": [7, 0]}), 202701)
    types = {"month": pl.Int64}
    account = reconcile(due, pl.concat([e.cast(types) for e in (advance, back, direct, kept)]))  # type: ignore[arg-type]
    assert account["open"][-1] == 45_000 - 30_000 + 30_000 - 50_000 - 7
    with pytest.raises(UserError, match="1 invoices are not confirmed"):
        direct_settlement(invoices.with_columns(confirmed=pl.Series([True, None])))
    assert due_day(half, date(2026, 11, 15)) == date(2026, 12, 31)
    assert due_day(half, date(2026, 12, 15)) == date(2027, 1, 31)
    paid = pl.DataFrame({"institution": "H1", "accepted": date(2026, 11, 15), "amount": [1, 2, 4]}).with_columns(
        paid=pl.Series([date(2026, 12, 31), date(2027, 1, 1), None])
    )
    assert paid_in_time(paid, half).row(0) == ("H1", 7, 1)


def test_revivals_of_batch_11() -> None:
    """Shortlisted 6 and 10 win, fuse 10.8: 12 comes down to 10 or stays out; an unlisted brand needs demand."""
    (eleven,) = (one for one in find_pack("national-11").rules if one.rule == "winning_anchor")
    bids = [
        Bid("low", Decimal(6)),
        Bid("mid", Decimal(10)),
        Bid("high", Decimal(12), accepts=Decimal(10)),
        Bid("stubborn", Decimal(12)),
        Bid("wanted", Decimal(13), shortlisted=False, accepts=Decimal(9), volume=100),
        Bid("unwanted", Decimal(13), shortlisted=False, accepts=Decimal(9)),
        Bid("dearest", Decimal(20), shortlisted=False, accepts=Decimal(9), volume=100),
    ]
    verdicts = evaluate(eleven, bids).verdicts
    assert [(v.outcome, v.price and int(v.price), v.chooses) for v in verdicts] == [
        ("wins", 6, True),
        ("wins", 10, True),
        ("revived", 10, True),
        ("fused", None, True),
        ("revived", 10, False),
        ("loses", None, True),
        ("loses", None, True),
    ]
    assert verdicts[3].reason.zh == "12 元高于 10 元，不接受复活价"
    with pytest.raises(UserError, match="bids appear twice: low"):
        evaluate(eleven, [bids[0], bids[0]])
