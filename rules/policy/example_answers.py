"""What a policy answers to a worked example: one case, a pool, a hospital's month, or a clearing."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from fractions import Fraction

from rules.fault import Text, UserError, near
from rules.money import fen, round_fen
from rules.payment.assessment import Effect, score_band
from rules.payment.budget import budget_amount, pool_budget
from rules.payment.clearing import HospitalYear, PoolYear, clear, clearing_steps
from rules.payment.discharge import Discharge
from rules.payment.figures import Figures, band_of, classifying_value, rounded, start_value
from rules.payment.point_value import Limits, PoolMoney, base_share, elastic_value, floating_value
from rules.payment.prepayment import prepay
from rules.payment.reference import Priced, price
from rules.policy.model import Rules
from rules.policy.pools import Capped, Pool
from rules.policy.resolve import Policy, Resolved
from rules.policy.settlement import Step
from rules.policy.tables import GroupFigures, Tables, inline_coefficients, load_tables

Answers = Mapping[str, object]
GIVEN_GROUP = "GIVEN"
BASIS = {"admission": "admitted", "discharge": "discharged", "settlement": "settled", "arrival": "received"}
TCM = ("fee_tcm_treatment", "fee_chinese_patent_drugs", "fee_herbal_pieces")
TCM_BASE = (*TCM, "fee_treatment", "fee_western_drugs", "fee_surgery", "fee_consumables")


class Given:
    """The given values of an example, read by kind. Money in exact fen."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self.values = values

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def number(self, key: str) -> Fraction | None:
        """Return a number, or an amount in fen; None where it is not given."""
        value = self.values.get(key)
        return Fraction(value) if isinstance(value, Fraction | int) and not isinstance(value, bool) else None

    def need(self, key: str, why: Text) -> Fraction:
        """Return a number that the question cannot do without."""
        value = self.number(key)
        if value is None:
            raise UserError(Text(f"缺少 given.{key}：{why.zh}", f"given.{key} is missing: {why.en}"))
        return value

    def text(self, key: str) -> str | None:
        """Return a text."""
        value = self.values.get(key)
        return value if isinstance(value, str) else None

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts."""
        value = self.values.get(key)
        return tuple(map(str, value)) if isinstance(value, tuple) else ()

    def table(self, key: str) -> dict[str, Fraction]:
        """Return a table of numbers."""
        value = self.values.get(key)
        return dict(value) if isinstance(value, Mapping) else {}

    def day(self, key: str) -> date | None:
        """Return a date."""
        value = self.values.get(key)
        return value if isinstance(value, date) else None

    def month(self, policy: Policy) -> str:
        """Return the month: as given, that of the settlement, or the first of the policy."""
        day = self.day("settled") or self.day("discharged") or policy.valid[0]
        return self.text("month") or f"{day:%Y-%m}"


def answers(policy: Policy, given: Given, question: str) -> Answers:
    """Return every result that a question has. UserError for what is not given or not in the policy."""
    resolved = rules_of(policy, given)
    if question == "case":
        return case_answers(policy, resolved, given)
    pool = pool_of(resolved.rules, given)
    if question == "pool":
        return pool_answers(resolved.rules, pool, given, policy)
    return (
        month_answers(resolved.rules, given) if question == "month" else clearing_answers(resolved.rules, pool, given)
    )


def rules_of(policy: Policy, given: Given) -> Resolved:
    """Return the rules of the example's day: the date that the policy goes by, or the first day of the month."""
    basis = policy.on(policy.valid[0]).rules.date_basis.policy
    month = given.month(policy)
    day = given.day(BASIS[basis]) or max(date(int(month[:4]), int(month[5:]), 1), policy.valid[0])
    return policy.on(day)


