"""Concept examples as a file that merges: what a checkpoint, a shard and a finished pass all are."""

import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from functools import reduce
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from semlens.errors import SemlensError
from semlens.types import ConceptExamples, LayerAxis, Origin, Unreadable

_ARRAYS = ("ids", "activations", "positions", "lowest", "fired", "nan")


def merge(a: ConceptExamples, b: ConceptExamples) -> ConceptExamples:
    """The examples of one pass over the images of both: associative, commutative, and idempotent.

    Raises SemlensError if the two were collected differently, or share some images but neither holds all of the
    other's.
    """
    if a.recipe != b.recipe:
        raise SemlensError("examples of different models, images, layers, k or pooling cannot be merged")
    both = _join(a.seen + b.seen)
    if both == a.seen:
        return a
    if both == b.seen:
        return b
    if _count(both) < _count(a.seen) + _count(b.seen):
        raise SemlensError("these examples share some images; every image belongs to exactly one shard")
    ids = np.concatenate([a.ids, b.ids], axis=1)
    activations = np.concatenate([a.activations, b.activations], axis=1)
    best = np.lexsort((ids, -activations), axis=1)[:, : a.ids.shape[1]]
    return replace(
        a,
        ids=np.take_along_axis(ids, best, axis=1),
        activations=np.take_along_axis(activations, best, axis=1),
        positions=np.take_along_axis(np.concatenate([a.positions, b.positions], axis=1), best, axis=1),
        lowest=np.minimum(a.lowest, b.lowest),
        fired=a.fired + b.fired,
        nan=a.nan + b.nan,
        seen=both,
        unreadable=tuple(sorted({*a.unreadable, *b.unreadable}, key=lambda u: u.id)),
    )


def merge_all(parts: Iterable[ConceptExamples]) -> ConceptExamples:
    """All of one or more examples merged."""
    return reduce(merge, parts)


def missing_ranges(seen: Iterable[tuple[int, int]], start: int, stop: int) -> list[tuple[int, int]]:
    """The ranges of [start, stop) that `seen` leaves out, in order."""
    gaps: list[tuple[int, int]] = []
    for low, high in _join(seen):
        if low > start:
            gaps.append((start, min(low, stop)))
        start = max(start, high)
    return [(low, high) for low, high in [*gaps, (start, stop)] if low < high]


def save_examples(examples: ConceptExamples, path: Path) -> None:
    """Writes the examples to one safetensors file, which either replaces the old one whole or leaves it."""
    plain = {
        "origin": asdict(examples.origin),
        "layers": [asdict(layer) for layer in examples.layers],
        "unit_names": examples.unit_names,
        "pool": examples.pool,
        "seen": examples.seen,
        "unreadable": [asdict(u) for u in examples.unreadable],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {name: np.ascontiguousarray(getattr(examples, name)) for name in _ARRAYS}
    save_file(arrays, path, {"semlens-examples": json.dumps(plain, sort_keys=True)})  # temporary file and rename inside


def load_examples(path: Path) -> ConceptExamples:
    """The examples in a file. Raises SemlensError if it is not one, or damaged."""
    try:
        with safe_open(path, framework="numpy") as file:
            plain = json.loads((file.metadata() or {})["semlens-examples"])
            arrays = {name: file.get_tensor(name) for name in _ARRAYS}
        return ConceptExamples(
            origin=Origin(**plain["origin"]),
            layers=tuple(LayerAxis(**layer) for layer in plain["layers"]),
            unit_names=tuple(plain["unit_names"]),
            pool=plain["pool"],
            seen=tuple((start, stop) for start, stop in plain["seen"]),
            unreadable=tuple(Unreadable(**u) for u in plain["unreadable"]),
            **arrays,
        )
    except FileNotFoundError:
        raise SemlensError(f"no examples at {path}") from None
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise SemlensError(
            f"{path} does not hold concept examples, or is damaged ({error}); delete it and collect again"
        ) from error


def _join(ranges: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
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
