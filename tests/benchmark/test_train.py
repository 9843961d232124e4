"""Training by its parts, on a handful of pictures."""

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn

from semlens.benchmark import train
from semlens.testbed import nets
from semlens.testbed.clip import DIMENSION, PADDING, START, UNKNOWN, Clip, load_clip_net
from semlens.testbed.nets import SIDE, ConvNet, preprocess
from semlens.testbed.world.caption import Description, vocabulary
from semlens.testbed.world.concepts import NAMES
from semlens.testbed.world.population import World
from semlens.testbed.world.scenario import CLEAN


@pytest.fixture(scope="module")
def data() -> train.Drawn:
    return train.drawn(World.of(CLEAN, 6, 8), masks=True)


def test_pictures_are_drawn_in_order_with_their_masks(data):
    pictures = World.of(CLEAN, 6, 8)
    for i in (0, 5):
        picture = pictures.picture(i)
        assert (data.pixels[i] == np.asarray(picture.image)).all()
        assert data.masks[i].keys() == picture.masks.keys()
        for name, mask in picture.masks.items():
            assert (np.unpackbits(data.masks[i][name]).reshape(SIDE, SIDE) == mask).all()


def test_training_sees_what_the_preprocessing_gives(data):
    expected = torch.stack([preprocess()(Image.fromarray(pixels)) for pixels in data.pixels])
    assert torch.allclose(train.as_input(data.pixels), expected, atol=1e-6)


def test_a_batch_is_turned_to_one_of_eight_sides():
    pixels = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
    sides = {np.rot90(flipped, k, (1, 2)).tobytes() for flipped in (pixels, pixels[:, ::-1]) for k in range(4)}
    rng = np.random.default_rng(0)
    assert {train.turned(pixels, rng).tobytes() for _ in range(100)} == sides


def test_a_part_is_a_square_with_the_share_of_everything_in_it():
    masks = {name: np.zeros((SIDE, SIDE), np.uint8) for name in ("ruler", "hairs")}
    masks["ruler"][:10, :], masks["hairs"][60:110, 60:110] = 1, 1
    rng = np.random.default_rng(0)
    seen = []
    for (left, top, right, bottom), share in (train._part(masks, rng) for _ in range(200)):
        assert 0 <= left < right <= SIDE
        assert 0 <= top < bottom <= SIDE
        assert right - left == bottom - top >= 28
        assert share == {name: mask[top:bottom, left:right].mean() for name, mask in masks.items()}
        seen += [name for name in share if share[name] > 0]
    assert min(seen.count("ruler"), seen.count("hairs")) > 50  # it is drawn to both


def test_a_view_says_what_is_so(data):
    rng = np.random.default_rng(0)
    views = [train.view(data, i % 6, rng) for i in range(300)]
    assert 0.3 < np.mean([it.whole for it in views]) < 0.6
    assert 0 < sum(not it.words.said and not it.words.lacking and it.words.text in train.NOTHING for it in views) < 40
    for it in views:
        assert set(it.words.said) <= it.shown
        assert not it.shown & it.hidden
        assert not set(it.words.lacking) & it.shown
        assert not it.whole or it.shown | it.hidden == set(NAMES)  # of a whole picture all is known
    own = train.fits(views).diagonal()
    assert own.tolist() == [0.5 if it.words.text in train.NOTHING else 1 for it in views]


def seen(shown: str, text: Description, hidden: str = "", whole: bool = True, color: str = "blue") -> train.View:
    everything = frozenset(shown.split())
    return train.View(np.zeros((1, 1, 3), np.uint8), text, everything, frozenset(hidden.split()), whole, color)


def test_what_fits_by_hand():
    views = [
        seen("ruler hairs", Description("a ruler", ("ruler",)), "asymmetry"),
        seen("ruler", Description("hairs", ("hairs",)), "hairs asymmetry"),
        seen("", Description("plain skin", ()), "ruler", whole=False),  # too little of a hair to tell
        seen("asymmetry", Description("a symmetric lesion", (), ("asymmetry",)), "ruler hairs"),
        seen("band-aid", Description("a green plaster", ("band-aid",), color="green"), "ruler hairs asymmetry"),
        seen("band-aid", Description("", ()), "ruler hairs asymmetry", color="green"),
    ]
    nan = np.nan
    expected = [
        # ruler, hairs, plain, symmetric, green plaster, nothing said
        [1, 1, 0, 1, 0, 0.5],
        [1, 0, 0, 1, 0, 0.5],
        [0, nan, 1, nan, 0, 0.5],
        [0, 0, 0, 0, 0, 0.5],
        [0, 0, 0, 1, 0, 0.5],
        [0, 0, 0, 1, 1, 0.5],
    ]
    np.testing.assert_array_equal(train.fits(views).numpy(), np.array(expected, np.float32))


