"""Relevance of an index's components to anything that can be asked of the model, as a mean over images."""

from typing import Any

import numpy as np
import torch

from semlens.attribution import attribute
from semlens.collection import Feed
from semlens.errors import SemlensError
from semlens.index import ConceptIndex
from semlens.model import VisionModel, check_dictionaries
from semlens.progress import visible
from semlens.types import ExampleSet, Float64, Progress


def mean_relevance(
    index: ConceptIndex,
    model: VisionModel,
    images: ExampleSet,
    target: Any,
    *,
    method: str = "gradient",
    count: int = 100,
    batch_size: int = 16,
    seed: int = 0,
    progress: Progress = visible,
) -> Float64[np.ndarray, "c"]:
    """Signed relevance of every component of an index to a target, in the target's unit: over positions added up, over
    images averaged.

    Args:
        target: as for `attribute`, such as `similarity(text, foundation)`.
        method: as for `attribute`; by default attribution patching.
        count: images looked at, drawn at random where there are more.

    Raises:
        SemlensError: another model than the index's, or no image that can be read.
    """
    index.recipe.model.check(model.fingerprint())
    check_dictionaries(index.layers)
    layers = [axis.layer for axis in index.layers]
    ids = sorted(np.random.default_rng(seed).permutation(len(images))[:count].tolist())
    total, seen = torch.zeros(len(index.dead), dtype=torch.float64), 0
    for x, here in Feed(model, images, batch_size).readable(ids, "relevance", progress):
        found = attribute(model, x[: len(here)], target, method=method, layers=layers, heat=False)
        total += torch.cat([found.layers[layer].double().sum((0, 2)).cpu() for layer in layers])
        seen += len(here)
    if not seen:
        raise SemlensError(f"no image of {images.source} can be read")
    return np.asarray((total / seen).numpy())
