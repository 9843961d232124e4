"""Does a model rely on what it should? Its components' relevance for an output, held against the concepts of a spec."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from semlens.analysis import (
    DRAWS,
    Labels,
    Probes,
    Rows,
    check_space,
    column_of,
    hidden_layers,
    random_components,
    relevance_of,
    way,
)
from semlens.analysis.audit.encoded import (
    Concepts,
    concepts_of,
    driven_share,
    driving_of,
    encoded_components,
    encoded_figures,
    fit_encoded,
)
from semlens.analysis.audit.findings import Audit
from semlens.analysis.audit.quadrants import Fit, fit
from semlens.analysis.audit.requirements import LayerFigures, Sight, figures, layer_totals
from semlens.analysis.audit.sight import Knowledge, knowledge
from semlens.analysis.audit.spec import Entry, Spec, entries
from semlens.errors import SemlensError
from semlens.index import ConceptIndex
from semlens.types import Bool, Float32

RESAMPLES = 200
"""Bootstrap resamples of every component's examples, or of the images that encodings are from, for the intervals."""

LEAST_UNREAD = 0.01
"""Share of a layer's relevance that passes by its components, from which on an audit speaks of it."""

FEWEST, FEWEST_ENCODED = 10, 50
"""Images of the class that relevance is a mean over, and images that encodings are from: with fewer nothing is told."""


@dataclass(frozen=True, eq=False)
class _Material:
    """What an audit is computed from, whichever way."""

    index: ConceptIndex
    spec: Spec
    probes: Probes
    known: Knowledge
    layers: tuple[str, ...]
    relevance: Float32[np.ndarray, "c"]  # of every component of the index, for the output
    against: Float32[np.ndarray, "c"]
    images: int
    draws: int
    seed: int

    def of_layer(self, found: Fit) -> tuple[Float32[np.ndarray, "n"], Float32[np.ndarray, "n"]]:
        """Relevance for and against, as parts of all that speaks for the output in a component's layer."""
        positive, negative = self.relevance[found.members], self.against[found.members]
        total = layer_totals(positive, found.layer)
        return positive / total, negative / total

    def with_errors(self, found: Sequence[LayerFigures]) -> tuple[LayerFigures, ...]:
        """The figures, with what of each layer's relevance passes what a dictionary does not explain."""
        return tuple(replace(one, error=self._error(one.layer)) for one in found)

    def _error(self, layer: str) -> float:
        return relevance_of(self.index).error(self.spec.output, layer)

    @property
    def unread(self) -> list[str]:
        """What of the layers' relevance passes by all units of their dictionaries, a sentence each."""
        return [
            f"{self._error(layer):.0%} of the relevance at {layer} passes what the dictionary does not explain"
            for layer in self.layers
            if self._error(layer) >= LEAST_UNREAD
        ]

    def figured(self, found: Fit) -> tuple[LayerFigures, ...]:
        """The figures of each layer, by a cut: a component's relevance is its quadrant's."""
        names = [axis.layer for axis in self.index.layers]
        return figures(found, *self.of_layer(found), names, self.images, self.seed)


