"""What a policy answers to worked examples of sums: a pool, a hospital's month, a clearing."""

from collections.abc import Mapping
from datetime import date
from fractions import Fraction

from rules.fault import Text, UserError
from rules.money import round_fen
from rules.payment.assessment import PLACES, Effect, score_band
from rules.payment.budget import budget_amount, pool_budget
from rules.payment.clearing import HospitalYear, PoolYear, clear, clearing_steps, deposit_kept
from rules.payment.figures import limits_of, start_value
from rules.payment.point_value import PoolMoney, base_share, elastic_value, floating_value
from rules.payment.prepayment import prepay
from rules.payment.quota import total_control_deduction
from rules.policy.example_given import Given
from rules.policy.model import Rules
from rules.policy.pools import Capped, Pool
from rules.policy.resolve import Policy

Answers = Mapping[str, object]


def pool_answers(rules: Rules, pool: Pool, given: Given, policy: Policy) -> Answers:
    """Return the budget of a pool and the value that its money gives."""
    month = given.month(policy)
    day = max(date(int(month[:4]), int(month[5:]), 1), policy.valid[0])
    found: dict[str, object] = {}
    budget = given.number("budget")
    money = rules.money
    if budget is not None:
        reserve = round_fen(budget * Fraction(pool.budget.reserve), money.step, money.mode)
        found |= {"amount": round_fen(budget, money.step, money.mode), "reserve": reserve}
        found["fund"] = round_fen(budget, money.step, money.mode) - reserve
    else:
        known = pool_budget(rules.pools, pool, money, day)
        found |= {
            "amount": round_fen(budget_amount(pool.budget), money.step, money.mode),
            "reserve": known.reserve_set_aside,
        }
        found["fund"] = known.fund
    if (own := given.number("fund")) is not None:
        found["fund"] = round_fen(own, "fen", "half_away_from_zero")
    return found | {"value": pool_value(rules, pool, given, month, Fraction(str(found["fund"])))}


def pool_value(rules: Rules, pool: Pool, given: Given, month: str, fund: Fraction) -> Fraction | None:
    """Return the value that a pool's money gives its points (fen, exact), the start value where it is fixed."""
    rule, start = pool.point_value, given.number("value")
    start = start_value(pool, month, rules.money.value) if start is None else start
    if not isinstance(rule, Capped):
        return start
    unit = given.text("unit") or rule.start.unit
    money = PoolMoney(
        fund,
        "fund_yuan" if unit == "fund_yuan" else "charge_yuan",
        given.number("outside") or Fraction(0),
        given.number("fund_ratio"),
    )
    limits = limits_of(rule, rules.money.value)
    if rule.method == "floating":
        total = given.number("total_points") or given.number("total_score")
        total = sum(given.table("hospital_points").values(), Fraction(0)) if total is None else total
        return floating_value(money, total, limits).value if total else None
    fixed, floating = volumes(given)
    return elastic_value(money, fixed * start, floating, limits).value


def volumes(given: Given) -> tuple[Fraction, Fraction]:
    """Return the points at the fixed and at the floating value."""
    actual, base = given.table("hospital_points"), given.table("base_points")
    if actual:
        fixed = sum((p * base_share(p, base.get(name, Fraction(0))) for name, p in actual.items()), Fraction(0))
        return fixed, sum(actual.values(), Fraction(0)) - fixed
    why = Text("弹性点值需要它", "an elastic value needs it")
    return given.need("fixed_points", why), given.need("floating_points", why)


def month_answers(rules: Rules, pool: Pool, given: Given, policy: Policy) -> Answers:
    """Return what a hospital is paid for a month."""
    standard, payable = given.number("standard"), given.number("payable")
    found: dict[str, object] = {}
    if standard is None and (points := given.number("points")) is not None:
        value = given.number("value")
        standard = points * (start_value(pool, given.month(policy), rules.money.value) if value is None else value)
    if standard is not None:
        whole = round_fen(standard, rules.money.step, rules.money.mode)
        found["standard"] = whole
        if (charge := given.number("charge")) is not None:
            found["formula_result"] = whole - int(charge)
    if payable is None and standard is not None:
        payable = payable_of(rules, pool, given, standard)
    if payable is None:
        return found
    score, coefficient = given.number("assessment_score"), given.number("assessment_coefficient")
    paid = prepay(rules.month, payable, rules.money, effect(rules, score, coefficient, given).prepayment)
    rule = rules.clearing.deductions
    off = int(given.number("deductions") or 0) if rule is not None and rule.acts == "month" else 0
    parts = {"payable": paid.payable, "prepaid": paid.paid - off, "deposit": paid.deposit, "withheld": paid.withheld}
    return found | parts


def payable_of(rules: Rules, pool: Pool, given: Given, standard: Fraction) -> Fraction | None:
    """Return a hospital-month's payable (fen, exact) in the style of the month, None where a figure is not given."""
    others, ratio = given.number("others_paid"), given.number("fund_ratio")
    if pool.point_value.start.unit == "fund_yuan":
        return standard
    if rules.month.style == "subtract":
        return None if others is None else standard - others
    if rules.month.style == "policy_ratio":
        standard -= others or Fraction(0)
    return None if ratio is None else standard * ratio


