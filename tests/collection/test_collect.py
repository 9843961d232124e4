"""Collecting against a slow twin: one image at a time, everything kept, sorted at the end."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from semlens.collection.collect import collect
from semlens.collection.cpu import OneDnnLinear, tuned_allocator
from semlens.collection.states import load_examples, merge_all
from semlens.errors import SemlensError
from semlens.images import ImageSet, load_images
from semlens.model.hooks import record
from semlens.model.layers import parse_all
from semlens.model.vision_model import VisionModel
from semlens.numerics.histogram import bins
from semlens.types import MISSING, ConceptExamples
from tests.toy import Colours, colours, flat_images, random_images, to_tensor


class Small(nn.Module):
    """Convolution, batch norm, a signed feature map and a linear head, with random weights."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm, self.relu = nn.Conv2d(3, 5, 3, padding=1), nn.BatchNorm2d(5), nn.ReLU()
        self.fc = nn.Linear(5, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.relu(self.norm(self.conv(x))).mean((2, 3)))


SMALL = VisionModel(Small(), to_tensor, name="toy:small")
LAYERS = ["conv", "relu", "fc"]


def same(a: ConceptExamples, b: ConceptExamples) -> bool:
    return all(np.array_equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))


def slow(model: VisionModel, images: ImageSet, layers: list[str], k: int, pool: str) -> tuple[np.ndarray, np.ndarray]:
    """Ids and activations of the k best, by a Python sort over images sent through one by one."""
    found = parse_all(model.net, layers, model.example_input())
    columns: list[list[float]] = []
    for i in range(len(images)):
        with record(model.net, [kind.site for kind, _ in found]) as seen, torch.no_grad():
            model.net(model.preprocess(images.load(i))[None])
            acts = [kind.read(seen[kind.site])[0] for kind, _ in found]
        columns.append(torch.cat([a.amax(1) if pool == "max" else a.mean(1) for a in acts]).tolist())
    table = np.array(columns)
    ids = [sorted(range(len(images)), key=lambda i: (-table[i, c], i))[:k] for c in range(table.shape[1])]
    return np.array(ids), np.take_along_axis(table.T, np.array(ids), axis=1)


@pytest.mark.parametrize("pool", ["mean", "max"])
def test_equals_the_slow_twin(pool: str) -> None:
    images = random_images(23)
    examples = collect(SMALL, images, LAYERS, k=5, pool=pool, batch_size=4)
    ids, activations = slow(SMALL, images, LAYERS, 5, pool)
    np.testing.assert_array_equal(examples.ids, ids)
    np.testing.assert_allclose(examples.activations, activations, atol=1e-6)
    assert examples.images == 23
    assert examples.seen == ((0, 23),)
    every = collect(SMALL, images, LAYERS, k=23, pool=pool)  # all activations, as examples
    wanted = [np.bincount(bins(row), minlength=129) for row in every.activations]
    np.testing.assert_array_equal(examples.histogram, wanted)


def test_positions_are_where_the_maximum_lies() -> None:
    pixels = np.zeros((3, 8, 8, 3), dtype=np.uint8)
    pixels[0, 2, 5, 0], pixels[1, 7, 7, 1], pixels[2, 0, 3, 2] = 255, 255, 255
    examples = collect(colours(), load_images([Image.fromarray(p) for p in pixels]), ["conv"], k=1, pool="max")
    assert examples.ids[:, 0].tolist() == [0, 1, 2]
    assert examples.positions[:, 0].tolist() == [2 * 8 + 5, 63, 3]


def test_a_mean_has_no_position() -> None:
    examples = collect(colours(), random_images(3), ["conv"], k=2)
    assert (examples.positions == MISSING).all()


def test_ties_go_to_the_lower_image() -> None:
    images = flat_images([(10, 0, 0), (200, 0, 0), (200, 0, 0), (200, 0, 0)])
    assert collect(colours(), images, ["fc"], k=2, batch_size=1).ids[0].tolist() == [1, 2]


def test_a_component_that_never_fires_has_no_examples() -> None:
    """T3."""
    examples = collect(colours(), flat_images([(10, 0, 0), (20, 0, 0), (30, 5, 0)]), ["act"], k=2)
    assert examples.valid.tolist() == [[True, True], [True, False], [False, False]]
    assert examples.dead == 1


def test_running_twice_gives_the_same() -> None:
    """T6: the published package counts on, and its ids reach 2N - 1."""
    images = random_images(9)
    first, second = (collect(SMALL, images, LAYERS, k=3) for _ in range(2))
    assert same(first, second)
    assert second.ids.max() < 9


