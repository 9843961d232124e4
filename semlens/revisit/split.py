"""PURE: components that are two, told apart by what flows into them from a layer below; their halves as components."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from semlens.analysis import Rows, pictures, q_values
from semlens.attribution import Activation, Composite, attribute
from semlens.collection import Feed
from semlens.errors import SemlensError
from semlens.index import ConceptIndex, given
from semlens.model import VisionModel
from semlens.numerics import TEST_DRAWS, cluster_index, cluster_p, mean_rows, two_means
from semlens.progress import visible
from semlens.types import (
    MISSING,
    Bool,
    Component,
    ExampleSet,
    Float32,
    Float64,
    Int32,
    Int64,
    LayerAxis,
    Progress,
    several,
)

FEWEST = 3
"""Examples in the smaller half, at least."""

RESTARTS = 20


@dataclass(frozen=True)
class Half:
    """What the split of a component comes to."""

    component: Component
    split: bool
    p_value: float  # of two clusters as good in normal points of the same covariance
    q_value: float
    within: float  # the cluster index: sum of squares within the two halves by the whole, lower is clearer
    first: int  # examples in the larger half
    second: int


@dataclass(frozen=True, eq=False, repr=False)
class Splits:
    """The components of a layer, each with its examples in two halves by what flows into it from the layer below.

    `split` says where the halves are more than 2-means makes of one cloud. The others count as one.
    """

    index: ConceptIndex
    layer: str
    below: str
    method: str
    alpha: float
    draws: int
    seed: int
    second: Bool[np.ndarray, "c k"]  # the slot's example belongs to the smaller half
    centroids: Float32[np.ndarray, "c 2 b"]  # mean shares of the components below, by half
    within: Float64[np.ndarray, "c"]  # NaN for fewer than two examples
    p_value: Float64[np.ndarray, "c"]

    @cached_property
    def split(self) -> Bool[np.ndarray, "c"]:
        """Components that are two, at `alpha` each: so many pure ones are split by mistake, at most."""
        return np.asarray((self.p_value <= self.alpha) & (self.second.sum(axis=1) >= FEWEST))

    @property
    def rows(self) -> Rows[Half]:
        """The components that are looked at, the clearest splits first."""
        known = np.flatnonzero(np.isfinite(self.within))
        q = np.ones(len(self.p_value))
        q[known] = q_values(self.p_value[known])
        start = self.index.layer_slice(self.layer).start
        order = known[np.lexsort((self.within[known], self.p_value[known]))]
        valid = self.index.valid[start : start + len(self.second)]
        found = [
            Half(
                Component(self.layer, unit), bool(self.split[unit]), float(self.p_value[unit]), float(q[unit]),
                float(self.within[unit]), int((valid[unit] & ~self.second[unit]).sum()), int(self.second[unit].sum()),
            )
            for unit in order.tolist()
        ]  # fmt: skip
        title = f"{int(self.split.sum())} of {len(known)} components of {self.layer} are two by what flows in"
        return Rows(found, f"{title} from {self.below}", lambda half: pictures(self.index, half.component))

    def assign(self, model: VisionModel, x: Tensor, component: str | Component) -> Int64[np.ndarray, "n"]:
        """Which half of a component each image excites, 0 or 1, by the nearest centroid; 0 where it is not split.

        Args:
            x: preprocessed images, "n ..." of the model's input.

        Raises:
            SemlensError: a component of another layer, or another model than the index's.
        """
        self.index.recipe.model.check(model.fingerprint())
        wanted = component if isinstance(component, Component) else Component.parse(component)
        if wanted.layer != self.layer:
            raise SemlensError(f"{wanted} is no component of {self.layer}, which was split")
        self.index.row(wanted)
        if not self.split[wanted.unit]:
            return np.zeros(len(x), np.int64)
        shares = inflow(model, x, wanted, self.below, self.method)
        away = shares[:, None] - self.centroids[wanted.unit]
        return np.asarray(np.square(away).sum(axis=2).argmin(axis=1))

    def units(self) -> ConceptIndex:
        """An index of the layer's components in which each that is two is two: `LAYER@split`, units named "12/0" and
        "12/1" (the larger half first), the others "12". It is searched, labelled and scored like any other.

        What a pass over all images gave (relevance, histogram, encodings) is not known of halves and left out; `fired`
        of a half counts its examples only.
        """
        return _virtual(self)

    def __repr__(self) -> str:
        return repr(self.rows)

    def _repr_html_(self) -> str:
        return self.rows._repr_html_()


def split(
    index: ConceptIndex,
    model: VisionModel,
    images: ExampleSet,
    layer: str,
    *,
    below: str | None = None,
    units: Sequence[int] = (),
    method: str = "auto",
    alpha: float = 0.05,
    draws: int = TEST_DRAWS,
    seed: int = 0,
    progress: Progress = visible,
) -> Splits:
    """Components of a layer that are two, by their circuits: each component's examples are clustered by what flows into
    it from the layer below, and kept apart where chance does not cut as well.

    Args:
        below: the layer from which it flows; None for the layer before this one in the index.
        units: only these; all if empty.
        method: of attribution, see `attribute`; the paper's is "gradient" (times activation), which is faster and finds
            fewer.
        alpha: part of pure components that may be split by mistake.
        draws: from the null distribution, for each component.

    Source: PURE (Dreyer et al. 2024, arXiv 2404.06453). But: 2-means always splits, so a split has to beat 2-means on
    normal points of the same covariance (SigClust).

    Raises:
        SemlensError: another model or other images than the index was made from, an unknown layer, or no layer below.
    """
    index.recipe.model.check(model.fingerprint())
    index.recipe.images.check(images.fingerprint)
    if not 0 < alpha < 1 or draws < 1 / alpha:
        raise SemlensError(
            f"alpha is {alpha:g} and draws {draws}: alpha lies between 0 and 1, draws are 1 / alpha or more"
        )
    source = below or _before(index, layer)
    shares, valid = _shares(index, model, images, layer, source, units, method, progress)
    clusters = two_means(shares, valid, restarts=RESTARTS, seed=seed)
    within = cluster_index(shares, valid, clusters)
    p = cluster_p(shares, valid, clusters, draws=draws, seed=seed)
    return Splits(index, layer, source, method, alpha, draws, seed, clusters.second, clusters.centroids, within, p)


def inflow(
    model: VisionModel, x: Tensor, component: Component, below: str, method: str | Composite
) -> Float32[np.ndarray, "n b"]:
    """What flows into a component, summed over its positions, from each component of a layer below: shares whose
    absolute values add up to 1 on each image; all 0 where nothing flows. What biases keep is no part."""
    goal = Activation(component)
    found = attribute(model, x, goal, method=method, layers=[below], heat=False, warn_above=1.0)
    flow = found.layers[below].flatten(2).sum(2).float()
    size = flow.abs().sum(1, keepdim=True)
    return torch.where(size > 0, flow / size, 0).cpu().numpy()


def _before(index: ConceptIndex, layer: str) -> str:
    index.layer_slice(layer)  # raises for a layer that is not there
    names = [axis.layer for axis in index.layers]
    at = names.index(layer)
    if not at:
        raise SemlensError(f"no layer of the index comes before {layer!r}: say from which layer it flows, with below")
    return names[at - 1]


def _shares(
    index: ConceptIndex, model: VisionModel, images: ExampleSet, layer: str, below: str, units: Sequence[int],
    method: str, progress: Progress,
) -> tuple[Float32[np.ndarray, "c k b"], Bool[np.ndarray, "c k"]]:  # fmt: skip
    """Every component's examples by what flows into it, and which slots were looked at."""
    rows = index.layer_slice(layer)
    valid = np.zeros((rows.stop - rows.start, index.rows.shape[1]), bool)
    asked = [index.row(Component(layer, unit)) - rows.start for unit in several(units)] or range(len(valid))  # type: ignore[arg-type]
    valid[asked] = index.valid[rows][asked]
    shares: Float32[np.ndarray, "c k b"] | None = None
    feed = Feed(model, images, index.rows.shape[1])
    alive = np.flatnonzero(valid.any(axis=1)).tolist()
    for done, unit in enumerate(alive):
        slots = np.flatnonzero(valid[unit])
        ids = index.ids[rows.start + unit, slots].tolist()
        for x, batch in feed.batches(ids, "examples", readable_when="the index was made"):
            flow = inflow(model, x[: len(batch.ids)], Component(layer, unit), below, method)
            if shares is None:
                shares = np.zeros((*valid.shape, flow.shape[1]), np.float32)
            shares[unit, slots] = flow
        progress(f"what flows into {layer}", done + 1, len(alive))
    if shares is None:
        raise SemlensError(f"no component of {layer!r} has an example: there is nothing to split")
    return shares, valid


