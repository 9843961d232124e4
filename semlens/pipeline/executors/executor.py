"""What an executor is: parts go in, outcomes come out, in any order."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import cloudpickle

from semlens.errors import SemlensError
from semlens.pipeline.work import Part, Work


class Died(Exception):
    """The process that had a part is gone."""


@dataclass(frozen=True)
class Outcome:
    """How a part ended: done, with what was warned of; or by a fault, `Died` or the error that the work itself met."""

    part: Part
    warned: tuple[tuple[type[Warning], str], ...] = ()
    fault: Exception | None = None


@runtime_checkable
class Executor(Protocol):
    """Processes that take one part each at a time. What a part leaves lies in `OUT.partial` once it is done."""

    @property
    def slots(self) -> int:
        """How many parts are worked on at a time."""
        ...

    def open(self, work: Work) -> None:
        """Makes ready for the parts of some work.

        Raises:
            SemlensError: it cannot be sent, or there is nobody to take it.
        """
        ...

    def begin(self, inputs: Sequence[Path]) -> None:
        """Makes files of `OUT.partial` known, which the parts to come read."""
        ...

    def submit(self, part: Part) -> None:
        """Gives a part to whoever is free."""
        ...

    def finished(self, seconds: float) -> Sequence[Outcome]:
        """Parts that have ended since, at least one unless so many seconds go by."""
        ...

    def missing(self) -> str:
        """What keeps parts from being begun, as a sentence; empty where nothing does."""
        ...

    def close(self) -> None:
        """Lets all processes go, at once."""
        ...


def packed(work: Work) -> bytes:
    """The work as bytes that another process can open.

    Raises:
        SemlensError: something in it cannot be sent.
    """
    try:
        return cloudpickle.dumps(work)
    except Exception as fault:  # whatever the objects of others make of it
        raise SemlensError(
            f"the model, the images or the foundation model cannot be sent to other processes ({fault}): give them by "
            "name, or use executor local"
        ) from fault
