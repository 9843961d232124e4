"""Does a model rely on what it should? Its components' relevance for an output, held against the concepts of a spec."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from semlens.analysis.audit.quadrants import Fit, fit, quadrant
from semlens.analysis.audit.requirements import LayerFigures, Mass, Verdict, difference, figures, judge
from semlens.analysis.audit.spec import QUADRANTS, SIDES, Entry, Spec, entries, parse_requirement
from semlens.analysis.chance import DRAWS, layer_numbers, random_components
from semlens.analysis.labels import Labels
from semlens.analysis.outputs import affected, column_of, hidden_layers, relevance_of
from semlens.analysis.probe import Probes
from semlens.analysis.results import Rows, pictures
from semlens.analysis.search import check_space
from semlens.errors import SemlensError
from semlens.index import ConceptIndex
from semlens.shapes import Float32, Int64
from semlens.types import Component

RESAMPLES = 200
"""Times that every component's examples are drawn anew, for the intervals."""

ALIKE = 0.95
"""Two probes whose similarities correlate so much over the crops are one to the foundation model."""

_COMPARED = 4096  # crops on which probes are compared

_PRINTED = ("component", "label", "quadrant", "relevance", "valid", "spurious", "valid_concept", "spurious_concept")


@dataclass(frozen=True)
class AuditRow:
    """A component: how well it fits either side of the spec, and how relevant it is."""

    component: Component
    name: str | None  # what the model itself calls it
    label: str | None  # of a vocabulary, where labels were given
    quadrant: str
    relevance: float  # its part, in [0, 1], of all that speaks for the output in its layer
    against: float  # what of it speaks against the output, in the same unit
    valid: float  # alignment with the best-fitting valid concept, in standard deviations of random components
    spurious: float  # the same of the spurious ones
    valid_concept: str
    spurious_concept: str
    valid_p: float  # random components that fit some valid concept as well
    spurious_p: float
    affected: tuple[str, ...]  # other outputs that it speaks for, the most relevant first


@dataclass(frozen=True)
class ConceptMass:
    """What part of a layer's relevance goes through components that fit a concept, as the best of its side."""

    layer: str
    side: str
    concept: str
    components: int
    relevance: float  # share in [0, 1] of the layer's relevance that speaks for the output
    against: float  # what of these components speaks against it, in the same unit


@dataclass(frozen=True, eq=False, repr=False)
class Audit:
    """What was found for one output. Axis `n`: the audited components, the dead left out."""

    index: ConceptIndex
    spec: Spec
    output: str
    images: int  # that relevance is a mean over
    fit: Fit
    relevance: Float32[np.ndarray, "n"]  # part, in [0, 1], of all that speaks for the output in its layer
    against: Float32[np.ndarray, "n"]  # what of it speaks against the output, in the same unit
    figures: tuple[LayerFigures, ...]
    doubts: tuple[str, ...]  # what the foundation model cannot tell apart, or from nothing
    labels: Labels | None
    draws: int  # random components per layer
    seed: int

    @cached_property
    def quadrant(self) -> Int64[np.ndarray, "n"]:
        """Where each component stands, as a number of QUADRANTS."""
        return quadrant(self.fit.fits)

    @cached_property
    def masses(self) -> Rows[Mass]:
        """The relevance in each quadrant, layer by layer."""
        found = (mass for layer in self.figures for mass in layer.masses())
        return Rows(found, f"relevance for {self.output!r} by quadrant")

    @cached_property
    def verdicts(self) -> Rows[Verdict]:
        """The spec's requirements, met or not."""
        found = (judge(parse_requirement(text), self.figures) for text in self.spec.requirements)
        return Rows(found, "requirements")

    @property
    def passed(self) -> bool:
        """Whether every requirement is met."""
        return all(verdict.met for verdict in self.verdicts)

    @cached_property
    def rows(self) -> Rows[AuditRow]:
        """A row per component, the most relevant first."""
        order = np.lexsort((self.fit.members, -self.relevance))
        concepts = [entry.concept for entry in entries(self.spec)]
        column = column_of(self.index, self.spec.output)
        found = (self._row(n, concepts, column) for n in order.tolist())
        return Rows(found, f"components by relevance for {self.output!r}", self._pictures, _PRINTED)

    @property
    def offenders(self) -> Rows[AuditRow]:
        """The components that fit spurious concepts, and those better than any valid one; the most relevant first."""
        found = (row for row in self.rows if row.quadrant in ("spurious", "both") and row.spurious > row.valid)
        return Rows(found, f"components that speak for {self.output!r} and should not", self._pictures, _PRINTED)

    @cached_property
    def concepts(self) -> Rows[ConceptMass]:
        """Every concept of the spec and the relevance of the components that fit it, the most relevant first."""
        asked, layer = entries(self.spec), layer_numbers(self.index)[self.fit.members]
        best = np.array([entry.concept for entry in asked])[self.fit.best]
        found = []
        for number in np.unique(layer).tolist():
            of = layer == number
            for side, concept in dict.fromkeys((entry.side, entry.concept) for entry in asked):
                s = SIDES.index(side)
                mine = of & self.fit.fits[:, s] & (best[:, s] == concept)
                for_it, against = (float(shares[mine].sum()) for shares in (self.relevance, self.against))
                name = self.index.layers[number].layer
                found.append(ConceptMass(name, side, concept, int(mine.sum()), for_it, against))
        return Rows(sorted(found, key=lambda one: -one.relevance), f"concepts by relevance for {self.output!r}")

    def _row(self, n: int, concepts: Sequence[str], column: int) -> AuditRow:
        row, relevance = int(self.fit.members[n]), relevance_of(self.index)
        (valid, spurious), (valid_p, spurious_p) = self.fit.z[n].tolist(), self.fit.p_value[n].tolist()
        of_valid, of_spurious = (concepts[at] for at in self.fit.best[n].tolist())
        return AuditRow(
            component=self.index.component(row),
            name=self.index.unit_names[row],
            label=self.labels.of(row) if self.labels else None,
            quadrant=QUADRANTS[self.quadrant[n]],
            relevance=float(self.relevance[n]),
            against=float(self.against[n]),
            valid=valid,
            spurious=spurious,
            valid_concept=of_valid,
            spurious_concept=of_spurious,
            valid_p=valid_p,
            spurious_p=spurious_p,
            affected=tuple(name for name, _ in affected(relevance, relevance.positive[row], column)),
        )

    def _pictures(self, row: AuditRow) -> list[bytes]:
        return pictures(self.index, row.component)

    def __repr__(self) -> str:
        return "\n".join(map(repr, (self.verdicts, self.masses, self.offenders[:10])))

    def _repr_html_(self) -> str:
        return "".join(part._repr_html_() for part in (self.verdicts, self.masses, self.offenders[:10]))


