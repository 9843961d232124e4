"""The weights in an ONNX file by name, read without a package for it: there are four kinds of fields."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

GRAPH, NODE, INITIALIZER = 7, 1, 5  # field numbers of ONNX's messages
NODE_INPUT, NODE_NAME, NODE_TYPE = 1, 3, 4
DIMS, DATA_TYPE, NAME, RAW = 1, 2, 8, 9
FLOAT = 1
OUTPUT, NAMED = 12, 1  # an output of the graph, and its name


def weights(file: Path) -> Mapping[str, Tensor]:
    """Every float tensor by its name; what a matrix product multiplies by also under "NODE.weight", transposed as a
    linear layer holds it."""
    graph = next(value for number, value in _fields(memoryview(file.read_bytes())) if number == GRAPH)
    tensors: dict[str, Tensor] = {}
    products: list[tuple[str, str]] = []
    for number, value in _fields(graph):
        if number == INITIALIZER:
            tensors |= _tensor(value)
        elif number == NODE:
            products += _product(value)
    return tensors | {f"{node}.weight": tensors[name].T for node, name in products if name in tensors}


def with_output(file: Path, name: str) -> bytes:
    """The file with one more output, a tensor of its graph: what a message holds twice is merged when it is read."""
    inner = _field(NAMED, name.encode())
    return file.read_bytes() + _field(GRAPH, _field(OUTPUT, inner))


def _field(number: int, value: bytes) -> bytes:
    size, rest = b"", len(value)
    while rest > 127:
        size, rest = size + bytes([rest & 127 | 128]), rest >> 7
    return bytes([number << 3 | 2]) + size + bytes([rest]) + value


def _tensor(message: memoryview) -> dict[str, Tensor]:
    dims = [int(value) for number, value in _fields(message) if number == DIMS]
    rest = {number: value for number, value in _fields(message) if number in {DATA_TYPE, NAME, RAW}}
    if rest.get(DATA_TYPE) != FLOAT or RAW not in rest:
        return {}
    return {_text(rest[NAME]): torch.from_numpy(np.frombuffer(rest[RAW], np.float32).reshape(dims).copy())}


def _product(message: memoryview) -> list[tuple[str, str]]:
    """The node's name and its inputs' names, of a matrix product."""
    parts = {number: value for number, value in _fields(message) if number in {NODE_NAME, NODE_TYPE}}
    if _text(parts[NODE_TYPE]) != "MatMul":
        return []
    inputs = [_text(value) for number, value in _fields(message) if number == NODE_INPUT]
    return [(_text(parts[NODE_NAME]), name) for name in inputs]


def _text(value: memoryview) -> str:
    return bytes(value).decode()


def _fields(message: memoryview) -> Iterator[tuple[int, Any]]:
    """The numbers and values of a message's fields."""
    at = 0

    def integer() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value

    while at < len(message):
        key = integer()
        number, kind = key >> 3, key & 7
        if kind == 0:
            yield number, integer()
            continue
        size = {1: 8, 5: 4}.get(kind) or integer()
        yield number, message[at : at + size]
        at += size
