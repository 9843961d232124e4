"""Targets for models whose output is no row of logits: the score of a box, the logit of a mask, the mean of a map."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from semlens.attribution.targets import Scalar, detections_in, map_in
from semlens.errors import SemlensError
from semlens.types import Float

Box = Sequence[float | int]
"""Left, top, right, bottom, in pixels of what the model gives it in."""

OVERLAP = 0.5


def box_score(label: int | None = None, *, box: Box | None = None) -> Scalar:
    """The score of the best box of each image, in [0, 1]; for detectors that return boxes, labels and scores, as
    torchvision's do in eval mode.

    Args:
        label: only boxes with this label.
        box: only boxes that overlap this one, in pixels of the model's input, by half (intersection over union).

    Raises:
        SemlensError: when it is attributed: there is no such box in one of the images, or the output holds no boxes.
    """

    def score(output: Any) -> Float[Tensor, "n"]:
        scores = []
        for number, found in enumerate(detections_in(output)):
            fits = torch.ones_like(found["scores"], dtype=torch.bool)
            if label is not None:
                fits &= found["labels"] == label
            if box is not None:
                fits &= overlap(found["boxes"].detach(), box) >= OVERLAP
            if not fits.any():
                kind = "" if label is None else f" with label {label}"
                raise SemlensError(f"the detector finds no box{kind} that fits in image {number}: give another image")
            best = found["scores"].detach().masked_fill(~fits, -torch.inf).argmax()
            scores.append(found["scores"][best])
        return torch.stack(scores)

    return Scalar(score)


def overlap(boxes: Float[Tensor, "m 4"], box: Box) -> Float[Tensor, "m"]:
    """Intersection over union of each box with one."""
    other = boxes.new_tensor(box)
    sides = (torch.minimum(boxes[:, 2:], other[2:]) - torch.maximum(boxes[:, :2], other[:2])).clamp(min=0)
    shared = sides.prod(1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1) + (other[2:] - other[:2]).prod()
    return shared / (areas - shared).clamp(min=1e-30)


def mask_logit(which: int) -> Scalar:
    """The logits of one class summed over the mask that is predicted for it: where its logit is the highest, or, of a
    single class, positive.

    For networks that return a map "n y h w", or a dict with it as `out` (torchvision) or `logits` (transformers).

    Raises:
        SemlensError: when it is attributed: there is no such class, no pixel of an image is predicted as it, or the
            output is no such map.
    """

    def logit(output: Any) -> Float[Tensor, "n"]:
        maps = map_in(output)
        if not 0 <= which < maps.shape[1]:
            raise SemlensError(f"the model segments {maps.shape[1]} classes, counted from 0, and has no class {which}")
        seen = maps.detach()
        mask = seen[:, 0] > 0 if maps.shape[1] == 1 else seen.argmax(1) == which
        for number, predicted in enumerate(mask.flatten(1).any(1).tolist()):
            if not predicted:
                raise SemlensError(f"no pixel of image {number} is predicted as class {which}: give another class")
        return (maps[:, which] * mask.to(maps.dtype)).flatten(1).sum(1)

    return Scalar(logit)


def map_mean(channel: int = 0, *, box: tuple[int, int, int, int] | None = None) -> Scalar:
    """The mean of a map over all of its pixels or a part: a depth, a heat, a density, in the map's own unit.

    Args:
        channel: of a map "n y h w"; one without channels has only 0.
        box: left, top, right, bottom in pixels of the map.

    Raises:
        SemlensError: when it is attributed: there is no such channel, the box is empty, or the output is no map.
    """

    def mean(output: Any) -> Float[Tensor, "n"]:
        maps = map_in(output)
        if not 0 <= channel < maps.shape[1]:
            raise SemlensError(f"the map has {maps.shape[1]} channels, counted from 0, and no channel {channel}")
        part = maps[:, channel]
        if box is not None:
            left, top, right, bottom = box
            part = part[:, top:bottom, left:right]
        if not part.numel():
            raise SemlensError(f"the box {box} holds no pixel of a map of {maps.shape[3]} x {maps.shape[2]}")
        return part.mean((1, 2))

    return Scalar(mean)
