"""What may be added to an index once it is built: labels, scores and an atlas, as records of arrays without the index.

Each has a recipe, which is everything that determines it beside the index, and stands in the manifest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from semlens.index.encodings import ENCODINGS, Encodings
from semlens.index.files import Arrays, pack_texts
from semlens.index.relevance import RELEVANCE, RELEVANCE_VECTORS, ClassRelevance, RelevanceVectors
from semlens.index.rules import Kind, PartRules, Parts, Sizes, check_alike, check_inside, check_range, texts
from semlens.numerics import Histogram
from semlens.types import MISSING, Float32, Float64, Int32, LayerAxis, UInt8

DRAWINGS = ("umap", "principal")
"""Ways to draw an atlas: by neighbourhoods, or on the two principal axes."""


@dataclass(frozen=True)
class VocabularyId:
    """The phrases that were offered."""

    phrases: int
    digest: str  # over the phrases, their vectors and their nulls


@dataclass(frozen=True)
class LabelsId:
    """Everything that determines an index's labels."""

    method: str
    fdr: float  # the part of labels given, at most, that chance would have given too
    layers: tuple[str, ...]  # those asked for, in the index's order
    split: bool  # whether components with two meanings were looked for
    draws: int  # random components per layer
    seed: int
    vocabulary: VocabularyId

    def __post_init__(self) -> None:
        if not 0 < self.fdr < 1:
            raise ValueError("the false-discovery rate of the labels does not lie between 0 and 1")


@dataclass(frozen=True)
class ScoresId:
    """Everything that determines an index's scores."""

    layers: tuple[str, ...]  # those asked for, in the index's order
    draws: int  # random components per layer
    seed: int


@dataclass(frozen=True)
class AtlasId:
    """Everything that determines the atlas of one or several indexes."""

    drawing: str  # of DRAWINGS
    clusters: int | None  # asked for; None: as many as suit the number of components
    neighbours: int
    min_dist: float
    seed: int
    vocabulary: VocabularyId | None
    by: str = "examples"  # or "encoding": whose vectors are drawn and grouped

    def __post_init__(self) -> None:
        if self.by not in ("examples", "encoding"):
            raise ValueError(f"the atlas goes by {self.by!r:.20}, not by examples or encoding")
        if self.drawing not in DRAWINGS:
            raise ValueError(f"the drawing of the atlas is {self.drawing!r:.20}, not one of {', '.join(DRAWINGS)}")


@dataclass(frozen=True, eq=False)
class StoredMeanings:
    """The components that have two meanings, a row for each."""

    rows: Int32[np.ndarray, "s"]  # of the index, ascending
    phrases: Int32[np.ndarray, "s 2"]  # numbers of the phrases
    scores: Float32[np.ndarray, "s 2"]  # by the method of the labels
    groups: UInt8[np.ndarray, "s k"]  # which meaning each slot's example shows, 1 or 2; 0 for neither


@dataclass(frozen=True, eq=False, repr=False)
class StoredLabels:
    """An index's labels; of the vocabulary, the phrases that are named."""

    recipe: LabelsId
    phrases: tuple[str, ...]
    ranked: Int32[np.ndarray, "c m"]  # numbers of the best phrases, the best first; a row of MISSING where none
    alignments: Float32[np.ndarray, "c m"]  # not a number where `ranked` is MISSING
    p_value: Float64[np.ndarray, "c"]
    q_value: Float64[np.ndarray, "c"]  # a component has its best phrase for a label if this is at most the recipe's fdr
    stability: Float32[np.ndarray, "c"]
    meanings: StoredMeanings

    @property
    def given(self) -> int:
        """How many components have a label."""
        return int(((self.q_value <= self.recipe.fdr) & (self.ranked[:, 0] != MISSING)).sum())


@dataclass(frozen=True, eq=False)
class Summaries:
    """A layer's row for each measure: mean, its interval's ends, baseline, and the ends of the baseline's range."""

    clarity: Float32[np.ndarray, "t 6"]
    polysemanticity: Float32[np.ndarray, "t 6"]
    redundancy: Float32[np.ndarray, "t 6"]


@dataclass(frozen=True, eq=False, repr=False)
class StoredScores:
    """The measures of an index's components, and their summaries; not a number where one is not defined."""

    recipe: ScoresId
    clarity: Float32[np.ndarray, "c"]
    polysemanticity: Float32[np.ndarray, "c"]
    redundancy: Float32[np.ndarray, "c"]
    clarity_p: Float32[np.ndarray, "c"]
    excess: Float32[np.ndarray, "c"]
    summaries: Summaries  # of the recipe's layers


