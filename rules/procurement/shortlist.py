"""Shortlist (入围): how many bidders go on to the comparison of prices, and which (spec 1.3)."""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from rules.fault import Text, UserError
from rules.procurement.parameters import Shortlist


class Offer(NamedTuple):
    """One bid: its unit comparable price (yuan). Affiliated firms name one `group` and count as one bidder."""

    bid: str
    price: Decimal
    group: str = ""


class Place(NamedTuple):
    """Where a bid stands: its rank among bidders from 1 (ties share the first), whether shortlisted, and why."""

    bid: str
    rank: int | None
    shortlisted: bool
    reason: Text


def places(rule: Shortlist, bidders: int) -> int:
    """Return how many of so many bidders are shortlisted. UserError where the table is not known for their number."""
    rows = {int(key): count for key, count in rule.by_bidders.items()}
    if bidders in rows:
        return rows[bidders]
    if rows and bidders > max(rows):
        return rule.most
    zh = f"{bidders} 家申报时的入围家数未知：入围家数表（by_bidders）只有 {sorted(rows)}，最多 {rule.most}"
    en = f"how many of {bidders} bidders are shortlisted is not known: by_bidders has {sorted(rows)}, most {rule.most}"
    raise UserError(Text(zh, en))


def shortlist(rule: Shortlist, offers: Sequence[Offer]) -> list[Place]:
    """Return the place of every bid by price, lowest first, in the order given.

    Bids that tie for the last place are all left open and say so: the documents break such ties by facts beyond price.
    """
    lowest: dict[str, Offer] = {}
    for offer in sorted(offers, key=lambda o: (o.price, o.bid)):
        lowest.setdefault(offer.group or offer.bid, offer)
    prices = sorted(offer.price for offer in lowest.values())
    seats = places(rule, len(prices))
    return [_place(offer, lowest[offer.group or offer.bid], prices, seats) for offer in offers]


def _place(offer: Offer, own: Offer, prices: Sequence[Decimal], seats: int) -> Place:
    """Return the place of one bid; `own` is the lowest of its group."""
    if own.bid != offer.bid:
        zh, en = f"与 {own.bid} 为关联企业，按一家计", f"affiliated with {own.bid}, counted as one bidder"
        return Place(offer.bid, None, shortlisted=False, reason=Text(zh, en))
    rank = prices.index(offer.price) + 1
    last = rank + prices.count(offer.price) - 1
    if rank <= seats < last:
        zh, en = f"第 {rank} 名并列，入围 {seats} 家：须另行判定", f"tied at {rank}, {seats} places: to be decided"
        return Place(offer.bid, rank, shortlisted=False, reason=Text(zh, en))
    zh, en = f"{len(prices)} 家中第 {rank} 名，入围 {seats} 家", f"rank {rank} of {len(prices)}, {seats} places"
    return Place(offer.bid, rank, shortlisted=rank <= seats, reason=Text(zh, en))
