"""The networks that the package brings: they load, and know what they should."""

from functools import cache

import numpy as np
import pytest
import torch
from PIL import Image

from semlens.errors import SemlensError
from semlens.foundation import load_foundation
from semlens.model.loading import load_model
from semlens.numerics.metrics import auroc
from semlens.numerics.vectors import cosine
from semlens.testbed.nets import CLASSIFIERS, WEIGHTS
from semlens.testbed.world.concepts import ARTEFACTS, concept
from semlens.testbed.world.population import World
from semlens.testbed.world.render import draw
from semlens.testbed.world.scenario import CLEAN, scenario
from semlens.testbed.world.scene import CLASSES
from semlens.types import FoundationModel

pytestmark = pytest.mark.slow

COUNT = 80


@cache
def pictures(population: str) -> tuple[tuple[str, Image.Image], ...]:
    """Diagnoses and pictures that no network has seen; drawn once, as that takes most of the time here."""
    scenes = World.of(scenario(population), COUNT, 11).scenes
    return tuple((scene.diagnosis, draw(scene).image) for scene in scenes)


@cache
def accuracy(name: str, population: str) -> float:
    model = load_model(f"testbed:{name}")
    with torch.no_grad():
        logits = model.net.eval()(torch.stack([model.preprocess(image) for _, image in pictures(population)]))
    truth = torch.tensor([CLASSES.index(diagnosis) for diagnosis, _ in pictures(population)])
    return (logits.argmax(dim=1) == truth).double().mean().item()


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers_are_good_on_pictures_they_have_not_seen(name):
    assert accuracy(name, CLASSIFIERS[name].population) >= 0.85  # 0.9 less two standard errors


@pytest.mark.parametrize(("name", "population", "least"), [("shortcut", "shortcut", 0.1), ("residual", "ink", 0.03)])
def test_the_shortcut_is_what_the_classifier_learnt(name, population, least):
    assert accuracy(name, population) - accuracy(name, "clean") >= least


def test_models_are_named_and_take_any_picture():
    model = load_model("testbed:clean")
    assert (model.name, model.class_names) == ("testbed:clean", CLASSES)
    assert model.preprocess(Image.new("RGB", (300, 200))).shape == (3, 128, 128)
    with pytest.raises(SemlensError, match="unknown model of the testbed 'cleen'; nearest: clean"):
        load_model("testbed:cleen")


def test_the_foundation_model_tells_artefacts_it_has_not_seen():
    foundation = load_foundation("testbed:clip")
    assert isinstance(foundation, FoundationModel)
    scenes = World.of(CLEAN, COUNT, 11).scenes
    images = foundation.embed_images([image for _, image in pictures("clean")])
    similarity = cosine(images, foundation.embed_texts([concept(name).phrases[0] for name in ARTEFACTS]))
    for q, name in enumerate(ARTEFACTS):
        has = np.array([scene.has(name) for scene in scenes])
        assert auroc(similarity[:, q], has) >= 0.9, name


def test_a_crop_of_a_ruler_lies_near_ruler():
    foundation = load_foundation("testbed:clip")
    scenes = [scene for scene in World.of(CLEAN, 60, 12).scenes if scene.has("ruler") and not scene.has("band-aid")][:8]
    crops = []
    for scene in scenes:
        picture = draw(scene)
        rows, columns = np.nonzero(picture.masks["ruler"])
        y, x = (int(np.clip(np.median(v), 24, 104)) for v in (rows, columns))
        crops.append(picture.image.crop((x - 24, y - 24, x + 24, y + 24)))
    similarity = cosine(
        foundation.embed_images(crops), foundation.embed_texts(["ruler", "plain skin", "blue-white veil"])
    )
    assert (similarity[:, 0] > similarity[:, 1:].max(axis=1)).mean() >= 0.75


def test_the_foundation_model_is_remembered_by_its_weights():
    identity = load_foundation("testbed:clip").identity
    assert (identity.name, identity.dimension, identity.licence) == ("testbed:clip", 128, "apache-2.0")
    assert len(identity.digest) == 64
    with pytest.raises(SemlensError, match="unknown foundation model 'testbed:klip'; nearest: testbed:clip"):
        load_foundation("testbed:klip")


def test_weights_are_small():
    files = {path.stem: path.stat().st_size for path in WEIGHTS.glob("*.safetensors")}
    assert files.keys() == {*CLASSIFIERS, "clip"}
    assert sum(files.values()) < 5.5e6
