"""How much relevance lies in each quadrant, with its confidence interval, and whether requirements are met."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import ge, gt, le, lt

import numpy as np

from semlens.analysis.audit.grammar import QUADRANTS, SIDES, Requirement
from semlens.analysis.audit.quadrants import Fit, quadrant
from semlens.errors import SemlensError
from semlens.numerics import TAILS, interval_of, over_images
from semlens.types import Bool, Float32, Float64, Int64

_OPERATORS = {"<=": le, "<": lt, ">=": ge, ">": gt}
UNEXPLAINED = 0.5
"""With more of the relevance in components that fit nothing, no requirement on relevance is met: it cannot be told."""


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
    verdict: str  # "met", "not met", or "cannot tell"
    met: bool  # the first of these
    sure: bool  # the whole interval, with what was not seen or missed, is on one side of the limit
    value: float
    low: float  # 95 % interval
    high: float
    layer: str
    reason: str  # why it cannot be told or is not sure; empty if it is sure


@dataclass(frozen=True)
class Sight:
    """What stands between the figures of an audit and a verdict: what the foundation model sees of the phrases."""

    unseen: tuple[tuple[str, str], ...] = ()  # side and why, in words: phrases that it does not see or know
    blind: tuple[str, ...] = SIDES  # sides of which too much is unseen to say that they are free of anything
    proven: bool = False  # images marked as showing them prove that it sees all spurious concepts
    too_few: str = ""  # why there are too few images for any verdict; empty if there are enough
    others: tuple[tuple[str, tuple["LayerFigures", ...]], ...] = ()  # a doubt, and the figures if it goes the other way
    driven: "LayerFigures | None" = None  # the share of either side in what drives the output itself

    def unseen_on(self, side: str) -> str:
        """The first thing that is not seen of a side, and how many there are; empty if there is none."""
        unseen = [why for own, why in self.unseen if own == side]
        more = f"; {len(unseen) - 1} more of the {side} concepts are not seen or known" if len(unseen) > 1 else ""
        return f"{unseen[0]}{more}" if unseen else ""

    def hides(self, side: str) -> str:
        """What is not seen of a side, where that leaves too little of it to say that it is free of anything."""
        return self.unseen_on(side) if side in self.blind else ""


@dataclass(frozen=True, eq=False)
class LayerFigures:
    """What the requirements ask of a layer: first the figure itself, then one for each bootstrap resample."""

    layer: str
    images: int
    mass: Float64[np.ndarray, "b 4"]  # share of relevance per quadrant; row 0 the figure, the others resampled
    net: Float64[np.ndarray, "b 2"]  # what speaks for the output through concepts of a side, less what speaks against
    components: Int64[np.ndarray, "b 4"]
    worst: Float64[np.ndarray, "b"]  # share of the most relevant component that leans to the spurious side
    seed: int
    error: float = 0.0  # share in [0, 1] of the layer's relevance that passes what a dictionary does not explain

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

    def asked(self, requirement: Requirement) -> tuple[float, float, float]:
        """The figure that a requirement limits, with its interval; NaN where it is not known."""
        chosen = [QUADRANTS.index(name) for name in requirement.quadrants]
        if requirement.figure == "components":
            return self.interval(self.components[:, chosen].sum(axis=1).astype(np.float64), share=False)
        if requirement.figure == "worst":
            return self.interval(self.worst, share=True)
        if requirement.figure == "net_relevance":
            return self.interval(self.net[:, chosen].sum(axis=1), share=True)
        return self.interval(self.mass[:, chosen].sum(axis=1), share=requirement.figure == "relevance_mass")

    @property
    def unexplained(self) -> float:
        """The share of relevance that goes through components which fit no concept of the spec, or through what a
        dictionary does not explain."""
        return self.error + (1 - self.error) * float(self.mass[0, QUADRANTS.index("neither")])


def layer_totals(shares: Float32[np.ndarray, "n"], layer: Int64[np.ndarray, "n"]) -> Float32[np.ndarray, "n"]:
    """For each component the sum of its layer's shares; infinite where nothing is relevant."""
    sums = np.bincount(layer, shares.astype(np.float64))[layer]
    return np.where(sums > 0, sums, np.inf).astype(np.float32)


