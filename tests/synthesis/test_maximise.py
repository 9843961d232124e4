"""Pictures made for components: against the solution of a linear one, and where each part is known in closed form."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torch import nn

import semlens as sl
from semlens.cli import app
from semlens.synthesis import own_rank_together, own_ranks
from semlens.synthesis.canvas import moved_about, noise, painted, variation
from semlens.synthesis.maximise import likeness
from semlens.synthesis.pixels import pixels_of
from tests.toy import Colours, ColourSpace, colours, random_images, to_tensor


def made(side: int, channels: int = 3, seed: int = 0) -> sl.VisionModel:
    """A linear layer on the pixels less a half."""
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Flatten(), nn.Linear(channels * side * side, 6))

    def preprocess(image: Image.Image) -> torch.Tensor:
        return torch.from_numpy(np.array(image.resize((side, side)), np.float32)).permute(2, 0, 1) / 255 - 0.5

    return sl.VisionModel(net, preprocess)


def test_a_linear_component_is_shown_its_weight() -> None:
    model = made(12)
    weight = model.net[1].weight.detach()  # type: ignore[index]
    for shown in sl.maximise(model, ["1:0", "1:5"], jitter=False, total_variation=0.0, contrast=0.1, steps=120):
        pixels = model.preprocess(shown.picture).flatten()
        assert torch.cosine_similarity(pixels, weight[shown.component.unit], dim=0) > 0.99
        bound = 0.1 * len(pixels) ** 0.5 * weight[shown.component.unit].norm()
        bias = model.net[1].bias.detach()[shown.component.unit].item()  # type: ignore[index]
        assert 0.95 * bound < shown.activation - bias < 1.01 * bound
        assert shown.before < shown.activation
        assert shown.activation == pytest.approx(model.net(pixels[None])[0, shown.component.unit].item())


@pytest.mark.parametrize("contrast", [0.05, 0.2])
def test_every_picture_has_the_contrast_asked_for(contrast: float) -> None:
    drawn = painted(noise((16, 11), [torch.Generator().manual_seed(i) for i in range(3)]), (16, 11), contrast)
    assert drawn.shape == (3, 3, 16, 11)
    rms = (drawn - 0.5).pow(2).mean((1, 2, 3)).sqrt()
    assert torch.allclose(rms, torch.full((3,), contrast), rtol=0.15)


def test_low_frequencies_and_brightness_come_first() -> None:
    drawn = painted(noise((64, 64), [torch.Generator().manual_seed(0)]), (64, 64), 0.1)[0] - 0.5
    power = torch.fft.rfft2(drawn.mean(0)).abs().pow(2)
    assert power[1:4, 1:4].mean() > 20 * power[20:30, 20:30].mean()
    assert 1.2 < drawn.mean(0).std() / (drawn[0] - drawn[2]).std() < 1.8


def test_pixels_follow_what_preprocessing_does_to_colours() -> None:
    mean, spread = torch.tensor([0.4, 0.5, 0.6]), torch.tensor([0.2, 0.3, 0.4])

    def blue_first(image: Image.Image) -> torch.Tensor:
        return ((to_tensor(image) - mean[:, None, None]) / spread[:, None, None]).flip(0)

    def grey(image: Image.Image) -> torch.Tensor:
        return to_tensor(image.convert("L").convert("RGB"))[:1]

    photo = random_images(1).load(0)
    for preprocess, tolerance in ((blue_first, 1e-5), (grey, 0.01)):
        pixels = pixels_of(sl.VisionModel(Colours(), preprocess))
        assert pixels.size == (8, 8)
        assert torch.allclose(pixels(to_tensor(photo)[None])[0], preprocess(photo), atol=tolerance)


def test_preprocessing_without_a_gradient_is_refused() -> None:
    with pytest.raises(sl.SemlensError, match="more to colours than to shift"):
        sl.maximise(sl.VisionModel(Colours(), lambda image: to_tensor(image) ** 3), ["fc:0"])
    with pytest.raises(sl.SemlensError, match="take images"):
        sl.maximise(sl.VisionModel(nn.Linear(192, 2), lambda image: to_tensor(image).flatten()), ["0:0"])


@pytest.mark.parametrize(
    ("how", "matches"),
    [
        ({"components": ["fc:9"]}, "fc has units 0 to 3"),
        ({"components": ["nowhere:0"]}, "nowhere"),
        ({"components": ["fc:0"], "images": 0}, "at least 1"),
        ({"components": ["fc:0"], "contrast": 0.7}, "contrast"),
        ({"components": ["fc:0"], "pool": "sum"}, "pool"),
        ({"components": ["fc:0"], "images": 2, "on": [Image.new("RGB", (8, 8))]}, "an image for each picture"),
        ({"components": ["fc:0"], "until": [1.0, 2.0]}, "a number for each component"),
    ],
)
def test_what_cannot_be_made_is_said(how: dict[str, object], matches: str) -> None:
    with pytest.raises(sl.SemlensError, match=matches):
        sl.maximise(colours(), **how)  # type: ignore[arg-type]


def test_components_of_several_layers_and_kinds_are_made_together_as_alone() -> None:
    model = colours()
    asked = ["conv:1", "fc:2", "act:0", "fc:0"]
    together = sl.maximise(model, asked, steps=20, jitter=True)
    for shown, name in zip(together, asked, strict=True):
        (alone,) = sl.maximise(model, [name], steps=20)
        assert str(shown.component) == name
        assert np.abs(np.asarray(shown.picture, int) - np.asarray(alone.picture, int)).max() <= 2
        assert shown.activation == pytest.approx(alone.activation, abs=0.02)
        colour = np.asarray(shown.picture, float).mean((0, 1))
        assert colour.argmax() == shown.component.unit


def test_seeds_give_other_pictures_and_the_same_seed_the_same() -> None:
    model = made(8)
    first, again, other = (
        np.asarray(sl.maximise(model, ["1:0"], steps=3, seed=seed)[0].picture, int) for seed in (0, 0, 1)
    )
    assert (first == again).all()
    assert np.abs(first - other).mean() > 5


def test_a_component_that_noise_does_not_reach_is_reached() -> None:
    """Behind a ReLU that is shut on the first noise no gradient says where to go."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 3), nn.ReLU())
    with torch.no_grad():
        dict(net.named_parameters())["1.bias"].copy_(torch.tensor([-0.4, -0.4, 0.0]))
    model = sl.VisionModel(net, made(8).preprocess)
    shown = sl.maximise(model, ["2:0", "2:1"], steps=200, contrast=0.4, jitter=False)
    assert [each.before for each in shown] == [0, 0]
    assert all(each.activation > 1 for each in shown)


