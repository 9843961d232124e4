"""Batches of transformed items of a set in the order of their ids, decoded by worker processes."""

import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.reduction import ForkingPickler
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

from semlens.errors import SemlensError, UnreadableItem
from semlens.types import ExampleSet, Unreadable

START = "fork" if sys.platform == "linux" else "spawn"
"""How a worker starts: with fork the first batch takes 0.3 s; with spawn, which imports torch once more, 17 s."""


@dataclass(frozen=True)
class Batch:
    """A stretch of the ids that were asked for: `items[j]` is made of image `ids[j]`; the others are `unreadable`."""

    ids: tuple[int, ...]
    items: tuple[Any, ...]
    unreadable: tuple[Unreadable, ...]


def batches(
    images: ExampleSet, ids: Sequence[int], transform: Callable[[Any], Any], *, batch_size: int, workers: int = 0
) -> Iterator[Batch]:
    """The transformed items, `batch_size` ids at a time; the same ones in the same order whatever `workers` is.

    An item that cannot be read is reported in its batch. An error in `transform` becomes one that names the item.
    """
    if batch_size < 1:
        raise SemlensError(f"batch_size is {batch_size}: at least 1 is needed")
    if workers < 0:
        raise SemlensError(f"workers is {workers}: give 0, for none beside this process, or more")
    made = _Transformed(images, transform)
    workers = workers if START == "fork" or _travels(made) else 0
    loader: DataLoader[Any] = DataLoader(
        made,
        batch_sampler=(list(ids[start : start + batch_size]) for start in range(0, len(ids), batch_size)),
        collate_fn=_collate,
        num_workers=workers,
        multiprocessing_context=START if workers else None,
        prefetch_factor=2 if workers else None,  # batches that each worker is ahead
        generator=torch.Generator(),  # or the loader would advance the user's random numbers
    )
    with warnings.catch_warnings():
        # Python 3.12 warns of every fork beside threads; the workers use none of what torch's threads may have locked.
        warnings.filterwarnings("ignore", ".*multi-threaded, use of fork", DeprecationWarning)
        parcels = iter(loader)
    return map(_unpack, parcels)


def _travels(made: object) -> bool:
    """Whether it can be sent to a process that starts anew; a warning says what to do where it cannot."""
    try:
        ForkingPickler.dumps(made)
    except Exception as fault:  # what cannot be pickled raises whatever it likes
        first = next(iter(str(fault).splitlines()), type(fault).__name__)
        warnings.warn(
            f"images are decoded in this process, for what prepares them cannot be sent to others ({first}): define it "
            "with def at the top of a module, and not as a lambda, to have workers",
            stacklevel=4,
        )
        return False
    return True


def usable_cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_workers(device_type: str) -> int:
    """Worker processes worth having, 0 to 8: none where the model runs on the CPU and that has two cores to share."""
    cores = usable_cores()
    return 0 if device_type == "cpu" and cores <= 2 else min(8, cores - 1)  # one core is left to feed the model


@dataclass(frozen=True)
class _Failure:
    """An error on its way out of a worker: as text, for not every exception can be pickled."""

    sentence: str
    trace: str


@dataclass(frozen=True)
class _Parcel:
    """A batch on its way out of a worker. Tensors of one shape travel as one: each takes one of 1,024 file handles."""

    batch: Batch
    stacked: torch.Tensor | None


class _Transformed(Dataset[Any]):
    def __init__(self, images: ExampleSet, transform: Callable[[Any], Any]) -> None:
        self.images, self.transform = images, transform

    def __getitem__(self, id: int) -> tuple[int, Any] | Unreadable | _Failure:
        try:
            item = self.images.load(id)
        except UnreadableItem as error:
            return Unreadable(id, error.reason)
        except SemlensError as error:
            return _Failure(str(error), traceback.format_exc())
        try:
            return id, self.transform(item)
        except UnreadableItem as error:
            return Unreadable(id, error.reason)
        except Exception as error:  # the user's code: anything may come
            first = next(iter(str(error).splitlines()), "")
            if odd := self.images.odd(item):
                return Unreadable(id, f"{odd}, and the preprocessing fails on it: {first}")
            sentence = f"the transform fails on {self.images.names[id]}: {type(error).__name__}: {first}"
            return _Failure(sentence, traceback.format_exc())


def _collate(results: list[tuple[int, Any] | Unreadable | _Failure]) -> _Parcel | _Failure:
    for result in results:
        if isinstance(result, _Failure):
            return result
    read = [result for result in results if isinstance(result, tuple)]
    items = tuple(item for _, item in read)
    unreadable = tuple(result for result in results if isinstance(result, Unreadable))
    batch = Batch(tuple(id for id, _ in read), items, unreadable)
    kinds = {(item.shape, item.dtype) if isinstance(item, torch.Tensor) else None for item in items}
    if get_worker_info() is None or len(kinds) != 1 or None in kinds:
        return _Parcel(batch, None)
    return _Parcel(replace(batch, items=()), torch.stack(items))


def _unpack(parcel: _Parcel | _Failure) -> Batch:
    if isinstance(parcel, _Failure):
        raise SemlensError(parcel.sentence) from RuntimeError(parcel.trace)
    return parcel.batch if parcel.stacked is None else replace(parcel.batch, items=tuple(parcel.stacked))
