"""Small tables of procurement for tests: a retention row, rules without a pack, conformed tables."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeVar

import polars as pl

from rules.procurement.parameters import Retention, Rule

R = TypeVar("R", bound=Rule)
PRICE = pl.Decimal(18, 6)
ROW: dict[str, Any] = {
    "batch": "5",
    "institution": "H1",
    "drug": "D1",
    "year": 2026,
    "insurance_type": "310",
    "base_quantity": 100_000,
    "agreed_quantity": 80_000,
    "purchased_quantity": Decimal(80_000),
    "pre_price": Decimal("5.00"),
    "agreed_amount": Decimal(80_000),
    "nonwin_all": 2_000_000,
    "nonwin_not_appropriate": 2_000_000,
    "nonwin_not_passed": 2_000_000,
    "pay_ratio": Decimal("0.6"),
    "insured_quantity": Decimal("0.95"),
    "insured_person_times": Decimal("0.95"),
    "score": Decimal(90),
}
DTYPES = {
    "purchased_quantity": pl.Decimal(38, 6),
    "pre_price": PRICE,
    "agreed_amount": pl.Decimal(38, 6),
    "pay_ratio": PRICE,
    "insured_quantity": PRICE,
    "insured_person_times": PRICE,
    "score": PRICE,
    "change": PRICE,
}


def rule(model: type[R], **values: object) -> R:
    """Return a rule that no pack holds."""
    (name,) = model.model_fields["rule"].annotation.__args__  # type: ignore[union-attr]
    return model.model_validate({"rule": name, "reference": "A", "grade": "D", **values})


def retention_rule(share: str = "0.50", **changes: object) -> Retention:
    """Return a retention rule that leaves nothing open."""
    plain = {
        "ceiling": "0.50",
        "keep": [{"score_from": "60", "share": share}, {"share": "0"}],
        "insured_share": "quantity",
        "floor_at": "drug",
        "nonwin_scope": "all",
    }
    return rule(Retention, **(plain | changes))


def retention_rows(*changes: Mapping[str, Any]) -> pl.DataFrame:
    """Return rows of retention: the worked row with changes."""
    rows = [ROW | dict(change) for change in changes]
    return pl.DataFrame(rows, schema_overrides={name: kind for name, kind in DTYPES.items() if name in rows[0]})