def test_likeness_is_the_mean_cosine_of_gram_matrices() -> None:
    torch.manual_seed(0)
    patterns = torch.randn(6, 4, 5)
    grams = [(p @ p.T).flatten().numpy() for p in patterns]
    for row in range(6):
        others = [i for i in range(row // 3 * 3, row // 3 * 3 + 3) if i != row]
        cosines = [grams[row] @ grams[i] / np.linalg.norm(grams[row]) / np.linalg.norm(grams[i]) for i in others]
        assert float(likeness(patterns, 3)[row]) == pytest.approx(np.mean(cosines), rel=1e-5)


def test_an_image_is_changed_no_further_than_it_takes() -> None:
    photos = [random_images(2, seed=4).load(i) for i in range(2)]
    model = colours()
    shown = sl.maximise(model, ["fc:0", "fc:2"], images=2, on=photos, until=[0.7, 0.6], jitter=False, diversity=0.0)
    for each, photo, goal in zip(shown, photos * 2, [0.7, 0.7, 0.6, 0.6], strict=True):
        assert each.start is not None
        before = model.preprocess(photo).mean((1, 2))[each.component.unit].item()
        assert each.before == pytest.approx(before, abs=0.01)
        assert before < goal
        assert goal - 0.01 < each.activation < goal + 0.05  # a step goes that far at most
        start, after = (np.asarray(picture, int) for picture in (each.start, each.picture))
        assert np.abs(start - to_tensor(photo).permute(1, 2, 0).numpy() * 255).max() <= 1
        assert (after - start).mean((0, 1)).argmax() == each.component.unit


def test_what_is_changed_enough_already_stays() -> None:
    photo = random_images(1).load(0)
    (shown,) = sl.maximise(colours(), ["fc:0"], on=[photo], until=[0.1], steps=30)
    assert shown.start is not None
    assert np.abs(np.asarray(shown.picture, int) - np.asarray(shown.start, int)).max() <= 8


def test_the_way_back_from_a_models_input_is_the_picture() -> None:
    spread = torch.tensor([0.2, 0.3, 0.4])[:, None, None]
    photo = random_images(1).load(0)
    pixels = pixels_of(sl.VisionModel(Colours(), lambda image: (to_tensor(image) - 0.5) / spread))
    assert torch.allclose(pixels.back((to_tensor(photo)[None] - 0.5) / spread)[0], to_tensor(photo), atol=1e-5)


def test_diversity_keeps_pictures_of_one_component_apart() -> None:
    """Bright and dark excite the unit alike, each through a channel of its own."""
    net = nn.Sequential(nn.Conv2d(3, 2, 1, bias=False), nn.ReLU(), nn.Conv2d(2, 3, 1, bias=False))
    with torch.no_grad():
        bright, both = net.parameters()
        bright.copy_(torch.tensor([[1.0] * 3, [-1.0] * 3])[:, :, None, None])
        both.copy_(torch.tensor([[1.0, 0], [0, 1], [1, 1]])[:, :, None, None])
    model = sl.VisionModel(net, made(16).preprocess)

    def alike(diversity: float) -> float:
        shown = sl.maximise(model, ["2:2"], images=2, steps=40, diversity=diversity, jitter=False)
        with torch.no_grad():
            patterns = net(torch.stack([model.preprocess(each.picture) for each in shown])).flatten(2)
        return float(likeness(patterns, 2).mean())

    assert alike(0.0) > 0.9
    assert alike(2.0) < 0.3


def test_moves_shift_turn_and_scale() -> None:
    torch.manual_seed(0)
    pictures = torch.rand(1, 3, 32, 32)
    still = moved_about(pictures, torch.zeros(1, 4))
    assert torch.allclose(still, pictures, atol=1e-5)
    right = moved_about(pictures, torch.tensor([[1.0, 0, 0, 0]]))  # a sixteenth of 32: two pixels
    assert torch.allclose(right[..., :-2], pictures[..., 2:], atol=1e-5)
    down = moved_about(pictures, torch.tensor([[0, 1.0, 0, 0]]))
    assert torch.allclose(down[..., :-2, :], pictures[..., 2:, :], atol=1e-5)
    wide = torch.linspace(0, 1, 32).expand(1, 3, 32, 32)
    turned = moved_about(wide, torch.tensor([[0, 0, 1.0, 0]]))[0, 0]
    slope = (turned[16, 20] - turned[16, 12]) / (wide[0, 0, 16, 20] - wide[0, 0, 16, 12])
    assert float(slope) == pytest.approx(np.cos(np.radians(5)), abs=0.01)


def test_total_variation_is_the_mean_step_between_neighbours() -> None:
    ramp = torch.arange(4.0).expand(1, 3, 4, 4) / 10
    assert float(variation(ramp)[0]) == pytest.approx(0.1)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("maximise") / "index"
    sl.build(colours(), random_images(60), ["act", "fc"], ColourSpace(), folder, k=3)
    return folder


def test_a_picture_finds_its_own_component(index: Path) -> None:
    made_for = sl.maximise(colours(), ["fc:0", "fc:1", "fc:3"], steps=60)
    loaded = sl.load_index(index)
    ranks = own_ranks(loaded, ColourSpace(), made_for)
    for each, rank in zip(made_for, ranks, strict=True):
        vector = np.asarray(each.picture, np.float64).mean((0, 1))
        rows = range(loaded.layer_slice("fc").start, loaded.layer_slice("fc").stop)
        cosines = [loaded.means[r] @ vector / np.linalg.norm(loaded.means[r]) for r in rows]
        assert rank == 1 + sum(c > cosines[each.component.unit] for c in cosines)
    assert ranks == [1, 1, 1]


def test_pictures_are_searched_together_less_the_images_that_they_were(index: Path) -> None:
    loaded, space = sl.load_index(index), ColourSpace()
    photos = [random_images(3, seed=9).load(i) for i in range(3)]
    made_for = sl.maximise(colours(), ["fc:1"], images=3, on=photos, steps=20)
    after, before = (
        np.mean([v / np.linalg.norm(v) for v in space.embed_images(some)], axis=0)
        for some in ([m.picture for m in made_for], [m.start for m in made_for if m.start])
    )
    after, before = after / np.linalg.norm(after), before / np.linalg.norm(before)
    rows = range(loaded.layer_slice("fc").start, loaded.layer_slice("fc").stop)
    if loaded.encodings is None:
        scores = [float(loaded.means[row] @ (after - before)) for row in rows]
    else:
        covariance = loaded.encodings.cross[rows.start : rows.stop] @ (after - before)
        scores = (covariance / loaded.encodings.deviation[rows.start : rows.stop]).tolist()
    assert own_rank_together(loaded, space, made_for) == 1 + sum(score > scores[1] for score in scores) == 1
    with pytest.raises(sl.SemlensError, match="made on images"):
        own_rank_together(loaded, space, sl.maximise(colours(), ["fc:1"], steps=2))


def test_the_command_draws_and_tells(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = f"file:{Path(__file__).parents[1] / 'toy_model.py'}:build"
    out = tmp_path / "made.png"
    asked = ["maximise", model, "fc:0", "act:2", "--images", "2", "--steps", "10", "--out", str(out), "--json"]
    done = CliRunner().invoke(app, asked, catch_exceptions=False)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["component"] for row in rows] == ["fc:0", "fc:0", "act:2", "act:2"]
    assert all(row["activation"] > row["before"] and row["rank"] is None for row in rows)
    with Image.open(out) as drawn:
        alone = drawn.width
    monkeypatch.setattr(sl, "load_foundation", lambda *_: ColourSpace())
    done = CliRunner().invoke(app, [*asked, "--index", str(index)], catch_exceptions=False)
    assert [json.loads(line)["rank"] for line in done.stdout.splitlines()] == [1, 1, 1, 1]
    with Image.open(out) as drawn:
        assert drawn.width > alone
    for number in range(2):
        random_images(2, seed=5).load(number).save(tmp_path / f"{number}.png")
    done = CliRunner().invoke(app, [*asked, "--index", str(index), "--on", str(tmp_path)], catch_exceptions=False)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["together"] for row in rows] == [1, 1, 1, 1]
    strongest = float(sl.load_index(index).activations[sl.load_index(index).row(sl.Component("fc", 0)), 0])
    assert all(row["activation"] < max(strongest, row["before"]) + 0.1 for row in rows[:2])
    done = CliRunner().invoke(app, ["maximise", model, "act:9", "--index", str(index)], catch_exceptions=False)
    assert done.exit_code != 0
    assert "act has units 0 to 2" in done.output