def figures(
    fit: Fit,
    relevance: Float32[np.ndarray, "n"],
    against: Float32[np.ndarray, "n"],
    names: Sequence[str],
    images: int,
    seed: int,
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
        net = _net(fits[members], fit.best[members], (shares - against[members]) / total)
        layers.append(LayerFigures(names[number], images, mass, net, count, worst, seed))
    return tuple(layers)


def _net(
    fits: Bool[np.ndarray, "n b 2"], best: Int64[np.ndarray, "n 2"], balance: Float64[np.ndarray, "n"]
) -> Float64[np.ndarray, "b 2"]:
    """What speaks for the output through the concepts of a side less what speaks against it. One that speaks against
    it on the whole does not make up for one that speaks for it."""
    net = np.zeros(fits.shape[1:])
    for side in range(fits.shape[2]):
        for concept in np.unique(best[:, side]):
            own = best[:, side] == concept
            net[:, side] += np.maximum((fits[own, :, side] * balance[own, None]).sum(axis=0), 0)
    return net


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


def judge(requirement: Requirement, layers: Sequence[LayerFigures], sight: Sight = Sight()) -> Verdict:
    """The verdict of the layer where the requirement is furthest from being met; what decides it is not known meets
    none, and what cannot be seen is no reason to say that it is met."""
    layer, (value, low, high) = _furthest(requirement, layers, sight)
    met = holds(requirement, value)
    why_not = _cannot_tell(requirement, layer, value, met, sight)
    unsure = why_not or _unsure(requirement, layer, (low, high), met, sight)
    kind = "cannot tell" if why_not else "met" if met else "not met"
    return Verdict(requirement.text, kind, kind == "met", not unsure, value, low, high, layer.layer, unsure)


def holds(requirement: Requirement, value: float) -> bool:
    """Whether a figure meets a requirement; one that is not known does not."""
    return bool(_OPERATORS[requirement.operator](value, requirement.limit))


def _furthest(
    requirement: Requirement, layers: Sequence[LayerFigures], sight: Sight
) -> tuple[LayerFigures, tuple[float, float, float]]:
    """The layer where a requirement is furthest from being met, and what it limits there."""
    if requirement.figure == "drivers":
        layers = [sight.driven] if sight.driven else [UNKNOWN]
    sign = 1 if requirement.bounded_above else -1
    found = [(layer, layer.asked(requirement)) for layer in layers]
    return max(found, key=lambda one: np.inf if np.isnan(one[1][0]) else sign * one[1][0])


def _cannot_tell(requirement: Requirement, layer: LayerFigures, value: float, met: bool, sight: Sight) -> str:
    """Why a requirement cannot be decided; empty if it can."""
    if layer is UNKNOWN:
        return "the index holds no encoding of this output: add encodings (semlens encode), and audit by them"
    if np.isnan(value):
        return f"the relevance of {layer.layer} is not known"
    if sight.too_few:
        return sight.too_few
    for doubt, figures in sight.others:
        if requirement.figure != "drivers" and holds(requirement, _furthest(requirement, figures, sight)[1][0]) != met:
            return f"{doubt}, and the verdict hangs on which it is"
    hidden = sight.hides("spurious") if met else "" if requirement.bounded_above else sight.hides("valid")
    if hidden:
        return hidden
    if met and _misses(requirement, layer) > UNEXPLAINED:
        share = f"{100 * layer.unexplained:.0f} % of the relevance in {layer.layer}"
        beside = ", or through what the dictionary does not explain" if layer.error else ""
        return f"{share} goes through components that fit no concept of the spec{beside}"
    return ""


def _misses(requirement: Requirement, layer: LayerFigures) -> float:
    """How much relevance might belong to what a requirement limits, and was not found to."""
    limits_relevance = requirement.figure in ("relevance_mass", "net_relevance", "worst")
    return layer.unexplained if limits_relevance and "neither" not in requirement.quadrants else 0.0


def _unsure(requirement: Requirement, layer: LayerFigures, ends: tuple[float, float], met: bool, sight: Sight) -> str:
    """Why a verdict is not sure; empty if it is."""
    low, high = ends
    if holds(requirement, low) != met or holds(requirement, high) != met:
        return "the interval holds the limit"
    if not met and sight.unseen:
        return sight.unseen[0][1]
    if met and (hidden := sight.unseen_on("spurious")):
        return hidden
    if met and not sight.proven:
        return "no marked images prove that the foundation model sees the spurious concepts"
    if met and requirement.bounded_above and not holds(requirement, high + _misses(requirement, layer)):
        return "what fits no concept of the spec could make the difference"
    return ""


_NAN = np.full((2, 4), np.nan)
UNKNOWN = LayerFigures("", 0, _NAN, _NAN[:, :2], np.zeros((2, 4), np.int64), _NAN[:, 0], 0)
"""The figures of what the index does not hold."""
