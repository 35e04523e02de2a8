"""Money before clearing: advance of the year (预付金), monthly prepayment, deposit, working capital (周转金).

Accounts that never mix. Source: 2024-11 notice on the advance (one month, at least 12 payable months for
employees and 6 for residents, none in deficit); 规程 2025版 (prepayment ratio 90 to 100 %, deposit up to 5 %).
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from rules.fault import Text, UserError, near
from rules.money import round_fen
from rules.policy.cases import Money
from rules.policy.settlement import Advance, Monthly, WorkingCapital


class FundState(NamedTuple):
    """What the gates of the advance look at: payable months, and deficits of last year and of the 12-month forecast."""

    payable_months: Fraction
    last_year_deficit: bool
    forecast_deficit: bool


class AdvanceDecision(NamedTuple):
    """The advance (fen) and why it is nothing where it is."""

    amount: int
    refused: tuple[Text, ...] = ()


class Prepaid(NamedTuple):
    """A hospital-month's payable divided (fen): payable = paid + deposit + withheld."""

    payable: int
    paid: int
    deposit: int
    withheld: int


def advance(
    rule: Advance, insurance_type: str, yearly_spend: Sequence[int], state: FundState, money: Money
) -> AdvanceDecision:
    """Return the advance: months × the mean monthly spend of the last `rule.years` years, if every gate is open.

    `yearly_spend`: fen of past years, oldest first. Raises UserError without a gate for the insurance type or with
    too few years.
    """
    if insurance_type not in rule.payable_months:
        hint = near(insurance_type, rule.payable_months)
        raise UserError(
            Text(
                f"预付金未规定险种 {insurance_type} 的可支付月数{hint.zh}",
                f"the advance declares no payable months for insurance type {insurance_type}{hint.en}",
            )
        )
    if len(yearly_spend) < rule.years:
        raise UserError(
            Text(
                f"预付金需要过去 {rule.years} 年的支出，只给出 {len(yearly_spend)} 年",
                f"the advance needs the spending of {rule.years} past years, not of {len(yearly_spend)}",
            )
        )
    refused = tuple(_closed_gates(rule, Fraction(rule.payable_months[insurance_type]), state))
    mean = Fraction(sum(yearly_spend[-rule.years :]), 12 * rule.years)
    amount = round_fen(mean * Fraction(rule.months), money.step, money.mode)
    return AdvanceDecision(0, refused) if refused else AdvanceDecision(amount)


def _closed_gates(rule: Advance, least: Fraction, state: FundState) -> list[Text]:
    """Return the reasons against an advance."""
    reasons = []
    if state.payable_months < least:
        months, need = f"{float(state.payable_months):.1f}", f"{float(least):g}"
        reasons.append(Text(f"可支付月数 {months} 不足 {need}", f"{months} payable months, {need} needed"))
    if rule.refuse_after_deficit and state.last_year_deficit:
        reasons.append(Text("上年赤字", "last year was in deficit"))
    if rule.refuse_on_forecast_deficit and state.forecast_deficit:
        reasons.append(Text("预测未来 12 个月赤字", "the 12-month forecast is in deficit"))
    return reasons


def working_capital(rule: WorkingCapital, yearly_paid: int, money: Money) -> int:
    """Return a hospital's working capital (fen): months × its mean monthly payment."""
    return round_fen(Fraction(yearly_paid, 12) * Fraction(rule.months), money.step, money.mode)


def prepay(rule: Monthly, payable: Fraction, money: Money, score: Fraction = Fraction(1)) -> Prepaid:
    """Divide a hospital-month's payable (fen, exact) into what is paid, held as deposit, and left to clearing.

    withheld_part: the part above the prepayment ratio is the deposit; further_line: the deposit is a share of the
    payable, or of the payable × ratio, and comes off what is paid. Each part is rounded once from the exact figure
    and the last takes the rest. `score`: what the assessment multiplies the hospital's ratio by, where it acts there;
    the deposit is that of the policy's ratio, so that the cut is left to clearing.
    """
    full = payable * Fraction(rule.prepayment_ratio)
    whole, paid = (round_fen(amount, money.step, money.mode) for amount in (payable, full * score))
    if rule.deposit == "withheld_part":
        deposit = whole - round_fen(full, money.step, money.mode)
        return Prepaid(whole, paid, deposit, whole - deposit - paid)
    if rule.deposit == "none":
        return Prepaid(whole, paid, 0, whole - paid)
    base = payable if rule.deposit_base == "payable" else full
    deposit = round_fen(base * Fraction(rule.deposit_ratio or 0), money.step, money.mode)
    return Prepaid(whole, paid - deposit, deposit, whole - paid)
