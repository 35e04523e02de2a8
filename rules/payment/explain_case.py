"""The money of one case of a frame, explained: the reference on the same inputs that the kernels are given."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import polars as pl

from rules.fault import Text, UserError
from rules.money import round_fen
from rules.payment.case_payment import Given, items_of, with_basis, with_stays
from rules.payment.combinations import cost_lines
from rules.payment.discharge import Discharge
from rules.payment.figures import classifying_value, rounded, start_value
from rules.payment.item_costs import KIND_CLASSES, item_scale
from rules.payment.place import month_text, months, pools, stretches
from rules.payment.reference import Priced, price
from rules.policy.model import Rules
from rules.policy.pools import Pool
from rules.policy.resolve import Policy
from rules.policy.tables import load_tables


def explain_case(cases: pl.DataFrame, case_id: str, policy: Policy, given: Given | None = None) -> Priced:
    """Return what one case of `cases` is paid, with every step and the document of its rule.

    `cases` and `given` as for `price_cases`; the other cases matter to readmissions and to the line of a top share.
    UserError for a case that is not there, and for what the policy or its tables do not give.
    """
    given = given or Given()
    here = cases.filter(pl.col("case_id") == case_id)
    if here.height != 1:
        raise UserError(Text(f"没有唯一的病例 {case_id}", f"there is no one case {case_id}"))
    resolved = policy.on(policy.starts[stretches(here, policy)[0]])
    rules = resolved.rules
    pool, month = rules.pools[pools(here, rules)[0]], month_text(months(here, rules.date_basis.month)[0])
    value = value_of(rules, pool, month, given)
    items = items_of(here, rules, given)
    work = with_basis(with_stays(cases, policy), rules, pools(cases, rules), items_of(cases, rules, given))
    lines = cost_lines(work, rules, months(cases, rules.date_basis.month))
    row = work.hstack(lines).filter(pl.col("case_id") == case_id).row(0, named=True)
    case = Discharge(
        claim=here.row(0, named=True),
        pool=pool,
        value=value,
        classifying_value=classifying_value(rules, pool, month, value),
        subtypes=tuple(row.get("subtypes") or ()),
        items=item_codes(given.fee_lines, case_id),
        cost_lines={name: row[f"{name}_line"] for name in ("high", "extreme") if f"{name}_line" in row},
        days_to_next=row.get("days_to_next"),
        days_since_last=row.get("days_since_last"),
        decision=decision_of(given.decisions, case_id),
        at_clearing=given.at_clearing,
        **({} if items is None else item_figures(items.row(0, named=True), rules)),
    )
    return price(case, resolved, load_tables(policy, resolved))


def value_of(rules: Rules, pool: Pool, month: str, given: Given) -> Fraction:
    """Return the point value (fen) that prices a case: the given one, or the month's start value."""
    own = given.values.get((pool.id, month))
    return start_value(pool, month, rules.money.value) if own is None else 100 * rounded(own / 100, rules.money.value)


def item_figures(costs: Mapping[str, int], rules: Rules) -> dict[str, Any]:
    """Return what a case's fee lines mean."""
    scale = item_scale(rules)
    return {
        "taken_out": costs["taken_out"],
        "separate": Fraction(costs["separate"], scale),
        "separate_taken": round_fen(Fraction(costs["separate_taken"], scale), rules.money.step, rules.money.mode),
        "new_items": {kind: cost for kind in KIND_CLASSES if (cost := costs[f"new_{kind}"])},
        "tcm_share": Fraction(costs["tcm_cost"], costs["tcm_base"]) if costs["tcm_base"] else None,
    }


def item_codes(lines: pl.DataFrame | None, case_id: str) -> frozenset[str]:
    """Return the item codes of a case's fee lines."""
    return (
        frozenset() if lines is None else frozenset(lines.filter(pl.col("case_id") == case_id)["item_code"].to_list())
    )


def decision_of(decisions: pl.DataFrame | None, case_id: str) -> tuple[str, int | None] | None:
    """Return the special-case decision on a case."""
    found = None if decisions is None else decisions.filter(pl.col("case_id") == case_id)
    return (found["decision"][0], found["amount"][0]) if found is not None and found.height else None