def pool_of(rules: Rules, given: Given) -> Pool:
    """Return the pool: named, the only one, or the only one of the insurance type."""
    name, kind = given.text("pool"), given.text("insurance_type")
    if name is not None:
        if name not in {pool.id for pool in rules.pools}:
            hint = near(name, [pool.id for pool in rules.pools])
            raise UserError(
                Text(f"given.pool：没有基金池 {name!r}{hint.zh}", f"given.pool: there is no pool {name!r}{hint.en}")
            )
        return rules.pool(name)
    fitting = [pool for pool in rules.pools if kind is None or (kind in pool.insurance_types and pool.place == "local")]
    if len(fitting) == 1:
        return fitting[0]
    raise UserError(Text("缺少 given.pool", "given.pool is missing"))


# one case


def case_answers(policy: Policy, resolved: Resolved, given: Given) -> Answers:
    """Return every result of one case; a case without a charge is paid as a normal one."""
    resolved = replace(resolved, rules=with_scale(resolved.rules, given))
    if "charge" not in given:
        resolved = replace(resolved, rules=resolved.rules.model_copy(update={"case_class": None}))
    rules, pool, month = resolved.rules, pool_of(resolved.rules, given), given.month(policy)
    group = group_of(given)
    tables = tables_for(policy, resolved, given, group)
    value = value_of(rules, pool, month, given)
    own = given.number("classifying_value")
    case = Discharge(
        claim=claim_of(given, group, pool),
        pool=pool,
        value=value,
        classifying_value=classifying_value(rules, pool, month, value) if own is None else own,
        coefficient=given.number("coefficient"),
        subtypes=given.texts("subtypes"),
        auxiliary=given.number("auxiliary"),
        items=frozenset(given.texts("items")),
        new_items=new_items(rules, given),
        taken_out=separate(rules, given)[0],
        separate=separate(rules, given)[1],
        tcm_share=tcm_share(given),
        cost_lines=cost_lines(given),
        days_to_next=whole(given, "readmitted_after"),
        days_since_last=whole(given, "returned_after"),
        decision=decision(given),
        at_clearing=given.values.get("at_clearing") is True,
    )
    paid = price(case, resolved, tables, telling=False)
    found: dict[str, object] = {
        "class": paid.case_class,
        "kind": paid.kind or "",
        "funding": paid.funding,
        "ratio": paid.ratio,
        "coefficient": paid.coefficient,
        "points": paid.shown_points,
        "counted_points": paid.points,
        "value": value,
        "standard": paid.standard,
        "extra": paid.extra,
        "separate": paid.separate,
        "payment": paid.payment,
        "formula_result": paid.formula_result,
        "adjustment": paid.adjustment,
        "official_result": paid.official_result,
        "profit": paid.official_result,
        "break_even_ratio": paid.break_even_ratio,
        "break_even_charge": paid.break_even_charge,
    }
    if group is not None:
        found |= group_answers(Figures(rules, tables), case, group, paid)
    return found | fund_answers(rules, case, paid, given)


def group_answers(figures: Figures, case: Discharge, group: str, paid: Priced) -> dict[str, object]:
    """Return what the tables say of the group, and the charges (exact fen) of the lines."""
    found: dict[str, object] = {"score": figures.score(group), "weight": figures.weight(group)}
    if not figures.listed or group in figures.tables.means or figures.tables.groups[group].mean is not None:
        found["group_mean"] = figures.mean(group)
    classes = figures.rules.case_class
    if classes is None:
        return found
    value = case.classifying_value or case.value
    for name, rule in (("low", classes.low), ("high", classes.high), ("extreme", classes.extreme)):
        if rule is not None and rule.top_share is None:
            level = case.text("hospital_level")
            auxiliary = case.auxiliary if case.auxiliary is not None else Fraction(1)
            divisor = figures.denominator(classes.ratio.classify, group, level, paid.coefficient * auxiliary, value)
            found[f"{name}_line"] = band_of(rule, figures.weight(group)).edge[1] * divisor
    return found


def with_scale(rules: Rules, given: Given) -> Rules:
    """Return the rules with the mean of all cases and the scale that the example gives."""
    table, key = (rules.weights, "points_per_weight") if rules.weights else (rules.scores, "base")
    update: dict[str, Fraction] = {}
    if (mean := given.number("mean_all")) is not None:
        update["mean_all"] = mean / 100
    if (scale := given.number("points_per_weight")) is not None:
        update[key] = scale
    if table is None or not update:
        return rules
    return rules.model_copy(update={"weights" if rules.weights else "scores": table.model_copy(update=update)})


