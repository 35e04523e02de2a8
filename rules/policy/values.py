"""The kinds of value a policy holds: exact numbers, names in two languages, terms with their unit."""

import re
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from rules.fault import Text

Mode = Literal[
    "half_away_from_zero", "half_even", "half_toward_zero", "half_up", "half_down", "up", "down", "ceiling", "floor"
]
DateField = Literal["admission", "discharge", "settlement", "arrival"]
Month = Annotated[str, Field(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")]
FundColumn = Literal[
    "fund_pool_paid", "fund_large_paid", "fund_serious_paid", "fund_civil_paid", "fund_assist_paid", "fund_other_paid"
]


class Model(BaseModel):
    """One table of a policy: frozen, and no key is let in that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reference: str | None = None


def fault(zh: str, en: str) -> PydanticCustomError:
    """Return an error of a validator that carries both languages."""
    return PydanticCustomError("policy", "{en}", {"zh": zh, "en": en})


def term(zh: str, en: str, unit: str = "", **keywords: Any) -> Any:  # noqa: ANN401 (pydantic types a Field as Any)
    """Describe a key of the policy: its name in both languages and the unit of its value."""
    return Field(json_schema_extra={"zh": zh, "en": en, "unit": unit}, **keywords)


UNITS = {
    "": "",
    "yuan": "元",
    "yuan a year": "元/年",
    "yuan a day": "元/日",
    "yuan per point": "元/点",
    "points": "点",
    "points of score": "分",
    "ratio": "比例",
    "ratio of the amount": "占总额比例",
    "ratio of the quota": "占指标比例",
    "ratio of the base": "占基数比例",
    "ratio of payments": "占支付额比例",
    "ratio of discharges": "占出院人次比例",
    "ratio of its by-item amount": "占按项目金额比例",
    "booked / payable": "记账/应付",
    "months": "个月",
    "years": "年",
    "days": "天",
    "persons": "人",
    "cases": "例",
}
"""Every unit of a policy's values in English, with its Chinese name."""


WORDS = {
    "method": Text("方法", "method"),
    "pay": Text("计付", "payment"),
    "zh": Text("中文", "Chinese"),
    "en": Text("英文", "English"),
}


def term_of(model: type[BaseModel], key: str) -> tuple[Text, Text]:
    """Return name and unit of a key of a model, both in both languages."""
    extra = model.model_fields[key].json_schema_extra
    words = extra if isinstance(extra, dict) else {}
    unit = str(words.get("unit", ""))
    known = WORDS.get(key, Text(key, key))
    return Text(str(words.get("zh", known.zh)), str(words.get("en", known.en))), Text(UNITS[unit], unit)


PLAIN = re.compile(r"-?\d{1,40}(\.\d{1,80})?")
"""How an exact number is written: digits, without exponent or separators."""


def exact(value: object) -> object:
    """Let an exact number in: a whole number or digits in quotes. A binary float has already lost its digits."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise fault(
            f'{value!r} 应写成带引号的十进制数，如 "0.95"', f'{value!r} must be a decimal in quotes, such as "0.95"'
        )
    if not isinstance(value, Decimal) and not PLAIN.fullmatch(str(value).strip()):
        raise fault("不是十进制数", "is not a decimal number")
    return value.strip() if isinstance(value, str) else value


Number = Annotated[Decimal, BeforeValidator(exact), Field(allow_inf_nan=False)]
Amount = Annotated[Number, Field(ge=0)]
Yuan = Annotated[Number, Field(ge=0, decimal_places=2)]
Positive = Annotated[Number, Field(gt=0)]
Share = Annotated[Number, Field(ge=0, le=1)]


class Bilingual(Model):
    """A name in Chinese and English."""

    zh: str
    en: str

    def text(self, lang: str) -> str:
        """Return the name in `lang` ("zh" or "en")."""
        return self.zh if lang == "zh" else self.en
