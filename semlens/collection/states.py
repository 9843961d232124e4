"""What a pass over images found, as a file that merges: what a checkpoint, a shard and a finished pass all are."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import reduce
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from semlens.collection.pictures import Tally, merge_pictures
from semlens.collection.sums import merge_sums
from semlens.errors import SemlensError
from semlens.types import (
    ConceptExamples,
    EncodingSums,
    EncodingTask,
    Float32,
    Int32,
    Int64,
    LayerAxis,
    Origin,
    Relevance,
    Unreadable,
    VectorRows,
)

Pass = TypeVar("Pass", ConceptExamples, Relevance)


@dataclass(frozen=True)
class StateKind(Generic[Pass]):
    """How states of one kind merge and are kept in a file."""

    merge: Callable[[Pass, Pass], Pass]
    save: Callable[[Pass, Path], None]
    load: Callable[[Path], Pass]
    settings: str  # in which settings two states of one model and data set may differ, in words


def merge(a: ConceptExamples, b: ConceptExamples) -> ConceptExamples:
    """The examples of one pass over the images of both: associative, commutative, and idempotent.

    Raises:
        SemlensError: the two were collected differently, or share some images but neither holds all of the other's.
    """
    if a.recipe != b.recipe:
        raise SemlensError("examples of different models, images, layers, k, pooling or encoding cannot be merged")
    if whole := holding_both(a, b):
        return whole
    tally = merge_pictures(Tally(a.pictures, a.shown), Tally(b.pictures, b.shown))
    ids = np.concatenate([a.ids, b.ids], axis=1)
    activations = np.concatenate([a.activations, b.activations], axis=1)
    best = strongest(ids, activations, a.ids.shape[1])
    return replace(
        a,
        ids=np.take_along_axis(ids, best, axis=1),
        activations=np.take_along_axis(activations, best, axis=1),
        positions=np.take_along_axis(np.concatenate([a.positions, b.positions], axis=1), best, axis=1),
        lowest=np.minimum(a.lowest, b.lowest),
        fired=a.fired + b.fired,
        nan=a.nan + b.nan,
        histogram=a.histogram + b.histogram,
        seen=join(a.seen + b.seen),
        unreadable=unreadable_of(a, b),
        pictures=tally.pictures,
        shown=tally.shown,
        encoding=merge_sums(a.encoding, b.encoding),
    )


def holding_both(a: Pass, b: Pass) -> Pass | None:
    """Whichever holds all images of both; None if they share none.

    Raises:
        SemlensError: they share some, but neither holds all of the other's.
    """
    both = join(a.seen + b.seen)
    if both == a.seen:
        return a
    if both == b.seen:
        return b
    if _count(both) < _count(a.seen) + _count(b.seen):
        raise SemlensError("the two to be merged share some images; every image belongs to exactly one shard")
    return None


def strongest(ids: Int32[np.ndarray, "c n"], values: Float32[np.ndarray, "c n"], k: int) -> Int64[np.ndarray, "c k"]:
    """Where in each row the k highest values lie, the highest first, ties from the lower id up."""
    return np.lexsort((ids, -values), axis=1)[:, :k]


def unreadable_of(a: Pass, b: Pass) -> tuple[Unreadable, ...]:
    """What either could not read, by id."""
    return tuple(sorted({*a.unreadable, *b.unreadable}, key=lambda u: u.id))


def merge_all(parts: Iterable[ConceptExamples]) -> ConceptExamples:
    """All of one or more examples merged."""
    return reduce(merge, parts)


def missing_ranges(seen: Iterable[tuple[int, int]], start: int, stop: int) -> list[tuple[int, int]]:
    """The ranges of [start, stop) that `seen` leaves out, in order."""
    gaps: list[tuple[int, int]] = []
    for low, high in join(seen):
        if low > start:
            gaps.append((start, min(low, stop)))
        start = max(start, high)
    return [(low, high) for low, high in [*gaps, (start, stop)] if low < high]


def save_examples(examples: ConceptExamples, path: Path) -> None:
    """Writes the examples to one safetensors file, which either replaces the old one whole or leaves it."""
    save_pass(examples, path, "examples")


def load_examples(path: Path) -> ConceptExamples:
    """The examples in a file.

    Raises:
        SemlensError: it holds none, or is damaged.
    """
    return load_pass(ConceptExamples, path, "examples")


def save_pass(state: Pass, path: Path, what: str) -> None:
    """Writes `state` to one safetensors file, its arrays as tensors and the rest as JSON under `semlens-WHAT`.

    Raises:
        SemlensError: the file cannot be written, as on a full disk; what it held before stays.
    """
    plain, arrays = _divided(state)
    for field in _NESTED.keys() & plain.keys():
        if plain[field] is not None:
            plain[field], inner = _divided(plain[field])
            arrays |= {f"{field}.{name}": array for name, array in inner.items()}
    text = json.dumps(plain, sort_keys=True, default=asdict)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(arrays, path, {f"semlens-{what}": text})  # temporary file and rename inside
    except (OSError, SafetensorError) as fault:
        raise SemlensError(
            f"{path} cannot be written: {fault}; what was kept before it stays, to go on from"
        ) from fault


def _divided(record: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A record's plain values and its arrays, by name."""
    values = {field.name: getattr(record, field.name) for field in fields(record)}
    arrays = {name: np.ascontiguousarray(value) for name, value in values.items() if isinstance(value, np.ndarray)}
    return {name: value for name, value in values.items() if name not in arrays}, arrays


