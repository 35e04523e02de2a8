"""The given values of a worked example, and the day, month and pool they speak of."""

from collections.abc import Mapping
from datetime import date
from fractions import Fraction

from rules.fault import Text, UserError, near
from rules.policy.model import Rules
from rules.policy.pools import Pool
from rules.policy.resolve import Policy, Resolved

BASIS = {"admission": "admitted", "discharge": "discharged", "settlement": "settled", "arrival": "received"}


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

    def of(self, key: str, hospital: str) -> Fraction | None:
        """Return the number of one hospital where the key holds a table, otherwise the number itself."""
        return self.table(key).get(hospital) if key in self and self.table(key) else self.number(key)

    def day(self, key: str) -> date | None:
        """Return a date."""
        value = self.values.get(key)
        return value if isinstance(value, date) else None

    def month(self, policy: Policy) -> str:
        """Return the month: as given, that of the settlement, or the first of the policy."""
        day = self.day("settled") or self.day("discharged") or policy.valid[0]
        return self.text("month") or f"{day:%Y-%m}"


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
