"""Case payment on frames: from grouped claims to points, class and payment standard, millions at a time.

The order of a case (医保发〔2025〕18号): special-case decision, special kind, group, class, weight or
score, coefficient, points, standard. Exact throughout: the figures of each combination of group, hospital and kind are
reckoned once as fractions (`tariff`), and each case is one line over its charge in whole numbers (`exact_kernel`),
rounded once. Equal to `reference.price` for every case, whatever the order or cut of the frame.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from rules.fault import Text, UserError
from rules.money import FEN_OF_STEP
from rules.payment.columns import CANCELLED, names_by, need, refuse_empty
from rules.payment.combinations import Combined, Sought, combine
from rules.payment.exact_kernel import classify
from rules.payment.exact_lines import proportional, ratios_of
from rules.payment.exact_lines import rounded as rounded_lines
from rules.payment.exclusion import Extra, exclusion
from rules.payment.explanation import figure
from rules.payment.figures import rounded, start_value
from rules.payment.item_costs import item_costs, item_scale
from rules.payment.place import month_text, months, pools, stretches
from rules.payment.special_case import decided
from rules.payment.special_kinds import STAYS, TCM, amount_outside, days_between_stays, kind_of, stay_gaps
from rules.payment.tariff import NOTHING, Tariff, arrays
from rules.policy.cases import Money
from rules.policy.kinds import Excluded, OwnFunding
from rules.policy.model import Rules
from rules.policy.resolve import Policy, Resolved
from rules.policy.tables import Tables, load_tables

CLASS_NAMES = ["normal", "low", "high", "extreme", "ungrouped", "special"]
FUNDINGS = ["points", "outside", "elsewhere"]
UNGROUPED, SPECIAL = 4, 5
SHOWN_DECIMALS = 4
ITEM_COLUMNS = (
    "taken_out", "separate", "separate_taken", "new_drug", "new_consumable", "new_procedure", *TCM, "item_points",
)  # fmt: skip

Ints = NDArray[np.int64]
Indices = NDArray[np.int32]


@dataclass(frozen=True)
class Given:
    """What pricing is given beside the cases.

    values: point value (fen per point, exact) by pool and month ("2026-10") where it is not the start value; final
    ones classify too where the policy says so. fee_lines and decisions: see `item_costs` and `special_case`.
    at_clearing: apply the kinds that hold at clearing only.
    """

    values: Mapping[tuple[str, str], Fraction] = field(default_factory=dict)
    fee_lines: pl.DataFrame | None = None
    decisions: pl.DataFrame | None = None
    at_clearing: bool = False


def price_cases(cases: pl.DataFrame, policy: Policy, given: Given | None = None) -> pl.DataFrame:
    """Pay grouped claims under a policy.

    `cases`: case_id, group (null: none), total_charge (fen), insurance_type, the dates that `date_basis` names, and
    the columns that the policy's rules look at. Returns the same rows in the same order with: pool, month, kind, class,
    funding (points | outside | elsewhere), coefficient, weight (of the group, six decimals), points (those that share
    the value), points_fixed and points_per_fen (the exact points of an unrounded case are sign × fixed + per_fen ×
    counted_charge), sign, counted_charge, taken_out, standard, extra, separate, formula_result, adjustment,
    official_result; money in fen. A refund row reverses its original's figures. UserError for every figure, table or
    column that is missing, with the number of cases.
    """
    given = given or Given()
    need(cases, ["case_id", "group", "total_charge"], "计付", "payment")
    refuse_empty(cases, "total_charge", "无法计付", "they cannot be paid")
    refund = refund_rows(cases)
    ordinary = cases if refund is None else without_refunds(cases, refund)
    priced = price_ordinary(with_stays(ordinary, policy), policy, given).drop(*STAYS, CANCELLED, strict=False)
    return priced if refund is None else with_refunds(cases, refund, priced)


def with_stays(cases: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    """Add the days to the next and since the last stay where a special kind asks for them and they are not known."""
    asked = days_between_stays(policy) is not None and not set(STAYS) <= set(cases.columns)
    return cases.with_columns(*stay_gaps(cases).get_columns()) if asked else cases


def price_ordinary(cases: pl.DataFrame, policy: Policy, given: Given) -> pl.DataFrame:
    """Pay cases that are no refunds, each stretch of days by its own rules, in the order they came."""
    stretch = stretches(cases, policy)
    parts, order = [], []
    for n in stretch.unique().sort().to_list() or [0]:
        resolved, here = policy.on(policy.starts[n]), stretch == n
        part = cases if here.all() else cases.filter(here)
        parts.append(price_stretch(part, resolved, load_tables(policy, resolved), given))
        order.append(here.arg_true())
    return parts[0] if len(parts) == 1 else pl.concat(parts)[pl.concat(order).arg_sort()]


def refund_rows(cases: pl.DataFrame) -> pl.Series | None:
    """Return which rows are refunds (the flag and an original), None where there is none."""
    if not {"refund", "original_case_id"} <= set(cases.columns):
        return None
    rows = cases.select(
        (pl.col("refund") & pl.col("original_case_id").is_not_null()).fill_null(value=False)
    ).to_series()
    return rows if rows.any() else None


def without_refunds(cases: pl.DataFrame, refund: pl.Series) -> pl.DataFrame:
    """Return the rows that are no refunds, those marked that a refund takes back: they count in no rank or sequence."""
    taken_back = cases.filter(refund)["original_case_id"].implode()
    return cases.filter(~refund).with_columns(pl.col("case_id").is_in(taken_back).alias(CANCELLED))


REVERSED = [
    "sign", "points", "counted_charge", "taken_out", "standard", "extra", "separate",
    "formula_result", "adjustment", "official_result",
]  # fmt: skip


def with_refunds(cases: pl.DataFrame, refund: pl.Series, priced: pl.DataFrame) -> pl.DataFrame:
    """Put the refund rows back, each the opposite of its original's figures."""
    computed = [name for name in priced.columns if name not in cases.columns]
    originals = priced.select(pl.col("case_id").alias("original_case_id"), *computed)
    back = cases.filter(refund).join(originals, on="original_case_id", how="left", maintain_order="left")
    lost = back.filter(pl.col("standard").is_null())["case_id"].to_list()
    if lost:
        some = "、".join(map(str, lost[:5]))
        raise UserError(
            Text(f"{len(lost)} 条退费没有原结算：{some}", f"{len(lost)} refunds have no original settlement: {some}")
        )
    back = back.with_columns(-pl.col(REVERSED))
    order = pl.concat([(~refund).arg_true(), refund.arg_true()])
    return pl.concat([priced, back.select(priced.columns)])[order.arg_sort()]


