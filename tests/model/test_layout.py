"""What passes is laid out as it is found: `collect` gives what a plain hook sees, one image at a time."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from torch import Tensor, nn
from torch.ao.quantization import FusedMovingAvgObsFakeQuantize

from semlens.attribution import attribute
from semlens.collection import collect
from semlens.errors import SemlensError
from semlens.images import load_images
from semlens.model.components import Rows, tensor_in
from semlens.model.hooks import Site, record
from semlens.model.kinds import Channels, Heads, Tokens
from semlens.model.layers import LayerRow, list_layers, parse, parse_all
from semlens.model.vision_model import VisionModel
from tests.toy import random_images, to_tensor

X = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
IMAGES = random_images(5)


class Net(nn.Module):
    """A convolution to 6 channels on a grid of 4 x 4, and a body on its map."""

    def __init__(self, body: Callable[["Net", Tensor], Tensor], kernel: tuple[int, int] = (2, 2), **parts: nn.Module):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.body = nn.Conv2d(3, 6, kernel, kernel), body
        self.token = nn.Parameter(torch.randn(1, 2, 6))
        for name, module in parts.items():
            self.add_module(name, module)

    def __getattr__(self, name: str) -> Any:  # its parts: what their names are, a test says
        return super().__getattr__(name)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(self, self.conv(x)).flatten(1)


def exact(net: nn.Module, layer: str, means: Callable[[Tensor], Tensor], batch_size: int = 3) -> None:
    """Holds `collect` against `means`, the components of what a hook on the layer sees of one image."""
    seen: list[Tensor] = []
    net.eval()
    with net.get_submodule(layer).register_forward_hook(lambda _m, _a, y: seen.append(means(y))), torch.no_grad():
        for i in range(len(IMAGES)):
            net(to_tensor(IMAGES.load(i))[None])
    truth = torch.stack(seen).numpy()
    found = collect(VisionModel(net, to_tensor), IMAGES, [layer], k=5, batch_size=batch_size, workers=0)
    assert len(found.ids) == truth.shape[1]
    rank, component = np.nonzero(found.ids.T >= 0)
    np.testing.assert_allclose(
        found.activations[component, rank], truth[found.ids[component, rank], component], rtol=1e-4, atol=1e-6
    )
    np.testing.assert_allclose(found.activations[:, 0], truth.max(0), rtol=1e-4, atol=1e-6)


def sides(x: Tensor) -> Tensor:
    rows = x.reshape(-1, x.shape[-1])
    return torch.cat([rows.clamp(min=0), (-rows).clamp(min=0)], 1).mean(0)


def last_axis(x: Tensor) -> Tensor:
    return x.flatten(0, -2).mean(0)


@pytest.mark.parametrize(("order", "rows"), [("nhw", Rows(0, 1, 4)), ("hwn", Rows(0, 4, 1)), ("hnw", Rows(0, 2, 2))])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_windows_are_positions_of_their_image_in_whatever_order_they_lie(
    order: str, rows: Rows, batch_size: int
) -> None:
    def body(net: Net, f: Tensor) -> Tensor:
        n = len(f)
        apart = f.view(n, 6, 2, 2, 2, 2).permute(*({"n": 0, "h": 2, "w": 4}[axis] for axis in order), 3, 5, 1)
        inner = net.inner(apart.reshape(4 * n, 4, 6))
        return inner.view(*({"n": n, "h": 2, "w": 2}[axis] for axis in order), -1).movedim(order.index("n"), 0)

    net = Net(body, inner=nn.Linear(6, 5))
    assert parse(net, "inner", X) == Tokens("inner", "patch", 0, rows=rows)
    exact(net, "inner", sides, batch_size)


def test_tokens_laid_end_to_end_are_positions() -> None:
    net = Net(lambda net, f: net.norm(f.permute(0, 2, 3, 1).reshape(-1, 6)).view(len(f), -1), norm=nn.BatchNorm1d(6))
    assert parse(net, "norm", X) == Channels("norm", rows=Rows(0, 1, 16))
    exact(net, "norm", last_axis)


def test_images_on_the_second_axis() -> None:
    net = Net(lambda net, f: net.inner(f.flatten(2).permute(2, 0, 1)).movedim(1, 0), inner=nn.Linear(6, 5))
    assert parse(net, "inner", X) == Tokens("inner", "patch", 0, rows=Rows(1), sides=(4, 4))
    exact(net, "inner", sides)


def test_components_lie_where_the_module_puts_them() -> None:
    net = Net(
        lambda net, f: net.line(net.act(net.up(f.permute(0, 2, 3, 1))).permute(0, 3, 1, 2).flatten(2)),
        up=nn.Linear(6, 4), act=nn.GELU(), line=nn.Conv1d(4, 3, 1),
    )  # fmt: skip
    assert [(row.layer, row.kind, row.components) for row in list_layers(net, X)] == [
        ("conv", "channels", 6), ("up", "channels:-1", 4), ("act", "channels:-1", 4), ("line", "channels", 3)
    ]  # fmt: skip
    exact(net, "act", last_axis)  # 4 x 4 x 4: its shape alone would not tell
    exact(net, "line", lambda y: y[0].mean(1))


def test_axes_of_one_length_are_told_apart_by_the_gradient() -> None:
    class Block(nn.Module):
        def __init__(self, last: bool) -> None:
            super().__init__()
            self.mix, self.last = nn.Linear(6, 4), last

        def forward(self, f: Tensor) -> Tensor:
            y = self.mix(f.permute(0, 2, 3, 1)).sigmoid()
            return y * 2 if self.last else y.permute(0, 3, 1, 2).contiguous() * 2

    assert parse(Net(lambda net, f: net.block(f), block=Block(True)), "block", X) == Channels("block", -1)
    assert parse(Net(lambda net, f: net.block(f), block=Block(False)), "block", X) == Channels("block", 1)


def test_volumes() -> None:
    net = Net(lambda net, f: net.volume(f[:, None]), volume=nn.Conv3d(1, 5, 2))
    assert parse(net, "volume", X) == Channels("volume")
    exact(net, "volume", lambda y: y[0].flatten(1).mean(1))


def test_where_nothing_decides_the_axis_is_asked_for() -> None:
    net = Net(lambda net, f: net.any(f.flatten(2) @ f.flatten(2).transpose(1, 2)), any=nn.Softmax(-1))
    with pytest.raises(SemlensError, match=r"what its components are cannot be seen; say it: any@channels:-1"):
        parse(net, "any", X)
    assert parse(net, "any@channels:-1", X) == Channels("any@channels:-1", -1)
    with pytest.raises(SemlensError, match="axis 0 .* holds the images"):
        parse(net, "any@channels:0", X)
    assert "any" not in {row.layer for row in list_layers(net, X)}


@pytest.mark.parametrize(("first", "last"), [(1, 0), (2, 0), (0, 1), (1, 1)])
def test_special_tokens_are_those_that_the_image_does_not_change(first: int, last: int) -> None:
    def body(net: Net, f: Tensor) -> Tensor:
        special = net.token.expand(len(f), -1, -1)
        t = net.join(
            torch.cat([special[:, :first], net.before(f.flatten(2).transpose(1, 2)), special[:, 2 - last :]], 1)
        )
        return net.after(net.mix(t.transpose(1, 2)).transpose(1, 2))

    length = 16 + first + last
    net = Net(body, before=nn.Linear(6, 6), join=nn.Dropout(), mix=nn.Linear(length, length), after=nn.Linear(6, 5))
    assert parse(net, "before", X) == Tokens("before", "patch", 0, sides=(4, 4))
    assert parse(net, "after", X) == Tokens("after", "patch", first, 0, last, sides=(4, 4))
    exact(net, "after", lambda y: sides(y[:, first : first + 16]))
    assert LayerRow("after", "tokens", 10, ("cls",)) in list_layers(net, X)
    special = slice(0, first) if first else slice(-last, None)
    y = torch.randn(2, length, 5)
    read = parse(net, "after@cls", X).read(y)
    assert torch.equal(read[:, :5], y[:, special].clamp(min=0).transpose(1, 2))


def test_tokens_are_special_where_the_others_can_be_seen_to_be_the_places_of_a_map() -> None:
    """A token that changes with the image is counted; queries, each of which sees the whole map, are all alike."""

    def pooled(net: Net, f: Tensor) -> Tensor:
        patches = f.flatten(2).transpose(1, 2)
        return net.inner(torch.cat([patches.mean(1, keepdim=True), patches], 1))

    net = Net(pooled, inner=nn.Linear(6, 5))
    assert parse(net, "inner", X) == Tokens("inner", "patch", 1, sides=(4, 4))
    exact(net, "inner", lambda y: sides(y[:, 1:]))
    net = Net(
        lambda net, f: net.inner(
            (net.pool(f) * net.squeeze(f.mean((2, 3), keepdim=True))).flatten(2).transpose(1, 2)
        ),
        pool=nn.AvgPool2d(2), squeeze=nn.Conv2d(6, 6, 1), inner=nn.Linear(6, 5),
    )  # fmt: skip
    assert parse(net, "inner", X) == Tokens("inner", "patch", 0, sides=(2, 2))  # a map of one place proves nothing
    net = Net(
        lambda net, f: net.inner(net.ask(f.flatten(2)).transpose(1, 2)), ask=nn.Linear(16, 18), inner=nn.Linear(6, 5)
    )
    assert parse(net, "inner", X) == Tokens("inner", "patch", 0)
    exact(net, "inner", sides)


def test_class_tokens_go_on_where_the_patches_are_pooled_for_each_head() -> None:
    def pools(net: Net, f: Tensor) -> Tensor:
        t = net.join(torch.cat([net.token[:, :1].expand(len(f), -1, -1), f.flatten(2).transpose(1, 2)], 1))
        t = t.softmax(1) * t.sum((1, 2), keepdim=True)  # every token sees every other
        maps = net.pool(t[:, 1:].transpose(1, 2).reshape(2 * len(f), 3, 4, 4)).flatten(2)
        fewer = maps.reshape(len(f), 6, 4).transpose(1, 2)
        return net.inner(torch.cat([t[:, :1], fewer], 1))

    net = Net(pools, join=nn.Identity(), pool=nn.Conv2d(3, 3, 2, 2, groups=3), inner=nn.Linear(6, 5))
    assert parse(net, "inner", X) == Tokens("inner", "patch", 1, sides=(2, 2))
    exact(net, "inner", lambda y: sides(y[:, 1:]))


def test_tokens_that_a_linear_layer_mixes_stay_tokens() -> None:
    def mixer(net: Net, f: Tensor) -> Tensor:
        t = net.before(f.flatten(2).transpose(1, 2))
        return t + net.drop(net.mix(t.transpose(1, 2)).transpose(1, 2))

    net = Net(mixer, before=nn.LayerNorm(6), mix=nn.Linear(16, 16), drop=nn.Identity())
    assert parse(net, "drop", X) == Tokens("drop", "patch", 0, sides=(4, 4))
    exact(net, "drop", sides)


def test_patches_in_another_order_have_no_grid() -> None:
    def windows(net: Net, f: Tensor) -> Tensor:
        apart = f.view(len(f), 6, 2, 2, 2, 2).permute(0, 2, 4, 3, 5, 1)
        return net.inner(net.drop(apart.reshape(len(f), 16, 6)))

    parts: dict[str, Any] = {"drop": nn.Dropout(), "inner": nn.Linear(6, 5)}
    assert parse(Net(windows, **parts), "inner", X) == Tokens("inner", "patch", 0)
    upright = Net(lambda net, f: net.inner(net.drop(f.flatten(2).transpose(1, 2))), **parts)
    assert parse(upright, "inner", X).grid(torch.zeros(1, 16, 5)) == (4, 4)
    turned = Net(lambda net, f: net.inner(net.drop(f.transpose(2, 3).flatten(2).transpose(1, 2))), **parts)
    assert parse(turned, "inner", X).grid(torch.zeros(1, 16, 5)) is None


@pytest.mark.slow
def test_a_few_layers_are_laid_out_as_all_are() -> None:
    net = timm.create_model("levit_128s", img_size=64, embed_dim=(16, 24), depth=(1, 1), num_heads=(2, 2), key_dim=8)
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    layers = [row.layer for row in list_layers(net, x)]
    together = [kind for kind, _ in parse_all(net, layers, x)]
    for layer, kind in list(zip(layers, together, strict=True))[::20]:
        assert parse(net.load_state_dict(net.state_dict()) and net, layer, x) == kind  # loading forgets what was seen


def test_the_grid_of_an_image_that_is_no_square() -> None:
    net = Net(lambda net, f: net.inner(f.flatten(2).transpose(1, 2)), (1, 4), inner=nn.Linear(6, 5))
    kind = parse(net, "inner", X)
    assert kind.grid(torch.zeros(1, 16, 5)) == (8, 2)


def test_heads_are_listed_where_they_can_be_read() -> None:
    class Unmixed(nn.Module):
        num_heads = 2

        def __init__(self) -> None:
            super().__init__()
            self.proj = nn.Linear(6, 6)

        def forward(self, f: Tensor) -> Tensor:
            return f @ self.proj.weight

    whole = Net(lambda net, f: net.attn(f.flatten(2).transpose(1, 2)), attn=Unmixed())
    assert [row.kind for row in list_layers(whole, X) if row.layer == "attn"] == ["tokens"]
    with pytest.raises(SemlensError, match="its output projection does not run as a module"):
        parse(whole, "attn@heads", X)

    class OverMaps(nn.Module):
        num_heads = 2

        def __init__(self) -> None:
            super().__init__()
            self.proj = nn.Linear(6, 6)

        def forward(self, f: Tensor) -> Tensor:
            return self.proj(f)

    net = Net(lambda net, f: net.attn(f.permute(0, 2, 3, 1)), attn=OverMaps())
    kind = parse(net, "attn@heads", X)
    assert kind == Heads("attn@heads", "attn.proj", 2, 0)
    y = torch.randn(2, 4, 4, 6)
    torch.testing.assert_close(kind.read(y), y.flatten(1, 2).unflatten(2, (2, 3)).norm(dim=-1).transpose(1, 2))
    assert torch.equal(kind.write(y, kind.read(y)), y)


class Attend(nn.Module):
    """Attention without a projection: what it returns are the heads, side by side."""

    def __init__(self, doubled: bool) -> None:
        super().__init__()
        self.num_attention_heads, self.doubled = 2, doubled
        self.query, self.key, self.value = (nn.Linear(6, 6) for _ in range(3))

    def forward(self, t: Tensor) -> tuple[Tensor]:
        q, k, v = (one(t).unflatten(2, (2, 3)).transpose(1, 2) for one in (self.query, self.key, self.value))
        return (((q @ k.transpose(2, 3)).softmax(3) @ v).transpose(1, 2).flatten(2).contiguous(),)


class InParts(nn.Module):
    """An attention as older transformers have it: heads in one module, the projection in another."""

    def __init__(self, doubled: bool = False) -> None:
        super().__init__()
        self.attention, self.output = Attend(doubled), nn.Sequential(nn.Linear(6, 6), nn.Dropout())

    def forward(self, t: Tensor) -> Tensor:
        vectors = self.attention(t)[0]
        return self.output(vectors * 2 if self.attention.doubled else vectors)


def test_heads_are_read_where_they_and_their_projection_are_modules_of_their_own() -> None:
    torch.manual_seed(0)
    net = Net(lambda net, f: net.attn(f.flatten(2).transpose(1, 2)), attn=InParts()).eval()
    assert ("attn", "heads", 2) in [(row.layer, row.kind, row.components) for row in list_layers(net, X)]
    kind = parse(net, "attn@heads:all", X)
    assert kind.site == Site("attn.output.0", side="input")
    with record(net, [kind.site, Site("attn.attention")]) as seen:
        net(X)
        vectors = tensor_in(seen[Site("attn.attention")])
        lengths = vectors.unflatten(2, (2, 3)).norm(dim=-1).transpose(1, 2)
        torch.testing.assert_close(kind.read(seen[kind.site]), lengths)
    other = Net(lambda net, f: net.attn(f.flatten(2).transpose(1, 2)), attn=InParts(doubled=True)).eval()
    assert "heads" not in [row.kind for row in list_layers(other, X)]  # something happens on the way to it


@pytest.mark.slow
def test_window_attention_of_a_real_model_is_exact() -> None:
    torch.manual_seed(0)
    net = timm.models.SwinTransformer(
        img_size=8, patch_size=1, embed_dim=4, depths=(2,), num_heads=(2,), window_size=4, num_classes=2
    )
    kind = parse(net, "layers.0.blocks.0.attn", X)
    assert isinstance(kind, Tokens)
    assert kind.rows == Rows(0, 1, 4)
    exact(net, "layers.0.blocks.1.attn", sides)
    exact(net, "layers.0.blocks.1.mlp.act", sides)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (lambda net, f: f + net.inner(net.token).sum(), "layer 'inner' has no axis that holds the images"),
        (lambda net, f: net.inner(torch.ones_like(f)), "layer 'inner' does not depend on the image"),
        (lambda net, f: net.inner(f - f.mean(0)), "layer 'inner' depends on the other images of the batch"),
        (lambda net, f: net.inner(f + torch.rand_like(f)), "layer 'inner' is not the same twice for the same images"),
        (lambda net, f: net.inner(f / len(f)), "layer 'inner' .* depends on the size of the batch"),
    ],
)
def test_what_is_no_row_per_image_is_refused_and_not_listed(
    body: Callable[[Net, Tensor], Tensor], message: str
) -> None:
    net = Net(body, inner=nn.Identity())
    with pytest.raises(SemlensError, match=message):
        collect(VisionModel(net, to_tensor), IMAGES, ["inner"], k=2, batch_size=2, workers=0)
    assert [row.layer for row in list_layers(net, X)] == ["conv"]


def test_batch_statistics_are_refused() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 2), nn.BatchNorm2d(4, track_running_stats=False), nn.ReLU())
    with pytest.raises(SemlensError, match="layer '2' depends on the other images of the batch"):
        parse(net, "2", X)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_what_hides_its_layers_is_refused_with_a_remedy() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 2), nn.ReLU())
    with pytest.raises(SemlensError, match="give the plain PyTorch module"):
        list_layers(torch.jit.trace(net, X), X)
    compiled = torch.compile(net)
    assert isinstance(compiled, nn.Module)
    with pytest.raises(SemlensError, match=r"give `net\._orig_mod`, or compile in place with `net\.compile\(\)`"):
        list_layers(compiled, X)


def test_a_layout_is_looked_for_again_when_weights_change() -> None:
    net = Net(lambda net, f: net.inner(f.flatten(2).transpose(1, 2)), inner=nn.Linear(6, 5))
    nn.init.zeros_(net.inner.weight)
    assert [row.layer for row in list_layers(net, X)] == ["conv"]
    nn.init.ones_(net.inner.weight)
    assert [row.layer for row in list_layers(net, X)] == ["conv", "inner"]


class Experts(nn.Module):
    """Light positions go to an expert, dark ones to none."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.expert = nn.Conv2d(3, 4, 1), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        tokens, light = self.conv(x).flatten(2).mT, x.mean(1).flatten(1) > 0.5
        out = torch.zeros_like(tokens)
        out[light] = self.expert(tokens[light])
        return out.mean(1)


