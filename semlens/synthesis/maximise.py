"""Activation maximisation: pictures that excite a component most, found by gradient ascent."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from semlens.errors import SemlensError
from semlens.model import Components, Site, VisionModel, parse_all, record
from semlens.progress import visible
from semlens.synthesis.canvas import CONTRAST, changed, moved_about, noise, painted, variation
from semlens.synthesis.pixels import Pixels, pixels_of
from semlens.types import Bool, Component, Float, Progress

STEPS = 256
_RATE, _RATE_ON_IMAGES = 0.05, 0.01  # of Adam
_FAINT = 0.02  # the first noise on an image, as a part of that without one


@dataclass(frozen=True, eq=False)
class Maximised:
    """A picture made for a component.

    Attributes:
        picture: RGB, as large as the model's input.
        activation: of the component, on the picture as the model's own preprocessing reads it; 0 for one behind a ReLU
            that no noise opened.
        before: on the noise, or the image, that it was made from.
        start: that image, as the model's input has it; None for noise.
    """

    component: Component
    picture: Image.Image
    activation: float
    before: float
    start: Image.Image | None = None


def maximise(
    model: VisionModel,
    components: Sequence[str | Component],
    *,
    images: int = 1,
    on: Sequence[Image.Image] = (),
    until: Sequence[float] = (),
    steps: int = STEPS,
    contrast: float = CONTRAST,
    total_variation: float = 0.1,
    diversity: float = 0.1,
    pool: str = "mean",
    jitter: bool = True,
    batch_size: int = 16,
    seed: int = 0,
    progress: Progress = visible,
) -> list[Maximised]:
    """Pictures that excite each of the components most, among all of the same contrast: `images` in a row for each.

    Examples show what excites a component among the images there are; such a picture can show what none of them has. It
    is no image that a camera could take: what seems to count in it is to be confirmed on images.

    Args:
        components: "layer:unit" or Component, of any kind, in any number of layers.
        images: for each component; `diversity` keeps them apart.
        on: images that are changed, in place of noise: the first for each component's first picture, and so on; as many
            as `images`. Such a picture differs from an image in what excites the component.
        until: for each component the activation at which its pictures are done; with it, a picture is changed no
            further than it takes, in `steps` at most.
        contrast: root mean square of a pixel's difference from grey, of a range of 1; of pictures made from noise.
        total_variation: share of the activation that is given up for 1 less of mean difference between neighbours.
        diversity: share that is given up for patterns 1 less like those of the component's other pictures: by the mean
            cosine of the layer's Gram matrices.
        pool: what of the component is maximised over positions: its "mean" or its "max".
        jitter: whether the picture is shifted, turned and scaled a little before every step, so that it holds patterns
            that excite wherever they lie, not noise that fits the pixels.
        seed: of the noise and the shifts, for each picture its own.

    Source: Erhan et al. 2009; Simonyan et al. 2013; Olah et al. 2017 (frequencies, colours, shifts, diversity).

    Raises:
        SemlensError: a component that does not exist, a preprocessing without a gradient, numbers out of range.
    """
    if images < 1 or steps < 1 or not 0 < contrast <= 0.5 or pool not in ("mean", "max"):
        raise SemlensError("images and steps are at least 1, contrast is above 0 and at most 0.5, pool is mean or max")
    if (on and len(on) != images) or (until and len(until) != len(components)):
        raise SemlensError("on has an image for each picture of a component, and until a number for each component")
    asked = [given if isinstance(given, Component) else Component.parse(given) for given in components]
    pixels, kinds = pixels_of(model), _kinds(model, asked)
    starts = _starts(model, pixels, on) if on else None
    at_once, made = max(batch_size // images, 1), list[Maximised]()
    for start in range(0, len(asked), at_once):
        rows = [component for component in asked[start : start + at_once] for _ in range(images)]
        generators = [torch.Generator().manual_seed(seed * 1_000_003 + i % images) for i in range(len(rows))]
        repeated = None if starts is None else starts.repeat(len(rows) // images, 1, 1, 1)
        enough = [goal for goal in until[start : start + at_once] for _ in range(images)]
        ascent = _Ascent(model, kinds, rows, images, pixels, contrast, pool, repeated, enough)

        def step_done(step: int, start: int = start, count: int = len(rows) // images) -> None:
            progress("maximise", start * steps + step * count, len(asked) * steps)

        made += _climb(ascent, generators, steps, total_variation, diversity if images > 1 else 0.0, jitter, step_done)
    return made


def _starts(model: VisionModel, pixels: Pixels, on: Sequence[Image.Image]) -> Float[Tensor, "n 3 h w"]:
    """Images as the model takes them, in RGB from 0 to 1."""
    x = torch.stack([model.preprocess(image.convert("RGB")) for image in on])
    return pixels.back(x.to(model.device, torch.float32))


def _kinds(model: VisionModel, asked: Sequence[Component]) -> dict[str, Components]:
    """The kind of each layer.

    Raises:
        SemlensError: a layer or a unit that does not exist.
    """
    layers = list(dict.fromkeys(component.layer for component in asked))
    found = dict(zip(layers, parse_all(model.net, layers, model.example_input()), strict=True))
    for component in asked:
        count = found[component.layer][1]
        if not 0 <= component.unit < count:
            raise SemlensError(f"unknown component '{component}': {component.layer} has units 0 to {count - 1}")
    return {layer: kind for layer, (kind, _) in found.items()}


@dataclass(frozen=True, eq=False)
class _Ascent:
    """Pictures that are made together.

    Attributes:
        rows: the component of each picture; those of one component, `each` in number, lie side by side.
        starts: the images that are changed; None where pictures are made from noise.
        enough: the activation of each at which it is done; empty if none is.
    """

    model: VisionModel
    kinds: dict[str, Components]
    rows: Sequence[Component]
    each: int
    pixels: Pixels
    contrast: float
    pool: str
    starts: Float[Tensor, "n 3 h w"] | None
    enough: Sequence[float]

    def first(self, generators: Sequence[torch.Generator]) -> Float[Tensor, "n 3 h f 2"]:
        """The coefficients to begin with: of noise, which is faint on images."""
        return noise(self.pixels.size, generators) * (1 if self.starts is None else _FAINT)

    def done(self, shown: Float[Tensor, "n 3 h w"]) -> Bool[Tensor, "n"]:
        """Which pictures excite their component enough."""
        if not self.enough:
            return torch.zeros(len(shown), dtype=torch.bool, device=shown.device)
        with torch.no_grad():
            acts, _ = self.see(self.pixels(shown), patterns=False)
        return acts >= torch.tensor(self.enough).to(acts)

    def paint(self, coefficients: Float[Tensor, "n 3 h f 2"]) -> Float[Tensor, "n 3 h w"]:
        """The pictures from 0 to 1."""
        if self.starts is None:
            return painted(coefficients, self.pixels.size, self.contrast)
        return changed(coefficients, self.starts)

    def photos(self, coefficients: Float[Tensor, "n 3 h f 2"]) -> list[Image.Image]:
        """The pictures in 8 bits."""
        with torch.no_grad():
            return in_bits(self.paint(coefficients))

    def read(self, photos: Sequence[Image.Image]) -> list[float]:
        """What each picture gives its component, as the model's own preprocessing reads it."""
        with torch.no_grad():
            x = torch.stack([self.model.preprocess(photo) for photo in photos])
            acts, _ = self.see(x.to(self.model.device), patterns=False)
        return acts.float().tolist()

    def see(self, x: Float[Tensor, "n c h w"], patterns: bool) -> tuple[Float[Tensor, "n"], Float[Tensor, "n"]]:
        """Each picture's pooled activation of its component; and, with `patterns`, how much the layer's pattern on it
        is like those on the component's other pictures."""
        layers = dict.fromkeys(row.layer for row in self.rows)
        at = {layer: [i for i, row in enumerate(self.rows) if row.layer == layer] for layer in layers}
        sites: dict[Site, list[str]] = {}
        for layer in layers:
            sites.setdefault(self.kinds[layer].site, []).append(layer)

        def keep(site: Site, output: object) -> dict[str, tuple[Tensor, Tensor]]:
            return {layer: self._of(layer, at[layer], output, patterns) for layer in sites[site]}

        with record(self.model.net, list(sites), keep) as run:
            self.model.net(x.to(self.model.dtype))
        found = {layer: values for site in sites for layer, values in run[site].items()}
        order = torch.tensor([i for layer in layers for i in at[layer]], device=x.device).argsort()
        acts, alike = (torch.cat([found[layer][part] for layer in layers])[order] for part in range(2))
        return acts, alike

    def _of(self, layer: str, at: Sequence[int], output: object, patterns: bool) -> tuple[Tensor, Tensor]:
        kind, rows = self.kinds[layer], torch.tensor(at)
        found = kind.at(output, rows, torch.tensor([self.rows[i].unit for i in at]))
        pooled = found.mean(1) if self.pool == "mean" else found.amax(1)
        return pooled, likeness(kind.read(output)[rows], self.each) if patterns else torch.zeros_like(pooled)


