"""Clearing on paper: the identity of a pool and, for each hospital, how its figure came about line by line."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Literal, NamedTuple

from rules.fault import Text, UserError
from rules.money import round_whole
from rules.payment.clearing import HospitalClearing, PoolClearing, audit_deductions
from rules.payment.statement import Documents, Line, rule_line, undocumented
from rules.policy.settlement import Clearing

BEARERS = {
    "hospitals": Text("医疗机构", "hospitals"),
    "fund": Text("基金", "the fund"),
    "next_year": Text("下年预算", "next year's budget"),
    "reserve": Text("风险金", "the reserve"),
    "unfunded": Text("未落实", "nobody yet"),
}
RECEIVERS = {
    "fund": Text("基金", "the fund"),
    "pool": Text("基金池", "the pool"),
    "treasury": Text("国库", "the treasury"),
    "reserve": Text("风险金", "the reserve"),
}


class Identity(NamedTuple):
    """A pool's identity: where the money went and where it came from; both sides add up to the same fen."""

    uses: tuple[Line, ...]
    sources: tuple[Line, ...]

    @property
    def difference(self) -> int:
        """Return uses - sources (fen): zero, or the clearing is wrong."""
        return sum(line.amount for line in self.uses) - sum(line.amount for line in self.sources)


def pool_identity(cleared: PoolClearing, rule: Clearing) -> Identity:
    """Return the proven identity of a pool's clearing. Raises UserError with the difference where it does not hold."""
    hospitals, funding = cleared.hospitals, cleared.funding
    deducted = sum(audit_deductions(h.year, rule) for h in hospitals)
    control = sum(h.year.control for h in hospitals)
    outside = sum(h.year.paid_outside for h in hospitals) + sum(line.amount for line in cleared.pool.outside)
    forfeited_to = RECEIVERS[rule.deposit_release.forfeited_to if rule.deposit_release else "pool"]
    received = RECEIVERS[rule.deductions.receives if rule.deductions else "fund"]
    uses = (
        _line("各医疗机构清算额（净额）", "clearing amounts, net of deposits", sum(h.net for h in hospitals)),
        _line("暂扣质保金", "deposits held", sum(h.deposit_held for h in hospitals)),
        _line(
            f"不予返还质保金（归{forfeited_to.zh}）",
            f"deposits forfeited (to {forfeited_to.en})",
            sum(h.forfeited for h in hospitals),
        ),
        _line("考核扣减", "assessment cuts", sum(h.cut for h in hospitals)),
        _line(f"审核扣款（归{received.zh}）", f"audit deductions (to {received.en})", deducted),
        _line("总控扣款", "total-control deductions", control),
        _line("点数外支付", "paid outside points", outside),
        _line("集采结余留用", "procurement retention charged here", sum(h.year.vbp for h in hospitals)),
        _line("分给医疗机构的统筹结余", "pool surplus shared with hospitals", funding.to_hospitals),
        _line("结余收回基金", "surplus returned to the fund", funding.returned),
        _line("舍入差额", "rounding residue", cleared.residue),
        _line("期末风险金", "reserve left", funding.reserve_left),
    )
    sources = (
        _line("预算 F", "budget F", cleared.pool.fund),
        _line("可用风险金", "reserve at the start", cleared.pool.reserve),
        *(
            _line(f"超支，由{BEARERS[who].zh}承担", f"overrun borne by {BEARERS[who].en}", amount)
            for who, amount in sorted(funding.overrun.items())
        ),
    )
    identity = Identity(uses, sources)
    if identity.difference:
        raise UserError(
            Text(
                f"基金池 {cleared.pool.pool} 不平：差 {identity.difference} 分",
                f"the identity of pool {cleared.pool.pool} fails by {identity.difference} fen",
            )
        )
    return identity


def _line(zh: str, en: str, amount: int) -> Line:
    """Return a line of the identity."""
    return Line(Text(zh, en), amount)


