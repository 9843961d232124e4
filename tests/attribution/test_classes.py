from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from semlens.attribution.attribute import attribute
from semlens.attribution.classes import relevance
from semlens.collection.relevance import merge_relevance
from semlens.errors import SemlensError
from semlens.images import ImageSet, load_images
from semlens.model.layers import parse_all
from semlens.model.vision_model import VisionModel
from semlens.types import MISSING, Relevance
from tests.attribution.nets import Chain, model
from tests.toy import random_images, to_tensor

LAYERS = ["two", "relu2", "head"]


@pytest.fixture(scope="module")
def net() -> VisionModel:
    return replace(model(Chain()), preprocess=to_tensor, class_names=("a", "b", "c", "d"))


@pytest.fixture(scope="module")
def images() -> ImageSet:
    plain = random_images(14)
    return replace(plain, labels=tuple("abcd"[i % 4] if i != 5 else None for i in range(14)))


def twin(net: VisionModel, images: ImageSet, columns: list[list[int]], classes: list[int]) -> list[np.ndarray]:
    """Positive and negative means, frequency and shares by loops: columns[i] are the classes image i counts for."""
    found = parse_all(net.net, LAYERS, net.preprocess(images.load(0))[None].double())
    shares = np.full((14, sum(count for _, count in found), len(classes)), np.nan)
    top = np.zeros(shares.shape, dtype=bool)
    for i in range(14):
        x = net.preprocess(images.load(i))[None].double()
        for y in columns[i]:
            parts, tops = [], []
            layers = attribute(net, x, classes[y], layers=LAYERS).layers
            for kind, _ in found:
                r = layers[kind.layer][0].sum(1).numpy()
                parts.append(r / np.abs(r).sum())
                tops.append((r >= np.sort(r)[::-1][: min(20, len(r))][-1]) & (r > 0))
            shares[i, :, y], top[i, :, y] = np.concatenate(parts), np.concatenate(tops)
    counted = ~np.isnan(shares[:, 0])
    number = np.where(counted.any(0), counted.sum(0), np.nan)
    positive, negative = (np.nansum(np.maximum(sign * shares, 0), 0) / number for sign in (1, -1))
    return [positive, negative, top.sum(0) / number, shares]


def agrees(found: Relevance, expected: list[np.ndarray]) -> None:
    np.testing.assert_allclose(found.mean_positive, expected[0], atol=1e-6)
    np.testing.assert_allclose(found.mean_negative, expected[1], atol=1e-6)
    np.testing.assert_allclose(found.frequency, expected[2], atol=1e-7)


def test_by_label_the_means_are_those_of_a_loop(net: VisionModel, images: ImageSet) -> None:
    found = relevance(net, images, LAYERS, ["b", 3], k=3, batch_size=4)
    columns = [[{"b": 0, "d": 1}[label]] if label in ("b", "d") else [] for label in images.labels]
    expected = twin(net, images, columns, [1, 3])
    assert (found.of, found.classes, found.class_names, found.counts.tolist()) == ("label", (1, 3), ("b", "d"), [3, 3])
    agrees(found, expected)
    own = np.fmax.reduce(expected[3], axis=2)  # one class per image
    own = np.where(np.isnan(own), -1, own)
    for c in range(len(found.ids)):
        order = [i for i in np.argsort(-own[:, c], kind="stable") if own[i, c] > 0][:3]
        assert [i for i in found.ids[c] if i != MISSING] == order
        np.testing.assert_allclose(found.shares[c, : len(order)], own[order, c], rtol=1e-6)


@pytest.mark.slow
def test_by_prediction_and_over_all_images(net: VisionModel, images: ImageSet) -> None:
    with torch.no_grad():
        best = [int(net.net(net.preprocess(images.load(i))[None].double()).argmax()) for i in range(14)]
    classes = [*sorted(set(best))[:2], next(y for y in range(4) if y not in best)]
    found = relevance(net, images, LAYERS, classes, of="predicted", k=2, batch_size=5)
    agrees(found, twin(net, images, [[classes.index(y)] if y in classes else [] for y in best], classes))
    assert found.counts.tolist() == [best.count(y) for y in classes]
    assert np.isnan(found.mean[:, -1]).all()  # no image, no number
    every = relevance(net, images, LAYERS, [0, 2], of="all", k=2, batch_size=5)
    agrees(every, twin(net, images, [[0, 1]] * 14, [0, 2]))
    assert every.counts.tolist() == [14, 14]