def audit(
    index: ConceptIndex,
    spec: Spec,
    probes: Probes,
    *,
    by: str = "auto",
    labels: Labels | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Audit:
    """How much of an output's relevance goes through components that fit valid, spurious, both or neither concepts.

    By encoding a component fits a side of the spec if its activation over all images goes with a concept of that side,
    all else equal, more than permuted activations do, at the spec's false-discovery rate; its relevance is divided
    between the sides by the squared coefficients of their concepts. By examples it fits if its strongest images align
    with a side better than random components do, and its relevance is its quadrant's as a whole. Intervals come from
    bootstrap resamples of images, or of every component's examples, and from the images that relevance is a mean over.

    Source: Dreyer et al. 2025, Fig. 3 (the two axes, and relevance). But: thresholds come from chance.

    Args:
        probes: of the spec's concepts, as `probe_spec` makes them: with them comes whether the foundation model knows
            their words and sees them. Of plain probes that is not asked, and no "met" is sure.
        by: "encoding", "examples", or "auto", by encoding where the index has encodings.
        labels: what the components are about in the words of a vocabulary, for the rows.
        draws: random components per layer, by examples.

    Raises:
        SemlensError: an index without relevance for the spec's output, or without the encodings that are asked for, an
            unknown layer, or probes of another foundation model.
    """
    check_space(index, probes)
    by, material = way(index, by), _material(index, spec, probes, draws, seed)
    relevance, column, known = relevance_of(index), column_of(index, spec.output), material.known
    concepts = concepts_of(probes, known.asked, known.told)
    found, own, others = _by_encoding(material, concepts) if by == "encoding" else _by_examples(material)
    own, others = material.with_errors(own), [material.with_errors(other) for other in others]
    driving = driving_of(index, relevance.name(column) or relevance.classes[column], concepts, seed)
    sight = Sight(
        unseen=known.unseen,
        blind=known.blind,
        proven=known.proven,
        too_few=_too_few(index, material.images, by),
        others=tuple((known.alike, one) for one in others),
        driven=driven_share(driving, concepts, seed),
    )
    relevant, against = material.of_layer(found)
    return Audit(
        index=index,
        spec=spec,
        output=relevance.name(column),
        images=material.images,
        by=by,
        fit=found,
        relevance=relevant,
        against=against,
        figures=own,
        visibility=Rows(known.visible, "what the foundation model sees"),
        doubts=(*known.doubts, *material.unread),
        probes=probes,
        sight=sight,
        driving=driving,
        labels=labels,
        draws=draws,
        seed=seed,
    )


def _material(index: ConceptIndex, spec: Spec, probes: Probes, draws: int, seed: int) -> _Material:
    asked, relevance, column = entries(spec), relevance_of(index), column_of(index, spec.output)
    if len(probes) != len(asked):
        raise SemlensError(
            f"the spec asks for {len(asked)} probes, {len(probes)} were given: make them with probe_spec"
        )
    return _Material(
        index, spec, probes, knowledge(index, spec, probes, asked),
        tuple(spec.layers) or (hidden_layers(index)[-1],), relevance.positive[:, column],
        relevance.negative[:, column], int(relevance.counts[column]), draws, seed,
    )  # fmt: skip


_Found = tuple[Fit, tuple[LayerFigures, ...], list[tuple[LayerFigures, ...]]]


def _by_examples(material: _Material) -> _Found:
    """The fit and the figures by examples, and the figures if what is in doubt belonged to one side or the other."""
    random = random_components(material.index, layers=material.layers, draws=material.draws, seed=material.seed)

    def fitted(asked: Sequence[Entry]) -> Fit:
        return fit(
            material.index, material.probes, asked, random, fdr=material.spec.fdr, resamples=RESAMPLES,
            seed=material.seed, unknown=material.known.told,
        )  # fmt: skip

    found = fitted(material.known.asked)
    others = [
        fitted([replace(entry, side=side[n]) for n, entry in enumerate(material.known.asked)])
        for side in material.known.either_way()
    ]
    return found, material.figured(found), [material.figured(other) for other in others]


def _by_encoding(material: _Material, concepts: Concepts) -> _Found:
    """The same by encodings."""
    encodings = material.index.encodings
    assert encodings is not None
    found = encoded_components(material.index, encodings, concepts, material.layers)
    own = fit_encoded(material.index, found, fdr=material.spec.fdr, seed=material.seed)
    masks = [
        np.array([side[int(n)] == "spurious" for n in found.concepts.entry]) for side in material.known.either_way()
    ]
    names = [axis.layer for axis in material.index.layers]

    def figured(spurious: Bool[np.ndarray, "q"], draws: int) -> tuple[LayerFigures, ...]:
        divided = (found.shares, *found.resampled(draws, material.seed))
        return encoded_figures(divided, spurious, own, material.of_layer(own), names, material.images, material.seed)

    return own, figured(found.concepts.spurious, RESAMPLES), [figured(mask, 2) for mask in masks]


def _too_few(index: ConceptIndex, images: int, by: str) -> str:
    """Why there are too few images to tell anything; empty if there are enough."""
    if images < FEWEST:
        return f"relevance is a mean over {images} images: {FEWEST} are needed"
    if by == "encoding" and index.encodings is not None and index.encodings.images < FEWEST_ENCODED:
        return f"encodings are from {index.encodings.images} images: {FEWEST_ENCODED} are needed"
    readable = index.recipe.images.count - index.recipe.images.unreadable
    if by == "examples" and readable < 2 * index.recipe.k:
        return f"{readable} images are too few for {index.recipe.k} examples each: all components have the same ones"
    return ""
