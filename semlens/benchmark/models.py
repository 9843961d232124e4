"""The models themselves: are the classifiers good, and as spoilt as they should be; does the foundation model see?"""

from collections.abc import Iterator

import numpy as np

from semlens.benchmark.study import Row, Settings, Study
from semlens.benchmark.truth import outputs
from semlens.foundation import load_foundation
from semlens.numerics import auroc_estimate, bootstrap, cosine
from semlens.testbed.nets import CLASSIFIERS
from semlens.testbed.world import CLASSES, CLEAN, NAMES, NOISE, World, caption, concept, draw, scenario

UNSEEN_SEED = 4
"""Seed of the worlds that nothing else uses."""


def rows(study: Study) -> Iterator[Row]:
    """A classifier's accuracy on its own distribution and without shortcuts, and what each artefact does to it."""
    own = CLASSIFIERS[study.name].population
    for what, population in {f"own distribution, {own}": scenario(own), "shortcut-free": CLEAN}.items():
        scenes = World.of(population, study.settings.unseen, UNSEEN_SEED).scenes
        predicted = outputs(study.model, scenes).argmax(axis=1)
        right = bootstrap(np.array([CLASSES[p] == scene.diagnosis for p, scene in zip(predicted, scenes, strict=True)]))
        yield Row(study.name, "model", what, "accuracy", right, 0.5, 1 - NOISE)
    other = CLASSES.index("other")
    for artefact in study.planted:
        q = study.truth.concepts.index(artefact)
        shift = bootstrap(study.truth.logit[:, other, q] - study.truth.logit[:, 1 - other, q])
        yield Row(study.name, "model", f"{artefact} put in", "logit of other over melanoma", shift, 0.0, np.nan)


def foundation_rows(settings: Settings) -> Iterator[Row]:
    """How well the foundation model of the testbed finds captions, and tells each concept without training on it."""
    foundation, n = load_foundation("testbed:clip"), settings.captions
    scenes = World.of(CLEAN, settings.unseen, UNSEEN_SEED).scenes
    images = foundation.embed_images([draw(scene).image for scene in scenes])
    texts = foundation.embed_texts([caption(scene) for scene in scenes[:n]])
    recall = bootstrap(cosine(images[:n], texts).argmax(axis=1) == np.arange(n))
    yield Row("clip", "model", f"captions of {n} pictures", "recall at 1", recall, 1 / n, 1.0)
    similarity = cosine(images, foundation.embed_texts([concept(name).phrases[0] for name in NAMES]))
    for q, name in enumerate(NAMES):
        present = np.array([scene.has(name) for scene in scenes])
        area = auroc_estimate(similarity[:, q], present)
        yield Row("clip", "model", name, "zero-shot AUROC", area, 0.5, 1.0)
