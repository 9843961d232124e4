"""Every rule once more, slowly: the layer as a dense matrix, each formula written out for one output unit at a time."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import nn

Array = np.ndarray
STABILISER, ROUNDING = 1e-9, 1e-6


@dataclass(frozen=True)
class Dense:
    """A layer on one flattened input: `z = matrix @ x + bias`; `seen` is 1 where a unit sees an input, even if
    by a weight of 0."""

    matrix: Array
    bias: Array
    seen: Array


@cache
def dense(layer: nn.Module, shape: tuple[int, ...]) -> Dense:
    """The layer's matrix, from pushing every unit vector through it."""
    units = torch.eye(int(np.prod(shape)), dtype=torch.float64).reshape(-1, *shape)
    ones = copy.deepcopy(layer)
    for name, parameter in ones.named_parameters():
        nn.init.constant_(parameter, float(name == "weight"))
    with torch.no_grad():
        at_zero = layer(torch.zeros_like(units[:1]))
        matrix = (layer(units) - at_zero).flatten(1).T
        seen = ones(units).flatten(1).T
    return Dense(matrix.numpy(), at_zero.flatten().numpy(), seen.numpy())


def stabilised(z: float, step: float) -> float:
    return z + step if z >= 0 else z - step


# A formula takes x, one row w of the matrix, the bias b, the row of `seen` and the layer's scale m, its mean |z|; it
# gives what each input contributes, what the bias does, and the denominator.
Formula = Callable[[Array, Array, float, Array, float], tuple[Array, float, float]]


def zero(x: Array, w: Array, b: float, seen: Array, m: float) -> tuple[Array, float, float]:
    return x * w, b, (x * w).sum() + b


def epsilon(size: float) -> Formula:
    def formula(x: Array, w: Array, b: float, seen: Array, m: float) -> tuple[Array, float, float]:
        return x * w, b, stabilised((x * w).sum() + b, size * m)

    return formula


def gamma(size: float) -> Formula:
    def formula(x: Array, w: Array, b: float, seen: Array, m: float) -> tuple[Array, float, float]:
        sign = 1.0 if (x * w).sum() + b > 0 else -1.0
        part = np.array([v + size * v * (sign * xj * v > 0) for xj, v in zip(x, w, strict=True)]) * x
        kept = b + size * b * (sign * b > 0)
        return part, kept, stabilised(part.sum() + kept, STABILISER * m)

    return formula


def one_sided(sign: float) -> Formula:
    def formula(x: Array, w: Array, b: float, seen: Array, m: float) -> tuple[Array, float, float]:
        part = np.array([z if sign * z > 0 else 0.0 for z in x * w])
        kept = b if sign * b > 0 else 0.0
        return part, kept, stabilised(part.sum() + kept, STABILISER * m)

    return formula


def flat(x: Array, w: Array, b: float, seen: Array, m: float) -> tuple[Array, float, float]:
    return seen, 0.0, seen.sum() or 1.0


def w_square(x: Array, w: Array, b: float, seen: Array, m: float) -> tuple[Array, float, float]:
    return w**2, 0.0, (w**2).sum() or 1.0


def z_box(low: Array, high: Array) -> Formula:
    def formula(x: Array, w: Array, b: float, seen: Array, m: float) -> tuple[Array, float, float]:
        part = np.array([v * (xj - (lj if v > 0 else hj)) for xj, v, lj, hj in zip(x, w, low, high, strict=True)])
        return part, 0.0, stabilised(part.sum(), ROUNDING * m)

    return formula


def scale(layer: nn.Module, z: Array) -> Array:
    """Mean |z| for each unit of the output on one image: of all units of a convolution, of a linear layer's at the same
    position."""
    if isinstance(layer, nn.Linear):
        return np.repeat(np.abs(z).mean(-1), z.shape[-1])
    return np.full(z.size, np.abs(z).mean())


def share(
    layer: Dense, x: Array, relevance: Array, scales: Array, *weighted: tuple[float, Formula]
) -> tuple[Array, float]:
    """Relevance of each input and of the bias: what the formulas, each with its weight, give unit by unit."""
    inputs, bias = np.zeros_like(x), 0.0
    for k, r in enumerate(relevance):
        if r == 0:
            continue  # a unit that is 0 has no relevance, and 0 / 0 no value
        for weight, formula in weighted:
            parts, kept, denominator = formula(x, layer.matrix[k], layer.bias[k], layer.seen[k], scales[k])
            for j, part in enumerate(parts):
                inputs[j] += weight * part / denominator * r
            bias += weight * kept / denominator * r
    return inputs, bias
