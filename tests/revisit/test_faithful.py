"""Deletion and insertion curves against loops by hand, and each way to rank components against its formula."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import semlens as sl
from semlens.attribution import fixed
from semlens.errors import SemlensError
from semlens.images import load_images
from semlens.model import Dictionary, Relu, VisionModel, parse_all
from semlens.revisit.faithful import _places, faithful
from semlens.revisit.rankings import Asked, Lens, ranked
from semlens.testbed.world import CLEAN, World, draw
from tests.toy import SIDE, random_images, to_tensor

IMAGES = random_images(7)
X = torch.stack([to_tensor(IMAGES.load(i)) for i in range(7)])
quiet = lambda *_: None  # noqa: E731


class Bag(nn.Module):
    """Six rectified channels, their means, and a linear layer: all that is asked of a layer is known in closed form."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.act, self.fc = nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.act(self.conv(x)).mean((2, 3)))


NET = VisionModel(Bag().eval(), to_tensor, ("a", "b", "c"))


def dictionary(units: int = 10) -> Dictionary:
    draw = torch.Generator().manual_seed(1)
    decoder = nn.functional.normalize(torch.randn(units, 6, generator=draw))
    return Dictionary("act", decoder.T.contiguous(), torch.zeros(units) - 0.05, decoder, torch.zeros(6), Relu())


def asked(layer: str | Dictionary, target: str | None, baseline: torch.Tensor | None = None) -> Asked:
    from semlens.revisit.faithful import _activations

    ((kind, _),) = parse_all(NET.net, [layer], X[:1])
    acts = _activations(NET, kind, X)
    before = torch.zeros_like(acts) if baseline is None else _activations(NET, kind, baseline)
    return Asked(NET, kind, fixed(NET, target, X), X, acts, before, baseline, tuple(range(7)), 0)