def group_of(given: Given) -> str | None:
    """Return the group: as given, one that stands for the given figures, or None."""
    group = given.text("group")
    if group is not None:
        return group or None
    return GIVEN_GROUP if "weight" in given or "score" in given or "group_mean" in given else None


def tables_for(policy: Policy, resolved: Resolved, given: Given, group: str | None) -> Tables:
    """Return the tables with the example's own figures in place of the group's.

    The policy's files are read only for what the example does not give.
    """
    rules = resolved.rules
    own = given.number("weight") if rules.weights else given.number("score")
    needs_files = group is not None and (own is None or ("coefficient" not in given and in_files(rules)))
    tables = load_tables(policy, resolved) if needs_files else without_files(rules)
    if group is None:
        return tables
    listed = tables.groups.get(group, GroupFigures(None))
    mean, separately = given.number("group_mean"), given.number("group_mean_separate") or Fraction(0)
    level = given.text("hospital_level") or ""
    figures = GroupFigures(
        listed.weight if own is None else own,
        listed.mean,
        level_figure(listed.level_means, level, given.number("level_mean")),
        level_figure(listed.last_year_means, level, given.number("last_year_level_mean")),
        {**listed.kind_means, **kind_means(given)},
    )
    means = {} if mean is None else {group: mean - separately}
    return replace(tables, groups={**tables.groups, group: figures}, means=means)


def level_figure(means: Mapping[str, Fraction], level: str, own: Fraction | None) -> Mapping[str, Fraction]:
    """Return level means with the example's own in place."""
    return means if own is None else {**means, level: own}


def kind_means(given: Given) -> dict[str, Fraction]:
    """Return the group's mean costs by kind that the example gives."""
    found = {kind: given.number(f"group_mean_{kind}") for kind in ("drug", "consumable", "procedure")}
    return {kind: mean for kind, mean in found.items() if mean is not None}


def in_files(rules: Rules) -> bool:
    """Tell whether hospital coefficients stand in files."""
    return rules.hospital_coefficient is not None and any(part.file for part in rules.hospital_coefficient.parts)


def without_files(rules: Rules) -> Tables:
    """Return the tables that stand in the policy itself."""
    parts = rules.hospital_coefficient.parts if rules.hospital_coefficient else ()
    return Tables(coefficients=tuple({} if part.file else inline_coefficients(part) for part in parts))


def value_of(rules: Rules, pool: Pool, month: str, given: Given) -> Fraction:
    """Return the point value (fen): given, from a given rate, or the month's start value."""
    value, rate = given.number("value"), given.number("rate")
    if value is not None:
        return 100 * rounded(value / 100, rules.money.value)
    scale = rules.weights.points_per_weight if rules.weights else rules.scores.base if rules.scores else 1
    return rate / Fraction(scale) if rate is not None else start_value(pool, month, rules.money.value)


def claim_of(given: Given, group: str | None, pool: Pool) -> dict[str, object]:
    """Return the claim that the example describes: canonical columns, money in fen."""
    charge = given.number("charge")
    claim: dict[str, object] = {"insurance_type": pool.insurance_types[0]} | dict(given.values)
    claim |= {
        "group": group,
        "total_charge": 0 if charge is None else int(charge),
        "hospital_id": given.text("hospital"),
    }
    money = [key for key in claim if key.startswith(("fund_", "fee_")) or key in {"patient_paid", "deductible"}]
    return claim | {key: int(value) for key in money if isinstance(value := claim[key], Fraction)}


def whole(given: Given, key: str) -> int | None:
    """Return a whole number."""
    number = given.number(key)
    return None if number is None else int(number)


