"""Weights and scores from history (医保办发〔2020〕45号, 50号; the DRG and DIP 2.0 and 3.0 schemes).

A group's weight is its mean charge over a divisor: the mean of all cases, the mean of a reference disease, or a fixed
amount per point. Means are exact fractions of integer fen sums and counts and are never rounded before use, so no
order or cut of the cases changes a digit.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Literal, NamedTuple

import polars as pl

from rules.fault import Text, UserError
from rules.money import fen
from rules.payment.trimming import trim
from rules.policy.calibration import Calibration

Stability = Literal["stable", "no_cases", "few_cases", "high_variation"]


class Sums(NamedTuple):
    """Number of cases, their charges (fen) and the squares of their charges."""

    cases: int = 0
    charge: int = 0
    squares: int = 0

    @property
    def scatter(self) -> Fraction:
        """Sum of squared distances from the mean (fen²)."""
        return Fraction(self.cases * self.squares - self.charge**2, self.cases or 1)

    @property
    def cv(self) -> Decimal | None:
        """Coefficient of variation with the population standard deviation, to 28 digits; None without charge."""
        if self.charge <= 0:
            return None
        with localcontext() as context:
            context.prec = 28
            return Decimal(self.cases * self.squares - self.charge**2).sqrt() / self.charge


@dataclass(frozen=True, slots=True)
class GroupWeight:
    """One calibrated group. Money in fen, exact; None where nothing can be said."""

    group: str
    parent: str | None
    cases: int
    trimmed: int
    mean: Fraction | None
    mean_untrimmed: Fraction | None
    cv: Decimal | None
    stability: Stability
    mean_from: Literal["own", "parent"] | None
    weight: Fraction | None

    @property
    def status(self) -> Literal["published", "withheld"]:
        """A weight that is not there is withheld, never guessed."""
        return "published" if self.weight is not None else "withheld"

    @property
    def trimming_effect(self) -> Fraction | None:
        """Own mean after trimming over own mean before, minus 1."""
        if self.mean is None or not self.mean_untrimmed or self.mean_from != "own":
            return None
        return self.mean / self.mean_untrimmed - 1


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A calibration's result: groups in code order, the mean of all cases (fen), the divisor and the RIV."""

    groups: tuple[GroupWeight, ...]
    mean_all: Fraction
    divisor: Fraction
    riv: Fraction | None

    @property
    def total(self) -> Fraction:
        """Total weight of the base cases: what adjustments keep constant."""
        return sum((g.weight * g.cases for g in self.groups if g.weight is not None), Fraction())

    def with_weights(self, weights: Mapping[str, Fraction]) -> "Calibrated":
        """Return the result with the weights of `weights` in place of its own."""
        return replace(self, groups=tuple(replace(g, weight=weights.get(g.group, g.weight)) for g in self.groups))


def inside_charge(total: pl.Expr, separately_paid: pl.Expr) -> pl.Expr:
    """Return the charge inside the perimeter (fen), the one definition for weights, means and case charges.

    What is paid separately is in none of them (m 20,000 with 12,000 of a separately paid drug and c 20,000 with the
    same give r = 1.00).
    """
    return total - separately_paid.fill_null(0)


def case_mix_index(cases: Mapping[str, int], weights: Mapping[str, Fraction]) -> Fraction:
    """Return the CMI: total weight over number of cases. Raises UserError for groups whose weight is not published."""
    if unpublished := sorted(group for group, count in cases.items() if count and group not in weights):
        raise UserError([Text(f"病组 {g} 没有公布权重", f"group {g} has no published weight") for g in unpublished])
    total = sum((count * weights[group] for group, count in cases.items() if count), Fraction())
    return total / sum(cases.values())


def estimate(years: Mapping[int, Sums], rule: Calibration) -> Fraction | None:
    """Return the mean charge (fen, exact) of several years by the policy's estimator, or None without cases.

    mean_of_yearly_means weights each year's mean, case_weighted each year's cases; years without cases are left out
    of both, so that the weights of the others count alone.
    """
    seen = [(rule.year_weights[str(year)], sums) for year, sums in years.items() if sums.cases]
    if not seen:
        return None
    if rule.estimator == "case_weighted":
        return Fraction(sum(w * sums.charge for w, sums in seen), sum(w * sums.cases for w, sums in seen))
    weighted = sum((w * Fraction(sums.charge, sums.cases) for w, sums in seen), Fraction())
    return weighted / sum(w for w, _ in seen)


