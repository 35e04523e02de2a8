"""Year-end clearing (年终清算): from payable and booked to each hospital's amount, and the identity of the pool.

Every hospital's clearing amount comes from exact fractions and is rounded once; shares of a fixed amount go by
largest remainder. The order of steps: bands, assessment coefficient (after them or inside the payable), floor and
cap, deductions, then the pool's funding order. Source: 医保发〔2025〕18号, 规程 2025版; the percentages are local.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal, NamedTuple

from rules.money import largest_remainder, round_fen, round_whole
from rules.payment.assessment import NO_EFFECT, Effect
from rules.payment.bands import granted
from rules.payment.statement import Line
from rules.policy.cases import Money
from rules.policy.settlement import Bound, Clearing, PoolLevel

Stage = Literal["final", "trial", "quarterly"]


@dataclass(frozen=True, slots=True)
class HospitalYear:
    """What a hospital brings to clearing, fen.

    payable: P, exact, in fund money; booked: A, of the same cases; deductions: those that count; control:
    total-control deduction of a quota; outside: what is paid beside points (cases, separately settled items,
    adjustments of cleared years); deposit: held over the months; advanced: advance and working capital not yet
    repaid; prepaid: cash of the months; vbp: procurement retention charged to the pool.
    """

    hospital: str
    payable: Fraction
    booked: int
    deductions: int = 0
    control: int = 0
    outside: tuple[Line, ...] = ()
    deposit: int = 0
    prepaid: int = 0
    advanced: int = 0
    vbp: int = 0
    effect: Effect = NO_EFFECT

    @property
    def paid_outside(self) -> int:
        """Money outside points (fen)."""
        return sum(line.amount for line in self.outside)


@dataclass(frozen=True, slots=True)
class PoolYear:
    """A pool's money at clearing, fen: F, the reserve, what is paid outside points to no hospital of its own.

    exact_shares: the value is floating, unrounded and uncapped, so that amounts are shares of a fixed one (largest
    remainder). unspent_to: who keeps what a fixed, rounded or capped value leaves.
    """

    pool: str
    fund: int
    reserve: int
    outside: tuple[Line, ...] = ()
    exact_shares: bool = False
    unspent_to: Literal["fund", "reserve"] = "fund"


class Steps(NamedTuple):
    """A hospital's way from payable to clearing amount, exact fractions of fen.

    granted: by the bands alone; cut: by the coefficient; bounded: granted and what floor and cap changed.
    """

    booked: int
    granted: Fraction
    cut: Fraction
    bounded: Fraction
    amount: Fraction


@dataclass(frozen=True, slots=True)
class HospitalClearing:
    """A hospital's result, fen.

    reduction: its part of a pro-rata cut; borne: of an overrun that hospitals bear; pool_share: of a surplus they
    share.
    """

    year: HospitalYear
    steps: Steps
    amount: int
    cut: int
    reduction: int = 0
    borne: int = 0
    pool_share: int = 0
    deposit_held: int = 0
    forfeited: int = 0

    @property
    def net(self) -> int:
        """Clearing amount net of a pro-rata cut and of deposits held and forfeited, before prepaid money."""
        return self.amount - self.reduction - self.deposit_held - self.forfeited

    @property
    def due(self) -> int:
        """What the hospital is still paid, or pays back where it is below zero."""
        year = self.year
        return self.net + self.pool_share - self.borne + year.paid_outside + year.vbp - year.prepaid - year.advanced


@dataclass(frozen=True, slots=True)
class Funding:
    """How the pool paid for its clearing (fen)."""

    from_reserve: int = 0
    from_returned: int = 0
    pro_rata: int = 0
    overrun: Mapping[str, int] = field(default_factory=dict)
    to_hospitals: int = 0
    returned: int = 0
    reserve_left: int = 0


@dataclass(frozen=True, slots=True)
class PoolClearing:
    """A pool's clearing: hospitals in code order, the funding, and what rounding left."""

    pool: PoolYear
    hospitals: tuple[HospitalClearing, ...]
    funding: Funding
    residue: int


