"""The outputs of a model: which one is meant, and what it returned, if that is a row of logits per image."""

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from torch import Tensor

from semlens.errors import SemlensError, unknown
from semlens.types import Float

Row = TypeVar("Row", Tensor, np.ndarray)


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


def less_the_other(logits: Row, output: int) -> Row:
    """An output of every image; of two classes less the other one, which alone decides between them.

    Args:
        logits: a row per image, as a tensor or an array.
    """
    own = logits[:, output]
    return own - logits[:, 1 - output] if logits.shape[1] == 2 else own


def output_number(output: int | str, class_names: Sequence[str], outputs: int) -> int:
    """The number of an output that is given by number or class name, of a model that has `outputs`.

    Raises:
        SemlensError: an output that the model does not have, or a name that several classes share.
    """
    if isinstance(output, str) and not output.lstrip("-").isdecimal():
        matches = [i for i, name in enumerate(class_names) if name == output]
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise SemlensError(f"{len(matches)} classes are called {output!r}: give one of their numbers, {matches}")
        raise unknown("class", output, class_names, "or give an output's number")
    number = int(output)
    if not 0 <= number < outputs:
        raise SemlensError(f"the model has no output {number}: it has {outputs}, counted from 0")
    return number
