"""Heat maps and crops: do they lie where the concept is that the component truly responds to?"""

from collections.abc import Iterator, Sequence

import numpy as np

from semlens.benchmark.study import Row, Study
from semlens.numerics import bootstrap, coverage, mass_accuracy, pointing, precision_of_box, rank_accuracy
from semlens.revisit import portraits
from semlens.testbed.world import ARTEFACTS, NAMES
from semlens.types import Bool, Float, Float64, Int64

MEASURES = ("relevance mass inside", "highest pixels inside", "highest pixel inside", "crop covers", "crop is filled")


def rows(study: Study) -> Iterator[Row]:
    """Each measure's mean over components that respond to an artefact, and over those that respond to the lesion.

    The mask is that of the component's strongest concept, on its own examples that have it.
    """
    strongest = study.truth.activation.argmax(axis=1)
    responsive = np.flatnonzero(study.responds.any(axis=1))
    components = [study.index.component(int(row)) for row in responsive]
    shown = portraits(study.index, study.model, study.images, components, examples=study.settings.heat_examples)
    groups: dict[str, list[Float64[np.ndarray, "3 m"]]] = {"artefacts": [], "lesions": []}
    for row, portrait in zip(responsive, shown, strict=True):
        concept = NAMES[strongest[row]]
        measured = _component(study, int(row), [example.heat for example in portrait.examples], concept)
        if measured.size:
            groups["artefacts" if concept in ARTEFACTS else "lesions"].append(measured.mean(axis=0))
    for group, members in ((group, members) for group, members in groups.items() if members):
        table = np.array(members).reshape(-1, 3, len(MEASURES))
        what = f"{len(table)} components of {group}"
        for m, measure in enumerate(MEASURES):
            value, chance, oracle = bootstrap(table[:, 0, m]), *(float(table[:, i, m].mean()) for i in (1, 2))
            yield Row(study.name, "heat maps and crops", what, measure, value, chance, oracle)


def _component(
    study: Study, row: int, heats: Sequence[Float[np.ndarray, "h w"]], concept: str
) -> Float64[np.ndarray, "n 3 m"]:
    """For each of a component's examples that show the concept: the value, by chance and at best, per measure."""
    index, measured = study.index, []
    slots = np.flatnonzero(index.valid[row])[: study.settings.heat_examples]
    for slot, heat in zip(slots, heats, strict=True):
        mask = study.masks[index.ids[row, slot]].get(concept)
        if mask is not None and mask.any():
            measured.append(_example(heat, mask, np.array(index.boxes[index.rows[row, slot]], np.int64)))
    return np.array(measured).reshape(-1, 3, len(MEASURES))


def _example(
    heat: Float[np.ndarray, "h w"], mask: Bool[np.ndarray, "h w"], box: Int64[np.ndarray, "4"]
) -> Float64[np.ndarray, "3 m"]:
    """The value, by chance and at best, per measure; chance is a flat map and a box anywhere."""
    share, area = float(mask.mean()), float((box[2] - box[0]) * (box[3] - box[1])) / mask.size
    rows, columns = np.nonzero(mask)
    tight = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    value = [
        mass_accuracy(heat, mask),
        rank_accuracy(heat, mask),
        pointing(heat, mask),
        coverage(box, mask),
        precision_of_box(box, mask),
    ]
    chance = [share, share, share, area, share]
    return np.array([value, chance, [1, 1, 1, 1, precision_of_box(tight, mask)]])
