"""The edges that a graph needs are those that `edges` gives for the images of the class."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from semlens.analysis.graphs.relevance_graph import graph, wanted
from semlens.attribution.classes import relevance
from semlens.attribution.edges import edges
from semlens.collection.collect import collect
from semlens.errors import SemlensError
from semlens.images import ImageSet, load_images
from semlens.index.index import ConceptIndex
from semlens.pipeline.embed import embed
from semlens.revisit.graph_edges import flows
from semlens.types import Edges
from tests.analysis.graphs.test_relevance_graph import labelled
from tests.attribution.nets import Chain, model
from tests.toy import SIDE, ColourSpace, random_images, to_tensor

LAYERS = ["relu", "relu2"]
NET = replace(model(Chain(), seed=11), preprocess=to_tensor, class_names=("a", "b", "c", "d"))


class Labelled:
    """Pictures with labels kept apart, as data sets of torchvision have them."""

    def __init__(self, targets: Sequence[str]) -> None:
        noise = np.random.default_rng(1).integers(0, 256, (len(targets), SIDE, SIDE, 3), dtype=np.uint8)
        tint = np.random.default_rng(2).random((len(targets), 1, 1, 3)) ** 3
        self.pictures = [Image.fromarray((one * hue).astype(np.uint8)) for one, hue in zip(noise, tint, strict=True)]
        self.targets = list(targets)

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, i: int) -> Image.Image:
        return self.pictures[i]


TARGETS = ["b", "a", "1", "c", "b", "none of them", "b", "1"]
IMAGES = load_images(Labelled(TARGETS * 5))


def index_of(images: ImageSet = IMAGES, of: str = "label", method: str = "auto") -> ConceptIndex:
    found = embed(collect(NET, images, LAYERS, k=3), images, ColourSpace())
    return found.with_relevance(relevance(NET, images, LAYERS, ["a", "b", "c", "d"], of=of, k=3, method=method))


INDEX = index_of()


def alike(found: Edges, expected: Edges) -> None:
    for name in ("upper", "lower", "target", "units", "images"):
        assert getattr(found, name) == getattr(expected, name)
    np.testing.assert_array_equal(found.nodes, expected.nodes)
    np.testing.assert_array_equal(found.weights, expected.weights)
    assert np.abs(found.weights).sum() > 0


def predicted() -> list[str]:
    with torch.no_grad():
        return [
            NET.class_names[int(NET.net(to_tensor(IMAGES.load(i))[None].double()).argmax())] for i in range(len(IMAGES))
        ]


def test_flows_are_the_edges_of_the_images_with_the_label() -> None:
    (ask,) = wanted(INDEX, "b")
    assert 0 < len(ask.units) <= 5
    ids = [i for i in range(len(IMAGES)) if IMAGES.labels[i] in ("b", "1")]
    assert len(ids) == 25
    (found,) = flows(INDEX, "b", NET, IMAGES)
    alike(found, edges(NET, IMAGES, ids, "b", "relu2", "relu", ask.units))
    (by_number,) = flows(INDEX, 1, NET, IMAGES)
    alike(by_number, found)


def test_no_more_than_count_and_the_first_of_them() -> None:
    (ask,) = wanted(INDEX, "b")
    (found,) = flows(INDEX, "b", NET, IMAGES, count=3)
    alike(found, edges(NET, IMAGES, [0, 2, 4], "b", "relu2", "relu", ask.units))


def test_of_all_images_every_one_counts() -> None:
    index = index_of(of="all")
    (ask,) = wanted(index, "c")
    (found,) = flows(index, "c", NET, IMAGES)
    alike(found, edges(NET, IMAGES, range(40), "c", "relu2", "relu", ask.units))
    (few,) = flows(index, "c", NET, IMAGES, count=7)
    alike(few, edges(NET, IMAGES, range(7), "c", "relu2", "relu", ask.units))


@pytest.mark.slow
@pytest.mark.parametrize("count", [64, 4])
def test_of_predicted_images_those_count_that_the_model_takes_for_the_class(count: int) -> None:
    index, said = index_of(of="predicted"), predicted()
    asked = [name for name in NET.class_names if name in said]
    assert len(asked) > 1
    for name in asked:
        ids = [i for i, one in enumerate(said) if one == name]
        assert index.relevance is not None
        assert index.relevance.counts[index.relevance.column(name)] == len(ids)
        (found,) = flows(index, name, NET, IMAGES, count=count)
        (ask,) = wanted(index, name)
        alike(found, edges(NET, IMAGES, ids[:count], name, "relu2", "relu", ask.units))


def test_labels_change_what_is_asked_for() -> None:
    one = labelled(INDEX, ["thing"] * 11)
    (found,) = flows(INDEX, "b", NET, IMAGES, labels=one)
    assert sorted(found.units) == [0, 1, 2, 3, 4]
    assert flows(INDEX, "b", NET, IMAGES, layers=["relu2"]) == []


@pytest.mark.slow
def test_edges_follow_the_rules_of_the_relevance() -> None:
    other, plain = index_of(method="epsilon"), index_of(method="gradient")
    (found,) = flows(other, "b", NET, IMAGES)
    ids = [i for i in range(len(IMAGES)) if IMAGES.labels[i] in ("b", "1")]
    alike(found, edges(NET, IMAGES, ids, "b", "relu2", "relu", found.units, method="epsilon"))
    by_default = edges(NET, IMAGES, ids, "b", "relu2", "relu", found.units)
    assert np.abs(found.weights - by_default.weights).max() > 1e-3
    (found,) = flows(plain, "b", NET, IMAGES)
    alike(found, edges(NET, IMAGES, ids, "b", "relu2", "relu", found.units))


def test_a_graph_takes_them() -> None:
    found = graph(INDEX, "b", edges=flows(INDEX, "b", NET, IMAGES))
    assert found.edge_images == 25
    assert {edge.target for edge in found.edges} >= {"output"}
    assert any(edge.target.startswith("relu2:") for edge in found.edges)


def test_an_image_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    data = Labelled(TARGETS)
    for i, target in enumerate(data.targets):
        (tmp_path / target).mkdir(exist_ok=True)
        data[i].save(tmp_path / target / f"{i}.png")
    (tmp_path / "b" / "0.png").write_bytes(b"not an image")
    images = load_images(tmp_path)
    index = index_of(images)
    (found,) = flows(index, "b", NET, images)
    ids = [i for i, name in enumerate(images.names) if name in ("1/2.png", "1/7.png", "b/4.png", "b/6.png")]
    assert found.images == 4
    alike(found, edges(NET, images, ids, "b", "relu2", "relu", found.units))
    (three,) = flows(index, "b", NET, images, count=3)
    alike(three, edges(NET, images, ids[:3], "b", "relu2", "relu", found.units))


def test_an_image_that_is_gone_since_is_named(tmp_path: Path) -> None:
    data = Labelled(TARGETS)
    for i in range(len(data)):
        data[i].save(tmp_path / f"{i}.png")
    images = load_images(tmp_path)
    index = index_of(images, of="predicted")
    assert index.relevance is not None
    name = index.relevance.class_names[int(index.relevance.counts.argmax())]
    (tmp_path / "0.png").unlink()
    with pytest.raises(SemlensError, match=r"0\.png could be read when relevance was computed, and now not"):
        flows(index, name, NET, images)


def test_mistakes() -> None:
    with pytest.raises(SemlensError, match="not the model the index was made from"):
        flows(INDEX, "b", replace(model(Chain(), seed=4), preprocess=to_tensor), IMAGES)
    with pytest.raises(SemlensError, match="not the images the index was made from"):
        flows(INDEX, "b", NET, random_images(40))
    with pytest.raises(SemlensError, match="unknown class 'e'"):
        flows(INDEX, "e", NET, IMAGES)
    with pytest.raises(SemlensError, match="no image counted for 'd'"):
        flows(INDEX, "d", NET, IMAGES)
    with pytest.raises(SemlensError, match="holds no relevance"):
        flows(embed(collect(NET, IMAGES, LAYERS, k=3), IMAGES, ColourSpace()), "b", NET, IMAGES)


def test_progress_and_the_model_left_as_it_was() -> None:
    net, told = replace(NET, net=NET.net.train()), set()
    try:
        flows(INDEX, "b", net, IMAGES, progress=lambda step, done, total: told.add((step, done, total)))
        assert all(module.training for module in net.net.modules())
    finally:
        NET.net.eval()
    assert ("edges below relu2", 25, 25) in told