def price_stretch(cases: pl.DataFrame, resolved: Resolved, tables: Tables, given: Given) -> pl.DataFrame:
    """Pay cases under the rules of one stretch of days."""
    rules = resolved.rules
    month = months(cases, rules.date_basis.month)
    pool = pools(cases, rules)
    items = items_of(cases, rules, given)
    work = with_basis(cases, rules, pool, items)
    kind = kind_of(work, rules, at_clearing=given.at_clearing)
    amount = amount_outside(work, rules, kind)
    approved = decided(work, given.decisions, rules)
    if approved is not None:
        amount = approved.fill_null(amount)
        kind = kind.set(approved.is_not_null(), -1)
    values, pair = value_pairs(pool, month, rules, given)
    sought = Sought(work, rules, tables, kind, month, values, pair, items)
    return _Stretch(sought, combine(sought, amount.is_null()), pool, amount).priced(cases)


def items_of(cases: pl.DataFrame, rules: Rules, given: Given) -> pl.DataFrame | None:
    """Return each case's item costs, 0 where it has no fee lines; None where no rule asks for them."""
    costs = item_costs(given.fee_lines, rules)
    if costs is None:
        return None
    return (
        cases.select("case_id")
        .join(costs, on="case_id", how="left", maintain_order="left")
        .select(pl.col(ITEM_COLUMNS).fill_null(0))
    )


