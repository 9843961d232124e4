"""Class-wise neural PCA: the directions in which what speaks for an output varies over the images of its class.

With vectors x (mean over positions) and the output's slope w along each axis, psi = w * x is what each axis gives to
the output. Over the images of a class, psi varies along orthonormal v_l with variances lambda_l, and

    alpha_l = <1, v_l> <v_l, psi - mean psi>       which add up to the output less its mean over the class

Each is a unit whose decoder is the pattern cov(x, alpha_l) / var(alpha_l). Patterns are dual to what reads them, so
that setting one alpha_l to 0 takes exactly alpha_l from the output where that is linear, and leaves all others.
"""

from typing import Any

import numpy as np
import torch

from semlens.attribution import fixed
from semlens.dictionaries.gradients import Slopes, slopes
from semlens.errors import SemlensError
from semlens.model import Dictionary, Layer, Linear, VisionModel, as_model, layer_text
from semlens.progress import visible
from semlens.sets import open_set
from semlens.types import ExampleSet, Float64, Progress

_FLAT = 1e-6  # of the largest: a unit whose part of the output varies less says nothing


def neural_pca(
    model: VisionModel | str,
    images: ExampleSet | Any,
    layer: Layer,
    output: int | str,
    *,
    n: int = 10,
    count: int = 1000,
    batch_size: int = 32,
    seed: int = 0,
    progress: Progress = visible,
) -> Dictionary:
    """A dictionary of the `n` directions of a layer whose part of an output varies most over the images that the model
    takes for its class. A unit's activation, as a mean over positions, is what it gives to the output, in logits.

    Args:
        layer: best the last before the mean and the linear layer, where all this is exact; else the output's mean
            slope over these images stands for its weights.
        count: images looked at, drawn at random where there are more; those of another predicted class do not count.

    Source: Neuhaus et al. 2023 (arXiv 2212.04871), class-wise neural PCA. But: units write back by their patterns.

    Raises:
        SemlensError: an output that does not exist, fewer than `n` + 1 images of its class, or nothing that varies.
    """
    model, images = as_model(model), open_set(images)
    number = int(fixed(model, output, model.example_input()).columns[0])
    own = slopes(model, images, layer, None, count=count, batch_size=batch_size, seed=seed, progress=progress)
    members = own.outputs == number
    if members.sum() <= n:
        raise SemlensError(
            f"the model takes {int(members.sum())} of {len(members)} images for {output!r}: {n} directions need "
            f"{n + 1} at least; give more images of it, or ask for fewer"
        )
    kept = Slopes(own.vectors[members], own.gradients[members], own.outputs[members])
    return _dictionary(kept, layer_text(layer), str(output), n)


def _dictionary(found: Slopes, layer: str, output: str, n: int) -> Dictionary:
    weights, centre = found.gradients.mean(axis=0), found.vectors.mean(axis=0)
    away = found.vectors - centre
    _, spread, axes = np.linalg.svd(away * weights / np.sqrt(len(away)), full_matrices=False)
    sums = axes.sum(axis=1)
    parts = np.abs(sums) * spread  # the standard deviation of each alpha
    order = np.lexsort((np.arange(len(parts)), -parts))[:n]
    order = order[parts[order] > _FLAT * max(float(parts.max(initial=0.0)), 1e-300)]
    if not len(order) or parts.max() <= 0:
        raise SemlensError(f"nothing that layer {layer!r} gives to {output!r} varies over these images")
    encoder = (axes[order] * sums[order, None] * weights).T
    alphas = away @ encoder
    decoder = (alphas.T @ away) / np.square(alphas).sum(axis=0)[:, None]
    return Dictionary(
        layer, _tensor(encoder), torch.zeros(len(order)), _tensor(decoder), _tensor(centre), Linear(),
        tuple(f"{output} {place}" for place in range(len(order))),
    )  # fmt: skip


def _tensor(values: Float64[np.ndarray, "..."]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))
