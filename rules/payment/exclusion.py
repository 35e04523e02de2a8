"""除外支付: extra money for listed new drugs and technologies (one city's published rule).

A case triggers when its charge is more than a multiple of the group mean **and** the listed new items are more than a
share of the charge, both strict. The extra is the new items' cost less the group's mean cost of the same kind, not
below 0, on top of the standard; the class of the same case is judged on the charge without the new items.
"""

from fractions import Fraction
from math import floor
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rules.fault import Text, UserError
from rules.payment.figures import Figures
from rules.policy.model import Rules
from rules.policy.tables import Tables

Ints = NDArray[np.int64]
UNKNOWN = -1


class Extra(NamedTuple):
    """For each case the extra (fen) and the cost of new items that leaves the tested charge; 0 where not triggered."""

    extra: Ints
    new_items: Ints


def exclusion(
    rules: Rules, tables: Tables, groups: list[str | None], tariff: NDArray[np.int32], charge: Ints, items: pl.DataFrame
) -> Extra | None:
    """Return what new items add to each case, None where no case has any.

    `groups`: the group of each tariff, `tariff` the tariff of each case (-1: none), `charge` in fen, `items` with
    new_drug, new_consumable and new_procedure (fen). UserError for a group whose mean of a kind is not in the table.
    """
    rule = rules.exclusion
    if rule is None:
        return None
    costs = {kind: items[f"new_{kind}"].to_numpy() for kind in rule.kinds}
    total: Ints = np.zeros(charge.size, np.int64) + sum(costs.values())
    rows = np.flatnonzero((total > 0) & (tariff >= 0))
    if not rows.size:
        return None
    used, figures = np.unique(tariff[rows]), Figures(rules, tables)
    first = np.full(len(groups), np.iinfo(np.int64).max)
    for t in used:
        if (group := groups[t]) is not None:
            first[t] = floor(Fraction(rule.charge_over) * figures.mean(group)) + 1
    share = Fraction(rule.share_over)
    hit = (charge[rows] >= first[tariff[rows]]) & (total[rows] * share.denominator > charge[rows] * share.numerator)
    rows = rows[hit]
    extra, new_items = np.zeros(charge.size, np.int64), np.zeros(charge.size, np.int64)
    new_items[rows] = total[rows]
    for kind, cost in costs.items():
        has = rows[cost[rows] > 0]
        extra[has] += np.maximum(cost[has] - kind_means(kind, tables, groups, tariff[has]), 0)
    return Extra(extra, new_items)


def kind_means(kind: str, tables: Tables, groups: list[str | None], tariff: NDArray[np.int32]) -> Ints:
    """Return the group's mean cost of a kind for each triggered case (fen)."""
    means = np.full(len(groups), UNKNOWN)
    for t in np.unique(tariff):
        figures = tables.groups.get(groups[t] or "")
        if figures is not None and kind in figures.kind_means:
            means[t] = int(figures.kind_means[kind])
    lost = sorted({groups[t] or "" for t in tariff[means[tariff] == UNKNOWN]})
    if lost:
        zh, en = "、".join(lost[:5]), ", ".join(lost[:5])
        raise UserError(
            Text(
                f"除外支付需要病组 {zh} 的 mean_{kind}，表中没有",
                f"exclusion payment needs mean_{kind} of group {en}: the table has none",
            )
        )
    return means[tariff]