@pytest.mark.parametrize("target", ["b", None])
@pytest.mark.parametrize("layer", ["act", "dictionary"])
@pytest.mark.parametrize("baseline", [None, X.flip(0)], ids=["zero", "counterfactual"])
def test_patching_and_its_integral_are_exact_ablation_where_all_behind_is_linear(
    layer: str, target: str | None, baseline: torch.Tensor | None
) -> None:
    found = asked(dictionary() if layer == "dictionary" else layer, target, baseline)
    exact = ranked("ablation", found, Lens())
    torch.testing.assert_close(ranked("gradient", found, Lens()), exact, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(ranked("integrated_gradients", found, Lens()), exact, rtol=1e-4, atol=1e-6)
    means, weights = (found.acts - found.before).mean(2), NET.net.fc.weight
    rows = weights[found.target.columns]  # type: ignore[index]
    direct = rows @ dictionary().decoder.T if layer == "dictionary" else rows
    torch.testing.assert_close(exact, (means * direct).detach(), rtol=1e-4, atol=1e-6)


def test_curves_are_what_removing_one_after_the_other_gives() -> None:
    found = faithful(NET, IMAGES, "act", "b", by=("gradient", "energy"), steps=6, upto=1.0, workers=0, progress=quiet)
    with torch.no_grad():
        maps = NET.net.act(NET.net.conv(X))  # type: ignore[operator]
        weight, bias = NET.net.fc.weight[1], NET.net.fc.bias[1].item()  # type: ignore[index]
    parts = (maps.mean((2, 3)) * weight).detach().numpy()
    sums = maps.sum((2, 3)).numpy()
    for m, scores in enumerate((parts, sums)):
        for image in range(7):
            order = sorted(np.flatnonzero(sums[image]), key=lambda c: -scores[image, c])
            for step in range(7):
                gone = order[: round(len(order) * step / 6)]
                taken = parts[image][gone].sum()
                assert found.deletion[m, image, step] == pytest.approx(parts[image].sum() + bias - taken, abs=1e-5)
                assert found.insertion[m, image, step] == pytest.approx(bias + taken, abs=1e-5)
    row = found.rows[1]
    by_hand = (found.deletion[1, :, :-1] + found.deletion[1, :, 1:]).mean(1) / 2
    assert (row.by, row.curve, row.n) == ("energy", "deletion", 7)
    assert row.area == pytest.approx(by_hand.mean())
    assert row.beyond == pytest.approx(row.area - found.rows[0].area)
    assert row.low < row.area < row.high
    assert len(found.points) == 2 * 2 * 7


def test_a_baseline_is_where_all_ends_and_batches_change_nothing() -> None:
    other = load_images([IMAGES.load(6 - i) for i in range(7)])
    two, seven = (
        faithful(NET, IMAGES, dictionary(), by=("gradient", "random"), baseline=other, upto=1.0, steps=4,
                 batch_size=size, workers=0, progress=quiet)
        for size in (2, 7)
    )  # fmt: skip
    np.testing.assert_allclose(two.deletion, seven.deletion, atol=1e-5)
    np.testing.assert_allclose(two.insertion, seven.insertion, atol=1e-5)
    np.testing.assert_allclose(two.deletion[..., 0], two.insertion[..., -1], atol=1e-5)
    with torch.no_grad():
        whole = NET.net(X).max(1).values
    np.testing.assert_allclose(two.deletion[0, :, 0], whole, atol=1e-5)


def test_greedy_patching_ranks_again_what_is_left() -> None:
    """By a loop over single images: in 20 parts, each by the gradient at what the parts before have left."""
    layer = dictionary(45)
    ((kind, _),) = parse_all(NET.net, [layer], X[:1])
    goal = lambda output: torch.cosine_similarity(output, torch.tensor([[1.0, -2.0, 0.5]]))  # noqa: E731
    found = replace(asked(layer, "b"), target=fixed(NET, goal, X))
    ours = ranked("greedy_gradient", found, Lens())
    once = ranked("gradient", replace(found, target=fixed(NET, goal, X)), Lens())
    for i in range(7):
        left = [c for c in range(45) if bool(found.acts[i, c].any())]
        order: list[int] = []
        size = len(left)
        for part in range(20):
            acts = torch.zeros(1, *found.acts.shape[1:])
            acts[0, left] = found.acts[i, left]
            acts.requires_grad_()
            maps = NET.net.act(NET.net.conv(X[i : i + 1]))  # type: ignore[operator]
            value = goal(NET.net.fc(kind.write(maps, acts).mean((2, 3))))  # type: ignore[operator]
            (g,) = torch.autograd.grad(value.sum(), acts)
            relevance = (g * found.acts[i : i + 1]).sum(2)[0]
            if part == 0:
                torch.testing.assert_close(once[i][left], relevance[left], rtol=1e-4, atol=1e-6)
            count = round(size * (part + 1) / 20) - len(order)
            going = sorted(left, key=lambda c: (-float(relevance[c]), c))[:count]
            order += going
            left = [c for c in left if c not in going]
        places = _places(ours, found.counts)[i]
        assert sorted(order, key=lambda c: int(places[c])) == order
    assert not torch.equal(_places(ours, found.counts), _places(once, found.counts))


def test_the_first_part_of_curves_is_that_of_shorter_ones() -> None:
    how = {"by": ("gradient", "energy"), "workers": 0, "progress": quiet}
    whole = faithful(NET, IMAGES, dictionary(), "b", steps=8, upto=1.0, **how)  # type: ignore[arg-type]
    half = faithful(NET, IMAGES, dictionary(), "b", steps=4, upto=0.5, **how)  # type: ignore[arg-type]
    assert repr(whole.first(0.5).rows) == repr(half.rows)
    with pytest.raises(SemlensError, match="choose from 0.125 to 1"):
        whole.first(0.1)


def test_equal_components_go_from_the_lower_unit_up_and_idle_ones_last() -> None:
    relevance = torch.tensor([[1.0, 5, 1, 9, 1]])
    counts = torch.tensor([[True, True, True, False, True]])
    assert _places(relevance, counts).tolist() == [[1, 0, 2, 4, 3]]


def test_the_logit_lens_of_a_tower_is_a_direction_through_its_last_norm_and_projection(clip_folder: Path) -> None:
    spec = f"open_clip:local-dir:{clip_folder}"
    tower, foundation = sl.load_model(spec), sl.load_foundation(spec, "cpu")
    draw = torch.Generator().manual_seed(0)
    decoder = nn.functional.normalize(torch.randn(24, 16, generator=draw))
    given = Dictionary(
        "transformer.resblocks.1@cls", decoder.T.contiguous(), torch.zeros(24), decoder, torch.zeros(16), Relu()
    )
    found = faithful(
        tower, random_images(5, side=32), given, sl.similarity("a cat", foundation),
        by=("logit_lens", "gradient", "ablation"), workers=0, progress=quiet, upto=1.0,
    )  # fmt: skip
    net = tower.net
    lens = Lens()
    ((kind, _),) = parse_all(net, [given], tower.example_input())
    x = torch.stack([tower.preprocess(random_images(5, side=32).load(i)) for i in range(5)])
    from semlens.revisit.faithful import _activations

    acts = _activations(tower, kind, x)
    target = fixed(tower, sl.similarity("a cat", foundation), x)
    batch = Asked(tower, kind, target, x, acts, torch.zeros_like(acts), None, tuple(range(5)), 0)
    seen = ranked("logit_lens", batch, lens)
    text = torch.from_numpy(foundation.embed_texts(["a cat"]))
    with torch.no_grad():
        alone = net.ln_post(decoder * lens.length) @ net.proj  # type: ignore[operator]
    expected = torch.cosine_similarity(alone, text).expand(5, -1)
    some = batch.counts.any(0)
    torch.testing.assert_close(seen[:, some], expected[:, some], rtol=1e-4, atol=1e-5)
    assert not seen[:, ~some].any()
    with torch.no_grad():
        cosine = torch.cosine_similarity(net(x), text)
    np.testing.assert_allclose(found.deletion[:, :, 0], np.tile(cosine, (3, 1)), atol=1e-5)


@pytest.mark.slow
def test_on_a_clip_tower_patching_beats_what_does_not_ask_the_image() -> None:
    model, foundation = sl.load_model("testbed:clip"), sl.load_foundation("testbed:clip", "cpu")
    scenes = World.of(CLEAN, 80, 5).scenes
    photos = load_images([draw(scene).image for scene in scenes])
    parts = sl.learn_dictionary(model, photos, "block3", n=64, k=6, steps=250, batch=256, workers=0, progress=quiet)
    shown = load_images([draw(scene).image for scene in scenes if scene.has("ruler")][:16])
    found = faithful(
        model, shown, parts, sl.similarity("a ruler", foundation), by=("gradient", "logit_lens", "energy", "random"),
        steps=5, workers=0, progress=quiet,
    )  # fmt: skip
    for row in found.rows:
        if row.by != "gradient":
            assert row.beyond_low > 0 if row.curve == "deletion" else row.beyond_high < 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"by": ("gradeint",)}, "unknown way to rank components 'gradeint'; nearest: gradient"),
        ({"by": ("energy", "energy")}, "each once"),
        ({"steps": 1}, "are no curve"),
        ({"upto": 0.0}, "are no curve"),
        ({"baseline": random_images(3)}, "3 images to compare with for 7 images"),
        ({"target": "act:1"}, "act:1 is a component: choose an output"),
    ],
)
def test_mistakes(given: dict[str, object], message: str) -> None:
    with pytest.raises(SemlensError, match=message):
        faithful(NET, IMAGES, "act", **{"workers": 0, "progress": quiet, **given})  # type: ignore[arg-type]


