"""From a model and images to concept examples: one pass over the data for all layers."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from semlens.collection.cpu import fast_cpu
from semlens.collection.encode import FIRST, RunningSums, ToEncode
from semlens.collection.passes import Checkpoint, Feed, fill
from semlens.collection.pictures import RunningPictures
from semlens.collection.states import EXAMPLES
from semlens.collection.topk import TopK, decode
from semlens.errors import SemlensError, right_keywords, unknown
from semlens.model import (
    POOLS,
    Components,
    Layer,
    Pooled,
    Site,
    VisionModel,
    as_layers,
    as_model,
    check_images,
    describe,
    logits_of,
    parse_all,
    record,
    still,
    unit_names,
)
from semlens.progress import visible
from semlens.sets import open_set
from semlens.types import (
    MISSING,
    ConceptExamples,
    ExampleSet,
    Float,
    LayerAxis,
    Origin,
    Progress,
    Shaped,
    Unreadable,
    axis_of,
)

PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16}


@right_keywords(top="k", topk="k", n="k", layer="layers", pooling="pool")
def collect(
    model: VisionModel | str,
    images: ExampleSet | Any,
    layers: Layer | Sequence[Layer],
    *,
    k: int = 30,
    pool: str = "mean",
    batch_size: int = 32,
    workers: int | None = None,
    precision: str = "float32",
    shard: tuple[int, int] | range = (0, 1),
    checkpoint: Path | None = None,
    checkpoint_every: int = 100,
    resume: bool = False,
    encode: ToEncode | None = None,
    progress: Progress = visible,
) -> ConceptExamples:
    """The k images that excite each component most.

    Source: Dreyer et al. 2025, Eq. 1. But: ranked in float32, with empty slots told apart from examples.

    Args:
        layers: `path`, `path#call`, `path@kind`, `path@dictionary:FILE`, or a `Dictionary`; see `layers.parse`.
        pool: how activations over positions become one: "mean" favours what fills the image, "max" what is small.
        precision: "bfloat16" runs the model under autocast, faster where the hardware can, and changes some of the ids.
        shard: (i, n) looks only at the i-th of n parts of the images, a range at those of its ids; `merge` joins what
            the shards give.
        checkpoint: file that is written every `checkpoint_every` batches and at the end; with `resume`, what it holds
            is not computed again. The result is the same, byte for byte.
        encode: images that have an embedding, over which sums for encodings are collected too.

    Raises:
        SemlensError: a user's mistake, before the first forward pass where it can be seen there.
    """
    model, images, layers = as_model(model), open_set(images), as_layers(layers)
    _check(pool, precision)
    check_k(k, images)
    ids = part_of(images, shard)
    feed = Feed(model, images, batch_size, workers)
    parsed = parse_all(model.net, layers, feed.first)
    kinds = [kind for kind, _ in parsed]
    axes = axis_of((kind.layer, kind.kind, components) for kind, components in parsed)
    names = unit_names(model.net, parsed, model.class_names, feed.first)
    origin = origin_of(model, images, precision)
    outputs = _outputs(model, feed.first) if encode else ()
    with _forward(model, kinds, pool, precision, feed.first) as forward:
        sums = _sums(encode, feed, forward, axes, outputs) if encode else None
        stream = _Stream(forward, origin, axes, names, k, pool, model.device, sums)
        kept = Checkpoint(checkpoint, checkpoint_every, resume)
        return fill(stream, EXAMPLES, feed, ids, "collect", kept, progress)


@dataclass(frozen=True, eq=False)
class _Passed:
    """What one forward pass gave."""

    pooled: Pooled
    output: Any

    def rows(self, outputs: int) -> Float[Tensor, "n a"]:
        """The activations, and after them that many outputs of the model.

        Raises:
            SemlensError: there are more or fewer.
        """
        if not outputs:
            return self.pooled.activations
        logits = logits_of(self.output, len(self.pooled.activations))
        if logits is None or logits.shape[1] != outputs:
            raise SemlensError(
                "the model's output has another shape for several images than for one: encode none (--encode none)"
            )
        return torch.cat([self.pooled.activations, logits.to(self.pooled.activations)], dim=1)


def _outputs(model: VisionModel, first: Shaped[Tensor, "1 ..."]) -> tuple[str, ...]:
    """What the model calls its outputs, or their numbers; nothing where they are no rows of logits."""
    with torch.no_grad(), still(model.net):
        logits = logits_of(model.net(first), 1)
    count = 0 if logits is None else logits.shape[1]
    return model.class_names if len(model.class_names) == count else tuple(map(str, range(count)))


def _sums(
    encode: ToEncode, feed: Feed, forward: Callable[[Shaped[Tensor, "n ..."]], _Passed], axes: Sequence[LayerAxis],
    outputs: tuple[str, ...],
) -> RunningSums:  # fmt: skip
    """Sums of which the units are chosen by the first images in the random order, which all shards share."""

    def first() -> Float[Tensor, "n a"]:
        seen = [
            forward(x).rows(len(outputs))[: len(batch.ids)].float()
            for x, batch in feed.batches(encode.order[:FIRST].tolist(), "first images")
            if batch.ids
        ]
        return torch.cat(seen or [forward(feed.first).rows(len(outputs)).float()])

    components = axes[-1].stop
    layers = [slice(axis.start, axis.stop) for axis in axes] + [slice(components, components + len(outputs))]
    return RunningSums(encode, outputs, tuple(layers), feed.model.device, first)


@dataclass
class _Stream:
    """The running top-k of all layers on one axis, and sums for encodings. Mutable, because a stream is."""

    forward: Callable[[Shaped[Tensor, "n ..."]], _Passed]
    origin: Origin
    axes: tuple[LayerAxis, ...]
    unit_names: tuple[str | None, ...]
    k: int
    pool: str
    device: torch.device
    sums: RunningSums | None
    top: TopK = field(init=False)
    pictures: RunningPictures = field(default_factory=RunningPictures)

    def __post_init__(self) -> None:
        self.top = TopK(self.axes[-1].stop, self.k, self.device, self.pool == "max", with_histogram=True)

    def wanted(self, start: int, stop: int) -> Sequence[int]:
        if self.sums is None or not self.sums.wanted.alone:
            return range(start, stop)
        order = self.sums.wanted.order
        return np.sort(order[(order >= start) & (order < stop)]).tolist()

    def add(self, x: Shaped[Tensor, "n ..."], ids: Sequence[int]) -> None:
        n, passed = len(ids), self.forward(x)  # the rest of the rows pad the batch
        pooled = passed.pooled
        if self.sums:
            self.sums.add(passed.rows(len(self.sums.outputs))[:n], ids)
        self.pictures.add(x[:n], ids)
        positions = None if pooled.positions is None else pooled.positions[:n]
        self.top.add(pooled.activations[:n], torch.tensor(ids), positions)

    def state(self, seen: tuple[tuple[int, int], ...] = (), unreadable: tuple[Unreadable, ...] = ()) -> ConceptExamples:
        """What the stream holds now, slots in order."""
        self.top.flush()
        tally = self.pictures.state()
        keys, order = self.top.keys.sort(dim=1, descending=True)
        activations, ids = decode(keys.cpu().numpy())
        positions = self.top.positions.gather(1, order) if self.pool == "max" else torch.full_like(order, int(MISSING))
        return ConceptExamples(
            origin=self.origin,
            layers=self.axes,
            unit_names=self.unit_names,
            pool=self.pool,
            ids=ids,
            activations=activations,
            positions=positions.int().cpu().numpy(),
            lowest=self.top.lowest.cpu().numpy().copy(),
            fired=self.top.fired.cpu().numpy().copy(),
            nan=self.top.nan.cpu().numpy().copy(),
            histogram=self.top.histogram.cpu().numpy().copy(),
            seen=seen,
            unreadable=unreadable,
            pictures=tally.pictures,
            shown=tally.shown,
            encoding=self.sums.state() if self.sums else None,
        )


@contextmanager
def _forward(
    model: VisionModel, kinds: Sequence[Components], pool: str, precision: str, first: Shaped[Tensor, "1 ..."]
) -> Iterator[Callable[[Shaped[Tensor, "n ..."]], _Passed]]:
    """A function from preprocessed images to all layers' pooled activations and the output, for as long as the `with`
    lasts."""
    dtype = PRECISIONS[precision]
    with ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        stack.enter_context(torch.autocast(model.device.type, dtype) if dtype else nullcontext())
        stack.enter_context(fast_cpu())
        layout = _layout(model, first)
        pooled = stack.enter_context(pooling(model, kinds, pool))

        def forward(x: Shaped[Tensor, "n ..."]) -> _Passed:
            output = model.net(x.contiguous(memory_format=layout))
            return _Passed(pooled(len(x)), output)

        yield forward


@contextmanager
def pooling(model: VisionModel, kinds: Sequence[Components], pool: str) -> Iterator[Callable[[int], Pooled]]:
    """A function that gives all layers' pooled activations in the latest forward pass, of so many images, side by side.

    It raises SemlensError for a layer that gave the activations of more or fewer.
    """
    at: dict[Site, list[Components]] = {}
    for kind in kinds:
        at.setdefault(kind.site, []).append(kind)

    def keep(site: Site, output: Any) -> dict[str, Pooled]:
        return {kind.layer: kind.pool(output, pool) for kind in at[site]}

    with record(model.net, list(at), keep) as seen:

        def pooled(images: int) -> Pooled:
            parts = {layer: part for site in at for layer, part in seen[site].items()}
            for layer, part in parts.items():
                check_images(layer, len(part.activations), images)
            ordered = [parts[kind.layer] for kind in kinds]
            places = [part.positions for part in ordered if part.positions is not None]
            return Pooled(
                torch.cat([part.activations for part in ordered], dim=1), torch.cat(places, dim=1) if places else None
            )

        yield pooled


def _layout(model: VisionModel, x: Shaped[Tensor, "1 ..."]) -> torch.memory_format:
    """Channels-last where the model takes it: convolutions are faster, the numbers the same. Some models view where
    they should reshape, and fail on it.
    """
    x = torch.cat([x, x])  # a single image has either layout at once
    if x.ndim != 4 or model.device.type != "cpu":
        return torch.contiguous_format
    try:
        with still(model.net):
            model.net(x.contiguous(memory_format=torch.channels_last))
    except RuntimeError:
        return torch.contiguous_format
    return torch.channels_last


def _check(pool: str, precision: str) -> None:
    if pool not in POOLS:
        raise unknown("pooling", pool, POOLS)
    if precision not in PRECISIONS:
        raise unknown("precision", precision, PRECISIONS)


def check_k(k: int, images: ExampleSet) -> None:
    """Returns if there are `k` images.

    Raises:
        SemlensError: there are fewer, or k is not positive.
    """
    if not 1 <= k <= len(images):
        raise SemlensError(f"k is {k}, but there are {len(images)} images; choose k between 1 and {len(images)}")


def part_of(images: ExampleSet, shard: tuple[int, int] | range) -> tuple[int, int]:
    """The ids, from start to stop, of the i-th of n parts of the images, or of a range.

    Raises:
        SemlensError: there is no such part.
    """
    if isinstance(shard, range):
        if not (0 <= shard.start < shard.stop <= len(images) and shard.step == 1):
            raise SemlensError(f"{shard} is no part of {len(images)} images: give a range of ids one after the other")
        return shard.start, shard.stop
    if not 0 <= shard[0] < shard[1]:
        raise SemlensError(f"shard {shard[0]}/{shard[1]} does not exist; shards count from 0 to {shard[1] - 1}")
    return shard[0] * len(images) // shard[1], (shard[0] + 1) * len(images) // shard[1]


def origin_of(model: VisionModel, images: ExampleSet, precision: str) -> Origin:
    """What a pass of the model over the images is remembered by."""
    return Origin(
        model=model.name,
        model_fingerprint=model.fingerprint(),
        preprocess=describe(model.preprocess),
        images=images.source,
        images_fingerprint=images.fingerprint,
        count=len(images),
        precision=precision,
    )
