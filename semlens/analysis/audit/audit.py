"""Does a model rely on what it should? Its components' relevance for an output, held against the concepts of a spec."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from semlens.analysis.audit.encoded import Concepts, concepts_of, encoded_components, encoded_figures, fit_encoded
from semlens.analysis.audit.findings import Audit
from semlens.analysis.audit.grammar import SIDES
from semlens.analysis.audit.quadrants import Fit, fit
from semlens.analysis.audit.requirements import LayerFigures, Sight, figures, layer_totals
from semlens.analysis.audit.sight import Visibility, alike, moved, unknown, views, visibility
from semlens.analysis.audit.spec import Entry, Spec, entries
from semlens.analysis.chance import DRAWS, random_components
from semlens.analysis.drivers import ALIKE, Driven, driven, output_of
from semlens.analysis.labels import Labels
from semlens.analysis.outputs import column_of, hidden_layers, relevance_of
from semlens.analysis.probe import Probes, check_space
from semlens.analysis.responses import way
from semlens.analysis.results import Rows
from semlens.errors import SemlensError
from semlens.index import ConceptIndex
from semlens.types import Bool, Float32

RESAMPLES = 200
"""Bootstrap resamples of every component's examples, or of the images that encodings are from, for the intervals."""

FEWEST, FEWEST_ENCODED = 10, 50
"""Images of the class that relevance is a mean over, and images that encodings are from: with fewer nothing is told."""


@dataclass(frozen=True, eq=False)
class _Material:
    """What an audit is computed from, whichever way."""

    index: ConceptIndex
    spec: Spec
    probes: Probes
    entries: tuple[Entry, ...]
    layers: tuple[str, ...]
    relevance: Float32[np.ndarray, "c"]  # of every component of the index, for the output
    against: Float32[np.ndarray, "c"]
    images: int
    unknown: Collection[str]  # phrases that the foundation model does not know
    draws: int
    seed: int

    def of_layer(self, found: Fit) -> tuple[Float32[np.ndarray, "n"], Float32[np.ndarray, "n"]]:
        """Relevance for and against, as parts of all that speaks for the output in a component's layer."""
        positive, negative = self.relevance[found.members], self.against[found.members]
        total = layer_totals(positive, found.layer)
        return positive / total, negative / total

    def either_way(self, pairs: Sequence[tuple[int, int]]) -> list[Mapping[int, str]]:
        """The side of every entry if the phrases that are not told apart were all valid, and if all were spurious;
        nothing where all are told apart."""
        return [moved(self.entries, pairs, side) for side in SIDES] if pairs else []

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
    asked, relevance, column = entries(spec), relevance_of(index), column_of(index, spec.output)
    if len(probes) != len(asked):
        raise SemlensError(
            f"the spec asks for {len(asked)} probes, {len(probes)} were given: make them with probe_spec"
        )
    by, seen = way(index, by), views(index)
    visible = visibility(spec, seen, probes, asked)
    nothing, pairs = alike(seen, probes, asked)
    told = unknown(probes, asked) | {_text(asked[n]): why for n, why in nothing.items()}
    material = _Material(
        index, spec, probes, asked, tuple(spec.layers) or (hidden_layers(index)[-1],), relevance.positive[:, column],
        relevance.negative[:, column], int(relevance.counts[column]), told, draws, seed,
    )  # fmt: skip
    concepts = concepts_of(probes, asked, told)
    found, own, others = _by_encoding(material, concepts, pairs) if by == "encoding" else _by_examples(material, pairs)
    driving = _driving(index, relevance.name(column) or relevance.classes[column], concepts, seed)
    sight = Sight(
        unseen=_unseen(visible, told, asked),
        blind=tuple(side for side in SIDES if _blind(side, visible, told, asked)),
        proven=all(one.seen == "yes" for one in visible if one.side == "spurious"),
        too_few=_too_few(index, material.images, by),
        others=tuple((_pair(asked, pairs), one) for one in others),
        driven=_share(driving, concepts, seed),
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
        visibility=Rows(visible, "what the foundation model sees"),
        doubts=_doubts(told, asked, pairs, visible),
        probes=probes,
        sight=sight,
        driving=driving,
        labels=labels,
        draws=draws,
        seed=seed,
    )


_Found = tuple[Fit, tuple[LayerFigures, ...], list[tuple[LayerFigures, ...]]]


def _by_examples(material: _Material, pairs: Sequence[tuple[int, int]]) -> _Found:
    """The fit and the figures by examples, and the figures if what is in doubt belonged to one side or the other."""
    random = random_components(material.index, layers=material.layers, draws=material.draws, seed=material.seed)

    def fitted(asked: Sequence[Entry]) -> Fit:
        return fit(
            material.index, material.probes, asked, random, fdr=material.spec.fdr, resamples=RESAMPLES,
            seed=material.seed, unknown=material.unknown,
        )  # fmt: skip

    found = fitted(material.entries)
    others = [
        fitted([replace(entry, side=side[n]) for n, entry in enumerate(material.entries)])
        for side in material.either_way(pairs)
    ]
    return found, material.figured(found), [material.figured(other) for other in others]


