"""Does a model rely on what it should? Its components' relevance for an output, held against the concepts of a spec."""

from semlens.analysis.audit.findings import Audit
from semlens.analysis.audit.quadrants import doubts, fit
from semlens.analysis.audit.requirements import figures, layer_totals
from semlens.analysis.audit.spec import Spec, entries
from semlens.analysis.chance import DRAWS, random_components
from semlens.analysis.labels import Labels
from semlens.analysis.outputs import column_of, hidden_layers, relevance_of
from semlens.analysis.probe import Probes, check_space
from semlens.index import ConceptIndex

RESAMPLES = 200
"""Bootstrap resamples of every component's examples, for the confidence intervals."""


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
    reach with as many concepts to choose from, at the spec's false-discovery rate. The confidence intervals come from
    bootstrap resamples of every component's examples, and from the images that relevance is a mean over.

    Source: Dreyer et al. 2025, Fig. 3 (the two axes, and relevance). But: thresholds come from random components.

    Args:
        probes: of the spec's concepts, as `probe_spec` makes them.
        labels: what the components are about in the words of a vocabulary, for the rows.

    Raises:
        SemlensError: an index without relevance for the spec's output, an unknown layer, or probes of another
            foundation model.
    """
    check_space(index, probes)
    relevance, column = relevance_of(index), column_of(index, spec.output)
    images = int(relevance.counts[column])
    random = random_components(index, layers=spec.layers or (hidden_layers(index)[-1],), draws=draws, seed=seed)
    fitted = fit(index, probes, entries(spec), random, fdr=spec.fdr, resamples=RESAMPLES, seed=seed)
    positive, negative = (shares[fitted.members, column] for shares in (relevance.positive, relevance.negative))
    total = layer_totals(positive, fitted.layer)
    names = [axis.layer for axis in index.layers]
    return Audit(
        index=index,
        spec=spec,
        output=relevance.name(column),
        images=images,
        fit=fitted,
        relevance=positive / total,
        against=negative / total,
        figures=figures(fitted, positive / total, names, images, seed),
        doubts=doubts(index, probes, entries(spec)),
        labels=labels,
        draws=draws,
        seed=seed,
    )
