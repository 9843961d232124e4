"""Relevant but unexpected: components that move an output, and that no phrase which was expected fits."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from semlens.analysis.ask import as_vocabulary
from semlens.analysis.labels import Labels, label
from semlens.analysis.outputs import column_of, relevance_of
from semlens.analysis.probe import Probes
from semlens.analysis.results import Rows, pictures
from semlens.errors import SemlensError
from semlens.index import ConceptIndex
from semlens.types import Component, Float, Float64, several

LEAST = 0.01
"""The part of what speaks for an output in its layer from which on a component counts as relevant."""


@dataclass(frozen=True)
class Unexpected:
    """A component that is relevant and that no expected phrase fits better than chance."""

    component: Component
    name: str | None  # what the model itself calls it
    relevance: float  # its part, in [0, 1], of all that speaks for the output in its layer
    nearest: str  # the expected phrase that fits it best, if no better than chance
    fit: float  # how well: z by encoding, the margin over chance by examples
    p_value: float  # one-sided, against what the best expected phrase reaches by chance


def unexpected(
    index: ConceptIndex,
    expected: Probes | str | Sequence[str],
    output: str | int | None = None,
    *,
    relevance: Float[np.ndarray, "c"] | None = None,
    layers: Sequence[str] = (),
    least: float = LEAST,
    by: str = "auto",
    fdr: float = 0.05,
    seed: int = 0,
) -> Rows[Unexpected]:
    """The components that are relevant to an output and unlike all that was expected, the most relevant first: what a
    person should look at. Components without examples cannot be told and are left out, which a remark says.

    Args:
        expected: all that may matter: probes, phrases, or what `load_vocabulary` takes ("wordnet").
        output: whose relevance in the index counts.
        relevance: signed, of each row of the index, in any unit, in place of an output's: as `mean_relevance` gives it.
        layers: only these; all if empty.
        least: the part of what speaks for the output in a layer from which on a component counts.
        fdr: the false-discovery rate at which a phrase fits.

    Source: Dreyer et al. 2025 (arXiv 2505.20229): high attribution, low alignment. But: low is no better than chance.

    Raises:
        SemlensError: neither an output nor relevance, or an index without it.
    """
    if (output is None) == (relevance is None):
        raise SemlensError("give an output of the index, or relevance of your own (mean_relevance), and not both")
    if relevance is None:
        column = column_of(index, output)  # type: ignore[arg-type]
        known = relevance_of(index)
        relevance = known.positive[:, column] - known.negative[:, column]
    if relevance.shape != index.dead.shape:
        raise SemlensError(f"{relevance.shape[0]} relevances for {len(index.dead)} components: give one each")
    shares = _shares(index, relevance)
    words = as_vocabulary(index.recipe.foundation, expected)
    found = label(index, words, by=by, fdr=fdr, layers=several(layers), split=False, seed=seed)
    inside = np.zeros(len(shares), bool)
    for axis in index.layers:
        inside[axis.start : axis.stop] = not layers or axis.layer in layers
    relevant = inside & (shares >= least)
    rows = np.flatnonzero(relevant & ~found.accepted & ~index.dead)
    order = rows[np.lexsort((rows, -shares[rows]))]
    gone = relevant & index.dead
    said = f"{gone.sum():,} relevant components without examples are left out" if gone.any() else ""
    return Rows(
        (_row(index, found, shares, int(row)) for row in order), "relevant, and unlike all that was expected",
        lambda one: pictures(index, one.component), remarks=[said],
    )  # fmt: skip


def _shares(index: ConceptIndex, relevance: Float[np.ndarray, "c"]) -> Float64[np.ndarray, "c"]:
    """The part of each component in what speaks for the output in its layer; 0 for what does not."""
    found = np.clip(np.nan_to_num(np.asarray(relevance, np.float64)), 0, None)
    for axis in index.layers:
        part = found[axis.start : axis.stop]
        part /= max(part.sum(), 1e-300)
    return found


def _row(index: ConceptIndex, found: Labels, shares: Float64[np.ndarray, "c"], row: int) -> Unexpected:
    return Unexpected(
        index.component(row), index.unit_names[row], float(shares[row]), found.best(row), float(found.fits[row, 0]),
        float(found.p_value[row]),
    )  # fmt: skip