def hospital_statement(
    hospital: HospitalClearing, rule: Clearing, documents: Documents = undocumented
) -> Iterator[Line]:
    """Yield the lines from payable to what is due: items add up to the next total, memos stand beside them."""
    for zh, en, amount, path, kind in _statement(hospital, rule):
        yield rule_line(zh, en, amount, path, documents)._replace(kind=kind)
    yield from hospital.year.outside
    for zh, en, amount, path, kind in _cash(hospital):
        yield rule_line(zh, en, amount, path, documents)._replace(kind=kind)


Row = tuple[str, str, int, tuple[str, ...], Literal["item", "total", "memo"]]


def _statement(hospital: HospitalClearing, rule: Clearing) -> Iterator[Row]:
    """Yield the rows from payable to the clearing amount and what the pool and the deposit do to it."""
    year, steps = hospital.year, hospital.steps
    payable, deducted = _fen(year.payable), audit_deductions(year, rule)
    banded, bounded = _fen(steps.granted - payable), _fen(steps.bounded - steps.granted)
    side, zh, en = (
        ("surplus", "结余中不留用、收回的部分", "surplus not retained")
        if steps.booked <= year.payable
        else ("overspend", "基金分担的合理超支", "overspend shared by the fund")
    )
    ratio = f"{float(steps.booked / year.payable):.4f}" if year.payable > 0 else "–"
    factor = f"{float(year.effect.coefficient):g}"
    rounding = hospital.amount - payable - banded - bounded + hospital.cut + deducted + year.control
    yield "应付额 P", "payable P", payable, ("clearing", "fund_ratio_level"), "item"
    yield f"记账额 A，A/P = {ratio}", f"booked A, A/P = {ratio}", steps.booked, ("clearing", side), "memo"
    yield zh, en, banded, ("clearing", side, "bands"), "item"
    yield f"考核系数 {factor}", f"assessment coefficient {factor}", -hospital.cut, ("clearing", "coefficient"), "item"
    optional: list[Row] = [
        ("上下限调整", "floor and cap", bounded, ("clearing", "floor" if rule.floor else "cap"), "item"),
        ("审核扣款", "audit deductions", -deducted, ("clearing", "deductions"), "item"),
        ("总控扣款", "total-control deduction", -year.control, ("pools", "quotas"), "item"),
        ("舍入", "rounding", rounding, ("money",), "item"),
    ]
    yield from (row for row in optional if row[2])
    yield "清算额", "clearing amount", hospital.amount, ("clearing",), "total"


def _cash(hospital: HospitalClearing) -> Iterator[Row]:
    """Yield the rows between the clearing amount and what is due, where they are not zero."""
    year, order, release = hospital.year, ("clearing", "funding_order"), ("clearing", "deposit_release")
    rows: list[Row] = [
        ("基金池按比例调减", "pro-rata cut of the pool", -hospital.reduction, order, "item"),
        ("承担基金池超支", "share of the pool's overrun", -hospital.borne, order, "item"),
        ("分得基金池结余", "share of the pool's surplus", hospital.pool_share, ("clearing", "pool_level"), "item"),
        ("质保金继续暂扣", "deposit still held", -hospital.deposit_held, release, "item"),
        ("质保金不予返还", "deposit forfeited", -hospital.forfeited, release, "item"),
        ("集采结余留用", "procurement retention", year.vbp, ("clearing",), "item"),
        ("减：已预付", "less prepaid", -year.prepaid, ("month", "prepayment_ratio"), "item"),
        ("减：预付金与周转金", "less advance and working capital", -year.advanced, ("month", "advance"), "item"),
    ]
    yield from (row for row in rows if row[2])
    yield "本次应拨（负数为应退）", "due (below zero: to pay back)", hospital.due, ("clearing",), "total"


def _fen(exact: Fraction) -> int:
    """Round a figure that is only shown."""
    return round_whole(exact, "half_away_from_zero")
