"""The savings run: purchases gone through once, every measure by perimeter, the potential by generic name."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import polars as pl

from engine.outputs.printed import printed, printed_yuan
from engine.procurement.tables import Names, in_yuan, of_file, read, refusals, refuse, scan_purchases, write
from engine.tables import Column, read_table
from grouper.fault import Text, UserError
from rules.procurement.basket import Perimeter, Unit, basket, by_generic, perimeter, priced
from rules.procurement.decomposition import lmdi, three_factors
from rules.procurement.potential_savings import price_per_unit
from rules.procurement.purchase_totals import BY_INSTITUTION, Months, totals
from rules.procurement.savings import Measure, agreed_at_prices, indices, laspeyres, official, paasche
from rules.procurement.tables import AGREED, PRODUCTS, WINNING
from rules.procurement.units import in_agreement_units


@dataclass(frozen=True)
class SavingsRequest:
    """What a run is asked to do. Tables that are not given leave out what needs them."""

    purchases: Path
    products: Path
    winning: Path
    out: Path
    base: Months
    current: Months
    unit: Unit = "least_unit"
    agreed: Path | None = None
    classes: Path | None = None
    ddd: Path | None = None
    names: Names = field(default_factory=dict)


def run_savings(request: SavingsRequest) -> dict[str, Any]:
    """Reckon savings and write measures, factors, products and potential as a folder. Returns the summary."""
    products, winning = read(request.products, PRODUCTS, request.names), read(request.winning, WINNING, request.names)
    sums, bought, count = _gone_through(request)
    ddd = None if request.ddd is None else _doses(request.ddd)
    classes = None if request.classes is None else read_table(request.classes, [Column("generic"), Column("class")])
    perimeters: list[Perimeter] = ["winning", "generic", *(["substitutes"] if classes is not None else [])]  # type: ignore[list-item]
    measures: list[Measure] = []
    if request.agreed is not None:
        measures += _official(read(request.agreed, AGREED, request.names), winning, products)
    widest = perimeter(products, winning["product"], perimeters[-1], classes)
    with of_file(request.purchases):
        rows = priced(basket(sums, widest, request.base, request.current, request.unit, ddd))
    factors = []
    for which in perimeters:
        inside = rows.join(perimeter(products, winning["product"], which, classes), on="product", how="semi")
        measures += [paasche(inside, request.unit, which), laspeyres(inside, request.unit, which)]
        factors.append({"perimeter": which, **_factors(inside, request.unit)})
    potential = _potential(bought, products, winning)
    known = products.select("product")
    shown = [_printed(one) for one in measures]
    summary = {
        "purchases": count,
        "unmapped_rows": int(sums.join(known, on="product", how="anti")["rows"].sum()),
        "measures": shown,
        "factors": factors,
        "potential": printed_yuan(int(potential["potential"].sum())),
        "potential_without_price": int(potential["without_price"].sum()),
    }
    money = ["base_amount", "amount", "at_base", "at_current"]
    tables = {
        "measures": pl.DataFrame(shown),
        "factors": pl.DataFrame(factors, infer_schema_length=None),
        "products": in_yuan(rows, money),
        "potential": in_yuan(potential, ["amount", "potential"]),
    }
    optional = [path for path in (request.agreed, request.classes, request.ddd) if path is not None]
    return write(request.out, tables, summary, [request.purchases, request.products, request.winning, *optional])


def _gone_through(request: SavingsRequest) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    """Return the sums by product and month, those by institution after, and how many rows there are; one pass."""
    lines = scan_purchases(request.purchases, request.names)
    within = (request.base, request.current)
    wanted = [totals(lines, within=within), totals(lines, BY_INSTITUTION, (request.current,)), refusals(lines)]
    sums, bought, counts = pl.collect_all(wanted, engine="streaming")
    rows = refuse(request.purchases, counts.row(0, named=True))
    text = pl.col("product", "unit").cast(pl.String)
    return sums.with_columns(text), bought.with_columns(text), rows


def _doses(path: Path) -> pl.DataFrame:
    """Read daily doses in a least unit by product."""
    table = read_table(path, [Column("product"), Column("ddds_per_unit", "number")])
    return table.with_columns(pl.col("ddds_per_unit").cast(pl.Decimal(18, 6)))


def _official(agreed: pl.DataFrame, winning: pl.DataFrame, products: pl.DataFrame) -> list[Measure]:
    """Return the official saving by each price before that the winning list has."""
    found = []
    for column, base in (("base_price", "winning_list_base"), ("ceiling_price", "ceiling")):
        if column in winning.columns:
            prices = _one_price(winning.select("batch", "bid", "product", "price", "price_unit", column), column)
            base_name: Literal["winning_list_base", "ceiling"] = base  # type: ignore[assignment]
            rows = agreed_at_prices(agreed, prices, products, column)  # type: ignore[arg-type]
            found.append(official(rows, base_name))
    return found


def _one_price(winning: pl.DataFrame, column: str) -> pl.DataFrame:
    """Return one row a bid. UserError for bids with several prices, which the agreement cannot be told apart by."""
    bids = ["batch", "bid"]
    several = winning.group_by(bids).agg(pl.col("price", "price_unit", column).n_unique())
    several = several.filter(pl.any_horizontal(pl.col("price", "price_unit", column) > 1))
    if several.height:
        names = ", ".join(several.sort(bids)["bid"].head(3).to_list())
        zh = f"{several.height} 个标的有多个价格（{names}），不能按约定量计算"
        raise UserError(Text(zh, f"{several.height} bids have several prices ({names}): agreed × price is not defined"))
    return winning.sort(*bids, "product").unique(bids, keep="first", maintain_order=True)


def _factors(rows: pl.DataFrame, unit: Unit) -> dict[str, str]:
    """Return indices; and the factors where quantities may be added up."""
    found = indices(rows)
    names = ("laspeyres", "paasche", "fisher", "value")
    shown = {name: printed(None if found is None else getattr(found, name), 6) for name in names}
    if found is None or (unit != "ddd" and rows["generic"].n_unique() > 1):
        return shown
    factors, effects = three_factors(rows), lmdi(by_generic(rows))
    shown |= {name: printed(getattr(factors, name), 6) for name in ("volume", "structure", "price")}
    return shown | {f"{name}_effect": printed_yuan(effect) for name, effect in effects._asdict().items()}


def _potential(bought: pl.DataFrame, products: pl.DataFrame, winning: pl.DataFrame) -> pl.DataFrame:
    """Return the potential by generic name that has a winner, of its rows by institution and product."""
    inside = perimeter(products, winning["product"], "generic")
    lines = bought.join(inside.select("product"), on="product", how="semi")
    lines = in_agreement_units(lines, inside).select(
        "generic", pl.col("agreement_quantity").alias("quantity"), "amount"
    )
    rows = price_per_unit(lines)
    return (
        rows.group_by("generic")
        .agg(
            pl.len().cast(pl.Int64).alias("rows"),
            pl.col("amount").sum(),
            pl.col("potential").sum(),
            pl.col("potential").null_count().cast(pl.Int64).alias("without_price"),
        )
        .sort("generic")
    )


def _printed(one: Measure) -> dict[str, Any]:
    """Return a measure as text, amounts in yuan; nothing where it is not known."""
    amounts = {name: printed_yuan(getattr(one, name)) for name in ("saving", "before", "after", "covered", "spending")}
    return one.basis._asdict() | amounts | {"coverage": printed(one.coverage, 6), "missing": one.missing}
