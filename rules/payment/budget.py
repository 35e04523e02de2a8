"""Pools and their money of the year: amount, income, levies and grants, reserve, changes (规程 2025版).

A pool is year × insurance type × region × place. Its fund budget F follows line by line from the amount of the
declared method; pools form a hierarchy, money moves between its levels, and the identity is proven at every level.
All amounts are int64 fen.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import NamedTuple

from rules.fault import Text, UserError
from rules.money import fen, largest_remainder, round_fen
from rules.payment.statement import Documents, Line, rule_line, undocumented
from rules.policy.cases import Money
from rules.policy.pools import (
    Budget,
    BudgetByExpenditure,
    BudgetByGrowth,
    BudgetByShare,
    BudgetChange,
    Income,
    MonthlySpread,
    Pool,
)

GROUNDS = {
    "income": Text("基金收入", "fund income"),
    "patients": Text("就医人数", "patients seeking care"),
    "benefit_policy": Text("待遇政策", "benefit policy"),
    "public_health_event": Text("重大公共卫生事件", "public-health event"),
    "fund_balance": Text("基金运行", "fund balance"),
}
METHODS = {
    "expenditure": Text("支出项目法", "expenditure items"),
    "share": Text("比例法", "share of the fund"),
    "growth": Text("增长率法", "growth"),
}


@dataclass(frozen=True, slots=True)
class PoolBudget:
    """A pool's money of the year, fen. The lines add up to `fund`, which is F.

    own: the pool's own money; received, paid: levies and grants; reserve_set_aside: withheld from the own money;
    reserve_drawn: what changes took from the reserve; reserve: what clearing finds there.
    """

    pool: str
    lines: tuple[Line, ...]
    own: int
    received: int
    paid: int
    reserve_set_aside: int
    reserve_drawn: int
    reserve: int

    @property
    def fund(self) -> int:
        """Return F."""
        return sum(line.amount for line in self.lines)


def budget_amount(budget: Budget) -> Fraction:
    """Return the year's amount by the declared method, before the reserve (fen, exact)."""
    if isinstance(budget, BudgetByExpenditure):
        return fen(budget.inpatient) - fen(budget.adjustment) - fen(budget.out_of_area) - fen(budget.items_outside)
    if isinstance(budget, BudgetByShare):
        return fen(budget.fund) * Fraction(budget.share)
    return fen(budget.base) * (1 + Fraction(budget.growth))


def pool_budget(
    pools: Sequence[Pool],
    pool: Pool,
    money: Money,
    through: date,
    documents: Documents = undocumented,
) -> PoolBudget:
    """Return a pool's budget with everything that has happened up to and including `through`.

    Raises UserError when F or the reserve would fall below zero.
    """
    path = ("pools", [p.id for p in pools].index(pool.id), "budget")
    lines = list(_own_lines(pool, money, through, path, documents))
    own = sum(line.amount for line in lines)
    received, paid = _levies(pools, pool, through)
    lines += [
        rule_line("上级或其他基金池拨入", "received from other pools", received, (*path[:2], "levies"), documents),
        rule_line("上解或拨出", "paid to other pools", -paid, (*path[:2], "levies"), documents),
    ]
    base = sum(line.amount for line in lines[:2])
    aside = round_fen(base * Fraction(pool.budget.reserve), money.step, money.mode)
    lines.append(rule_line("提取风险金", "set aside as reserve", -aside, (*path, "reserve"), documents))
    drawn_lines = [_change_line(change, path, documents) for change in _changes(pool, through, "reserve")]
    lines += drawn_lines
    drawn = sum(line.amount for line in drawn_lines)
    reserve = round_fen(fen(pool.reserve_at_start), money.step, money.mode) + aside - drawn
    found = PoolBudget(pool.id, tuple(lines), own, received, paid, aside, drawn, reserve)
    _refuse_negative(found)
    return found


def _own_lines(
    pool: Pool, money: Money, through: date, path: tuple[str | int, ...], documents: Documents
) -> Iterator[Line]:
    """Yield the lines of the pool's own money; the first two are the base of the reserve."""
    amount = budget_amount(pool.budget)
    method = METHODS[pool.budget.method]
    total = round_fen(amount, money.step, money.mode)
    yield rule_line(f"预算总额（{method.zh}）", f"amount ({method.en})", total, path, documents)
    corrected = round_fen(amount * income_correction(pool.income), money.step, money.mode)
    yield rule_line(
        "按决算收入校正",
        "correction to the final account of income",
        corrected - total,
        (*path[:2], "income"),
        documents,
    )
    for change in _changes(pool, through, "fund"):
        yield _change_line(change, path, documents)
    for carved in pool.carve_outs:
        off = round_fen(fen(carved.amount), money.step, money.mode)
        zh, en = f"划出：{carved.name.zh}", f"carved out: {carved.name.en}"
        yield rule_line(zh, en, -off, (*path[:2], "carve_outs"), documents)
    if pool.carried_overrun:
        off = round_fen(fen(pool.carried_overrun), money.step, money.mode)
        path = (*path[:2], "carried_overrun")
        yield rule_line("上年结转超支", "overrun carried from last year", -off, path, documents)


def _changes(pool: Pool, through: date, source: str) -> list[BudgetChange]:
    """Return the dated changes paid from `source`, oldest first."""
    return sorted((c for c in pool.changes if c.on <= through and c.source == source), key=lambda c: (c.on, c.reason))


