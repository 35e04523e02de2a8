"""One case, paid in plain fractions with every step told: the oracle of the kernels, and what `explain` shows.

Sources: 医保发〔2025〕18号 and the 2025 规程 for the order of a case (exclusion, group, class, weight or
score, coefficient, points, standard), 医保办发〔2020〕50号 for the DIP classes, local rules for the DRG ones. Every step
carries the document that the policy names for it.
"""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from rules.fault import Text, UserError
from rules.money import round_fen, yuan_text
from rules.payment.discharge import Discharge, days_of, fixed_price, holds
from rules.payment.figures import (
    COMPARE,
    Scale,
    band_of,
    hospital_coefficient,
    level_mean,
    mean_of,
    rounded,
    scale_of,
    score_of,
)
from rules.policy.cases import (
    CaseClasses,
    Excluded,
    Factor,
    FixedPrice,
    HighRule,
    Kind,
    LowRule,
    OtherGroup,
    OwnFunding,
    PerDiem,
)
from rules.policy.dated import Source
from rules.policy.resolve import Resolved
from rules.policy.tables import GroupFigures, Tables


class Step(NamedTuple):
    """One step of an explanation: what, how it was reckoned, the result, and the document of the rule."""

    what: Text
    how: str
    result: str
    source: Source | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """What a case is paid. Money in fen. `points` share the point value, `shown_points` are for display."""

    kind: str | None
    case_class: str
    funding: str
    ratio: Fraction | None
    coefficient: Fraction
    points: Fraction
    shown_points: Fraction
    standard: int
    extra: int
    separate: int
    formula_result: int
    adjustment: int
    official_result: int
    break_even_ratio: Fraction | None
    break_even_charge: Fraction | None
    steps: tuple[Step, ...]

    @property
    def payment(self) -> int:
        """Return standard, extra and separate items together."""
        return self.standard + self.extra + self.separate


class Ordinary(NamedTuple):
    """The ordinary payment of a case: points at the value, or money outside points (exact fen)."""

    case_class: str
    points: Fraction
    money: Fraction | None
    official: str
    ratio: Fraction | None


def figure(number: Fraction | int | Decimal, decimals: int = 6) -> str:
    """Print an exact figure: all its decimals where they end within `decimals`, otherwise so many and an ellipsis."""
    exact = Fraction(number)
    scaled = exact * 10**decimals
    whole = int(scaled)
    sign, digits = ("-" if exact < 0 else ""), str(abs(whole)).rjust(decimals + 1, "0")
    text = f"{digits[:-decimals]}.{digits[-decimals:]}"
    return sign + (text.rstrip("0").rstrip(".") if whole == scaled else text + "…")


def yuan(amount: Fraction | int) -> str:
    """Print an exact amount of fen in yuan."""
    return yuan_text(int(amount)) if Fraction(amount).denominator == 1 else figure(Fraction(amount) / 100)


def price(case: Discharge, resolved: Resolved, tables: Tables) -> Priced:
    """Pay one case under one day's rules. UserError for what the policy or its tables do not give."""
    return _Pricing(case, resolved, tables).priced()


