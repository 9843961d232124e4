"""How a model is written: `FAMILY:NAME?OPTION=VALUE&OPTION=VALUE@FILE`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from semlens.errors import SemlensError

RESERVED = ("pretrained", "checkpoint", "weights", "cache_dir", "trust_remote", "scriptable", "ignore_mismatched")
"""How options begin that a spec may not give to a library: they would load something else, or run it."""


@dataclass(frozen=True)
class ModelSpec:
    """A spec behind its family, `NAME?OPTION=VALUE&OPTION=VALUE@FILE`: what to make, how, and the weights for it."""

    family: str
    name: str
    options: Mapping[str, Any]
    class_names: tuple[str, ...]
    file: str

    @property
    def spec(self) -> str:
        """Family and name."""
        return f"{self.family}:{self.name}"


def read_model_spec(family: str, text: str) -> ModelSpec:
    """What a spec says behind its family.

    Raises:
        SemlensError: an option that is no `NAME=VALUE`, or that stands twice or is not for users.
    """
    text, _, file = text.partition("@")
    name, _, written = text.partition("?")
    pairs = [option.partition("=") for option in written.split("&") if option]
    options: dict[str, str] = {}
    for key, equals, value in pairs:
        if not (key.isidentifier() and equals and value) or key in options or key.startswith(RESERVED):
            raise SemlensError(
                f"{family}:{text}: {key!r} is no option here; write NAME?num_classes=2@FILE, several options with &"
            )
        options[key] = value
    classes = tuple(name.strip() for name in options.pop("classes", "").split(",") if name.strip())
    values = {key: _value(value) for key, value in options.items()}
    if classes and values.setdefault("num_classes", len(classes)) != len(classes):
        raise SemlensError(f"{family}:{text}: {len(classes)} names of classes for {values['num_classes']} classes")
    if not file and values.get("num_classes"):
        raise SemlensError(
            f"{family}:{text}: a classifier of other classes has random weights until its own are given; write "
            f"{family}:{text}@FILE"
        )
    return ModelSpec(family, name, values, classes, file)


def _value(text: str) -> int | float | str | bool:
    """An option's value: true, false, a number, or the text."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