def _change_line(change: BudgetChange, path: tuple[str | int, ...], documents: Documents) -> Line:
    """Return the line of a change with its ground, day and reason."""
    ground = GROUNDS[change.ground]
    line = rule_line(
        f"{change.on} 调整（{ground.zh}）：{change.reason}",
        f"change of {change.on} ({ground.en}): {change.reason}",
        round_fen(fen(change.amount), "fen", "half_away_from_zero"),
        (*path[:2], "changes"),
        documents,
    )
    return line._replace(document=change.reference)


def _levies(pools: Sequence[Pool], pool: Pool, through: date) -> tuple[int, int]:
    """Return what a pool received and what it paid in adjustment money."""
    moved = [(p.id, levy.to, fen(levy.amount)) for p in pools for levy in p.levies if levy.on <= through]
    received = sum((amount for _, to, amount in moved if to == pool.id), Fraction())
    paid = sum((amount for giver, _, amount in moved if giver == pool.id), Fraction())
    return round_fen(received, "fen", "half_away_from_zero"), round_fen(paid, "fen", "half_away_from_zero")


def _refuse_negative(budget: PoolBudget) -> None:
    """Refuse a budget that spends more than there is."""
    faults = []
    if budget.fund < 0:
        faults.append(Text(f"基金池 {budget.pool} 的预算为负", f"the budget of pool {budget.pool} is below zero"))
    if budget.reserve < 0:
        faults.append(
            Text(
                f"基金池 {budget.pool} 动用的风险金超过其余额",
                f"the changes of pool {budget.pool} draw more than its reserve holds",
            )
        )
    if faults:
        raise UserError(faults)


def monthly_amounts(fund: int, spread: "MonthlySpread | str") -> dict[str, int]:
    """Return the year's F spread over months 01 … 12, adding up to it to the fen."""
    if isinstance(spread, MonthlySpread):
        return largest_remainder(fund, spread.shares)
    return largest_remainder(fund, {f"{month:02d}": 1 for month in range(1, 13)})


class LevelProof(NamedTuple):
    """One pool's identity, own + received - paid = fund + reserve set aside - drawn, and that of its subtree."""

    pool: str
    own: int
    received: int
    paid: int
    available: int
    below: int
    sources: int

    @property
    def holds(self) -> bool:
        """Tell whether both identities hold to the fen."""
        return self.own + self.received - self.paid == self.available and self.below == self.sources


def prove_hierarchy(pools: Sequence[Pool], budgets: Mapping[str, PoolBudget], through: date) -> list[LevelProof]:
    """Return the identity at each level: what a pool and all below it may spend is their own money and what crossed in.

    At the top nothing crosses, so the whole hierarchy spends exactly its own money.
    """
    proofs = []
    for pool in pools:
        inside = _subtree(pools, pool.id)
        crossing = sum(
            (fen(levy.amount) * ((levy.to in inside) - (p.id in inside)))
            for p in pools
            for levy in p.levies
            if levy.on <= through
        )
        own = budgets[pool.id]
        proofs.append(
            LevelProof(
                pool.id,
                own.own,
                own.received,
                own.paid,
                _available(own),
                sum(_available(budgets[name]) for name in inside),
                sum(budgets[name].own for name in inside) + int(crossing),
            )
        )
    return proofs


def _available(budget: PoolBudget) -> int:
    """Return what a pool may spend or keep of this year's money."""
    return budget.fund + budget.reserve_set_aside - budget.reserve_drawn


def _subtree(pools: Sequence[Pool], top: str) -> set[str]:
    """Return a pool and every pool below it."""
    inside = {top}
    while below := {pool.id for pool in pools if pool.parent in inside} - inside:
        inside |= below
    return inside


class IncomeCheck(NamedTuple):
    """Growth of spending beside growth of income; official budgets keep the first at or below the second."""

    income: Fraction
    income_growth: Fraction
    spending_growth: Fraction

    @property
    def holds(self) -> bool:
        """Tell whether spending grows no faster than income."""
        return self.spending_growth <= self.income_growth


def income_of_year(income: Income) -> Fraction:
    """Return the year's income (fen, exact): funding per head a year × insured of each month ÷ 12.

    Raises UserError unless the table names the twelve months of one year.
    """
    years = {month[:4] for month in income.insured}
    if len(income.insured) != 12 or len(years) != 1:
        raise UserError(
            Text(
                f"参保人数须给出同一年的 12 个月，现有 {len(income.insured)} 个月",
                f"insured persons must be given for the 12 months of one year, not for {len(income.insured)} months",
            )
        )
    return fen(income.per_head) * sum(income.insured.values()) / 12


def income_correction(income: Income | None) -> Fraction:
    """Return what the amount is multiplied by before clearing: final account ÷ budgeted income, or 1."""
    if income is None or income.correction == "none" or income.final_account is None:
        return Fraction(1)
    return fen(income.final_account) / income_of_year(income)


def spending_check(pool: Pool, budget: PoolBudget) -> IncomeCheck | None:
    """Compare a pool's growth of spending and of income; None where the policy does not know last year's.

    Last year's spending is the one given, or what the budget grows from.
    """
    income, method = pool.income, pool.budget
    if income is None:
        return None
    spent = income.last_year_spending or (method.base if isinstance(method, BudgetByGrowth) else None)
    return None if not spent or not income.last_year else income_check(income, budget.lines[0].amount, int(fen(spent)))


def income_check(income: Income, amount: int, last_year_spending: int) -> IncomeCheck:
    """Compare the growth of the budget (fen) over last year's spending with the growth of income."""
    this_year = income_of_year(income) if income.final_account is None else fen(income.final_account)
    last_year = fen(income.last_year)
    if not last_year or not last_year_spending:
        raise UserError(Text("上年收入与支出须大于零", "last year's income and spending must be above zero"))
    return IncomeCheck(this_year, this_year / last_year - 1, Fraction(amount, last_year_spending) - 1)
