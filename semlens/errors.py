"""What a user did wrong, said once: what was asked, what exists, what to do."""

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from functools import wraps
from inspect import signature
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class SemlensError(ValueError):
    """A user's mistake, explained in one sentence; the command line prints it and exits 2."""


class UnreadableItem(SemlensError):
    """An item of a set that cannot be read, or that a model cannot take, and why: it is left out and reported."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)  # both, for pickle builds it anew from what it finds here
        self.name, self.reason = name, reason

    def __str__(self) -> str:
        return f"cannot read {self.name}: {self.reason}"


def unknown(what: str, asked: str, known: Iterable[str], hint: str = "") -> SemlensError:
    """An error that names the nearest three of what exists, e.g. `unknown("layer", "layer5", names)`."""
    names = list(known)
    near = get_close_matches(asked, names, n=3, cutoff=0.3) or names[:3]
    nearest = f"; nearest: {', '.join(near)}" if near else ""
    return SemlensError(f"unknown {what} {asked!r}{nearest}{'. ' + hint if hint else ''}")


def missing_extra(package: str, extra: str) -> SemlensError:
    """An error that says which extra brings `package`."""
    return SemlensError(f"{package} is not installed: pip install 'semlens[{extra}]'")


def unwritten(path: object, fault: Exception) -> Exception:
    """What to raise where a file of kept work cannot be written: a sentence if the system refuses, else the fault."""
    if not isinstance(fault, OSError) and "os error" not in str(fault):  # safetensors has an error of its own for both
        return fault
    return SemlensError(f"{path} cannot be written ({fault}); what was kept before it stays, to go on from")


def right_keywords(**known: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Makes a function answer a keyword that it lacks with the one that is meant: those `known`, else the nearest."""

    def of(function: Callable[P, T]) -> Callable[P, T]:
        names = list(signature(function).parameters)

        @wraps(function)
        def call(*args: P.args, **keywords: P.kwargs) -> T:
            for wrong in [name for name in keywords if name not in names]:
                nearest = known.get(wrong) or next(iter(get_close_matches(wrong, names, n=1)), "")
                instead = f"write {nearest}=" if nearest else f"there are {', '.join(names)}"
                raise SemlensError(f"{function.__name__} has no {wrong}=: {instead}")
            return function(*args, **keywords)

        return call

    return of
