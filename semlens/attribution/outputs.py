"""What a model returned: the row of logits per image, or words for what there is in its place."""

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from semlens.attribution.marks import mark_of
from semlens.errors import SemlensError
from semlens.model import logits_of
from semlens.types import Float


class ProbabilityWarning(UserWarning):
    """The explained output is a probability, behind a softmax or a sigmoid, or its logarithm, and not the logit."""


def logits_in(output: Any, images: int) -> Float[Tensor, "n y"]:
    """The logits: the output itself, the first of a tuple, `logits` of a dict; one number per image is a row of one.

    Raises:
        SemlensError: there is no row of logits per image.
    """
    logits = logits_of(output, images)
    if logits is not None:
        return logits
    raise SemlensError(
        f"the model's output is {described(output)}, not a row of logits per image: give as target "
        f"{_options(output)}, a component ('layer:unit'), or a function of the output that gives a number per image "
        "(docs/attribution.md, What is explained)"
    )


def _options(output: Any) -> str:
    """The recipes that may fit."""
    if _is_detections(output):
        return "box_score()"
    maps = isinstance(output, dict) or (isinstance(output, Tensor) and output.ndim == 4)
    return "mask_logit(class) for a segmentation, map_mean() for a depth map" if maps else "similarity(text, ...)"


def _is_detections(output: Any) -> bool:
    return isinstance(output, list) and bool(output) and isinstance(output[0], dict) and "scores" in output[0]


def described(output: Any) -> str:
    """What a model returned, in words, with shapes."""
    if isinstance(output, Tensor):
        return f"a tensor of shape {tuple(output.shape)}"
    if isinstance(output, dict):
        return f"a dict of {', '.join(f'{name!r}{_shape(value)}' for name, value in output.items()) or 'nothing'}"
    if isinstance(output, tuple | list):
        return f"a {type(output).__name__} of {len(output)}" + (f", first {described(output[0])}" if output else "")
    return f"a {type(output).__name__}"


def _shape(value: Any) -> str:
    return f" {tuple(value.shape)}" if isinstance(value, Tensor) else ""


def detections_in(output: Any) -> Sequence[dict[str, Tensor]]:
    """The detections of each image: `boxes`, `labels`, `scores`, as torchvision's detectors give them in eval mode.

    Raises:
        SemlensError: the output is another.
    """
    if not _is_detections(output):
        raise SemlensError(
            f"the model's output is {described(output)}, not a list of boxes, labels and scores for each image, so "
            "box_score() cannot read it: give a function of the output that gives a number per image"
        )
    found: list[dict[str, Tensor]] = output
    return found


def map_in(output: Any) -> Float[Tensor, "n y h w"]:
    """A map per image and channel: the output itself, or `out`, `logits` or `predicted_depth` of a dict; the first of a
    tuple. A map without channels has one.

    Raises:
        SemlensError: the output is another.
    """
    found = output
    if isinstance(output, dict):
        found = next((output[key] for key in ("out", "logits", "predicted_depth") if key in output), None)
    elif isinstance(output, tuple) and output:
        found = output[0]
    if isinstance(found, Tensor) and found.ndim == 3:
        found = found[:, None]
    if not isinstance(found, Tensor) or found.ndim != 4:
        raise SemlensError(
            f"the model's output is {described(output)}, in which there is no map per image: give a function of the "
            "output that gives a number per image"
        )
    return found


def is_probability(logits: Float[Tensor, "n y"]) -> bool:
    """Whether the numbers are probabilities, or logarithms of such: what a softmax or a sigmoid gave, or rows that sum
    to 1 with no number below 0."""
    if mark_of(logits).gate:
        return True
    values = logits.detach().float()
    if values.shape[1] < 2:
        return False
    rows = values if (values >= 0).all() else values.exp()
    return torch.allclose(rows.sum(1), rows.new_ones(1), atol=1e-4)


def warn_of_probability(logits: Float[Tensor, "n y"]) -> None:
    """Issues a ProbabilityWarning if these are probabilities."""
    if is_probability(logits):
        warnings.warn(PROBABILITY, ProbabilityWarning, stacklevel=5)


PROBABILITY = (
    "the model's output is a probability or its logarithm, so its relevance is that, too, and vanishes where the "
    "model is sure: explain the logit, by a model without its last softmax or sigmoid (put nn.Identity() in its place)"
)
