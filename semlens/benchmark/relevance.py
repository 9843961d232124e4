"""Relevance: are the components most relevant to a class those whose removal lowers its logit most?"""

from collections.abc import Iterator

from semlens.benchmark.study import Row, Study
from semlens.benchmark.truth import removals
from semlens.numerics import bootstrap_over, spearman
from semlens.testbed.world import CLASSES


def rows(study: Study) -> Iterator[Row]:
    """Rank correlation of class relevance with the fall of the logit, per class and layer.

    At best: that of the fall on one half of the pictures with the fall on the other.
    """
    assert study.index.relevance is not None
    for output, name in enumerate(CLASSES):
        scenes = [scene for scene in study.scenes if scene.diagnosis == name][: study.settings.removals]
        falls = removals(study.model, scenes, [axis.layer for axis in study.index.layers], output)
        shares = study.index.relevance.of_class(name)
        for axis in study.index.layers:
            layer = slice(axis.start, axis.stop)
            fall, share = falls[layer].mean(axis=1), shares[layer]
            correlation = bootstrap_over(spearman, share, fall, draws=study.settings.resamples)
            best = spearman(falls[layer, ::2].mean(axis=1), falls[layer, 1::2].mean(axis=1))
            what, measure = f"{name}, {axis.layer}", "rank correlation with removal"
            yield Row(study.name, "relevance", what, measure, correlation, 0.0, best)
