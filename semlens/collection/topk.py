"""Streaming top-k on the model's device: exact, in float32, ties to the lower image id, NaN never in.

An activation and its image id become one int64 key whose order is "higher activation first, then lower id". No two keys
are equal, so the k largest are one set whatever the order, the batches or the device in which they arrive.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from semlens.numerics import BINS, MAX_EXPONENT, MIDDLE, MIN_EXPONENT, count
from semlens.types import MISSING, Bool, Float, Float32, Int32, Int64

EMPTY = np.iinfo(np.int64).min
"""The key of an empty slot, below that of every activation."""

_LOW32 = 0xFFFFFFFF
_BUFFER_BYTES = 32 * 2**20
_CACHE_COLUMNS = 256  # columns whose keys stay in a core's cache


def encode(activations: Float32[np.ndarray, "n c"], ids: Int64[np.ndarray, "n"]) -> Int64[np.ndarray, "c n"]:
    """Keys, a row per component, that sort as (activation descending, id ascending); EMPTY for NaN and -inf."""
    return _keys(np.ascontiguousarray(activations.T), ids)


def _keys(activations: Float32[np.ndarray, "*n"], ids: Int64[np.ndarray, "*i"]) -> Int64[np.ndarray, "*n"]:
    bits = (activations + np.float32(0)).view(np.int32)  # + 0 makes -0.0 and 0.0 tie
    bits ^= (bits >> 31) & 0x7FFFFFFF  # a float's bits as an integer of the same order
    keys = (bits.astype(np.int64) << 32) | (_LOW32 - ids)
    keys[~(activations > -np.inf)] = EMPTY  # NaN compares false
    return keys


def encode_on_device(activations: Float32[Tensor, "n c"], ids: Int64[Tensor, "n"]) -> Int64[Tensor, "c n"]:
    """The same keys as `encode`, made where the activations are."""
    bits = (activations.T + 0.0).contiguous().view(torch.int32)
    ordered = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    keys = (ordered.long() << 32) | (_LOW32 - ids)
    return torch.where(-torch.inf < activations.T, keys, EMPTY)


def counts_on_device(activations: Float32[Tensor, "n c"], missing: Bool[Tensor, "n c"]) -> Int32[Tensor, "c 129"]:
    """The same counts as `histogram.count`, made where the activations are."""
    c = activations.shape[1]
    exponent = (activations * activations).view(torch.int32) >> 23
    away = exponent.clamp(MIN_EXPONENT, MAX_EXPONENT) - MIN_EXPONENT
    bins = torch.where(activations < 0, -away, away) + torch.arange(MIDDLE, c * BINS, BINS, device=activations.device)
    counts = torch.zeros(c * BINS, dtype=torch.int32, device=activations.device)
    return counts.index_add_(0, bins.flatten(), (~missing).int().flatten()).view(c, BINS)


def decode(keys: Int64[np.ndarray, "*c"]) -> tuple[Float32[np.ndarray, "*c"], Int32[np.ndarray, "*c"]]:
    """Activations and ids of keys; -inf and MISSING for EMPTY."""
    ordered = (keys >> 32).astype(np.int32)
    activations = (ordered ^ ((ordered >> 31) & 0x7FFFFFFF)).view(np.float32)
    ids = (_LOW32 - (keys & _LOW32)).astype(np.uint32).view(np.int32)
    empty = keys == EMPTY
    return np.where(empty, np.float32(-np.inf), activations), np.where(empty, MISSING, ids)


@dataclass
class TopK:
    """Running top-k of c components over batches of any size. Mutable, because a stream is.

    Batches gather in a buffer and enter the state together, which costs a fraction of entering one by one; nothing
    waits for the device in between, and memory does not grow with the number of images. The state's slots are in no
    order until `sorted`.
    """

    components: int
    k: int
    device: torch.device
    with_positions: bool = False
    with_histogram: bool = False
    keys: Tensor = field(init=False)  # "c k"
    positions: Tensor = field(init=False)  # "c k", or empty without positions
    lowest: Tensor = field(init=False)  # "c"
    fired: Tensor = field(init=False)  # "c"
    nan: Tensor = field(init=False)  # "c"
    histogram: Tensor = field(init=False)  # "c 129", or empty without histogram
    _waiting: list[tuple[Tensor, Tensor, Tensor | None]] = field(default_factory=list)
    _rows: int = 0
    _latest: int = -1  # highest id in the state

    def __post_init__(self) -> None:
        c, k, on = self.components, self.k, self.device
        self.keys = torch.full((c, k), EMPTY, dtype=torch.int64, device=on)
        self.positions = torch.full((c, k if self.with_positions else 0), int(MISSING), dtype=torch.int32, device=on)
        self.lowest = torch.full((c,), torch.inf, device=on)
        self.fired = torch.zeros(c, dtype=torch.int64, device=on)
        self.nan = torch.zeros(c, dtype=torch.int64, device=on)
        self.histogram = torch.zeros((c, BINS if self.with_histogram else 0), dtype=torch.int32, device=on)

    def add(
        self,
        activations: Float[Tensor, "n c"],
        ids: Int64[Tensor, "n"],
        positions: Int32[Tensor, "n c"] | None = None,
    ) -> None:
        """Takes a batch in; ids must not repeat."""
        self._waiting.append((activations.float(), ids, positions))
        self._rows += len(ids)
        if self._rows * self.components * 4 >= _BUFFER_BYTES or self._rows >= 1024:
            self.flush()

    def flush(self) -> None:
        """Brings what waits in the buffer into the state."""
        if not self._waiting:
            return
        if self.device.type == "cpu":
            self._flush_on_cpu()
        else:
            activations = torch.cat([a for a, _, _ in self._waiting])
            positions = torch.cat([p for _, _, p in self._waiting if p is not None]) if self.with_positions else None
            self._count(activations)
            self._merge(activations, torch.cat([i for _, i, _ in self._waiting]).to(self.device), positions)
        self._waiting.clear()
        self._rows = 0

    def _count(self, activations: Float32[Tensor, "n c"]) -> None:
        missing = activations.isnan()
        self.nan += missing.sum(0)
        self.fired += (activations > 0).sum(0)  # NaN compares false
        self.lowest = torch.minimum(self.lowest, activations.masked_fill(missing, torch.inf).amin(0))
        if self.with_histogram:
            self.histogram += counts_on_device(activations, missing)

    def _merge(
        self, activations: Float32[Tensor, "n c"], ids: Int64[Tensor, "n"], positions: Int32[Tensor, "n c"] | None
    ) -> None:
        keys = torch.cat([self.keys, encode_on_device(activations, ids)], dim=1)
        self.keys, chosen = keys.topk(self.k, dim=1)
        if positions is not None:
            self.positions = torch.cat([self.positions, positions.T], dim=1).gather(1, chosen)

    def _flush_on_cpu(self) -> None:
        """The same for a CPU, where numpy's vectorised partition is five times faster than torch's topk.

        So few components at a time that all they need stays in a core's cache; nothing large is allocated.
        """
        ids = np.concatenate([i.numpy() for _, i, _ in self._waiting])
        # Ids that come in order lose every tie: an equal activation (a zero after a ReLU, mostly) is not looked at.
        beats = np.greater if ids.min() > self._latest else np.greater_equal
        self._latest = max(self._latest, int(ids.max()))
        for start in range(0, self.components, _CACHE_COLUMNS):
            block = slice(start, start + _CACHE_COLUMNS)
            activations = np.concatenate([a.numpy()[:, block] for a, _, _ in self._waiting])
            places = [p.numpy()[:, block] for _, _, p in self._waiting if p is not None]
            self._count_on_cpu(block, activations)
            self._enter(block, activations, ids, np.concatenate(places) if places else None, beats)

    def _count_on_cpu(self, block: slice, activations: Float32[np.ndarray, "n c"]) -> None:
        lowest, missing = activations.min(axis=0), None
        if np.isnan(lowest).any():  # a minimum is NaN where anything is
            missing = np.isnan(activations)
            self.nan.numpy()[block] += missing.sum(axis=0)
            lowest = np.where(missing, np.float32(np.inf), activations).min(axis=0)
        self.fired.numpy()[block] += (activations > 0).sum(axis=0, dtype=np.uint32)
        np.minimum(self.lowest.numpy()[block], lowest, out=self.lowest.numpy()[block])
        if self.with_histogram:
            self.histogram.numpy()[block] += count(activations, missing).astype(np.int32)

    def _enter(
        self,
        block: slice,
        activations: Float32[np.ndarray, "n c"],
        ids: Int64[np.ndarray, "n"],
        positions: Int32[np.ndarray, "n c"] | None,
        beats: np.ufunc,
    ) -> None:
        """Puts into the slots of a block of components what beats the least that they hold."""
        state, places = self.keys.numpy()[block], self.positions.numpy()[block]
        least, _ = decode(state.min(axis=1))
        flat = np.flatnonzero(beats(activations, least))
        if not len(flat):
            return
        if 2 * len(flat) > activations.size:  # at first everything enters
            keys, new_places = encode(activations, ids), None if positions is None else positions.T
        else:
            keys, new_places = _gathered(flat, activations, ids, positions)
        keys = np.concatenate([state, keys], axis=1)
        cut = keys.shape[1] - self.k
        if new_places is None:
            state[:] = np.partition(keys, cut, axis=1)[:, cut:]
            return
        chosen = np.argpartition(keys, cut, axis=1)[:, cut:]
        state[:] = np.take_along_axis(keys, chosen, axis=1)
        places[:] = np.take_along_axis(np.concatenate([places, new_places], axis=1), chosen, axis=1)


def _gathered(
    flat: Int64[np.ndarray, "m"],
    activations: Float32[np.ndarray, "n c"],
    ids: Int64[np.ndarray, "n"],
    positions: Int32[np.ndarray, "n c"] | None,
) -> tuple[Int64[np.ndarray, "c w"], Int32[np.ndarray, "c w"] | None]:
    """Keys and positions of a few entries of `activations`: a row per component, what is left of it EMPTY."""
    image, column = np.divmod(flat, activations.shape[1])
    order = np.argsort(column.astype(np.uint16), kind="stable")  # of 16-bit integers a radix sort
    flat, image, column = flat[order], image[order], column[order]
    counts = np.bincount(column, minlength=activations.shape[1])
    nth = np.arange(len(flat)) - np.repeat(np.cumsum(counts) - counts, counts)
    keys = np.full((len(counts), counts.max()), EMPTY)
    keys[column, nth] = _keys(activations.ravel()[flat], ids[image])
    if positions is None:
        return keys, None
    places = np.full(keys.shape, MISSING)
    places[column, nth] = positions.ravel()[flat]
    return keys, places
