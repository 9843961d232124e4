"""The last layer fitted anew on what reaches it: by the labels of images, classes and groups counting alike."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from semlens.analysis.audit import file_name
from semlens.correct.correction import Correction
from semlens.correct.seen import Seen, head_path, see
from semlens.errors import SemlensError
from semlens.images import ImageSet, match_labels
from semlens.model import Changes, Head, VisionModel
from semlens.types import Bool, Float32, Float64, Int64, Progress

PENALTY = 0.3
"""On squared weights, of features in their standard deviations, beside the mean loss: large enough that no weight lives
on what a few images have."""

_STEPS = 500


NEVER = "classes never given"
"""In a recipe: the classes of which no image was there when the last layer was fitted."""


def balanced(groups: Int64[np.ndarray, "n"]) -> Float64[np.ndarray, "n"]:
    """Weights that sum to 1, and over each group to the same."""
    _, place, size = np.unique(groups, return_inverse=True, return_counts=True)
    return np.asarray(1 / (len(size) * size[place]))


def fit_head(
    path: str,
    seen: Seen,
    labels: Int64[np.ndarray, "n"],
    *,
    groups: Int64[np.ndarray, "n"] | None = None,
    penalty: float = PENALTY,
) -> Head:
    """The last layer that a multinomial logistic regression gives on `seen.features`.

    Args:
        labels: the class of each image.
        groups: which images count together, as much as any other group; the classes if none are given.

    A class without an image is never given any more (`closed`): it takes images of all that count.

    Source: Kirichenko et al. 2023 (arXiv 2204.02937), last-layer retraining. But: on what a correction lets through.

    Raises:
        SemlensError: labels of one class only.
    """
    if len(np.unique(labels)) < 2:
        raise SemlensError("the last layer is refitted on images of two classes at least; label them, or give more")
    x = seen.features.astype(np.float64)
    mean, spread = x.mean(axis=0), x.std(axis=0)
    unit = np.divide(1, spread, out=np.zeros_like(spread), where=spread > 1e-9 * max(float(spread.max()), 1e-300))
    weights, bias = _multinomial((x - mean) * unit, labels, balanced(labels if groups is None else groups), penalty,
                                 seen.logits.shape[1])  # fmt: skip
    weights = weights * unit
    return Head(path, torch.from_numpy(weights).float(), torch.from_numpy(bias - weights @ mean).float())


def _multinomial(
    x: Float64[np.ndarray, "n f"],
    labels: Int64[np.ndarray, "n"],
    share: Float64[np.ndarray, "n"],
    penalty: float,
    outputs: int,
) -> tuple[Float64[np.ndarray, "y f"], Float64[np.ndarray, "y"]]:
    """Weights and biases of the least loss; of classes without an image, the bias is that of none."""
    rows, target, weight = torch.from_numpy(x), torch.from_numpy(labels), torch.from_numpy(share)
    there = torch.zeros(outputs, dtype=torch.bool).index_fill_(0, target, True)
    parameters = [torch.zeros(outputs, x.shape[1], dtype=torch.float64, requires_grad=True),
                  torch.zeros(outputs, dtype=torch.float64, requires_grad=True)]  # fmt: skip
    closed = torch.zeros(outputs, dtype=torch.float64).masked_fill(~there, _NEVER)
    solver = torch.optim.LBFGS(parameters, max_iter=_STEPS, tolerance_grad=1e-9, tolerance_change=1e-12,
                               line_search_fn="strong_wolfe")  # fmt: skip

    def loss() -> Any:
        solver.zero_grad()
        logits = rows @ parameters[0].T + parameters[1] + closed
        each = torch.nn.functional.cross_entropy(logits, target, reduction="none")
        value = weight @ each + penalty / 2 * parameters[0].square().sum()
        value.backward()
        return value

    with torch.enable_grad():
        solver.step(loss)
    weights, bias = (parameter.detach() for parameter in parameters)
    return weights.numpy(), (bias + closed).numpy()


_NEVER = -30.0


def closed(labels: Int64[np.ndarray, "n"], outputs: int) -> list[int]:
    """The classes without an image, which a last layer fitted on these labels never gives."""
    return sorted(set(range(outputs)) - set(labels.tolist()))


def labels_of(numbers: Sequence[tuple[int, ...]], ids: Int64[np.ndarray, "n"]) -> Int64[np.ndarray, "n"]:
    """The class of each image, -1 where its labels name none or several."""
    return np.array([numbers[i][0] if len(numbers[i]) == 1 else -1 for i in ids.tolist()], np.int64)


def labels_by_name(
    images: ImageSet, model: VisionModel, ids: Int64[np.ndarray, "n"], outputs: int
) -> Int64[np.ndarray, "n"]:
    """The class of each image, -1 where its labels name none or several.

    Raises:
        SemlensError: no label names a class.
    """
    matches = match_labels(images.labels, model.class_names, outputs)
    labels = labels_of(matches.numbers, ids)
    if not (labels >= 0).any():
        raise SemlensError(f"{images.source}: {matches}; the last layer and accuracies need labels that name classes")
    return labels


def marked(images: ImageSet, ids: Int64[np.ndarray, "n"], marks: Mapping[str, bool]) -> Bool[np.ndarray, "n"]:
    """Which images show a concept, by the last part of their names."""
    return np.array([marks.get(file_name(images.names[i]), False) for i in ids.tolist()])


def features_of(seen: Seen, keep: Any) -> Seen:
    """Some of the images."""
    rows: Any = np.asarray(keep)
    own: Float32[np.ndarray, "n f"] = seen.features[rows]
    return Seen(seen.ids[rows], seen.vectors[rows], own, seen.logits[rows])


def refitted(correction: Correction, images: ImageSet, progress: Progress) -> Correction:
    """The correction with the last layer fitted on what it lets through; its recipe has the classes without images."""
    model = correction.model
    path = head_path(model, model.example_input())
    with correction as changed:
        seen = see(changed, images, head=path, progress=progress)
    outputs = seen.logits.shape[1]
    labels = labels_by_name(images, model, seen.ids, outputs)
    known = labels >= 0
    head, without = fit_head(path, features_of(seen, known), labels[known]), closed(labels[known], outputs)
    never = [model.class_names[n] if n < len(model.class_names) else str(n) for n in without]
    return Correction(model, Changes(correction.changes.layers, head), {NEVER: never} if never else {})