def test_heads_have_no_direction_for_a_lens() -> None:
    from timm.models.vision_transformer import VisionTransformer

    torch.manual_seed(0)
    vit = VisionTransformer(img_size=SIDE, patch_size=4, embed_dim=8, depth=1, num_heads=2, num_classes=3).eval()
    model = VisionModel(vit, to_tensor)
    layer = "blocks.0.attn@heads"
    with pytest.raises(SemlensError, match="no direction of their own: leave the logit lens out"):
        faithful(model, IMAGES, layer, 1, by=("logit_lens",), workers=0, progress=quiet)
    found = faithful(model, IMAGES, layer, 1, by=("gradient", "energy"), workers=0, progress=quiet)
    assert found.components == 2


def test_the_figure_has_a_line_per_way_and_the_areas(tmp_path: Path) -> None:
    found = faithful(NET, IMAGES, "act", "b", by=("gradient", "random"), steps=3, upto=1.0, workers=0, progress=quiet)
    figure = sl.plot(found)
    for axes, curve in zip(figure.axes, ("deletion", "insertion"), strict=True):
        own = [row for row in found.rows if row.curve == curve]
        said = [text.get_text() for text in axes.get_legend().get_texts()]
        assert said == [f"attribution patching  {own[0].area:.3f}", f"random order  {own[1].area:.3f}"]
        first = [point.score for point in found.points if (point.by, point.curve) == ("gradient", curve)]
        assert np.asarray(axes.lines[0].get_ydata()).tolist() == pytest.approx(first)