class _Pricing:
    """The pricing of one case: the figures it needs and the steps told so far."""

    def __init__(self, case: Discharge, resolved: Resolved, tables: Tables) -> None:
        self.case, self.resolved, self.rules, self.tables = case, resolved, resolved.rules, tables
        self.scale: Scale = scale_of(resolved.rules)
        self.steps: list[Step] = []
        self.group = case.group
        self.factor = Fraction(1)
        self.exempt = False
        self.f = Fraction(1)
        self.extra = Fraction(0)

    def tell(self, zh: str, en: str, how: str, result: str, *path: str | int) -> None:
        self.steps.append(Step(Text(zh, en), how, result, self.resolved.source(*path) if path else None))

    def money(self, exact: Fraction) -> int:
        return round_fen(exact, self.rules.money.step, self.rules.money.mode)

    def priced(self) -> Priced:
        if self.case.taken_out:
            self.tell(
                "扣除单独支付项目后的费用",
                "charge less separately paid items",
                f"{yuan(self.case.charge + self.case.taken_out)} - {yuan(self.case.taken_out)}",
                yuan(self.case.charge),
                "separate_items",
            )
        decided = self.decided()
        if decided is not None:
            return self.outside("special", None, "outside", Fraction(decided))
        kind = next((k for k in self.rules.kinds if self.takes(k)), None)
        if kind is not None:
            name, path = kind.id, ("kinds", self.rules.kinds.index(kind))
            self.tell("特殊类型", "special kind", kind.name.zh, kind.id, *path)
            paid = self.treated(kind, path)
            if paid is not None:
                return self.outside("special", name, *paid)
        return self.by_points(None if kind is None else kind.id)

    def decided(self) -> int | None:
        """Return what an approved special-case review pays."""
        rule = self.rules.special_case
        if self.case.decision is None or self.case.decision[0] == "rejected":
            return None
        decision, amount = self.case.decision
        if rule is None or decision not in rule.approved:
            raise UserError(
                Text(
                    f"政策不允许特例单议结论 {decision}",
                    f"the policy does not allow the special-case decision {decision}",
                )
            )
        paid = self.case.basis if decision == "by_item" else amount
        if paid is None:
            raise UserError(Text("特例单议的调整标准缺金额", "an adjusted standard needs its amount"))
        self.tell("特例单议", "special-case review", decision, yuan(paid), "special_case")
        return paid

    def takes(self, kind: Kind) -> bool:
        """Tell whether a special kind takes the case."""
        if kind.at_clearing_only and not self.case.at_clearing:
            return False
        if not holds(kind.when, self.case):
            return False
        treatment = kind.treatment
        if isinstance(treatment, FixedPrice):
            price_fen = fixed_price(treatment, self.case)
            over = treatment.exit_over is not None and self.case.charge > price_fen * Fraction(treatment.exit_over)
            below = treatment.exit_below is not None and self.case.charge < price_fen * Fraction(treatment.exit_below)
            return not (over or below)
        return not isinstance(treatment, OtherGroup) or self.group in treatment.groups

    def treated(self, kind: Kind, path: tuple[str, int]) -> tuple[str, Fraction] | None:
        """Return funding and money of a kind paid outside points; None for one that goes on to the ordinary rule."""
        treatment, case = kind.treatment, self.case
        if isinstance(treatment, Excluded | OwnFunding):
            elsewhere = isinstance(treatment, OwnFunding) or treatment.funding == "elsewhere"
            return "elsewhere" if elsewhere else "outside", Fraction(case.basis)
        if isinstance(treatment, PerDiem):
            return "outside", self.per_diem(treatment, path)
        if isinstance(treatment, FixedPrice):
            return "outside", Fraction(fixed_price(treatment, case))
        if treatment.pay == "actual":
            return "outside", Fraction(case.basis)
        if isinstance(treatment, Factor):
            self.factor = Fraction(treatment.factor)
        elif isinstance(treatment, OtherGroup):
            self.group = treatment.groups[self.group or ""]
        else:
            self.exempt = True
        return None

    def per_diem(self, rule: PerDiem, path: tuple[str, int]) -> Fraction:
        days = days_of(rule, self.case)
        bands = rule.by_level.get(self.case.text("hospital_level") or "", rule.bands)
        total, before, told = Fraction(0), 0, []
        for band in bands:
            count = max(0, (days if band.up_to_day is None else min(days, band.up_to_day)) - before)
            before = max(before, band.up_to_day or 0)
            total += count * Fraction(band.daily) * 100
            told.append(f"{band.daily} × {count}")
        self.tell("床日标准", "per diem", " + ".join(told), yuan(total), *path)
        return min(total, Fraction(self.case.charge)) if rule.cap_at_charge else total

    def outside(self, case_class: str, kind: str | None, funding: str, amount: Fraction) -> Priced:
        """Return the result of a case paid as money."""
        standard = self.money(amount)
        self.tell("支付标准", "payment standard", yuan(amount), yuan(standard), "money")
        shown = amount / self.case.value if funding == "outside" else Fraction(0)
        result = standard - self.case.basis
        return Priced(
            kind=kind, case_class=case_class, funding=funding, ratio=None, coefficient=Fraction(1), points=Fraction(0),
            shown_points=shown, standard=standard, extra=0, separate=self.money(self.case.separate), formula_result=result,
            adjustment=0, official_result=result, break_even_ratio=None, break_even_charge=None, steps=tuple(self.steps),
        )  # fmt: skip

    def by_points(self, kind: str | None) -> Priced:
        """Pay the case by the ordinary rule of its class."""
        case, value = self.case, self.case.value
        ordinary, normal = self.ungrouped() if self.group is None else self.grouped()
        added = Fraction(0) if self.group is None else self.added_points()
        points = rounded(ordinary.points + added, self.rules.money.points)
        if ordinary.money is None:
            exact = points * value
            self.tell(
                "支付标准", "payment standard", f"{figure(points)} × {yuan(value)}", yuan(self.money(exact)), "money"
            )
        else:
            exact = ordinary.money
            self.tell(
                "支付标准（点外资金）",
                "payment standard, money outside points",
                yuan(exact),
                yuan(self.money(exact)),
                "case_class",
            )
        standard = self.money(exact)
        formula = standard if normal is None else self.money(rounded(normal + added, self.rules.money.points) * value)
        extra = self.money(self.extra)
        comparable = self.comparable()
        official = 0 if ordinary.official == "zero" else standard + comparable * extra - case.basis
        formula_result = formula - case.basis
        self.tell("盈亏（公式）", "result by formula", f"{yuan(formula)} - {yuan(case.basis)}", yuan(formula_result))
        self.tell("盈亏（正式）", "official result", "", yuan(official))
        even = self.break_even()
        return Priced(
            kind=kind, case_class=ordinary.case_class, funding="points" if ordinary.money is None else "outside",
            ratio=ordinary.ratio, coefficient=self.f, points=points if ordinary.money is None else Fraction(0),
            shown_points=points if ordinary.money is None else exact / value, standard=standard, extra=extra,
            separate=self.money(case.separate), formula_result=formula_result, adjustment=official - formula_result,
            official_result=official, break_even_ratio=even[0], break_even_charge=even[1], steps=tuple(self.steps),
        )  # fmt: skip

    def comparable(self) -> int:
        """Return 1 where the extra of an exclusion payment is money of the same kind as the standard."""
        rule, unit = self.rules.exclusion, self.case.pool.point_value.start.unit
        return int(rule is not None and (rule.money == "total") == (unit == "charge_yuan"))

    def ungrouped(self) -> tuple[Ordinary, Fraction | None]:
        rule = self.rules.blank_group
        if rule is None:
            raise UserError(
                Text("病例没有病组，政策也没有 [blank_group]", "the case has no group and the policy no [blank_group]")
            )
        if rule.pay == "actual":
            money = self.case.basis * Fraction(rule.factor) * self.factor
            self.tell("未入组", "no group", f"{yuan(self.case.basis)} × {rule.factor}", yuan(money), "blank_group")
            return Ordinary("ungrouped", Fraction(0), money, "formula", None), None
        points = self.case.charge / self.scale.mean_all * self.scale.points * Fraction(rule.factor) * self.factor
        how = f"{yuan(self.case.charge)} ÷ {yuan(self.scale.mean_all)} × {figure(self.scale.points)} × {rule.factor}"
        self.tell("未入组点数", "points without a group", how, figure(points), "blank_group")
        return Ordinary("ungrouped", points, None, "formula", None), None

    def grouped(self) -> tuple[Ordinary, Fraction | None]:
        """Return the ordinary payment, and the normal points beside it where money is paid outside points."""
        group = self.group or ""
        figures = self.tables.groups.get(group)
        score = score_of(self.rules, figures, group)
        self.tell_score(score)
        self.f = (
            self.case.coefficient
            if self.case.coefficient is not None
            else hospital_coefficient(
                self.rules, self.tables, self.case.text("hospital_level"), self.case.text("hospital_id"), group
            )
        )
        self.tell("医疗机构系数", "hospital coefficient", "", figure(self.f), "hospital_coefficient")
        classes = self.rules.case_class
        normal = self.normal_points(score)
        if classes is None or self.exempt:
            self.extra, _ = self.exclusion(figures)
            return Ordinary("normal", normal * self.factor, None, "formula", None), None
        self.extra, tested = self.exclusion(figures)
        name, rule, ratio = self.classify(classes, figures, score, tested)
        if rule is None or rule.pay == "normal":
            official = "formula" if rule is None else rule.official_result
            return Ordinary(name, normal * self.factor, None, official, ratio), None
        charge = tested if name != "low" else self.low_charge(tested)
        if rule.pay == "actual":
            by_charge = self.case.pool.point_value.start.unit == "charge_yuan"
            basis = charge if by_charge else Fraction(self.case.basis)
            return Ordinary(name, Fraction(0), basis * self.factor, rule.official_result, ratio), normal * self.factor
        points = self.class_points(classes, rule, name, figures, score, charge) * self.factor
        return Ordinary(name, points, None, rule.official_result, ratio), None

    def tell_score(self, score: Fraction) -> None:
        if self.rules.weights is not None:
            weight = score / self.scale.points
            self.tell(f"病组 {self.group} 的权重 RW", f"weight RW of group {self.group}", "", figure(weight), "weights")
        else:
            self.tell(f"病种 {self.group} 的分值", f"score of group {self.group}", "", figure(score), "scores")

    def auxiliary(self, name: str) -> Fraction:
        """Return the auxiliary coefficient of a class: of several sub-types the highest."""
        rule = self.rules.auxiliary
        if rule is None or name not in rule.applies_to:
            return Fraction(1)
        if self.case.auxiliary is not None:
            return self.case.auxiliary
        found = [
            self.tables.auxiliary[key]
            for s in self.case.subtypes
            if (key := (self.group or "", s)) in self.tables.auxiliary
        ]
        return max(found, default=Fraction(1))

    def normal_points(self, score: Fraction) -> Fraction:
        x = self.auxiliary("normal")
        how = f"{figure(score)} × {figure(self.f)}" + (f" × {figure(x)}" if x != 1 else "")
        self.tell("正常病例点数", "points of a normal case", how, figure(score * self.f * x))
        return score * self.f * x

    def exclusion(self, figures: GroupFigures | None) -> tuple[Fraction, Fraction]:
        """Return the extra for listed new items (fen) and the charge that the outlier tests see."""
        rule, charge = self.rules.exclusion, Fraction(self.case.charge)
        new = {kind: cost for kind, cost in self.case.new_items.items() if rule is not None and kind in rule.kinds}
        total = sum(new.values())
        if rule is None or not total:
            return Fraction(0), charge
        mean = mean_of(self.rules, figures, self.group or "")
        high, listed = charge > mean * Fraction(rule.charge_over), total > charge * Fraction(rule.share_over)
        how = f"{yuan(charge)} > {rule.charge_over} × {yuan(mean)}: {high}; {yuan(total)} ÷ {yuan(charge)} > {rule.share_over}: {listed}"
        self.tell("除外支付条件", "conditions of exclusion payment", how, str(high and listed), "exclusion")
        if not (high and listed):
            return Fraction(0), charge
        extra = Fraction(0)
        for kind, cost in sorted(new.items()):
            known = (figures.kind_means if figures else {}).get(kind)
            if known is None:
                raise UserError(
                    Text(
                        f"除外支付需要病组 {self.group} 的 mean_{kind}，表中没有",
                        f"exclusion payment needs mean_{kind} of group {self.group}: the table has none",
                    )
                )
            extra += max(Fraction(0), cost - known)
            self.tell(
                "除外支付",
                "exclusion payment",
                f"{yuan(cost)} - {yuan(known)}",
                yuan(max(Fraction(0), cost - known)),
                "exclusion",
            )
        return extra, charge - total

    def low_charge(self, tested: Fraction) -> Fraction:
        """Return the charge that the low line and the low formulas see."""
        rule = self.rules.exclusion
        return tested if rule is not None and rule.outlier_test == "both" else Fraction(self.case.charge)

    def denominator(self, name: str, figures: GroupFigures | None, score: Fraction) -> Fraction:
        group = self.group or ""
        if name == "group_mean":
            return mean_of(self.rules, figures, group)
        if name in {"level_mean", "last_year_level_mean"}:
            means = {} if figures is None else figures.level_means if name == "level_mean" else figures.last_year_means
            return level_mean(means, self.case.text("hospital_level"), group)
        value = self.case.value if self.case.classifying_value is None else self.case.classifying_value
        return score * value * (self.f * self.auxiliary("normal") if name == "standard" else 1)

    def classify(
        self, classes: CaseClasses, figures: GroupFigures | None, score: Fraction, tested: Fraction
    ) -> tuple[str, LowRule | HighRule | None, Fraction]:
        divisor = self.denominator(classes.ratio.classify, figures, score)
        ratio = tested / divisor
        self.tell("倍率 r", "ratio r", f"{yuan(tested)} ÷ {yuan(divisor)}", figure(ratio), "case_class", "ratio")
        for name, rule in (("extreme", classes.extreme), ("high", classes.high)):
            if rule is not None and self.beyond(name, rule, ratio, tested, score):
                return name, rule, ratio
        low, low_ratio = classes.low, self.low_charge(tested) / divisor
        if low is not None and self.beyond("low", low, low_ratio, tested, score):
            return "low", low, low_ratio
        self.tell("病例类型", "case class", "", "normal")
        return "normal", None, ratio

    def beyond(self, name: str, rule: LowRule | HighRule, ratio: Fraction, tested: Fraction, score: Fraction) -> bool:
        """Tell whether a case lies beyond the line of a class."""
        if rule.top_share is not None:
            line = self.cost_line(name)
            found, how = tested > line, f"{yuan(tested)} > {yuan(line)}"
        else:
            sign, bound = band_of(rule, score / self.scale.points).edge
            found = {
                "below": ratio < bound,
                "up_to": ratio <= bound,
                "over": ratio > bound,
                "at_least": ratio >= bound,
            }[sign]
            how = f"{figure(ratio)} {COMPARE[sign]} {bound}"
        if found:
            self.tell("病例类型", "case class", how, name, "case_class", name)
        return found

    def cost_line(self, name: str) -> Fraction:
        if name not in self.case.cost_lines:
            raise UserError(
                Text(
                    f"{name} 的费用界线须由同组病例算出",
                    f"the cost line of {name} comes from the group's cases: none is given",
                )
            )
        return Fraction(self.case.cost_lines[name])

    def class_points(
        self,
        classes: CaseClasses,
        rule: LowRule | HighRule,
        name: str,
        figures: GroupFigures | None,
        score: Fraction,
        charge: Fraction,
    ) -> Fraction:
        """Return the points of a low, high or extreme case by the formula its class names."""
        scale, f = self.scale, self.f
        by_cost = charge / scale.mean_all * scale.points
        told_cost = f"{yuan(charge)} ÷ {yuan(scale.mean_all)} × {figure(scale.points)}"
        if rule.pay == "points_by_cost":
            self.tell("点数（按费用）", "points by cost", told_cost, figure(by_cost), "case_class", name)
            return by_cost
        score *= self.auxiliary(name)
        divisor = self.denominator(classes.ratio.formula, figures, score / self.auxiliary(name))
        r = charge / divisor
        k = Fraction(0) if isinstance(rule, LowRule) else self.line(rule, name, divisor, score / self.auxiliary(name))
        own = f if rule.coefficient else Fraction(1)
        s_, r_, k_, f_, own_ = figure(score), figure(r), figure(k), figure(f), figure(own)
        points, how = {
            "factor": (score * r * own, f"{s_} × {r_} × {own_}"),
            "linear_add": (score * f + (r - k) * score, f"{s_} × {f_} + ({r_} - {k_}) × {s_}"),
            "excess": (score * (r - k + 1) * own, f"{s_} × ({r_} - {k_} + 1) × {own_}"),
            "deduct": (by_cost - (k - 1) * score * f, f"{told_cost} - ({k_} - 1) × {s_} × {f_}"),
            "cap": (
                self.capped(rule, figures, k),
                f"m × {k_} × {f_} × {figure(scale.points)} ÷ {yuan(scale.mean_all)}",
            ),
        }[rule.pay]
        self.tell("点数", "points", how, figure(points), "case_class", name)
        return points

    def capped(self, rule: LowRule | HighRule, figures: GroupFigures | None, k: Fraction) -> Fraction:
        if rule.pay != "cap":
            return Fraction(0)
        return mean_of(self.rules, figures, self.group or "") * k * self.f * self.scale.points / self.scale.mean_all

    def line(self, rule: HighRule, name: str, divisor: Fraction, score: Fraction) -> Fraction:
        """Return K: the ratio of the line, from the weight's band or from the charge of the top share."""
        if rule.top_share is not None:
            return self.cost_line(name) / divisor
        return Fraction(band_of(rule, score / self.scale.points).edge[1])

    def added_points(self) -> Fraction:
        total = Fraction(0)
        for n, rule in enumerate(self.rules.added_points):
            names = {self.group} if rule.by == "group" else self.case.items
            found = sum((Fraction(points) for name, points in rule.points.items() if name in names), Fraction(0))
            if found:
                self.tell("加成分值", "added points", rule.id, figure(found), "added_points", n)
            total += found
        return total

    def break_even(self) -> tuple[Fraction | None, Fraction | None]:
        """Return Z = f × v ÷ (M ÷ scale) and the charge at which a normal case breaks even (fen)."""
        if self.group is None or self.case.pool.point_value.start.unit != "charge_yuan":
            return None, None
        z = self.f * self.case.value * self.scale.points_per_fen
        score = score_of(self.rules, self.tables.groups.get(self.group), self.group)
        charge = score * self.f * self.auxiliary("normal") * self.case.value
        how = (
            f"{figure(self.f)} × {yuan(self.case.value)} ÷ ({yuan(self.scale.mean_all)} ÷ {figure(self.scale.points)})"
        )
        self.tell("零点比 Z", "break-even ratio Z", how, figure(z))
        self.tell("盈亏平衡费用", "charge at which the hospital breaks even", "", yuan(charge))
        return z, charge
