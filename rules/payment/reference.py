"""One case, paid in plain fractions with every step told: the oracle of the kernels, and what `explain` shows.

Order of a case (医保发〔2025〕18号 and the 2025 规程): special-case decision, special kind, group, class, weight or
score, coefficient, points, standard. Formulas of the classes: 医保办发〔2020〕50号 for DIP, local rules for DRG.
"""

import operator
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from rules.fault import Text, UserError
from rules.money import round_fen
from rules.payment.discharge import Discharge, days_of, fixed_price, holds
from rules.payment.explanation import ANSWER, CLASS_TEXT, COMPONENT_TEXT, Step, Trace
from rules.payment.figures import COMPARE, Figures, band_of, rounded
from rules.policy.classes import HighRule, LowRule
from rules.policy.kinds import Excluded, Factor, FixedPrice, Kind, OtherGroup, OwnFunding, PerDiem
from rules.policy.resolve import Resolved
from rules.policy.tables import GroupFigures, Tables

ONE, NONE = Fraction(1), Fraction(0)
BEYOND = {"below": operator.lt, "up_to": operator.le, "over": operator.gt, "at_least": operator.ge}


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """What a case is paid. Money in fen.

    `points` share the point value; `shown_points` are for display, also where money is paid outside points.
    """

    kind: str | None
    case_class: str
    funding: str
    standard: int
    separate: int
    formula_result: int
    adjustment: int
    official_result: int
    ratio: Fraction | None = None
    coefficient: Fraction = ONE
    points: Fraction = NONE
    shown_points: Fraction = NONE
    extra: int = 0
    break_even_ratio: Fraction | None = None
    break_even_charge: Fraction | None = None
    steps: tuple[Step, ...] = ()

    @property
    def payment(self) -> int:
        """Return standard, extra and separate items together."""
        return self.standard + self.extra + self.separate


class Ordinary(NamedTuple):
    """The ordinary payment: points at the value, or money outside points (exact fen) beside the normal points."""

    case_class: str
    points: Fraction
    ratio: Fraction | None = None
    money: Fraction | None = None
    official: str = "formula"


def price(
    case: Discharge, resolved: Resolved, tables: Tables, *, telling: bool = True, figures: Figures | None = None
) -> Priced:
    """Pay one case under one day's rules, with its steps unless `telling` is off.

    `figures`: those of the rules and tables, where many cases share them. UserError for what the policy or its tables
    do not give.
    """
    return _Pricing(case, resolved, figures or Figures(resolved.rules, tables), telling=telling).priced()


