"""The truth about a model of the world, measured by intervention: what one concept, or one component less, changes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor

from semlens.collection import pooling
from semlens.model import Components, VisionModel, edit, parse_all, still, tensor_in
from semlens.testbed.world import NAMES, Scene, draw
from semlens.types import Bool, Float, Float32, LayerAxis, Progress, axis_of, silent

BATCH = 32

RESPONDS = 0.5
"""A component responds to a concept that raises its activation by this many of its standard deviations ..."""

MAIN = 0.5
"""... and by this part of what its strongest concept does."""


@dataclass(frozen=True)
class Effects:
    """What putting a concept into a picture changes, all else equal: its mean over pictures and standard error."""

    layers: tuple[LayerAxis, ...]
    concepts: tuple[str, ...]
    activation: Float32[np.ndarray, "c q"]  # change of the pooled activation, in its standard deviations over pictures
    activation_error: Float32[np.ndarray, "c q"]
    logit: Float32[np.ndarray, "n y q"]  # change of each of the model's outputs on each picture, in logits
    turned: Bool[np.ndarray, "n q"]  # pictures on which the prediction is another with than without

    @property
    def responds(self) -> Bool[np.ndarray, "c q"]:
        """Which concepts a component responds to: a clear rise, not far below its strongest."""
        strongest = np.maximum(self.activation.max(axis=1, keepdims=True), RESPONDS)
        sure = self.activation > 2 * self.activation_error
        return sure & (self.activation >= RESPONDS) & (self.activation >= MAIN * strongest)


def picture(scene: Scene) -> Image:
    """A scene as it is drawn."""
    return draw(scene).image


def effects(
    model: VisionModel,
    scenes: Sequence[Scene],
    layers: Sequence[str],
    *,
    concepts: Sequence[str] = NAMES,
    pool: str = "mean",
    see: Callable[[Scene], Image] = picture,
    progress: Progress = silent,
) -> Effects:
    """The effect of every concept: each scene is drawn as it is, and again for each concept with only that changed.

    Args:
        pool: how a component's activations over positions become one, as in `collect`.
        see: gives the picture of a scene, such as one that keeps what it has drawn for the next network.
    """
    parsed = parse_all(model.net, layers, model.example_input())
    kinds = [kind for kind, _ in parsed]
    base = run(model, kinds, scenes, pool, see)
    spread = base.pooled.std(axis=0)
    unit = np.where(spread > 0, spread, np.inf)  # what never varies responds to nothing
    activation, error, logit, turned = [], [], [], []
    for done, concept in enumerate(concepts):
        other = run(model, kinds, [scene.flipped(concept) for scene in scenes], pool, see)
        sign = np.where([scene.has(concept) for scene in scenes], -1, 1)[:, None]  # with it, less without it
        change = sign * (other.pooled - base.pooled) / unit
        activation.append(change.mean(axis=0))
        error.append(change.std(axis=0, ddof=1) / np.sqrt(len(change)))
        logit.append(sign * (other.logits - base.logits))
        turned.append(base.logits.argmax(axis=1) != other.logits.argmax(axis=1))
        progress("counterfactuals", done + 1, len(concepts))
    return Effects(
        layers=axis_of((kind.layer, kind.kind, components) for kind, components in parsed),
        concepts=tuple(concepts),
        activation=np.stack(activation, axis=1).astype(np.float32),
        activation_error=np.stack(error, axis=1).astype(np.float32),
        logit=np.stack(logit, axis=2).astype(np.float32),
        turned=np.stack(turned, axis=1),
    )


def outputs(model: VisionModel, scenes: Sequence[Scene]) -> Float32[np.ndarray, "n y"]:
    """The model's logits for some scenes."""
    with torch.no_grad(), still(model.net):
        return np.concatenate([_logits(model, x) for x in _inputs(model, scenes)])


def removals(
    model: VisionModel, scenes: Sequence[Scene], layers: Sequence[str], output: int, *, progress: Progress = silent
) -> Float32[np.ndarray, "c n"]:
    """By how much one output falls on each scene when a component is set to zero, in logits."""
    kinds = parse_all(model.net, layers, model.example_input())
    total = sum(components for _, components in kinds)
    falls: list[Float32[np.ndarray, "n"]] = []
    with torch.no_grad(), still(model.net):
        x = torch.cat(list(_inputs(model, scenes)))
        intact = _logits(model, x)[:, output]
        for kind, components in kinds:
            for unit in range(components):
                with edit(model.net, kind.site, partial(_without, kind, unit)):
                    falls.append(intact - _logits(model, x)[:, output])
                progress("removals", len(falls), total)
    return np.stack(falls)


@dataclass(frozen=True)
class Run:
    """What a model makes of some scenes."""

    pooled: Float32[np.ndarray, "n c"]
    logits: Float32[np.ndarray, "n y"]


def run(
    model: VisionModel,
    kinds: Sequence[Components],
    scenes: Sequence[Scene],
    pool: str,
    see: Callable[[Scene], Image] = picture,
) -> Run:
    """What the model makes of some scenes; `see` gives the picture of each."""
    pooled, logits = [], []
    with torch.no_grad(), pooling(model, kinds, pool) as latest:
        for x in _inputs(model, scenes, see):
            logits.append(_logits(model, x))
            pooled.append(latest(len(x)).activations.float().cpu().numpy())
    return Run(np.concatenate(pooled), np.concatenate(logits))


def _logits(model: VisionModel, x: Float[Tensor, "n 3 h w"]) -> Float32[np.ndarray, "n y"]:
    return tensor_in(model.net(x)).float().cpu().numpy()


def _inputs(
    model: VisionModel, scenes: Sequence[Scene], see: Callable[[Scene], Image] = picture
) -> Iterator[Float[Tensor, "n 3 h w"]]:
    for start in range(0, len(scenes), BATCH):
        pictures = [see(scene) for scene in scenes[start : start + BATCH]]
        yield torch.stack([model.preprocess(image) for image in pictures]).to(model.device, model.dtype)


def _without(kind: Components, unit: int, output: Any) -> Any:
    """The layer's output with a component at zero."""
    acts = kind.read(output).clone()
    acts[:, unit] = 0
    return kind.write(output, acts)
