"""What a clearing says beside its identities: its deadline, indicators, growth of spending, levels of the hierarchy."""

from collections.abc import Iterator, Mapping
from datetime import date
from fractions import Fraction

from engine.clearing.inputs import Gathered
from rules.fault import Text
from rules.money import yuan_text
from rules.payment.budget import PoolBudget, pool_budget, prove_hierarchy, spending_check
from rules.payment.clearing import PoolClearing, Stage
from rules.payment.out_of_area import settle_incoming
from rules.payment.year import PoolResult, standards
from rules.policy.model import Rules


def clearing_checks(gathered: Gathered, results: Mapping[str, PoolResult], stage: Stage, today: date) -> Iterator[Text]:
    """Yield what the policy's indicators and checks say of a cleared year, where it declares them."""
    rules, year = gathered.rules, gathered.last_day.year
    if stage == "final":
        yield from _deadline(rules, year, today)
        yield from _not_repaid(gathered)
    for name, found in results.items():
        yield from _money_left(name, found.cleared, rules)
        yield from _incoming(found, rules)
    pools = rules.pools
    budgets = {pool.id: pool_budget(pools, pool, rules.money, gathered.last_day) for pool in pools}
    yield from _spending(rules, budgets)
    if any(pool.parent or pool.levies for pool in pools):
        yield from _levels(rules, budgets, gathered.last_day)


def _deadline(rules: Rules, year: int, today: date) -> Iterator[Text]:
    """Yield that a year is cleared after its day."""
    last = rules.clearing.calendar.get(str(year))
    if last is not None and today > last:
        yield Text(
            f"{year} 年应于 {last} 前清算，今日 {today}", f"{year} was to be cleared by {last}; today is {today}"
        )


def _not_repaid(gathered: Gathered) -> Iterator[Text]:
    """Yield that working capital which the policy wants back by the end of the year is still open."""
    rule, open_ = gathered.rules.month.working_capital, sum(gathered.books.advanced.values())
    if rule is not None and rule.repaid == "year_end" and open_ > 0:
        amount = yuan_text(open_)
        yield Text(
            f"周转金应于年末归还：尚有预付金与周转金 {amount} 元未归还，清算时扣回",
            f"working capital was to be repaid by the end of the year: {amount} yuan of advances are open and come off",
        )


def _money_left(name: str, cleared: PoolClearing, rules: Rules) -> Iterator[Text]:
    """Yield the share of payments that is left to clearing, deposits included, beside the policy's."""
    target = rules.clearing.money_left
    left = sum(h.due + h.deposit_held for h in cleared.hospitals)
    paid = sum(h.year.prepaid + h.year.advanced for h in cleared.hospitals)
    if target is not None and left + paid > 0:
        share, most = Fraction(left, left + paid), Fraction(target)
        zh, en = ("，高于", ", above") if share > most else ("，不高于", ", within")
        yield Text(
            f"基金池 {name}：留待清算的占支付额 {float(share):.2%}{zh}政策的 {float(most):.2%}",
            f"pool {name}: {float(share):.2%} of payments are left to clearing{en} the policy's {float(most):.2%}",
        )


def _incoming(found: PoolResult, rules: Rules) -> Iterator[Text]:
    """Yield who bears what of incoming patients."""
    pool, rule = found.points.pool, found.points.pool.out_of_area
    if rule is None or pool.place == "local":
        return
    by_item = sum(share.sums.booked for share in found.points.shares.values())
    settled = settle_incoming(by_item, round(sum(standards(found.points, rules).values(), Fraction())), rule)
    bearer = {"insured_pool": ("参保地", "insured place"), "treating_pool": ("就医地", "treating place")}
    zh, en = bearer.get(rule.bearer, ("医疗机构", "hospital"))
    amounts = [yuan_text(n) for n in (settled.by_item, settled.standard, settled.standard - settled.by_item)]
    yield Text(
        f"基金池 {pool.id}：异地来诊按项目 {amounts[0]}，按标准 {amounts[1]}，差额 {amounts[2]} 元由{zh}承担",
        f"pool {pool.id}: incoming patients {amounts[0]} by item, {amounts[1]} by the standard; "
        f"the {en} bears {amounts[2]} yuan",
    )


def _spending(rules: Rules, budgets: Mapping[str, PoolBudget]) -> Iterator[Text]:
    """Yield how spending grows beside income."""
    for pool in rules.pools:
        check = spending_check(pool, budgets[pool.id])
        if check is not None:
            spending, income = float(check.spending_growth), float(check.income_growth)
            zh, en = ("未超过", "within") if check.holds else ("超过", "beyond")
            yield Text(
                f"基金池 {pool.id}：支出增长 {spending:.2%}，{zh}收入增长 {income:.2%}",
                f"pool {pool.id}: spending grows by {spending:.2%}, {en} the growth of income, {income:.2%}",
            )


def _levels(rules: Rules, budgets: Mapping[str, PoolBudget], last: date) -> Iterator[Text]:
    """Yield whether the identity holds at every level of the hierarchy."""
    proofs = prove_hierarchy(rules.pools, budgets, last)
    lost = [proof.pool for proof in proofs if not proof.holds]
    if lost:
        listed = ", ".join(lost)
        yield Text(f"各级基金池不平：{listed}", f"the identity of levels fails at {listed}")
    else:
        moved = yuan_text(sum(proof.paid for proof in proofs))
        yield Text(
            f"各级基金池平衡：{len(proofs)} 个基金池，上解下拨 {moved} 元",
            f"levels of pools balance: {len(proofs)} pools, {moved} yuan moved between them",
        )
