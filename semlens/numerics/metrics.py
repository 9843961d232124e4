"""What comes out, held against what is true: rankings, heat maps and boxes in numbers, each with its interval.

Where there is nothing to find (no relevant component, a class without members, an empty mask) or a score is NaN, a
measure is NaN: it is neither a success nor a failure, and `bootstrap` leaves it out.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from semlens.shapes import Bool, Float, Float64, Int64, Shaped

_BLOCK = 2**20  # drawn rows held at once, 8 MB


@dataclass(frozen=True)
class Estimate:
    """A statistic of some units and how far it would move with other units of the same kind."""

    value: float  # of all units
    low: float  # the interval's ends
    high: float
    n: int  # units that count


_NOTHING = Estimate(np.nan, np.nan, np.nan, 0)


def average_precision(scores: Float[np.ndarray, "c"], relevant: Bool[np.ndarray, "c"]) -> float:
    """Average precision in (0, 1], the highest score first; ties give the mean over all their orders, exactly.

    Source: McSherry and Najork 2008. In a tie of m components, of which r are relevant, each place holds a relevant
    one with probability r / m, and then each other place with (r - 1) / (m - 1).
    """
    if not relevant.any() or np.isnan(scores).any():
        return float("nan")
    _, tie, size = np.unique(-scores.astype(np.float64), return_inverse=True, return_counts=True)
    hits = np.bincount(tie, weights=relevant)
    of = np.repeat(np.arange(len(size)), size)  # the tie of each place
    place = np.arange(len(scores))
    hits_above = (np.cumsum(hits) - hits)[of]
    tied_above = place - (np.cumsum(size) - size)[of]
    precision = (hits_above + 1 + tied_above * ((hits - 1) / np.maximum(size - 1, 1))[of]) / (place + 1)
    return float(((hits / size)[of] * precision).sum() / relevant.sum())


def chance_precision(c: int, r: int) -> float:
    """Average precision in (0, 1] expected of `c` components in random order, `r` of them relevant; NaN unless
    1 <= r <= c."""
    if not 1 <= r <= c:
        return float("nan")
    harmonic = float((1 / np.arange(1, c + 1)).sum())
    return (harmonic + (r - 1) / max(c - 1, 1) * (c - harmonic)) / c


def auroc(scores: Float[np.ndarray, "n"], positive: Bool[np.ndarray, "n"]) -> float:
    """How often a positive scores higher than a negative, in [0, 1]: 0.5 is chance, a tie counts half."""
    ones = int(positive.sum())
    pairs = ones * (len(positive) - ones)
    if pairs == 0 or np.isnan(scores).any():
        return float("nan")
    return float((_ranks(scores)[positive].sum() - ones * (ones + 1) / 2) / pairs)


def spearman(a: Float[np.ndarray, "n"], b: Float[np.ndarray, "n"]) -> float:
    """Spearman's rank correlation in [-1, 1], ties at the mean of their ranks; NaN if either is constant."""
    if len(a) == 0 or np.isnan(a).any() or np.isnan(b).any():
        return float("nan")
    x, y = (ranks - ranks.mean() for ranks in (_ranks(a), _ranks(b)))
    length = np.sqrt((x @ x) * (y @ y))
    return float(np.clip(x @ y / length, -1, 1)) if length > 0 else float("nan")


def mass_accuracy(heat: Float[np.ndarray, "h w"], mask: Bool[np.ndarray, "h w"]) -> float:
    """Share in [0, 1] of the positive relevance that lies inside the mask; NaN if no pixel is positive.

    Source: Arras et al. 2022, relevance mass accuracy. But: negative pixels count as 0.
    """
    positive = np.clip(heat.astype(np.float64), 0, None)
    total = positive.sum()
    return float(positive[mask].sum() / total) if _findable(heat, mask) and total > 0 else float("nan")


def rank_accuracy(heat: Float[np.ndarray, "h w"], mask: Bool[np.ndarray, "h w"]) -> float:
    """Share in [0, 1] of the highest pixels, as many as the mask has, that lie inside it; ties give the mean over all
    their orders.

    Source: Arras et al. 2022, relevance rank accuracy.
    """
    if not _findable(heat, mask):
        return float("nan")
    size = int(mask.sum())
    least = np.partition(heat, -size, axis=None)[-size]
    above = heat > least
    open_places = size - above.sum()
    return float((mask[above].sum() + open_places * mask[heat == least].mean()) / size)


