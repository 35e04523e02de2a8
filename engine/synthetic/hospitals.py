"""Where: the hospitals of the city, and a few elsewhere in which its people are treated too."""

from dataclasses import dataclass

import numpy as np

from engine.synthetic.city import City
from engine.synthetic.draws import Choice, Draws, Flags, Floats, Ints, mixed, scaled, spread
from engine.synthetic.settings import HospitalLevel

ELSEWHERE = 3
"""Hospitals in each place outside."""
_KINDS = ("综合医院", "综合医院", "综合医院", "中医医院", "专科医院")
_LEVELS = {3: "三级", 2: "二级", 1: "一级"}
_COST_SALT = 7


@dataclass(frozen=True)
class Hospitals:
    """All hospitals, one a row: those of the city by level, then those outside."""

    id: tuple[str, ...]
    name: tuple[str, ...]
    kind: tuple[str, ...]
    level: Ints
    region: tuple[str, ...]
    row: Ints
    """Place of its level among the settings."""
    cost: Floats
    """Charges beside the mean of all hospitals."""
    choice: Choice
    """Hospitals of each level of the settings, then of each place outside."""

    def draw(self, city: City, levels: Ints, home: Flags, draws: Draws) -> Ints:
        """Draw a hospital of each level; some of those insured at home (`home`) are treated elsewhere."""
        elsewhere = city.settings.treated_elsewhere
        outside = home & draws.chance(elsewhere.share, len(levels))
        places = Choice.of([list(elsewhere.regions.values())]).draw(draws, np.zeros(len(levels), np.int64))
        return self.choice.draw(draws, np.where(outside, len(city.settings.hospitals) + places, levels))


def hospitals_of(city: City) -> Hospitals:
    """Return the hospitals of a city. Sizes within a level fall with the rank; the first is the largest."""
    settings = city.settings
    places = [
        (row, settings.region, number) for row, level in enumerate(settings.hospitals) for number in range(level.count)
    ]
    places += [(0, region, number) for region in settings.treated_elsewhere.regions for number in range(ELSEWHERE)]
    levels = [settings.hospitals[row] for row, _, _ in places]
    kinds = [_KINDS[number % len(_KINDS)] if number else "综合医院" for _, _, number in places]
    ids, names = [], []
    for (_, region, number), level, kind in zip(places, levels, kinds, strict=True):
        ids.append(f"H{region}{level.level}{number + 1:04}")
        town = settings.name.zh if region == settings.region else f"外地{region}"
        names.append(f"{town}{_LEVELS[level.level]}{kind}{number + 1}")
    rows = np.array([row for row, _, _ in places], np.int64)
    luck = spread(settings.charges.hospital_spread)[
        scaled((mixed(np.arange(len(places)), _COST_SALT) >> np.uint64(32)).astype(np.uint32), 65536)
    ]
    sizes = [_sizes(level) for level in settings.hospitals] + [[3.0, 2.0, 1.0]] * len(
        settings.treated_elsewhere.regions
    )
    return Hospitals(
        id=tuple(ids),
        name=tuple(names),
        kind=tuple(kinds),
        level=np.array([level.level for level in levels], np.int64),
        region=tuple(region for _, region, _ in places),
        row=rows,
        cost=luck * np.array([level.cost for level in levels]),
        choice=Choice.of(sizes),
    )


def _sizes(level: HospitalLevel) -> list[float]:
    return [round((rank + 1) ** -0.7, 9) for rank in range(level.count)]
