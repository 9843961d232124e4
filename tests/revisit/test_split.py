"""Components that are two: units that add up two others are told apart, and make an index of their own."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score
from torch import nn

from semlens.errors import SemlensError
from semlens.foundation import load_foundation
from semlens.images import ImageSet, load_images
from semlens.index import ConceptIndex, load_index
from semlens.model import VisionModel, load_model, parse_all
from semlens.pipeline import build
from semlens.revisit.split import Splits, split
from semlens.testbed.nets import ConvNet
from semlens.testbed.world import CLEAN, World, write_world
from semlens.types import MISSING, Component

pytestmark = pytest.mark.slow

PAIRS = 8
"""Units that add up two units of block4; as many are one of them alone."""


class _Added(nn.Module):
    """A network, and behind its block4 units that add up two of its units each."""

    def __init__(self, net: ConvNet, weights: torch.Tensor) -> None:
        super().__init__()
        self.net = net
        self.added = nn.Conv2d(weights.shape[1], len(weights), 1, bias=False)
        self.added.weight.data.copy_(weights[:, :, None, None])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        net = self.net
        x = net.pool(net.block1(net.pool(net.stem(x))))
        x = net.block4(net.block3(net.pool(net.block2(x))))
        return self.added(x).mean((2, 3))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[ConceptIndex, VisionModel, ImageSet, np.ndarray]:
    """An index of the units added, and the summands of each: on which images which of the two is stronger."""
    folder = tmp_path_factory.mktemp("split")
    model = load_model("testbed:clean")
    net = model.net
    assert isinstance(net, ConvNet)
    images = load_images(write_world(World.of(CLEAN, 110, 11), folder / "world"))
    x = torch.stack([model.preprocess(image) for image in map(images.load, range(len(images)))])
    with torch.no_grad():
        x = net.pool(net.block1(net.pool(net.stem(x))))
        acts = net.block4(net.block3(net.pool(net.block2(x)))).mean((2, 3))
    highest = acts.sort(dim=0, descending=True).values[9]
    apart = -torch.corrcoef(acts.T).nan_to_num(1)  # summands that do not fire together
    pairs = apart.flatten().topk(2 * PAIRS).indices[::2]
    a, b = pairs // acts.shape[1], pairs % acts.shape[1]
    weights = torch.zeros(PAIRS, acts.shape[1])
    weights[range(PAIRS), a], weights[range(PAIRS), b] = 1 / highest[a], 1 / highest[b]
    studied = VisionModel(_Added(net, weights).eval(), model.preprocess, (), "toy:added")
    index = build(
        studied, images, ["net.block3", "added"], load_foundation("testbed:clip"), folder / "index", k=20, crop="none"
    )
    stronger = (acts[:, a] / highest[a] > acts[:, b] / highest[b]).numpy()
    return index, studied, images, stronger


@pytest.fixture(scope="module")
def splits(made: tuple[ConceptIndex, VisionModel, ImageSet, np.ndarray]) -> Splits:
    index, model, images, _ = made
    return split(index, model, images, "added", draws=100)


def test_what_was_added_up_is_taken_apart(
    splits: Splits, made: tuple[ConceptIndex, VisionModel, ImageSet, np.ndarray]
) -> None:
    index, _, _, stronger = made
    rows = index.layer_slice("added")
    found = []
    for unit in np.flatnonzero(splits.split):
        truth = stronger[index.ids[rows.start + unit], unit]
        if 3 <= truth.sum() <= len(truth) - 3:  # else only one of the two is among the examples
            found.append(adjusted_rand_score(truth, splits.second[unit]))
    assert len(found) >= PAIRS / 2
    assert np.median(found) >= 0.95


def test_an_image_is_assigned_to_the_half_of_its_own_example(
    splits: Splits, made: tuple[ConceptIndex, VisionModel, ImageSet, np.ndarray]
) -> None:
    index, model, images, _ = made
    unit = int(np.flatnonzero(splits.split)[0])
    ids = index.ids[index.row(Component("added", unit))]
    x = torch.stack([model.preprocess(images.load(int(i))) for i in ids])
    assert (splits.assign(model, x, f"added:{unit}") == splits.second[unit]).mean() >= 0.95
    whole = np.flatnonzero(~splits.split)
    if len(whole):
        assert not splits.assign(model, x, Component("added", int(whole[0]))).any()


def test_halves_are_components_of_an_index(splits: Splits, tmp_path: Path) -> None:
    splits.units().save(tmp_path / "halves")
    halves = load_index(tmp_path / "halves", verify=True)
    assert [axis.layer for axis in halves.layers] == ["added@split"]
    assert len(halves.means) == PAIRS + splits.split.sum()
    start = splits.index.layer_slice("added").start
    for unit in range(PAIRS):
        rows = [row for row, name in enumerate(halves.unit_names) if name and name.split("/")[0] == str(unit)]
        assert len(rows) == 1 + splits.split[unit]
        ids = np.concatenate([halves.ids[row][halves.valid[row]] for row in rows])
        assert sorted(ids) == sorted(splits.index.ids[start + unit])
        for row in rows:  # the strongest first, then nothing
            acts = halves.activations[row]
            assert (np.diff(acts[halves.valid[row]]) <= 0).all()
            assert (halves.ids[row][~halves.valid[row]] == MISSING).all()
    assert halves.recipe.software["split"].startswith("of added by net.block3, auto")


def test_the_same_seed_gives_the_same_halves(
    splits: Splits, made: tuple[ConceptIndex, VisionModel, ImageSet, np.ndarray]
) -> None:
    index, model, images, _ = made
    again = split(index, model, images, "added", below="net.block3", units=[1, 3], draws=100)
    assert (again.second[[1, 3]] == splits.second[[1, 3]]).all()
    assert (again.p_value[[1, 3]] == splits.p_value[[1, 3]]).all()
    assert sorted(str(row.component) for row in again.rows) == ["added:1", "added:3"]


def test_what_cannot_be_split_is_said(made: tuple[ConceptIndex, VisionModel, ImageSet, np.ndarray]) -> None:
    index, model, images, _ = made
    with pytest.raises(SemlensError, match="no layer of the index comes before"):
        split(index, model, images, "net.block3")
    with pytest.raises(SemlensError, match="alpha"):
        split(index, model, images, "added", alpha=0.05, draws=10)
    with pytest.raises(SemlensError, match="not the model"):
        split(index, load_model("testbed:clean"), images, "added")
    with pytest.raises(SemlensError, match="ask for the whole one, as added:12"):
        parse_all(model.net, ["added@split"], model.example_input())
    with pytest.raises(SemlensError, match="unknown layer"):
        split(index, model, images, "addde")