@pytest.mark.slow
@pytest.mark.parametrize(("batch", "shards", "workers"), [(1, 4, 0), (4, 3, 1), (5, 1, 0), (7, 2, 0), (13, 4, 0)])
def test_batches_shards_and_workers_change_nothing(batch: int, shards: int, workers: int) -> None:
    images = random_images(12)
    whole = collect(colours(), images, ["conv", "fc"], k=4, pool="max")
    parts = [
        collect(
            colours(), images, ["conv", "fc"], k=4, pool="max", batch_size=batch, workers=workers, shard=(i, shards)
        )
        for i in reversed(range(shards))
    ]
    assert same(merge_all(parts), whole)


def broken_in_the_middle(folder: Path) -> ImageSet:
    for i in range(7):
        Image.new("RGB", (8, 8), (30 * i, 0, 0)).save(folder / f"{i}.png")
    (folder / "3.png").write_bytes(b"not an image")
    return load_images(folder)


def test_an_unreadable_image_is_skipped_counted_and_shifts_nothing(tmp_path: Path) -> None:
    examples = collect(colours(), broken_in_the_middle(tmp_path), ["fc"], k=3, batch_size=2)
    assert examples.ids[0].tolist() == [6, 5, 4]
    assert [u.id for u in examples.unreadable] == [3]
    assert examples.images == 6


def test_only_unreadable_images(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    examples = collect(colours(), load_images(tmp_path), ["fc"], k=1)
    assert examples.dead == 4
    assert examples.images == 0


class Failing(nn.Module):
    """Gives NaN for images without red."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        red = x[:, :1].mean((2, 3))
        return self.out(torch.where(red > 0, red, torch.nan))


def test_nan_never_wins_and_is_counted() -> None:
    """T5."""
    model = VisionModel(Failing(), to_tensor)
    examples = collect(model, flat_images([(0, 0, 0), (9, 0, 0), (0, 9, 9), (5, 0, 0)]), ["out"], k=3)
    assert examples.ids[0].tolist() == [1, 3, int(MISSING)]
    assert examples.nan.tolist() == [2]


def test_the_model_is_left_as_found_and_in_train_mode_gives_the_same() -> None:
    """T8."""
    net = Small().train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    examples = collect(VisionModel(net, to_tensor, name="toy:small"), random_images(9), LAYERS, k=3)
    assert net.training
    assert net.norm.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert same(examples, collect(SMALL, random_images(9), LAYERS, k=3))


class Views(nn.Module):
    """Views where it should reshape, and so fails on channels-last maps."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.fc = nn.Conv2d(3, 2, 3), nn.Linear(72, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        return self.fc(x.view(x.shape[0], -1))


def test_a_model_that_fails_on_channels_last_is_run_as_it_is() -> None:
    model = VisionModel(Views(), to_tensor)
    examples = collect(model, random_images(6), ["fc"], k=2)
    np.testing.assert_array_equal(examples.ids, slow(model, random_images(6), ["fc"], 2, "mean")[0])


def test_images_of_different_sizes_are_named() -> None:
    model = VisionModel(Colours(), lambda image: to_tensor(image)[:, : image.width], name="odd")
    images = load_images([Image.new("RGB", (8, 8)), Image.new("RGB", (5, 8))])
    for batch_size in (1, 2):
        with pytest.raises(SemlensError, match=r"different sizes: the first \(3, 8, 8\), image 1 \(3, 5, 8\)"):
            collect(model, images, ["conv"], k=1, batch_size=batch_size)


def test_a_model_that_takes_one_size_only_is_seen_on_the_images_themselves() -> None:
    """An image of any other size would not fit its linear layer."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 5))
    model = VisionModel(net, lambda image: torch.from_numpy(np.array(image, dtype=np.float32)).permute(2, 0, 1))
    assert collect(model, random_images(4), ["1"], k=2).ids.shape == (5, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 10}, "k is 10, but there are 3 images"),
        ({"k": 0}, "k is 0"),
        ({"pool": "sum"}, "unknown pooling 'sum'"),
        ({"precision": "float8"}, "unknown precision 'float8'; nearest: float32"),
        ({"shard": (3, 3)}, "shards count from 0 to 2"),
    ],
)
def test_mistakes_are_known_before_the_first_image(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SemlensError, match=message):
        collect(colours(), random_images(3), ["fc"], **{"k": 1, **options})


def test_a_layer_that_gives_no_tensor() -> None:
    class Nothing(nn.Module):
        def forward(self, x: torch.Tensor) -> str:
            return "text"

    net = nn.Sequential(Nothing())
    with pytest.raises(SemlensError, match="a str, which holds no tensor"):
        collect(VisionModel(net, to_tensor), random_images(3), ["0"], k=1)


def test_bfloat16_is_only_used_when_asked_for() -> None:
    images = flat_images([(100 + i, 0, 0) for i in range(40)])
    full, half = (collect(colours(), images, ["fc"], k=5, precision=p) for p in ("float32", "bfloat16"))
    assert full.ids[0].tolist() == [39, 38, 37, 36, 35]
    assert not np.array_equal(half.activations, full.activations)
    assert full.recipe != half.recipe


class Stop(Exception):
    pass


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What a run leaves that nothing interrupts."""
    path = tmp_path_factory.mktemp("whole") / "whole.safetensors"
    collect(SMALL, random_images(20), LAYERS, k=4, pool="max", batch_size=2, checkpoint=path)
    return path.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(("killed", "every"), [(1, 1), (1, 4), (4, 3), (5, 2), (9, 4)])
def test_an_interrupted_run_resumes_to_the_same_bytes(
    tmp_path: Path, uninterrupted: bytes, killed: int, every: int
) -> None:
    images = random_images(20)

    def stop(step: str, done: int, total: int) -> None:
        if done == 2 * killed:
            raise Stop

    path = tmp_path / "part.safetensors"
    with pytest.raises(Stop):
        collect(
            SMALL, images, LAYERS, k=4, pool="max", batch_size=2, checkpoint=path, checkpoint_every=every, progress=stop
        )
    seen: list[int] = []
    collect(
        SMALL,
        images,
        LAYERS,
        k=4,
        pool="max",
        batch_size=2,
        checkpoint=path,
        resume=True,
        progress=lambda s, d, t: seen.append(d),
    )
    assert seen[0] == 2 * (killed - 1) // (2 * every) * 2 * every + 2  # goes on behind the last checkpoint
    assert path.read_bytes() == uninterrupted


def test_resume_of_another_run_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    collect(SMALL, random_images(6), LAYERS, k=2, checkpoint=path)
    with pytest.raises(SemlensError, match="another model"):
        collect(SMALL, random_images(6), LAYERS, k=3, checkpoint=path, resume=True)


KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.toy import colours, random_images
from semlens.collection.collect import collect
def slowly(step, done, total):
    print(done, flush=True); time.sleep(0.05)
collect(colours(), random_images(40), ["act", "fc"], k=4, batch_size=2, checkpoint=Path({path!r}), checkpoint_every=1,
resume=True, progress=slowly)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_killed_process_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "part.safetensors"
    code = KILLED.format(root=str(Path(__file__).parents[2]), path=str(path))
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code], stdout=subprocess.PIPE, env=os.environ, text=True
    )
    assert process.stdout is not None
    while int(process.stdout.readline()) < 10:
        pass
    time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    before = load_examples(path).images
    assert 8 <= before < 40
    images, whole = random_images(40), tmp_path / "whole.safetensors"
    collect(colours(), images, ["act", "fc"], k=4, batch_size=2, checkpoint=path, resume=True)
    collect(colours(), images, ["act", "fc"], k=4, batch_size=2, checkpoint=whole)
    assert path.read_bytes() == whole.read_bytes()


