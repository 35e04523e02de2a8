"""Regions: the principal diagnoses and procedures a rule can take, and whether earlier rules leave it any.

Codes with the same memberships are one class, a region is two bit masks of classes with what else the rule demands.
Everything said here is proven, not guessed: a rule that only several others cover by splitting an age is not found.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from math import inf
from typing import NamedTuple

from grouper.drg.clauses import Clause, CodeFact, CountFact, LevelFact, Literal, NumberFact
from grouper.scheme.pack import Scheme

NO_SET = 1
"""The bit of codes that are in no set, and of no code at all."""


class Demand(NamedTuple):
    """What a region asks of codes other than the principal ones: some code of `kind` is, or none is, in `codes`."""

    kind: str
    codes: int
    holds: bool

    def follows_from(self, given: "Demand") -> bool:
        """Whether a case that meets `given` meets this demand."""
        narrow, wide = (given.codes, self.codes) if self.holds else (self.codes, given.codes)
        return self.kind == given.kind and self.holds == given.holds and not narrow & ~wide


class Region(NamedTuple):
    """The cases of one clause: principal diagnosis, principal procedure, other demands, bounds of numbers."""

    diagnoses: int
    procedures: int
    demands: frozenset[Demand]
    bounds: Mapping[str, tuple[float, float]]

    @property
    def names_diagnoses(self) -> bool:
        """Whether the principal diagnosis has to be in some set."""
        return not self.diagnoses & NO_SET

    @property
    def needs_procedure(self) -> bool:
        """Whether no case without a procedure is in the region."""
        others = any(demand.holds and "QTSS" in demand.kind for demand in self.demands)
        return others or not self.procedures & NO_SET

    @property
    def needs_other_codes(self) -> bool:
        """Whether a principal diagnosis is not enough: a procedure or another diagnosis is asked for."""
        return not self.procedures & NO_SET or any(demand.holds for demand in self.demands)

    def meets(self, other: "Region") -> bool:
        """Whether some principal diagnosis, procedure and number are in both regions."""
        apart = (
            max(low, other.bounds[name][0]) > min(high, other.bounds[name][1])
            for name, (low, high) in self.bounds.items()
            if name in other.bounds
        )
        return bool(self.diagnoses & other.diagnoses and self.procedures & other.procedures) and not any(apart)

    def takes_all_of(self, other: "Region") -> bool:
        """Whether this region holds every case of `other` whose principal diagnosis and procedure it holds."""
        for name, (low, high) in self.bounds.items():
            inner = other.bounds.get(name)
            if inner is None or inner[0] < low or inner[1] > high:
                return False
        return all(any(demand.follows_from(given) for given in other.demands) for demand in self.demands)


class CodeClasses:
    """The classes of a scheme's codes: bit i of a mask is class i, bit 0 the codes of no set."""

    def __init__(self, scheme: Scheme) -> None:
        self.members: list[list[str]] = [[]]
        self._masks: defaultdict[str, int] = defaultdict(int)
        sets = {
            **scheme.sets,
            "not grouped ZYZD": scheme.not_grouped_diagnoses,
            "not grouped ZYSS": scheme.not_grouped_procedures,
        }
        sets_of: defaultdict[str, tuple[str, ...]] = defaultdict(tuple)
        for name, codes in sets.items():
            for code in codes:
                sets_of[code] += (name,)
        classes: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
        for code in sorted(sets_of):
            classes[sets_of[code]].append(code)
        for index, (names, members) in enumerate(classes.items(), start=1):
            self.members.append(members)
            for name in names:
                self._masks[name] |= 1 << index
        self._all = (1 << len(self.members)) - 1

    def codes(self, mask: int) -> list[str]:
        """Return the folded codes of a mask's classes, sorted."""
        return sorted(code for index, codes in enumerate(self.members) if mask >> index & 1 for code in codes)

    def union(self, sets: Iterable[str]) -> int:
        """Return the mask of the union of sets."""
        mask = 0
        for name in sets:
            mask |= self._masks[name]
        return mask

    def regions(self, clauses: Iterable[Clause]) -> list[Region]:
        """Return the regions of clauses; a clause that no case can meet has none."""
        found = (self._region(clause) for clause in clauses)
        return [region for region in found if region is not None]

    def _region(self, clause: Clause) -> Region | None:
        principal = {field: self._all & ~self._masks[f"not grouped {field}"] for field in ("ZYZD", "ZYSS")}
        demands: set[Demand] = set()
        bounds: dict[str, tuple[float, float]] = {}
        for fact, holds in clause:
            if isinstance(fact, NumberFact):
                low, high = bounds.get(fact.scalar, (-inf, inf))
                bounds[fact.scalar] = max(low, _bounds(fact)[0]), min(high, _bounds(fact)[1])
            elif isinstance(fact, CodeFact) and fact.field in principal:
                mask = self.union(fact.sets)
                principal[fact.field] &= mask if holds else ~mask
            else:
                demands.add(self._demand(Literal(fact, holds)))
        if not all(principal.values()) or any(low > high for low, high in bounds.values()):
            return None
        if any(demand.holds and not demand.codes for demand in demands):
            return None
        return Region(principal["ZYZD"], principal["ZYSS"], frozenset(demands), bounds)

    def _demand(self, literal: Literal) -> Demand:
        fact, holds = literal
        if isinstance(fact, LevelFact):
            return Demand(fact.level, NO_SET, holds)
        if isinstance(fact, CountFact):
            return Demand(f"{fact.minimum} of {', '.join(fact.fields)}", self.union([fact.set]), holds)
        if isinstance(fact, CodeFact):
            return Demand(fact.field, self.union(fact.sets), holds)
        raise TypeError(fact)


def _bounds(fact: NumberFact) -> tuple[float, float]:
    value = fact.value
    return {
        "=": (value, value),
        ">=": (value, inf),
        ">": (value + 1, inf),
        "<=": (-inf, value),
        "<": (-inf, value - 1),
    }[fact.operator]


def covering(region: Region, earlier: Iterable[tuple[str, Region]]) -> list[str] | None:
    """Return earlier rules, no more than needed, that together take every case of `region`; None if some are left."""
    takers = [
        (name, taker)
        for name, taker in earlier
        if taker.diagnoses & region.diagnoses and taker.procedures & region.procedures and taker.takes_all_of(region)
    ]
    if not _covered(region, [taker for _, taker in takers]):
        return None
    for name in dict(takers):
        others = [(other, taker) for other, taker in takers if other != name]
        if _covered(region, [taker for _, taker in others]):
            takers = others
    return list(dict(takers))


def _covered(region: Region, takers: Iterable[Region]) -> bool:
    """Whether the diagnoses and procedures of the takers leave no pair of the region's."""
    left = [(region.diagnoses, region.procedures)]
    for taker in takers:
        pieces = [
            piece
            for diagnoses, procedures in left
            for piece in (
                (diagnoses & ~taker.diagnoses, procedures),
                (diagnoses & taker.diagnoses, procedures & ~taker.procedures),
            )
        ]
        left = [(diagnoses, procedures) for diagnoses, procedures in pieces if diagnoses and procedures]
    return not left
