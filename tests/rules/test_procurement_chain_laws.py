"""Laws of savings and of the chain: identities, bounds, and what order, splitting and packs never change."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from rules.payment.calibration import Sums
from rules.policy.calibration import Calibration
from rules.procurement.basket import basket, by_generic, priced
from rules.procurement.chain import chain, planned_and_actual, verdict
from rules.procurement.decomposition import lmdi, three_factors
from rules.procurement.income_structure import LINES, at_base_structure, income_structure
from rules.procurement.parameters import LabourShare
from rules.procurement.potential_savings import price_per_unit
from rules.procurement.price_room import adjusted, by_class, labour_share, price_room, relative_prices
from rules.procurement.purchase_totals import Months, totals
from rules.procurement.savings import fund_saving, indices, laspeyres, paasche
from rules.procurement.weight_lag import weight_lag
from rules.procurement.where_it_lands import PAYMENTS, where_it_lands
from tests.rules.procurement_rows import rule

BASE, CURRENT = Months(202501, 202512), Months(202601, 202612)
PACKS = {"A1": 10, "A2": 24, "B1": 7}
PRODUCTS = pl.DataFrame({"product": list(PACKS), "generic": ["A", "A", "B"]}).with_columns(
    min_unit=pl.lit("片"), pack_unit=pl.lit("盒"), units_per_pack=pl.Series(PACKS.values()), agreement_factor=pl.lit(1)
)
Row = tuple[str, int, int, int]
ROWS = st.lists(
    st.tuples(
        st.sampled_from(list(PACKS)),
        st.sampled_from([202501, 202507, 202601, 202612]),
        st.integers(2, 10**6),
        st.integers(2, 10**9),
    ),
    min_size=1,
    max_size=8,
)
RATIO = st.decimals(0, 1, places=6)
FEN = st.integers(-(10**11), 10**11)


def purchases(rows: list[Row], unit: str = "盒") -> pl.LazyFrame:
    """Return purchases of packs, or of the tablets in them."""
    plain = [(p, m, q * (1 if unit == "盒" else PACKS[p]), v) for p, m, q, v in rows]
    frame = pl.DataFrame(plain, schema=["product", "month", "quantity", "amount"], orient="row")
    return frame.with_columns(institution=pl.lit("H"), unit=pl.lit(unit), returned=pl.lit(value=False)).lazy()


def bought(lines: pl.LazyFrame) -> pl.DataFrame:
    return priced(basket(totals(lines).collect(engine="streaming"), PRODUCTS, BASE, CURRENT, "least_unit"))


@settings(max_examples=30, deadline=None)
@given(ROWS, st.randoms(use_true_random=False))
def test_splitting_order_and_packs_change_nothing(rows: list[Row], random: Any) -> None:
    whole = bought(purchases(rows))
    split = [(p, m, q - 1, v - 1) for p, m, q, v in rows] + [(p, m, 1, 1) for p, m, _, _ in rows]
    random.shuffle(split)
    assert_frame_equal(bought(purchases(split)), whole)
    assert_frame_equal(bought(purchases(rows, "片")), whole)


@settings(max_examples=40, deadline=None)
@given(ROWS)
def test_factors_multiply_effects_add_and_fisher_lies_between(rows: list[Row]) -> None:
    both = [*rows, ("A1", 202501, 30, 3000), ("A1", 202601, 60, 1800)]
    found = bought(purchases(both))
    factors = three_factors(found)
    assert factors.product == Fraction(factors.after, factors.before)
    assert sum(factors.sequential) == factors.after - factors.before
    assert sum(lmdi(by_generic(found))) == int(found["amount"].sum()) - int(found["base_amount"].sum())
    assert factors.after + factors.left_out == found["amount"].sum()
    numbers = indices(found)
    assert numbers is not None
    product = numbers.laspeyres * numbers.paasche
    assert abs(Fraction(numbers.fisher) ** 2 / product - 1) < Fraction(1, 10**25)
    assert numbers.value == numbers.paasche * numbers.quantity_laspeyres


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(1, 10**4)), min_size=1, max_size=5))
def test_unchanged_prices_save_nothing(rows: list[tuple[int, int, int]]) -> None:
    """And give no price effect, whatever quantities do."""
    names = [f"P{n}" for n in range(len(rows))]
    frame = pl.DataFrame(rows, schema=["base_quantity", "quantity", "unit_price"], orient="row").with_columns(
        product=pl.Series(names), generic=pl.Series(names)
    )
    price = pl.col("unit_price")
    sides = (price * pl.col("base_quantity")).alias("base_amount"), (price * pl.col("quantity")).alias("amount")
    found = priced(frame.with_columns(*sides))
    assert (paasche(found, "ddd", "generic").saving, laspeyres(found, "ddd", "generic").saving) == (0, 0)
    assert three_factors(found).price == 1
    assert abs(lmdi(found).price) < Fraction(1, 10**20)


def test_entering_and_leaving_products_and_names() -> None:
    """A2 enters at the price of its name; B leaves; C enters without any price before: null, counted, not zero."""
    rows = pl.DataFrame(
        {
            "product": ["A1", "A2", "B1", "C1"],
            "generic": ["A", "A", "B", "C"],
            "base_quantity": [100, 0, 10, 0],
            "base_amount": [1000, 0, 500, 0],
            "quantity": [50, 70, 0, 5],
            "amount": [400, 280, 0, 90],
        }
    )
    found = priced(rows)
    assert found["at_base"].to_list() == [500, 700, 0, None]
    assert found["price_from"].to_list() == ["own", "generic", "own", None]
    assert found["at_current"].to_list() == [800, 0, None, 0]
    saved = paasche(found, "ddd", "generic")
    assert (saved.saving, saved.missing, saved.coverage) == (520, 1, Fraction(680, 770))
    before = laspeyres(found, "ddd", "generic")
    assert (before.saving, before.missing, before.coverage) == (200, 1, Fraction(1000, 1500))
    effects = lmdi(by_generic(rows))
    assert sum(effects) == 770 - 1500
    alone = lmdi(by_generic(rows.filter(pl.col("generic") != "A").vstack(rows.filter(pl.col("generic") == "A"))))
    assert alone == effects
    given_price = priced(rows, pl.DataFrame({"product": ["A1"], "price": [Decimal("0.12")]}))
    assert given_price["at_base"].to_list() == [600, None, 0, None]
    dearer = priced(rows.filter(pl.col("product") == "A1").with_columns(amount=pl.lit(900)))
    assert paasche(dearer, "ddd", "generic").saving == -400


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**9)), min_size=1, max_size=8))
def test_potential_savings_are_never_negative(rows: list[tuple[int, int]]) -> None:
    frame = pl.DataFrame(rows, schema=["quantity", "amount"], orient="row").with_columns(generic=pl.lit("G"))
    found = price_per_unit(frame)
    priced_rows = [(Fraction(v, q), v) for q, v in rows if q and v]
    assert found["potential"].null_count() == len(rows) - len(priced_rows)
    assert found["potential"].drop_nulls().ge(0).all()
    assert (found["potential"].drop_nulls() <= found.filter(pl.col("potential").is_not_null())["amount"]).all()
    ordered = sorted(price for price, _ in priced_rows)
    if ordered:
        step = Fraction(len(ordered) - 1, 10)
        low, high = ordered[int(step)], ordered[min(int(step) + 1, len(ordered) - 1)]
        target = low + (high - low) * (step - int(step))
        assert abs(Fraction(found["target"][0]) - target) <= Fraction(1, 10**6)


@settings(max_examples=30, deadline=None)
@given(FEN, RATIO, RATIO, st.integers(0, 10**10), st.integers(0, 10**10))
def test_parts_of_a_saving_add_up(saving: int, pay: Decimal, insured: Decimal, kept: int, locked: int) -> None:
    found = fund_saving(saving, pay, insured, kept, locked)
    assert sum(found[1:]) == saving


CHAIN = st.fixed_dictionaries(
    dict.fromkeys(("saving", "adjustment", "retained", "fiscal", "lost_markup", "locked_in"), FEN)
    | dict.fromkeys(("drug_ratio", "service_ratio"), RATIO)
)


def chained(rows: list[dict[str, Any]]) -> pl.DataFrame:
    ratios = {name: pl.Decimal(18, 6) for name in ("drug_ratio", "service_ratio")}
    named = [row | {"institution": f"H{n}"} for n, row in enumerate(rows)]
    return chain(pl.DataFrame(named, schema_overrides=ratios))


@settings(max_examples=40, deadline=None)
@given(st.lists(CHAIN, min_size=1, max_size=4))
def test_the_identity_of_the_chain(rows: list[dict[str, Any]]) -> None:
    """ΔF + ΔP = A + R − S to the fen; at break-even a hospital loses nothing; plan − plan is nothing."""
    found = chained(rows)
    for row in found.iter_rows(named=True):
        assert row["fund"] + row["patients"] == row["adjustment"] + row["retained"] - row["saving"]
        exact = Fraction(row["service_ratio"]) * row["adjustment"] - Fraction(row["drug_ratio"]) * row["saving"]
        assert abs(row["fund"] - exact - row["retained"]) <= 1
    even = chained([row | {"adjustment": amount} for row, amount in zip(rows, found["break_even"], strict=True)])
    assert even["hospital"].ge(0).all()
    assert even.filter(pl.col("break_even") > 0)["hospital"].eq(0).all()
    assert verdict(even).losing == ()
    assert planned_and_actual(found, found)["difference"].eq(0).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**11), st.integers(0, 10**10), RATIO, RATIO, RATIO, st.integers(0, 10**11))
def test_the_room_keeps_its_limits(
    saving: int, kept: int, drugs: Decimal, services: Decimal, share: Decimal, cap: int
) -> None:
    """Within the room ΔF and ΔP hold; one fen more breaks a limit that binds."""
    found = price_room(saving, kept, drugs, services, share, cap, 0)
    r_d, r_s = Fraction(drugs), Fraction(services)

    def within(a: int) -> bool:
        fund, patients = r_s * a - r_d * saving + kept, (1 - r_s) * a - (1 - r_d) * saving
        return a <= cap and a <= Fraction(share) * saving and fund <= 0 and patients <= 0

    assert found.most == 0 or within(found.most)
    assert not within(found.most + 1)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(list(PAYMENTS)), FEN, st.integers(0, 10**9), RATIO), min_size=1, max_size=5),
    st.sampled_from(["group_price", "charges"]),
    st.sampled_from(["fixed", "rest"]),
)
def test_accounts_add_up_to_the_saving(rows: list[Any], copay: Any, fund_part: Any) -> None:
    schema: dict[str, Any] = {
        "payment": pl.String,
        "saving": pl.Int64,
        "retained": pl.Int64,
        "pay_ratio": pl.Decimal(18, 6),
    }
    frame = pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        budget_cut=pl.when(pl.col("payment") == "budget_cut").then(5).otherwise(0)
    )
    found = where_it_lands(frame, copay, fund_part)
    assert (found["fund"] + found["patients"] + found["hospitals"]).to_list() == found["saving"].to_list()
    fixed = found.filter(pl.col("payment").is_in(["fixed_rate", "closed_points"]))
    if copay == "group_price":
        assert (fixed["hospitals"] - fixed["retained"]).to_list() == fixed["saving"].to_list()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 10**10), min_size=4, max_size=4).filter(any), RATIO)
def test_shares_of_income_and_shifts(amounts: list[int], goods: Decimal) -> None:
    row = income_structure(pl.DataFrame({line: [n] for line, n in zip(LINES, amounts, strict=True)})).row(0, named=True)
    parts = ("drug_share", "material_share", "examination_share", "service_share_narrow")
    assert abs(sum(row[name] for name in parts) - 1) <= Decimal("0.000002")
    shares = {"base_goods": goods, "base_examinations": 1 - goods, "base_services": Decimal(0)}
    three = {"goods": amounts[0] + amounts[1], "examinations": amounts[2], "services": amounts[3]}
    found = at_base_structure(pl.DataFrame([three | shares], schema_overrides=dict.fromkeys(shares, pl.Decimal(18, 6))))
    assert sum(found[f"{part}_shift"][0] for part in three) == 0


def test_prices_by_class() -> None:
    """MRI −14.80 %, nursing +39.63 % (Hunan's hearing); labour is one of two items and 1,981.5 of 16,781.5 yuan."""
    items = pl.DataFrame(
        {
            "item": ["mri", "nursing", "bed"],
            "class": ["mri", "nursing", "other"],
            "labour": [False, True, False],
            "price": [50_000, 1_000, 3_000],
            "volume": [200, 500, 900],
        }
    )
    changed = adjusted(items, {"mri": Decimal("-0.1480"), "nursing": Decimal("0.3963")}, "jiao", "half_away_from_zero")
    assert changed["new_price"].to_list() == [42_600, 1_400, 3_000]
    table = by_class(changed)
    assert table.select("class", "raised", "lowered", "change").rows() == [
        ("mri", 0, 1, -1_480_000),
        ("nursing", 1, 0, 200_000),
        ("other", 0, 0, 0),
    ]
    found = labour_share(changed, rule(LabourShare, least="0.60", among="adjusted"))
    assert found is not None
    assert (found.by_number, found.by_amount, found.enough) == (Fraction(1, 2), Fraction(20, 168), False)
    raised = labour_share(changed, rule(LabourShare, least="0.60", among="raised"))
    assert raised is not None
    assert raised.enough
    relations = pl.DataFrame(
        {"higher": ["nursing", "mri"], "lower": ["bed", "nursing"], "least": [Decimal(1), None], "most": [None, None]},
        schema_overrides={"most": pl.Decimal(18, 6)},
    )
    checked = relative_prices(changed, relations)
    assert checked["broken"].to_list() == [True, False]
    assert checked["after"].to_list() == [Decimal("0.466667"), Decimal("30.428571")]


def test_a_cut_leaves_a_margin_until_weights_follow() -> None:
    """D5's case beside one of 10,000 that stays: the gain of year one is the cut, then it fades."""
    years = range(2024, 2032)
    history = {
        "G": {year: Sums(10, 10 * 3_000_000) for year in years},
        "O": {year: Sums(10, 10 * 1_000_000) for year in years},
    }
    calibration = Calibration.model_validate(
        {
            "year_weights": {"2021": 1, "2022": 1, "2023": 1},
            "estimator": "mean_of_yearly_means",
            "trimming": {"method": "none"},
            "divisor": "mean_of_all",
            "minimum_cases": 1,
            "unstable": "withhold",
        }
    )
    found = weight_lag(history, calibration, {"G": 1_230_000}, 2027, [2026 + 1, 2028, 2029, 2030], {"G": 1}, 2_000_000)
    assert [year.with_cut["G"] for year in found] == [
        Fraction(3, 2),
        Fraction(2 * 2_590, 2_590 + 1_000),
        Fraction(2 * 2_180, 2_180 + 1_000),
        Fraction(2 * 1_770, 2_770),
    ]
    assert all(year.without_cut["G"] == Fraction(3, 2) for year in found)
    assert [year.saved for year in found] == [1_230_000] * 4
    assert found[0].paid == 0
    assert [year.margin for year in found] == sorted((year.margin for year in found), reverse=True)
    assert found[3].paid == round(2_000_000 * (Fraction(3_540, 2_770) - Fraction(3, 2)))
