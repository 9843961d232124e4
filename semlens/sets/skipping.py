"""A set of which some items are left out, or alone are taken."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, cast

from semlens.errors import UnreadableItem
from semlens.types import ExampleSet


def without(items: ExampleSet, ids: Collection[int], reason: str) -> ExampleSet:
    """The same set, of which some items cannot be read, for that reason."""
    return cast(ExampleSet, _Without(items, frozenset(ids), reason)) if ids else items


@dataclass(frozen=True)
class _AsIn:
    """All is as in the set itself, but for what a class says otherwise."""

    items: ExampleSet

    def __getattr__(self, name: str) -> Any:
        if name in self.__dataclass_fields__:  # not there yet, while it is unpickled
            raise AttributeError(name)
        return getattr(self.items, name)


@dataclass(frozen=True)
class _Without(_AsIn):
    """An item that is left out cannot be loaded."""

    ids: frozenset[int]
    reason: str

    def __len__(self) -> int:
        return len(self.items)

    def load(self, id: int) -> Any:
        """The item, unless it is left out."""
        if id in self.ids:
            raise UnreadableItem(self.items.names[id], self.reason)
        return self.items.load(id)


def chosen(items: ExampleSet, ids: Sequence[int]) -> ExampleSet:
    """Some items of a set, as a set of their own whose ids run from 0."""
    return cast(ExampleSet, _Chosen(items, tuple(ids)))


@dataclass(frozen=True)
class _Chosen(_AsIn):
    """What is said by item is said of those alone."""

    ids: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.items.names[id] for id in self.ids)

    @property
    def labels(self) -> tuple[str | None, ...]:
        return tuple(self.items.labels[id] for id in self.ids)

    @property
    def groups(self) -> tuple[str | None, ...]:
        return tuple(self.items.groups[id] for id in self.ids) if self.items.groups else ()

    @property
    def fingerprint(self) -> str:
        return f"{self.items.fingerprint} {self.ids}"

    def load(self, id: int) -> Any:
        """The item."""
        return self.items.load(self.ids[id])
