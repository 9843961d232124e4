"""Streaming top-k on the model's device: exact, in float32, ties to the lower image id, NaN never in.

An activation and its image id become one int64 key whose order is "higher activation first, then lower id". No two keys
are equal, so the k largest are one set whatever the order, the batches or the device in which they arrive.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from semlens.shapes import Float, Float32, Int32, Int64
from semlens.types import MISSING

EMPTY = np.iinfo(np.int64).min
"""The key of an empty slot, below that of every activation."""

_LOW32 = 0xFFFFFFFF
_BUFFER_BYTES = 32 * 2**20
_CACHE_COLUMNS = 256  # columns whose keys stay in a core's cache


def encode(activations: Float32[np.ndarray, "n c"], ids: Int64[np.ndarray, "n"]) -> Int64[np.ndarray, "c n"]:
    """Keys, a row per component, that sort as (activation descending, id ascending); EMPTY for NaN and -inf."""
    keys = np.empty(activations.T.shape, dtype="<i8")
    bits = (activations.T + np.float32(0)).view(np.int32)  # + 0 makes -0.0 and 0.0 tie
    halves = keys.view("<i4").reshape(*keys.shape, 2)
    halves[..., 1] = bits ^ ((bits >> 31) & 0x7FFFFFFF)  # a float's bits as an integer of the same order
    halves[..., 0] = (_LOW32 - ids).astype(np.uint32).view(np.int32)
    keys[~(-np.inf < activations.T)] = EMPTY  # NaN compares false
    return keys


def encode_on_device(activations: Float32[Tensor, "n c"], ids: Int64[Tensor, "n"]) -> Int64[Tensor, "c n"]:
    """The same keys as `encode`, made where the activations are."""
    bits = (activations.T + 0.0).contiguous().view(torch.int32)
    ordered = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    keys = (ordered.long() << 32) | (_LOW32 - ids)
    return torch.where(-torch.inf < activations.T, keys, EMPTY)


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
    keys: Tensor = field(init=False)  # "c k"
    positions: Tensor = field(init=False)  # "c k", or empty without positions
    lowest: Tensor = field(init=False)  # "c"
    fired: Tensor = field(init=False)  # "c"
    nan: Tensor = field(init=False)  # "c"
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
        activations = torch.cat([a for a, _, _ in self._waiting])
        ids = torch.cat([i for _, i, _ in self._waiting])
        positions = torch.cat([p for _, _, p in self._waiting if p is not None]) if self.with_positions else None
        self._waiting.clear()
        self._rows = 0
        self._count(activations)
        if self.device.type == "cpu":
            self._merge_on_cpu(activations.numpy(), ids.numpy(), None if positions is None else positions.numpy())
        else:
            self._merge(activations, ids.to(self.device), positions)

    def _count(self, activations: Float32[Tensor, "n c"]) -> None:
        if self.device.type != "cpu" or activations.amin().isnan():  # a minimum is NaN where anything is
            missing = activations.isnan()
            self.nan += missing.sum(0)
            activations = activations.masked_fill(missing, torch.inf)
            self.fired -= missing.sum(0)  # + inf counts as fired below
        self.fired += (activations > 0).sum(0)
        self.lowest = torch.minimum(self.lowest, activations.amin(0))

    def _merge(
        self, activations: Float32[Tensor, "n c"], ids: Int64[Tensor, "n"], positions: Int32[Tensor, "n c"] | None
    ) -> None:
        keys = torch.cat([self.keys, encode_on_device(activations, ids)], dim=1)
        self.keys, chosen = keys.topk(self.k, dim=1)
        if positions is not None:
            self.positions = torch.cat([self.positions, positions.T], dim=1).gather(1, chosen)

    def _merge_on_cpu(
        self,
        activations: Float32[np.ndarray, "n c"],
        ids: Int64[np.ndarray, "n"],
        positions: Int32[np.ndarray, "n c"] | None,
    ) -> None:
        """`_merge` for a CPU, where numpy's vectorised partition is five times faster than torch's topk.

        Only components are touched that a new activation may enter, and so few at a time that their keys stay in cache.
        """
        state, places = self.keys.numpy(), self.positions.numpy()
        least, _ = decode(state.min(axis=1))
        highest = np.fmax.reduce(activations, axis=0)
        # Ids that come in order lose every tie, so an equal activation (a zero after a ReLU) can be passed over.
        contested = np.flatnonzero(highest > least if ids.min() > self._latest else highest >= least)
        self._latest = max(self._latest, int(ids.max()))
        for start in range(0, len(contested), _CACHE_COLUMNS):
            columns = contested[start : start + _CACHE_COLUMNS]
            keys = np.concatenate([state[columns], encode(activations[:, columns], ids)], axis=1)
            cut = keys.shape[1] - self.k
            if positions is None:
                state[columns] = np.partition(keys, cut, axis=1)[:, cut:]
                continue
            chosen = np.argpartition(keys, cut, axis=1)[:, cut:]
            state[columns] = np.take_along_axis(keys, chosen, axis=1)
            places[columns] = np.take_along_axis(
                np.concatenate([places[columns], positions[:, columns].T], axis=1), chosen, axis=1
            )
