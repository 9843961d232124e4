"""What a model returned, if that is a row of logits per image."""

from typing import Any

from torch import Tensor

from semlens.shapes import Float


def logits_of(output: Any, images: int) -> Float[Tensor, "n y"] | None:
    """The logits: the output itself, the first of a tuple, `logits` of a dict; one number per image is a row of one.
    None where there is no such row.
    """
    found = output
    if isinstance(output, dict):
        found = output.get("logits", next(iter(output.values())) if len(output) == 1 else None)
    elif isinstance(output, tuple) and output:
        found = output[0]
    if isinstance(found, Tensor) and found.ndim == 1 and len(found) == images:
        found = found[:, None]
    if isinstance(found, Tensor) and found.ndim == 2 and len(found) == images and found.is_floating_point():
        return found
    return None
