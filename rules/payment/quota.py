"""Hospital quotas where a region has them, and the total-control deduction (总控扣款)."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Literal, NamedTuple

from rules.fault import Text, UserError
from rules.money import largest_remainder, round_fen
from rules.policy.cases import Money
from rules.policy.pools import Quotas


class QuotaVersion(NamedTuple):
    """One line of the quota table: a hospital's amount (fen) in one version, proposed or agreed."""

    hospital: str
    version: int
    state: Literal["proposed", "agreed"]
    amount: int


def hospital_quotas(rule: Quotas, table: list[QuotaVersion], fund: int, money: Money) -> dict[str, int]:
    """Return each hospital's quota of the year (fen).

    history: the pool's F divided by the listed amounts of past years; growth: last year's amount × (1 + g);
    negotiation: the latest agreed version. Raises UserError for hospitals whose negotiation has no agreed version.
    """
    agreed: dict[str, int] = {}
    for line in sorted(table, key=lambda line: line.version):
        if line.state == "agreed":
            agreed[line.hospital] = line.amount
    missing = sorted({line.hospital for line in table} - set(agreed))
    if missing:
        raise UserError(
            [
                Text(f"医院 {name} 的指标没有已商定的版本", f"the quota of hospital {name} has no agreed version")
                for name in missing
            ]
        )
    if rule.method == "history":
        return largest_remainder(fund, agreed)
    if rule.method == "growth":
        growth = 1 + Fraction(rule.growth or 0)
        return {name: round_fen(amount * growth, money.step, money.mode) for name, amount in agreed.items()}
    return agreed


def total_control_deduction(rule: Quotas, spent: Mapping[str, int], quotas: Mapping[str, int]) -> dict[str, Fraction]:
    """Return what each hospital loses for spending more than its quota (fen, exact).

    The excess begins above quota × (1 + tolerance). all_over deducts it, share_over a share of it, bands_over each
    slice of excess ÷ quota at its own share. Hospitals without a quota are refused.
    """
    unknown = sorted(set(spent) - set(quotas))
    if unknown:
        raise UserError([Text(f"医院 {name} 没有总额指标", f"hospital {name} has no quota") for name in unknown])
    return {name: _deduction(rule, amount, quotas[name]) for name, amount in spent.items()}


def _deduction(rule: Quotas, spent: int, quota: int) -> Fraction:
    """Return one hospital's deduction."""
    excess = max(Fraction(0), spent - quota * (1 + Fraction(rule.tolerance)))
    if rule.deduction == "none":
        return Fraction(0)
    if rule.deduction == "all_over":
        return excess
    if rule.deduction == "share_over":
        return excess * Fraction(rule.share or 0)
    deducted, lower = Fraction(0), Fraction(0)
    for band in rule.bands:
        upper = excess if band.up_to is None else min(excess, quota * Fraction(band.up_to))
        deducted += max(Fraction(0), upper - lower) * Fraction(band.share)
        lower = max(lower, upper)
    return deducted