def clearing_answers(rules: Rules, pool: Pool, given: Given) -> Answers:
    """Return the clearing of one hospital, or of a pool's hospitals where payable and booked are tables."""
    if given.table("payable") or given.table("booked"):
        return pool_clearing_answers(rules, pool, given)
    rule, money = rules.clearing, rules.money
    payable = given.number("payable")
    if payable is None:
        why = Text("应付或点数与点值", "payable, or points and a value")
        ratio = given.number("fund_ratio")
        if pool.point_value.start.unit == "charge_yuan" and ratio is None:
            ratio = given.need("fund_ratio", why)
        payable = given.need("points", why) * given.need("value", why) * (Fraction(1) if ratio is None else ratio)
    booked = int(given.need("booked", Text("清算需要它", "a clearing needs it")))
    year = HospitalYear(
        "",
        payable,
        booked,
        int(given.number("deductions") or 0),
        control=control(rules, pool, given, payable),
        deposit=int(given.number("deposit") or 0),
        prepaid=int(given.number("prepaid") or 0),
        effect=effect(rules, given.number("assessment_score"), given.number("assessment_coefficient"), given),
    )
    steps = clearing_steps(year, rule)
    amount = round_fen(steps.amount, money.step, money.mode)
    held, forfeited = deposit_kept(year, rule, money, "final")
    surplus = steps.booked <= payable
    return {
        "payable": payable,
        "a": Fraction(steps.booked) / payable if payable else None,
        "fund": round_fen(steps.granted, money.step, money.mode),
        "retention": round_fen(steps.granted - steps.booked, money.step, money.mode) if surplus else 0,
        "sharing": 0 if surplus else round_fen(steps.granted - payable, money.step, money.mode),
        "assessment_cut": round_fen(steps.cut, money.step, money.mode),
        "total_control": year.control,
        "clearing": amount,
        "total": amount,
        "deposit_released": year.deposit - held - forfeited,
        "due": amount - held - forfeited - year.prepaid,
    }


def control(rules: Rules, pool: Pool, given: Given, payable: Fraction) -> int:
    """Return the total-control deduction of a hospital (fen), 0 where the example gives no quota."""
    quota, money = given.number("quota"), rules.money
    if quota is None:
        return 0
    if pool.quotas is None:
        zh, en = f"基金池 {pool.id} 没有 [quotas]", f"pool {pool.id} has no [quotas]"
        raise UserError(Text(f"given.quota：{zh}", f"given.quota: {en}"))
    spent = {"": round_fen(payable, money.step, money.mode)}
    return round_fen(total_control_deduction(pool.quotas, spent, {"": int(quota)})[""], money.step, money.mode)


def effect(rules: Rules, score: Fraction | None, coefficient: Fraction | None, given: Given) -> Effect:
    """Return what the scores do: by a given coefficient, or by their lines in the policy's tables."""
    assessment, release = rules.clearing.assessment, rules.clearing.deposit_release
    own = given.number("deposit_score")
    if (score is not None and assessment is None and (release is None or release.by == "all")) or (
        own is not None and (release is None or release.by == "all")
    ):
        zh, en = "政策没有用到得分的规则", "the policy has no rule that looks at a score"
        raise UserError(Text(f"given.assessment_score：{zh}", f"given.assessment_score: {en}"))
    found = Effect()
    if coefficient is None and score is not None and assessment is not None:
        coefficient = Fraction(score_band(assessment.table, score).coefficient or 0)
    if coefficient is not None:
        acts = ("coefficient",) if assessment is None else assessment.acts_on
        found = found._replace(**{PLACES[place]: coefficient for place in acts})
    deposit = score if own is None and release is not None and release.file is None else own
    if release is not None and release.by != "all" and deposit is not None:
        found = found._replace(deposit=Fraction(score_band(release.table, deposit).release or 0))
    return found


def pool_clearing_answers(rules: Rules, pool: Pool, given: Given) -> Answers:
    """Return the clearing of a pool's hospitals."""
    payable, booked = given.table("payable"), given.table("booked")
    if lost := sorted(set(payable) ^ set(booked)):
        listed = "、".join(lost)
        zh, en = f"医院 {listed} 缺应付或记账额", f"hospitals without payable or booked: {', '.join(lost)}"
        raise UserError(Text(f"given：{zh}", f"given: {en}"))
    fund = given.need("fund", Text("基金池清算需要 F", "clearing a pool needs F"))
    years = [
        HospitalYear(
            name,
            own,
            int(booked[name]),
            int(given.of("deductions", name) or 0),
            effect=effect(rules, given.of("assessment_score", name), given.of("assessment_coefficient", name), given),
        )
        for name, own in payable.items()
    ]
    cleared = clear(PoolYear(pool.id, int(fund), int(given.number("reserve") or 0)), years, rules.clearing, rules.money)
    return {
        "clearing": {hospital.year.hospital: hospital.amount - hospital.reduction for hospital in cleared.hospitals},
        "total": sum(hospital.amount - hospital.reduction for hospital in cleared.hospitals),
        "from_reserve": cleared.funding.from_reserve,
        "overrun": sum(cleared.funding.overrun.values()),
    }