def audit(
    index: ConceptIndex,
    spec: Spec,
    probes: Probes,
    *,
    labels: Labels | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Audit:
    """How much of an output's relevance goes through components that fit valid, spurious, both or neither concepts.

    A component fits a side of the spec if its best alignment with that side's concepts exceeds what random components
    reach with as many concepts to choose from, at the spec's rate of false discoveries. The intervals come from drawing
    every component's examples anew, and from the images that relevance is a mean over.

    Source: Dreyer et al. 2025, Fig. 3 (the two axes, and relevance). But: thresholds come from random components.

    Args:
        probes: of the spec's concepts, as `probe_spec` makes them.
        labels: what the components are about in the words of a vocabulary, for the rows.

    Raises:
        SemlensError: an index without relevance for the spec's output, an unknown layer, or probes of another
            foundation model.
    """
    check_space(index, probes)
    asked = entries(spec)
    if len(probes) != len(asked):
        raise SemlensError(
            f"the spec asks for {len(asked)} probes, {len(probes)} were given: make them with probe_spec"
        )
    relevance, column = relevance_of(index), column_of(index, spec.output)
    images = int(relevance.counts[column])
    random = random_components(index, layers=spec.layers or (hidden_layers(index)[-1],), draws=draws, seed=seed)
    found = fit(index, probes, asked, random, fdr=spec.fdr, resamples=RESAMPLES, seed=seed)
    number = layer_numbers(index)[found.members]
    shares = np.stack([part[found.members, column] for part in (relevance.positive, relevance.negative)])
    for_it, against = shares / _total(shares[0], number)
    names = [axis.layer for axis in index.layers]
    made = figures(found, for_it, number, names, images, seed)
    return Audit(
        index,
        spec,
        relevance.name(column),
        images,
        found,
        for_it,
        against,
        made,
        doubts(index, probes, asked),
        labels,
        draws,
        seed,
    )


@dataclass(frozen=True)
class Change:
    """How the relevance in a quadrant of a layer differs from another index's."""

    layer: str
    quadrant: str
    before: float
    after: float
    low: float  # 95 % interval of the difference
    high: float


def changes(after: Audit, before: Audit) -> Rows[Change]:
    """What changed from one audit to another by the same spec, in the layers that both have.

    Raises SemlensError if they have none in common.
    """
    was = {layer.layer: layer for layer in before.figures}
    both = [(layer, was[layer.layer]) for layer in after.figures if layer.layer in was]
    if not both:
        names = [", ".join(layer.layer for layer in one.figures) for one in (before, after)]
        raise SemlensError(f"the audits share no layer ({names[0]}; {names[1]}): name the layers in the spec")
    found = []
    for new, old in both:
        for at, name in enumerate(QUADRANTS):
            low, high = difference(new, old, at)
            found.append(Change(new.layer, name, float(old.mass[0, at]), float(new.mass[0, at]), low, high))
    return Rows(found, "relevance by quadrant, before and after")


def _total(shares: Float32[np.ndarray, "n"], layer: Int64[np.ndarray, "n"]) -> Float32[np.ndarray, "n"]:
    """For each component the sum of its layer's shares; infinite where nothing is relevant."""
    sums = np.bincount(layer, shares.astype(np.float64))[layer]
    return np.where(sums > 0, sums, np.inf).astype(np.float32)


def doubts(index: ConceptIndex, probes: Probes, asked: Sequence[Entry]) -> tuple[str, ...]:
    """What a reader has to know about the probes: those that the foundation model does not tell from the empty prompt,
    and valid ones that it does not tell from spurious ones, going by the crops of the index."""
    step = max(1, len(index.vectors) // _COMPARED)
    crops = index.vectors[::step].astype(np.float32)
    both = np.concatenate([crops @ probes.vectors.T, crops @ probes.nulls.T], axis=1)
    spread = both.std(axis=0)
    normal = (both - both.mean(axis=0)) / np.where(spread > 1e-6, spread, np.inf)
    alike = normal[:, : len(asked)].T @ normal / len(crops)
    names = [entry.phrase or f"images of {entry.concept}" for entry in asked]
    found = [
        f"{names[q]!r}: the foundation model does not tell it from no phrase at all"
        for q in range(len(asked))
        if spread[q] <= 1e-6 or alike[q, len(asked) + q] > ALIKE
    ]
    for q, r in np.argwhere(np.triu(alike[:, : len(asked)] > ALIKE, 1)).tolist():
        if asked[q].side != asked[r].side:
            found.append(
                f"{names[q]!r} (valid) and {names[r]!r} (spurious): the foundation model hardly tells them apart"
            )
    return tuple(found)