def clear(
    pool: PoolYear, hospitals: Sequence[HospitalYear], rule: Clearing, money: Money, stage: Stage = "final"
) -> PoolClearing:
    """Clear one pool. A trial or quarterly clearing holds every deposit and changes nothing else.

    `hospitals`: one entry each, in any order. Deductions that act in the booked amount lower A here; those that acted
    in the month or act in clearing come off the clearing amount, once.
    """
    years = sorted(hospitals, key=lambda year: year.hospital)
    steps = {year.hospital: clearing_steps(year, rule) for year in years}
    amounts = _whole({name: step.amount for name, step in steps.items()}, money, shares=pool.exact_shares)
    cuts = {name: round_fen(step.cut, money.step, money.mode) for name, step in steps.items()}
    before = {y.hospital: amounts[y.hospital] + cuts[y.hospital] + _deducted(y, rule) for y in years}
    residue = round_whole(sum((step.bounded for step in steps.values()), Fraction()), "half_away_from_zero") - sum(
        before.values()
    )
    extra = {y.hospital: steps[y.hospital].bounded - y.payable for y in years}
    other = sum(y.paid_outside + y.vbp for y in years) + sum(line.amount for line in pool.outside)
    returned = round_whole(sum((max(Fraction(0), -e) for e in extra.values()), Fraction()), "half_away_from_zero")
    need = sum(before.values()) + residue + other + returned - pool.fund
    funding = fund_clearing(pool, rule, need, returned, amounts, extra)
    reductions = _reductions(rule, funding, amounts, extra)
    borne = _portions(funding.overrun.get("hospitals", 0), amounts)
    shares = _portions(funding.to_hospitals, amounts)
    results = []
    for year in years:
        name = year.hospital
        held, forfeited = deposit_kept(year, rule, money, stage)
        results.append(
            HospitalClearing(
                year,
                steps[name],
                amounts[name],
                cuts[name],
                reductions[name],
                borne[name],
                shares[name],
                held,
                forfeited,
            )
        )
    return PoolClearing(pool, tuple(results), funding, residue)


def clearing_steps(year: HospitalYear, rule: Clearing) -> Steps:
    """Return the exact figures of one hospital: bands, coefficient, floor and cap, deductions."""
    acts_in_booked = rule.deductions is not None and rule.deductions.acts == "booked"
    booked = year.booked - (year.deductions if acts_in_booked else 0)
    effect = year.effect
    whole = granted(year.payable, booked, rule.surplus, rule.overspend, effect.retention)
    if rule.coefficient == "inside_payable":
        reduced = granted(year.payable * effect.coefficient, booked, rule.surplus, rule.overspend, effect.retention)
    else:
        reduced = whole * effect.coefficient
    within = _within(reduced, year.payable, booked, rule.floor, rule.cap)
    return Steps(booked, whole, whole - reduced, whole + within - reduced, within - _deducted(year, rule))


def _within(amount: Fraction, payable: Fraction, booked: int, floor: Bound | None, cap: Bound | None) -> Fraction:
    """Return an amount within the floor and the cap, each a share of payable or booked."""
    if floor is not None:
        amount = max(amount, Fraction(floor.ratio) * (payable if floor.base == "payable" else booked))
    if cap is not None:
        amount = min(amount, Fraction(cap.ratio) * (payable if cap.base == "payable" else booked))
    return amount


def _deducted(year: HospitalYear, rule: Clearing) -> int:
    """Return what comes off the clearing amount: audit deductions that do not act in the booked amount, and control."""
    return year.control + audit_deductions(year, rule)


def audit_deductions(year: HospitalYear, rule: Clearing) -> int:
    """Return the audit deductions that come off the clearing amount."""
    return 0 if rule.deductions is None or rule.deductions.acts == "booked" else year.deductions


def deposit_kept(year: HospitalYear, rule: Clearing, money: Money, stage: Stage) -> tuple[int, int]:
    """Return the deposit that stays held and the part that is forfeited; the rest is released."""
    if stage != "final" or rule.deposit_release is None:
        return year.deposit, 0
    return 0, year.deposit - round_fen(year.deposit * year.effect.deposit, money.step, money.mode)


def _whole(exact: Mapping[str, Fraction], money: Money, *, shares: bool) -> dict[str, int]:
    """Round amounts once: each by the declared mode, or together as shares of their sum."""
    if shares and all(amount >= 0 for amount in exact.values()):
        return largest_remainder(round_whole(sum(exact.values(), Fraction()), "half_away_from_zero"), exact)
    return {name: round_fen(amount, money.step, money.mode) for name, amount in exact.items()}