def means_by(
    cases: pl.DataFrame, rule: Calibration, key: str, charge: str = "charge"
) -> dict[tuple[str, str], Fraction]:
    """Return the mean of a charge column (fen, exact) of each (group, key), of the cases that trimming keeps.

    The means by hospital level, and with a constant key those of drugs, consumables and procedures.
    """
    kept = trim(cases, rule.trimming).drop_nulls(key)
    table = kept.group_by("group", key, "year").agg(pl.len(), pl.col(charge).cast(pl.Int128).sum())
    years: dict[tuple[str, str], dict[int, Sums]] = {}
    for group, of, year, count, total in table.iter_rows():
        years.setdefault((group, str(of)), {})[year] = Sums(count, total)
    return {keys: mean for keys, sums in sorted(years.items()) if (mean := estimate(sums, rule)) is not None}


def calibrate(
    cases: pl.DataFrame, rule: Calibration, base: int = 1, directory: pl.DataFrame | None = None
) -> Calibrated:
    """Calibrate weights (base 1) or scores (base 1000 or 100; a fixed quota knows no base).

    `cases`: group (string), parent (string, the ADRG or comprehensive group; may be null), year (int), charge (int64
    fen, inside the perimeter): all discharges, self-paid ones included, refunds already taken out with their
    originals. `directory` (group, parent) adds the scheme's groups that have no case. Raises UserError for missing
    columns, missing or negative values, years without a weight and a reference disease without cases.
    """
    _refuse_bad_cases(cases, rule)
    parents = _parents(cases, directory)
    before = _sums(cases)
    kept = _sums(trim(cases, rule.trimming))
    families = _merge(
        (parents[group], group_years) for group, group_years in kept.items() if parents[group] is not None
    )
    everything = _merge(("", group_years) for group_years in kept.values()).get("", {})
    mean_all = estimate(everything, rule)
    if mean_all is None:
        raise UserError(Text("没有可用于测算的病例", "there is no case to calibrate from"))

    groups = []
    for group, parent in sorted(parents.items()):
        own, untrimmed = kept.get(group, {}), before.get(group, {})
        sums = total(own)
        stability = _stability(sums, rule)
        mean, origin = _mean(own, families.get(parent or "", {}), stability, rule)
        groups.append(
            GroupWeight(
                group=group,
                parent=parent,
                cases=sums.cases,
                trimmed=total(untrimmed).cases - sums.cases,
                mean=mean,
                mean_untrimmed=estimate(untrimmed, rule),
                cv=sums.cv,
                stability=stability,
                mean_from=origin,
                weight=None,
            )
        )
    divisor = _divisor(rule, base, mean_all, kept)
    weighed = tuple(g if g.mean is None else replace(g, weight=g.mean / divisor) for g in groups)
    return Calibrated(weighed, mean_all, divisor, _riv(kept))


def _mean(
    own: Mapping[int, Sums], family: Mapping[int, Sums], stability: Stability, rule: Calibration
) -> tuple[Fraction | None, Literal["own", "parent"] | None]:
    """Return the mean that makes the weight and where it comes from."""
    if stability == "stable":
        return estimate(own, rule), "own"
    if rule.unstable == "parent_mean" and total(family).cases >= rule.minimum_cases:
        return estimate(family, rule), "parent"
    return None, None


def _stability(sums: Sums, rule: Calibration) -> Stability:
    """Return whether a group has cases enough and varies little enough."""
    if not sums.cases:
        return "no_cases"
    if sums.cases < rule.minimum_cases:
        return "few_cases"
    if rule.maximum_cv is not None and sums.scatter * sums.cases > (Fraction(rule.maximum_cv) * sums.charge) ** 2:
        return "high_variation"
    return "stable"


def _divisor(rule: Calibration, base: int, mean_all: Fraction, kept: Mapping[str, Mapping[int, Sums]]) -> Fraction:
    """Return the fen per point: mean ÷ divisor is the weight or score."""
    if rule.divisor == "fixed_quota":
        return fen(rule.quota or 0)
    if rule.divisor == "mean_of_all":
        return mean_all / base
    reference = rule.reference_disease or ""
    mean = estimate(kept.get(reference, {}), rule)
    if mean is None:
        zh = f"基准病种 {reference} 在历史病例中没有出现"
        raise UserError(Text(zh, f"the reference disease {reference} has no case in the history"))
    return mean / base


