"""A chunk of claims: persons, care, stays and charges drawn in turn, and put together as columns."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from engine.synthetic.care import Care, care_of, discharge_ways, usual_days
from engine.synthetic.charges import fee_items, is_away, paid_parts, total_charges
from engine.synthetic.city import City
from engine.synthetic.draws import Draws, Flags, Ints
from engine.synthetic.hospitals import Hospitals, hospitals_of
from engine.synthetic.people import People, full_years, people_of, regions_of
from engine.synthetic.plan import Chunk, Plan
from engine.synthetic.records import STAY_IDS, Records
from engine.synthetic.settings import AGE_BANDS
from engine.synthetic.stays import Ending, Stay, endings, lengths, stays

NEWBORN_DAYS = 28
EMPLOYEES, RESIDENTS = "310", "390"
VISITS = ("inpatient", "day_surgery")
_PARTED_NIGHTS = 30
_BY_ITEM, _SINGLE_DISEASE, _BY_GROUP, _PER_DIEM = 1, 2, 4, 5


@dataclass(frozen=True)
class Claims:
    """Claims of a plan, chunk by chunk; the same chunk is always the same, whichever were drawn before."""

    plan: Plan

    @property
    def city(self) -> City:
        """The city of the plan."""
        return self.plan.city

    @cached_property
    def hospitals(self) -> Hospitals:
        """The hospitals of the city."""
        return hospitals_of(self.city)

    def draw(self, chunk: Chunk) -> Records:
        """Draw the claims of a chunk."""
        city, month, count = self.city, chunk.month, chunk.size
        draws = Draws(np.random.SeedSequence(self.plan.seed, spawn_key=(month.place, chunk.place)))
        kind, number = self.plan.kinds_and_persons(chunk)
        group = month.group_of[month.groups.draw(draws, kind)]
        ending = endings(city, month, count, draws)
        first, second = self._follow_ups(chunk, kind, ending)
        for column in (kind, number, group):
            column[second] = column[first]
        people = people_of(self.plan, month, kind, number, ending.discharged, draws)
        level = city.groups.level.draw(draws, group) % len(city.settings.hospitals)
        home = people.region < len(city.settings.insured.regions)
        hospital = self.hospitals.draw(city, level, home, draws)
        hospital[second] = hospital[first]
        level = self.hospitals.row[hospital]
        care = care_of(city, group, level, people, draws)
        by_day = draws.chance(city.groups.day_surgery[group], count)
        usual = usual_days(city, group, level, care.severity)
        nights = lengths(usual, by_day, city.settings.charges.stay_spread, draws)
        parted = self._parted(chunk, by_day, second)
        nights[parted] += _PARTED_NIGHTS
        nights[second] = np.minimum(nights[second], ending.discharged[second] - ending.discharged[first] - 1)
        stay = stays(ending, nights, city, draws)
        records = self._records(chunk, group, people, hospital, care, stay, by_day)
        self._measure(records, group, care, people, stay, draws)
        total = total_charges(
            city, self.hospitals, group, care.severity, hospital, stay.days / np.maximum(usual, 1), by_day,
            month.place / 12, draws,
        )  # fmt: skip
        away = is_away(city, self.hospitals, people, hospital)
        records.numbers |= paid_parts(city, people, level, away, total, draws) | fee_items(city, group, total, draws)
        records.numbers["part_of_stay"] = parted
        return records

    def _follow_ups(self, chunk: Chunk, kind: Ints, ending: Ending) -> tuple[Ints, Ints]:
        """Choose claims of the first half of the month, and as many of the second: next stays of the same persons."""
        can_return = np.array([people.kind != "once" for people in self.city.settings.people.values()])[kind]
        day = ending.discharged - chunk.month.first_day
        early = np.flatnonzero(can_return & (day >= 0) & (day < 14))
        late = np.flatnonzero(can_return & (day >= 17))
        wanted = len(chunk.slice(int(chunk.month.drawn * self.city.settings.records.follow_ups / 1000)))
        count = min(wanted, len(early), len(late))
        return early[:count], late[:count]

    def _parted(self, chunk: Chunk, by_day: Flags, second: Ints) -> Flags:
        """Choose the stays of which only the first part is settled this month."""
        possible, parted = ~by_day, np.zeros(len(by_day), np.bool_)
        possible[second] = False
        parted[np.flatnonzero(possible)[: len(chunk.slice(chunk.month.carried_parts))]] = True
        return parted

    def _records(
        self, chunk: Chunk, group: Ints, people: People, hospital: Ints, care: Care, stay: Stay, by_day: Flags
    ) -> Records:
        """Put together ids, texts and codes."""
        city, month, hospitals = self.city, chunk.month, self.hospitals
        case_id = month.number * 10**10 + np.arange(chunk.start, chunk.start + chunk.size)
        adrgs = city.groups.adrg
        drgs = [code for codes in city.groups.drg for code in codes]
        return Records(
            ids={"case_id": case_id, "stay_id": case_id + STAY_IDS, "person_id": people.person},
            numbers={
                "hospital_level": hospitals.level[hospital],
                "sex": people.sex,
                "admitted": stay.admitted,
                "discharged": stay.discharged,
                "settled": stay.settled,
                "received": stay.received_day,
                "length_of_stay": stay.days,
                "refund": np.zeros(len(group), np.bool_),
            },
            texts={
                "hospital_id": (hospital, hospitals.id),
                "insurance_type": (people.employee.astype(np.int64), (RESIDENTS, EMPLOYEES)),
                "insured_region": (people.region, regions_of(city)),
                "treated_region": (hospital, hospitals.region),
                "department": (city.groups.department[group], city.departments),
                "visit_kind": (by_day.astype(np.int64), VISITS),
                "target_adrg": (group, adrgs),
                "target_drg": (group * 3 + care.severity, drgs),
            },
            lists={"diagnoses": care.diagnoses, "procedures": care.procedures},
        )

    def _measure(self, records: Records, group: Ints, care: Care, people: People, stay: Stay, draws: Draws) -> None:
        """Add what is measured: ages, weights, hours, the way of discharge and the kind of payment."""
        city, count = self.city, len(group)
        newborn = people.days_of_life >= 0
        born = np.where(
            newborn,
            stay.admitted_day - people.days_of_life,
            np.minimum(people.born, stay.admitted_day - NEWBORN_DAYS - 1),
        )
        age = full_years(born, stay.admitted_day)
        weighed = newborn & (people.days_of_life <= NEWBORN_DAYS)
        low, high = (bounds[group] for bounds in city.groups.grams)
        grams = (low + (high - low) * (draws.between(0, 0.5, count) + draws.between(0, 0.5, count))).astype(np.int64)
        band = np.searchsorted(AGE_BANDS, age, side="right") - 1
        ventilated = city.pathways.ventilation[care.pathway]
        hours = np.where(ventilated == 2, 96 + draws.below(480, count), 4 + draws.below(92, count))
        intensive = (ventilated > 0) | draws.chance(np.array([0.003, 0.012, 0.06])[care.severity], count)
        coma = draws.chance(np.array([0.0, 0.001, 0.012])[care.severity], count)
        records.numbers |= {
            "age": age,
            "age_days": stay.admitted_day - born,
            "birth_date": born,
            "birth_weight": grams,
            "admission_weight": grams + 12 * people.days_of_life,
            "ventilation_hours": hours,
            "icu_hours": np.where(ventilated > 0, hours, 0) + 12 + draws.below(120, count),
            "coma": 1 + draws.below(200, count),
            "discharge_way": discharge_ways(city, group, care.severity, band, draws),
            "payment_kind": self._payment_kinds(group, draws),
        }
        records.missing |= {
            "age_days": age > 0,
            "birth_weight": ~weighed,
            "admission_weight": ~weighed,
            "ventilation_hours": ventilated == 0,
            "icu_hours": ~intensive,
            "coma": ~coma,
        }

    def _payment_kinds(self, group: Ints, draws: Draws) -> NDArray[np.int64]:
        payment, count = self.city.settings.payment, len(group)
        kinds = np.full(count, _BY_GROUP)
        kinds[draws.chance(payment.single_disease, count)] = _SINGLE_DISEASE
        kinds[draws.chance(payment.by_item, count)] = _BY_ITEM
        kinds[draws.chance(self.city.groups.per_diem[group], count)] = _PER_DIEM
        return kinds
