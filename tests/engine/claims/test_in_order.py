import time
from collections.abc import Iterator

import pytest

from engine.claims import in_order


def test_results_come_in_the_order_of_the_work() -> None:
    def slow_first(number: int) -> int:
        time.sleep(0.02 if number == 0 else 0)
        return number

    assert list(in_order(slow_first, range(20), 3)) == list(range(20))
    assert list(in_order(slow_first, [], 3)) == []


def test_work_is_taken_only_a_little_ahead() -> None:
    taken: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    results = in_order(lambda number: number, numbers(), 2)
    assert next(results) == 0
    assert len(taken) <= 4


def test_an_error_stops_the_rest() -> None:
    done: list[int] = []

    def fail_at_two(number: int) -> int:
        if number == 2:
            raise ValueError(number)
        done.append(number)
        return number

    with pytest.raises(ValueError, match="2"):
        list(in_order(fail_at_two, range(1000), 2))
    assert len(done) < 10
