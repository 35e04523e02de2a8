"""The distinct combinations among millions of cases, and the tariff of each."""

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rules.fault import Text, UserError
from rules.payment.columns import counts, need
from rules.payment.figures import Figures, classifying_value
from rules.payment.item_costs import points_scale
from rules.payment.tariff import Combination, Tariff, tariff
from rules.policy.kinds import Factor, OtherGroup
from rules.policy.model import Rules
from rules.policy.tables import Tables

Indices = NDArray[np.int32]
Value = tuple[str, str, Fraction]
NAMES = {"level": "hospital_level", "hospital": "hospital_id"}


class Combined(NamedTuple):
    """The tariffs, the group of each, and for each case the position of its tariff."""

    tariffs: list[Tariff]
    groups: list[str | None]
    position: Indices


class Sought(NamedTuple):
    """What combinations are made of. `pair` is each case's position in `values` (pool, month, fen per point)."""

    work: pl.DataFrame
    rules: Rules
    tables: Tables
    kind: pl.Series
    month: pl.Series
    values: list[Value]
    pair: Indices
    items: pl.DataFrame | None


def combine(sought: Sought, ordinary: pl.Series) -> Combined:
    """Find the combinations of the ordinary cases and reckon their tariffs.

    The position of a case that is not ordinary is 0. UserError carries every figure that is missing, each with the
    number of cases that need it.
    """
    people = who(sought)
    keys = key_columns(sought, people)
    frame = keys if ordinary.all() else keys.filter(ordinary)
    table = frame.group_by(frame.columns).len().sort(frame.columns).with_row_index("tariff")
    found = frame.join(table, on=frame.columns, how="left", nulls_equal=True, maintain_order="left")["tariff"]
    position = np.zeros(ordinary.len(), np.int32)
    position[ordinary.to_numpy()] = found.to_numpy()
    tariffs, faults, figures = [], dict[Text, int](), Figures(sought.rules, sought.tables)
    combinations = list(read(table, sought, people))
    for combination, count in zip(combinations, table["len"], strict=True):
        try:
            tariffs.append(tariff(combination, figures))
        except UserError as error:
            for fault in error.faults:
                faults[fault] = faults.get(fault, 0) + count
    if faults:
        raise UserError(
            [Text(f"{fault.zh}（{n} 例）", f"{fault.en} ({n} cases)") for fault, n in sorted(faults.items())]
        )
    return Combined(tariffs, [c.group for c in combinations], position)


class People(NamedTuple):
    """Who treated: for each case a number, and by number a level and hospital that stand for all paid alike."""

    number: pl.Series
    stand_for: dict[int, tuple[str | None, str | None]]


def key_columns(sought: Sought, people: People | None) -> pl.DataFrame:
    """Return the columns that tell the combinations of a policy apart, and no others."""
    rules = sought.rules
    columns = {"group": paid_group(sought)}
    if people is not None:
        columns["who"] = people.number
    if any(kind.treatment.pay in {"factor", "normal"} for kind in rules.kinds):
        columns["shape"] = sought.kind
    if rules.auxiliary is not None:
        columns["auxiliary"] = auxiliary(sought.work, sought.tables)
    if sought.items is not None and any(rule.by == "item" for rule in rules.added_points):
        columns["added"] = sought.items["item_points"]
    if rules.case_class is not None and rules.case_class.ratio.value is not None:
        columns["value"] = pl.Series(sought.pair)
    return pl.DataFrame(columns).with_columns(cost_lines(sought.work, rules, sought.month).get_columns())


def paid_group(sought: Sought) -> pl.Series:
    """Return the group that a case is paid as: its own, or the one its special kind names."""
    group: pl.Expr = pl.col("group")
    for n, kind in enumerate(sought.rules.kinds):
        if isinstance(kind.treatment, OtherGroup):
            other = pl.col("group").cast(pl.String).replace(kind.treatment.groups)
            group = pl.when(sought.kind == n).then(other).otherwise(group.cast(pl.String))
    return sought.work.select(group).to_series()


