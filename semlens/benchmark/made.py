"""Components made for the purpose: an index whose components have other examples than the network gave them."""

from dataclasses import replace

import numpy as np

from semlens.analysis import layer_numbers, random_components
from semlens.index import ConceptIndex
from semlens.numerics import mean_rows
from semlens.types import Bool, Int32, Int64, axis_of


def remade(index: ConceptIndex, rows: Int32[np.ndarray, "n k"], like: Int64[np.ndarray, "n"]) -> ConceptIndex:
    """An index of components with these examples, each in the layer of the component it is like; `like` rises.

    Only what examples and vectors say is theirs: relevance and the model's own names are left out.
    """
    counts = np.bincount(layer_numbers(index)[like], minlength=len(index.layers)).tolist()
    axes = [(axis.layer, axis.kind, count) for axis, count in zip(index.layers, counts, strict=True) if count]
    arrays = {name: getattr(index, name)[like] for name in ("positions", "activations", "fired", "nan", "lowest")}
    return replace(
        index,
        layers=axis_of(axes),
        ids=index.sources[rows],
        rows=rows,
        means=mean_rows(index.vectors, rows),
        read_unit_names=lambda: (None,) * len(rows),
        read_additions={},
        **arrays,
    )


def half_random(index: ConceptIndex, seed: int = 0) -> tuple[ConceptIndex, Bool[np.ndarray, "c"]]:
    """The index with random examples for every second of its components that have all examples, and which these are."""
    whole = np.flatnonzero(index.valid.all(axis=1))
    random = random_components(index, draws=2000, seed=seed)
    rng, rows = np.random.default_rng(seed), np.array(index.rows[whole])
    layer, is_random = layer_numbers(index)[whole], np.arange(len(whole)) % 2 == 1
    for component in np.flatnonzero(is_random):
        pool = np.flatnonzero((random.layer == layer[component]) & (random.examples == rows.shape[1]))
        rows[component] = random.rows[rng.choice(pool)]
    return remade(index, rows, whole), is_random


def joined(
    index: ConceptIndex, single_concept: Int64[np.ndarray, "c"], pairs: int, seed: int = 0
) -> tuple[ConceptIndex, Int64[np.ndarray, "n 2"]]:
    """Components with two meanings, and what these are: the strongest examples of two components of a layer that are
    about different things, in turns, as the sum of the two channels has.

    Args:
        single_concept: the only concept of each component; negative where it has none or more than one.
        pairs: components made, at most.
    """
    rng, layer = np.random.default_rng(seed), layer_numbers(index)
    usable = np.flatnonzero((single_concept >= 0) & index.valid.all(axis=1))
    first, second = rng.choice(usable, (2, 50 * pairs)) if len(usable) else np.empty((2, 0), np.int64)
    fit = (layer[first] == layer[second]) & (single_concept[first] != single_concept[second])
    chosen = np.unique(np.stack([first[fit], second[fit]], axis=1)[:pairs], axis=0)
    a, b = (index.rows[components] for components in chosen.T)
    rows = np.stack([a, b], axis=2).reshape(len(chosen), 2 * a.shape[1])[:, : a.shape[1]].astype(np.int32)
    return remade(index, rows, chosen[:, 0]), single_concept[chosen]
