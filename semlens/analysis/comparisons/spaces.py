"""What components are compared by: their encodings over all images, or the semantic embeddings of their examples."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from semlens.analysis.atlases import differences, index_names, space_of
from semlens.analysis.chance import random_components
from semlens.analysis.comparisons.matches import RandomSets
from semlens.analysis.responses import Responses, check_embedded_alike, encoded_from, responses
from semlens.errors import SemlensError
from semlens.index import ConceptIndex
from semlens.numerics import mean_rows, orders_of
from semlens.types import Float32, Int64


@dataclass(frozen=True, eq=False)
class Side:
    """What takes part of one index: the components of some layers that have examples, and encodings if by these."""

    name: str
    index: ConceptIndex = field(repr=False)
    layers: tuple[str, ...]
    rows: Int64[np.ndarray, "n"]
    dead: int  # components left out, for they have no example, or no encoding
    vectors: Float32[np.ndarray, "n d"] = field(repr=False)  # the similarity of two is the cosine of theirs
    random: RandomSets = field(repr=False)  # sets of as many random components


def check_alike(names: Sequence[str], indexes: Sequence[ConceptIndex], by: str) -> None:
    """Checks that indexes compare.

    Raises:
        SemlensError: they were made in different ways, from other images, or with another foundation model.
    """
    ways = [space_of(index.recipe) | (_encoded_by if by == "encoding" else _made_by)(index) for index in indexes]
    if odd := differences(names, ways):
        raise SemlensError(f"{odd}: build the indexes to compare in the same way from the same images")
    if by == "encoding":
        check_embedded_alike(names, indexes)


def _encoded_by(index: ConceptIndex) -> dict[str, Any]:
    own = index.encodings
    return encoded_from(index) | ({"group column": own.recipe.groups or None} if own else {})


def comparison_remarks(sides: Sequence["Side"], by: str) -> list[str]:
    """What a reader of a comparison has to know: where chance comes from, and what of activations was encoded."""
    if by == "examples":
        return [
            "Chance is drawn from the target's own examples, not from all images: what most of its components show "
            "counts as chance. Encodings (`semlens encode`) draw it from all images."
        ]
    ways = {side.name: _transforms(side) for side in sides}
    shared = set.intersection(*(set(way) for way in ways.values()))
    odd = [layer for layer in sides[0].layers if layer in shared and len({way[layer] for way in ways.values()}) > 1]
    told = "; ".join(f"{layer}: " + ", ".join(f"{way[layer]} in {name}" for name, way in ways.items()) for layer in odd)
    if not told:
        return []
    return [f"What is encoded of an activation differs, so that components may seem less alike than they are ({told})."]


def _transforms(side: "Side") -> dict[str, str]:
    """What is encoded of the activations of each layer: as they are, squared, or the root of probabilities."""
    encodings = side.index.encodings
    assert encodings is not None
    by_layer = zip(side.index.layers, encodings.recipe.transforms, strict=False)  # the outputs' stands last
    return {axis.layer: transform for axis, transform in by_layer if axis.layer in side.layers}


def _made_by(index: ConceptIndex) -> dict[str, Any]:
    recipe = index.recipe
    same = {"k": recipe.k, "pool": recipe.pool, "crop": recipe.crop.kind, "images": recipe.images.fingerprint}
    return same | {f"crop {key}": value for key, value in recipe.crop.parameters.items()}


def sides_of(indexes: Sequence[ConceptIndex], layers: Sequence[Sequence[str]], by: str) -> tuple[Side, ...]:
    """What takes part of each index.

    Raises:
        SemlensError: an unknown layer, or nothing in an index that could be compared.
    """
    if layers and len(layers) != len(indexes):
        raise SemlensError(f"layers are given for {len(layers)} of {len(indexes)} indexes: give () where all are meant")
    chosen = [tuple(dict.fromkeys(names)) for names in layers or [()] * len(indexes)]
    sides = zip(index_names(indexes, chosen), indexes, chosen, strict=True)
    return tuple(side_of(name, index, asked, by) for name, index, asked in sides)


def side_of(name: str, index: ConceptIndex, layers: Sequence[str], by: str) -> Side:
    """The components of some layers of an index that can be compared, of all if none is named.

    Raises:
        SemlensError: an unknown layer, or no such component.
    """
    layers = tuple(layers) or tuple(axis.layer for axis in index.layers)
    rows = np.concatenate([np.arange(len(index.rows))[index.layer_slice(layer)] for layer in layers])
    takes_part = ~index.dead & (responses(index).encoded if by == "encoding" else True)
    alive = rows[takes_part[rows]]
    if not len(alive):
        what = "an encoding" if by == "encoding" else "an example"
        raise SemlensError(f"{name} has no component with {what}: there is nothing to compare")
    vectors, random = (_by_encoding if by == "encoding" else _by_examples)(index, layers, alive)
    return Side(name, index, layers, alive, len(rows) - len(alive), vectors, random)


def _by_examples(
    index: ConceptIndex, layers: tuple[str, ...], rows: Int64[np.ndarray, "n"]
) -> tuple[Float32[np.ndarray, "n d"], RandomSets]:
    return index.means[rows].astype(np.float32), partial(_exchanged_sets, index, layers)


def _exchanged_sets(
    index: ConceptIndex, layers: tuple[str, ...], sets: int, seed: tuple[int, int]
) -> Float32[np.ndarray, "r d"]:
    """Random components in the place of the real ones, as many of each layer and number of examples; set after set."""
    picked = []
    for number, layer in enumerate(layers):
        examples = index.valid[index.layer_slice(layer)].sum(axis=1)
        alive = examples[examples > 0]
        if not len(alive):
            continue
        state = int(np.random.SeedSequence((*seed, number)).generate_state(1)[0])
        drawn = random_components(index, layers=[layer], draws=sets * len(alive), seed=state)
        for size, many in zip(*np.unique(alive, return_counts=True), strict=True):
            picked.append(drawn.rows[drawn.examples == size][: sets * many].reshape(sets, many, -1))
    rows = np.concatenate(picked, axis=1)
    return mean_rows(index.vectors, rows.reshape(-1, rows.shape[-1])).astype(np.float32)


def _by_encoding(
    index: ConceptIndex, layers: tuple[str, ...], rows: Int64[np.ndarray, "n"]
) -> tuple[Float32[np.ndarray, "n d"], RandomSets]:
    asked = responses(index)
    return asked.metric.whitened(asked.cross[rows]), partial(_permuted_sets, asked, rows)


def _permuted_sets(
    asked: Responses, rows: Int64[np.ndarray, "n"], sets: int, seed: tuple[int, int]
) -> Float32[np.ndarray, "r d"]:
    """The components with their activations permuted over all images that were kept, each set in one order: what they
    have in common with each other stays, and only what they have to do with the images is lost."""
    kept = asked.encodings
    away = kept.embeddings.astype(np.float32)
    away -= away.mean(axis=0)
    activations = kept.activations[rows].astype(np.float32)
    state = int(np.random.SeedSequence(seed).generate_state(1)[0])
    orders = orders_of(kept.groups, sets, state)
    return asked.metric.whitened(np.concatenate([activations[:, order] @ away for order in orders]))
