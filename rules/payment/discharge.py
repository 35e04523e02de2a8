"""One discharge as the rules see it, and the special kinds' conditions on it, in plain Python."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from fractions import Fraction

from rules.fault import Text, UserError
from rules.policy.kinds import Condition, FixedPrice, PerDiem
from rules.policy.pools import Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Discharge:
    """One discharge as the rules see it.

    `claim` holds the claim's canonical columns and its `group` (None: no group). Money in fen, values in fen per
    point. `new_items`: cost of listed new items by kind; `taken_out`: cost of separately paid items that leave the
    charge; `separate`: what separate items add, `separate_taken` for those taken out; `cost_lines`: charge of the line
    by class where a top share decides; `decision`: special-case decision and amount;
    `kind`: the special kind where it is known without asking its conditions.
    """

    claim: Mapping[str, object]
    pool: Pool
    value: Fraction
    classifying_value: Fraction | None = None
    coefficient: Fraction | None = None
    subtypes: tuple[str, ...] = ()
    auxiliary: Fraction | None = None
    items: frozenset[str] = frozenset()
    new_items: Mapping[str, int] = field(default_factory=dict)
    taken_out: int = 0
    separate: Fraction = Fraction(0)
    separate_taken: int = 0
    tcm_share: Fraction | None = None
    cost_lines: Mapping[str, int] = field(default_factory=dict)
    days_to_next: int | None = None
    days_since_last: int | None = None
    decision: tuple[str, int | None] | None = None
    at_clearing: bool = False
    kind: str | None = None

    def whole(self, column: str) -> int | None:
        """Return a whole number of the claim."""
        value = self.claim.get(column)
        return int(value) if isinstance(value, int) else None

    def text(self, column: str) -> str | None:
        """Return a claim's column as text: codes and levels."""
        value = self.claim.get(column)
        return None if value is None else str(value)

    @property
    def group(self) -> str | None:
        """Return the group, None for a case without one."""
        return self.text("group")

    @property
    def charge(self) -> int:
        """Return the total charge less what is paid separately (fen)."""
        return (self.whole("total_charge") or 0) - self.taken_out

    @property
    def booked(self) -> int:
        """Return the by-item amount of the funds that the pool's budget covers (fen)."""
        return sum(self.whole(column) or 0 for column in self.pool.funds)

    @property
    def basis(self) -> int:
        """Return what "actual cost" means in the unit of the value: the charge, or the booked fund money (fen).

        Both without what is paid separately.
        """
        by_charge = self.pool.point_value.start.unit == "charge_yuan"
        return self.charge if by_charge else self.booked - self.separate_taken


def fixed_price(rule: FixedPrice, case: Discharge) -> Fraction:
    """Return the fixed price of a case (fen); UserError for a level without one."""
    level = case.text("hospital_level") or ""
    if level not in rule.price:
        raise UserError(Text(f"单病种定额没有等级 {level!r}", f"the fixed price names no level {level!r}"))
    return Fraction(rule.price[level]) * 100


def days_of(rule: PerDiem, case: Discharge) -> int:
    """Return the days that a per diem counts."""
    if rule.days == "length_of_stay":
        days = case.whole("length_of_stay")
    else:
        admitted, discharged = day_of(case.claim.get("admitted")), day_of(case.claim.get("discharged"))
        known = admitted is not None and discharged is not None
        days = (
            (discharged - admitted).days + (rule.days == "both_days_counted")
            if known and admitted and discharged
            else None
        )
    if days is None:
        raise UserError(Text("床日病例缺住院天数", "a per-diem case has no days of stay"))
    return days


def day_of(moment: object) -> date | None:
    """Return the day of a date or time."""
    return moment.date() if isinstance(moment, datetime) else moment if isinstance(moment, date) else None


def holds(when: Condition, case: Discharge) -> bool:
    """Tell whether every condition that is written holds; a value that the claim lacks makes its condition fail."""
    diagnoses = case.claim.get("diagnoses")
    lists = {
        "payment_kind": case.whole("payment_kind"),
        "visit_kind": case.text("visit_kind"),
        "discharge_way": case.whole("discharge_way"),
        "insurance_type": case.text("insurance_type"),
        "department": case.text("department"),
        "hospital_level": case.text("hospital_level"),
        "hospital": case.text("hospital_id"),
        "group": case.group,
    }
    for key, value in lists.items():
        listed = getattr(when, key)
        if listed is not None and value not in listed:
            return False
    if when.diagnosis is not None and not set(when.diagnosis) & set(
        diagnoses if isinstance(diagnoses, list | tuple) else ()
    ):
        return False
    paid = case.whole("fund_total")
    if when.fund_paid is not None and (paid is None or (paid > 0) != when.fund_paid):
        return False
    share = case.tcm_share
    bounds = [
        (when.days_up_to, case.whole("length_of_stay"), 1),
        (when.days_from, case.whole("length_of_stay"), -1),
        (when.age_up_to, case.whole("age"), 1),
        (when.age_from, case.whole("age"), -1),
        (when.readmitted_within, case.days_to_next, 1),
        (when.returned_within, case.days_since_last, 1),
    ]
    if any(bound is not None and (value is None or (value - bound) * side > 0) for bound, value, side in bounds):
        return False
    if when.tcm_share_from is not None and (share is None or share < Fraction(when.tcm_share_from)):
        return False
    return when.tcm_share_below is None or (share is not None and share < Fraction(when.tcm_share_below))