class _Pricing(Trace):
    """The pricing of one case: the group it is paid as, its coefficient, and the steps told so far."""

    def __init__(self, case: Discharge, resolved: Resolved, figures: Figures, *, telling: bool) -> None:
        super().__init__(resolved, telling=telling)
        self.case, self.rules, self.figures = case, resolved.rules, figures
        self.scale, self.tables = figures.scale, figures.tables
        self.by_charge = case.pool.point_value.start.unit == "charge_yuan"
        self.group, self.factor, self.exempt = case.group, ONE, False
        self.f, self.extra = ONE, NONE

    def money(self, exact: Fraction) -> int:
        return round_fen(exact, self.rules.money.step, self.rules.money.mode)

    def priced(self) -> Priced:
        case = self.case
        if case.taken_out:
            how = f"{self.yuan(case.charge + case.taken_out)} - {self.yuan(case.taken_out)}"
            self.tell(
                "扣除单独支付项目后的费用",
                "charge less separate items",
                self.yuan(case.charge),
                "separate_items",
                how=how,
            )
        decided = self.decided()
        if decided is not None:
            return self.outside(None, "outside", Fraction(decided))
        for n, kind in enumerate(self.rules.kinds):
            if self.takes(kind):
                self.tell("特殊类型", "special kind", Text(kind.name.zh, kind.name.en), "kinds", n)
                paid = self.treated(kind, n)
                return self.by_points(kind.id) if paid is None else self.outside(kind.id, *paid)
        return self.by_points(None)

    # special-case review and special kinds

    def decided(self) -> int | None:
        """Return what an approved special-case review pays (fen)."""
        rule = self.rules.special_case
        if self.case.decision is None or self.case.decision[0] == "rejected":
            return None
        decision, amount = self.case.decision
        if rule is None or decision not in rule.approved:
            zh = f"政策不允许特例单议结论 {decision}"
            raise UserError(Text(zh, f"the policy does not allow the special-case decision {decision}"))
        paid = self.case.basis if decision == "by_item" else amount
        if paid is None:
            raise UserError(Text("特例单议的调整标准缺金额", "an adjusted standard needs its amount"))
        self.tell("特例单议", "special-case review", self.yuan(paid), "special_case", how=decision)
        return paid

    def takes(self, kind: Kind) -> bool:
        """Tell whether a special kind takes the case."""
        case, treatment = self.case, kind.treatment
        asked = holds(kind.when, case) if case.kind is None else kind.id == case.kind
        if not asked or (kind.at_clearing_only and not case.at_clearing):
            return False
        if isinstance(treatment, FixedPrice):
            price_fen = fixed_price(treatment, case)
            over = treatment.exit_over is not None and case.charge > price_fen * Fraction(treatment.exit_over)
            below = treatment.exit_below is not None and case.charge < price_fen * Fraction(treatment.exit_below)
            return not (over or below)
        return not isinstance(treatment, OtherGroup) or self.group in treatment.groups

    def treated(self, kind: Kind, n: int) -> tuple[str, Fraction] | None:
        """Return funding and money (fen) of a kind paid as money; None where the ordinary rule goes on."""
        treatment, case = kind.treatment, self.case
        if isinstance(treatment, Excluded | OwnFunding):
            elsewhere = isinstance(treatment, OwnFunding) or treatment.funding == "elsewhere"
            return "elsewhere" if elsewhere else "outside", Fraction(case.basis)
        if isinstance(treatment, PerDiem):
            return "outside", self.per_diem(treatment, n)
        if isinstance(treatment, FixedPrice):
            return "outside", Fraction(fixed_price(treatment, case))
        if treatment.pay == "actual":
            return "outside", Fraction(case.basis)
        if isinstance(treatment, Factor):
            self.factor = Fraction(treatment.factor)
            self.tell("折扣", "factor", self.figure(self.factor), "kinds", n)
        elif isinstance(treatment, OtherGroup):
            self.group = treatment.groups[self.group or ""]
            self.tell("按病组支付", "paid as group", self.group, "kinds", n)
        else:
            self.exempt = True
        return None

    def per_diem(self, rule: PerDiem, n: int) -> Fraction:
        days = days_of(rule, self.case)
        bands = rule.by_level.get(self.case.text("hospital_level") or "", rule.bands)
        total, before, told = NONE, 0, []
        for band in bands:
            count = max(0, (days if band.up_to_day is None else min(days, band.up_to_day)) - before)
            before = max(before, band.up_to_day or 0)
            total += count * Fraction(band.daily) * 100
            told.append(f"{band.daily} × {count}")
        self.tell("床日标准", "per diem", self.yuan(total), "kinds", n, how=" + ".join(told))
        return min(total, Fraction(self.case.charge)) if rule.cap_at_charge else total

    def outside(self, kind: str | None, funding: str, amount: Fraction) -> Priced:
        """Return the result of a case paid as money (fen)."""
        standard = self.money(amount)
        self.tell("支付标准", "payment standard", self.yuan(standard), "money", how=self.yuan(amount))
        result = standard - self.case.basis
        return Priced(
            kind=kind,
            case_class="special",
            funding=funding,
            shown_points=amount / self.case.value if funding == "outside" else NONE,
            standard=standard,
            separate=self.money(self.case.separate),
            formula_result=result,
            adjustment=0,
            official_result=result,
            steps=tuple(self.steps),
        )

    # the ordinary rule

    def by_points(self, kind: str | None) -> Priced:
        """Pay the case by the rule of its class."""
        case, value = self.case, self.case.value
        ordinary = self.ungrouped() if self.group is None else self.grouped(self.group)
        points = rounded(ordinary.points + self.added_points(), self.rules.money.points)
        formula = self.money(points * value)
        if ordinary.money is None:
            standard, how = formula, f"{self.figure(points)} × {self.yuan(value)}"
            self.tell("支付标准", "payment standard", self.yuan(standard), "money", how=how)
        else:
            standard = self.money(ordinary.money)
            self.tell("支付标准（点外资金）", "payment standard, money outside points", self.yuan(standard), "money")
            formula = standard if self.group is None else formula
        basis, booked = case.basis, ordinary.money is not None and not self.by_charge
        extra = 0 if booked else self.money(self.extra)  # what was booked holds the new items already
        official = 0 if ordinary.official == "zero" else standard + self.comparable * extra - basis
        self.tell(
            "公式盈亏",
            "result by formula",
            self.yuan(formula - basis),
            how=f"{self.yuan(formula)} - {self.yuan(basis)}",
        )
        self.tell("正式盈亏", "official result", self.yuan(official))
        even = self.break_even()
        counts = ordinary.money is None
        return Priced(
            kind=kind,
            case_class=ordinary.case_class,
            funding="points" if counts else "outside",
            ratio=ordinary.ratio,
            coefficient=self.f,
            points=points if counts else NONE,
            shown_points=points if ordinary.money is None else ordinary.money / value,
            standard=standard,
            extra=extra,
            separate=self.money(case.separate),
            formula_result=formula - basis,
            adjustment=official - (formula - basis),
            official_result=official,
            break_even_ratio=even[0],
            break_even_charge=even[1],
            steps=tuple(self.steps),
        )

    @property
    def comparable(self) -> int:
        """Return 1 where the extra of an exclusion payment is money of the same kind as the standard."""
        rule = self.rules.exclusion
        return int(rule is not None and (rule.money == "total") == self.by_charge)

    def ungrouped(self) -> Ordinary:
        rule, case = self.rules.blank_group, self.case
        if rule is None:
            zh = "病例没有病组，政策也没有 [blank_group]"
            raise UserError(Text(zh, "the case has no group and the policy no [blank_group]"))
        share = Fraction(rule.factor) * self.factor
        if rule.pay == "actual":
            self.tell(
                "未入组",
                "no group",
                self.yuan(case.basis * share),
                "blank_group",
                how=f"{self.yuan(case.basis)} × {share}",
            )
            return Ordinary("ungrouped", NONE, money=case.basis * share)
        points = case.charge * self.scale.points_per_fen * share
        how = f"{self.cost_told(Fraction(case.charge))} × {self.figure(share)}"
        self.tell("未入组点数", "points without a group", self.figure(points), "blank_group", how=how)
        return Ordinary("ungrouped", points)

    def grouped(self, group: str) -> Ordinary:
        """Return the ordinary payment of a case with a group; points are the normal ones where money is paid."""
        case, classes = self.case, self.rules.case_class
        self.score = self.figures.score(group)
        self.tell_score(group)
        given, level = case.coefficient, case.text("hospital_level")
        self.f = self.figures.coefficient(level, case.text("hospital_id"), group) if given is None else given
        self.tell("医疗机构系数 f", "hospital coefficient f", self.figure(self.f), "hospital_coefficient")
        normal = self.normal_points()
        self.extra, tested = self.exclusion(group)
        if classes is None or self.exempt:
            return Ordinary("normal", normal)
        name, rule, ratio = self.classify(tested)
        if rule is None:
            return Ordinary(name, normal, ratio)
        if isinstance(rule, HighRule) and rule.review:
            self.tell(
                "特例单议候选", "candidate for special-case review", CLASS_TEXT[name], "case_class", name, "review"
            )
        charge = self.low_charge(tested) if name == "low" else tested
        formula, paying = classes.paid_as(name)
        if paying is None or paying.pay == "normal":
            return Ordinary(name, normal, ratio, official=rule.official_result)
        if paying.pay == "actual":
            paid = charge if self.by_charge else Fraction(case.basis)
            return Ordinary(name, normal, ratio, paid * self.factor, rule.official_result)
        points = self.class_points(paying, formula, charge) * self.factor
        return Ordinary(name, points, ratio, official=rule.official_result)

    def tell_score(self, group: str) -> None:
        if self.figures.by_weight:
            weight = self.figure(self.figures.weight(group))
            self.tell(f"病组 {group} 的权重 RW", f"weight RW of group {group}", weight, "weights")
            self.tell(
                "基础点数 S",
                "base points S",
                self.figure(self.score),
                "weights",
                how=f"{weight} × {self.figure(self.scale.points)}",
            )
        else:
            self.tell(f"病种 {group} 的分值 S", f"score S of group {group}", self.figure(self.score), "scores")

    def auxiliary(self, name: str) -> Fraction:
        """Return the auxiliary coefficient of a class: of several sub-types the highest."""
        rule = self.rules.auxiliary
        if rule is None or name not in rule.applies_to:
            return ONE
        if self.case.auxiliary is not None:
            return self.case.auxiliary
        known = self.tables.auxiliary
        found = [known[key] for subtype in self.case.subtypes if (key := (self.group or "", subtype)) in known]
        return max(found, default=ONE)

    def normal_points(self) -> Fraction:
        x = self.auxiliary("normal")
        points = self.score * self.f * x * self.factor
        how = " × ".join(
            self.figure(part) for part in (self.score, self.f, x, self.factor) if part != 1 or part is self.f
        )
        self.tell("正常病例点数", "points of a normal case", self.figure(points), how=how)
        return points

    def exclusion(self, group: str) -> tuple[Fraction, Fraction]:
        """Return the extra for listed new items (fen) and the charge that the outlier tests see."""
        rule, charge = self.rules.exclusion, Fraction(self.case.charge)
        new = {kind: cost for kind, cost in self.case.new_items.items() if rule is not None and kind in rule.kinds}
        total = sum(new.values())
        if rule is None or not total:
            return NONE, charge
        mean = self.figures.mean(group)
        high, listed = charge > mean * Fraction(rule.charge_over), total > charge * Fraction(rule.share_over)
        for zh, en, met, how in (
            (
                "除外支付：费用",
                "exclusion payment: charge",
                high,
                f"{self.yuan(charge)} > {rule.charge_over} × {self.yuan(mean)}",
            ),
            (
                "除外支付：占比",
                "exclusion payment: share",
                listed,
                f"{self.yuan(total)} > {rule.share_over} × {self.yuan(charge)}",
            ),
        ):
            self.tell(zh, en, ANSWER[met], "exclusion", how=how)
        if not (high and listed):
            return NONE, charge
        return sum((self.new_item_extra(group, *item) for item in sorted(new.items())), NONE), charge - total

    def new_item_extra(self, group: str, kind: str, cost: int) -> Fraction:
        known = self.tables.groups.get(group, GroupFigures(None)).kind_means
        if kind not in known:
            zh = f"除外支付需要病组 {group} 的 mean_{kind}，表中没有"
            raise UserError(Text(zh, f"exclusion payment needs mean_{kind} of group {group}: the table has none"))
        extra = max(NONE, cost - known[kind])
        self.tell(
            "除外支付金额",
            "exclusion payment",
            self.yuan(extra),
            "exclusion",
            how=f"{self.yuan(cost)} - {self.yuan(known[kind])}",
        )
        return extra

    def low_charge(self, tested: Fraction) -> Fraction:
        """Return the charge that the low line and the low formulas see."""
        rule = self.rules.exclusion
        return tested if rule is not None and rule.outlier_test == "both" else Fraction(self.case.charge)

    # classes

    def denominator(self, name: str) -> Fraction:
        case = self.case
        value = case.value if case.classifying_value is None else case.classifying_value
        coefficients = self.f * self.auxiliary("normal")
        return self.figures.denominator(name, self.group or "", case.text("hospital_level"), coefficients, value)

    def classify(self, tested: Fraction) -> tuple[str, LowRule | HighRule | None, Fraction]:
        """Return class, rule and ratio: extreme wins over high, high over low."""
        classes = self.rules.case_class
        if classes is None:
            raise ValueError("a policy without classes does not classify")
        divisor = self.denominator(classes.ratio.classify)
        low_charge = self.low_charge(tested)
        for name, rule, charge in (
            ("extreme", classes.extreme, tested),
            ("high", classes.high, tested),
            ("low", classes.low, low_charge),
        ):
            if rule is not None and self.beyond(name, rule, charge, divisor):
                return name, rule, charge / divisor
        ratio = tested / divisor
        how = self.ratio_told(tested, divisor)
        self.tell("病例类型", "case class", CLASS_TEXT["normal"], "case_class", how=how)
        return "normal", None, ratio

    def beyond(self, name: str, rule: LowRule | HighRule, charge: Fraction, divisor: Fraction) -> bool:
        """Tell whether a case lies beyond the line of a class."""
        if rule.top_share is not None:
            line = self.cost_line(name)
            found, how = charge > line, f"{self.yuan(charge)} > {self.yuan(line)}"
        else:
            sign, bound = band_of(rule, self.figures.weight(self.group or "")).edge
            found = BEYOND[sign](charge / divisor, bound)
            how = f"{self.ratio_told(charge, divisor)} {COMPARE[sign]} {self.figure(bound)}"
        if found:
            self.tell("病例类型", "case class", CLASS_TEXT[name], "case_class", name, how=how)
        return found

    def cost_line(self, name: str) -> Fraction:
        if name not in self.case.cost_lines:
            zh = f"{name} 的费用界线须由同组病例算出"
            raise UserError(Text(zh, f"the cost line of {name} comes from the group's cases: none is given"))
        return Fraction(self.case.cost_lines[name])

    def ratio_told(self, charge: Fraction, divisor: Fraction) -> str:
        if not self.telling:
            return ""
        return f"r = {self.yuan(charge)} ÷ {self.yuan(divisor)} = {self.figure(charge / divisor)}"

    def cost_told(self, charge: Fraction) -> str:
        return f"{self.yuan(charge)} ÷ {self.yuan(self.scale.mean_all)} × {self.figure(self.scale.points)}"

    def class_points(self, rule: LowRule | HighRule, name: str, charge: Fraction) -> Fraction:
        """Return the points of a low, high or extreme case by the formula its class names."""
        if rule.pay == "points_by_cost":
            points, how = charge * self.scale.points_per_fen, self.cost_told(charge)
        elif rule.pay == "cap" and isinstance(rule, HighRule):
            points, how = self.capped(rule, name)
        else:
            points, how = self.ratio_points(rule, name, charge)
        self.tell("点数", "points", self.figure(points), "case_class", name, how=how)
        return points

    def ratio_points(self, rule: LowRule | HighRule, name: str, charge: Fraction) -> tuple[Fraction, str]:
        """Return the points of the formulas that hold a ratio, and how they were reckoned."""
        f, own = self.f, self.f if rule.coefficient else ONE
        score, r = self.score * self.auxiliary(name), charge / self.divisor
        if isinstance(rule, LowRule):
            return score * r * own, f"{self.figure(score)} × {self.figure(r)} × {self.figure(own)}"
        k = self.line(rule, name)
        if rule.pay == "linear_add":
            how = f"{self.figure(score)} × ({self.figure(f)} + {self.figure(r)} - {self.figure(k)})"
            return score * f + (r - k) * score, how
        if rule.pay == "excess":
            return score * (
                r - k + 1
            ) * own, f"{self.figure(score)} × ({self.figure(r)} - {self.figure(k)} + 1) × {self.figure(own)}"
        how = f"{self.cost_told(charge)} - ({self.figure(k)} - 1) × {self.figure(score)} × {self.figure(f)}"
        return charge * self.scale.points_per_fen - (k - 1) * score * f, how

    @property
    def divisor(self) -> Fraction:
        """Return the denominator of the ratio in the formulas (fen)."""
        classes = self.rules.case_class
        return self.denominator("group_mean" if classes is None else classes.ratio.formula)

    def capped(self, rule: HighRule, name: str) -> tuple[Fraction, str]:
        mean, k = self.figures.mean(self.group or ""), self.line(rule, name)
        how = f"{self.cost_told(mean)} × {self.figure(k)} × {self.figure(self.f)}"
        return mean * k * self.f * self.scale.points_per_fen, how

    def line(self, rule: HighRule, name: str) -> Fraction:
        """Return K: the ratio of the line, from the weight's band or from the charge of the top share."""
        if rule.top_share is not None:
            return self.cost_line(name) / self.divisor
        return band_of(rule, self.figures.weight(self.group or "")).edge[1]

    # beside the score

    def added_points(self) -> Fraction:
        total = NONE
        for n, rule in enumerate(self.rules.added_points if self.group is not None else ()):
            names = {self.group} if rule.by == "group" else self.case.items
            found = sum((Fraction(points) for name, points in rule.points.items() if name in names), NONE)
            if found:
                what = COMPONENT_TEXT[rule.component]
                zh, en = f"加成分值（{what.zh}）", f"added points ({what.en})"
                self.tell(zh, en, self.figure(found), "added_points", n, how=rule.id)
            total += found
        return total

    def break_even(self) -> tuple[Fraction | None, Fraction | None]:
        """Return Z = f × v ÷ (M ÷ scale) and the charge at which a normal case breaks even (fen)."""
        if self.group is None or not self.by_charge:
            return None, None
        z = self.f * self.case.value * self.scale.points_per_fen
        charge = self.score * self.f * self.auxiliary("normal") * self.case.value
        mean, scale = self.yuan(self.scale.mean_all), self.figure(self.scale.points)
        how = f"{self.figure(self.f)} × {self.yuan(self.case.value)} ÷ ({mean} ÷ {scale})"
        self.tell("零点比 Z", "break-even ratio Z", self.figure(z), how=how)
        self.tell("盈亏平衡费用", "charge at which the hospital breaks even", self.yuan(charge))
        return z, charge
