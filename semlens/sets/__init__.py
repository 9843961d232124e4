"""What examples are taken from: one verb that opens any of it, by what a user gives."""

from typing import Any

from semlens.images import load_images
from semlens.sets.skipping import without
from semlens.texts import TEXTS, load_texts
from semlens.types import ExampleSet


def open_set(source: Any) -> ExampleSet:
    """A set as it is; `texts:PATH` as `load_texts` reads it; anything else as `load_images` does.

    Raises:
        SemlensError: there is nothing in it, or it cannot be read.
    """
    if isinstance(source, ExampleSet):
        return source
    if isinstance(source, str) and source.startswith(TEXTS):
        return load_texts(source)
    return load_images(source)


__all__ = ["open_set", "without"]