def with_basis(cases: pl.DataFrame, rules: Rules, pool: pl.Series, items: pl.DataFrame | None) -> pl.DataFrame:
    """Add charge (without separately paid items), basis ("actual cost" in the pool's unit), and what kinds look at.

    Booked fund money holds separately paid items too: what is paid for them separately comes off.
    """
    taken = pl.lit(0, pl.Int64) if items is None else items["taken_out"]
    separate = pl.lit(0, pl.Int64)
    if items is not None:
        amounts = in_steps(items["separate_taken"].to_numpy(), rules.money, item_scale(rules))
        separate = pl.lit(pl.Series(amounts))
    work = cases.with_columns((pl.col("total_charge") - taken).alias("charge"))
    basis: pl.Expr = pl.col("charge")
    for n, p in enumerate(rules.pools):
        if p.point_value.start.unit == "fund_yuan":
            need(cases, p.funds, f"基金池 {p.id} ", f"pool {p.id}")
            booked = pl.sum_horizontal(pl.col(column).fill_null(0) for column in p.funds)
            basis = pl.when(pool == n).then(booked - separate).otherwise(basis)
    work = work.with_columns(basis.alias("basis"))
    return work if items is None else work.with_columns(items.select(TCM).get_columns())


def in_steps(amount: Ints, money: Money, scale: int = 1) -> Ints:
    """Round amounts (fen × `scale`) to the declared step (fen)."""
    size = FEN_OF_STEP[money.step]
    if scale * size == 1:
        return amount
    step = ratios_of([Fraction(1, scale * size)])
    return rounded_lines(amount, proportional(Fraction(1)), step, money.mode) * size


