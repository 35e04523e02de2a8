"""Special kinds of case, tried before the classes: who they take, and what is paid outside points."""

from fractions import Fraction

import polars as pl

from rules.fault import Text, UserError
from rules.payment.columns import counts, need
from rules.policy.kinds import Condition, DayBand, FixedPrice, Kind, OtherGroup, PerDiem
from rules.policy.model import Rules
from rules.policy.resolve import Policy

LISTS = {
    "payment_kind": "payment_kind",
    "visit_kind": "visit_kind",
    "discharge_way": "discharge_way",
    "insurance_type": "insurance_type",
    "department": "department",
    "hospital_level": "hospital_level",
    "hospital": "hospital_id",
    "group": "group",
}
BOUNDS = {
    "days_up_to": ("length_of_stay", "le"),
    "days_from": ("length_of_stay", "ge"),
    "age_up_to": ("age", "le"),
    "age_from": ("age", "ge"),
    "readmitted_within": ("days_to_next", "le"),
    "returned_within": ("days_since_last", "le"),
}
STAYS = ("days_to_next", "days_since_last")
TCM = ("tcm_cost", "tcm_base")


def needed_columns(when: Condition) -> set[str]:
    """Return the columns that a condition looks at."""
    columns = {column for key, column in LISTS.items() if getattr(when, key) is not None}
    columns |= {column for key, (column, _) in BOUNDS.items() if getattr(when, key) is not None}
    columns |= {"diagnoses"} if when.diagnosis is not None else set()
    columns |= {"fund_total"} if when.fund_paid is not None else set()
    return columns | (set(TCM) if when.tcm_share_from is not None or when.tcm_share_below is not None else set())


def holds(when: Condition) -> pl.Expr:
    """Return whether every condition that is written holds; an empty cell makes its condition fail."""
    found: list[pl.Expr] = []
    for key, column in LISTS.items():
        listed = getattr(when, key)
        if listed is not None:
            cell = pl.col(column) if isinstance(listed[0], int) else pl.col(column).cast(pl.String)
            found.append(cell.is_in(list(listed)))
    for key, (column, comparison) in BOUNDS.items():
        if (bound := getattr(when, key)) is not None:
            found.append(getattr(pl.col(column), comparison)(bound))
    if when.diagnosis is not None:
        found.append(pl.col("diagnoses").list.eval(pl.element().cast(pl.String).is_in(list(when.diagnosis))).list.any())
    if when.fund_paid is not None:
        found.append((pl.col("fund_total") > 0) == when.fund_paid)
    if when.tcm_share_from is not None:
        found.append(tcm_share(Fraction(when.tcm_share_from), "ge"))
    if when.tcm_share_below is not None:
        found.append(tcm_share(Fraction(when.tcm_share_below), "lt"))
    return pl.all_horizontal(*(expression.fill_null(value=False) for expression in found))


def tcm_share(bound: Fraction, comparison: str) -> pl.Expr:
    """Compare 中治率 with a bound: TCM cost × denominator with base × numerator; a base of 0 has no share."""
    compared: pl.Expr = getattr(pl.col("tcm_cost") * bound.denominator, comparison)(
        pl.col("tcm_base") * bound.numerator
    )
    return compared & (pl.col("tcm_base") > 0)


def takes(kind: Kind) -> pl.Expr:
    """Return whether a kind takes a case: its condition, and no exit of its fixed price."""
    found, treatment = holds(kind.when), kind.treatment
    if isinstance(treatment, FixedPrice):
        price = fixed_price(treatment)
        for bound, leaves in ((treatment.exit_over, "gt"), (treatment.exit_below, "lt")):
            if bound is not None:
                share = Fraction(bound)
                exits: pl.Expr = getattr(pl.col("charge") * share.denominator, leaves)(price * share.numerator)
                found &= ~exits.fill_null(value=False)  # a level without a price is refused later, never let go
    if isinstance(treatment, OtherGroup):
        found &= pl.col("group").cast(pl.String).is_in(list(treatment.groups)).fill_null(value=False)
    return found


def kind_of(cases: pl.DataFrame, rules: Rules, *, at_clearing: bool) -> pl.Series:
    """Return the position in `rules.kinds` of the first kind that takes each case, -1 for none."""
    found: pl.Expr = pl.lit(-1, pl.Int8)
    for n, kind in reversed(list(enumerate(rules.kinds))):
        if at_clearing or not kind.at_clearing_only:
            columns = sorted(needed_columns(kind.when) - set(STAYS) - set(TCM))
            need(cases, columns, f"特殊类型 {kind.id} ", f"special kind {kind.id}")
            found = pl.when(takes(kind)).then(pl.lit(n, pl.Int8)).otherwise(found)
    return cases.with_columns(found.alias("kind"))["kind"]


def fixed_price(rule: FixedPrice) -> pl.Expr:
    """Return the price of a single disease by hospital level (fen), null for a level without one."""
    prices = {level: int(price * 100) for level, price in rule.price.items()}
    return pl.col("hospital_level").cast(pl.String).replace_strict(prices, default=None, return_dtype=pl.Int64)