def _climb(
    ascent: _Ascent, generators: Sequence[torch.Generator], steps: int, total_variation: float, diversity: float,
    jitter: bool, step_done: Callable[[int], None],
) -> list[Maximised]:  # fmt: skip
    coefficients = ascent.first(generators).to(ascent.model.device).requires_grad_()
    adam = torch.optim.Adam([coefficients], _RATE if ascent.starts is None else _RATE_ON_IMAGES)
    first = ascent.photos(coefficients) if ascent.starts is None else in_bits(ascent.starts)
    before = ascent.read(first)
    found = torch.zeros(len(generators), 1, 1, 1, 1, dtype=torch.bool, device=coefficients.device)
    for step in range(steps):
        shown = ascent.paint(coefficients)
        done, kept = ascent.done(shown), coefficients.detach().clone()
        if done.all():
            break
        moves = torch.stack([torch.rand(4, generator=generator) * 2 - 1 for generator in generators]).to(shown)
        acts, alike = ascent.see(ascent.pixels(moved_about(shown, moves) if jitter else shown), diversity > 0)
        (up,) = torch.autograd.grad(acts.sum(), [shown], retain_graph=True)
        fires = (up.flatten(1).norm(dim=1) > 0).view(-1, 1, 1, 1)
        cost = total_variation * variation(shown) + diversity * alike
        (down,) = torch.autograd.grad(cost.sum(), [shown], retain_graph=True)
        pull = fires * (down - up / reach(up, shown).clamp(min=1e-12))
        (coefficients.grad,) = torch.autograd.grad([shown], [coefficients], [pull])
        adam.step()
        with torch.no_grad():
            coefficients.copy_(torch.where(done.view(-1, 1, 1, 1, 1), kept, coefficients))
        found |= fires[..., None]
        if not found.all():  # from where a ReLU is shut no gradient leads on: other noise may open it
            with torch.no_grad():
                coefficients.copy_(torch.where(found, coefficients, ascent.first(generators).to(shown)))
        step_done(step + 1)
    photos = ascent.photos(coefficients)
    starts = [None] * len(photos) if ascent.starts is None else first
    made = zip(ascent.rows, photos, ascent.read(photos), before, starts, strict=True)
    return [Maximised(*each) for each in made]


