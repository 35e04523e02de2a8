"""What is wrong with real files: codes badly spelled or unknown, missing fields, ids used twice, wrong sums."""

from collections.abc import Callable

import numpy as np

from engine.synthetic.city import City, Lists
from engine.synthetic.draws import Draws, Flags, Ints
from engine.synthetic.records import Records

UNKNOWN = ("ZZ9.999", "J18.9X0Z9", "待查", "A04.01.01", "")
"""No diagnosis codes: two of no list, a word, a TCM code, a blank."""


def spelled_diagnoses(city: City, *, dirty: bool) -> list[str]:
    """Spell the diagnosis numbers: the city's codes; for dirt also each of them badly spelled, and what is no code."""
    codes = list(city.coding.diagnoses)
    return [*codes, *map(_badly_spelled, range(len(codes)), codes), *UNKNOWN] if dirty else codes


def _badly_spelled(number: int, code: str) -> str:
    """Return a code in lower case, with blanks around it, or in full width."""
    full_width = "".join(chr(ord(sign) + 0xFEE0) for sign in code)
    return (code.lower(), f" {code} ", full_width)[number % 3]


def add_dirt(city: City, records: Records, share: float, draws: Draws) -> None:
    """Spoil a share of the claims, each in one way, and note it as their truth."""
    count = len(records.ids["case_id"])
    dirty = np.flatnonzero(draws.chance(share, count))
    kind = draws.below(len(KINDS), len(dirty))
    names = list(KINDS)
    for number, spoil in enumerate(KINDS.values()):
        spoil(_Spoiled(city, records, dirty[kind == number], draws))
    places = np.zeros(count, np.int64)
    places[dirty] = kind
    records.texts["dirt"] = (places, names)
    records.missing["dirt"] = ~np.isin(np.arange(count), dirty)


class _Spoiled:
    """Rows to spoil in one way."""

    def __init__(self, city: City, records: Records, rows: Ints, draws: Draws) -> None:
        self.city, self.records, self.rows, self.draws = city, records, rows, draws

    def _missing(self, name: str) -> None:
        missing = self.records.missing.setdefault(name, np.zeros(len(self.records.ids["case_id"]), np.bool_))
        missing[self.rows] = True

    def _principal(self) -> Ints:
        return self.records.lists["diagnoses"].starts[self.rows]

    def _unknown(self, least: int, most: int) -> Ints:
        """Draw from UNKNOWN, from place `least` to before `most`."""
        return 2 * len(self.city.coding.diagnoses) + least + self.draws.below(most - least, len(self.rows))

    def badly_spelled_principal(self) -> None:
        self.records.lists["diagnoses"].values[self._principal()] += len(self.city.coding.diagnoses)

    def badly_spelled_other(self) -> None:
        diagnoses = self.records.lists["diagnoses"]
        diagnoses.values[diagnoses.starts[self.rows + 1] - 1] += len(self.city.coding.diagnoses)

    def unknown_principal(self) -> None:
        self.records.lists["diagnoses"].values[self._principal()] = self._unknown(0, 3)

    def unknown_other(self) -> None:
        diagnoses = self.records.lists["diagnoses"]
        several = diagnoses.lengths[self.rows] > 1
        diagnoses.values[diagnoses.starts[self.rows + 1][several] - 1] = self._unknown(0, 2)[several]

    def tcm_principal(self) -> None:
        self.records.lists["diagnoses"].values[self._principal()] = self._unknown(3, 4)

    def blank_principal(self) -> None:
        self.records.lists["diagnoses"].values[self._principal()] = self._unknown(4, 5)

    def no_diagnoses(self) -> None:
        self.records.lists["diagnoses"] = _emptied(self.records.lists["diagnoses"], self.rows)

    def null_diagnoses(self) -> None:
        self.no_diagnoses()
        self._missing("diagnoses")

    def missing_sex(self) -> None:
        self._missing("sex")

    def impossible_sex(self) -> None:
        self.records.numbers["sex"][self.rows] = 9

    def missing_age(self) -> None:
        for name in ("age", "age_days", "birth_date"):
            self._missing(name)

    def wrong_age(self) -> None:
        self.records.numbers["age"][self.rows] += 3

    def missing_id(self) -> None:
        self._missing("case_id")

    def id_used_twice(self) -> None:
        case_id = self.records.ids["case_id"]
        case_id[self.rows] = case_id[self.rows - 1]

    def wrong_total(self) -> None:
        self.records.numbers["total_charge"][self.rows] += 1

    def wrong_fund(self) -> None:
        for name, change in (("fund_total", 100), ("patient_paid", -100)):
            self.records.numbers[name][self.rows] += change

    def wrong_stay(self) -> None:
        self.records.numbers["length_of_stay"][self.rows] += 2

    def discharged_too_early(self) -> None:
        self.records.numbers["discharged"][self.rows] = self.records.numbers["admitted"][self.rows] - 1440

    def settled_too_early(self) -> None:
        self.records.numbers["settled"][self.rows] = self.records.numbers["admitted"][self.rows] - 1440

    def negative_amount(self) -> None:
        for name in ("fee_other", "fee_western_drugs"):
            amounts = self.records.numbers[name]
            amounts[self.rows] = -abs(amounts[self.rows]) - 1


KINDS: dict[str, Callable[[_Spoiled], None]] = {
    name: method for name, method in vars(_Spoiled).items() if callable(method) and not name.startswith("_")
}
"""Ways to spoil a claim, by name."""


def _emptied(lists: Lists, rows: Ints) -> Lists:
    """Return the lists with those of some rows emptied."""
    lengths = lists.lengths
    kept: Flags = np.ones(len(lengths), np.bool_)
    kept[rows] = False
    starts = np.concatenate(([0], np.cumsum(np.where(kept, lengths, 0))))
    return Lists(starts, lists.values[np.repeat(kept, lengths)])