@dataclass(frozen=True, eq=False, repr=False)
class StoredAtlas:
    """Where an index's components lie on its map, and in which clusters."""

    recipe: AtlasId
    x: Float32[np.ndarray, "c"]  # not a number where it has no place
    y: Float32[np.ndarray, "c"]
    cluster: Int32[np.ndarray, "c"]  # 0 for the largest; MISSING for a dead component, by encoding for one without
    labels: tuple[str, ...]  # of each cluster; empty where it has none
    fits: Float32[np.ndarray, "g"]  # of the label; not a number where the cluster has none


Addition = Histogram | StoredLabels | StoredScores | StoredAtlas | Encodings | RelevanceVectors
Held = ClassRelevance | Addition


def _check_histogram(arrays: Arrays, sizes: Sizes) -> None:
    counts = arrays["counts"]
    if counts.min(initial=0) < 0 or counts.sum(axis=1, dtype=np.int64).max(initial=0) > sizes["i"]:
        raise ValueError(f"counts holds a negative number, or more than {sizes['i']} images for a component")


def _check_labels(arrays: Arrays, sizes: Sizes) -> None:
    ranked, alignments = arrays["ranked"], arrays["alignments"]
    check_alike(arrays, "ranked", "alignments")
    if not ranked.shape[1]:
        raise ValueError("ranked has no column")
    check_inside("ranked", ranked, sizes["q"], missing=True)
    empty = ranked == MISSING
    if (empty != empty[:, :1]).any():
        raise ValueError("ranked holds MISSING beside a phrase")
    if not np.where(empty, np.isnan(alignments), np.isfinite(alignments)).all():
        raise ValueError("alignments holds a value that is not finite, or one where ranked names no phrase")
    for name in ("p_value", "q_value"):
        check_range(name, arrays[name], 0, 1, nan=False)
    check_range("stability", arrays["stability"], 0, 1)


def _check_labelled(arrays: Arrays, rows: Int32[np.ndarray, "c k"]) -> None:
    if (arrays["ranked"][(rows == MISSING).all(axis=1)] != MISSING).any():
        raise ValueError("ranked holds a phrase for a dead component")


def _check_meanings(arrays: Arrays, sizes: Sizes) -> None:
    check_inside("rows", arrays["rows"], sizes["c"])
    if (arrays["rows"][1:] <= arrays["rows"][:-1]).any():
        raise ValueError("rows does not ascend")
    check_inside("phrases", arrays["phrases"], sizes["q"])
    if not np.isfinite(arrays["scores"]).all():
        raise ValueError("scores holds a value that is not finite")
    if (arrays["groups"] > 2).any():
        raise ValueError("groups holds a value above 2")


def _check_groups(arrays: Arrays, rows: Int32[np.ndarray, "c k"]) -> None:
    if (arrays["groups"][rows[arrays["rows"]] == MISSING] != 0).any():
        raise ValueError("groups names a slot that holds no example")


def _check_scores(arrays: Arrays, sizes: Sizes) -> None:
    for name, least, most in (*_MEASURES, ("clarity_p", 0, 1)):
        check_range(name, arrays[name], least, most)
    if (np.isinf(arrays["excess"]) | (arrays["excess"] > 1)).any():
        raise ValueError("excess holds a value above 1, or an infinite one")


def _check_layer_scores(arrays: Arrays, sizes: Sizes) -> None:
    for name, least, most in _MEASURES:
        check_range(name, arrays[name], least, most)


def _check_atlas(arrays: Arrays, sizes: Sizes) -> None:
    cluster = arrays["cluster"]
    check_inside("cluster", cluster, sizes["g"], missing=True)
    for name in ("x", "y"):
        if not np.where(cluster == MISSING, np.isnan(arrays[name]), np.isfinite(arrays[name])).all():
            raise ValueError(f"{name} holds a value that is not finite, or one where cluster is MISSING")
    if len(np.unique(cluster[cluster != MISSING])) < sizes["g"]:
        raise ValueError("cluster leaves a cluster without components")


def _check_placed(arrays: Arrays, rows: Int32[np.ndarray, "c k"]) -> None:
    if ((arrays["cluster"] != MISSING) & (rows == MISSING).all(axis=1)).any():
        raise ValueError("cluster holds a dead component")


def _check_clusters(arrays: Arrays, sizes: Sizes) -> None:
    if np.isinf(arrays["fits"]).any():
        raise ValueError("fits holds an infinite value")


def _check_layers(recipe: LabelsId | ScoresId, layers: tuple[LayerAxis, ...], rows: Mapping[str, int]) -> None:
    """Raises ValueError unless the layers that were asked for are an index's, in its order, with a summary each."""
    if recipe.layers != tuple(axis.layer for axis in layers if axis.layer in recipe.layers):
        raise ValueError("the layers asked for are not those of the index in its order")
    if rows.get("layer-scores", len(recipe.layers)) != len(recipe.layers):
        raise ValueError("part 'layer-scores' has not a row for each of the layers asked for")