def _by_encoding(material: _Material, concepts: Concepts, pairs: Sequence[tuple[int, int]]) -> _Found:
    """The same by encodings."""
    encodings = material.index.encodings
    assert encodings is not None
    found = encoded_components(material.index, encodings, concepts, material.layers)
    own = fit_encoded(material.index, found, fdr=material.spec.fdr, seed=material.seed)
    masks = [
        np.array([side[int(n)] == "spurious" for n in found.concepts.entry]) for side in material.either_way(pairs)
    ]
    names = [axis.layer for axis in material.index.layers]

    def figured(spurious: Bool[np.ndarray, "q"], draws: int) -> tuple[LayerFigures, ...]:
        divided = (found.shares, *found.resampled(draws, material.seed))
        return encoded_figures(divided, spurious, own, material.of_layer(own), names, material.images, material.seed)

    return own, figured(found.concepts.on(SIDES.index("spurious")), RESAMPLES), [figured(mask, 2) for mask in masks]


def _driving(index: ConceptIndex, of: str | int, concepts: Concepts, seed: int) -> Driven | None:
    """What drives the output by its own encoding; None where the index has none of it."""
    if index.encodings is None or not index.encodings.outputs:
        return None
    try:
        number = output_of(index.encodings, of)
    except SemlensError:
        return None
    return driven(index.encodings, number, concepts.directions, seed=seed)


def _share(driving: Driven | None, concepts: Concepts, seed: int) -> LayerFigures | None:
    """Each side's share in what drives the output; what is hardly told apart may belong to either."""
    if driving is None:
        return None
    spurious = concepts.on(SIDES.index("spurious"))
    like = np.abs(driving.correlation) > ALIKE
    doubted = (like & (spurious[:, None] != spurious[None])).any(axis=1)
    ways = [spurious] if not doubted.any() else [spurious, spurious | doubted, spurious & ~doubted]
    drawn = [driving.share(np.flatnonzero(way)) for way in ways]  # an interval over all ways holds each of them
    share = np.concatenate([drawn[0][:1], *(one[1:] for one in drawn)])
    none = np.zeros_like(share)
    mass = np.stack([1 - share, share, none, none], axis=1)
    return LayerFigures("the output", 0, mass, mass[:, :2], np.zeros(mass.shape, np.int64), none, seed)


def _unseen(visible: Sequence[Visibility], told: dict[str, str], asked: Sequence[Entry]) -> tuple[tuple[str, str], ...]:
    """Side and reason of every concept that is not seen, or of which no phrase is known."""
    known = {(entry.side, entry.concept) for entry in asked if _text(entry) not in told}
    unknown_ones = [
        (entry.side, told[_text(entry)])
        for entry in asked
        if _text(entry) in told and (entry.side, entry.concept) not in known
    ]
    hidden = [one for one in visible if one.seen == "no" and (one.side, one.concept) in known]
    return (*dict.fromkeys(unknown_ones), *((one.side, one.reason) for one in hidden))


def _blind(side: str, visible: Sequence[Visibility], told: dict[str, str], asked: Sequence[Entry]) -> bool:
    """Whether half of the concepts of a side or more are not seen or not known: too many to say that it is free."""
    concepts = {entry.concept for entry in asked if entry.side == side}
    known = {entry.concept for entry in asked if entry.side == side and _text(entry) not in told}
    return 2 * len(known - {one.concept for one in visible if one.seen == "no"}) <= len(concepts)


def _doubts(
    told: dict[str, str], asked: Sequence[Entry], pairs: Sequence[tuple[int, int]], visible: Sequence[Visibility]
) -> tuple[str, ...]:
    """All that a reader has to know about the phrases, a sentence each."""
    return (
        *told.values(),
        *(_pair(asked, [pair]) for pair in pairs),
        *(one.reason for one in visible if one.seen == "no"),
    )


def _pair(asked: Sequence[Entry], pairs: Sequence[tuple[int, int]]) -> str:
    """Which phrases of the two sides are one to the foundation model."""
    named = [[_text(asked[n]) for n in sorted(pair, key=lambda n: asked[n].side, reverse=True)] for pair in pairs]
    told = "; ".join(f"{valid!r} (valid) and {spurious!r} (spurious)" for valid, spurious in named)
    return f"{told}: the foundation model hardly tells them apart"


def _text(entry: Entry) -> str:
    return entry.phrase or f"images of {entry.concept}"


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
