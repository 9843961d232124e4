"""Measures of interpretability: do they tell what truly is about one thing, about two, or about nothing?"""

from collections.abc import Iterator

import numpy as np

from semlens.analysis import score
from semlens.benchmark.made import half_random, joined
from semlens.benchmark.study import Row, Study
from semlens.numerics import auroc_estimate


def rows(study: Study) -> Iterator[Row]:
    """Clarity of responsive components against the rest and against random ones, polysemanticity of made doubles."""
    draws = study.settings.draws_if_slow
    scores = score(study.index, draws=draws)
    known = ~np.isnan(scores.clarity)
    responds = study.responds[known].any(axis=1)
    estimate = auroc_estimate(scores.clarity[known], responds)
    yield Row(study.name, "measures", "responds to something", "AUROC of clarity", estimate, 0.5, 1.0)
    mixed, random = half_random(study.index)
    estimate = auroc_estimate(score(mixed, draws=draws).clarity, ~random)
    yield Row(study.name, "measures", "not random", "AUROC of clarity", estimate, 0.5, 1.0)
    doubles, meanings = joined(study.index, study.single_concept, study.settings.doubles)
    single = (study.single_concept >= 0) & known
    if len(meanings) and single.any():
        both = np.concatenate([score(doubles, draws=draws).polysemanticity, scores.polysemanticity[single]])
        estimate = auroc_estimate(both, np.arange(len(both)) < len(meanings))
        what = f"{len(meanings)} made of two channels against {single.sum()} of one concept"
        yield Row(study.name, "measures", what, "AUROC of polysemanticity", estimate, 0.5, 1.0)
