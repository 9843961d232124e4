"""What comes out, held against what is true: rankings, heat maps and boxes in numbers, each with its interval.

Where there is nothing to find (no relevant component, a class without members, an empty mask) or a score is NaN, a
measure is NaN: it is neither a success nor a failure, and `bootstrap` leaves it out.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from semlens.types import Bool, Float, Float64, Int64, Shaped

TAILS = (0.025, 0.975)
"""Of a 95 % interval."""

_BLOCK = 2**20  # drawn rows held at once, 8 MB
_GROUPS = 200  # of which one is left out at a time, to see how skewed a statistic is
_NORMAL = NormalDist()


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


def rate(successes: int, n: int, *, level: float = 0.95) -> Estimate:
    """A rate in [0, 1] with Wilson's score interval over trials that are alike; all NaN without a trial.

    Source: Wilson 1927.
    """
    if n == 0:
        return _NOTHING
    share, z = successes / n, _NORMAL.inv_cdf((1 + level) / 2)
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return Estimate(share, min(max(0.0, middle - reach), share), max(min(1.0, middle + reach), share), n)


def auroc_estimate(scores: Float[np.ndarray, "n"], positive: Bool[np.ndarray, "n"], *, level: float = 0.95) -> Estimate:
    """AUROC in [0, 1] with an interval over positives and negatives like these, of use at 1 and for few of them too.

    Source: Newcombe 2006 (Statistics in Medicine 25), method 5: the areas A whose distance from the one seen is at most
    z standard errors, by Hanley and McNeil's variance at A itself.
    """
    value, ones = auroc(scores, positive), int(positive.sum())
    if np.isnan(value):
        return Estimate(value, np.nan, np.nan, len(scores))
    z, others = _NORMAL.inv_cdf((1 + level) / 2), len(positive) - ones
    half = (len(positive) - 2) / 2

    def far(area: float) -> bool:
        spread = area * (1 - area) * (1 + half * ((1 - area) / (2 - area) + area / (1 + area))) / (ones * others)
        return bool(abs(value - area) > z * np.sqrt(spread))

    return Estimate(value, _edge(far, 0.0, value), _edge(far, 1.0, value), len(scores))


def _edge(far: Callable[[float], bool], end: float, value: float) -> float:
    """The last area, on the way from `value` to the end of the scale, that is not far."""
    near = value
    for _ in range(50):
        middle = (near + end) / 2
        near, end = (near, middle) if far(middle) else (middle, end)
    return near


def bootstrap(
    values: Float[np.ndarray, "n"] | Bool[np.ndarray, "n"] | Sequence[float],
    *,
    statistic: Callable[..., Any] = np.mean,
    seed: int = 0,
    draws: int = 2000,
    level: float = 0.95,
    least: int = 2,
) -> Estimate:
    """The mean of the values that are not NaN, in their unit, with its interval; all NaN if there are none.

    The interval is over units like these (components of this model, images of this set), not over other models or
    sets: `bca` of their resamples; of booleans, whose mean is a rate, Wilson's.

    Args:
        statistic: taken in place of the mean; called with an array and `axis`, as np.median is.
        least: values that an interval needs, two at least; with fewer its ends are NaN.
    """
    if (given := np.asarray(values)).dtype == bool:
        return rate(int(given.sum()), len(given), level=level)
    kept = given.astype(np.float64)
    kept = kept[~np.isnan(kept)]
    if not len(kept):
        return _NOTHING
    value, n = float(statistic(kept, axis=0)), len(kept)
    if n < max(least, 2):
        return Estimate(value, np.nan, np.nan, n)
    drawn = np.concatenate([statistic(kept[rows], axis=1) for rows in _resamples(n, seed, draws)])
    left_out = np.array([statistic(kept[rows], axis=0) for rows in _jackknife(n)])
    return Estimate(value, *bca(value, drawn, left_out, n, level=level), n)


def bootstrap_over(
    statistic: Callable[[Any, Any], float],
    a: Shaped[np.ndarray, "n"],
    b: Shaped[np.ndarray, "n"],
    *,
    seed: int = 0,
    draws: int = 1000,
    level: float = 0.95,
) -> Estimate:
    """The statistic of two aligned arrays, in its unit, with its interval over rows like these, as `bootstrap` has it.

    Resamples in which it is NaN, as AUROC is without positives, are left out.
    """
    n = len(a)
    if n == 0:
        return _NOTHING
    value = float(statistic(a, b))
    if n < 2:
        return Estimate(value, np.nan, np.nan, n)
    drawn = np.array([statistic(a[rows], b[rows]) for block in _resamples(n, seed, draws) for rows in block])
    left_out = np.array([statistic(a[rows], b[rows]) for rows in _jackknife(n)])
    return Estimate(value, *bca(value, drawn, left_out, n, level=level), n)


def bca(
    value: float,
    drawn: Float64[np.ndarray, "b"],
    left_out: Float64[np.ndarray, "j"],
    n: int,
    *,
    level: float = 0.95,
) -> tuple[float, float]:
    """The ends of the bias-corrected and accelerated bootstrap interval, widened for small n.

    Args:
        drawn: the statistic of each bootstrap resample; NaN is left out.
        left_out: the statistic without one unit, or without one group of them, each.
        n: units.

    Source: Efron 1987, equations 2.2 and 6.6. But: the tails are those at which a mean's percentile interval is as wide
    as Student's (Hesterberg 2015, the expanded percentile interval).
    """
    drawn, left_out = drawn[~np.isnan(drawn)], left_out[~np.isnan(left_out)]
    if not len(drawn) or np.isnan(value):
        return np.nan, np.nan
    below = ((drawn < value).mean() + (drawn <= value).mean()) / 2
    bias = _NORMAL.inv_cdf(float(np.clip(below, 0.5 / len(drawn), 1 - 0.5 / len(drawn))))
    away = left_out.mean() - left_out if len(left_out) else np.zeros(1)
    spread = float((away**2).sum())
    skew = float((away**3).sum()) / (6 * spread**1.5) if spread > 0 else 0.0
    reach = np.sqrt(n / (n - 1)) * _student((1 + level) / 2, n - 1)
    ends = [_NORMAL.cdf(bias + end / max(1 - skew * end, 1e-3)) for end in (bias - reach, bias + reach)]
    low, high = np.quantile(drawn, ends)
    return min(float(low), value), max(float(high), value)


def _student(p: float, freedom: int) -> float:
    """Student's t quantile, to 2 in 1,000 for the usual levels.

    Source: exact for 1 and 2 degrees of freedom; else Abramowitz and Stegun 1964, 26.7.5.
    """
    if freedom == 1:
        return float(np.tan(np.pi * (p - 0.5)))
    if freedom == 2:
        return float((2 * p - 1) * np.sqrt(2 / (4 * p * (1 - p))))
    z = _NORMAL.inv_cdf(p)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return float(z + sum(term / freedom ** (power + 1) for power, term in enumerate(terms)))


def _resamples(n: int, seed: int, draws: int) -> Iterator[Int64[np.ndarray, "m n"]]:
    """`draws` times `n` rows drawn with replacement, in blocks."""
    rng, block = np.random.default_rng(seed), max(1, _BLOCK // n)
    for start in range(0, draws, block):
        yield rng.integers(n, size=(min(block, draws - start), n))


def _jackknife(n: int) -> Iterator[Int64[np.ndarray, "_"]]:
    """All rows but one each; of many rows, all but those of one of _GROUPS groups each."""
    of = np.arange(n) % min(n, _GROUPS)
    for group in range(min(n, _GROUPS)):
        yield np.flatnonzero(of != group)


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


def over_images(shares: Float64[np.ndarray, "b"], images: int, seed: int = 0) -> Float64[np.ndarray, "b"]:
    """Draws from the Jeffreys posterior Beta(n p + 1/2, n (1 - p) + 1/2) of mean shares p over n images, one for each.

    Of a share only its mean over the images is known. Its spread is taken as that of a share that is 0 or 1 on every
    image, the largest there is, so intervals are rather too wide than too narrow.
    """
    share = np.clip(shares, 0, 1)
    return np.random.default_rng(seed).beta(images * share + 0.5, images * (1 - share) + 0.5)


def interval_of(value: float, drawn: Float64[np.ndarray, "b"]) -> tuple[float, float]:
    """The 95 % confidence interval by the percentiles of the resamples, which holds the figure itself in any case."""
    low, high = np.quantile(drawn, TAILS)
    return min(float(low), value), max(float(high), value)
