"""What it costs and who pays: charges, fee items and fund parts that add up to the fen."""

import numpy as np

from engine.claims.canonical import FEE_ITEMS
from engine.synthetic.city import City
from engine.synthetic.draws import Draws, Flags, Floats, Ints, factors, rounded
from engine.synthetic.hospitals import Hospitals
from engine.synthetic.people import People, regions_of
from engine.synthetic.settings import Outliers, Range

FEN = 100
Money = dict[str, Ints]
"""Amounts in fen by canonical column."""
_BY_DAY = 0.75
"""Charge of day surgery beside a stay of the same group."""


def total_charges(
    city: City, hospitals: Hospitals, group: Ints, severity: Ints, hospital: Ints, stay_ratio: Floats,
    by_day: Flags, years: float, draws: Draws,
) -> Ints:  # fmt: skip
    """Draw the charges of cases around weight × charge per weight × level and hospital.

    `stay_ratio` is the length of stay beside the usual one; `years` the time since the first month: costs drift.
    """
    charges, count = city.settings.charges, len(group)
    level = charges.per_weight_yuan * FEN * round((1 + charges.growth) ** years, 9)
    usual = city.groups.weight[group, severity] * level * hospitals.cost[hospital]
    usual = usual * (0.62 + 0.38 * np.minimum(stay_ratio, 5.0)) * np.where(by_day, _BY_DAY, 1.0)
    drawn = usual * factors(draws, charges.spread, count)
    for outliers in (charges.high, charges.low):
        drawn = np.where(draws.chance(outliers.share, count), drawn * _even(outliers, draws, count), drawn)
    return np.maximum(rounded(drawn), FEN)


def fee_items(city: City, group: Ints, total: Ints, draws: Draws) -> Money:
    """Divide charges into the fourteen fee classes; what rounding leaves goes to the class that is usually largest."""
    mixes = np.array(list(city.settings.fees.values()), np.int64)
    kind = city.groups.fees[group]
    # Each part varies between a half and one and a half of its usual size.
    parts = mixes[kind] * (draws.steps(len(group), len(FEE_ITEMS)).astype(np.int64) + 32768)
    share = total / parts.sum(axis=1)
    amounts = np.floor(parts * share[:, None]).astype(np.int64)
    amounts[np.arange(len(group)), mixes.argmax(axis=1)[kind]] += total - amounts.sum(axis=1)
    return {item.name: amounts[:, place] for place, item in enumerate(FEE_ITEMS)}


def paid_parts(city: City, people: People, level: Ints, away: Flags, total: Ints, draws: Draws) -> Money:
    """Divide charges among patient, funds and hospital; `level` is the hospital's place in the settings.

    The covered part is the charge without what lies outside the insurance, what category B asks first, and the
    deductible; the pool pays a rate of it, up to its limit; then come large-sum aid, serious-illness insurance, civil
    servants' aid and assistance.
    """
    benefits, count = city.settings.benefits, len(total)
    by_insurance = (people.employee.astype(np.int64), level)
    deductibles = [
        [h.deductible.resident for h in city.settings.hospitals],
        [h.deductible.employee for h in city.settings.hospitals],
    ]
    rates = [
        [h.reimbursed.resident for h in city.settings.hospitals],
        [h.reimbursed.employee for h in city.settings.hospitals],
    ]
    outside, first = (rounded(total * _even(part, draws, count)) for part in (benefits.full_self, benefits.category_b))
    deductible = np.minimum(rounded(np.array(deductibles)[by_insurance] * FEN), total - outside - first)
    covered = total - outside - first - deductible
    rate = np.array(rates)[by_insurance] * np.where(away, benefits.outside_factor, 1.0)
    paid = rounded(covered * rate)
    pool = np.minimum(paid, round(benefits.pool_limit_yuan * FEN))
    above = paid - pool
    large, serious = np.where(people.employee, above, 0), np.where(people.employee, 0, above)
    left = covered - paid
    serious = serious + np.where(
        people.employee,
        0,
        rounded(np.maximum(left - round(benefits.serious.above_yuan * FEN), 0) * benefits.serious.rate),
    )
    left = covered - pool - large - serious
    civil = np.where(people.aided & people.employee, rounded(left * benefits.civil_rate), 0)
    assist = np.where(people.aided & ~people.employee, rounded(left * benefits.assist_rate), 0)
    left = left - civil - assist
    other = np.where(draws.chance(benefits.other.share, count), rounded(left * benefits.other.rate), 0)
    fund = pool + large + serious + civil + assist + other
    borne = _hospital_borne(city, total - fund - outside - first - deductible, total, draws)
    return {
        "total_charge": total,
        "fund_total": fund,
        "hospital_borne": borne,
        "fund_pool_paid": pool,
        "fund_large_paid": large,
        "fund_serious_paid": serious,
        "fund_civil_paid": civil,
        "fund_assist_paid": assist,
        "fund_other_paid": other,
        "patient_paid": total - fund - borne,
        "full_self_paid": outside,
        "deductible": deductible,
        "category_b_self_paid": first,
    }


def is_away(city: City, hospitals: Hospitals, people: People, hospital: Ints) -> Flags:
    """Tell cases whose place of insurance is not the city's, or that were treated outside."""
    home = np.arange(len(regions_of(city))) < len(city.settings.insured.regions)
    treated_here = np.array([region == city.settings.region for region in hospitals.region])
    return np.asarray(~(home[people.region] & treated_here[hospital]))


def _hospital_borne(city: City, most: Ints, total: Ints, draws: Draws) -> Ints:
    borne, count = city.settings.charges.hospital_borne, len(total)
    amount = np.minimum(rounded(total * _even(borne, draws, count)), most)
    return np.where(draws.chance(borne.share, count), amount, 0)


def _even(part: Range | Outliers, draws: Draws, count: int) -> Floats:
    return draws.between(part.start, part.end, count)