def _virtual(splits: Splits) -> ConceptIndex:
    index, rows = splits.index, splits.index.layer_slice(splits.layer)
    halves = [(unit, half) for unit in range(len(splits.second)) for half in range(1 + int(splits.split[unit]))]
    unit = np.array([rows.start + unit for unit, _ in halves])
    keep = np.stack(
        [
            splits.second[unit] == bool(half) if splits.split[unit] else np.ones(splits.second.shape[1], bool)
            for unit, half in halves
        ]
    )
    names = tuple(f"{unit}/{half}" if splits.split[unit] else str(unit) for unit, half in halves)
    arrays = _chosen(index, unit, keep & index.valid[unit], splits.split[unit - rows.start])
    chosen = f"{splits.method}, alpha {splits.alpha:g}, draws {splits.draws}, seed {splits.seed}"
    made = f"of {splits.layer} by {splits.below}, {chosen}"
    axis = LayerAxis(f"{splits.layer}@split", "split", 0, len(unit))
    return replace(
        index,
        recipe=replace(index.recipe, software={**index.recipe.software, "split": made}),
        layers=(axis,),
        means=mean_rows(index.vectors, arrays["rows"]),
        read_unit_names=partial(given, names),
        read_additions={},
        **arrays,
    )


def _chosen(
    index: ConceptIndex, unit: Int64[np.ndarray, "v"], keep: Bool[np.ndarray, "v k"], halved: Bool[np.ndarray, "v"]
) -> dict[str, Any]:
    """What the index holds of the examples kept, moved to the front."""
    order = np.argsort(~keep, axis=1, kind="stable")
    kept = np.take_along_axis(keep, order, axis=1)

    def moved(values: np.ndarray, empty: Any) -> np.ndarray:
        return np.where(kept, np.take_along_axis(values[unit], order, axis=1), empty).astype(values.dtype)

    rows: Int32[np.ndarray, "v k"] = moved(index.rows, MISSING)
    return {
        "ids": moved(index.ids, MISSING),
        "positions": moved(index.positions, MISSING),
        "activations": moved(index.activations, -np.inf),
        "rows": rows,
        "fired": np.where(halved, kept.sum(axis=1), index.fired[unit]),
        "nan": np.array(index.nan[unit]),
        "lowest": np.array(index.lowest[unit]),
    }
