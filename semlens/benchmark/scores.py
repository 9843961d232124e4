"""Measures of interpretability: do they tell what truly is about one thing, about two, or about nothing?"""

from collections.abc import Iterator

import numpy as np

from semlens.analysis.score import score
from semlens.benchmark.made import half_random, joined
from semlens.benchmark.row import Row
from semlens.benchmark.study import Study
from semlens.numerics import auroc, bootstrap_over

MADE = 80
"""Components with two meanings."""


def rows(study: Study) -> Iterator[Row]:
    """Clarity of responsive components against the rest and against random ones, polysemanticity of made doubles."""
    index, responds = study.index, study.responds
    found = score(index)
    known = ~np.isnan(found.clarity)
    told = bootstrap_over(auroc, found.clarity[known], responds[known].any(axis=1))
    yield Row(study.name, "measures", "responds to something", "AUROC of clarity", told, 0.5, 1.0)
    mixed, made = half_random(index)
    told = bootstrap_over(auroc, score(mixed).clarity, ~made)
    yield Row(study.name, "measures", "not random", "AUROC of clarity", told, 0.5, 1.0)
    doubles, meant = joined(index, study.about, MADE)
    single = (study.about >= 0) & known
    if len(meant) and single.any():
        both = np.concatenate([score(doubles).polysemanticity, found.polysemanticity[single]])
        told = bootstrap_over(auroc, both, np.arange(len(both)) < len(meant))
        what = f"{len(meant)} made of two channels against {single.sum()} of one concept"
        yield Row(study.name, "measures", what, "AUROC of polysemanticity", told, 0.5, 1.0)
