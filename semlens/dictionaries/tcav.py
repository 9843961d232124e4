"""TCAV: whether an output rises along the directions of a dictionary, more often than along random ones."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from semlens.analysis import Rows
from semlens.dictionaries.gradients import slopes
from semlens.errors import SemlensError
from semlens.model import Dictionary, Latents, VisionModel, as_model, parse_all
from semlens.numerics import bootstrap
from semlens.progress import visible
from semlens.sets import open_set
from semlens.types import ExampleSet, Float64, Progress

_FINE = 1e-6  # cosine of gradient and direction below which float32 cannot tell the sign


@dataclass(frozen=True)
class Sensitivity:
    """How an output answers to a direction. Intervals are over images like these, at 95 %."""

    direction: str
    score: float  # share in [0, 1] of the images on which the output rises along it
    score_low: float
    score_high: float
    score_p: float  # two-sided, against random directions: as far from one half
    effect: float  # by how much the output changes per unit of its activation, as a mean over images
    effect_low: float
    effect_high: float
    effect_p: float  # two-sided, against random directions of the same length
    n: int


def tcav(
    model: VisionModel | str,
    images: ExampleSet | Any,
    dictionary: Dictionary | str,
    target: Any = None,
    *,
    count: int = 200,
    draws: int = 1000,
    batch_size: int = 32,
    seed: int = 0,
    progress: Progress = visible,
) -> Rows[Sensitivity]:
    """The sensitivity of an output to every direction of a dictionary, all in one product with the gradients.

    Random directions are patterns of marks drawn at random: they vary as the layer's vectors do. Where all behind the
    layer is linear, the gradient is the same on all images, every score is 0 or 1, of random directions too, and only
    the effect tells.

    Args:
        images: of the class that is asked about, if it is one.
        target: as for `attribute`: an output by name or number, `similarity(text, foundation)`.

    Source: Kim et al. 2018 (arXiv 1711.11279), TCAV with a test against random directions. But: directions are moved
    along, not detected by, so they should be patterns; the null is drawn, not learned one by one.

    Raises:
        SemlensError: it does not fit the layer, a target that does not exist, or too few images.
    """
    model, images = as_model(model), open_set(images)
    ((kind, _),) = parse_all(model.net, [dictionary], model.example_input())
    if not isinstance(kind, Latents):
        raise SemlensError(f"{dictionary!r} is no dictionary: write LAYER@dictionary:FILE")
    found = slopes(model, images, kind, target, count=count, batch_size=batch_size, seed=seed, progress=progress)
    if len(found.vectors) < 2:
        raise SemlensError("sensitivity needs two images at least, as random directions are drawn from how they vary")
    own = kind.dictionary.decoder.double().cpu().numpy()
    away = found.vectors - found.vectors.mean(axis=0)
    drawn = np.random.default_rng(seed).standard_normal((draws, len(away))) @ away
    scores, mean = _scores(found.gradients, own), found.gradients.mean(axis=0)
    score_p = _p(scores, _scores(found.gradients, drawn), 0.5)
    effect_p = _p(_unit(own) @ mean, _unit(drawn) @ mean, 0.0)
    rows = []
    for unit, along in enumerate((found.gradients @ own.T).T):
        rises, effect = bootstrap(along > 0), bootstrap(along)
        ends = min(rises.low, scores[unit]), max(rises.high, scores[unit])
        name = kind.unit_name(unit, len(own)) or str(unit)
        rows.append(
            Sensitivity(
                name, float(scores[unit]), float(ends[0]), float(ends[1]), float(score_p[unit]), effect.value,
                effect.low, effect.high, float(effect_p[unit]), len(along),
            )
        )  # fmt: skip
    return Rows(rows, f"how the output answers to directions of {kind.base.layer!r}")


def _unit(directions: Float64[np.ndarray, "q d"]) -> Float64[np.ndarray, "q d"]:
    return directions / np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-300)


def _scores(gradients: Float64[np.ndarray, "n d"], directions: Float64[np.ndarray, "q d"]) -> Float64[np.ndarray, "q"]:
    """On which share of the images the output rises along each direction; where it stays, half."""
    along = _unit(gradients) @ _unit(directions).T
    return np.asarray((along > _FINE).mean(axis=0) + (np.abs(along) <= _FINE).mean(axis=0) / 2)


def _p(own: Float64[np.ndarray, "q"], null: Float64[np.ndarray, "b"], centre: float) -> Float64[np.ndarray, "q"]:
    """Two-sided p-values: how often a random direction is as far from the centre."""
    far, reached = np.abs(own - centre), np.sort(np.abs(null - centre))
    as_far = len(reached) - np.searchsorted(reached, far * (1 - 1e-12), side="left")
    return np.asarray((1 + as_far) / (1 + len(reached)))
