"""How many units to take out, by images of their own: the group that helps most first, redundant units together."""

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from semlens.correct.correction import Correction
from semlens.correct.head import labels_by_name, marked
from semlens.correct.measure import groups_of, worst_group
from semlens.correct.seen import see
from semlens.correct.suppress import activations
from semlens.images import ImageSet
from semlens.model import Change, Changes, Condition, VisionModel
from semlens.types import Float64, Progress

ALIKE = 0.8
"""Units whose activations over images correlate by this much or more do one thing, and go together."""


def choose_units(
    make: Callable[[Sequence[int]], Correction],
    groups: Sequence[Sequence[int]],
    score: Callable[[VisionModel], float],
    *,
    gain: float = 0.0,
) -> tuple[int, ...]:
    """Which units to suppress: the group of units is added that raises a score most, as long as one raises it.

    Args:
        make: the correction of some units.
        groups: units that are added together, as those that do one thing.
        score: of the corrected model, on images that serve for nothing else: `worst_group`, say.
        gain: what a further group has to add.
    """
    kept: tuple[int, ...] = ()
    left = [tuple(group) for group in groups]
    with make(kept) as model:
        best = score(model)
    while left:
        tried = []
        for group in left:
            with make((*kept, *group)) as model:
                tried.append(score(model))
        top = int(np.argmax(tried))
        if not tried[top] > best + gain:
            break
        kept, best = (*kept, *left.pop(top)), tried[top]
    return kept


def redundant(activations: Float64[np.ndarray, "n u"], least: float = ALIKE) -> list[tuple[int, ...]]:
    """Units in groups: two whose activations correlate by `least` or more, either way, are in one."""
    away = activations - activations.mean(axis=0)
    spread = np.sqrt((away**2).sum(axis=0))
    normal = away / np.where(spread > 0, spread, np.inf)
    linked = np.abs(normal.T @ normal) >= least
    label = np.arange(len(linked))
    for first in range(len(linked)):
        for second in np.flatnonzero(linked[first]).tolist():
            label[label == label[second]] = label[first]
    return [tuple(np.flatnonzero(label == one).tolist()) for one in dict.fromkeys(label.tolist())]


def part_of(changes: Changes, keep: Collection[int]) -> Changes:
    """The changes of some units only, counted through all layers."""
    layers, start = [], 0
    for change in changes.layers:
        at = [n for n in range(len(change.units)) if start + n in keep]
        start += len(change.units)
        if at:
            condition = change.condition and Condition(change.condition.weights[:, at], change.condition.intercept[at])
            units = tuple(change.units[n] for n in at)
            layers.append(Change(change.layer, units, change.targets[at], change.pool, condition))
    return Changes(tuple(layers), changes.head)


def chosen(
    base: Correction, made: Callable[[Changes], Correction], images: ImageSet,
    marks: Mapping[str, Mapping[str, bool]], progress: Progress,
) -> tuple[int, ...]:  # fmt: skip
    """Which of the units that a correction sets are to be set, by the worst group of some images."""
    model = base.model

    def score(now: VisionModel) -> float:
        seen = see(now, images)
        labels = labels_by_name(images, model, seen.ids, seen.logits.shape[1])
        shown = {name: marked(images, seen.ids, one) for name, one in marks.items()}
        return worst_group(seen.logits, labels, groups_of(labels, shown, model.class_names))

    groups = redundant(activations(base, images, progress=progress))
    return choose_units(lambda keep: made(part_of(base.changes, keep)), groups, score)