def in_bits(pictures: Float[Tensor, "n 3 h w"]) -> list[Image.Image]:
    """Pictures in 8 bits."""
    levels = (pictures * 255).round().to(torch.uint8)
    return [Image.fromarray(array) for array in levels.permute(0, 2, 3, 1).contiguous().cpu().numpy()]


def reach(gradient: Float[Tensor, "n 3 h w"], shown: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 1 1 1"]:
    """What a linear component with this gradient reaches on a picture of this contrast: the unit of its activation."""
    lengths = [pictures.detach().flatten(1).norm(dim=1) for pictures in (gradient, shown - 0.5)]
    return (lengths[0] * lengths[1]).view(-1, 1, 1, 1)


def likeness(patterns: Float[Tensor, "n c p"], each: int) -> Float[Tensor, "n"]:
    """The mean cosine of each picture's Gram matrix, over positions, with those of its group's others.

    Source: Gatys et al. 2016 (Gram matrices as the style of a picture).
    """
    grams = torch.nn.functional.normalize((patterns @ patterns.transpose(1, 2)).flatten(1), dim=1)
    grouped = grams.unflatten(0, (-1, each))
    cosines = grouped @ grouped.transpose(1, 2)
    return ((cosines.sum(2) - cosines.diagonal(dim1=1, dim2=2)) / (each - 1)).flatten()