def per_diem(rule: PerDiem) -> pl.Expr:
    """Return the per-diem amount (fen): each band's daily standard times its days."""
    days = day_count(rule)
    amount = banded(days, rule.bands)
    for level, bands in rule.by_level.items():
        amount = pl.when(pl.col("hospital_level").cast(pl.String) == level).then(banded(days, bands)).otherwise(amount)
    return pl.min_horizontal(amount, pl.col("charge")) if rule.cap_at_charge else amount


def day_count(rule: PerDiem) -> pl.Expr:
    """Return the days that count."""
    if rule.days == "length_of_stay":
        return pl.col("length_of_stay").cast(pl.Int64)
    stay = pl.col("discharged").cast(pl.Date) - pl.col("admitted").cast(pl.Date)
    return stay.dt.total_days() + (1 if rule.days == "both_days_counted" else 0)


def banded(days: pl.Expr, bands: tuple[DayBand, ...]) -> pl.Expr:
    """Return the sum of daily standard × days of each band (fen)."""
    total, before = pl.lit(0, pl.Int64), 0
    for band in bands:
        within = days if band.up_to_day is None else days.clip(upper_bound=band.up_to_day)
        total += (within - before).clip(lower_bound=0) * int(band.daily * 100)
        before = band.up_to_day or before
    return total


def amount_outside(cases: pl.DataFrame, rules: Rules, kind: pl.Series) -> pl.Series:
    """Return what kinds paid as money pay (fen), null for cases that the ordinary rule pays.

    `cases` needs charge and basis (fen). UserError for a level without a price and for missing days.
    """
    amounts: pl.Expr = pl.lit(None, pl.Int64)
    for n, rule in enumerate(rules.kinds):
        treatment = rule.treatment
        if isinstance(treatment, PerDiem):
            columns = ["length_of_stay"] if treatment.days == "length_of_stay" else ["admitted", "discharged"]
            need(cases, columns, f"特殊类型 {rule.id} ", f"special kind {rule.id}")
            amounts = pl.when(kind == n).then(per_diem(treatment)).otherwise(amounts)
        elif isinstance(treatment, FixedPrice):
            need(cases, ["hospital_level"], f"特殊类型 {rule.id} ", f"special kind {rule.id}")
            amounts = pl.when(kind == n).then(fixed_price(treatment)).otherwise(amounts)
        elif treatment.pay in {"excluded", "own_funding", "actual"}:
            amounts = pl.when(kind == n).then(pl.col("basis")).otherwise(amounts)
    found = cases.with_columns(amounts.alias("amount"))["amount"]
    outside = [n for n, rule in enumerate(rules.kinds) if rule.treatment.pay not in {"factor", "group", "normal"}]
    lost = kind.filter(kind.is_in(outside) & found.is_null()).value_counts(sort=True)
    if lost.height:
        faults = []
        for n, count in lost.iter_rows():
            name = rules.kinds[n].id
            zh = f"{count} 例属特殊类型 {name}，但缺住院天数或该等级的定额"
            faults.append(
                Text(zh, f"{count} cases of special kind {name} lack their days of stay or a price for their level")
            )
        raise UserError(faults)
    return found


def days_between_stays(policy: Policy) -> int | None:
    """Return the most days that a policy's kinds look from one stay of a person to the next; None where none does."""
    conditions = [kind.when for start in policy.starts for kind in policy.on(start).rules.kinds]
    days = [found for when in conditions for found in (when.readmitted_within, when.returned_within)]
    return max((found for found in days if found is not None), default=None)


def stay_gaps(cases: pl.DataFrame) -> pl.DataFrame:
    """Return for each case the days to the person's next admission and since the person's last discharge.

    The stays are those of the frame: a month's frame knows no later month.
    """
    need(cases, ["person_id", "admitted", "discharged"], "再入院规则", "the rule of readmissions")
    rows = cases.select(pl.int_range(pl.len(), dtype=pl.UInt32).alias("row"))
    stays = cases.select(
        rows.to_series(),
        "person_id",
        pl.col("admitted").cast(pl.Date),
        pl.col("discharged").cast(pl.Date),
        counts(cases).alias("counts"),
    ).filter("counts")
    ordered = stays.sort("person_id", "admitted", "discharged", "row")
    same_next = ordered["person_id"] == ordered["person_id"].shift(-1)
    same_last = ordered["person_id"] == ordered["person_id"].shift(1)
    gaps = ordered.select(
        "row",
        pl.when(same_next)
        .then((pl.col("admitted").shift(-1) - pl.col("discharged")).dt.total_days())
        .alias("days_to_next"),
        pl.when(same_last)
        .then((pl.col("admitted") - pl.col("discharged").shift(1)).dt.total_days())
        .alias("days_since_last"),
    )
    return rows.join(gaps, on="row", how="left", maintain_order="left").select(STAYS)
