"""Loops in tests that must not be empty."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def each(items: Iterable[T]) -> Iterator[T]:
    """The items; an assertion fails after a loop over none, whose body would have asserted nothing."""
    number = 0
    for item in items:
        number += 1
        yield item
    assert number, "a loop over nothing"
