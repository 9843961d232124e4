"""Sums for encodings, collected beside the top-k: embeddings times activations, on the model's device.

Everything is rounded to whole numbers before it is multiplied; float64 multiplies and adds these exactly, whatever the
order, the batch or the number of threads.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from semlens.collection.sums import ACTIVATION_BITS, EMBEDDING_BITS, MOST_BITS, MOST_IMAGES, carried
from semlens.errors import SemlensError
from semlens.types import Bool, EncodingSums, EncodingTask, Float, Float16, Float32, Int32, Int64

KEPT = 2000
"""Of how many images the embeddings and activations are kept, at most."""

FIRST = 16
"""Images by whose activations units are chosen."""

LEAST_CLASSES = 3
"""Outputs that probabilities are made of, at least: of two, their difference says all."""

_WEAKEST = 6  # powers of two below the median of its layer, at which a component's unit ends
_BUFFER_BYTES = 32 * 2**20
_CACHE_COLUMNS = 128  # columns that stay in a core's cache


def drawn(count: int, images: int | None, seed: int = 0) -> Int64[np.ndarray, "n"]:
    """At most `images` of `count` ids in random order, all of them for None: the same wherever it is asked.

    Raises:
        SemlensError: there are more than sums can hold.
    """
    ids: Int64[np.ndarray, "n"] = np.random.default_rng(seed).permutation(count)[:images]
    if len(ids) > MOST_IMAGES:
        raise SemlensError(
            f"{len(ids):,} images are more than encodings can be summed over: encode {MOST_IMAGES:,} or fewer "
            "(--encode)"
        )
    return ids


@dataclass(frozen=True, eq=False)
class ToEncode:
    """The images that are encoded, and their embeddings."""

    task: EncodingTask
    dimension: int
    order: Int64[np.ndarray, "n"]  # ids in random order; the first of them are kept
    vectors: Callable[[Sequence[int]], Float16[np.ndarray, "m d"]]  # unit; a row of NaN where there is none
    alone: bool = False  # whether the pass is for encodings only, and looks at no other image


@dataclass
class RunningSums:
    """The running sums. Mutable, because a stream is."""

    wanted: ToEncode
    outputs: tuple[str, ...]
    layers: tuple[slice, ...]  # of the rows, the outputs among them
    device: torch.device
    first: Callable[[], Float[Tensor, "n a"]]  # the activations by which units are chosen
    answers: tuple[int, ...] = ()  # the rows of the layer that is the model's output
    exponents: Int32[np.ndarray, "a"] | None = None
    count: int = 0
    sums: dict[str, Tensor] = field(default_factory=dict)  # by the names of EncodingSums, once there are any
    kept: list[tuple[int, Float16[np.ndarray, "d"], Float32[np.ndarray, "a"]]] = field(default_factory=list)
    _waiting: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    _rows: int = 0

    def __post_init__(self) -> None:
        self.device = torch.device("cpu") if self.device.type == "mps" else self.device  # which has no float64
        order = self.wanted.order
        self.chosen = np.zeros(order.max(initial=-1) + 1, bool)
        self.chosen[order] = True
        self.keeps = set(order[: self.wanted.task.kept].tolist())

    def add(self, activations: Float[Tensor, "n a"], ids: Sequence[int]) -> None:
        """Takes a batch in, of which those images count that are to be encoded and have an embedding."""
        at = [n for n, id in enumerate(ids) if id < len(self.chosen) and self.chosen[id]]
        if not at:
            return
        vectors = self.wanted.vectors([ids[n] for n in at])
        read = np.isfinite(vectors).all(axis=1)
        at, vectors = [n for n, there in zip(at, read, strict=True) if there], vectors[read]
        if not at:
            return
        if self.exponents is None:
            self._begin()
        chosen = self._with_roots(activations[at])
        self._keep([ids[n] for n in at], vectors, chosen)
        whole = np.rint(vectors.astype(np.float64) * 2**EMBEDDING_BITS)
        self._waiting.append((chosen, torch.from_numpy(whole).to(self.device)))
        self._rows += len(at)
        if self._rows >= 1024 or self._rows * chosen.shape[1] * 4 >= _BUFFER_BYTES:
            self.flush()

    def _keep(self, ids: list[int], vectors: Float16[np.ndarray, "n d"], activations: Float32[Tensor, "n a"]) -> None:
        at = [n for n, id in enumerate(ids) if id in self.keeps]
        if at:
            rows = activations[at].cpu().numpy()
            self.kept += [(ids[n], vectors[n], row) for n, row in zip(at, rows, strict=True)]

    def _begin(self) -> None:
        rows = self.first()
        self.answers = answers_of(rows, self.layers, len(self.outputs))
        rows, known = self._with_roots(rows), self.layers[-1].stop
        self.exponents = units(rows, [*self.layers, slice(known, rows.shape[1])])
        self.sums = {
            name: torch.zeros(shape, dtype=torch.int64, device=self.device)
            for name, shape in _shapes(len(self.exponents), self.wanted.dimension).items()
        }

    def _with_roots(self, activations: Float[Tensor, "n a"]) -> Float32[Tensor, "n b"]:
        """The rows, and after them the roots of the probabilities, where some layer is the outputs."""
        rows = activations.float().to(self.device)
        if not self.answers:
            return rows
        return torch.cat([rows, rows[:, slice(*self.answers)].double().softmax(dim=1).sqrt().float()], dim=1)

    def flush(self) -> None:
        """Brings what waits in the buffer into the sums."""
        if not self._waiting or self.exponents is None:
            return
        activations = torch.cat([a for a, _ in self._waiting])
        e = torch.cat([e for _, e in self._waiting])
        unit = torch.from_numpy(np.ldexp(1.0, -self.exponents)).to(self.device)
        self.sums["embedding"] += e.sum(0).long()
        self.sums["products"] += (e.T @ e).long()
        columns = _CACHE_COLUMNS if self.device.type == "cpu" else len(unit)
        for start in range(0, len(unit), columns):
            block = slice(start, start + columns)
            scaled = activations[:, block].double() * unit[block]
            for t, y in enumerate((scaled, scaled.clamp(min=0).square_())):
                self._sum(t, block, (y * 2**ACTIVATION_BITS).round_(), e)
        self.count += len(e)
        self._waiting.clear()
        self._rows = 0

    def _sum(self, t: int, block: slice, y: Float[Tensor, "n a"], e: Float[Tensor, "n d"]) -> None:
        """Adds a block of whole numbers. Each sum here is below 2^53, so float64 has it exactly."""
        if not (y.abs().amax() <= 2**MOST_BITS):  # NaN compares false
            odd: Bool[Tensor, "n a"] = ~(y.abs() <= 2**MOST_BITS)
            y = y.masked_fill(odd, 0)
            self.sums["odd"][t, block] += odd.sum(0)
        square = y * y
        high = (square * 2.0**-MOST_BITS).floor_()
        low = square.sub_(high * 2**MOST_BITS)
        self.sums["activation"][t, block] += y.sum(0).long()
        self.sums["squares"][t, block, 0] += high.sum(0).long()
        self.sums["squares"][t, block, 1] += low.sum(0).long()
        self.sums["cross"][t, block] += (y.T @ e).long()

    def state(self) -> EncodingSums:
        """What has been summed up to now."""
        self.flush()
        d, known = self.wanted.dimension, self.layers[-1].stop if self.layers else 0
        a = known if self.exponents is None else len(self.exponents)
        if self.exponents is None:
            arrays = {name: np.zeros(shape, np.int64) for name, shape in _shapes(a, d).items()}
        else:
            arrays = {name: sums.cpu().numpy().copy() for name, sums in self.sums.items()}
        kept = sorted(self.kept, key=lambda one: one[0])
        return EncodingSums(
            task=self.wanted.task,
            outputs=self.outputs,
            answers=self.answers,
            count=self.count,
            exponents=np.zeros(a, np.int32) if self.exponents is None else self.exponents,
            **arrays | {"squares": carried(arrays["squares"])},
            ids=np.array([id for id, _, _ in kept], np.int32),
            embeddings=np.array([vector for _, vector, _ in kept], np.float16).reshape(-1, d),
            activations=np.array([row for _, _, row in kept], np.float32).reshape(-1, a),
        )


def _shapes(a: int, d: int) -> dict[str, tuple[int, ...]]:
    """Those of the whole numbers of EncodingSums."""
    return {
        "embedding": (d,), "products": (d, d), "activation": (2, a), "squares": (2, a, 2), "cross": (2, a, d),
        "odd": (2, a),
    }  # fmt: skip


def answers_of(rows: Float[Tensor, "n a"], layers: Sequence[slice], outputs: int) -> tuple[int, ...]:
    """The layer that is the model's output, as its first row and its last but one: on some images both have the same
    values. None where there is no such layer, or fewer outputs than LEAST_CLASSES."""
    if outputs < LEAST_CLASSES:
        return ()
    given = rows[:, layers[-1]]
    same = [part for part in layers[:-1] if part.stop - part.start == outputs and torch.equal(rows[:, part], given)]
    return (same[-1].start, same[-1].stop) if same else ()


def units(first: Float[Tensor, "n a"], layers: Sequence[slice]) -> Int32[np.ndarray, "a"]:
    """The exponent of each row's unit: of the least power of two above its magnitudes on the first images; where these
    are small beside the others of its layer, some powers below the median there.
    """
    magnitudes = first.double().abs().cpu().numpy()
    peaks = np.where(np.isfinite(magnitudes), magnitudes, 0).max(axis=0, initial=0)
    for layer in layers:
        some = peaks[layer][peaks[layer] > 0]
        usual = np.median(some) if len(some) else 1.0
        peaks[layer] = np.where(peaks[layer] > 0, np.maximum(peaks[layer], usual * 2.0**-_WEAKEST), usual)
    return np.frexp(peaks)[1].astype(np.int32)
