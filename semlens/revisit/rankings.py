"""How relevant every component of a layer is on some images, by whatever method: what faithfulness is asked of."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from semlens.attribution import COMPOSITES, Fixed, attribute
from semlens.errors import SemlensError, unknown
from semlens.model import Components, Latents, VisionModel, edit, put_tensor, record, tensor_in, vectors_of
from semlens.types import Bool, Float, Int64, Shaped

ATTRIBUTED = ("gradient", "integrated_gradients")
LENSES = ("logit_lens", "activation_logit_lens")
PLAIN = ("energy", "random", "ablation")
GREEDY = "greedy_gradient"
"""Attribution patching that is done again as components go: in parts, each by its gradient where the last ended."""
PARTS = 20
BY = (*ATTRIBUTED, *LENSES, *PLAIN)
"""Ways to rank components: attribution patching and its integral; what a component's direction alone gives, plain and
times its activation; activation times the direction's length; chance; and what the output loses without it, exactly."""
_HELD = 2**25  # activations that are held at once while components go one at a time: 128 MB


def check_ways(by: tuple[str, ...]) -> None:
    """Refuses ways that do not exist.

    Raises:
        SemlensError: one is neither of BY nor a composite, or there is none.
    """
    for one in by:
        if one not in (*BY, GREEDY, "auto", *COMPOSITES):
            raise unknown("way to rank components", one, (*BY, GREEDY, "auto", *COMPOSITES))
    if not by or len(set(by)) < len(by):
        raise SemlensError("name at least one way to rank components, and each once")


def places_of(values: Float[Tensor, "n ..."]) -> Int64[Tensor, "n ..."]:
    """The place of each value in its row, from 0, the highest first; equal ones in the order in which they stand."""
    flat = values.flatten(1)
    return flat.argsort(dim=1, descending=True, stable=True).argsort(dim=1, stable=True).view(values.shape)


