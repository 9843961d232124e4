"""What is asked and what is answered, whoever asks: the server, a folder of files or a notebook."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from safetensors.numpy import save

from semlens.analysis import plain
from semlens.app.notes import Notes
from semlens.app.session import Opened, Session
from semlens.errors import SemlensError

ALWAYS = "private, max-age=31536000, immutable"
"""The cache header of what never changes under its address."""

AGAIN = "no-store"


@dataclass(frozen=True)
class Request:
    """A method, an address below /api/, its query and its body."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Answer:
    """A status, a media type and a body. `name` is that of a file to be saved, if it is one."""

    status: int
    media: str
    body: bytes
    cache: str = AGAIN
    name: str = ""


class NotThere(Exception):
    """There is nothing under this address; the text says why."""


@dataclass(frozen=True, eq=False)
class Call:
    """A request with the session that answers it and the numbers in its address."""

    session: Session
    request: Request
    numbers: Mapping[str, str]

    @property
    def opened(self) -> Opened:
        """The index of the address.

        Raises:
            NotThere: no index has that number.
        """
        number = self.number("i")
        if number >= len(self.session.opened):
            raise NotThere(f"there is no index {number}")
        return self.session.opened[number]

    @property
    def row(self) -> int:
        """The component of the address, as a row of the index.

        Raises:
            NotThere: the index has no component of that number.
        """
        row, count = self.number("row"), len(self.opened.index.rows)
        if row >= count:
            raise NotThere(f"there is no component {row}: the index has {count:,}")
        return row

    @property
    def notes(self) -> Notes:
        """The notes of the index.

        Raises:
            NotThere: nothing can be noted here.
        """
        if self.opened.notes is None:
            raise NotThere("nothing can be noted here")
        return self.opened.notes

    def number(self, name: str) -> int:
        """An integer of the address; the pattern of the route holds it to nine digits at most."""
        return int(self.numbers[name])

    def asked_number(self, name: str) -> int | None:
        """A number of the query; None if it is not given.

        Raises:
            SemlensError: it is none.
        """
        text = self.request.query.get(name, "")
        if text and not (text.isascii() and text.isdecimal() and len(text) < 10):
            raise SemlensError(f"{name} has to be a number")
        return int(text) if text else None

    def rows(self, most: int) -> list[int]:
        """The components named in the body, each once, ascending.

        Raises:
            SemlensError: none, more than `most`, or others than the index has.
        """
        rows, count = self.value("rows", list), len(self.opened.index.rows)
        if not 0 < len(rows) <= most or not all(type(row) is int and 0 <= row < count for row in rows):
            raise SemlensError(f"rows has to be 1 to {most:,} numbers of components from 0 to {count - 1:,}")
        return sorted(set(rows))

    def choice(self, name: str, choices: Sequence[str]) -> str:
        """One of some words in the body.

        Raises:
            SemlensError: it is another.
        """
        word: str = self.value(name, str)
        if word not in choices:
            raise SemlensError(f"{name} has to be one of {', '.join(choices)}")
        return word

    def tree(self) -> dict[str, Any]:
        """The body as a JSON object.

        Raises:
            SemlensError: it is none.
        """
        try:
            tree = json.loads(self.request.body)
            if b"\\u" in self.request.body:  # JSON can write half a surrogate pair, which no file and no table can hold
                json.dumps(tree, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            raise SemlensError("the body is no JSON") from None
        if not isinstance(tree, dict):
            raise SemlensError("the body is no JSON object")
        return tree

    def value(self, name: str, kind: type) -> Any:
        """A value of the body.

        Raises:
            SemlensError: the body has none of that name and type.
        """
        value = self.tree().get(name)
        if type(value) is not kind:
            raise SemlensError(f"the body has no {name!r} that is a {kind.__name__}")
        return value


def as_json(value: Any, status: int = 200) -> Answer:
    """A JSON answer; NaN and infinity become null."""
    return Answer(status, "application/json", json.dumps(plain_tree(value), allow_nan=False).encode())


def as_arrays(arrays: Mapping[str, np.ndarray], **metadata: Any) -> Answer:
    """Arrays in the safetensors format, in the dtypes that the page reads; the metadata as JSON, texts as they are."""
    texts = {
        name: value if isinstance(value, str) else json.dumps(plain_tree(value)) for name, value in metadata.items()
    }
    return Answer(200, "application/octet-stream", pack(arrays, texts))


def pack(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> bytes:
    """A safetensors body of float32, int32 and uint8.

    The metadata is one text: safetensors keeps no order of several, and the same answer shall be the same bytes.
    """
    packed = {"told": json.dumps(metadata)} if metadata else None
    return bytes(save({name: _narrow(array) for name, array in arrays.items()}, packed))


def refusal(status: int, error: str) -> Answer:
    """An answer of one sentence that says what is wrong."""
    return as_json({"error": error}, status)


def plain_tree(value: Any) -> Any:
    """The value as JSON can hold it, also inside dictionaries, lists and tuples."""
    if isinstance(value, Mapping):
        return {str(key): plain_tree(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_tree(inner) for inner in value]
    return plain(value)


def _narrow(array: np.ndarray) -> np.ndarray:
    dtype = {"f": np.float32, "i": np.int32, "u": np.uint8, "b": np.uint8}[array.dtype.kind]
    return np.ascontiguousarray(array, dtype=dtype)
