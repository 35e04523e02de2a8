"""Seeded draws that are the same on every machine.

Everything random starts as raw words of one PCG64 stream; what follows is integer arithmetic, table look-ups and the
exact operations of floats, never a library's logarithm or sum, whose last digit may differ from machine to machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Words = NDArray[np.uint64]

_STEPS = 65536


class Draws:
    """A stream of draws. Two streams of the same seed give the same values in the same order of calls."""

    def __init__(self, seed: np.random.SeedSequence) -> None:
        self._bits = np.random.PCG64(seed)

    def _raw(self, count: int) -> Words:
        return np.asarray(self._bits.random_raw(count), np.uint64)

    def steps(self, *shape: int) -> NDArray[np.uint16]:
        """Draw whole numbers 0 to 65,535."""
        count = int(np.prod(shape))
        return self._raw(-(-count // 4)).view(np.uint16)[:count].reshape(shape)

    def words(self, count: int) -> NDArray[np.uint32]:
        """Draw whole numbers 0 to 2**32 - 1."""
        return self._raw(-(-count // 2)).view(np.uint32)[:count]

    def chance(self, share: float | Floats, count: int) -> Flags:
        """Draw yes with probability `share`, one for all or one each."""
        return np.asarray(self.words(count) < np.asarray(share) * 2.0**32)

    def below(self, limit: int | Ints, count: int) -> Ints:
        """Draw whole numbers 0 to limit - 1, one limit for all or one each."""
        return scaled(self.words(count), limit)

    def between(self, low: float, high: float, count: int) -> Floats:
        """Draw evenly from [low, high)."""
        return np.asarray(low + (high - low) * (self.words(count) * 2.0**-32))


def scaled(words: NDArray[np.uint32], limit: int | Ints) -> Ints:
    """Map words evenly to 0 .. limit - 1."""
    return np.asarray((words.astype(np.uint64) * np.asarray(limit, np.uint64)) >> np.uint64(32)).astype(np.int64)


def mixed(values: Ints, salt: int) -> Words:
    """Scramble whole numbers into words: the attributes of a person follow from the person's number (splitmix64)."""
    z = values.astype(np.uint64) + np.uint64((salt * 0x9E3779B97F4A7C15) % 2**64)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)))


@dataclass(frozen=True)
class Choice:
    """A weighted choice in each of several rows (Walker's alias method): one slot a candidate, all rows end to end."""

    first: Ints
    size: Ints
    keep: NDArray[np.uint64]
    other: Ints

    @classmethod
    def of(cls, rows: Sequence[Sequence[float]]) -> "Choice":
        """Build from the weights of each row; a row may be empty as long as nobody draws from it."""
        sizes = [len(row) for row in rows]
        firsts = np.concatenate(([0], np.cumsum(sizes)))[:-1]
        keep: list[int] = []
        other: list[int] = []
        for first, row in zip(firsts.tolist(), rows, strict=True):
            kept, others = _alias(row)
            keep.extend(kept)
            other.extend(first + slot for slot in others)
        return cls(
            firsts.astype(np.int64), np.array(sizes, np.int64), np.array(keep, np.uint64), np.array(other, np.int64)
        )

    def draw(self, draws: Draws, rows: Ints) -> Ints:
        """Draw a candidate of each row; the result counts over all rows from 0."""
        slot = self.first[rows] + draws.below(self.size[rows], len(rows))
        return np.where(draws.words(len(rows)) < self.keep[slot], slot, self.other[slot])


def _alias(weights: Sequence[float]) -> tuple[list[int], list[int]]:
    """Return for each slot the part of 2**32 in which it stands for itself, and the slot that has the rest."""
    total = sum(weights)
    level = [weight * len(weights) / total for weight in weights]
    keep, other = [2**32] * len(level), list(range(len(level)))
    small = [slot for slot, part in enumerate(level) if part < 1]
    large = [slot for slot, part in enumerate(level) if part >= 1]
    while small and large:
        slot, donor = small.pop(), large.pop()
        keep[slot], other[slot] = int(level[slot] * 2**32), donor
        level[donor] -= 1 - level[slot]
        (small if level[donor] < 1 else large).append(donor)
    return keep, other


@cache
def _normal() -> Floats:
    """Return the standard normal distribution in 65,536 equal steps."""
    curve = NormalDist()
    upper = np.array([curve.inv_cdf((step + 0.5) / _STEPS) for step in range(_STEPS // 2, _STEPS)])
    return np.concatenate((-upper[::-1], upper))


@cache
def spread(sigma: float) -> Floats:
    """Return log-normal factors with mean 1 in 65,536 equal steps, rounded to millionths so that no machine differs."""
    return np.rint(np.exp(sigma * _normal() - sigma * sigma / 2) * 1e6) / 1e6


def factors(draws: Draws, sigma: float, count: int) -> Floats:
    """Draw log-normal factors with mean 1."""
    return spread(sigma)[draws.steps(count)]


def rounded(values: Floats) -> Ints:
    """Round to whole numbers, halves to even."""
    return np.asarray(np.rint(values).astype(np.int64))