def test_the_identity_covers_weights_images_and_preprocessing() -> None:
    """T10: names and reprs as keys mix different models and data sets up."""
    images = random_images(4)
    one = collect(SMALL, images, ["fc"], k=1).recipe
    net = Small()
    with torch.no_grad():
        net.fc.bias[0] += 1
    assert collect(VisionModel(net, to_tensor, name="toy:small"), images, ["fc"], k=1).recipe != one
    assert collect(SMALL, random_images(4, seed=1), ["fc"], k=1).recipe != one
    assert collect(replace(SMALL, preprocess=lambda image: to_tensor(image)), images, ["fc"], k=1).recipe != one
    assert collect(SMALL, images, ["fc"], k=1, pool="max").recipe != one
    assert collect(VisionModel(Small(), to_tensor, name="toy:small"), images, ["fc"], k=1).recipe == one


@pytest.mark.slow
def test_linear_layers_by_onednn_give_the_same() -> None:
    torch.manual_seed(0)
    net, x = (
        nn.Sequential(nn.Linear(64, 32), nn.GELU(), nn.Linear(32, 8, bias=False), nn.Linear(8, 3)),
        torch.randn(5, 7, 64),
    )
    with torch.no_grad():
        plain = net(x)
        with OneDnnLinear():
            torch.testing.assert_close(net(x), plain, rtol=1e-5, atol=1e-6)


def test_the_tuned_allocator_comes_and_goes() -> None:
    for _ in range(2):
        with tuned_allocator():
            assert torch.ones(20_000_000).sum() == 20_000_000
    assert torch.ones(20_000_000).sum() == 20_000_000


def test_what_a_notebook_shows_of_examples_and_models_is_short() -> None:
    found = collect(colours(), random_images(20), "act", k=3)
    assert repr(found) == "ConceptExamples(toy:colours: 3 components in 1 layers, 0 dead; 20 images, k=3)"
    assert repr(colours()) == "VisionModel(toy:colours: Colours, 4 classes)"