def value_pairs(
    pool: pl.Series, month: pl.Series, rules: Rules, given: Given
) -> tuple[list[tuple[str, str, Fraction]], Indices]:
    """Return the distinct (pool, month, value in fen per point) and each case's position among them."""
    first = int(month.min()) if month.len() else 0  # type: ignore[arg-type]  # months are whole numbers
    span = (int(month.max()) if month.len() else 0) - first + 1  # type: ignore[arg-type]
    key = pool.to_numpy().astype(np.int64) * span + (month.to_numpy() - first)
    present = np.unique(pl.Series(key).unique().to_numpy())
    found = []
    for position in present:
        p, text = rules.pools[position // span], month_text(int(first + position % span))
        own = given.values.get((p.id, text))
        value = start_value(p, text, rules.money.value) if own is None else 100 * rounded(own / 100, rules.money.value)
        found.append((p.id, text, value))
    slot = np.zeros(int(present.max(initial=0)) + 1, np.int32)
    slot[present] = np.arange(present.size, dtype=np.int32)
    return found, slot[key]


class _Stretch:
    """Cases of one stretch with their tariffs: classes, points, standards and results as arrays."""

    def __init__(self, sought: Sought, combined: Combined, pool: pl.Series, amount: pl.Series) -> None:
        self.sought, self.combined, self.pool = sought, combined, pool
        self.rules, self.money = sought.rules, sought.rules.money
        self.tariffs = arrays(combined.tariffs or [NO_TARIFF])
        self.charge = sought.work["charge"].to_numpy()
        self.basis = sought.work["basis"].to_numpy()
        self.special = amount.is_not_null().to_numpy()
        self.amount = amount.fill_null(0).to_numpy()
        values = [value for _, _, value in sought.values]
        self.size = FEN_OF_STEP[self.money.step]
        self.values = ratios_of([value / self.size for value in values] or [Fraction(1)])

    def priced(self, cases: pl.DataFrame) -> pl.DataFrame:
        """Return the cases with the columns of their payment."""
        extra = self.extra()
        tested = self.charge if extra is None else self.charge - extra.new_items
        both = self.rules.exclusion is not None and self.rules.exclusion.outlier_test == "both"
        low_charge = tested if both else self.charge
        found = np.empty(self.charge.size, np.int8)
        index = self.combined.position
        classify(
            index, tested, low_charge, self.tariffs.low_to, self.tariffs.high_from, self.tariffs.extreme_from, found
        )
        row = index * 4 + found
        counted = np.where(found == 1, low_charge, tested)
        outside = self.tariffs.outside[row] | self.special
        points = self.points(row, counted)
        standard = self.standard(row, counted, points, outside)
        formula = self.formula(standard, outside & ~self.special, index, tested)
        # what was booked, fund money paid outside points, holds the new items already
        booked = outside & ~self.by_charge()
        bonus = np.zeros(1, np.int64) if extra is None else np.where(booked, 0, in_steps(extra.extra, self.money))
        official = standard + bonus * self.comparable() - self.basis
        official[self.tariffs.zero_result[row] & ~self.special] = 0
        return cases.with_columns(
            *self.labels(found, outside),
            pl.Series("sign", np.ones(row.size, np.int8)),
            self.shown(np.where(outside, 0, points)),
            *self.exact(row, outside),
            pl.Series("counted_charge", counted),
            pl.lit(0, pl.Int64).alias("taken_out") if self.sought.items is None else self.sought.items["taken_out"],
            pl.Series("standard", standard),
            pl.lit(0, pl.Int64).alias("extra") if extra is None else pl.Series("extra", bonus),
            self.separate(),
            pl.Series("formula_result", formula - self.basis),
            pl.Series("adjustment", official - formula + self.basis),
            pl.Series("official_result", official),
        )

    def extra(self) -> Extra | None:
        """Return what exclusion payment adds."""
        if self.sought.items is None:
            return None
        index = np.where(self.special, -1, self.combined.position)
        return exclusion(self.rules, self.sought.tables, self.combined.groups, index, self.charge, self.sought.items)

    def comparable(self) -> NDArray[np.int64]:
        """Return 1 for cases whose extra is money of the same kind as their standard."""
        rule = self.rules.exclusion
        same = [
            int(rule is not None and (rule.money == "total") == (p.point_value.start.unit == "charge_yuan"))
            for p in self.rules.pools
        ]
        return np.take(np.array(same, np.int64), self.pool.to_numpy())

    def by_charge(self) -> NDArray[np.bool_]:
        """Return which cases belong to a pool whose points buy charge level."""
        charged = [p.point_value.start.unit == "charge_yuan" for p in self.rules.pools]
        return np.take(np.array(charged, np.bool_), self.pool.to_numpy())

    @property
    def decimals(self) -> int:
        """Return the decimals at which points are kept: the declared ones, or those shown."""
        return SHOWN_DECIMALS if self.money.points is None else self.money.points.decimals

    def points(self, row: Indices, counted: Ints) -> Ints:
        """Return points as whole numbers at `decimals`."""
        mode = self.money.mode if self.money.points is None else self.money.points.mode
        return rounded_lines(counted, self.tariffs.lines, ratios_of([Fraction(10**self.decimals)]), mode, row)

    def worth(self, row: Indices, counted: Ints, points: Ints, pair: Indices) -> Ints:
        """Return points times value, rounded once (fen): exact points, or rounded ones where decimals are declared."""
        if self.money.points is None:
            return rounded_lines(counted, self.tariffs.lines, self.values, self.money.mode, row, pair) * self.size
        whole = proportional(Fraction(1, 10**self.decimals))
        return rounded_lines(points, whole, self.values, self.money.mode, pair=pair) * self.size

    def standard(self, row: Indices, counted: Ints, points: Ints, outside: NDArray[np.bool_]) -> Ints:
        """Return the payment standard (fen)."""
        found = self.worth(row, counted, points, self.sought.pair)
        at = np.flatnonzero(outside & ~self.special)
        if at.size:
            paid = np.where(self.by_charge()[at], counted[at], self.basis[at])
            step = ratios_of([Fraction(1, self.size)])
            found[at] = rounded_lines(paid, self.tariffs.shares, step, self.money.mode, row[at]) * self.size
        return np.where(self.special, in_steps(self.amount, self.money), found)

    def formula(self, standard: Ints, outside: NDArray[np.bool_], index: Indices, tested: Ints) -> Ints:
        """Return the standard by formula: the normal one for grouped cases that their class pays outside points."""
        grouped = np.array([group is not None for group in self.combined.groups] or [False])
        at = np.flatnonzero(outside & grouped[index])
        found = standard.copy()
        row = index[at] * 4
        found[at] = self.worth(row, tested[at], self.points(row, tested[at]), self.sought.pair[at])
        return found

    def separate(self) -> pl.Series:
        """Return what separate items add (fen)."""
        if self.sought.items is None:
            return pl.zeros(self.charge.size, pl.Int64, eager=True).alias("separate")
        amount = self.sought.items["separate"].to_numpy()
        return pl.Series("separate", in_steps(amount, self.money, item_scale(self.rules)))

    def labels(self, found: NDArray[np.int8], outside: NDArray[np.bool_]) -> list[pl.Series]:
        """Return pool, month, kind, class, funding, coefficient and weight."""
        sought, kind = self.sought, self.sought.kind
        blank = np.array([group is None for group in self.combined.groups] or [False])[self.combined.position]
        classes = np.where(self.special, SPECIAL, np.where(blank, UNGROUPED, found))
        elsewhere = np.array([pays_elsewhere(k.treatment) for k in self.rules.kinds] + [False])[kind.to_numpy()]
        funding = np.where(self.special & elsewhere, 2, outside.astype(np.int8))
        coefficients = [figure(t.coefficient) for t in self.combined.tariffs] + ["1"]
        tariff = np.where(self.special, len(coefficients) - 1, self.combined.position)
        months = [month for _, month, _ in sought.values]
        return [
            names_by(self.pool.cast(pl.UInt32), [pool.id for pool in self.rules.pools]).alias("pool"),
            names_by(pl.Series(sought.pair), months).alias("month"),
            names_by(kind.replace(-1, None), [k.id for k in self.rules.kinds]).alias("kind"),
            names_by(pl.Series(classes), CLASS_NAMES).alias("class"),
            names_by(pl.Series(funding), FUNDINGS).alias("funding"),
            names_by(pl.Series(tariff), coefficients).alias("coefficient"),
            self.weights().gather(tariff),
        ]

    def weights(self) -> pl.Series:
        """Return the weight of each tariff's group, and none for cases beside the tariffs."""
        weights = [tariff.weight for tariff in self.combined.tariffs] + [None]
        figures = [None if w is None else Decimal(w.numerator) / w.denominator for w in weights]
        return pl.Series("weight", figures, pl.Decimal(18, 6))

    def exact(self, row: Indices, outside: NDArray[np.bool_]) -> list[pl.Series]:
        """Return the exact line of the points, as fractions in text; 0 for cases outside points."""
        lines = [line for tariff in self.combined.tariffs for line in tariff.points]
        position = pl.Series(np.where(outside, len(lines), row))
        return [
            names_by(position, [*(str(line.fixed) for line in lines), "0"]).alias("points_fixed"),
            names_by(position, [*(str(line.per_fen) for line in lines), "0"]).alias("points_per_fen"),
        ]

    def shown(self, points: Ints) -> pl.Series:
        """Return points as decimals."""
        text = pa.Array.from_buffers(
            pa.decimal64(18, self.decimals), points.size, [None, pa.py_buffer(np.ascontiguousarray(points))]
        )
        return pl.Series("points", pl.from_arrow(text))


NO_TARIFF = Tariff(Fraction(1), -1, 1 << 62, 1 << 62, (NOTHING,) * 4, (None,) * 4, (False,) * 4)


def pays_elsewhere(treatment: object) -> bool:
    """Tell whether a kind is paid by money outside the pool."""
    return isinstance(treatment, OwnFunding) or (isinstance(treatment, Excluded) and treatment.funding == "elsewhere")