@dataclass(frozen=True, eq=False)
class Asked:
    """A batch of images, and what is asked of a layer there.

    Args:
        acts, before: activations of the components, and those that they are set to.
    """

    model: VisionModel
    kind: Components
    target: Fixed
    x: Shaped[Tensor, "n ..."]
    acts: Float[Tensor, "n c p"]
    before: Float[Tensor, "n c p"]
    baseline: Float[Tensor, "n ..."] | None
    ids: tuple[int, ...]
    seed: int

    @property
    def counts(self) -> Bool[Tensor, "n c"]:
        """Which components do anything on which image: those that differ from what they are set to."""
        return (self.acts != self.before).any(2)

    def score(self, keep: Bool[Tensor, "n c"]) -> Float[Tensor, "n"]:
        """The output of each image with only some of the components as they are."""
        acts = torch.where(keep[:, :, None], self.acts, self.before)
        return self._output(self.x, acts, torch.arange(len(acts), device=acts.device))

    def _output(self, x: Float[Tensor, "m ..."], acts: Float[Tensor, "m c p"], rows: Int64[Tensor, "m"]) -> Tensor:
        with torch.no_grad(), edit(self.model.net, self.kind.site, lambda output: self.kind.write(output, acts)):
            return self.target.of(self.model.net(x), rows)

    def patched(self, keep: Bool[Tensor, "n c"]) -> Float[Tensor, "n c"]:
        """Activation times gradient where only some of the components are as they are."""
        acts = torch.where(keep[:, :, None], self.acts, self.before).requires_grad_()
        rows = torch.arange(len(acts), device=acts.device)
        with torch.enable_grad(), edit(self.model.net, self.kind.site, lambda output: self.kind.write(output, acts)):
            value = self.target.of(self.model.net(self.x), rows).sum()
        (g,) = torch.autograd.grad(value, acts)
        return ((self.acts - self.before) * g).sum(2)

    def without_each(self) -> Float[Tensor, "n c"]:
        """What the output loses without each component: one forward pass for each that does anything on an image."""
        whole = self.score(torch.ones_like(self.counts))
        lost = torch.zeros(self.counts.shape, dtype=whole.dtype, device=whole.device)
        pairs = self.counts.nonzero()
        for some in pairs.split(max(1, _HELD // self.acts[0].numel())):
            rows, units = some.T
            acts = self.acts[rows]
            acts[torch.arange(len(some)), units] = self.before[rows, units]
            lost[rows, units] = whole[rows] - self._output(self.x[rows], acts, rows)
        return lost


@dataclass(eq=False)
class Lens:
    """What the output is for the direction of one component alone: the logit lens. Mutable: it keeps what it has seen.

    A unit's direction stands at every position of the layer, its class token too, with the mean length of the layer's
    vectors; on an image of zeros, which counts only where something goes around the layer.

    Source: nostalgebraist 2020; Dreyer et al. 2025 (arXiv 2505.20229), as baseline. But: of any layer, through all that
    comes behind it.
    """

    kept: dict[int, Float[Tensor, "y"]] = field(default_factory=dict)
    length: float = 0.0

    def of(self, asked: Asked) -> Float[Tensor, "n c"]:
        """The output of each image, of the components that do anything on one of them; 0 for all others."""
        wanted = asked.counts.any(0).nonzero()[:, 0].tolist()
        missing = torch.tensor([unit for unit in wanted if unit not in self.kept], dtype=torch.int64)
        for units in missing.split(len(asked.x)):
            self.kept.update(zip(units.tolist(), self._alone(asked, units), strict=True))
        found = asked.acts.new_zeros(asked.acts.shape[:2])
        if wanted:
            found[:, wanted] = torch.stack([self.kept[unit] for unit in wanted], dim=1)[asked.target.columns].to(found)
        return found

    def _alone(self, asked: Asked, units: Int64[Tensor, "m"]) -> Float[Tensor, "m y"]:
        self.length = self.length or _mean_length(asked)
        zeros = torch.zeros_like(asked.x[:1]).expand(len(units), *asked.x.shape[1:])
        with torch.no_grad(), edit(asked.model.net, asked.kind.site, partial(self._write, asked.kind, units)):
            return asked.target.table(asked.model.net(zeros), len(units))

    def _write(self, kind: Components, units: Int64[Tensor, "m"], output: Any) -> Any:
        """The layer's output with the directions of units in place of all that is there."""
        found = normalize(directions(kind, output, units), dim=1)
        if not found.any(1).all():
            raise SemlensError(
                f"the components of {kind.layer!r} have no direction of their own: leave the logit lens out (--by)"
            )
        laid = put_tensor(output, torch.zeros_like(tensor_in(output)))
        for one in (vectors_of(kind), *map(vectors_of, kind.beside)):
            places = one.vectors(laid).shape[1]
            laid = one.put(laid, (found * self.length)[:, None].expand(-1, places, -1).to(tensor_in(output).dtype))
        return laid


def _mean_length(asked: Asked) -> float:
    def keep(_: Any, output: Any) -> Tensor:
        return vectors_of(asked.kind).vectors(output).norm(dim=2).mean()

    with torch.no_grad(), record(asked.model.net, [asked.kind.site], keep) as seen:
        asked.model.net(asked.x)
        return float(seen[asked.kind.site])


def directions(kind: Components, output: Any, units: Int64[Tensor, "m"]) -> Float[Tensor, "m d"]:
    """What an activation of 1 of some units writes at a position.

    Args:
        output: of the layer, on as many images.
    """
    if isinstance(kind, Latents):
        return kind.weights.decoder[units]
    nothing = put_tensor(output, torch.zeros_like(tensor_in(output)))
    one = kind.read(nothing).clone()
    one[torch.arange(len(units)), units] += 1
    return vectors_of(kind).vectors(kind.write(nothing, one))[:, 0]


def ranked(by: str, asked: Asked, lens: Lens, draw: int = 0) -> Float[Tensor, "n c"]:
    """How relevant each component is on each image, the higher the more.

    Raises:
        SemlensError: the layer's components have no direction, and the way needs one.
    """
    ways: dict[str, Callable[[], Tensor]] = {
        "energy": lambda: asked.acts.abs().sum(2) * _lengths(asked),
        "random": lambda: _random(asked, draw),
        "ablation": asked.without_each,
        GREEDY: lambda: _greedy(asked),
        "logit_lens": lambda: lens.of(asked),
        "activation_logit_lens": lambda: asked.acts.sum(2) * lens.of(asked),
    }
    if by in ways:
        return ways[by]()
    baseline = asked.baseline if by in ATTRIBUTED else None
    found = attribute(
        asked.model,
        asked.x,
        asked.target.target,
        method=by,
        layers=[asked.kind],
        heat=False,
        baseline=baseline,
    )
    return next(iter(found.layers.values())).sum(2)


def _greedy(asked: Asked) -> Float[Tensor, "n c"]:
    """The higher, the earlier a component goes if those that are most relevant at what is left go first, a part of
    them at a time."""
    left, sizes = asked.counts, asked.counts.sum(1, keepdim=True)
    relevance = torch.zeros(left.shape, device=left.device)
    for part in range(PARTS):
        now = asked.patched(left).masked_fill(~left, -torch.inf)
        places = now.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
        goes = left & (places < (sizes * (part + 1) / PARTS).round() - (sizes - left.sum(1, keepdim=True)))
        relevance = torch.where(goes, PARTS - part - places / places.shape[1], relevance)
        left = left & ~goes
    return relevance


def _lengths(asked: Asked) -> Float[Tensor, "c"]:
    """Of the components' directions; 1 where they have none."""
    if isinstance(asked.kind, Latents):
        return asked.kind.weights.decoder.norm(dim=1)
    return asked.acts.new_ones(asked.acts.shape[1])  # one unit of an axis each, or a length already


def _random(asked: Asked, draw: int) -> Float[Tensor, "n c"]:
    rows = [np.random.default_rng([asked.seed, id, draw]).random(asked.acts.shape[1]) for id in asked.ids]
    return torch.from_numpy(np.stack(rows)).to(asked.acts.device)
