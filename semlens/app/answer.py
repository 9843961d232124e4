"""What the app says: a status, a kind of content and a body, whoever asked."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from safetensors.numpy import save

from semlens.analysis.results import plain

ALWAYS = "private, max-age=31536000, immutable"
"""For what never changes under its address."""

AGAIN = "no-store"


@dataclass(frozen=True)
class Answer:
    """An answer. `name` is that of a file to be saved, if it is one."""

    status: int
    media: str
    body: bytes
    cache: str = AGAIN
    name: str = ""


@dataclass(frozen=True)
class Job:
    """Something that is being computed."""

    index: int
    what: str
    step: str = "starting"
    done: int = 0
    total: int = 0


class NotThere(Exception):
    """There is nothing under this address; the text says why."""


class Pending(Exception):
    """Not there yet: ask again."""

    def __init__(self, job: Job) -> None:
        super().__init__(job.step)
        self.job = job


def as_json(value: Any, status: int = 200) -> Answer:
    """JSON; what is not a number becomes null."""
    return Answer(status, "application/json", json.dumps(plain_tree(value), allow_nan=False).encode())


def as_arrays(arrays: Mapping[str, np.ndarray], **metadata: Any) -> Answer:
    """Arrays in the safetensors format, in the kinds that the page reads; the metadata as JSON, texts as they are."""
    texts = {
        name: value if isinstance(value, str) else json.dumps(plain_tree(value)) for name, value in metadata.items()
    }
    return Answer(200, "application/octet-stream", pack(arrays, texts))


def pack(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> bytes:
    """A safetensors body of float32, int32 and uint8.

    The metadata is one text: safetensors keeps no order of several, and the same answer shall be the same bytes.
    """
    told = {"told": json.dumps(metadata)} if metadata else None
    return bytes(save({name: _narrow(array) for name, array in arrays.items()}, told))


def refusal(status: int, error: str) -> Answer:
    """One sentence that says what is wrong."""
    return as_json({"error": error}, status)


def plain_tree(value: Any) -> Any:
    """What JSON can hold, in dictionaries too."""
    if isinstance(value, Mapping):
        return {str(key): plain_tree(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_tree(inner) for inner in value]
    return plain(value)


def _narrow(array: np.ndarray) -> np.ndarray:
    kind = {"f": np.float32, "i": np.int32, "u": np.uint8, "b": np.uint8}[array.dtype.kind]
    return np.ascontiguousarray(array, dtype=kind)
