"""What a policy answers to worked examples of sums: a pool, a hospital's month, a clearing."""

from collections.abc import Mapping
from datetime import date
from fractions import Fraction

from rules.fault import Text
from rules.money import fen, round_fen
from rules.payment.assessment import Effect, score_band
from rules.payment.budget import budget_amount, pool_budget
from rules.payment.clearing import HospitalYear, PoolYear, clear, clearing_steps
from rules.payment.figures import start_value
from rules.payment.point_value import Limits, PoolMoney, base_share, elastic_value, floating_value
from rules.payment.prepayment import prepay
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
    limits = Limits(
        floor=None if rule.floor is None else fen(rule.floor),
        cap=None if rule.cap is None else fen(rule.cap),
        decimals=None if rules.money.value is None else rules.money.value.decimals,
        mode="half_away_from_zero" if rules.money.value is None else rules.money.value.mode,
    )
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


def month_answers(rules: Rules, given: Given) -> Answers:
    """Return what a hospital is paid for a month."""
    standard, payable = given.number("standard"), given.number("payable")
    found: dict[str, object] = {}
    if standard is not None and (charge := given.number("charge")) is not None:
        found["formula_result"] = int(standard - charge)
    if payable is None and standard is not None:
        others, ratio = given.number("others_paid"), given.number("fund_ratio")
        if rules.month.style == "subtract":
            payable = None if others is None else standard - others
        else:
            payable = None if ratio is None else (standard - (others or Fraction(0))) * ratio
    if payable is None:
        return found
    paid = prepay(rules.month, payable, rules.money)
    return found | {"payable": paid.payable, "prepaid": paid.paid, "deposit": paid.deposit, "withheld": paid.withheld}


def clearing_answers(rules: Rules, pool: Pool, given: Given) -> Answers:
    """Return the clearing of one hospital, or of a pool's hospitals where payable and booked are tables."""
    if given.table("payable"):
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
        deposit=int(given.number("deposit") or 0),
        effect=effect(rules, given),
    )
    steps = clearing_steps(year, rule)
    amount = round_fen(steps.amount, money.step, money.mode)
    released = round_fen(year.deposit * year.effect.deposit, money.step, money.mode)
    surplus = booked <= payable
    return {
        "payable": payable,
        "a": Fraction(booked) / payable if payable else None,
        "fund": round_fen(steps.granted, money.step, money.mode),
        "retention": round_fen(steps.granted - booked, money.step, money.mode) if surplus else 0,
        "sharing": 0 if surplus else round_fen(steps.granted - payable, money.step, money.mode),
        "assessment_cut": round_fen(steps.cut, money.step, money.mode),
        "clearing": amount,
        "total": amount,
        "deposit_released": released,
        "due": amount - (year.deposit - released) - int(given.number("prepaid") or 0),
    }


def effect(rules: Rules, given: Given) -> Effect:
    """Return what the assessment does: by a given coefficient, or by the score's line in the policy's table."""
    assessment, score = rules.clearing.assessment, given.number("assessment_score")
    coefficient = given.number("assessment_coefficient")
    if coefficient is None and score is not None and assessment is not None:
        coefficient = Fraction(score_band(assessment.table, score).coefficient or 0)
    if coefficient is None:
        return Effect()
    acts = ("coefficient",) if assessment is None else assessment.acts_on
    names = {
        "coefficient": "coefficient",
        "retention_share": "retention",
        "prepayment": "prepayment",
        "deposit": "deposit",
    }
    return Effect()._replace(**{names[place]: coefficient for place in acts})


def pool_clearing_answers(rules: Rules, pool: Pool, given: Given) -> Answers:
    """Return the clearing of a pool's hospitals."""
    booked = given.table("booked")
    years = [
        HospitalYear(name, payable, int(booked[name]))
        for name, payable in given.table("payable").items()
        if name in booked
    ]
    fund = given.need("fund", Text("基金池清算需要 F", "clearing a pool needs F"))
    cleared = clear(PoolYear(pool.id, int(fund), int(given.number("reserve") or 0)), years, rules.clearing, rules.money)
    return {
        "clearing": {hospital.year.hospital: hospital.amount for hospital in cleared.hospitals},
        "total": sum(hospital.amount for hospital in cleared.hospitals),
        "from_reserve": cleared.funding.from_reserve,
        "overrun": sum(cleared.funding.overrun.values()),
    }