def pointing(heat: Float[np.ndarray, "h w"], mask: Bool[np.ndarray, "h w"], tolerance: int = 0) -> float:
    """1 if the highest pixel lies at most `tolerance` pixels from the mask, else 0; of several highest, their mean.

    Source: Zhang et al. 2016, the pointing game, where the tolerance is 15.
    """
    if not _findable(heat, mask):
        return float("nan")
    return float(_grown(mask, tolerance)[heat == heat.max()].mean())


def coverage(box: Int64[np.ndarray, "4"], mask: Bool[np.ndarray, "h w"]) -> float:
    """Share in [0, 1] of the mask that lies in the box (left, top, right, bottom; right and bottom exclusive)."""
    return float(_inside(box, mask).sum() / mask.sum()) if mask.any() else float("nan")


def precision_of_box(box: Int64[np.ndarray, "4"], mask: Bool[np.ndarray, "h w"]) -> float:
    """Share in [0, 1] of the box's pixels in the image that belong to the mask; NaN if it has none."""
    inside = _inside(box, mask)
    return float(inside.mean()) if inside.size and mask.any() else float("nan")


def bootstrap(
    values: Float[np.ndarray, "n"] | Sequence[float],
    *,
    statistic: Callable[..., Any] = np.mean,
    seed: int = 0,
    draws: int = 2000,
    level: float = 0.95,
    least: int = 1,
) -> Estimate:
    """The mean of the values that are not NaN, in their unit, with its percentile interval; all NaN if there are none.

    Args:
        statistic: taken in place of the mean; called with an array and `axis`, as np.median is.
        least: values that an interval needs; with fewer its ends are NaN.
    """
    kept = np.asarray(values, dtype=np.float64)
    kept = kept[~np.isnan(kept)]
    if not len(kept):
        return _NOTHING
    blocks = _resamples(len(kept), seed, draws) if len(kept) >= least else ()
    drawn = (value for rows in blocks for value in statistic(kept[rows], axis=1))
    return _estimate(statistic(kept, axis=0), drawn, len(kept), level)


def bootstrap_over(
    statistic: Callable[[Any, Any], float],
    a: Shaped[np.ndarray, "n"],
    b: Shaped[np.ndarray, "n"],
    *,
    seed: int = 0,
    draws: int = 1000,
    level: float = 0.95,
) -> Estimate:
    """The statistic of two aligned arrays, in its unit, with its percentile interval over resampled rows of both.

    Resamples in which it is NaN, as AUROC is without positives, are left out.
    """
    if len(a) == 0:
        return _NOTHING
    drawn = (statistic(a[rows], b[rows]) for block in _resamples(len(a), seed, draws) for rows in block)
    return _estimate(statistic(a, b), drawn, len(a), level)


def _resamples(n: int, seed: int, draws: int) -> Iterator[Int64[np.ndarray, "m n"]]:
    """`draws` times `n` rows drawn with replacement, in blocks."""
    rng, block = np.random.default_rng(seed), max(1, _BLOCK // n)
    for start in range(0, draws, block):
        yield rng.integers(n, size=(min(block, draws - start), n))


def _estimate(value: float, drawn: Iterable[float], n: int, level: float) -> Estimate:
    found = np.fromiter(drawn, dtype=np.float64)
    found = found[~np.isnan(found)]
    tails = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.quantile(found, tails) if len(found) else (np.nan, np.nan)
    return Estimate(float(value), float(low), float(high), n)


def _ranks(x: Float[np.ndarray, "n"]) -> Float64[np.ndarray, "n"]:
    """Ranks from 1, the lowest first; ties at the mean of their ranks."""
    _, tie, size = np.unique(x, return_inverse=True, return_counts=True)
    return (np.cumsum(size) - (size - 1) / 2)[tie]


def _findable(heat: Float[np.ndarray, "h w"], mask: Bool[np.ndarray, "h w"]) -> bool:
    return bool(mask.any() and np.isfinite(heat).all())


def _grown(mask: Bool[np.ndarray, "h w"], radius: int) -> Bool[np.ndarray, "h w"]:
    """All pixels whose centre lies at most `radius` from that of a pixel of the mask."""
    (h, w), padded, grown = mask.shape, np.pad(mask, radius), np.zeros_like(mask)
    for down, right in np.ndindex(2 * radius + 1, 2 * radius + 1):
        if (down - radius) ** 2 + (right - radius) ** 2 <= radius**2:
            grown |= padded[down : down + h, right : right + w]
    return grown


def _inside(box: Int64[np.ndarray, "4"], mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "_ _"]:
    left, top, right, bottom = np.maximum(box, 0)  # a negative start would count from the other side
    return mask[top:bottom, left:right]
