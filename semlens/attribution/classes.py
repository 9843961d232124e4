"""Relevance of every component for some classes over a data set: one pass, streamed and mergeable as `collect` is."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

import torch
from torch import Tensor

from semlens.attribution.attribute import choose
from semlens.attribution.composite import Composite
from semlens.attribution.conservation import WARN_ABOVE, Conservation, joined, per_image, warn
from semlens.attribution.flow import Front, relevance_of, send
from semlens.attribution.targets import output_number
from semlens.attribution.trace import Trace, trace
from semlens.collection import (
    TopK,
    check_k,
    decode,
    earlier,
    first_input,
    join,
    load_relevance,
    merge_relevance,
    missing_ranges,
    origin_of,
    part_of,
    save_relevance,
    stack,
    tuned_allocator,
)
from semlens.errors import SemlensError, unknown
from semlens.images import ImageSet
from semlens.images.loader import Batch, batches, default_workers
from semlens.model import Components, VisionModel, parse_all, still, tensor_in
from semlens.shapes import Bool, Float, Int64
from semlens.types import (
    SHARE_UNIT,
    TOP_COMPONENTS,
    LayerAxis,
    Origin,
    Progress,
    Relevance,
    Unreadable,
    axis_of,
    silent,
)

OF = ("auto", "label", "predicted", "all")


def relevance(
    model: VisionModel,
    images: ImageSet,
    layers: Sequence[str],
    classes: Sequence[int | str],
    *,
    of: str = "auto",
    method: str | Composite = "auto",
    k: int = 30,
    batch_size: int = 32,
    workers: int | None = None,
    shard: tuple[int, int] = (0, 1),
    checkpoint: Path | None = None,
    checkpoint_every: int = 100,
    resume: bool = False,
    warn_above: float = WARN_ABOVE,
    progress: Progress = silent,
) -> Relevance:
    """How much every component moves the logits of some classes, on average over their images, and the k images on
    which each component is used most (RelMax).

    On every image each layer's relevance is divided by its sum of magnitudes, so that a loud image is not worth ten.

    Source: Dreyer et al. 2025 (class relevance); Achtibat et al. 2023 (RelMax).

    Args:
        classes: outputs by number or class name.
        of: whose images count for a class: "label", those that carry its name or number as label; "predicted", those
            where its logit is the highest of all; "all", every image for every class, and an image's own class is then
            the highest of these. "auto": by label where a label names one of the classes, else predicted.
        method: as in `attribute`, except for integrated gradients, which need a pass per step and layer.
        shard, checkpoint, resume: as in `collect`.

    Raises:
        SemlensError: a class, layer or method that does not exist, or k out of range.
    """
    start, stop = part_of(images, shard)
    first = first_input(model, images)
    stream = _stream(model, images, layers, classes, of, method, k, first)
    before = earlier(checkpoint, stream.relevance(), load_relevance, "layers, classes or method") if resume else None

    def state() -> Relevance:
        return merge_relevance(before, stream.relevance()) if before else stream.relevance()

    gaps = missing_ranges(before.seen if before else (), start, stop)
    workers = default_workers(model.device.type) if workers is None else workers
    number = 0
    with tuned_allocator():
        for low, high in gaps:
            ids = [i for i in range(low, high) if stream.may_count(i)]
            for batch in batches(images, ids, model.preprocess, batch_size=batch_size, workers=workers):
                if batch.ids:
                    stream.add(stack(batch, images, batch_size, first), batch.ids)
                low = stream.saw(low, batch)
                number += 1
                progress("relevance", low - start, stop - start)
                if checkpoint is not None and number % checkpoint_every == 0:
                    save_relevance(state(), checkpoint)
            stream.seen.append((low, high))
            progress("relevance", high - start, stop - start)
    if checkpoint is not None:
        save_relevance(state(), checkpoint)
    if stream.report is not None:
        warn(stream.report, warn_above)
    return state()


def check_classes(
    model: VisionModel, images: ImageSet, layers: Sequence[str], classes: Sequence[int | str], of: str,
    method: str | Composite, k: int,
) -> None:  # fmt: skip
    """Raises SemlensError for every mistake that `relevance` would name before its pass."""
    _stream(model, images, layers, classes, of, method, k, first_input(model, images))


def _stream(
    model: VisionModel, images: ImageSet, layers: Sequence[str], classes: Sequence[int | str], of: str,
    method: str | Composite, k: int, first: Float[Tensor, "1 ..."],
) -> "_Stream":  # fmt: skip
    """An empty stream. Raises SemlensError for what a user may have got wrong."""
    rules = choose(method, model)
    if rules == "integrated_gradients":
        raise SemlensError("integrated gradients need a pass per step and layer: choose another method for a data set")
    if of not in OF:
        raise unknown("choice of images", of, OF)
    check_k(k, images)
    with torch.no_grad(), still(model.net):
        outputs = tensor_in(model.net(first)).shape[-1]
    numbers = tuple(output_number(one, model.class_names, outputs) for one in classes)
    if len(set(numbers)) < len(numbers) or not numbers:
        raise SemlensError(f"classes {[*classes]}: give one or more, each once")
    names = tuple(model.class_names[n] if n < len(model.class_names) else "" for n in numbers)
    column = {text: i for i, n in enumerate(numbers) for text in (str(n), names[i]) if text}
    labelled = tuple(None if label is None else column.get(label) for label in images.labels)
    if of == "auto":
        of = "label" if any(one is not None for one in labelled) else "predicted"
    found = parse_all(model.net, layers, first)
    axes = axis_of((kind.layer, kind.kind, count) for kind, count in found)
    return _Stream(
        model, tuple(kind for kind, _ in found), axes, numbers, names, of, labelled, rules, k,
        origin_of(model, images, "float32"),
    )  # fmt: skip


@dataclass
class _Stream:
    """The running sums and the running top-k. Mutable, because a stream is."""

    model: VisionModel
    kinds: tuple[Components, ...]
    axes: tuple[LayerAxis, ...]
    classes: tuple[int, ...]
    names: tuple[str, ...]
    of: str
    labelled: tuple[int | None, ...]  # by image: the class its label names, as a column
    rules: Composite | str
    k: int
    origin: Origin
    top: TopK = field(init=False)
    sums: Int64[Tensor, "s c y"] = field(init=False)  # positive, negative, top
    counts: Int64[Tensor, "y"] = field(init=False)
    seen: list[tuple[int, int]] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    report: Conservation | None = None

    def __post_init__(self) -> None:
        c, y, on = self.axes[-1].stop, len(self.classes), self.model.device
        self.top = TopK(c, self.k, on)
        self.sums = torch.zeros(3, c, y, dtype=torch.int64, device=on)
        self.counts = torch.zeros(y, dtype=torch.int64, device=on)

    def may_count(self, i: int) -> bool:
        """Whether image i has to be looked at."""
        return self.of != "label" or self.labelled[i] is not None

    def saw(self, low: int, batch: Batch) -> int:
        """Notes a batch whose images start at `low`; where the next one starts."""
        self.unreadable += batch.unreadable
        high = max([*batch.ids, *(u.id for u in batch.unreadable)]) + 1
        self.seen.append((low, high))
        return high

    def add(self, x: Float[Tensor, "n ..."], ids: Sequence[int]) -> None:
        """Takes a batch in; rows of `x` beyond `ids` only pad it."""
        x = x.to(self.model.device, self.model.dtype)
        rules = self.rules if isinstance(self.rules, Composite) else None
        with trace(self.model.net, x, rules, self.kinds) as run:
            logits = tensor_in(run.output)
            own = self._own(logits.detach(), ids)
            best: dict[int, Tensor] = {}
            asked = range(len(self.classes)) if self.of == "all" else [None]
            for one in asked:
                column = own if one is None else torch.where(own >= 0, one, -1)  # a row that only pads stays out
                here = column >= 0
                if here.any():
                    shares = self._shares(run, logits, column)
                    self._count(shares[here], column[here])
                    best[-1 if one is None else one] = shares
        mine = best.get(-1) if self.of != "all" else _chosen(best, own)
        if mine is not None:
            keep = (own >= 0)[: len(ids)]
            strong = mine[: len(ids)][keep]
            strong = torch.where(strong > 0, strong, -torch.inf).float()
            self.top.add(strong, torch.tensor(ids)[keep.cpu()])

    def _own(self, logits: Float[Tensor, "n y"], ids: Sequence[int]) -> Int64[Tensor, "n"]:
        """Each row's own class as a column; -1 where it is none of them, or only pads."""
        own = torch.full((len(logits),), -1, dtype=torch.int64, device=logits.device)
        if self.of == "label":
            columns = [self.labelled[i] for i in ids]
            own[: len(ids)] = torch.tensor([-1 if one is None else one for one in columns])
            return own
        classes = torch.tensor(self.classes, device=logits.device)
        if self.of == "all":
            own[: len(ids)] = logits[: len(ids), classes].argmax(1)
            return own
        is_mine = logits[: len(ids)].argmax(1)[:, None] == classes
        own[: len(ids)] = torch.where(is_mine.any(1), is_mine.long().argmax(1), -1)
        return own

    def _shares(self, run: Trace, logits: Float[Tensor, "n y"], column: Int64[Tensor, "n"]) -> Float[Tensor, "n c"]:
        """Every component's share of its layer's relevance for each row's class, in [-1, 1]; 0 for rows without one."""
        from_class = torch.tensor(self.classes, device=logits.device)[column.clamp(min=0)]
        start = torch.nn.functional.one_hot(from_class, logits.shape[1]).to(logits.dtype) * (column >= 0)[:, None]
        front = Front(logits, start)
        run.ledger.on = isinstance(self.rules, Composite)
        taps = [run.taps[kind.layer] for kind in self.kinds]
        grads = send([front], [tap.value for tap in taps])
        parts = []
        for tap, g in zip(taps, grads, strict=True):
            if g is None:
                raise SemlensError(f"no relevance reaches layer {tap.kind.layer!r}: the classes do not depend on it")
            total = relevance_of(tap, g).sum(2, dtype=torch.float64)
            parts.append((total / total.abs().sum(1, keepdim=True).clamp(min=1e-300)).clamp(-1, 1).nan_to_num())
            if run.ledger.on and tap is next(iter(run.taps.values())):  # the layer nearest to the image
                entered, arrived = (logits.detach() * start).sum(1), per_image(tap.value.detach(), g)
                report = run.ledger.close(entered, [arrived], column >= 0)
                self.report = report if self.report is None else joined([self.report, report])
        return torch.cat(parts, dim=1)

    def _count(self, shares: Float[Tensor, "n c"], column: Int64[Tensor, "n"]) -> None:
        whole = (shares * SHARE_UNIT).round().long().T
        self.sums[0].index_add_(1, column, whole.clamp(min=0))
        self.sums[1].index_add_(1, column, (-whole).clamp(min=0))
        self.sums[2].index_add_(1, column, self._among_the_top(shares).long().T)
        self.counts.index_add_(0, column, torch.ones_like(column))

    def _among_the_top(self, shares: Float[Tensor, "n c"]) -> Bool[Tensor, "n c"]:
        """Which components are among the TOP_COMPONENTS of their layer, and positive."""
        parts = []
        for axis in self.axes:
            mine = shares[:, axis.start : axis.stop]
            least = mine.topk(min(TOP_COMPONENTS, mine.shape[1]), dim=1).values[:, -1:]
            parts.append((mine >= least) & (mine > 0))
        return torch.cat(parts, dim=1)

    def relevance(self) -> Relevance:
        """What the stream holds now."""
        self.top.flush()
        shares, ids = decode(self.top.keys.sort(dim=1, descending=True).values.cpu().numpy())
        positive, negative, top = (one.cpu().numpy().copy() for one in self.sums)
        rules = self.rules
        return Relevance(
            origin=self.origin,
            layers=self.axes,
            method=rules.name if isinstance(rules, Composite) else rules,
            parameters=parameters_of(rules) if isinstance(rules, Composite) else {},
            of=self.of,
            classes=self.classes,
            class_names=self.names,
            positive=positive,
            negative=negative,
            top=top,
            counts=self.counts.cpu().numpy().copy(),
            ids=ids,
            shares=shares,
            seen=join(self.seen),
            unreadable=tuple(self.unreadable),
        )


def _chosen(by_class: dict[int, Float[Tensor, "n c"]], own: Int64[Tensor, "n"]) -> Float[Tensor, "n c"]:
    """Each row's shares for its own class."""
    every = torch.stack([by_class[column] for column in sorted(by_class)])
    return every[own.clamp(min=0), torch.arange(len(own), device=own.device)]


def parameters_of(rules: Composite) -> dict[str, str | int | float | bool]:
    """The composite as plain values: what a result made with it is remembered by."""
    found: dict[str, str | int | float | bool] = {}
    for one in fields(rules):
        value = getattr(rules, one.name)
        if one.name not in {"name", "named", "functions"}:
            found[one.name] = value if isinstance(value, str) else repr(value)
    found |= {f"named {pattern}": repr(rule) for pattern, rule in rules.named}
    return found | {f"function {name}": treatment for name, treatment in rules.functions.items()}
