"""What a policy answers to a worked example: every result of one case, or those of `example_totals`."""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

import polars as pl

from rules.fault import Text, UserError, near
from rules.money import fen, round_fen
from rules.payment.discharge import Discharge
from rules.payment.figures import Figures, band_of, classifying_value, rounded, start_value
from rules.payment.fund_split import split_over_funds
from rules.payment.reference import Priced, price
from rules.policy.example_given import Given, pool_of, rules_of
from rules.policy.example_totals import Answers, clearing_answers, month_answers, pool_answers
from rules.policy.model import Rules
from rules.policy.pools import Pool
from rules.policy.resolve import Policy, Resolved
from rules.policy.settlement import FundSplit, Step
from rules.policy.tables import GroupFigures, Tables, inline_coefficients, load_tables

GIVEN_GROUP = "GIVEN"
TCM = ("fee_tcm_treatment", "fee_chinese_patent_drugs", "fee_herbal_pieces")
TCM_BASE = (*TCM, "fee_treatment", "fee_western_drugs", "fee_surgery", "fee_consumables")


def answers(policy: Policy, given: Given, question: str) -> Answers:
    """Return every result that a question has. UserError for what is not given or not in the policy."""
    resolved = rules_of(policy, given)
    if question == "case":
        return case_answers(policy, resolved, given)
    pool = pool_of(resolved.rules, given)
    if question == "pool":
        return pool_answers(resolved.rules, pool, given, policy)
    return (
        month_answers(resolved.rules, pool, given, policy)
        if question == "month"
        else clearing_answers(resolved.rules, pool, given)
    )


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
    item = separate(rules, given)
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
        taken_out=item.taken_out,
        separate=item.amount,
        separate_taken=item.paid_for_taken,
        tcm_share=tcm_share(given),
        cost_lines=cost_lines(given),
        days_to_next=whole(given, "readmitted_after"),
        days_since_last=whole(given, "returned_after"),
        decision=decision(given),
        at_clearing=given.values.get("at_clearing") is True,
        kind=kind_of(rules, given),
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
    cost, kind = given.number("new_item_cost"), given.text("new_item_kind")
    if cost is None:
        return {}
    if rules.exclusion is None:
        raise UserError(
            Text(
                "政策没有 [exclusion]，given.new_item_cost 无从适用",
                "the policy has no [exclusion] for given.new_item_cost",
            )
        )
    if kind is not None and kind not in rules.exclusion.kinds:
        hint = near(kind, rules.exclusion.kinds)
        zh, en = f"[exclusion] 没有类别 {kind!r}{hint.zh}", f"[exclusion] has no kind {kind!r}{hint.en}"
        raise UserError(Text(f"given.new_item_kind：{zh}", f"given.new_item_kind: {en}"))
    return {kind or rules.exclusion.kinds[0]: int(cost)}


class Separate(NamedTuple):
    """What a separate item takes out of the charge, what it adds, and of that what is for an item taken out (fen)."""

    taken_out: int = 0
    amount: Fraction = Fraction()
    paid_for_taken: int = 0


def separate(rules: Rules, given: Given) -> Separate:
    """Return what the separate item of an example means."""
    cost, quantity, name = given.number("separate_cost"), given.number("separate_quantity"), given.text("separate_item")
    if cost is None and quantity is None:
        return Separate()
    fitting = [item for item in rules.separate_items if name is None or item.id == name]
    if len(fitting) != 1:
        hint = near(name or "", [item.id for item in rules.separate_items])
        raise UserError(
            Text(
                f"given.separate_item 不能确定单独支付项目{hint.zh}",
                f"given.separate_item names no one separate item{hint.en}",
            )
        )
    item, cost = fitting[0], cost or Fraction(0)
    by_unit = item.pay == "per_unit"
    paid = (
        (quantity or Fraction(1)) * fen(item.per_unit or 0)
        if by_unit
        else cost * Fraction(1 if item.share is None else item.share)
    )
    paid *= -1 if item.sign == "deduct" else 1
    if not item.taken_out:
        return Separate(0, paid)
    return Separate(int(cost), paid, round_fen(paid, rules.money.step, rules.money.mode))


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