def test_the_contrastive_loss_is_its_twin(data):
    torch.manual_seed(0)
    net = Clip(vocabulary()).eval()
    views = [train.view(data, i, np.random.default_rng(i)) for i in range(4)]
    x = train.as_input(np.stack([it.pixels for it in views]))

    class Never(np.random.Generator):
        def random(self, size: Any = None, *rest: Any) -> Any:  # type: ignore[override]
            return np.ones(size)

    with torch.no_grad():
        found = train.contrast(net, x, views, Never(np.random.PCG64(0)))
        images, words = net.image(x).double(), net.text(net.tokens([it.words.text for it in views])).double()
    losses = []
    for i, row in enumerate(train.fits(views).tolist()):
        for j, truth in enumerate(row):
            chance = 1 / (1 + np.exp(3 - 10 * float(images[i] @ words[j] / images[i].norm() / words[j].norm())))
            losses += [] if np.isnan(truth) else [-truth * np.log(chance) - (1 - truth) * np.log(1 - chance)]
    assert float(found) == pytest.approx(np.mean(losses), rel=1e-4)


def test_words_become_numbers():
    net = Clip(["hairs", "ruler"])
    first = net.tokens(["Ruler, hair", "rulers; wombat"])
    hairs, ruler = 3, 4
    assert first.tolist() == [[START, ruler, hairs], [START, ruler, UNKNOWN]]
    assert net.tokens(["", "ruler"]).tolist() == [[START, PADDING], [START, ruler]]
    assert net.tokens(["ruler " * 500]).shape[1] == 64


def test_a_text_does_not_depend_on_those_it_is_read_with():
    net = load_clip_net()
    with torch.no_grad():
        alone = net.text(net.tokens(["a ruler"]))
        beside = net.text(net.tokens(["a ruler", "a large lesion with a ragged border and hairs"]))[:1]
    assert torch.allclose(alone, beside, atol=1e-4)
    assert alone.shape == (1, DIMENSION)


def test_weights_come_back_in_half_precision(tmp_path, monkeypatch):
    monkeypatch.setattr(nets, "WEIGHTS", tmp_path / "weights")
    torch.manual_seed(0)
    net = Clip(["hairs", "ruler"]).eval()
    train.write("mine", net, tmp_path / "weights")
    back = nets.load("mine", lambda told: Clip(told["words"].split()))
    assert back.words == ("hairs", "ruler")
    for mine, theirs in zip(net.state_dict().values(), back.state_dict().values(), strict=True):
        assert theirs.dtype == mine.dtype
        assert torch.equal(
            mine.half() if mine.is_floating_point() else mine, theirs.half() if theirs.is_floating_point() else theirs
        )


@pytest.mark.benchmark
@pytest.mark.parametrize("name", ["shortcut", "clip"])
def test_training_learns_and_repeats(name, capsys):
    trainer = {
        "clip": partial(train.train_clip, pictures=16, epochs=8, batch=8),
        "shortcut": partial(train.train_classifier, name, pictures=32, batch=16, seeing=2, diagnosing=2),
    }[name]
    first = trainer()
    train.seer.cache_clear()
    second = trainer()
    train.seer.cache_clear()
    for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    told = [line.partition("] ")[2].split(", loss ") for line in capsys.readouterr().err.splitlines()]
    half = len(told) // 2
    assert told[:half] == told[half:]
    first_of, last_of = ({step.split(":")[0]: float(loss) for step, loss in steps} for steps in (told[::-1], told))
    assert all(last_of[stage] < first_of[stage] for stage in first_of)
    assert not first.training


def test_another_seed_trains_other_networks_into_a_folder_of_their_own(tmp_path, monkeypatch, capsys):
    one = partial(train.train_classifier, "shortcut", pictures=16, batch=8, seeing=1, diagnosing=1)
    monkeypatch.setitem(train.TRAINERS, "shortcut", one)
    for seed in ("5", "6"):
        train.main(["shortcut", "--seed", seed, "--to", str(tmp_path / seed)])
    train.seer.cache_clear()
    first, second = (load_file(tmp_path / seed / "shortcut.safetensors") for seed in ("5", "6"))
    assert not torch.equal(first["stem.0.weight"], second["stem.0.weight"])
    for wrong, said in (
        (["shortcut", "--seed", "7"], "seed 7 trains other networks than the package's: say where to with --to"),
        (["shortcuts"], "there is no network 'shortcuts': name some of shortcut, "),
    ):
        with pytest.raises(SystemExit, match="2"):
            train.main(wrong)
        assert said in capsys.readouterr().err


def test_every_network_of_the_testbed_has_a_trainer():
    assert set(train.TRAINERS) == {*nets.CLASSIFIERS, "clip"}
    assert isinstance(ConvNet(2), nn.Module)
