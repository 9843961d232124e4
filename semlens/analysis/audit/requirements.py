"""How much relevance lies in each quadrant, with its confidence interval, and whether requirements are met."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import ge, gt, le, lt

import numpy as np

from semlens.analysis.audit.quadrants import Fit, quadrant
from semlens.analysis.audit.spec import QUADRANTS, Requirement
from semlens.errors import SemlensError
from semlens.shapes import Float32, Float64, Int64

_OPERATORS = {"<=": le, "<": lt, ">=": ge, ">": gt}
TAILS = (0.025, 0.975)
"""Of a 95 % interval."""


@dataclass(frozen=True)
class Mass:
    """What part of a layer's relevance lies in a quadrant."""

    layer: str
    quadrant: str
    components: int
    relevance: float  # share in [0, 1] of the layer's positive relevance for the output
    low: float  # 95 % interval
    high: float


@dataclass(frozen=True)
class Verdict:
    """Whether a requirement is met, in the layer where it is furthest from being met."""

    requirement: str
    met: bool
    sure: bool  # the whole interval is on the same side of the limit
    value: float
    low: float  # 95 % interval
    high: float
    layer: str


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


@dataclass(frozen=True, eq=False)
class LayerFigures:
    """What the requirements ask of a layer: first the figure itself, then one for each bootstrap resample."""

    layer: str
    images: int
    mass: Float64[np.ndarray, "b 4"]  # share of relevance per quadrant; row 0 the figure, the others resampled
    components: Int64[np.ndarray, "b 4"]
    worst: Float64[np.ndarray, "b"]  # share of the most relevant component that leans to the spurious side
    seed: int

    def interval(self, values: Float64[np.ndarray, "b"], *, share: bool) -> tuple[float, float, float]:
        """A figure and its 95 % confidence interval: over resampled examples and, for a share, over images."""
        value = float(values[0])
        if np.isnan(values).any():
            return float("nan"), float("nan"), float("nan")
        return value, *interval_of(value, over_images(values[1:], self.images, self.seed) if share else values[1:])

    def masses(self) -> Iterator[Mass]:
        """The four quadrants."""
        for q, name in enumerate(QUADRANTS):
            value, low, high = self.interval(self.mass[:, q], share=True)
            yield Mass(self.layer, name, int(self.components[0, q]), value, low, high)

    def verdict(self, requirement: Requirement) -> Verdict:
        """Whether the layer meets a requirement. Relevance that is not known meets none."""
        chosen = [QUADRANTS.index(name) for name in requirement.quadrants]
        figures = {
            "relevance_mass": self.mass[:, chosen].sum(axis=1),
            "components": self.components[:, chosen].sum(axis=1).astype(np.float64),
            "worst": self.worst,
        }
        value, low, high = self.interval(figures[requirement.figure], share=requirement.figure != "components")
        holds = [bool(_OPERATORS[requirement.operator](figure, requirement.limit)) for figure in (value, low, high)]
        return Verdict(requirement.text, holds[0], len(set(holds)) == 1, value, low, high, self.layer)


def layer_totals(shares: Float32[np.ndarray, "n"], layer: Int64[np.ndarray, "n"]) -> Float32[np.ndarray, "n"]:
    """For each component the sum of its layer's shares; infinite where nothing is relevant."""
    sums = np.bincount(layer, shares.astype(np.float64))[layer]
    return np.where(sums > 0, sums, np.inf).astype(np.float32)


def figures(
    fit: Fit, relevance: Float32[np.ndarray, "n"], names: Sequence[str], images: int, seed: int
) -> tuple[LayerFigures, ...]:
    """The figures of each layer; `names` are those of all layers of the index."""
    fits = np.concatenate([fit.fits[:, None], fit.drawn], axis=1)
    leans = np.concatenate([(fit.z[:, 1] > fit.z[:, 0])[:, None], fit.leaning], axis=1)
    quadrants, worse = quadrant(fits), fits[..., 1] & leans
    layers = []
    for number in np.unique(fit.layer).tolist():
        members = fit.layer == number
        shares, places = relevance[members].astype(np.float64), quadrants[members]
        total = shares.sum() or np.nan
        mass = np.stack([(shares[:, None] * (places == q)).sum(axis=0) / total for q in range(len(QUADRANTS))], axis=1)
        count = np.stack([(places == q).sum(axis=0) for q in range(len(QUADRANTS))], axis=1)
        worst = np.max(np.where(worse[members], shares[:, None], 0), axis=0) / total
        layers.append(LayerFigures(names[number], images, mass, count, worst, seed))
    return tuple(layers)


@dataclass(frozen=True)
class Change:
    """How the relevance in a quadrant of a layer differs from another index's."""

    layer: str
    quadrant: str
    before: float
    after: float
    low: float  # 95 % interval of the difference
    high: float


def changes_between(after: Sequence[LayerFigures], before: Sequence[LayerFigures]) -> list[Change]:
    """What changed in each quadrant of the layers that both have.

    Raises:
        SemlensError: they have none in common.
    """
    was = {layer.layer: layer for layer in before}
    pairs = [(layer, was[layer.layer]) for layer in after if layer.layer in was]
    if not pairs:
        names = [", ".join(layer.layer for layer in layers) for layers in (before, after)]
        raise SemlensError(f"the audits share no layer ({names[0]}; {names[1]}): name the layers in the spec")
    changes = []
    for new, old in pairs:
        for q, name in enumerate(QUADRANTS):
            low, high = difference(new, old, q)
            changes.append(Change(new.layer, name, float(old.mass[0, q]), float(new.mass[0, q]), low, high))
    return changes


def difference(after: LayerFigures, before: LayerFigures, q: int) -> tuple[float, float]:
    """The 95 % confidence interval of how much quadrant q's share of relevance differs, the two being independent."""
    if np.isnan(after.mass).any() or np.isnan(before.mass).any():
        return float("nan"), float("nan")
    new, old = (
        over_images(layer.mass[1:, q], layer.images, seed)
        for layer, seed in ((after, after.seed), (before, before.seed + 1))
    )
    low, high = np.quantile(new - old, TAILS)
    return float(low), float(high)


def judge(requirement: Requirement, layers: Sequence[LayerFigures]) -> Verdict:
    """The verdict of the layer where the requirement is furthest from being met."""
    verdicts = [layer.verdict(requirement) for layer in layers]
    sign = 1 if requirement.operator in ("<=", "<") else -1
    return max(verdicts, key=lambda verdict: np.inf if np.isnan(verdict.value) else sign * verdict.value)
