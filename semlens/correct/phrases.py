"""Directions of phrases and of a spec's concepts in a layer: from an index alone, whose encodings are sums of all that
they need, or from images."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from semlens.analysis import Probes, as_probes, check_space
from semlens.analysis.audit import Audit, Spec, entries
from semlens.correct.concepts import learn_concepts, phrase_direction, units_of
from semlens.errors import SemlensError
from semlens.images import ImageSet
from semlens.index import ConceptIndex, Encodings
from semlens.model import Dictionary, VisionModel
from semlens.numerics import RIDGE, joint_patterns
from semlens.types import Float32, Float64, FoundationModel, Progress


def phrase_directions(
    index: ConceptIndex, phrases: Probes | str | Sequence[str], layer: str, *, ridge: float = RIDGE
) -> Dictionary:
    """A dictionary with a unit per phrase: the directions of the layer that answer to them, all phrases together.

    A unit's activation is how much of its pattern is there, in standard deviations of the phrase's similarity over the
    images of the index's encodings; 0 is their mean.

    Args:
        phrases: all that the images may show: what is not among them is credited to what goes along with it.
        ridge: as in `learn_concepts`.

    Raises:
        SemlensError: an index without encodings, a layer that is not there or is no channels or tokens, or probes of
            another foundation model.
    """
    probes = as_probes(index.recipe.foundation, phrases)
    check_space(index, probes)
    return _directions(index, probes.vectors, probes.names, layer, ridge)


def spec_directions(audit: Audit, layer: str) -> Dictionary:
    """The same of an audit's concepts, valid and spurious ones, each by the mean of its phrases.

    Raises:
        SemlensError: as `phrase_directions`.
    """
    names = tuple(name for _, name in audit.asked)
    vectors = np.stack([audit.direction(name) for name in names])
    return _directions(audit.index, vectors, names, layer, RIDGE)


def _directions(
    index: ConceptIndex, vectors: Float32[np.ndarray, "q d"], names: Sequence[str], layer: str, ridge: float
) -> Dictionary:
    encodings = index.encodings
    if encodings is None:
        raise SemlensError("the index holds no encodings: add them with `semlens encode`, or give images instead")
    cross, average = _vectors(index, encodings, layer)
    found = joint_patterns(cross, encodings.covariance, vectors, ridge)
    return units_of(found, average).dictionary(layer, tuple(names))


def _vectors(
    index: ConceptIndex, encodings: Encodings, layer: str
) -> tuple[Float64[np.ndarray, "c d"], Float64[np.ndarray, "c"]]:
    """Covariance of the layer's own vectors with the embeddings, and their mean: of a transformer's features the
    positive part less the negative part."""
    rows = index.layer_slice(layer)
    number, axis = next((n, one) for n, one in enumerate(index.layers) if one.layer == layer)
    if encodings.recipe.transforms[number] != "raw" or index.recipe.pool != "mean":
        raise SemlensError(
            f"the encodings of {layer!r} are not of mean activations as they are, and have no directions: give the "
            "model and images instead (concept_directions)"
        )
    scale = encodings.deviation[rows].astype(np.float64)
    cross, average = encodings.cross[rows] * scale[:, None], encodings.average[rows].astype(np.float64)
    if axis.kind in ("tokens", "cls", "registers"):
        half = len(average) // 2
        return cross[:half] - cross[half:], average[:half] - average[half:]
    if axis.kind.startswith("channels"):
        return cross, average
    raise SemlensError(f"{layer!r} has {axis.kind}, which are no axes of its vectors: name the layer without a kind")


def phrases_of(spec: Spec) -> dict[str, tuple[str, ...]]:
    """The phrases of each concept of a spec, valid ones first.

    Raises:
        SemlensError: a concept has images only.
    """
    found: dict[str, tuple[str, ...]] = {}
    for entry in entries(spec):
        if entry.phrase:
            found[entry.concept] = (*found.get(entry.concept, ()), entry.phrase)
    lacking = [entry.concept for entry in entries(spec) if entry.concept not in found]
    if lacking:
        raise SemlensError(
            f"{lacking[0]!r} has images only: give it a phrase, or learn its direction (`semlens concept`)"
        )
    return found


def spurious_of(spec: Spec) -> list[str]:
    """The names of a spec's spurious concepts, in its order."""
    return list(dict.fromkeys(entry.concept for entry in entries(spec) if entry.side == "spurious"))


def image_directions(
    model: VisionModel, spec: Spec, images: ImageSet, layer: str, foundation: FoundationModel | None, progress: Progress
) -> Dictionary:
    """The directions of all concepts of a spec, jointly, from images.

    Raises:
        SemlensError: no layer or no foundation model is named, or a concept has images only.
    """
    if not layer or foundation is None:
        raise SemlensError("a spec's concepts become directions of a layer: give the layer (--layer) and --foundation")
    how: dict[str, Any] = {"positive": phrases_of(spec), "foundation": foundation, "progress": progress}
    return learn_concepts(model, images, layer, **how).dictionary


def semantic_directions(spec: Spec, foundation: FoundationModel) -> dict[str, Float32[np.ndarray, "d"]]:
    """Every concept of a spec in the semantic space, by the mean of its phrases."""
    return {name: phrase_direction(foundation, texts) for name, texts in phrases_of(spec).items()}