@pytest.mark.slow
@pytest.mark.parametrize("of", ["label", "predicted"])
def test_shards_batches_and_a_killed_run_give_the_same_bytes(
    net: VisionModel, images: ImageSet, of: str, tmp_path: Path
) -> None:
    def run(**how: object) -> Relevance:
        return relevance(net, images, LAYERS, [0, 1, 2], of=of, k=3, vectors=2, **{"batch_size": 4, **how})  # type: ignore[arg-type]

    whole = run()
    parts = [run(shard=(i, 3)) for i in range(3)]
    for joined in (
        merge_relevance(merge_relevance(parts[0], parts[1]), parts[2]),
        merge_relevance(parts[2], merge_relevance(parts[0], parts[1])),
    ):
        for name in ("positive", "negative", "top", "counts", "ids", "shares"):
            np.testing.assert_array_equal(getattr(joined, name), getattr(whole, name))
        same_vectors(joined, whole)
        assert joined.seen == whole.seen == ((0, 14),)

    class Killed(Exception):
        pass

    def kill(step: str, done: int, total: int) -> None:
        if done > 6:
            raise Killed

    file = tmp_path / "relevance.safetensors"
    with pytest.raises(Killed):
        run(checkpoint=file, checkpoint_every=1, progress=kill)
    again: list[int] = []
    resumed = run(checkpoint=file, resume=True, progress=lambda _, done, __: again.append(done))
    assert again[0] > 4  # what was done is not done again
    for name in ("positive", "negative", "top", "counts", "ids", "shares", "seen"):
        np.testing.assert_array_equal(getattr(resumed, name), getattr(whole, name))
    same_vectors(resumed, whole)
    with pytest.raises(SemlensError, match="method or vectors"):
        relevance(net, images, LAYERS, [0, 1, 2], of=of, k=3, vectors=3, checkpoint=file, resume=True)
    with pytest.raises(SemlensError, match="another model, other images"):
        relevance(net, images, LAYERS, [0, 1], of=of, k=3, checkpoint=file, resume=True)


def same_vectors(a: Relevance, b: Relevance) -> None:
    assert a.vectors
    assert b.vectors
    for name, value in vars(a.vectors).items():
        np.testing.assert_array_equal(getattr(b.vectors, name), value)


@pytest.mark.parametrize(("most", "of"), [(2, "label"), (20, "label"), (3, "all")])
def test_vectors_are_the_shares_of_single_images(net: VisionModel, images: ImageSet, most: int, of: str) -> None:
    """Of each class those that come first in one order of all images, each with its shares and its predicted class."""
    found = relevance(net, images, LAYERS, ["b", 3], of=of, k=3, vectors=most, batch_size=4).vectors
    labelled = [[{"b": 0, "d": 1}[label]] if label in ("b", "d") else [] for label in images.labels]
    columns = labelled if of == "label" else [[0, 1]] * 14
    shares = twin(net, images, columns, [1, 3])[3]
    turn = np.random.default_rng(0).permutation(14)
    assert found
    for y in range(2):
        of_class = sorted((i for i in range(14) if y in columns[i]), key=lambda i: turn[i])
        rows = found.columns == y
        assert found.ids[rows].tolist() == sorted(of_class[:most])
        np.testing.assert_allclose(found.vectors[rows], shares[found.ids[rows], :, y], atol=5e-4)
    with torch.no_grad():
        best = [int(net.net(net.preprocess(images.load(i))[None].double()).argmax()) for i in range(14)]
    assert found.predicted.tolist() == [best[i] for i in found.ids]
    assert relevance(net, images, LAYERS, ["b", 3], of=of, k=3, batch_size=4).vectors is None


def test_other_methods_and_unreadable_images(net: VisionModel, tmp_path: Path) -> None:
    for i in range(4):
        Image.fromarray(np.full((8, 8, 3), 40 * i + 30, np.uint8)).save(tmp_path / f"{i}.png")
    (tmp_path / "2.png").write_bytes(b"no picture")
    found = relevance(net, load_images(tmp_path), ["relu2"], [0], of="all", method="gradient", k=2)
    assert (found.counts.tolist(), [u.id for u in found.unreadable], found.method) == ([3], [2], "gradient")
    assert found.seen == ((0, 4),)


def test_mistakes_are_named_before_the_pass(net: VisionModel, images: ImageSet) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"classes": ["q"]}, "unknown class 'q'"),
        ({"classes": [4]}, "no output 4"),
        ({"classes": [1, "b"]}, "each once"),
        ({"classes": []}, "one or more"),
        ({"of": "labels"}, "nearest: label"),
        ({"k": 15}, "14 images"),
        ({"vectors": -1}, "how many images of a class"),
        ({"method": "integrated_gradients"}, "another method"),
        ({"layers": ["reul2"]}, "relu2"),
    ]
    for arguments, said in wrong:
        with pytest.raises(SemlensError, match=said):
            relevance(net, images, **{"layers": LAYERS, "classes": [0], "k": 3, **arguments})
