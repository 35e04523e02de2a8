"""What for: the group aimed at, the typical case, all diagnoses and procedures, and how severe that makes the case."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.synthetic.city import City, Lists, Pathways, is_adult
from engine.synthetic.draws import Choice, Draws, Flags, Ints
from engine.synthetic.people import People

_MOST_EXAMINATIONS = 6
_NEXT_EXAMINATION = 7


@dataclass(frozen=True)
class Care:
    """Codes and severity of some claims, one a row."""

    pathway: Ints
    diagnoses: Lists
    procedures: Lists
    severity: Ints
    """Highest complication level that is not excluded: 0 none, 1 CC, 2 MCC."""


def care_of(city: City, group: Ints, level: Ints, people: People, draws: Draws) -> Care:
    """Draw the codes of cases from their group, the level of the hospital (place in the settings) and the patient."""
    rows = Pathways.row(group, people.sex, is_adult(people.age).astype(np.int64))
    pathway = city.pathways.listed[city.pathways.choice.draw(draws, rows)]
    principal = city.pathways.principal[pathway]
    owner, codes = _conditions(city, group, level, people, draws)
    kept = city.coding.category[codes] != city.coding.category[principal[owner]]
    diagnoses = _joined(principal, pathway, city.pathways.others, owner[kept], codes[kept])
    severity = _severity(city, diagnoses)
    _swap_principal(diagnoses, draws.chance(city.settings.coding.principal_swapped, len(group)))
    return Care(pathway, diagnoses, _procedures(city, pathway, draws), severity)


def _conditions(city: City, group: Ints, level: Ints, people: People, draws: Draws) -> tuple[Ints, NDArray[np.int32]]:
    """Draw what people have besides; returns the claim and the code of each condition, by claim."""
    count, kinds = len(group), city.conditions.often.shape[2]
    burdens, burden = np.unique(city.groups.burden, return_inverse=True)
    loads = np.array(city.settings.coding.burden)
    often = city.conditions.often[:, :, None, None, :] * (loads[:, None] * burdens)[:, :, None]
    limits = np.rint(np.minimum(often, 0.95) * 65536).astype(np.uint16)
    load = Choice.of([hospital.burden for hospital in city.settings.hospitals]).draw(draws, level) % len(loads)
    row = np.ravel_multi_index((people.context, people.sex - 1, load, burden[group]), limits.shape[:4])
    found = np.flatnonzero(draws.steps(count, kinds) < limits.reshape(-1, kinds)[row])
    owner, condition = np.divmod(found, kinds)
    return owner, city.conditions.code[city.conditions.choice.draw(draws, condition)]


def _joined(first: NDArray[np.int32], pathway: Ints, seconds: Lists, owner: Ints, codes: NDArray[np.int32]) -> Lists:
    """Return lists of a first code, the codes of the pathway, and the codes of each owner in turn."""
    lengths, own = seconds.lengths[pathway], np.bincount(owner, minlength=len(first))
    starts = np.concatenate(([0], np.cumsum(1 + lengths + own)))
    values = np.empty(starts[-1], np.int32)
    values[starts[:-1]] = first
    _place(values, starts[:-1] + 1, pathway, seconds)
    turn = np.arange(len(owner)) - (np.cumsum(own) - own)[owner]
    values[(starts[:-1] + 1 + lengths)[owner] + turn] = codes
    return Lists(starts, values)


def _place(values: NDArray[np.int32], at: Ints, rows: Ints, lists: Lists) -> None:
    """Copy row `rows[i]` of `lists` into `values` from `at[i]` on."""
    lengths = lists.lengths
    for turn in range(int(lengths.max(initial=0))):
        longer = np.flatnonzero(lengths[rows] > turn)
        values[at[longer] + turn] = lists.values[lists.starts[rows[longer]] + turn]


def _severity(city: City, diagnoses: Lists) -> Ints:
    """Return the highest level of the other diagnoses that the principal one does not exclude."""
    coding, firsts = city.coding, diagnoses.starts[:-1]
    level = coding.level[diagnoses.values]
    level[firsts] = 0
    found = np.flatnonzero(level)
    owner = np.searchsorted(firsts, found, side="right") - 1
    principal = diagnoses.values[firsts[owner]]
    counted = coding.table[diagnoses.values[found]] != coding.excludes[principal]
    found, owner = found[counted], owner[counted]
    severity = np.zeros(len(firsts), np.int64)
    severity[owner] = 1
    severity[owner[level[found] == 2]] = 2
    return severity


def _swap_principal(diagnoses: Lists, wrong: Flags) -> None:
    """Put the second diagnosis first where the coder chose wrongly and there is one."""
    first = diagnoses.starts[:-1][wrong & (diagnoses.lengths > 1)]
    diagnoses.values[first], diagnoses.values[first + 1] = diagnoses.values[first + 1], diagnoses.values[first]


def _procedures(city: City, pathway: Ints, draws: Draws) -> Lists:
    """Return the procedures of the pathway, followed by examinations, none twice."""
    means, own = city.settings.coding.examinations, city.pathways.procedures
    lengths = own.lengths[pathway]
    counts = Choice.of([_poisson(means.medical), _poisson(means.procedural)])
    extra = counts.draw(draws, (lengths > 0).astype(np.int64)) % (_MOST_EXAMINATIONS + 1)
    starts = np.concatenate(([0], np.cumsum(lengths + extra)))
    values = np.empty(starts[-1], np.int32)
    _place(values, starts[:-1], pathway, own)
    owner = np.repeat(np.arange(len(pathway)), extra)
    turn = np.arange(len(owner)) - (np.cumsum(extra) - extra)[owner]
    first = city.examinations.draw(draws, np.zeros(len(pathway), np.int64))
    kinds = len(city.examination)
    values[(starts[:-1] + lengths)[owner] + turn] = city.examination[(first[owner] + _NEXT_EXAMINATION * turn) % kinds]
    return Lists(starts, values)


def _poisson(mean: float) -> list[float]:
    """Return weights of 0 to the most, in the proportions of a Poisson distribution."""
    weights = [1.0]
    for count in range(1, _MOST_EXAMINATIONS + 1):
        weights.append(weights[-1] * mean / count)
    return weights


def discharge_ways(city: City, group: Ints, severity: Ints, age_band: Ints, draws: Draws) -> Ints:
    """Draw the official ways of discharge: 1 as advised, 5 dead, and the others of the settings."""
    endings, count = city.settings.endings, len(group)
    ways = np.ones(count, np.int64)
    for way, often in endings.others.items():
        ways[draws.chance(often / 1000, count)] = int(way)
    rate = np.array(endings.deaths)[severity] * np.array(endings.deaths_by_age)[age_band] * city.groups.burden[group]
    ways[draws.chance(rate / 1000, count)] = 5
    return ways


def usual_days(city: City, group: Ints, level: Ints, severity: Ints) -> NDArray[np.float64]:
    """Return the mean length of stay of cases: longer with complications."""
    stay = np.array([hospital.stay for hospital in city.settings.hospitals])
    return np.asarray(city.groups.days[group] * stay[level] * np.array([0.92, 1.02, 1.3])[severity])
