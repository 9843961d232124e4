"""What examples are taken from: one verb that opens any of it, by what a user gives."""

from typing import Any

from semlens.errors import SemlensError
from semlens.images import like, load_images
from semlens.sets.skipping import chosen, without
from semlens.texts import load_texts
from semlens.types import TEXTS, ExampleSet

_OF_TEXTS = ("text_column", "label_column", "group_column", "split", "longest")


def open_set(source: Any, **choices: Any) -> ExampleSet:
    """A set as it is; `texts:PATH` as `load_texts` reads it; anything else as `load_images` does.

    Args:
        choices: of the loader; None stands for its default.

    Raises:
        SemlensError: there is nothing in it, it cannot be read, or a choice is not its loader's.
    """
    if isinstance(source, ExampleSet):
        return source
    if not is_texts(source):
        return load_images(source, **choices)
    given = {name: value for name, value in choices.items() if value is not None}
    if wrong := next((name for name in given if name not in _OF_TEXTS), None):
        raise SemlensError(f"{wrong} is of images, and {source} are texts: leave it out")
    return load_texts(source, **given)


def is_texts(source: Any) -> bool:
    """Whether a source is written as one of texts."""
    return isinstance(source, str) and source.startswith(TEXTS)


def like_set(source: str, other: str) -> str:
    """A source read as another one was, as far as that says so and it fits: of texts, if the other was."""
    if not (is_texts(source) or is_texts(other)):
        return like(source, other)
    path, said = source.removeprefix(TEXTS), other.rpartition("?")[2] if "?" in other and is_texts(other) else ""
    return f"{TEXTS}{path}?{said}" if said and "?" not in path else f"{TEXTS}{path}"


__all__ = ["chosen", "is_texts", "like_set", "open_set", "without"]
