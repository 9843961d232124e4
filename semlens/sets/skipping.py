"""A set of which some items are left out."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, cast

from semlens.errors import UnreadableItem
from semlens.types import ExampleSet


def without(items: ExampleSet, ids: Collection[int], reason: str) -> ExampleSet:
    """The same set, of which some items cannot be read, for that reason."""
    return cast(ExampleSet, _Without(items, frozenset(ids), reason)) if ids else items


@dataclass(frozen=True)
class _Without:
    """All is as in the set itself, but that an item that is left out cannot be loaded."""

    items: ExampleSet
    ids: frozenset[int]
    reason: str

    def __len__(self) -> int:
        return len(self.items)

    def load(self, id: int) -> Any:
        """The item, unless it is left out."""
        if id in self.ids:
            raise UnreadableItem(self.items.names[id], self.reason)
        return self.items.load(id)

    def __getattr__(self, name: str) -> Any:
        if name in ("items", "ids", "reason"):  # not there yet, while it is unpickled
            raise AttributeError(name)
        return getattr(self.items, name)
