"""What may be added to an index once it is built: labels, scores and an atlas, as records of arrays without the index.

Each has a recipe, which is everything that determines it beside the index, and stands in the manifest.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from semlens.index.files import Arrays, pack_texts
from semlens.index.layout import LAYOUT
from semlens.index.relevance import ClassRelevance, RelevanceId
from semlens.numerics import Histogram
from semlens.shapes import Float32, Float64, Int32, UInt8
from semlens.types import MISSING

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

    def __post_init__(self) -> None:
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
    x: Float32[np.ndarray, "c"]  # not a number for a dead component
    y: Float32[np.ndarray, "c"]
    cluster: Int32[np.ndarray, "c"]  # 0 for the largest; MISSING for a dead component
    labels: tuple[str, ...]  # of each cluster; empty where it has none
    fits: Float32[np.ndarray, "g"]  # of the label; not a number where the cluster has none


Addition = Histogram | StoredLabels | StoredScores | StoredAtlas
Held = ClassRelevance | Addition

KINDS: Mapping[type, str] = {
    ClassRelevance: "relevance",
    Histogram: "histogram",
    StoredLabels: "labels",
    StoredScores: "scores",
    StoredAtlas: "atlas",
}
"""What each thing that an index may hold besides is called in the manifest and as a property of the index."""


def recipe_of(held: Held) -> dict[str, Any] | None:
    """What determines it beside the index, as the manifest has it; None for a histogram, which the index determines."""
    match held:
        case ClassRelevance():
            return {field.name: getattr(held, field.name) for field in fields(RelevanceId)}
        case Histogram():
            return None
        case _:
            return asdict(held.recipe)


def arrays_of(held: Held) -> dict[str, Arrays]:
    """What each of its parts holds."""
    match held:
        case ClassRelevance():
            return {"relevance": _tensors("relevance", held), "class-names": pack_texts(held.class_names)}
        case Histogram():
            return {"histogram": _tensors("histogram", held)}
        case StoredLabels():
            meanings = _tensors("label-meanings", held.meanings)
            phrases = pack_texts(held.phrases)
            return {"labels": _tensors("labels", held), "label-phrases": phrases, "label-meanings": meanings}
        case StoredScores():
            summaries = _tensors("layer-scores", held.summaries)
            return {"scores": _tensors("scores", held), "layer-scores": summaries}
        case StoredAtlas():
            clusters = {**pack_texts(held.labels), "fits": held.fits}
            return {"atlas": _tensors("atlas", held), "clusters": clusters}


def rows_of(held: Held) -> dict[str, int]:
    """How many things each of its parts describes that is not about every component."""
    match held:
        case StoredLabels():
            return {"label-phrases": len(held.phrases), "label-meanings": len(held.meanings.rows)}
        case StoredScores():
            return {"layer-scores": len(held.recipe.layers)}
        case StoredAtlas():
            return {"clusters": len(held.labels)}
        case _:
            return {}


def _tensors(part: str, record: object) -> Arrays:
    return {name: getattr(record, name) for name in LAYOUT[part]}
