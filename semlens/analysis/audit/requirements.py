"""How much relevance lies in each quadrant, with what certainty, and whether requirements are met."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import ge, gt, le, lt

import numpy as np

from semlens.analysis.audit.quadrants import Fit, quadrant
from semlens.analysis.audit.spec import QUADRANTS, Requirement
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
    """Mean shares as other images would give them, one draw for each.

    Of a share only its mean over the images is known. Its spread is taken as that of a share that is 0 or 1 on every
    image, the largest there is (Jeffreys' interval), so intervals are rather too wide than too narrow.
    """
    share = np.clip(shares, 0, 1)
    return np.random.default_rng(seed).beta(images * share + 0.5, images * (1 - share) + 0.5)


def interval_of(value: float, drawn: Float64[np.ndarray, "b"]) -> tuple[float, float]:
    """The 95 % interval of what was drawn, which holds the figure itself in any case."""
    low, high = np.quantile(drawn, TAILS)
    return min(float(low), value), max(float(high), value)


@dataclass(frozen=True, eq=False)
class LayerFigures:
    """What the requirements ask of a layer, once as found and then as it is with examples drawn anew."""

    layer: str
    images: int
    mass: Float64[np.ndarray, "b 4"]  # share of relevance per quadrant; row 0 as found, the rest resampled
    components: Int64[np.ndarray, "b 4"]
    worst: Float64[np.ndarray, "b"]  # share of the most relevant component that leans to the spurious side
    seed: int

    def interval(self, values: Float64[np.ndarray, "b"], *, share: bool) -> tuple[float, float, float]:
        """A figure and its 95 % interval: over resampled examples and, for a share, over images."""
        value = float(values[0])
        if np.isnan(values).any():
            return float("nan"), float("nan"), float("nan")
        return value, *interval_of(value, over_images(values[1:], self.images, self.seed) if share else values[1:])

    def masses(self) -> Iterator[Mass]:
        """The four quadrants."""
        for at, name in enumerate(QUADRANTS):
            value, low, high = self.interval(self.mass[:, at], share=True)
            yield Mass(self.layer, name, int(self.components[0, at]), value, low, high)

    def verdict(self, requirement: Requirement) -> Verdict:
        """Whether the layer meets a requirement. Relevance that is not known meets none."""
        of = [QUADRANTS.index(name) for name in requirement.quadrants]
        figures = {
            "relevance_mass": self.mass[:, of].sum(axis=1),
            "components": self.components[:, of].sum(axis=1).astype(np.float64),
            "worst": self.worst,
        }
        value, low, high = self.interval(figures[requirement.figure], share=requirement.figure != "components")
        holds = [bool(_OPERATORS[requirement.operator](one, requirement.limit)) for one in (value, low, high)]
        return Verdict(requirement.text, holds[0], len(set(holds)) == 1, value, low, high, self.layer)


def figures(
    fit: Fit, relevance: Float32[np.ndarray, "n"], layer: Int64[np.ndarray, "n"], names: Sequence[str], images: int,
    seed: int,
) -> tuple[LayerFigures, ...]:  # fmt: skip
    """The figures of each layer, `layer` being the number of each component's."""
    found = np.concatenate([fit.fits[:, None], fit.drawn], axis=1)
    lean = np.concatenate([(fit.z[:, 1] > fit.z[:, 0])[:, None], fit.leaning], axis=1)
    stands, worse = quadrant(found), found[..., 1] & lean
    made = []
    for number in np.unique(layer).tolist():
        of = layer == number
        shares, at = relevance[of].astype(np.float64), stands[of]
        total = shares.sum() or np.nan
        mass = np.stack([(shares[:, None] * (at == q)).sum(axis=0) / total for q in range(len(QUADRANTS))], axis=1)
        count = np.stack([(at == q).sum(axis=0) for q in range(len(QUADRANTS))], axis=1)
        most = np.max(np.where(worse[of], shares[:, None], 0), axis=0) / total
        made.append(LayerFigures(names[number], images, mass, count, most, seed))
    return tuple(made)


def difference(after: LayerFigures, before: LayerFigures, at: int) -> tuple[float, float]:
    """The 95 % interval of how much a quadrant's share of relevance differs, the two being independent."""
    if np.isnan(after.mass).any() or np.isnan(before.mass).any():
        return float("nan"), float("nan")
    one, other = (
        over_images(audit.mass[1:, at], audit.images, seed)
        for audit, seed in ((after, after.seed), (before, before.seed + 1))
    )
    low, high = np.quantile(one - other, TAILS)
    return float(low), float(high)


def judge(requirement: Requirement, layers: Sequence[LayerFigures]) -> Verdict:
    """The verdict of the layer where the requirement is furthest from being met."""
    verdicts = [layer.verdict(requirement) for layer in layers]
    sign = 1 if requirement.operator in ("<=", "<") else -1
    return max(verdicts, key=lambda one: np.inf if np.isnan(one.value) else sign * one.value)