def fund_clearing(
    pool: PoolYear,
    rule: Clearing,
    need: int,
    returned: int,
    amounts: Mapping[str, int],
    extra: Mapping[str, Fraction],
) -> Funding:
    """Find the money for a clearing that needs `need` fen more than F holds once returned surpluses are kept apart.

    The declared order: reserve, surplus returned by floors, then pro rata or a named overrun. A need below zero is
    money left.
    """
    unspent = max(0, -need)
    missing = max(0, need)
    sources = {"reserve": pool.reserve, "surplus_returned": returned}
    used = {"reserve": 0, "surplus_returned": 0}
    for name in rule.funding_order[:-1]:
        used[name] = max(0, min(missing, sources[name]))
        missing -= used[name]
    overrun, pro_rata = _bear(missing, rule, amounts, extra)
    left = returned - used["surplus_returned"]
    to_hospitals = _surplus_of_hospitals(rule.pool_level, left + unspent) if _anyone(amounts) else 0
    keeps = min(unspent, left + unspent - to_hospitals) if pool.unspent_to == "reserve" else 0
    return Funding(
        from_reserve=used["reserve"],
        from_returned=used["surplus_returned"],
        pro_rata=pro_rata,
        overrun=overrun,
        to_hospitals=to_hospitals,
        returned=left + unspent - to_hospitals - keeps,
        reserve_left=pool.reserve - used["reserve"] + keeps,
    )


def _bear(
    missing: int, rule: Clearing, amounts: Mapping[str, int], extra: Mapping[str, Fraction]
) -> tuple[dict[str, int], int]:
    """Return who bears the overrun, and what the hospitals' amounts are cut by instead."""
    overrun: dict[str, int] = {}
    level = rule.pool_level
    if level is not None and missing:
        hospitals = _hospitals_part(level, missing)
        rest = "next_year" if level.method == "carry" else "fund"
        overrun = {rest: missing - hospitals} if missing > hospitals else {}
        missing = hospitals
    if not missing:
        return overrun, 0
    last, _, who = rule.funding_order[-1].partition(":")
    if last == "overrun":
        bearer = who if who != "hospitals" or _anyone(amounts) else "unfunded"
        overrun[bearer] = overrun.get(bearer, 0) + missing
        return overrun, 0
    base = _pro_rata_base(rule, amounts, extra)
    cut = min(missing, sum(base.values()))
    if missing > cut:
        overrun["unfunded"] = missing - cut
    return overrun, cut


def _anyone(amounts: Mapping[str, int]) -> bool:
    """Tell whether any hospital has a clearing amount to share by."""
    return any(amount > 0 for amount in amounts.values())


def _hospitals_part(level: PoolLevel, missing: int) -> int:
    """Return the part of an overrun that is left to the declared end of the funding order."""
    if level.method == "none":
        return missing
    if level.method == "carry":
        return 0
    share = 1 - Fraction(level.fund_share or 0) if level.method == "share" else Fraction(level.hospitals_deficit or 0)
    return round_whole(missing * share, "half_away_from_zero")


def _surplus_of_hospitals(level: PoolLevel | None, surplus: int) -> int:
    """Return the hospitals' part of the pool's surplus under a two-way split."""
    if level is None or level.method != "two_way_split":
        return 0
    return round_whole(surplus * Fraction(level.hospitals_surplus or 0), "half_away_from_zero")


def _pro_rata_base(rule: Clearing, amounts: Mapping[str, int], extra: Mapping[str, Fraction]) -> dict[str, int]:
    """Return what a pro-rata cut is taken from: clearing amounts, or what overspend sharing added to them."""
    if rule.funding_order[-1] == "pro_rata:clearing":
        return {name: max(0, amount) for name, amount in amounts.items()}
    return {name: max(0, min(extra[name].__floor__(), amount)) for name, amount in amounts.items()}


def _reductions(
    rule: Clearing, funding: Funding, amounts: Mapping[str, int], extra: Mapping[str, Fraction]
) -> dict[str, int]:
    """Return each hospital's part of a pro-rata cut."""
    if not funding.pro_rata:
        return dict.fromkeys(amounts, 0)
    return largest_remainder(funding.pro_rata, _pro_rata_base(rule, amounts, extra))


def _portions(total: int, amounts: Mapping[str, int]) -> dict[str, int]:
    """Divide an amount over hospitals in proportion to their clearing amounts."""
    positive = {name: max(0, amount) for name, amount in amounts.items()}
    return largest_remainder(total, positive) if total else dict.fromkeys(amounts, 0)
