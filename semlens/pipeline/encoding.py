"""From the sums of a pass to encodings: moments, one transform a layer, how much can be explained, what is kept.

Source: docs/encoding.md. Everything after the sums is numpy in float64 on one machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from semlens.collection import ACTIVATION_BITS, EMBEDDING_BITS, MOST_BITS
from semlens.errors import SemlensError
from semlens.index import TRANSFORMS, Encodings, EncodingsId, Thumbnails
from semlens.numerics import ridged
from semlens.types import Bool, EncodingSums, Float16, Float32, Float64, Int32, LayerAxis

_SUMMED = 2  # of the TRANSFORMS are in the sums; the third is that of rows of their own, as they are
_ROOT = TRANSFORMS.index("root")

FOLDS = 5
LEAST_PER_FOLD = 4
_QUANTILE = 0.9  # of R2 over a layer's components, by which its transform is chosen
_KEEPS = 0.9  # part of a layer's components that must have an encoding squared if they have one raw
_STEPS = 2  # a standard deviation below so many units of the sums is lost in rounding
_HALF = 65504.0  # the largest float16


@dataclass(frozen=True)
class Moments:
    """Of one transform of the activations, over all images summed."""

    average: Float64[np.ndarray, "a"]
    deviation: Float64[np.ndarray, "a"]  # zero where there is no encoding
    cross: Float64[np.ndarray, "a d"]  # covariance of the embedding and the standardised activation


def encodings(sums: EncodingSums, layers: Sequence[LayerAxis], groups: Sequence[str | None], column: str) -> Encodings:
    """The encodings that the sums are of, without thumbnails.

    Args:
        groups: by image, what it belongs to; None for an image by itself.
        column: where the groups are from; empty without any.

    Raises:
        SemlensError: no image was summed.
    """
    if not sums.count:
        raise SemlensError("no image was encoded: none of those drawn can be read")
    n, mean = sums.count, sums.embedding / sums.count
    together = numbered([groups[id] for id in sums.ids.tolist()] if column else [None] * len(sums.ids))
    parts = [slice(axis.start, axis.stop) for axis in layers]
    parts += [slice(layers[-1].stop, layers[-1].stop + len(sums.outputs))] if sums.outputs else []
    moments = [moments_of(sums, t) for t in range(_SUMMED)]
    kept = [transformed(np.where(of.deviation > 0, sums.activations, 0), t) for t, of in enumerate(moments)]
    r2 = [explained(sums.embeddings, y, together) for y in kept]
    chosen = [_ROOT if sums.answers == (part.start, part.stop) else _better(*(of[part] for of in r2)) for part in parts]
    place = np.arange(parts[-1].stop)  # of each row among those that were summed
    if sums.answers:
        place[slice(*sums.answers)] = np.arange(parts[-1].stop, len(sums.exponents))
    rows = np.repeat([0 if t == _ROOT else t for t in chosen], [part.stop - part.start for part in parts])
    average, deviation, own, cross, y = (
        np.empty(rows.shape), np.empty(rows.shape), np.empty(rows.shape),
        np.empty((len(rows), sums.cross.shape[2])), np.empty((len(sums.ids), len(rows))),
    )  # fmt: skip
    for t in range(_SUMMED):
        at, of = np.flatnonzero(rows == t), place[rows == t]
        average[at], deviation[at], own[at] = moments[t].average[of], moments[t].deviation[of], r2[t][of]
        cross[at], y[:, at] = moments[t].cross[of], kept[t][:, of]
    standard = np.where(deviation > 0, (y - average) / np.where(deviation > 0, deviation, 1), 0)
    return Encodings(
        EncodingsId(sums.task.images, sums.task.kept, sums.task.seed, tuple(TRANSFORMS[t] for t in chosen), column),
        n,
        sums.outputs,
        mean * 2.0**-EMBEDDING_BITS,
        (sums.products / n - mean[:, None] * mean) * 4.0**-EMBEDDING_BITS,
        cross.astype(np.float32),
        average.astype(np.float32),
        deviation.astype(np.float32),
        own.astype(np.float32),
        sums.ids,
        together,
        sums.embeddings,
        np.clip(standard.T, -_HALF, _HALF).astype(np.float16),
        Thumbnails.pack([b""] * len(sums.ids)),
    )


def moments_of(sums: EncodingSums, t: int) -> Moments:
    """Mean, deviation and covariance of one of the TRANSFORMS.

    A row has none where an activation was out of range, and where the activations hardly differ by the steps in which
    they are summed.
    """
    n, mean = sums.count, sums.activation[t] / sums.count
    squares = sums.squares[t].astype(np.float64)
    variance = (squares[:, 0] * 2.0**MOST_BITS + squares[:, 1]) / n - mean**2
    deviation = np.sqrt(np.maximum(variance, 0))
    lost: Bool[np.ndarray, "a"] = (sums.odd[t] > 0) | (deviation < _STEPS)
    cross = sums.cross[t] / n - mean[:, None] * (sums.embedding / n)
    cross *= 2.0**-EMBEDDING_BITS / np.where(lost, 1, deviation)[:, None]
    cross[lost] = 0
    step = np.ldexp(1.0, sums.exponents * (t + 1) - ACTIVATION_BITS)
    return Moments(mean * step, np.where(lost, 0, deviation * step), cross)


def transformed(activations: Float32[np.ndarray, "e a"], t: int) -> Float64[np.ndarray, "e a"]:
    """Activations as one of the TRANSFORMS has them."""
    wide = activations.astype(np.float64)
    return np.square(np.maximum(wide, 0)) if t else wide


def explained(
    embeddings: Float16[np.ndarray, "e d"], y: Float64[np.ndarray, "e a"], groups: Int32[np.ndarray, "e"]
) -> Float64[np.ndarray, "a"]:
    """Share of the variance of each column that a ridge regression on the other folds explains; groups stay together.
    At most 1, and below 0 where it predicts worse than the mean; not a number where that is undefined.
    """
    count = int(groups.max(initial=-1)) + 1
    nothing = np.full(y.shape[1], np.nan)
    if count < FOLDS * LEAST_PER_FOLD:
        return nothing
    fold = np.random.default_rng(0).permutation(count)[groups] % FOLDS
    e = embeddings.astype(np.float64)
    missed = np.zeros(y.shape[1])
    for number in range(FOLDS):
        own = fold == number
        centre, level = e[~own].mean(axis=0), y[~own].mean(axis=0)
        away = e[~own] - centre
        c = away.T @ away / len(away)
        if not np.trace(c) > 0:
            return nothing
        weights = np.linalg.solve(ridged(c), away.T @ (y[~own] - level) / len(away))
        missed += np.square(y[own] - level - (e[own] - centre) @ weights).sum(axis=0)
    spread = np.square(y - y.mean(axis=0)).sum(axis=0)
    share: Float64[np.ndarray, "a"] = np.where(spread > 0, 1 - missed / np.where(spread > 0, spread, 1), np.nan)
    return np.where(np.isfinite(share), share, np.nan)


def _better(raw: Float64[np.ndarray, "a"], squared: Float64[np.ndarray, "a"]) -> int:
    """Which transform explains more of a layer's best components; raw if too many have no encoding squared, as those
    have that are never positive."""
    if np.isfinite(squared).sum() < _KEEPS * np.isfinite(raw).sum():
        return 0
    best = [np.quantile(r2[np.isfinite(r2)], _QUANTILE) if np.isfinite(r2).any() else -np.inf for r2 in (raw, squared)]
    return int(best[1] > best[0])


def numbered(groups: Sequence[str | None]) -> Int32[np.ndarray, "e"]:
    """A number from 0 for each group in the order in which they come; an image without one has its own."""
    numbers: dict[object, int] = {}
    keys: list[object] = [(at,) if group is None else group for at, group in enumerate(groups)]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int32)
