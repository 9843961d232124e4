"""The checks of the test run itself: which calls are looked at, and what is found."""

from dataclasses import dataclass

import numpy as np
import pytest
from jaxtyping import Float32, TypeCheckError

from tests.typechecker import FIRST, THEN, at_times, calls

GOOD, BAD = np.zeros((2, 3), np.float32), np.zeros((3, 3), np.float32)


@at_times
def added(a: Float32[np.ndarray, "n m"], b: Float32[np.ndarray, "n m"]) -> Float32[np.ndarray, "m n"]:
    return a.T[: len(b.T), : len(b)]


def found(a: np.ndarray, b: np.ndarray) -> bool:
    try:
        added(a, b)
    except TypeCheckError:
        return True
    return False


def test_the_first_calls_are_checked_and_then_one_in_so_many() -> None:
    numbers = [number for number in range(1, 4 * THEN + 1) if found(GOOD, BAD)]
    assert numbers == [*range(1, FIRST + 1), *range(THEN, 4 * THEN + 1, THEN)]


@pytest.mark.parametrize("again", [0, 1])
def test_each_test_begins_anew(again: int) -> None:
    assert calls.get(id(added.__wrapped__.__code__), 0) == 0
    assert all(found(GOOD, BAD) for _ in range(FIRST))


def test_what_is_right_passes_with_its_result() -> None:
    assert [added(GOOD, GOOD).shape for _ in range(2 * THEN)] == [(3, 2)] * (2 * THEN)


def test_results_are_checked_too() -> None:
    @at_times
    def counted(x: Float32[np.ndarray, "n"]) -> Float32[np.ndarray, "n"]:
        return x[1:]

    with pytest.raises(TypeCheckError, match="return value"):
        counted(np.zeros(3, np.float32))


def test_a_function_inside_a_function_is_one_however_often_it_is_defined() -> None:
    def outer(x: object) -> bool:
        @at_times
        def inner(y: int) -> int:
            return y

        try:
            inner(x)
        except TypeCheckError:
            return True
        return False

    assert [outer("no number") for _ in range(FIRST + 4)] == [True] * FIRST + [False] * 4


def test_a_record_is_checked_when_it_is_made() -> None:
    @at_times
    @dataclass(frozen=True)
    class Record:
        count: int

    assert Record(1).count == 1
    with pytest.raises(TypeCheckError):
        Record("one")  # type: ignore[arg-type]