def who(sought: Sought) -> People | None:
    """Return who treated each case, None where neither coefficients nor means depend on it.

    Hospitals that lead to the same coefficients and means share a number, so that tariffs stay few.
    """
    rules, work = sought.rules, sought.work
    parts = rules.hospital_coefficient.parts if rules.hospital_coefficient else ()
    ratio = rules.case_class.ratio if rules.case_class else None
    by_level = ratio is not None and bool({ratio.classify, ratio.formula} & {"level_mean", "last_year_level_mean"})
    named = {name for part in parts for name in part.by} | ({"level"} if by_level else set())
    keys = [column for name, column in NAMES.items() if name in named]
    if not keys:
        return None
    need(work, keys, "医疗机构系数", "the hospital coefficient")
    distinct = work.select(keys).unique().sort(keys)
    seen: dict[tuple[object, ...], int] = {}
    numbers, stand_for = [], {}
    for n, row in enumerate(distinct.iter_rows(named=True)):
        texts = {name: None if row.get(column) is None else str(row[column]) for name, column in NAMES.items()}
        alike: list[object] = [texts["level"]] if by_level else []
        for part, table in zip(parts, sought.tables.coefficients, strict=True):
            key = tuple(str(texts[name]) for name in part.by if name != "group")
            alike.append(
                key if "group" in part.by else table.get(key, key if part.otherwise is None else part.otherwise)
            )
        numbers.append(seen.setdefault(tuple(alike), n))
        stand_for[n] = (texts["level"], texts["hospital"])
    numbered = distinct.with_columns(pl.Series("who", numbers, dtype=pl.Int32))
    joined = work.select(keys).join(numbered, on=keys, how="left", nulls_equal=True, maintain_order="left")
    return People(joined["who"], stand_for)


def auxiliary(work: pl.DataFrame, tables: Tables) -> pl.Series:
    """Return for each case the rank of its highest auxiliary coefficient among `coefficients`, null for none."""
    need(work, ["subtypes"], "辅助分型", "the auxiliary sub-types")
    ranks = {value: n for n, value in enumerate(auxiliary_coefficients(tables))}
    table = pl.DataFrame(
        [(group, subtype, ranks[value]) for (group, subtype), value in sorted(tables.auxiliary.items())],
        schema={"group": pl.String, "subtypes": pl.String, "rank": pl.Int32}, orient="row",
    )  # fmt: skip
    triggered = (
        work.select(pl.col("group", "subtypes")).with_row_index("row").explode("subtypes")
        .with_columns(pl.col("group", "subtypes").cast(pl.String))
        .join(table, on=["group", "subtypes"]).group_by("row").agg(pl.col("rank").max())
    )  # fmt: skip
    return work.select(pl.int_range(pl.len(), dtype=pl.UInt32).alias("row")).join(
        triggered, on="row", how="left", maintain_order="left"
    )["rank"]


def auxiliary_coefficients(tables: Tables) -> list[Fraction]:
    """Return the distinct auxiliary coefficients, ascending."""
    return sorted(set(tables.auxiliary.values()))


def cost_lines(work: pl.DataFrame, rules: Rules, month: pl.Series) -> pl.DataFrame:
    """Return for each case the charge (fen) of its group's line for classes decided by a top share.

    Of n cases at most the share × n with the highest charges lie above the line: it is the charge of the case next in
    order, so that equal charges are treated alike. Cases are those of the same month or of the frame, as declared.
    """
    classes = rules.case_class
    by_class = {} if classes is None else {"high": classes.high, "extreme": classes.extreme}
    among = [month.alias("month")] if classes is not None and classes.top_share_among == "month" else []
    lines = []
    for name, rule in by_class.items():
        if rule is not None and rule.top_share is not None:
            share = Fraction(rule.top_share)
            charges = pl.col("charge").filter(counts(work))
            above = charges.len() * share.numerator // share.denominator
            line = charges.sort(descending=True).get(above, null_on_oob=True).fill_null(-1)
            lines.append(line.over("group", *(s.name for s in among)).alias(f"{name}_line"))
    return work.with_columns(among).select(lines)


def read(table: pl.DataFrame, sought: Sought, people: People | None) -> Iterator[Combination]:
    """Yield the combinations of a table of keys."""
    rules, scale = sought.rules, points_scale(sought.rules)
    ranks = auxiliary_coefficients(sought.tables)
    for row in table.iter_rows(named=True):
        treatment = rules.kinds[row["shape"]].treatment if row.get("shape", -1) >= 0 else None
        level, hospital = (None, None) if people is None else people.stand_for[row["who"]]
        value = sought.values[row["value"]] if "value" in row else None
        yield Combination(
            group=row["group"],
            level=level,
            hospital=hospital,
            auxiliary=Fraction(1) if row.get("auxiliary") is None else ranks[row["auxiliary"]],
            factor=Fraction(treatment.factor) if isinstance(treatment, Factor) else Fraction(1),
            exempt=treatment is not None and treatment.pay == "normal",
            added=Fraction(row.get("added", 0), scale),
            value=None if value is None else classifying_value(rules, rules.pool(value[0]), value[1], value[2]),
            high_line=row.get("high_line"),
            extreme_line=row.get("extreme_line"),
        )