@pytest.mark.parametrize(
    ("dark", "message"),
    [
        ((0, 8, 24), "gives 160 rows, where one image gave 64 .* depends on what the images show"),
        ((0, 32, 32), "layer 'expert' gives the rows of 2 images for 3; .* depends on what the images show"),
    ],
)
def test_rows_that_do_not_follow_the_images_are_refused_however_many_there_are(
    dark: tuple[int, ...], message: str
) -> None:
    images = np.full((3, 8, 8, 3), 255, np.uint8)
    for image, positions in zip(images, dark, strict=True):
        image.reshape(64, 3)[:positions] = 0
    model = VisionModel(Experts().eval(), to_tensor)
    with pytest.raises(SemlensError, match=message):
        collect(model, load_images([Image.fromarray(i) for i in images]), ["expert"], k=2, batch_size=3, workers=0)
    x = torch.stack([to_tensor(Image.fromarray(i)) for i in images])
    with pytest.raises(SemlensError, match=message):
        attribute(model, x, 0, layers=["expert"])


def quantised_as_it_runs() -> nn.Module:
    body = Net(
        lambda m, y: m.last(m.act(m.first(y.flatten(1)))), first=nn.Linear(96, 8), act=nn.ReLU(), last=nn.Linear(8, 4)
    )
    return torch.ao.quantization.quantize_dynamic(body, {nn.Linear})


def quantised_in_training() -> nn.Module:
    net = Net(lambda m, y: m.act(m.watch(y)), watch=FusedMovingAvgObsFakeQuantize(), act=nn.ReLU())
    net.watch.disable_fake_quant()
    return net


def masked_by_the_mean_of_all() -> nn.Module:
    return Net(lambda m, y: m.act(y * (y > y.mean())), act=nn.Identity())


@pytest.mark.parametrize(
    ("make", "apart"),
    [
        (quantised_as_it_runs, ["conv"]),
        (quantised_in_training, ["conv"]),
        (masked_by_the_mean_of_all, ["conv"]),
    ],
)
@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_layers_whose_numbers_depend_on_the_images_beside_are_not_listed(
    make: Callable[[], nn.Module], apart: list[str]
) -> None:
    model = VisionModel(make().eval(), to_tensor)
    assert [row.layer for row in model.layers()] == apart
    with pytest.raises(SemlensError, match="all images of a batch|other images of the batch"):
        collect(model, IMAGES, ["act"], k=2, batch_size=2, workers=0)