def _riv(kept: Mapping[str, Mapping[int, Sums]]) -> Fraction | None:
    """Return the share of the variance of charges that lies between groups, exact; None where nothing varies."""
    groups = [total(years) for years in kept.values()]
    whole = _add(groups).scatter
    return 1 - sum((g.scatter for g in groups), Fraction()) / whole if whole else None


def yearly_sums(cases: pl.DataFrame, *keys: str) -> dict[tuple[str, ...], dict[int, Sums]]:
    """Return the sums of each combination of keys and year, in 128-bit integers."""
    wide = pl.col("charge").cast(pl.Int128)
    table = cases.group_by(*keys, "year").agg(
        pl.len(), wide.sum().alias("charge"), (wide * wide).sum().alias("squares")
    )
    found: dict[tuple[str, ...], dict[int, Sums]] = {}
    for *key, year, count, charge, squares in table.iter_rows():
        found.setdefault(tuple(key), {})[year] = Sums(count, charge, squares)
    return found


def _sums(cases: pl.DataFrame) -> dict[str, dict[int, Sums]]:
    """Return the yearly sums of each group."""
    return {group: years for (group,), years in yearly_sums(cases, "group").items()}


def _merge(parts: Iterable[tuple[str | None, Mapping[int, Sums]]]) -> dict[str, dict[int, Sums]]:
    """Add up the yearly sums that share a name."""
    named: dict[str, list[Mapping[int, Sums]]] = {}
    for name, years in parts:
        named.setdefault(name or "", []).append(years)
    return {name: add_years(years) for name, years in named.items()}


def add_years(parts: Sequence[Mapping[int, Sums]]) -> dict[int, Sums]:
    """Add up yearly sums year by year."""
    by_year: dict[int, list[Sums]] = {}
    for years in parts:
        for year, sums in years.items():
            by_year.setdefault(year, []).append(sums)
    return {year: _add(sums) for year, sums in by_year.items()}


def total(years: Mapping[int, Sums]) -> Sums:
    """Return the sums over all years."""
    return _add(list(years.values()))


def _add(parts: Sequence[Sums]) -> Sums:
    """Add up sums."""
    return Sums(*(sum(column) for column in zip(*parts, strict=True))) if parts else Sums()


def _parents(cases: pl.DataFrame, directory: pl.DataFrame | None) -> dict[str, str | None]:
    """Return each group's parent; a group under two parents is refused."""
    columns = ["group", "parent"]
    pairs = (
        pl.concat([cases.select(columns), *([] if directory is None else [directory.select(columns)])])
        .unique()
        .sort(columns)
    )
    parents: dict[str, str | None] = {}
    faults = []
    for group, parent in pairs.iter_rows():
        if parents.setdefault(group, parent) != parent:
            faults.append(
                Text(
                    f"病组 {group} 同时属于 {parents[group]} 与 {parent}",
                    f"group {group} belongs to both {parents[group]} and {parent}",
                )
            )
    if faults:
        raise UserError(faults)
    return parents


def _refuse_bad_cases(cases: pl.DataFrame, rule: Calibration) -> None:
    """Refuse what would silently bend the means, all faults at once."""
    missing = [name for name in ("group", "parent", "year", "charge") if name not in cases.columns]
    if missing:
        raise UserError(
            Text(f"历史病例缺少列：{'、'.join(missing)}", f"the historical cases lack columns: {', '.join(missing)}")
        )
    faults = [
        Text(f"{count} 例历史病例的 {name} 为空", f"{count} historical cases have no {name}")
        for name in ("group", "year", "charge")
        if (count := cases[name].null_count())
    ]
    if count := cases.filter(pl.col("charge") < 0).height:
        faults.append(
            Text(
                f"{count} 例历史病例的费用为负：退费须先与原结算一并剔除",
                f"{count} historical cases have a negative charge: take refunds out with their originals first",
            )
        )
    known = sorted(int(year) for year in rule.year_weights)
    faults += [
        Text(
            f"历史病例含 {year} 年，但权数只给出 {known}：请去掉该年病例或给出权数",
            f"there are cases of {year}, but weights only for {known}: drop them or give that year a weight",
        )
        for year in sorted(set(cases["year"].drop_nulls().unique()) - set(known))
    ]
    if faults:
        raise UserError(faults)
