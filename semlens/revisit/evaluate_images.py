"""Labels held against images that played no part in finding them."""

from collections.abc import Sequence

import numpy as np
import torch

from semlens.analysis import (
    SOURCES,
    Evaluation,
    Labels,
    Probes,
    cosy_retrieved,
    merge_evaluations,
    probe,
    retrieve,
    simulation,
)
from semlens.collection import Feed, as_is, image_batches, pooling
from semlens.errors import SemlensError
from semlens.index import ConceptIndex
from semlens.model import VisionModel, check_dictionaries, parse_all
from semlens.numerics import unit
from semlens.progress import visible
from semlens.types import MISSING, ExampleSet, Float32, FoundationId, FoundationModel, Int64, Progress

LEAST = 40
"""Held-out images that an evaluation needs, at least."""


def evaluate_held_out(
    labels: Labels,
    vocabulary: Probes,
    model: VisionModel,
    images: ExampleSet,
    foundation: FoundationModel,
    *,
    simulator: FoundationModel | None = None,
    generated: ExampleSet | None = None,
    count: int = 2000,
    top: int = 20,
    batch_size: int = 32,
    seed: int = 0,
    progress: Progress = visible,
) -> Evaluation:
    """CoSy on retrieved images or on generated ones, and simulation by another foundation model where one is given.

    Without generated images those held out are divided in two: in one half those are sought that fit a label best, the
    other is the control. With them, all that are held out are the control.

    Args:
        images: not those of the index; or the same, of which the concept examples are then left out.
        simulator: a foundation model that did not choose the labels.
        generated: images whose own labels say for which phrase each was made.
        count: images looked at, drawn at random where there are more; at least LEAST.
        top: images sought for each phrase.

    Raises:
        SemlensError: another model than the index's, too few images, or a simulator that is the foundation model.
    """
    index = labels.index
    index.recipe.model.check(model.fingerprint())
    check_dictionaries(index.layers)
    if simulator is not None:
        check_simulator(simulator, index.recipe.foundation)
    ids = _held_out(index, images, count, seed)
    layers = [axis.layer for axis in index.layers]
    acts, read = _activations(model, images, layers, ids, index.recipe.pool, batch_size, progress)
    if len(read) < LEAST:
        raise SemlensError(f"only {len(read)} held-out images could be read: {LEAST} are needed")
    half, found = len(read) // 2, np.where(labels.accepted, labels.ranked[:, 0], MISSING).astype(np.int64)
    strongest = np.where(index.dead, np.nan, index.activations[:, 0])
    if generated is None:
        seen = _similarities(foundation, images, read[:half], vocabulary, batch_size, progress)
        sought, asked, source = retrieve(seen, min(top, half)), found, SOURCES[0]
        pool, control = acts[:half], acts[half:]
    else:
        every = range(len(generated))
        made, usable = _activations(model, generated, layers, every, index.recipe.pool, batch_size, progress)
        sought, asked = _made_for(generated, usable, vocabulary.names, found)
        pool, control, source = made, acts, SOURCES[1]
    parts = [cosy_retrieved(asked, sought, pool, control, images_from=source, highest=strongest, seed=seed)]
    if simulator is not None:
        words = probe(simulator, vocabulary.names)
        told = _similarities(simulator, images, read, words, batch_size, progress)
        own = np.where(found == MISSING, np.nan, told[:, np.where(found == MISSING, 0, found)]).astype(np.float32)
        parts.append(simulation(own, acts, vocabulary=told, seed=seed))
    return merge_evaluations(parts)


def _made_for(
    generated: ExampleSet, usable: Int64[np.ndarray, "i"], names: Sequence[str], found: Int64[np.ndarray, "c"]
) -> tuple[Int64[np.ndarray, "v k"], Int64[np.ndarray, "c"]]:
    """For each phrase that images were generated for, where they lie among the usable ones, as many for each; and which
    of these phrases each component's label is, MISSING where there are no images of it."""
    own = [generated.labels[i] for i in usable.tolist()]
    phrases = [name for name in dict.fromkeys(own) if name in set(names)]
    if not phrases:
        raise SemlensError("no generated image belongs to a phrase of the vocabulary: put them in folders of its name")
    where = [[at for at, name in enumerate(own) if name == phrase] for phrase in phrases]
    least = min(map(len, where))
    number = {names.index(phrase): n for n, phrase in enumerate(phrases)}
    asked = [number.get(label, int(MISSING)) for label in found.tolist()]
    return np.array([of[:least] for of in where], np.int64), np.array(asked, np.int64)


def check_simulator(simulator: FoundationModel, chooser: FoundationId) -> None:
    """Returns if the simulator did not choose the labels.

    Raises:
        SemlensError: it is the foundation model that did.
    """
    if simulator.identity.digest == chooser.digest:
        raise SemlensError("the simulator is the foundation model that chose the labels: it would agree with itself")


def _held_out(index: ConceptIndex, images: ExampleSet, count: int, seed: int) -> list[int]:
    """At most `count` images, in random order, none of which is a concept example."""
    if count < LEAST:
        raise SemlensError(f"count is {count}: an evaluation needs {LEAST} held-out images or more")
    used = set(index.sources.tolist()) if images.fingerprint == index.recipe.images.fingerprint else set()
    ids = [i for i in range(len(images)) if i not in used]
    if len(ids) < LEAST:
        raise SemlensError(
            f"only {len(ids)} of the {len(images)} images are no concept examples of this index, {LEAST} are needed: "
            "give others"
        )
    return np.random.default_rng(seed).permutation(ids)[:count].tolist()


def _activations(
    model: VisionModel, images: ExampleSet, layers: Sequence[str], ids: Sequence[int], pool: str, batch_size: int,
    progress: Progress,
) -> tuple[Float32[np.ndarray, "i c"], Int64[np.ndarray, "i"]]:  # fmt: skip
    """Pooled activations of all components on the images that can be read, and which these are."""
    feed = Feed(model, images, batch_size)
    kinds = [kind for kind, _ in parse_all(model.net, layers, feed.first)]
    activations: list[Float32[np.ndarray, "n c"]] = []
    read: list[int] = []
    with torch.no_grad(), pooling(model, kinds, pool) as latest:
        for x, some in feed.readable(ids, "held-out activations", progress):
            model.net(x)
            activations.append(latest(len(x)).activations[: len(some)].float().cpu().numpy())
            read += some
    return np.concatenate(activations or [np.empty((0, 0), np.float32)]), np.array(read, np.int64)


def _similarities(
    foundation: FoundationModel, images: ExampleSet, ids: Int64[np.ndarray, "i"], words: Probes, batch_size: int,
    progress: Progress,
) -> Float32[np.ndarray, "i q"]:  # fmt: skip
    """Cosines of images and phrases in a foundation model's space."""
    step = f"embed by {foundation.identity.name}"
    cosines = [
        unit(images.embed(foundation, list(batch.items))) @ words.vectors.T
        for batch in image_batches(
            images, ids.tolist(), as_is, step, batch_size=batch_size, readable_when="activations were taken",
            progress=progress,
        )
    ]  # fmt: skip
    return np.concatenate(cosines)
