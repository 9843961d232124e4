"""Every component's share of its layer's relevance, summed over images: the stream that a pass for classes fills."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from semlens.attribution.composite import Composite
from semlens.attribution.conservation import Conservation, joined
from semlens.attribution.flow import Front, brought, entering, exact_device, reaches, relevance_of, summed
from semlens.attribution.membership import Classes, Membership
from semlens.attribution.taps import Gradients, Tap, beside, by_site, unread
from semlens.attribution.targets import logits_in
from semlens.attribution.trace import Trace, trace
from semlens.collection import Drawing, TopK, decode, no_rows
from semlens.errors import SemlensError
from semlens.model import Components, Latents, VisionModel
from semlens.types import (
    ERROR,
    SHARE_UNIT,
    TOP_COMPONENTS,
    Bool,
    Float,
    Int64,
    LayerAxis,
    Origin,
    Relevance,
    Shaped,
    Unreadable,
)


@dataclass(frozen=True)
class ClassTask:
    """What is computed: of which components, for which classes, over which of their images, by which rules."""

    model: VisionModel
    origin: Origin
    kinds: tuple[Components, ...]
    axes: tuple[LayerAxis, ...]
    classes: Classes
    members: Membership
    method: str
    rules: Composite | None  # None for the gradient
    parameters: dict[str, str | int | float | bool]  # of the rules
    k: int
    vectors: int = 0  # images of a class, at most, whose shares are kept

    @property
    def beside(self) -> tuple[str, ...]:
        """The tokens of these layers that are not read, by the name under which they can be, and error nodes of
        dictionaries."""
        tokens = tuple(name for kinds in by_site(self.kinds) for name in beside(kinds))
        return tokens + tuple(f"{kind.layer}{ERROR}" for kind in self.kinds if isinstance(kind, Latents))


@dataclass
class ClassStream:
    """The running sums and the running top-k. Mutable, because a stream is."""

    task: ClassTask
    top: TopK = field(init=False)
    sums: Int64[Tensor, "s c y"] = field(init=False)  # positive, negative, top
    counts: Int64[Tensor, "y"] = field(init=False)
    passing: Int64[Tensor, "t y"] = field(init=False)  # what passes tokens that are not read
    device: torch.device = field(init=False)
    drawing: Drawing | None = field(init=False)  # of single images, if any
    report: Conservation | None = None  # of the layer nearest to the image

    def __post_init__(self) -> None:
        components, classes = self.task.axes[-1].stop, len(self.task.classes.numbers)
        self.device = device = exact_device(self.task.model.device)
        self.top = TopK(components, self.task.k, device)
        self.sums = torch.zeros(3, components, classes, dtype=torch.int64, device=device)
        self.counts = torch.zeros(classes, dtype=torch.int64, device=device)
        self.passing = torch.zeros(len(self.task.beside), classes, dtype=torch.int64, device=device)
        rows, images = no_rows(self.task.vectors, components), self.task.origin.count
        self.drawing = Drawing(rows, classes, images) if self.task.vectors else None

    def wanted(self, start: int, stop: int) -> Sequence[int]:
        """The images from start to stop that may count for a class."""
        return self.task.members.wanted(start, stop)

    def add(self, x: Shaped[Tensor, "n ..."], ids: Sequence[int]) -> None:
        """Takes a batch in; rows of `x` beyond `ids` only pad it."""
        ranked: Float[Tensor, "n c"] | None = None
        with trace(self.task.model.net, x, self.task.rules, self.task.kinds) as run:
            logits = logits_in(run.output, len(x))
            own = self.task.members.own(logits.detach(), ids).to(self.device)
            for column in self.task.members.passes(own, ids):
                counts = column >= 0
                if counts.any():
                    shares = self._shares(run, logits, column)
                    self._count(shares[counts], column[counts])
                    self._draw(shares, column, logits.detach(), ids)
                    ranked = shares if ranked is None else torch.where((column == own)[:, None], shares, ranked)
        if ranked is not None:
            self._rank(ranked[: len(ids)], own[: len(ids)] >= 0, ids)

    def _shares(self, run: Trace, logits: Float[Tensor, "n y"], column: Int64[Tensor, "n"]) -> Float[Tensor, "n c"]:
        """Every component's share of its layer's relevance for each row's class, in [-1, 1]; 0 for rows without one."""
        column = column.to(logits.device)
        numbers = torch.tensor(self.task.classes.numbers, device=logits.device)[column.clamp(min=0)]
        start = torch.nn.functional.one_hot(numbers, logits.shape[1]).to(logits.dtype) * (column >= 0)[:, None]
        run.ledger.on = self.task.rules is not None
        front = Front(logits, start, logits.detach())
        taps = [run.taps[kind.layer] for kind in self.task.kinds]
        gradients = dict(zip(taps, brought([front], taps), strict=True))
        layers, relevance = [], dict[str, Tensor]()
        for tap in taps:
            if not reaches(gradients[tap]):
                raise SemlensError(f"no relevance reaches layer {tap.kind.layer!r}: the classes do not depend on it")
            found = relevance_of(tap, gradients[tap])
            relevance |= {tap.kind.layer: found} if isinstance(tap.kind, Latents) else {}
            total = summed(found, 2)
            layers.append((total / total.abs().sum(1, keepdim=True).clamp(min=1e-300)).clamp(-1, 1).nan_to_num())
        self._note(run, entering([front]), gradients, column, unread(gradients, relevance))
        return torch.cat(layers, dim=1)

    def _note(
        self, run: Trace, entered: Float[Tensor, "n"], gradients: Mapping[Tap, Gradients],
        column: Int64[Tensor, "n"], shares: Mapping[str, Float[Tensor, "n"]],
    ) -> None:  # fmt: skip
        """Notes what does not stand in the shares: what is lost on the way, and what passes tokens that are not
        read."""
        nearest, counted = next(iter(run.taps.values())), column >= 0  # the layer nearest to the image
        if run.ledger.on:
            amount = nearest.kind.rows.gather(nearest.elements(gradients[nearest]))
            report = run.ledger.close(entered, [amount.flatten(1).sum(1)], counted)
            self.report = report if self.report is None else joined([self.report, report])
        for place, name in enumerate(self.task.beside):
            whole = (shares[name][counted].to(self.device).double() * SHARE_UNIT).round().long()
            self.passing[place].index_add_(0, column[counted].to(self.device), whole)

    def _count(self, shares: Float[Tensor, "n c"], column: Int64[Tensor, "n"]) -> None:
        whole = (shares * SHARE_UNIT).round().long().T
        self.sums[0].index_add_(1, column, whole.clamp(min=0))
        self.sums[1].index_add_(1, column, (-whole).clamp(min=0))
        self.sums[2].index_add_(1, column, self._among_the_top(shares).long().T)
        self.counts.index_add_(0, column, torch.ones_like(column))

    def _draw(
        self, shares: Float[Tensor, "n c"], column: Int64[Tensor, "n"], logits: Float[Tensor, "n y"], ids: Sequence[int]
    ) -> None:
        """Keeps the shares of the images that are drawn of their class."""
        if self.drawing is None:
            return
        columns, numbers = column[: len(ids)].cpu().numpy(), np.array(ids)
        at = np.flatnonzero(columns >= 0)
        at = at[self.drawing.wanted(numbers[at], columns[at])]
        predicted = logits.argmax(1).cpu().numpy()[at].astype(np.int32)
        vectors = shares[torch.from_numpy(at).to(shares.device)].half().cpu().numpy()
        self.drawing.add(numbers[at].astype(np.int32), columns[at].astype(np.int32), predicted, vectors)

    def _rank(self, shares: Float[Tensor, "n c"], member: Bool[Tensor, "n"], ids: Sequence[int]) -> None:
        """RelMax: the images on which a component has the largest share for the image's own class."""
        shares = shares[member]
        self.top.add(torch.where(shares > 0, shares, -torch.inf).float(), torch.tensor(ids)[member.cpu()])

    def _among_the_top(self, shares: Float[Tensor, "n c"]) -> Bool[Tensor, "n c"]:
        """Which components are among the TOP_COMPONENTS of their layer, and positive."""
        layers = []
        for axis in self.task.axes:
            layer = shares[:, axis.start : axis.stop]
            least = layer.topk(min(TOP_COMPONENTS, layer.shape[1]), dim=1).values[:, -1:]
            layers.append((layer >= least) & (layer > 0))
        return torch.cat(layers, dim=1)

    def state(self, seen: tuple[tuple[int, int], ...] = (), unreadable: tuple[Unreadable, ...] = ()) -> Relevance:
        """What the stream holds now, from the images in `seen`."""
        self.top.flush()
        shares, ids = decode(self.top.keys.sort(dim=1, descending=True).values.cpu().numpy())
        positive, negative, top = (sums.cpu().numpy().copy() for sums in self.sums)
        return Relevance(
            origin=self.task.origin,
            layers=self.task.axes,
            method=self.task.method,
            parameters=self.task.parameters,
            of=self.task.members.of,
            classes=self.task.classes.numbers,
            class_names=self.task.classes.names,
            positive=positive,
            negative=negative,
            top=top,
            counts=self.counts.cpu().numpy().copy(),
            beside=self.task.beside,
            passing=self.passing.cpu().numpy().copy(),
            ids=ids,
            shares=shares,
            seen=seen,
            unreadable=unreadable,
            vectors=self.drawing.settled() if self.drawing else None,
        )
