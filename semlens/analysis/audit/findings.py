"""What an audit found for one output: components, concepts, quadrants and verdicts as rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from semlens.analysis import Driven, Driver, Labels, Probes, Rows, affected, column_of, pictures, relevance_of
from semlens.analysis.audit.grammar import QUADRANTS, SIDES, parse_requirement
from semlens.analysis.audit.quadrants import Fit, quadrant
from semlens.analysis.audit.requirements import Change, LayerFigures, Mass, Sight, Verdict, changes_between, judge
from semlens.analysis.audit.sight import Visibility, marked_views, views
from semlens.analysis.audit.spec import Spec, entries
from semlens.index import ConceptIndex
from semlens.types import Bool, Component, Float32, Int64

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
    valid: float  # z of the best-fitting valid concept: of its encoding, or alignment in deviations of random ones
    spurious: float  # z of the best-fitting spurious one
    valid_concept: str
    spurious_concept: str
    valid_p: float  # one-sided p-value of `valid`, against the best of as many concepts by chance
    spurious_p: float
    spurious_share: float | None  # of spurious concepts in what it responds to, in [0, 1]; None by examples
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
    """How a model comes to one output. Axis `n`: the audited components, the dead left out."""

    index: ConceptIndex
    spec: Spec
    output: str
    images: int  # that relevance is a mean over
    by: str  # "encoding" or "examples"
    fit: Fit
    relevance: Float32[np.ndarray, "n"]  # part, in [0, 1], of all that speaks for the output in its layer
    against: Float32[np.ndarray, "n"]  # what of it speaks against the output, in the same unit
    figures: tuple[LayerFigures, ...]
    visibility: Rows[Visibility]  # of every concept
    doubts: tuple[str, ...]  # what the foundation model does not know, see or tell apart
    probes: Probes  # of the spec's concepts, as they were given
    sight: Sight  # what of this stands between figures and verdicts
    driving: Driven | None  # what drives the output by its own encoding, if the index has it
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
        masses = (mass for layer in self.figures for mass in layer.masses())
        return Rows(masses, f"relevance for {self.output!r} by quadrant")

    @cached_property
    def verdicts(self) -> Rows[Verdict]:
        """The spec's requirements: met, not met, or cannot tell."""
        verdicts = (judge(parse_requirement(text), self.figures, self.sight) for text in self.spec.requirements)
        return Rows(verdicts, "requirements")

    @property
    def passed(self) -> bool:
        """Whether every requirement is met."""
        return all(verdict.met for verdict in self.verdicts)

    @property
    def failed(self) -> bool:
        """Whether a requirement is not met. An audit that neither passed nor failed cannot tell."""
        return any(verdict.verdict == "not met" for verdict in self.verdicts)

    @property
    def verdict(self) -> str:
        """What the audit comes to: "passed", "failed" or "cannot tell"."""
        return "passed" if self.passed else "failed" if self.failed else "cannot tell"

    @cached_property
    def marked(self) -> dict[str, Bool[np.ndarray, "i"]]:
        """By concept which of the images of `views` show it, where marks or labels say so."""
        return marked_views(self.spec, views(self.index), self.probes)

    def direction(self, concept: str) -> Float32[np.ndarray, "d"]:
        """A concept of the spec in the semantic space."""
        own = [n for n, entry in enumerate(entries(self.spec)) if entry.concept == concept]
        return np.asarray(self.probes.vectors[own].mean(axis=0))

    def components_of(self, side: str, concept: str, layer: str) -> list[int]:
        """The units of a layer that fit a side, and of it this concept best."""
        fitting = self.fit.members[self._fitting(side, concept)]
        found = [self.index.component(int(row)) for row in fitting]
        return [one.unit for one in found if one.layer == layer]

    @property
    def asked(self) -> list[tuple[str, str]]:
        """Side and name of every concept, in the order of `driving` and of the shares of `fit`."""
        return list(dict.fromkeys((entry.side, entry.concept) for entry in entries(self.spec)))

    @cached_property
    def drivers(self) -> Rows[Driver]:
        """What drives the output, concept by concept, before any component; none without encodings of it."""
        names = [name for _, name in self.asked]
        return Rows(self.driving.rows(names) if self.driving else (), f"what drives {self.output!r}")

    @cached_property
    def rows(self) -> Rows[AuditRow]:
        """A row per component, the most relevant first."""
        order = np.lexsort((self.fit.members, -self.relevance))
        concepts = [entry.concept for entry in entries(self.spec)]
        column = column_of(self.index, self.spec.output)
        rows = (self._row(n, concepts, column) for n in order.tolist())
        return Rows(rows, f"components by relevance for {self.output!r}", self._pictures, _PRINTED)

    @property
    def offenders(self) -> Rows[AuditRow]:
        """The components that fit spurious concepts, and those better than any valid one; the most relevant first."""
        rows = (row for row in self.rows if row.quadrant in ("spurious", "both") and row.spurious > row.valid)
        return Rows(rows, f"components that speak for {self.output!r} and should not", self._pictures, _PRINTED)

    @cached_property
    def concepts(self) -> Rows[ConceptMass]:
        """Every concept of the spec and the relevance of the components that fit it, the most relevant first."""
        layer, of = self.fit.layer, self.fit.shares
        masses = []
        for number in np.unique(layer).tolist():
            for q, (side, concept) in enumerate(self.asked):
                fitting = (layer == number) & self._fitting(side, concept)
                part = of[layer == number, q] if of is not None else 1.0
                chosen = layer == number if of is not None else fitting
                for_it, against = (float((shares[chosen] * part).sum()) for shares in (self.relevance, self.against))
                name = self.index.layers[number].layer
                masses.append(ConceptMass(name, side, concept, int(fitting.sum()), for_it, against))
        return Rows(sorted(masses, key=lambda mass: -mass.relevance), f"concepts by relevance for {self.output!r}")

    def _fitting(self, side: str, concept: str) -> Bool[np.ndarray, "n"]:
        """Which components fit a side, and of it this concept best."""
        best = np.array([entry.concept for entry in entries(self.spec)])[self.fit.best]
        s = SIDES.index(side)
        return np.asarray(self.fit.fits[:, s] & (best[:, s] == concept))

    def _row(self, n: int, concepts: Sequence[str], column: int) -> AuditRow:
        row, relevance = int(self.fit.members[n]), relevance_of(self.index)
        (valid, spurious), (valid_p, spurious_p) = self.fit.z[n].tolist(), self.fit.p_value[n].tolist()
        valid_concept, spurious_concept = (concepts[entry] for entry in self.fit.best[n].tolist())
        return AuditRow(
            component=self.index.component(row),
            name=self.index.unit_names[row],
            label=self.labels.of(row) if self.labels else None,
            quadrant=QUADRANTS[self.quadrant[n]],
            relevance=float(self.relevance[n]),
            against=float(self.against[n]),
            valid=valid,
            spurious=spurious,
            valid_concept=valid_concept,
            spurious_concept=spurious_concept,
            valid_p=valid_p,
            spurious_p=spurious_p,
            spurious_share=self._spurious_share(n),
            affected=tuple(name for name, _ in affected(relevance, relevance.positive[row], column)),
        )

    def _spurious_share(self, n: int) -> float | None:
        if self.fit.shares is None or not self.fit.shares[n].any():
            return None
        return float(self.fit.shares[n, [side == "spurious" for side, _ in self.asked]].sum())

    def _pictures(self, row: AuditRow) -> list[bytes]:
        return pictures(self.index, row.component)

    def __repr__(self) -> str:
        return "\n".join(map(repr, self._tables()))

    def _tables(self) -> list[Rows[Any]]:
        driving: list[Rows[Any]] = [self.drivers] if len(self.drivers) else []
        return [self.verdicts, *driving, self.masses, self.offenders[:10]]

    def _repr_html_(self) -> str:
        return "".join(table._repr_html_() for table in self._tables())


def changes(after: Audit, before: Audit) -> Rows[Change]:
    """What changed from one audit to another by the same spec, in the layers that both have.

    Raises:
        SemlensError: they have none in common.
    """
    return Rows(changes_between(after.figures, before.figures), "relevance by quadrant, before and after")
