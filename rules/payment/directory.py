"""Which groups a local DIP directory has (本地目录测算; 医保办发〔2020〕50号, DIP 3.0 技术规范).

Core groups by number of cases or coverage, related procedures that earn a group of their own, primary-care groups.
All sums are integers and every choice is a total order, so no order or cut of the cases changes anything.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Literal, NamedTuple

import polars as pl

from rules.fault import Text, UserError
from rules.payment.calibration import GroupWeight, Sums, estimate, yearly_sums
from rules.payment.weight_adjustment import relative_change
from rules.policy.calibration import Calibration
from rules.policy.directory import Core, PrimaryCare, Related


class OwnGroup(NamedTuple):
    """A related procedure that earns its group: its cases and their mean charge beside the rest's (fen, exact)."""

    group: str
    procedure: str
    cases: int
    mean: Fraction
    mean_without: Fraction

    @property
    def raised_by(self) -> Fraction:
        """How much the procedure raises the mean charge."""
        return relative_change(self.mean_without, self.mean)


class PrimaryCareTest(NamedTuple):
    """A group's test for primary care: its figures, and the first condition it fails (None: selected)."""

    group: str
    cases: int
    cv: Decimal | None
    low_level_share: Fraction
    fails: Literal["not_published", "cases", "cv", "low_level_share"] | None


def least_cases(counts: Collection[int], rule: Core) -> int:
    """Return how many cases make a core group: the number given, or the largest with which the groups cover enough.

    `counts`: cases of every group that may become one. Raises UserError where no group has so many.
    """
    largest = max(counts, default=0)
    threshold = rule.cases if rule.cases is not None else _covering(counts, rule)
    if largest < threshold or not largest:
        raise UserError(
            Text(
                f"directory.core：没有病种达到 {threshold} 例，最大的病种 {largest} 例",
                f"directory.core: no group has {threshold} cases; the largest has {largest}",
            )
        )
    return threshold


def _covering(counts: Collection[int], rule: Core) -> int:
    wanted, covered = Fraction(rule.coverage or 0) * sum(counts), 0
    for count in sorted(counts, reverse=True):
        covered += count
        if covered >= wanted:
            return count
    return 1


def deserves_own_group(mean_without: Fraction | int, mean_with: Fraction | int, raised_by: Fraction) -> bool:
    """Return whether a related procedure raises the mean so much that its cases form a group of their own (DIP 3.0)."""
    return relative_change(mean_without, mean_with) >= raised_by


def own_groups(cases: pl.DataFrame, beside: pl.DataFrame, rule: Related, history: Calibration) -> list[OwnGroup]:
    """Return the related procedures that earn a group of their own, in the order in which they are tried on a case.

    `cases`: row (the case), group, year, charge (int64 fen). `beside`: row, procedure: what a case has beside its
    main procedure, each once. In each group the procedure that raises the mean most (then the one with more cases,
    then the first code) is split off if it raises it enough and leaves enough cases on both sides; then the rest is
    looked at again. Means are of all years by the policy's estimator, before trimming.
    """
    found: list[OwnGroup] = []
    while True:
        chosen = _most_raising(cases, beside, rule, history)
        if not chosen:
            return found
        found += chosen
        schema = {"group": cases.schema["group"], "procedure": beside.schema["procedure"]}
        split = pl.DataFrame([(one.group, one.procedure) for one in chosen], schema=schema, orient="row")
        # A group that was not split will not be: only the rest of those that were is looked at again.
        cases = cases.join(split.select("group"), on="group", how="semi")
        taken = cases.select("row", "group").join(beside, on="row").join(split, on=["group", "procedure"], how="semi")
        cases = cases.join(taken, on="row", how="anti")


def _most_raising(cases: pl.DataFrame, beside: pl.DataFrame, rule: Related, history: Calibration) -> list[OwnGroup]:
    """Return of each group the procedure to split off, in code order."""
    having = cases.join(beside, on="row")
    common = having.group_by("group", "procedure").len().filter(pl.col("len") >= rule.cases)
    wholes = yearly_sums(cases.join(common.select("group").unique(), on="group", how="semi"), "group")
    parts = yearly_sums(having.join(common, on=["group", "procedure"], how="semi"), "group", "procedure")
    best: dict[str, OwnGroup] = {}
    for (group, procedure), own in sorted(parts.items()):
        rest = {year: _less(sums, own.get(year, Sums())) for year, sums in wholes[group,].items()}
        mean, mean_without = estimate(own, history), estimate(rest, history)
        if not mean or not mean_without or sum(sums.cases for sums in rest.values()) < rule.cases:
            continue
        one = OwnGroup(group, procedure, sum(sums.cases for sums in own.values()), mean, mean_without)
        if deserves_own_group(mean_without, mean, Fraction(rule.mean_raised_by)):
            before = best.get(group)
            if before is None or (one.raised_by, one.cases) > (before.raised_by, before.cases):
                best[group] = one
    return list(best.values())


def _less(whole: Sums, part: Sums) -> Sums:
    return Sums(*(a - b for a, b in zip(whole, part, strict=True)))


def is_primary_care_candidate(cv: Decimal | None, maximum_cv: Decimal) -> bool:
    """Return whether a group's charges vary little enough for a primary-care group (DIP: CV at most 0.7)."""
    return cv is not None and cv <= maximum_cv


def primary_care_groups(
    groups: Iterable[GroupWeight],
    levels: Mapping[str, Mapping[str, int]],
    rule: PrimaryCare,
    published: Collection[str],
) -> list[PrimaryCareTest]:
    """Return the test of every group that may become one of primary care (基层病种), in the order given.

    `levels`: cases of each group by hospital level; cases of unknown level count as not treated in low-level
    hospitals. `published`: groups on the national list, asked where the policy takes its candidates from it.
    """
    return [_tested(group, levels.get(group.group, {}), rule, published) for group in groups]


def _tested(
    group: GroupWeight, levels: Mapping[str, int], rule: PrimaryCare, published: Collection[str]
) -> PrimaryCareTest:
    cases = sum(levels.values())
    share = Fraction(sum(levels.get(level, 0) for level in rule.levels), cases or 1)
    conditions: Sequence[tuple[Literal["not_published", "cases", "cv", "low_level_share"], bool]] = (
        ("not_published", rule.candidates == "all" or group.group in published),
        ("cases", cases >= rule.cases),
        ("cv", is_primary_care_candidate(group.cv, rule.maximum_cv)),
        ("low_level_share", share > rule.share_over),
    )
    fails = next((name for name, holds in conditions if not holds), None)
    return PrimaryCareTest(group.group, cases, group.cv, share, fails)