_MEASURES = (("clarity", -1, 1), ("polysemanticity", 0, 2), ("redundancy", -1, 1))
_COLUMNS = dict.fromkeys(("clarity", "polysemanticity", "redundancy", "clarity_p", "excess"), "float32 c")
_SUMMARIES = dict.fromkeys(("clarity", "polysemanticity", "redundancy"), "float32 t 6")
_RANKED = {
    "ranked": "int32 c m",
    "alignments": "float32 c m",
    "p_value": "float64 c",
    "q_value": "float64 c",
    "stability": "float32 c",
}
_MEANINGS = {"rows": "int32 s", "phrases": "int32 s 2", "scores": "float32 s 2", "groups": "uint8 s k"}
_PLACES = {"x": "float32 c", "y": "float32 c", "cluster": "int32 c"}
_CLUSTERS = {"data": "uint8 b", "offsets": "int64 g+1", "fits": "float32 g"}
_PARTS = {
    "histogram": PartRules("c", {"counts": "int32 c 129"}, _check_histogram),
    "labels": PartRules("c", _RANKED, _check_labels, _check_labelled),
    "label-phrases": texts("q"),
    "label-meanings": PartRules("s", _MEANINGS, _check_meanings, _check_groups),
    "scores": PartRules("c", _COLUMNS, _check_scores),
    "layer-scores": PartRules("t", _SUMMARIES, _check_layer_scores),
    "atlas": PartRules("c", _PLACES, _check_atlas, _check_placed),
    "clusters": PartRules("g", _CLUSTERS, _check_clusters),
}


def _parts(*names: str) -> dict[str, PartRules]:
    return {name: _PARTS[name] for name in names}


def _write_labels(labels: StoredLabels) -> dict[str, Arrays]:
    meanings = _PARTS["label-meanings"].pick(labels.meanings)
    return {
        "labels": _PARTS["labels"].pick(labels),
        "label-phrases": pack_texts(labels.phrases),
        "label-meanings": meanings,
    }


def _read_labels(recipe: LabelsId, parts: Parts) -> StoredLabels:
    meanings = StoredMeanings(**parts.arrays("label-meanings"))
    return StoredLabels(recipe, parts.texts("label-phrases"), **parts.arrays("labels"), meanings=meanings)


def _write_scores(scores: StoredScores) -> dict[str, Arrays]:
    return {"scores": _PARTS["scores"].pick(scores), "layer-scores": _PARTS["layer-scores"].pick(scores.summaries)}


def _read_scores(recipe: ScoresId, parts: Parts) -> StoredScores:
    return StoredScores(recipe, **parts.arrays("scores"), summaries=Summaries(**parts.arrays("layer-scores")))


def _write_atlas(atlas: StoredAtlas) -> dict[str, Arrays]:
    return {"atlas": _PARTS["atlas"].pick(atlas), "clusters": {**pack_texts(atlas.labels), "fits": atlas.fits}}


def _read_atlas(recipe: AtlasId, parts: Parts) -> StoredAtlas:
    fits = parts.arrays("clusters")["fits"]
    return StoredAtlas(recipe, **parts.arrays("atlas"), labels=parts.texts("clusters"), fits=fits)


HISTOGRAM = Kind(
    "histogram", Histogram, _parts("histogram"), since=2,
    write=lambda histogram: {"histogram": {"counts": histogram.counts}},
    read=lambda recipe, parts: Histogram(**parts.arrays("histogram")),
)  # fmt: skip
LABELS = Kind(
    "labels", StoredLabels, _parts("labels", "label-phrases", "label-meanings"), _write_labels, _read_labels,
    since=2, recipe=LabelsId, check=_check_layers,
)  # fmt: skip
SCORES = Kind(
    "scores", StoredScores, _parts("scores", "layer-scores"), _write_scores, _read_scores,
    since=2, recipe=ScoresId, check=_check_layers,
)  # fmt: skip
ATLAS = Kind(
    "atlas", StoredAtlas, _parts("atlas", "clusters"), _write_atlas, _read_atlas, since=2, recipe=AtlasId,
    since_of=lambda recipe: 3 if recipe.by == "encoding" else 2,
)  # fmt: skip

KINDS = (RELEVANCE, HISTOGRAM, LABELS, SCORES, ATLAS, ENCODINGS, RELEVANCE_VECTORS)
"""Everything that an index may hold besides what every index holds. A new one is a record, its `Kind` and its place
here: nothing else that reads, writes or checks an index has to know of it."""


def kind_of(addition: Any) -> Kind:
    """The kind of an addition."""
    return next(kind for kind in KINDS if kind.record is type(addition))