def new_items(rules: Rules, given: Given) -> dict[str, int]:
    """Return the cost of listed new items by kind (fen)."""
    cost = given.number("new_item_cost")
    if cost is None:
        return {}
    if rules.exclusion is None:
        raise UserError(
            Text(
                "政策没有 [exclusion]，given.new_item_cost 无从适用",
                "the policy has no [exclusion] for given.new_item_cost",
            )
        )
    return {given.text("new_item_kind") or rules.exclusion.kinds[0]: int(cost)}


def separate(rules: Rules, given: Given) -> tuple[int, Fraction]:
    """Return what a separate item takes out of the charge, and what it adds after the standard (fen)."""
    cost, quantity, name = given.number("separate_cost"), given.number("separate_quantity"), given.text("separate_item")
    if cost is None and quantity is None:
        return 0, Fraction(0)
    fitting = [item for item in rules.separate_items if name is None or item.id == name]
    if len(fitting) != 1:
        hint = near(name or "", [item.id for item in rules.separate_items])
        raise UserError(
            Text(
                f"given.separate_item 不能确定单独支付项目{hint.zh}",
                f"given.separate_item names no one separate item{hint.en}",
            )
        )
    item, sign = fitting[0], -1 if fitting[0].sign == "deduct" else 1
    amount = cost or Fraction(0)
    taken = int(amount) if item.taken_out else 0
    if item.pay == "per_unit":
        return taken, sign * (quantity or Fraction(1)) * fen(item.per_unit or 0)
    return taken, sign * amount * Fraction(1 if item.share is None else item.share)


def tcm_share(given: Given) -> Fraction | None:
    """Return 中治率: given, or from the fee parts."""
    base = sum((given.number(key) or Fraction(0) for key in TCM_BASE), Fraction(0))
    if "tcm_share" in given or not base:
        return given.number("tcm_share")
    return sum((given.number(key) or Fraction(0) for key in TCM), Fraction(0)) / base


def cost_lines(given: Given) -> dict[str, int]:
    """Return the charge of the line of a top share, for either class."""
    line = whole(given, "cost_line")
    return {} if line is None else {"high": line, "extreme": line}


def decision(given: Given) -> tuple[str, int | None] | None:
    """Return the special-case decision."""
    verdict = given.text("decision")
    return None if verdict is None else (verdict, whole(given, "decision_amount"))


def fund_answers(rules: Rules, case: Discharge, paid: Priced, given: Given) -> dict[str, object]:
    """Return the fund's part of the case in the style of the month, where the example gives what it takes."""
    part = fund_part(rules, rules.month, case, Fraction(paid.standard), given)
    if part is None:
        return {}
    if rules.month.negative_fund_part == "floored":
        part = max(part, Fraction(0))
    return {"fund": round_fen(part, rules.money.step, rules.money.mode)}


def fund_part(rules: Rules, step: Step, case: Discharge, standard: Fraction, given: Given) -> Fraction | None:
    """Return the fund's part of a case (fen, exact), None where something it takes is not given."""
    if case.pool.point_value.start.unit == "fund_yuan":
        return standard
    if step.style == "subtract":
        paid = given.number("patient_paid")
        others = (given.number("fund_total") or Fraction(case.booked)) - case.booked
        return None if paid is None else standard - paid - others
    if step.style == "policy_ratio":
        own = sum(
            (given.number(k) or Fraction(0) for k in ("full_self_paid", "category_b_self_paid", "deductible")),
            Fraction(0),
        )
        ratio = given.number("fund_ratio") or reimbursement(rules, case)
        return None if ratio is None else (standard - own) * ratio
    ratio = given.number("fund_ratio")
    if ratio is None and case.booked and case.charge:
        ratio = Fraction(case.booked, case.charge)
    return None if ratio is None else standard * ratio


def reimbursement(rules: Rules, case: Discharge) -> Fraction | None:
    """Return the policy's reimbursement ratio of a case."""
    table = {} if rules.reimbursement is None else rules.reimbursement.ratios
    ratio = table.get(case.text("insurance_type") or "")
    if isinstance(ratio, dict):
        ratio = ratio.get(case.text("hospital_level") or "")
    return None if ratio is None else Fraction(ratio)


# a pool


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
        total = given.number("total_points")
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


# a hospital's month and year


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
