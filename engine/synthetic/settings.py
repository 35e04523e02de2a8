"""What city.toml says: sizes, shares and rates of a synthetic city. Every key is described in the file itself."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from grouper.fault import Text, UserError

AGE_BANDS = (0, 1, 7, 18, 35, 50, 65, 80)
"""First year of each band of ages; the last band ends before OLDEST."""
OLDEST = 96

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Shares = dict[str, Positive]
Bands = Annotated[tuple[float, ...], Field(min_length=len(AGE_BANDS), max_length=len(AGE_BANDS))]
Months = Annotated[tuple[Positive, ...], Field(min_length=12, max_length=12)]
Season = Literal["even", "winter", "summer"]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Names(_Strict):
    """A name in both languages."""

    zh: str
    en: str


class Range(_Strict):
    """Numbers evenly from `start` to `end`."""

    start: float = Field(alias="from")
    end: float = Field(alias="to")


class Outliers(Range):
    """A share of cases, and the factors on their charge."""

    share: Share


class Insured(_Strict):
    """Who is insured where and how."""

    regions: Shares
    outside: Shares
    employees: Bands
    civil_servants: Share
    assisted: Share
    enrolled_employees: Share
    per_claim: Positive


class TreatedElsewhere(_Strict):
    """People of the city who are treated outside."""

    share: Share
    regions: Shares


class Volume(_Strict):
    """How many claims a month has, beside the others."""

    growth: float
    even: Months
    winter: Months
    summer: Months
    weekdays: Annotated[tuple[Positive, ...], Field(min_length=7, max_length=7)]


class Charges(_Strict):
    """What a stay costs."""

    per_weight_yuan: Positive
    growth: float
    spread: Positive
    stay_spread: Positive
    hospital_spread: Positive
    high: Outliers
    low: Outliers
    hospital_borne: Outliers


class ByInsurance(_Strict):
    """A figure for employees and one for residents."""

    employee: float
    resident: float


class HospitalLevel(_Strict):
    """The hospitals of one level."""

    level: Literal[1, 2, 3]
    count: Annotated[int, Field(gt=0, lt=1000)]
    cost: Positive
    stay: Positive
    burden: tuple[Share, Share, Share]
    deductible: ByInsurance
    reimbursed: ByInsurance


class Serious(_Strict):
    """Serious-illness insurance of residents."""

    above_yuan: Positive
    rate: Share


class OtherFunds(_Strict):
    """A share of cases to which other funds add a part."""

    share: Share
    rate: Share


class Benefits(_Strict):
    """Who pays which part of a charge."""

    full_self: Range
    category_b: Range
    outside_factor: Share
    pool_limit_yuan: Positive
    serious: Serious
    civil_rate: Share
    assist_rate: Share
    other: OtherFunds


class Endings(_Strict):
    """Ways of discharge, per thousand."""

    deaths: tuple[float, float, float]
    deaths_by_age: Bands
    others: dict[Literal["2", "3", "4", "9"], float]


class Examinations(_Strict):
    """Mean number of procedures that group nothing."""

    medical: Annotated[float, Field(ge=0, le=4)]
    procedural: Annotated[float, Field(ge=0, le=4)]


class Coding(_Strict):
    """How cases are coded."""

    burden: tuple[Positive, Positive, Positive]
    examinations: Examinations
    principal_swapped: Share


class Payment(_Strict):
    """Shares of the kinds of payment besides groups and days."""

    by_item: Share
    single_disease: Share


class Arrival(_Strict):
    """Claims that arrive late."""

    late: Share
    days: Annotated[int, Field(ge=5)]


class Records(_Strict):
    """Claims that belong to other claims, per thousand."""

    follow_ups: Annotated[float, Field(ge=0, le=100)]
    refunds: Annotated[float, Field(ge=0, le=100)]
    late_refunds: Annotated[float, Field(ge=0, le=100)]
    parted_stays: Annotated[float, Field(ge=0, le=100)]
    arrival: Arrival


class People(_Strict):
    """A kind of patients: ages, sex, and whether a person may come again."""

    kind: Literal["lasting", "yearly", "once"]
    ages: Bands | None = None
    days: tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(lt=365)]] | None = None
    male: Share
    visits: Annotated[float, Field(gt=0, le=6)] = 1.35
    conditions: Literal["newborn", "pregnant", "cancer"] | None = None

    @model_validator(mode="after")
    def _one_kind_of_age(self) -> Self:
        if (self.ages is None) == (self.days is None):
            raise ValueError("needs either ages or days")
        if self.days is not None and self.kind != "once":
            raise ValueError("days need kind = once")
        return self


class Settings(_Strict):
    """The whole of city.toml."""

    name: Names
    scheme: str
    weights: str
    region: str
    insured: Insured
    treated_elsewhere: TreatedElsewhere
    volume: Volume
    charges: Charges
    hospitals: Annotated[tuple[HospitalLevel, ...], Field(min_length=1, max_length=3)]
    benefits: Benefits
    endings: Endings
    coding: Coding
    payment: Payment
    records: Records
    people: dict[str, People]
    fees: dict[str, Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=14, max_length=14)]]


def read_settings(path: Path) -> Settings:
    """Read city.toml. Raises UserError with every key that is wrong."""
    try:
        return Settings.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UserError(
            Text(f"{path.parent} 不是示例城市：没有 city.toml", f"{path.parent} is no city: it has no city.toml")
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(Text(f"{path}：不是有效的 TOML：{error}", f"{path}: not valid TOML: {error}")) from error
    except ValidationError as error:
        faults = [(".".join(str(part) for part in detail["loc"]), detail["msg"]) for detail in error.errors()]
        raise UserError([Text(f"{path} {key}：{what}", f"{path} {key}: {what}") for key, what in faults]) from error
