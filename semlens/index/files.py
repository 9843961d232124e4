"""The kinds of file an index is made of: JSON and safetensors, read with suspicion, and Parquet, only written.

No Parquet is read here: one wrong byte in someone else's file can make pyarrow end the whole process. Whatever is wrong
with a file is a ValueError with the bare fact; `folder` adds which file it is.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType, NoneType
from typing import Any, ClassVar, get_args, get_origin, get_type_hints

import numpy as np
from safetensors.numpy import save_file

from semlens.types import Int64, UInt8

JSON_LIMIT = 16 * 2**20
DTYPES = MappingProxyType({"F16": "<f2", "F32": "<f4", "F64": "<f8", "I32": "<i4", "I64": "<i8", "U8": "|u1"})

Arrays = Mapping[str, np.ndarray]  # keyed by the tensor names of docs/index-format.md
Columns = Mapping[str, str]  # a table's column names with their Arrow types


@dataclass(frozen=True)
class NewArrays:
    """Arrays to be written as one part that describes `rows` things."""

    rows: int
    arrays: Arrays
    suffix: ClassVar[str] = "safetensors"

    def write(self, path: Path) -> None:
        """Writes the part; its bytes depend on nothing but the arrays."""
        save_file({name: np.ascontiguousarray(array) for name, array in self.arrays.items()}, path)


@dataclass(frozen=True)
class NewTable:
    """A table to be written as one part; `values` holds one sequence per column."""

    rows: int
    columns: Columns
    values: Sequence[Any]
    suffix: ClassVar[str] = "parquet"
    arrays: ClassVar[Arrays] = MappingProxyType({})

    def write(self, path: Path) -> None:
        """Writes the part; its bytes depend on nothing but the values and the version of pyarrow."""
        import pyarrow as pa  # here, since only a save needs it and the import takes as long as a search
        import pyarrow.parquet as pq

        pairs = zip(self.values, self.columns.values(), strict=True)
        columns = [pa.array(_writable(values) if kind == "string" else values, kind) for values, kind in pairs]
        pq.write_table(pa.table(columns, list(self.columns)), path, store_schema=False)


def new_table(rows: int, columns: Columns, values: Sequence[Any]) -> NewTable | NewArrays:
    """A table to be written as one part; where pyarrow is not installed, a part of as many rows that holds nothing."""
    return NewTable(rows, columns, values) if find_spec("pyarrow") else NewArrays(rows, {})


def _writable(texts: Sequence[str | None]) -> list[str | None]:
    """The texts as Unicode: a file name that is none gets "?" for each byte that cannot be written."""
    return [None if text is None else text.encode("utf-8", "replace").decode() for text in texts]


@dataclass(frozen=True)
class _Entry:
    """A tensor in a safetensors header."""

    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, ...]


def tensors(file: UInt8[np.ndarray, "b"]) -> Arrays:
    """The arrays of a safetensors file, as views of its bytes."""
    length = int.from_bytes(file[:8].tobytes(), "little")
    if len(file) < 8 or length > min(JSON_LIMIT, len(file) - 8):
        raise ValueError(f"its header of {length} bytes does not fit")
    header = parse(file[8 : 8 + length].tobytes())
    entries = {name: decode(_Entry, entry, name) for name, entry in header.items()}
    arrays, begin = {}, 8 + length
    for name, entry in sorted(entries.items(), key=lambda item: item[1].data_offsets):
        size = _size(name, entry)
        if entry.data_offsets != (begin - 8 - length, begin - 8 - length + size) or begin + size > len(file):
            raise ValueError(f"tensor {name!r} does not lie where the one before it ends, or not in the file")
        arrays[name] = file[begin : begin + size].view(DTYPES[entry.dtype]).reshape(entry.shape)
        if not arrays[name].flags.aligned:
            raise ValueError(f"tensor {name!r} is not aligned to its elements")
        begin += size
    if begin != len(file):
        raise ValueError(f"{len(file) - begin} bytes follow the last tensor")
    return arrays


def _size(name: str, entry: _Entry) -> int:
    """How many bytes a tensor takes. Dimensions are limited first: a header may hold numbers of 4,000 digits."""
    if entry.dtype not in DTYPES:
        raise ValueError(f"tensor {name!r} has dtype {entry.dtype:.20}, not one of {', '.join(DTYPES)}")
    if len(entry.shape) > 2 or not all(0 <= n < 2**48 for n in entry.shape):
        raise ValueError(f"tensor {name!r} has an impossible shape")
    return math.prod(entry.shape) * np.dtype(DTYPES[entry.dtype]).itemsize


def pack(items: Sequence[bytes]) -> dict[str, np.ndarray]:
    """The items end to end as `data`, and as `offsets` where each begins and the last ends."""
    return {
        "data": np.frombuffer(b"".join(items), np.uint8),
        "offsets": np.cumsum([0, *map(len, items)], dtype=np.int64),
    }


def pack_texts(texts: Sequence[str | None]) -> dict[str, np.ndarray]:
    """The texts in UTF-8, packed; None becomes empty, and what is no Unicode (in a file name) becomes "?"."""
    return pack([(text or "").encode("utf-8", "replace") for text in texts])


def unpack_texts(data: UInt8[np.ndarray, "b"], offsets: Int64[np.ndarray, "_"]) -> tuple[str | None, ...]:
    """The packed texts; an empty one is None."""
    raw = data.tobytes()
    return tuple(raw[start:stop].decode() or None for start, stop in pairwise(offsets.tolist()))


def parse(data: bytes) -> dict[str, Any]:
    """The JSON object in `data`; a repeated key, NaN or more than 16 MiB is a fault."""
    if len(data) > JSON_LIMIT:
        raise ValueError(f"its JSON is longer than {JSON_LIMIT} bytes")
    tree = json.loads(data.decode(), object_pairs_hook=_unique, parse_constant=_refuse_constant)
    return dict(_typed(tree, dict, "it"))


def canonical(tree: Mapping[str, Any]) -> bytes:
    """The one way to write `tree`, for digests: keys sorted, no spaces, UTF-8."""
    text = json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def decode(kind: Any, value: Any, where: str, *, strict: bool = True) -> Any:
    """`value`, read from JSON, as a `kind`: a dataclass or None, tuple[x, ...], dict[str, x], a scalar or a union of
    scalars.

    A dataclass takes exactly its fields, of which those with a default may be absent; unless `strict`, further keys are
    left out.
    """
    args = get_args(kind)
    if args and is_dataclass(args[0]) and args[1:] == (NoneType,):
        return value if type(value) in args else decode(args[0], value, where, strict=strict)
    if is_dataclass(kind):
        return _record(kind, _typed(value, dict, where), where, strict)
    if get_origin(kind) is tuple:
        return tuple(decode(args[0], item, where, strict=strict) for item in _typed(value, list, where))
    if get_origin(kind) is dict:
        items = _typed(value, dict, where).items()
        return {key: decode(args[1], item, f"{where}.{key:.40}", strict=strict) for key, item in items}
    return _typed(value, args or kind, where)


def _record(kind: Any, value: dict[str, Any], where: str, strict: bool) -> Any:
    names = {field.name for field in fields(kind)}
    if missing := {field.name for field in fields(kind) if field.default is MISSING} - value.keys():
        raise ValueError(f"{where} lacks {', '.join(sorted(missing))}")
    if strict and (extra := value.keys() - names):
        raise ValueError(f"{where} has unknown keys {', '.join(sorted(extra)):.80}")
    hints = _hints(kind)
    return kind(
        **{name: decode(hints[name], value[name], f"{where}.{name}", strict=strict) for name in names & value.keys()}
    )


_hints = cache(get_type_hints)  # of a class they are always the same, and a manifest has a hundred records


def _typed(value: Any, kinds: Any, where: str) -> Any:
    """`value` if its type is exactly one of `kinds`: JSON's true is no integer."""
    allowed = kinds if isinstance(kinds, tuple) else (kinds,)
    if type(value) not in allowed:
        raise ValueError(f"{where} is a {type(value).__name__}, not a {' or '.join(k.__name__ for k in allowed)}")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) < len(pairs):
        raise ValueError("its JSON has a key twice")
    return tree


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"its JSON holds {text}")
