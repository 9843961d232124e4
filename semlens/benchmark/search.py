"""Search: does the query for a concept rank the components first that truly respond to it?"""

from collections.abc import Iterator

import numpy as np

from semlens.analysis import probe, search
from semlens.benchmark.study import Row, Study
from semlens.index import ConceptIndex
from semlens.numerics import average_precision, bootstrap, bootstrap_over, chance_precision
from semlens.testbed.world import ARTEFACTS, NAMES, SEEN, concept
from semlens.types import Float32, Float64


def rows(study: Study) -> Iterator[Row]:
    """Average precision per concept with crops and with whole images, their means, and what crops gain."""
    crops, whole = alignment(study, study.index), alignment(study, study.whole)
    yield from ranked(study, crops, "relevance crops", content(study, study.index))
    yield from ranked(study, whole, "whole images", content(study, study.whole))
    concepts = _with_answers(study)
    gain = [_precision(study, crops, q) - _precision(study, whole, q) for q in concepts]
    what = f"mean of {len(concepts)} concepts"
    yield Row(study.name, "search", what, "what crops gain", bootstrap(gain), 0.0, np.nan)


def alignment(study: Study, index: ConceptIndex) -> Float32[np.ndarray, "c q"]:
    """How well every component of an index fits the query of each concept; -inf where it is dead."""
    probes = probe(study.foundation, [concept(name).phrases[0] for name in NAMES])
    scores = np.full((len(index.means), len(NAMES)), -np.inf, np.float32)
    numbers = {text: q for q, text in enumerate(probes.names)}
    for hit in search(index, probes, top=len(index.means), by="examples"):
        scores[index.row(hit.component), numbers[hit.probe]] = hit.alignment
    return scores


def ranked(
    study: Study, scores: Float32[np.ndarray, "c q"], how: str, best: Float64[np.ndarray, "c q"]
) -> Iterator[Row]:
    """Average precision of scores for every concept that some component responds to, and their means.

    Args:
        best: the scores of a perfect reader of the same examples.
    """
    measure = f"average precision, {how}"
    by_concept: dict[str, Row] = {}
    for q in _with_answers(study):
        responds = study.responds[:, q]
        precision = bootstrap_over(average_precision, scores[:, q], responds, draws=study.settings.resamples)
        chance, oracle = chance_precision(len(scores), int(responds.sum())), average_precision(best[:, q], responds)
        by_concept[NAMES[q]] = Row(study.name, "search", NAMES[q], measure, precision, chance, oracle)
    yield from by_concept.values()
    artefacts = [row for name, row in by_concept.items() if name in ARTEFACTS]
    for group, members in (("concepts", list(by_concept.values())), ("artefacts", artefacts)):
        mean = bootstrap([row.estimate.value for row in members])
        chance, oracle = (float(np.mean([getattr(row, field) for row in members])) for field in ("chance", "oracle"))
        yield Row(study.name, "search", f"mean of {len(members)} {group}", measure, mean, chance, oracle)


def _with_answers(study: Study) -> list[int]:
    """The numbers of the concepts that some component responds to."""
    return [q for q in range(len(NAMES)) if study.responds[:, q].any()]


def _precision(study: Study, scores: Float32[np.ndarray, "c q"], q: int) -> float:
    return average_precision(scores[:, q], study.responds[:, q])


def content(study: Study, index: ConceptIndex) -> Float64[np.ndarray, "c q"]:
    """In what part of a component's examples, as the index cut them, each concept is seen, in [0, 1]; -1 where it is
    dead.

    To rank by it is to search with a foundation model that reads every picture without fault.
    """
    seen = np.zeros((len(index.sources), len(NAMES)), bool)
    for row, (image, (left, top, right, bottom)) in enumerate(zip(index.sources, index.boxes, strict=True)):
        for name, mask in study.masks[image].items():
            if name in NAMES:
                whole = right - left >= mask.shape[1] and bottom - top >= mask.shape[0]
                seen[row, NAMES.index(name)] = whole or mask[top:bottom, left:right].mean() > SEEN
    shows = np.where(index.valid[..., None], seen[np.where(index.valid, index.rows, 0)], False)
    examples = index.valid.sum(axis=1, keepdims=True)
    return np.where(examples > 0, shows.sum(axis=1) / np.maximum(examples, 1), -1.0)
