"""The type checker of the test run: beartype, which makes its check of a function inside a function only once.

A function inside a function is defined anew whenever the outer one runs, and beartype takes milliseconds to write a
check: a third of the time of what traces a network. jaxtyping hands over an empty function that has the signature
alone, so that two of the same name and signature have the same check.
"""

from collections.abc import Callable
from inspect import signature
from typing import Any

from beartype import beartype

_CHECKS: dict[tuple[str, str, str], Callable[..., Any]] = {}


def check(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with its arguments and result checked."""
    if "<locals>" not in function.__qualname__:
        return beartype(function)
    key = (function.__module__, function.__qualname__, str(signature(function)))
    if key not in _CHECKS:
        _CHECKS[key] = beartype(function)
    return _CHECKS[key]
