"""Care across regions (异地就医), in both directions (payment.md §5).

Incoming patients are grouped and valued by the treating place, their benefits are those of the insured place, and a
declared bearer takes the difference between payment standard and by-item amount. Own insured treated elsewhere are
charged to the home budget of the year in which their bill arrives, often months late.
"""

from collections.abc import Mapping
from typing import NamedTuple

from rules.fault import Text, UserError
from rules.policy.pools import OutOfArea, Pool

BEARERS = ("insured_pool", "treating_pool", "hospital")


class Incoming(NamedTuple):
    """What one hospital's incoming patients come to (fen): hospital = insured_pool + treating_pool."""

    by_item: int
    standard: int
    hospital: int
    insured_pool: int
    treating_pool: int


def settle_incoming(by_item: int, standard: int, rule: OutOfArea) -> Incoming:
    """Settle incoming patients: the insured place pays its benefits by item, the bearer the difference to the standard.

    by_item and standard are fund money (fen) of the same cases. A hospital that bears the difference keeps what is
    booked by item.
    """
    difference = standard - by_item
    insured = by_item + (difference if rule.bearer == "insured_pool" else 0)
    treating = difference if rule.bearer == "treating_pool" else 0
    return Incoming(by_item, standard, insured + treating, insured, treating)


def outgoing_charges(bills: Mapping[str, int], pools: tuple[Pool, ...]) -> dict[str, int]:
    """Return what each pool's budget is charged for own insured treated elsewhere (fen).

    `bills`: fund money that arrived in the year, by pool (fen; refunds negative). Pools that settle such care outside
    their budget are left out. Raises UserError for pools without a rule.
    """
    rules = {pool.id: pool.out_of_area for pool in pools}
    if lost := [name for name in sorted(bills) if rules.get(name) is None]:
        raise UserError(
            [
                Text(
                    f"基金池 {name} 没有 [out_of_area] 规则",
                    f"pool {name} has no rule for care elsewhere (out_of_area)",
                )
                for name in lost
            ]
        )
    return {name: amount for name, amount in sorted(bills.items()) if _charged(rules, name)}


def _charged(rules: Mapping[str, OutOfArea | None], name: str) -> bool:
    """Tell whether a pool's own budget pays for care elsewhere."""
    rule = rules.get(name)
    return rule is not None and rule.outgoing == "charged_to_home_budget"