def _encoding(plain: dict[str, Any], arrays: dict[str, np.ndarray]) -> EncodingSums:
    """The sums for encodings that a file's values and arrays are."""
    told = {"task": EncodingTask(**plain["task"])} | {name: tuple(plain[name]) for name in ("outputs", "answers")}
    return EncodingSums(**plain | arrays | told)


def _vectors(plain: dict[str, Any], arrays: dict[str, np.ndarray]) -> VectorRows:
    """The relevance vectors that a file's values and arrays are."""
    return VectorRows(**plain | arrays)


_NESTED: Mapping[str, Callable[[dict[str, Any], dict[str, np.ndarray]], Any]] = {
    "encoding": _encoding, "vectors": _vectors,
}  # fmt: skip
"""Fields of a state that hold a record of arrays, if anything: how it is made from a file's values and arrays."""


def _taken_out(field: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of a nested record, which are then no longer in `arrays`."""
    inner = [name for name in arrays if name.startswith(f"{field}.")]
    return {name.removeprefix(f"{field}."): arrays.pop(name) for name in inner}


def load_pass(kind: type[Pass], path: Path, what: str) -> Pass:
    """The `kind` that `save_pass` wrote.

    Raises:
        SemlensError: the file holds none, or is damaged.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            plain = json.loads((file.metadata() or {})[f"semlens-{what}"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, a file is not iterable
        for field, made in _NESTED.items():
            if plain.get(field) is not None:
                plain[field] = made(plain[field], _taken_out(field, arrays))
        values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in plain.items()} | arrays
        values |= {
            "origin": Origin(**plain["origin"]),
            "layers": tuple(LayerAxis(**layer) for layer in plain["layers"]),
            "seen": tuple((start, stop) for start, stop in plain["seen"]),
            "unreadable": tuple(Unreadable(**u) for u in plain["unreadable"]),
        }
        return kind(**values)
    except FileNotFoundError:
        raise SemlensError(f"no {what} at {path}") from None
    except (SafetensorError, OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise SemlensError(
            f"{path} does not hold {what}, or is damaged ({error}); delete it and begin again"
        ) from error


def join(ranges: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Ranges sorted, those that touch or overlap made one."""
    joined: list[tuple[int, int]] = []
    for start, stop in sorted(ranges):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        else:
            joined.append((start, stop))
    return tuple(joined)


def _count(ranges: Iterable[tuple[int, int]]) -> int:
    return sum(stop - start for start, stop in ranges)


def earlier(checkpoint: Path | None, fresh: Pass, kind: StateKind[Pass]) -> Pass | None:
    """What an interrupted run left in its checkpoint, if anything.

    Raises:
        SemlensError: that run differs from this one, whose state would be `fresh`.
    """
    if checkpoint is None or not checkpoint.exists():
        return None
    state = kind.load(checkpoint)
    if state.recipe != fresh.recipe:
        raise SemlensError(
            f"{checkpoint} is from a run with another model, other images, {kind.settings}; start without resume to "
            "replace it"
        )
    return state


EXAMPLES = StateKind(merge, save_examples, load_examples, "layers, k, pooling or encoding")