def kind_of(rules: Rules, given: Given) -> str | None:
    """Return the special kind that the example names."""
    name, known = given.text("kind"), [kind.id for kind in rules.kinds]
    if name is not None and name not in known:
        hint = near(name, known)
        raise UserError(
            Text(f"given.kind：没有特殊类型 {name!r}{hint.zh}", f"given.kind: no special kind {name!r}{hint.en}")
        )
    return name


def decision(given: Given) -> tuple[str, int | None] | None:
    """Return the special-case decision."""
    verdict = given.text("decision")
    return None if verdict is None else (verdict, whole(given, "decision_amount"))


def fund_answers(rules: Rules, case: Discharge, paid: Priced, given: Given) -> dict[str, object]:
    """Return the fund's part of the case in the style of the month, where the example gives what it takes."""
    if paid.funding == "elsewhere":
        return {"fund": 0}
    alike, as_fund = extras(rules, paid)
    part = fund_part(rules, rules.month, case, paid, Fraction(paid.standard + alike), given)
    if part is None:
        return {}
    if rules.month.negative_fund_part == "floored":
        part = max(part, Fraction(0))
    fund = round_fen(part, rules.money.step, rules.money.mode) + as_fund
    return {"fund": fund} | ({} if rules.fund_split is None else {"fund_split": split(rules.fund_split, case, fund)})


def split(rule: FundSplit, case: Discharge, fund: int) -> dict[str, int]:
    """Return what each fund pays of a case's fund part (fen), those that pay nothing left out."""
    booked = {name: [case.whole(name) or 0] for name in rule.funds}
    (row,) = split_over_funds(pl.DataFrame({"fund_part": [fund]} | booked), rule).rows(named=True)
    return {name.removesuffix("_split"): amount for name, amount in row.items() if amount}


def extras(rules: Rules, paid: Priced) -> tuple[int, int]:
    """Return the case's extras in the unit of its standard, and those that are fund money already (fen)."""
    rule = rules.exclusion
    extra = 0 if rule is not None and rule.pool == "outside" else paid.extra
    fund = extra if rule is not None and rule.money == "fund" else 0
    fund += paid.separate if {item.money for item in rules.separate_items} == {"fund"} else 0
    return extra + paid.separate - fund, fund


def fund_part(
    rules: Rules, step: Step, case: Discharge, paid: Priced, standard: Fraction, given: Given
) -> Fraction | None:
    """Return the fund's part of a case (fen, exact), None where something it takes is not given."""
    if case.pool.point_value.start.unit == "fund_yuan":
        return standard
    if step.style == "subtract":
        patient = given.number("patient_paid")
        others = (given.number("fund_total") or Fraction(case.booked)) - case.booked
        return None if patient is None else standard - patient - others
    if step.style == "policy_ratio":
        own = sum(
            (given.number(k) or Fraction(0) for k in ("full_self_paid", "category_b_self_paid", "deductible")),
            Fraction(0),
        )
        ratio = given.number("fund_ratio")
        ratio = reimbursement(rules, case) if ratio is None else ratio
        return None if ratio is None else (standard - own) * ratio
    if paid.funding == "outside" and step.fund_ratio_outside == "booked":
        return Fraction(case.booked)
    ratio, charge = given.number("fund_ratio"), case.whole("total_charge")
    if ratio is None and case.booked and charge:
        ratio = Fraction(case.booked, charge)
    return None if ratio is None else standard * ratio


def reimbursement(rules: Rules, case: Discharge) -> Fraction | None:
    """Return the policy's reimbursement ratio of a case."""
    table = {} if rules.reimbursement is None else rules.reimbursement.ratios
    ratio = table.get(case.text("insurance_type") or "")
    if isinstance(ratio, dict):
        ratio = ratio.get(case.text("hospital_level") or "")
    return None if ratio is None else Fraction(ratio)
