"""The type checker of the test run: jaxtyping's and beartype's check, written when a function is first called, and made
at part of the calls.

To write a check takes milliseconds, a function inside a function is defined anew whenever the outer one runs, and what
is called a million times is no surer than what is called a hundred times. So each test checks the first calls of every
function, and of the others one in so many.
"""

from collections.abc import Callable
from dataclasses import is_dataclass
from functools import partial, wraps
from inspect import isclass, isfunction, signature
from typing import Any

import jaxtyping
from beartype import beartype

FIRST, THEN = 3, 128
"""How many calls of a function are checked in a test, and which one of how many after these."""

calls: dict[int, int] = {}
"""How often each function was called in this test, by the number of its code."""

_checks: dict[tuple[str, str, str], Callable[..., Any]] = {}
_always = jaxtyping.jaxtyped


def check(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with its arguments and result checked. jaxtyping hands over an empty function that has the signature
    alone, so that of functions inside functions two of the same name and signature have the same check."""
    if "<locals>" not in function.__qualname__:
        return beartype(function)
    key = (function.__module__, function.__qualname__, str(signature(function)))
    if key not in _checks:
        _checks[key] = beartype(function)
    return _checks[key]


def at_times(function: Any = None, *, typechecker: Callable[..., Any] = check) -> Any:
    """What jaxtyping's import hook puts above every function and class: `jaxtyping.jaxtyped`, at part of the calls."""
    if function is None:
        return partial(at_times, typechecker=typechecker)
    if not isclass(function):
        return _at_times(function, typechecker)
    made = vars(function).get("__init__")
    if is_dataclass(function) and isfunction(made) and not hasattr(made, "__wrapped__"):
        function.__init__ = _at_times(made, typechecker)
    return function


def _at_times(function: Callable[..., Any], typechecker: Callable[..., Any]) -> Callable[..., Any]:
    key = id(function.__code__)  # the same at each definition of a function inside a function
    checked: Callable[..., Any] | None = None

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal checked
        __tracebackhide__ = True
        calls[key] = number = calls.get(key, 0) + 1
        if number > FIRST and number % THEN:
            return function(*args, **kwargs)
        if checked is None:
            checked = _always(function, typechecker=typechecker)
        return checked(*args, **kwargs)

    return call


jaxtyping.jaxtyped = at_times  # type: ignore[assignment]
